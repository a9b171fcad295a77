package kyshi_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// What the tests have in common.

// secret is the invented one that testdata/vectors.tsv was made with.
const secret = "whsec_demo_kyshi_0123456789"

// newVerifier makes a verifier of the demo secret.
func newVerifier(t testing.TB, change ...func(*kyshi.VerifierConfig)) *kyshi.Verifier {
	t.Helper()
	cfg := kyshi.VerifierConfig{Secrets: []string{secret}}
	for _, c := range change {
		c(&cfg)
	}
	v, err := kyshi.NewVerifier(cfg)
	require.NoError(t, err)
	return v
}

// sign is the signature of a body as Kyshi is taken to write it.
func sign(body string) string { return signWith(secret, body) }

func signWith(secret, body string) string {
	v, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{secret}})
	if err != nil {
		panic(err)
	}
	return v.Sign([]byte(body))
}

// payload reads one of the sample bodies.
func payload(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return body
}

// payloads reads all of them, by name.
func payloads(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	require.NoError(t, err)
	require.Len(t, names, 15)
	all := map[string][]byte{}
	for _, name := range names {
		all[filepath.Base(name)] = payload(t, filepath.Base(name))
	}
	return all
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

type hookFunc = func(context.Context, *kyshi.Event) error

// hook is a handler with everything a test looks at.
type hook struct {
	*kyshi.Handler
	t     testing.TB
	calls atomic.Int64
	store *kopokopo.MemoryStore
	log   *lockedBuffer
}

// newHook makes a handler; a nil fn succeeds.
func newHook(t testing.TB, fn hookFunc, change ...func(*kyshi.HandlerConfig)) *hook {
	t.Helper()
	h := &hook{t: t, store: kopokopo.NewMemoryStore(0, 0), log: &lockedBuffer{}}
	cfg := kyshi.HandlerConfig{Verifier: newVerifier(t), Store: h.store, Logger: slog.New(slog.NewTextHandler(h.log, nil))}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	h.Handler, err = kyshi.NewWebhookHandler(cfg, func(ctx context.Context, e *kyshi.Event) error {
		h.calls.Add(1)
		if fn == nil {
			return nil
		}
		return fn(ctx, e)
	})
	require.NoError(t, err)
	return h
}

// signed makes a request of a body as Kyshi sends it.
func signed(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/kyshi", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(kyshi.SignatureHeader, sign(body))
	return r
}

// serve hands a request to the handler. The answer's body is empty, always.
func (h *hook) serve(r *http.Request) *http.Response {
	h.t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	require.Zero(h.t, rec.Body.Len(), "the reply has a body")
	require.Equal(h.t, "0", rec.Header().Get("Content-Length"))
	return rec.Result()
}

// post delivers a signed body and returns the status.
func (h *hook) post(body string) int {
	h.t.Helper()
	return h.serve(signed(body)).StatusCode
}

// idle asserts that no claim is left, and how often the function was called.
func (h *hook) idle(calls int) {
	h.t.Helper()
	_, live := h.store.Len()
	require.Zero(h.t, live, "claims left")
	require.EqualValues(h.t, calls, h.calls.Load(), "calls")
}

// charge is a successful charge with a reference.
func charge(reference string) string {
	return fmt.Sprintf(`{"event":"successful","data":{"reference":%q,"amount":1500.50,"customer":{"id":"c1","firstName":"Ama","lastName":"Mensah","email":"ama.mensah@example.com","phone":"+233200000001"},"authorization":{"authorizationCode":"AUTH_x1y2z3","cardType":"visa","brand":"visa","last4":"4081","bin":"408408","expMonth":"12","expYear":"2030"},"log":null,"meta":{"localCurrency":"GHS","localAmount":1500.50,"feeBreakdown":{"vat":0,"fee":15.5}}}}`, reference)
}

var anEvent = charge("ORD-7f3a19c2")

// pipeNet is a listener over in-memory connections: it works inside synctest.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial opens a connection to a server on the listener.
func (p *pipeNet) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// onWire serves a handler over in-memory connections until the test ends.
func onWire(t testing.TB, h http.Handler) *pipeNet {
	t.Helper()
	p := &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(p) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return p
}

// head is a signed request's start, ready for further headers and an empty line.
func head(body string, extra ...string) string {
	lines := append([]string{"POST /kyshi HTTP/1.1", "Host: shop.example", "Content-Type: application/json",
		kyshi.SignatureHeader + ": " + sign(body)}, extra...)
	return strings.Join(lines, "\r\n") + "\r\n"
}

// exchange writes raw bytes to a connection and reads n answers.
func exchange(t testing.TB, c net.Conn, raw string, n int) []*http.Response {
	t.Helper()
	defer c.Close()
	go io.WriteString(c, raw)
	in := bufio.NewReader(c)
	var answers []*http.Response
	for range n {
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		answers = append(answers, resp)
	}
	return answers
}

// wireStatus is the status of one raw exchange.
func wireStatus(t testing.TB, h http.Handler, raw string) int {
	t.Helper()
	return exchange(t, onWire(t, h).dial(), raw, 1)[0].StatusCode
}
