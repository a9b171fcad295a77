package kopokopo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// maxPollingResponse bounds the answer of a polling request, which lists all
// transactions of its period.
const maxPollingResponse = 32 << 20

// PollingReq asks for the transactions of a period (POST /api/v2/polling). The
// result lists them. [Client.Transactions] is the easy way to it.
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
	v.check(r.From.IsZero() || r.To.IsZero() || !r.To.Before(r.From), "to_time", "must not be before from_time")
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

// The windows that [Client.Transactions] divides a period into.
const (
	defaultWindow = 24 * time.Hour
	leastWindow   = time.Minute
	// windowOverlap widens what K2 is asked for at both ends, because it does not
	// document whether it includes them.
	windowOverlap = time.Second
)

// TransactionsQuery is a period of transactions, see [Client.Transactions].
type TransactionsQuery struct {
	From           time.Time     // The first instant of the period. Required; a fraction of a second is cut off.
	To             time.Time     // The first instant after the period. Required; a fraction of a second is cut off.
	Scope          string        // ScopeCompany or ScopeTill. Default ScopeCompany.
	ScopeReference string        // The till's number, if the scope is one.
	Callback       string        // Where K2 posts the results, which it insists on. Default Config.CallbackURL.
	Window         time.Duration // How much one request asks for: at least a minute. Default 24 h.
}

// Validate returns a [*ValidationError] that lists every faulty field, or nil.
func (q TransactionsQuery) Validate() error {
	v := validation{what: "transactions"}
	q = q.complete()
	v.check(!q.From.IsZero(), "From", "is required")
	v.check(!q.To.IsZero(), "To", "is required")
	v.check(q.From.IsZero() || q.To.IsZero() || q.From.Before(q.To), "To", "must be after From")
	v.check(q.Window >= leastWindow, "Window", "must be at least a minute")
	v.scope(q.Scope, q.ScopeReference)
	if q.Callback != "" {
		v.callback("Callback", q.Callback)
	}
	return v.err()
}

// complete fills in the defaults.
func (q TransactionsQuery) complete() TransactionsQuery {
	q.From, q.To = q.From.Truncate(time.Second), q.To.Truncate(time.Second)
	q.Scope = orDefault(q.Scope, ScopeCompany)
	q.Window = orDefault(q.Window, defaultWindow)
	return q
}

// Transactions returns the payments that were received in a period, each once, in
// the order of their times: From is the first instant of the period, To the first
// after it. They are money in; K2 reports no metadata with them. Nothing is asked
// before the sequence is read, and breaking out of it stops it.
//
// A long period takes several polling requests, one after the other, each for one
// Window; where an answer is larger than 32 MiB, the window is halved, down to a
// minute. The first window that fails ends the sequence with its error: what came
// before is complete, and nothing is left out in between. A process can go on from
// the time of the last transaction that it has seen, itself included.
//
// A period that is not over yet holds what K2 knows by now. Options are those of
// Create and Wait; WithWaitLimit bounds each window.
func (c *Client) Transactions(ctx context.Context, q TransactionsQuery, opts ...CallOption) iter.Seq2[Transaction, error] {
	return func(yield func(Transaction, error) bool) {
		err := q.Validate()
		if c == nil || c.core == nil {
			err = errNotMade
		}
		if err != nil {
			yield(Transaction{}, &CallError{Op: "read transactions", Err: err})
			return
		}
		r := reader{client: c, query: q.complete(), opts: opts, seen: map[fingerprint]bool{}}
		r.readAll(ctx, yield)
	}
}

// reader reads the windows of a period.
type reader struct {
	client *Client
	query  TransactionsQuery
	opts   []CallOption
	seen   map[fingerprint]bool // all transactions so far: K2 does not document by which of its clocks it filters
	held   []Transaction        // those of them that belong behind the window read last
}

// fingerprint is an identity in 16 bytes, since a period can have a great many.
type fingerprint [16]byte

// readAll reads window after window.
func (r *reader) readAll(ctx context.Context, yield func(Transaction, error) bool) {
	step := r.query.Window
	for from := r.query.From; from.Before(r.query.To); {
		to := from.Add(step)
		if to.After(r.query.To) {
			to = r.query.To
		}
		found, err := r.window(ctx, from, to)
		if errors.Is(err, ErrResponseTooLarge) && to.Sub(from) > leastWindow {
			step = max(to.Sub(from)/2, leastWindow).Truncate(time.Second)
			continue
		}
		if err != nil {
			op := fmt.Sprintf("read transactions of %s to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
			yield(Transaction{}, &CallError{Op: op, Err: err})
			return
		}
		for _, t := range found {
			if !yield(t, nil) {
				return
			}
		}
		from = to
	}
}

// window asks K2 for one window and returns what is new in it, in order.
func (r *reader) window(ctx context.Context, from, to time.Time) ([]Transaction, error) {
	doc, err := r.client.Polling.CreateAndWait(ctx, PollingReq{
		Scope:          r.query.Scope,
		ScopeReference: r.query.ScopeReference,
		From:           from.Add(-windowOverlap),
		To:             to.Add(windowOverlap),
		Links:          Links{Callback: r.query.Callback},
	}, r.opts...)
	if err != nil {
		return nil, err
	}
	if err := checkListed(doc.Raw); err != nil {
		return nil, err
	}
	found := r.held
	for _, polled := range doc.Attributes.Transactions {
		t := polled.Resource
		t.Type = polled.Type
		key := t.identity()
		if r.seen[key] || !r.contains(t) {
			continue
		}
		r.seen[key] = true
		found = append(found, t)
	}
	slices.SortStableFunc(found, func(a, b Transaction) int { return a.OriginationTime.Compare(b.OriginationTime.Time) })
	end := len(found)
	if to.Before(r.query.To) {
		end, _ = slices.BinarySearchFunc(found, to, func(t Transaction, to time.Time) int { return t.OriginationTime.Compare(to) })
	}
	r.held = slices.Clone(found[end:])
	return found[:end], nil
}

// identity is what tells a transaction from others. A payment and its reversal share
// a reference.
func (t Transaction) identity() fingerprint {
	sum := sha256.Sum256([]byte(t.ID + "\x00" + t.Reference))
	return fingerprint(sum[:16])
}

// checkListed refuses an answer that lists something else than transactions. Such
// leniency as is right for a name would be a gap in the books here.
func checkListed(raw json.RawMessage) error {
	var listed struct {
		Attributes struct {
			Transactions json.RawMessage `json:"transactions"`
		} `json:"attributes"`
	}
	if err := json.Unmarshal(raw, &listed); err != nil {
		return responseError("the polling's document: %w", err)
	}
	list := listed.Attributes.Transactions
	if len(list) == 0 || string(list) == "null" {
		return nil
	}
	var elements []struct {
		Resource *struct {
			ID        any `json:"id"`
			Reference any `json:"reference"`
			Time      any `json:"origination_time"`
		} `json:"resource"`
	}
	if err := wire.Decode(list, &elements); err != nil {
		return responseError("transactions: %w", err)
	}
	for i, e := range elements {
		if e.Resource == nil || isBlank(e.Resource.ID) && isBlank(e.Resource.Reference) {
			return responseError("transactions[%d] is no transaction", i)
		}
		if text := wire.Text(e.Resource.Time); text != "" {
			if _, err := wire.ParseTime(text); err != nil {
				return responseError("transactions[%d].origination_time cannot be read", i)
			}
		}
	}
	return nil
}

// isBlank reports whether a decoded value says nothing.
func isBlank(value any) bool {
	return strings.TrimSpace(wire.Text(value)) == ""
}

// contains reports whether a transaction is in the period. One without a time is
// not left out.
func (r *reader) contains(t Transaction) bool {
	at := t.OriginationTime.Time
	return at.IsZero() || !at.Before(r.query.From) && at.Before(r.query.To)
}
