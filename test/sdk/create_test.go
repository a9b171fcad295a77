package sdk_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// requireCreate checks what a create looks like on the wire, and returns its body decoded.
func requireCreate(t *testing.T, r seenRequest, path string) any {
	t.Helper()
	assert.Equal(t, http.MethodPost, r.Method)
	assert.Equal(t, path, r.Path)
	assert.Empty(t, r.Query)
	assert.Equal(t, []string{"Bearer " + testToken}, r.Header["Authorization"])
	assert.Equal(t, []string{"application/json"}, r.Header["Content-Type"])
	assert.Equal(t, []string{"application/json"}, r.Header["Accept"])
	assert.Equal(t, []string{ownUserAgent}, r.Header["User-Agent"])
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "X-Kopokopo-Signature", "Cookie"} {
		assert.NotContains(t, r.Header, name)
	}
	assert.NotContains(t, string(r.Body), testSecret)
	assert.NotContains(t, string(r.Body), testAPIKey)
	assert.False(t, bytes.HasSuffix(r.Body, []byte("\n")))
	return tree(t, r.Body)
}

func TestCreatesSendTheDocumentedBody(t *testing.T) {
	t.Parallel()
	wallet := kopokopo.PaymentRecipient{FirstName: "John", LastName: "Doe", Email: "johndoe@nomail.net", PhoneNumber: "0999 999 999", Network: "Safaricom"}
	bank := kopokopo.PaymentRecipient{AccountName: "John Doe", BankBranchReference: "633aa26c-7b7c-4091-ae28-96c0687cf886", AccountNumber: "1234567890", SettlementMethod: "eft"}
	paybill := kopokopo.PaymentRecipient{PayBillName: "Power Co", PayBillNumber: "888880", PayBillAccountNumber: "12345678"}
	recipient := func(kind string, r kopokopo.PaymentRecipient) func(kopokopo.SDK) (string, error) {
		return func(sdk kopokopo.SDK) (string, error) {
			return sdk.AddPayRecipients(testToken, kopokopo.AddPAYRecipient{Type: kind, PaymentRecipient: r})
		}
	}
	tests := []struct {
		name, path, sample string
		call               func(kopokopo.SDK) (string, error)
	}{
		{"incoming payment", "/api/v1/incoming_payments", "request_incoming_payment_v2.json",
			func(sdk kopokopo.SDK) (string, error) { return sdk.ReceiveMpesaPayment(testToken, validSTK()) }},
		{"payment", "/api/v1/payments", "request_payment_v1.json",
			func(sdk kopokopo.SDK) (string, error) { return sdk.CreatePayment(testToken, validPayment()) }},
		{"mobile wallet", "/api/v1/pay_recipients", "request_pay_recipient_mobile_wallet_v1.json", recipient("mobile_wallet", wallet)},
		{"bank account", "/api/v1/pay_recipients", "request_pay_recipient_bank_account_v1.json", recipient("bank_account", bank)},
		{"till", "/api/v1/pay_recipients", "request_pay_recipient_till_v1.json", recipient("Till", validTill().PaymentRecipient)},
		{"paybill", "/api/v1/pay_recipients", "request_pay_recipient_paybill_v1.json", recipient("paybill", paybill)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, created)
			id, err := test.call(far.SDK())
			require.NoError(t, err)
			assert.Equal(t, testID, id)
			assert.Equal(t, tree(t, sample(t, test.sample)), requireCreate(t, far.Only(t), test.path))
		})
	}
}

func TestCreateWebhookSendsItsRequest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		req  kopokopo.CreateWebhookReq
		want string
	}{
		"till": {validWebhook(),
			`{"event_type":"buygoods_transaction_received","url":"https://myapplication.com/webhooks","scope":"till","scope_reference":"555555"}`},
		"company": {kopokopo.CreateWebhookReq{EventType: "customer_created", URL: "https://shop.example/h?a=1&b=<2>", Scope: "company"},
			`{"event_type":"customer_created","url":"https://shop.example/h?a=1&b=<2>","scope":"company","scope_reference":""}`},
		"daraja": {kopokopo.CreateWebhookReq{EventType: "b2b_transaction_received", URL: "http://127.0.0.1:8080/h", Scope: "till", ScopeRef: "1", EnableDarajaPayload: true},
			`{"event_type":"b2b_transaction_received","url":"http://127.0.0.1:8080/h","scope":"till","scope_reference":"1","enable_daraja_payload":true}`},
		"unheard of": {kopokopo.CreateWebhookReq{EventType: "paybill_transaction_received", URL: "https://shop.example/h", Scope: "Company"},
			`{"event_type":"paybill_transaction_received","url":"https://shop.example/h","scope":"Company","scope_reference":""}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, created)
			id, err := far.SDK().CreateWebhook(testToken, test.req)
			require.NoError(t, err)
			assert.Equal(t, testID, id)
			requireCreate(t, far.Only(t), "/api/v1/webhook_subscriptions")
			assert.Equal(t, test.want, string(far.Only(t).Body), "compact, and nothing is HTML-escaped")
		})
	}
}

func TestOptionalMembersStayAway(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	stk := validSTK()
	stk.Subscriber = kopokopo.Subscriber{PhoneNumber: "0712345678"}
	stk.Metadata = nil
	stk.Amount.Value = "0099.50"
	stk.PaymentChannel = "m-pesa"
	_, err := far.SDK().ReceiveMpesaPayment(testToken, stk)
	require.NoError(t, err)
	assert.JSONEq(t, `{"payment_channel":"M-PESA","till_number":"K000000","subscriber":{"phone_number":"+254712345678"},
		"amount":{"currency":"KES","value":99.50},"_links":{"callback_url":"https://callback_to_your_app.your_application.com"}}`,
		string(far.Only(t).Body))
	assert.Contains(t, string(far.Only(t).Body), `"value":99.50}`, "digits as they were given")
}

func TestPaymentWithoutOptionalMembers(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	payment := validPayment()
	payment.Category, payment.Tags, payment.Metadata = "", " , ", nil
	_, err := far.SDK().CreatePayment(testToken, payment)
	require.NoError(t, err)
	assert.JSONEq(t, `{"destination_type":"mobile_wallet","destination_reference":"c7f300c0-f1ef-4151-9bbe-005005aa3747",
		"amount":{"currency":"KES","value":20000},"description":"Salary payment for May 2018",
		"_links":{"callback_url":"https://dummy_callback_url/payment_result"}}`, string(far.Only(t).Body))
}

func TestMetadataKeepsItsTypes(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	stk := validSTK()
	stk.Metadata = map[string]any{"n": int64(9007199254740993), "b": true, "z": nil, "o": map[string]any{"a": []int{1}}, "s": "<&>"}
	_, err := far.SDK().ReceiveMpesaPayment(testToken, stk)
	require.NoError(t, err)
	got := tree(t, far.Only(t).Body).(map[string]any)["metadata"]
	assert.Equal(t, tree(t, []byte(`{"n":9007199254740993,"b":true,"z":null,"o":{"a":[1]},"s":"<&>"}`)), got)
}

// A request is validated and sent as a copy: callers keep and queue theirs.
func TestCreatesLeaveTheRequestAlone(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	cfg := far.Config()
	cfg.CallbackURL = testCallback
	sdk := kopokopo.NewSDK(cfg)
	stk := validSTK()
	stk.Links.Callback = ""
	stk.Subscriber.PhoneNumber = "0712 345 678"
	before, metadata := stk, stk.Metadata
	_, err := sdk.ReceiveMpesaPayment(testToken, stk)
	require.NoError(t, err)
	assert.Equal(t, before, stk)
	assert.Len(t, metadata, 3, "nothing of ours is added")
}

func TestCreatesAgainstTheEmbeddedKopoKopo(t *testing.T) {
	t.Parallel()
	srv := kopokopotest.NewServer()
	t.Cleanup(srv.Close)
	sdk := kopokopo.NewSDK(srv.Config())
	token, err := sdk.GetToken()
	require.NoError(t, err)
	for _, create := range creates {
		id, err := create.Call(sdk, token.AccessToken)
		require.NoError(t, err, create.Name)
		assert.NotEmpty(t, id, create.Name)
		assert.Equal(t, 1, srv.Count(http.MethodPost, create.Path), create.Name)
	}
	for _, r := range srv.Requests()[1:] {
		assert.Equal(t, "Bearer "+token.AccessToken, r.Header.Get("Authorization"))
		assert.Equal(t, ownUserAgent, r.Header.Get("User-Agent"))
		tree(t, r.Body)
	}
	_, err = sdk.CreateWebhook("not-"+token.AccessToken, validWebhook())
	require.ErrorIs(t, err, kopokopo.ErrUnauthorized)
	assert.Equal(t, []error{kopokopo.ErrRefused}, outcomes(err))
	assert.Equal(t, 2, srv.Count(http.MethodPost, "/api/v1/webhook_subscriptions"), "no other token is tried")
	assert.Equal(t, 1, srv.Count(http.MethodPost, "/oauth/token"))
}
