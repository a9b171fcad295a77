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
