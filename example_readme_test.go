package kopokopo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// ledger is a table with a unique index: amounts in cents by key.
type ledger struct {
	mu   sync.Mutex
	rows map[string]int64
}

// Book is INSERT … ON CONFLICT DO NOTHING.
func (l *ledger) Book(_ context.Context, key string, cents int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows[key] = cents
	return nil
}

// Balance is SELECT sum(cents).
func (l *ledger) Balance() (sum int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cents := range l.rows {
		sum += cents
	}
	return sum
}

// receiveWebhooks is the README's section on webhooks.
func receiveWebhooks(client *kopokopo.Client, mux *http.ServeMux, ledger *ledger) error {
	handler, err := client.WebhookHandler(func(ctx context.Context, n *kopokopo.Notification) error {
		entries, undecided := n.Entries() // the money that moved, if any did
		for _, e := range entries {
			if err := ledger.Book(ctx, e.Key, e.Minor()); err != nil { // each key once: a unique index
				return err // K2 delivers again
			}
		}
		return undecided // nil is acknowledged; ErrUndecided is for a person to look into
	})
	if err != nil {
		return err
	}
	mux.Handle("POST /kopokopo", handler)
	return nil
}

// waitForPayment is the README's section on what became of a payment.
func waitForPayment(ctx context.Context, client *kopokopo.Client, ref kopokopo.Ref) error {
	payment, err := client.IncomingPayments.Wait(ctx, ref.ID)
	switch {
	case err == nil:
		receipt := payment.Attributes.Event.Resource
		fmt.Println("paid", receipt.Amount, "at till", receipt.TillNumber)
	case errors.Is(err, kopokopo.ErrPaymentFailed):
		fmt.Println("not paid:", payment.Attributes.FailureCode(), payment.Attributes.Reasons())
	default:
		return err // still pending, say: wait again by the id, also after a restart
	}
	return nil
}

// payOut is the README's section on paying out.
func payOut(ctx context.Context, client *kopokopo.Client) error {
	ref, err := client.SendMoney.Create(ctx, kopokopo.SendMoneyReq{
		Destinations: []kopokopo.SendMoneyDestination{
			kopokopo.ToMobileWallet("0712 345 678", kopokopo.KES("15000"), "Salary, March"),
			kopokopo.ToPaybill("888880", "12345678", kopokopo.KES("2300"), "Electricity"),
		},
		Metadata: map[string]any{"payroll": "2026-03"},
	})
	if err != nil {
		return err // after ErrOutcomeUnknown, find out before paying again
	}
	paid, err := client.SendMoney.Wait(ctx, ref.ID)
	switch {
	case err == nil:
		fmt.Println("all of it arrived")
	case errors.Is(err, kopokopo.ErrPartial):
		fmt.Println("only some of it arrived:", paid.Attributes.Reasons())
	default:
		return err
	}
	return nil
}

// payOnce is the README's section on idempotency keys.
func payOnce(ctx context.Context, client *kopokopo.Client, handler *kopokopo.Handler) error {
	salary := kopokopo.SendMoneyReq{Destinations: []kopokopo.SendMoneyDestination{
		kopokopo.ToMobileWallet("0712 345 678", kopokopo.KES("15000"), "Salary, March"),
	}}
	ref, err := client.SendMoney.Create(ctx, salary, kopokopo.WithIdempotencyKey("payroll/2026-03/employee-17/1"))
	switch {
	case errors.Is(err, kopokopo.ErrKeyReused):
		return err // the key stands for another payment: a mistake in the program
	case errors.Is(err, kopokopo.ErrOutcomeUnknown):
		return err // call again with the same key, now or after a restart: nothing is sent twice
	case err != nil:
		return err // not sent or refused: nothing happened, and the key is free
	}
	remember(ref.ID) // the same, however often it is called

	_, err = client.FollowUp(ctx, handler) // every few minutes, and when the program starts
	return err
}

func remember(string) {}

// reconcile is the README's section on reconciliation.
func reconcile(ctx context.Context, client *kopokopo.Client, from time.Time) (next time.Time, err error) {
	day := kopokopo.TransactionsQuery{From: from, To: from.AddDate(0, 0, 1)}
	for payment, err := range client.Transactions(ctx, day) {
		var stopped *kopokopo.TransactionsError // which every error is
		if errors.As(err, &stopped) {
			return stopped.From, err // what came before is complete: go on from here
		}
		fmt.Println(payment.Reference, payment.Amount)
	}
	return day.To, nil // where the next day begins
}

// The README from end to end: the shop's handler, a payment, a payout.
func Example() {
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
	mux := http.NewServeMux()
	books := &ledger{rows: map[string]int64{}}
	fmt.Println(receiveWebhooks(client, mux, books))
	k2.Handle(cfg.CallbackURL, mux)

	ctx := context.Background()
	for _, till := range []string{"1234567", "K000000"} {
		ref, err := client.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{
			PaymentChannel: kopokopo.ChannelSTKPush,
			TillNumber:     till,
			Subscriber:     kopokopo.Subscriber{PhoneNumber: "0712 345 678"},
			Amount:         kopokopo.KES("1500"),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(waitForPayment(ctx, client, ref))
	}
	fmt.Println(payOut(ctx, client))
	results, err := client.WebhookHandler(func(context.Context, *kopokopo.Notification) error { return nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	before := k2.Count(http.MethodPost, "/api/v2/send_money")
	fmt.Println(payOnce(ctx, client, results), payOnce(ctx, client, results))
	fmt.Println("payments sent:", k2.Count(http.MethodPost, "/api/v2/send_money")-before)
	from := time.Now().AddDate(0, 0, -2)
	next, err := reconcile(ctx, client, from)
	fmt.Println(next.Sub(from).Round(time.Minute), err)
	fmt.Println(k2.WaitIdle(ctx))
	fmt.Println("the ledger moved by KES", books.Balance()/100, "and the balance is", k2.Balance())
	// Output:
	// <nil>
	// paid 1500.0 at till 1234567
	// <nil>
	// not paid: wrong_pin [The initiator information is invalid.]
	// <nil>
	// all of it arrived
	// <nil>
	// <nil> <nil>
	// payments sent: 1
	// 24h0m0s <nil>
	// <nil>
	// the ledger moved by KES -30800 and the balance is 69200
}
