package testkit

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Receiver is a kind of webhook handler. Its methods are the cases of the fault
// catalogue, series W and D, that every handler of ours survives in the same way. The
// suite of each package calls them under the catalogue's ids, and keeps to itself the
// cases in which the senders differ.
type Receiver struct {
	Package string                                            // as its log lines begin
	Header  string                                            // of the signature
	Key     string                                            // that New's handlers know, unless Settings has others
	Sign    func(body, key string) string                     // a signature of 64 hex digits
	Verify  func(r *http.Request, body []byte) error          // what the package offers to those who need no handler
	Body    string                                            // a delivery that the handler accepts, of some 400 bytes
	Other   func(n int) string                                // further ones, each another delivery
	Name    func(t testing.TB, body string) string            // the key of a delivery in the store
	Status  int                                               // of an answer to a bad signature
	Make    func(t testing.TB, fn Function, s Settings) *Hook // a handler of the kind
}

// Function is the merchant's function, as every package has it.
type Function func(ctx context.Context, d Delivery) error

// Delivery is what Function is told.
type Delivery struct {
	Raw      []byte
	Revision int
	Key      int // which of the keys signed it, from 0
}

// Settings are what a case wants to be different. A zero field leaves the Receiver's
// or the package's default as it is.
type Settings struct {
	Keys         []string
	Store        func(memory *kopokopo.MemoryStore) kopokopo.DeliveryStore
	MaxBody      int64
	OnDeadLetter func(ctx context.Context, raw []byte) error
}

// hook makes a handler; a nil fn succeeds.
func (r *Receiver) hook(t testing.TB, fn Function, s ...Settings) *Hook {
	t.Helper()
	if fn == nil {
		fn = func(context.Context, Delivery) error { return nil }
	}
	return r.Make(t, fn, append(s, Settings{})[0])
}

// sign is the signature of a body under the handlers' own key.
func (r *Receiver) sign(body string) string { return r.Sign(body, r.Key) }

// signed makes a request of a body as its sender signs it.
func (r *Receiver) signed(body string) *http.Request { return SignedBy(r.Header, r.sign(body), body) }

// head is a signed request's start, ready for further headers and an empty line.
func (r *Receiver) head(body string, extra ...string) string {
	return Head(r.Header, r.sign(body), extra...)
}

// whole is a signed request as it goes over the wire.
func (r *Receiver) whole(body string) string { return r.head(body, Length(body), "") + body }

// Refused delivers Body with the given signatures, one header each, and holds that it
// is refused, that nothing was called, and that nothing was kept.
func (r *Receiver) Refused(t *testing.T, signatures ...string) {
	t.Helper()
	h := r.hook(t, nil)
	req := r.signed(r.Body)
	req.Header.Del(r.Header)
	for _, signature := range signatures {
		req.Header.Add(r.Header, signature)
	}
	require.Equal(t, r.Status, h.Serve(req).StatusCode, "signatures %q", signatures)
	h.Idle(0)
	total, _ := h.Store.Len()
	require.Zero(t, total, "deliveries kept")
	require.EqualValues(t, 1, h.BadSignatures())
	require.Error(t, r.Verify(req, []byte(r.Body)))
}
