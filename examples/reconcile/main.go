// Command reconcile compares what a shop believes it was paid with what it was
// paid. It runs against an embedded Kopo Kopo: no account, no internet, no money.
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
		fmt.Fprintln(os.Stderr, "reconcile:", err)
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
	books, err := sell(ctx, client)
	if err != nil {
		return err
	}
	books["GONE000000"] = "order 1003" // in the books, and not at Kopo Kopo

	// All of the last day, in as many requests as it takes. An error ends the
	// sequence: what was read before it is complete, and it says where the rest begins.
	// A day that counts is read when it has been over for an hour: K2 may file late.
	now := time.Now()
	var total int64
	for payment, err := range client.Transactions(ctx, kopokopo.TransactionsQuery{From: now.AddDate(0, 0, -1), To: now.Add(time.Second)}) {
		var stopped *kopokopo.TransactionsError // which every error is
		if errors.As(err, &stopped) {
			return fmt.Errorf("to be gone on with from %s: %w", stopped.From.Format(time.RFC3339), err)
		}
		cents, err := payment.Amount.Minor()
		if err != nil {
			return err
		}
		total += cents
		order, known := books[payment.Reference]
		if !known {
			order = "not in the books"
		}
		delete(books, payment.Reference)
		fmt.Fprintf(out, "KES %s: %s\n", payment.Amount, order)
	}
	for _, order := range books {
		fmt.Fprintln(out, "never paid:", order)
	}
	fmt.Fprintf(out, "in all KES %d.%02d\n", total/100, total%100)
	return nil
}

// sell takes three payments. The shop misses the result of the last one: callbacks
// do get lost.
func sell(ctx context.Context, client *kopokopo.Client) (books map[string]string, err error) {
	books = map[string]string{}
	for i, amount := range []string{"1500", "250.50", "99"} {
		payment, err := client.IncomingPayments.CreateAndWait(ctx, kopokopo.ReceiveMpesaReq{
			PaymentChannel: kopokopo.ChannelSTKPush,
			TillNumber:     "1234567",
			Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
			Amount:         kopokopo.KES(amount),
		})
		if err != nil {
			return nil, errors.Join(errors.New("selling"), err)
		}
		if i < 2 {
			books[payment.Attributes.Event.Resource.Reference] = fmt.Sprint("order ", 1001+i)
		}
	}
	return books, nil
}
