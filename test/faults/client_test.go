package faults_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Dialers, clients, token sources, retries and pools: what a Config can bring along.

// A caller's TLS dialer keeps its connections uncounted: nothing can be proved.
func TestFault_Dialer_OfTLS(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.cfg.BaseURL = "https://" + tlsHost
		e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialTLSContext: e.w.Dial}}
		e.w.OnConn = func(n int, c net.Conn) net.Conn {
			if n == 0 {
				return &faultyWrites{c, 0}
			}
			return c
		}
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(0), "R": endsWell(1, 2)})
	})
	t.Run("without a connection", func(t *testing.T) {
		fault(t, everyone, []string{callers}, func(e *env) {
			e.cfg.BaseURL = "https://" + tlsHost
			e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialTLSContext: e.w.Dial}}
			e.w.OnDial = failDial(syscall.ECONNREFUSED)
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3)})
		})
	})
}

func TestFault_Client_OwnTimeout(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: e.w.Dial}, Timeout: time.Second}
		e.w.Script = always(readWhole, hang)
		var err error
		took := elapsed(func() { err = e.call(e.Context()) })
		e.expect(err, map[string]want{"*": endsUnknown(1, context.DeadlineExceeded), "R": endsFailing(3, 3, context.DeadlineExceeded)})
		assert.Less(e.T, took, 4*time.Second)
	})
}

func TestFault_TokenSource(t *testing.T) {
	t.Run("is told what was rejected", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			tokens := &issuer{good: func(n int) bool { return n == 2 }}
			e.withIssuer(tokens)
			var told []string
			e.cfg.TokenSource = sourceFunc(func(_ context.Context, rejected string) (string, error) {
				told = append(told, rejected)
				return []string{"token-1", "token-2"}[len(told)-1], nil
			})
			e.expect(e.call(e.Context()), map[string]want{"*": endsWell(2, 2)})
			assert.Equal(e.T, []string{"", "token-1"}, told)
			assert.Zero(e.T, tokens.count())
		})
	})
	t.Run("fails", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { return "", errGaveUp })
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0, errGaveUp), "R": endsFailing(0, 0, errGaveUp)})
		})
	})
	t.Run("fails once a token was rejected", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			e.withIssuer(&issuer{good: func(int) bool { return false }})
			e.cfg.TokenSource = sourceFunc(func(_ context.Context, rejected string) (string, error) {
				if rejected != "" {
					return "", errGaveUp
				}
				return "token-1", nil
			})
			e.expect(e.call(e.Context()), map[string]want{"*": endsRefused(1, errGaveUp, kopokopo.ErrUnauthorized), "R": endsFailing(1, 1, errGaveUp, kopokopo.ErrUnauthorized)})
		})
	})
	t.Run("returns garbage", func(t *testing.T) {
		for _, garbage := range []string{"", "a b", "a\r\nX-Evil: 1", string(make([]byte, 9<<10))} {
			fault(t, everyone, ourWay, func(e *env) {
				e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { return garbage, nil })
				e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0, kopokopo.ErrResponse), "R": endsFailing(0, 0, kopokopo.ErrResponse)})
			})
		}
	})
	t.Run("is given up by Close", func(t *testing.T) {
		fault(t, everyone, ourWay, func(e *env) {
			e.cfg.TokenSource = sourceFunc(func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() })
			e.start()
			var err error
			var wg sync.WaitGroup
			wg.Go(func() { err = e.call(e.Context()) })
			synctest.Wait()
			require.NoError(e.T, e.client.Close())
			wg.Wait()
			e.expect(err, map[string]want{"*": endsNotSent(0, kopokopo.ErrClosed), "R": endsFailing(0, 0, kopokopo.ErrClosed)})
		})
	})
}

func TestFault_Retries(t *testing.T) {
	for retries, attempts := range map[int]int{0: 3, -1: 1, 1: 2, 7: 8} {
		fault(t, everyone, ourWay, func(e *env) {
			e.cfg.MaxRetries = retries
			e.w.OnDial = failDial(syscall.ECONNREFUSED)
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(attempts), "R": endsFailing(0, attempts)})
		})
	}
	t.Run("a second token does not count", func(t *testing.T) {
		fault(t, everyone, ourWay, func(e *env) {
			e.cfg.MaxRetries = -1
			e.withIssuer(&issuer{good: func(n int) bool { return n == 2 }})
			e.expect(e.call(e.Context()), map[string]want{"*": endsWell(2, 2)})
		})
	})
	t.Run("full jitter below a cap", func(t *testing.T) {
		once(t, func(e *env) {
			e.cfg.MaxRetries = 12
			var at []time.Time
			e.w.OnDial = func(context.Context, int) error { at = append(at, time.Now()); return syscall.ECONNREFUSED }
			bound := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}
			longest := make([]time.Duration, 12)
			shortest := make([]time.Duration, 12)
			for round := range 60 {
				at = nil
				require.Error(e.T, e.call(e.Context()))
				require.Len(e.T, at, 13)
				for i := range 12 {
					gap := at[i+1].Sub(at[i])
					require.Less(e.T, gap, bound[min(i, 5)])
					longest[i] = max(longest[i], gap)
					if round == 0 || gap < shortest[i] {
						shortest[i] = gap
					}
				}
			}
			for i := range 12 {
				assert.Greater(e.T, longest[i], bound[min(i, 5)]*3/4)
				assert.Less(e.T, shortest[i], bound[min(i, 5)]/4)
			}
		})
	})
}

func TestFault_Transport_SharedPoolKeepsItsConnections(t *testing.T) {
	const callers, each = 32, 50
	for _, class := range []string{"C", "S", "R"} {
		t.Run(class, func(t *testing.T) {
			w := &wire{Script: always(serveAll)}
			client, err := kopokopo.New(kopokopo.Config{BaseURL: w.Listen(t), TokenSource: fixedToken})
			require.NoError(t, err)
			defer client.Close()
			var failed atomic.Int32
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range each {
						if columns[class].call(t.Context(), client) != nil {
							failed.Add(1)
						}
					}
				})
			}
			wg.Wait()
			require.Zero(t, failed.Load())
			t.Logf("%d connections for %d calls by %d goroutines", w.Connections(), callers*each, callers)
			// A dial begun while none was idle may end after another connection was free.
			require.LessOrEqual(t, w.Connections(), 64, "no new connection for each call")
		})
	}
}

func TestFault_Transport_PayoutsHaveFreshConnections(t *testing.T) {
	fault(t, "M", allWays, func(e *env) {
		for range 5 {
			require.NoError(e.T, e.call(e.Context()))
		}
		assert.Equal(e.T, 5, e.w.Connections())
		for _, req := range e.w.Seen() {
			assert.Equal(e.T, "close", req.Header.Get("Connection"))
			assert.NotContains(e.T, req.Header, "Idempotency-Key")
			assert.NotContains(e.T, req.Header, "X-Idempotency-Key")
		}
	})
}

func TestFault_Transport_IdleConnectionsEnd(t *testing.T) {
	fault(t, "CSR", []string{ours, callers}, func(e *env) {
		require.NoError(e.T, e.call(e.Context()))
		time.Sleep(29 * time.Second)
		require.NoError(e.T, e.call(e.Context()))
		assert.Equal(e.T, 1, e.w.Connections())
		time.Sleep(31 * time.Second)
		require.NoError(e.T, e.call(e.Context()))
		assert.Equal(e.T, 2, e.w.Connections())
	})
}

func TestFault_Transport_CallersClientIsNotChanged(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		transport := &http.Transport{DialContext: e.w.Dial, MaxIdleConns: 7}
		own := &http.Client{Transport: transport, Timeout: time.Minute}
		e.cfg.HTTPClient = own
		require.NoError(e.T, e.call(e.Context()))
		assert.Nil(e.T, own.CheckRedirect)
		assert.Same(e.T, transport, own.Transport)
		assert.Equal(e.T, 7, transport.MaxIdleConns)
		assert.Zero(e.T, transport.MaxIdleConnsPerHost)
		assert.False(e.T, transport.DisableKeepAlives)
	})
}

func TestFault_Transport_ForeignIsWarnedOfOnce(t *testing.T) {
	fault(t, "M", allWays, func(e *env) {
		require.NoError(e.T, e.call(e.Context()))
		require.NoError(e.T, e.call(e.Context()))
		warnings := 0
		for _, rec := range e.log.all() {
			if rec.level > 0 {
				warnings++
			}
		}
		assert.Equal(e.T, map[bool]int{true: 1}[e.way == foreign], warnings)
	})
}
