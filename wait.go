package kopokopo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// defaultWaitLimit is how long Wait waits unless [WithWaitLimit] says otherwise.
const defaultWaitLimit = 5 * time.Minute

// notYet is how long K2 may answer 404 to the id of something it has just created.
const notYet = 15 * time.Second

// pace is when Wait looks: the pause before each look, counted from the end of the
// one before. The last pause repeats.
type pace []time.Duration

// The paces. A customer needs seconds to enter a PIN; a payout is through in
// seconds or has to be looked into; a report can take minutes.
var (
	collectPace = pace{4 * time.Second, 3 * time.Second, 4 * time.Second, 6 * time.Second, 9 * time.Second, 13 * time.Second, 20 * time.Second}
	payOutPace  = pace{2 * time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 8 * time.Second, 13 * time.Second, 20 * time.Second, 30 * time.Second}
	reportPace  = pace{1 * time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 8 * time.Second, 13 * time.Second, 20 * time.Second}
)

// pause returns the pause before a look, the first of which is 0.
func (p pace) pause(look int) time.Duration { return p[min(look, len(p)-1)] }

// WithWaitLimit makes Wait and CreateAndWait give up with [ErrStillPending] after
// this long instead of five minutes. They look once more when it is over, so that 0
// (or less) looks once, at once. Other calls are not affected.
func WithWaitLimit(d time.Duration) CallOption {
	return func(o *callOptions) { o.waitLimit = max(d, 0) }
}

// Wait waits for the result of a resource that was created before, by this process
// or by one that has ended since: all it takes is the id. The document it returns is
// the last that is known, whatever the error; nil if there is none.
//
// The error is nil only if all of it succeeded. Otherwise it is
//   - a [*FailedError], which is [ErrPaymentFailed] for a payment, or [ErrPartial],
//   - [ErrStillPending] after five minutes, or what [WithWaitLimit] says,
//   - [ErrStillPending] and the context's own error as soon as the context ends,
//   - the error of a look that makes further ones pointless, such as
//     [ErrUnauthorized]. None of them speaks of the money.
//
// Wait looks with Get: for an STK push after 4, 7, 11, 17, 26 and 39 seconds and
// then every 20; for payouts and reversals after 2, 4, 7, 12, 20, 33 and 53 seconds
// and then every 30; for the rest after 1, 3, 6, 11, 19 and 32 seconds and then
// every 20. Where K2 asks for a longer pause it gets it. A look takes at most
// [Config.Timeout], also the last one, which begins at the limit. Looks that fail on
// the way, a 429, a 5xx, a 404 in the first 15 seconds, do not end it. Where the
// result is posted to the webhook handler of this very client, Wait returns at once.
func (e *AsyncEndpoint[Req, A]) Wait(ctx context.Context, id string, opts ...CallOption) (*Document[A], error) {
	return wait[A](ctx, e.routed(), id, opts)
}

// CreateAndWait is Create and then Wait. A nil document means that Create failed,
// and the error is Create's. A document means that K2 accepted the request, whatever
// the error says: it has at least the ID, to Wait for again.
func (e *AsyncEndpoint[Req, A]) CreateAndWait(ctx context.Context, req Req, opts ...CallOption) (*Document[A], error) {
	return createAndWait[A](ctx, e.routed(), req, opts)
}

// createAndWait is CreateAndWait.
func createAndWait[A Outcomer](ctx context.Context, r route, req Request, opts []CallOption) (*Document[A], error) {
	ref, err := r.create(ctx, req, opts)
	if err != nil {
		return nil, err
	}
	doc, err := wait[A](ctx, r, ref.ID, opts)
	if doc == nil {
		doc = &Document[A]{ID: ref.ID}
	}
	return doc, err
}

// waiter is one Wait under way.
type waiter[A Outcomer] struct {
	route
	id       string
	opts     []CallOption
	mail     *mailbox
	begun    time.Time
	limit    time.Duration
	looks    int
	lastErr  error         // of the last look, nil if it succeeded
	askedFor time.Duration // the pause K2 asked for at the last look
	doc      *Document[A]  // the last that is known
}

// wait is Wait.
func wait[A Outcomer](ctx context.Context, r route, id string, opts []CallOption) (*Document[A], error) {
	w := &waiter[A]{route: r, opts: opts, begun: time.Now(), limit: readOptions(opts).waitLimit}
	if r.core == nil {
		return nil, w.fail(errNotMade)
	}
	err := r.core.usable(ctx)
	if err == nil {
		w.id, err = r.bareID(id)
	}
	if err != nil {
		return nil, w.fail(err)
	}
	w.mail = r.core.results.join(w.id)
	defer r.core.results.leave(w.id, w.mail)
	err = w.run(ctx)
	return w.doc, err
}

// run looks until there is a result or a reason to stop.
func (w *waiter[A]) run(ctx context.Context) error {
	for {
		if done, err := w.read(w.core.results.take(w.mail)); done {
			return err
		}
		pause := max(w.pace.pause(w.looks), w.askedFor)
		left := max(time.Until(w.begun.Add(w.limit)), 0)
		if left == 0 && w.looks > 0 {
			return w.late() // the last look began before the limit and ended behind it
		}
		last := pause >= left
		arrived, err := w.sleep(ctx, min(pause, left))
		switch {
		case err != nil:
			return w.fail(err)
		case arrived:
			continue
		case last && left < w.askedFor:
			return w.late() // K2 asked not to be asked before then
		}
		done, err := w.look(ctx)
		switch {
		case done:
			return err
		case last:
			return w.late()
		}
	}
}

// sleep waits for d or until a result arrives.
func (w *waiter[A]) sleep(ctx context.Context, d time.Duration) (arrived bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, pending(ctx.Err())
	case <-w.core.life.Done():
		return false, pending(ErrClosed)
	case <-w.mail.news:
		return true, nil
	case <-timer.C:
		return false, nil
	}
}

// look reads the resource once, retries included in the time of one attempt. A
// result that arrives meanwhile ends it at once.
func (w *waiter[A]) look(ctx context.Context) (done bool, err error) {
	looking, cancel := context.WithTimeout(ctx, w.core.timeout)
	defer cancel()
	defer context.AfterFunc(w.core.life, cancel)()
	if !w.core.results.during(w.mail, cancel) {
		return false, nil
	}
	doc, err := getDocument[A](looking, w.route, w.id, w.opts)
	w.core.results.during(w.mail, nil)
	w.looks++
	w.lastErr, w.askedFor = err, 0
	if err == nil {
		w.doc = doc
		return w.settled()
	}
	if raw := w.core.results.take(w.mail); raw != nil {
		w.lastErr = nil // it was interrupted
		if done, err := w.read(raw); done {
			return true, err
		}
	}
	switch {
	case ctx.Err() != nil:
		return true, w.fail(pending(ctx.Err()))
	case w.core.life.Err() != nil:
		return true, w.fail(pending(ErrClosed))
	case w.pointless(err):
		return true, err
	}
	if answer, ok := asAPIError(err); ok {
		w.askedFor = answer.RetryAfter
	}
	return false, nil
}

// read takes a result that arrived. One that is not this resource's is ignored:
// the next look tells the truth.
func (w *waiter[A]) read(raw json.RawMessage) (done bool, err error) {
	if raw == nil {
		return false, nil
	}
	doc, err := decodeBare[A](wire.Unwrap(raw))
	if err != nil || !strings.EqualFold(doc.ID, w.id) || !sameKind(doc.Type, w.path) {
		return false, nil
	}
	w.doc = doc
	return w.settled()
}

// sameKind reports whether documents of a type live in a collection. K2 is not sure
// of its plurals.
func sameKind(kind, collection string) bool {
	return strings.TrimSuffix(kind, "s") == strings.TrimSuffix(path.Base(collection), "s")
}

// settled reports whether the last document is a result, and whether a good one.
func (w *waiter[A]) settled() (done bool, err error) {
	switch outcome := w.doc.Attributes.Outcome(); outcome {
	case OutcomePending:
		return false, nil
	case OutcomeSucceeded:
		return true, nil
	default:
		return true, newFailedError(w.doc.ID, w.doc.Type, outcome, w.doc.Attributes.Reasons())
	}
}

// pointless reports whether the next look would fail like this one.
func (w *waiter[A]) pointless(err error) bool {
	var invalid *ValidationError
	if errors.As(err, &invalid) || errors.Is(err, ErrResponseTooLarge) || errors.Is(err, ErrClosed) {
		return true
	}
	answer, ok := asAPIError(err)
	switch {
	case !ok, answer.StatusCode == http.StatusTooManyRequests:
		return false
	case answer.StatusCode == http.StatusNotFound:
		return time.Since(w.begun) >= notYet
	}
	return rules[observeStatus(reply{status: answer.StatusCode})].verdict == refused
}

// late is the error of a wait that has reached its limit.
func (w *waiter[A]) late() error {
	err := fmt.Errorf("%w after %v", ErrStillPending, w.limit)
	if answer, ok := asAPIError(w.lastErr); ok {
		err = fmt.Errorf("%w, and the last look failed: %w", err, answer)
	} else if w.lastErr != nil {
		// As text only: a look that ran into its own time limit would otherwise pass
		// for the end of the caller's context.
		err = fmt.Errorf("%w, and the last look failed: %v", err, w.lastErr)
	}
	return w.fail(err)
}

// pending says that it is not the resource that has ended.
func pending(err error) error { return fmt.Errorf("%w: %w", ErrStillPending, err) }

func (w *waiter[A]) fail(err error) error {
	return &CallError{Op: "wait for " + w.name, Attempts: w.looks, Err: err}
}
