package kopokopotest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// at follows a dotted path through decoded JSON; a number picks from a list.
func at(t *testing.T, v any, path string) any {
	t.Helper()
	for _, key := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			require.Len(t, key, 1)
			require.Greater(t, len(x), int(key[0]-'0'), "nothing at %s", path)
			v = x[key[0]-'0']
		default:
			require.Failf(t, "no such place", "%s in %v", path, v)
		}
	}
	return v
}

func decode(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(body, &v))
	return v
}

// topics lists the topics that arrived, in order.
func topics(t *testing.T, list []arrival) []any {
	t.Helper()
	out := []any{}
	for _, a := range list {
		out = append(out, decode(t, a.body)["topic"])
	}
	return out
}

func TestPaymentIsCollected(t *testing.T) {
	s := memoryShop(t)
	s.subscribe("buygoods_transaction_received")
	s.subscribe("customer_created")
	path := s.create("/api/v2/incoming_payments", stk("K555555", "0722000000", "20000"))
	s.idle()

	got := s.attributes(path)
	assert.Equal(t, "Success", got["status"])
	assert.Equal(t, "20000.0", at(t, got, "event.resource.amount"))
	assert.Equal(t, "K555555", at(t, got, "event.resource.till_number"))
	assert.Equal(t, "+254722000000", at(t, got, "event.resource.sender_phone_number"))
	assert.Equal(t, "Jane", at(t, got, "event.resource.sender_first_name"))
	assert.Nil(t, at(t, got, "event.errors"))
	sum := sha256.Sum256([]byte("254722000000"))
	assert.Equal(t, hex.EncodeToString(sum[:]), at(t, got, "event.resource.hashed_sender_phone"))
	reference := at(t, got, "event.resource.reference")
	assert.Regexp(t, `^[A-Z0-9]{10}$`, reference)

	callbacks := s.arrived(result)
	require.Len(t, callbacks, 1)
	assert.Equal(t, s.get(path).body, string(callbacks[0].body), "the callback is the resource")
	events := s.arrived(hook)
	assert.ElementsMatch(t, []any{"buygoods_transaction_received", "customer_created"}, topics(t, events))
	for _, e := range events {
		doc := decode(t, e.body)
		if doc["topic"] == "customer_created" {
			sameShape(t, sample(t, "webhook_customer_created"), string(e.body))
			continue
		}
		sameShape(t, sample(t, "webhook_buygoods_transaction_received_guide"), string(e.body))
		assert.Equal(t, reference, at(t, doc, "event.resource.reference"), "callback and webhook tell of one payment")
		assert.Equal(t, "555555", at(t, doc, "event.resource.till_number"), "webhooks drop the K")
	}

	s.create("/api/v1/incoming_payments", stk("K555555", "+254722000000", "5"))
	s.idle()
	assert.Len(t, s.arrived(hook), 3, "a customer is new once")
}

func TestMagicTills(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	s.subscribe("buygoods_transaction_received")
	for till, want := range map[string]string{
		"1234567": "Success", "K1234567": "Success", "555555": "Success",
		"K000000": "Failed", "000000": "Failed",
	} {
		for version, sampleName := range map[string]string{
			"v1": "callback_incoming_payment_failed_v1_errors_string", "v2": "callback_incoming_payment_failed_v2_errors_array",
		} {
			path := s.create("/api/"+version+"/incoming_payments", stk(till, "+254722000000", "10"))
			r := s.get(path)
			assert.Equal(t, want, s.attributes(path)["status"], till)
			if want == "Failed" {
				sameShape(t, sample(t, sampleName), r.body)
			}
		}
	}
	s.idle()
	assert.Len(t, s.arrived(result), 10)
	assert.Len(t, s.arrived(hook), 6, "a failed payment is no event")
}

func TestOutcomeHook(t *testing.T) {
	var seen []kopokopotest.Submission
	s := memoryShop(t, kopokopotest.WithDelay(0), kopokopotest.WithOutcome(func(sub kopokopotest.Submission) []string {
		seen = append(seen, sub)
		return []string{"Request cancelled by user"}
	}))
	push := stk("1234567", "+254722000000", "10")
	path := s.create("/api/v2/incoming_payments", push)
	assert.Equal(t, []any{"Request cancelled by user"}, at(t, s.attributes(path), "event.errors"))
	assert.Equal(t, []kopokopotest.Submission{{Version: "v2", Collection: "incoming_payments", ID: id(path), Body: []byte(push)}}, seen)

	path = s.create("/api/v2/polling", rows[9].body(s))
	assert.Equal(t, "Failed", s.attributes(path)["status"])
	assert.Equal(t, []any{"Request cancelled by user"}, s.attributes(path)["errors"])
	path = s.create("/api/v1/transaction_sms_notifications", sample(t, "request_transaction_sms_notification_v1"))
	assert.Equal(t, "Failed", s.attributes(path)["status"])
	path = s.create("/api/v1/settlement_transfers", sample(t, "request_settlement_transfer_blind_v1"))
	assert.Equal(t, "Cancelled", at(t, s.attributes(path), "transfer_batches.0.status"))
	path = s.create("/api/v2/send_money", sample(t, "request_send_money_sweep_all"))
	assert.Equal(t, "Cancelled", at(t, s.attributes(path), "transfer_batches.0.disbursements.0.status"))
}

func TestSubscriptionScopes(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	for _, scope := range []string{`"till","scope_reference":"555555"`, `"till","scope_reference":"777777"`, `"company","scope_reference":""`} {
		s.create("/api/v1/webhook_subscriptions", `{"event_type":"buygoods_transaction_received","url":"`+hook+`","scope":`+scope+`}`)
	}
	s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
	s.idle()
	events := s.arrived(hook)
	require.Len(t, events, 2, "that till and the company, not another till")
	assert.Equal(t, events[0].body, events[1].body)

	s.create("/api/v2/incoming_payments", stk("K888888", "+254722000000", "10"))
	s.idle()
	assert.Len(t, s.arrived(hook), 3)
}

func TestDarajaPayload(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	s.create("/api/v2/webhook_subscriptions", `{"event_type":"buygoods_transaction_received","url":"`+hook+`","scope":"till","scope_reference":"555555","enable_daraja_payload":true}`)
	path := s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "100"))
	s.idle()
	events := s.arrived(hook)
	require.Len(t, events, 1)
	sameShape(t, sample(t, "webhook_daraja_buygoods_ruby"), string(events[0].body))
	doc := decode(t, events[0].body)
	assert.Equal(t, at(t, s.attributes(path), "event.resource.reference"), doc["TransID"])
	assert.Equal(t, "100.0", doc["TransAmount"])
	assert.Equal(t, "555555", doc["BusinessShortCode"])
	assert.Regexp(t, `^\d{14}$`, doc["TransTime"])
}

func TestSendMoney(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	s.subscribe("settlement_transfer_completed")
	request := `{"destinations":[
		{"type":"mobile_wallet","phone_number":"254722000000","network":"Safaricom","amount":1000,"description":"a"},
		{"type":"mobile_wallet","phone_number":"` + kopokopotest.FailPhone + `","network":"Safaricom","amount":"20.50","description":"b"},
		{"type":"till","till_number":"000000","amount":5,"description":"c"},
		{"type":"bank_account","account_name":"J","account_number":"12","bank_branch_ref":"r","amount":6,"description":"d"},
		{"type":"paybill","paybill_number":"888880","paybill_account_number":"1","amount":7,"description":"e"}],
		"source_identifier":null,"currency":"KES","_links":{"callback_url":"` + result + `"}}`
	got := s.attributes(s.create("/api/v2/send_money", request))
	assert.Equal(t, "Processed", got["status"], "even though two did not arrive")
	assert.Len(t, got["destinations"], 5)
	batches := got["transfer_batches"].([]any)
	require.Len(t, batches, 5)
	for i, want := range []string{"Transferred", "Cancelled", "Cancelled", "Transferred", "Transferred"} {
		b := batches[i]
		assert.Equal(t, want, at(t, b, "status"))
		assert.Equal(t, want, at(t, b, "disbursements.0.status"))
		if want == "Cancelled" {
			assert.Equal(t, []any{"The balance is insufficient for the transaction"}, at(t, b, "disbursements.0.errors"))
			assert.Nil(t, at(t, b, "disbursements.0.transaction_reference"))
		} else if i == 3 {
			assert.Nil(t, at(t, b, "disbursements.0.transaction_reference"), "EFT has no receipt")
		} else {
			assert.Regexp(t, `^[A-Z0-9]{10}$`, at(t, b, "disbursements.0.transaction_reference"))
		}
	}
	assert.Equal(t, "20.5", at(t, batches[1], "amount"))
	s.idle()
	assert.Len(t, s.arrived(result), 1)
	assert.Empty(t, s.arrived(hook), "payments to others are no settlement")
}

func TestSettlements(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	s.subscribe("settlement_transfer_completed")
	bank := s.attributes(s.create("/api/v2/merchant_bank_accounts", sample(t, "request_merchant_bank_account")))["account_reference"].(string)
	wallet := s.attributes(s.create("/api/v1/merchant_wallets", sample(t, "request_merchant_wallet")))["account_reference"].(string)

	targeted := `{"amount":{"currency":"KES","value":"236"},"destination_type":"merchant_bank_account","destination_reference":"` + bank + `","_links":{"callback_url":"` + result + `"}}`
	got := s.attributes(s.create("/api/v1/settlement_transfers", targeted))
	assert.Equal(t, "236", at(t, got, "amount.value"))
	assert.Equal(t, "236.0", at(t, got, "transfer_batches.0.disbursements.0.amount"))
	assert.Equal(t, "Bank Account", at(t, got, "transfer_batches.0.disbursements.0.destination_type"))
	assert.Nil(t, at(t, got, "transfer_batches.0.disbursements.0.transaction_reference"), "EFT has none")
	assert.NotContains(t, got, "metadata")

	toWallet := `{"destinations":[{"type":"merchant_wallet","reference":"` + wallet + `","amount":100,"description":null}],"currency":"KES","_links":{"callback_url":"` + result + `"}}`
	got = s.attributes(s.create("/api/v2/send_money", toWallet))
	assert.Equal(t, wallet, at(t, got, "transfer_batches.0.disbursements.0.destination_reference"))

	s.idle()
	events := s.arrived(hook)
	require.Len(t, events, 2)
	for _, e := range events {
		want := "webhook_settlement_transfer_completed_bank"
		if at(t, decode(t, e.body), "event.resource.destination.type") == "Mobile Wallet" {
			want = "GUESS_webhook_settlement_transfer_completed_wallet"
		}
		sameShape(t, sample(t, want), string(e.body))
	}
}

func TestSweep(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	sweep := func() map[string]any {
		return s.attributes(s.create("/api/v2/send_money", `{"destinations":[],"currency":"KES","_links":{"callback_url":"`+result+`"}}`))
	}
	got := sweep()
	assert.Equal(t, "100000.0", at(t, got, "transfer_batches.0.amount"))
	s.received("K555555")
	assert.Equal(t, "250.0", at(t, sweep(), "transfer_batches.0.amount"), "what came since")
	assert.Equal(t, "0.0", at(t, sweep(), "transfer_batches.0.amount"))
	got = s.attributes(s.create("/api/v1/settlement_transfers", sample(t, "request_settlement_transfer_blind_v1")))
	assert.Nil(t, at(t, got, "amount.value"))
}

func TestPaymentToRecipient(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	wallet := sample(t, "request_pay_recipient_mobile_wallet_v1")
	good := s.attributes(s.create("/api/v1/pay_recipients", wallet))["recipient_reference"]
	bad := s.attributes(s.create("/api/v1/pay_recipients", with(wallet, "pay_recipient.phone_number", "+"+kopokopotest.FailPhone)))["recipient_reference"]
	pay := sample(t, "request_payment_v1")
	for reference, want := range map[any]string{good: "Transferred", bad: "Cancelled", "made-in-the-dashboard": "Transferred"} {
		got := s.attributes(s.create("/api/v1/payments", with(pay, "destination_reference", reference)))
		assert.Equal(t, "Processed", got["status"])
		assert.Equal(t, want, at(t, got, "transfer_batches.0.disbursements.0.status"))
		assert.Equal(t, "Mobile Wallet", at(t, got, "transfer_batches.0.disbursements.0.destination_type"))
		assert.InDelta(t, 20000, at(t, got, "amount.value"), 0, "a number")
	}
}

func TestReversal(t *testing.T) {
	s := memoryShop(t)
	s.subscribe("buygoods_transaction_reversed")
	reference := s.received("K555555")
	reverse := func(reason string) string {
		return `{"transaction_reference":"` + reference + `","reason":"` + reason + `","_links":{"callback_url":"` + result + `"}}`
	}
	path := s.create("/api/v2/reversals", reverse(kopokopotest.FailReason))
	r := s.post("/api/v2/reversals", reverse("Twice"))
	assert.Equal(t, sample(t, "error_400_reversal_pending_message_array"), r.body)
	s.idle()
	sameShape(t, strings.ReplaceAll(sample(t, "callback_reversal_failed_docs"), `"reversals"`, `"reversal"`), s.get(path).body)
	got := s.attributes(path)
	assert.Equal(t, "Processed", got["status"])
	assert.Equal(t, "Cancelled", at(t, got, "reversal_bulk_payment.status"))
	assert.Empty(t, s.arrived(hook))

	path = s.create("/api/v2/reversals", reverse("Double payment"))
	s.idle()
	assert.Equal(t, "Transferred", at(t, s.attributes(path), "reversal_bulk_payment.status"))
	events := s.arrived(hook)
	require.Len(t, events, 1)
	sameShape(t, sample(t, "webhook_buygoods_transaction_reversed"), string(events[0].body))
	assert.Equal(t, "250", at(t, decode(t, events[0].body), "event.resource.amount"))
	assert.Equal(t, 400, s.post("/api/v2/reversals", reverse("Again")).status)
}

func TestPolling(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	s.received("K555555")
	s.received("K777777")
	poll := func(scope, from, to string) []any {
		path := s.create("/api/v2/polling", `{"scope":`+scope+`,"from_time":"`+from+`","to_time":"`+to+`","_links":{"callback_url":"`+result+`"}}`)
		got := s.attributes(path)
		assert.Equal(t, "Success", got["status"])
		return got["transactions"].([]any)
	}
	stamp := func(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339) }
	assert.Len(t, poll(`"company","scope_reference":null`, stamp(-time.Hour), stamp(time.Hour)), 2)
	assert.Len(t, poll(`"till","scope_reference":"777777"`, stamp(-time.Hour), stamp(time.Hour)), 1)
	assert.Empty(t, poll(`"company"`, stamp(-2*time.Hour), stamp(-time.Hour)))
	assert.Empty(t, poll(`"company"`, stamp(time.Hour), stamp(2*time.Hour)))
}

func TestPaymentLink(t *testing.T) {
	s := memoryShop(t)
	s.subscribe("buygoods_transaction_received")
	request := `{"till_number":"K4321","currency":"KES","amount":1000,"payment_reference":"INV1","note":"Rent","metadata":{"a":1},"_links":{"callback_url":"` + result + `"}}`
	path := s.create("/api/v2/payment_links", request)
	assert.Equal(t, "Active", at(t, s.attributes(path), "payment_link.payment_link_status"))
	assert.Empty(t, s.srv.Deliveries(), "making a link is no result")

	require.ErrorIs(t, s.srv.PayLink("unknown", "254722000000"), kopokopotest.ErrNotPayable)
	require.Error(t, s.srv.PayLink(id(path), "12"))
	require.NoError(t, s.srv.PayLink(id(path), "0722000000"))
	s.idle()
	callbacks := s.arrived(result)
	require.Len(t, callbacks, 1)
	sameShape(t, sample(t, "callback_payment_link_paid"), string(callbacks[0].body))
	assert.Contains(t, string(callbacks[0].body), `"sender_phone_number":254722000000,`)
	assert.Equal(t, string(callbacks[0].body), s.get(path).body)
	require.Len(t, s.arrived(hook), 1)
	require.ErrorIs(t, s.srv.PayLink(id(path), "254722000000"), kopokopotest.ErrNotPayable)
	assert.Equal(t, 400, s.post(path+"/cancel", "").status, "paid")

	for _, body := range []string{"", "{}", "null"} {
		path = s.create("/api/v2/payment_links", request)
		for range 2 {
			r := s.post(path+"/cancel", body)
			assert.Equal(t, 200, r.status)
			assert.Equal(t, sample(t, "payment_link_cancelled"), r.body)
		}
		assert.Equal(t, "Cancelled", at(t, s.attributes(path), "payment_link.payment_link_status"))
		require.ErrorIs(t, s.srv.PayLink(id(path), "254722000000"), kopokopotest.ErrNotPayable)
	}
	assert.Equal(t, 404, s.post("/api/v2/payment_links/unknown/cancel", "").status)
	assert.Equal(t, 404, s.post("/api/v2/reversals/unknown/cancel", "").status)
	assert.Equal(t, 404, s.get(path+"/cancel").status)
	assert.Equal(t, http.StatusNotFound, s.get("/links/x").status)
}
