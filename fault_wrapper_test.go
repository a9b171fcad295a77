package kopokopo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
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

// Wrappers that do what they should not: the outcome may become less certain by it,
// and never wrong.

func (e *env) wrap(trip func(next http.RoundTripper, req *http.Request) (*http.Response, error)) {
	e.cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) { return trip(next, req) })
	}
}

// sound checks an outcome against what the server counted.
func (e *env) sound(err error) {
	e.Helper()
	arrived := e.w.count(e.col.method, e.col.path)
	if !e.col.create {
		assert.Empty(e.T, outcomes(err))
		return
	}
	if err != nil {
		require.Len(e.T, outcomes(err), 1)
	}
	if errors.Is(err, kopokopo.ErrNotSent) {
		assert.Zero(e.T, arrived, "said to be not sent")
	}
}

var errGaveUp = errors.New("the wrapper gave up")

func TestFault_Wrapper_GivesUpWhileTheRequestGoesOn(t *testing.T) {
	// A circuit breaker that answers for a request which is still being dialled, and
	// then is sent after all.
	fault(t, everyone, []string{callers}, func(e *env) {
		e.w.onDial = func(context.Context, int) error { time.Sleep(2 * time.Second); return nil }
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			done := make(chan error, 1)
			go func() {
				resp, err := next.RoundTrip(req)
				if err == nil {
					resp.Body.Close()
					err = errGaveUp
				}
				done <- err
			}()
			select {
			case err := <-done:
				return nil, err
			case <-time.After(time.Second):
				return nil, errGaveUp
			}
		})
		err := e.call(e.Context())
		require.ErrorIs(e.T, err, errGaveUp)
		if e.col.create {
			require.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
			assert.Equal(e.T, 1, e.log.attempts(e.col.template, e.col.method))
		}
		time.Sleep(time.Minute)
		e.sound(err)
	})
}

func TestFault_Wrapper_SendsAfterItGaveUp(t *testing.T) {
	fault(t, writers, []string{callers}, func(e *env) {
		var late sync.WaitGroup
		results := make(chan error, 10)
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			again := req.Clone(context.WithoutCancel(req.Context())) // a wrapper that will not be stopped
			first := req.Clone(req.Context())
			first.URL.Host = "unreachable"
			e.w.onDial = failDial(syscall.ECONNREFUSED)
			_, err := next.RoundTrip(first)
			e.w.onDial = nil
			late.Go(func() {
				time.Sleep(time.Minute)
				resp, err := next.RoundTrip(again)
				if err == nil {
					resp.Body.Close()
				}
				results <- err
			})
			return nil, err
		})
		e.cfg.MaxRetries = -1
		err := e.call(e.Context())
		require.Equal(e.T, []error{kopokopo.ErrNotSent}, outcomes(err))
		late.Wait()
		require.Error(e.T, <-results, "after the verdict nothing is sent")
		e.sound(err)
	})
}

func TestFault_Wrapper_Hedges(t *testing.T) {
	// Two at once: one fails before it is sent, the other arrives and is not answered.
	fault(t, everyone, []string{callers}, func(e *env) {
		e.w.onDial = func(_ context.Context, n int) error {
			if n%2 == 1 {
				time.Sleep(time.Second)
				return syscall.ECONNREFUSED
			}
			return nil
		}
		e.w.script = always(readWhole, pause(500*time.Millisecond), fin)
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			body := []byte(nil)
			if req.Body != nil {
				body, _ = io.ReadAll(req.Body)
			}
			errs := make(chan error, 2)
			for range 2 {
				copied := req.Clone(req.Context())
				if body != nil {
					copied.Body = io.NopCloser(bytes.NewReader(body))
				}
				go func() {
					resp, err := next.RoundTrip(copied)
					if err == nil {
						resp.Body.Close()
					}
					errs <- err
				}()
			}
			<-errs
			return nil, <-errs // the one that was not sent
		})
		err := e.call(e.Context())
		require.ErrorIs(e.T, err, syscall.ECONNREFUSED)
		if e.col.create {
			require.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
		}
		e.sound(err)
	})
}

func TestFault_Wrapper_Repeats(t *testing.T) {
	// A wrapper that tries again by itself: the first try arrives, the second is refused
	// a connection, or loses it before anything is written.
	for name, second := range map[string]func(e *env){
		"no connection": func(e *env) {
			e.w.onDial = func(_ context.Context, n int) error {
				if n > 0 {
					return syscall.ECONNREFUSED
				}
				return nil
			}
		},
		"nothing written": func(e *env) {
			e.w.onConn = func(n int, c net.Conn) net.Conn {
				if n > 0 {
					return &faultyWrites{c, 0}
				}
				return c
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fault(t, writers, []string{callers}, func(e *env) {
				second(e)
				e.w.script = always(readWhole, fin)
				e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(req.Body)
					var err error
					for range 2 {
						copied := req.Clone(req.Context())
						copied.Body = io.NopCloser(bytes.NewReader(body))
						var resp *http.Response
						if resp, err = next.RoundTrip(copied); err == nil {
							return resp, nil
						}
					}
					return nil, err
				})
				err := e.call(e.Context())
				e.expect(err, map[string]want{"*": endsUnknown(1)})
			})
		})
	}
}

func TestFault_Wrapper_DropsTheContext(t *testing.T) {
	fault(t, writers, []string{callers}, func(e *env) {
		e.w.onDial = failDial(syscall.ECONNREFUSED)
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.Clone(context.Background()))
		})
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(0)}) // less certain, and sound
	})
}

func TestFault_Wrapper_MakesAnErrorOfAnAnswer(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
				err = errGaveUp
			}
			return nil, err
		})
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1, errGaveUp), "R": endsFailing(2, 2, errGaveUp)})
	})
}

func TestFault_Wrapper_SetsWhatMakesNetHTTPRepeat(t *testing.T) {
	// GetBody and an idempotency header make net/http repeat a POST on a connection
	// that dies. A wrapper may set both.
	fault(t, writers, []string{callers}, func(e *env) {
		e.w.script = inTurn([]step{readWhole, good, readWhole, fin}, []step{serveAll})
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				req = req.Clone(req.Context())
				body, _ := io.ReadAll(req.Body)
				req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
				req.Body, _ = req.GetBody()
				req.Header.Set("Idempotency-Key", "1")
			}
			return next.RoundTrip(req)
		})
		e.warm()
		err := e.call(e.Context())
		if e.col.class == "M" {
			require.NoError(e.T, err)
		} else {
			require.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
		}
		assert.Equal(e.T, 1, e.w.count(e.col.method, e.col.path))
	})
}

// The control: with a plain client the same fault does send a POST twice.
func TestFault_Control_PlainClientSendsTwice(t *testing.T) {
	once(t, func(e *env) {
		e.w.script = inTurn([]step{readWhole, good, readWhole, fin}, []step{serveAll})
		e.start()
		plain := &http.Client{Transport: &http.Transport{DialContext: e.w.dial}}
		defer plain.CloseIdleConnections()
		resp, err := plain.Get(wireBase + "/api/v2/incoming_payments/" + testID)
		require.NoError(e.T, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		req, err := http.NewRequestWithContext(e.Context(), http.MethodPost, wireBase+"/api/v1/payments", bytes.NewReader([]byte(`{}`)))
		require.NoError(e.T, err)
		req.Header.Set("Idempotency-Key", "1")
		resp, err = plain.Do(req)
		require.NoError(e.T, err)
		resp.Body.Close()
		twice := e.w.count(http.MethodPost, "/api/v1/payments")
		e.Logf("a plain net/http client with an idempotency header: %d complete POSTs for one call", twice)
		assert.Equal(e.T, 2, twice, "the test can fail")
	})
}

func TestFault_Wrapper_OutcomesOfItsOwn(t *testing.T) {
	// A cause that speaks of an outcome of its own does not pass for this call's.
	for _, foreignOutcome := range []error{kopokopo.ErrNotSent, kopokopo.ErrRefused, kopokopo.ErrOutcomeUnknown} {
		cause := &kopokopo.CallError{Op: "fetch a token for the fleet", Outcome: foreignOutcome, Err: errGaveUp}
		fault(t, everyone, ourWay, func(e *env) {
			e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { return "", cause })
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0, errGaveUp), "R": endsFailing(0, 0, errGaveUp)})
		})
		fault(t, everyone, []string{callers}, func(e *env) {
			e.wrap(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, cause })
			e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(0, errGaveUp), "R": endsFailing(0, 2, errGaveUp)})
		})
	}
}

func TestFault_Wrapper_ReturnsNothing(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.wrap(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, nil })
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(0), "R": endsFailing(0, 2)})
	})
}

func TestFault_Dialer_ReturnsNothing(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nil }}}
		e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3)})
	})
}

// A caller's TLS dialer keeps its connections uncounted: nothing can be proved.
func TestFault_Dialer_OfTLS(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.cfg.BaseURL = "https://" + tlsHost
		e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialTLSContext: e.w.dial}}
		e.w.onConn = func(n int, c net.Conn) net.Conn {
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
			e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialTLSContext: e.w.dial}}
			e.w.onDial = failDial(syscall.ECONNREFUSED)
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3)})
		})
	})
}

func TestFault_Client_OwnTimeout(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: e.w.dial}, Timeout: time.Second}
		e.w.script = always(readWhole, hang)
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
			e.w.onDial = failDial(syscall.ECONNREFUSED)
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
			e.w.onDial = func(context.Context, int) error { at = append(at, time.Now()); return syscall.ECONNREFUSED }
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
			w := &wire{script: always(serveAll)}
			client, err := kopokopo.New(kopokopo.Config{BaseURL: w.listen(t), TokenSource: fixedToken})
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
			t.Logf("%d connections for %d calls by %d goroutines", w.connections(), callers*each, callers)
			// A dial begun while none was idle may end after another connection was free.
			require.LessOrEqual(t, w.connections(), 64, "no new connection for each call")
		})
	}
}

func TestFault_Transport_PayoutsHaveFreshConnections(t *testing.T) {
	fault(t, "M", allWays, func(e *env) {
		for range 5 {
			require.NoError(e.T, e.call(e.Context()))
		}
		assert.Equal(e.T, 5, e.w.connections())
		for _, req := range e.w.seen() {
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
		assert.Equal(e.T, 1, e.w.connections())
		time.Sleep(31 * time.Second)
		require.NoError(e.T, e.call(e.Context()))
		assert.Equal(e.T, 2, e.w.connections())
	})
}

func TestFault_Transport_CallersClientIsNotChanged(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		transport := &http.Transport{DialContext: e.w.dial, MaxIdleConns: 7}
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
