package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// sentBodies is a transport that keeps what is sent, and creates everything.
type sentBodies struct{ bodies []string }

// RoundTrip implements http.RoundTripper.
func (s *sentBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	answer := `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`
	if r.URL.Path != "/oauth/token" {
		s.bodies, answer = append(s.bodies, string(body)), ""
	}
	return &http.Response{StatusCode: 201, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(answer)),
		Header: http.Header{"Location": {r.URL.String() + "/" + createdID}, "Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

// What a program writes in its own way goes out in K2's.
func TestPayoutsGoOutAsK2SpellsThem(t *testing.T) {
	t.Parallel()
	far := &sentBodies{}
	client, err := kopokopo.New(kopokopo.Config{BaseURL: "https://k2.example", Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret-4711"},
		CallbackURL: "https://shop.example/result", HTTPClient: &http.Client{Transport: far}})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.SendMoney.Sweep(t.Context(), kopokopo.SweepReq{SourceIdentifier: " 4321 ", Currency: " kes"})
	require.NoError(t, err)
	own := kopokopo.ToMerchantBankAccount(" own-1", kopokopo.Amount{Value: "100", Currency: "kes"})
	own.Description = "Rent"
	_, err = client.SendMoney.Create(t.Context(), kopokopo.SendMoneyReq{SourceIdentifier: " 4321 ", Destinations: []kopokopo.SendMoneyDestination{own}})
	require.NoError(t, err)
	require.Len(t, far.bodies, 2)
	assert.JSONEq(t, `{"source_identifier":"4321","currency":"KES","_links":{"callback_url":"https://shop.example/result"}}`, far.bodies[0])
	assert.JSONEq(t, `{"destinations":[{"type":"merchant_bank_account","reference":"own-1","amount":100,"description":"Rent"}],
		"source_identifier":"4321","currency":"KES","_links":{"callback_url":"https://shop.example/result"}}`, far.bodies[1])
	assert.Equal(t, kopokopo.NetworkSafaricom, kopokopo.ToMobileWallet("0712345678", kopokopo.KES("10"), "Salary").Network)
}

// A validation error says of what it is.
func TestValidationErrorsOfPayoutsSayOfWhat(t *testing.T) {
	t.Parallel()
	for what, req := range map[string]kopokopo.Request{
		"send money": kopokopo.SendMoneyReq{}, "sweep": kopokopo.SweepReq{}, "settlement transfer": kopokopo.SettlementTransferReq{}, "reversal": kopokopo.ReversalReq{},
	} {
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, req.Validate(), &invalid)
		assert.Equal(t, what, invalid.What)
		assert.True(t, strings.HasPrefix(invalid.Error(), "kopokopo: "+what+": "), invalid.Error())
	}
	wallet := func(amount string) error {
		return kopokopo.SendMoneyReq{Links: kopokopo.Links{Callback: "https://shop.example/result"},
			Destinations: []kopokopo.SendMoneyDestination{kopokopo.ToMobileWallet("0712345678", kopokopo.KES(amount), "Salary")}}.Validate()
	}
	assert.EqualError(t, wallet("ten"), "kopokopo: send money: destinations[0].amount.value must be a plain decimal such as 1500", "and not that it is outside of the limits")
	assert.EqualError(t, wallet("9.99"), "kopokopo: send money: destinations[0].amount.value must be between KES 10 and KES 250,000 to a mobile wallet")
	assert.NoError(t, wallet("10"))
}

// K2 is not sure of its plurals.
func TestProcessTakesBothNamesOfAnIncomingPayment(t *testing.T) {
	t.Parallel()
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: "https://k2.example", Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret-4711"}})
	document := func(kind, attributes string) string {
		return `{"data":{"id":"` + createdID + `","type":"` + kind + `","attributes":{` + attributes + `}}}`
	}
	for _, kind := range []string{"incoming_payment", "incoming_payments"} {
		id, err := sdk.ProcessIncommingMpesaPayment(document(kind, paidSTK))
		require.NoError(t, err, kind)
		assert.Equal(t, createdID, id)
		id, err = sdk.ProcessIncommingMpesaPayment(document(kind, `"status":"Failed","event":{"errors":"no"}`))
		assert.ErrorIs(t, err, kopokopo.ErrPaymentFailed, kind)
		assert.Equal(t, createdID, id)
	}
	for _, kind := range []string{"payment", "incoming_paymentss", "incoming_payment/s", "", "polling", "Incoming_Payment", "v2/incoming_payment"} {
		_, err := sdk.ProcessIncommingMpesaPayment(document(kind, paidSTK))
		assert.ErrorIs(t, err, kopokopo.ErrResponse, kind)
	}
}
