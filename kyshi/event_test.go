package kyshi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

// parse reads a body that must be an event.
func parse(t testing.TB, body []byte) *kyshi.Event {
	t.Helper()
	e, err := kyshi.ParseEvent(body)
	require.NoError(t, err)
	require.Equal(t, body, e.Raw)
	require.Equal(t, 1, e.Revision)
	require.LessOrEqual(t, len(e.Key), 255)
	return e
}

// inData parses a charge with these further members.
func inData(t testing.TB, members string) *kyshi.Event {
	t.Helper()
	return parse(t, []byte(`{"event":"successful","data":{"reference":"R",`+members+`}}`))
}

var (
	ama     = kyshi.Customer{ID: "5b1c2f0e-6a51-4d2f-9a0b-3a1f7c9d2e10", FirstName: "Ama", LastName: "Mensah", Email: "ama.mensah@example.com", Phone: "+233200000001"}
	card    = &kyshi.Authorization{AuthorizationCode: "AUTH_x1y2z3", CardType: "visa", Brand: "visa", Last4: "4081", BIN: "408408", ExpMonth: "12", ExpYear: "2030"}
	noPhone = kyshi.Customer{ID: ama.ID, FirstName: "Ama", LastName: "Mensah", Email: ama.Email}
	number  = kyshi.Customer{ID: "48186716", FirstName: "Ama", LastName: "Mensah", Email: ama.Email, Phone: ama.Phone}
	zeros   = &kyshi.Authorization{AuthorizationCode: "AUTH_x1y2z3", CardType: "visa", Brand: "visa", Last4: "0081", BIN: "008408", ExpMonth: "12", ExpYear: "2030"}
)

// sampleEvents is what the sample bodies say.
var sampleEvents = map[string]struct {
	event, reference, amount, currency, status, key, mode string
	customer                                              kyshi.Customer
	card                                                  *kyshi.Authorization
	local, localAmount, vat, fee, total, log              string
}{
	"01-seed-card-numbers.json": {event: "successful", reference: "ORD-7f3a19c2", amount: "1500.5", customer: ama, card: card,
		key: "kyshi:ref:successful:ORD-7f3a19c2", local: "GHS", localAmount: "1500.5", vat: "0", fee: "15.5"},
	"02-seed-card-strings.json": {event: "successful", reference: "ORD-7f3a19c3", amount: "1500.50", customer: number, card: zeros,
		key: "kyshi:ref:successful:ORD-7f3a19c3", local: "GHS", localAmount: "1500.50", vat: "0.00", fee: "15.50", total: "15.50",
		log: `[{"type":"action","message":"Attempted to pay","time":15}]`},
	"03-seed-customer-array.json": {event: "successful", reference: "ORD-7f3a19c4", amount: "1500.5", customer: ama, card: card,
		key: "kyshi:ref:successful:ORD-7f3a19c4", local: "GHS", localAmount: "1500.5", vat: "0", fee: "15.5"},
	"04-seed-mobile-money.json": {event: "successful", reference: "ORD-7f3a19c5", amount: "200", customer: noPhone,
		key: "kyshi:ref:successful:ORD-7f3a19c5", local: "KES", localAmount: "200", log: `{"attempts":1,"errors":0,"success":true,"history":[]}`},
	"05-seed-minimal.json": {event: "successful", reference: "ORD-7f3a19c6", amount: "1", key: "kyshi:ref:successful:ORD-7f3a19c6"},
	"06-flat-charge.json": {event: "successful", reference: "ORD-7f3a19c7", amount: "5000", status: "success", local: "NGN", localAmount: "5000",
		mode: "test", key: "kyshi:id:0d0c2b1a-1111-4222-8333-444455556666"},
	"07-current-invoice-succeeded.json": {event: "invoice.payment_succeeded", reference: "INV_demo0001", amount: "5000", status: "success",
		mode: "live", key: "kyshi:id:0d0c2b1a-1111-4222-8333-444455556667"},
	"08-appguess-minor-units.json": {event: "successful", reference: "test_ref_1700000000000", amount: "20000", local: "KES", localAmount: "20000", total: "500",
		customer: kyshi.Customer{Email: "buyer@example.com", FirstName: "Test", LastName: "User"}, key: "kyshi:ref:successful:test_ref_1700000000000"},
	"09-appguess-currency-authcode.json": {event: "successful", reference: "TEST-WEBHOOK-1700000000001", amount: "2000", currency: "GHS",
		customer: kyshi.Customer{Email: "buyer@example.com", FirstName: "Test", LastName: "Webhook"}, local: "GHS", localAmount: "2000",
		vat: "300", fee: "71", total: "371", key: "kyshi:ref:successful:TEST-WEBHOOK-1700000000001"},
	"10-appguess-payment-success.json": {event: "payment.success", reference: "APP-1700000000002-AB12CD", amount: "2500", currency: "NGN",
		status: "CONFIRMED", key: "kyshi:ref:payment.success:APP-1700000000002-AB12CD"},
	"11-appguess-transaction-successful.json": {event: "transaction.successful", reference: "APP-0003", amount: "200", currency: "KES",
		status: "successful", key: "kyshi:ref:transaction.successful:APP-0003"},
	"12-appguess-subscription-payment.json": {event: "subscription.payment.succeeded", reference: "REF_1700000000003", amount: "200",
		currency: "KES", key: "kyshi:ref:subscription.payment.succeeded:REF_1700000000003"},
	"13-unknown-event.json": {event: "some.future_event", reference: "ORD-7f3a19c8", key: "kyshi:ref:some.future_event:ORD-7f3a19c8"},
	"14-bytes-trap.json": {event: "successful", reference: "Réf-<1>&2", amount: "500.00", local: "XOF", localAmount: "1.0e3", log: `[]`,
		customer: kyshi.Customer{LastName: "N'Guessan", FirstName: "Aïcha \u2028", Email: "a@example.com"},
		key:      "kyshi:ref:successful:~"},
	"15-big-amount.json": {event: "successful", reference: "BIG-1", amount: "12345678901234567.89",
		customer: kyshi.Customer{ID: "9007199254740993", Email: "b@example.com"}, key: "kyshi:ref:successful:BIG-1"},
}

func TestEverySamplePayload(t *testing.T) {
	require.Len(t, sampleEvents, len(payloads(t)))
	for name, want := range sampleEvents {
		t.Run(name, func(t *testing.T) {
			body := payload(t, name)
			e := parse(t, body)
			d, m := e.Data, e.Data.Meta
			require.EqualValues(t, want.event, e.Type)
			require.Equal(t, want.reference, d.Reference)
			require.Equal(t, want.amount, d.Amount.String())
			require.Equal(t, want.currency, d.Currency)
			require.Equal(t, want.status, d.Status)
			require.Equal(t, want.customer, d.Customer)
			require.Equal(t, want.card, d.Authorization)
			require.Equal(t, want.log, string(d.Log))
			require.Equal(t, want.local, m.LocalCurrency)
			require.Equal(t, want.localAmount, m.LocalAmount.String())
			require.Equal(t, want.vat, m.FeeBreakdown.VAT.String())
			require.Equal(t, want.fee, m.FeeBreakdown.Fee.String())
			require.Equal(t, want.total, m.FeeBreakdown.TotalFees.String())
			require.Equal(t, want.mode, m.Mode)
			require.Equal(t, want.mode != "", !m.QueuedAt.IsZero())
			require.Contains(t, e.Key, want.key)
			require.False(t, e.Sample)
		})
	}
}

func TestInvoiceEvent(t *testing.T) {
	e := parse(t, payload(t, "07-current-invoice-succeeded.json"))
	require.Equal(t, kyshi.EventInvoicePaymentSucceeded, e.Type)
	require.Equal(t, "0d0c2b1a-1111-4222-8333-444455556667", e.ID)
	require.Equal(t, "2026-05-01T00:01:10Z", e.Data.Meta.QueuedAt.Format("2006-01-02T15:04:05Z07:00"))
	s, i := e.Data.Subscription, e.Data.Invoice
	require.Equal(t, "SUB_demo0001 ACTIVE true 0 3 3 12 1", fmt.Sprint(s.Code, " ", s.Status, " ", s.IsActive, " ", s.RetryCount, " ", s.MaxRetryCount, " ", s.GracePeriodDays, " ", s.InvoiceLimit, " ", s.InvoicesPaid))
	require.Equal(t, "11111111-2222-4333-8444-555555555555", s.ID)
	require.Equal(t, 2026, s.StartDate.Year())
	require.EqualValues(t, 6, s.NextPaymentDate.Month())
	require.Equal(t, s.PreviousPaymentDate, s.CurrentPeriodStart)
	require.Equal(t, s.CurrentPeriodEnd, s.NextPaymentDate)
	require.True(t, s.PastDueAt.IsZero() && s.NextRetryAt.IsZero() && s.CancelledAt.IsZero() && s.CancelReason == "")
	require.Equal(t, "INV_demo0001 5000 NGN 0 3 PAYMENT_SUCCEEDED", fmt.Sprint(i.Code, " ", i.Amount, " ", i.Currency, " ", i.RetryCount, " ", i.MaxRetryCount, " ", i.Status))
	require.Equal(t, "66666666-7777-4888-8999-aaaaaaaaaaaa", i.ID)
	require.Equal(t, "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff", i.TransactionID)
	require.True(t, i.NextRetryAt.IsZero() && i.Description == "" && i.PeriodStart.Equal(i.DueAt.Time) && i.PeriodEnd.After(i.PeriodStart.Time))
	require.JSONEq(t, `{"mode":"live","kyshiEventId":"0d0c2b1a-1111-4222-8333-444455556667","kyshiWebhookQueuedAt":"2026-05-01T00:01:10.000Z"}`, string(e.Data.Meta.Raw))
}

func TestUnknownMembersAreKept(t *testing.T) {
	e := parse(t, payload(t, "13-unknown-event.json"))
	require.JSONEq(t, `{"reference":"ORD-7f3a19c8","extra":{"nested":[1,2,3]}}`, string(e.Data.Raw))
	require.Contains(t, string(e.Raw), `"addedLater":true`)
	e = inData(t, `"meta":{"order":{"id":7}}`)
	require.JSONEq(t, `{"order":{"id":7}}`, string(e.Data.Meta.Raw))
	flat := payload(t, "06-flat-charge.json")
	require.Equal(t, flat, []byte(parse(t, flat).Data.Raw))
}

func TestAmounts(t *testing.T) {
	for wire, want := range map[string]string{
		`1`: "1", `0`: "0", `"1500.50"`: "1500.50", `1500.5`: "1500.5", `500.00`: "500.00", `12345678901234567.89`: "12345678901234567.89",
		`"0.1"`: "0.1", `0.30000000000000004`: "0.30000000000000004", `1e400`: "1e400", `-5`: "-5", `null`: "", `""`: "", `"abc"`: "abc", `{}`: "", `[1]`: "",
	} {
		e := inData(t, `"amount":`+wire+`,"meta":{"localAmount":`+wire+`,"feeBreakdown":{"vat":`+wire+`,"fee":`+wire+`}}`)
		require.Equal(t, want, e.Data.Amount.String(), wire)
		require.Equal(t, want, e.Data.Meta.LocalAmount.String(), wire)
		require.Equal(t, want, e.Data.Meta.FeeBreakdown.VAT.String(), wire)
		require.Equal(t, want, e.Data.Meta.FeeBreakdown.Fee.String(), wire)
	}
	minor, err := inData(t, `"amount":1500.5`).Data.Amount.Minor()
	require.NoError(t, err)
	require.EqualValues(t, 150050, minor)
}

func TestTextThatComesAsANumber(t *testing.T) {
	for wire, want := range map[string]string{`"08"`: "08", `8`: "8", `8.0`: "8.0", `9007199254740993`: "9007199254740993", `null`: "", `{}`: "", `[8]`: "", `true`: "true", `""`: ""} {
		e := inData(t, strings.ReplaceAll(`"customer":{"id":W,"firstName":W,"lastName":W,"email":W,"phone":W},
			"authorization":{"authorizationCode":W,"cardType":W,"brand":W,"last4":W,"bin":W,"expMonth":W,"expYear":W}`, "W", wire))
		require.Equal(t, kyshi.Customer{ID: want, FirstName: want, LastName: want, Email: want, Phone: want}, e.Data.Customer, wire)
		require.Equal(t, &kyshi.Authorization{AuthorizationCode: want, CardType: want, Brand: want, Last4: want, BIN: want, ExpMonth: want, ExpYear: want},
			e.Data.Authorization, wire)
	}
	require.Equal(t, "77", parse(t, []byte(`{"event":"successful","data":{"reference":77}}`)).Data.Reference)
}

func TestCustomerForms(t *testing.T) {
	for wire, want := range map[string][]string{
		`{"id":"a"}`: {"a"}, `[{"id":"a"}]`: {"a"}, `[{"id":"a"},{"id":"b"}]`: {"a", "b"}, `[null,{"id":"b"},7]`: {"b"},
		`null`: nil, `[]`: nil, `"a"`: nil, `7`: nil, `[[]]`: nil, `{}`: {""},
	} {
		d := inData(t, `"customer":`+wire).Data
		var ids []string
		for _, c := range d.Customers {
			ids = append(ids, c.ID)
		}
		require.Equal(t, want, ids, wire)
		if len(want) > 0 {
			require.Equal(t, want[0], d.Customer.ID, wire)
		} else {
			require.Zero(t, d.Customer, wire)
		}
	}
	require.Empty(t, inData(t, `"amount":1`).Data.Customers)
}

func TestAuthorizationLogAndMetaForms(t *testing.T) {
	for _, wire := range []string{`null`, `[]`, `"AUTH_1"`, `7`} {
		require.Nil(t, inData(t, `"authorization":`+wire).Data.Authorization, wire)
	}
	require.Equal(t, &kyshi.Authorization{}, inData(t, `"authorization":{}`).Data.Authorization)
	for _, wire := range []string{`{"history":[]}`, `[1, 2]`, `"text"`, `7`} {
		require.Equal(t, wire, string(inData(t, `"log":`+wire).Data.Log), "as it came")
	}
	require.Nil(t, inData(t, `"log":null`).Data.Log)
	for _, wire := range []string{`null`, `[]`, `"x"`, `{"feeBreakdown":[]}`, `{"feeBreakdown":null}`} {
		require.Zero(t, inData(t, `"meta":`+wire).Data.Meta.FeeBreakdown, wire)
	}
}

func TestFeeBreakDownInBothSpellings(t *testing.T) {
	for _, name := range []string{"feeBreakdown", "feeBreakDown", "FEEBREAKDOWN"} {
		f := inData(t, `"meta":{"`+name+`":{"vat":1,"fee":2.5,"totalFees":3.5,"processorFee":"4","allInclusiveKyshiFee":5}}`).Data.Meta.FeeBreakdown
		require.Equal(t, "1 2.5 3.5 4 5", fmt.Sprint(f.VAT, " ", f.Fee, " ", f.TotalFees, " ", f.ProcessorFee, " ", f.AllInclusiveFee))
	}
	// The documented spelling wins, wherever it stands; without it the order of text decides, always.
	for range 50 {
		f := inData(t, `"meta":{"feeBreakDown":{"fee":1},"feeBreakdown":{"fee":2},"FeeBreakdown":{"fee":3}}`).Data.Meta.FeeBreakdown
		require.Equal(t, "2", f.Fee.String())
		f = inData(t, `"meta":{"feebreakdown":{"fee":1},"FeeBreakdown":{"fee":3}}`).Data.Meta.FeeBreakdown
		require.Equal(t, "3", f.Fee.String())
	}
}

func TestEnvelopes(t *testing.T) {
	// What data has counts; what it lacks is looked for beside it; nothing else is.
	e := parse(t, []byte(`{"event":"successful","reference":"TOP","amount":1,"status":"success","customer":{"id":"no"},
		"meta":{"mode":"live","kyshiEventId":"e1","localCurrency":"NGN"},
		"data":{"reference":"IN","meta":{"localCurrency":"GHS","localAmount":7}}}`))
	require.Equal(t, "IN", e.Data.Reference)
	require.Equal(t, "1", e.Data.Amount.String())
	require.Equal(t, "success", e.Data.Status)
	require.Empty(t, e.Data.Customers)
	require.Equal(t, "GHS", e.Data.Meta.LocalCurrency)
	require.Equal(t, "7", e.Data.Meta.LocalAmount.String())
	require.Equal(t, "live", e.Data.Meta.Mode)
	require.Equal(t, "kyshi:id:e1", e.Key)
	for _, data := range []string{`null`, `[]`, `"text"`} { // no data at all: flat
		e := parse(t, []byte(`{"event":"successful","reference":"TOP","customer":{"id":"yes"},"authorization":{"last4":"0081"},"log":[],"data":`+data+`}`))
		require.Equal(t, "TOP", e.Data.Reference)
		require.Equal(t, "yes", e.Data.Customer.ID)
		require.Equal(t, "0081", e.Data.Authorization.Last4)
		require.Equal(t, `[]`, string(e.Data.Log))
	}
}

func TestNotAnEvent(t *testing.T) {
	for body, want := range map[string]string{
		``: "invalid JSON at byte 0", `{`: "invalid JSON at byte 1", `null`: "not a JSON object", `[]`: "not a JSON object", `"successful"`: "not a JSON object",
		`7`: "not a JSON object", `{}`: "it does not name its event", `{"event":""}`: "it does not name its event", `{"event":null,"data":{}}`: "it does not name its event",
		`{"event":{}}`: "it does not name its event", `{"data":{"reference":"secret"}}`: "it does not name its event", `{"event":"x"}{}`: "invalid JSON at byte 14",
		"\ufeff{\"event\":\"x\"}": "invalid JSON at byte 1", `{"event":"successful"}`: "a successful charge without a reference",
		`{"event":"successful","data":{"reference":""}}`: "a successful charge without a reference", "\xff\xfe": "invalid JSON at byte 1",
	} {
		e, err := kyshi.ParseEvent([]byte(body))
		require.Nil(t, e)
		require.ErrorIs(t, err, kyshi.ErrEvent)
		require.EqualError(t, err, "kyshi: webhook: not an event in a known shape: "+want, body)
	}
}

func TestKeys(t *testing.T) {
	key := func(body string) string { return parse(t, []byte(body)).Key }
	long := strings.Repeat("r", 300)
	keys := []string{
		key(`{"event":"a","data":{"reference":"R"}}`), key(`{"event":"b","data":{"reference":"R"}}`), key(`{"event":"a","data":{"reference":"S"}}`),
		key(`{"event":"a:R","data":{"reference":"S"}}`), key(`{"event":"a","data":{"reference":"R:S"}}`), key(`{"event":"a","data":{"reference":"` + long + `"}}`),
		key(`{"event":"a","data":{"reference":"` + long + `x"}}`), key(`{"event":"` + long + `","data":{"reference":"` + long + `"}}`),
		key(`{"event":"a","data":{}}`), key(`{"event":"a","data": {}}`), key(`{"event":"b"}`), key(`{"event":"a","data":{"reference":"\u0000"}}`),
		key(`{"event":"a","meta":{"kyshiEventId":"R"},"data":{"reference":"R"}}`), key(`{"event":"a","meta":{"kyshiEventId":"` + long + `"}}`),
	}
	seen := map[string]bool{}
	for _, k := range keys {
		require.False(t, seen[k], k)
		seen[k] = true
		require.LessOrEqual(t, len(k), 255)
		require.True(t, strings.HasPrefix(k, "kyshi:"), "other senders may share the store")
		require.False(t, strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r > '~' }), k)
	}
	// A second attempt: another attempt id and time in the headers, the same event.
	require.Equal(t, key(`{"event":"a","data":{"reference":"R","amount":1}}`), key(`{"data":{"amount":1.0,"reference":"R"},"event":"a"}`))
	require.Equal(t, key(`{"event":"a","meta":{"kyshiEventId":"1"},"reference":"R"}`), key(`{"event":"b","data":{"meta":{"kyshiEventId":"1"}}}`))
}

func TestParseEventKeepsItsOwnBytes(t *testing.T) {
	body := []byte(anEvent)
	e := parse(t, body)
	for i := range body {
		body[i] = 'x'
	}
	require.Equal(t, anEvent, string(e.Raw))
	require.Equal(t, "ORD-7f3a19c2", e.Data.Reference)
	require.True(t, bytes.HasPrefix(e.Data.Raw, []byte(`{"reference"`)))
}

func TestEventsPrintNothingPersonal(t *testing.T) {
	e := parse(t, payload(t, "02-seed-card-strings.json"))
	var out bytes.Buffer
	values := []any{e, *e, e.Data, &e.Data, e.Data.Customer, &e.Data.Customer, e.Data.Authorization, *e.Data.Authorization, e.Data.Meta, []any{e}, map[string]any{"e": e},
		struct{ E *kyshi.Event }{e}, struct{ D kyshi.Data }{e.Data}}
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb, value)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", value)
	}
	for _, text := range []string{"Ama", "Mensah", "ama.mensah@example.com", "233200000001", "AUTH_x1y2z3", "0081", "008408", "Attempted", "48186716"} {
		require.NotContains(t, out.String(), text)
	}
	require.Equal(t, "kyshi.Event(successful, key kyshi:ref:successful:ORD-7f3a19c3, revision 1)", fmt.Sprint(e))
	odd := parse(t, []byte("{\"event\":\"a\\nb 254999999999 "+strings.Repeat("x", 1000)+"\"}"))
	require.NotContains(t, fmt.Sprint(odd), "\n")
	require.Contains(t, fmt.Sprint(odd), "a b ******* x")
	require.Less(t, len(fmt.Sprint(odd)), 700)
}

func TestEventsKeepKyshisNamesInJSON(t *testing.T) {
	for name, body := range payloads(t) {
		e := parse(t, body)
		text, err := json.Marshal(e)
		require.NoError(t, err)
		again := parse(t, text)
		require.Equal(t, e.Data.Reference, again.Data.Reference, name)
		require.Equal(t, e.Data.Amount, again.Data.Amount, name)
		require.Equal(t, e.Data.Customer, again.Data.Customer, name)
		require.Equal(t, e.Data.Authorization, again.Data.Authorization, name)
		require.Equal(t, e.Data.Invoice, again.Data.Invoice, name)
		require.Equal(t, e.Key, again.Key, name)
		var plain kyshi.Event
		require.NoError(t, json.Unmarshal(text, &plain), "encoding/json reads what it wrote")
		require.Equal(t, e.Data.Reference, plain.Data.Reference)
	}
}
