package kopokopotest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// Why a delivery was not posted, found with errors.Is in [Delivery.Err].
var (
	// ErrDropped means that a [DeliveryPlan] dropped it.
	ErrDropped = errors.New("kopokopotest: delivery dropped")
	// ErrNotLoopback means that its host is not on the loopback interface. The
	// server never contacts anything else; register the URL with [Server.Handle].
	ErrNotLoopback = errors.New("kopokopotest: delivery refused: not a loopback address")

	errClosed  = errors.New("kopokopotest: server closed, or too much outstanding")
	errRefused = errors.New("kopokopotest: the endpoint did not answer 2xx")
)

const (
	attemptTimeout  = 5 * time.Second
	maxReply        = 64 << 10
	signatureHeader = "X-KopoKopo-Signature"
	deliveryAgent   = "kopokopotest/1.0 (fake Kopo Kopo)"
)

// DeliveryKind says what is posted.
type DeliveryKind string

// The three shapes K2 posts.
const (
	Callback DeliveryKind = "callback" // the result of a request, {"data":...}
	Webhook  DeliveryKind = "webhook"  // an event subscribed to, {"topic":...}
	Daraja   DeliveryKind = "daraja"   // the same in Safaricom's shape, for subscriptions with enable_daraja_payload
)

// Delivery is one attempt to post a callback or webhook.
type Delivery struct {
	URL       string
	Kind      DeliveryKind
	Topic     string // the event's topic; for a callback the resource's type, such as "incoming_payment"
	ID        string // the event's id; for a callback the resource's id
	Body      []byte // what was posted
	Signature string // its X-KopoKopo-Signature
	Attempt   int    // 1 for the first
	Status    int    // of the answer; 0 if there was none
	Err       error  // nil if the answer was 2xx
	Time      time.Time
}

// mail is something to be posted.
type mail struct {
	url   string
	kind  DeliveryKind
	topic string
	id    string
	body  []byte
}

// callbackMail renders a resource for its callback. The caller holds s.mu.
func (s *Server) callbackMail(r *record) mail {
	return mail{url: r.callbackURL(), kind: Callback, topic: r.ep.kind, id: r.id, body: s.document(r)}
}

// later runs a job after d, unless the server closes first.
func (s *Server) later(d time.Duration, job func()) bool {
	if !s.jobs.begin() {
		return false
	}
	go func() {
		defer s.jobs.end()
		if sleep(s.ctx, d) {
			job()
		}
	}()
	return true
}

// post sends mails, each on its own: one slow endpoint holds up nothing, and like
// K2's deliveries they may arrive in any order.
func (s *Server) post(mails []mail) {
	for _, m := range mails {
		if !s.later(0, func() { s.carry(m) }) {
			s.recordDelivery(m.delivery(m.body, "", errClosed))
		}
	}
}

func (m mail) delivery(body []byte, signature string, err error) Delivery {
	return Delivery{URL: m.url, Kind: m.kind, Topic: m.topic, ID: m.id, Body: body, Signature: signature, Err: err}
}

// carry follows the plan for one mail to its end.
func (s *Server) carry(m mail) {
	var plan DeliveryPlan
	signature := kopokopo.Sign(m.body, s.creds.APIKey)
	if s.plan != nil {
		plan = s.plan(m.delivery(bytes.Clone(m.body), signature, nil))
	}
	if plan.Drop {
		s.recordDelivery(m.delivery(m.body, signature, ErrDropped))
		return
	}
	if !sleep(s.ctx, plan.Delay) {
		return
	}
	m.body = plan.shape(m.body)
	key := s.creds.APIKey
	if plan.WrongKey {
		key = "fake_wrong_" + key
	}
	signature = kopokopo.Sign(m.body, key)
	for range plan.Duplicates + 1 {
		s.deliver(m, signature)
	}
}

func (p DeliveryPlan) shape(body []byte) []byte {
	if p.Edit != nil {
		body = p.Edit(bytes.Clone(body))
	}
	if p.Pretty {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			body = b.Bytes()
		}
	}
	return body
}

// deliver tries until the endpoint accepts, or tries are used up, or further ones
// are pointless.
func (s *Server) deliver(m mail, signature string) {
	wait := s.firstWait
	for try := 1; try <= s.tries; try++ {
		d := m.delivery(m.body, signature, nil)
		d.Attempt = try
		d.Status, d.Err = s.attempt(m, signature)
		s.recordDelivery(d)
		done := d.Err == nil || try == s.tries || errors.Is(d.Err, ErrNotLoopback)
		if done || !sleep(s.ctx, wait) {
			return
		}
		wait *= 2
	}
}

// attempt posts once.
func (s *Server) attempt(m mail, signature string) (int, error) {
	client, err := s.route(m.url)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		return 0, fmt.Errorf("kopokopotest: deliver: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", deliveryAgent)
	req.Header.Set(signatureHeader, signature)
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("kopokopotest: deliver: %w", err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxReply)
	_ = resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, errRefused
	}
	return resp.StatusCode, nil
}
