package inbound

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// job is work in a goroutine of its own.
type job struct {
	reply reply  // what the sender is answered
	lease *lease // nil if there is no claim
}

// detach has work done in a goroutine of its own and waits for its answer. Work is
// the caller's code, and may outlive the request or hang: the sender waits no longer
// than the acknowledgement deadline. The goroutine gives the delivery's place among
// those in work free.
func (e *Engine[T]) detach(ctx context.Context, key string, work func(*job)) reply {
	ack := time.NewTimer(e.AckTimeout)
	defer ack.Stop()
	answer := make(chan reply, 1)
	go func() {
		defer e.jobs.end()
		j := &job{reply: busy} // unless the work gets to say something else
		defer func() {
			answer <- j.reply
			if j.lease != nil {
				j.lease.stop()
			}
		}()
		work(j)
	}()
	select {
	case rep := <-answer:
		return rep
	case <-ack.C:
		e.log(ctx, slog.LevelWarn, "the function, the store or the dead-letter hook takes longer than the acknowledgement deadline; it goes on, and the sender is asked to deliver again", key, nil)
		return reply{status: http.StatusServiceUnavailable, retryAfter: e.AckTimeout}
	}
}

// bury hands a body that cannot be parsed to the dead letters. Only if they keep it
// is it acknowledged.
func (e *Engine[T]) bury(ctx context.Context, body []byte, cause error, j *job) {
	j.reply = reply{status: http.StatusUnprocessableEntity}
	attrs := []slog.Attr{slog.String("cause", e.text(cause)), slog.Int("bytes", len(body))}
	kept := &failure{text: "no dead-letter hook is set"}
	if e.DeadLetter != nil {
		ctx, cancel := context.WithTimeout(ctx, e.AckTimeout)
		defer cancel()
		kept = e.guarded(func() error { return e.DeadLetter(ctx, body) })
	}
	if kept == nil {
		j.reply = reply{status: http.StatusOK}
		e.Logger.LogAttrs(ctx, slog.LevelWarn, e.Name+": unreadable delivery kept as a dead letter", attrs...)
		return
	}
	attrs = append(attrs, slog.String("error", kept.text))
	e.Logger.LogAttrs(ctx, slog.LevelError, e.Name+": unreadable delivery refused", attrs...)
}

// work claims, calls the function and settles the claim, whatever happens on the way.
func (e *Engine[T]) work(ctx context.Context, event Event[T], digest [32]byte, j *job) {
	begun := time.Now()
	h, rep := e.claim(ctx, event.Key, digest)
	if h.State == Done && rep.status != 0 {
		j.reply = e.repeated(ctx, event, rep)
		return
	}
	if rep.status != 0 {
		j.reply = rep
		return
	}
	j.lease = e.keep(ctx, event.Key, h, begun)
	failed := exited
	defer func() {
		j.reply = e.settle(ctx, event.Key, h, j.lease, failed)
		if j.reply.status == http.StatusOK {
			e.committed(ctx, event)
		}
	}()
	bounded, cancel := context.WithTimeout(j.lease.ctx, e.WorkTimeout)
	defer cancel()
	failed = e.guarded(func() error {
		if err := e.claimed(bounded, event); err != nil {
			return Later(err)
		}
		return e.Call(bounded, event.Value, h)
	})
}

// claimed calls the hook for deliveries that are ours or done.
func (e *Engine[T]) claimed(ctx context.Context, event Event[T]) error {
	if e.Claimed == nil {
		return nil
	}
	return e.Claimed(ctx, event.Value)
}

// committed calls the hook for work that is done.
func (e *Engine[T]) committed(ctx context.Context, event Event[T]) {
	if e.Committed == nil {
		return
	}
	if f := e.guarded(func() error { e.Committed(ctx, event.Value); return nil }); f != nil {
		e.log(ctx, slog.LevelError, "the hook for deliveries that are done failed", event.Key, f)
	}
}

// repeated answers a delivery whose work was done before. The process that did it may
// have ended before it called the hooks.
func (e *Engine[T]) repeated(ctx context.Context, event Event[T], done reply) reply {
	bounded, cancel := context.WithTimeout(ctx, e.AckTimeout)
	defer cancel()
	if f := e.guarded(func() error { return e.claimed(bounded, event) }); f != nil {
		e.log(ctx, slog.LevelWarn, "delivery put off", event.Key, f)
		return busy
	}
	e.committed(bounded, event)
	return done
}

// errLateClaim is the error of a claim whose lease may have ended before it was known.
var errLateClaim = errors.New("the answer took longer than the claim's lease")

// claim asks the store for a delivery. rep is set if there is nothing to do.
func (e *Engine[T]) claim(ctx context.Context, key string, digest [32]byte) (h Standing, rep reply) {
	bounded, cancel := context.WithTimeout(ctx, e.AckTimeout)
	defer cancel()
	begun := time.Now()
	failed := e.guarded(func() (err error) {
		h, err = e.Store.claim(bounded, key, digest, leaseTime)
		if err == nil && h.State == Fresh && time.Since(begun) >= leaseTime {
			err = errLateClaim
		}
		return err
	})
	switch {
	case failed != nil:
		e.log(ctx, slog.LevelError, "delivery store failed on claim, nothing was called", key, failed)
		return h, busy
	case h.State == Done:
		return h, reply{status: http.StatusOK}
	case h.State == Busy:
		return h, busy
	}
	return h, reply{}
}

// settle commits what was done and releases what was not.
func (e *Engine[T]) settle(ctx context.Context, key string, h Standing, l *lease, failed *failure) reply {
	ctx, cancel := context.WithTimeout(ctx, e.AckTimeout)
	defer cancel()
	if failed == nil {
		return e.commit(ctx, key, h) // the lease is kept meanwhile: a commit may take its time
	}
	lost := l.lost()
	l.end(nil) // an Extend after the release would find the claim gone
	if f := e.guarded(func() error { return e.Store.release(ctx, h.Claim) }); f != nil {
		e.log(ctx, slog.LevelError, "delivery store failed on release; the claim is held until its lease ends", key, f)
	}
	switch {
	case failed.abort:
		return reply{abort: true}
	case failed.later || lost: // whoever took it over is at work
		e.log(ctx, slog.LevelWarn, "delivery put off", key, failed)
		return busy
	}
	e.log(ctx, slog.LevelError, "delivery failed", key, failed)
	return reply{status: http.StatusInternalServerError}
}

// commit records that the work is done. If it cannot, the sender must deliver
// again, although the work was done: it may be done twice, and never be lost.
func (e *Engine[T]) commit(ctx context.Context, key string, h Standing) reply {
	f := e.guarded(func() error { return e.Store.commit(ctx, h.Claim) })
	switch {
	case f == nil:
		return reply{status: http.StatusOK}
	case f.lost:
		e.log(ctx, slog.LevelError, "another delivery took over while this one was in work: it may have been done twice", key, f)
	default:
		e.log(ctx, slog.LevelError, "delivery store failed on commit: the work was done and may be done again", key, f)
	}
	return busy
}
