package kopokopo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// collector is what this program uses of Kopo Kopo, and no more. The field
// IncomingPayments of a client satisfies it, and so does a fake.
type collector interface {
	Create(ctx context.Context, req kopokopo.ReceiveMpesaReq, opts ...kopokopo.CallOption) (kopokopo.Ref, error)
	Wait(ctx context.Context, id string, opts ...kopokopo.CallOption) (*kopokopo.Document[kopokopo.IncomingPayment], error)
}

var _ collector = (&kopokopo.Client{}).IncomingPayments

// checkout is the code under test.
func checkout(ctx context.Context, payments collector, phone string, price kopokopo.Amount) (receipt string, err error) {
	ref, err := payments.Create(ctx, kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "K000000",
		Subscriber:     kopokopo.Subscriber{PhoneNumber: phone},
		Amount:         price,
	})
	if err != nil {
		return "", err
	}
	paid, err := payments.Wait(ctx, ref.ID)
	if err != nil {
		return "", err
	}
	return paid.Attributes.Event.Resource.Reference, nil
}

// payingCustomer is a fake in which everybody pays.
type payingCustomer struct{}

func (payingCustomer) Create(context.Context, kopokopo.ReceiveMpesaReq, ...kopokopo.CallOption) (kopokopo.Ref, error) {
	return kopokopo.Ref{ID: "payment-1"}, nil
}

func (payingCustomer) Wait(_ context.Context, id string, _ ...kopokopo.CallOption) (*kopokopo.Document[kopokopo.IncomingPayment], error) {
	return &kopokopo.Document[kopokopo.IncomingPayment]{ID: id, Attributes: kopokopo.IncomingPayment{
		Status: "Success",
		Event:  kopokopo.IncomingPaymentEntry{Resource: &kopokopo.Transaction{Reference: "OJJ1MPU40Z"}},
	}}, nil
}

// A fake of the two methods that a program uses.
func ExampleAsyncEndpoint_fake() {
	receipt, err := checkout(context.Background(), payingCustomer{}, "0712 345 678", kopokopo.KES("1500"))
	fmt.Println(receipt, err)
	// Output: OJJ1MPU40Z <nil>
}

// A process that was restarted waits again, by the id that it has kept.
func ExampleAsyncEndpoint_Wait() {
	k2 := kopokopotest.NewServer(kopokopotest.WithDelay(100 * time.Millisecond))
	defer k2.Close()
	cfg := k2.Config()
	cfg.CallbackURL = "https://shop.example/kopokopo"
	ctx := context.Background()
	var database string

	func() { // a process that ends too soon
		client, err := kopokopo.New(cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer client.Close()
		ref, err := client.Reversals.Create(ctx, kopokopo.ReversalReq{TransactionReference: pay(ctx, client), Reason: "Wrong size"})
		if err != nil {
			fmt.Println(err)
			return
		}
		database = ref.ID
		_, err = client.Reversals.Wait(ctx, ref.ID, kopokopo.WithWaitLimit(0))
		fmt.Println("still pending:", errors.Is(err, kopokopo.ErrStillPending))
	}()

	client, err := kopokopo.New(cfg) // the next process
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	doc, err := client.Reversals.Wait(ctx, database)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Attributes.Outcome(), "KES", doc.Attributes.BulkPayment.Amount)
	// Output:
	// still pending: true
	// succeeded KES 1500.0
}

// pay has a customer pay KES 1500 and returns the receipt.
func pay(ctx context.Context, client *kopokopo.Client) string {
	paid, err := client.IncomingPayments.CreateAndWait(ctx, kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "1234567",
		Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
		Amount:         kopokopo.KES("1500"),
	}, kopokopo.WithWaitLimit(time.Second))
	if err != nil {
		return ""
	}
	return paid.Attributes.Event.Resource.Reference
}

// A payment whose answer was lost is not made again: its result settles the key.
func ExampleWithIdempotencyKey() {
	k2 := kopokopotest.NewServer(kopokopotest.WithRedelivery(10, 100*time.Millisecond))
	defer k2.Close()
	client, handler := shopWith(k2, nil)
	defer client.Close()
	ctx := context.Background()
	pay := func() (kopokopo.Ref, error) {
		return client.SendMoney.Create(ctx, kopokopo.SendMoneyReq{Destinations: []kopokopo.SendMoneyDestination{
			kopokopo.ToMobileWallet("0712 345 678", kopokopo.KES("15000"), "Salary, March"),
		}}, kopokopo.WithIdempotencyKey("payroll/2026-03/employee-17/1"))
	}

	k2.Inject(kopokopotest.Fault{Method: "POST", Path: "/api/v2/send_money", AfterWork: true, Drop: true})
	_, err := pay()
	fmt.Println("unknown:", errors.Is(err, kopokopo.ErrOutcomeUnknown))
	_, err = pay()
	fmt.Println("still unknown:", errors.Is(err, kopokopo.ErrOutcomeUnknown))

	k2.Handle("https://shop.example/kopokopo", handler)
	if err := k2.WaitIdle(ctx); err != nil { // until K2 has posted the result
		fmt.Println(err)
	}
	ref, err := pay()
	fmt.Println("known:", ref.ID != "", err)
	fmt.Println("payments sent:", k2.Count("POST", "/api/v2/send_money"))
	// Output:
	// unknown: true
	// still unknown: true
	// result of send_money
	// known: true <nil>
	// payments sent: 1
}

// shopWith makes a client of an embedded Kopo Kopo and a handler for its results.
func shopWith(k2 *kopokopotest.Server, store kopokopo.IntentStore) (*kopokopo.Client, *kopokopo.Handler) {
	cfg := k2.Config()
	cfg.CallbackURL = "https://shop.example/kopokopo"
	cfg.Intents = store
	client, err := kopokopo.New(cfg)
	if err != nil {
		panic(err)
	}
	handler, err := client.WebhookHandler(func(_ context.Context, n *kopokopo.Notification) error {
		fmt.Println("result of", n.Topic)
		return nil
	})
	if err != nil {
		panic(err)
	}
	return client, handler
}

// Results that were never posted are read when the program starts again.
func ExampleClient_FollowUp() {
	k2 := kopokopotest.NewServer(kopokopotest.WithDelivery(func(kopokopotest.Delivery) kopokopotest.DeliveryPlan {
		return kopokopotest.DeliveryPlan{Drop: true}
	}))
	defer k2.Close()
	store := kopokopo.NewMemoryIntents(0, 0) // durable, in a real program
	ctx := context.Background()

	client, _ := shopWith(k2, store) // a process that ends too soon
	_, err := client.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "1234567",
		Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
		Amount:         kopokopo.KES("1500"),
	}, kopokopo.WithIdempotencyKey("order-1001/1"))
	fmt.Println(err)
	client.Close()
	if err := k2.WaitIdle(ctx); err != nil {
		fmt.Println(err)
	}

	client, handler := shopWith(k2, store) // the next process
	defer client.Close()
	fmt.Println(client.FollowUp(ctx, handler))
	fmt.Println(client.FollowUp(ctx, handler)) // nothing is left
	// Output:
	// <nil>
	// result of incoming_payment
	// 1 <nil>
	// 0 <nil>
}

// What no result has settled is settled by a person, after a look at the dashboard.
func ExampleIntents_InDoubt() {
	k2 := kopokopotest.NewServer()
	defer k2.Close()
	client, _ := shopWith(k2, nil)
	defer client.Close()
	ctx := context.Background()
	reverse := func(order string) (kopokopo.Ref, error) {
		return client.Reversals.Create(ctx, kopokopo.ReversalReq{TransactionReference: "OJM6Q1W84K", Reason: "Wrong size"},
			kopokopo.WithIdempotencyKey("refund/"+order))
	}
	for _, order := range []string{"1001", "1002"} {
		k2.Inject(kopokopotest.Fault{Method: "POST", Path: "/api/v2/reversals", Status: 500})
		_, err := reverse(order)
		fmt.Println(errors.Is(err, kopokopo.ErrOutcomeUnknown))
	}

	for intent, err := range client.Intents.InDoubt(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if intent.Key == "refund/1001" { // it is on the dashboard
			err = client.Intents.SettleCreated(ctx, intent.Key, "a1f8e9c2")
		} else { // it is not, and K2's support is certain that it never will be
			err = client.Intents.SettleNotCreated(ctx, intent.Key)
		}
		fmt.Println(intent.Key, err)
	}
	fmt.Println(reverse("1001"))
	// Output:
	// true
	// true
	// refund/1001 <nil>
	// refund/1002 <nil>
	// {a1f8e9c2 } <nil>
}

// Attributes that this package does not know are in Raw.
func ExampleDocument_raw() {
	doc := kopokopo.Document[kopokopo.Payment]{Raw: json.RawMessage(`{"attributes":{"fee":"12.50"}}`)}
	var added struct {
		Attributes struct {
			Fee kopokopo.Decimal `json:"fee"`
		} `json:"attributes"`
	}
	if err := json.Unmarshal(doc.Raw, &added); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(added.Attributes.Fee)
	// Output: 12.50
}
