package testkit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Hook is a webhook handler with everything a test looks at. NewHook makes one without
// its Handler: the suite of each package sets that, over Store and Logger, with a
// function that counts its Calls.
type Hook struct {
	Handler
	Calls atomic.Int64 // of the merchant's function
	Store *kopokopo.MemoryStore
	Log   *LockedBuffer

	t      testing.TB
	signed func(body string) *http.Request
}

// Handler is what the webhook handlers of every package are.
type Handler interface {
	http.Handler
	Shutdown(ctx context.Context) error
	BadSignatures() uint64
}

// NewHook makes a Hook whose Post delivers what signed makes of a body.
func NewHook(t testing.TB, signed func(body string) *http.Request) *Hook {
	return &Hook{t: t, signed: signed, Store: kopokopo.NewMemoryStore(0, 0), Log: &LockedBuffer{}}
}

// Logger writes to Log.
func (h *Hook) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(h.Log, nil)) }

// Serve hands a request to the handler. The answer's body is empty, always.
func (h *Hook) Serve(r *http.Request) *http.Response {
	h.t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	require.Zero(h.t, rec.Body.Len(), "the reply has a body")
	require.Equal(h.t, "0", rec.Header().Get("Content-Length"))
	return rec.Result()
}

// Post delivers a signed body and returns the status.
func (h *Hook) Post(body string) int {
	h.t.Helper()
	return h.Serve(h.signed(body)).StatusCode
}

// Idle asserts that no claim is left, and how often the function was called.
func (h *Hook) Idle(calls int) {
	h.t.Helper()
	_, live := h.Store.Len()
	require.Zero(h.t, live, "claims left")
	require.EqualValues(h.t, calls, h.Calls.Load(), "calls")
}

// LockedBuffer is a log that several goroutines write.
type LockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends to the log.
func (b *LockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns all that was written.
func (b *LockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// HookKey signs the notifications of the tests: the key that K2's documentation shows.
const HookKey = "8463vr8472a2372763787b7dec3dbe49879323gg32"

// Signed makes a request of a body as K2 sends it.
func Signed(body string) *http.Request {
	return SignedBy(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), HookKey), body)
}

// SignedBy makes a request of a body with a signature in a header.
func SignedBy(header, signature, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(header, signature)
	return r
}

// Received is a buygoods_transaction_received with an id and a receipt.
func Received(id, reference string) string {
	return Event("buygoods_transaction_received", id, reference, "Received")
}

// Event is a webhook about a buygoods transaction.
func Event(topic, id, reference, status string) string {
	return fmt.Sprintf(`{"topic":%q,"id":%q,"created_at":"2020-10-22T10:43:20+03:00","event":{"type":"Buygoods Transaction","resource":{"id":"r-%s","amount":"100.0","status":%q,"system":"Lipa Na M-PESA","currency":"KES","reference":%q,"till_number":"000000","sender_phone_number":"+254999999999","origination_time":"2020-10-22T10:43:19+03:00"}},"_links":{"self":"https://sandbox.kopokopo.com/webhook_events/%s"}}`,
		topic, id, id, status, reference, id)
}
