package faults_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
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
	arrived := e.w.Count(e.col.method, e.col.path)
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
		e.w.OnDial = func(context.Context, int) error { time.Sleep(2 * time.Second); return nil }
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
			e.w.OnDial = failDial(syscall.ECONNREFUSED)
			_, err := next.RoundTrip(first)
			e.w.OnDial = nil
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
		e.w.OnDial = func(_ context.Context, n int) error {
			if n%2 == 1 {
				time.Sleep(time.Second)
				return syscall.ECONNREFUSED
			}
			return nil
		}
		e.w.Script = always(readWhole, pause(500*time.Millisecond), fin)
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

func TestFault_Wrapper_HedgesBetweenConnectionAndWrite(t *testing.T) {
	// Both have a connection before either writes. The one that then arrives is slower
	// to begin than the one that fails with nothing written.
	fault(t, writers, []string{callers}, func(e *env) {
		e.w.OnConn = func(n int, c net.Conn) net.Conn {
			if n == 1 {
				return &faultyWrites{c, 0}
			}
			return c
		}
		e.w.Script = always(readWhole, fin)
		var had atomic.Int32
		ctx := httptrace.WithClientTrace(e.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			if had.Add(1) == 1 {
				time.Sleep(time.Second)
			}
		}})
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(req.Body)
			var errs [2]error
			var wg sync.WaitGroup
			for i := range errs {
				copied := req.Clone(req.Context())
				copied.Body = io.NopCloser(bytes.NewReader(body))
				wg.Go(func() { _, errs[i] = next.RoundTrip(copied) })
				synctest.Wait()
			}
			wg.Wait()
			return nil, errs[1]
		})
		e.expect(e.call(ctx), map[string]want{"*": endsUnknown(1)})
	})
}

func TestFault_Wrapper_Repeats(t *testing.T) {
	// A wrapper that tries again by itself: the first try arrives, the second is refused
	// a connection, or loses it before anything is written.
	for name, second := range map[string]func(e *env){
		"no connection": func(e *env) {
			e.w.OnDial = func(_ context.Context, n int) error {
				if n > 0 {
					return syscall.ECONNREFUSED
				}
				return nil
			}
		},
		"nothing written": func(e *env) {
			e.w.OnConn = func(n int, c net.Conn) net.Conn {
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
				e.w.Script = always(readWhole, fin)
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

func TestFault_Wrapper_SendsAnotherWay(t *testing.T) {
	// Our own trip gets no connection; the wrapper then sends the request by a
	// transport of its own, where it arrives and is not answered.
	fault(t, writers, []string{callers}, func(e *env) {
		other := &http.Transport{DialContext: e.w.Dial}
		e.idle = other.CloseIdleConnections
		e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, syscall.ECONNREFUSED
		}}}
		e.w.Script = always(readWhole, fin)
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(req.Body)
			for _, way := range []http.RoundTripper{next, other} {
				copied := req.Clone(req.Context())
				copied.Body = io.NopCloser(bytes.NewReader(body))
				if resp, err := way.RoundTrip(copied); err == nil || way == other {
					return resp, err
				}
			}
			return nil, errGaveUp
		})
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1)})
	})
}

func TestFault_Wrapper_DropsTheContext(t *testing.T) {
	fault(t, writers, []string{callers}, func(e *env) {
		e.w.OnDial = failDial(syscall.ECONNREFUSED)
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
		e.w.Script = inTurn([]step{readWhole, good, readWhole, fin}, []step{serveAll})
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
		assert.Equal(e.T, 1, e.w.Count(e.col.method, e.col.path))
	})
}

func TestFault_Wrapper_KeepsConnections(t *testing.T) {
	// Payouts have fresh connections even below a wrapper that takes Close away.
	fault(t, "M", []string{callers}, func(e *env) {
		e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			req = req.Clone(req.Context())
			req.Close = false
			return next.RoundTrip(req)
		})
		for range 3 {
			require.NoError(e.T, e.call(e.Context()))
		}
		assert.Equal(e.T, 3, e.w.Connections())
	})
}

func TestFault_Foreign_CannotRepeatByItself(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		base := &http.Transport{DialContext: e.w.Dial}
		e.idle = base.CloseIdleConnections
		e.cfg.HTTPClient = &http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			assert.Nil(e.T, req.GetBody)
			assert.Equal(e.T, e.col.class == "M" && req.URL.Path == e.col.path, req.Close)
			return base.RoundTrip(req)
		})}
		e.withIssuer(&issuer{})
		require.NoError(e.T, e.call(e.Context()))
	})
}

// The control: with a plain client the same fault does send a POST twice.
func TestFault_Control_PlainClientSendsTwice(t *testing.T) {
	once(t, func(e *env) {
		e.w.Script = inTurn([]step{readWhole, good, readWhole, fin}, []step{serveAll})
		e.start()
		plain := &http.Client{Transport: &http.Transport{DialContext: e.w.Dial}}
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
		twice := e.w.Count(http.MethodPost, "/api/v1/payments")
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
