package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// createdID is the id that the servers of these tests give to everything.
const createdID = "6f1d2c3b-aaaa-4bbb-8ccc-0123456789ab"

// answeringK2 answers a create with the id, and every look with the next of its
// documents, the last of which stays. It counts the creates.
type answeringK2 struct {
	kind      string
	documents []string // attributes
	creates   int
}

// RoundTrip implements http.RoundTripper.
func (k *answeringK2) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	status, header, body := 200, http.Header{"Content-Type": {"application/json"}}, ""
	switch {
	case r.URL.Path == "/oauth/token":
		body = `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`
	case r.Method == http.MethodPost:
		k.creates++
		status = 201
		header.Set("Location", r.URL.String()+"/"+createdID)
	default:
		body = `{"data":{"id":"` + createdID + `","type":"` + k.kind + `","attributes":` + k.documents[0] + `}}`
		if len(k.documents) > 1 {
			k.documents = k.documents[1:]
		}
	}
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
}

// asking is a CreateAndWait, whatever its types.
type asking func(ctx context.Context, c *kopokopo.Client) (doc documentFacts, err error)

// documentFacts is what the tests look at in any document.
type documentFacts struct {
	id      string
	kind    string
	raw     string
	outcome kopokopo.Outcome
}

// creatingAndWaiting is the CreateAndWait of any endpoint.
type creatingAndWaiting[R kopokopo.Request, A any] interface {
	CreateAndWait(ctx context.Context, req R, opts ...kopokopo.CallOption) (*kopokopo.Document[A], error)
}

func ask[R kopokopo.Request, A kopokopo.Outcomer](pick func(c *kopokopo.Client) creatingAndWaiting[R, A], req R) asking {
	return func(ctx context.Context, c *kopokopo.Client) (documentFacts, error) {
		doc, err := pick(c).CreateAndWait(ctx, req, kopokopo.WithWaitLimit(time.Minute))
		if doc == nil {
			return documentFacts{}, err
		}
		return documentFacts{doc.ID, doc.Type, string(doc.Raw), doc.Attributes.Outcome()}, err
	}
}

var answerLinks = kopokopo.Links{Callback: "https://shop.example/result"}

// askings are requests of everything that is compared.
var askings = map[string]struct {
	kind string
	ask  asking
}{
	"incoming payment": {"incoming_payment", ask(func(c *kopokopo.Client) creatingAndWaiting[kopokopo.ReceiveMpesaReq, kopokopo.IncomingPayment] {
		return c.IncomingPayments
	}, kopokopo.ReceiveMpesaReq{PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000000", Subscriber: kopokopo.Subscriber{PhoneNumber: "+254712345678"},
		Amount: kopokopo.KES("100"), Metadata: answerMetadata, Links: answerLinks})},
	"payment": {"payment", ask(func(c *kopokopo.Client) creatingAndWaiting[kopokopo.CreatePaymentReq, kopokopo.Payment] {
		return c.V1.Payments
	},
		kopokopo.CreatePaymentReq{DestinationType: "mobile_wallet", DestinationReference: "c7f300c0", Amount: kopokopo.KES("100"), Description: "Salary", Metadata: answerMetadata, Links: answerLinks})},
	"send money": {"send_money", ask(func(c *kopokopo.Client) creatingAndWaiting[kopokopo.SendMoneyReq, kopokopo.SendMoney] {
		return c.SendMoney
	},
		kopokopo.SendMoneyReq{Metadata: answerMetadata, Links: answerLinks, Destinations: []kopokopo.SendMoneyDestination{
			kopokopo.ToMobileWallet("0712 345 678", kopokopo.KES("100"), "Salary"), kopokopo.ToTill("12444", kopokopo.KES("250.50"), "Stock")}})},
	"settlement transfer": {"settlement_transfer", ask(func(c *kopokopo.Client) creatingAndWaiting[kopokopo.SettlementTransferReq, kopokopo.SettlementTransfer] {
		return c.V1.SettlementTransfers
	}, kopokopo.SettlementTransferReq{Amount: kopokopo.KES("100"), DestinationType: "merchant_wallet", DestinationReference: "own-1", Links: answerLinks})},
	"blind settlement transfer": {"settlement_transfer", ask(func(c *kopokopo.Client) creatingAndWaiting[kopokopo.SettlementTransferReq, kopokopo.SettlementTransfer] {
		return c.V1.SettlementTransfers
	}, kopokopo.SettlementTransferReq{Blind: true, Links: answerLinks})},
	"reversal": {"reversals", ask(func(c *kopokopo.Client) creatingAndWaiting[kopokopo.ReversalReq, kopokopo.Reversal] {
		return c.Reversals
	},
		kopokopo.ReversalReq{TransactionReference: "TQ2L262026", Reason: "Twice", Metadata: answerMetadata, Links: answerLinks})},
	"payment link": {"payment_link", ask(func(c *kopokopo.Client) creatingAndWaiting[kopokopo.PaymentLinkReq, kopokopo.PaymentLink] {
		return c.PaymentLinks
	},
		kopokopo.PaymentLinkReq{TillNumber: "000000", Amount: kopokopo.KES("100"), Metadata: answerMetadata, Links: answerLinks})},
}

// word is a text that is not a string.
type word string

var answerMetadata = map[string]any{"order": "A-1 & co", "test": true, "number": 7, "name": word("Jane"), "odd": "\xff"}

// answered asks K2 for something, and returns what came of it.
func answered(t *testing.T, name string, documents ...string) (documentFacts, *answeringK2, error) {
	t.Helper()
	k2 := &answeringK2{kind: askings[name].kind, documents: documents}
	var doc documentFacts
	var err error
	synctest.Test(t, func(t *testing.T) {
		client, newErr := kopokopo.New(kopokopo.Config{BaseURL: "https://k2.example", Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret-4711"},
			MaxRetries: -1, HTTPClient: &http.Client{Transport: k2}})
		require.NoError(t, newErr)
		doc, err = askings[name].ask(t.Context(), client)
		require.NoError(t, client.Close())
	})
	return doc, k2, err
}

// The parts of documents that succeeded.
const (
	paidSTK      = `"status":"Success","event":{"type":"Incoming Payment Request","resource":{"id":"1","reference":"OJJ1MPU40Z","status":"Received","amount":"100.0"},"errors":null}`
	paidBatch    = `"status":"Processed","amount":{"currency":"KES","value":100},"transfer_batches":[{"status":"Transferred","disbursements":[{"amount":"100.0","status":"Transferred","transaction_reference":"R"}]}]`
	twoBatches   = `"transfer_batches":[{"status":"Transferred","disbursements":[{"amount":"250.5","status":"Transferred","destination_type":"till","till_number":"12444"},{"amount":"100.0","status":"Transferred","destination_type":"mobile_wallet","phone_number":"254712345678"}]}]`
	paidTwo      = `"status":"Processed",` + twoBatches
	askedTwo     = `"destinations":[{"type":"till","amount":250.5,"till_number":"12444"},{"type":"mobile_wallet","amount":100,"phone_number":"254712345678"}]`
	paidReversal = `"status":"Processed","reversal_bulk_payment":{"amount":"400.0","status":"Transferred"}`
	madeLink     = `"status":"Processed","amount":"100.00","payment_link":{"link":"/links/1","payment_link_status":"Active"}`
)

// A document that agrees with the request, or says nothing, is what it was before.
func TestAnswersThatAgreeWithTheRequest(t *testing.T) {
	for name, documents := range map[string][]string{
		"incoming payment": {`{` + paidSTK + `}`, `{` + paidSTK + `,"metadata":{"order":"A-1 & co","test":"true","number":8,"name":"Jane","odd":"\ufffd","more":"x"}}`,
			`{` + paidSTK + `,"metadata":{"order":["A-2"],"test":null,"number":"8","name":5}}`, strings.Replace(`{`+paidSTK+`}`, `"100.0"`, `null`, 1),
			strings.Replace(`{`+paidSTK+`}`, `"100.0"`, `100`, 1), `{` + paidSTK + `,"metadata":[]}`},
		"payment":                   {`{` + paidBatch + `}`, `{` + paidBatch + `,"metadata":{"order":" A-1 & co "}}`},
		"send money":                {`{` + paidTwo + `}`, `{` + paidTwo + `,` + askedTwo + `,"metadata":{"test":true}}`, `{` + paidTwo + `,"destinations":null}`, `{` + paidTwo + `,"destinations":[]}`},
		"settlement transfer":       {`{` + paidBatch + `}`, strings.Replace(`{`+paidBatch+`}`, `100,`, `"100.00",`, 1)},
		"blind settlement transfer": {`{` + paidBatch + `}`, strings.Replace(`{`+paidBatch+`}`, `100}`, `null}`, 1)},
		"reversal": {`{` + paidReversal + `}`, `{` + paidReversal + `,"transaction_reference":" tq2l262026"}`, `{` + paidReversal + `,"transaction_reference":"059278a2-8ffe-4f31-b3b4-d6c76770c72f"}`,
			`{` + paidReversal + `,"transaction_reference":null}`},
		"payment link": {`{` + madeLink + `}`, `{` + madeLink + `,"metadata":{"order":"A-1 & co"}}`},
	} {
		for _, document := range documents {
			doc, k2, err := answered(t, name, document)
			require.NoError(t, err, "%s %s", name, document)
			assert.Equal(t, kopokopo.OutcomeSucceeded, doc.outcome, "%s %s", name, document)
			assert.Equal(t, 1, k2.creates)
		}
	}
}

// A document that says something else than the request is another request's.
func TestAnswersThatDifferFromTheRequest(t *testing.T) {
	otherOrder := `,"metadata":{"order":"A-2","test":true}`
	for name, documents := range map[string]map[string]string{ // what differs, by document
		"incoming payment": {strings.Replace(`{`+paidSTK+`}`, `"100.0"`, `"1000.0"`, 1): "amount", `{` + paidSTK + otherOrder + `}`: "metadata",
			`{` + paidSTK + `,"metadata":{"test":false}}`: "metadata", `{` + paidSTK + `,"metadata":{"name":"Joe"}}`: "metadata",
			`{"status":"Pending"` + otherOrder + `}`: "metadata", `{"status":"Failed","event":{"errors":"no"}` + otherOrder + `}`: "metadata"},
		"payment": {strings.Replace(`{`+paidBatch+`}`, `100}`, `100.01}`, 1): "amount", `{` + paidBatch + otherOrder + `}`: "metadata"},
		"send money": {`{` + paidTwo + otherOrder + `}`: "metadata",
			`{` + paidTwo + `,` + strings.Replace(askedTwo, `100,`, `101,`, 1) + `}`:                                                     "destinations",
			`{` + paidTwo + `,` + strings.Replace(askedTwo, `12444`, `12445`, 1) + `}`:                                                   "destinations",
			`{` + paidTwo + `,` + strings.Replace(askedTwo, `254712345678`, `0712345679`, 1) + `}`:                                       "destinations",
			`{` + paidTwo + `,"destinations":[{"type":"mobile_wallet","amount":100,"phone_number":"254712345678"}]}`:                     "destinations",
			`{"status":"Scheduled",` + strings.Replace(askedTwo, `]`, `,{"type":"till","amount":250.5,"till_number":"12444"}]`, 1) + `}`: "destinations"},
		"settlement transfer": {strings.Replace(`{`+paidBatch+`}`, `100}`, `"99"}`, 1): "amount"},
		"reversal":            {`{` + paidReversal + `,"transaction_reference":"TQ2L262027"}`: "transaction_reference", `{` + paidReversal + otherOrder + `}`: "metadata"},
		"payment link":        {strings.Replace(`{`+madeLink+`}`, `"100.00"`, `10`, 1): "amount", `{` + madeLink + otherOrder + `}`: "metadata"},
	} {
		for document, field := range documents {
			doc, k2, err := answered(t, name, `{"status":"Received"}`, document)
			require.Error(t, err, "%s %s", name, document)
			assert.ErrorIs(t, err, kopokopo.ErrOutcomeUnknown, document)
			assert.ErrorIs(t, err, kopokopo.ErrResponse, document)
			for _, not := range []error{kopokopo.ErrNotSent, kopokopo.ErrRefused, kopokopo.ErrStillPending, kopokopo.ErrPaymentFailed, kopokopo.ErrPartial} {
				assert.NotErrorIs(t, err, not, document)
			}
			var call *kopokopo.CallError
			require.ErrorAs(t, err, &call)
			assert.Equal(t, "create "+name, call.Op)
			assert.Equal(t, kopokopo.ErrOutcomeUnknown, call.Outcome)
			assert.GreaterOrEqual(t, call.Attempts, 1)
			assert.ErrorContains(t, err, "differs from the request in "+field+",", document)
			for _, personal := range []string{"A-1", "A-2", "712345", "12444", "100", "TQ2L", "Jane", "{", "\n"} {
				assert.NotContains(t, err.Error(), personal)
			}
			assert.NotEmpty(t, call.Advice)
			assert.Equal(t, documentFacts{id: createdID}, doc, "nothing of another request's document is handed out")
			assert.Equal(t, 1, k2.creates, "nothing is sent again")
		}
	}
	_, _, err := answered(t, "send money", `{`+paidTwo+otherOrder+`}`)
	assert.EqualError(t, err, "kopokopo: create send money: outcome unknown: unusable answer: what K2 has under the id it gave differs from the request in metadata, "+
		"so that the id may be another request's; do not pay again: wait for the callback, which returns your metadata, or look in the dashboard")
}

// Destinations can be repeated in another order and in part, and what cannot be
// compared says nothing.
func TestDestinationsThatAgreeWithTheRequest(t *testing.T) {
	for _, destinations := range []string{
		`[{"type":"mobile_wallet","amount":"100.0","phone_number":"0712345678"},{"type":"till","amount":"250.50","till_number":"K12444"}]`,
		`[{"amount":250.50},{"amount":100}]`,
		`[{"type":"Till","amount":250.50},{"type":"Mobile Wallet","amount":100,"phone_number":"2547******78"}]`,
		`[{"type":"till"},{"type":"mobile_wallet"}]`,
	} {
		_, _, err := answered(t, "send money", `{"status":"Scheduled","destinations":`+destinations+`}`)
		assert.ErrorIs(t, err, kopokopo.ErrStillPending, destinations)
		assert.NotErrorIs(t, err, kopokopo.ErrOutcomeUnknown, destinations)
	}
	_, _, err := answered(t, "send money", `{"status":"Scheduled","destinations":[{"amount":100},{"amount":100}]}`)
	assert.ErrorIs(t, err, kopokopo.ErrOutcomeUnknown, "nothing of it is 250.50")
}

// Where K2 does not repeat the destinations, the request has them.
func TestDestinationsOfTheRequestTakeTheirPlace(t *testing.T) {
	const paidOne = `"transfer_batches":[{"status":"Transferred","disbursements":[{"amount":"100.0","status":"Transferred","destination_type":"mobile_wallet","phone_number":"254712345678"}]}]`
	for document, want := range map[string]kopokopo.Outcome{
		`{"status":"Processed","destinations":null,` + paidOne + `}`:    kopokopo.OutcomePending, // and the till got nothing
		`{"status":"Processed","destinations":null,"errors":["no"]}`:    kopokopo.OutcomePending,
		`{"status":"Failed","destinations":null}`:                       kopokopo.OutcomeFailed,
		`{"status":"Processed","destinations":null,` + twoBatches + `}`: kopokopo.OutcomeSucceeded,
	} {
		doc, _, err := answered(t, "send money", document)
		assert.Equal(t, want, doc.outcome, document)
		assert.Equal(t, want == kopokopo.OutcomePending, errors.Is(err, kopokopo.ErrStillPending), "%s: %v", document, err)
	}
	// By its id alone nothing says that there should be more.
	k2 := &answeringK2{kind: "send_money", documents: []string{`{"status":"Processed","destinations":null,` + paidOne + `}`}}
	synctest.Test(t, func(t *testing.T) {
		client, err := kopokopo.New(kopokopo.Config{BaseURL: "https://k2.example", Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret-4711"}, HTTPClient: &http.Client{Transport: k2}})
		require.NoError(t, err)
		defer client.Close()
		doc, err := client.SendMoney.Wait(t.Context(), createdID)
		require.NoError(t, err)
		assert.Nil(t, doc.Attributes.Results())
		assert.Nil(t, doc.Attributes.Unpaid())

		k2.documents = []string{`{"status":"Failed","destinations":null,"currency":"KES"}`}
		asked := kopokopo.SendMoneyReq{Links: answerLinks, Destinations: []kopokopo.SendMoneyDestination{
			kopokopo.ToMobileWallet("0712 345 678", kopokopo.KES("100"), "Salary"), kopokopo.ToMerchantWallet("own-1", kopokopo.KES("5.5"))}}
		doc, err = client.SendMoney.CreateAndWait(t.Context(), asked)
		require.ErrorIs(t, err, kopokopo.ErrPaymentFailed)
		assert.Nil(t, doc.Attributes.Destinations, "what K2 sent stays what it is")
		assert.Equal(t, asked.Destinations, doc.Attributes.Unpaid(), "as it was asked for, down to the spelling")
		assert.Len(t, doc.Attributes.Results(), 2)
	})
}

// The embedded Kopo Kopo pays some and not others, and those are paid again.
func TestUnpaidOfAnEmbeddedKopoKopoIsPaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k2 := kopokopotest.NewInMemoryServer()
		k2.Handle("https://shop.example/result", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		cfg := k2.Config()
		cfg.CallbackURL = "https://shop.example/result"
		client, err := kopokopo.New(cfg)
		require.NoError(t, err)
		failing := kopokopo.ToMobileWallet(kopokopotest.FailPhone, kopokopo.KES("1200"), "Salary")
		req := kopokopo.SendMoneyReq{Destinations: []kopokopo.SendMoneyDestination{
			failing, kopokopo.ToMobileWallet("0712345678", kopokopo.KES("1200"), "Salary"), failing, kopokopo.ToTill("00000", kopokopo.KES("50.50"), "Stock")}}
		doc, err := client.SendMoney.CreateAndWait(t.Context(), req)
		require.ErrorIs(t, err, kopokopo.ErrPartial)
		assert.Equal(t, []kopokopo.Outcome{rowFailed, rowPaid, rowFailed, rowFailed}, outcomesOf(doc.Attributes.Results()))
		assert.NotEmpty(t, doc.Attributes.Results()[1].Reference)
		for _, i := range []int{0, 2, 3} {
			assert.Equal(t, []string{"The balance is insufficient for the transaction"}, doc.Attributes.Results()[i].Reasons)
		}
		unpaid := doc.Attributes.Unpaid()
		require.Len(t, unpaid, 3)
		unpaid[0].PhoneNumber, unpaid[1].PhoneNumber, unpaid[2].TillNumber = "0712345679", "0712345680", "12444" // they have put it right
		again, err := client.SendMoney.CreateAndWait(t.Context(), kopokopo.SendMoneyReq{Destinations: unpaid})
		require.NoError(t, err)
		assert.Equal(t, []kopokopo.Outcome{rowPaid, rowPaid, rowPaid}, outcomesOf(again.Attributes.Results()))
		assert.Equal(t, "50.5", again.Attributes.Destinations[2].Amount.String())
		require.NoError(t, client.Close())
		k2.Close()
	})
}
