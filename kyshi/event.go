package kyshi

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/redact"
)

// EventType is the name of an event, as Kyshi sends it. Kyshi adds to its list:
// any other name is an event too, so let the default of a switch do nothing.
type EventType string

// The events whose names Kyshi documents.
const (
	EventSuccessful              EventType = "successful"                // A successful charge was made.
	EventSubscriptionCreated     EventType = "subscription.created"      // A subscription was made; see [Data.Subscription].
	EventInvoicePaymentSucceeded EventType = "invoice.payment_succeeded" // An invoice was paid; see [Data.Invoice].
)

// Event is one thing Kyshi has posted, in any of its shapes: {"event":…,"data":…},
// the newer one with reference, amount, status and meta beside data, and the flat
// one without data. It prints and logs without its content, which is personal.
//
// A missing member, and one of an impossible form, is the zero value of its field;
// Raw has everything as it came.
type Event struct {
	Type EventType `json:"event"` // What happened: the webhook event type that was triggered.
	Data Data      `json:"data"`  // All transaction details.

	ID  string `json:"-"` // Kyshi's id of the event ([Meta.EventID]), "" in the older shape.
	Key string `json:"-"` // What makes two deliveries the same. At most 255 ASCII characters, "kyshi:…".
	// Revision is 1, and higher if other bytes came under the same Key after one was
	// handled. Do not give value twice for it: credit by [Data.Reference].
	Revision    int    `json:"-"`
	SecretIndex int    `json:"-"` // Which of the verifier's secrets signed it: 0 for the first. Set by a [Handler].
	Sample      bool   `json:"-"` // It says of itself that it is a sample (see [SampleCharge]), not a payment.
	Raw         []byte `json:"-"` // The body exactly as it was signed.
}

// Format implements [fmt.Formatter]: what it prints is not personal.
func (e Event) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kyshi.Event(%s, key %s, revision %d)", redact.Text(string(e.Type)), e.Key, e.Revision)
}

// LogValue implements [slog.LogValuer]: what it logs is not personal.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(slog.String("event", redact.Text(string(e.Type))), slog.String("key", e.Key),
		slog.Int("revision", e.Revision), slog.Bool("sample", e.Sample))
}

// Data is the transaction of an [Event].
type Data struct {
	// Reference is the unique reference of the collection. Credit by it, once.
	Reference string `json:"reference"`
	// Amount is the total amount charged, transaction fees included, with exactly the
	// digits Kyshi sent. Kyshi's API counts in major units (1000 is 1000 NGN), with
	// decimals; for webhooks neither unit nor currency is documented, and it may be
	// in the currency of settlement: see [Meta.LocalAmount] for what the payer paid.
	// Nothing is converted here. Confirm it with Kyshi before you give value.
	Amount kopokopo.Decimal `json:"amount"`
	// Customer is who was charged: the first one if Kyshi sent several, and the zero
	// Customer if none.
	Customer Customer `json:"customer"`
	// Customers are all of them: none, one, or a list if Kyshi sent a list.
	Customers []Customer `json:"-"`
	// Authorization is what was charged, a card mostly. Nil if Kyshi sent none, as for
	// a bank transfer or mobile money.
	Authorization *Authorization `json:"authorization"`
	// Log is the log of the API's activity, as JSON: an object, a list, or nil.
	// Kyshi does not document its form.
	Log json.RawMessage `json:"log,omitempty"`
	// Meta holds amounts in local currency and the fees.
	Meta Meta `json:"meta"`

	// Status is the newer shape's: "success". Currency is in none of the documented
	// shapes, and is here for charges that have it.
	Status   string `json:"status,omitempty"`
	Currency string `json:"currency,omitempty"`
	// Subscription and Invoice are those of the subscription and invoice events, nil
	// in others.
	Subscription *Subscription `json:"subscription,omitempty"`
	Invoice      *Invoice      `json:"invoice,omitempty"`
	// Raw is the JSON object that these fields were read from: data, or the whole
	// body where there is no data. It has the members that this package does not know.
	Raw json.RawMessage `json:"-"`
}

// Format implements [fmt.Formatter]: what it prints is not personal.
func (d Data) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kyshi.Data(reference %s, amount %s)", redact.Text(d.Reference), redact.Text(d.Amount.String()))
}

// LogValue implements [slog.LogValuer]: what it logs is not personal.
func (d Data) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(d)) }

// Customer is the customer the funds were charged from. It prints and logs without
// its content, which is personal.
type Customer struct {
	ID        string `json:"id"`        // A unique identifier of the customer: a UUID, or digits.
	FirstName string `json:"firstName"` // The first name.
	LastName  string `json:"lastName"`  // The last name.
	Email     string `json:"email"`     // The email address.
	Phone     string `json:"phone"`     // The phone number as Kyshi sends it, "+233…"; "" if it has none.
}

// Format implements [fmt.Formatter]: what it prints is not personal.
func (c Customer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kyshi.Customer(%s)", redact.Text(c.ID))
}

// LogValue implements [slog.LogValuer]: what it logs is not personal.
func (c Customer) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Authorization has the details of the card, or of whatever else was charged to
// complete a transaction. All of them are text: leading zeros count. It prints and
// logs without its content.
type Authorization struct {
	// AuthorizationCode is a unique identifier of the mode of payment. The same one can
	// be charged again with it: keep it as you keep a secret.
	AuthorizationCode string `json:"authorizationCode"`
	CardType          string `json:"cardType"` // The type of card that was charged: "visa".
	Brand             string `json:"brand"`    // The card's brand.
	Last4             string `json:"last4"`    // The card's last four digits.
	BIN               string `json:"bin"`      // Bank Identification Number: the card's first digits.
	ExpMonth          string `json:"expMonth"` // The card's month of expiry, as Kyshi writes it: "8" or "08".
	ExpYear           string `json:"expYear"`  // The card's year of expiry: "2030".
}

// Format implements [fmt.Formatter]: what it prints is neither secret nor personal.
func (a Authorization) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kyshi.Authorization(%s)", redact.Text(a.Brand))
}

// LogValue implements [slog.LogValuer]: what it logs is neither secret nor personal.
func (a Authorization) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(a)) }

// Meta is what a transaction carries beside itself. Kyshi's field reference names
// the first three; the rest come in the newer shape. It prints and logs without
// its content.
type Meta struct {
	LocalCurrency string           `json:"localCurrency"` // The currency the payer paid in, as an ISO 4217 code: "GHS".
	LocalAmount   kopokopo.Decimal `json:"localAmount"`   // What the payer paid, in LocalCurrency, with exactly the digits Kyshi sent.
	FeeBreakdown  FeeBreakdown     `json:"feeBreakdown"`  // What the transaction cost. Kyshi spells it feeBreakDown too.

	Mode     string          `json:"mode,omitempty"`         // "test" or "live", "" in the older shape.
	EventID  string          `json:"kyshiEventId,omitempty"` // Kyshi's id of the event, a UUID.
	QueuedAt kopokopo.Time   `json:"kyshiWebhookQueuedAt"`   // When Kyshi queued the webhook: the only time it signs.
	Raw      json.RawMessage `json:"-"`                      // meta as it came, with the members that this package does not know. Nil if there is none.
}

// Format implements [fmt.Formatter]: what it prints is not personal.
func (m Meta) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kyshi.Meta(mode %s, event id %s)", redact.Text(m.Mode), redact.Text(m.EventID))
}

// LogValue implements [slog.LogValuer]: what it logs is not personal.
func (m Meta) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(m)) }

// FeeBreakdown is what a transaction cost, with exactly the digits Kyshi sent. Kyshi
// documents neither unit nor currency. A missing fee is the zero Decimal.
type FeeBreakdown struct {
	VAT kopokopo.Decimal `json:"vat"` // Value added tax.
	Fee kopokopo.Decimal `json:"fee"` // The fee.

	TotalFees       kopokopo.Decimal `json:"totalFees"`            // The sum. Not in every charge, as the two below.
	ProcessorFee    kopokopo.Decimal `json:"processorFee"`         // What the payment processor takes.
	AllInclusiveFee kopokopo.Decimal `json:"allInclusiveKyshiFee"` // What Kyshi takes, all included.
}

// Subscription is the subscription that an event is about. Counts are text, with the digits Kyshi sent; a missing time is the zero Time.
type Subscription struct {
	ID                  string        `json:"id"`                  // A UUID.
	Code                string        `json:"code"`                // "SUB_…".
	Status              string        `json:"status"`              // "PENDING", "ACTIVE", "PAST_DUE", "NON_RENEWING", "COMPLETED" or "CANCELLED".
	IsActive            bool          `json:"isActive"`            // Whether it is active.
	StartDate           kopokopo.Time `json:"startDate"`           // When it started.
	PreviousPaymentDate kopokopo.Time `json:"previousPaymentDate"` // When it was paid last.
	NextPaymentDate     kopokopo.Time `json:"nextPaymentDate"`     // When it is paid next.
	CurrentPeriodStart  kopokopo.Time `json:"currentPeriodStart"`  // The period that is paid for.
	CurrentPeriodEnd    kopokopo.Time `json:"currentPeriodEnd"`    // Its end.
	PastDueAt           kopokopo.Time `json:"pastDueAt"`           // Since when a payment is overdue.
	NextRetryAt         kopokopo.Time `json:"nextRetryAt"`         // When Kyshi charges again after a failure.
	RetryCount          string        `json:"retryCount"`          // How often it has charged again.
	MaxRetryCount       string        `json:"maxRetryCount"`       // How often it will.
	GracePeriodDays     string        `json:"gracePeriodDays"`     // Days for which an overdue subscription goes on.
	CancelledAt         kopokopo.Time `json:"cancelledAt"`         // When it was cancelled.
	CancelReason        string        `json:"cancelReason"`        // Why.
	InvoiceLimit        string        `json:"invoiceLimit"`        // How many invoices it has at most.
	InvoicesPaid        string        `json:"invoicesPaid"`        // How many are paid.
}

// Invoice is the invoice that an event is about.
type Invoice struct {
	ID            string           `json:"id"`            // A UUID.
	Code          string           `json:"code"`          // "INV_…".
	Amount        kopokopo.Decimal `json:"amount"`        // In Currency, with exactly the digits Kyshi sent.
	Currency      string           `json:"currency"`      // An ISO 4217 code: "NGN".
	PeriodStart   kopokopo.Time    `json:"periodStart"`   // The period it is for.
	PeriodEnd     kopokopo.Time    `json:"periodEnd"`     // Its end.
	DueAt         kopokopo.Time    `json:"dueAt"`         // When it is due.
	NextRetryAt   kopokopo.Time    `json:"nextRetryAt"`   // When Kyshi charges again after a failure.
	RetryCount    string           `json:"retryCount"`    // How often it has charged again.
	MaxRetryCount string           `json:"maxRetryCount"` // How often it will.
	Status        string           `json:"status"`        // "PAYMENT_SUCCEEDED"; Kyshi does not document the others.
	Description   string           `json:"description"`   // The merchant's words.
	TransactionID string           `json:"transactionId"` // The transaction that paid it.
}
