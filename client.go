package kopokopo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"runtime"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/mailbox"
	"github.com/kopokopo-go/kopokopo/internal/outbound"
)

// Version is this package's version, as it stands in the User-Agent.
const Version = "0.1.0"

// maxResponse bounds the body of an ordinary answer.
const maxResponse = 1 << 20

// Client is the way in: context first, tokens that look after themselves, K2's
// resources as fields. It is safe for concurrent use; make one and share it.
type Client struct {
	// Tokens is OAuth: most programs never need it, since every call gets its token by itself.
	Tokens *Tokens
	// WebhookSubscriptions registers URLs that K2 posts events to.
	WebhookSubscriptions *Endpoint[CreateWebhookReq, WebhookSubscription]
	// IncomingPayments takes payments: an M-PESA prompt on the customer's phone (STK push).
	IncomingPayments *AsyncEndpoint[ReceiveMpesaReq, IncomingPayment]
	// ExternalRecipients registers whom SendMoney pays. It need not be used: SendMoney
	// creates the recipients it does not know.
	ExternalRecipients *Endpoint[ExternalRecipientReq, ExternalRecipient]
	// SendMoney pays out, to one or many destinations. Its Sweep empties the balance
	// into the merchant's own accounts.
	SendMoney *SendMoneyEndpoint
	// MerchantBankAccounts registers the merchant's own bank accounts, to settle to.
	MerchantBankAccounts *Endpoint[MerchantBankAccountReq, MerchantBankAccount]
	// MerchantWallets registers the merchant's own mobile wallets, to settle to.
	MerchantWallets *Endpoint[MerchantWalletReq, MerchantWallet]
	// Polling asks for the transactions of a period. [Client.Transactions] is the easy way.
	Polling *AsyncEndpoint[PollingReq, Polling]
	// PaymentLinks makes links that a customer can pay, and cancels them.
	PaymentLinks *PaymentLinkEndpoint
	// Reversals gives a received payment back.
	Reversals *AsyncEndpoint[ReversalReq, Reversal]

	// Intents shows what was created under idempotency keys, and settles by hand what is
	// in doubt. See [WithIdempotencyKey].
	Intents *Intents

	// V1 holds what exists only in version 1 of the API, and the shared resources on
	// their version 1 paths.
	V1 V1

	core *core
}

// V1 is version 1 of the API. See [Client].
type V1 struct {
	// WebhookSubscriptions is [Client.WebhookSubscriptions] on its version 1 path.
	WebhookSubscriptions *Endpoint[CreateWebhookReq, WebhookSubscription]
	// IncomingPayments is [Client.IncomingPayments] on its version 1 path.
	IncomingPayments *AsyncEndpoint[ReceiveMpesaReq, IncomingPayment]
	// PayRecipients registers whom Payments pay.
	PayRecipients *Endpoint[AddPAYRecipient, PayRecipient]
	// Payments pays a registered recipient.
	Payments *AsyncEndpoint[CreatePaymentReq, Payment]
	// SettlementTransfers moves the balance to the merchant's own accounts. Version 2
	// does this with SendMoney.
	SettlementTransfers *AsyncEndpoint[SettlementTransferReq, SettlementTransfer]
	// SMSNotifications sends the payer of a transaction a text message.
	SMSNotifications *AsyncEndpoint[SMSNotificationReq, SMSNotification]
	// MerchantBankAccounts is [Client.MerchantBankAccounts] on its version 1 path.
	MerchantBankAccounts *Endpoint[MerchantBankAccountReq, MerchantBankAccount]
	// MerchantWallets is [Client.MerchantWallets] on its version 1 path.
	MerchantWallets *Endpoint[MerchantWalletReq, MerchantWallet]
	// Polling is [Client.Polling] on its version 1 path.
	Polling *AsyncEndpoint[PollingReq, Polling]
}

// New returns a client. A Config that cannot work is refused with a
// [*ValidationError] that names each faulty field; nothing is dialled.
func New(cfg Config) (*Client, error) {
	s, err := cfg.check()
	if err != nil {
		return nil, err
	}
	c := newCore(cfg, s)
	v1, v2 := routes(c, "v1"), routes(c, "v2")
	return &Client{
		core:                 c,
		Tokens:               &Tokens{core: c},
		Intents:              &Intents{core: c},
		WebhookSubscriptions: newEndpoint[CreateWebhookReq, WebhookSubscription](v2("webhook subscription", "webhook_subscriptions", outbound.Setup, nil)),
		IncomingPayments:     newAsyncEndpoint[ReceiveMpesaReq, IncomingPayment](v2("incoming payment", "incoming_payments", outbound.Collect, collectPace).withKeys(keysInMetadata)),
		ExternalRecipients:   newEndpoint[ExternalRecipientReq, ExternalRecipient](v2("external recipient", "external_recipients", outbound.Setup, nil)),
		SendMoney:            &SendMoneyEndpoint{v2("send money", "send_money", outbound.PayOut, payOutPace).withKeys(keysInMetadata)},
		MerchantBankAccounts: newEndpoint[MerchantBankAccountReq, MerchantBankAccount](v2("merchant bank account", "merchant_bank_accounts", outbound.Setup, nil)),
		MerchantWallets:      newEndpoint[MerchantWalletReq, MerchantWallet](v2("merchant wallet", "merchant_wallets", outbound.Setup, nil)),
		Polling:              newAsyncEndpoint[PollingReq, Polling](v2("polling", "polling", outbound.Read, reportPace).large()),
		PaymentLinks:         &PaymentLinkEndpoint{v2("payment link", "payment_links", outbound.Setup, reportPace).withKeys(keysInMetadata)},
		Reversals:            newAsyncEndpoint[ReversalReq, Reversal](v2("reversal", "reversals", outbound.PayOut, payOutPace).withKeys(keysInMetadata)),
		V1: V1{
			WebhookSubscriptions: newEndpoint[CreateWebhookReq, WebhookSubscription](v1("webhook subscription", "webhook_subscriptions", outbound.Setup, nil)),
			IncomingPayments:     newAsyncEndpoint[ReceiveMpesaReq, IncomingPayment](v1("incoming payment", "incoming_payments", outbound.Collect, collectPace).withKeys(keysInMetadata)),
			PayRecipients:        newEndpoint[AddPAYRecipient, PayRecipient](v1("pay recipient", "pay_recipients", outbound.Setup, nil)),
			Payments:             newAsyncEndpoint[CreatePaymentReq, Payment](v1("payment", "payments", outbound.PayOut, payOutPace).withKeys(keysInMetadata)),
			SettlementTransfers:  newAsyncEndpoint[SettlementTransferReq, SettlementTransfer](v1("settlement transfer", "settlement_transfers", outbound.PayOut, payOutPace).withKeys(keysInStore)),
			SMSNotifications:     newAsyncEndpoint[SMSNotificationReq, SMSNotification](v1("SMS notification", "transaction_sms_notifications", outbound.Setup, reportPace)),
			MerchantBankAccounts: newEndpoint[MerchantBankAccountReq, MerchantBankAccount](v1("merchant bank account", "merchant_bank_accounts", outbound.Setup, nil)),
			MerchantWallets:      newEndpoint[MerchantWalletReq, MerchantWallet](v1("merchant wallet", "merchant_wallets", outbound.Setup, nil)),
			Polling:              newAsyncEndpoint[PollingReq, Polling](v1("polling", "polling", outbound.Read, reportPace).large()),
		},
	}, nil
}

// routes makes the routes of one version of the API.
func routes(c *core, version string) func(name, collection string, cl outbound.Class, p pace) route {
	return func(name, collection string, cl outbound.Class, p pace) route {
		return route{core: c, name: name, path: "/api/" + version + "/" + collection, class: cl, pace: p, limit: maxResponse}
	}
}

// large is a route whose answers are as long as a day of a busy shop.
func (r route) large() route {
	r.limit = maxPollingResponse
	return r
}

// keying says whether the creates of a route can have idempotency keys.
type keying byte

const (
	noKeys         keying = iota
	keysInMetadata        // the result brings the key back
	keysInStore           // there is no metadata: only the store knows the key
)

// withKeys is a route whose creates can have idempotency keys: a result comes.
func (r route) withKeys(k keying) route {
	r.keys = k
	return r
}

func newEndpoint[Req wireRequest, A any](r route) *Endpoint[Req, A] { return &Endpoint[Req, A]{r} }

func newAsyncEndpoint[Req wireRequest, A Outcomer](r route) *AsyncEndpoint[Req, A] {
	return &AsyncEndpoint[Req, A]{r}
}

// Close ends the client: idle connections are closed, waiting callers return, and
// every later call fails with [ErrClosed]. Close again does nothing.
func (c *Client) Close() error {
	if c == nil || c.core == nil {
		return nil
	}
	c.core.engine.Close()
	return nil
}

// SDK returns the documented interface over this client: explicit tokens, version
// 1 paths, the same connections. See [SDK].
func (c *Client) SDK() SDK {
	if c == nil || c.core == nil {
		return &sdk{err: errNotMade}
	}
	return &sdk{client: c}
}

// Format implements [fmt.Formatter]: a client prints as where it points to.
func (c Client) Format(f fmt.State, _ rune) {
	if c.core == nil {
		io.WriteString(f, "kopokopo.Client(not made by New)")
		return
	}
	fmt.Fprintf(f, "kopokopo.Client(%s)", showURL(c.core.base.String()))
}

// LogValue implements [slog.LogValuer].
func (c Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// core is what the endpoints of a client share. Its secrets are in func fields,
// which no verb prints.
type core struct {
	base, auth  *url.URL
	credentials func() (id, secret string)
	apiKey      func() string
	callback    string
	logger      *slog.Logger
	engine      *outbound.Engine
	intents     *intentKeeper
	results     mailbox.Office // that reached this process, for those who Wait
}

// newCore builds a core from a checked Config.
func newCore(cfg Config, s settings) *core {
	c := &core{
		base: s.base, auth: s.auth,
		credentials: func() (string, string) { return s.appID, s.secret },
		apiKey:      func() string { return s.apiKey },
		callback:    s.callback,
		logger:      s.logger,
		intents:     newIntentKeeper(cfg, s),
	}
	engine := outbound.Config{
		HTTPClient:      cfg.HTTPClient,
		WrapTransport:   cfg.WrapTransport,
		MaxIdleConns:    s.maxIdle,
		IdleConnTimeout: s.idleTimeout,
		Timeout:         s.timeout,
		Retries:         s.retries,
		UserAgent:       s.userAgent,
		Fetch:           (&Tokens{core: c}).fetch,
		IsFinal:         isBadCredentials,
		Secrets:         func() []string { return []string{s.secret, s.apiKey, s.appID} },
		Logger:          s.logger,
		Name:            "kopokopo: ",
	}
	if cfg.TokenSource != nil {
		engine.Tokens = cfg.TokenSource
	}
	c.engine = outbound.New(engine)
	return c
}

// userAgent puts the caller's product in front of ours.
func userAgent(product string) string {
	own := fmt.Sprintf("kopokopo-go/%s (%s; %s)", Version, runtime.Version(), runtime.GOOS)
	if product = strings.TrimSpace(product); product != "" {
		return product + " " + own
	}
	return own
}

// request is one call of the API: what the engine sends, and what its errors need.
type request struct {
	outbound.Call
	host   string // for hints
	key    string // the idempotency key, "" if it has none
	sample bool   // it goes to an endpoint of the merchant's own, and not to K2
}

// do sends a request and returns K2's answer if it is a success. Every other end is a
// [*CallError].
func (c *core) do(ctx context.Context, call *request) (outbound.Reply, error) {
	rep, err := c.engine.Do(ctx, &call.Call)
	if err == nil {
		return rep, nil
	}
	var end *outbound.Error
	if !errors.As(err, &end) {
		return rep, call.fail(outbound.Unknown, 0, err)
	}
	return rep, call.fail(end.Verdict, end.Attempts, call.cause(end))
}

// cause puts into this package's words why a call failed. What happened last comes
// first; what kept it from being repeated stands beside it.
func (r *request) cause(end *outbound.Error) error {
	var last error
	switch {
	case end.Answer != nil:
		last = newAPIError(r, *end.Answer, end.Mask)
	case errors.Is(end.Cause, outbound.ErrEarly), errors.Is(end.Cause, outbound.ErrBroken):
		last = responseError("%w", withoutOurs(end.Cause))
	case end.Cause != nil:
		last = withoutOurs(end.Cause)
	}
	ended := end.Ended
	switch {
	case ended == nil, last != nil && errors.Is(last, ended):
		return last
	case errors.Is(ended, outbound.ErrToken):
		ended = responseError("%w", ended)
	}
	switch {
	case last == nil:
		return ended
	case errors.Is(ended, ErrClosed):
		return errors.Join(ended, last)
	}
	return errors.Join(last, ended)
}

// fail makes the error of a call that came to v.
func (r *request) fail(v outbound.Verdict, attempts int, err error) error {
	e := &CallError{Op: strings.TrimSpace(r.Op), Attempts: attempts, Err: withoutOutcome(err), IdempotencyKey: r.key}
	if !r.Write {
		return e
	}
	switch v {
	case outbound.NotSent:
		e.Outcome = ErrNotSent
	case outbound.Refused:
		e.Outcome = ErrRefused
	default:
		e.Outcome = ErrOutcomeUnknown
		e.Advice = r.advice()
	}
	return e
}

// advice says what to do about an unknown outcome.
func (r *request) advice() string {
	if r.key != "" {
		return "call again with the same idempotency key: nothing is sent until it is known what became of it"
	}
	switch r.Class {
	case outbound.Collect:
		return "do not charge again: wait for the callback, which returns your metadata, or look in the period's transactions"
	case outbound.PayOut:
		return "do not pay again: wait for the callback, which returns your metadata, or look in the dashboard"
	}
	return "it may have been created: look before creating it again"
}
