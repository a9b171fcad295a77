// Command payout pays three people at once and tells who got the money. It runs
// against an embedded Kopo Kopo: no account, no internet, no money.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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
		fmt.Fprintln(os.Stderr, "payout:", err)
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

	// Created, not sent twice: after ErrOutcomeUnknown, find out before paying again.
	ref, err := client.SendMoney.Create(ctx, kopokopo.SendMoneyReq{
		Destinations: []kopokopo.SendMoneyDestination{
			kopokopo.ToMobileWallet("0712 345 678", kopokopo.KES("15000"), "Salary, March"),
			kopokopo.ToMobileWallet(kopokopotest.FailPhone, kopokopo.KES("12000"), "Salary, March"), // never arrives
			kopokopo.ToPaybill("888880", "12345678", kopokopo.KES("2300"), "Electricity"),
		},
		Metadata: map[string]any{"payroll": "2026-03"}, // comes back in the result
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "K2 has accepted the payments.")

	// The id is all that is needed to wait, also for a process that was restarted.
	doc, err := client.SendMoney.Wait(ctx, ref.ID)
	if err != nil && !errors.Is(err, kopokopo.ErrPartial) && !errors.Is(err, kopokopo.ErrPaymentFailed) {
		return err
	}
	fmt.Fprintln(out, "All in all:", doc.Attributes.Outcome())
	for _, batch := range doc.Attributes.TransferBatches {
		for _, paid := range batch.Disbursements {
			fmt.Fprintf(out, "  %s KES %s: %s %s\n", paid.DestinationType, paid.Amount, paid.Status, strings.Join(paid.Errors, "; "))
		}
	}
	return nil
}
