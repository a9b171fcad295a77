package kopokopo

import (
	"encoding/json"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// ContentType is the media type of a request body.
type ContentType string

// The media types K2 takes: JSON for resources, forms for the OAuth calls (K2 docs).
const (
	ContentTypeJSON ContentType = "application/json"
	ContentTypeForm ContentType = "application/x-www-form-urlencoded"
)

// Links struct
type Links struct {
	Self     string `json:"self,omitempty"`         // Where the document lives. K2's hosts in it are unreliable: use the id.
	Resource string `json:"resource,omitempty"`     // Where the resource of an event lives.
	Callback string `json:"callback_url,omitempty"` // Where the result is posted.
}

// Amount struct
type Amount struct {
	Value    string `json:"value,omitempty"`    // The amount of the transaction
	Currency string `json:"currency,omitempty"` // Currency
}

// KES returns an amount of Kenyan shillings, written as a plain decimal: KES("1500").
// M-PESA moves whole shillings: whether K2 refuses or rounds a fraction is not
// documented, so do not send one there.
func KES(value string) Amount { return Amount{Value: value, Currency: "KES"} }

// UnmarshalJSON takes the value as text, number or null.
func (a *Amount) UnmarshalJSON(data []byte) error {
	type plain Amount
	return wire.DecodeLenient(data, (*plain)(a))
}

// Subscriber struct
type Subscriber struct {
	LastName    string `json:"last_name,omitempty"`    // Last name of the subscriber
	FirstName   string `json:"first_name,omitempty"`   // First name of the subscriber
	MiddleName  string `json:"middle_name,omitempty"`  // Middle name of the subscriber
	PhoneNumber string `json:"phone_number,omitempty"` // The phone number of the subscriber from which the payment will be made
	Email       string `json:"email,omitempty"`        // E-mail address of the subscriber - optional
}

// CreateWebhookReq struct
type CreateWebhookReq struct {
	EventType string `json:"event_type,omitempty"` // The type of event you are subscribing to
	URL       string `json:"url,omitempty"`        // The http end point to send the webhook.
	Scope     string `json:"scope,omitempty"`      // The scope of the webhook subscription.
	ScopeRef  string `json:"scope_reference,omitempty"`

	// EnableDarajaPayload asks for Safaricom's flat payload instead of Kopo Kopo's
	// (v2, for buygoods_transaction_received and b2b_transaction_received).
	EnableDarajaPayload bool `json:"enable_daraja_payload,omitempty"`
}

// ReceiveMpesaReq struct
type ReceiveMpesaReq struct {
	PaymentChannel string                 `json:"payment_channel,omitempty"` // The payment channel to be used eg. M-PESA
	TillNumber     string                 `json:"till_number,omitempty"`     // The online payments till number from the Kopo Kopo dashboard to which the payment will be made
	Subscriber     Subscriber             `json:"subscriber,omitempty"`      // A Subscriber JSON object see below
	Amount         Amount                 `json:"amount,omitempty"`          // An Amount JSON object containing currency and amount
	Metadata       map[string]interface{} `json:"metadata,omitempty"`        // An optional JSON object containing a maximum of 5 key value pairs
	Links          Links                  `json:"_links,omitempty"`          // A JSON object containing the call back URL where the result of the Incoming Payment will be posted
}

// AddPAYRecipient struct
type AddPAYRecipient struct {
	Type             string           `json:"type,omitempty"`              // The type of the recipient eg. mobile wallet or bank account
	PaymentRecipient PaymentRecipient `json:"payment_recipient,omitempty"` // A JSON object containing details of the recipient
}

// PaymentRecipient struct comprises of Mobile Wallet, Bank Account, External Till and Paybill recipients
type PaymentRecipient struct {
	// Mobile Wallet
	LastName    string `json:"last_name,omitempty"`    // Last name of the recipient
	FirstName   string `json:"first_name,omitempty"`   // First name of the recipient
	MiddleName  string `json:"middle_name,omitempty"`  // Middle name of the recipient
	PhoneNumber string `json:"phone_number,omitempty"` // The phone number of the recipient from which the payment will be made
	Email       string `json:"email,omitempty"`        // E-mail address of the recipient - optional
	Network     string `json:"network,omitempty"`      // The mobile network to which the phone number belongs
	// Bank Account
	AccountName         string `json:"account_name,omitempty"`      // The name as indicated on the bank account name
	BankBranchReference string `json:"bank_branch_ref,omitempty"`   // An identifier identifying the destination bank branch.
	AccountNumber       string `json:"account_number,omitempty"`    // The bank account number
	SettlementMethod    string `json:"settlement_method,omitempty"` // EFT or RTS
	// External Till
	TillName   string `json:"till_name,omitempty"`   // The name as indicated on the till
	TillNumber string `json:"till_number,omitempty"` // The till number
	// Paybill
	PayBillName          string `json:"paybill_name,omitempty"`           // The name referring to the paybill
	PayBillNumber        string `json:"paybill_number,omitempty"`         // The paybill business number
	PayBillAccountNumber string `json:"paybill_account_number,omitempty"` // The paybill account number

	// Nickname is the merchant's own name for the recipient (v2).
	Nickname string `json:"nickname,omitempty"`
}

// CreatePaymentReq struct
type CreatePaymentReq struct {
	DestinationType      string                 `json:"destination_type,omitempty"`      // Pay recipient type (bank_account, mobile_wallet, till or paybill)
	DestinationReference string                 `json:"destination_reference,omitempty"` // Reference for the destination.
	Amount               Amount                 `json:"amount,omitempty"`                // A JSON object containing the currency and the amount to be transferred
	Description          string                 `json:"description,omitempty"`           // A reason for the payment
	Category             string                 `json:"category,omitempty"`              // Categorize the transaction
	Tags                 string                 `json:"tags,omitempty"`                  // Define your own tag to label the transaction with; several are separated by commas
	Metadata             map[string]interface{} `json:"metadata,omitempty"`              // A JSON containing upto a maximum of 5 key-value pairs for your own use
	Links                Links                  `json:"_links,omitempty"`                // A JSON containing a call back URL where the results of the Payment will be posted. MUST be a secure HTTPS (TLS) endpoint
}

// Resource struct
type Resource struct {
	ID                     string          `json:"id,omitempty"`        // The api reference of the transaction
	Amount                 float64         `json:"amount,omitempty"`    // The amount of the transaction
	Status                 string          `json:"status,omitempty"`    // The status of the transaction
	System                 string          `json:"system,omitempty"`    // The mobile money system
	Currency               string          `json:"currency,omitempty"`  // Currency
	Reference              string          `json:"reference,omitempty"` // The mpesa reference
	TransactionalReference string          `json:"transactional_reference,omitempty"`
	TillNumber             string          `json:"till_number,omitempty"`  // The till number to which the payment was made
	SendingTill            string          `json:"sending_till,omitempty"` // The till number of the sender
	AccountName            string          `json:"account_name,omitempty"`
	AccountNumber          string          `json:"account_number,omitempty"`
	BankBranchReference    string          `json:"bank_branch_ref,omitempty"`
	SettlementMethod       string          `json:"settlement_method,omitempty"`
	SendingMerchant        string          `json:"sending_merchant,omitempty"`    // Name of merchant
	SenderPhoneNumber      string          `json:"sender_phone_number,omitempty"` // The phone number that sent the payment
	OriginationTime        string          `json:"origination_time,omitempty"`    // The transaction timestamp
	SenderLastName         string          `json:"sender_last_name,omitempty"`    // Last name of payer
	SenderFirstName        string          `json:"sender_first_name,omitempty"`   // First name of payer
	SenderMiddleName       string          `json:"sender_middle_name,omitempty"`  // Middle name of payer
	Destination            Destination     `json:"destination,omitempty"`         // The destination of the settlement transfer
	Disbursements          []Disbursements `json:"disbursements,omitempty"`       // These are the disbursements in that particular transfer batch

	// HashedSenderPhone is the lower-case hex SHA-256 of the sender's number,
	// digits only ("254…"). Newer payloads carry it.
	HashedSenderPhone string `json:"hashed_sender_phone,omitempty"`
}

// UnmarshalJSON takes the amount as text, number or null, and K2's spelling
// transaction_reference beside the documented one.
func (r *Resource) UnmarshalJSON(data []byte) error {
	type plain Resource
	sent := struct {
		*plain
		TransactionReference string `json:"transaction_reference"`
	}{plain: (*plain)(r)}
	if err := wire.DecodeLenient(data, &sent); err != nil {
		return err
	}
	if r.TransactionalReference == "" {
		r.TransactionalReference = sent.TransactionReference
	}
	return nil
}

// Destination struct
type Destination struct {
	Type     string              `json:"type,omitempty"`
	Resource DestinationResource `json:"resource,omitempty"`
}

// DestinationResource struct
type DestinationResource struct {
	Reference           string `json:"reference,omitempty"`         // The destination reference
	AccountName         string `json:"account_name,omitempty"`      // The name as indicated on the bank account
	AccountNumber       string `json:"account_number,omitempty"`    // The bank account number
	BankBranchReference string `json:"bank_branch_ref,omitempty"`   // An identifier identifying the destination bank branch
	SettlementMethod    string `json:"settlement_method,omitempty"` // EFT or RTS
	FirstName           string `json:"first_name,omitempty"`        // String First name of the recipient
	LastName            string `json:"last_name,omitempty"`         // Last name of recipient
	Email               string `json:"email,omitempty"`             // Email of recipient
	PhoneNumber         string `json:"phone_number,omitempty"`      // Phone number
	Network             string `json:"network,omitempty"`           // The mobile network to which the phone number belongs
}

// Disbursements struct
type Disbursements struct {
	Status                 string `json:"status,omitempty"`                  // The status of the disbursement
	Amount                 string `json:"amount,omitempty"`                  // The amount of the disbursement
	OriginationTime        string `json:"origination_time,omitempty"`        // The Timestamp of when the transaction took place
	TransactionalReference string `json:"transactional_reference,omitempty"` // The reference from the transaction. i.e mpesa reference It is null for eft transactions
}

// UnmarshalJSON takes the reference under both spellings, as text, number or null.
func (d *Disbursements) UnmarshalJSON(data []byte) error {
	type plain Disbursements
	sent := struct {
		*plain
		TransactionReference string `json:"transaction_reference"`
	}{plain: (*plain)(d)}
	if err := wire.DecodeLenient(data, &sent); err != nil {
		return err
	}
	if d.TransactionalReference == "" {
		d.TransactionalReference = sent.TransactionReference
	}
	return nil
}

// Event struct
type Event struct {
	Type     string   `json:"type,omitempty"`     // The type of transaction
	Resource Resource `json:"resource,omitempty"` // The resource corresponding to the event.
}

// BuyGoodsTrans struct
type BuyGoodsTrans struct {
	Topic     string `json:"topic,omitempty"`      // The topic of the webhook.
	ID        string `json:"id,omitempty"`         // The ID of the Webhook Event
	CreatedAt string `json:"created_at,omitempty"` // The timestamp of when the webhook event was created.
	Event     Event  `json:"event,omitempty"`
	Links     Links  `json:"_links,omitempty"` // A JSON object containing links to the Webhook Event and the corresponding Buygoods Transaction resource
}

// UnmarshalJSON takes every form of the payload that K2 is known to send.
func (bgt *BuyGoodsTrans) UnmarshalJSON(data []byte) error {
	type plain BuyGoodsTrans
	return wire.DecodeLenient(data, (*plain)(bgt))
}

// CustomerResource struct
type CustomerResource struct {
	LastName    string `json:"last_name,omitempty"`    // Last name of payer
	FirstName   string `json:"first_name,omitempty"`   // First name of payer
	MiddleName  string `json:"middle_name,omitempty"`  // Middle name of payer
	PhoneNumber string `json:"phone_number,omitempty"` // The phone number that sent the payment
}

// UnmarshalJSON takes the phone number under its older name too.
func (cr *CustomerResource) UnmarshalJSON(data []byte) error {
	type plain CustomerResource
	sent := struct {
		*plain
		MSISDN string `json:"msisdn"`
	}{plain: (*plain)(cr)}
	if err := wire.DecodeLenient(data, &sent); err != nil {
		return err
	}
	if cr.PhoneNumber == "" {
		cr.PhoneNumber = sent.MSISDN
	}
	return nil
}

// CustomerEvent struct
type CustomerEvent struct {
	Type     string           `json:"type,omitempty"`     // The type of record (Mobile Money User)
	Resource CustomerResource `json:"resource,omitempty"` // The resource corresponding to the event.
}

// CustomerReq struct
type CustomerReq struct {
	Topic     string        `json:"topic,omitempty"`      // The topic of the webhook.
	ID        string        `json:"id,omitempty"`         // The ID of the Webhook Event
	CreatedAt string        `json:"created_at,omitempty"` // The timestamp of when the webhook event was created.
	Event     CustomerEvent `json:"event,omitempty"`
	Links     Links         `json:"_links,omitempty"` // A JSON object containing links to the Webhook Event and the corresponding customer
}

// UnmarshalJSON takes every form of the payload that K2 is known to send.
func (cr *CustomerReq) UnmarshalJSON(data []byte) error {
	type plain CustomerReq
	return wire.DecodeLenient(data, (*plain)(cr))
}

// StringList is a list of texts that K2 sends as null, as one text or as a list. It
// holds 1000 texts at most, of 4 KiB each and 64 KiB in all: what is longer is cut,
// what comes after is left out, and both stay in the raw document.
type StringList []string

// UnmarshalJSON takes null, a text, a list, and an object of lists (Rails' errors
// by attribute). Empty texts are left out.
func (l *StringList) UnmarshalJSON(data []byte) (err error) {
	*l, err = wire.ReadTexts(data)
	return err
}

// Attribute struct
type Attribute struct {
	InitiationTime string                 `json:"initiation_time,omitempty"` // The timestamp of when the webhook event was created.
	Status         string                 `json:"status,omitempty"`          // A status string denoting the status of the Incoming Payment
	Resource       Resource               `json:"resource,omitempty"`        // A JSON Object encapsulating the event of the request
	Metadata       map[string]interface{} `json:"metadata,omitempty"`        // An optional JSON object containing a maximum of 5 key value pairs
	Links          Links                  `json:"_links,omitempty"`          // A JSON object containing links to the Webhook Event and the corresponding Buygoods Transaction resource

	// Errors says why a payment failed.
	Errors StringList `json:"errors,omitempty"`
}

// UnmarshalJSON takes the resource and the errors where K2 puts them, in event,
// and where the documented interface puts them. Numbers in Metadata come as [json.Number].
func (a *Attribute) UnmarshalJSON(data []byte) error {
	type plain Attribute
	sent := struct {
		*plain
		Event struct {
			Resource *Resource  `json:"resource"`
			Errors   StringList `json:"errors"`
		} `json:"event"`
	}{plain: (*plain)(a)}
	if err := wire.DecodeLenient(data, &sent); err != nil {
		return err
	}
	if sent.Event.Resource != nil {
		a.Resource = *sent.Event.Resource
	}
	if len(sent.Event.Errors) > 0 {
		a.Errors = sent.Event.Errors
	}
	return nil
}

// IncomingPaymentEvent struct
type IncomingPaymentEvent struct {
	Type       string    `json:"type,omitempty"` // The type of the document, "incoming_payment"
	ID         string    `json:"id,omitempty"`   // The ID of the Incoming Payment
	Attributes Attribute `json:"attributes,omitempty"`
}

// UnmarshalJSON takes the document as K2 wraps it, in data, and bare.
func (ipe *IncomingPaymentEvent) UnmarshalJSON(data []byte) error {
	type plain IncomingPaymentEvent
	return wire.DecodeLenient(wire.Unwrap(data), (*plain)(ipe))
}

// ProcessIncommingPaymentReq struct
type ProcessIncommingPaymentReq struct {
	Topic          string                 `json:"topic,omitempty"`           // The topic of the request.
	ID             string                 `json:"id,omitempty"`              // The ID of the Incoming Payment
	InitiationTime string                 `json:"initiation_time,omitempty"` // The timestamp of when the webhook event was created.
	Status         string                 `json:"status,omitempty"`          // A status string denoting the status of the Incoming Payment
	Event          IncomingPaymentEvent   `json:"event,omitempty"`           // A JSON Object encapsulating the event of the request
	Metadata       map[string]interface{} `json:"metadata,omitempty"`        // An optional JSON object containing a maximum of 5 key value pairs
	Links          Links                  `json:"_links,omitempty"`          // A JSON object containing links to the Webhook Event and the corresponding Buygoods Transaction resource
}

// UnmarshalJSON takes a result as K2 posts it, {"data":{…}}, as well as the
// struct's own form. Topic is then the type of the document.
func (pip *ProcessIncommingPaymentReq) UnmarshalJSON(data []byte) error {
	type plain ProcessIncommingPaymentReq
	document := wire.Unwrap(data)
	if len(document) == len(data) {
		return wire.DecodeLenient(data, (*plain)(pip))
	}
	var event IncomingPaymentEvent
	if err := json.Unmarshal(document, &event); err != nil {
		return err
	}
	*pip = ProcessIncommingPaymentReq{
		Topic:          event.Type,
		ID:             event.ID,
		InitiationTime: event.Attributes.InitiationTime,
		Status:         event.Attributes.Status,
		Event:          event,
		Metadata:       event.Attributes.Metadata,
		Links:          event.Attributes.Links,
	}
	return nil
}
