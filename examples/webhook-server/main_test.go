package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestDemonstration(t *testing.T) {
	t.Setenv("KOPOKOPO_API_KEY", "")
	if err := demonstrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRotation(t *testing.T) {
	handler, err := newShop().handler("new", "old")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{"new": 200, "old": 200, "retired": 401} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, kopokopotest.SignedSample("https://shop.example/webhooks", kopokopo.TopicBuygoodsReceived, key))
		if answer.Code != want {
			t.Errorf("signed with the %s key: %d, want %d", key, answer.Code, want)
		}
	}
}

// A reversed event has the receipt of the payment and a positive amount, and is no
// payment: whatever comes first and how often, the balance is what is left.
func TestAReversalIsNoCredit(t *testing.T) {
	const received = `{"topic":"buygoods_transaction_received","id":"e1","event":{"resource":{"reference":"OJM6Q1W84K","amount":"100.0","status":"Received"}}}`
	const reversed = `{"topic":"buygoods_transaction_reversed","id":"e2","event":{"resource":{"reference":"OJM6Q1W84K","amount":"100","status":"Reversed"}}}`
	for _, bodies := range [][]string{{received, reversed}, {reversed, received}, {reversed, reversed, received, received}} {
		shop := newShop()
		handler, err := shop.handler("key")
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range bodies {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, kopokopotest.Signed("https://shop.example/webhooks", []byte(body), "key"))
			if answer.Code != http.StatusOK {
				t.Error(answer.Code)
			}
		}
		if shop.balance() != 0 || len(shop.ledger) != 2 {
			t.Errorf("balance %d after %v", shop.balance(), shop.ledger)
		}
	}
}

// What is certain in a delivery is booked, and the delivery comes again until
// somebody has looked at the rest of it.
func TestWhatIsUndecidedComesAgain(t *testing.T) {
	const body = `{"data":{"id":"d1","type":"send_money","attributes":{"status":"Processed","transfer_batches":[` +
		`{"status":"Transferred","disbursements":[{"amount":"50","status":"Transferred","destination_reference":"A","transaction_reference":"R1"}]},` +
		`{"status":"Cancelled","disbursements":[{"amount":"70","status":"Cancelled","destination_reference":"B","transaction_reference":"R2"}]}]}}}`
	shop := newShop()
	handler, err := shop.handler("key")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, kopokopotest.Signed("https://shop.example/webhooks", []byte(body), "key"))
		if answer.Code != http.StatusInternalServerError {
			t.Error(answer.Code)
		}
	}
	if shop.balance() != -5000 {
		t.Error(shop.balance())
	}
}

func TestEveryTopicIsTaken(t *testing.T) {
	handler, err := newShop().handler("key")
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range kopokopo.SampleTopics() {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, kopokopotest.SignedSample("https://shop.example/webhooks", topic, "key"))
		if answer.Code != http.StatusOK {
			t.Errorf("%s: %d", topic, answer.Code)
		}
	}
}

func TestGracefulShutdown(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	handler, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{"key"}},
		func(context.Context, *kopokopo.Notification) error { close(began); <-end; return nil })
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- serve(ctx, listener, handler) }()
	status := make(chan int, 1)
	go func() {
		answer, err := http.DefaultClient.Do(kopokopotest.SignedSample("http://"+listener.Addr().String()+"/webhooks", kopokopo.TopicCustomerCreated, "key"))
		if err != nil {
			status <- 0
			return
		}
		answer.Body.Close()
		status <- answer.StatusCode
	}()
	<-began
	cancel()
	select {
	case <-left:
		t.Fatal("left while a delivery was at work")
	case <-time.After(50 * time.Millisecond):
	}
	close(end)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the delivery at work was answered %d", got)
	}
	if err := <-left; err != nil {
		t.Error(err)
	}
}
