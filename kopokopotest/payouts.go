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
	reference, number, kind := r.req.text("destination_reference"), "", r.req.text("destination_type")
	eft := kind == "bank_account"
	if rec, ok := s.recipients.get(reference); ok {
		t, inner := recipientOf(rec.req)
		number = inner.text(t.number)
		eft = eft && !strings.EqualFold(inner.text("settlement_method"), "RTS")
	}
	p := s.payOut(amount, number, eft, why)
	r.attrs.set("status", "Processed")
	r.attrs.set("transfer_batches", []any{p.batch(recipientTypes[kind].display, reference)})
	return nil
}

// payout is money on its way to one destination.
type payout struct {
	amount money
	status string // "Transferred" or "Cancelled"
	errors any    // null or a list
	at     time.Time
	parts  []part // at least one; together they are the amount
}

// part is one disbursement of a payout.
type part struct {
	amount    money
	reference any // M-PESA reference, or null
	at        time.Time
}

// move takes money off the balance for the holder of a number, or fails. The balance
// may go below zero.
func (s *Server) move(amount money, number string, why []string) payout {
	if len(why) == 0 && unreachable(number) {
		why = []string{noFunds}
	}
	if len(why) > 0 {
		return payout{amount: amount, status: "Cancelled", errors: texts(why), at: time.Now()}
	}
	s.balance -= amount
	return payout{amount: amount, status: "Transferred", at: time.Now()}
}

const (
	partGap  = 4 * time.Millisecond // how far apart the disbursements of one payout are in K2's samples
	maxParts = 100                  // of one payout, so that no amount costs memory without a bound
)

// payOut moves money to the holder of a number, in as many disbursements as
// [WithSplits] says, the odd one first as in K2's samples. EFT has no receipts.
func (s *Server) payOut(amount money, number string, eft bool, why []string) payout {
	p := s.move(amount, number, why)
	if p.status != "Transferred" {
		p.parts = []part{{amount: amount, at: p.at}}
		return p
	}
	for at, left := p.at, amount; left > 0 || len(p.parts) == 0; at = at.Add(partGap) {
		next := part{amount: left, at: at}
		if s.split > 0 && left > s.split && len(p.parts) < maxParts-1 {
			if next.amount = left % s.split; next.amount == 0 {
				next.amount = s.split
			}
		}
		if !eft {
			next.reference = s.newReference()
		}
		p.parts, left = append(p.parts, next), left-next.amount
	}
	return p
}

// batch shows a payout as version 1 does.
func (p payout) batch(destinationType, reference string) object {
	list := []any{}
	for _, d := range p.parts {
		list = append(list, object{
			{"amount", d.amount.decimal()},
			{"status", p.status},
			{"destination_type", destinationType},
			{"origination_time", instant(d.at)},
			{"destination_reference", reference},
			{"transaction_reference", d.reference},
		})
	}
	return object{{"status", p.status}, {"disbursements", list}}
}

// unreachable tells the numbers that money never reaches, see FailPhone.
func unreachable(number string) bool {
	n := tillDigits(number)
	return international(number) == FailPhone || (n != "" && strings.Trim(n, "0") == "")
}

// settleTo pays out to an own account.
func (s *Server) settleTo(a ownAccount, amount money, why []string) payout {
	return s.payOut(amount, a.number(), !a.instantPay(), why)
}

// settled returns the webhook of a settlement that has arrived.
func (s *Server) settled(a ownAccount, p payout) []mail {
	if p.status != "Transferred" {
		return nil
	}
	id, parts := newID(), []any{}
	for _, d := range p.parts {
		parts = append(parts, object{
			{"amount", d.amount.decimal()},
			{"status", p.status},
			{"origination_time", instant(d.at)},
			{"transaction_reference", d.reference},
		})
	}
	return s.notify(event{
		topic: "settlement_transfer_completed", kind: "Settlement Transfer", linkPath: "/transfer_batch/" + id,
		resource: object{
			{"id", id},
			{"amount", p.amount.decimal()},
			{"status", p.status},
			{"currency", "KES"},
			{"destination", a.webhookDestination()},
			{"disbursements", parts},
			{"origination_time", instant(p.at)},
		},
	})
}

// sweep is all that there is to move.
func (s *Server) sweep() money { return max(s.balance, 0) }
