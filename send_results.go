package kopokopo

import (
	"strings"
	"unicode"

	"github.com/kopokopo-go/kopokopo/internal/allot"
)

// SendMoneyResult is what became of one destination of a payout.
type SendMoneyResult struct {
	Index       int             // Its place among the destinations, from 0.
	Destination SentDestination // What was asked for.
	Outcome     Outcome         // OutcomePartial where K2 split the payment and only a part arrived.
	Reference   string          // The M-PESA receipt; several, separated by ", ", where K2 split the payment. Empty for EFT, for what failed, for what is not listed, and where K2 split several equal payments.
	Reasons     []string        // K2's reasons for a failure, nil if it gave none.
}

// Results tells what became of each destination that was asked for, in the order of
// Destinations. It is nil where K2 sent none, as for a sweep; in a document of
// [SendMoneyEndpoint.CreateAndWait] the request's own take their place then.
//
// K2 does not say which destination a disbursement was for. They are matched by phone,
// account, till, paybill or reference where both sides have it, and otherwise by type
// and amount, if only one destination can be meant. A destination succeeded if its
// disbursements were all transferred and come to exactly its amount; it failed if they
// all failed and come to its amount; whatever else is listed for it, and nothing at
// all, is pending. One receipt to one destination is one disbursement, however often
// it is listed. Of equal destinations, those with the lower Index count as failed first,
// so that a result that is final stays as it is while others become final.
//
// Every destination is pending while K2 is not done with the request, and where the
// document contradicts itself, has an impossible form, or lists a disbursement that
// was not asked for.
func (s SendMoney) Results() []SendMoneyResult { return s.payout().results() }

// Unpaid returns the destinations that definitely failed, with amount and currency, as
// a request takes them; nil if there are none. It grows while others are pending. It
// does not know what was sent again: to pay nobody twice, make one request of each
// result of Results that failed, and keep its Index.
func (s SendMoney) Unpaid() []SendMoneyDestination {
	var unpaid []SendMoneyDestination
	for _, r := range s.Results() {
		if r.Outcome == OutcomeFailed {
			unpaid = append(unpaid, r.Destination.again(s.Currency))
		}
	}
	return unpaid
}

// Results tells what became of the payment in the form of [SendMoney.Results]: always
// one element. Its Destination has the amount and, as far as disbursements are listed,
// the recipient's type and reference.
func (p Payment) Results() []SendMoneyResult {
	payout := p.payout()
	if results := payout.results(); len(results) == 1 {
		return results
	}
	// Without an amount there is nothing to match.
	return []SendMoneyResult{{Outcome: payout.all(), Reasons: p.Reasons()}}
}

// payout is what a document says of money that went out.
type payout struct {
	status  string
	errors  []string
	asked   []SentDestination // nil if that is not known
	batches []TransferBatch
	odd     bool // something in it has an impossible form
}

// toOne is a payout to one destination, of which the document has only the amount.
// Which recipient it is, the first disbursement says: the others must agree.
func toOne(amount Decimal, p payout) payout {
	if amount.IsZero() {
		return p
	}
	to := SentDestination{Amount: amount}
	if list := p.listed(); len(list) > 0 {
		to.Type, to.Reference = list[0].DestinationType, list[0].DestinationReference
	}
	p.asked = []SentDestination{to}
	return p
}

// listing is one disbursement as it is listed.
type listing struct {
	*Disbursement
	outcome Outcome
}

// listed returns every disbursement that is listed. A batch that lists none is one.
func (p payout) listed() []listing {
	count := 0
	for _, b := range p.batches {
		count += max(len(b.Disbursements), 1)
	}
	list := make([]listing, 0, count)
	for _, b := range p.batches {
		for i := range b.Disbursements {
			d := &b.Disbursements[i]
			list = append(list, listing{d, d.in(b.Status)})
		}
		if len(b.Disbursements) == 0 {
			d := &Disbursement{Amount: b.Amount, Status: b.Status}
			list = append(list, listing{d, d.in(b.Status)})
		}
	}
	return list
}

// outcome returns what became of all of it.
func (p payout) outcome() Outcome {
	if len(p.asked) == 0 {
		return p.all()
	}
	return together(p.fates())
}

// all returns what became of a payout of which it is not known what was asked for: it
// succeeded if all that is listed arrived.
func (p payout) all() Outcome {
	if p.odd {
		return OutcomePending
	}
	var outcomes []Outcome
	for _, d := range p.listed() {
		outcomes = append(outcomes, d.outcome)
	}
	return resolve(p.status, outcomes, p.errors)
}

// results returns what became of each destination, nil where none is known.
func (p payout) results() []SendMoneyResult {
	var results []SendMoneyResult
	for i, f := range p.fates() {
		results = append(results, SendMoneyResult{i, p.asked[i], f.outcome, f.reference, f.reasons})
	}
	return results
}

// fate is what became of one destination.
type fate struct {
	outcome   Outcome
	reference string
	reasons   []string
}

// together returns the one outcome of several destinations.
func together(fates []fate) Outcome {
	outcomes := make([]Outcome, len(fates))
	for i, f := range fates {
		outcomes[i] = f.outcome
	}
	return combine(outcomes)
}

// fates returns what became of each destination. The status on top says whether K2 is
// done, the disbursements say what was done.
func (p payout) fates() []fate {
	fates := make([]fate, len(p.asked))
	done, list := readStatus(ofRequest, p.status), p.listed()
	switch {
	case p.odd || done == OutcomePending || len(fates) == 0:
	case len(list) > 0:
		p.match(fates, list)
		if together(fates) == OutcomeSucceeded && (done == OutcomeFailed || len(p.errors) > 0) {
			setAll(fates, fate{}) // a contradiction
		}
	case done == OutcomeFailed, len(p.errors) > 0 && len(fates) == 1:
		// The errors of a request that is done can be about one of several destinations,
		// while the others are not listed yet.
		setAll(fates, fate{outcome: OutcomeFailed, reasons: p.errors})
	}
	return fates
}

func setAll(fates []fate, f fate) {
	for i := range fates {
		fates[i] = f
	}
}

// allotStates has what can become of one disbursement.
var allotStates = map[Outcome]allot.State{OutcomePending: allot.Open, OutcomeSucceeded: allot.Paid, OutcomeFailed: allot.Failed}

// match tells what became of each destination by the disbursements.
func (p payout) match(fates []fate, list []listing) {
	disbursements := make([]allot.Disbursement, len(list))
	for i, d := range list {
		disbursements[i] = allot.Disbursement{Payee: d.payee(), Amount: minorUnits(d.Amount),
			State: allotStates[d.outcome], Receipt: d.receipt()}
		if !d.OriginationTime.IsZero() {
			disbursements[i].At = d.OriginationTime.UnixMilli()
		}
	}
	for i, row := range allot.Match(allotted(p.asked), disbursements).Rows {
		fates[i] = p.fate(row, list)
	}
}

// fate tells what became of one destination by the disbursements that are its own.
func (p payout) fate(row allot.Row, list []listing) (f fate) {
	parts := row.Parts
	if row.Shared {
		parts = parts[:1] // one stands for all
	}
	var outcomes []Outcome
	var receipts []string
	for _, i := range parts {
		outcomes = append(outcomes, list[i].outcome)
		f.reasons = append(f.reasons, list[i].Errors...)
		if receipt := list[i].receipt(); receipt != "" && !row.Shared {
			receipts = append(receipts, receipt)
		}
	}
	f.reference = strings.Join(receipts, ", ")
	if row.Covered {
		f.outcome = combine(outcomes)
	}
	if len(f.reasons) == 0 && (f.outcome == OutcomeFailed || f.outcome == OutcomePartial) {
		f.reasons = p.errors
	}
	return f
}

// allotted returns destinations as they are compared.
func allotted(destinations []SentDestination) []allot.Destination {
	list := make([]allot.Destination, len(destinations))
	for i := range destinations {
		list[i] = allot.Destination{Payee: destinations[i].payee(), Amount: minorUnits(destinations[i].Amount)}
	}
	return list
}

// minorUnits returns an amount in cents, or what stands for one that is none.
func minorUnits(d Decimal) int64 {
	if d.IsZero() {
		return allot.NoAmount
	}
	if minor, err := d.Minor(); err == nil && minor > 0 {
		return minor
	}
	return allot.BadAmount
}

// receipt returns the M-PESA receipt.
func (d *Disbursement) receipt() string { return strings.TrimSpace(d.TransactionReference) }

// payee returns who a disbursement is for, in the form that it is compared in.
func (d *Disbursement) payee() allot.Payee {
	to := SentDestination{Type: d.DestinationType, Reference: d.DestinationReference, PhoneNumber: d.PhoneNumber,
		AccountNumber: d.AccountNumber, BankBranchReference: d.BankBranchReference,
		TillNumber: d.TillNumber, PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber}
	return to.payee()
}

// payee returns who a destination is for, in the form that it is compared in.
func (d *SentDestination) payee() allot.Payee {
	p := allot.Payee{allot.Kind: payeeKind(d.Type)}
	for member, text := range [...]string{allot.Phone: d.PhoneNumber, allot.Account: d.AccountNumber, allot.Branch: d.BankBranchReference,
		allot.Till: d.TillNumber, allot.Paybill: d.PayBillNumber, allot.Bill: d.PayBillAccountNumber, allot.Reference: d.Reference} {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if p[member] = legible(member, text); p[member] == "" {
			p[allot.Veiled] += strings.TrimSpace(text) + "\n"
		}
	}
	return p
}

// legible returns a text in the form that it is compared in, "" if part of it is masked.
func legible(member int, text string) string {
	if member == allot.Phone {
		if phone, err := ParsePhone(text); err == nil {
			return phone.Digits()
		}
		text = strings.TrimPrefix(strings.TrimSpace(text), "+")
	}
	text = strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, text))
	if strings.ContainsAny(text, "*•…") || strings.Contains(text, "xxx") {
		return ""
	}
	if number, ok := strings.CutPrefix(text, "k"); ok && member == allot.Till && isDigits(number) {
		return number // K2 writes tills with and without it
	}
	return text
}

// destinationType reads a type as version 2 spells it and as version 1 shows it,
// "mobile_wallet" and "Mobile Wallet". It returns "" for one that is not known.
func destinationType(kind string) string {
	return canonicalDestination(strings.ReplaceAll(strings.TrimSpace(kind), " ", "_"))
}

// payeeKind returns the kind of payee that a type stands for, "" for one that is not
// known. The merchant's own accounts are shown by the names of the others at times.
func payeeKind(kind string) string {
	switch kind = destinationType(kind); kind {
	case DestinationMerchantWallet:
		return MobileWallet
	case DestinationMerchantBankAccount:
		return BankAccount
	}
	return kind
}

// requested returns a destination of a request as K2 repeats it.
func (d SendMoneyDestination) requested() SentDestination {
	value, _ := parseAmount(d.Amount.Value) // validated
	return SentDestination{Type: canonicalDestination(d.Type), Amount: Decimal{value}, Description: d.Description,
		Nickname: d.Nickname, Favourite: d.Favourite, PhoneNumber: d.PhoneNumber, Network: d.Network,
		AccountName: d.AccountName, AccountNumber: d.AccountNumber, BankBranchReference: d.BankBranchReference,
		TillNumber: d.TillNumber, PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber, Reference: d.Reference}
}

// again returns a destination that K2 has repeated as a request takes it.
func (d SentDestination) again(currency string) SendMoneyDestination {
	amount := d.Amount.String()
	if _, whole, fraction, err := d.Amount.parts(); err == nil { // K2 writes 100.0, and may write more zeros than a request may have
		amount = orDefault(whole, "0")
		if fraction != "" {
			amount += "." + fraction
		}
	}
	return SendMoneyDestination{Type: orDefault(destinationType(d.Type), d.Type), Amount: Amount{Value: amount, Currency: orDefault(strings.TrimSpace(currency), "KES")},
		Description: d.Description, Nickname: d.Nickname, Favourite: d.Favourite, PhoneNumber: d.PhoneNumber, Network: d.Network,
		AccountName: d.AccountName, AccountNumber: d.AccountNumber, BankBranchReference: d.BankBranchReference,
		TillNumber: d.TillNumber, PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber, Reference: d.Reference}
}
