package kopokopotest

import (
	"context"
	"sync"
	"time"
)

// tracker counts things in progress and lets others wait until there are none.
// Unlike a sync.WaitGroup it may be waited on while new work begins, the wait has
// a context, the count has a limit, and it can be closed to new work.
type tracker struct {
	mu     sync.Mutex
	n, max int
	closed bool
	idle   chan struct{} // closed when n falls to 0; nil while n is 0
}

// begin registers one more thing; false means it must not start.
func (t *tracker) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || (t.max > 0 && t.n >= t.max) {
		return false
	}
	if t.n == 0 {
		t.idle = make(chan struct{})
	}
	t.n++
	return true
}

// end takes one back.
func (t *tracker) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n--
	if t.n == 0 {
		close(t.idle)
		t.idle = nil
	}
}

// close refuses new work from now on.
func (t *tracker) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// wait returns when nothing is in progress or ctx has ended.
func (t *tracker) wait(ctx context.Context) error {
	t.mu.Lock()
	idle := t.idle
	t.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sleep waits for d; false means ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
