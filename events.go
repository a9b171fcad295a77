package kopokopo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/inbound"
	"github.com/kopokopo-go/kopokopo/internal/redact"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// NotificationKind says which of K2's three shapes a notification came in.
type NotificationKind string

// The shapes.
const (
	KindWebhook NotificationKind = "webhook" // A subscribed event: {"topic":…}.
	KindResult  NotificationKind = "result"  // The result of a request, on its callback URL: {"data":…}.
	KindDaraja  NotificationKind = "daraja"  // A payment in Safaricom's shape: {"TransactionType":…}.
)

// Notification is one thing K2 has posted. Switch on the type of Payload:
//
//	switch p := n.Payload.(type) {
//	case *kopokopo.TransactionEvent:                      // buygoods, b2b, m2m and card events
//	case *kopokopo.CustomerCreatedEvent:
//	case *kopokopo.SettlementEvent:
//	case *kopokopo.DarajaEvent:
//	case *kopokopo.Document[kopokopo.IncomingPayment]:    // and the other resources with a result
//	default:                                              // unknown to this package: see n.Topic and n.Raw
//	}
//
// It prints and logs without its payload, which is personal.
type Notification struct {
	ID        string           // The event's id, the resource's id of a result, or the TransID of a Daraja payload.
	Topic     string           // "buygoods_transaction_received"; of a result the resource's type, "incoming_payment"; of a Daraja payload its TransactionType.
	Kind      NotificationKind // Which shape it came in.
	CreatedAt Time             // When K2 created the event or the resource. K2 signs no other time: an old one can be a replay.
	Key       string           // What makes two deliveries the same. At most 255 ASCII characters; "body:…" where K2 sent no id.
	Reference string           // M-PESA receipt of the payment, "" if there is none. The same payment has it in every shape: credit by it, and by ID where it is "". Send money has one for each disbursement instead.
	Revision  int              // 1, and higher for each other body that came under the same Key after one was handled.
	KeyIndex  int              // Which of the handler's keys signed it: 0 for the first. A later one means that a rotation is not over.
	Sample    bool             // It is a sample of this package's, not a payment.
	Payload   any              // A pointer to what it is, or nil if this package does not know it.
	Raw       []byte           // The body exactly as it was signed.

	final bool // a result that will not change
}

// Format implements [fmt.Formatter]: what it prints is not personal.
func (n Notification) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kopokopo.Notification(%s %s, key %s, revision %d)", n.Kind, redact.Text(n.Topic), n.Key, n.Revision)
}

// LogValue implements [slog.LogValuer]: what it logs is not personal.
func (n Notification) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kind", string(n.Kind)), slog.String("topic", redact.Text(n.Topic)),
		slog.String("key", n.Key), slog.Int("revision", n.Revision), slog.Bool("sample", n.Sample))
}

// ParseEvent reads the body of a webhook or callback. It does not verify the
// signature: do that first, with [VerifySignature] or [VerifyRequest], or let a
// [Handler] do both.
//
// A topic or resource type that this package does not know is no error: such a
// notification has no Payload, and everything in Raw. Absurd amounts are none
// either; computing with them is. The error is [ErrNotification] for what is not
// one JSON document in one of K2's shapes.
func ParseEvent(body []byte) (*Notification, error) { return parseEvent(bytes.Clone(body)) }

// ErrNotification means that a body is not a notification of K2's.
var ErrNotification = errors.New("kopokopo: webhook: not a notification in a known shape")

// unreadable says what keeps a body from being a notification.
func unreadable(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrNotification}, args...)...)
}

// envelope holds what tells the shapes apart, and the members of subscribed events.
type envelope struct {
	Topic           string          `json:"topic"`
	ID              string          `json:"id"`
	CreatedAt       Time            `json:"created_at"`
	Event           eventEntry      `json:"event"`
	Links           Links           `json:"_links"`
	Sample          sampleMark      `json:"sample"`
	Data            json.RawMessage `json:"data"`
	TransactionType string          `json:"TransactionType"`
	TransID         string          `json:"TransID"`
}

type eventEntry struct {
	Type     string          `json:"type"`
	Resource json.RawMessage `json:"resource"`
}

// parseEvent is ParseEvent of a body that is the notification's own.
func parseEvent(body []byte) (*Notification, error) {
	var env envelope
	if err := wire.DecodeLenient(body, &env); err != nil {
		return nil, unreadable("%w", wire.Describe(err))
	}
	n := &Notification{Revision: 1, Raw: body}
	var err error
	switch {
	case env.Topic != "":
		err = n.readWebhook(env)
	case wire.IsObject(env.Data):
		err = n.readResult(env)
	case env.TransactionType != "" || env.TransID != "":
		err = n.readDaraja()
	default:
		err = unreadable("it has neither topic nor data nor TransactionType")
	}
	if err != nil {
		return nil, err
	}
	n.Sample = bool(env.Sample) && (strings.HasPrefix(n.ID, "sample-") || strings.HasPrefix(n.Reference, "SAMPLE"))
	return n, nil
}

// sampleMark is the mark of a sample: the literal true and nothing like it, since
// what carries it may be acknowledged without a call.
type sampleMark bool

// UnmarshalJSON implements [json.Unmarshaler].
func (m *sampleMark) UnmarshalJSON(data []byte) error {
	*m = string(data) == "true"
	return nil
}

// readWebhook reads a subscribed event.
func (n *Notification) readWebhook(env envelope) error {
	n.Kind, n.Topic, n.ID, n.CreatedAt = KindWebhook, env.Topic, env.ID, env.CreatedAt
	n.Key = n.key(env.ID, env.Topic, env.ID)
	if !wire.IsObject(env.Event.Resource) {
		if slices.Contains(knownTopics, env.Topic) {
			return unreadable("event.resource is missing")
		}
		return nil
	}
	var err error
	switch n.Topic {
	case TopicBuygoodsReceived, TopicBuygoodsReversed, TopicB2BReceived, TopicB2BReversed,
		TopicM2MReceived, TopicCardReceived, TopicCardVoided, TopicCardReversed:
		p := &TransactionEvent{Transaction: Transaction{Type: env.Event.Type}, Links: env.Links}
		err, n.Payload = wire.DecodeLenient(env.Event.Resource, p), p
		n.Reference = p.Reference
	case TopicCustomerCreated:
		p := &CustomerCreatedEvent{Type: env.Event.Type, Links: env.Links}
		err, n.Payload = p.decode(env.Event.Resource), p
	case TopicSettlementTransferCompleted:
		p := &SettlementEvent{Type: env.Event.Type, Links: env.Links}
		err, n.Payload = wire.DecodeLenient(env.Event.Resource, p), p
	default:
		var unknown struct {
			Reference string `json:"reference"`
		}
		if wire.DecodeLenient(env.Event.Resource, &unknown) == nil {
			n.Reference = unknown.Reference
		}
	}
	if err != nil {
		return unreadable("event.resource: %w", wire.Describe(err))
	}
	return nil
}

// readDaraja reads a payment in Safaricom's shape.
func (n *Notification) readDaraja() error {
	p := &DarajaEvent{}
	if err := wire.DecodeLenient(n.Raw, p); err != nil {
		return unreadable("%w", wire.Describe(err))
	}
	n.Kind, n.Topic, n.ID, n.CreatedAt = KindDaraja, p.TransactionType, p.TransID, p.TransTime
	n.Reference, n.Payload = p.TransID, p
	n.Key = n.key(p.TransID, p.TransactionType, p.TransID)
	return nil
}

// resultFacts is what all results have at the same place, of a known type or not.
type resultFacts struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Attributes struct {
		Status         string `json:"status"`
		CreatedAt      Time   `json:"created_at"`
		InitiationTime Time   `json:"initiation_time"`
		Reference      string `json:"transaction_reference"` // of a reversal: the payment that is given back
		Event          struct {
			Resource struct {
				Reference string `json:"reference"`
			} `json:"resource"`
		} `json:"event"`
		PaymentLink struct {
			Reference string `json:"transaction_reference"`
		} `json:"payment_link"`
		Links Links `json:"_links"`
	} `json:"attributes"`
}

// reference returns the M-PESA receipt, wherever it stands.
func (f *resultFacts) reference() string {
	a := &f.Attributes
	switch {
	case a.Event.Resource.Reference != "":
		return a.Event.Resource.Reference
	case a.PaymentLink.Reference != "":
		return a.PaymentLink.Reference
	}
	return a.Reference
}

// readResult reads the result of a request.
func (n *Notification) readResult(env envelope) error {
	var f resultFacts
	if err := wire.DecodeLenient(env.Data, &f); err != nil {
		return unreadable("data: %w", wire.Describe(err))
	}
	a := &f.Attributes
	n.Kind, n.ID, n.Topic, n.Reference = KindResult, f.ID, f.Type, f.reference()
	if singular := strings.TrimSuffix(n.Topic, "s"); resultKinds[singular].decode != nil {
		n.Topic = singular // K2 is not sure of its plurals
	}
	if n.CreatedAt = a.CreatedAt; n.CreatedAt.IsZero() {
		n.CreatedAt = a.InitiationTime
	}
	status := strings.ToLower(strings.TrimSpace(a.Status))
	if kind, ok := resultKinds[n.Topic]; ok && f.ID != "" {
		payload, outcome, err := kind.decode(n.Raw)
		if err != nil {
			return unreadable("the document of type %s lacks attributes", n.Topic)
		}
		n.Payload, n.final, status = payload, outcome != OutcomePending, outcome.String()
	}
	n.Key = n.key(f.ID, n.Topic, f.ID, status)
	return nil
}

// key makes the de-duplication key. The receipt is never all of it: what was
// received and reversed share it. Without an id the body is its own key.
func (n *Notification) key(id string, parts ...string) string {
	if id == "" {
		digest := sha256.Sum256(n.Raw)
		return "body:" + hex.EncodeToString(digest[:])
	}
	key := string(n.Kind)
	for _, part := range parts {
		key += ":" + inbound.KeyPart(part)
	}
	return key
}
