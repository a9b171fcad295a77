package intents_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// shop is a merchant's program and the Kopo Kopo that it talks to.
type shop struct {
	*testing.T
	k2      *k2
	store   *stepped
	client  *kopokopo.Client
	handler *kopokopo.Handler
	log     *testkit.LockedBuffer

	mu      sync.Mutex
	handled []*kopokopo.Notification
}

// inShop runs a test in simulated time.
func inShop(t *testing.T, plan func(post) plan, test func(s *shop), change ...func(*kopokopo.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &shop{T: t, k2: newK2(plan), store: &stepped{inner: memory(), mishaps: map[string][]mishap{}}}
		s.open(change...)
		defer func() {
			require.NoError(t, s.client.Close())
			s.k2.Close()
		}()
		test(s)
	})
}

// open starts the program: a client and a handler over the store.
func (s *shop) open(change ...func(*kopokopo.Config)) {
	s.log = &testkit.LockedBuffer{}
	cfg := s.k2.config()
	cfg.Intents, cfg.Logger = s.store, slog.New(slog.NewTextHandler(s.log, nil))
	for _, f := range change {
		f(&cfg)
	}
	var err error
	s.client, err = kopokopo.New(cfg)
	require.NoError(s, err)
	s.handler, err = kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Client: s.client}, s.handle)
	require.NoError(s, err)
}

// restart ends the program and starts it again over the same intent store.
func (s *shop) restart() {
	require.NoError(s, s.client.Close())
	s.store.revive()
	s.open()
}

func (s *shop) handle(_ context.Context, n *kopokopo.Notification) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handled = append(s.handled, n)
	return nil
}

// push creates an incoming payment of KES 1500 under a key.
func (s *shop) push(key string) (kopokopo.Ref, error) { return s.pushOf("1500", key) }

func (s *shop) pushOf(amount, key string) (kopokopo.Ref, error) {
	return push(s.Context(), s.client, amount, "", kopokopo.WithIdempotencyKey(key))
}

// post delivers a signed result and returns the status.
func (s *shop) post(body string) int {
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, testkit.SignedBy(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), testkit.APIKey), body))
	return recorder.Code
}

// is asserts what a key stands for.
func (s *shop) is(key string, state kopokopo.IntentState, id string) kopokopo.Intent {
	s.Helper()
	intent, err := s.store.inner.Get(context.Background(), key)
	require.NoError(s, err)
	require.Equal(s, state, intent.State)
	require.Equal(s, id, intent.ID)
	return intent
}

// unknown asserts that the outcome is unknown, and which other errors it is.
func (s *shop) unknown(err error, also ...error) *kopokopo.CallError {
	s.Helper()
	return s.outcome(err, kopokopo.ErrOutcomeUnknown, also...)
}

func (s *shop) notSent(err error, also ...error) *kopokopo.CallError {
	s.Helper()
	return s.outcome(err, kopokopo.ErrNotSent, also...)
}

func (s *shop) outcome(err, outcome error, also ...error) *kopokopo.CallError {
	s.Helper()
	require.Equal(s, []error{outcome}, testkit.Outcomes(err), "%v", err)
	for _, target := range also {
		require.ErrorIs(s, err, target)
	}
	var call *kopokopo.CallError
	require.ErrorAs(s, err, &call)
	return call
}

// logged asserts how many lines of a level there are, and what stands in each.
func (s *shop) logged(level string, times int, text string) {
	s.Helper()
	lines := 0
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "level="+level) {
			require.Contains(s, line, text)
			lines++
		}
	}
	require.Equal(s, times, lines, "lines of level %s in\n%s", level, s.log.String())
}

// silent asserts that there is nothing that an operator should know.
func (s *shop) silent() {
	s.Helper()
	s.logged("ERROR", 0, "")
	s.logged("WARN", 0, "")
}

// stepped is a store whose calls meet mishaps in an order that a test writes down.
type stepped struct {
	inner   kopokopo.IntentStore
	mu      sync.Mutex
	mishaps map[string][]mishap // by method, for its next calls
	calls   []string            // the writes, in order
	dead    bool
}

func (s *stepped) next(method, call string) mishap {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return failsBefore
	}
	if call != "" {
		s.calls = append(s.calls, call)
	}
	queue := s.mishaps[method]
	if len(queue) == 0 {
		return fine
	}
	s.mishaps[method] = queue[1:]
	return queue[0]
}

// meet has the next calls of a method meet mishaps.
func (s *stepped) meet(method string, mishaps ...mishap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mishaps[method] = mishaps
}

func (s *stepped) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *stepped) revive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead, s.mishaps = false, map[string][]mishap{}
}

// writes returns the writes so far: "begin", and of updates the state.
func (s *stepped) writes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

const lateEffect = 3 * time.Second

func (s *stepped) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	return happen(ctx, s.next("Begin", "begin"), lateEffect, s.die, func(ctx context.Context) (kopokopo.Intent, error) {
		return s.inner.Begin(ctx, intent, lease)
	})
}

func (s *stepped) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	_, err := happen(ctx, s.next("Update", string(intent.State)), lateEffect, s.die, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.inner.Update(ctx, token, intent, lease)
	})
	return err
}

func (s *stepped) Get(ctx context.Context, key string) (kopokopo.Intent, error) {
	return happen(ctx, s.next("Get", ""), lateEffect, s.die, func(ctx context.Context) (kopokopo.Intent, error) { return s.inner.Get(ctx, key) })
}

func (s *stepped) List(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
	return happen(ctx, s.next("List", ""), lateEffect, s.die, func(ctx context.Context) ([]kopokopo.Intent, error) {
		return s.inner.List(ctx, state, after, limit)
	})
}

// production makes a Config one for production, over the same pipes.
func production(cfg *kopokopo.Config) {
	cfg.BaseURL = kopokopo.Production
	pipes := cfg.HTTPClient.Transport.(*http.Transport)
	pipes.DialTLSContext = pipes.DialContext
}
