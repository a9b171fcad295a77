package inbound

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A claim is made for a short time and extended while its work goes on. A process
// that dies takes its claims along for seconds only, and work may take as long as it
// needs: its claim is kept until the function has returned, even if that is long
// after its context has ended.
const (
	leaseTime   = 15 * time.Second // how long a claim lives without being extended
	extendEvery = 5 * time.Second  // how often it is extended, and what one Extend may take
	extendRetry = time.Second      // how soon a failed Extend is tried again
)

// lease keeps one claim alive. Nearly all work is done before the first extension is
// due: up to then it is a timer, and it takes a goroutine only for an Extend.
type lease struct {
	ctx context.Context         // of the work; ends when the claim is lost or settled
	end context.CancelCauseFunc // ends ctx

	mu    sync.Mutex // never held while the caller's code runs
	timer *time.Timer
	calls sync.WaitGroup // an Extend that is under way: there is one at a time
	until time.Time      // when the lease ends at the earliest; the Extend's own
}

// keep extends a claim that was made at begun until the lease is stopped.
func (e *Engine[T]) keep(ctx context.Context, key string, h Standing, begun time.Time) *lease {
	l := &lease{until: begun.Add(leaseTime)}
	l.ctx, l.end = context.WithCancelCause(context.WithValue(ctx, claimKey{}, h.Claim))
	l.mu.Lock() // the timer may go off before it has its place
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(extendEvery-time.Since(begun), func() { e.extend(l, key, h.Claim) })
	return l
}

// extend extends the lease once and sets the timer for the next time.
func (e *Engine[T]) extend(l *lease, key string, claim any) {
	if !l.begin() {
		return
	}
	defer l.calls.Done()
	begun := time.Now()
	failed := exited
	defer func() { e.extended(l, key, begun, failed) }()
	ctx, cancel := context.WithTimeout(l.ctx, extendEvery)
	defer cancel()
	failed = e.guarded(func() error { return e.Store.extend(ctx, claim, leaseTime) })
}

// begin reports whether there is a lease to extend still, and counts a call.
func (l *lease) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.calls.Add(1)
	return true
}

// extended goes on after an Extend. A failed one is tried again for as long as the
// function runs: until the lease ends soon, since nobody else can have the claim
// yet, and after that at the usual pace, since the claim is lost only when somebody
// has taken it.
func (e *Engine[T]) extended(l *lease, key string, begun time.Time, failed *failure) {
	next := extendEvery - time.Since(begun)
	switch {
	case l.ctx.Err() != nil:
		// Settled meanwhile: what became of this Extend says nothing.
	case failed == nil:
		l.until = begun.Add(leaseTime)
	case failed.lost:
		e.log(l.ctx, slog.LevelError, "another delivery took over while this one was in work: its context is ended", key, failed)
		l.end(ErrLeaseLost)
	default:
		alarm, message := &e.lapsed, "delivery store failed on extend until the lease ended: another delivery may take over while this one is in work"
		if time.Now().Before(l.until) {
			alarm, message = &e.unextended, "delivery store failed on extend; it is tried again"
			next = extendRetry
		}
		alarm.raise(l.ctx, e.Logger, slog.LevelError, e.Name+": "+message, slog.String("key", key), slog.String("error", failed.text))
	}
	l.again(next)
}

// again sets the timer once more, unless the claim is settled or lost.
func (l *lease) again(next time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() == nil {
		l.timer.Reset(next)
	}
}

// lost reports whether somebody else has taken the claim.
func (l *lease) lost() bool { return context.Cause(l.ctx) == ErrLeaseLost }

// stop ends the lease, and waits for an Extend that is under way: a store that hangs
// keeps the place of its delivery, so that hanging calls cannot pile up.
func (l *lease) stop() {
	l.mu.Lock()
	l.end(nil)
	l.timer.Stop()
	l.mu.Unlock()
	l.calls.Wait()
}
