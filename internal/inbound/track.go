package inbound

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// admission says whether there is room for one more delivery.
type admission int

const (
	admitted admission = iota
	full               // as many are in work as may be
	closed             // no more is taken
)

// tracker counts the deliveries in work, and refuses more beyond a limit and once
// it is closed.
type tracker struct {
	limit int

	mu    sync.Mutex
	count int
	shut  bool
	idle  chan struct{} // closed when the last of them has ended
}

// ask says what begin would, and takes no place.
func (t *tracker) ask() admission {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.admission()
}

// begin takes a place if there is one.
func (t *tracker) begin() admission {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.admission()
	if a == admitted {
		t.count++
	}
	return a
}

func (t *tracker) admission() admission {
	switch {
	case t.shut:
		return closed
	case t.count >= t.limit:
		return full
	}
	return admitted
}

// end gives a place free.
func (t *tracker) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count--; t.count == 0 && t.idle != nil {
		close(t.idle) // once: where somebody waits nothing begins any more
	}
}

// close refuses more and waits for the rest.
func (t *tracker) close(ctx context.Context) error {
	t.mu.Lock()
	t.shut = true
	if t.count == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alarmInterval is how often one alarm is logged. Anybody can send requests with
// bad signatures, so neither memory nor the log may grow with them.
const alarmInterval = 10 * time.Second

// alarm counts what anybody can cause, and logs it now and then.
type alarm struct {
	total  atomic.Uint64
	logged atomic.Uint64 // total when it was last logged
	next   atomic.Int64  // Unix nanoseconds before which it is not logged again
}

func (a *alarm) count() uint64 { return a.total.Load() }

// raise counts once more, and logs if it was not logged lately.
func (a *alarm) raise(ctx context.Context, logger *slog.Logger, level slog.Level, message string, attrs ...slog.Attr) {
	total := a.total.Add(1)
	now, next := time.Now().UnixNano(), a.next.Load()
	if now < next || !a.next.CompareAndSwap(next, now+int64(alarmInterval)) {
		return
	}
	since := total - min(a.logged.Swap(total), total)
	logger.LogAttrs(ctx, level, message, append(attrs, slog.Uint64("times", since))...)
}
