// Command reversal takes a payment and gives it back. It runs against an embedded
// Kopo Kopo: no account, no internet, no money.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k2 := kopokopotest.NewServer()
	defer k2.Close()
	if err := run(ctx, k2.Config(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "reversal:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg kopokopo.Config, out io.Writer) error {
	cfg.CallbackURL = "https://shop.example/kopokopo" // where K2 posts the results
	client, err := kopokopo.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	payment, err := client.IncomingPayments.CreateAndWait(ctx, kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "1234567",
		Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
		Amount:         kopokopo.KES("1500"),
	})
	if err != nil {
		return err
	}
	receipt := payment.Attributes.Event.Resource.Reference
	fmt.Fprintln(out, "The customer has paid KES", payment.Attributes.Event.Resource.Amount)

	// A reversal that failed says Processed too. The error tells, and Outcome does.
	for _, reason := range []string{kopokopotest.FailReason, "Wrong size"} {
		reversal, err := client.Reversals.CreateAndWait(ctx, kopokopo.ReversalReq{TransactionReference: receipt, Reason: reason})
		switch {
		case errors.Is(err, kopokopo.ErrPaymentFailed):
			fmt.Fprintf(out, "K2 says %s, and the money did not go back: %v\n", reversal.Attributes.Status, reversal.Attributes.Reasons())
		case err != nil:
			return err
		default:
			fmt.Fprintf(out, "K2 says %s, and KES %s went back\n", reversal.Attributes.Status, reversal.Attributes.BulkPayment.Amount)
		}
	}
	return nil
}
