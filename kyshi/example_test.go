package kyshi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// ledger stands for what a shop keeps its payments in.
type ledger struct{ paid map[string]kopokopo.Decimal }

// Credit gives value once for each reference.
func (l *ledger) Credit(_ context.Context, reference string, amount kopokopo.Decimal) error {
	l.paid[reference] = amount
	return nil
}

// Taking webhooks: what is not signed never reaches the function, and what is
// reaches it once.
func Example() {
	os.Setenv("KYSHI_WEBHOOK_SECRET", "whsec_demo_kyshi_0123456789")
	defer os.Unsetenv("KYSHI_WEBHOOK_SECRET")
	mux, orders := http.NewServeMux(), &ledger{paid: map[string]kopokopo.Decimal{}}
	serve := func() error {
		verifier, err := kyshi.NewVerifier(kyshi.VerifierConfig{
			Secrets: []string{os.Getenv("KYSHI_WEBHOOK_SECRET")},
		})
		if err != nil {
			return err
		}
		handler, err := kyshi.NewWebhookHandler(kyshi.HandlerConfig{Verifier: verifier},
			func(ctx context.Context, e *kyshi.Event) error {
				if e.Type != kyshi.EventSuccessful {
					return nil // acknowledged, and nothing done
				}
				// Once for each reference, and only after Kyshi has confirmed the amount.
				return orders.Credit(ctx, e.Data.Reference, e.Data.Amount)
			})
		if err != nil {
			return err
		}
		mux.Handle("POST /kyshi", handler)
		return nil
	}
	if err := serve(); err != nil {
		fmt.Println(err)
		return
	}

	// In a test: a delivery as Kyshi makes it, and one that somebody else made.
	kyshis, _ := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{"whsec_demo_kyshi_0123456789"}})
	others, _ := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{"whsec_of_somebody_else"}})
	body := []byte(`{"event":"successful","data":{"reference":"ORD-1001","amount":1500.50}}`)
	for _, sender := range []*kyshi.Verifier{others, kyshis} {
		request, err := sender.SignedRequest(context.Background(), "https://shop.example/kyshi", body)
		if err != nil {
			fmt.Println(err)
			return
		}
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, request)
		fmt.Println(answer.Code, orders.paid)
	}
	// Output:
	// 400 map[]
	// 200 map[ORD-1001:1500.50]
}

// Without the handler: verify the raw bytes, then read them.
func ExampleVerifier_Verify() {
	verifier, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{"whsec_new", "whsec_old"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"event":"successful","data":{"reference":"ORD-1001","amount":1500.50}}`)
	header := "sha256=" + verifier.Sign(body)

	if err := verifier.Verify(body, header); err != nil {
		fmt.Println(err) // discard it
		return
	}
	event, err := kyshi.ParseEvent(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.Type, event.Data.Reference, event.Data.Amount)

	fmt.Println(verifier.Verify(append(body, ' '), header))
	// Output:
	// successful ORD-1001 1500.50
	// kyshi: webhook: signature does not match
}
