package outbound

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// quietly keeps net/http from reporting the answers that nobody has asked for.
func quietly(t *testing.T) {
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
}

// overTLS makes the far side speak TLS, and points a call at it.
func (f *far) overTLS(t *testing.T) func(*Config) {
	t.Helper()
	cert := selfSigned(t)
	inner := f.script
	f.script = func(n int, c *conn) {
		c.Conn = newBuffered(c.Conn)
		defer c.Conn.Close()
		secure := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
		if secure.Handshake() != nil {
			return
		}
		c.Conn, c.in = secure, bufio.NewReader(secure)
		if inner != nil {
			inner(n, c)
			return
		}
		c.serve()
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return func(cfg *Config) {
		cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: f.dial, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}
}

// buffered is the end of a pipe whose writes do not wait for the reader, as TLS needs
// it: both sides may begin to write at once.
type buffered struct {
	net.Conn
	queue chan []byte
	once  sync.Once
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, queue: make(chan []byte, 1000)}
	go func() {
		defer c.Close()
		for chunk := range b.queue {
			if _, err := c.Write(chunk); err != nil {
				c.Close()
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	b.queue <- append([]byte(nil), p...)
	return len(p), nil
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.queue) })
	return nil
}

func secured(c *Call) *Call {
	c.URL = strings.Replace(c.URL, "http:", "https:", 1)
	return c
}

// noticing tells when something was read.
type noticing struct {
	net.Conn
	read chan struct{}
}

func (c noticing) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		select {
		case c.read <- struct{}{}:
		default:
		}
	}
	return n, err
}

const foreignAnswer = "HTTP/1.1 201 Created\r\nLocation: /things/foreign\r\nContent-Length: 0\r\n\r\n"

// surplus makes a call for whose connection the other side says an answer when the
// request is about to be written: the connection is had, the header is composed, and
// not a byte has left.
func surplus(t *testing.T, c Class, warm, secure bool, raw string, more ...func(*Config)) (f *far, rep Reply, err error) {
	t.Helper()
	say, read := make(chan struct{}), make(chan struct{}, 100)
	its := 0 // the connection that the call will have
	if warm && c == PayOut {
		its = 1
	}
	f = &far{onConn: func(_ int, c net.Conn) net.Conn { return noticing{c, read} }}
	f.script = func(n int, conn *conn) {
		if warm && n == 0 {
			conn.read()
			conn.say(created)
		}
		if n == its {
			go func() {
				if _, more := <-say; more {
					conn.say(raw)
				}
			}()
		}
		for {
			if _, ok := conn.read(); !ok {
				return
			}
			time.Sleep(time.Second)
			conn.say(created)
		}
	}
	t.Cleanup(func() { close(say) })
	change, made := func(*Config) {}, call(c)
	if secure {
		change, made = f.overTLS(t), secured(made)
	}
	e := f.engine(t, append(more, change)...)
	if warm {
		first := call(Setup)
		first.URL = made.URL
		_, err := e.Do(t.Context(), first)
		require.NoError(t, err)
	}
	said := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaderField: func(string, []string) {
		if said {
			return
		}
		said = true
		for len(read) > 0 {
			<-read
		}
		say <- struct{}{}
		<-read
		time.Sleep(time.Millisecond) // until all of it was
	}})
	rep, err = e.Do(ctx, made)
	time.Sleep(time.Minute) // what is under way ends
	return f, rep, err
}

// An answer that was there before the first byte of the request was written answers
// something else, whatever it says. Its connection is closed; as nothing was written,
// the request goes out on another.
func TestAnAnswerThatWasThereBeforeTheRequest(t *testing.T) {
	quietly(t)
	for _, secure := range []bool{false, true} {
		for _, raw := range []string{foreignAnswer, status(200), status(400), status(401), status(429, "Retry-After: 0"), status(503, "Retry-After: 0"), status(500)} {
			for _, warm := range []bool{false, true} {
				t.Run(fmt.Sprintf("%.12q/kept alive %v/TLS %v", raw, warm, secure), func(t *testing.T) {
					each(t, classes, func(t *testing.T, c Class) {
						f, rep, err := surplus(t, c, warm, secure, raw)
						require.NoError(t, err)
						assert.Equal(t, 201, rep.Status)
						assert.Equal(t, "/things/1", rep.Header.Get("Location"))
						if c == Read {
							assert.LessOrEqual(t, rep.Attempts, 2, "net/http may repeat a read by itself")
						} else {
							assert.Equal(t, 2, rep.Attempts)
						}
						sent := f.all()
						if warm {
							sent = sent[1:]
						}
						assert.Len(t, sent, 1)
					})
				})
			}
		}
	}
}

// What is reported is that, and not what the answer said.
func TestWhatIsSaidOfAnEarlyAnswer(t *testing.T) {
	quietly(t)
	each(t, writes, func(t *testing.T, c Class) {
		f, _, err := surplus(t, c, false, false, status(400), func(cfg *Config) { cfg.Retries = 0 })
		end := failureOf(t, err)
		assert.Equal(t, NotSent, end.Verdict)
		assert.ErrorIs(t, err, ErrEarly)
		assert.EqualError(t, end.Cause, ErrEarly.Error())
		assert.Nil(t, end.Answer)
		assert.Zero(t, f.count())
	})
	each(t, classes, func(t *testing.T, c Class) { // on a connection that takes the request all the same
		say := make(chan struct{})
		f := &far{onConn: func(_ int, c net.Conn) net.Conn { return unclosable{c} }}
		f.script = func(n int, conn *conn) {
			if n == 0 {
				<-say
				conn.say(status(400))
			}
			conn.read()
			conn.say(created)
			time.Sleep(time.Minute)
		}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			time.Sleep(10 * time.Second) // until the request was written
			return resp, err
		}), func(cfg *Config) { cfg.Timeout = time.Minute })
		said := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaderField: func(string, []string) {
			if !said {
				said = true
				close(say)
				time.Sleep(time.Second)
			}
		}})
		_, err := e.Do(ctx, call(c))
		if c == Read {
			require.NoError(t, err, "a read is tried again")
			assert.Equal(t, 2, f.connections())
		} else {
			end := failureOf(t, err)
			assert.Equal(t, Unknown, end.Verdict)
			assert.Equal(t, ErrEarly, end.Cause)
			assert.Nil(t, end.Answer)
			assert.Equal(t, 1, end.Attempts)
			assert.Equal(t, 1, f.count())
		}
		time.Sleep(time.Hour)
	})
}

// unclosable is a connection whose end comes later.
type unclosable struct{ net.Conn }

func (c unclosable) Close() error {
	time.AfterFunc(10*time.Minute, func() { c.Conn.Close() })
	return nil
}

// Where it is not certain that nothing was written, it is not sent again.
func TestAnEarlyAnswerAfterWhichSomethingWasWritten(t *testing.T) {
	t.Parallel()
	early := func(p *proof) (*trip, *countingConn) {
		c := &countingConn{Conn: &wireConn{}}
		_, _ = c.Write([]byte("the request before"))
		trip := p.begin(false)
		trip.gotConn(httptrace.GotConnInfo{Conn: c})
		trip.gotFirstByte()
		return trip, c
	}
	for _, c := range classes {
		p := &proof{}
		trip, conn := early(p)
		assert.True(t, conn.Conn.(*wireConn).closed, "what comes next would be taken for the next request's answer")
		trip.end(respond(201), nil)
		assert.Equal(t, sawUnsent, p.answered(sawSuccess, c))
		n, err := conn.Write([]byte("POST / HTTP/1.1"))
		assert.Zero(t, n)
		assert.Equal(t, errSealed, err)

		p = &proof{}
		trip, conn = early(p)
		_, _ = conn.Write([]byte("POST / HTTP/1.1"))
		trip.end(respond(201), nil)
		assert.Equal(t, sawEarly, p.answered(sawSuccess, c))

		p = &proof{}
		trip, _ = early(p)
		p.begin(false)
		trip.end(respond(201), nil)
		assert.Equal(t, sawEarly, p.answered(sawSuccess, c), "another trip has not ended")

		p = &proof{}
		sent := p.begin(false)
		sent.gotConn(httptrace.GotConnInfo{Conn: &wireConn{}})
		sent.end(nil, io.EOF)
		p.doubt = false
		trip, _ = early(p)
		trip.end(respond(201), nil)
		assert.Equal(t, sawEarly, p.answered(sawSuccess, c), "the trip before may have sent it")
	}
}

// The same peer, with nothing that holds the client up: one answer too many behind
// each. Where it is noticed in time the call goes on, on another connection.
func TestOneAnswerTooManyBehindEach(t *testing.T) {
	quietly(t)
	for _, secure := range []bool{false, true} {
		each(t, writes, func(t *testing.T, c Class) {
			f := &far{answer: func(_ int, req request) string {
				return strings.Replace(created, "/things/1", "/things/"+req.Body, 1) + foreignAnswer
			}}
			change, made := func(*Config) {}, call(c)
			if secure {
				change, made = f.overTLS(t), secured(made)
			}
			e := f.engine(t, change)
			const calls = 100
			early := 0
			for i := range calls {
				made.Body = fmt.Append(nil, i)
				rep, err := e.Do(t.Context(), made)
				if err != nil {
					require.Equal(t, Unknown, verdictOf(t, err))
					early++
					continue
				}
				require.Equal(t, fmt.Sprintf("/things/%d", i), rep.Header.Get("Location"))
			}
			t.Logf("class %c: %d of %d found another's answer", c, early, calls)
			if c == PayOut {
				require.Zero(t, early)
			}
			e.Close()
			synctest.Wait()
			arrived := map[string]int{}
			for _, req := range f.all() {
				arrived[req.Body]++
				require.Equal(t, 1, arrived[req.Body], "sent once")
			}
		})
	}
}

// Early is said of the connection that the answer came on: net/http may leave one on
// which something came too early, and a wrapper may send another request.
func TestEarlyIsSaidOfOneConnection(t *testing.T) {
	t.Parallel()
	spoken := func() httptrace.GotConnInfo { return httptrace.GotConnInfo{Conn: &countingConn{Conn: &wireConn{}}} }
	good := func(trip *trip) {
		c := &countingConn{Conn: &wireConn{read: func([]byte) (int, error) { return 1, nil }}}
		trip.gotConn(httptrace.GotConnInfo{Conn: c})
		_, _ = c.Write([]byte("POST / HTTP/1.1"))
		_, _ = c.Read(nil)
		trip.gotFirstByte()
		assert.False(t, c.Conn.(*wireConn).closed)
	}
	p := &proof{}
	one := p.begin(false)
	one.gotConn(spoken())
	one.gotFirstByte()
	good(one)
	one.end(respond(200), nil)
	assert.Equal(t, sawSuccess, p.answered(sawSuccess, Read))

	p = &proof{}
	one = p.begin(false)
	one.gotConn(spoken())
	one.gotFirstByte()
	one.end(respond(409), nil) // a wrapper drops it, and sends the request again
	two := p.begin(false)
	good(two)
	two.end(respond(409), nil)
	assert.Equal(t, sawRepeated, p.answered(sawRefusal, Collect), "the first was not answered")

	for _, order := range [][2]int{{0, 1}, {1, 0}} { // of two at once it cannot be told whose answer it is
		p = &proof{}
		trips := [2]*trip{p.begin(false), p.begin(false)}
		trips[0].gotConn(spoken())
		trips[0].gotFirstByte()
		good(trips[1])
		for _, i := range order {
			trips[i].end(respond(200), nil)
		}
		assert.Equal(t, sawEarly, p.answered(sawSuccess, Collect))
	}

	p = &proof{}
	one, two = p.begin(false), p.begin(false)
	two.gotConn(spoken())
	good(one) // and the other's connection is left alone
	one.end(respond(200), nil)
	assert.Equal(t, sawSuccess, p.answered(sawSuccess, Read))

	p = &proof{}
	one = p.begin(false)
	one.gotConn(httptrace.GotConnInfo{Conn: &wireConn{}})
	one.gotFirstByte()
	one.end(respond(200), nil)
	assert.Equal(t, sawSuccess, p.answered(sawSuccess, Collect), "where nothing is counted, nothing is known")
}

// The first byte of a real answer always comes after the request, whatever the
// connection has been through.
func TestRealAnswersAreNotTakenForEarlyOnes(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		each(t, classes, func(t *testing.T, c Class) {
			f := &far{answer: always("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")}
			change, made := func(*Config) {}, call(c)
			if secure {
				change, made = f.overTLS(t), secured(made)
			}
			e := f.engine(t, change)
			for range 50 {
				rep, err := e.Do(t.Context(), made)
				require.NoError(t, err)
				require.Equal(t, "a", string(rep.Body))
				require.Equal(t, 1, rep.Attempts)
			}
			assert.Equal(t, 50, f.count())
		})
	}
	each(t, writes, func(t *testing.T, c Class) { // a refusal while the request is still on its way
		f := &far{script: func(_ int, conn *conn) {
			io.CopyN(io.Discard, conn, 1000)
			conn.say(status(413, "Connection: close"))
			time.Sleep(time.Second)
		}}
		long := call(c)
		long.Body = make([]byte, 1<<20)
		_, err := f.engine(t).Do(t.Context(), long)
		time.Sleep(time.Minute)
		assert.Equal(t, Refused, verdictOf(t, err))
	})
}

// A caller's trace that panics is a RoundTripper that panics: what was sent before
// stays sent.
func TestATraceThatPanics(t *testing.T) {
	t.Parallel()
	each(t, writes, func(t *testing.T, c Class) {
		f := &far{}
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) { panic("trace") }})
		_, err := f.engine(t).Do(ctx, call(c))
		assert.Equal(t, Unknown, verdictOf(t, err))
		assert.EqualError(t, failureOf(t, err).Cause, "the RoundTripper panicked: string")

		var tries atomic.Int32
		f = &far{answer: always(status(409))}
		recovering := wrapped(func(next http.RoundTripper, req *http.Request) (resp *http.Response, err error) {
			for range 2 {
				func() {
					defer func() { recover() }()
					resp, err = next.RoundTrip(copyOf(req))
				}()
			}
			return resp, err
		})
		ctx = httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GetConn: func(string) {
			if tries.Add(1) == 1 {
				panic("trace")
			}
		}})
		_, err = f.engine(t, recovering).Do(ctx, call(c))
		assert.Equal(t, Unknown, verdictOf(t, err), "for all that is known the first trip was sent")
		assert.Equal(t, 1, f.count())
	})
}

// What a wrapper makes of several round trips, and of none.
func TestAnAnswerIsBelievedOfTheOneTripThereWas(t *testing.T) {
	t.Parallel()
	synthetic := func(code int, header ...string) func(*http.Response, error) (*http.Response, error) {
		return func(resp *http.Response, _ error) (*http.Response, error) {
			if resp != nil {
				resp.Body.Close()
			}
			return respond(code, header...), nil
		}
	}
	busy := status(503, "Retry-After: 0")
	rows := map[string]struct {
		answers []string // of the other side, in turn; "" hangs up
		trips   int      // that the wrapper makes; each after the first whatever came of it
		after   func(*http.Response, error) (*http.Response, error)
		want    Verdict
		arrived int // in all
	}{
		"one, 409":              {[]string{status(409)}, 1, nil, Refused, 1},
		"dropped, 409":          {[]string{"", status(409)}, 2, nil, Unknown, 2},
		"dropped, 401":          {[]string{"", status(401)}, 2, nil, Unknown, 2},
		"dropped, 429":          {[]string{"", status(429)}, 2, nil, Unknown, 2},
		"dropped, 503 to wait":  {[]string{"", busy}, 2, nil, Unknown, 2},
		"503, 400":              {[]string{status(503), status(400)}, 2, nil, Unknown, 2},
		"503 to wait, 400":      {[]string{busy, status(400)}, 2, nil, Unknown, 2},
		"201, 409":              {[]string{created, status(409)}, 2, nil, Unknown, 2},
		"302, 409":              {[]string{status(302), status(409)}, 2, nil, Unknown, 2},
		"409, 201":              {[]string{status(409), created}, 2, nil, Accepted, 2},
		"dropped, 201":          {[]string{"", created}, 2, nil, Accepted, 2},
		"401, 409":              {[]string{status(401), status(409)}, 2, nil, Refused, 2},
		"429, 409":              {[]string{status(429), status(409)}, 2, nil, Refused, 2},
		"429, dropped, 409":     {[]string{status(429), "", status(409)}, 3, nil, Unknown, 3},
		"dropped, made 409":     {[]string{""}, 1, synthetic(409), Unknown, 1},
		"dropped, made 429":     {[]string{""}, 1, synthetic(429), Unknown, 1},
		"dropped, made 401":     {[]string{""}, 1, synthetic(401), Unknown, 1},
		"dropped, made 503":     {[]string{""}, 1, synthetic(503, "Retry-After", "0"), Unknown, 1},
		"500, made 409":         {[]string{status(500)}, 1, synthetic(409), Unknown, 1},
		"201, made 409":         {[]string{created}, 1, synthetic(409), Unknown, 1},
		"429, made 503 to wait": {[]string{status(429)}, 1, synthetic(503, "Retry-After", "0"), Unknown, 1},
		"429, made 400":         {[]string{status(429)}, 1, synthetic(400), Refused, 1},
		"422, made 400":         {[]string{status(422)}, 1, synthetic(400), Refused, 1},
		"none, made 409":        {nil, 0, synthetic(409), Refused, 0},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			each(t, writes, func(t *testing.T, c Class) {
				f := &far{answer: inTurn(append(row.answers, "")...)}
				e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (resp *http.Response, err error) {
					for i := range row.trips {
						if resp != nil && i > 0 {
							resp.Body.Close()
						}
						resp, err = next.RoundTrip(copyOf(req))
					}
					if row.after != nil {
						return row.after(resp, err)
					}
					return resp, err
				}))
				_, err := e.Do(t.Context(), call(c))
				assert.Equal(t, row.want, verdictOf(t, err))
				assert.Equal(t, row.arrived, f.count())
				if err != nil {
					assert.Equal(t, 1, failureOf(t, err).Attempts)
				}
			})
		})
	}
}

func TestTwoTripsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, writes, func(t *testing.T, c Class) {
		f := &far{answer: always(status(409))}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			answers := make(chan *http.Response, 2)
			for range 2 {
				go func() { resp, _ := next.RoundTrip(copyOf(req)); answers <- resp }()
			}
			(<-answers).Body.Close()
			return <-answers, nil
		}))
		_, err := e.Do(t.Context(), call(c))
		assert.Equal(t, Unknown, verdictOf(t, err))
		assert.Equal(t, 2, f.count())
	})
	each(t, writes, func(t *testing.T, c Class) { // one of them is still under way
		f := &far{script: func(_ int, conn *conn) { conn.read(); io.Copy(io.Discard, conn) }}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			go next.RoundTrip(copyOf(req))
			synctest.Wait()
			return respond(429), nil
		}))
		_, err := e.Do(t.Context(), call(c))
		assert.Equal(t, Unknown, verdictOf(t, err), "a circuit breaker that answers for a request that goes on")
		assert.Equal(t, 1, f.count(), "and it is not sent again")
	})
	each(t, []Class{Read}, func(t *testing.T, c Class) { // a read may be repeated as one likes
		f := &far{answer: inTurn("", status(401), status(429), created)}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err != nil {
				return next.RoundTrip(req.Clone(context.WithoutCancel(req.Context())))
			}
			return resp, err
		}))
		_, err := e.Do(t.Context(), call(c))
		require.NoError(t, err)
		assert.Equal(t, 4, f.count())
	})
}
