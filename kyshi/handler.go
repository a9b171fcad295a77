package kyshi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/inbound"
	"github.com/kopokopo-go/kopokopo/internal/redact"
)

// HandlerConfig is what a [Handler] is made of. Only Verifier is required.
type HandlerConfig struct {
	// Verifier checks the signatures.
	Verifier *Verifier
	// Store remembers what was handled: the same store as for Kopo Kopo's webhooks,
	// whose keys cannot be mistaken for these, or another. Handlers of Kyshi's with
	// different functions need one each. Default: a [kopokopo.MemoryStore] of the handler's own, which
	// forgets everything when the process ends.
	Store kopokopo.DeliveryStore
	// SkipSamples acknowledges samples (see [SampleCharge]) without calling your
	// function. Without it they arrive with [Event.Sample].
	SkipSamples bool
	// OnDeadLetter is given a body that is signed but cannot be read. If it returns
	// nil the delivery is acknowledged. Without it, or with an error, the sender gets
	// 422.
	OnDeadLetter func(ctx context.Context, raw []byte) error
	// Logger receives warnings: keys of deliveries and texts of errors, runs of seven
	// and more digits masked, and never a body. Default: silent.
	Logger *slog.Logger
	// MaxBody bounds a body in bytes. Default 1 MiB.
	MaxBody int64
	// MaxInWork bounds how many deliveries are in work at once, those included that go
	// on after their sender was answered. Beyond it the sender gets 503 with
	// Retry-After, and nothing is read or claimed. Default 1,000.
	MaxInWork int
	// ReadTimeout bounds reading a body. Default 10 s. It needs a ResponseWriter that
	// has read deadlines, as those of net/http have.
	ReadTimeout time.Duration
	// AckTimeout bounds how long the sender waits. Default 5 s; Kyshi wants an answer
	// within 10 s. A function that takes longer goes on while the sender gets 503; its
	// next delivery finds it done.
	AckTimeout time.Duration
	// WorkTimeout bounds the context of your function. Default 60 s. A function that
	// runs on after that keeps its delivery until it returns.
	WorkTimeout time.Duration
}

// Handler is an [http.Handler] for Kyshi's webhooks. It is safe for concurrent
// use. Make it with [NewWebhookHandler].
//
// Each delivery is read, verified over its raw bytes, parsed, claimed, given to
// your function, committed, and only then acknowledged:
//
//   - 200: your function succeeded, now or at an earlier delivery of the same body.
//   - 400 without a valid signature, as Kyshi asks for; 405, 408, 413 and 415 for
//     what is not a delivery at all, 422 for what is signed but cannot be read.
//   - 500: it failed or panicked. A delivery that comes again calls it again.
//   - 503: it is still at work, or the store, the shutting down handler or one at
//     [HandlerConfig.MaxInWork] could not take the delivery. Later deliveries are
//     answered by what came of it.
//
// The body of the answer is always empty. Kyshi counts any 2xx as delivered and
// repeats the rest; how often is not documented.
//
// Every event reaches your function, those of unknown types too: return nil for
// what you do not handle, and it is acknowledged.
//
// Your function runs at most once at a time for one [Event.Key], and is not called
// again for a body once it succeeded, for as long as the store remembers. The delivery
// is claimed for 15 s, and the claim is extended every 5 s until your function
// returns, even if that is after the end of its context; [kopokopo.Handler] says what
// happens if the store cannot be reached for that long. Other bytes under the
// same [Event.Key] are delivered with a rising [Event.Revision], so credit by
// [Data.Reference]. The context of your function is not cancelled when Kyshi hangs
// up; it ends after [HandlerConfig.WorkTimeout], and [kopokopo.ClaimFrom] finds the
// claim in it.
type Handler struct {
	engine *inbound.Engine[*Event]
}

// NewWebhookHandler returns a handler that gives each event to fn. The error is a
// [*kopokopo.ValidationError] that names each faulty field.
func NewWebhookHandler(cfg HandlerConfig, fn func(ctx context.Context, e *Event) error) (*Handler, error) {
	if err := cfg.check(fn != nil); err != nil {
		return nil, err
	}
	if cfg.Store == nil {
		cfg.Store = kopokopo.NewMemoryStore(0, 0)
	}
	return &Handler{engine: inbound.New(inbound.Config[*Event]{
		Name:          "kyshi: webhook",
		Signature:     cfg.Verifier.signatureOf,
		Verify:        cfg.Verifier.verify,
		Unsigned:      ErrNoSignature,
		RefusedStatus: http.StatusBadRequest, // as Kyshi asks for
		Parse:         cfg.receive,
		Call:          call(fn),
		DeadLetter:    cfg.OnDeadLetter,
		Store:         overStore(cfg.Store),
		Logger:        cfg.Logger,
		Mask:          redact.Text,
		MaxBody:       cfg.MaxBody, MaxInWork: cfg.MaxInWork,
		ReadTimeout: cfg.ReadTimeout, AckTimeout: cfg.AckTimeout, WorkTimeout: cfg.WorkTimeout,
	})}, nil
}

func (c HandlerConfig) check(hasFunction bool) error {
	found := faults{What: "kyshi webhook handler"}
	found.check(c.Verifier.made(), "Verifier", "is required: make it with NewVerifier")
	found.check(hasFunction, "fn", "is required")
	found.check(c.MaxBody >= 0, "MaxBody", "must not be negative")
	found.check(c.MaxInWork >= 0, "MaxInWork", "must not be negative")
	found.check(c.ReadTimeout >= 0, "ReadTimeout", "must not be negative")
	found.check(c.AckTimeout >= 0, "AckTimeout", "must not be negative")
	found.check(c.WorkTimeout >= 0, "WorkTimeout", "must not be negative")
	return found.err()
}

// receive parses a verified body.
func (c HandlerConfig) receive(body []byte, secret int) (inbound.Event[*Event], error) {
	e, err := parseEvent(body)
	if err != nil {
		return inbound.Event[*Event]{}, err
	}
	e.SecretIndex = secret
	return inbound.Event[*Event]{Value: e, Key: e.Key, Skip: e.Sample && c.SkipSamples}, nil
}

// overStore is a store as the engine sees it.
func overStore(s kopokopo.DeliveryStore) inbound.Store {
	return inbound.Over(s, func(c kopokopo.Claim) (inbound.State, int) { return inbound.State(c.State), c.Revision })
}

// call makes the engine's function of the caller's.
func call(fn func(context.Context, *Event) error) func(context.Context, *Event, inbound.Standing) error {
	return func(ctx context.Context, e *Event, held inbound.Standing) error {
		e.Revision = held.Revision
		return fn(ctx, e)
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.made() { // it has no secret
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.engine.ServeHTTP(w, r)
}

// Shutdown refuses new deliveries with 503 and waits for those at work, until ctx
// ends; its error is then the context's. Call it after [http.Server.Shutdown],
// which does not know of work that goes on after a 503.
func (h *Handler) Shutdown(ctx context.Context) error {
	if !h.made() {
		return nil
	}
	return h.engine.Shutdown(ctx)
}

// BadSignatures returns how many requests carried no valid signature.
func (h *Handler) BadSignatures() uint64 {
	if !h.made() {
		return 0
	}
	return h.engine.Refused()
}

func (h *Handler) made() bool { return h != nil && h.engine != nil }

// Format implements [fmt.Formatter]: no verb prints a secret.
func (h *Handler) Format(f fmt.State, _ rune) { fmt.Fprint(f, "kyshi.Handler") }
