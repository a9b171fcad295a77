package faults_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// A11 to A18: what tokens look like, and when they end.

func TestFault_A11_Lifetimes(t *testing.T) {
	tests := map[string]struct {
		life      string
		lasts     time.Duration // the token is used at least so long
		renewedBy time.Duration // and not longer
	}{
		"0": {"0", 299 * time.Second, 300 * time.Second}, "1": {"1", 0, time.Second}, "5": {"5", 4 * time.Second, 5 * time.Second},
		"negative": {"-5", 299 * time.Second, 300 * time.Second}, "text": {`"3600"`, 3500 * time.Second, 3600 * time.Second},
		"with a fraction": {"3600.0", 3500 * time.Second, 3600 * time.Second}, "beyond measure": {"1000000000000000000", 23 * time.Hour, 24 * time.Hour},
		"null": {"null", 260 * time.Second, 300 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			once(t, func(e *env) {
				tokens := &issuer{life: tt.life, good: func(int) bool { return true }}
				e.withIssuer(tokens)
				errs := e.crowd(10, e.sameContext)
				require.Zero(e.T, countErrors(errs), "usable at least once")
				require.Equal(e.T, 1, tokens.count())
				time.Sleep(tt.lasts * 9 / 10)
				require.NoError(e.T, e.call(e.Context()))
				synctest.Wait()
				require.Equal(e.T, 1, tokens.count(), "still the first one")
				time.Sleep(tt.renewedBy - tt.lasts*9/10 + time.Second)
				require.NoError(e.T, e.call(e.Context()))
				synctest.Wait()
				require.Equal(e.T, 2, tokens.count(), "never used beyond its end")
			})
		})
	}
	t.Run("absent", func(t *testing.T) {
		once(t, func(e *env) {
			tokens := &issuer{good: func(int) bool { return true }, answer: func(n int) string {
				return answer(200, fmt.Sprintf(`{"access_token":"token-%d"}`, n))
			}}
			e.withIssuer(tokens)
			require.NoError(e.T, e.call(e.Context()))
			time.Sleep(4 * time.Minute)
			require.NoError(e.T, e.call(e.Context()))
			assert.Equal(e.T, 1, tokens.count())
			time.Sleep(time.Minute)
			require.NoError(e.T, e.call(e.Context()))
			assert.Equal(e.T, 2, tokens.count())
		})
	})
	t.Run("over before it arrives", func(t *testing.T) {
		once(t, func(e *env) {
			tokens := &issuer{life: "1", delay: func(int) { time.Sleep(3 * time.Second) }}
			e.withIssuer(tokens)
			for range 5 {
				require.NoError(e.T, e.call(e.Context()))
			}
			assert.Equal(e.T, 5, tokens.count(), "one for each call, and no loop")
		})
	})
}

func TestFault_A12_UnusableTokens(t *testing.T) {
	for name, body := range map[string]string{
		"a line break": `{"access_token":"abc\r\nX-Evil: 1","token_type":"Bearer"}`, "a space": `{"access_token":"a b"}`,
		"64 KiB": `{"access_token":"` + strings.Repeat("a", 64<<10) + `"}`, "empty": `{"access_token":""}`, "absent": `{"expires_in":3600}`,
		"null": "null", "a list": "[]", "another type": `{"access_token":"abcdef","token_type":"mac"}`,
	} {
		t.Run(name, func(t *testing.T) {
			fault(t, "MR", ourWay, func(e *env) {
				bad := true
				tokens := &issuer{answer: func(int) string {
					if bad {
						return answer(200, body)
					}
					return ""
				}}
				e.withIssuer(tokens)
				e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0, kopokopo.ErrResponse), "R": endsFailing(0, 0, kopokopo.ErrResponse)})
				bad = false
				require.NoError(e.T, e.call(e.Context()), "nothing was kept")
			})
		})
	}
}

func TestFault_A13_TokenRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		fault(t, "MR", allWays, func(e *env) {
			tokens := &issuer{answer: func(int) string { return answer(status, "", "Location: http://127.0.0.1:8/steal") }}
			e.withIssuer(tokens)
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0, kopokopo.ErrRedirect), "R": endsFailing(0, 0, kopokopo.ErrRedirect)})
			require.Len(e.T, e.w.Seen(), 1, "the secret goes nowhere else")
		})
	}
}

func TestFault_A14_ClockJumps(t *testing.T) {
	// A machine that slept, or a clock that was set: the token is over at the server
	// and not here. It costs one 401 and one renewal.
	fault(t, everyone, allWays, func(e *env) {
		tokens := &issuer{}
		e.withIssuer(tokens)
		require.NoError(e.T, e.call(e.Context()))
		tokens.good = func(n int) bool { return n > 1 }
		require.NoError(e.T, e.call(e.Context()))
		require.NoError(e.T, e.call(e.Context()))
		assert.Equal(e.T, 2, tokens.count())
		assert.Equal(e.T, 4, e.w.Count(e.col.method, e.col.path))
	})
	t.Run("a day ahead", func(t *testing.T) {
		once(t, func(e *env) {
			tokens := &issuer{}
			e.withIssuer(tokens)
			require.NoError(e.T, e.call(e.Context()))
			time.Sleep(24 * time.Hour)
			require.NoError(e.T, e.call(e.Context()))
			assert.Equal(e.T, 2, tokens.count())
			assert.Equal(e.T, 2, e.w.Count(e.col.method, e.col.path))
		})
	})
}

func TestFault_A16_ExpiryBetweenCheckAndSend(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		tokens := &issuer{life: "10"}
		e.withIssuer(tokens)
		require.NoError(e.T, e.call(e.Context()))
		time.Sleep(10*time.Second - 1) // good for one more nanosecond, and late on the wire
		tokens.good = func(n int) bool { return n > 1 }
		require.NoError(e.T, e.call(e.Context()))
		assert.LessOrEqual(e.T, tokens.count(), 3)
		assert.LessOrEqual(e.T, e.w.Count(e.col.method, e.col.path), 3)
	})
}

func TestFault_A17_CloseDuringRefresh(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		release := make(chan struct{})
		defer close(release)
		e.withIssuer(&issuer{delay: func(int) { <-release }})
		e.start()
		errs := make([]error, 50)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = e.call(e.Context()) })
		}
		synctest.Wait()
		require.NoError(e.T, e.client.Close())
		assert.Zero(e.T, elapsed(wg.Wait))
		for _, err := range errs {
			require.ErrorIs(e.T, err, kopokopo.ErrClosed)
			assert.Equal(e.T, e.col.create, errors.Is(err, kopokopo.ErrNotSent))
		}
	})
}

func TestFault_A18_ImpatientCaller(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.withIssuer(&issuer{delay: func(int) { time.Sleep(2 * time.Second) }})
		ctx, cancel := context.WithTimeout(e.Context(), 50*time.Millisecond)
		defer cancel()
		var err error
		took := elapsed(func() { err = e.call(ctx) })
		assert.Equal(e.T, 50*time.Millisecond, took)
		e.expect(err, map[string]want{"*": endsNotSent(0, context.DeadlineExceeded), "R": endsFailing(0, 0, context.DeadlineExceeded)})
		require.NoError(e.T, e.call(e.Context()), "the fetch went on")
		assert.Equal(e.T, 1, e.w.Count("POST", "/oauth/token"))
	})
}
