package kopokopo_test

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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// What the tests of the webhook handler have in common.

const hookKey = "8463vr8472a2372763787b7dec3dbe49879323gg32"

// hook is a handler with everything a test looks at.
type hook struct {
	*kopokopo.Handler
	t     testing.TB
	calls atomic.Int64
	store *kopokopo.MemoryStore
	log   *lockedBuffer
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

type hookFunc = func(context.Context, *kopokopo.Notification) error

// newHook makes a handler; a nil fn succeeds.
func newHook(t testing.TB, fn hookFunc, change ...func(*kopokopo.HandlerConfig)) *hook {
	t.Helper()
	h := &hook{t: t, store: kopokopo.NewMemoryStore(0, 0), log: &lockedBuffer{}}
	cfg := kopokopo.HandlerConfig{Keys: []string{hookKey}, Store: h.store, Logger: slog.New(slog.NewTextHandler(h.log, nil))}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	h.Handler, err = kopokopo.NewWebhookHandler(cfg, func(ctx context.Context, n *kopokopo.Notification) error {
		h.calls.Add(1)
		if fn == nil {
			return nil
		}
		return fn(ctx, n)
	})
	require.NoError(t, err)
	return h
}

// signed makes a request of a body as K2 sends it.
func signed(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), hookKey))
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

// received is a buygoods_transaction_received with an id and a receipt.
func received(id, reference string) string {
	return event("buygoods_transaction_received", id, reference, "Received")
}

func event(topic, id, reference, status string) string {
	return fmt.Sprintf(`{"topic":%q,"id":%q,"created_at":"2020-10-22T10:43:20+03:00","event":{"type":"Buygoods Transaction","resource":{"id":"r-%s","amount":"100.0","status":%q,"system":"Lipa Na M-PESA","currency":"KES","reference":%q,"till_number":"000000","sender_phone_number":"+254999999999","origination_time":"2020-10-22T10:43:19+03:00"}},"_links":{"self":"https://sandbox.kopokopo.com/webhook_events/%s"}}`,
		topic, id, id, status, reference, id)
}

// pipeNet is a listener over in-memory connections: it works inside synctest.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeNet() *pipeNet { return &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipeNet) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// dial opens a connection to a server on the listener.
func (p *pipeNet) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func (p *pipeNet) dialContext(context.Context, string, string) (net.Conn, error) {
	return p.dial(), nil
}

// discardLog is for what net/http would say about broken requests.
var discardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

// onWire serves the handler over in-memory connections until the test ends.
func onWire(t testing.TB, h http.Handler) *pipeNet {
	t.Helper()
	p := newPipeNet()
	srv := &http.Server{Handler: h, ErrorLog: discardLog}
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(p) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return p
}

// head is a request's start, ready for further headers and an empty line.
func head(body string, extra ...string) string {
	lines := append([]string{"POST /webhooks HTTP/1.1", "Host: shop.example", "Content-Type: application/json",
		kopokopo.SignatureHeader + ": " + kopokopo.Sign([]byte(body), hookKey)}, extra...)
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
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge { // those are net/http's own
			require.Empty(t, body)
		}
		answers = append(answers, resp)
	}
	return answers
}

// wireStatus is the status of one raw exchange.
func wireStatus(t testing.TB, h http.Handler, raw string) int {
	t.Helper()
	return exchange(t, onWire(t, h).dial(), raw, 1)[0].StatusCode
}

// eventually is for what another goroutine does, outside a bubble.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what + " did not happen")
		}
	}
}
