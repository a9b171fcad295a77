package kopokopo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// maxPollingResponse bounds the answer of a polling request, which lists all
// transactions of its period.
const maxPollingResponse = 32 << 20

// maxListed bounds how many transactions are read from one answer, however short each
// is. Real ones take 350 bytes, so that the bytes end first.
const maxListed = 1 << 18

// PollingReq asks for the transactions of a period (POST /api/v2/polling). The
// result lists them. [Client.Transactions] is the easy way to it.
//
// To ask twice does no harm, so creating a polling is repeated like a read where it
// fails on the way, and its errors carry no outcome.
type PollingReq struct {
	Scope          string    `json:"scope,omitempty"`           // ScopeCompany or ScopeTill.
	ScopeReference string    `json:"scope_reference,omitempty"` // The till's number, if the scope is one.
	From           time.Time `json:"from_time,omitzero"`        // Start of the period. K2 gets whole seconds.
	To             time.Time `json:"to_time,omitzero"`          // End of the period. K2 gets whole seconds, and does not document whether it includes them.
	Links          Links     `json:"_links,omitempty"`          // Callback is where the result is posted. Default Config.CallbackURL.
}

// Polling is what is known of a polling request: the document of
// GET /api/v2/polling/{id}, and of the callback. K2 keeps no metadata of it.
type Polling struct {
	Status         string              `json:"status"`          // "Pending", "Success", "Failed".
	FromTime       Time                `json:"from_time"`       // Start of the period.
	ToTime         Time                `json:"to_time"`         // End of the period.
	Transactions   []PolledTransaction `json:"transactions"`    // What was received in it, in no documented order.
	Scope          string              `json:"scope"`           // "Company" or "Till": K2 capitalises it.
	ScopeReference string              `json:"scope_reference"` // The till, if the scope is one.
	Errors         StringList          `json:"errors"`          // Why it failed.
	Links          Links               `json:"_links"`          // Where the callback goes.
}

// PolledTransaction is one transaction that K2 found.
type PolledTransaction struct {
	Type     string      `json:"type"`     // "Buygoods Transaction", "External Till to Till Transaction".
	Resource Transaction `json:"resource"` // The transaction.
}

// Outcome implements [Outcomer]. The list counts only with the status Success: with
// any other it may be incomplete.
func (p Polling) Outcome() Outcome { return reported(p.Status, p.Errors) }

// Reasons implements [Outcomer].
func (p Polling) Reasons() []string { return p.Errors }

// Validate implements [Request].
func (r PollingReq) Validate() error {
	v := validation{what: "polling"}
	v.scope(r.Scope, r.ScopeReference)
	v.check(!r.From.IsZero(), "from_time", "is required")
	v.check(!r.To.IsZero(), "to_time", "is required")
	v.check(r.To.IsZero() || !r.To.Before(r.From), "to_time", "must not be before from_time")
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

// scope requires a scope, and the till where it is one.
func (v *validation) scope(scope, reference string) {
	v.require("scope", scope)
	if strings.EqualFold(strings.TrimSpace(scope), ScopeTill) {
		v.reference("scope_reference", reference)
	}
}

func (r PollingReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

func (r PollingReq) wire() any {
	return struct {
		Scope          string       `json:"scope"`
		ScopeReference string       `json:"scope_reference"` // "" for a company, as K2's samples have it
		From           string       `json:"from_time"`
		To             string       `json:"to_time"`
		Links          wireCallback `json:"_links"`
	}{strings.ToLower(strings.TrimSpace(r.Scope)), r.ScopeReference, r.From.In(eastAfrica).Format(k2Time), r.To.In(eastAfrica).Format(k2Time), r.Links.wire()}
}

// listing is a Polling as [Client.Transactions] reads it. Such leniency as is right
// for a name would be a gap in the books here.
type listing struct {
	Status       string     `json:"status"`
	Errors       StringList `json:"errors"`
	Transactions listed     `json:"transactions"`
}

// Outcome implements [Outcomer].
func (l listing) Outcome() Outcome { return reported(l.Status, l.Errors) }

// Reasons implements [Outcomer].
func (l listing) Reasons() []string { return l.Errors }

// listed is a list of transactions, or the fault for which it is none. The fault is
// kept and not returned from UnmarshalJSON, because Wait would take it for a look
// that failed, and look again.
type listed struct {
	all   []Transaction
	fault error
}

// UnmarshalJSON takes null, and a list whose every element is a transaction. It reads
// element by element and stops at the first that is none, or too many: what a list
// costs in memory is its own length and 300 bytes for each of maxListed elements.
func (l *listed) UnmarshalJSON(data []byte) error {
	*l = listed{}
	if string(data) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if opening, err := dec.Token(); err != nil || opening != json.Delim('[') {
		l.fault = responseError("transactions is not a list")
		return nil
	}
	for i := 0; dec.More() && l.fault == nil; i++ {
		if i == maxListed {
			l.fault = fmt.Errorf("%w: more than %d transactions", ErrResponseTooLarge, maxListed)
			return nil
		}
		var element listedTransaction
		start := dec.InputOffset()
		err := dec.Decode(&element)
		var typeErr *json.UnmarshalTypeError
		if errors.As(err, &typeErr) {
			element = listedTransaction{}
			err = wire.DecodeLenient(bytes.TrimLeft(data[start:dec.InputOffset()], ", \t\r\n"), &element)
		}
		if err == nil {
			err = element.fault()
		}
		if err != nil {
			l.fault = responseError("transactions[%d]: %w", i, err)
			return nil
		}
		l.all = append(l.all, element.transaction())
	}
	return nil
}

// listedTransaction is a [PolledTransaction] whose time is read to the letter.
type listedTransaction struct {
	Type     string `json:"type"`
	Resource struct {
		Transaction
		OriginationTime statedTime `json:"origination_time"` // in place of the one in Transaction
	} `json:"resource"`
}

// fault says why an element is no transaction, or nil.
func (e *listedTransaction) fault() error {
	switch {
	case strings.TrimSpace(e.Resource.ID) == "" && strings.TrimSpace(e.Resource.Reference) == "":
		return errNoTransaction
	case e.Resource.OriginationTime.unreadable:
		return errUnreadableTime
	}
	return nil
}

var (
	errNoTransaction  = errors.New("not a transaction")
	errUnreadableTime = errors.New("origination_time cannot be read")
)

// transaction returns the transaction with everything K2 says of it.
func (e *listedTransaction) transaction() Transaction {
	t := e.Resource.Transaction
	t.Type, t.OriginationTime = e.Type, e.Resource.OriginationTime.Time
	return t
}

// statedTime is a Time that tells a time in no known form from none.
type statedTime struct {
	Time
	unreadable bool
}

// UnmarshalJSON takes text, number and null.
func (t *statedTime) UnmarshalJSON(data []byte) error {
	text, err := wire.ScalarText(data)
	if err != nil {
		return err
	}
	*t = statedTime{}
	if strings.TrimSpace(text) != "" {
		t.Time.Time, err = wire.ParseTime(text)
		t.unreadable = err != nil
	}
	return nil
}

// FindPayments lists the payments that could be that of an STK push whose Create
// ended in [ErrOutcomeUnknown]. req is the request, since the time at which it was
// sent. These are the transactions received from a minute before since until now, in
// the order of their times, that have the same till (with or without its K), the same
// amount (as a number) and the same payer: the same phone number in any spelling, or
// its hash (see [MatchesHash]). A payment that was given back is among them, see its
// Status.
//
// It decides nothing. A customer may have paid the same amount twice, or at the till
// without being asked to. And an empty list does not say that the customer will not
// pay: a prompt stays on the phone for a while, and K2 may file a payment an hour
// late. Before asking for the money again, look more than once, and ask the customer.
//
// Where the amount and the till fit and there is no payer to compare, because his
// number is masked or missing and so is its hash, a payment is not listed. The error
// is then [ErrIncomparable], beside the list. Any other error means that not all of
// the period was read; the list holds what was found until then. It carries no
// outcome. A request without till, amount or phone number, and a since that is zero
// or in the future, is refused with a [*ValidationError].
//
// It reads with [Client.Transactions] and takes its options. Where Config.CallbackURL
// is empty, K2 posts the lists to the callback URL of req.
func (c *Client) FindPayments(ctx context.Context, req ReceiveMpesaReq, since time.Time, opts ...CallOption) ([]Transaction, error) {
	const op = "find payments"
	if c == nil || c.core == nil {
		return nil, &CallError{Op: op, Err: errNotMade}
	}
	now := time.Now()
	wanted, err := newSought(req, since, now)
	if err != nil {
		return nil, &CallError{Op: op, Err: err}
	}
	period := TransactionsQuery{
		From:     since.Add(-clockSkew),
		To:       now.Add(time.Second), // so that this second is in it
		Callback: orDefault(c.core.callback, req.Links.Callback),
	}
	var list []Transaction
	unclear := 0
	for t, err := range c.Transactions(ctx, period, opts...) {
		if err != nil {
			return list, &CallError{Op: op, Err: err}
		}
		switch wanted.compare(t) {
		case agrees:
			list = append(list, t)
		case incomparable:
			unclear++
		}
	}
	if unclear > 0 {
		return list, &CallError{Op: op, Err: fmt.Errorf("%w: %d", ErrIncomparable, unclear)}
	}
	return list, nil
}

// sought is the payment of an STK push.
type sought struct {
	till     string
	amount   Decimal
	currency string
	phone    Phone
}

// newSought checks what FindPayments was given.
func newSought(req ReceiveMpesaReq, since, now time.Time) (sought, error) {
	v := validation{what: "payments to find"}
	v.require("till_number", bareTill(req.TillNumber))
	v.phone("subscriber.phone_number", req.Subscriber.PhoneNumber)
	v.amount("amount.value", req.Amount.Value)
	v.check(!since.IsZero(), "since", "is required")
	v.check(!since.After(now), "since", "must not be in the future")
	if err := v.err(); err != nil {
		return sought{}, err
	}
	amount, _ := ParseDecimal(req.Amount.Value)        // both were
	phone, _ := ParsePhone(req.Subscriber.PhoneNumber) // checked above
	return sought{bareTill(req.TillNumber), amount, strings.TrimSpace(req.Amount.Currency), phone}, nil
}

// bareTill is a till's number without the K that K2 writes in some places.
func bareTill(till string) string {
	till = strings.TrimSpace(till)
	if bare, ok := strings.CutPrefix(till, "K"); ok {
		return bare
	}
	return strings.TrimPrefix(till, "k")
}

// likeness is what a comparison comes to, the surer the greater.
type likeness int

const (
	differs      likeness = iota // it is certainly another
	incomparable                 // there is nothing to compare
	agrees
)

// compare tells whether t could be the payment: not if anything speaks against it,
// and only if till, amount and payer speak for it.
func (s sought) compare(t Transaction) likeness {
	return min(s.compareTill(t), s.compareAmount(t), s.comparePayer(t))
}

func (s sought) compareTill(t Transaction) likeness {
	switch bareTill(t.TillNumber) {
	case "":
		return incomparable
	case s.till:
		return agrees
	}
	return differs
}

func (s sought) compareAmount(t Transaction) likeness {
	order, err := s.amount.Cmp(t.Amount)
	currency := strings.TrimSpace(t.Currency)
	switch {
	case currency != "" && s.currency != "" && !strings.EqualFold(currency, s.currency):
		return differs
	case err != nil:
		return incomparable
	case order == 0:
		return agrees
	}
	return differs
}

// comparePayer compares the number and its hash, of which one is enough: K2 leaves
// out the one or the other, and masks numbers.
func (s sought) comparePayer(t Transaction) likeness {
	if t.SendingTill+t.SendingMerchant+t.CustomerCCNumber != "" {
		return differs // paid by a till, a merchant or a card, and not from a phone
	}
	phone, err := ParsePhone(t.SenderPhoneNumber)
	hashed := isHash(t.HashedSenderPhone)
	switch {
	case err == nil && phone == s.phone, hashed && MatchesHash(s.phone.Digits(), t.HashedSenderPhone):
		return agrees
	case err == nil, hashed:
		return differs
	}
	return incomparable
}

// isHash reports whether text has the form of hashed_sender_phone.
func isHash(text string) bool {
	sum, err := hex.DecodeString(strings.TrimSpace(text))
	return err == nil && len(sum) == sha256.Size
}
