package kopokopotest

import "time"

var reversalRules = allPresent("transaction_reference", "reason")

// reversible is how long after a payment it can be reversed (K2 docs: 30 days).
const reversible = 30 * 24 * time.Hour

// checkReversal requires a transaction this server has received. An unknown one is
// refused with a string, a wrong state with a list; both are on record.
func checkReversal(s *Server, req object) *refusal {
	t, ok := s.findPayment(req.text("transaction_reference"))
	if !ok || time.Since(t.at) > reversible {
		return badRequest("Transaction reference invalid")
	}
	if t.state != received {
		return refuseList("You cannot reverse a transaction in " + string(t.state))
	}
	return nil
}

func buildReversal(s *Server, r *record) object {
	reference := r.req.text("transaction_reference")
	if t, ok := s.findPayment(reference); ok {
		t.state, r.reverses = pendingReversal, t
	}
	return object{
		{"status", "Received"},
		{"created_at", instant(r.created)},
		{"transaction_reference", reference},
		{"reason", r.req.text("reason")},
		{"reversal_bulk_payment", nil},
		{"errors", nil},
	}
}

// endReversal gives the money back. A failed reversal says Processed all the same;
// its inner status is Cancelled (K2 docs).
func endReversal(s *Server, r *record, why []string) []mail {
	t := r.reverses
	if len(why) == 0 && r.req.text("reason") == FailReason {
		why = []string{noFunds}
	}
	p := s.move(t.amount, "", why)
	var receipt any
	if p.status == "Transferred" {
		receipt = s.newReference()
	}
	r.attrs.set("status", "Processed")
	r.attrs.set("reversal_bulk_payment", object{
		{"amount", p.amount.decimal()},
		{"status", p.status},
		{"origination_time", instant(p.at)},
		{"transaction_reference", receipt},
	})
	r.attrs.set("errors", p.errors)
	if p.status != "Transferred" {
		t.state = received
		return nil
	}
	t.state = reversed
	if s.reversedShown && t.push != nil {
		t.push.attrs.set("event", incomingEvent(t.resultResource(s.shown(t)), nil))
	}
	return s.notify(event{
		topic: "buygoods_transaction_reversed", kind: "Buygoods Transaction", till: t.till,
		resource: t.reversedResource(p.at), linkPath: "/financial_transaction/" + t.id,
	})
}

// reversedResource follows the buygoods_transaction_reversed sample, with its own
// spelling of the system and its amount without needless decimals.
func (t *transaction) reversedResource(at time.Time) object {
	return object{
		{"id", t.id},
		{"amount", t.amount.plain()},
		{"status", string(reversed)},
		{"system", "Lipa Na Mpesa"},
		{"currency", "KES"},
		{"reference", t.reference},
		{"till_number", tillDigits(t.till)},
		{"origination_time", second(at)},
		{"sender_last_name", t.last},
		{"sender_first_name", t.first},
		{"sender_middle_name", t.middle},
		{"sender_phone_number", "+" + t.phone},
	}
}
