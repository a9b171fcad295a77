package kopokopo

import "strings"

// ReversalReq gives a received payment back to whoever paid it
// (POST /api/v2/reversals). K2 reverses what was received in the last 30 days.
type ReversalReq struct {
	TransactionReference string         `json:"transaction_reference,omitempty"` // The M-PESA receipt of the payment.
	Reason               string         `json:"reason,omitempty"`                // Why.
	Metadata             map[string]any `json:"metadata,omitempty"`              // Your own data, at most 5 pairs. It comes back in the result.
	Links                Links          `json:"_links,omitempty"`                // Callback is where the result is posted. Default Config.CallbackURL.
}

// Reversal is what is known of a reversal: the document of
// GET /api/v2/reversals/{id}, and of the callback. A document's Type is "reversal"
// or "reversals".
type Reversal struct {
	Status               string               `json:"status"`                // "Received", "Scheduled", "Processed". It says that K2 is done, not that the money went back. See Outcome.
	CreatedAt            Time                 `json:"created_at"`            // When it was requested.
	TransactionReference string               `json:"transaction_reference"` // The M-PESA receipt of the payment.
	Reason               string               `json:"reason"`                // As in the request.
	BulkPayment          *ReversalBulkPayment `json:"reversal_bulk_payment"` // The money's way back; nil until it is on it.
	Errors               StringList           `json:"errors"`                // Why it failed.
	Metadata             map[string]any       `json:"metadata"`              // What the request carried; numbers are json.Number.
	Links                Links                `json:"_links"`                // Where the callback goes.
}

// ReversalBulkPayment is how the money went back.
type ReversalBulkPayment struct {
	Amount               Decimal `json:"amount"`                // Exactly as K2 sent it.
	Status               string  `json:"status"`                // "Transferred", or "Cancelled" for a reversal that failed.
	OriginationTime      Time    `json:"origination_time"`      // When it took place.
	TransactionReference string  `json:"transaction_reference"` // The M-PESA receipt of the reversal; empty if it failed.
}

// Outcome implements [Outcomer]. K2 says Processed of a reversal that failed: what
// became of the money is in the bulk payment.
func (r Reversal) Outcome() Outcome {
	var parts []Outcome
	if r.BulkPayment != nil {
		parts = []Outcome{readStatus(ofTransfer, r.BulkPayment.Status)}
	}
	return resolve(r.Status, parts, r.Errors)
}

// Reasons implements [Outcomer].
func (r Reversal) Reasons() []string { return r.Errors }

// Validate implements [Request].
func (r ReversalReq) Validate() error {
	v := validation{what: "reversal"}
	v.reference("transaction_reference", r.TransactionReference)
	v.require("reason", r.Reason)
	v.metadata(r.Metadata)
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

func (r ReversalReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

func (r ReversalReq) wire() any {
	return struct {
		TransactionReference string         `json:"transaction_reference"`
		Reason               string         `json:"reason"`
		Metadata             map[string]any `json:"metadata,omitzero"`
		Links                wireCallback   `json:"_links"`
	}{strings.TrimSpace(r.TransactionReference), r.Reason, r.Metadata, r.Links.wire()}
}
