// Command quickstart takes a payment of KES 100, end to end.
//
// Without any settings it runs against an embedded Kopo Kopo in this very process:
// no account, no internet, no money. With KOPOKOPO_CLIENT_ID, KOPOKOPO_CLIENT_SECRET,
// KOPOKOPO_API_KEY and KOPOKOPO_BASE_URL set it asks the real one, and then needs
// KOPOKOPO_PHONE, KOPOKOPO_TILL and a public KOPOKOPO_CALLBACK_URL as well.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	run := embedded
	if asksForReal() {
		run = real
	}
	err := run(ctx)
	var missing missingError
	switch {
	case errors.As(err, &missing):
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// embedded does the whole round against a Kopo Kopo in this process.
func embedded(ctx context.Context) error {
	k2 := kopokopotest.NewServer()
	defer k2.Close()
	fmt.Println("1. An embedded Kopo Kopo listens on", k2.URL)
	cfg := k2.Config()

	// The merchant's own little server: K2 posts events and results to it.
	events, results := make(chan []byte, 10), make(chan []byte, 10)
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks", receiver(cfg.Credentials.APIKey, events))
	mux.Handle("POST /result", receiver(cfg.Credentials.APIKey, results))
	shop := httptest.NewServer(mux)
	defer shop.Close()

	sdk := kopokopo.NewSDK(cfg)
	token, err := sdk.GetToken()
	if err != nil {
		return err
	}
	fmt.Printf("2. Got a token, good for %d s\n", token.Expiry)

	subscription, err := sdk.CreateWebhook(token.AccessToken, kopokopo.CreateWebhookReq{
		EventType: kopokopo.TopicBuygoodsReceived,
		URL:       shop.URL + "/webhooks",
		Scope:     kopokopo.ScopeTill,
		ScopeRef:  "1234567",
	})
	if err != nil {
		return err
	}
	fmt.Println("3. Subscribed to", kopokopo.TopicBuygoodsReceived, "as", subscription)

	id, err := sdk.ReceiveMpesaPayment(token.AccessToken, push("0712345678", "1234567", shop.URL+"/result"))
	if err != nil {
		return err
	}
	fmt.Println("4. Asked the customer for KES 100: incoming payment", id)
	return follow(ctx, sdk, token.AccessToken, id, results, events)
}

// follow waits for what K2 posts about the payment.
func follow(ctx context.Context, sdk kopokopo.SDK, token, id string, results, events <-chan []byte) error {
	select {
	case body := <-results:
		got, err := sdk.ProcessIncommingMpesaPayment(string(body))
		if err != nil {
			return err
		}
		if got != id {
			return fmt.Errorf("the result is of %s, not of %s", got, id)
		}
		fmt.Println("5. K2 posted the result, signature verified: the customer has paid")
	case <-ctx.Done():
		return fmt.Errorf("no callback: %w", ctx.Err())
	}

	payment, err := sdk.QueryIncommingMpesaPayment(token, id)
	if err != nil {
		return err
	}
	fmt.Printf("6. Status %s: KES %.2f, M-PESA receipt %s\n",
		payment.Attributes.Status, payment.Attributes.Resource.Amount, payment.Attributes.Resource.Reference)

	select {
	case body := <-events:
		var event kopokopo.BuyGoodsTrans
		if err := json.Unmarshal(body, &event); err != nil {
			return err
		}
		fmt.Println("7. The subscribed webhook came too:", event.Topic, "with the same receipt", event.Event.Resource.Reference)
	case <-ctx.Done():
		return fmt.Errorf("no webhook: %w", ctx.Err())
	}
	return nil
}

// receiver takes what K2 posts, and keeps it only if K2 has signed it.
func receiver(apiKey string, kept chan<- []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		// Verify the raw bytes, before anything reads them.
		if err := kopokopo.VerifySignature(body, r.Header.Get(kopokopo.SignatureHeader), apiKey); err != nil {
			http.Error(w, "not from Kopo Kopo", http.StatusUnauthorized)
			return
		}
		kept <- body
	})
}

// push is the request for KES 100.
func push(phone, till, callback string) kopokopo.ReceiveMpesaReq {
	return kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     till,
		Subscriber:     kopokopo.Subscriber{FirstName: "Jane", LastName: "Doe", PhoneNumber: phone},
		Amount:         kopokopo.KES("100"),
		Metadata:       map[string]any{"reference": "order-1001"}, // comes back in the callback
		Links:          kopokopo.Links{Callback: callback},
	}
}
