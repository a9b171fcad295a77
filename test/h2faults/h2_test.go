package h2faults_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/kopokopo-go/kopokopo"
)

const id = "0dad3e3f-a83e-4ed2-afa6-2e76a3df3a03"

// faults are what can befall a request of HTTP/2 that was delivered whole.
var faults = map[string]func(c *conn, stream uint32) bool{
	"PROTOCOL_ERROR":  func(c *conn, s uint32) bool { return c.WriteRSTStream(s, http2.ErrCodeProtocol) == nil },
	"REFUSED_STREAM":  func(c *conn, s uint32) bool { return c.WriteRSTStream(s, http2.ErrCodeRefusedStream) == nil },
	"INTERNAL_ERROR":  func(c *conn, s uint32) bool { return c.WriteRSTStream(s, http2.ErrCodeInternal) == nil },
	"CANCEL":          func(c *conn, s uint32) bool { return c.WriteRSTStream(s, http2.ErrCodeCancel) == nil },
	"GOAWAY before":   func(c *conn, _ uint32) bool { c.WriteGoAway(0, http2.ErrCodeNo, nil); return false },
	"GOAWAY after":    func(c *conn, s uint32) bool { c.WriteGoAway(s, http2.ErrCodeNo, nil); return false },
	"connection lost": func(*conn, uint32) bool { return false },
}

func newClient(t *testing.T, s *server) *kopokopo.Client {
	t.Helper()
	client, err := kopokopo.New(kopokopo.Config{
		BaseURL:     "https://" + s.ln.Addr().String(),
		TokenSource: token{},
		Timeout:     10 * time.Second,
		HTTPClient:  &http.Client{Transport: insecure()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func insecure() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true} //nolint:gosec // a test's certificate
}

type token struct{}

func (token) Token(context.Context, string) (string, error) { return "a-token", nil }

const callback = "https://shop.example/result"

func pay(ctx context.Context, c *kopokopo.Client) error {
	_, err := c.V1.Payments.Create(ctx, kopokopo.CreatePaymentReq{DestinationType: "mobile_wallet", DestinationReference: id,
		Amount: kopokopo.KES("1"), Description: "x", Links: kopokopo.Links{Callback: callback}})
	return err
}

func collect(ctx context.Context, c *kopokopo.Client) error {
	_, err := c.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{PaymentChannel: "M-PESA STK Push", TillNumber: "K000000",
		Subscriber: kopokopo.Subscriber{FirstName: "Joe", LastName: "Buyer", PhoneNumber: "+254999999999"},
		Amount:     kopokopo.KES("1"), Links: kopokopo.Links{Callback: callback}})
	return err
}

func subscribe(ctx context.Context, c *kopokopo.Client) error {
	_, err := c.WebhookSubscriptions.Create(ctx, kopokopo.CreateWebhookReq{EventType: "buygoods_transaction_received",
		URL: callback, Scope: "till", ScopeRef: "555555"})
	return err
}

func read(ctx context.Context, c *kopokopo.Client) error {
	_, err := c.IncomingPayments.Get(ctx, id)
	return err
}

// payout checks that a payout never meets HTTP/2.
func payout(t *testing.T, fault string) {
	t.Run("M", func(t *testing.T) {
		s := newServer(t, func(c *conn, stream uint32, _ int) bool { return faults[fault](c, stream) })
		if err := pay(t.Context(), newClient(t, s)); err != nil {
			t.Fatal(err)
		}
		if n := s.seen("POST /api/v1/payments"); n != 1 || !slices.Equal(s.protocols, []string{"http/1.1"}) {
			t.Fatalf("%d payments, over %q", n, s.protocols)
		}
	})
}

// others checks that what S and C send arrives once, and that reads recover.
func others(t *testing.T, fault string) {
	creates := map[string]struct {
		call func(context.Context, *kopokopo.Client) error
		what string
	}{"C": {collect, "POST /api/v2/incoming_payments"}, "S": {subscribe, "POST /api/v2/webhook_subscriptions"}}
	for class, create := range creates {
		t.Run(class, func(t *testing.T) {
			s := newServer(t, func(c *conn, stream uint32, n int) bool {
				if n == 2 {
					return faults[fault](c, stream)
				}
				c.good(stream)
				return true
			})
			client := newClient(t, s)
			if err := read(t.Context(), client); err != nil { // the connection is warmed
				t.Fatal(err)
			}
			err := create.call(t.Context(), client)
			if !errors.Is(err, kopokopo.ErrOutcomeUnknown) || errors.Is(err, kopokopo.ErrNotSent) || errors.Is(err, kopokopo.ErrRefused) {
				t.Fatalf("%v", err)
			}
			var failed *kopokopo.CallError
			if errors.As(err, &failed); failed.Attempts != 1 {
				t.Fatalf("%d attempts", failed.Attempts)
			}
			if n := s.seen(create.what); n != 1 || s.protocols[0] != "h2" {
				t.Fatalf("%d arrived, over %q", n, s.protocols)
			}
			if err := read(t.Context(), client); err != nil {
				t.Fatalf("the pool is good for the next call: %v", err)
			}
		})
	}
	t.Run("R", func(t *testing.T) {
		s := newServer(t, func(c *conn, stream uint32, n int) bool {
			if n == 1 {
				return faults[fault](c, stream)
			}
			c.good(stream)
			return true
		})
		if err := read(t.Context(), newClient(t, s)); err != nil {
			t.Fatal(err)
		}
		if n := s.seen("GET /api/v2/incoming_payments/" + id); n != 2 {
			t.Fatalf("%d reads arrived", n)
		}
	})
}

func TestFault_N18_ProtocolError(t *testing.T) {
	payout(t, "PROTOCOL_ERROR")
	others(t, "PROTOCOL_ERROR")
}

func TestFault_N19_RefusedStreamAndGoAway(t *testing.T) {
	for _, fault := range []string{"REFUSED_STREAM", "GOAWAY before", "GOAWAY after"} {
		t.Run(fault, func(t *testing.T) {
			payout(t, fault)
			others(t, fault)
		})
	}
}

func TestFault_N20_InternalErrorAndCancel(t *testing.T) {
	for _, fault := range []string{"INTERNAL_ERROR", "CANCEL", "connection lost"} {
		t.Run(fault, func(t *testing.T) {
			payout(t, fault)
			others(t, fault)
		})
	}
}

// The control: with a plain net/http client the same fault makes the server see a
// payment more than once, while the caller sees one success.
func TestFault_Control_PlainClientIsRepeatedByHTTP2(t *testing.T) {
	s := newServer(t, func(c *conn, stream uint32, n int) bool {
		if n < 3 {
			return faults["PROTOCOL_ERROR"](c, stream)
		}
		c.good(stream)
		return true
	})
	plain := &http.Client{Transport: insecure()}
	defer plain.CloseIdleConnections()
	resp, err := plain.Post("https://"+s.ln.Addr().String()+"/api/v1/payments", "application/json", bytes.NewReader([]byte(`{"amount":1}`)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	n := s.seen("POST /api/v1/payments")
	t.Logf("a plain net/http client over HTTP/2: %d complete POSTs for one call that returned %d", n, resp.StatusCode)
	if n < 2 {
		t.Fatal("the test cannot fail")
	}
}

// A call that gives up does not take down the connection that others use.
func TestFault_N20_OneCallerLeavesASharedConnection(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	s := newServer(t, func(c *conn, stream uint32, n int) bool {
		if n == 2 {
			leave()
			return true // never answered
		}
		c.good(stream)
		return true
	})
	client := newClient(t, s)
	if err := read(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if err := collect(ctx, client); !errors.Is(err, kopokopo.ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for range 10 {
		if err := read(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.protocols) != 1 {
		t.Fatalf("%d connections", len(s.protocols))
	}
}
