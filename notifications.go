package kopokopo

// SMSNotificationReq sends the payer of a transaction a text message
// (POST /api/v1/transaction_sms_notifications).
type SMSNotificationReq struct {
	WebhookEventReference string `json:"webhook_event_reference,omitempty"` // The id of a buygoods_transaction_received event.
	Message               string `json:"message,omitempty"`                 // The text. K2 does not document how long it may be.
	Links                 Links  `json:"_links,omitempty"`                  // Callback is where the result is posted. Default Config.CallbackURL.
}

// SMSNotification is what is known of a message: the document of
// GET /api/v1/transaction_sms_notifications/{id}, and of the callback.
type SMSNotification struct {
	Status                string     `json:"status"`                  // "Success". See Outcome.
	Message               string     `json:"message"`                 // As in the request.
	WebhookEventReference string     `json:"webhook_event_reference"` // As in the request.
	Errors                StringList `json:"errors"`                  // Why it was not sent, where K2 says.
	Links                 Links      `json:"_links"`                  // Where the callback goes.
}

// Outcome implements [Outcomer].
func (n SMSNotification) Outcome() Outcome { return reported(n.Status, n.Errors) }

// Reasons implements [Outcomer].
func (n SMSNotification) Reasons() []string { return n.Errors }

// Validate implements [Request].
func (r SMSNotificationReq) Validate() error {
	v := validation{what: "SMS notification"}
	v.reference("webhook_event_reference", r.WebhookEventReference)
	v.require("message", r.Message)
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

func (r SMSNotificationReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

func (r SMSNotificationReq) wire() any {
	return struct {
		WebhookEventReference string       `json:"webhook_event_reference"`
		Message               string       `json:"message"`
		Links                 wireCallback `json:"_links"`
	}{r.WebhookEventReference, r.Message, r.Links.wire()}
}
