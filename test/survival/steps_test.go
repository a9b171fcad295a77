package survival_test

import (
	"context"
	"net/http"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/examples/shop/checkout"
)

// wire is the program's side of its connections.
type wire struct {
	life *life
	next http.RoundTripper
}

func (t wire) RoundTrip(r *http.Request) (*http.Response, error) {
	name := "send " + r.Method + " " + t.life.w.stable(r.URL.Path)
	if err := t.life.point(name + ", before"); err != nil {
		return nil, err
	}
	response, err := t.next.RoundTrip(r)
	if gone := t.life.point(name + ", after"); gone != nil {
		if err == nil {
			response.Body.Close()
		}
		return nil, gone
	}
	return response, err
}

// intents, deliveries and books are the program's side of its stores.
type intents struct {
	life  *life
	store kopokopo.IntentStore
}

func (s intents) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (have kopokopo.Intent, err error) {
	err = s.life.do("take "+s.life.w.stable(intent.Key), func() error {
		have, err = s.store.Begin(ctx, intent, lease)
		return err
	})
	return have, err
}

func (s intents) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	return s.life.do("record "+string(intent.State)+" "+s.life.w.stable(intent.Key), func() error {
		return s.store.Update(ctx, token, intent, lease)
	})
}

func (s intents) Get(ctx context.Context, key string) (have kopokopo.Intent, err error) {
	err = s.life.do("look up "+s.life.w.stable(key), func() error {
		have, err = s.store.Get(ctx, key)
		return err
	})
	return have, err
}

func (s intents) List(ctx context.Context, state kopokopo.IntentState, after string, limit int) (have []kopokopo.Intent, err error) {
	err = s.life.do("list "+string(state), func() error {
		have, err = s.store.List(ctx, state, after, limit)
		return err
	})
	return have, err
}

type deliveries struct {
	life  *life
	store kopokopo.DeliveryStore
}

func (s deliveries) Claim(ctx context.Context, key string, digest [32]byte, lease time.Duration) (claim kopokopo.Claim, err error) {
	err = s.life.do("claim "+s.life.w.stable(key), func() error {
		claim, err = s.store.Claim(ctx, key, digest, lease)
		return err
	})
	return claim, err
}

func (s deliveries) Extend(ctx context.Context, claim kopokopo.Claim, lease time.Duration) error {
	return s.life.do("extend "+s.life.w.stable(claim.Key), func() error { return s.store.Extend(ctx, claim, lease) })
}

func (s deliveries) Commit(ctx context.Context, claim kopokopo.Claim) error {
	return s.life.do("commit "+s.life.w.stable(claim.Key), func() error { return s.store.Commit(ctx, claim) })
}

func (s deliveries) Release(ctx context.Context, claim kopokopo.Claim) error {
	return s.life.do("release "+s.life.w.stable(claim.Key), func() error { return s.store.Release(ctx, claim) })
}

type books struct {
	life  *life
	books checkout.Books
}

func (b books) Order(ctx context.Context, id string) (order checkout.Order, err error) {
	err = b.life.do("order "+id, func() error {
		order, err = b.books.Order(ctx, id)
		return err
	})
	return order, err
}

func (b books) Result(ctx context.Context, id, attempt, receipt string, declined kopokopo.FailureCode) error {
	return b.life.do("result of "+id+"/"+attempt, func() error {
		return b.books.Result(ctx, id, attempt, receipt, declined)
	})
}

func (b books) Book(ctx context.Context, e kopokopo.LedgerEntry) error {
	return b.life.do("book "+string(e.Kind), func() error { return b.books.Book(ctx, e) })
}
