package kopokopo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// LedgerEntry is one movement of money on the merchant's Kopo Kopo balance, as
// [Notification.Entries] and the Entries methods of what Get and Transactions return
// tell of it. K2's fees are not in its API, and so in no entry.
//
// Apply each Key once: a table with a unique index on it is a ledger that stays right
// however often, in whatever shape and in whatever order K2 tells of a movement. The
// sum of [LedgerEntry.Minor] over the keys is what the balance moved by.
//
// Keys never change between versions of this package. They are ASCII, at most 255
// characters, and made of
//
//   - credit:<M-PESA receipt> for a payment. One between merchants (m2m) has no receipt
//     and is credit:<K2's id of it>;
//   - debit:<receipt>:<destination> for a payout or a settlement. The destination is
//     K2's reference of it, or a hash of the account where K2 names none. A receipt
//     that one document shows for parts of different amounts or times, to one
//     destination, gets :2, :3 and so on behind the key of its first part;
//   - debit::<destination>:<amount>:<milliseconds> where there is no receipt, as with
//     EFT: the amount as a plain decimal and the origination time since 1970; :2, :3
//     and so on for lines of one document that are alike in all of it;
//   - reversal:<receipt of the payment> for a payment that was given back. Where a
//     reversal was requested by anything but the receipt, K2 repeats that, and the key
//     is made of it: it is then another key than that of the reversed event;
//   - sample: in front of any of them, for a sample of this package's.
//
// What is on record of K2 agrees on the keys. Three things are assumed, since no sample
// shows both sides: that send money to an account of the merchant's own names it by
// the reference, receipt and time that settlement_transfer_completed has, that the
// receipt of a paid link is that of its event, and that m2m_transaction_completed has
// the id of its m2m_transaction_received. K2's sandbox makes receipts of Unix seconds:
// two payments within one second, and two payouts to one destination, get one key there.
type LedgerEntry struct {
	Key       string    // The identity of the movement. See above.
	Kind      EntryKind // What moved: a payment, payout, settlement or reversal.
	Direction Direction // Credit for money in, Debit for money out.
	Amount    Money     // How much: always more than zero, a plain decimal without needless zeros. The currency is KES where K2 names none.
	Reference string    // The M-PESA receipt; of a reversal that of the payment, as it was requested by. "" for what has none.
	Reverses  string    // Of a reversal the Key of the payment that went back, made as its own Key is; else "".
	At        Time      // When it took place, the zero Time where K2 does not say. Of the reversal in a Reversed transaction: when it was paid.
}

// Minor returns what the entry moves the balance by, in minor units (cents of a
// shilling): negative for a debit. It is exact for every entry of this package's, and
// 0 for one whose amount is not a sum of money.
func (e LedgerEntry) Minor() int64 {
	minor, _ := e.Amount.Value.Minor() // 0 for what is none
	if e.Direction == Debit {
		return -minor
	}
	return minor
}

// EntryKind is what a [LedgerEntry] is.
type EntryKind string

// The kinds of entries.
const (
	EntryPayment    EntryKind = "payment"    // A customer, till or merchant paid.
	EntryPayout     EntryKind = "payout"     // Money was sent to somebody.
	EntrySettlement EntryKind = "settlement" // Money went to an account of the merchant's own.
	EntryReversal   EntryKind = "reversal"   // A payment was given back to whoever had paid it.
)

// Direction is which way a [LedgerEntry] moves the balance.
type Direction string

// The directions.
const (
	Credit Direction = "credit" // Onto the balance.
	Debit  Direction = "debit"  // Off the balance.
)

// ErrUndecided means that K2 tells of money of which it cannot be said whether it
// moved: a status is in no table, or contradicts another one, errors or a receipt; an
// amount is zero, negative or unreadable; a payment has no receipt. The entries that
// come with the error are certain all the same.
//
// A handler's function applies them and then returns the error, so that K2 delivers
// again and somebody looks into it.
var ErrUndecided = errors.New("kopokopo: ledger entries: it is undecided whether money moved")

// mover is what can tell of money that moved.
type mover interface {
	Entries() ([]LedgerEntry, error)
}

// Entries returns what a notification moves on the merchant's balance: nothing for
// what is pending, failed or interim, tells of no money, or has a topic that this
// package does not know. One notification may move several things, and many tell of
// the same one: see [LedgerEntry] for keys. The error is nil or [ErrUndecided]; the
// entries beside it are certain.
//
// Call it on the notification, not on its payload, which does not know whether it is
// a sample. It does not verify anything: see [ParseEvent].
func (n *Notification) Entries() ([]LedgerEntry, error) {
	if n == nil {
		return nil, nil
	}
	var entries []LedgerEntry
	var err error
	switch p := n.Payload.(type) {
	case interface{ entries() ([]LedgerEntry, error) }: // a document
		entries, err = p.entries()
	case mover: // an event
		entries, err = p.Entries()
	}
	for i := range entries {
		if e := &entries[i]; n.Sample {
			e.Key, e.Reverses = asSample(e.Key), asSample(e.Reverses)
		}
	}
	return entries, err
}

// asSample makes the key of a sample, which no movement has.
func asSample(key string) string {
	if key == "" {
		return ""
	}
	return "sample:" + key
}

// entries are those of a document's attributes. What did not fit its field is not in
// them, so that the place where the document tells of money is looked at in the raw
// one too, unless there is no news yet.
func (d *Document[A]) entries() ([]LedgerEntry, error) {
	if d == nil {
		return nil, nil
	}
	m, ok := any(d.Attributes).(mover)
	if !ok {
		return nil, nil
	}
	entries, err := m.Entries()
	status, place := moneyIn(d.Attributes)
	if err != nil || len(d.Raw) == 0 || place == nil || hear(ofRequest, status) == saidInterim {
		return entries, err
	}
	var document struct {
		Attributes json.RawMessage `json:"attributes"`
	}
	if json.Unmarshal(d.Raw, &document) != nil || json.Unmarshal(document.Attributes, place) != nil {
		err = fmt.Errorf("%w: the part of the document that would say so cannot be read", ErrUndecided)
	}
	return entries, err
}

// moneyIn returns the status of a document, and where money stands in it: an object,
// or a list of objects, that anything else does not decode into. A list of
// transactions is long, and one that has an element needs no second look.
func moneyIn(attributes any) (status string, place any) {
	type batches struct {
		List []struct {
			Disbursements []struct{} `json:"disbursements"`
		} `json:"transfer_batches"`
	}
	switch a := attributes.(type) {
	case IncomingPayment:
		return a.Status, new(struct {
			Event struct {
				Resource struct{} `json:"resource"`
			} `json:"event"`
		})
	case PaymentLink:
		return a.Status, new(struct {
			Link struct{} `json:"payment_link"`
		})
	case Reversal:
		return a.Status, new(struct {
			Bulk struct{} `json:"reversal_bulk_payment"`
		})
	case SendMoney:
		return a.Status, new(batches)
	case Payment:
		return a.Status, new(batches)
	case SettlementTransfer:
		return a.Status, new(batches)
	case Polling:
		if len(a.Transactions) == 0 {
			return a.Status, new(struct {
				List []struct{} `json:"transactions"`
			})
		}
	}
	return "", nil
}

// said is what a status says of money.
type said int

const (
	saidNothing  said = iota // there is no word
	saidInterim              // no news yet
	saidMoved                // it moved
	saidNot                  // it did not, and will not
	saidReversed             // it moved and went back
	saidUnknown              // a word that is in no table
)

// hear reads a status for the ledger, by the tables that outcomes are read by.
func hear(at level, status string) said {
	word := statusWord(status)
	outcome, listed := statuses[at][word]
	switch {
	case word == "":
		return saidNothing
	case outcome == OutcomeSucceeded:
		return saidMoved
	case listed && slices.Contains(undone, word):
		return saidReversed
	case outcome == OutcomeFailed:
		return saidNot
	case listed || slices.Contains(interim, word):
		return saidInterim
	}
	return saidUnknown
}

// Why something is undecided.
const (
	whyUnknown      = "a status that is in no table"
	whyNoStatus     = "there is no status"
	whyContradicted = "one part of it says that the money moved, and another speaks against that"
	whyFailedAndYet = "it failed, and yet it has what only a movement of money has"
	whyNotShown     = "money is said to have moved, and the movement is not shown"
	whyCameBack     = "a payout is said to have come back, of which no sample is on record"
	whyTooMuch      = "more arrived than there was to pay"
)

// movements gathers the entries of one document, and what is undecided in it.
type movements struct {
	entries []LedgerEntry
	first   string // the first doubt
	doubts  int
}

// doubt notes something that cannot be decided. where is the place in the document,
// why takes no text of K2's.
func (m *movements) doubt(where, why string) {
	if m.doubts == 0 {
		m.first = strings.TrimPrefix(where+": "+why, ": ")
	}
	m.doubts++
}

// result returns each movement once, since a list can tell of it twice.
func (m *movements) result() ([]LedgerEntry, error) {
	var entries []LedgerEntry
	seen := make(map[string]Money, len(m.entries))
	for _, e := range m.entries {
		amount, known := seen[e.Key]
		switch {
		case !known:
			seen[e.Key] = e.Amount
			entries = append(entries, e)
		case amount != e.Amount:
			m.doubt("", "two amounts have one receipt")
		}
	}
	switch m.doubts {
	case 0:
		return entries, nil
	case 1:
		return entries, fmt.Errorf("%w: %s", ErrUndecided, m.first)
	}
	return entries, fmt.Errorf("%w: %s; and %d more", ErrUndecided, m.first, m.doubts-1)
}

// sum reads the amount of a movement. It notes a doubt where there is none that
// money can move by.
func (m *movements) sum(where string, amount Decimal, currency string) (Money, bool) {
	_, whole, fraction, _ := amount.parts()
	minor, err := amount.Minor()
	currency = orDefault(strings.ToUpper(strings.TrimSpace(currency)), "KES")
	switch {
	case err != nil || len(whole) > maxShillingDigits:
		m.doubt(where, "the amount is not a sum of money")
		return Money{}, false
	case minor <= 0:
		m.doubt(where, "the amount is not more than zero")
		return Money{}, false
	case len(currency) != 3 || strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		m.doubt(where, "the currency is none")
		return Money{}, false
	}
	text := orDefault(whole, "0")
	if fraction != "" {
		text += "." + fraction
	}
	return Money{Value: Decimal{text}, Currency: currency}, true
}

// paid is what the shapes that tell of a payment have in common.
type paid struct {
	id        string // what tells it from all others: the receipt, or K2's id of one between merchants
	reference string // the receipt
	amount    Decimal
	currency  string
	at        Time
}

// payment adds a payment that came, went back, or both.
func (m *movements) payment(where string, p paid, came, wentBack bool) {
	amount, ok := m.sum(where, p.amount, p.currency)
	id := strings.TrimSpace(p.id)
	if ok && id == "" {
		m.doubt(where, "a payment without a receipt")
		ok = false
	}
	if !ok {
		return
	}
	entry := LedgerEntry{Key: joinKey("credit", id), Kind: EntryPayment, Direction: Credit,
		Amount: amount, Reference: strings.TrimSpace(p.reference), At: p.at}
	if came {
		m.entries = append(m.entries, entry)
	}
	if wentBack {
		entry.Key, entry.Reverses = joinKey("reversal", id), entry.Key
		entry.Kind, entry.Direction = EntryReversal, Debit
		m.entries = append(m.entries, entry)
	}
}

// destination is what tells whom a disbursement went to: K2's reference of it, or a
// hash of what there is of the account. It is "" where there is nothing.
func (d Disbursement) destination() string {
	if reference := strings.TrimSpace(d.DestinationReference); reference != "" && oneOf(reference, "Unavailable") == "" {
		return reference
	}
	phone := strings.TrimSpace(d.PhoneNumber)
	if p, err := ParsePhone(phone); err == nil {
		phone = p.Digits()
	}
	account := phone
	for _, part := range []string{d.AccountNumber, d.BankBranchReference, d.TillNumber, d.PayBillNumber, d.PayBillAccountNumber} {
		account += "\x00" + strings.TrimSpace(part)
	}
	if strings.Trim(account, "\x00") == "" {
		return ""
	}
	digest := sha256.Sum256([]byte(account))
	return hex.EncodeToString(digest[:])
}

// numbered tells apart the lines of one document that have one key. They are counted
// in the order of their times and then of their amounts, which every shape shows, so
// that all shapes agree on the numbers.
func numbered(lines []LedgerEntry) []LedgerEntry {
	order := make([]*LedgerEntry, len(lines))
	for i := range lines {
		order[i] = &lines[i]
	}
	slices.SortStableFunc(order, func(a, b *LedgerEntry) int {
		return cmp.Or(a.At.Compare(b.At.Time), cmp.Compare(-a.Minor(), -b.Minor()))
	})
	count := map[string]int{}
	for _, e := range order {
		key := e.Key
		if count[key]++; count[key] > 1 {
			e.Key += ":" + strconv.Itoa(count[key])
		}
	}
	return lines
}
