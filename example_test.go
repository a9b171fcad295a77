package kopokopo_test

import (
	"context"
	"errors"
	"fmt"
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
