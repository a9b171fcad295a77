package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failing is a connection whose first writes get through and whose others fail with
// nothing written.
type failing struct {
	net.Conn
	after int
}

func (c *failing) Write(b []byte) (int, error) {
	if c.after == 0 {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	c.after--
	return c.Conn.Write(b)
}

// refuse fails the dials from one on.
func refuse(from int) func(context.Context, int) error {
	return func(_ context.Context, n int) error {
		if n >= from {
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return nil
	}
}

// refuseOnce fails the first dial.
func refuseOnce(ctx context.Context, n int) error {
	if n == 0 {
		return refuse(0)(ctx, n)
	}
	return nil
}

func TestWhatIsProvedUnsentIsTriedAgain(t *testing.T) {
	t.Parallel()
	faults := map[string]func(f *far, broken func(n int) bool){
		"no connection": func(f *far, broken func(int) bool) {
			f.onDial = func(ctx context.Context, n int) error {
				if broken(n) {
					return refuse(0)(ctx, n)
				}
				return nil
			}
		},
		"nothing written": func(f *far, broken func(int) bool) {
			f.onConn = func(n int, c net.Conn) net.Conn {
				if broken(n) {
					return &failing{c, 0}
				}
				return c
			}
		},
		"a dial that takes too long": func(f *far, broken func(int) bool) {
			f.onDial = func(ctx context.Context, n int) error {
				if broken(n) {
					<-ctx.Done()
				}
				return ctx.Err()
			}
		},
	}
	for name, arrange := range faults {
		t.Run(name, func(t *testing.T) {
			each(t, classes, func(t *testing.T, c Class) {
				f := &far{}
				arrange(f, func(n int) bool { return n < 2 })
				rep, err := f.engine(t).Do(t.Context(), call(c))
				require.NoError(t, err)
				assert.Equal(t, 3, rep.Attempts)
				assert.Equal(t, 1, f.count())

				f = &far{}
				arrange(f, func(int) bool { return true })
				_, err = f.engine(t).Do(t.Context(), call(c))
				assert.Equal(t, NotSent, verdictOf(t, err))
				assert.Equal(t, 3, failureOf(t, err).Attempts)
				assert.Zero(t, f.count())
			})
		})
	}
}

// What will not get better is not tried again.
func TestWhatStaysUnsendable(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"no such host": &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "far.example", IsNotFound: true}},
	} {
		each(t, classes, func(t *testing.T, c Class) {
			f := &far{onDial: func(context.Context, int) error { return failure }}
			_, err := f.engine(t).Do(t.Context(), call(c))
			assert.Equal(t, NotSent, verdictOf(t, err), name)
			assert.Equal(t, 1, f.connections(), name)
			assert.ErrorIs(t, err, failure)
		})
	}
	each(t, classes, func(t *testing.T, c Class) {
		failure := &net.DNSError{Err: "server misbehaving", Name: "far.example", IsTemporary: true}
		f := &far{onDial: func(context.Context, int) error { return failure }}
		_, err := f.engine(t).Do(t.Context(), call(c))
		assert.Equal(t, NotSent, verdictOf(t, err))
		assert.Equal(t, 3, f.connections(), "a resolver may answer the next time")
	})
	each(t, classes, func(t *testing.T, c Class) { // the caller does not wait any more
		ctx, cancel := context.WithCancel(t.Context())
		f := &far{onDial: func(ctx context.Context, _ int) error { cancel(); <-ctx.Done(); return ctx.Err() }}
		_, err := f.engine(t).Do(ctx, call(c))
		assert.Equal(t, NotSent, verdictOf(t, err))
		assert.Equal(t, context.Canceled, failureOf(t, err).Cause)
		assert.NoError(t, failureOf(t, err).Ended, "it was over, and no retry had to be given up")
	})
}

// Once a byte may have left, a write is not sent again, and the outcome is unknown.
func TestWhatMayHaveLeftIsNotSentAgain(t *testing.T) {
	t.Parallel()
	faults := map[string]func(f *far){
		"read whole, then closed": func(f *far) { f.script = func(_ int, c *conn) { c.read() } },
		"read in part, then closed": func(f *far) {
			f.script = func(_ int, c *conn) { io.CopyN(io.Discard, c, 10) }
		},
		"silence": func(f *far) { f.script = func(_ int, c *conn) { c.read(); io.Copy(io.Discard, c) } },
		"garbage": func(f *far) { f.answer = always("\x00\x01 garbage\r\n\r\n") },
		"a second write that fails": func(f *far) {
			f.onConn = func(_ int, c net.Conn) net.Conn { return &failing{c, 1} }
			f.script = func(_ int, c *conn) { io.Copy(io.Discard, c) }
		},
	}
	for name, arrange := range faults {
		t.Run(name, func(t *testing.T) {
			each(t, writes, func(t *testing.T, c Class) {
				f := &far{}
				arrange(f)
				long := call(c)
				long.Body = append([]byte(nil), make([]byte, 64<<10)...)
				_, err := f.engine(t).Do(t.Context(), long)
				assert.Equal(t, Unknown, verdictOf(t, err))
				assert.Equal(t, 1, failureOf(t, err).Attempts)
				assert.Equal(t, 1, f.connections())
			})
			each(t, []Class{Read}, func(t *testing.T, c Class) {
				f := &far{}
				arrange(f)
				_, err := f.engine(t).Do(t.Context(), call(c))
				if name == "a second write that fails" {
					return // a read is written at once
				}
				require.Error(t, err)
				assert.Equal(t, map[bool]int{true: 2, false: 3}[name == "garbage"], f.connections(), "a read is")
			})
		})
	}
	// The same when the connection had been used before, and when it dies just then.
	each(t, writes, func(t *testing.T, c Class) {
		f := &far{}
		f.script = func(n int, c *conn) {
			if _, ok := c.read(); ok {
				c.say(created)
			}
			c.read()
		}
		e := f.engine(t)
		_, err := e.Do(t.Context(), call(Read))
		require.NoError(t, err)
		before := f.count()
		_, err = e.Do(t.Context(), call(c))
		if c == PayOut {
			require.NoError(t, err, "on a connection of its own")
		} else {
			assert.Equal(t, Unknown, verdictOf(t, err))
		}
		assert.Equal(t, 1, f.count()-before)
	})
}

// GetBody and an idempotency header make net/http repeat a request on a connection
// that dies. A wrapper may set both.
func TestNetHTTPCannotRepeatByItself(t *testing.T) {
	t.Parallel()
	each(t, writes, func(t *testing.T, c Class) {
		f := &far{}
		f.script = func(n int, c *conn) {
			if _, ok := c.read(); ok && n == 0 {
				c.say(created)
				c.read()
			}
		}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				req = copyOf(req)
				req.GetBody = func() (io.ReadCloser, error) { return copyOf(req).Body, nil }
				req.Header.Set("Idempotency-Key", "1")
				defer func() { assert.NotNil(t, req.GetBody, "the wrapper's request is the wrapper's") }()
			}
			return next.RoundTrip(req)
		}))
		_, err := e.Do(t.Context(), call(Read))
		require.NoError(t, err)
		_, err = e.Do(t.Context(), call(c))
		assert.Equal(t, Unknown, verdictOf(t, err))
		assert.Equal(t, 2, f.count(), "the read, and the write once")
	})
}

// Whatever hides what is written takes the proof away, also of what was not sent.
func TestWaysToLoseTheProof(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	unreachable := func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	ways := map[string]struct {
		change func(f *far, cfg *Config)
		payOut Verdict // where the payouts' own pool has another
		want   Verdict
	}{
		"none is lost": {func(_ *far, cfg *Config) { cfg.HTTPClient.Transport = &http.Transport{DialContext: unreachable} }, NotSent, NotSent},
		"a protocol of the caller's": {func(_ *far, cfg *Config) {
			cfg.HTTPClient.Transport = &http.Transport{DialContext: unreachable,
				TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{"x": func(string, *tls.Conn) http.RoundTripper { return nil }}}
		}, NotSent, Unknown},
		"protocols switched off": {func(_ *far, cfg *Config) {
			cfg.HTTPClient.Transport = &http.Transport{DialContext: unreachable, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
		}, NotSent, NotSent},
		"HTTP/2 without TLS": {func(_ *far, cfg *Config) {
			protocols := new(http.Protocols)
			protocols.SetUnencryptedHTTP2(true)
			cfg.HTTPClient.Transport = &http.Transport{DialContext: unreachable, Protocols: protocols}
		}, NotSent, Unknown},
		"HTTP/2 over TLS": {func(_ *far, cfg *Config) {
			cfg.HTTPClient.Transport = &http.Transport{DialContext: unreachable, ForceAttemptHTTP2: true}
		}, NotSent, NotSent},
		"a RoundTripper of the caller's": {func(_ *far, cfg *Config) {
			cfg.HTTPClient.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, refused })
		}, Unknown, Unknown},
		"a wrapper that sends nothing": {func(_ *far, cfg *Config) {
			wrapped(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, refused })(cfg)
		}, Unknown, Unknown},
		"a wrapper with an error of its own": {func(f *far, cfg *Config) {
			f.onDial = refuse(0)
			wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				_, err := next.RoundTrip(req)
				return nil, errors.New(err.Error())
			})(cfg)
		}, Unknown, Unknown},
		"a wrapper with two errors": {func(f *far, cfg *Config) {
			f.onDial = refuse(0)
			wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				_, err := next.RoundTrip(req)
				return nil, errors.Join(err, errors.New("and the way around failed too"))
			})(cfg)
		}, Unknown, Unknown},
		"a wrapper that puts words around ours": {func(f *far, cfg *Config) {
			f.onDial = refuse(0)
			wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				_, err := next.RoundTrip(req)
				return nil, fmt.Errorf("traced: %w", err)
			})(cfg)
		}, NotSent, NotSent},
		"a wrapper that drops the context": {func(f *far, cfg *Config) {
			f.onDial = refuse(0)
			wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				return next.RoundTrip(req.WithContext(context.Background()))
			})(cfg)
		}, Unknown, Unknown},
		"a connection that cannot be counted": {func(f *far, cfg *Config) {
			f.onConn = func(_ int, c net.Conn) net.Conn { return &failing{c, 0} }
			cfg.HTTPClient.Transport = &http.Transport{DialTLSContext: f.dial}
		}, Unknown, Unknown},
		"an error of an earlier trip": {func(f *far, cfg *Config) {
			f.onDial = refuseOnce
			wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				_, first := next.RoundTrip(copyOf(req))
				resp, err := next.RoundTrip(copyOf(req))
				if err == nil {
					resp.Body.Close()
				}
				return nil, first
			})(cfg)
		}, Unknown, Unknown},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, writes, func(t *testing.T, c Class) {
				f := &far{}
				e := f.engine(t, func(cfg *Config) { way.change(f, cfg) })
				want := way.want
				if c == PayOut {
					want = way.payOut
				}
				secure := call(c)
				if name == "a connection that cannot be counted" {
					secure.URL = "https://far.example/things"
				}
				_, err := e.Do(t.Context(), secure)
				assert.Equal(t, want, verdictOf(t, err), "%v", err)
				assert.LessOrEqual(t, f.count(), 1)
			})
		})
	}
}

// A wrapper that drops the context is sent like any other.
func TestWithoutAProof(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			return next.RoundTrip(req.WithContext(context.Background()))
		}))
		_, err := e.Do(t.Context(), call(c))
		require.NoError(t, err)
		f.answer = always(status(400))
		_, err = e.Do(t.Context(), call(c))
		assert.Equal(t, Refused, verdictOf(t, err))
		assert.Equal(t, 2, f.count())
	})
}

// A connection of HTTP/2 is shared: what is written to it may be somebody else's.
func TestAConnectionOfHTTP2IsNoProof(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"h2", "http/1.1"} {
		client, server := net.Pipe()
		counting := &countingConn{Conn: client}
		cert := selfSigned(t)
		far := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}})
		near := tls.Client(counting, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		go func() { _ = far.Handshake(); io.Copy(io.Discard, far) }()
		require.NoError(t, near.Handshake())
		p := &proof{}
		trip := p.begin(false)
		trip.gotConn(httptrace.GotConnInfo{Conn: near})
		failure := trip.end(nil, io.EOF)
		assert.Equal(t, protocol == "http/1.1", trip.conn == counting, protocol)
		assert.Equal(t, protocol == "http/1.1", p.unsent(failure), protocol)
		client.Close()
		server.Close()
	}
}

func TestTheProofOfOneTrip(t *testing.T) {
	t.Parallel()
	conn := func() (*countingConn, httptrace.GotConnInfo) {
		c := &countingConn{Conn: &wireConn{}}
		return c, httptrace.GotConnInfo{Conn: c}
	}
	write := func(c *countingConn) { _, _ = c.Write([]byte("POST / HTTP/1.1")) }
	failed := errors.New("failed")

	p := &proof{}
	assert.False(t, p.unsent(failed), "nothing of ours was asked")
	assert.Nil(t, p.begin(false), "and nothing more will be")

	p = &proof{}
	p.begin(false)
	assert.False(t, p.unsent(failed), "a trip has not ended")

	p = &proof{}
	p.begin(false).end(nil, failed)
	assert.False(t, p.unsent(failed), "it is not what the trip failed with")

	p = &proof{}
	assert.True(t, p.unsent(p.begin(false).end(nil, failed)), "no connection")

	p = &proof{}
	assert.False(t, p.unsent(p.begin(true).end(nil, failed)), "written past the proof")

	p = &proof{}
	p.begin(true).end(nil, failed)
	assert.False(t, p.unsent(p.begin(false).end(nil, failed)), "the trip before was")

	p = &proof{}
	p.begin(true).end(respond(429), nil)
	assert.False(t, p.unsent(p.begin(false).end(nil, failed)), "and what was doubtful stays so")

	p = &proof{}
	assert.False(t, p.unsent(&tripError{failed}), "an error of another attempt")

	p = &proof{}
	kept := p.begin(false).end(nil, failed)
	p.begin(false)
	assert.False(t, p.unsent(kept), "the first has ended, and the second not")

	p = &proof{}
	c, info := conn()
	write(c)
	trip := p.begin(false)
	trip.gotConn(info)
	assert.True(t, p.unsent(trip.end(nil, failed)), "what was written before is another's")
	n, _ := c.Write([]byte("POST / HTTP/1.1"))
	assert.Zero(t, n, "and it is sealed")

	p = &proof{}
	c, info = conn()
	trip = p.begin(false)
	trip.gotConn(info)
	write(c)
	assert.False(t, p.unsent(trip.end(nil, failed)))

	p = &proof{}
	c, info = conn()
	trip = p.begin(false)
	trip.gotConn(info)
	failure := trip.end(nil, failed)
	write(c) // it is sealed by the end of the trip
	assert.True(t, p.unsent(failure))

	p = &proof{}
	c, info = conn()
	_, other := conn()
	trip = p.begin(false)
	trip.gotConn(info)
	write(c)
	trip.gotConn(other)
	assert.False(t, p.unsent(trip.end(nil, failed)), "the connection before was written to")

	p = &proof{}
	_, info = conn()
	trip = p.begin(false)
	trip.gotConn(info)
	trip.gotConn(other)
	assert.True(t, p.unsent(trip.end(nil, failed)), "neither was")

	p = &proof{}
	trip = p.begin(false)
	trip.gotConn(httptrace.GotConnInfo{Conn: &wireConn{}})
	assert.False(t, p.unsent(trip.end(nil, failed)), "not counted")

	p = &proof{}
	p.begin(false).end(respond(201), nil)
	assert.False(t, p.unsent(p.begin(false).end(nil, failed)), "the trip before was answered")

	p = &proof{}
	p.begin(false).end(respond(429), nil)
	assert.True(t, p.unsent(p.begin(false).end(nil, failed)), "the trip before was refused")

	p = &proof{}
	first := p.begin(false).end(nil, failed)
	second := p.begin(false).end(nil, failed)
	assert.True(t, p.unsent(fmt.Errorf("both: %w", second)))
	assert.False(t, p.unsent(first), "the last one counts")

	p = &proof{}
	first = p.begin(false).end(nil, failed)
	p.begin(false).end(respond(429), nil)
	assert.False(t, p.unsent(first), "also where it was answered")

	p = &proof{}
	one, two := p.begin(false), p.begin(false)
	one.end(nil, failed)
	assert.False(t, p.unsent(two.end(nil, failed)), "two at once")

	p = &proof{}
	p.begin(false).end(nil, nil)
	assert.False(t, p.unsent(p.begin(false).end(nil, failed)), "the trip before panicked")
}

// Nothing is sent any more once the verdict was given, whatever a wrapper has begun.
func TestTheVerdictIsFinal(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"refused a connection": "", "refused": status(400), "accepted": created} {
		t.Run(name, func(t *testing.T) {
			each(t, writes, func(t *testing.T, c Class) {
				f := &far{answer: always(first)}
				if first == "" {
					f.onDial = refuseOnce
				}
				var late sync.WaitGroup
				closed := false
				var lateErr error
				e := f.engine(t, func(cfg *Config) { cfg.Retries = 0 }, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					second := copyOf(req).WithContext(context.WithoutCancel(req.Context()))
					second.Body = &closing{second.Body, &closed}
					late.Go(func() {
						time.Sleep(time.Minute)
						_, lateErr = next.RoundTrip(second)
					})
					return next.RoundTrip(req)
				}))
				_, err := e.Do(t.Context(), call(c))
				want := map[string]Verdict{"": NotSent, status(400): Refused, created: Accepted}[first]
				assert.Equal(t, want, verdictOf(t, err))
				before := f.count()
				late.Wait()
				assert.Equal(t, errSealed, lateErr)
				assert.Equal(t, before, f.count())
				assert.True(t, closed, "a RoundTripper closes the body")
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // without a body
		f := &far{}
		var lateErr error
		var late sync.WaitGroup
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			second := req.Clone(context.WithoutCancel(req.Context()))
			late.Go(func() { time.Sleep(time.Minute); _, lateErr = next.RoundTrip(second) })
			return next.RoundTrip(req)
		}))
		_, err := e.Do(t.Context(), call(Read))
		require.NoError(t, err)
		late.Wait()
		assert.Equal(t, errSealed, lateErr)
	})
}

type closing struct {
	io.ReadCloser
	closed *bool
}

func (c *closing) Close() error { *c.closed = true; return c.ReadCloser.Close() }

func TestTripErrors(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("around: %w", &tripError{syscall.ECONNRESET})
	require.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Equal(t, "around: "+syscall.ECONNRESET.Error(), err.Error())
}
