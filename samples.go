package kopokopo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// sampleEvent is an event as K2 sends it, and says that it is a sample: a signed
// sample must never be taken for a payment.
type sampleEvent struct {
	Topic     string     `json:"topic"`
	ID        string     `json:"id"`
	CreatedAt string     `json:"created_at"`
	Event     sampleBody `json:"event"`
	Links     Links      `json:"_links"`
	Sample    bool       `json:"sample"`
}

type sampleBody struct {
	Type     string         `json:"type"`
	Resource sampleResource `json:"resource"`
}

// sampleResource holds the members that K2 sends of any topic, in K2's order;
// each topic leaves out what it does not have.
type sampleResource struct {
	ID                string               `json:"id,omitempty"`
	Amount            string               `json:"amount,omitempty"`
	Status            string               `json:"status,omitempty"`
	System            string               `json:"system,omitempty"`
	Currency          string               `json:"currency,omitempty"`
	Reference         string               `json:"reference,omitempty"`
	TillNumber        string               `json:"till_number,omitempty"`
	SendingTill       string               `json:"sending_till,omitempty"`
	SendingMerchant   string               `json:"sending_merchant,omitempty"`
	CustomerCCNumber  string               `json:"customer_cc_number,omitempty"`
	Settled           *bool                `json:"settled,omitempty"`
	SenderPhone       string               `json:"sender_phone_number,omitempty"`
	HashedSenderPhone string               `json:"hashed_sender_phone,omitempty"`
	Destination       *Destination         `json:"destination,omitempty"`
	Disbursements     []sampleDisbursement `json:"disbursements,omitempty"`
	OriginationTime   string               `json:"origination_time,omitempty"`
	SenderLastName    string               `json:"sender_last_name,omitempty"`
	SenderFirstName   string               `json:"sender_first_name,omitempty"`
	LastName          string               `json:"last_name,omitempty"`
	FirstName         string               `json:"first_name,omitempty"`
	MiddleName        string               `json:"middle_name,omitempty"`
	PhoneNumber       string               `json:"phone_number,omitempty"`
}

type sampleDisbursement struct {
	Amount               string  `json:"amount"`
	Status               string  `json:"status"`
	OriginationTime      string  `json:"origination_time"`
	TransactionReference *string `json:"transaction_reference"`
}

// k2Time is how K2 writes an instant.
const k2Time = "2006-01-02T15:04:05-07:00"

// newSample makes a sample of a topic. ok is false for a topic that has none.
func newSample(topic string, now time.Time) (event sampleEvent, ok bool) {
	unique := strings.ToLower(rand.Text())
	at := now.In(eastAfrica).Format(k2Time)
	event = sampleEvent{Topic: topic, ID: "sample-" + unique, CreatedAt: at, Sample: true}
	event.Links.Self = Sandbox + "/webhook_events/" + event.ID
	id := "sample-resource-" + unique
	r := sampleResource{ID: id, Amount: "100.0", Currency: "KES", OriginationTime: at}
	reference := "SAMPLE" + strings.ToUpper(unique[:6])
	kind, link := "Buygoods Transaction", "/financial_transaction/"
	switch topic {
	case TopicBuygoodsReceived, TopicBuygoodsReversed:
		r = r.paidBy(reference)
		if topic == TopicBuygoodsReversed {
			r.Status, r.System = "Reversed", "Lipa Na Mpesa"
		}
	case TopicB2BReceived:
		kind = "External Till to Till Transaction"
		r.Status, r.System, r.Reference, r.TillNumber, r.SendingTill = "Complete", "Lipa Na Mpesa", reference, "000000", "112233"
	case TopicB2BReversed:
		kind = "External Till To Till Reversal Transaction"
		r.Status, r.System, r.Reference, r.TillNumber, r.SendingTill = "Reversed", "M-PESA", reference, "000000", "112233"
	case TopicM2MReceived:
		kind, link = "Merchant to Merchant Transaction", "/payment_batches/"
		r.Status, r.SendingMerchant = "Received", "Sample Merchant"
	case TopicCardReceived, TopicCardVoided, TopicCardReversed:
		kind = "Card Transaction"
		r = r.byCard(topic, reference)
	case TopicCustomerCreated:
		kind, link = "Customer Created", "/mobile_money_user/"
		r = sampleResource{LastName: "Sample", FirstName: "Jane", MiddleName: "M", PhoneNumber: "+254999999999"}
	case TopicSettlementTransferCompleted:
		kind, link = "Settlement Transfer", "/transfer_batch/"
		r = r.settled(at)
	default:
		return sampleEvent{}, false
	}
	event.Event = sampleBody{Type: kind, Resource: r}
	event.Links.Resource = Sandbox + link + id
	return event, true
}

func (r sampleResource) paidBy(reference string) sampleResource {
	r.Status, r.System, r.Reference, r.TillNumber = "Received", "Lipa Na M-PESA", reference, "000000"
	r.SenderPhone = "+254999999999"
	r.HashedSenderPhone, _ = HashPhone(r.SenderPhone)
	r.SenderFirstName, r.SenderLastName = "Jane", "Sample"
	return r
}

func (r sampleResource) byCard(topic, reference string) sampleResource {
	r.Reference, r.TillNumber, r.CustomerCCNumber = reference, "000000", "************1111"
	switch topic {
	case TopicCardReceived:
		r.Status, r.Settled = "Received", new(bool)
	case TopicCardVoided:
		r.Status = "Voided"
	case TopicCardReversed:
		r.Status = "Reversed"
	}
	return r
}

func (r sampleResource) settled(at string) sampleResource {
	r.Status = "Transferred"
	r.Destination = &Destination{Type: "Bank Account", Resource: DestinationResource{
		Reference: "sample-account", AccountName: "Sample Account", AccountNumber: "1234",
		BankBranchReference: "sample-branch", SettlementMethod: "EFT"}}
	r.Disbursements = []sampleDisbursement{{Amount: r.Amount, Status: "Transferred", OriginationTime: at}}
	return r
}

// notify posts a signed sample to an endpoint and returns what it answered with,
// or else what it was sent.
func notify[T any](s *sdk, op, webhookURL, topic string) (T, error) {
	var event T
	if s.err != nil {
		return event, s.err
	}
	ctx, cancel := s.context()
	defer cancel()
	sample, answer, err := s.client.core.sendSample(ctx, op, webhookURL, topic)
	if err != nil {
		return event, err
	}
	if isEvent(answer) && json.Unmarshal(answer, &event) == nil {
		return event, nil
	}
	var sent T
	if err := json.Unmarshal(sample, &sent); err != nil {
		return sent, &CallError{Op: op, Attempts: 1, Err: err}
	}
	return sent, nil
}

// isEvent reports whether an endpoint answered with a transaction: a JSON object
// with topic and id.
func isEvent(answer []byte) bool {
	var event struct{ Topic, ID string }
	return wire.DecodeLenient(answer, &event) == nil && event.Topic != "" && event.ID != ""
}

// sendSample posts a signed sample of a topic to an endpoint of the merchant's. It
// returns the sample and the endpoint's answer.
func (c *core) sendSample(ctx context.Context, op, webhookURL, topic string) (sample, answer []byte, err error) {
	call := &request{op: op, class: classSetup, method: http.MethodPost, url: webhookURL, template: "(webhook endpoint)",
		contentType: ContentTypeJSON, anonymous: true, limit: maxResponse}
	if err := c.checkSample(webhookURL); err != nil {
		return nil, nil, call.fail(notSent, 0, err)
	}
	event, ok := newSample(topic, time.Now())
	if !ok {
		v := validation{what: "sample", faults: []FieldError{{Field: "topic", Message: "has no sample"}}}
		return nil, nil, call.fail(notSent, 0, v.err())
	}
	if call.body, err = wire.Encode(event); err != nil {
		return nil, nil, call.fail(notSent, 0, err)
	}
	call.signature = Sign(call.body, c.apiKey())
	rep, err := c.do(ctx, call)
	return call.body, rep.body, err
}

// checkSample refuses what a sample must not be sent with or to.
func (c *core) checkSample(webhookURL string) error {
	v := validation{what: "sample"}
	v.callback("webhookURL", webhookURL)
	if c.apiKey() == "" {
		v.add("Credentials.APIKey", "is required to sign", nil)
	}
	if err := v.err(); err != nil {
		return err
	}
	u, err := url.Parse(webhookURL)
	if err == nil && (isLive(c.base) || isLive(c.auth)) && !isLoopback(u.Hostname()) {
		return ErrSampleRefused
	}
	return err
}

// isLive reports whether u is Kopo Kopo's production: every host of theirs but the sandbox.
func isLive(u *url.URL) bool {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	return host == "kopokopo.com" || strings.HasSuffix(host, ".kopokopo.com") && host != "sandbox.kopokopo.com"
}
