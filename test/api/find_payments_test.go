package api_test

import (
	"fmt"
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

// pushed is the request whose payment is looked for.
func pushed() kopokopo.ReceiveMpesaReq {
	return kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "K123456",
		Subscriber:     kopokopo.Subscriber{PhoneNumber: "0929 488 147"},
		Amount:         kopokopo.KES("1500"),
	}
}

// The hash of 254929488147, and one of another number.
const (
	pushedHash  = "d30d07eef610b83d1f65f3a15280499552e5f0fcb86c3890d7375291c6ba4e70"
	anotherHash = "8f7bd03d28bb39ffbe7e074ad6a85352b4de2c8a8af1db7db7e5a520e37e015d"
)

// What could be the payment, what certainly is not, and what cannot be compared.
func TestFindPaymentsCompares(t *testing.T) {
	const (
		till   = `,"till_number":"K123456"`
		amount = `,"amount":"1500.0","currency":"KES"`
		phone  = `,"sender_phone_number":"+254929488147"`
		hash   = `,"hashed_sender_phone":"` + pushedHash + `"`
		masked = `,"sender_phone_number":"+254******147"`
	)
	rows := []struct {
		name, members string
		want          string // "listed", "unclear" or "other"
	}{
		{"all the same", till + amount + phone, "listed"},
		{"no K", `,"till_number":" 123456"` + amount + phone, "listed"},
		{"a small k", `,"till_number":"k123456"` + amount + phone, "listed"},
		{"the amount as a number", till + `,"amount":1500` + phone, "listed"},
		{"no plus", till + amount + `,"sender_phone_number":"254929488147"`, "listed"},
		{"a local number", till + amount + `,"sender_phone_number":"0929-488-147"`, "listed"},
		{"a number in digits", till + amount + `,"sender_phone_number":254929488147`, "listed"},
		{"only the hash", till + amount + hash, "listed"},
		{"the hash in capitals", till + amount + `,"hashed_sender_phone":"` + strings.ToUpper(pushedHash) + `"`, "listed"},
		{"masked, with the hash", till + amount + masked + hash, "listed"},
		{"the number, and a hash that is none", till + amount + phone + `,"hashed_sender_phone":"abc123hashedphone"`, "listed"},
		{"the number, and another's hash", till + amount + phone + `,"hashed_sender_phone":"` + anotherHash + `"`, "listed"},
		{"another number, and the hash", till + amount + `,"sender_phone_number":"+254712345678"` + hash, "listed"},

		{"another till", `,"till_number":"K123457"` + amount + phone, "other"},
		{"another amount", till + `,"amount":"1500.5"` + phone, "other"},
		{"another currency", till + `,"amount":"1500","currency":"USD"` + phone, "other"},
		{"another number", till + amount + `,"sender_phone_number":"+254712345678"`, "other"},
		{"another hash", till + amount + `,"hashed_sender_phone":"` + anotherHash + `"`, "other"},
		{"masked, with another hash", till + amount + masked + `,"hashed_sender_phone":"` + anotherHash + `"`, "other"},
		{"from a till", till + amount + `,"sending_till":"999"`, "other"},
		{"from a merchant", amount + `,"sending_merchant":"Jane Flowers"`, "other"},
		{"by card", till + amount + `,"customer_cc_number":"4242"`, "other"},
		{"no payer, and another amount", till + `,"amount":"15"`, "other"},
		{"no payer, and another till", `,"till_number":"K123457"` + amount, "other"},

		{"no payer", till + amount, "unclear"},
		{"a masked payer", till + amount + masked, "unclear"},
		{"a hash that is none", till + amount + `,"hashed_sender_phone":"abc123hashedphone"`, "unclear"},
		{"a hash that is too short", till + amount + `,"hashed_sender_phone":"` + pushedHash[2:] + `"`, "unclear"},
		{"no amount", till + phone, "unclear"},
		{"an amount that is none", till + `,"amount":"a lot"` + phone, "unclear"},
		{"no till", amount + phone, "unclear"},
	}
	for _, row := range rows {
		at := dayOne.Add(time.Hour)
		l := &pollLedger{list: []filedPayment{{id: "it", reference: "OJM6Q1W84K", status: "Received", at: at, filed: at, more: row.members}}}
		withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
			found, err := client.FindPayments(t.Context(), pushed(), dayOne)
			switch row.want {
			case "listed":
				require.NoError(t, err, row.name)
				assert.Equal(t, []string{"it"}, theirIDs(found), row.name)
				assert.Equal(t, "OJM6Q1W84K", found[0].Reference)
			case "other":
				require.NoError(t, err, row.name)
				assert.Empty(t, found, row.name)
			case "unclear":
				require.ErrorIs(t, err, kopokopo.ErrIncomparable, row.name)
				require.EqualError(t, err, "kopokopo: find payments: payments that cannot be compared: 1", row.name)
				carriesNoOutcome(t, err)
				assert.Empty(t, found, row.name)
			}
		})
	}
}

// Amounts and tills are compared as they are written in the request, too.
func TestFindPaymentsReadsTheRequest(t *testing.T) {
	at := dayOne.Add(time.Hour)
	l := &pollLedger{list: []filedPayment{{id: "it", reference: "R", at: at, filed: at,
		more: `,"till_number":"123456","amount":"1500","currency":"kes","sender_phone_number":"+254929488147"`}}}
	dollars := pushed()
	dollars.Amount.Currency = "USD"
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		found, err := client.FindPayments(t.Context(), dollars, dayOne)
		require.NoError(t, err)
		assert.Empty(t, found, "the transaction is in shillings")
	})
	for _, change := range []func(r *kopokopo.ReceiveMpesaReq){
		func(*kopokopo.ReceiveMpesaReq) {},
		func(r *kopokopo.ReceiveMpesaReq) { r.TillNumber = " 123456 " },
		func(r *kopokopo.ReceiveMpesaReq) { r.Amount.Value = "01500.00" },
		func(r *kopokopo.ReceiveMpesaReq) { r.Amount.Currency = "" },
		func(r *kopokopo.ReceiveMpesaReq) { r.Subscriber.PhoneNumber = "+254-929-488147" },
		func(r *kopokopo.ReceiveMpesaReq) {
			*r = kopokopo.ReceiveMpesaReq{TillNumber: r.TillNumber, Amount: r.Amount, Subscriber: r.Subscriber}
		},
	} {
		withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
			req := pushed()
			change(&req)
			req.Links.Callback = "https://shop.example/of-this-push"
			found, err := client.FindPayments(t.Context(), req, dayOne)
			require.NoError(t, err)
			assert.Len(t, found, 1)
			assert.Equal(t, pollCallback, l.callbacks[len(l.callbacks)-1], "that of the config")
		})
	}
}

// The time is that of the request until now. A clock that is a minute ahead of
// M-PESA's does no harm.
func TestFindPaymentsSince(t *testing.T) {
	const members = `,"till_number":"123456","amount":"1500","sender_phone_number":"+254929488147"`
	l := &pollLedger{}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		since := time.Now()
		time.Sleep(10 * time.Minute)
		for id, at := range map[string]time.Time{
			"long before":     since.Add(-time.Hour),
			"too early":       since.Add(-61 * time.Second),
			"by a slow clock": since.Add(-time.Minute),
			"soon":            since.Add(20 * time.Second),
			"this second":     time.Now(),
			"still to come":   time.Now().Add(time.Minute),
		} {
			l.list = append(l.list, filedPayment{id: id, reference: id, status: "Received", at: at, filed: at, more: members})
		}
		l.list = append(l.list, filedPayment{id: "soon", reference: "soon", status: "Reversed", at: since.Add(5 * time.Minute), filed: since.Add(5 * time.Minute), more: members})
		found, err := client.FindPayments(t.Context(), pushed(), since, kopokopo.WithToken("mine"))
		require.NoError(t, err)
		assert.Equal(t, []string{"by a slow clock", "soon", "soon", "this second"}, theirIDs(found))
		assert.Equal(t, "Reversed", found[2].Status, "it was given back, which its status says")
		assert.Equal(t, []string{"Bearer mine"}, l.tokens)
	})
}

// What could not be read is an error, which is no outcome of the push.
func TestFindPaymentsThatFails(t *testing.T) {
	at := dayOne.Add(time.Hour)
	l := &pollLedger{list: []filedPayment{{id: "it", reference: "R", at: at, filed: at,
		more: `,"till_number":"123456","amount":"1500","sender_phone_number":"+254929488147"`}}}
	l.onCreate = func(n int) int {
		if n > 0 {
			return 500
		}
		return 0
	}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		found, err := client.FindPayments(t.Context(), pushed(), dayOne)
		require.ErrorContains(t, err, "kopokopo: find payments: read transactions of 2026-03-01T23:59:00+03:00 to ")
		carriesNoOutcome(t, err)
		require.NotErrorIs(t, err, kopokopo.ErrIncomparable)
		assert.Equal(t, []string{"it"}, theirIDs(found), "what was found until then")
		assert.Equal(t, 4, l.creates)
		var stopped *kopokopo.TransactionsError
		assert.ErrorAs(t, err, &stopped)
	})
}

func TestFindPaymentsRefusesBadInput(t *testing.T) {
	l := &pollLedger{}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		now := time.Now()
		for _, row := range []struct {
			want  string
			spoil func(r *kopokopo.ReceiveMpesaReq, since *time.Time)
		}{
			{"till_number is required", func(r *kopokopo.ReceiveMpesaReq, _ *time.Time) { r.TillNumber = " " }},
			{"till_number is required", func(r *kopokopo.ReceiveMpesaReq, _ *time.Time) { r.TillNumber = "K" }},
			{"subscriber.phone_number is required", func(r *kopokopo.ReceiveMpesaReq, _ *time.Time) { r.Subscriber.PhoneNumber = "" }},
			{"subscriber.phone_number must be a Kenyan phone number", func(r *kopokopo.ReceiveMpesaReq, _ *time.Time) { r.Subscriber.PhoneNumber = "+254******147" }},
			{"amount.value is required", func(r *kopokopo.ReceiveMpesaReq, _ *time.Time) { r.Amount.Value = "" }},
			{"amount.value must be a plain decimal", func(r *kopokopo.ReceiveMpesaReq, _ *time.Time) { r.Amount.Value = "a lot" }},
			{"amount.value must be greater than zero", func(r *kopokopo.ReceiveMpesaReq, _ *time.Time) { r.Amount.Value = "0" }},
			{"since is required", func(_ *kopokopo.ReceiveMpesaReq, since *time.Time) { *since = time.Time{} }},
			{"since must not be in the future", func(_ *kopokopo.ReceiveMpesaReq, since *time.Time) { *since = now.Add(time.Second) }},
		} {
			req, since := pushed(), now
			row.spoil(&req, &since)
			found, err := client.FindPayments(t.Context(), req, since)
			require.ErrorContains(t, err, "kopokopo: find payments: "+row.want)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, "payments to find", invalid.What)
			assert.Len(t, invalid.Fields, 1)
			carriesNoOutcome(t, err)
			assert.Nil(t, found)
		}
		_, err := client.FindPayments(t.Context(), kopokopo.ReceiveMpesaReq{}, time.Time{})
		require.EqualError(t, err, "kopokopo: find payments: till_number is required; subscriber.phone_number is required; amount.value is required; since is required")
		for _, none := range []*kopokopo.Client{nil, {}} {
			_, err := none.FindPayments(t.Context(), pushed(), now)
			require.EqualError(t, err, "kopokopo: find payments: the client was not made by New")
		}
		assert.Zero(t, l.creates)
	})
}

// A push whose answer is lost, at an embedded Kopo Kopo: the payment is found among
// those of other customers and of other amounts.
func TestFindPaymentsAfterALostAnswer(t *testing.T) {
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprint("callback in the config ", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k2 := kopokopotest.NewInMemoryServer()
				defer k2.Close()
				k2.Handle(pollCallback, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				cfg := k2.Config()
				if shared {
					cfg.CallbackURL = pollCallback
				}
				client, err := kopokopo.New(cfg)
				require.NoError(t, err)
				defer client.Close()
				since := time.Now()
				pay := func(phone, amount string) error {
					req := pushed()
					req.TillNumber, req.Subscriber.PhoneNumber, req.Amount.Value = kopokopotest.SuccessTill, phone, amount
					req.Links.Callback = pollCallback
					_, err := client.IncomingPayments.Create(t.Context(), req)
					return err
				}
				require.NoError(t, pay("0712 345 678", "1500"))
				require.NoError(t, pay("0929 488 147", "1501"))
				k2.Inject(kopokopotest.Fault{Method: http.MethodPost, Path: "/api/v2/incoming_payments", Drop: true, AfterWork: true})
				require.ErrorIs(t, pay("0929 488 147", "1500"), kopokopo.ErrOutcomeUnknown)

				req := pushed()
				req.TillNumber, req.Links.Callback = kopokopotest.SuccessTill, pollCallback
				require.NoError(t, k2.WaitIdle(t.Context()))
				found, err := client.FindPayments(t.Context(), req, since)
				require.NoError(t, err)
				require.Len(t, found, 1)
				assert.Equal(t, "+254929488147", found[0].SenderPhoneNumber)
				assert.Equal(t, "1500.0", found[0].Amount.String())
				assert.Equal(t, 3, k2.Count(http.MethodPost, "/api/v2/incoming_payments"), "and nothing was charged")
			})
		})
	}
}
