// Package quiet keeps a program's logger from doing more than logging. The handler
// behind a [slog.Logger] is the caller's code: where it panics, a delivery in a
// goroutine of our own would end the process, and a payment that K2 has accepted
// would be lost between the answer and the return of its reference.
package quiet

import (
	"context"
	"errors"
	"log/slog"
)

// Logger returns a logger that writes to where l does and never panics. What a
// panicking handler was to write is lost, and nothing else is. A nil logger, and
// one without a handler, is silent. The result of Logger is returned as it is.
func Logger(l *slog.Logger) *slog.Logger {
	if l == nil || l.Handler() == nil {
		return slog.New(slog.DiscardHandler)
	}
	if _, ok := l.Handler().(handler); ok {
		return l
	}
	return slog.New(handler{l.Handler()})
}

// errPanic stands for the panic's value, which can hold anything, secrets included.
var errPanic = errors.New("the log handler panicked")

// handler contains the panics of the caller's.
type handler struct{ next slog.Handler }

// Enabled implements [slog.Handler]: a level that cannot be asked for is not
// logged, since the handler's next method is as likely to panic.
func (h handler) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() {
		if recover() != nil {
			enabled = false
		}
	}()
	return h.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h handler) Handle(ctx context.Context, r slog.Record) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return h.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler]. Without an answer the attributes are lost,
// and not the lines they stand on.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.derive(func() slog.Handler { return h.next.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler], as WithAttrs does.
func (h handler) WithGroup(name string) slog.Handler {
	return h.derive(func() slog.Handler { return h.next.WithGroup(name) })
}

func (h handler) derive(with func() slog.Handler) (derived slog.Handler) {
	derived = h
	defer func() { _ = recover() }()
	if next := with(); next != nil {
		derived = handler{next}
	}
	return derived
}
