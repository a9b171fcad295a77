package kopokopo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/inbound"
	"github.com/kopokopo-go/kopokopo/internal/redact"
)

// HandlerConfig is what a [Handler] is made of. Keys or a Client is required;
// everything else has a default. It prints and logs without its keys.
type HandlerConfig struct {
	// Keys are the application's API keys that may sign, the one in use first. List
	// the old and the new one while you replace it. With a Client, its API key is
	// tried first and need not be repeated.
	Keys []string
	// Client, if set, connects the handler to a client: results wake those who wait
	// for them in this process, and a client for [Production] makes SkipSamples true.
	Client *Client
	// Store remembers what was handled. Default: a [MemoryStore] of the handler's own.
	// One store is one set of handled deliveries: processes with the same function
	// share it, handlers with different functions need one each, or the second finds
	// everything done.
	Store DeliveryStore
	// Reread, for results and with a Client only, asks K2 for the resource's present
	// state before your function runs, so that a replayed or stale message is not
	// acted on. Payload, Reference and Outcome are then K2's answer; Raw stays what
	// was delivered. If K2 cannot be asked, the sender gets 503 and delivers again.
	// Events that were subscribed to cannot be read again: K2 has no way to.
	Reread bool
	// SkipSamples acknowledges samples (see [SDK.ValidateWebhook]) without calling
	// your function. Without it they arrive with [Notification.Sample].
	SkipSamples bool
	// OnDeadLetter is given a body that is signed but cannot be read. If it returns
	// nil the delivery is acknowledged. Without it, or with an error, the sender gets
	// 422.
	OnDeadLetter func(ctx context.Context, raw []byte) error
	// Logger receives warnings: keys of deliveries and texts of errors, digits of
	// phone numbers masked, and never a body. Default: silent, or the Client's.
	Logger *slog.Logger
	// MaxBody bounds a body in bytes. Default 1 MiB. The results of a polling over a
	// busy period can need more.
	MaxBody int64
	// MaxInWork bounds how many deliveries are in work at once, those included that go
	// on after their sender was answered. Beyond it the sender gets 503 with
	// Retry-After, nothing is read or claimed, and K2 delivers again. Default 1,000.
	MaxInWork int
	// ReadTimeout bounds reading a body. Default 10 s. It takes the place of
	// [http.Server.ReadTimeout] from there on, and needs a ResponseWriter that has read
	// deadlines, as those of net/http have.
	ReadTimeout time.Duration
	// AckTimeout bounds how long the sender waits. Default 5 s. A function that takes
	// longer goes on while the sender gets 503; its next delivery finds it done.
	AckTimeout time.Duration
	// WorkTimeout bounds the context of your function. Default 60 s. A function that
	// runs on after that keeps its delivery until it returns.
	WorkTimeout time.Duration
}

// Format implements [fmt.Formatter]: no verb prints a key.
func (c HandlerConfig) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kopokopo.HandlerConfig(%d keys)", len(c.Keys))
}

// LogValue implements [slog.LogValuer]: no key is logged.
func (c HandlerConfig) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Handler is an [http.Handler] for everything K2 posts: subscribed events, results
// and Daraja payloads, all on one URL or each on its own. It is safe for
// concurrent use. Make it with [Client.WebhookHandler] or [NewWebhookHandler].
//
// Each delivery is read, verified over its raw bytes, parsed, claimed, given to
// your function, committed, and only then acknowledged:
//
//   - 200: your function succeeded, now or at an earlier delivery of the same body.
//   - 500: it failed or panicked. K2 delivers again, and it is called again.
//   - 503: it is still at work, or the store, K2, the shutting down handler or one at
//     [HandlerConfig.MaxInWork] could not take the delivery. Later deliveries are
//     answered by what came of it.
//   - 401 without a valid signature, 400, 405, 408, 413 and 415 for what is not a
//     delivery at all, 422 for what is signed but cannot be read.
//
// The body of the answer is always empty.
//
// Your function runs at most once at a time for one [Notification.Key], and is not
// called again for a body once it succeeded, for as long as the store remembers. The
// delivery is claimed for 15 s, and the claim is extended every 5 s until your
// function returns, even if that is after the end of its context. So a process that
// dies holds up a redelivery for 15 s at most. If the store cannot be reached for
// longer than that, another process may take the delivery over: as soon as the store
// says so, your function's context is cancelled, with [ErrLeaseLost] as its
// [context.Cause]. [ClaimFrom] finds the claim in the context, and in it how often
// the delivery was tried.
//
// K2's several callbacks for one request have different bodies: each is delivered,
// those under one [Notification.Key] with a rising [Notification.Revision]. One payment
// can come in several shapes, as a result and as an event: keep books by the keys of
// [Notification.Entries], as the example shows.
//
// The context of your function is not cancelled when K2 hangs up; it ends after
// [HandlerConfig.WorkTimeout].
type Handler struct {
	engine *inbound.Engine[*Notification]
}

// WebhookHandler returns a handler that verifies with the client's API key and
// wakes those who wait for a result: whatever fn returns, [AsyncEndpoint.Wait]
// returns as soon as the final result has arrived. For a client of [Production],
// samples are acknowledged without a call. The error is a [*ValidationError] if the
// client has no API key. For settings see [NewWebhookHandler].
func (c *Client) WebhookHandler(fn func(ctx context.Context, n *Notification) error) (*Handler, error) {
	if c == nil || c.core == nil {
		return nil, errNotMade
	}
	return NewWebhookHandler(HandlerConfig{Client: c}, fn)
}

// NewWebhookHandler returns a handler with settings, with a client or without. The
// error is a [*ValidationError] that names each faulty field.
func NewWebhookHandler(cfg HandlerConfig, fn func(ctx context.Context, n *Notification) error) (*Handler, error) {
	keys, err := cfg.check(fn != nil)
	if err != nil {
		return nil, err
	}
	if cfg.Store == nil {
		cfg.Store = NewMemoryStore(0, 0)
	}
	if cfg.Logger == nil && cfg.Client != nil {
		cfg.Logger = cfg.Client.core.logger
	}
	skip := cfg.SkipSamples || cfg.Client != nil && (isLive(cfg.Client.core.base) || isLive(cfg.Client.core.auth))
	return &Handler{engine: inbound.New(inbound.Config[*Notification]{
		Name:      "kopokopo: webhook",
		Signature: signatureOf,
		Verify: func(body []byte, sig string) (int, error) {
			return matchSignature(body, sig, keys)
		},
		Unsigned:   ErrNoSignature,
		Parse:      func(body []byte, key int) (inbound.Event[*Notification], error) { return receive(body, key, skip) },
		Seen:       cfg.Client.wake,
		Claimed:    cfg.Client.settleIntent,
		Committed:  cfg.Client.finishIntent,
		Call:       cfg.call(fn),
		DeadLetter: cfg.OnDeadLetter,
		Store:      overStore(cfg.Store),
		Logger:     cfg.Logger,
		Mask:       redact.Text,
		MaxBody:    cfg.MaxBody, MaxInWork: cfg.MaxInWork,
		ReadTimeout: cfg.ReadTimeout, AckTimeout: cfg.AckTimeout, WorkTimeout: cfg.WorkTimeout,
	})}, nil
}

// check returns the keys to verify with. An empty key verifies nothing, or
// anything: there is no handler with one.
func (c HandlerConfig) check(hasFunction bool) ([]string, error) {
	v := validation{what: "webhook handler"}
	var keys []string
	if c.Client != nil && c.Client.core == nil {
		return nil, errNotMade
	}
	if c.Client != nil {
		if key := c.Client.core.apiKey(); key != "" {
			keys = append(keys, key)
		} else if len(c.Keys) == 0 {
			v.add("Credentials.APIKey", "is required to verify", nil)
		}
	} else if len(c.Keys) == 0 {
		v.add("Keys", "is required", nil)
	}
	for i, key := range c.Keys {
		key = trimSecret(key)
		v.secret("Keys["+strconv.Itoa(i)+"]", key, true)
		keys = append(keys, key)
	}
	v.check(hasFunction, "fn", "is required")
	v.check(!c.Reread || c.Client != nil, "Reread", "needs a Client")
	v.check(c.MaxBody >= 0, "MaxBody", "must not be negative")
	v.check(c.MaxInWork >= 0, "MaxInWork", "must not be negative")
	v.check(c.ReadTimeout >= 0, "ReadTimeout", "must not be negative")
	v.check(c.AckTimeout >= 0, "AckTimeout", "must not be negative")
	v.check(c.WorkTimeout >= 0, "WorkTimeout", "must not be negative")
	return keys, v.err()
}

// receive parses a verified body.
func receive(body []byte, key int, skipSamples bool) (inbound.Event[*Notification], error) {
	n, err := parseEvent(body)
	if err != nil {
		return inbound.Event[*Notification]{}, err
	}
	n.KeyIndex = key
	return inbound.Event[*Notification]{Value: n, Key: n.Key, Skip: n.Sample && skipSamples}, nil
}

// call makes the engine's function of the caller's.
func (c HandlerConfig) call(fn func(context.Context, *Notification) error) func(context.Context, *Notification, inbound.Standing) error {
	return func(ctx context.Context, n *Notification, held inbound.Standing) error {
		n.Revision = held.Revision
		if c.Reread {
			if err := n.reread(ctx, c.Client); err != nil {
				return inbound.Later(err)
			}
		}
		return fn(ctx, n)
	}
}

// wake tells those who wait for a result in this process that it has come. Only a
// verified one gets here.
func (c *Client) wake(n *Notification) {
	if n.Kind == KindResult && n.final {
		c.deliver(n.ID, n.Raw)
	}
}

// deliver hands the result of an asynchronous resource to everybody in this
// process who waits for it. raw is the callback's body or the document in it, and
// comes from K2: its signature has been verified.
func (c *Client) deliver(id string, raw json.RawMessage) {
	if c != nil && c.core != nil {
		c.core.results.Publish(id, raw)
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h == nil || h.engine == nil { // not made by NewWebhookHandler: it has no key
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.engine.ServeHTTP(w, r)
}

// Shutdown refuses new deliveries with 503 and waits for those at work, until ctx
// ends; its error is then the context's. Call it after [http.Server.Shutdown],
// which does not know of work that goes on after a 503.
func (h *Handler) Shutdown(ctx context.Context) error {
	if h == nil || h.engine == nil {
		return nil
	}
	return h.engine.Shutdown(ctx)
}

// BadSignatures returns how many requests carried no valid signature.
func (h *Handler) BadSignatures() uint64 {
	if h == nil || h.engine == nil {
		return 0
	}
	return h.engine.Refused()
}

// Format implements [fmt.Formatter]: no verb prints a key.
func (h *Handler) Format(f fmt.State, _ rune) { io.WriteString(f, "kopokopo.Handler") }

// Payload is what a [Notification] tells: a pointer to one of the event types
// ([TransactionEvent], [CustomerCreatedEvent], [SettlementEvent], [DarajaEvent]), or
// the *[Document] of a resource with a result. Nothing outside of this package is one.
//
// That lets the compiler see a wrong case: a value in place of a pointer, the
// attributes in place of their document, and a type that is no payload are errors where
// a Payload is switched on, instead of cases that never match. It cannot tell one
// Document from another: a case for that of a subscription, which K2 never posts,
// compiles and never matches. A [Dispatch] has no such case.
type Payload interface {
	payload()
}

func (*TransactionEvent) payload()     {}
func (*CustomerCreatedEvent) payload() {}
func (*SettlementEvent) payload()      {}
func (*DarajaEvent) payload()          {}
func (*Document[A]) payload()          {}

// ErrNoCase means that a [Dispatch] has neither a case for a notification nor Other.
var ErrNoCase = errors.New("no case for it, and no Other")

// Dispatch is a function for the webhook handler, made of one function for each kind
// of payload. A case can be left out: what it would have received goes to Other. Where
// that is left out too, the notification is an error, so that K2 delivers it again and
// nothing is acknowledged that nobody looked at.
//
//	handler, err := client.WebhookHandler(kopokopo.Dispatch{
//		IncomingPayment: shop.result, // func(ctx, *Notification, *Document[IncomingPayment]) error
//		Transaction:     shop.event,  // func(ctx, *Notification, *TransactionEvent) error
//		Other:           func(context.Context, *kopokopo.Notification) error { return nil },
//	}.Handle)
//
// A case says what a notification is about, not how it ended: ask the attributes'
// Outcome of a result, and the topic of an event, since a payment that was received
// and one that was reversed are both a Transaction. A Dispatch is safe for concurrent
// use where its functions are.
type Dispatch struct {
	// Transaction receives the events about one transaction: buygoods_transaction_received
	// and _reversed, and those of b2b, m2m and card.
	Transaction func(context.Context, *Notification, *TransactionEvent) error
	// CustomerCreated receives customer_created.
	CustomerCreated func(context.Context, *Notification, *CustomerCreatedEvent) error
	// SettlementTransferCompleted receives settlement_transfer_completed, the event. The
	// result of a request is SettlementTransfer.
	SettlementTransferCompleted func(context.Context, *Notification, *SettlementEvent) error
	// Daraja receives payments in Safaricom's shape.
	Daraja func(context.Context, *Notification, *DarajaEvent) error

	// IncomingPayment receives the results of STK pushes.
	IncomingPayment func(context.Context, *Notification, *Document[IncomingPayment]) error
	// SendMoney receives the results of send money requests and sweeps.
	SendMoney func(context.Context, *Notification, *Document[SendMoney]) error
	// Payment receives the results of version 1 payments.
	Payment func(context.Context, *Notification, *Document[Payment]) error
	// SettlementTransfer receives the results of version 1 settlement transfers.
	SettlementTransfer func(context.Context, *Notification, *Document[SettlementTransfer]) error
	// PaymentLink receives the results of payment links: made, and paid.
	PaymentLink func(context.Context, *Notification, *Document[PaymentLink]) error
	// Reversal receives the results of reversals.
	Reversal func(context.Context, *Notification, *Document[Reversal]) error
	// Polling receives the results of polling requests.
	Polling func(context.Context, *Notification, *Document[Polling]) error
	// SMSNotification receives the results of SMS notifications.
	SMSNotification func(context.Context, *Notification, *Document[SMSNotification]) error

	// Other receives what has no case above, topics that this package does not know
	// among it: their Payload is nil, and all that they tell is in Raw. Return nil from
	// it to acknowledge.
	Other func(context.Context, *Notification) error
}

// Handle gives a notification to its case and returns what that returns. The error is
// [ErrNoCase] with the notification's kind and topic where there is neither a case nor
// Other. It is what [Client.WebhookHandler] and [NewWebhookHandler] take.
func (d Dispatch) Handle(ctx context.Context, n *Notification) error {
	if n == nil {
		return errors.New("kopokopo: dispatch: there is no notification")
	}
	switch p := n.Payload.(type) {
	case *TransactionEvent:
		return dispatch(ctx, d, n, p, d.Transaction)
	case *CustomerCreatedEvent:
		return dispatch(ctx, d, n, p, d.CustomerCreated)
	case *SettlementEvent:
		return dispatch(ctx, d, n, p, d.SettlementTransferCompleted)
	case *DarajaEvent:
		return dispatch(ctx, d, n, p, d.Daraja)
	case *Document[IncomingPayment]:
		return dispatch(ctx, d, n, p, d.IncomingPayment)
	case *Document[SendMoney]:
		return dispatch(ctx, d, n, p, d.SendMoney)
	case *Document[Payment]:
		return dispatch(ctx, d, n, p, d.Payment)
	case *Document[SettlementTransfer]:
		return dispatch(ctx, d, n, p, d.SettlementTransfer)
	case *Document[PaymentLink]:
		return dispatch(ctx, d, n, p, d.PaymentLink)
	case *Document[Reversal]:
		return dispatch(ctx, d, n, p, d.Reversal)
	case *Document[Polling]:
		return dispatch(ctx, d, n, p, d.Polling)
	case *Document[SMSNotification]:
		return dispatch(ctx, d, n, p, d.SMSNotification)
	}
	return d.other(ctx, n)
}

// dispatch calls a case if there is one.
func dispatch[P any](ctx context.Context, d Dispatch, n *Notification, payload *P, fn func(context.Context, *Notification, *P) error) error {
	if fn == nil {
		return d.other(ctx, n)
	}
	return fn(ctx, n, payload)
}

// other takes what has no case.
func (d Dispatch) other(ctx context.Context, n *Notification) error {
	if d.Other == nil {
		return fmt.Errorf("kopokopo: dispatch %s %s: %w", n.Kind, redact.Text(n.Topic), ErrNoCase)
	}
	return d.Other(ctx, n)
}
