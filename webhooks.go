package kopokopo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/signature"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// SignatureHeader carries the signature of every webhook and callback (K2 docs).
const SignatureHeader = "X-KopoKopo-Signature"

// The events a subscription can name (K2 docs and SDKs). K2 may know more: any
// name can be subscribed to.
const (
	TopicBuygoodsReceived            = "buygoods_transaction_received"
	TopicBuygoodsReversed            = "buygoods_transaction_reversed"
	TopicB2BReceived                 = "b2b_transaction_received"
	TopicB2BReversed                 = "b2b_transaction_reversed"
	TopicM2MReceived                 = "m2m_transaction_received"
	TopicM2MCompleted                = "m2m_transaction_completed" // Named by an official example only; no sample is on record.
	TopicCardReceived                = "card_transaction_received"
	TopicCardVoided                  = "card_transaction_voided"
	TopicCardReversed                = "card_transaction_reversed"
	TopicCustomerCreated             = "customer_created"
	TopicSettlementTransferCompleted = "settlement_transfer_completed"
)

// knownTopics are those whose payload this package knows.
var knownTopics = []string{
	TopicBuygoodsReceived, TopicBuygoodsReversed, TopicB2BReceived, TopicB2BReversed, TopicM2MReceived, TopicM2MCompleted,
	TopicCardReceived, TopicCardVoided, TopicCardReversed, TopicCustomerCreated, TopicSettlementTransferCompleted,
}

// The scopes of a subscription and of polling.
const (
	ScopeTill    = "till"
	ScopeCompany = "company"
)

// WebhookSubscription is what K2 knows of a subscription
// (GET /api/v2/webhook_subscriptions/{id}).
type WebhookSubscription struct {
	EventType           string `json:"event_type"`            // The topic.
	WebhookURI          string `json:"webhook_uri"`           // Where the events go.
	Status              string `json:"status"`                // K2 does not document the values.
	Scope               string `json:"scope"`                 // "till" or "company".
	ScopeReference      string `json:"scope_reference"`       // The till, if the scope is one.
	EnableDarajaPayload bool   `json:"enable_daraja_payload"` // Whether events come in Safaricom's form.
}

func (cwr CreateWebhookReq) withCallback(string) wireRequest { return cwr }

func (cwr CreateWebhookReq) wire() any {
	return struct {
		EventType           string `json:"event_type"`
		URL                 string `json:"url"`
		Scope               string `json:"scope"`
		ScopeReference      string `json:"scope_reference"` // "" for a company, as the official SDKs send it
		EnableDarajaPayload bool   `json:"enable_daraja_payload,omitempty"`
	}{strings.TrimSpace(cwr.EventType), cwr.URL, strings.TrimSpace(cwr.Scope), strings.TrimSpace(cwr.ScopeRef), cwr.EnableDarajaPayload}
}

// Sign returns the signature of a body: lower-case hex HMAC-SHA256 under the
// application's API key.
func Sign(body []byte, key string) string {
	return hex.EncodeToString(signature.Sum(sha256.New, key, body))
}

// errNoKey is the error of a verification that nobody could pass.
var errNoKey = errors.New("kopokopo: webhook: no key to verify with")

// VerifySignature checks the signature of a body, exactly as both arrived: the
// value of the X-KopoKopo-Signature header, and the raw bytes. Never pass JSON that
// was decoded and encoded again. Several keys can be active while one is replaced.
//
// The error is [ErrNoSignature] for an empty signature and [ErrBadSignature] for a
// wrong one. No key, or an empty one, is an error of its own and never verifies.
func VerifySignature(body []byte, sig string, keys ...string) error {
	_, err := matchSignature(body, sig, keys)
	return err
}

// VerifyRequest checks the signature of a request whose body was read before, as
// [VerifySignature] does. A request with several signature headers is
// [ErrBadSignature]: which of them counts would be a matter of opinion.
func VerifyRequest(r *http.Request, body []byte, keys ...string) error {
	var h http.Header
	if r != nil {
		h = r.Header
	}
	sig, err := signatureOf(h)
	if err != nil {
		return err
	}
	return VerifySignature(body, sig, keys...)
}

// signatureOf takes the signature out of a header, "" if there is none.
func signatureOf(h http.Header) (string, error) {
	switch values := h.Values(SignatureHeader); len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", ErrBadSignature
}

// matchSignature returns the index of the key that signed a body.
func matchSignature(body []byte, sig string, keys []string) (int, error) {
	if len(keys) == 0 || slices.Contains(keys, "") {
		return -1, errNoKey
	}
	if sig == "" {
		return -1, ErrNoSignature
	}
	var mac [sha256.Size]byte
	if !decodeSignature(mac[:], sig) {
		return -1, ErrBadSignature
	}
	index := signature.Match(sha256.New, mac[:], body, keys...)
	if index < 0 {
		return -1, ErrBadSignature
	}
	return index, nil
}

// decodeSignature takes exactly 64 hex digits, in either case. White space around
// them is gone by the time a header reaches a program.
func decodeSignature(mac []byte, sig string) bool {
	var digits [2 * sha256.Size]byte
	if len(sig) != len(digits) {
		return false
	}
	copy(digits[:], sig)
	_, err := hex.Decode(mac, digits[:])
	return err == nil
}

// TransactionEvent is the payload of the events about one transaction: buygoods,
// b2b, m2m and card. Which fields K2 sends depends on the topic.
type TransactionEvent struct {
	Transaction        // What took place. Its Status is "Received", "Complete", "Reversed" or "Voided".
	Topic       string `json:"-"` // The event's topic, which tells what came from what went back.
	Links       Links  `json:"-"` // Where K2 says that event and transaction live.
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
