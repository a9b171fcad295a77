package kopokopotest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/kopokopo-go/kopokopo"
)

// SignedSample returns a request as Kopo Kopo sends it to target, a URL: a sample
// of a topic, signed with apiKey. Give it to the ServeHTTP of your handler, or send
// it with an http.Client. [kopokopo.SampleTopics] lists the topics: every event,
// every type of result, and the Daraja shape. Each call makes another delivery; its
// body says that it is a sample. It panics for a topic without a sample and for a
// target that is no URL, as httptest.NewRequest does.
func SignedSample(target, topic, apiKey string) *http.Request {
	body, err := kopokopo.Sample(topic)
	if err != nil {
		panic(fmt.Sprintf("kopokopotest: %v", err))
	}
	return Signed(target, body, apiKey)
}

// Signed returns a request with a body of your own, signed with apiKey, as Kopo
// Kopo would send it. It panics for a target that is no URL.
func Signed(target string, body []byte, apiKey string) *http.Request {
	req, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		panic(fmt.Sprintf("kopokopotest: %v", err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", deliveryAgent)
	req.Header.Set(signatureHeader, kopokopo.Sign(body, apiKey))
	return req
}

// SendSample posts a signed sample of a topic to a URL, once, and returns what came
// of it: an error if the endpoint did not answer 2xx. It works like the server's own
// deliveries, which reach the loopback interface and what [Server.Handle] knows, and
// is recorded with them.
func (s *Server) SendSample(ctx context.Context, url, topic string) (Delivery, error) {
	body, err := kopokopo.Sample(topic)
	if err != nil {
		return Delivery{}, fmt.Errorf("kopokopotest: send sample: %w", err)
	}
	n, err := kopokopo.ParseEvent(body)
	if err != nil {
		return Delivery{}, fmt.Errorf("kopokopotest: send sample: %w", err)
	}
	m := mail{url: url, kind: sampleKind(n.Kind), topic: n.Topic, id: n.ID, body: body}
	d := m.delivery(body, kopokopo.Sign(body, s.creds.APIKey), ctx.Err())
	if d.Err == nil {
		d.Attempt = 1
		d.Status, d.Err = s.attempt(m, d.Signature)
		s.recordDelivery(d)
	}
	return d, d.Err
}

// sampleKind translates the kind of a notification.
func sampleKind(kind kopokopo.NotificationKind) DeliveryKind {
	switch kind {
	case kopokopo.KindResult:
		return Callback
	case kopokopo.KindDaraja:
		return Daraja
	}
	return Webhook
}
