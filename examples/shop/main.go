// Command shop takes payments that go wrong in every way, against an embedded Kopo Kopo:
// no account, no internet, no money. The shop itself is package checkout, beside it.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/examples/shop/checkout"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k2 := kopokopotest.NewServer(kopokopotest.WithOutcome(decide), kopokopotest.WithDelivery(deliver))
	defer k2.Close()
	if err := demonstrate(ctx, k2, os.Stdout); err != nil {
		log.Fatalln("shop:", err)
	}
}

// decide lets Ben decline once.
func decide(s kopokopotest.Submission) []string {
	if bytes.Contains(s.Body, []byte("shop/ben/1")) {
		return kopokopotest.FailureReasons(kopokopo.FailureCancelled)
	}
	return nil
}

// deliver loses the result of Cyd's payment.
func deliver(d kopokopotest.Delivery) kopokopotest.DeliveryPlan {
	return kopokopotest.DeliveryPlan{Drop: bytes.Contains(d.Body, []byte("shop/cyd/"))}
}

func demonstrate(ctx context.Context, k2 *kopokopotest.Server, out io.Writer) error {
	books := &checkout.Memory{Orders: map[string]checkout.Order{}, Ledger: map[string]kopokopo.LedgerEntry{}}
	for i, id := range []string{"ann", "ben", "cyd", "dan", "eve"} {
		books.Orders[id] = checkout.Order{ID: id, Till: "K000111", Phone: fmt.Sprint("071234567", i), Price: "1500", Attempt: 1}
	}
	web := httptest.NewUnstartedServer(nil)
	cfg := k2.Config()
	cfg.CallbackURL = "http://" + web.Listener.Addr().String() + "/kopokopo"
	cfg.Intents = kopokopo.NewMemoryIntents(0, 0) // one that is durable, in a real shop, and so for the store
	shop, err := checkout.New(cfg, kopokopo.NewMemoryStore(0, 0), books)
	if err != nil {
		return err
	}
	defer shop.Client.Close()
	web.Config.Handler = shop
	web.Start()
	defer web.Close()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go shop.FollowUp(ctx, 50*time.Millisecond, func(err error) { log.Println("follow up:", err) })

	press := func(what, button string) {
		reply, failed := http.Post(web.URL+"/orders/"+button, "", nil)
		if failed != nil {
			err = errors.Join(err, failed)
			return
		}
		defer reply.Body.Close()
		text, _ := io.ReadAll(reply.Body)
		fmt.Fprintf(out, "%s: %s", what, text)
	}
	wait := func() { err = errors.Join(err, k2.WaitIdle(ctx)) } // for the customer, and for the results
	press("Ann presses the button", "ann/payments/1")
	press("Ann presses it twice", "ann/payments/1")
	press("Ben presses", "ben/payments/1")
	wait()
	press("Ben has declined, and presses on his old page", "ben/payments/1")
	press("Ben presses on his new page", "ben/payments/2")
	press("Cyd presses, and the result will be lost", "cyd/payments/1")
	lost := kopokopotest.Fault{Method: "POST", Path: "/api/v2/incoming_payments", Drop: true}
	k2.Inject(lost)
	press("Dan presses, and the request is lost", "dan/payments/1")
	lost.AfterWork = true
	k2.Inject(lost)
	press("Eve presses, and only the answer is lost", "eve/payments/1")
	wait()

	for order := (checkout.Order{}); order.Receipt == "" && err == nil; time.Sleep(time.Millisecond) {
		order, err = books.Order(ctx, "cyd") // until FollowUp has found it
		err = errors.Join(err, ctx.Err())
	}
	for intent := range shop.Client.Intents.InDoubt(ctx) {
		fmt.Fprintln(out, "In doubt:", intent.Key)
	}
	fmt.Fprintln(out, "Booked: KES", books.Balance()/100, "from", k2.Count("POST", lost.Path), "requests; Kopo Kopo's balance:", k2.Balance())
	return err
}
