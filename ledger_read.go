package kopokopo

import (
	"slices"
	"strconv"
	"strings"
)

// This file reads the shapes that K2 tells of money in. The rule is the same in all
// of them. An interim word is no news, whatever else is said. What moved by all that
// is said of it is an entry. What says that it moved, while something around it or
// beside it says otherwise, is a doubt. What a document of n lines costs is sorting
// them, O(n log n), and memory for an entry each.

// Entries returns the payment that an STK push brought, if it did, and what went back
// of it. See [Notification.Entries].
func (p IncomingPayment) Entries() ([]LedgerEntry, error) {
	var m movements
	const where = "event.resource"
	var t Transaction
	if p.Event.Resource != nil {
		t = *p.Event.Resource
	}
	top, inner := hear(ofCollection, p.Status), hear(ofTransaction, t.Status)
	switch {
	case top == saidInterim:
	case top == saidUnknown:
		m.doubt("status", whyUnknown)
	case inner == saidInterim:
	case top == saidMoved && len(p.Event.Errors) > 0:
		m.doubt("event.errors", whyContradicted)
	case top == saidMoved && p.Event.Resource == nil:
		m.doubt(where, whyNotShown)
	case inner == saidReversed && top != saidNothing:
		m.payment(where, t.paid(false), true, true)
	case top == saidMoved && (inner == saidMoved || inner == saidNothing):
		m.payment(where, t.paid(false), true, false)
	case top == saidMoved:
		m.doubt(where, whyContradicted)
	case !claims(t.Reference, t.Amount), inner == saidNot && strings.TrimSpace(t.Reference) == "":
		// all of it says that nothing moved
	case top == saidNothing:
		m.doubt("status", whyNoStatus)
	default:
		m.doubt(where, whyFailedAndYet)
	}
	return m.result()
}

// claims reports whether something that is not said to have moved has what only a
// movement of money has.
func claims(receipt string, amount Decimal) bool {
	sign, err := amount.Sign()
	return strings.TrimSpace(receipt) != "" || err == nil && sign > 0
}

// Entries returns the payment that a transaction is, and beside it the reversal if it
// was reversed or voided. See [Notification.Entries].
func (t Transaction) Entries() ([]LedgerEntry, error) {
	var m movements
	m.transaction("", t, false)
	return m.result()
}

// transaction adds what a transaction in a list or in an event tells.
func (m *movements) transaction(where string, t Transaction, m2m bool) {
	switch hear(ofTransaction, t.Status) {
	case saidInterim:
	case saidMoved:
		m.payment(where, t.paid(m2m), true, false)
	case saidReversed:
		m.payment(where, t.paid(m2m), true, true)
	case saidNot:
		if strings.TrimSpace(t.Reference) != "" {
			m.doubt(where, whyFailedAndYet)
		}
	case saidNothing:
		m.doubt(where, whyNoStatus)
	case saidUnknown:
		m.doubt(where, whyUnknown)
	}
}

// paid returns what a transaction paid. Between merchants there is no receipt, and
// K2's id of the payment stands for it, whatever the shape says beside it.
func (t Transaction) paid(m2m bool) paid {
	id := t.Reference
	nameless := strings.TrimSpace(t.Reference) == "" && t.SendingMerchant != ""
	if m2m || nameless || strings.HasPrefix(statusWord(t.Type), "merchant to merchant") {
		id = t.ID
	}
	return paid{id: id, reference: t.Reference, amount: t.Amount, currency: t.Currency, at: t.OriginationTime}
}

// Entries returns the payment that an event tells of, or of a reversed event the
// money that went back alone. Topic tells which; without one Status does. See
// [Notification.Entries].
func (e TransactionEvent) Entries() ([]LedgerEntry, error) {
	var m movements
	m2m := e.Topic == TopicM2MReceived || e.Topic == TopicM2MCompleted
	word := hear(ofTransaction, e.Status)
	wentBack := e.Topic == "" && word == saidReversed
	switch e.Topic {
	case TopicBuygoodsReversed, TopicB2BReversed, TopicCardReversed, TopicCardVoided:
		wentBack = true
	}
	switch {
	case wentBack && (word == saidReversed || word == saidNothing):
		m.payment("event.resource", e.paid(m2m), false, true)
	case wentBack && word != saidInterim:
		m.doubt("event.resource", whyContradicted)
	case wentBack:
	case word == saidNothing && e.Topic != "": // the topic says that it was received
		m.payment("event.resource", e.paid(m2m), true, false)
	default:
		m.transaction("event.resource", e.Transaction, m2m)
	}
	return m.result()
}

// darajaPayments are the spellings of TransactionType on record, all of them of
// payments, as letters only.
var darajaPayments = []string{"buygoods", "paybill", "businesspayment", "organizationtoorganizationtransfer"}

// Entries returns the payment that a Daraja payload tells of. See [Notification.Entries].
func (e DarajaEvent) Entries() ([]LedgerEntry, error) {
	var m movements
	kind := strings.ReplaceAll(statusWord(e.TransactionType), " ", "")
	if slices.Contains(darajaPayments, kind) {
		m.payment("", paid{id: e.TransID, reference: e.TransID, amount: e.TransAmount, at: e.TransTime}, true, false)
	} else {
		m.doubt("TransactionType", "a type that is in no table")
	}
	return m.result()
}

// Entries returns the payments that a polling lists. See [Notification.Entries].
func (p Polling) Entries() ([]LedgerEntry, error) {
	var m movements
	top := hear(ofReport, p.Status)
	if top == saidInterim {
		return nil, nil
	}
	for i, polled := range p.Transactions {
		t := polled.Resource
		t.Type = polled.Type
		m.transaction("transactions["+strconv.Itoa(i)+"]", t, false)
	}
	switch {
	case top == saidUnknown:
		m.doubt("status", whyUnknown)
	case len(p.Transactions) > 0 && (top != saidMoved || len(p.Errors) > 0):
		m.doubt("status", whyContradicted)
	}
	return m.result()
}

// Entries returns the payment of a link that was paid. See [Notification.Entries].
// That a link can still be paid is no interim word about a payment: a receipt beside
// it is undecided.
func (p PaymentLink) Entries() ([]LedgerEntry, error) {
	var m movements
	const where = "payment_link"
	link := p.Link
	top, one, other := hear(ofRequest, p.Status), hear(ofLink, link.Status), hear(ofLink, link.PaymentLinkStatus)
	switch {
	case top == saidInterim:
	case top == saidUnknown:
		m.doubt("status", whyUnknown)
	case one == saidUnknown || other == saidUnknown:
		m.doubt(where, whyUnknown)
	case top == saidMoved && p.Paid():
		m.payment(where, paid{id: link.TransactionReference, reference: link.TransactionReference,
			amount: p.Amount, currency: p.Currency, at: link.OriginationTime}, true, false)
	case one == saidMoved || other == saidMoved || strings.TrimSpace(link.TransactionReference) != "":
		m.doubt(where, whyContradicted)
	}
	return m.result()
}

// Entries returns the money that a reversal gave back. See [Notification.Entries],
// and [LedgerEntry] for the key where it was not requested by the receipt.
func (r Reversal) Entries() ([]LedgerEntry, error) {
	var m movements
	const where = "reversal_bulk_payment"
	var bulk ReversalBulkPayment
	if r.BulkPayment != nil {
		bulk = *r.BulkPayment
	}
	top, back := hear(ofRequest, r.Status), hear(ofTransfer, bulk.Status)
	claimed := hear(ofTransfer, r.Status) == saidMoved && back == saidNothing
	switch {
	case top == saidInterim:
	case top == saidUnknown || back == saidUnknown:
		m.doubt("status", whyUnknown)
	case back == saidInterim:
	case back == saidMoved && top == saidMoved && len(r.Errors) == 0:
		m.payment(where, paid{id: r.TransactionReference, reference: r.TransactionReference,
			amount: bulk.Amount, at: bulk.OriginationTime}, false, true)
	case back == saidMoved:
		m.doubt(where, whyContradicted)
	case back == saidReversed:
		m.doubt(where, whyCameBack)
	case strings.TrimSpace(bulk.TransactionReference) != "":
		m.doubt(where, whyFailedAndYet)
	case claimed:
		m.doubt(where, whyNotShown)
	}
	return m.result()
}

// Entries returns what a send money request or a sweep has paid so far. Destinations
// that are not listed yet are in no entry, and come with a later callback. See
// [Notification.Entries].
func (s SendMoney) Entries() ([]LedgerEntry, error) {
	sweep := len(s.Destinations) == 0
	return transfer{status: s.Status, batches: s.TransferBatches, errs: s.Errors, currency: s.Currency,
		own: func(d Disbursement) bool {
			return sweep || strings.HasPrefix(statusWord(d.DestinationType), "merchant ")
		}}.read()
}

// Entries returns what a payment has paid so far. See [Notification.Entries].
func (p Payment) Entries() ([]LedgerEntry, error) {
	return transfer{status: p.Status, batches: p.TransferBatches, errs: p.Errors, currency: p.Amount.Currency,
		own: func(Disbursement) bool { return false }}.read()
}

// Entries returns what a transfer has settled so far. See [Notification.Entries].
func (t SettlementTransfer) Entries() ([]LedgerEntry, error) {
	return transfer{status: t.Status, batches: t.TransferBatches, errs: t.Errors, currency: t.Amount.Currency,
		own: func(Disbursement) bool { return true }}.read()
}

// Entries returns the settlement that an event tells of, in its parts. See
// [Notification.Entries].
func (e SettlementEvent) Entries() ([]LedgerEntry, error) {
	to := e.Destination.Resource
	parts := slices.Clone(e.Disbursements)
	for i := range parts {
		d := &parts[i]
		d.DestinationReference = orDefault(d.DestinationReference, to.Reference)
		d.PhoneNumber = orDefault(d.PhoneNumber, to.PhoneNumber)
		d.AccountNumber = orDefault(d.AccountNumber, to.AccountNumber)
		d.BankBranchReference = orDefault(d.BankBranchReference, to.BankBranchReference)
	}
	return transfer{status: "Transferred", currency: e.Currency, whole: true, own: func(Disbursement) bool { return true },
		batches: []TransferBatch{{Status: e.Status, Amount: e.Amount, Disbursements: parts}}}.read()
}

// transfer is what the shapes that tell of money out have in common.
type transfer struct {
	status   string // of the request
	batches  []TransferBatch
	errs     []string
	currency string
	own      func(Disbursement) bool // whether it went to an account of the merchant's own
	whole    bool                    // nothing is left to come: the parts are all of each batch's amount
}

// outgoing gathers what the batches of a transfer say.
type outgoing struct {
	movements
	transfer
	lines  []LedgerEntry   // what arrived; lines that are listed once more have the same key
	listed map[string]bool // lines with a receipt: one that is listed twice is one
	failed bool            // some part of it failed
	news   bool            // some part of it said something
}

// read reads a transfer. The status on top and the errors beside it speak of the
// whole: where no part has failed, they must not speak of a failure.
func (t transfer) read() ([]LedgerEntry, error) {
	top := hear(ofRequest, t.status)
	if top == saidInterim {
		return nil, nil
	}
	o := outgoing{transfer: t, listed: map[string]bool{}}
	for i, b := range t.batches {
		o.batch("transfer_batches["+strconv.Itoa(i)+"]", b)
	}
	switch {
	case top == saidUnknown:
		o.doubt("status", whyUnknown)
	case !o.news && hear(ofTransfer, t.status) == saidMoved: // "Processed" alone does not say so
		o.doubt("transfer_batches", whyNotShown)
	case len(o.lines) == 0:
	case top == saidNothing:
		o.doubt("status", whyNoStatus)
	case !o.failed && (top == saidNot || len(t.errs) > 0):
		o.doubt("status", whyContradicted)
	default:
		o.entries = numbered(o.lines)
	}
	return o.result()
}

// batch reads one batch.
func (o *outgoing) batch(where string, b TransferBatch) {
	around := hear(ofTransfer, b.Status)
	var failed, arrived int64
	for i, d := range b.Disbursements {
		place := where + ".disbursements[" + strconv.Itoa(i) + "]"
		switch o.disbursement(place, around, d) {
		case saidMoved:
			arrived += o.line(place, d)
		case saidNot:
			failed++
		}
	}
	o.news = o.news || around == saidInterim || around == saidNot
	o.failed = o.failed || failed > 0 || around == saidNot && len(b.Disbursements) == 0
	all, err := b.Amount.Minor()
	switch {
	case around == saidMoved && len(b.Disbursements) == 0:
		o.doubt(where, whyNotShown)
	case (around == saidUnknown || around == saidReversed) && len(b.Disbursements) == 0:
		o.doubt(where, whyUnknown)
	case around == saidMoved && failed == int64(len(b.Disbursements)):
		o.doubt(where, whyContradicted)
	case err == nil && arrived > all:
		o.doubt(where, whyTooMuch)
	case o.whole && arrived > 0 && !b.Amount.IsZero() && arrived != all:
		o.doubt(where, whyContradicted)
	}
}

// disbursement reads one disbursement inside of what its batch says: whether it
// moved, did not, or nothing that is certain.
func (o *outgoing) disbursement(where string, around said, d Disbursement) said {
	own, receipt := hear(ofTransfer, d.Status), strings.TrimSpace(d.TransactionReference)
	why := ""
	switch {
	case own == saidInterim || around == saidInterim:
		o.news = true
	case own == saidUnknown || around == saidUnknown:
		why = whyUnknown
	case own == saidMoved && (around == saidMoved || around == saidNothing) && len(d.Errors) == 0:
		o.news = true
		return saidMoved
	case own == saidNot && receipt == "":
		o.news = true
		return saidNot
	case own == saidNot:
		why = whyFailedAndYet
	case own == saidReversed:
		why = whyCameBack
	case own == saidMoved:
		why = whyContradicted
	case receipt != "" || around == saidMoved:
		why = whyNoStatus
	}
	if why != "" {
		o.doubt(where, why)
	}
	return saidNothing
}

// line adds a disbursement that arrived, and returns its amount in minor units: 0 if
// it was listed before, or cannot be an entry.
func (o *outgoing) line(where string, d Disbursement) int64 {
	amount, ok := o.sum(where, d.Amount, o.currency)
	to, receipt := d.destination(), strings.TrimSpace(d.TransactionReference)
	switch {
	case !ok:
		return 0
	case to == "":
		o.doubt(where, "a disbursement without a destination")
		return 0
	case receipt == "" && d.OriginationTime.IsZero():
		o.doubt(where, "a disbursement with neither a receipt nor a time")
		return 0
	}
	e := LedgerEntry{Key: joinKey("debit", receipt, to), Kind: EntryPayout, Direction: Debit,
		Amount: amount, Reference: receipt, At: d.OriginationTime}
	if o.own(d) {
		e.Kind = EntrySettlement
	}
	exact := joinKey(e.Key, amount.Value.String(), strconv.FormatInt(e.At.UnixMilli(), 10))
	if receipt == "" {
		e.Key = exact
	} else if o.listed[exact] {
		return 0
	}
	o.listed[exact] = true
	o.lines = append(o.lines, e)
	return -e.Minor()
}
