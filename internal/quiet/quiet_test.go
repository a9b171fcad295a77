package quiet

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// moody is a handler that panics where it is told to.
type moody struct {
	slog.Handler
	enabled, handle, attrs, group any // what it panics with; nil does not
	none                          bool
}

func throw(value any) {
	if value != nil {
		panic(value)
	}
}

func (m moody) Enabled(ctx context.Context, l slog.Level) bool {
	throw(m.enabled)
	return m.Handler.Enabled(ctx, l)
}

func (m moody) Handle(ctx context.Context, r slog.Record) error {
	throw(m.handle)
	return m.Handler.Handle(ctx, r)
}

func (m moody) WithAttrs(a []slog.Attr) slog.Handler {
	throw(m.attrs)
	if m.none {
		return nil
	}
	m.Handler = m.Handler.WithAttrs(a)
	return m
}

func (m moody) WithGroup(name string) slog.Handler {
	throw(m.group)
	if m.none {
		return nil
	}
	m.Handler = m.Handler.WithGroup(name)
	return m
}

// lines logs as the module does, through every method of a handler, and returns
// what was written.
func lines(m moody) string {
	var out bytes.Buffer
	m.Handler = slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
	l := Logger(slog.New(m))
	l.Debug("below the level")
	l.Info("plain")
	l.With("who", "we").WithGroup("g").Warn("derived", "n", 1)
	return out.String()
}

func TestOnlyWhatPanicsIsLost(t *testing.T) {
	const plain, derived = "level=INFO msg=plain\n", "level=WARN msg=derived who=we g.n=1\n"
	for name, row := range map[string]struct {
		m    moody
		want string
	}{
		"well behaved":     {moody{}, plain + derived},
		"Enabled":          {moody{enabled: "no"}, ""},
		"Handle":           {moody{handle: "no"}, ""},
		"abort":            {moody{handle: http.ErrAbortHandler}, ""},
		"WithAttrs":        {moody{attrs: "no"}, plain + "level=WARN msg=derived g.n=1\n"},
		"WithGroup":        {moody{group: "no"}, plain + "level=WARN msg=derived who=we n=1\n"},
		"derived are none": {moody{none: true}, plain + "level=WARN msg=derived n=1\n"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, row.want, lines(row.m)) })
	}
}

func TestHandlerSaysThatItPanicked(t *testing.T) {
	h := Logger(slog.New(moody{Handler: slog.DiscardHandler, handle: "secret"})).Handler()
	require.EqualError(t, h.Handle(t.Context(), slog.Record{}), "the log handler panicked")
}

func TestWithoutALoggerNothingIsWritten(t *testing.T) {
	for name, l := range map[string]*slog.Logger{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			require.NotPanics(t, func() { Logger(l).With("a", 1).Error("lost") })
			require.False(t, Logger(l).Enabled(t.Context(), slog.LevelError))
		})
	}
}

func TestQuietTwiceIsQuietOnce(t *testing.T) {
	once := Logger(slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)))
	require.Same(t, once, Logger(once))
	derived := once.With("a", 1)
	require.Same(t, derived, Logger(derived))
}

func TestSourceIsTheCallers(t *testing.T) {
	var out bytes.Buffer
	Logger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{AddSource: true}))).Info("here")
	require.Contains(t, out.String(), "quiet_test.go")
}
