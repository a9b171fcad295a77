package outbound

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHowOftenACallIsTried(t *testing.T) {
	t.Parallel()
	for retries, want := range map[int]int{0: 1, 1: 2, 2: 3, 5: 6} {
		each(t, classes, func(t *testing.T, c Class) {
			f := &far{answer: always(status(429))}
			e := f.engine(t, func(cfg *Config) { cfg.Retries = retries })
			_, err := e.Do(t.Context(), call(c))
			assert.Equal(t, want, f.count())
			assert.Equal(t, want, failureOf(t, err).Attempts)
		})
	}
	each(t, classes, func(t *testing.T, c Class) { // each retry is the same request
		f := &far{answer: inTurn(status(429), status(429), status(200))}
		rep, err := f.engine(t).Do(t.Context(), call(c))
		require.NoError(t, err)
		assert.Equal(t, 200, rep.Status)
		assert.Equal(t, 3, rep.Attempts)
		sent := f.all()
		require.Len(t, sent, 3)
		for _, req := range sent {
			assert.Equal(t, string(call(c).Body), req.Body)
			assert.Equal(t, sent[0].Header, req.Header)
			assert.Equal(t, "Bearer "+theToken, req.Header.Get("Authorization"))
			assert.Equal(t, "test/1", req.Header.Get("User-Agent"))
			for name := range req.Header {
				assert.NotContains(t, name, "Idempotency-Key")
			}
		}
	})
}

// What is not HTTP is asked for once more only, however many retries there may be.
func TestGarbageIsReadOnceMore(t *testing.T) {
	t.Parallel()
	for retries, want := range map[int]int{0: 1, 1: 2, 5: 2} {
		synctest.Test(t, func(t *testing.T) {
			f := &far{answer: always("SSH-2.0-OpenSSH_9.6\r\n")}
			e := f.engine(t, func(cfg *Config) { cfg.Retries = retries })
			_, err := e.Do(t.Context(), call(Read))
			require.Error(t, err)
			assert.Equal(t, want, f.count())
		})
	}
	synctest.Test(t, func(t *testing.T) { // and this one counts against the others
		f := &far{answer: inTurn(status(500), status(500), "garbage\r\n\r\n")}
		_, err := f.engine(t).Do(t.Context(), call(Read))
		require.Error(t, err)
		assert.Equal(t, 3, f.count())
	})
}

// pausesOf runs a read that is always answered alike and returns its pauses.
func pausesOf(t *testing.T, retries int, answer func() *http.Response) []time.Duration {
	t.Helper()
	var at []time.Time
	e := engine(t, over(func(*http.Request) (*http.Response, error) { at = append(at, time.Now()); return answer(), nil }),
		func(cfg *Config) { cfg.Retries = retries })
	defer e.Close()
	_, err := e.Do(t.Context(), call(Read))
	require.Error(t, err)
	var pauses []time.Duration
	for i := 1; i < len(at); i++ {
		pauses = append(pauses, at[i].Sub(at[i-1]))
	}
	require.Len(t, pauses, retries)
	return pauses
}

// The pauses lie anywhere below a bound that doubles from 250 ms up to 8 s, so that a
// fleet does not come back in step.
func TestPausesHaveFullJitterBelowADoublingBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls, retries = 100, 60
		longest, shortest := make([]time.Duration, retries), make([]time.Duration, retries)
		for range calls {
			for i, pause := range pausesOf(t, retries, func() *http.Response { return respond(500) }) {
				longest[i] = max(longest[i], pause)
				if shortest[i] == 0 || pause < shortest[i] {
					shortest[i] = pause
				}
			}
		}
		for i := range retries {
			bound := 8 * time.Second
			if i < 5 {
				bound = 250 * time.Millisecond << i
			}
			require.Less(t, longest[i], bound, "pause %d", i)
			require.Greater(t, longest[i], bound*9/10, "pause %d of %d calls", i, calls)
			require.Less(t, shortest[i], bound/10, "pause %d of %d calls", i, calls)
		}
	})
}

func TestAnAnswerSaysHowLongToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for text, want := range map[string]time.Duration{"0": 0, "1": time.Second, "60": time.Minute} {
			for _, code := range []int{429, 500, 503} {
				pauses := pausesOf(t, 2, func() *http.Response { return respond(code, "Retry-After", text) })
				assert.Equal(t, []time.Duration{want, want}, pauses, "%d, Retry-After: %s", code, text)
			}
		}
		date := pausesOf(t, 1, func() *http.Response {
			return respond(429, "Retry-After", time.Now().Add(42*time.Second).UTC().Format(http.TimeFormat))
		})
		assert.Equal(t, []time.Duration{42 * time.Second}, date)
	})
}

// A wait that is longer than a call should take, or that the caller's deadline would
// cut short, is not begun.
func TestNobodyWaitsInVain(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		for _, text := range []string{"61", "3601", "9223372036854775807"} {
			f := &far{answer: always(status(429, "Retry-After: "+text))}
			var err error
			took := elapsed(func() { _, err = f.engine(t).Do(t.Context(), call(c)) })
			assert.Zero(t, took)
			assert.Equal(t, 1, f.count())
			end := failureOf(t, err)
			assert.ErrorIs(t, end.Ended, errTooLong)
			assert.Equal(t, Refused, end.Verdict)
			assert.Equal(t, 429, end.Answer.Status)
		}
		f := &far{answer: always(status(429, "Retry-After: 10"))}
		for within, tries := range map[time.Duration]int{9 * time.Second: 1, 19 * time.Second: 2} {
			before := f.count()
			ctx, cancel := context.WithTimeout(t.Context(), within)
			var err error
			took := elapsed(func() { _, err = f.engine(t).Do(ctx, call(c)) })
			cancel()
			assert.Equal(t, tries, f.count()-before)
			assert.Equal(t, time.Duration(tries-1)*10*time.Second, took)
			end := failureOf(t, err)
			assert.Equal(t, context.DeadlineExceeded, end.Ended)
			assert.Equal(t, 429, end.Answer.Status, "what happened last is said too")
			assert.Equal(t, Refused, end.Verdict)
		}
		f = &far{answer: inTurn(status(429, "Retry-After: 10"), created)}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Nanosecond)
		defer cancel()
		_, err := f.engine(t).Do(ctx, call(c))
		require.NoError(t, err, "this one is long enough")
	})
}

func TestWaitingEndsWithTheCallerAndWithClose(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: always(status(429, "Retry-After: 30"))}
		e := f.engine(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var err error
		assert.Equal(t, time.Second, elapsed(func() { _, err = e.Do(ctx, call(c)) }))
		end := failureOf(t, err)
		assert.Equal(t, context.Canceled, end.Ended)
		assert.Equal(t, Refused, end.Verdict)

		time.AfterFunc(time.Second, e.Close)
		assert.Equal(t, time.Second, elapsed(func() { _, err = e.Do(t.Context(), call(c)) }))
		assert.Equal(t, ErrClosed, failureOf(t, err).Ended)
		assert.Equal(t, 2, f.count())
	})
}

// A later answer does not undo an earlier doubt, and a later failure no refusal.
func TestTheWorstVerdictIsKept(t *testing.T) {
	t.Parallel()
	closing := "Connection: close"
	rows := map[string]struct {
		answers []string
		unsent  int // from this connection on
		want    map[Class]Verdict
		tried   int
	}{
		"429, then 400":              {[]string{status(429), status(400)}, 9, map[Class]Verdict{Setup: Refused, Collect: Refused, PayOut: Refused}, 2},
		"429, then no connection":    {[]string{status(429, closing)}, 1, map[Class]Verdict{Setup: Refused, Collect: Refused, PayOut: Refused}, 3},
		"401, then 500":              {[]string{status(401), status(500)}, 9, map[Class]Verdict{Setup: Unknown, Collect: Unknown, PayOut: Unknown}, 2},
		"401, then no connection":    {[]string{status(401, closing)}, 1, map[Class]Verdict{Setup: Refused, Collect: Refused, PayOut: Refused}, 4},
		"503, then 400":              {[]string{status(503, "Retry-After: 1"), status(400)}, 9, map[Class]Verdict{Setup: Unknown, Collect: Unknown}, 2},
		"503, then no connection":    {[]string{status(503, "Retry-After: 1", closing)}, 1, map[Class]Verdict{Setup: Unknown, Collect: Unknown}, 3},
		"503, then accepted":         {[]string{status(503, "Retry-After: 1"), created}, 9, map[Class]Verdict{Setup: Accepted, Collect: Accepted}, 2},
		"429, then one that is lost": {[]string{status(429), ""}, 9, map[Class]Verdict{Setup: Unknown, Collect: Unknown, PayOut: Unknown}, 2},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			for c, want := range row.want {
				synctest.Test(t, func(t *testing.T) {
					f := &far{answer: inTurn(row.answers...), onDial: refuse(row.unsent)}
					_, err := f.engine(t).Do(t.Context(), call(c))
					assert.Equal(t, want, verdictOf(t, err), "class %c", c)
					if err != nil {
						assert.Equal(t, row.tried, failureOf(t, err).Attempts)
					}
				})
			}
		})
	}
	each(t, writes, func(t *testing.T, c Class) {
		f := &far{answer: always(status(400)), onDial: refuseOnce}
		_, err := f.engine(t).Do(t.Context(), call(c))
		assert.Equal(t, Refused, verdictOf(t, err), "no connection, then 400")
		assert.Equal(t, 2, failureOf(t, err).Attempts)
	})
}

func TestOnlyTheLastAttemptIsReported(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: always(status(429, "Connection: close")), onDial: func(_ context.Context, n int) error {
			if n == 1 {
				return syscall.ECONNREFUSED
			}
			return nil
		}}
		e := f.engine(t, func(cfg *Config) { cfg.Retries = 1 })
		_, err := e.Do(t.Context(), call(c))
		end := failureOf(t, err)
		assert.ErrorIs(t, end.Cause, syscall.ECONNREFUSED)
		assert.Nil(t, end.Answer, "the answer was an earlier attempt's")

		f = &far{answer: always(status(429)), onDial: refuseOnce}
		e = f.engine(t, func(cfg *Config) { cfg.Retries = 1 })
		_, err = e.Do(t.Context(), call(c))
		end = failureOf(t, err)
		require.NoError(t, end.Cause, "the failure was an earlier attempt's")
		assert.Equal(t, 429, end.Answer.Status)
	})
}

// tokens has token-a, and token-b once that was rejected, and notes what it was told.
type tokens struct {
	mu   sync.Mutex
	told []string
}

func (s *tokens) Token(_ context.Context, rejected string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, rejected)
	if rejected != "" {
		return "token-b", nil
	}
	return "token-a", nil
}

func TestARejectedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: func(_ int, req request) string {
			if req.Header.Get("Authorization") == "Bearer token-b" {
				return created
			}
			return status(401)
		}}
		source := &tokens{}
		e := f.engine(t, func(cfg *Config) { cfg.Tokens, cfg.Retries = source, 0 })
		rep, err := e.Do(t.Context(), call(c))
		require.NoError(t, err)
		assert.Equal(t, 2, rep.Attempts, "beyond the retries")
		assert.Equal(t, []string{"", "token-a"}, source.told)

		f = &far{answer: always(status(401))}
		source = &tokens{}
		e = f.engine(t, func(cfg *Config) { cfg.Tokens = source })
		var end *Error
		assert.Zero(t, elapsed(func() {
			_, err := e.Do(t.Context(), call(c))
			end = failureOf(t, err)
		}), "at once")
		assert.Equal(t, 2, f.count())
		assert.Equal(t, Refused, end.Verdict)
		assert.Equal(t, []string{"", "token-a"}, source.told)
	})
	each(t, classes, func(t *testing.T, c Class) { // a renewal is no retry, and a retry keeps to the new token
		f := &far{answer: inTurn(status(401), status(429), status(429), created)}
		source := &tokens{}
		rep, err := f.engine(t, func(cfg *Config) { cfg.Tokens = source }).Do(t.Context(), call(c))
		require.NoError(t, err)
		assert.Equal(t, 4, rep.Attempts)
		assert.Equal(t, []string{"", "token-a", "token-a", "token-a"}, source.told)
	})
}

func TestTheCallersOwnTokenIsNotReplaced(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: always(status(401))}
		source := &tokens{}
		e := f.engine(t, func(cfg *Config) { cfg.Tokens = source })
		own := call(c)
		own.Token = "the-callers-own"
		_, err := e.Do(t.Context(), own)
		assert.Equal(t, Refused, verdictOf(t, err))
		require.Equal(t, 1, f.count())
		assert.Equal(t, "Bearer the-callers-own", f.all()[0].Header.Get("Authorization"))

		anonymous := call(c)
		anonymous.Anonymous = true
		_, err = e.Do(t.Context(), anonymous)
		assert.Equal(t, Refused, verdictOf(t, err))
		require.Equal(t, 2, f.count())
		assert.NotContains(t, f.all()[1].Header, "Authorization")
		assert.Empty(t, source.told, "no token was asked for")
	})
}

func TestNoTokenNothingSent(t *testing.T) {
	t.Parallel()
	noToken := errors.New("no token today")
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{}
		e := f.engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(context.Context, string) (string, error) { return "", noToken })
		})
		_, err := e.Do(t.Context(), call(c))
		end := failureOf(t, err)
		assert.ErrorIs(t, err, noToken)
		assert.Equal(t, NotSent, end.Verdict)
		assert.Zero(t, end.Attempts)
		require.NoError(t, end.Cause)
		assert.Zero(t, f.connections())

		for _, bad := range []string{"", "a b", "a\r\nb", "ünicode", string(make([]byte, 8<<10+1))} {
			e := f.engine(t, func(cfg *Config) { cfg.Tokens = fixed(bad) })
			_, err := e.Do(t.Context(), call(c))
			assert.Equal(t, ErrToken, failureOf(t, err).Ended)
			assert.Equal(t, NotSent, verdictOf(t, err))
		}
		assert.Zero(t, f.connections())

		// Once a token was rejected, the call was refused, and it stays refused.
		f = &far{answer: always(status(401))}
		e = f.engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(_ context.Context, rejected string) (string, error) {
				if rejected != "" {
					return "", noToken
				}
				return "token-a", nil
			})
		})
		_, err = e.Do(t.Context(), call(c))
		end = failureOf(t, err)
		assert.ErrorIs(t, err, noToken)
		assert.Equal(t, Refused, end.Verdict)
		assert.Equal(t, 401, end.Answer.Status)
		assert.Equal(t, 1, f.count())
	})
}

func TestWhatATokenMayBe(t *testing.T) {
	t.Parallel()
	long := make([]byte, 8<<10)
	for i := range long {
		long[i] = '~'
	}
	for _, good := range []string{"a", "!", "~", "a+b/c=d", string(long)} {
		assert.True(t, IsToken(good), "%.20q", good)
	}
	for _, bad := range []string{"", " ", "a ", "\x7f", "a\x00", "é", string(long) + "~"} {
		assert.False(t, IsToken(bad), "%.20q", bad)
	}
}

func TestAnUnusableCallIsNotSent(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{}
		e := f.engine(t)
		//lint:ignore SA1012 what a caller may do by mistake
		_, err := e.Do(nil, call(c)) //nolint:staticcheck
		assert.EqualError(t, failureOf(t, err).Ended, "the context is nil")
		assert.Equal(t, NotSent, verdictOf(t, err))

		over, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = e.Do(over, call(c))
		assert.Equal(t, context.Canceled, failureOf(t, err).Ended)
		assert.Equal(t, NotSent, verdictOf(t, err))

		malformed := call(c)
		malformed.URL = "http://[malformed"
		_, err = e.Do(t.Context(), malformed)
		assert.Error(t, failureOf(t, err).Cause)
		assert.Equal(t, NotSent, verdictOf(t, err))
		assert.Equal(t, 1, failureOf(t, err).Attempts, "it will not get better")

		e.Close()
		e.Close()
		_, err = e.Do(over, call(c))
		assert.Equal(t, ErrClosed, failureOf(t, err).Ended, "which is why, whatever else is true")
		assert.Equal(t, NotSent, verdictOf(t, err))
		assert.Zero(t, f.connections())
	})
}

func TestWhatAnEngineSaysOfItself(t *testing.T) {
	t.Parallel()
	e := engine(t)
	require.NoError(t, e.Usable(t.Context()))
	require.NoError(t, e.Life().Err())
	select {
	case <-e.Done():
		t.Fatal("not closed yet")
	default:
	}
	assert.Equal(t, 10*time.Second, e.Timeout())
	e.Close()
	<-e.Done()
	require.Error(t, e.Life().Err())
	require.Equal(t, ErrClosed, e.Usable(t.Context()))

	for own, want := range map[time.Duration]time.Duration{0: 10 * time.Second, time.Second: time.Second, time.Minute: 10 * time.Second, -time.Second: 10 * time.Second} {
		e := engine(t, func(cfg *Config) { cfg.HTTPClient = &http.Client{Timeout: own} })
		assert.Equal(t, want, e.Timeout(), "an http.Client with a Timeout of %v", own)
	}
}

func TestErrorsOfTheEngine(t *testing.T) {
	t.Parallel()
	cause, ended := errors.New("the cause"), errors.New("the end")
	for text, e := range map[string]*Error{
		"unknown: the cause\nthe end": {Verdict: Unknown, Cause: cause, Ended: ended},
		"refused: the end":            {Verdict: Refused, Ended: ended},
		"not sent: the cause":         {Cause: cause, Verdict: NotSent},
		"refused":                     {Verdict: Refused},
	} {
		assert.EqualError(t, e, text)
		assert.Equal(t, e.Cause != nil, errors.Is(e, cause))
		assert.Equal(t, e.Ended != nil, errors.Is(e, ended))
		assert.NotContains(t, e.Unwrap(), nil)
	}
	for err, text := range map[error]string{
		ErrClosed: "client closed", ErrTooLarge: "answer too large", ErrBroken: "the body broke off",
		ErrEarly:   "the answer came before the request was written, so it answers something else",
		ErrToken:   "the token source returned a token that no header can carry",
		errTooLong: "the answer asks to wait longer than a call should", errSealed: "the request was given up before it was written",
	} {
		assert.EqualError(t, err, text)
	}
}
