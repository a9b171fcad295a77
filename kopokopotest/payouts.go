package kopokopotest

import (
	"strings"
	"time"
)

// paymentRules: a v1 payment to a recipient (K2 docs).
var paymentRules = rules{
	present("destination_type"), oneOf("destination_type", "mobile_wallet", "bank_account", "till", "paybill"),
	present("destination_reference"),
	present("amount.currency"), currency("amount.currency"), positive("amount.value"),
	present("description"),
}

func buildPayment(_ *Server, r *record) object {
	amount, _ := parseMoney(r.req.text("amount.value"))
	return object{
		{"status", "Scheduled"},
		{"created_at", instant(r.created)},
		{"amount", object{{"currency", "KES"}, {"value", amount.number()}}},
		{"transfer_batches", nil},
	}
}

func endPayment(s *Server, r *record, why []string) []mail {
	amount, _ := parseMoney(r.req.text("amount.value"))
	reference, number := r.req.text("destination_reference"), ""
	if rec, ok := s.recipients.get(reference); ok {
		t, inner := recipientOf(rec.req)
		number = inner.text(t.number)
	}
	p := s.payOut(amount, number, why)
	r.attrs.set("status", "Processed")
	r.attrs.set("transfer_batches", []any{object{
		{"status", p.status},
		{"disbursements", []any{object{
			{"amount", p.amount.decimal()},
			{"status", p.status},
			{"destination_type", recipientTypes[r.req.text("destination_type")].display},
			{"origination_time", instant(p.at)},
			{"destination_reference", reference},
			{"transaction_reference", p.reference},
		}}},
	}})
	return nil
}

// payout is one disbursement.
type payout struct {
	amount    money
	status    string // "Transferred" or "Cancelled"
	errors    any    // null or a list
	reference any    // M-PESA reference, or null
	at        time.Time
}

// payOut moves money to the holder of a number, or fails.
func (s *Server) payOut(amount money, number string, why []string) payout {
	if len(why) == 0 && unreachable(number) {
		why = []string{noFunds}
	}
	if len(why) > 0 {
		return payout{amount: amount, status: "Cancelled", errors: texts(why), at: time.Now()}
	}
	return payout{amount: amount, status: "Transferred", reference: s.newReference(), at: time.Now()}
}

// unreachable tells the numbers that money never reaches, see FailPhone.
func unreachable(number string) bool {
	n := tillDigits(number)
	return international(number) == FailPhone || (n != "" && strings.Trim(n, "0") == "")
}

// settleTo pays out to an own account.
func (s *Server) settleTo(a ownAccount, amount money, why []string) payout {
	p := s.payOut(amount, a.number(), why)
	if !a.instantPay() {
		p.reference = nil
	}
	return p
}

// settled returns the webhook of a settlement that has arrived.
func (s *Server) settled(a ownAccount, p payout) []mail {
	if p.status != "Transferred" {
		return nil
	}
	id := newID()
	return s.notify(event{
		topic: "settlement_transfer_completed", kind: "Settlement Transfer", linkPath: "/transfer_batch/" + id,
		resource: object{
			{"id", id},
			{"amount", p.amount.decimal()},
			{"status", p.status},
			{"currency", "KES"},
			{"destination", a.webhookDestination()},
			{"disbursements", []any{object{
				{"amount", p.amount.decimal()},
				{"status", p.status},
				{"origination_time", instant(p.at)},
				{"transaction_reference", p.reference},
			}}},
			{"origination_time", instant(p.at)},
		},
	})
}

// sweep takes all there is.
func (s *Server) sweep() money {
	all := s.balance
	s.balance = 0
	return all
}
