package inbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// deliver claims an event and has the work done, or finds that it is done.
func (e *Engine[T]) deliver(ctx context.Context, event Event[T], digest [32]byte) reply {
	ack := time.NewTimer(e.AckTimeout)
	defer ack.Stop()
	answer := make(chan reply, 1)
	e.jobs.join()
	go e.work(ctx, event, digest, answer)
	select {
	case rep := <-answer:
		return rep
	case <-ack.C:
		e.log(ctx, slog.LevelWarn, "the function or the store takes longer than the acknowledgement deadline; it goes on, and the sender is asked to deliver again", event.Key, nil)
		return reply{status: http.StatusServiceUnavailable, retryAfter: e.AckTimeout}
	}
}

// claim asks the store for a delivery. rep is set if there is nothing to do.
func (e *Engine[T]) claim(ctx context.Context, key string, digest [32]byte) (h held, rep reply) {
	bounded, cancel := context.WithTimeout(ctx, e.AckTimeout)
	defer cancel()
	err := e.guarded(func() (err error) {
		h, err = e.Store.claim(bounded, key, digest, e.WorkTimeout+leaseMargin)
		return err
	})
	switch {
	case err != nil:
		e.log(ctx, slog.LevelError, "delivery store failed on claim, nothing was called", key, err)
		return h, reply{status: http.StatusServiceUnavailable, retryAfter: busyRetry}
	case h.State == Done:
		return h, reply{status: http.StatusOK}
	case h.State == Busy:
		return h, reply{status: http.StatusServiceUnavailable, retryAfter: busyRetry}
	}
	return h, reply{}
}

// errExited is what stands where a function ended its goroutine instead of returning.
var errExited = errors.New("the function called runtime.Goexit")

// work claims, calls the function and settles the claim, whatever happens on the
// way. It is a goroutine of its own because it may outlive the request: the store
// is the caller's too, and may hang.
func (e *Engine[T]) work(ctx context.Context, event Event[T], digest [32]byte, answer chan<- reply) {
	rep := reply{status: http.StatusInternalServerError}
	defer e.jobs.end()
	defer func() { answer <- rep }()
	h, settled := e.claim(ctx, event.Key, digest)
	if settled.status != 0 {
		rep = settled
		return
	}
	err := errExited
	defer func() {
		// The logger is the caller's too, and nothing of theirs may end the process.
		_ = e.guarded(func() error { rep = e.settle(ctx, event.Key, h, err); return nil })
	}()
	bounded, cancel := context.WithTimeout(context.WithValue(ctx, claimKey{}, h.Claim), e.WorkTimeout)
	defer cancel()
	err = e.guarded(func() error { return e.Call(bounded, event.Value, h.Standing) })
}

// settle commits what was done and releases what was not.
func (e *Engine[T]) settle(ctx context.Context, key string, h held, failure error) reply {
	ctx, cancel := context.WithTimeout(ctx, e.AckTimeout)
	defer cancel()
	if failure == nil {
		return e.commit(ctx, key, h)
	}
	if err := e.guarded(func() error { return h.release(ctx) }); err != nil {
		e.log(ctx, slog.LevelError, "delivery store failed on release; the claim is held until its lease ends", key, err)
	}
	var later *laterError
	switch {
	case errors.Is(failure, http.ErrAbortHandler):
		return reply{abort: true}
	case errors.As(failure, &later):
		e.log(ctx, slog.LevelWarn, "delivery put off", key, failure)
		return reply{status: http.StatusServiceUnavailable, retryAfter: busyRetry}
	}
	e.log(ctx, slog.LevelError, "delivery failed", key, failure)
	return reply{status: http.StatusInternalServerError}
}

// commit records that the work is done. If it cannot, the sender must deliver
// again, although the work was done: it may be done twice, and never be lost.
func (e *Engine[T]) commit(ctx context.Context, key string, h held) reply {
	err := e.guarded(func() error { return h.commit(ctx) })
	switch {
	case err == nil:
		return reply{status: http.StatusOK}
	case errors.Is(err, ErrLeaseLost):
		e.log(ctx, slog.LevelError, "the work took longer than its lease and another delivery took over: it may have been done twice", key, err)
	default:
		e.log(ctx, slog.LevelError, "delivery store failed on commit: the work was done and may be done again", key, err)
	}
	return reply{status: http.StatusServiceUnavailable, retryAfter: busyRetry}
}

// guarded turns a panic of the caller's code into an error.
func (e *Engine[T]) guarded(f func() error) (err error) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler:
			err = http.ErrAbortHandler
		default:
			err = newPanicError(p)
		}
	}()
	return f()
}

// panicError is a panic as it may be logged: of its value only the type, since the
// value can hold the payload. The runtime's own errors hold none.
type panicError struct {
	text  string
	stack []byte
}

func newPanicError(value any) *panicError {
	e := &panicError{text: fmt.Sprintf("panic of type %T", value), stack: debug.Stack()}
	if err, ok := value.(runtime.Error); ok {
		e.text = "panic: " + err.Error()
	}
	return e
}

// Error implements error.
func (e *panicError) Error() string { return e.text }

// laterError asks for 503 instead of 500.
type laterError struct{ error }

// Unwrap returns the cause.
func (e *laterError) Unwrap() error { return e.error }

// Later makes an error of Call one of circumstances, not of the delivery: the
// sender gets 503.
func Later(err error) error { return &laterError{err} }
