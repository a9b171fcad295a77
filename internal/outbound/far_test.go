package outbound

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What the engine promises is tested by what reached the other side of it: far counts
// the requests that arrived whole, over pipes, so that time can be simulated.

// far is the other side. Its zero value answers every request with 201.
type far struct {
	answer func(n int, req request) string        // the raw answer to the n-th request, from 0; "" hangs up
	script func(n int, c *conn)                   // instead of answering, all of what happens on the n-th connection
	onDial func(ctx context.Context, n int) error // before the n-th connection
	onConn func(n int, c net.Conn) net.Conn       // wraps the engine's end of it

	mu    sync.Mutex
	seen  []request
	dials int
}

// request is one that arrived whole.
type request struct {
	Method, Path string
	Header       http.Header
	Body         string
	Conn         int // which connection it came on, from 0
}

// conn is one connection as the other side has it.
type conn struct {
	net.Conn
	in  *bufio.Reader
	n   int
	far *far
}

// read reads one request and counts it. It returns false at the end of the connection.
func (c *conn) read() (request, bool) {
	req, err := http.ReadRequest(c.in)
	if err != nil {
		return request{}, false
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return request{}, false
	}
	arrived := request{req.Method, req.URL.Path, req.Header, string(body), c.n}
	c.far.mu.Lock()
	defer c.far.mu.Unlock()
	c.far.seen = append(c.far.seen, arrived)
	return arrived, true
}

// say writes raw bytes.
func (c *conn) say(raw string) { io.WriteString(c, raw) }

// serve answers until the connection ends.
func (c *conn) serve() {
	for {
		req, ok := c.read()
		if !ok {
			return
		}
		raw := created
		if c.far.answer != nil {
			raw = c.far.answer(c.far.count()-1, req)
		}
		if raw == "" {
			return
		}
		c.say(raw)
	}
}

// dial is a DialContext that reaches the other side.
func (f *far) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	f.mu.Lock()
	n := f.dials
	f.dials++
	f.mu.Unlock()
	if f.onDial != nil {
		if err := f.onDial(ctx, n); err != nil {
			return nil, err
		}
	}
	ours, theirs := net.Pipe()
	c := &conn{theirs, bufio.NewReader(theirs), n, f}
	go func() {
		defer c.Close()
		if f.script != nil {
			f.script(n, c)
		} else {
			c.serve()
		}
	}()
	if f.onConn != nil {
		return f.onConn(n, ours), nil
	}
	return ours, nil
}

// all returns the requests that arrived.
func (f *far) all() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.seen...)
}

// count returns how many arrived.
func (f *far) count() int { return len(f.all()) }

// connections returns how many were dialled.
func (f *far) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

// transport reaches the other side.
func (f *far) transport() *http.Transport { return &http.Transport{DialContext: f.dial} }

// created is an answer that accepts.
const created = "HTTP/1.1 201 Created\r\nLocation: /things/1\r\nContent-Length: 0\r\n\r\n"

// status is an answer with a status and no body.
func status(code int, header ...string) string {
	lines := append([]string{fmt.Sprintf("HTTP/1.1 %d %s", code, http.StatusText(code)), "Content-Length: 0"}, header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// always gives the same answer.
func always(raw string) func(int, request) string {
	return func(int, request) string { return raw }
}

// inTurn gives the answers in turn; the last one goes on.
func inTurn(raw ...string) func(int, request) string {
	return func(n int, _ request) string { return raw[min(n, len(raw)-1)] }
}

// What must stand in no text.
const (
	theSecret = "s3cret-of-the-application"
	theToken  = "token-number-one"
)

// engine returns an engine that reaches the other side, changed as a test needs it,
// and closes it with the test.
func (f *far) engine(t *testing.T, change ...func(*Config)) *Engine {
	t.Helper()
	return engine(t, append([]func(*Config){func(c *Config) { c.HTTPClient = &http.Client{Transport: f.transport()} }}, change...)...)
}

// engine returns an engine without a way to anywhere.
func engine(t *testing.T, change ...func(*Config)) *Engine {
	t.Helper()
	cfg := Config{
		MaxIdleConns: 8, IdleConnTimeout: 20 * time.Second, Timeout: 10 * time.Second, Retries: 2, UserAgent: "test/1",
		Tokens:  fixed(theToken),
		Secrets: func() []string { return []string{theSecret} },
		Logger:  slog.New(slog.DiscardHandler),
		Name:    "test: ",
	}
	for _, f := range change {
		f(&cfg)
	}
	e := New(cfg)
	t.Cleanup(e.Close)
	return e
}

// over makes a RoundTripper of the caller's the way out: no proofs, and no net/http.
func over(trip roundTrip) func(*Config) {
	return func(c *Config) { c.HTTPClient = &http.Client{Transport: trip} }
}

// wrapped puts a wrapper of the caller's around the pools.
func wrapped(trip func(next http.RoundTripper, req *http.Request) (*http.Response, error)) func(*Config) {
	return func(c *Config) {
		c.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) { return trip(next, req) })
		}
	}
}

// copyOf copies a request with its body, as a wrapper does that sends it another time.
func copyOf(req *http.Request) *http.Request {
	copied := req.Clone(req.Context())
	copied.Body = io.NopCloser(strings.NewReader(theBody))
	return copied
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// respond is an answer as a RoundTripper returns it.
func respond(code int, header ...string) *http.Response {
	resp := &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// fixed is a TokenSource of one token.
type fixed string

func (f fixed) Token(context.Context, string) (string, error) { return string(f), nil }

// source is a TokenSource.
type source func(ctx context.Context, rejected string) (string, error)

func (f source) Token(ctx context.Context, rejected string) (string, error) { return f(ctx, rejected) }

// theBody is what the calls of the tests send.
const theBody = `{"amount":"100"}`

// call is a call of a class: a POST, or for reads a GET.
func call(c Class) *Call {
	if c == Read {
		return &Call{Op: "get thing", Class: c, Method: http.MethodGet, URL: "http://far.example/things/1", Template: "/things/{id}", Limit: 1 << 20}
	}
	return &Call{Op: "create thing", Class: c, Write: true, Method: http.MethodPost, URL: "http://far.example/things", Template: "/things",
		Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(theBody), Limit: 1 << 20}
}

// The classes, and those that change something.
var (
	classes = []Class{Read, Setup, Collect, PayOut}
	writes  = []Class{Setup, Collect, PayOut}
)

// each runs a test for each of the classes, in a bubble of simulated time.
func each(t *testing.T, of []Class, body func(t *testing.T, c Class)) {
	t.Helper()
	for _, c := range of {
		t.Run(string(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { body(t, c) })
		})
	}
}

// bubble runs a test in simulated time.
func bubble(t *testing.T, name string, body func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, body) })
}

// failure is the engine's error in err.
func failureOf(t *testing.T, err error) *Error {
	t.Helper()
	var end *Error
	require.ErrorAs(t, err, &end)
	return end
}

// verdictOf returns the verdict of a call that ended with err.
func verdictOf(t *testing.T, err error) Verdict {
	t.Helper()
	if err == nil {
		return Accepted
	}
	return failureOf(t, err).Verdict
}

// elapsed returns the simulated time that f took.
func elapsed(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}
