package inbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// memo is the smallest store: what was claimed is done once it is committed.
type memo struct {
	mu     sync.Mutex
	states map[string]State
	steps  *[]string
	report State // instead of what is true
}

func (m *memo) Claim(_ context.Context, key string, _ [32]byte, _ time.Duration) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.steps = append(*m.steps, "claim")
	if m.states[key] == 0 {
		m.states[key] = Busy
		return key, nil
	}
	return "", nil
}

func (m *memo) Extend(context.Context, string, time.Duration) error { return nil }

func (m *memo) Commit(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.steps = append(*m.steps, "commit")
	m.states[key] = Done
	return nil
}

func (m *memo) Release(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.steps = append(*m.steps, "release")
	delete(m.states, key)
	return nil
}

// trace is an engine over text that notes its steps: "bad" has no valid signature,
// "broken" cannot be parsed, "skip" is not to be handled, "fail" fails.
func trace(change func(*Config[string])) (*Engine[string], *[]string) {
	steps := new([]string)
	note := func(step string) { *steps = append(*steps, step) }
	m := &memo{states: map[string]State{}, steps: steps}
	cfg := Config[string]{
		Name:      "test",
		Signature: func(h http.Header) (string, error) { return h.Get("Signature"), nil },
		Verify: func(body []byte, _ string) (int, error) {
			note("verify")
			if string(body) == "bad" {
				return -1, errors.New("bad")
			}
			return 1, nil
		},
		Parse: func(body []byte, key int) (Event[string], error) {
			note("parse")
			if key != 1 || string(body) == "broken" {
				return Event[string]{}, errors.New("broken")
			}
			return Event[string]{Value: string(body), Key: string(body), Skip: string(body) == "skip"}, nil
		},
		Seen: func(string) { note("seen") },
		Call: func(_ context.Context, event string, held Standing) error {
			note("call")
			switch {
			case held.Claim != event || held.State != Fresh || held.Revision != 1:
				return errors.New("another claim than was made")
			case event == "fail":
				return errors.New("failed")
			case event == "later":
				return Later(io.ErrUnexpectedEOF)
			}
			return nil
		},
		Store: Over(m, func(key string) (State, int) {
			switch {
			case m.report != 0:
				return m.report, 1
			case key == "":
				return Done, 1
			}
			return Fresh, 1
		}),
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg), steps
}

func serve(h http.Handler, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	return rec
}

func TestStepsComeInOrder(t *testing.T) {
	for body, want := range map[string]struct {
		status int
		steps  string
	}{
		"good":   {200, "verify parse seen claim call commit"},
		"bad":    {401, "verify"},
		"broken": {422, "verify parse"},
		"skip":   {200, "verify parse seen"},
		"fail":   {500, "verify parse seen claim call release"},
		"later":  {503, "verify parse seen claim call release"},
	} {
		t.Run(body, func(t *testing.T) {
			e, steps := trace(nil)
			require.Equal(t, want.status, serve(e, body).Code)
			require.Equal(t, want.steps, strings.Join(*steps, " "))
		})
	}
	e, steps := trace(nil)
	serve(e, "good")
	*steps = nil
	require.Equal(t, 200, serve(e, "good").Code)
	require.Equal(t, "verify parse seen claim", strings.Join(*steps, " "), "a duplicate")
}

func TestStoreInNoKnownState(t *testing.T) {
	e, steps := trace(func(c *Config[string]) {
		m := &memo{states: map[string]State{}, steps: new([]string)}
		c.Store = Over(m, func(string) (State, int) { return 7, 0 })
	})
	require.Equal(t, 503, serve(e, "good").Code)
	require.NotContains(t, *steps, "call")
}

func TestDefaults(t *testing.T) {
	e := New(Config[string]{AckTimeout: 2 * time.Minute})
	require.EqualValues(t, DefaultMaxBody, e.MaxBody)
	require.Equal(t, DefaultReadTimeout, e.ReadTimeout)
	require.Equal(t, 2*time.Minute, e.WorkTimeout, "work is not cut off before the sender is")
	require.Equal(t, "text", e.Mask("text"))
}

func TestAlarmIsRareAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		var a alarm
		for range 1000 { // 100 s
			a.raise(t.Context(), logger, slog.LevelWarn, "refused")
			time.Sleep(100 * time.Millisecond)
		}
		require.EqualValues(t, 1000, a.count())
		require.Equal(t, 10, strings.Count(log.String(), "refused"))
		require.Equal(t, 1, strings.Count(log.String(), "times=1\n"))
		require.Equal(t, 9, strings.Count(log.String(), "times=100\n"))
	})
}

func TestTracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := tracker{limit: 2}
		require.Equal(t, admitted, work.begin())
		require.Equal(t, admitted, work.begin())
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() { require.NoError(t, work.close(t.Context())) })
		}
		synctest.Wait()
		require.Equal(t, closed, work.begin())
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, work.close(short), context.DeadlineExceeded)
		work.end()
		work.end()
		waiting.Wait()
		require.NoError(t, work.close(t.Context()))
	})
}

func TestResponseWriterWithoutDeadlines(t *testing.T) {
	e, _ := trace(nil)
	rec := httptest.NewRecorder()
	plain := struct{ http.ResponseWriter }{rec} // as a careless middleware wraps it
	e.ServeHTTP(plain, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("good")))
	require.Equal(t, 200, rec.Code)
}

// slowStore takes its time over a claim, whatever the context says.
type slowStore struct{ took chan string }

func (s slowStore) Claim(_ context.Context, key string, _ [32]byte, _ time.Duration) (string, error) {
	time.Sleep(3 * time.Second)
	s.took <- key
	return key, nil
}
func (slowStore) Extend(context.Context, string, time.Duration) error { return nil }
func (slowStore) Commit(context.Context, string) error                { return nil }
func (slowStore) Release(context.Context, string) error               { return nil }

// A store that is slow must not keep the sender waiting, nor lose what it claimed.
func TestSlowClaimDoesNotHoldTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := slowStore{make(chan string, 1)}
		engine, steps := trace(func(cfg *Config[string]) {
			cfg.Store = Over(store, func(string) (State, int) { return Fresh, 0 })
			cfg.AckTimeout = time.Second
		})
		begun := time.Now()
		rec := serve(engine, "event")
		require.Equal(t, http.StatusServiceUnavailable, rec.Code)
		require.Equal(t, time.Second, time.Since(begun))
		require.NoError(t, engine.Shutdown(context.Background()))
		require.Equal(t, "event", <-store.took)
		require.Contains(t, *steps, "call", "what was claimed is handled")
	})
}
