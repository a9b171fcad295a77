package kopokopo_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// Everything K2 posts, verified, typed and handled once.
func ExampleClient_WebhookHandler() {
	client, err := kopokopo.New(kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: credentials})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := client.WebhookHandler(func(ctx context.Context, n *kopokopo.Notification) error {
		switch p := n.Payload.(type) {
		case *kopokopo.CustomerCreatedEvent:
			return welcome(ctx, p.PhoneNumber)
		case *kopokopo.Document[kopokopo.IncomingPayment]: // the result of an STK push
			if p.Attributes.Outcome() == kopokopo.OutcomeFailed {
				return remind(ctx, p.Attributes.Metadata["order"], p.Attributes.Reasons())
			}
		}
		return nil // acknowledged; an error makes K2 deliver again
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhooks", handler)
}

func welcome(context.Context, string) error       { return nil }
func remind(context.Context, any, []string) error { return nil }

// One function for each kind of payload, and Other for the rest. Without Other, what
// has no case would be delivered again until somebody looks at it.
func ExampleDispatch() {
	handler, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{"api-key"}}, kopokopo.Dispatch{
		IncomingPayment: func(_ context.Context, n *kopokopo.Notification, p *kopokopo.Document[kopokopo.IncomingPayment]) error {
			if p.Attributes.Outcome() == kopokopo.OutcomeFailed {
				fmt.Println("order", p.Attributes.Metadata["order"], "was not paid:", p.Attributes.FailureCode())
			}
			entries, undecided := n.Entries() // book them by key, as the example of Entries shows
			for _, e := range entries {
				fmt.Println("book", e.Key)
			}
			return undecided // nil is acknowledged; an error makes K2 deliver again
		},
		Other: func(_ context.Context, n *kopokopo.Notification) error {
			fmt.Println("not for this shop:", n.Topic)
			return nil
		},
	}.Handle)
	if err != nil {
		log.Fatal(err)
	}
	for _, body := range []string{
		`{"data":{"id":"a652f86f","type":"incoming_payment","attributes":{"status":"Failed","metadata":{"order":"1001"},"event":{"resource":null,"errors":["Request cancelled by user"]}}}}`,
		`{"topic":"customer_created","id":"2133dbfb","event":{"resource":{"first_name":"Jane"}}}`,
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, kopokopotest.Signed("https://shop.example/webhooks", []byte(body), "api-key"))
		fmt.Println(answer.Code)
	}
	// Output:
	// order 1001 was not paid: cancelled
	// 200
	// not for this shop: customer_created
	// 200
}

// One payment by STK push arrives twice: as the result of the request, and as
// buygoods_transaction_received, in either order. Both have entries of the same key,
// so that a ledger with a unique key books it once. A reversed event has the receipt
// and the amount of the payment, and is a debit with a key of its own.
func ExampleNotification_Entries() {
	ledger := map[string]kopokopo.LedgerEntry{} // by Key: a unique index, in a database
	handler, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{"api-key"}},
		func(_ context.Context, n *kopokopo.Notification) error {
			entries, undecided := n.Entries()
			for _, e := range entries {
				if _, known := ledger[e.Key]; !known { // INSERT … ON CONFLICT DO NOTHING
					ledger[e.Key] = e
					fmt.Println(e.Kind, e.Direction, e.Amount.Currency, e.Amount.Value, e.Key)
				}
			}
			return undecided // nil, or ErrUndecided: K2 delivers again, and somebody looks into it
		})
	if err != nil {
		log.Fatal(err)
	}
	for _, body := range []string{
		`{"data":{"id":"a652f86f","type":"incoming_payment","attributes":{"status":"Success","event":{"resource":{"reference":"OJM6Q1W84K","amount":"100.0","status":"Received"}}}}}`,
		`{"topic":"buygoods_transaction_received","id":"2133dbfb","event":{"resource":{"reference":"OJM6Q1W84K","amount":"100.0","status":"Received"}}}`,
		`{"topic":"buygoods_transaction_reversed","id":"98adf21e","event":{"resource":{"reference":"OJM6Q1W84K","amount":"100","status":"Reversed"}}}`,
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, kopokopotest.Signed("https://shop.example/webhooks", []byte(body), "api-key"))
		fmt.Println(answer.Code)
	}
	var cents int64
	for _, e := range ledger {
		cents += e.Minor()
	}
	fmt.Println("balance moved by", cents)
	// Output:
	// payment credit KES 100 credit:OJM6Q1W84K
	// 200
	// 200
	// reversal debit KES 100 reversal:OJM6Q1W84K
	// 200
	// balance moved by 0
}

// While a key is replaced, both are accepted. KeyIndex tells which one signed.
func ExampleNewWebhookHandler() {
	handler, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{"new-key", "old-key"}},
		func(_ context.Context, n *kopokopo.Notification) error {
			fmt.Println(n.Topic, "signed by key", n.KeyIndex)
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	request := kopokopotest.SignedSample("https://shop.example/webhooks", kopokopo.TopicCustomerCreated, "old-key")
	handler.ServeHTTP(httptest.NewRecorder(), request)
	// Output: customer_created signed by key 1
}

// The body and the header exactly as they arrived, in a server of one's own.
func ExampleVerifyRequest() {
	body := []byte(`{"topic":"customer_created"}`)
	request := kopokopotest.Signed("https://shop.example/webhooks", body, "api-key")
	fmt.Println(kopokopo.VerifyRequest(request, body, "api-key"))
	fmt.Println(kopokopo.VerifyRequest(request, body, "another"))
	// Output:
	// <nil>
	// kopokopo: webhook: bad signature
}
