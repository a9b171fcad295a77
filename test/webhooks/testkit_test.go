package webhooks_test

import (
	"context"
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
	wireStatus      = testkit.WireStatus
	length          = testkit.Length
	discardLog      = testkit.DiscardLog
	eventually      = testkit.Eventually
)

// head is a signed request's start, ready for further headers and an empty line.
func head(body string, extra ...string) string {
	return testkit.Head(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), hookKey), extra...)
}

// hook is a handler with everything a test looks at.
type hook struct {
	*kopokopo.Handler
	*testkit.Hook
}

type hookFunc = func(context.Context, *kopokopo.Notification) error

// newHook makes a handler; a nil fn succeeds.
func newHook(t testing.TB, fn hookFunc, change ...func(*kopokopo.HandlerConfig)) *hook {
	t.Helper()
	h := &hook{Hook: testkit.NewHook(t, signed)}
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
	h.Hook.Handler = h.Handler
	return h
}
