// Command payment-link makes a link, has it paid by a customer, and cancels
// another. It runs against an embedded Kopo Kopo: no account, no internet, no money.
package main

import (
	"context"
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
	if err := run(ctx, k2, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "payment-link:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, k2 *kopokopotest.Server, out io.Writer) error {
	cfg := k2.Config()
	cfg.CallbackURL = "https://shop.example/kopokopo" // where K2 posts that a link was paid
	client, err := kopokopo.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	invoice := kopokopo.PaymentLinkReq{
		TillNumber:       "4321",
		Amount:           kopokopo.KES("2500"),
		PaymentReference: "INV-1001",
		Note:             "Internet, March",
	}

	// A link has succeeded when it exists. Whether it was paid is another question.
	link, err := client.PaymentLinks.CreateAndWait(ctx, invoice)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Made a link for KES %s, paid: %v\n", link.Attributes.Amount, link.Attributes.Paid())

	if err := k2.PayLink(link.ID, "254712345678"); err != nil { // the customer
		return err
	}
	// K2 posts the payment to the callback URL. Asking works as well.
	link, err = client.PaymentLinks.Get(ctx, link.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The customer followed it, paid: %v\n", link.Attributes.Paid())

	second, err := client.PaymentLinks.CreateAndWait(ctx, invoice)
	if err != nil {
		return err
	}
	if err := client.PaymentLinks.Cancel(ctx, second.ID); err != nil {
		return err
	}
	second, err = client.PaymentLinks.Get(ctx, second.ID)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "A second link is now", second.Attributes.Link.PaymentLinkStatus)
	return nil
}
