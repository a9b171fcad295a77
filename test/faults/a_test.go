package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// A: tokens.

const manyCallers = 1000

// issuer is the token endpoint, and what the others think of its tokens.
type issuer struct {
	mu     sync.Mutex
	issued int
	good   func(n int) bool      // whether the n-th token, from 1, is accepted; nil: the last one is
	answer func(n int) string    // the n-th answer of the token endpoint; "" is a good one
	delay  func(n int)           // before it
	before func(req wireRequest) // before any other answer
	life   string                // expires_in, 3600 by default
}

func (i *issuer) serve(_ *peer, req wireRequest) string {
	if req.Path == "/oauth/token" {
		i.mu.Lock()
		i.issued++
		n := i.issued
		i.mu.Unlock()
		if i.delay != nil {
			i.delay(n)
		}
		if i.answer != nil {
			if raw := i.answer(n); raw != "" {
				return raw
			}
		}
		life := i.life
		if life == "" {
			life = "3600"
		}
		return answer(200, fmt.Sprintf(`{"access_token":"token-%d","token_type":"Bearer","expires_in":%s}`, n, life))
	}
	if i.before != nil {
		i.before(req)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	_, _ = fmt.Sscanf(req.Header.Get("Authorization"), "Bearer token-%d", &n)
	if i.good == nil && n == i.issued || i.good != nil && i.good(n) {
		return ""
	}
	return answer(401, `{"error_message":"Unauthorized"}`)
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.issued
}

// withIssuer makes the client get its tokens from the server.
func (e *env) withIssuer(i *issuer) {
	e.cfg.TokenSource = nil
	e.w.Script = always(serveAll)
	e.w.Serve = i.serve
}

// crowd makes n calls at once and returns their errors.
func (e *env) crowd(n int, ctx func(i int) context.Context) []error {
	e.Helper()
	e.start()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = e.col.call(ctx(i), e.client) })
	}
	wg.Wait()
	return errs
}

func (e *env) sameContext(int) context.Context { return e.Context() }

func countErrors(errs []error) int {
	n := 0
	for _, err := range errs {
		if err != nil {
			n++
		}
	}
	return n
}

func TestFault_A01_ColdCache(t *testing.T) {
	fault(t, "CR", []string{callers}, func(e *env) {
		tokens := &issuer{delay: func(int) { time.Sleep(time.Second) }}
		e.withIssuer(tokens)
		errs := e.crowd(manyCallers, e.sameContext)
		assert.Zero(e.T, countErrors(errs))
		assert.Equal(e.T, 1, tokens.count())
		assert.Equal(e.T, manyCallers, e.w.Count(e.col.method, e.col.path))
	})
}

func TestFault_A02_TokenRejectedMidFlight(t *testing.T) {
	fault(t, "CR", []string{callers}, func(e *env) {
		tokens := &issuer{}
		e.withIssuer(tokens)
		require.NoError(e.T, e.call(e.Context()))
		before := e.w.Count(e.col.method, e.col.path)
		tokens.good = func(n int) bool { return n >= 2 } // the first one is revoked
		errs := e.crowd(manyCallers, e.sameContext)
		assert.Zero(e.T, countErrors(errs))
		assert.Equal(e.T, 2, tokens.count(), "one more")
		assert.LessOrEqual(e.T, e.w.Count(e.col.method, e.col.path)-before, 2*manyCallers, "each sent again once at most")
	})
	t.Run("a caller's own token is not ours to replace", func(t *testing.T) {
		fault(t, "C", allWays, func(e *env) {
			e.withIssuer(&issuer{good: func(int) bool { return false }})
			e.col.call = func(ctx context.Context, c *kopokopo.Client) error {
				_, err := c.IncomingPayments.Create(ctx, validSTK(), kopokopo.WithToken("token-9"))
				return err
			}
			e.expect(e.call(e.Context()), map[string]want{"*": endsRefused(1, kopokopo.ErrUnauthorized)})
			assert.Zero(e.T, e.w.Count("POST", "/oauth/token"))
		})
	})
}

func TestFault_A03_LateRejection(t *testing.T) {
	fault(t, "CR", []string{callers}, func(e *env) {
		tokens := &issuer{}
		slow := make(chan struct{})
		first := true
		tokens.before = func(req wireRequest) {
			if req.Header.Get("Authorization") == "Bearer token-1" && first {
				first = false
				<-slow // the answer to this one comes late
			}
		}
		e.withIssuer(tokens)
		tokens.good = func(n int) bool { return n >= 2 }
		var late error
		var wg sync.WaitGroup
		e.start()
		wg.Go(func() { late = e.call(e.Context()) })
		synctest.Wait()
		require.NoError(e.T, e.call(e.Context()), "another caller has renewed the token by now")
		require.Equal(e.T, 2, tokens.count())
		close(slow)
		wg.Wait()
		require.NoError(e.T, late)
		assert.Equal(e.T, 2, tokens.count(), "the new token is used, not thrown away")
	})
}

func TestFault_A04_FreshTokenRejectedToo(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		tokens := &issuer{good: func(int) bool { return false }}
		e.withIssuer(tokens)
		err := e.call(e.Context())
		e.expect(err, map[string]want{"*": endsRefused(2, kopokopo.ErrUnauthorized), "R": endsFailing(2, 2, kopokopo.ErrUnauthorized)})
		assert.Equal(e.T, 2, tokens.count())
		// From now on at most one renewal a second, whoever asks.
		started := time.Now()
		for range 10 {
			require.ErrorIs(e.T, e.call(e.Context()), kopokopo.ErrUnauthorized)
		}
		errs := e.crowd(50, e.sameContext)
		assert.Equal(e.T, 50, countErrors(errs))
		renewals, seconds := tokens.count()-2, int(time.Since(started)/time.Second)
		assert.LessOrEqual(e.T, renewals, seconds+1, "%d renewals in %d s", renewals, seconds)
	})
}

func TestFault_A05_TwoProcesses(t *testing.T) {
	// The server keeps one live token, so that each process takes the other's away.
	fault(t, "C", []string{callers}, func(e *env) {
		tokens := &issuer{}
		e.withIssuer(tokens)
		other, err := kopokopo.New(kopokopo.Config{BaseURL: wireBase, Credentials: testCredentials(),
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: e.w.Dial}}})
		require.NoError(e.T, err)
		defer other.Close()
		e.start()
		started := time.Now()
		for range 50 {
			require.NoError(e.T, e.col.call(e.Context(), e.client))
			require.NoError(e.T, e.col.call(e.Context(), other))
		}
		seconds := int(time.Since(started) / time.Second)
		assert.LessOrEqual(e.T, tokens.count(), 2*(seconds+2), "renewals in %d s", seconds)
	})
}

func TestFault_A06_TokenEndpointDown(t *testing.T) {
	for name, raw := range map[string]string{"500": answer(500, ""), "HTML": strings.Replace(answer(200, "<html>"), "application/json", "text/html", 1), "401": answer(401, "")} {
		t.Run(name, func(t *testing.T) {
			fault(t, "CR", []string{callers}, func(e *env) {
				tokens := &issuer{life: "600", good: func(n int) bool { return n == 1 }}
				tokens.answer = func(n int) string {
					if n == 1 {
						return ""
					}
					return raw
				}
				e.withIssuer(tokens)
				require.NoError(e.T, e.call(e.Context()))
				time.Sleep(545 * time.Second) // the last minute, in which it is renewed early
				for range 50 {
					require.NoError(e.T, e.call(e.Context()), "the token is still good")
					time.Sleep(time.Second)
				}
				assert.Less(e.T, tokens.count(), 40, "there are pauses between the attempts to renew it")
				assert.Greater(e.T, tokens.count(), 5)
				time.Sleep(10 * time.Second)
				err := e.call(e.Context())
				require.Error(e.T, err)
				assert.Equal(e.T, e.col.create, errors.Is(err, kopokopo.ErrNotSent))
			})
		})
	}
}

func TestFault_A06_EarlyRefresh(t *testing.T) {
	once(t, func(e *env) {
		tokens := &issuer{good: func(int) bool { return true }, delay: func(n int) {
			if n > 1 {
				time.Sleep(5 * time.Second)
			}
		}}
		e.withIssuer(tokens)
		require.NoError(e.T, e.call(e.Context()))
		time.Sleep(3539 * time.Second)
		require.NoError(e.T, e.call(e.Context()))
		assert.Equal(e.T, 1, tokens.count(), "not before the last minute")
		time.Sleep(2 * time.Second)
		took := elapsed(func() { require.NoError(e.T, e.call(e.Context())) })
		assert.Zero(e.T, took, "nobody waits for it")
		synctest.Wait()
		assert.Equal(e.T, 2, tokens.count())
	})
}

func TestFault_A07_FirstCallerLeaves(t *testing.T) {
	fault(t, "CR", []string{callers}, func(e *env) {
		tokens := &issuer{delay: func(int) { time.Sleep(2 * time.Second) }}
		e.withIssuer(tokens)
		e.start()
		leaving, leave := context.WithCancel(e.Context())
		var first error
		var wg sync.WaitGroup
		wg.Go(func() { first = e.call(leaving) })
		synctest.Wait() // the fetch is the first caller's
		wg.Go(func() { time.Sleep(time.Second); leave() })
		errs := e.crowd(manyCallers-1, e.sameContext)
		wg.Wait()
		assert.Zero(e.T, countErrors(errs))
		require.ErrorIs(e.T, first, context.Canceled)
		assert.Equal(e.T, e.col.create, errors.Is(first, kopokopo.ErrNotSent))
		assert.Equal(e.T, 1, tokens.count())
	})
}

func TestFault_A08_EveryCallerLeaves(t *testing.T) {
	once(t, func(e *env) {
		release := make(chan struct{})
		defer close(release)
		e.withIssuer(&issuer{delay: func(int) { <-release }})
		ctx, cancel := context.WithTimeout(e.Context(), time.Second)
		defer cancel()
		errs := e.crowd(100, func(int) context.Context { return ctx })
		for _, err := range errs {
			require.ErrorIs(e.T, err, context.DeadlineExceeded)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Empty(e.T, leftovers("fetchSafely"), "the fetch has ended")
	})
}

// roundTripFunc is a RoundTripper.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestFault_A09_FetchPanics(t *testing.T) {
	for name, crash := range map[string]func(){
		"panic":    func() { panic("secret " + testSecret) },
		"a nil":    func() { panic(nil) }, //nolint:govet // on purpose
		"an error": func() { panic(errors.New(testSecret)) },
		"Goexit":   runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			once(t, func(e *env) {
				e.withIssuer(&issuer{})
				crashed := false
				e.cfg.WrapTransport = func(rt http.RoundTripper) http.RoundTripper {
					return roundTripFunc(func(req *http.Request) (*http.Response, error) {
						if req.URL.Path == "/oauth/token" && !crashed {
							crashed = true
							time.Sleep(time.Second) // until everybody waits
							crash()
						}
						return rt.RoundTrip(req)
					})
				}
				errs := e.crowd(20, e.sameContext)
				require.Equal(e.T, 20, countErrors(errs))
				for _, err := range errs {
					noSecrets(e.T, fmt.Sprintf("%+v", err))
				}
				require.NoError(e.T, e.call(e.Context()), "the next one works")
			})
		})
	}
}

func TestFault_A10_BadCredentials(t *testing.T) {
	for _, raw := range []string{answer(401, `{"error":"invalid_client","error_description":"Client authentication failed"}`), answer(400, `{"error":"invalid_client"}`)} {
		fault(t, everyone, allWays, func(e *env) {
			tokens := &issuer{answer: func(int) string { return raw }}
			e.withIssuer(tokens)
			err := e.call(e.Context())
			e.expect(err, map[string]want{"*": endsNotSent(0), "R": endsFailing(0, 0)})
			noSecrets(e.T, err.Error())
			assert.NotContains(e.T, err.Error(), testClientID)
			require.Equal(e.T, 1, tokens.count(), "no retry")
			for range 20 {
				require.Error(e.T, e.call(e.Context()))
			}
			assert.Equal(e.T, 1, tokens.count(), "believed for a while")
			time.Sleep(5 * time.Second)
			require.Error(e.T, e.call(e.Context()))
			assert.Equal(e.T, 2, tokens.count())
		})
	}
}
