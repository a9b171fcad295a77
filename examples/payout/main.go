// Command payout pays fifty people, tells who got the money, and pays those again, one by
// one, who did not. It runs against an embedded Kopo Kopo: no account, no internet, no
// money. The paying itself is package payroll, beside it.
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
	"github.com/kopokopo-go/kopokopo/examples/payout/payroll"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k2 := kopokopotest.NewServer(kopokopotest.WithDestinations(decide))
	defer k2.Close()
	if err := run(ctx, k2.Config(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "payout:", err)
		os.Exit(1)
	}
}

// phone is that of person i.
func phone(i int) string { return fmt.Sprintf("2547123456%02d", i) }

// decide makes some of the payments go wrong.
func decide(d kopokopotest.Destination) (plan kopokopotest.DestinationPlan) {
	switch d.Number {
	case phone(7): // at first
		if d.Try == 1 {
			plan.Reasons = kopokopotest.FailureReasons(kopokopo.FailureLimitOrBusy)
		}
	case phone(21): // for a while, and then it fails, but for the first time only
		if d.Try == 1 {
			plan.Pending, plan.Reasons = 300*time.Millisecond, kopokopotest.FailureReasons(kopokopo.FailureExpired)
		}
	case phone(33): // every time
		plan.Reasons = kopokopotest.FailureReasons(kopokopo.FailureNoAnswer)
	case phone(42): // nobody knows, ever
		plan.Pending, plan.Status = -1, "Unclear"
	}
	return plan
}

func run(ctx context.Context, cfg kopokopo.Config, out io.Writer) error {
	cfg.CallbackURL = "https://shop.example/kopokopo" // where K2 posts the results
	cfg.Intents = kopokopo.NewMemoryIntents(0, 0)     // one that is durable, for a real payroll
	client, err := kopokopo.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	march := payroll.Payroll{Client: client, Name: "2026-03", Tries: 2}
	for i := range 50 {
		march.Rows = append(march.Rows, kopokopo.ToMobileWallet(phone(i), kopokopo.KES("1500"), "Salary, March"))
	}
	lines, err := march.Run(ctx)
	for range 10 { // for one second; a real payroll is run again every few minutes, for days
		if payroll.Done(lines) || ctx.Err() != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
		lines, err = march.Run(ctx)
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for _, line := range lines {
		show(out, line)
	}
	return nil
}

// show tells how it stands with one row.
func show(out io.Writer, line payroll.Line) {
	fmt.Fprintf(out, "%2d %s", line.Index, line.Outcome)
	if line.Try > 0 {
		fmt.Fprintf(out, ", paid again: %d", line.Try)
	}
	if line.Reference != "" {
		fmt.Fprint(out, ", receipt ", line.Reference)
	}
	if len(line.Reasons) > 0 {
		fmt.Fprint(out, ": ", strings.Join(line.Reasons, "; "))
	}
	if line.Err != nil {
		fmt.Fprint(out, ": ", line.Err)
	}
	fmt.Fprintln(out)
}
