// Package checkout takes the payments of a shop by STK push. Whatever is pressed twice,
// delivered twice or never, and wherever the program is killed, no order is paid twice
// and each movement of money is booked once, as long as three things outlive the kill:
// the intents (Config.Intents), the deliveries (HandlerConfig.Store) and the shop's own
// database (Books). In memory, as here, they do not.
package checkout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// Shop is an http.Handler for the shop's pages and for what Kopo Kopo posts.
type Shop struct {
	*http.ServeMux
	Client  *kopokopo.Client
	webhook *kopokopo.Handler
	books   Books
}

// New opens a shop. cfg has the intents, and the URL of its POST /kopokopo as callback.
func New(cfg kopokopo.Config, deliveries kopokopo.DeliveryStore, books Books) (*Shop, error) {
	client, err := kopokopo.New(cfg)
	if err != nil {
		return nil, err
	}
	s := &Shop{ServeMux: http.NewServeMux(), Client: client, books: books}
	s.webhook, err = kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Client: client, Store: deliveries}, s.receive)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	s.Handle("POST /kopokopo", s.webhook)
	s.HandleFunc("POST /orders/{order}/payments/{attempt}", s.pay)
	s.HandleFunc("GET /doubts", s.doubts)
	return s, nil
}

// pay answers the button of an order's page. The button names the attempt that the page
// showed, so that pressing it twice, or again tomorrow on an old page, is one attempt with
// one key: the phone rings once. The next attempt begins when this one has failed, and
// only Kopo Kopo's result can say so: see receive.
func (s *Shop) pay(w http.ResponseWriter, r *http.Request) {
	order, err := s.books.Order(r.Context(), r.PathValue("order"))
	attempt := strconv.Itoa(order.Attempt)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case order.Receipt != "" || r.PathValue("attempt") != attempt:
		fmt.Fprintf(w, "receipt %q, attempt %s, declined %q\n", order.Receipt, attempt, order.Declined)
		return
	}
	_, err = s.Client.IncomingPayments.Create(r.Context(), kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     order.Till,
		Subscriber:     kopokopo.Subscriber{PhoneNumber: order.Phone},
		Amount:         kopokopo.KES(order.Price),
		Metadata:       map[string]any{"order": order.ID, "attempt": attempt}, // come back in the result
	}, kopokopo.WithIdempotencyKey("shop/"+order.ID+"/"+attempt))
	switch {
	case err == nil:
		fmt.Fprintln(w, "please confirm on your phone")
	case errors.Is(err, kopokopo.ErrOutcomeUnknown):
		// The phone may have rung. The key sees to it that it does not ring again until the
		// result comes, or somebody settles it: see doubts.
		fmt.Fprintln(w, "you may have been asked to pay: please wait")
	default: // not sent or refused: nothing happened, and the key is free
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// receive is called for what Kopo Kopo posts, and for what FollowUp reads. What fails is
// called again, so each step is one that can be repeated.
func (s *Shop) receive(ctx context.Context, n *kopokopo.Notification) error {
	entries, undecided := n.Entries()
	for _, e := range entries {
		if err := s.books.Book(ctx, e); err != nil {
			return err
		}
	}
	result, ok := n.Payload.(*kopokopo.Document[kopokopo.IncomingPayment])
	if undecided != nil || !ok || n.Sample {
		return undecided
	}
	payment := result.Attributes // if it succeeded, it has a receipt: else it were undecided
	order, _ := payment.Metadata["order"].(string)
	attempt, _ := payment.Metadata["attempt"].(string)
	switch payment.Outcome() {
	case kopokopo.OutcomeSucceeded:
		return s.books.Result(ctx, order, attempt, payment.Event.Resource.Reference, "")
	case kopokopo.OutcomeFailed: // the customer may be asked again, under another key
		return s.books.Result(ctx, order, attempt, "", payment.FailureCode())
	}
	return nil
}

// FollowUp reads the payments whose result has not come, at once and then every so often
// until ctx ends: some callbacks never arrive, others came while the program was down.
func (s *Shop) FollowUp(ctx context.Context, every time.Duration, failed func(error)) {
	for ctx.Err() == nil {
		if _, err := s.Client.FollowUp(ctx, s.webhook); err != nil {
			failed(err) // the next round tries again
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
		}
	}
}

// doubts lists, for the staff, the keys of which nobody knows whether Kopo Kopo has the
// request, as after a crash. Most settle by themselves when their result arrives. If one
// stays, look for the payment in Kopo Kopo's dashboard (Client.FindPayments helps), and call
// Client.Intents.SettleCreated or SettleNotCreated. Then its button works again.
func (s *Shop) doubts(w http.ResponseWriter, r *http.Request) {
	for intent, err := range s.Client.Intents.InDoubt(r.Context()) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, intent.Key)
	}
}
