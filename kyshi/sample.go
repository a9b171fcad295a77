package kyshi

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The other headers of a delivery (Kyshi docs). Neither is signed.
const (
	eventIDHeader   = "X-Kyshi-Event-ID"
	timestampHeader = "X-Kyshi-Timestamp"
	userAgent       = "Kyshi-Webhook/1.0"
)

// sampleCharge is a charge with every documented member, and a mark: a signed
// sample must never be taken for a payment. The arguments are unique texts and the
// present time.
const samplePrefix = "SAMPLE-"

const sampleCharge = `{"event":"successful","data":{"reference":"SAMPLE-%[1]s","amount":100.5,` +
	`"customer":{"id":"sample-customer","firstName":"Jane","lastName":"Sample","email":"jane@example.com","phone":"+254999999999"},` +
	`"authorization":{"authorizationCode":"AUTH_sample","cardType":"visa","brand":"visa","last4":"1111","bin":"411111","expMonth":"08","expYear":"2030"},` +
	`"log":null,"meta":{"localCurrency":"KES","localAmount":100.5,"feeBreakdown":{"vat":0.5,"fee":3},` +
	`"mode":"test","kyshiEventId":"sample-%[1]s","kyshiWebhookQueuedAt":"%[2]s"}},"sample":true}`

// SampleCharge returns the body of a successful charge in Kyshi's shape, to try an
// endpoint out with. Every one has a reference ("SAMPLE-…") and an id of its own,
// and says that it is a sample: it arrives with [Event.Sample].
func SampleCharge() []byte {
	at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Appendf(nil, sampleCharge, strings.ToLower(rand.Text()), at)
}

// SignedRequest returns a delivery of body as Kyshi would make it: a POST with all
// of Kyshi's headers, signed with the verifier's first secret. Send it with an
// [http.Client], or give it to a handler in a test. body can be any; to an endpoint
// that is live send only a [SampleCharge], since a signed event is taken for what
// it says. The error is about target, which must be an absolute http or https URL.
func (v *Verifier) SignedRequest(ctx context.Context, target string, body []byte) (*http.Request, error) {
	if !v.made() {
		return nil, errNotMade
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("kyshi: signed request: target must be an absolute http or https URL")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("kyshi: signed request: no context") // nothing else is left
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set(eventIDHeader, "sample-"+strings.ToLower(rand.Text()))
	r.Header.Set(timestampHeader, strconv.FormatInt(time.Now().UnixMilli(), 10))
	r.Header.Set(v.header, v.Sign(body))
	return r, nil
}
