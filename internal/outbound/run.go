package outbound

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/redact"
)

// Bounds of retrying.
const (
	backoffBase = 250 * time.Millisecond
	backoffCap  = 8 * time.Second
	longestWait = time.Minute // a Retry-After beyond it is left to the caller
)

// run is one call on its way: its attempts so far and what they came to.
type run struct {
	engine   *Engine
	call     *Call
	attempts int
	retries  int
	renewed  bool
	bearer   string  // that the last attempt went out with
	rejected string  // the token that was not accepted
	worst    Verdict // of all attempts
	answer   *Reply  // of the last attempt
	cause    error   // of the last attempt
}

// Do sends a request, as often as the table has it, and returns the answer if it is a
// success. Every other end is an [*Error].
func (e *Engine) Do(ctx context.Context, call *Call) (Reply, error) {
	r := run{engine: e, call: call, worst: NotSent}
	if err := e.Usable(ctx); err != nil {
		return Reply{}, r.end(err)
	}
	for {
		bearer, err := e.bearer(ctx, call, r.rejected)
		if err != nil {
			return Reply{}, r.end(err)
		}
		r.bearer = bearer
		if call.Before != nil {
			if err := call.Before(ctx); err != nil {
				return Reply{}, r.end(err)
			}
		}
		rep, seen := r.once(ctx)
		if seen == sawSuccess {
			rep.Attempts = r.attempts
			return rep, nil
		}
		r.worst = max(r.worst, rules[seen].verdict)
		delay, more := r.next(seen, rep)
		if !more {
			return Reply{}, r.end(nil)
		}
		if err := e.wait(ctx, delay); err != nil {
			return Reply{}, r.end(err)
		}
	}
}

// once makes one attempt, logs it and classifies it.
func (r *run) once(ctx context.Context) (Reply, observation) {
	e := r.engine
	r.attempts++
	started := time.Now()
	rep, seen, err := e.attempt(ctx, r)
	if e.closed.Load() {
		e.pools.closeIdle() // this attempt's connection came back after Close
	}
	e.log(ctx, r, rep, seen, time.Since(started))
	r.answer, r.cause = nil, nil
	switch {
	case err != nil:
		r.cause = err
	case seen != sawSuccess:
		r.answer = &rep
	}
	return rep, seen
}

// next says whether to try once more, and after how long.
func (r *run) next(seen observation, rep Reply) (time.Duration, bool) {
	class := r.call.Class
	if r.call.Keyed && seen == sawBusy {
		class = PayOut
	}
	switch seen.action(class) {
	case renew:
		if r.renewed || r.call.Token != "" || r.call.Anonymous {
			return 0, false // the caller's own token is not ours to replace
		}
		r.renewed, r.rejected = true, r.bearer
		return 0, true
	case once:
		return r.pause(rep), r.retry(min(r.engine.retries, 1))
	case again:
		return r.pause(rep), r.retry(r.engine.retries)
	}
	return 0, false
}

// retry counts a retry if one is left.
func (r *run) retry(limit int) bool {
	if r.retries >= limit {
		return false
	}
	r.retries++
	return true
}

// pause is how long the answer asks to wait, or else full jitter below a doubling
// bound, so that a fleet does not come back in step.
func (r *run) pause(rep Reply) time.Duration {
	if delay, asked := RetryAfter(rep.Header, time.Now()); asked {
		return delay
	}
	return rand.N(min(backoffBase<<min(r.retries, 10), backoffCap))
}

// wait waits, but not in vain: not past the caller's deadline, and not for a time
// that is the caller's to decide about.
func (e *Engine) wait(ctx context.Context, delay time.Duration) error {
	if err := e.Usable(ctx); err != nil {
		return err
	}
	if delay > longestWait {
		return errTooLong
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < delay {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.life.Done():
		return ErrClosed
	}
}

// end makes the error of a run. ended is what kept the last attempt from being
// repeated, or from being made.
func (r *run) end(ended error) error {
	if r.engine.closed.Load() {
		ended = ErrClosed // which is why, whatever else is said
	}
	return &Error{Verdict: r.worst, Attempts: r.attempts, Answer: r.answer, Cause: r.cause, Ended: ended, Mask: r.mask()}
}

// mask returns what replaces the secrets of this call in a text.
func (r *run) mask() func(string) string {
	secrets := append([]string{r.bearer, r.rejected, r.call.Token}, r.call.Secrets...)
	return redact.Secrets(append(secrets, r.engine.secrets()...)...)
}

// bearer returns the token a request goes out with: never the one that was rejected,
// if it can be helped.
func (e *Engine) bearer(ctx context.Context, call *Call, rejected string) (string, error) {
	switch {
	case call.Anonymous:
		return "", nil
	case call.Token != "":
		return call.Token, nil
	}
	token, err := e.tokens.Token(ctx, rejected)
	if err == nil && !IsToken(token) {
		return "", ErrToken
	}
	return token, err
}

// log writes one record about an attempt: nothing personal, nothing secret. A read
// changes nothing, so it was answered or it failed.
func (e *Engine) log(ctx context.Context, r *run, rep Reply, seen observation, took time.Duration) {
	if !e.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	outcome := rules[seen].verdict.String()
	switch {
	case r.call.Write:
	case seen == sawSuccess:
		outcome = "answered"
	default:
		outcome = "failed"
	}
	e.logger.LogAttrs(ctx, slog.LevelDebug, e.name+r.call.Op,
		slog.String("method", r.call.Method), slog.String("path", r.call.Template),
		slog.Int("attempt", r.attempts), slog.Int("status", rep.Status),
		slog.Duration("took", took), slog.String("outcome", outcome))
}
