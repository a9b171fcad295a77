package kyshi_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
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

type hookFunc = func(context.Context, *kyshi.Event) error

// newHook makes a handler; a nil fn succeeds.
func newHook(t testing.TB, fn hookFunc, change ...func(*kyshi.HandlerConfig)) *testkit.Hook {
	t.Helper()
	h := testkit.NewHook(t, signed)
	cfg := kyshi.HandlerConfig{Verifier: newVerifier(t), Store: h.Store, Logger: h.Logger()}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	h.Handler, err = kyshi.NewWebhookHandler(cfg, func(ctx context.Context, e *kyshi.Event) error {
		h.Calls.Add(1)
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
	return testkit.SignedBy(kyshi.SignatureHeader, sign(body), body)
}

// charge is a successful charge with a reference.
func charge(reference string) string {
	return fmt.Sprintf(`{"event":"successful","data":{"reference":%q,"amount":1500.50,"customer":{"id":"c1","firstName":"Ama","lastName":"Mensah","email":"ama.mensah@example.com","phone":"+233200000001"},"authorization":{"authorizationCode":"AUTH_x1y2z3","cardType":"visa","brand":"visa","last4":"4081","bin":"408408","expMonth":"12","expYear":"2030"},"log":null,"meta":{"localCurrency":"GHS","localAmount":1500.50,"feeBreakdown":{"vat":0,"fee":15.5}}}}`, reference)
}

var anEvent = charge("ORD-7f3a19c2")

// receiver is Kyshi's kind of webhook handler: what it has in common with the others is
// tested by testkit's cases.
var receiver = testkit.Receiver{
	Package: "kyshi",
	Header:  kyshi.SignatureHeader,
	Key:     secret,
	Sign:    func(body, key string) string { return signWith(key, body) },
	Verify: func(r *http.Request, body []byte) error {
		v, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{secret}})
		if err != nil {
			return err
		}
		return v.VerifyRequest(r, body)
	},
	Body:   anEvent,
	Other:  func(n int) string { return charge("R" + strconv.Itoa(n)) },
	Name:   func(t testing.TB, body string) string { return parse(t, []byte(body)).Key },
	Status: http.StatusBadRequest,
	Make: func(t testing.TB, fn testkit.Function, s testkit.Settings) *testkit.Hook {
		return newHook(t, func(ctx context.Context, e *kyshi.Event) error {
			return fn(ctx, testkit.Delivery{Raw: e.Raw, Revision: e.Revision, Key: e.SecretIndex})
		}, func(c *kyshi.HandlerConfig) {
			c.MaxBody, c.OnDeadLetter = s.MaxBody, s.OnDeadLetter
			if s.Keys != nil {
				c.Verifier = newVerifier(t, func(c *kyshi.VerifierConfig) { c.Secrets = s.Keys })
			}
			if s.Store != nil {
				c.Store = s.Store(c.Store.(*kopokopo.MemoryStore))
			}
		})
	},
}
