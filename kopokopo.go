// Package kopokopo is a Go SDK for Kopo Kopo (K2 Connect): M-PESA payments for
// Kenyan merchants.
//
// # Two doors
//
// [Client] is the way in for new programs: context first, access tokens that look
// after themselves, K2's resources as fields.
//
//	client, err := kopokopo.New(kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: credentials})
//	ref, err := client.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{ … })
//
// [SDK] is the documented interface: 17 methods, explicit tokens, version 1 of the
// API. [NewSDK] makes one; [Client.SDK] gives one over a client's connections.
//
// Signatures, events, phone numbers and validation are plain functions that need
// neither.
//
// # Money safety
//
// K2 has no idempotency keys: whoever repeats a payment pays twice. Therefore
// nothing is sent again of which a byte may have left, unless K2 refused it before
// acting; net/http is kept from doing so by itself; and every error of a call that
// changes something is exactly one of
//
//   - [ErrNotSent]: K2 cannot have acted,
//   - [ErrRefused]: K2 answered, and did not act,
//   - [ErrOutcomeUnknown]: nobody knows. Find out before paying again.
//
// What pays out has a connection of its own for each request, so that its answer can be
// no other's. The rest, STK pushes among it, shares connections that are kept alive: two
// round trips more would be too dear for every push. There, an answer that came before
// its request is not believed, nor a Location of another collection, and CreateAndWait
// compares what K2 has with what was asked; a peer that says one answer too many at the
// right moment, and of the same collection, cannot be told from K2 by Create alone.
//
// Put your own reference into a request's Metadata: it comes back in the callback,
// and is the way home from an unknown outcome.
//
// With [WithIdempotencyKey] a payment is created once at most, however often and by
// whichever process it is asked for: this package stores what is to be sent before it
// is sent, and what became of it after, in [Config.Intents]. A call with a key that
// was used returns the payment of then, or says that it is not known yet. The result
// that K2 posts settles that by itself; [Client.FollowUp] reads the results that never
// come, and [Client.Intents] lists what a person has to settle.
//
// Statuses are read whole: [Outcomer] says what became of a resource, since K2 says
// "Processed" of a payment that was not paid. [FailureCode] says in a word why one failed.
//
// # Webhooks
//
// K2 signs the raw bytes it posts, without a timestamp, and delivers twice, out of
// order or not at all. [Client.WebhookHandler] makes a handler that verifies, reads
// and remembers deliveries, and acknowledges one only after the program's function
// succeeded:
//
//	handler, err := client.WebhookHandler(func(ctx context.Context, n *kopokopo.Notification) error {
//		entries, undecided := n.Entries() // the money that moved: apply each Key once
//		…
//		switch p := n.Payload.(type) {
//		case *kopokopo.Document[kopokopo.IncomingPayment]: // the result of an STK push
//			…
//		}
//		return undecided // nil is acknowledged; an error makes K2 deliver again
//	})
//	http.Handle("POST /kopokopo", handler)
//
// K2 tells of one movement of money in several shapes. A [LedgerEntry] has one Key for
// it in all of them.
//
// [Dispatch] makes such a function of one for each kind of payload. [VerifySignature]
// and [ParseEvent] are the handler's parts, for programs with a server of
// their own. Package kyshi does the same for Kyshi's webhooks.
//
// # Secrets
//
// Credentials travel in bodies and headers, never in a URL. No error and no log
// record of this package holds a secret, a token, a phone number or a body, and a
// printed Config, Client or token shows none. (fmt itself steps over that for verbs
// that make no sense, %p and %w of a Config or Credentials by value; go vet reports
// these.) Requests and what K2 answered print as they are: they are the program's.
//
// # Development
//
// Package kopokopotest is an embedded Kopo Kopo: develop and test without an
// account, a tunnel or the internet.
package kopokopo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
)

// SDK contains Kopokopo API: the documented interface, with its names as they are.
//
// Tokens are explicit here. Each method sends exactly the token it is given, on the
// version 1 paths; a token that K2 does not accept is [ErrUnauthorized], and no
// other is tried. There is no context: a call ends within 2 × [Config.Timeout].
// [Client] is the way in that manages tokens and takes contexts; [Client.SDK] gives
// this interface over the same connections.
type SDK interface {
	// GetToken asks K2 for an application access token, by the client credentials
	// flow of OAuth 2: a server-to-server exchange of the application's client_id
	// and client_secret (POST /oauth/token). It always asks.
	GetToken() (TokenResponse, error)
	// RevokeToken makes one token unusable (POST /oauth/revoke).
	RevokeToken(token string) error
	// TokenIntrospection tells whether an access token is valid, and what belongs to
	// it (POST /oauth/introspect). The client secret is not part of the answer.
	TokenIntrospection(token string) (TokenIntrospectionResponse, error)
	// TokenInformation shows details about the token used for authentication
	// (GET /oauth/token/info).
	TokenInformation(token string) (TokenInfo, error)
	// CreateWebhook creates a webhook subscription and returns its id
	// (POST /api/v1/webhook_subscriptions).
	CreateWebhook(token string, webookReq CreateWebhookReq) (string, error)
	// ValidateWebhook tries out a webhook endpoint of your own: it posts a signed
	// sample of buygoods_transaction_received to it, as K2 would. It does not call
	// K2, and it does not check a signature: [VerifySignature] does that.
	//
	// The sample says that it is one ("sample":true, ids sample-…, references
	// SAMPLE…). An answer other than 2xx is an error. The transaction returned is the
	// one the endpoint answered with (a JSON object with topic and id), or else the
	// event that was delivered. With a Config for Production a sample is only sent to
	// a loopback address ([ErrSampleRefused]). It needs the API key, which never
	// leaves the process.
	ValidateWebhook(webhookURL string) (BuyGoodsTrans, error)
	// C2BSubscription posts a signed sample of buygoods_transaction_received, the
	// event of a Buygoods Transaction that was received, to an endpoint of your own.
	// It subscribes to nothing: CreateWebhook does. See ValidateWebhook.
	C2BSubscription(webhookURL string) (BuyGoodsTrans, error)
	// B2BSubscription posts a signed sample of b2b_transaction_received, the event of
	// a payment from another till, to an endpoint of your own. See ValidateWebhook.
	B2BSubscription(webhookURL string) (BuyGoodsTrans, error)
	// M2MSubscription posts a signed sample of m2m_transaction_received, the event of
	// a transfer by another Kopo Kopo merchant, to an endpoint of your own. See
	// ValidateWebhook.
	M2MSubscription(webhookURL string) (BuyGoodsTrans, error)
	// C2BReversalSubscription posts a signed sample of buygoods_transaction_reversed
	// to an endpoint of your own. See ValidateWebhook.
	C2BReversalSubscription(webhookURL string) (BuyGoodsTrans, error)
	// SettlementSub posts a signed sample of settlement_transfer_completed to an
	// endpoint of your own. See ValidateWebhook.
	SettlementSub(webhookURL string) (BuyGoodsTrans, error)
	// CusomerCreationSub posts a signed sample of customer_created to an endpoint of
	// your own. See ValidateWebhook.
	CusomerCreationSub(webhookURL string) (CustomerReq, error)
	// ReceiveMpesaPayment asks a customer to pay, by a prompt on the phone (STK push),
	// and returns the id of the incoming payment (POST /api/v1/incoming_payments).
	ReceiveMpesaPayment(token string, receiveMpesaReq ReceiveMpesaReq) (string, error)
	// ProcessIncommingMpesaPayment reads the result of an incoming payment as K2
	// posted it to the callback URL: its argument is that body, one JSON document. It
	// returns the id of the incoming payment, and beside it an error that is
	// [ErrPaymentFailed] with K2's reasons if the customer did not pay, or
	// [ErrPaymentPending] if the result is not final. It calls nobody, and it does
	// not verify the signature: do that first, with [VerifySignature].
	ProcessIncommingMpesaPayment(grantType string) (string, error)
	// QueryIncommingMpesaPayment returns an incoming payment in its present state, by
	// its id or Location (GET /api/v1/incoming_payments/{id}). The result is part of
	// it if there is one: the event's Outcome says what became of the payment, and its
	// FailureCode and Reasons why it failed.
	QueryIncommingMpesaPayment(token, id string) (IncomingPaymentEvent, error)
	// AddPayRecipients adds an external entity that will be the destination of
	// payments, and returns its id (POST /api/v1/pay_recipients).
	AddPayRecipients(token string, recipient AddPAYRecipient) (string, error)
	// CreatePayment creates an outgoing payment to a third party and returns its id
	// (POST /api/v1/payments). The result is posted to the callback URL later.
	CreatePayment(token string, payment CreatePaymentReq) (string, error)
}

// NewSDK returns the documented interface. A Config that cannot work makes every
// method return that error, since nothing else here can: [New] returns it at once.
func NewSDK(cfg Config) SDK {
	client, err := New(cfg)
	if err != nil {
		return &sdk{err: err}
	}
	return &sdk{client: client}
}

// sdk is the façade: each method is one call of the client below it.
type sdk struct {
	client *Client
	err    error // why there is no client
}

// Format implements [fmt.Formatter]: it prints as the client below it.
func (s *sdk) Format(f fmt.State, _ rune) {
	if s == nil || s.client == nil {
		io.WriteString(f, "kopokopo.SDK(unusable)")
		return
	}
	fmt.Fprintf(f, "kopokopo.SDK(%s)", showURL(s.client.core.base.String()))
}

// context bounds a call, which may take two attempts: one to find that a token or
// connection was no longer good, and one that counts.
func (s *sdk) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), twice(s.client.core.engine.Timeout()))
}

// twice doubles a duration, up to the longest there is.
func twice(d time.Duration) time.Duration {
	if d > math.MaxInt64/2 {
		return math.MaxInt64
	}
	return 2 * d
}

func (s *sdk) GetToken() (TokenResponse, error) {
	if s.err != nil {
		return TokenResponse{}, s.err
	}
	ctx, cancel := s.context()
	defer cancel()
	return s.client.Tokens.Get(ctx)
}

func (s *sdk) RevokeToken(token string) error {
	if s.err != nil {
		return s.err
	}
	ctx, cancel := s.context()
	defer cancel()
	return s.client.Tokens.Revoke(ctx, token)
}

func (s *sdk) TokenIntrospection(token string) (TokenIntrospectionResponse, error) {
	if s.err != nil {
		return TokenIntrospectionResponse{}, s.err
	}
	ctx, cancel := s.context()
	defer cancel()
	return s.client.Tokens.Introspect(ctx, token)
}

func (s *sdk) TokenInformation(token string) (TokenInfo, error) {
	if s.err != nil {
		return TokenInfo{}, s.err
	}
	ctx, cancel := s.context()
	defer cancel()
	return s.client.Tokens.Info(ctx, token)
}

// creator is the Create of any endpoint.
type creator[Req Request] interface {
	Create(ctx context.Context, req Req, opts ...CallOption) (Ref, error)
}

// createWith creates a resource with the caller's token and returns its id.
func createWith[Req Request](s *sdk, token string, pick func(*Client) creator[Req], req Req) (string, error) {
	if s.err != nil {
		return "", s.err
	}
	ctx, cancel := s.context()
	defer cancel()
	ref, err := pick(s.client).Create(ctx, req, WithToken(token))
	return ref.ID, err
}

func (s *sdk) CreateWebhook(token string, webookReq CreateWebhookReq) (string, error) {
	return createWith(s, token, func(c *Client) creator[CreateWebhookReq] { return c.V1.WebhookSubscriptions }, webookReq)
}

func (s *sdk) ReceiveMpesaPayment(token string, receiveMpesaReq ReceiveMpesaReq) (string, error) {
	return createWith(s, token, func(c *Client) creator[ReceiveMpesaReq] { return c.V1.IncomingPayments }, receiveMpesaReq)
}

func (s *sdk) AddPayRecipients(token string, recipient AddPAYRecipient) (string, error) {
	return createWith(s, token, func(c *Client) creator[AddPAYRecipient] { return c.V1.PayRecipients }, recipient)
}

func (s *sdk) CreatePayment(token string, payment CreatePaymentReq) (string, error) {
	return createWith(s, token, func(c *Client) creator[CreatePaymentReq] { return c.V1.Payments }, payment)
}

func (s *sdk) QueryIncommingMpesaPayment(token, id string) (IncomingPaymentEvent, error) {
	if s.err != nil {
		return IncomingPaymentEvent{}, s.err
	}
	ctx, cancel := s.context()
	defer cancel()
	doc, err := s.client.V1.IncomingPayments.Get(ctx, id, WithToken(token))
	if err != nil {
		return IncomingPaymentEvent{}, err
	}
	var event IncomingPaymentEvent
	if err := json.Unmarshal(doc.Raw, &event); err != nil {
		return IncomingPaymentEvent{}, &CallError{Op: "get incoming payment", Attempts: 1, Err: responseError("%w", err)}
	}
	return event, nil
}

func (s *sdk) ProcessIncommingMpesaPayment(grantType string) (string, error) {
	if s.err != nil {
		return "", s.err
	}
	const op = "process incoming payment"
	doc, err := decodeDocument[IncomingPayment]([]byte(grantType))
	if err != nil {
		return "", &CallError{Op: op, Err: err}
	}
	if !sameKind(doc.Type, "incoming_payments") {
		return "", &CallError{Op: op, Err: responseError("data.type is not incoming_payment")}
	}
	switch outcome := doc.Attributes.Outcome(); outcome {
	case OutcomeSucceeded:
		return doc.ID, nil
	case OutcomePending:
		return doc.ID, &CallError{Op: op, Err: ErrPaymentPending}
	default:
		return doc.ID, newFailedError(doc.ID, doc.Type, outcome, doc.Attributes.Reasons())
	}
}

func (s *sdk) ValidateWebhook(webhookURL string) (BuyGoodsTrans, error) {
	return notify[BuyGoodsTrans](s, "validate webhook", webhookURL, TopicBuygoodsReceived)
}

func (s *sdk) C2BSubscription(webhookURL string) (BuyGoodsTrans, error) {
	return notify[BuyGoodsTrans](s, "send sample of "+TopicBuygoodsReceived, webhookURL, TopicBuygoodsReceived)
}

func (s *sdk) B2BSubscription(webhookURL string) (BuyGoodsTrans, error) {
	return notify[BuyGoodsTrans](s, "send sample of "+TopicB2BReceived, webhookURL, TopicB2BReceived)
}

func (s *sdk) M2MSubscription(webhookURL string) (BuyGoodsTrans, error) {
	return notify[BuyGoodsTrans](s, "send sample of "+TopicM2MReceived, webhookURL, TopicM2MReceived)
}

func (s *sdk) C2BReversalSubscription(webhookURL string) (BuyGoodsTrans, error) {
	return notify[BuyGoodsTrans](s, "send sample of "+TopicBuygoodsReversed, webhookURL, TopicBuygoodsReversed)
}

func (s *sdk) SettlementSub(webhookURL string) (BuyGoodsTrans, error) {
	return notify[BuyGoodsTrans](s, "send sample of "+TopicSettlementTransferCompleted, webhookURL, TopicSettlementTransferCompleted)
}

func (s *sdk) CusomerCreationSub(webhookURL string) (CustomerReq, error) {
	return notify[CustomerReq](s, "send sample of "+TopicCustomerCreated, webhookURL, TopicCustomerCreated)
}
