package webhooks_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// The D series: deliveries that repeat, race, change and come in any order.

func TestFault_D01_Twice(t *testing.T) { receiver.Twice(t) }

func TestFault_D02_HundredAtOnce(t *testing.T) { receiver.HundredAtOnce(t) }

func TestFault_D03_FailedThenRedelivered(t *testing.T) { receiver.FailedThenRedelivered(t) }

func TestFault_D04_CrashAfterClaim(t *testing.T) { receiver.CrashAfterClaim(t) }

func TestFault_D05_CrashBetweenEffectAndCommit(t *testing.T) { receiver.CrashBetweenEffectAndCommit(t) }

func TestFault_D06_CrashBeforeTheReply(t *testing.T) {
	h := newHook(t, nil)
	h.ServeHTTP(&deadWriter{httptest.NewRecorder()}, signed(anEvent)) // the reply is lost
	require.Equal(t, 200, h.Post(anEvent))
	h.Idle(1)
}

// deadWriter is a connection that is gone when the reply is written.
type deadWriter struct{ *httptest.ResponseRecorder }

func (deadWriter) Write([]byte) (int, error) { return 0, errors.New("gone") }
func (deadWriter) WriteHeader(int)           {}

func TestFault_D07_MarkingBeforeTheEffectLoses(t *testing.T) {
	// The wrong order, kept to show what the right one is for: the mark is made, the
	// effect fails, and the delivery that would repair it is taken for a duplicate.
	s := &testkit.FailingStore{}
	h := receiver.Failing(t, s, func(ctx context.Context, _ testkit.Delivery) error {
		claim, _ := kopokopo.ClaimFrom(ctx)
		require.NoError(t, s.DeliveryStore.Commit(ctx, claim))
		return errors.New("the effect failed")
	})
	require.Equal(t, 500, h.Post(anEvent))
	require.Equal(t, 200, h.Post(anEvent), "lost")
	h.Idle(1)
}

func TestFault_D08_LeaseShorterThanTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := newHook(t, func(context.Context, *kopokopo.Notification) error {
			<-release // pays no attention to its context
			return nil
		}, func(c *kopokopo.HandlerConfig) { c.Store = testkit.StuckLeases{DeliveryStore: c.Store} })
		require.Equal(t, 503, h.Post(anEvent))
		time.Sleep(2 * time.Minute) // longer than the lease
		require.Equal(t, 503, h.Post(anEvent))
		require.EqualValues(t, 2, h.Calls.Load(), "taken over")
		close(release)
		synctest.Wait()
		h.Idle(2)
		require.Contains(t, h.Log.String(), "it may have been done twice")
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(2)
	})
}

func TestFault_D08_LateButNotTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, func(context.Context, *kopokopo.Notification) error { time.Sleep(time.Hour); return nil })
		require.Equal(t, 503, h.Post(anEvent))
		time.Sleep(2 * time.Hour)
		require.NotContains(t, h.Log.String(), "twice")
		require.Equal(t, 200, h.Post(anEvent), "nobody else had it: it is done")
		h.Idle(1)
	})
}

func TestFault_D09_StoreDown(t *testing.T) { receiver.StoreDown(t) }

func TestFault_D09_StoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, nil, func(c *kopokopo.HandlerConfig) { c.Store = hangingStore{c.Store} })
		start := time.Now()
		require.Equal(t, 503, h.Post(anEvent))
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Zero(t, h.Calls.Load())
	})
}

// hangingStore waits for its context.
type hangingStore struct{ kopokopo.DeliveryStore }

func (hangingStore) Claim(ctx context.Context, _ string, _ [sha256.Size]byte, _ time.Duration) (kopokopo.Claim, error) {
	<-ctx.Done()
	return kopokopo.Claim{}, ctx.Err()
}

func TestFault_D10_AnotherBody(t *testing.T) { receiver.AnotherBody(t) }

func TestFault_D10_AnotherBodyWhileTheFirstIsInWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var together, most atomic.Int64
		h := newHook(t, func(context.Context, *kopokopo.Notification) error {
			most.Store(max(most.Load(), together.Add(1)))
			defer together.Add(-1)
			time.Sleep(time.Second)
			return nil
		})
		go h.Post(anEvent)
		synctest.Wait()
		require.Equal(t, 503, h.Post(anEvent+" "))
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, h.Post(anEvent+" "))
		require.EqualValues(t, 1, most.Load())
		h.Idle(2)
	})
}

func TestFault_D11_MemoryStoreBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, digest := t.Context(), sha256.Sum256(nil)
		claim := func(s *kopokopo.MemoryStore, key string) kopokopo.Claim {
			c, err := s.Claim(ctx, key, digest, time.Minute)
			require.NoError(t, err)
			return c
		}
		s := kopokopo.NewMemoryStore(3, time.Hour)
		a, b, c := claim(s, "a"), claim(s, "b"), claim(s, "c")
		_, err := s.Claim(ctx, "d", digest, time.Minute)
		require.ErrorIs(t, err, kopokopo.ErrStoreFull, "what is in work is never evicted")
		require.NoError(t, s.Commit(ctx, b))
		require.NoError(t, s.Commit(ctx, a))
		claim(s, "d") // evicts b, finished first
		require.Equal(t, kopokopo.ClaimDone, claim(s, "a").State)
		require.Equal(t, kopokopo.ClaimBusy, claim(s, "c").State)
		require.NoError(t, s.Release(ctx, c))
		require.Equal(t, kopokopo.ClaimFresh, claim(s, "b").State, "evicted: it would be handled again")
		time.Sleep(time.Hour)
		require.Equal(t, kopokopo.ClaimFresh, claim(s, "a").State, "past its time")
		total, _ := s.Len()
		require.LessOrEqual(t, total, 3)
	})
	// The handler answers 503 while the store is full of work.
	block := make(chan struct{})
	h := newHook(t, func(context.Context, *kopokopo.Notification) error { <-block; return nil },
		func(c *kopokopo.HandlerConfig) { c.Store = kopokopo.NewMemoryStore(1, 0) })
	done := make(chan int)
	go func() { done <- h.Post(anEvent) }()
	eventually(t, "the call", func() bool { return h.Calls.Load() == 1 })
	require.Equal(t, 503, h.Post(received("another", "R")))
	close(block)
	require.Equal(t, 200, <-done)
}

func TestFault_D12_AnyOrder(t *testing.T) {
	bodies := []string{
		event("buygoods_transaction_received", "e1", "OJM6Q1W84K", "Received"),
		event("buygoods_transaction_reversed", "e2", "OJM6Q1W84K", "Reversed"),
		`{"topic":"settlement_transfer_completed","id":"e3","event":{"type":"Settlement Transfer","resource":{"id":"s1","amount":"100.0","status":"Transferred"}}}`,
	}
	deliveries := []int{0, 1, 2, 0, 1, 2} // each twice
	var want string
	permute(deliveries, 0, func(order []int) {
		// A ledger in which order does not matter: sets of what happened, by receipt.
		got, gone, settled := map[string]bool{}, map[string]bool{}, map[string]bool{}
		h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error {
			switch p := n.Payload.(type) {
			case *kopokopo.TransactionEvent:
				if n.Topic == kopokopo.TopicBuygoodsReversed {
					gone[n.Reference] = true
				} else {
					got[n.Reference] = true
				}
			case *kopokopo.SettlementEvent:
				settled[p.ID] = true
			}
			return nil
		})
		for _, i := range order {
			require.Equal(t, 200, h.Post(bodies[i]))
		}
		h.Idle(3)
		state := fmt.Sprint(got, gone, settled)
		if want == "" {
			want = state
		}
		require.Equal(t, want, state, "order %v", order)
	})
}

// permute calls visit with every order of list.
func permute(list []int, from int, visit func([]int)) {
	if from == len(list) {
		visit(list)
		return
	}
	for i := from; i < len(list); i++ {
		list[from], list[i] = list[i], list[from]
		permute(list, from+1, visit)
		list[from], list[i] = list[i], list[from]
	}
}
