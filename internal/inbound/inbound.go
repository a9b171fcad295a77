// Package inbound is the one engine that webhooks come in through: read, verify,
// parse, claim, call, commit, reply. What is specific to a sender (its signature,
// its payloads, its keys) is given as functions, so that every webhook package of
// this module shares the part that is easy to get wrong.
//
// The order is what makes a delivery count once: nothing is parsed before its
// signature was verified over the bytes as they arrived, nothing is called that was
// not claimed, and 200 is only said after the work was done and the claim committed.
package inbound

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// Defaults of a Config.
const (
	DefaultMaxBody     = 1 << 20
	DefaultReadTimeout = 10 * time.Second
	DefaultAckTimeout  = 5 * time.Second
	DefaultWorkTimeout = 60 * time.Second
)

// leaseMargin is how much longer a claim is held than the work may take: time to
// commit, and for a function that notices late that its context has ended.
const leaseMargin = 30 * time.Second

// busyRetry is what a sender is asked to wait while another delivery is in work.
const busyRetry = time.Second

// Config is what an engine is made of. Verify, Parse, Call and Store are required.
type Config[T any] struct {
	// Name stands in front of log messages: "kopokopo: webhook".
	Name string
	// Verify checks the signature of the body as it arrived, and returns the index
	// of the key that signed it.
	Verify func(r *http.Request, body []byte) (key int, err error)
	// RefusedStatus answers what does not verify. Default 401.
	RefusedStatus int
	// Parse reads a body that was verified. An error makes it a dead letter.
	Parse func(body []byte, key int) (Event[T], error)
	// Seen, if set, is told of each event, duplicates included, before it is claimed.
	// It must return at once.
	Seen func(event T)
	// Call does the work. Its context does not end with the request's.
	Call func(ctx context.Context, event T, held Standing) error
	// DeadLetter, if set, stores a body that is signed but cannot be parsed.
	DeadLetter func(ctx context.Context, body []byte) error
	// Store remembers what was done.
	Store Store
	// Logger receives what an operator should know: never a body. Required.
	Logger *slog.Logger
	// Mask removes what is personal from an error's text before it is logged.
	Mask func(string) string

	MaxBody     int64         // Largest body in bytes.
	ReadTimeout time.Duration // Bounds reading the body.
	AckTimeout  time.Duration // Bounds how long the sender waits for the work.
	WorkTimeout time.Duration // Bounds the work's context.
}

// Event is what Parse makes of a body.
type Event[T any] struct {
	Value T
	Key   string // What makes two deliveries the same.
	Skip  bool   // Acknowledge it without a claim or a call.
}

// Engine is an http.Handler over a Config. Make it with New.
type Engine[T any] struct {
	Config[T]
	jobs    tracker
	refused alarm // signatures that did not verify
	eaten   alarm // bodies that something else had read
}

// New completes a Config with the defaults.
func New[T any](cfg Config[T]) *Engine[T] {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	cfg.ReadTimeout = orDefault(cfg.ReadTimeout, DefaultReadTimeout)
	cfg.AckTimeout = orDefault(cfg.AckTimeout, DefaultAckTimeout)
	cfg.WorkTimeout = max(orDefault(cfg.WorkTimeout, DefaultWorkTimeout), cfg.AckTimeout)
	if cfg.RefusedStatus == 0 {
		cfg.RefusedStatus = http.StatusUnauthorized
	}
	if cfg.Mask == nil {
		cfg.Mask = func(text string) string { return text }
	}
	return &Engine[T]{Config: cfg}
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// Refused returns how many requests carried no valid signature.
func (e *Engine[T]) Refused() uint64 { return e.refused.count() }

// Shutdown refuses new deliveries with 503 and waits for those in work, the
// detached ones included, until ctx ends.
func (e *Engine[T]) Shutdown(ctx context.Context) error { return e.jobs.close(ctx) }

// reply is how a request is answered. The body is empty always: whoever probes
// learns nothing from it.
type reply struct {
	status     int
	retryAfter time.Duration // 0 for no header
	hangUp     bool          // the rest of the request was not read
	abort      bool          // the caller's function asked for http.ErrAbortHandler
}

// ServeHTTP handles one delivery.
func (e *Engine[T]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep := e.handle(w, r)
	if rep.abort {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	if rep.status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	if rep.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((rep.retryAfter+time.Second-1)/time.Second), 10))
	}
	if rep.hangUp {
		h.Set("Connection", "close")
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(rep.status)
}

// handle takes a request up to its verified event.
func (e *Engine[T]) handle(w http.ResponseWriter, r *http.Request) reply {
	if rep := e.screen(r); rep.status != 0 {
		return rep
	}
	body, rep := e.read(w, r)
	if rep.status != 0 {
		return rep
	}
	key, err := e.Verify(r, body)
	if err != nil {
		e.refused.raise(r.Context(), e.Logger, slog.LevelWarn, e.Name+": signature refused",
			slog.String("error", e.text(err)), slog.Int("bytes", len(body)))
		return reply{status: e.RefusedStatus}
	}
	ctx := context.WithoutCancel(r.Context()) // a sender that hangs up must not stop the work
	if !e.jobs.begin() {
		return reply{status: http.StatusServiceUnavailable, retryAfter: busyRetry}
	}
	defer e.jobs.end()
	event, err := e.Parse(body, key)
	if err != nil {
		return e.bury(ctx, body, err)
	}
	if e.Seen != nil {
		e.Seen(event.Value)
	}
	if event.Skip {
		return reply{status: http.StatusOK}
	}
	return e.deliver(ctx, event, sha256.Sum256(body))
}

// bury hands a body that cannot be parsed to the dead letters. Only if they keep it
// is it acknowledged.
func (e *Engine[T]) bury(ctx context.Context, body []byte, cause error) reply {
	kept := errors.New("no dead-letter hook is set")
	if e.DeadLetter != nil {
		ctx, cancel := context.WithTimeout(ctx, e.AckTimeout)
		defer cancel()
		kept = e.guarded(func() error { return e.DeadLetter(ctx, body) })
	}
	attrs := []slog.Attr{slog.String("cause", e.text(cause)), slog.Int("bytes", len(body))}
	if kept == nil {
		e.Logger.LogAttrs(ctx, slog.LevelWarn, e.Name+": unreadable delivery kept as a dead letter", attrs...)
		return reply{status: http.StatusOK}
	}
	attrs = append(attrs, slog.String("error", e.text(kept)))
	e.Logger.LogAttrs(ctx, slog.LevelError, e.Name+": unreadable delivery refused", attrs...)
	return reply{status: http.StatusUnprocessableEntity}
}

// log writes a warning about a delivery.
func (e *Engine[T]) log(ctx context.Context, level slog.Level, message, key string, err error) {
	attrs := []slog.Attr{slog.String("key", key)}
	if err != nil {
		attrs = append(attrs, slog.String("error", e.text(err)))
	}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	e.Logger.LogAttrs(ctx, level, e.Name+": "+message, attrs...)
}

// text returns an error's text as it may be logged. An error of the caller's can
// panic over its own text: a nil pointer in the interface does.
func (e *Engine[T]) text(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("error of type %T", err)
		}
	}()
	return e.Mask(err.Error())
}
