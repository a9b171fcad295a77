package kopokopotest

import "time"

// Values that decide how a request ends. Each is a number that cannot belong to
// anyone.
const (
	// SuccessTill always takes the customer's payment; the K is optional. Seen in
	// Kopo Kopo's sandbox. Every till that is not FailTill does so here too.
	SuccessTill = "1234567"
	// FailTill never takes the customer's payment; the K is optional. Seen in Kopo
	// Kopo's sandbox.
	FailTill = "K000000"
	// FailPhone is a mobile wallet that money never reaches: its disbursement ends
	// Cancelled. The same goes for a till, paybill or bank account of nothing but
	// zeros. Invented here; Kopo Kopo publishes no failing disbursement.
	FailPhone = "254700000000"
	// FailReason is the reason for which a reversal is never carried out. Invented here.
	FailReason = "fail"
)

// noFunds is K2's own text for a payment or reversal without the money for it.
const noFunds = "The balance is insufficient for the transaction"

// openingBalance is what the first sweep finds if nothing was received before.
const openingBalance money = 100_000_00

// ledger is what the server knows, guarded by Server.mu.
type ledger struct {
	resources     shelf[*record]
	subscriptions shelf[*record]
	recipients    shelf[*record] // under the reference that payments name them by
	accounts      shelf[*record] // the merchant's own, under their account_reference
	duplicates    shelf[struct{}]
	transactions  shelf[*transaction] // incoming, under their id: references can be shared
	customers     shelf[struct{}]
	payees        shelf[int] // how often money was sent to a number
	tokens        shelf[*token]

	balance     money // may be below zero
	prefix      string
	receipts    int
	unixSeconds bool // receipts are Unix seconds
}

func (s *Server) openLedger() {
	s.prefix = newPrefix()
	s.unixSeconds = s.sandboxReceipts
	s.balance = openingBalance
}

// transaction is one payment from a customer to a till.
type transaction struct {
	id, reference       string
	amount              money
	till                string // as it was asked for, with its K
	phone               string // 254XXXXXXXXX
	first, middle, last any    // text or null
	at                  time.Time
	state               transactionState
	push                *record // the incoming payment that it came by, if any
}

type transactionState string

// The states of an incoming transaction, in the words of K2's refusals.
const (
	received        transactionState = "Received"
	pendingReversal transactionState = "Pending Reversal"
	reversed        transactionState = "Reversed"
)

// receive books a payment from a customer and returns the webhooks it causes.
func (s *Server) receive(t *transaction) []mail {
	t.id, t.reference, t.at, t.state = newID(), s.newReference(), time.Now(), received
	s.transactions.put(t.id, t, 0)
	s.balance += t.amount
	out := s.notify(event{
		topic: "buygoods_transaction_received", kind: "Buygoods Transaction", till: t.till,
		resource: t.webhookResource(received), linkPath: "/financial_transaction/" + t.id, daraja: t.daraja(),
	})
	if _, known := s.customers.get(t.phone); known {
		return out
	}
	s.customers.put(t.phone, struct{}{}, 0)
	return append(out, s.notify(event{
		topic: "customer_created", kind: "Customer Created", linkPath: "/mobile_money_user/" + newID(),
		resource: object{
			{"last_name", t.last}, {"first_name", t.first}, {"middle_name", t.middle}, {"phone_number", "+" + t.phone},
		},
	})...)
}

// findPayment returns the newest payment with this reference, one that can be
// reversed before one that cannot.
func (s *Server) findPayment(reference string) (found *transaction, ok bool) {
	for _, t := range s.transactions.all() {
		if t.reference == reference && (found == nil || t.state == received || found.state != received) {
			found = t
		}
	}
	return found, found != nil
}

// shown is the state that documents show of a payment. See [WithReversedShown].
func (s *Server) shown(t *transaction) transactionState {
	if s.reversedShown {
		return t.state
	}
	return received
}

// webhookResource has the keys in the order of the buygoods_transaction_received sample.
func (t *transaction) webhookResource(state transactionState) object {
	return object{
		{"id", t.id},
		{"amount", t.amount.decimal()},
		{"status", string(state)},
		{"system", "Lipa Na M-PESA"},
		{"currency", "KES"},
		{"reference", t.reference},
		{"till_number", tillDigits(t.till)},
		{"sender_phone_number", "+" + t.phone},
		{"hashed_sender_phone", hashedPhone(t.phone)},
		{"origination_time", second(t.at)},
		{"sender_last_name", t.last},
		{"sender_first_name", t.first},
		{"sender_middle_name", t.middle},
	}
}

// pollResource is the same with the phone at the end, as in the polling sample.
func (t *transaction) pollResource(state transactionState) object {
	return append(t.webhookResource(state).without("sender_phone_number"), member{"sender_phone_number", "+" + t.phone})
}

// resultResource has the keys in the order of the incoming payment samples, which
// differs; there the till keeps its K.
func (t *transaction) resultResource(state transactionState) object {
	return object{
		{"id", t.id},
		{"reference", t.reference},
		{"origination_time", second(t.at)},
		{"sender_phone_number", "+" + t.phone},
		{"hashed_sender_phone", hashedPhone(t.phone)},
		{"amount", t.amount.decimal()},
		{"currency", "KES"},
		{"till_number", t.till},
		{"system", "Lipa Na M-PESA"},
		{"status", string(state)},
		{"sender_first_name", t.first},
		{"sender_middle_name", t.middle},
		{"sender_last_name", t.last},
	}
}
