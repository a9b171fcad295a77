package kopokopo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
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
		WebhookSubscriptions: newEndpoint[CreateWebhookReq, WebhookSubscription](v2("webhook subscription", "webhook_subscriptions", classSetup, nil)),
		IncomingPayments:     newAsyncEndpoint[ReceiveMpesaReq, IncomingPayment](v2("incoming payment", "incoming_payments", classCollect, collectPace)),
		ExternalRecipients:   newEndpoint[ExternalRecipientReq, ExternalRecipient](v2("external recipient", "external_recipients", classSetup, nil)),
		SendMoney:            &SendMoneyEndpoint{v2("send money", "send_money", classPayOut, payOutPace)},
		MerchantBankAccounts: newEndpoint[MerchantBankAccountReq, MerchantBankAccount](v2("merchant bank account", "merchant_bank_accounts", classSetup, nil)),
		MerchantWallets:      newEndpoint[MerchantWalletReq, MerchantWallet](v2("merchant wallet", "merchant_wallets", classSetup, nil)),
		Polling:              newAsyncEndpoint[PollingReq, Polling](v2("polling", "polling", classRead, reportPace).large()),
		PaymentLinks:         &PaymentLinkEndpoint{v2("payment link", "payment_links", classSetup, reportPace)},
		Reversals:            newAsyncEndpoint[ReversalReq, Reversal](v2("reversal", "reversals", classPayOut, payOutPace)),
		V1: V1{
			WebhookSubscriptions: newEndpoint[CreateWebhookReq, WebhookSubscription](v1("webhook subscription", "webhook_subscriptions", classSetup, nil)),
			IncomingPayments:     newAsyncEndpoint[ReceiveMpesaReq, IncomingPayment](v1("incoming payment", "incoming_payments", classCollect, collectPace)),
			PayRecipients:        newEndpoint[AddPAYRecipient, PayRecipient](v1("pay recipient", "pay_recipients", classSetup, nil)),
			Payments:             newAsyncEndpoint[CreatePaymentReq, Payment](v1("payment", "payments", classPayOut, payOutPace)),
			SettlementTransfers:  newAsyncEndpoint[SettlementTransferReq, SettlementTransfer](v1("settlement transfer", "settlement_transfers", classPayOut, payOutPace)),
			SMSNotifications:     newAsyncEndpoint[SMSNotificationReq, SMSNotification](v1("SMS notification", "transaction_sms_notifications", classSetup, reportPace)),
			MerchantBankAccounts: newEndpoint[MerchantBankAccountReq, MerchantBankAccount](v1("merchant bank account", "merchant_bank_accounts", classSetup, nil)),
			MerchantWallets:      newEndpoint[MerchantWalletReq, MerchantWallet](v1("merchant wallet", "merchant_wallets", classSetup, nil)),
			Polling:              newAsyncEndpoint[PollingReq, Polling](v1("polling", "polling", classRead, reportPace).large()),
		},
	}, nil
}

// Close ends the client: idle connections are closed, waiting callers return, and
// every later call fails with [ErrClosed]. Close again does nothing.
func (c *Client) Close() error {
	if c == nil || c.core == nil {
		return nil
	}
	c.core.close()
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
	timeout     time.Duration
	userAgent   string
	logger      *slog.Logger
	pools       *pools
	tokens      TokenSource
	retries     int
	results     results // that reached this process, for those who Wait
	closed      atomic.Bool
	life        context.Context // ends with Close
	end         context.CancelFunc
}

// newCore builds a core from a checked Config.
func newCore(cfg Config, s settings) *core {
	c := &core{
		base: s.base, auth: s.auth,
		credentials: func() (string, string) { return s.appID, s.secret },
		apiKey:      func() string { return s.apiKey },
		callback:    s.callback,
		timeout:     s.timeout,
		userAgent:   s.userAgent,
		logger:      s.logger,
		pools:       newPools(cfg, s),
		retries:     s.retries,
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.tokens = newTokenCache(c)
	if cfg.TokenSource != nil {
		c.tokens = foreignTokens{cfg.TokenSource, c.life}
	}
	return c
}

func (c *core) close() {
	if c.closed.Swap(true) {
		return
	}
	c.end()
	c.pools.closeIdle()
}

// userAgent puts the caller's product in front of ours.
func userAgent(product string) string {
	own := fmt.Sprintf("kopokopo-go/%s (%s; %s)", Version, runtime.Version(), runtime.GOOS)
	if product = strings.TrimSpace(product); product != "" {
		return product + " " + own
	}
	return own
}

// request is one call of the API as it was meant, before any attempt.
type request struct {
	op          string // "create incoming payment"
	class       class
	write       bool // it changes something, so its error carries an outcome
	method      string
	url         string
	host        string
	template    string // the path without ids, for logs and errors
	contentType ContentType
	body        []byte
	token       string // the caller's own; "" for the client's
	anonymous   bool   // no bearer: the token calls, samples
	signature   string // of the body, for samples
	limit       int64
}

// build makes the request of one attempt. GetBody stays nil: with it, net/http may
// send a body again by itself.
func (r *request) build(ctx context.Context, bearer, userAgent string) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		body = io.NopCloser(bytes.NewReader(r.body))
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(r.body))
	req.Header.Set("Accept", string(ContentTypeJSON))
	req.Header.Set("User-Agent", userAgent)
	if r.body != nil {
		req.Header.Set("Content-Type", string(r.contentType))
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if r.signature != "" {
		req.Header.Set(SignatureHeader, r.signature)
	}
	req.Close = r.class == classPayOut // also where the transport is not ours
	return req, nil
}

// usable reports why no call can be made.
func (c *core) usable(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errors.New("the context is nil")
	case c.closed.Load():
		return ErrClosed
	}
	return ctx.Err() // nil unless it is over already
}

// fail makes the error of a call that came to v.
func (r *request) fail(v verdict, attempts int, err error) error {
	e := &CallError{Op: strings.TrimSpace(r.op), Attempts: attempts, Err: withoutOutcome(err)}
	if !r.write {
		return e
	}
	switch v {
	case notSent:
		e.Outcome = ErrNotSent
	case refused:
		e.Outcome = ErrRefused
	default:
		e.Outcome = ErrOutcomeUnknown
		e.Advice = r.advice()
	}
	return e
}

// advice says what to do about an unknown outcome.
func (r *request) advice() string {
	switch r.class {
	case classCollect:
		return "do not charge again: wait for the callback, which returns your metadata, or look in the period's transactions"
	case classPayOut:
		return "do not pay again: wait for the callback, which returns your metadata, or look in the dashboard"
	}
	return "it may have been created: look before creating it again"
}
