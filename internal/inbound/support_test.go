package inbound

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// logger writes level, message and attributes, and no time.
func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// step is a call of a store, and when it was made.
type step struct {
	what  string
	at    time.Duration // since the store was made
	lease time.Duration
	left  time.Duration // to the deadline of its context
	ctx   context.Context
}

// script is a store that notes its calls and does what a test tells it to. Without
// being told anything it has one fresh claim after the other.
type script struct {
	mu    sync.Mutex
	made  time.Time
	steps []step

	claim           func() (State, error)
	extend          func(ctx context.Context, n int) error // n counts from 1
	commit, release func(ctx context.Context) error
}

func (s *script) note(ctx context.Context, what string, lease time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made.IsZero() {
		s.made = time.Now()
	}
	deadline, _ := ctx.Deadline()
	n := 1
	for _, earlier := range s.steps {
		if earlier.what == what {
			n++
		}
	}
	s.steps = append(s.steps, step{what, time.Since(s.made), lease, time.Until(deadline), ctx})
	return n
}

func (s *script) Claim(ctx context.Context, _ string, _ [32]byte, lease time.Duration) (State, error) {
	s.note(ctx, "claim", lease)
	if s.claim != nil {
		return s.claim()
	}
	return Fresh, nil
}

func (s *script) Extend(ctx context.Context, _ State, lease time.Duration) error {
	n := s.note(ctx, "extend", lease)
	if s.extend != nil {
		return s.extend(ctx, n)
	}
	return nil
}

func (s *script) Commit(ctx context.Context, _ State) error {
	s.note(ctx, "commit", 0)
	if s.commit != nil {
		return s.commit(ctx)
	}
	return nil
}

func (s *script) Release(ctx context.Context, _ State) error {
	s.note(ctx, "release", 0)
	if s.release != nil {
		return s.release(ctx)
	}
	return nil
}

// called returns the steps of a kind.
func (s *script) called(what string) []step {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []step
	for _, st := range s.steps {
		if st.what == what {
			found = append(found, st)
		}
	}
	return found
}

// String is the steps with the seconds at which they were made: "claim@0 commit@4".
func (s *script) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, st := range s.steps {
		all = append(all, fmt.Sprintf("%s@%g", st.what, st.at.Seconds()))
	}
	return strings.Join(all, " ")
}

// rig is an engine over a script, with its log.
type rig struct {
	*Engine[string]
	store *script
	log   *lines
}

// newRig makes an engine whose function is work. Bodies are their own keys; a request
// is signed if it says so.
func newRig(work func(context.Context) error, change ...func(*Config[string])) *rig {
	r := &rig{store: &script{}, log: &lines{}}
	cfg := Config[string]{
		Name:      "test",
		Signature: func(h http.Header) (string, error) { return h.Get("Signature"), nil },
		Unsigned:  errUnsigned,
		Verify: func(_ []byte, signature string) (int, error) {
			switch signature {
			case "good":
				return 0, nil
			case "":
				return -1, fmt.Errorf("verify: %w", errUnsigned)
			}
			return -1, fmt.Errorf("verify: bad signature")
		},
		Parse: func(body []byte, _ int) (Event[string], error) {
			return Event[string]{Value: string(body), Key: string(body)}, nil
		},
		Call: func(ctx context.Context, _ string, _ Standing) error {
			if work == nil {
				return nil
			}
			return work(ctx)
		},
		Store:  Over(r.store, func(s State) (State, int) { return s, 1 }),
		Logger: r.log.logger(),
	}
	for _, c := range change {
		c(&cfg)
	}
	r.Engine = New(cfg)
	return r
}

var errUnsigned = fmt.Errorf("no signature")

// request is a signed delivery.
func request(body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("Signature", "good")
	return req
}

// post delivers a body and returns the status.
func (r *rig) post(body string) int { return answer(r, request(body)).Code }

func answer(h http.Handler, req *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

// idle waits for all work, and asserts that every place is free.
func (r *rig) idle(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Shutdown(context.Background()))
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	require.Zero(t, r.jobs.count, "places taken")
}
