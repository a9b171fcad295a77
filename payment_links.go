package kopokopo

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// PaymentLinkReq makes a link that a customer can pay (POST /api/v2/payment_links).
type PaymentLinkReq struct {
	TillNumber       string         `json:"till_number,omitempty"`       // The till that is paid.
	Amount           Amount         `json:"amount,omitempty"`            // How much.
	PaymentReference string         `json:"payment_reference,omitempty"` // The merchant's reference, shown to the customer; optional.
	Note             string         `json:"note,omitempty"`              // A note to the customer; optional.
	Metadata         map[string]any `json:"metadata,omitempty"`          // Your own data, at most 5 pairs. It comes back in the result.
	Links            Links          `json:"_links,omitempty"`            // Callback is where the payment is posted. Default Config.CallbackURL.
}

// PaymentLinkEndpoint makes payment links and cancels them. It is safe for
// concurrent use.
type PaymentLinkEndpoint struct{ route }

// Create makes a link (POST /api/v2/payment_links). Get and Wait then tell its
// address. Every error is one of [ErrNotSent], [ErrRefused] and [ErrOutcomeUnknown].
func (e *PaymentLinkEndpoint) Create(ctx context.Context, req PaymentLinkReq, opts ...CallOption) (Ref, error) {
	return e.routed().create(ctx, req, opts)
}

// Validate checks a request as Create does. See [Endpoint.Validate].
func (e *PaymentLinkEndpoint) Validate(req PaymentLinkReq) error { return e.routed().validate(req) }

// Get reads a link in its present state (GET /api/v2/payment_links/{id}).
func (e *PaymentLinkEndpoint) Get(ctx context.Context, id string, opts ...CallOption) (*Document[PaymentLink], error) {
	return getDocument[PaymentLink](ctx, e.routed(), id, opts)
}

// Wait waits until the link exists and can be sent to the customer, not until it
// is paid: that can take days, K2 posts it to the callback URL, and
// [PaymentLink.Paid] tells it. See [AsyncEndpoint.Wait].
func (e *PaymentLinkEndpoint) Wait(ctx context.Context, id string, opts ...CallOption) (*Document[PaymentLink], error) {
	return wait[PaymentLink](ctx, e.routed(), id, opts)
}

// CreateAndWait makes a link and waits until it exists. See [AsyncEndpoint.CreateAndWait].
func (e *PaymentLinkEndpoint) CreateAndWait(ctx context.Context, req PaymentLinkReq, opts ...CallOption) (*Document[PaymentLink], error) {
	return createAndWait[PaymentLink](ctx, e.routed(), req, opts)
}

// Cancel makes a link unusable (POST /api/v2/payment_links/{id}/cancel). Every
// error is one of [ErrNotSent], [ErrRefused] and [ErrOutcomeUnknown]; K2 does not
// document what it says of a link that was paid or cancelled before.
func (e *PaymentLinkEndpoint) Cancel(ctx context.Context, id string, opts ...CallOption) error {
	return e.routed().act(ctx, id, "cancel", "it may have been cancelled: get the link before cancelling it again", opts)
}

// routed makes an endpoint that New did not make fail instead of panic.
func (e *PaymentLinkEndpoint) routed() route {
	if e == nil {
		return route{}
	}
	return e.route
}

// PaymentLink is what is known of a payment link: the document of
// GET /api/v2/payment_links/{id}, and of the callback when it is paid.
type PaymentLink struct {
	Status           string         `json:"status"`            // "Processed": the link was made. Whether it was paid: see Paid.
	CreatedAt        Time           `json:"created_at"`        // When it was requested.
	TillName         string         `json:"till_name"`         // The name of the till that is paid.
	TillNumber       string         `json:"till_number"`       // The till that is paid.
	PaymentReference string         `json:"payment_reference"` // As in the request.
	Currency         string         `json:"currency"`          // "KES".
	Amount           Decimal        `json:"amount"`            // Exactly as K2 sent it.
	Note             string         `json:"note"`              // As in the request.
	Link             CustomerLink   `json:"payment_link"`      // The link itself.
	Errors           StringList     `json:"errors"`            // Why it was not made.
	Metadata         map[string]any `json:"metadata"`          // What the request carried; numbers are json.Number.
	Links            Links          `json:"_links"`            // Where the callback goes.
}

// CustomerLink is the link that the customer follows. The last three fields are
// there once it was paid.
type CustomerLink struct {
	PaymentLinkStatus    string `json:"payment_link_status"`   // "Active" or "active" while it can be paid.
	Status               string `json:"status"`                // "Paid", in the callback: K2 changes the key.
	ExpiresAt            Time   `json:"expires_at"`            // A week after it was made, as a rule.
	InitiatorName        string `json:"initiator_name"`        // Who made it.
	Link                 string `json:"link"`                  // The address to send to the customer. K2's documentation shows one without a host.
	TransactionReference string `json:"transaction_reference"` // The M-PESA receipt.
	SenderPhoneNumber    string `json:"sender_phone_number"`   // The payer.
	OriginationTime      Time   `json:"origination_time"`      // When it was paid.
}

// Outcome implements [Outcomer]: a link succeeded when there is one, paid or not.
func (p PaymentLink) Outcome() Outcome {
	var parts []Outcome
	if p.Link.Link != "" {
		parts = []Outcome{OutcomeSucceeded}
	}
	return resolve(p.Status, parts, 0, p.Errors)
}

// Reasons implements [Outcomer].
func (p PaymentLink) Reasons() []string { return p.Errors }

// Paid reports whether the customer has paid. The word stands under one of two
// keys; where the other one speaks against it, the link does not count as paid.
func (p PaymentLink) Paid() bool {
	paid := false
	for _, status := range []string{p.Link.Status, p.Link.PaymentLinkStatus} {
		switch {
		case strings.TrimSpace(status) == "":
		case readStatus(ofLink, status) != OutcomeSucceeded:
			return false
		default:
			paid = true
		}
	}
	return paid && len(p.Errors) == 0
}

// afterExpiry is how long after the end of a link it is certain that nobody will pay it
// any more, whatever our clock says.
const afterExpiry = 24 * time.Hour

// over reports whether nothing more will become of the link: it was not made, or it was
// paid, or it cannot be paid any more.
func (p PaymentLink) over() bool {
	for _, status := range []string{p.Link.Status, p.Link.PaymentLinkStatus} {
		if oneOf(status, "Expired", "Cancelled", "Canceled") != "" { // by K2's habits: there is no sample
			return true
		}
	}
	expires := p.Link.ExpiresAt
	return p.Outcome() == OutcomeFailed || p.Paid() || !expires.IsZero() && time.Since(expires.Time) > afterExpiry
}

// Validate implements [Request].
func (r PaymentLinkReq) Validate() error {
	v := validation{what: "payment link"}
	v.require("till_number", r.TillNumber)
	v.require("currency", r.Amount.Currency)
	v.amount("amount", r.Amount.Value)
	v.metadata(r.Metadata)
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

func (r PaymentLinkReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

func (r PaymentLinkReq) wire() any {
	amount := r.Amount.wire()
	return struct {
		TillNumber       string         `json:"till_number"`
		Currency         string         `json:"currency"`
		Amount           json.Number    `json:"amount"`
		PaymentReference string         `json:"payment_reference,omitempty"`
		Note             string         `json:"note,omitempty"`
		Metadata         map[string]any `json:"metadata,omitzero"`
		Links            wireCallback   `json:"_links"`
	}{strings.TrimSpace(r.TillNumber), amount.Currency, amount.Value, r.PaymentReference, r.Note, r.Metadata, r.Links.wire()}
}
