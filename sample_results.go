package kopokopo

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

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
