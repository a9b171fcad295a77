package kopokopo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// The answer to a push is lost. Before the customer is asked again, the program looks
// whether the money has come.
func ExampleClient_FindPayments() {
	k2 := kopokopotest.NewServer(kopokopotest.WithDelay(10 * time.Millisecond))
	defer k2.Close()
	cfg := k2.Config()
	cfg.CallbackURL = "https://shop.example/kopokopo"
	client, err := kopokopo.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	k2.Inject(kopokopotest.Fault{Method: http.MethodPost, Path: "/api/v2/incoming_payments", Drop: true, AfterWork: true})

	ctx := context.Background()
	push := kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "K1234567",
		Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
		Amount:         kopokopo.KES("1500"),
	}
	since := time.Now() // kept with the order, before anything is sent
	_, err = client.IncomingPayments.Create(ctx, push)
	if !errors.Is(err, kopokopo.ErrOutcomeUnknown) {
		fmt.Println(err)
		return
	}
	_ = k2.WaitIdle(ctx) // a program gives the customer some minutes

	payments, err := client.FindPayments(ctx, push, since)
	switch {
	case err != nil:
		fmt.Println("for a person to look at:", err) // ErrIncomparable among them
	case len(payments) == 0:
		fmt.Println("not paid as far as K2 knows: ask the customer, then push again")
	default:
		for _, p := range payments { // is it in the books already, for another order?
			fmt.Println("could be it: KES", p.Amount, "at till", p.TillNumber, p.Status)
		}
	}
	// Output: could be it: KES 1500.0 at till 1234567 Received
}

// A job that reads the payments of a period and keeps one time: where it goes on.
func ExampleClient_Transactions() {
	k2 := kopokopotest.NewServer(kopokopotest.WithDelay(10 * time.Millisecond))
	defer k2.Close()
	cfg := k2.Config()
	cfg.CallbackURL = "https://shop.example/kopokopo"
	client, err := kopokopo.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	pay(ctx, client)

	kept := time.Now().Add(-time.Hour) // in the program's database
	read := func(to time.Time) (count int, err error) {
		for payment, err := range client.Transactions(ctx, kopokopo.TransactionsQuery{From: kept, To: to}) {
			var stopped *kopokopo.TransactionsError
			if errors.As(err, &stopped) {
				kept = stopped.From
				return count, err
			}
			if payment.Reference != "" { // a program writes it to its books, under this key
				count++
			}
		}
		kept = to
		return count, nil
	}
	k2.Inject(kopokopotest.Fault{Method: http.MethodPost, Path: "/api/v2/polling", Status: http.StatusBadRequest})
	end := time.Now().Add(time.Second)
	count, err := read(end)
	fmt.Println(count, "payments, and an error:", err != nil)
	count, err = read(end)
	fmt.Println(count, "payments, and an error:", err != nil)
	// Output:
	// 0 payments, and an error: true
	// 1 payments, and an error: false
}
