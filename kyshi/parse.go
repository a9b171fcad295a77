package kyshi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/inbound"
)

// ErrEvent means that a body is not an event in one of Kyshi's shapes.
var ErrEvent = errors.New("kyshi: webhook: not an event in a known shape")

// ParseEvent reads the body of a webhook. It does not verify the signature: do
// that first, with [Verifier.Verify], or let a [Handler] do both.
//
// An unknown event is no error. Neither are members of another type than the
// documented one (a number as text, a list of customers), nor absurd amounts:
// computing with those is. The error is [ErrEvent] for what is not one JSON object
// that names its event, and for a successful charge without a reference, which
// nobody could credit.
func ParseEvent(body []byte) (*Event, error) { return parseEvent(bytes.Clone(body)) }

// parseEvent is ParseEvent of a body that is the event's own.
func parseEvent(body []byte) (*Event, error) {
	top, err := readObject(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	e := &Event{Type: EventType(top.text("event")), Revision: 1, Raw: body}
	if e.Type == "" {
		return nil, fmt.Errorf("%w: it does not name its event", ErrEvent)
	}
	e.Data.Raw = body
	source := layers{top}
	if data, ok := top.object("data"); ok {
		// What the newer shape has beside data is read from there, and nothing else.
		source, e.Data.Raw = layers{data, top.only("reference", "amount", "status", "meta")}, top.raw("data")
	}
	e.Data.read(source)
	if e.Type == EventSuccessful && e.Data.Reference == "" {
		return nil, fmt.Errorf("%w: a successful charge without a reference", ErrEvent)
	}
	// Three marks, since a sample may be acknowledged without a call.
	e.Sample = string(top.raw("sample")) == "true" && strings.HasPrefix(e.Data.Reference, samplePrefix) && e.Data.Meta.Mode != "live"
	e.ID = e.Data.Meta.EventID
	e.Key = e.key()
	return e, nil
}

// read fills d from where its members can stand.
func (d *Data) read(source layers) {
	d.Reference = source.text("reference")
	d.Amount = source.decimal("amount")
	d.Customers = readCustomers(source.raw("customer"))
	if len(d.Customers) > 0 {
		d.Customer = d.Customers[0]
	}
	if o, ok := source.object("authorization"); ok {
		d.Authorization = &Authorization{
			AuthorizationCode: o.text("authorizationCode"), CardType: o.text("cardType"), Brand: o.text("brand"),
			Last4: o.text("last4"), BIN: o.text("bin"), ExpMonth: o.text("expMonth"), ExpYear: o.text("expYear"),
		}
	}
	d.Log = source.raw("log")
	d.Status, d.Currency = source.text("status"), source.text("currency")
	if o, ok := source.object("subscription"); ok {
		d.Subscription = readSubscription(o)
	}
	if o, ok := source.object("invoice"); ok {
		d.Invoice = readInvoice(o)
	}
	d.Meta.read(source.objects("meta"))
	d.Meta.Raw = source.raw("meta")
}

// readCustomers takes one customer, a list of them, or none.
func readCustomers(raw json.RawMessage) []Customer {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var customers []Customer
	for _, element := range list {
		if o, err := readObject(element); err == nil {
			customers = append(customers, Customer{ID: o.text("id"), FirstName: o.text("firstName"),
				LastName: o.text("lastName"), Email: o.text("email"), Phone: o.text("phone")})
		}
	}
	return customers
}

// read fills m. Kyshi's own members can stand beside data while the rest of meta
// stands in it.
func (m *Meta) read(source layers) {
	m.LocalCurrency, m.LocalAmount = source.text("localCurrency"), source.decimal("localAmount")
	m.Mode, m.EventID = source.text("mode"), source.text("kyshiEventId")
	m.QueuedAt = source.time("kyshiWebhookQueuedAt")
	if o, ok := source.object("feeBreakdown"); ok {
		m.FeeBreakdown = FeeBreakdown{VAT: o.decimal("vat"), Fee: o.decimal("fee"), TotalFees: o.decimal("totalFees"),
			ProcessorFee: o.decimal("processorFee"), AllInclusiveFee: o.decimal("allInclusiveKyshiFee")}
	}
}

func readSubscription(o object) *Subscription {
	return &Subscription{
		ID: o.text("id"), Code: o.text("code"), Status: o.text("status"), IsActive: o.text("isActive") == "true",
		StartDate: o.time("startDate"), PreviousPaymentDate: o.time("previousPaymentDate"), NextPaymentDate: o.time("nextPaymentDate"),
		CurrentPeriodStart: o.time("currentPeriodStart"), CurrentPeriodEnd: o.time("currentPeriodEnd"),
		PastDueAt: o.time("pastDueAt"), NextRetryAt: o.time("nextRetryAt"),
		RetryCount: o.text("retryCount"), MaxRetryCount: o.text("maxRetryCount"), GracePeriodDays: o.text("gracePeriodDays"),
		CancelledAt: o.time("cancelledAt"), CancelReason: o.text("cancelReason"),
		InvoiceLimit: o.text("invoiceLimit"), InvoicesPaid: o.text("invoicesPaid"),
	}
}

func readInvoice(o object) *Invoice {
	return &Invoice{
		ID: o.text("id"), Code: o.text("code"), Amount: o.decimal("amount"), Currency: o.text("currency"),
		PeriodStart: o.time("periodStart"), PeriodEnd: o.time("periodEnd"), DueAt: o.time("dueAt"), NextRetryAt: o.time("nextRetryAt"),
		RetryCount: o.text("retryCount"), MaxRetryCount: o.text("maxRetryCount"), Status: o.text("status"),
		Description: o.text("description"), TransactionID: o.text("transactionId"),
	}
}

// key makes the de-duplication key, of signed content only: Kyshi's event id where
// there is one, else event and reference, else the body itself. X-Kyshi-Event-ID is
// neither signed nor the same in a second attempt. The prefix keeps the keys apart
// from those of other senders in one store.
func (e *Event) key() string {
	switch {
	case e.ID != "":
		return "kyshi:id:" + inbound.KeyPart(e.ID)
	case e.Data.Reference != "":
		return "kyshi:ref:" + inbound.KeyPart(string(e.Type)) + ":" + inbound.KeyPart(e.Data.Reference)
	}
	digest := sha256.Sum256(e.Raw)
	return "kyshi:body:" + hex.EncodeToString(digest[:])
}
