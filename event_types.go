package kopokopo

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// TransactionEvent is the payload of the events about one transaction: buygoods,
// b2b, m2m and card. Which fields K2 sends depends on the topic.
type TransactionEvent struct {
	Transaction       // What took place. Its Status is "Received", "Complete", "Reversed" or "Voided".
	Links       Links `json:"-"` // Where K2 says that event and transaction live.
}

// CustomerCreatedEvent is the payload of customer_created: a payer who had not
// paid before.
type CustomerCreatedEvent struct {
	Type        string `json:"-"` // "Customer Created".
	FirstName   string `json:"first_name"`
	MiddleName  string `json:"middle_name"`
	LastName    string `json:"last_name"`
	PhoneNumber string `json:"phone_number"` // As K2 sends it, "+254…".
	Links       Links  `json:"-"`            // Resource holds the customer's id.
}

// decode reads the phone number under its older name too.
func (e *CustomerCreatedEvent) decode(resource json.RawMessage) error {
	sent := struct {
		*CustomerCreatedEvent
		MSISDN string `json:"msisdn"`
	}{CustomerCreatedEvent: e}
	if err := wire.DecodeLenient(resource, &sent); err != nil {
		return err
	}
	if e.PhoneNumber == "" {
		e.PhoneNumber = sent.MSISDN
	}
	return nil
}

// SettlementEvent is the payload of settlement_transfer_completed: money that
// reached one of the merchant's own accounts.
type SettlementEvent struct {
	Type            string         `json:"-"`                // "Settlement Transfer".
	ID              string         `json:"id"`               // K2's id of the transfer.
	Amount          Decimal        `json:"amount"`           // Exactly as K2 sent it.
	Currency        string         `json:"currency"`         // "KES".
	Status          string         `json:"status"`           // "Transferred".
	OriginationTime Time           `json:"origination_time"` // When it took place.
	Destination     Destination    `json:"destination"`      // The account: "Bank Account" or "Mobile Wallet", with the fields of its kind.
	Disbursements   []Disbursement `json:"disbursements"`    // Its parts.
	Links           Links          `json:"-"`                // Where K2 says that event and transfer live.
}

// DarajaEvent is a payment in Safaricom's shape, for subscriptions with
// EnableDarajaPayload. It carries no id but the receipt.
type DarajaEvent struct {
	TransactionType   string  `json:"TransactionType"`   // "Buy Goods", "Organization To Organization Transfer", in several spellings.
	TransID           string  `json:"TransID"`           // The M-PESA receipt.
	TransTime         Time    `json:"TransTime"`         // When it took place, read as East Africa Time.
	TransAmount       Decimal `json:"TransAmount"`       // In shillings, exactly as K2 sent it.
	BusinessShortCode string  `json:"BusinessShortCode"` // The till that was paid.
	BillRefNumber     string  `json:"BillRefNumber"`     // Mostly empty.
	InvoiceNumber     string  `json:"InvoiceNumber"`     // Mostly empty.
	OrgAccountBalance Decimal `json:"OrgAccountBalance"` // Mostly missing.
	ThirdPartyTransID string  `json:"ThirdPartyTransID"` // K2 spells the key ThirdPartyTransId too.
	MSISDN            string  `json:"MSISDN"`            // The payer's number, a hash of it, or the paying till.
	FirstName         string  `json:"FirstName"`         // Of an organisation its name.
	MiddleName        string  `json:"MiddleName"`        // May be missing.
	LastName          string  `json:"LastName"`          // May be missing.
}

// resultKind is how the results of one type of resource are read, and read again.
type resultKind struct {
	decode func(body []byte) (document any, outcome Outcome, err error)
	reread func(ctx context.Context, c *Client, id string, v1 bool) (document any, outcome Outcome, raw json.RawMessage, err error)
}

// getter is the Get of any endpoint.
type getter[A any] interface {
	Get(ctx context.Context, id string, opts ...CallOption) (*Document[A], error)
}

// resultOf makes the resultKind of documents with attributes A.
func resultOf[A Outcomer](pick func(c *Client, v1 bool) getter[A]) resultKind {
	return resultKind{
		decode: func(body []byte) (any, Outcome, error) {
			doc, err := decodeDocument[A](body)
			if err != nil {
				return nil, OutcomePending, err
			}
			return doc, doc.Attributes.Outcome(), nil
		},
		reread: func(ctx context.Context, c *Client, id string, v1 bool) (any, Outcome, json.RawMessage, error) {
			doc, err := pick(c, v1).Get(ctx, id)
			if err != nil {
				return nil, OutcomePending, nil, err
			}
			return doc, doc.Attributes.Outcome(), doc.Raw, nil
		},
	}
}

// resultKinds are the types of resources whose results K2 posts. Where both
// versions of the API have a resource, the result says in which it was created.
var resultKinds = map[string]resultKind{
	"incoming_payment": resultOf(func(c *Client, v1 bool) getter[IncomingPayment] {
		if v1 {
			return c.V1.IncomingPayments
		}
		return c.IncomingPayments
	}),
	"polling": resultOf(func(c *Client, v1 bool) getter[Polling] {
		if v1 {
			return c.V1.Polling
		}
		return c.Polling
	}),
	"send_money":                   resultOf(func(c *Client, _ bool) getter[SendMoney] { return c.SendMoney }),
	"payment_link":                 resultOf(func(c *Client, _ bool) getter[PaymentLink] { return c.PaymentLinks }),
	"reversal":                     resultOf(func(c *Client, _ bool) getter[Reversal] { return c.Reversals }),
	"payment":                      resultOf(func(c *Client, _ bool) getter[Payment] { return c.V1.Payments }),
	"settlement_transfer":          resultOf(func(c *Client, _ bool) getter[SettlementTransfer] { return c.V1.SettlementTransfers }),
	"transaction_sms_notification": resultOf(func(c *Client, _ bool) getter[SMSNotification] { return c.V1.SMSNotifications }),
}

// errBehind asks for the delivery again.
var errBehind = errors.New("K2 reports as pending what it has posted a final result of")

// reread replaces a result's payload by what K2 says of the resource now.
func (n *Notification) reread(ctx context.Context, c *Client) error {
	kind, ok := resultKinds[n.Topic]
	if !ok || n.Kind != KindResult || n.ID == "" || n.Sample {
		return nil // nothing K2 knows of
	}
	var delivered struct{ Data resultFacts }
	if err := wire.DecodeLenient(n.Raw, &delivered); err != nil {
		return err
	}
	v1 := strings.Contains(delivered.Data.Attributes.Links.Self, "/api/v1/")
	doc, outcome, raw, err := kind.reread(ctx, c, n.ID, v1)
	if err != nil {
		return err
	}
	if n.final && outcome == OutcomePending {
		// K2's answer is behind its own callback. Acknowledging the delivery now would
		// lose the result.
		return errBehind
	}
	var now resultFacts
	if err := wire.DecodeLenient(raw, &now); err != nil {
		return err
	}
	n.Payload, n.Reference, n.final = doc, now.reference(), outcome != OutcomePending
	return nil
}
