package kopokopo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// The credentials of an application, as a program would have them.
var credentials = kopokopo.Credentials{AppID: "an application", Secret: os.Getenv("KOPOKOPO_CLIENT_SECRET"), APIKey: "a key"}

// Taking a payment: ask the customer, and know what an error means.
func ExampleClient_takePayment() {
	takePayment := func(ctx context.Context) error {
		client, err := kopokopo.New(kopokopo.Config{
			BaseURL:     kopokopo.Sandbox,
			Credentials: credentials, // from the Kopo Kopo dashboard
			CallbackURL: "https://shop.example/kopokopo",
		})
		if err != nil {
			return err
		}
		defer client.Close()

		// A prompt appears on the customer's phone.
		ref, err := client.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{
			PaymentChannel: kopokopo.ChannelSTKPush,
			TillNumber:     "K000000",
			Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
			Amount:         kopokopo.KES("1500"),
			Metadata:       map[string]any{"order": "1001"}, // comes back in the callback
		})
		switch {
		case errors.Is(err, kopokopo.ErrOutcomeUnknown):
			// The prompt may be on the phone. Do not charge again: wait for the callback.
			return err
		case err != nil:
			return err // not sent or refused: nothing happened
		}

		fmt.Println(ref.ID)
		return nil
	}
	fmt.Println(takePayment(context.Background()))
	// Output: kopokopo: config: Credentials.Secret is required
}

// Looking up what became of a payment, here at an embedded Kopo Kopo.
func ExampleClient_lookUpPayment() {
	k2 := kopokopotest.NewServer()
	defer k2.Close()
	client, err := kopokopo.New(k2.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	lookUp := func(ctx context.Context, ref kopokopo.Ref) error {
		payment, err := client.IncomingPayments.Get(ctx, ref.ID)
		if err != nil {
			return err
		}
		switch payment.Attributes.Outcome() {
		case kopokopo.OutcomeSucceeded:
			receipt := payment.Attributes.Event.Resource
			fmt.Println("paid", receipt.Amount, "with", receipt.Reference)
		case kopokopo.OutcomeFailed:
			fmt.Println("not paid:", payment.Attributes.Reasons())
		default:
			fmt.Println("not yet:", payment.Attributes.Status)
		}
		return nil
	}
	k2.Handle("https://shop.example/kopokopo", http.NotFoundHandler()) // no callback gets through
	ref, err := client.IncomingPayments.Create(context.Background(), kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "K000000", // the till that always fails
		Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
		Amount:         kopokopo.KES("1500"),
		Links:          kopokopo.Links{Callback: "https://shop.example/kopokopo"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(lookUp(context.Background(), ref))
	fmt.Println(k2.WaitIdle(context.Background()))
	fmt.Println(lookUp(context.Background(), ref))
	// Output:
	// not yet: Pending
	// <nil>
	// <nil>
	// not paid: [The initiator information is invalid.]
	// <nil>
}

// Developing against an embedded Kopo Kopo, through the documented interface.
func ExampleNewSDK() {
	k2 := kopokopotest.NewServer() // tokens, resources, signed callbacks, on loopback
	defer k2.Close()

	sdk := kopokopo.NewSDK(k2.Config())
	token, err := sdk.GetToken()
	fmt.Println(token.Type, token.Expiry, err)
	// Output: Bearer 3600 <nil>
}

// An error of a create says whether K2 can have acted.
func ExampleErrNotSent() {
	client, err := kopokopo.New(kopokopo.Config{
		BaseURL:     "http://127.0.0.1:1", // nobody listens there
		Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret"},
		MaxRetries:  -1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.IncomingPayments.Create(context.Background(), kopokopo.ReceiveMpesaReq{})
	fmt.Println(errors.Is(err, kopokopo.ErrNotSent))
	fmt.Println(err)
	// Output:
	// true
	// kopokopo: create incoming payment: not sent: payment_channel must be "M-PESA STK Push" or "M-PESA"; till_number is required; subscriber.phone_number is required; amount.currency is required; amount.value is required; _links.callback_url is required
}
