package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Errors of a caller's that break when they are looked at.
type (
	brokenText  struct{ text *string }
	brokenChain struct{ error }
	brokenIs    struct{ error }
	brokenAs    struct{ error }
)

func (e brokenText) Error() string     { return *e.text }
func (e brokenChain) Unwrap() error    { panic("unwrap") }
func (e brokenIs) Is(error) bool       { panic("is") }
func (e brokenAs) As(any) bool         { panic("as") }
func (e brokenText) RuntimeError()     {}
func nilDereference() error            { var text *brokenText; return fmt.Errorf("%s", *text.text) }
func explosion(value any) func() error { return func() error { panic(value) } }

// breakages are the ways in which code of a caller's fails.
var breakages = map[string]func() error{
	"error":                    func() error { return errors.New("failed") },
	"panic":                    explosion("a phone number"),
	"panic with an error":      explosion(errors.New("a phone number")),
	"panic with nil":           explosion(nil),
	"panic with broken text":   explosion(brokenText{}),
	"runtime error":            nilDereference,
	"goexit":                   func() error { runtime.Goexit(); return nil },
	"text panics":              func() error { return brokenText{} },
	"chain panics":             func() error { return brokenChain{errors.New("x")} },
	"Is panics":                func() error { return brokenIs{errors.New("x")} },
	"As panics":                func() error { return brokenAs{errors.New("x")} },
	"nil in an interface":      func() error { var e *brokenText; return e },
	"an abort":                 func() error { return http.ErrAbortHandler },
	"a panic with an abort":    explosion(http.ErrAbortHandler),
	"ends of other contexts":   func() error { return context.Canceled },
	"an error of circumstance": func() error { return Later(io.ErrUnexpectedEOF) },
}

// Wherever the caller's code fails, and however: the sender gets an answer that makes
// it deliver again (or 200 if the work was done), the place is free, the process lives,
// and the next delivery is handled.
func TestCallersCodeIsContained(t *testing.T) {
	for where, row := range map[string]struct {
		plant  func(c *Config[string], s *script, fail func() error)
		status []int // 500 or 503, where both may be
	}{
		"function": {func(c *Config[string], _ *script, fail func() error) {
			c.Call = func(context.Context, string, Standing) error { return fail() }
		}, []int{500, 503}},
		"claim": {func(_ *Config[string], s *script, fail func() error) {
			s.claim = func() (State, error) { return Fresh, fail() }
		}, []int{503}},
		"extend": {func(c *Config[string], s *script, fail func() error) {
			c.AckTimeout = time.Minute
			c.Call = func(context.Context, string, Standing) error { time.Sleep(8 * time.Second); return nil }
			s.extend = func(context.Context, int) error { return fail() }
		}, []int{200}},
		"commit": {func(_ *Config[string], s *script, fail func() error) {
			s.commit = func(context.Context) error { return fail() }
		}, []int{503}},
		"release": {func(c *Config[string], s *script, fail func() error) {
			c.Call = func(context.Context, string, Standing) error { return errors.New("failed") }
			s.release = func(context.Context) error { return fail() }
		}, []int{500, 503}},
		"dead letters": {func(c *Config[string], _ *script, fail func() error) {
			c.Parse = func([]byte, int) (Event[string], error) { return Event[string]{}, errors.New("unreadable") }
			c.DeadLetter = func(context.Context, []byte) error { return fail() }
		}, []int{422}},
		"mask": {func(c *Config[string], _ *script, fail func() error) {
			c.Call = func(context.Context, string, Standing) error { return errors.New("failed") }
			c.Mask = func(string) string { return fmt.Sprint(fail()) }
		}, []int{500, 503}},
		"logger": {func(c *Config[string], _ *script, fail func() error) {
			c.Call = func(context.Context, string, Standing) error { return errors.New("failed") }
			c.Logger = slog.New(logFails{fail})
		}, []int{500, 503}},
	} {
		for how, fail := range breakages {
			if how == "goexit" && (where == "mask" || where == "logger") {
				continue // nothing can keep a goroutine from ending; the place is free all the same
			}
			t.Run(where+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var failing atomic.Bool
					failing.Store(true)
					r := newRig(nil)
					cfg := r.Config
					row.plant(&cfg, r.store, func() error {
						if !failing.Load() {
							return nil
						}
						return fail()
					})
					r.Engine = New(cfg)
					r.contained(t, row.status)
					failing.Store(false)
					if where != "mask" && where != "logger" && where != "release" {
						require.Equal(t, 200, r.post("next"))
					}
					r.idle(t)
					require.NotContains(t, r.log.String(), "a phone number")
				})
			})
		}
	}
}

// contained delivers once. http.ErrAbortHandler is passed on to net/http, as the
// function asked.
func (r *rig) contained(t *testing.T, status []int) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			require.Equal(t, http.ErrAbortHandler, p)
		}
	}()
	require.Contains(t, status, r.post("event"))
}

// logFails is a log handler that fails.
type logFails struct{ fail func() error }

func (l logFails) Enabled(context.Context, slog.Level) bool  { return true }
func (l logFails) Handle(context.Context, slog.Record) error { return l.fail() }
func (l logFails) WithAttrs([]slog.Attr) slog.Handler        { return l }
func (l logFails) WithGroup(string) slog.Handler             { return l }

// The hook for events that were seen cannot keep them from being handled.
func TestSeenIsContained(t *testing.T) {
	for name, hook := range map[string]func(){"panics": func() { panic("x") }, "is broken": func() { panic(brokenText{}) }} {
		t.Run(name, func(t *testing.T) {
			r := newRig(nil, func(c *Config[string]) { c.Seen = func(string) { hook() } })
			require.Equal(t, 200, r.post("event"))
			require.Contains(t, r.log.String(), "level=ERROR msg=\"test: the hook for events that were seen failed\" key=event error=\"panic")
			r.idle(t)
		})
	}
	var seen []string
	r := newRig(nil, func(c *Config[string]) { c.Seen = func(event string) { seen = append(seen, event) } })
	require.Equal(t, 200, r.post("event"))
	require.Equal(t, []string{"event"}, seen)
	require.Empty(t, r.log.String())
}

func TestAbortIsPassedOn(t *testing.T) {
	for name, fail := range map[string]func() error{"returned": func() error { return fmt.Errorf("as asked: %w", http.ErrAbortHandler) }, "panicked": explosion(http.ErrAbortHandler)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(func(context.Context) error { return fail() })
			require.PanicsWithValue(t, http.ErrAbortHandler, func() { r.post("event") })
			r.idle(t)
			require.Len(t, r.store.called("release"), 1)
			require.Empty(t, r.log.String())
		})
	}
}

// What is logged of a failure: the text as it may be shown, and of a panic its type
// and where it was.
func TestFailuresAreLogged(t *testing.T) {
	for name, row := range map[string]struct {
		fail   func() error
		status int
		want   string
		stack  bool
	}{
		"error":         {func() error { return errors.New("no 254") }, 500, `level=ERROR msg="test: delivery failed" key=event error="no ***"`, false},
		"later":         {func() error { return fmt.Errorf("reread: %w", Later(errors.New("no 254"))) }, 503, `level=WARN msg="test: delivery put off" key=event error="reread: no ***"`, false},
		"panic":         {explosion("no 254"), 500, `level=ERROR msg="test: delivery failed" key=event error="panic of type string" stack="goroutine`, true},
		"runtime error": {nilDereference, 500, `level=ERROR msg="test: delivery failed" key=event error="panic: runtime error: invalid memory address or nil pointer dereference" stack="goroutine`, true},
		"goexit":        {breakages["goexit"], 500, `level=ERROR msg="test: delivery failed" key=event error="runtime.Goexit was called"`, false},
		"broken text":   {func() error { return brokenText{} }, 500, `level=ERROR msg="test: delivery failed" key=event error="error of type inbound.brokenText"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(func(context.Context) error { return row.fail() }, func(c *Config[string]) {
				c.Mask = func(text string) string { return strings.ReplaceAll(text, "254", "***") }
			})
			rec := answer(r, request("event"))
			require.Equal(t, row.status, rec.Code)
			if row.status == 503 {
				require.Equal(t, "1", rec.Header().Get("Retry-After"))
			} else {
				headers(t, rec, map[string]string{})
			}
			require.Contains(t, r.log.String(), row.want)
			require.Equal(t, row.stack, strings.Contains(r.log.String(), "guard_test.go"))
			require.Equal(t, row.stack, strings.Contains(r.log.String(), "stack="))
			require.Equal(t, 1, strings.Count(r.log.String(), "\n"))
			r.idle(t)
		})
	}
}

func TestLaterKeepsItsCause(t *testing.T) {
	err := Later(io.ErrUnexpectedEOF)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.EqualError(t, err, io.ErrUnexpectedEOF.Error())
}
