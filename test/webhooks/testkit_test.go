package webhooks_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// The words of the testkit that this suite uses in most of its files go by their bare
// names here.

const (
	hookKey      = testkit.HookKey
	testCallback = testkit.Callback
)

var (
	testCredentials = testkit.Credentials
	sample          = testkit.Sample
	independentHMAC = testkit.IndependentHMAC
	signed          = testkit.Signed
	received        = testkit.Received
	event           = testkit.Event
	onWire          = testkit.OnWire
	exchange        = testkit.Exchange
	length          = testkit.Length
	discardLog      = testkit.DiscardLog
	eventually      = testkit.Eventually
)

// head is a signed request's start, ready for further headers and an empty line.
func head(body string, extra ...string) string {
	return testkit.Head(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), hookKey), extra...)
}

type hookFunc = func(context.Context, *kopokopo.Notification) error

// newHook makes a handler; a nil fn succeeds.
func newHook(t testing.TB, fn hookFunc, change ...func(*kopokopo.HandlerConfig)) *testkit.Hook {
	t.Helper()
	h := testkit.NewHook(t, signed)
	cfg := kopokopo.HandlerConfig{Keys: []string{hookKey}, Store: h.Store, Logger: h.Logger()}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	h.Handler, err = kopokopo.NewWebhookHandler(cfg, func(ctx context.Context, n *kopokopo.Notification) error {
		h.Calls.Add(1)
		if fn == nil {
			return nil
		}
		return fn(ctx, n)
	})
	require.NoError(t, err)
	return h
}

// receiver is K2's kind of webhook handler: what it has in common with the others is
// tested by testkit's cases.
var receiver = testkit.Receiver{
	Package: "kopokopo",
	Header:  kopokopo.SignatureHeader,
	Key:     hookKey,
	Sign:    func(body, key string) string { return kopokopo.Sign([]byte(body), key) },
	Verify:  func(r *http.Request, body []byte) error { return kopokopo.VerifyRequest(r, body, hookKey) },
	Body:    anEvent,
	Other:   func(n int) string { return received("event-"+strconv.Itoa(n), "R") },
	Name:    func(t testing.TB, body string) string { return parse(t, []byte(body)).Key },
	Status:  http.StatusUnauthorized,
	Make: func(t testing.TB, fn testkit.Function, s testkit.Settings) *testkit.Hook {
		return newHook(t, func(ctx context.Context, n *kopokopo.Notification) error {
			return fn(ctx, testkit.Delivery{Raw: n.Raw, Revision: n.Revision, Key: n.KeyIndex})
		}, func(c *kopokopo.HandlerConfig) {
			c.MaxBody, c.OnDeadLetter = s.MaxBody, s.OnDeadLetter
			if s.Keys != nil {
				c.Keys = s.Keys
			}
			if s.Store != nil {
				c.Store = s.Store(c.Store.(*kopokopo.MemoryStore))
			}
		})
	},
}
