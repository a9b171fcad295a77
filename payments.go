package kopokopo

import (
	"encoding/json"
	"strings"
)

// The payment channels of an STK push on record. K2 documents the first.
const (
	ChannelSTKPush = "M-PESA STK Push"
	ChannelMpesa   = "M-PESA"
	ChannelMPESA   = "MPESA"
)

// The kinds of recipients and destinations.
const (
	MobileWallet = "mobile_wallet"
	BankAccount  = "bank_account"
	Till         = "till"
	Paybill      = "paybill"
)

// IncomingPayment is what is known of an STK push: the document of
// GET /api/v2/incoming_payments/{id}, and of the callback.
type IncomingPayment struct {
	InitiationTime Time                 `json:"initiation_time"` // When the push was requested.
	Status         string               `json:"status"`          // Pending, Received, Success or Failed. See Outcome.
	Event          IncomingPaymentEntry `json:"event"`           // The payment, or why there is none.
	Metadata       map[string]any       `json:"metadata"`        // What the request carried; numbers are json.Number.
	Links          Links                `json:"_links"`          // Where the callback goes.
}

// IncomingPaymentEntry is the result of an STK push, as far as there is one.
type IncomingPaymentEntry struct {
	Type     string       `json:"type"`     // "Incoming Payment Request".
	Resource *Transaction `json:"resource"` // The M-PESA transaction; nil until the customer has paid.
	Errors   StringList   `json:"errors"`   // Why it failed.
}

// Transaction is a payment that was received.
type Transaction struct {
	ID                string  `json:"id"`                  // K2's id of the transaction, not of the request.
	Reference         string  `json:"reference"`           // The M-PESA receipt: the one key that all channels share.
	OriginationTime   Time    `json:"origination_time"`    // When it took place.
	Amount            Decimal `json:"amount"`              // Exactly as K2 sent it.
	Currency          string  `json:"currency"`            // "KES".
	Status            string  `json:"status"`              // "Received", "Reversed", "Complete".
	System            string  `json:"system"`              // "Lipa Na M-PESA", in several spellings.
	TillNumber        string  `json:"till_number"`         // The till that was paid, with or without a K in front.
	SendingTill       string  `json:"sending_till"`        // The payer's till, for payments between tills.
	SendingMerchant   string  `json:"sending_merchant"`    // The payer's name, for payments between merchants.
	SenderPhoneNumber string  `json:"sender_phone_number"` // The payer. May be missing: see HashedSenderPhone.
	HashedSenderPhone string  `json:"hashed_sender_phone"` // Compare with MatchesHash. Missing in older payloads.
	SenderFirstName   string  `json:"sender_first_name"`   // May be empty, and may come later or never.
	SenderMiddleName  string  `json:"sender_middle_name"`  // As SenderFirstName.
	SenderLastName    string  `json:"sender_last_name"`    // As SenderFirstName.
	CustomerCCNumber  string  `json:"customer_cc_number"`  // The payer's card, masked, for card payments.
	Settled           bool    `json:"settled"`             // Whether a card payment was settled.

	// Type is K2's name of the kind of transaction, "Buygoods Transaction". In K2's
	// documents it stands outside of the transaction; [Client.Transactions] sets it.
	Type string `json:"-"`
}

// Outcome implements [Outcomer]. Only Success is a success, and only with the
// transaction that it means: after OutcomeSucceeded, Event.Resource is not nil and
// has an ID or a Reference.
// Received is pending, with or without a transaction.
func (p IncomingPayment) Outcome() Outcome {
	transaction, r := OutcomePending, p.Event.Resource
	exists := r != nil && (r.ID != "" || r.Reference != "") // an empty object is no payment
	if exists {
		transaction = OutcomeSucceeded // while nothing is said against it
		if strings.TrimSpace(r.Status) != "" {
			transaction = readStatus(ofTransaction, r.Status)
		}
	}
	switch readStatus(ofCollection, p.Status) {
	case OutcomeSucceeded:
		if transaction == OutcomeSucceeded && len(p.Event.Errors) > 0 {
			return OutcomePending
		}
		return transaction
	case OutcomeFailed:
		if exists && transaction != OutcomeFailed {
			return OutcomePending // failed, and yet there is a transaction
		}
		return OutcomeFailed
	}
	return OutcomePending
}

// Reasons implements [Outcomer].
func (p IncomingPayment) Reasons() []string { return p.Event.Errors }

// Outcome implements [Outcomer]: what became of the payment, read from all of its
// statuses as [IncomingPayment] does, so that nothing needs to be compared with
// "Success". After OutcomeSucceeded, Attributes.Resource has an ID or a Reference. A
// document of another type is pending.
func (ipe IncomingPaymentEvent) Outcome() Outcome {
	if ipe.Type != "" && strings.TrimSuffix(ipe.Type, "s") != "incoming_payment" {
		return OutcomePending
	}
	a := ipe.Attributes
	payment := IncomingPayment{Status: a.Status, Event: IncomingPaymentEntry{
		Resource: &Transaction{ID: a.Resource.ID, Reference: a.Resource.Reference, Status: a.Resource.Status},
		Errors:   a.Errors,
	}}
	return payment.Outcome()
}

// Reasons implements [Outcomer].
func (ipe IncomingPaymentEvent) Reasons() []string { return ipe.Attributes.Errors }

// Payment is what is known of a payment to a registered recipient: the document of
// GET /api/v1/payments/{id}, and of the callback.
type Payment struct {
	Status          string          `json:"status"`           // "Processed" says that K2 is done, not that it paid. See Outcome.
	CreatedAt       Time            `json:"created_at"`       // When it was requested.
	Amount          Money           `json:"amount"`           // What was to be paid.
	TransferBatches []TransferBatch `json:"transfer_batches"` // What was paid.
	Errors          StringList      `json:"errors"`           // Why it failed, where K2 says.
	Metadata        map[string]any  `json:"metadata"`         // What the request carried; numbers are json.Number.
	Links           Links           `json:"_links"`           // Where the callback goes.

	odd bool // something in it has an impossible form
}

// Money is an amount in an answer.
type Money struct {
	Value    Decimal `json:"value"`    // Exactly as K2 sent it.
	Currency string  `json:"currency"` // "KES".
}

// TransferBatch is one of the transfers that a payment was carried out with.
type TransferBatch struct {
	Status        string         `json:"status"`        // "Transferred", "Cancelled".
	Amount        Decimal        `json:"amount"`        // Missing in documented payloads, present in real ones.
	Disbursements []Disbursement `json:"disbursements"` // Its parts.
}

// Disbursement is one payment to one destination.
type Disbursement struct {
	Amount               Decimal    `json:"amount"`                // Exactly as K2 sent it.
	Status               string     `json:"status"`                // "Transferred", "Cancelled".
	Errors               StringList `json:"errors"`                // Why it failed.
	DestinationType      string     `json:"destination_type"`      // "Mobile Wallet" in version 1, "mobile_wallet" in version 2.
	DestinationReference string     `json:"destination_reference"` // The recipient's reference.
	TransactionReference string     `json:"transaction_reference"` // The M-PESA receipt; empty for EFT and for what failed.
	OriginationTime      Time       `json:"origination_time"`      // When it took place.
	Nickname             string     `json:"nickname"`              // The destination's, version 2.
	Favourite            bool       `json:"favourite"`             // The destination's, version 2.
	PhoneNumber          string     `json:"phone_number"`          // The destination's, version 2.

	AccountName          string `json:"account_name"`           // The destination's, version 2; not on record, and so for all that follow.
	AccountNumber        string `json:"account_number"`         // The destination's.
	BankBranchReference  string `json:"bank_branch_ref"`        // The destination's.
	TillNumber           string `json:"till_number"`            // The destination's.
	PayBillNumber        string `json:"paybill_number"`         // The destination's.
	PayBillAccountNumber string `json:"paybill_account_number"` // The destination's.

	batch string // the status of its batch, from decoding
}

// Outcome tells what became of one disbursement: OutcomeSucceeded, OutcomeFailed or
// OutcomePending. Its own status decides, but nothing may speak against it: neither
// errors beside a transfer or a receipt beside a failure nor, in a document that was
// decoded, the status of its batch.
func (d Disbursement) Outcome() Outcome { return d.in(d.batch) }

// in reads a disbursement in a batch of that status, "" if there is none.
func (d *Disbursement) in(batch string) Outcome {
	own := readStatus(ofTransfer, d.Status)
	around := own
	if strings.TrimSpace(batch) != "" {
		around = readStatus(ofTransfer, batch)
	}
	switch {
	case around == OutcomePending:
		return OutcomePending
	case own == OutcomeSucceeded && (around == OutcomeFailed || len(d.Errors) > 0):
		return OutcomePending
	case own == OutcomeFailed && d.receipt() != "" && oneOf(d.Status, "Reversed") == "":
		return OutcomePending
	}
	return own
}

// Outcome implements [Outcomer]: a payment is what its disbursements are, and it
// succeeded only if they come to exactly its amount.
func (p Payment) Outcome() Outcome { return p.payout().outcome() }

func (p Payment) payout() payout {
	return toOne(p.Amount.Value, payout{status: p.Status, errors: p.Errors, batches: p.TransferBatches, odd: p.odd})
}

// Reasons implements [Outcomer].
func (p Payment) Reasons() []string { return transferReasons(p.TransferBatches, p.Errors) }

// wireAmount is an amount as the requests have it: K2 documents a number.
type wireAmount struct {
	Currency string      `json:"currency"`
	Value    json.Number `json:"value"`
}

func (a Amount) wire() wireAmount {
	value, _ := parseAmount(a.Value) // validated
	return wireAmount{Currency: strings.ToUpper(strings.TrimSpace(a.Currency)), Value: json.Number(value)}
}

// wireCallback is the one link K2 reads in a request.
type wireCallback struct {
	Callback string `json:"callback_url"`
}

// withCallback fills an empty callback URL.
func (l Links) withCallback(url string) Links {
	if l.Callback == "" {
		l.Callback = url
	}
	return l
}

func (l Links) wire() wireCallback { return wireCallback{l.Callback} }

func (rmr ReceiveMpesaReq) withCallback(url string) wireRequest {
	rmr.Links = rmr.Links.withCallback(url)
	return rmr
}

// wire writes the phone with a plus, as K2 documents it for STK push.
func (rmr ReceiveMpesaReq) wire() any {
	subscriber := rmr.Subscriber
	phone, _ := ParsePhone(subscriber.PhoneNumber) // validated
	subscriber.PhoneNumber = phone.E164()
	return struct {
		PaymentChannel string         `json:"payment_channel"`
		TillNumber     string         `json:"till_number"`
		Subscriber     Subscriber     `json:"subscriber"`
		Amount         wireAmount     `json:"amount"`
		Metadata       map[string]any `json:"metadata,omitempty"`
		Links          wireCallback   `json:"_links"`
	}{canonicalChannel(rmr.PaymentChannel), strings.TrimSpace(rmr.TillNumber), subscriber, rmr.Amount.wire(), rmr.Metadata, rmr.Links.wire()}
}

func (cpr CreatePaymentReq) withCallback(url string) wireRequest {
	cpr.Links = cpr.Links.withCallback(url)
	return cpr
}

func (cpr CreatePaymentReq) wire() any {
	return struct {
		DestinationType      string         `json:"destination_type"`
		DestinationReference string         `json:"destination_reference"`
		Amount               wireAmount     `json:"amount"`
		Description          string         `json:"description"`
		Category             string         `json:"category,omitempty"`
		Tags                 []string       `json:"tags,omitempty"`
		Metadata             map[string]any `json:"metadata,omitempty"`
		Links                wireCallback   `json:"_links"`
	}{canonicalRecipientType(cpr.DestinationType), strings.TrimSpace(cpr.DestinationReference), cpr.Amount.wire(),
		cpr.Description, cpr.Category, splitTags(cpr.Tags), cpr.Metadata, cpr.Links.wire()}
}

// splitTags makes the list that K2 takes of the documented text.
func splitTags(tags string) []string {
	var list []string
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			list = append(list, tag)
		}
	}
	return list
}
