package kopokopo

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/allot"
	"github.com/kopokopo-go/kopokopo/internal/outbound"
)

// statement is what a request says and what the documents about it repeat. What it does
// not have is zero.
type statement struct {
	amount       Decimal
	reference    string // of the payment that a reversal is about
	destinations []SentDestination
	metadata     map[string]any
}

// stater is implemented by the requests and by the attributes that have something in
// common. A document that says something else than the request was made of another
// one: the id that K2 gave was not this request's.
type stater interface{ states() statement }

// statementOf returns what a request says, nil if it says nothing that can be compared.
func statementOf(req Request) *statement {
	if req, ok := req.(stater); ok {
		states := req.states()
		return &states
	}
	return nil
}

func (rmr ReceiveMpesaReq) states() statement {
	return statement{amount: rmr.Amount.number(), metadata: asSent(rmr.Metadata)}
}

func (p IncomingPayment) states() statement {
	s := statement{metadata: p.Metadata}
	if p.Event.Resource != nil {
		s.amount = p.Event.Resource.Amount
	}
	return s
}

func (cpr CreatePaymentReq) states() statement {
	return statement{amount: cpr.Amount.number(), metadata: asSent(cpr.Metadata)}
}

func (p Payment) states() statement {
	return statement{amount: p.Amount.Value, metadata: p.Metadata}
}

func (r SendMoneyReq) states() statement {
	s := statement{metadata: asSent(r.Metadata)}
	for _, d := range r.Destinations {
		s.destinations = append(s.destinations, d.requested())
	}
	return s
}

func (s SendMoney) states() statement {
	return statement{destinations: s.Destinations, metadata: s.Metadata}
}

func (r SettlementTransferReq) states() statement {
	return statement{amount: r.Amount.number()}
}

func (t SettlementTransfer) states() statement { return statement{amount: t.Amount.Value} }

func (r ReversalReq) states() statement {
	return statement{reference: r.TransactionReference, metadata: asSent(r.Metadata)}
}

func (r Reversal) states() statement {
	return statement{reference: r.TransactionReference, metadata: r.Metadata}
}

func (r PaymentLinkReq) states() statement {
	return statement{amount: r.Amount.number(), metadata: asSent(r.Metadata)}
}

func (p PaymentLink) states() statement {
	return statement{amount: p.Amount, metadata: p.Metadata}
}

// number returns the amount of a request that is valid, and none if there is none.
func (a Amount) number() Decimal {
	value, _ := parseAmount(a.Value)
	return Decimal{value}
}

// differs returns the name of the first thing that two statements both have and that is
// not the same, "" if there is none.
func (s statement) differs(told statement) string {
	if order, err := s.amount.Cmp(told.amount); err == nil && order != 0 {
		return "amount"
	}
	if !sameReference(s.reference, told.reference) {
		return "transaction_reference"
	}
	if !sameDestinations(s.destinations, told.destinations) {
		return "destinations"
	}
	if !sameMetadata(s.metadata, told.metadata) {
		return "metadata"
	}
	return ""
}

// sameReference compares the references of two payments. An M-PESA receipt and K2's own
// id, which has dashes, can be of the same payment.
func sameReference(asked, told string) bool {
	asked, told = strings.TrimSpace(asked), strings.TrimSpace(told)
	return asked == "" || told == "" || strings.Contains(asked, "-") != strings.Contains(told, "-") || strings.EqualFold(asked, told)
}

// sameDestinations reports whether two lists can be the same destinations, in any order.
func sameDestinations(asked, told []SentDestination) bool {
	if len(asked) == 0 || len(told) == 0 {
		return true
	}
	listed := make([]allot.Disbursement, len(told))
	for i, d := range allotted(told) {
		if d.Amount <= 0 {
			return true // it cannot be compared
		}
		listed[i] = allot.Disbursement{Payee: d.Payee, Amount: d.Amount}
	}
	matched := allot.Match(allotted(asked), listed)
	if matched.Exhausted {
		return true
	}
	return len(asked) == len(told) && !matched.Stray &&
		!slices.ContainsFunc(matched.Rows, func(row allot.Row) bool { return !row.Covered && !row.Doubt })
}

// asSent returns metadata as K2 reads it: a caller's values can be of any type, and
// change while it waits.
func asSent(metadata map[string]any) map[string]any {
	if len(metadata) == 0 {
		return nil
	}
	var sent map[string]any
	body, err := json.Marshal(metadata)
	if err != nil || json.Unmarshal(body, &sent) != nil {
		return nil
	}
	return sent
}

// sameMetadata reports whether all pairs are the same that stand on both sides and are
// text or a truth value on both. K2 may write a number in another way.
func sameMetadata(asked, told map[string]any) bool {
	for name, value := range asked {
		want, ok := metadataText(value)
		got, too := metadataText(told[name])
		if ok && too && want != got {
			return false
		}
	}
	return true
}

// metadataText returns the text of a text or truth value.
func metadataText(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(v), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// foreign returns the error of a document that is not about the request whose id it
// has, nil if nothing in it says so. It fills in what K2 does not repeat.
func (asked statement) foreign(r route, attributes any) error {
	told, ok := attributes.(stater)
	if !ok {
		return nil
	}
	if field := asked.differs(told.states()); field != "" {
		return r.write("create "+r.name, "").fail(outbound.Unknown, 1, responseError("what K2 has under the id it gave differs from the request in %s, so that the id may be another request's", field))
	}
	if s, ok := attributes.(*SendMoney); ok {
		s.requested = asked.destinations
	}
	return nil
}
