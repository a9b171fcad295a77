// Package inbound is the one engine that webhooks come in through: read, verify,
// parse, claim, call, commit, reply. What is specific to a sender (its signature,
// its payloads, its keys) is given as functions, so that every webhook package of
// this module shares the part that is easy to get wrong.
//
// The order is what makes a delivery count once: nothing is parsed before its
// signature was verified over the bytes as they arrived, nothing is called that was
// not claimed, and 200 is only said after the work was done and the claim committed.
//
// The functions, the store, the hooks and the logger are the caller's code. It may
// fail, panic, end its goroutine or hang: that costs its own delivery, which the
// sender is asked to repeat, and neither the process nor another delivery.
package inbound

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/quiet"
)

// Defaults of a Config.
const (
	DefaultMaxBody     = 1 << 20
	DefaultMaxInWork   = 1000
	DefaultReadTimeout = 10 * time.Second
	DefaultAckTimeout  = 5 * time.Second
	DefaultWorkTimeout = 60 * time.Second
)

// busyRetry is what a sender is asked to wait while another delivery is in work.
const busyRetry = time.Second

// Config is what an engine is made of. Signature, Verify, Parse, Call and Store are
// required.
type Config[T any] struct {
	// Name stands in front of log messages: "kopokopo: webhook".
	Name string
	// Signature takes the signature out of a request's header, "" if there is none.
	Signature func(h http.Header) (string, error)
	// Verify checks a signature over the body as it arrived, and returns the index of
	// the key that signed it.
	Verify func(body []byte, signature string) (key int, err error)
	// Unsigned is the error of Signature or Verify for a request without a signature.
	// It is logged apart from signatures that are wrong, since a proxy that strips the
	// header is a fault of the configuration, and nobody else's.
	Unsigned error
	// RefusedStatus answers what does not verify. Default 401.
	RefusedStatus int
	// Parse reads a body that was verified. An error makes it a dead letter.
	Parse func(body []byte, key int) (Event[T], error)
	// Seen, if set, is told of each event, duplicates included, before it is claimed.
	// It must return at once.
	Seen func(event T)
	// Claimed, if set, is called when a delivery is ours or was done before, and before
	// Call. If it fails nothing is called and the sender delivers again.
	Claimed func(ctx context.Context, event T) error
	// Committed, if set, is called when the work is done and committed, and again for
	// each later delivery of the same. It cannot undo that: it handles its own errors.
	Committed func(ctx context.Context, event T)
	// Call does the work. Its context does not end with the request's.
	Call func(ctx context.Context, event T, held Standing) error
	// DeadLetter, if set, stores a body that is signed but cannot be parsed.
	DeadLetter func(ctx context.Context, body []byte) error
	// Store remembers what was done.
	Store Store
	// Logger receives what an operator should know: never a body. Default silent.
	Logger *slog.Logger
	// Mask removes what is personal from an error's text before it is logged.
	Mask func(string) string

	MaxBody     int64         // Largest body in bytes.
	MaxInWork   int           // Most deliveries in work at once, those included whose sender is answered already.
	ReadTimeout time.Duration // Bounds reading the body.
	AckTimeout  time.Duration // Bounds how long the sender waits for the work, and each call of the store but Extend.
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
	jobs       tracker
	refused    alarm // signatures that did not verify
	unsigned   alarm // requests without one
	eaten      alarm // bodies that something else had read
	full       alarm // deliveries turned away because of MaxInWork
	unextended alarm // Extends that failed while their lease lasted
	lapsed     alarm // Extends that failed until their lease had ended
}

// New completes a Config with the defaults.
func New[T any](cfg Config[T]) *Engine[T] {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.MaxInWork <= 0 {
		cfg.MaxInWork = DefaultMaxInWork
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
	cfg.Logger = quiet.Logger(cfg.Logger)
	e := &Engine[T]{Config: cfg}
	e.jobs.limit = cfg.MaxInWork
	return e
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// Refused returns how many requests carried no valid signature.
func (e *Engine[T]) Refused() uint64 { return e.refused.count() + e.unsigned.count() }

// Shutdown refuses new deliveries with 503 and waits for those in work, those
// included whose sender is answered already, until ctx ends.
func (e *Engine[T]) Shutdown(ctx context.Context) error { return e.jobs.close(ctx) }

// reply is how a request is answered. The body is empty always: whoever probes
// learns nothing from it.
type reply struct {
	status     int
	retryAfter time.Duration // 0 for no header
	hangUp     bool          // the rest of the request was not read
	abort      bool          // the caller's function asked for http.ErrAbortHandler
}

// busy asks the sender to deliver again soon.
var busy = reply{status: http.StatusServiceUnavailable, retryAfter: busyRetry}

// ServeHTTP handles one delivery.
func (e *Engine[T]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep := e.receive(w, r)
	if rep.abort {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	if rep.status == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodPost)
	}
	if rep.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(rep.retryAfter), 10))
	}
	if rep.hangUp {
		h.Set("Connection", "close")
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(rep.status)
}

// seconds rounds up. It adds nothing to d, which may be the longest there is.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// receive takes the body and the signature out of a request. Everything after it
// knows nothing of HTTP but what its status codes mean.
func (e *Engine[T]) receive(w http.ResponseWriter, r *http.Request) reply {
	if rep := e.screen(r); rep.status != 0 {
		return rep
	}
	if a := e.jobs.ask(); a != admitted {
		rep := e.turnAway(r.Context(), a)
		rep.hangUp = true
		return rep
	}
	body, rep := e.read(w, r)
	if rep.status != 0 {
		return rep
	}
	signature, err := e.Signature(r.Header)
	if err != nil {
		return e.refuse(r.Context(), err, len(body))
	}
	return e.handle(r.Context(), body, signature)
}

// refuse answers what does not verify.
func (e *Engine[T]) refuse(ctx context.Context, cause error, size int) reply {
	if errors.Is(cause, e.Unsigned) {
		e.unsigned.raise(ctx, e.Logger, slog.LevelWarn, e.Name+
			": a request without a signature; if the sender's own deliveries have none either, something in front of this handler strips the header",
			slog.Int("bytes", size))
	} else {
		e.refused.raise(ctx, e.Logger, slog.LevelWarn, e.Name+": signature refused",
			slog.String("error", e.text(cause)), slog.Int("bytes", size))
	}
	return reply{status: e.RefusedStatus}
}

// turnAway answers what there is no room for.
func (e *Engine[T]) turnAway(ctx context.Context, a admission) reply {
	if a == full {
		e.full.raise(ctx, e.Logger, slog.LevelWarn, e.Name+": as many deliveries are in work as may be; the sender is asked to deliver again",
			slog.Int("in_work", e.MaxInWork))
	}
	return busy
}

// handle takes a body and its signature up to the answer.
func (e *Engine[T]) handle(ctx context.Context, body []byte, signature string) reply {
	key, err := e.Verify(body, signature)
	if err != nil {
		return e.refuse(ctx, err, len(body))
	}
	return e.take(ctx, body, key)
}

// Take handles a body whose origin is certain without a signature, since it was
// fetched from the sender. It returns the status that a delivery would be answered with.
func (e *Engine[T]) Take(ctx context.Context, body []byte) (status int) {
	rep := e.take(ctx, body, 0)
	if rep.abort {
		return http.StatusInternalServerError
	}
	return rep.status
}

// take handles a body that comes from the sender. Only such a body takes a place: who
// cannot sign cannot keep others out.
func (e *Engine[T]) take(ctx context.Context, body []byte, key int) reply {
	if a := e.jobs.begin(); a != admitted {
		return e.turnAway(ctx, a)
	}
	handedOn := false
	defer func() {
		if !handedOn {
			e.jobs.end()
		}
	}()
	ctx = context.WithoutCancel(ctx) // a sender that hangs up must not stop the work
	event, err := e.Parse(body, key)
	if err != nil {
		handedOn = true
		return e.detach(ctx, "", func(j *job) { e.bury(ctx, body, err, j) })
	}
	if e.Seen != nil {
		if f := e.guarded(func() error { e.Seen(event.Value); return nil }); f != nil {
			e.log(ctx, slog.LevelError, "the hook for events that were seen failed", event.Key, f)
		}
	}
	if event.Skip {
		return reply{status: http.StatusOK}
	}
	handedOn = true
	return e.detach(ctx, event.Key, func(j *job) { e.work(ctx, event, sha256.Sum256(body), j) })
}

// log writes a line about a delivery.
func (e *Engine[T]) log(ctx context.Context, level slog.Level, message, key string, f *failure) {
	attrs := []slog.Attr{slog.String("key", key)}
	if f != nil {
		attrs = append(attrs, slog.String("error", f.text))
		if f.stack != "" {
			attrs = append(attrs, slog.String("stack", f.stack))
		}
	}
	e.Logger.LogAttrs(ctx, level, e.Name+": "+message, attrs...)
}
