package kopokopo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// The windows that [Client.Transactions] divides a period into.
const (
	defaultWindow = 24 * time.Hour
	leastWindow   = time.Minute
	// windowOverlap widens each request at both ends, because K2 does not document
	// whether it includes them.
	windowOverlap = time.Second
)

// What time K2 may file a transaction under, beside its own.
const (
	clockSkew       = time.Minute // how far the clocks of M-PESA, K2 and this machine may be apart
	defaultLateness = time.Hour
	mostLateness    = 7 * 24 * time.Hour
)

// maxHeld bounds the transactions that wait for those before them: 70 in each second
// of the default Lateness.
const maxHeld = 1 << 18

// TransactionsQuery is a period of transactions, see [Client.Transactions].
type TransactionsQuery struct {
	From           time.Time     // The first instant of the period. Required; a fraction of a second is cut off.
	To             time.Time     // The first instant after the period. Required; a fraction of a second is cut off.
	Scope          string        // ScopeCompany or ScopeTill. Default ScopeCompany.
	ScopeReference string        // The till's number, if the scope is one.
	Callback       string        // Where K2 posts the results, which it insists on. Default Config.CallbackURL.
	Window         time.Duration // How much one request asks for: at least a minute. Default 24 h. The last one asks for Lateness more.
	Lateness       time.Duration // How much later than its own time K2 may file a transaction: at most 7 days, in whole seconds. Default 1 h.
}

// Validate returns a [*ValidationError] that lists every faulty field, or nil.
func (q TransactionsQuery) Validate() error {
	v := validation{what: "transactions"}
	q = q.complete()
	v.check(!q.From.IsZero(), "From", "is required")
	v.check(!q.To.IsZero(), "To", "is required")
	v.check(q.To.IsZero() || q.From.Before(q.To), "To", "must be after From")
	v.check(q.Window >= leastWindow, "Window", "must be at least a minute")
	v.check(q.Lateness >= 0 && q.Lateness <= mostLateness, "Lateness", "must be between 0 and 7 days")
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
	q.Lateness = orDefault(q.Lateness, defaultLateness).Truncate(time.Second)
	return q
}

// end is how far K2 is asked: past the period, for what it files late. What is not
// filed yet cannot be asked for.
func (q TransactionsQuery) end(now time.Time) time.Time {
	end := q.To.Add(q.Lateness)
	if now = now.Truncate(time.Second); end.After(now) {
		end = now
	}
	if end.Before(q.To) {
		return q.To
	}
	return end
}

// contains reports whether a transaction is in the period. One without a time is
// not left out.
func (q TransactionsQuery) contains(t Transaction) bool {
	at := t.OriginationTime.Time
	return at.IsZero() || !at.Before(q.From) && at.Before(q.To)
}

// TransactionsError is the error of [Client.Transactions].
type TransactionsError struct {
	// From is where to go on: every transaction before it has been delivered, and
	// none from it on. The same query with this From delivers the rest. It is the
	// query's own From if nothing has been delivered yet.
	From time.Time
	Err  error // A [*CallError] that says which part of the period failed, and why.
}

// Error implements error.
func (e *TransactionsError) Error() string {
	if e.Err == nil {
		return (&CallError{Op: "read transactions"}).Error()
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *TransactionsError) Unwrap() error { return e.Err }

// Transactions returns the payments that were received in a period, each once, in
// the order of their times: From is the first instant of the period, To the first
// after it. They are money in; K2 reports no metadata with them. A payment that was
// given back may be listed twice, as Received and as Reversed, under one Reference:
// these are two transactions. Nothing is asked before the sequence is read, and
// breaking out of it stops it.
//
// A transaction belongs to the period that its OriginationTime, M-PESA's own time, is
// in. K2 does not document by which clock it looks for transactions: it may be the
// one that tells when K2 heard of them. Therefore more is asked for than the period,
// a minute before it and Lateness after it, and what is not of the period is left
// out: a payment of 23:59:58 that K2 filed at 00:00:02 is in the first day, and only
// there. For this to hold, read a period when it has been over for Lateness. Sooner,
// it holds what K2 knows by now. What K2 files later than Lateness is found only if
// the period goes on until then, and comes out of order. What K2 lists again more than
// one answer later is not recognised and comes again, so keep books by Reference and
// Status.
//
// A long period takes several polling requests, one after the other, each for one
// Window; where an answer is larger than 32 MiB, the window is halved, down to a
// minute. What is in memory at one time is one answer, and what was listed of the last
// Lateness, which has to wait for the next answer: at most 262,144 transactions.
//
// Transactions is a read: each request is repeated as a Get is, and the error carries
// no outcome. The first window that fails ends the sequence with a
// [*TransactionsError], which says from where the same query goes on, so that both
// sequences together are complete and hold nothing twice (but a transaction without
// a time, which K2 has never been seen to list). A process that ended by itself goes
// on from the latest time it has seen, and sees what has this very time again.
//
// Options are those of Create and Wait; WithWaitLimit bounds each window.
func (c *Client) Transactions(ctx context.Context, q TransactionsQuery, opts ...CallOption) iter.Seq2[Transaction, error] {
	return func(yield func(Transaction, error) bool) {
		r := reader{client: c, query: q.complete(), opts: opts}
		r.edge = r.query.From
		if err := r.ready(); err != nil {
			yield(Transaction{}, r.fail("read transactions", err))
			return
		}
		r.readAll(ctx, yield)
	}
}

// reader reads the windows of a period.
type reader struct {
	client *Client
	query  TransactionsQuery
	opts   []CallOption
	edge   time.Time            // what is before it has been delivered, and nothing else
	held   []found              // what is in the period and not delivered yet
	seen   map[fingerprint]bool // what the last answer lists and what is held: windows overlap
}

// found is a transaction and what tells it from others.
type found struct {
	Transaction
	key fingerprint
}

// fingerprint is an identity in 16 bytes, since an answer can have a great many.
type fingerprint [16]byte

// identity is what tells a transaction from others. A payment and its reversal share
// a reference, and perhaps the id: they differ in their status.
func (t Transaction) identity() fingerprint {
	status := strings.ToLower(strings.TrimSpace(t.Status))
	sum := sha256.Sum256([]byte(t.ID + "\x00" + t.Reference + "\x00" + status))
	return fingerprint(sum[:])
}

// ready reports why the sequence cannot begin.
func (r *reader) ready() error {
	if r.client == nil || r.client.core == nil {
		return errNotMade
	}
	return r.query.Validate()
}

// fail makes the error that ends the sequence.
func (r *reader) fail(op string, err error) error {
	return &TransactionsError{From: r.edge, Err: &CallError{Op: op, Err: err}}
}

// readAll reads window after window.
func (r *reader) readAll(ctx context.Context, yield func(Transaction, error) bool) {
	end := r.query.end(time.Now())
	step, last := r.query.Window, r.query.To // a window that gets as far as last takes all the rest
	for from := r.query.From; from.Before(end); {
		to := from.Add(step)
		if !to.Before(last) {
			to = end
		}
		err := r.read(ctx, from, to)
		if errors.Is(err, ErrResponseTooLarge) && to.Sub(from) > leastWindow {
			step, last = max(to.Sub(from)/2, leastWindow).Truncate(time.Second), end
			continue
		}
		if err != nil {
			op := fmt.Sprintf("read transactions of %s to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
			yield(Transaction{}, r.fail(op, err))
			return
		}
		edge := r.query.To
		if to.Before(end) {
			edge = to.Add(-r.query.Lateness) // what is of a later time may still be filed
		}
		if !r.deliver(edge, yield) {
			return
		}
		from = to
	}
}

// read asks K2 for one window, and holds what is new in it.
func (r *reader) read(ctx context.Context, from, to time.Time) error {
	if len(r.held) > maxHeld {
		return responseError("more than %d transactions wait for earlier ones: Lateness is too long, or K2 lists them long before their time", maxHeld)
	}
	begin := from.Add(-windowOverlap)
	if from.Equal(r.query.From) {
		begin = from.Add(-clockSkew)
	}
	doc, err := createAndWait[listing](ctx, r.client.Polling.routed(), PollingReq{
		Scope:          r.query.Scope,
		ScopeReference: r.query.ScopeReference,
		From:           begin,
		To:             to.Add(windowOverlap),
		Links:          Links{Callback: r.query.Callback},
	}, r.opts)
	if err != nil {
		return err
	}
	list := doc.Attributes.Transactions
	if list.fault != nil {
		return list.fault
	}
	listed := make(map[fingerprint]bool, len(list.all))
	for _, t := range list.all {
		key := t.identity()
		known := listed[key] || r.seen[key]
		listed[key] = true
		if !known && r.query.contains(t) {
			r.held = append(r.held, found{t, key})
		}
	}
	r.seen = listed
	return nil
}

// deliver hands over, in order, what is held of the time before edge. It reports
// whether the caller wants more.
func (r *reader) deliver(edge time.Time, yield func(Transaction, error) bool) bool {
	slices.SortStableFunc(r.held, func(a, b found) int { return a.OriginationTime.Compare(b.OriginationTime.Time) })
	n, _ := slices.BinarySearchFunc(r.held, edge, func(f found, edge time.Time) int { return f.OriginationTime.Compare(edge) })
	for _, f := range r.held[:n] {
		if !yield(f.Transaction, nil) {
			return false
		}
	}
	r.held = slices.Clone(r.held[n:])
	for _, f := range r.held {
		r.seen[f.key] = true
	}
	if edge.After(r.edge) {
		r.edge = edge
	}
	return true
}

// ErrIncomparable means that there are payments which [Client.FindPayments] could
// neither list nor rule out, because K2 names no payer, amount or till of theirs.
var ErrIncomparable = errors.New("payments that cannot be compared")
