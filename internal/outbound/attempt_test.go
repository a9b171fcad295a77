package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhatARequestLooksLike: what keeps net/http, and any other RoundTripper, from
// sending a request twice by itself.
func TestWhatARequestLooksLike(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		sent := call(c)
		var got *http.Request
		e := engine(t, over(func(req *http.Request) (*http.Response, error) {
			got = req
			if req.Body != nil {
				body, err := io.ReadAll(req.Body)
				require.NoError(t, err)
				assert.Equal(t, theBody, string(body))
			}
			req.Header.Set("Content-Type", "changed")
			req.Header["Content-Type"][0] = "changed by a wrapper"
			return respond(200), nil
		}))
		for range 2 {
			_, err := e.Do(t.Context(), sent)
			require.NoError(t, err)
			assert.Nil(t, got.GetBody)
			assert.EqualValues(t, len(sent.Body), got.ContentLength)
			assert.Equal(t, sent.Body == nil, got.Body == nil)
			assert.Equal(t, c == PayOut, got.Close)
			assert.Equal(t, sent.Method, got.Method)
			assert.Equal(t, sent.URL, got.URL.String())
		}
		if c != Read {
			assert.Equal(t, http.Header{"Content-Type": {"application/json"}}, sent.Header, "what calls share is not changed")
		}
	})
}

func TestBodiesHaveALimit(t *testing.T) {
	t.Parallel()
	const limit = 1000
	answer := func(code, size int) string {
		return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", code, size, strings.Repeat("x", size))
	}
	limited := func(c Class) *Call {
		small := call(c)
		small.Limit = limit
		return small
	}
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: inTurn(answer(200, limit), answer(200, 0), answer(200, limit+1), answer(400, limit+1))}
		e := f.engine(t)
		for _, size := range []int{limit, 0} {
			rep, err := e.Do(t.Context(), limited(c))
			require.NoError(t, err)
			assert.Len(t, rep.Body, size)
		}
		rep, err := e.Do(t.Context(), limited(c))
		if c == Read {
			require.ErrorIs(t, err, ErrTooLarge)
			assert.Equal(t, ErrTooLarge, failureOf(t, err).Cause)
			assert.Equal(t, Unknown, verdictOf(t, err))
			assert.Equal(t, 3, f.count(), "it would be as large the next time")
		} else {
			require.NoError(t, err, "what is accepted is accepted")
			assert.Len(t, rep.Body, limit)
		}
		_, err = e.Do(t.Context(), limited(c))
		end := failureOf(t, err)
		require.NoError(t, end.Cause, "a status is a status")
		assert.Equal(t, 400, end.Answer.Status)
		assert.Len(t, end.Answer.Body, limit)
	})
	synctest.Test(t, func(t *testing.T) { // what is larger is not drained
		taken := 0
		resp := respond(200)
		resp.Body = io.NopCloser(readerFunc(func(b []byte) (int, error) { taken += len(b); return len(b), nil }))
		e := engine(t, over(func(*http.Request) (*http.Response, error) { return resp, nil }))
		_, err := e.Do(t.Context(), limited(Read))
		require.ErrorIs(t, err, ErrTooLarge)
		assert.Equal(t, limit+1, taken)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// A small answer that unpacks to a large one is cut where a large one is, and a payout
// does not ask for a packed one.
func TestPackedAnswers(t *testing.T) { // not parallel: it counts what is allocated
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = io.Copy(zip, io.LimitReader(readerFunc(func(b []byte) (int, error) { clear(b); return len(b), nil }), 16<<20))
	require.NoError(t, zip.Close())
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: always(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String()))}
		e := f.engine(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := e.Do(t.Context(), call(Read))
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrTooLarge)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
		for _, c := range writes {
			_, err := e.Do(t.Context(), call(c))
			require.NoError(t, err)
		}
		for i, want := range []string{"gzip", "gzip", "gzip", ""} {
			assert.Equal(t, want, f.all()[i].Header.Get("Accept-Encoding"), "class %c", classes[i])
		}
	})
}

// An answer whose status is known counts, whatever becomes of its body: a read of
// what is broken is tried again, a write that was accepted is accepted.
func TestABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: always("HTTP/1.1 201 Created\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf")}
		f.script = func(_ int, conn *conn) {
			if _, ok := conn.read(); ok {
				conn.say(f.answer(0, request{}))
			}
		}
		rep, err := f.engine(t).Do(t.Context(), call(c))
		if c == Read {
			require.ErrorIs(t, err, ErrBroken)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.EqualError(t, failureOf(t, err).Cause, "the body broke off: unexpected EOF")
			assert.Equal(t, Unknown, verdictOf(t, err))
			assert.Equal(t, 3, f.count())
			return
		}
		require.NoError(t, err)
		assert.Equal(t, "half", string(rep.Body))
		assert.Equal(t, 1, f.count())
	})
	each(t, []Class{Read}, func(t *testing.T, c Class) { // a body that lasts longer than an attempt may
		f := &far{}
		f.script = func(_ int, conn *conn) {
			if _, ok := conn.read(); ok {
				conn.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
				io.Copy(io.Discard, conn)
			}
		}
		_, err := f.engine(t, func(cfg *Config) { cfg.Retries = 0 }).Do(t.Context(), call(c))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ErrBroken, "it did not break off, it was given up")

		e := f.engine(t)
		time.AfterFunc(time.Second, e.Close)
		_, err = e.Do(t.Context(), call(c))
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrBroken)
	})
	each(t, []Class{Read}, func(t *testing.T, c Class) {
		resp := respond(299)
		resp.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
		e := engine(t, over(func(*http.Request) (*http.Response, error) { return resp, nil }))
		_, err := e.Do(t.Context(), call(c))
		require.ErrorIs(t, err, ErrBroken)
	})
	each(t, classes, func(t *testing.T, c Class) {
		for _, code := range []int{300, 301, 400} {
			resp := respond(code)
			resp.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }))
			e := engine(t, over(func(*http.Request) (*http.Response, error) { return resp, nil }))
			_, err := e.Do(t.Context(), call(c))
			end := failureOf(t, err)
			require.NoError(t, end.Cause)
			assert.Equal(t, code, end.Answer.Status)
		}
	})
}

// What follows 101 is no body and may never end.
func TestSwitchingProtocolsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		for _, code := range []int{101, 199} {
			resp := respond(code)
			resp.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { t.Error("it is read"); return 0, io.EOF }))
			e := engine(t, over(func(*http.Request) (*http.Response, error) { return resp, nil }))
			_, err := e.Do(t.Context(), call(c))
			assert.Equal(t, Unknown, verdictOf(t, err))
		}
	})
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{}
		f.script = func(_ int, conn *conn) {
			if _, ok := conn.read(); ok {
				conn.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
				io.Copy(io.Discard, conn)
			}
		}
		e := f.engine(t)
		assert.Zero(t, elapsed(func() {
			_, err := e.Do(t.Context(), call(c))
			assert.Equal(t, 101, failureOf(t, err).Answer.Status)
			assert.Equal(t, Unknown, verdictOf(t, err))
		}))
	})
}

func TestAnAttemptHasATimeLimit(t *testing.T) {
	t.Parallel()
	hang := func(_ int, c *conn) {
		for {
			if _, ok := c.read(); !ok {
				return
			}
		}
	}
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{script: hang}
		e := f.engine(t, func(cfg *Config) { cfg.Retries = 0 })
		var err error
		assert.Equal(t, 10*time.Second, elapsed(func() { _, err = e.Do(t.Context(), call(c)) }))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, Unknown, verdictOf(t, err))
		assert.Equal(t, "context deadline exceeded", failureOf(t, err).Cause.Error())

		e = f.engine(t, func(cfg *Config) { cfg.Retries, cfg.HTTPClient.Timeout = 0, time.Second })
		assert.Equal(t, time.Second, elapsed(func() { _, err = e.Do(t.Context(), call(c)) }), "the caller's own")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		assert.Equal(t, 3*time.Second, elapsed(func() { _, err = f.engine(t).Do(ctx, call(c)) }))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, failureOf(t, err).Attempts)
		assert.Equal(t, Unknown, verdictOf(t, err))

		left, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		assert.Equal(t, time.Second, elapsed(func() { _, err = f.engine(t).Do(left, call(c)) }))
		assert.Equal(t, context.Canceled, failureOf(t, err).Cause)
		assert.Equal(t, Unknown, verdictOf(t, err), "it had been sent by then")
	})
	each(t, classes, func(t *testing.T, c Class) { // the longest there is does not turn into none
		for _, long := range []time.Duration{1<<63 - 1, 1<<63 - 2, 1 << 62} {
			f := &far{}
			e := f.engine(t, func(cfg *Config) { cfg.Timeout, cfg.IdleConnTimeout = long, long })
			_, err := e.Do(t.Context(), call(c))
			require.NoError(t, err)
		}
	})
}

// What an attempt's context is to those who look at it: wrappers, dialers, traces.
func TestTheContextOfAnAttempt(t *testing.T) {
	t.Parallel()
	type key struct{}
	each(t, classes, func(t *testing.T, c Class) {
		var seen context.Context
		var deadline time.Time
		f := &far{}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			seen = req.Context()
			deadline, _ = seen.Deadline()
			return next.RoundTrip(req)
		}))
		var traced bool
		ctx := httptrace.WithClientTrace(context.WithValue(t.Context(), key{}, "the caller's"),
			&httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { traced = true }})
		_, err := e.Do(ctx, call(c))
		require.NoError(t, err)
		assert.Equal(t, "the caller's", seen.Value(key{}))
		assert.Nil(t, seen.Value("unknown"))
		assert.True(t, traced, "a trace of the caller's")
		assert.Equal(t, time.Now().Add(10*time.Second), deadline)
		assert.Error(t, seen.Err(), "what an attempt began ends with it")
		assert.Equal(t, context.Canceled, context.Cause(seen))

		for within, want := range map[time.Duration]time.Duration{3 * time.Second: 3 * time.Second, time.Minute: 10 * time.Second} {
			limited, cancel := context.WithTimeout(ctx, within)
			_, err := e.Do(limited, call(c))
			cancel()
			require.NoError(t, err)
			assert.Equal(t, time.Now().Add(want), deadline)
		}
	})
}

// The failure of another payment is the cause of the context that goroutines share
// (errgroup). It must not come out of this one.
func TestTheCauseOfAContextIsNotReported(t *testing.T) {
	t.Parallel()
	foreign := errors.New("another payment failed")
	waits := map[string]func(ctx context.Context, f *far, cfg *Config){
		"dials": func(_ context.Context, f *far, _ *Config) {
			f.onDial = func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }
		},
		"waits for the answer": func(_ context.Context, f *far, _ *Config) {
			f.script = func(_ int, c *conn) { c.read(); io.Copy(io.Discard, c) }
		},
		"reads the body": func(_ context.Context, f *far, _ *Config) {
			f.script = func(_ int, c *conn) {
				c.read()
				c.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
				io.Copy(io.Discard, c)
			}
		},
		"waits to try again": func(_ context.Context, f *far, _ *Config) { f.answer = always(status(429, "Retry-After: 20")) },
		"asks for a token": func(_ context.Context, _ *far, cfg *Config) {
			cfg.Tokens = source(func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) })
		},
		"is in a RoundTripper of the caller's": func(_ context.Context, _ *far, cfg *Config) {
			cfg.HTTPClient = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, context.Cause(req.Context())
			})}
		},
		"is in a wrapper": func(_ context.Context, _ *far, cfg *Config) {
			wrapped(func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, fmt.Errorf("in vain: %w", context.Cause(req.Context()))
			})(cfg)
		},
	}
	for name, arrange := range waits {
		t.Run(name, func(t *testing.T) {
			each(t, classes, func(t *testing.T, c Class) {
				ctx, cancel := context.WithCancelCause(t.Context())
				f := &far{}
				e := f.engine(t, func(cfg *Config) { arrange(ctx, f, cfg) })
				time.AfterFunc(time.Second, func() { cancel(foreign) })
				rep, err := e.Do(ctx, call(c))
				if err == nil {
					require.Equal(t, 200, rep.Status, "a write whose answer had begun")
					return
				}
				require.NotErrorIs(t, err, foreign)
				require.NotContains(t, err.Error(), foreign.Error())
				require.ErrorIs(t, err, context.Canceled)

				limited, done := context.WithTimeoutCause(t.Context(), time.Second, foreign)
				defer done()
				_, err = e.Do(limited, call(c))
				require.NotErrorIs(t, err, foreign)
				require.NotContains(t, err.Error(), foreign.Error())
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	phases := map[string]struct {
		arrange func(f *far, cfg *Config)
		verdict Verdict
	}{
		"dialling": {func(f *far, _ *Config) {
			f.onDial = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		}, NotSent},
		"waiting for answers": {func(f *far, _ *Config) { f.script = func(_ int, c *conn) { c.read(); io.Copy(io.Discard, c) } }, Unknown},
		"waiting to retry":    {func(f *far, _ *Config) { f.answer = always(status(429, "Retry-After: 30")) }, Refused},
		"asking for a token": {func(_ *far, cfg *Config) {
			cfg.Tokens = source(func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() })
		}, NotSent},
		"asking for a token, in vain": {func(_ *far, cfg *Config) {
			cfg.Tokens = source(func(ctx context.Context, _ string) (string, error) {
				<-ctx.Done()
				time.Sleep(time.Hour)
				return "", nil
			})
		}, NotSent},
		"fetching a token": {func(_ *far, cfg *Config) {
			cfg.Tokens, cfg.IsFinal = nil, func(error) bool { return false }
			cfg.Fetch = func(ctx context.Context) (Token, error) { <-ctx.Done(); return Token{}, ctx.Err() }
		}, NotSent},
	}
	for name, phase := range phases {
		t.Run(name, func(t *testing.T) {
			each(t, writes, func(t *testing.T, c Class) {
				f := &far{}
				e := f.engine(t, func(cfg *Config) { phase.arrange(f, cfg) })
				time.AfterFunc(time.Second, e.Close)
				var err error
				assert.Equal(t, time.Second, elapsed(func() { _, err = e.Do(t.Context(), call(c)) }), "at once")
				end := failureOf(t, err)
				assert.Equal(t, ErrClosed, end.Ended)
				assert.Equal(t, phase.verdict, end.Verdict)
				if end.Attempts > 0 && end.Answer == nil {
					assert.ErrorIs(t, end.Cause, context.Canceled)
				}
				time.Sleep(2 * time.Hour) // until a source that does not listen has ended
			})
		})
	}
	// The connection of a call that ends well just after Close is closed too.
	each(t, []Class{Read, Setup, Collect}, func(t *testing.T, c Class) {
		closed := make(chan bool, 1)
		f := &far{}
		var e *Engine
		f.script = func(_ int, conn *conn) {
			conn.read()
			conn.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
			conn.say("body")
			_, ok := conn.read()
			closed <- !ok
		}
		e = f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			go e.Close()
			synctest.Wait()
			return resp, err
		}))
		_, _ = e.Do(t.Context(), call(c))
		assert.Zero(t, elapsed(func() { assert.True(t, <-closed) }), "at once, and not when it has been idle for long")
	})
}

// Whatever a caller's code does below the engine, the call returns, and says no more
// than it knows.
func TestPanicsAreContained(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		trips := 0
		f := &far{}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			trips++
			if resp, err := next.RoundTrip(req); err == nil {
				resp.Body.Close()
			}
			panic("holds " + theToken)
		}))
		_, err := e.Do(t.Context(), call(c))
		end := failureOf(t, err)
		assert.Equal(t, Unknown, end.Verdict)
		assert.EqualError(t, end.Cause, "the RoundTripper panicked: string")
		assert.Equal(t, 1, trips, "it would panic again")
		assert.Equal(t, 1, f.count())
	})
	each(t, classes, func(t *testing.T, c Class) { // in the body of an answer whose status is known
		for where, body := range map[string]io.ReadCloser{"Read": panicking{read: true}, "Close": panicking{}} {
			e := engine(t, over(func(*http.Request) (*http.Response, error) {
				resp := respond(201, "Location", "/things/1")
				resp.Body = body
				return resp, nil
			}))
			rep, err := e.Do(t.Context(), call(c))
			if c == Read {
				require.ErrorContains(t, err, "panicked", where)
				continue
			}
			require.NoError(t, err, "%s: what was accepted is not lost", where)
			assert.Equal(t, "/things/1", rep.Header.Get("Location"))
		}
	})
	each(t, classes, func(t *testing.T, c Class) { // errors of types that cannot be looked at
		for name, bad := range map[string]error{"a nil pointer": (*badError)(nil), "in Is": badIs{}, "in Unwrap": badUnwrap{}} {
			e := engine(t, over(func(*http.Request) (*http.Response, error) { return nil, bad }))
			_, err := e.Do(t.Context(), call(c))
			assert.Equal(t, Unknown, verdictOf(t, err), name)
			assert.Equal(t, 1, failureOf(t, err).Attempts, name)
			assert.Contains(t, failureOf(t, err).Cause.Error(), "the RoundTripper's error panicked", name)
		}
		e := engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(context.Context, string) (string, error) { return "", (*badError)(nil) })
		})
		_, err := e.Do(t.Context(), call(c))
		assert.ErrorContains(t, err, "token source: panic")
		assert.Equal(t, NotSent, verdictOf(t, err))
	})
	each(t, classes, func(t *testing.T, c Class) { // where net/http has a goroutine of its own
		for _, dial := range []*http.Transport{
			{DialContext: func(context.Context, string, string) (net.Conn, error) { panic(theToken) }},
			{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { panic(theToken) }},
		} {
			e := engine(t, func(cfg *Config) { cfg.HTTPClient = &http.Client{Transport: dial} })
			secure := call(c)
			if dial.DialTLSContext != nil {
				secure.URL = "https" + strings.TrimPrefix(secure.URL, "http")
			}
			_, err := e.Do(t.Context(), secure)
			assert.EqualError(t, failureOf(t, err).Cause, "the dialer panicked: string")
			assert.Equal(t, NotSent, verdictOf(t, err))
		}
	})
}

// panicking is a body.
type panicking struct{ read bool }

func (p panicking) Read([]byte) (int, error) {
	if p.read {
		panic("in Read")
	}
	return 0, io.EOF
}

func (p panicking) Close() error {
	if !p.read {
		panic("in Close")
	}
	return nil
}

// badError panics where it is nil, as a pointer of a type of errors does that was
// returned as an error by mistake.
type badError struct{ text string }

func (e *badError) Error() string { return e.text }

type badIs struct{}

func (badIs) Error() string { return "bad" }
func (badIs) Is(error) bool { panic("in Is") }

type badUnwrap struct{}

func (badUnwrap) Error() string { return "bad" }
func (badUnwrap) Unwrap() error { panic("in Unwrap") }

func TestRoundTrippersThatReturnNothing(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		e := engine(t, over(func(*http.Request) (*http.Response, error) { return nil, nil }))
		_, err := e.Do(t.Context(), call(c))
		assert.EqualError(t, failureOf(t, err).Cause, "the RoundTripper returned neither an answer nor an error")
		assert.Equal(t, Unknown, verdictOf(t, err))

		e = engine(t, over(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200}, nil // no header, and no body
		}))
		rep, err := e.Do(t.Context(), call(c))
		require.NoError(t, err)
		assert.Equal(t, 200, rep.Status)
	})
}

// With a RoundTripper of the caller's nothing is proved: what fails there may have
// been sent.
func TestForeignRoundTrippersProveNothing(t *testing.T) {
	t.Parallel()
	each(t, writes, func(t *testing.T, c Class) {
		trips := 0
		for _, failure := range []error{syscall.ECONNREFUSED, context.DeadlineExceeded, io.EOF, errors.New("circuit open")} {
			e := engine(t, over(func(*http.Request) (*http.Response, error) { trips++; return nil, failure }))
			_, err := e.Do(t.Context(), call(c))
			assert.Equal(t, Unknown, verdictOf(t, err))
			assert.ErrorIs(t, err, failure)
			assert.Equal(t, 1, failureOf(t, err).Attempts)
		}
		assert.Equal(t, 4, trips)
	})
}

// With the caller's context over, both are said: that, and what else happened.
func TestTheEndOfTheCallersContextStandsInFront(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		broke := errors.New("it broke")
		ctx, cancel := context.WithCancel(t.Context())
		e := engine(t, over(func(*http.Request) (*http.Response, error) { cancel(); return nil, broke }))
		_, err := e.Do(ctx, call(c))
		end := failureOf(t, err)
		require.ErrorIs(t, end.Cause, context.Canceled)
		require.ErrorIs(t, end.Cause, broke)
		assert.Equal(t, "context canceled\nit broke", end.Cause.Error())
	})
	each(t, classes, func(t *testing.T, c Class) { // what the attempt ended with because of it adds nothing
		for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
			e := engine(t, over(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				time.Sleep(time.Nanosecond)
				return nil, end
			}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := e.Do(ctx, call(c))
			cancel()
			assert.Equal(t, context.DeadlineExceeded, failureOf(t, err).Cause)
		}
	})
}

// What ends while a token is had is not sent, not even by a RoundTripper that does not
// listen to contexts.
func TestACallThatIsOverIsNotSent(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		ctx, cancel := context.WithCancel(t.Context())
		e := engine(t, over(func(*http.Request) (*http.Response, error) { t.Error("it is sent"); return nil, io.EOF }),
			func(cfg *Config) {
				cfg.Tokens = source(func(context.Context, string) (string, error) { cancel(); synctest.Wait(); return theToken, nil })
			})
		for range 20 { // the source's answer and the end of the context are there at once
			_, err := e.Do(ctx, call(c))
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, NotSent, verdictOf(t, err))
		}
	})
	each(t, classes, func(t *testing.T, c Class) {
		ctx, cancel := context.WithCancel(t.Context())
		e := engine(t, over(func(*http.Request) (*http.Response, error) { t.Error("it is sent"); return nil, io.EOF }))
		cancel()
		r := run{engine: e, call: call(c), bearer: theToken}
		_, seen, err := e.attempt(ctx, &r)
		assert.Equal(t, sawUnsendable, seen)
		assert.Equal(t, context.Canceled, err)
	})
}

// testKey is the key of a value in a caller's context.
type testKey struct{}

// Contexts that net/http derives from an attempt's need no goroutine each.
func TestContextsOfAnAttemptCostNoGoroutines(t *testing.T) { // not parallel: it counts goroutines
	ctx, release := join(t.Context(), context.WithValue(t.Context(), testKey{}, "v"), time.Time{})
	defer release()
	before := runtime.NumGoroutine()
	for range 100 {
		child, cancel := context.WithCancelCause(&attemptContext{joined: ctx})
		defer cancel(nil)
		require.NoError(t, child.Err())
	}
	assert.Less(t, runtime.NumGoroutine(), before+50)
}
