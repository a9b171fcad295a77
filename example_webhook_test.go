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
		case *kopokopo.TransactionEvent: // at the till; n.Topic tells received from reversed
			if n.Topic == kopokopo.TopicBuygoodsReceived {
				return credit(ctx, n.Reference, p.Amount)
			}
		case *kopokopo.Document[kopokopo.IncomingPayment]: // the result of an STK push
			if p.Attributes.Outcome() == kopokopo.OutcomeSucceeded {
				return credit(ctx, n.Reference, p.Attributes.Event.Resource.Amount)
			}
		}
		return nil // acknowledged; an error makes K2 deliver again
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /webhooks", handler)
}

func credit(context.Context, string, kopokopo.Decimal) error { return nil }

// One function for each kind of payload, and Other for the rest. Without Other, what
// has no case would be delivered again until somebody looks at it.
func ExampleDispatch() {
	handler, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{"api-key"}}, kopokopo.Dispatch{
		IncomingPayment: func(ctx context.Context, n *kopokopo.Notification, p *kopokopo.Document[kopokopo.IncomingPayment]) error {
			switch p.Attributes.Outcome() {
			case kopokopo.OutcomeSucceeded:
				return credit(ctx, n.Reference, p.Attributes.Event.Resource.Amount)
			case kopokopo.OutcomeFailed:
				fmt.Println("order", p.Attributes.Metadata["order"], "was not paid:", p.Attributes.FailureCode())
			}
			return nil // acknowledged; an error makes K2 deliver again
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
// buygoods_transaction_received, in either order. The M-PESA receipt is the same, so
// that a ledger with a unique receipt credits it once. A reversal has the same
// receipt again, and is an entry of its own.
func ExampleNotification_creditOnce() {
	type entry struct{ receipt, kind string } // the unique key of the ledger
	ledger := map[entry]kopokopo.Decimal{}
	credit := func(receipt string, amount kopokopo.Decimal) {
		if _, known := ledger[entry{receipt, "credit"}]; !known { // INSERT … ON CONFLICT DO NOTHING
			ledger[entry{receipt, "credit"}] = amount
			fmt.Println("credited KES", amount)
		}
	}
	handler, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{"api-key"}},
		func(_ context.Context, n *kopokopo.Notification) error {
			switch p := n.Payload.(type) {
			case *kopokopo.TransactionEvent:
				switch n.Topic {
				case kopokopo.TopicBuygoodsReceived:
					credit(n.Reference, p.Amount)
				case kopokopo.TopicBuygoodsReversed:
					ledger[entry{n.Reference, "reversal"}] = p.Amount
				}
			case *kopokopo.Document[kopokopo.IncomingPayment]:
				if p.Attributes.Outcome() == kopokopo.OutcomeSucceeded {
					credit(n.Reference, p.Attributes.Event.Resource.Amount)
				}
			}
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	for _, body := range []string{
		`{"data":{"id":"a652f86f","type":"incoming_payment","attributes":{"status":"Success","event":{"resource":{"reference":"OJM6Q1W84K","amount":"100.0","status":"Received"}}}}}`,
		`{"topic":"buygoods_transaction_received","id":"2133dbfb","event":{"resource":{"reference":"OJM6Q1W84K","amount":"100.0","status":"Received"}}}`,
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, kopokopotest.Signed("https://shop.example/webhooks", []byte(body), "api-key"))
		fmt.Println(answer.Code)
	}
	// Output:
	// credited KES 100.0
	// 200
	// 200
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
