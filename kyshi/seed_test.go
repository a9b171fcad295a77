package kyshi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

// Everything Kyshi's field reference says, against what this package does.

// everything has a value of its own in each documented member.
const everything = `{"event":"successful","data":{"reference":"the reference","amount":1234567.89,
	"customer":{"id":"the id","firstName":"the first name","lastName":"the last name","email":"the email","phone":"the phone"},
	"authorization":{"authorizationCode":"the code","cardType":"the card type","brand":"the brand","last4":"0081","bin":"008408","expMonth":"08","expYear":"2030"},
	"log":{"the":"log"},"meta":{"localCurrency":"GHS","localAmount":0.10,"feeBreakdown":{"vat":0.07,"fee":15.50}}}}`

// seedRows are the rows of the reference's table of parameters, in its order.
var seedRows = []struct {
	name string
	want string
	get  func(*kyshi.Event) string
}{
	{"event", "successful", func(e *kyshi.Event) string { return string(e.Type) }},
	{"data", "the reference", func(e *kyshi.Event) string { return e.Data.Reference }},
	{"data.reference", "the reference", func(e *kyshi.Event) string { return e.Data.Reference }},
	{"data.amount", "1234567.89", func(e *kyshi.Event) string { return e.Data.Amount.String() }},
	{"data.customer", "the id", func(e *kyshi.Event) string { return e.Data.Customer.ID }},
	{"data.customer.id", "the id", func(e *kyshi.Event) string { return e.Data.Customer.ID }},
	{"data.customer.firstName", "the first name", func(e *kyshi.Event) string { return e.Data.Customer.FirstName }},
	{"data.customer.lastName", "the last name", func(e *kyshi.Event) string { return e.Data.Customer.LastName }},
	{"data.customer.email", "the email", func(e *kyshi.Event) string { return e.Data.Customer.Email }},
	{"data.customer.phone", "the phone", func(e *kyshi.Event) string { return e.Data.Customer.Phone }},
	{"data.authorization", "0081", func(e *kyshi.Event) string { return e.Data.Authorization.Last4 }},
	{"data.authorization.authorizationCode", "the code", func(e *kyshi.Event) string { return e.Data.Authorization.AuthorizationCode }},
	{"data.authorization.cardType", "the card type", func(e *kyshi.Event) string { return e.Data.Authorization.CardType }},
	{"data.authorization.brand", "the brand", func(e *kyshi.Event) string { return e.Data.Authorization.Brand }},
	{"data.authorization.last4", "0081", func(e *kyshi.Event) string { return e.Data.Authorization.Last4 }},
	{"data.authorization.bin", "008408", func(e *kyshi.Event) string { return e.Data.Authorization.BIN }},
	{"data.authorization.expMonth", "08", func(e *kyshi.Event) string { return e.Data.Authorization.ExpMonth }},
	{"data.authorization.expYear", "2030", func(e *kyshi.Event) string { return e.Data.Authorization.ExpYear }},
	{"data.log", `{"the":"log"}`, func(e *kyshi.Event) string { return string(e.Data.Log) }},
	{"data.meta", "GHS", func(e *kyshi.Event) string { return e.Data.Meta.LocalCurrency }},
	{"data.meta.localCurrency", "GHS", func(e *kyshi.Event) string { return e.Data.Meta.LocalCurrency }},
	{"data.meta.localAmount", "0.10", func(e *kyshi.Event) string { return e.Data.Meta.LocalAmount.String() }},
	{"data.meta.feeBreakdown", "0.07", func(e *kyshi.Event) string { return e.Data.Meta.FeeBreakdown.VAT.String() }},
	{"data.meta.feeBreakdown.vat", "0.07", func(e *kyshi.Event) string { return e.Data.Meta.FeeBreakdown.VAT.String() }},
	{"data.meta.feeBreakdown.fee", "15.50", func(e *kyshi.Event) string { return e.Data.Meta.FeeBreakdown.Fee.String() }},
}

func TestSeed_Parameters(t *testing.T) {
	require.Len(t, seedRows, 25)
	e := parse(t, []byte(everything))
	for _, row := range seedRows {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, row.get(e))
			// It is read from that member and no other: under another name it is gone.
			last := row.name[strings.LastIndex(row.name, ".")+1:]
			renamed := []byte(strings.Replace(everything, `"`+last+`":`, `"elsewhere":`, 1))
			other, err := kyshi.ParseEvent(renamed)
			if last == "event" || last == "reference" || last == "data" {
				require.ErrorIs(t, err, kyshi.ErrEvent)
				return
			}
			require.NoError(t, err)
			if last == "authorization" {
				require.Nil(t, other.Data.Authorization)
				return
			}
			require.Empty(t, row.get(other))
		})
	}
}

// TestSeed_Sentences has one row for each thing the reference's text says.
func TestSeed_Sentences(t *testing.T) {
	for name, holds := range map[string]func(t *testing.T){
		"real-time notifications when events occur on the account":     seedNotifications,
		"events range from successful to failed transactions":          seedFailed,
		"every webhook includes a signature in its headers":            seedHeader,
		"the signature is made of the webhook data with the secret":    seedMade,
		"the merchant repeats the process and compares":                seedCompare,
		"if the signatures match, processing may proceed":              seedMatch,
		"if they do not match, the webhook is discarded":               seedMismatch,
		"event successful: a successful charge was made":               seedSuccessful,
		"more events will be added":                                    seedMoreEvents,
		"customer is an object with the details of customer(s)":        seedCustomers,
		"authorization has card details, or of what else was charged":  seedAuthorization,
		"the authorization code identifies the mode and can be reused": seedCode,
	} {
		t.Run(name, holds)
	}
}

func seedNotifications(t *testing.T) {
	h := newHook(t, nil)
	require.Equal(t, 200, h.Post(everything))
	h.Idle(1)
}

func seedFailed(t *testing.T) {
	var got kyshi.EventType
	h := newHook(t, func(_ context.Context, e *kyshi.Event) error { got = e.Type; return nil })
	require.Equal(t, 200, h.Post(`{"event":"failed","data":{"reference":"R"}}`))
	require.EqualValues(t, "failed", got)
}

func seedHeader(t *testing.T) {
	v := newVerifier(t)
	require.Equal(t, http.CanonicalHeaderKey(kyshi.SignatureHeader), v.Header())
	r := signed(everything)
	r.Header.Del(v.Header())
	require.ErrorIs(t, v.VerifyRequest(r, []byte(everything)), kyshi.ErrNoSignature)
}

func seedMade(t *testing.T) {
	v := newVerifier(t)
	require.NotEqual(t, v.Sign([]byte(everything)), v.Sign([]byte(everything+" ")), "of the data")
	require.NotEqual(t, v.Sign([]byte(everything)), signWith("whsec_other", everything), "with the secret")
}

func seedCompare(t *testing.T) {
	v := newVerifier(t)
	require.NoError(t, v.Verify([]byte(everything), v.Sign([]byte(everything))))
}

func seedMatch(t *testing.T) { seedNotifications(t) }

func seedMismatch(t *testing.T) {
	h := newHook(t, nil, func(c *kyshi.HandlerConfig) {
		c.OnDeadLetter = func(context.Context, []byte) error { t.Error("kept"); return nil }
	})
	for _, body := range []string{everything, `{`} {
		r := signed(body)
		r.Header.Set(kyshi.SignatureHeader, signWith("whsec_other", body))
		require.Equal(t, 400, h.Serve(r).StatusCode)
	}
	h.Idle(0)
}

func seedSuccessful(t *testing.T) {
	require.Equal(t, kyshi.EventSuccessful, parse(t, []byte(everything)).Type)
}

func seedMoreEvents(t *testing.T) {
	require.EqualValues(t, "some.future_event", parse(t, payload(t, "13-unknown-event.json")).Type)
}

func seedCustomers(t *testing.T) {
	require.Len(t, parse(t, []byte(everything)).Data.Customers, 1)
	require.Len(t, inData(t, `"customer":[{"id":1},{"id":2}]`).Data.Customers, 2)
}

func seedAuthorization(t *testing.T) {
	require.NotNil(t, parse(t, []byte(everything)).Data.Authorization)
	require.Nil(t, parse(t, payload(t, "04-seed-mobile-money.json")).Data.Authorization)
}

func seedCode(t *testing.T) {
	a := parse(t, []byte(everything)).Data.Authorization
	require.Equal(t, "the code", a.AuthorizationCode)
	require.NotContains(t, a.LogValue().String(), "the code", "so it is kept as a secret is")
}
