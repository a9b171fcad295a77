package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kopokopo-go/kopokopo"
)

// The documents that the words are put into: each would move 100 KES if the word at
// its level said so.

func transaction(status string) kopokopo.Transaction {
	return kopokopo.Transaction{ID: "id-1", Reference: "R1", Amount: decimal("100.0"), Currency: "KES", Status: status}
}

func push(status, inner string, errs ...string) kopokopo.IncomingPayment {
	t := transaction(inner)
	return kopokopo.IncomingPayment{Status: status, Event: kopokopo.IncomingPaymentEntry{Resource: &t, Errors: errs}}
}

func disbursement(status string) kopokopo.Disbursement {
	return kopokopo.Disbursement{Amount: decimal("100.0"), Status: status, DestinationType: "mobile_wallet", DestinationReference: "D1", TransactionReference: "R1"}
}

func batch(status string, parts ...kopokopo.Disbursement) kopokopo.TransferBatch {
	return kopokopo.TransferBatch{Status: status, Amount: decimal(fmt.Sprintf("%d.0", 100*len(parts))), Disbursements: parts}
}

func sent(status string, batches ...kopokopo.TransferBatch) kopokopo.SendMoney {
	return kopokopo.SendMoney{Status: status, Currency: "KES", TransferBatches: batches,
		Destinations: []kopokopo.SentDestination{{Type: "mobile_wallet", Amount: decimal("100")}}}
}

func reversal(status, bulk string) kopokopo.Reversal {
	return kopokopo.Reversal{Status: status, TransactionReference: "R1",
		BulkPayment: &kopokopo.ReversalBulkPayment{Amount: decimal("100.0"), Status: bulk, TransactionReference: "REV1"}}
}

func link(top, status string) kopokopo.PaymentLink {
	return kopokopo.PaymentLink{Status: top, Amount: decimal("100"), Currency: "KES",
		Link: kopokopo.CustomerLink{Status: status, TransactionReference: "R1", Link: "/links/1"}}
}

const (
	paid     = "credit:R1 payment credit 100 KES"
	paidOut  = "debit:R1:D1 payout debit 100 KES"
	settled  = "debit:R1:D1 settlement debit 100 KES"
	gaveBack = "reversal:R1 reversal debit 100 KES of credit:R1"
)

// levels are all the places that a status stands in, with the words that are final
// there: what they move. Interim words move nothing anywhere, and any other word is
// undecided.
var levels = map[string]struct {
	with     func(word string) mover
	moves    []string // what the words of moved move
	moved    string
	not      string // final words of what did not happen; the documents show a receipt beside them, which is a contradiction
	reversed string // words of what came and went back
	undone   []string
}{
	"incoming payment": {with: func(w string) mover { return push(w, "Received") }, moves: []string{paid}, moved: "success", not: "failed cancelled canceled"},
	"its transaction": {with: func(w string) mover { return push("Success", w) }, moves: []string{paid}, moved: "received complete completed success pending_reversal",
		not: "failed cancelled canceled", reversed: "reversed voided", undone: []string{paid, gaveBack}},
	"transaction": {with: func(w string) mover { return transaction(w) }, moves: []string{paid}, moved: "received complete completed success pending_reversal",
		not: "failed cancelled canceled", reversed: "reversed voided", undone: []string{paid, gaveBack}},
	"received event": {with: func(w string) mover {
		return kopokopo.TransactionEvent{Topic: kopokopo.TopicBuygoodsReceived, Transaction: transaction(w)}
	}, moves: []string{paid}, moved: "received complete completed success pending_reversal",
		not: "failed cancelled canceled", reversed: "reversed voided", undone: []string{paid, gaveBack}},
	"reversed event": {with: func(w string) mover {
		return kopokopo.TransactionEvent{Topic: kopokopo.TopicBuygoodsReversed, Transaction: transaction(w)}
	}, reversed: "reversed voided", undone: []string{gaveBack}},
	"send money": {with: func(w string) mover { return sent(w, batch("Transferred", disbursement("Transferred"))) }, moves: []string{paidOut},
		moved: "processed transferred success complete completed", not: "failed cancelled canceled rejected declined"},
	"payment": {with: func(w string) mover {
		return kopokopo.Payment{Status: w, TransferBatches: []kopokopo.TransferBatch{batch("Transferred", disbursement("Transferred"))}}
	}, moves: []string{paidOut}, moved: "processed transferred success complete completed", not: "failed cancelled canceled rejected declined"},
	"settlement transfer": {with: func(w string) mover {
		return kopokopo.SettlementTransfer{Status: w, TransferBatches: []kopokopo.TransferBatch{batch("Transferred", disbursement("Transferred"))}}
	}, moves: []string{settled}, moved: "processed transferred success complete completed", not: "failed cancelled canceled rejected declined"},
	"batch": {with: func(w string) mover { return sent("Processed", batch(w, disbursement("Transferred"))) }, moves: []string{paidOut},
		moved: "transferred success complete completed", not: "failed cancelled canceled rejected declined reversed"},
	"disbursement": {with: func(w string) mover { return sent("Processed", batch("", disbursement(w))) }, moves: []string{paidOut},
		moved: "transferred success complete completed", not: "failed cancelled canceled rejected declined reversed"},
	"settlement event": {with: func(w string) mover {
		return kopokopo.SettlementEvent{Status: w, Amount: decimal("100"), Disbursements: []kopokopo.Disbursement{disbursement("Transferred")}}
	}, moves: []string{settled}, moved: "transferred success complete completed", not: "failed cancelled canceled rejected declined reversed"},
	"reversal": {with: func(w string) mover { return reversal(w, "Transferred") }, moves: []string{gaveBack},
		moved: "processed transferred success complete completed", not: "failed cancelled canceled rejected declined"},
	"bulk payment": {with: func(w string) mover { return reversal("Processed", w) }, moves: []string{gaveBack},
		moved: "transferred success complete completed", not: "failed cancelled canceled rejected declined reversed"},
	"payment link": {with: func(w string) mover { return link(w, "Paid") }, moves: []string{paid},
		moved: "processed transferred success complete completed", not: "failed cancelled canceled rejected declined"},
	"link's status": {with: func(w string) mover { return link("Processed", w) }, moves: []string{paid}, moved: "paid", not: "active expired cancelled canceled"},
}

// interimWords are no news at any level at which they are not the last word.
var interimWords = []string{"pending", "received", "scheduled", "processing", "queued", "initiated", "in_progress", "sent"}

// spellings are how K2 might write a word.
func spellings(word string) []string {
	spaced := strings.ReplaceAll(word, "_", " ")
	return []string{word, spaced, strings.ToUpper(spaced), " " + strings.ToUpper(spaced[:1]) + spaced[1:] + "\n"}
}

func TestEveryWordAtEveryLevel(t *testing.T) {
	t.Parallel()
	for name, level := range levels {
		t.Run(name, func(t *testing.T) {
			final := strings.Fields(level.moved + " " + level.not + " " + level.reversed)
			for _, word := range final {
				for _, spelled := range spellings(word) {
					switch {
					case strings.Contains(" "+level.moved+" ", " "+word+" "):
						requireEntries(t, level.with(spelled), false, level.moves...)
					case strings.Contains(" "+level.not+" ", " "+word+" "):
						requireEntries(t, level.with(spelled), true)
					default:
						requireEntries(t, level.with(spelled), false, level.undone...)
					}
				}
			}
			for _, word := range interimWords {
				if strings.Contains(" "+strings.Join(final, " ")+" ", " "+word+" ") || name == "reversed event" && word == "received" {
					continue
				}
				if name == "link's status" {
					continue // the receipt beside it speaks of a payment: below
				}
				for _, spelled := range spellings(word) {
					requireEntries(t, level.with(spelled), false)
				}
			}
			for _, word := range []string{"Sleeping", "Paid out", "0", "succes", "process", strings.Repeat("x", 1000)} {
				requireEntries(t, level.with(word), true)
			}
		})
	}
}

// A polling's own status speaks of the list, not of the payments in it.
func TestStatusOfAPolling(t *testing.T) {
	t.Parallel()
	with := func(status string, errs []string, list ...kopokopo.PolledTransaction) kopokopo.Polling {
		return kopokopo.Polling{Status: status, Errors: errs, Transactions: list}
	}
	one := kopokopo.PolledTransaction{Type: "Buygoods Transaction", Resource: transaction("Received")}
	requireEntries(t, with("Success", nil, one), false, paid)
	requireEntries(t, with("Success", nil), false)
	for _, word := range interimWords {
		requireEntries(t, with(word, nil, one), false)
	}
	for _, word := range []string{"Failed", "Cancelled", "Sleeping", ""} {
		requireEntries(t, with(word, nil, one), true, paid)
	}
	requireEntries(t, with("Success", []string{"no"}, one), true, paid)
	requireEntries(t, with("Failed", []string{"no"}), false)
	requireEntries(t, with("Sleeping", nil), true)
	requireEntries(t, with("", nil), false)
	requireEntries(t, with("Success", nil, one, kopokopo.PolledTransaction{}), true, paid)
}

// A payment and its reversal in one list, and a list that shows a payment twice.
func TestPollingThatRepeatsItself(t *testing.T) {
	t.Parallel()
	list := func(statuses ...string) (p kopokopo.Polling) {
		p.Status = "Success"
		for _, s := range statuses {
			p.Transactions = append(p.Transactions, kopokopo.PolledTransaction{Resource: transaction(s)})
		}
		return p
	}
	requireEntries(t, list("Received", "Received"), false, paid)
	requireEntries(t, list("Received", "Reversed"), false, paid, gaveBack)
	requireEntries(t, list("Reversed", "Received", "Reversed"), false, paid, gaveBack)
	other := list("Received", "Received")
	other.Transactions[1].Resource.Amount = decimal("7")
	requireEntries(t, other, true, paid)
	other.Transactions[1].Resource.Amount = decimal("100")
	requireEntries(t, other, false, paid)
}

// A link's other words, and its two keys.
func TestWordsOfALink(t *testing.T) {
	t.Parallel()
	with := func(one, other, receipt string) kopokopo.PaymentLink {
		p := link("Processed", one)
		p.Link.PaymentLinkStatus, p.Link.TransactionReference = other, receipt
		return p
	}
	for _, word := range append([]string{"Active", "active", "Expired", "Cancelled", "canceled", ""}, interimWords...) {
		requireEntries(t, with(word, "", ""), false)
		requireEntries(t, with("", word, ""), false)
		requireEntries(t, with(word, "", "R1"), true)
		requireEntries(t, with("", word, "R1"), true)
	}
	requireEntries(t, with("Paid", "", "R1"), false, paid)
	requireEntries(t, with("", "PAID", "R1"), false, paid)
	requireEntries(t, with("Paid", "paid", "R1"), false, paid)
	requireEntries(t, with("Paid", "Active", "R1"), true)
	requireEntries(t, with("Paid", "", ""), true)
	requireEntries(t, with("Sleeping", "", ""), true)
	failed := with("Paid", "", "R1")
	failed.Errors = []string{"no"}
	requireEntries(t, failed, true)
	requireEntries(t, kopokopo.PaymentLink{}, false)
}

// The error says what it is about, and repeats nothing of K2's.
func TestTextOfErrUndecided(t *testing.T) {
	t.Parallel()
	p := sent("Processed", batch("Transferred", disbursement("Transferred"), disbursement("0712345678"), disbursement("secret")))
	entries, err := p.Entries()
	assert.Equal(t, []string{paidOut}, lines(entries))
	assert.EqualError(t, err, "kopokopo: ledger entries: it is undecided whether money moved: "+
		"transfer_batches[0].disbursements[1]: a status that is in no table; and 1 more")
}
