package faults_test

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// N26 to N30: callers that leave, and answers that break off.

func TestFault_N26_ContextCancelled(t *testing.T) {
	cases := map[string]func(e *env, cancel context.CancelFunc) (context.Context, map[string]want){
		"before the dial": func(e *env, cancel context.CancelFunc) (context.Context, map[string]want) {
			cancel()
			return nil, map[string]want{"*": endsNotSent(0, context.Canceled), "R": endsFailing(0, 0, context.Canceled)}
		},
		"during the dial": func(e *env, cancel context.CancelFunc) (context.Context, map[string]want) {
			e.w.OnDial = func(ctx context.Context, _ int) error { cancel(); <-ctx.Done(); return ctx.Err() }
			return nil, map[string]want{"*": endsNotSent(1, context.Canceled), "R": endsFailing(0, 1, context.Canceled),
				"M/foreign": endsUnknown(0, context.Canceled), "C/foreign": endsUnknown(0, context.Canceled), "S/foreign": endsUnknown(0, context.Canceled)}
		},
		"after the write": func(e *env, cancel context.CancelFunc) (context.Context, map[string]want) {
			e.w.Script = always(readWhole, func(*peer) error { cancel(); return nil }, hang)
			return nil, map[string]want{"*": endsUnknown(1, context.Canceled), "R": endsFailing(1, 1, context.Canceled)}
		},
		"during the body": func(e *env, cancel context.CancelFunc) (context.Context, map[string]want) {
			status := "200 OK"
			if e.col.create {
				status = "201 Created"
			}
			e.w.Script = always(readWhole, send("HTTP/1.1 "+status+"\r\nLocation: "+e.col.path+"/"+testID+"\r\nContent-Length: 100\r\n\r\nhalf"),
				func(*peer) error { synctest.Wait(); cancel(); return nil }, hang)
			return nil, map[string]want{"*": endsWell(1, 1), "R": endsFailing(1, 1, context.Canceled)}
		},
		"during the backoff": func(e *env, cancel context.CancelFunc) (context.Context, map[string]want) {
			e.w.Script = always(readWhole, send(answer(429, `{"error_message":"slow down"}`, "Retry-After: 30")),
				pause(time.Second), func(*peer) error { cancel(); return nil }, hang)
			return nil, map[string]want{"*": endsRefused(1, context.Canceled), "R": endsFailing(1, 1, context.Canceled)}
		},
	}
	for name, arrange := range cases {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, allWays, func(e *env) {
				ctx, cancel := context.WithCancel(e.Context())
				defer cancel()
				_, wants := arrange(e, cancel)
				var err error
				took := elapsed(func() { err = e.call(ctx) })
				e.expect(err, wants)
				assert.LessOrEqual(e.T, took, time.Second, "at once")
			})
		})
	}
}

// The context's own error shows, whatever cause the caller has given it.
func TestFault_N26_ContextCauses(t *testing.T) {
	reason := errors.New("the shop is closing")
	t.Run("cancelled", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			ctx, cancel := context.WithCancelCause(e.Context())
			e.w.Script = always(readWhole, func(*peer) error { cancel(reason); return nil }, hang)
			e.expect(e.call(ctx), map[string]want{"*": endsUnknown(1, context.Canceled), "R": endsFailing(1, 1, context.Canceled)})
		})
	})
	t.Run("timed out", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			ctx, cancel := context.WithTimeoutCause(e.Context(), time.Second, reason)
			defer cancel()
			e.w.Script = always(readWhole, hang)
			e.expect(e.call(ctx), map[string]want{"*": endsUnknown(1, context.DeadlineExceeded), "R": endsFailing(1, 1, context.DeadlineExceeded)})
		})
	})
	t.Run("while a connection was had", func(t *testing.T) {
		fault(t, everyone, allWays[:3], func(e *env) {
			ctx, cancel := context.WithCancelCause(e.Context())
			e.w.Script = always(hang)
			e.w.OnConn = func(_ int, c net.Conn) net.Conn { return &stuckWrites{Conn: c} }
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { cancel(reason) }})
			e.expect(e.call(ctx), map[string]want{"*": endsNotSent(1, context.Canceled), "R": endsFailing(0, 1, context.Canceled)})
		})
	})
}

// stuckWrites takes no byte until it is closed.
type stuckWrites struct {
	net.Conn
	once sync.Once
	done chan struct{}
}

func (c *stuckWrites) init() { c.once.Do(func() { c.done = make(chan struct{}) }) }

func (c *stuckWrites) Write([]byte) (int, error) {
	c.init()
	<-c.done
	return 0, net.ErrClosed
}

func (c *stuckWrites) Close() error {
	c.init()
	select {
	case <-c.done:
	default:
		close(c.done)
	}
	return c.Conn.Close()
}

func TestFault_N27_DeadlineShorterThanTheBackoff(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.Script = always(readWhole, send(answer(429, "", "Retry-After: 20")), hang)
		ctx, cancel := context.WithTimeout(e.Context(), 10*time.Second)
		defer cancel()
		var err error
		took := elapsed(func() { err = e.call(ctx) })
		e.expect(err, map[string]want{"*": endsRefused(1, context.DeadlineExceeded), "R": endsFailing(1, 1, context.DeadlineExceeded)})
		assert.Zero(e.T, took, "no sleep in vain")
		var answered *kopokopo.APIError
		require.ErrorAs(e.T, err, &answered)
		assert.Equal(e.T, 20*time.Second, answered.RetryAfter)
	})
	t.Run("longer than a call should wait", func(t *testing.T) {
		fault(t, everyone, ourWay, func(e *env) {
			e.w.Script = always(readWhole, send(answer(429, "", "Retry-After: 61")), hang)
			var err error
			took := elapsed(func() { err = e.call(e.Context()) })
			e.expect(err, map[string]want{"*": endsRefused(1), "R": endsFailing(1, 1)})
			assert.Zero(e.T, took)
			var answered *kopokopo.APIError
			require.ErrorAs(e.T, err, &answered)
			assert.Equal(e.T, 61*time.Second, answered.RetryAfter)
		})
	})
}

func TestFault_N28_ConnectionDiesAfterTheHeader(t *testing.T) {
	for name, end := range map[string]step{"FIN": fin, "RST": rst} {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, allWays, func(e *env) {
				e.w.Script = always(readWhole, send("HTTP/1.1 201 Created\r\nLocation: "+e.col.path+"/"+testID+"\r\nContent-Length: 100\r\n\r\nhalf"), end)
				e.expect(e.call(e.Context()), map[string]want{"*": endsWell(1, 1), "R": endsFailing(3, 3, kopokopo.ErrResponse)})
			})
		})
	}
}

func TestFault_N29_CloseWithRequestsInFlight(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		const calls = 20
		e.w.Script = always(readWhole, hang)
		e.start()
		errs := make([]error, calls)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() { errs[i] = e.call(e.Context()) })
		}
		synctest.Wait()
		require.NoError(e.T, e.client.Close())
		took := elapsed(wg.Wait)
		assert.Zero(e.T, took, "at once")
		assert.Equal(e.T, calls, e.w.Count(e.col.method, e.col.path))
		for _, err := range errs {
			require.ErrorIs(e.T, err, kopokopo.ErrClosed)
			if e.col.create {
				require.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
			}
		}
		err := e.call(e.Context())
		require.ErrorIs(e.T, err, kopokopo.ErrClosed)
		assert.Equal(e.T, e.col.create, errors.Is(err, kopokopo.ErrNotSent))
	})
	t.Run("while they wait to try again", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			e.w.Script = always(readWhole, send(answer(429, "", "Retry-After: 30")), hang)
			e.start()
			var err error
			var wg sync.WaitGroup
			wg.Go(func() { err = e.call(e.Context()) })
			synctest.Wait()
			require.NoError(e.T, e.client.Close())
			assert.Zero(e.T, elapsed(wg.Wait))
			e.expect(err, map[string]want{"*": endsRefused(1, kopokopo.ErrClosed), "R": endsFailing(1, 1, kopokopo.ErrClosed)})
		})
	})
	t.Run("while they dial", func(t *testing.T) {
		fault(t, everyone, allWays[:3], func(e *env) {
			e.w.OnDial = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
			e.start()
			var err error
			var wg sync.WaitGroup
			wg.Go(func() { err = e.call(e.Context()) })
			synctest.Wait()
			require.NoError(e.T, e.client.Close())
			assert.Zero(e.T, elapsed(wg.Wait))
			e.expect(err, map[string]want{"*": endsNotSent(1, kopokopo.ErrClosed), "R": endsFailing(0, 1, kopokopo.ErrClosed)})
		})
	})
}

func TestFault_N30_SlowReader(t *testing.T) {
	payment := validPayment()
	payment.Metadata = map[string]any{"notes": strings.Repeat("x", 64<<10)}
	slow := func(p *peer) error {
		b := make([]byte, 1)
		for {
			if _, err := p.Conn.Read(b); err != nil {
				return err
			}
			time.Sleep(time.Second)
		}
	}
	fault(t, "M", allWays, func(e *env) {
		e.cfg.Timeout = 5 * time.Second
		e.col.call = func(ctx context.Context, c *kopokopo.Client) error {
			_, err := c.V1.Payments.Create(ctx, payment)
			return err
		}
		e.w.Script = always(slow)
		var err error
		took := elapsed(func() { err = e.call(e.Context()) })
		e.expect(err, map[string]want{"*": endsUnknown(0, context.DeadlineExceeded)})
		assert.Equal(e.T, 5*time.Second, took)
	})
	fault(t, "R", allWays, func(e *env) {
		e.cfg.Timeout = 5 * time.Second
		e.w.Script = always(slow)
		e.expect(e.call(e.Context()), map[string]want{"*": endsFailing(0, 3, context.DeadlineExceeded)})
	})
}
