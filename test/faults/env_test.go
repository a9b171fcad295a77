package faults_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The fault tests are named by the ids of the fault catalogue: TestFault_N11_… is its
// case N11, and `bash scripts/faults` counts them. Each says what the server counted,
// how often the client tried, and what the error is.

// wireBase is where the clients of a wire point to: plain HTTP, to a loopback address.
const wireBase = "http://127.0.0.1:7"

// column is a class of calls, as the decision table has it.
type column struct {
	class        string
	create       bool
	method, path string
	template     string
	call         func(ctx context.Context, c *kopokopo.Client) error
}

var columns = map[string]column{
	"M": {class: "M", create: true, method: http.MethodPost, path: "/api/v1/payments", template: "/api/v1/payments",
		call: func(ctx context.Context, c *kopokopo.Client) error {
			_, err := c.V1.Payments.Create(ctx, validPayment())
			return err
		}},
	"C": {class: "C", create: true, method: http.MethodPost, path: "/api/v2/incoming_payments", template: "/api/v2/incoming_payments",
		call: func(ctx context.Context, c *kopokopo.Client) error {
			_, err := c.IncomingPayments.Create(ctx, validSTK())
			return err
		}},
	"S": {class: "S", create: true, method: http.MethodPost, path: "/api/v2/webhook_subscriptions", template: "/api/v2/webhook_subscriptions",
		call: func(ctx context.Context, c *kopokopo.Client) error {
			_, err := c.WebhookSubscriptions.Create(ctx, validWebhook())
			return err
		}},
	"R": {class: "R", method: http.MethodGet, path: "/api/v2/incoming_payments/" + testID, template: "/api/v2/incoming_payments/{id}",
		call: func(ctx context.Context, c *kopokopo.Client) error {
			_, err := c.IncomingPayments.Get(ctx, testID)
			return err
		}},
}

// The ways a client can get its connections.
const (
	ours    = "ours"    // this package's transport
	wrapped = "wrapped" // the same below Config.WrapTransport
	callers = "callers" // an *http.Transport in Config.HTTPClient
	foreign = "foreign" // any other RoundTripper in Config.HTTPClient
)

var (
	allWays  = []string{ours, wrapped, callers, foreign}
	ourWay   = []string{ours}
	writers  = "MCS"
	everyone = "MCSR"
)

// passOn is a RoundTripper that only passes on.
type passOn struct{ next http.RoundTripper }

func (p passOn) RoundTrip(req *http.Request) (*http.Response, error) { return p.next.RoundTrip(req) }

// sourceFunc is a TokenSource.
type sourceFunc func(ctx context.Context, rejected string) (string, error)

func (f sourceFunc) Token(ctx context.Context, rejected string) (string, error) {
	return f(ctx, rejected)
}

// fixedToken is a TokenSource that needs no server.
var fixedToken = sourceFunc(func(context.Context, string) (string, error) { return testToken, nil })

// env is one client before one scripted server.
type env struct {
	*testing.T
	w   *wire
	col column
	way string
	cfg kopokopo.Config
	log recorder

	quiet  bool // do not look for leftovers in stacks: the bubble finds what blocks
	client *kopokopo.Client
	idle   func() // closes the idle connections of a foreign RoundTripper
}

// fault runs a case for each class of calls and each way to a connection, in a bubble
// of simulated time that fails if a goroutine stays behind.
func fault(t *testing.T, classes string, ways []string, body func(e *env)) {
	t.Helper()
	for _, class := range strings.Split(classes, "") {
		for _, way := range ways {
			t.Run(class+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEnv(t, class, way)
					defer e.finish()
					body(e)
				})
			})
		}
	}
}

// once runs a case that has no class and no way.
func once(t *testing.T, body func(e *env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, "R", callers)
		defer e.finish()
		body(e)
	})
}

func newEnv(t *testing.T, class, way string) *env {
	e := &env{T: t, w: &wire{Script: always(serveAll)}, col: columns[class], way: way}
	e.cfg = kopokopo.Config{BaseURL: wireBase, Credentials: testCredentials(), TokenSource: fixedToken,
		Logger: slog.New(&e.log)}
	return e
}

// start makes the client. What it dials is the script.
func (e *env) start() *kopokopo.Client {
	if e.client != nil {
		return e.client
	}
	e.Helper()
	switch e.way {
	case ours, wrapped:
		// The client takes a clone of net/http's transport; fault tests do not run in parallel.
		standard := http.DefaultTransport.(*http.Transport)
		before := standard.DialContext
		standard.DialContext = e.w.Dial
		defer func() { standard.DialContext = before }()
		if e.way == wrapped {
			e.cfg.WrapTransport = func(rt http.RoundTripper) http.RoundTripper { return passOn{rt} }
		}
	case callers:
		if e.cfg.HTTPClient == nil {
			e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: e.w.Dial}}
		}
	case foreign:
		base := &http.Transport{DialContext: e.w.Dial}
		e.idle = base.CloseIdleConnections
		e.cfg.HTTPClient = &http.Client{Transport: passOn{base}}
	}
	client, err := kopokopo.New(e.cfg)
	require.NoError(e.T, err)
	e.client = client
	return client
}

// call makes the call of the case's class.
func (e *env) call(ctx context.Context) error {
	e.Helper()
	return e.col.call(ctx, e.start())
}

// warm reads something, so that the shared pool has a connection.
func (e *env) warm() {
	e.Helper()
	require.NoError(e.T, columns["R"].call(e.Context(), e.start()), "the connection is warmed")
}

// finish closes everything; what then still runs makes the bubble fail.
func (e *env) finish() {
	if e.client != nil {
		_ = e.client.Close()
	}
	if e.idle != nil {
		e.idle()
	}
	e.w.Close()
	if e.quiet {
		return
	}
	synctest.Wait()
	if stacks := leftovers("synctest bubble"); len(stacks) > 0 {
		e.Errorf("goroutines stay behind:\n%s", strings.Join(stacks, "\n\n"))
	}
}

// leftovers returns the goroutines, but for the caller's, that have a mark in their
// stack and run code of net/http, of the client, or of the engine below it.
func leftovers(mark string) []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var out []string
	for i, stack := range strings.Split(string(buf), "\n\n") {
		if i > 0 && strings.Contains(stack, mark) &&
			(strings.Contains(stack, "net/http.(") || strings.Contains(stack, "kopokopo.(") || strings.Contains(stack, "kopokopo/internal/outbound.")) {
			out = append(out, stack)
		}
	}
	return out
}

// want is what a case expects.
type want struct {
	wire     int     // complete requests of the call that the server counted
	attempts int     // times the client tried
	outcome  error   // of a create; nil for reads and successes
	ok       bool    // no error at all
	is, not  []error // errors.Is
}

// expect compares the end of the one call of a case with what its class expects:
// wants has an entry for the class, with the way ("M/foreign") or without, or for "*".
func (e *env) expect(err error, wants map[string]want) {
	e.Helper()
	expected, ok := wants[e.col.class+"/"+e.way]
	for _, key := range []string{e.col.class, "*/" + e.way, "*"} {
		if !ok {
			expected, ok = wants[key]
		}
	}
	require.True(e.T, ok, "the case says nothing about %s", e.col.class)
	e.expectOne(err, expected)
}

func (e *env) expectOne(err error, expected want) {
	e.Helper()
	assert.Equal(e.T, expected.wire, e.w.Count(e.col.method, e.col.path), "complete requests the server counted")
	assert.Equal(e.T, expected.attempts, e.log.attempts(e.col.template, e.col.method), "attempts")
	if expected.ok {
		assert.NoError(e.T, err)
		return
	}
	require.Error(e.T, err)
	e.Logf("%v", err)
	var failed *kopokopo.CallError
	require.ErrorAs(e.T, err, &failed)
	if e.col.create {
		require.Equal(e.T, []error{expected.outcome}, outcomes(err), "outcome of %v", err)
		assert.Equal(e.T, expected.attempts, failed.Attempts, "CallError.Attempts")
		assert.Equal(e.T, errors.Is(err, kopokopo.ErrOutcomeUnknown), failed.Advice != "", "what to do is said of unknown outcomes")
	} else {
		assert.Empty(e.T, outcomes(err), "reads have no outcome")
	}
	for _, target := range expected.is {
		assert.ErrorIs(e.T, err, target)
	}
	for _, target := range expected.not {
		assert.NotErrorIs(e.T, err, target)
	}
	noSecrets(e.T, err.Error())
}

// Short forms of what most cases expect.
func endsNotSent(attempts int, is ...error) want {
	return want{attempts: attempts, outcome: kopokopo.ErrNotSent, is: is}
}

func endsUnknown(wire int, is ...error) want {
	return want{wire: wire, attempts: 1, outcome: kopokopo.ErrOutcomeUnknown, is: is}
}

func endsRefused(wire int, is ...error) want {
	return want{wire: wire, attempts: wire, outcome: kopokopo.ErrRefused, is: is}
}

func endsFailing(wire, attempts int, is ...error) want {
	return want{wire: wire, attempts: attempts, is: is}
}

func endsWell(wire, attempts int) want { return want{wire: wire, attempts: attempts, ok: true} }

// recorder is a slog.Handler that keeps everything.
type recorder struct {
	mu      sync.Mutex
	records []record
}

type record struct {
	level   slog.Level
	message string
	attrs   map[string]slog.Value
	text    string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	kept := record{level: rec.Level, message: rec.Message, attrs: map[string]slog.Value{}, text: rec.Message}
	rec.Attrs(func(a slog.Attr) bool {
		kept.attrs[a.Key] = a.Value
		kept.text += " " + a.String()
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, kept)
	return nil
}

func (r *recorder) all() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// attempts counts the records about one kind of call.
func (r *recorder) attempts(template, method string) int {
	n := 0
	for _, rec := range r.all() {
		if rec.attrs["path"].String() == template && rec.attrs["method"].String() == method {
			n++
		}
	}
	return n
}

// elapsed runs f and returns the simulated time it took.
func elapsed(f func()) time.Duration {
	started := time.Now()
	f()
	return time.Since(started)
}
