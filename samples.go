package kopokopo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/outbound"
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
	case TopicM2MReceived, TopicM2MCompleted:
		kind, link = "Merchant to Merchant Transaction", "/payment_batches/"
		r.Status, r.SendingMerchant = "Received", "Sample Merchant"
		if topic == TopicM2MCompleted {
			r.Status = "Complete" // assumed: no sample is on record
		}
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
	call := &request{sample: true, Call: outbound.Call{Op: op, Class: outbound.Setup, Method: http.MethodPost, URL: webhookURL,
		Template: "(webhook endpoint)", Anonymous: true, Limit: maxResponse}}
	if err := c.checkSample(webhookURL); err != nil {
		return nil, nil, call.fail(outbound.NotSent, 0, err)
	}
	event, ok := newSample(topic, time.Now())
	if !ok {
		v := validation{what: "sample", faults: []FieldError{{Field: "topic", Message: "has no sample"}}}
		return nil, nil, call.fail(outbound.NotSent, 0, v.err())
	}
	if call.Body, err = wire.Encode(event); err != nil {
		return nil, nil, call.fail(outbound.NotSent, 0, err)
	}
	call.Header = jsonHeader.Clone()
	call.Header.Set(SignatureHeader, Sign(call.Body, c.apiKey()))
	rep, err := c.do(ctx, call)
	return call.Body, rep.Body, err
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

// SampleDaraja is the name of the sample in Safaricom's shape. See [Sample].
const SampleDaraja = "daraja"

// Sample returns a sample of what K2 posts, as bytes to sign with [Sign] and to
// test an endpoint with: an event by its topic, a result by its resource's type
// ("incoming_payment"), a Daraja payload by [SampleDaraja]. [SampleTopics] lists
// them. Samples say so ("sample":true, ids sample-…, references SAMPLE…), and each
// is another delivery. The kopokopotest package makes signed requests of them.
func Sample(topic string) ([]byte, error) {
	now := time.Now()
	if event, ok := newSample(topic, now); ok {
		return wire.Encode(event)
	}
	template, ok := sampleResults[topic]
	if !ok {
		v := validation{what: "sample", faults: []FieldError{{Field: "topic", Message: "has no sample"}}}
		return nil, v.err()
	}
	unique := rand.Text()
	return []byte(strings.NewReplacer(
		"{id}", "sample-"+strings.ToLower(unique),
		"{inner}", "sample-resource-"+strings.ToLower(unique),
		"{reference}", "SAMPLE"+unique[:6],
		"{at}", now.In(eastAfrica).Format(k2Time),
		"{daraja}", now.In(eastAfrica).Format(wire.DarajaTime),
		"{self}", Sandbox+"/api/",
		"{callback}", `"callback_url":"https://example.com/callback"`,
	).Replace(template)), nil
}

// SampleTopics lists what [Sample] has: the topics, the types of results, and [SampleDaraja].
func SampleTopics() []string {
	return append(slices.Clone(knownTopics), slices.Sorted(maps.Keys(sampleResults))...)
}

// sampleResults are results as K2 posts them (K2 docs and SDK fixtures).
var sampleResults = map[string]string{
	"incoming_payment": `{"data":{"id":"{id}","type":"incoming_payment","attributes":{"initiation_time":"{at}","status":"Success",` +
		`"event":{"type":"Incoming Payment Request","resource":{"id":"{inner}","reference":"{reference}","origination_time":"{at}",` +
		`"sender_phone_number":"+254999999999","amount":"100.0","currency":"KES","till_number":"K000000","system":"Lipa Na M-PESA",` +
		`"status":"Received","sender_first_name":"Jane","sender_middle_name":null,"sender_last_name":"Sample"},"errors":null},` +
		`"metadata":{"sample":"sample"},"_links":{{callback},"self":"{self}v2/incoming_payments/{id}"}}},"sample":true}`,
	"payment": `{"data":{"id":"{id}","type":"payment","attributes":{"status":"Processed","created_at":"{at}",` +
		`"amount":{"currency":"KES","value":100},"transfer_batches":[{"status":"Transferred","disbursements":[{"amount":"100.0",` +
		`"status":"Transferred","destination_type":"Mobile Wallet","origination_time":"{at}","destination_reference":"{inner}",` +
		`"transaction_reference":"{reference}"}]}],"metadata":{"sample":"sample"},` +
		`"_links":{{callback},"self":"{self}v1/payments/{id}"}}},"sample":true}`,
	"send_money": `{"data":{"id":"{id}","type":"send_money","attributes":{"status":"Processed","created_at":"{at}","source_identifier":"",` +
		`"destinations":[{"type":"mobile_wallet","amount":100,"network":"Safaricom","nickname":"Sample","favourite":false,` +
		`"description":"Sample","phone_number":"254999999999"}],"currency":"KES","transfer_batches":[{"status":"Transferred",` +
		`"amount":"100.0","disbursements":[{"amount":"100.0","errors":null,"status":"Transferred","nickname":"Sample","favourite":false,` +
		`"phone_number":"254999999999","destination_type":"mobile_wallet","origination_time":"{at}","destination_reference":"{inner}",` +
		`"transaction_reference":"{reference}"}]}],"errors":null,"metadata":{"sample":"sample"},` +
		`"_links":{{callback},"self":"{self}v2/send_money/{id}"}}},"sample":true}`,
	"settlement_transfer": `{"data":{"id":"{id}","type":"settlement_transfer","attributes":{"status":"Processed","created_at":"{at}",` +
		`"amount":{"currency":"KES","value":null},"transfer_batches":[{"status":"Transferred","disbursements":[{"amount":"100.0",` +
		`"status":"Transferred","destination_type":"Bank Account","origination_time":"{at}","destination_reference":"{inner}",` +
		`"transaction_reference":null}]}],"_links":{{callback},"self":"{self}v1/settlement_transfers/{id}"}}},"sample":true}`,
	"polling": `{"data":{"id":"{id}","type":"polling","attributes":{"status":"Success","from_time":"{at}","to_time":"{at}",` +
		`"transactions":[{"type":"Buygoods Transaction","resource":{"id":"{inner}","amount":"100.0","status":"Received",` +
		`"system":"Lipa Na M-PESA","currency":"KES","reference":"{reference}","till_number":"000000","origination_time":"{at}",` +
		`"sender_last_name":"Sample","sender_first_name":"Jane","sender_middle_name":null,"sender_phone_number":"+254999999999"}}],` +
		`"scope":"Company","scope_reference":null,"_links":{{callback},"self":"{self}v2/polling/{id}"}}},"sample":true}`,
	"payment_link": `{"data":{"id":"{id}","type":"payment_link","attributes":{"status":"Processed","created_at":"{at}",` +
		`"till_name":"Sample Till","till_number":"000000","payment_reference":"SAMPLE","currency":"KES","amount":100,"note":"Sample",` +
		`"payment_link":{"status":"Paid","expires_at":"{at}","link":"https://example.com/links/{inner}",` +
		`"transaction_reference":"{reference}","sender_phone_number":254999999999,"origination_time":"{at}"},"errors":null,` +
		`"metadata":{"sample":"sample"},"_links":{{callback},"self":"{self}v2/payment_links/{id}"}}},"sample":true}`,
	"reversal": `{"data":{"id":"{id}","type":"reversal","attributes":{"status":"Processed","created_at":"{at}",` +
		`"transaction_reference":"{reference}","reason":"Sample","reversal_bulk_payment":{"amount":"100.0","status":"Transferred",` +
		`"origination_time":"{at}","transaction_reference":"{reference}R"},"errors":null,"metadata":{"sample":"sample"},` +
		`"_links":{{callback},"self":"{self}v2/reversals/{id}"}}},"sample":true}`,
	"transaction_sms_notification": `{"data":{"id":"{id}","type":"transaction_sms_notification","attributes":{"status":"Success",` +
		`"message":"Sample","webhook_event_reference":"{inner}",` +
		`"_links":{{callback},"self":"{self}v1/transaction_sms_notifications/{id}"}}},"sample":true}`,
	SampleDaraja: `{"TransactionType":"Buy Goods","TransID":"{reference}","TransTime":"{daraja}","TransAmount":"100.0",` +
		`"BusinessShortCode":"000000","BillRefNumber":"","InvoiceNumber":"","OrgAccountBalance":"","ThirdPartyTransId":"",` +
		`"MSISDN":"254999999999","FirstName":"Jane","MiddleName":null,"LastName":null,"sample":true}`,
}
