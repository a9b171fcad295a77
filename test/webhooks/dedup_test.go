package webhooks_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The D series: deliveries that repeat, race, change and come in any order.

func TestFault_D01_Twice(t *testing.T) {
	h := newHook(t, nil)
	for range 5 {
		require.Equal(t, 200, h.Post(anEvent))
	}
	h.Idle(1)
}

func TestFault_D02_HundredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, func(context.Context, *kopokopo.Notification) error { time.Sleep(time.Second); return nil })
		var accepted, busy atomic.Int64
		var all sync.WaitGroup
		start := time.Now()
		for range 100 {
			all.Go(func() {
				resp := h.Serve(signed(anEvent))
				switch resp.StatusCode {
				case 200:
					require.Equal(t, time.Second, time.Since(start), "200 before the commit")
					accepted.Add(1)
				case 503:
					require.Equal(t, "1", resp.Header.Get("Retry-After"))
					busy.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, accepted.Load())
		require.EqualValues(t, 99, busy.Load())
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(1)
	})
}

func TestFault_D03_FailedThenRedelivered(t *testing.T) {
	fail := true
	h := newHook(t, func(context.Context, *kopokopo.Notification) error {
		if fail {
			return errors.New("failed")
		}
		return nil
	})
	require.Equal(t, 500, h.Post(anEvent))
	fail = false
	require.Equal(t, 200, h.Post(anEvent))
	require.Equal(t, 200, h.Post(anEvent))
	h.Idle(2)
}

func TestFault_D04_CrashAfterClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, nil)
		n, err := kopokopo.ParseEvent([]byte(anEvent))
		require.NoError(t, err)
		// A process that took the claim and died.
		claim, err := h.Store.Claim(t.Context(), n.Key, sha256.Sum256([]byte(anEvent)), time.Minute)
		require.NoError(t, err)
		require.Equal(t, kopokopo.ClaimFresh, claim.State)
		require.Equal(t, 503, h.Post(anEvent))
		time.Sleep(time.Minute)
		require.Equal(t, 200, h.Post(anEvent), "the lease has ended")
		h.Idle(1)
	})
}

// failingStore fails where a test wants it to.
type failingStore struct {
	kopokopo.DeliveryStore
	claim, commit, release error
	panics                 bool
}

func (s *failingStore) Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
	if s.claim != nil {
		return kopokopo.Claim{}, s.claim
	}
	return s.DeliveryStore.Claim(ctx, key, digest, lease)
}

func (s *failingStore) Commit(ctx context.Context, c kopokopo.Claim) error {
	if s.panics {
		panic("the store broke")
	}
	if s.commit != nil {
		return s.commit
	}
	return s.DeliveryStore.Commit(ctx, c)
}

func (s *failingStore) Release(ctx context.Context, c kopokopo.Claim) error {
	if s.release != nil {
		return s.release
	}
	return s.DeliveryStore.Release(ctx, c)
}

// failing makes a hook whose store fails.
func failing(t *testing.T, s *failingStore, fn hookFunc) *hook {
	var memory *kopokopo.MemoryStore
	h := newHook(t, fn, func(c *kopokopo.HandlerConfig) {
		memory = c.Store.(*kopokopo.MemoryStore)
		s.DeliveryStore, c.Store = memory, s
	})
	return h
}

func TestFault_D05_CrashBetweenEffectAndCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Two stores: the effect is done, the commit is lost, the effect is repeated.
		s := &failingStore{commit: errors.New("killed")}
		h := failing(t, s, nil)
		require.Equal(t, 503, h.Post(anEvent))
		s.commit = nil
		time.Sleep(2 * time.Minute)
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(2)

		// One transaction: the function commits the claim with its own work.
		s = &failingStore{}
		h = failing(t, s, func(ctx context.Context, _ *kopokopo.Notification) error {
			claim, ok := kopokopo.ClaimFrom(ctx)
			require.True(t, ok)
			require.Equal(t, kopokopo.ClaimFresh, claim.State)
			require.NoError(t, s.DeliveryStore.Commit(ctx, claim))
			s.commit = errors.New("killed") // before the handler's own commit
			return nil
		})
		require.Equal(t, 503, h.Post(anEvent))
		s.commit = nil
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(1)
	})
}

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
	s := &failingStore{}
	h := failing(t, s, func(ctx context.Context, _ *kopokopo.Notification) error {
		claim, _ := kopokopo.ClaimFrom(ctx)
		require.NoError(t, s.DeliveryStore.Commit(ctx, claim))
		return errors.New("the effect failed")
	})
	require.Equal(t, 500, h.Post(anEvent))
	require.Equal(t, 200, h.Post(anEvent), "lost")
	h.Idle(1)
}

// stuckLeases is a store that cannot extend a lease.
type stuckLeases struct{ kopokopo.DeliveryStore }

func (stuckLeases) Extend(context.Context, kopokopo.Claim, time.Duration) error {
	return errors.New("not now")
}

func TestFault_D08_LeaseShorterThanTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := newHook(t, func(context.Context, *kopokopo.Notification) error {
			<-release // pays no attention to its context
			return nil
		}, func(c *kopokopo.HandlerConfig) { c.Store = stuckLeases{c.Store} })
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

func TestFault_D09_StoreDown(t *testing.T) {
	down := errors.New("store down")
	for name, row := range map[string]struct {
		store  failingStore
		fail   error
		status int
		calls  int
	}{
		"claim":        {store: failingStore{claim: down}, status: 503},
		"commit":       {store: failingStore{commit: down}, status: 503, calls: 1},
		"commit panic": {store: failingStore{panics: true}, status: 503, calls: 1},
		"release":      {store: failingStore{release: down}, fail: errors.New("failed"), status: 500, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := failing(t, &row.store, func(context.Context, *kopokopo.Notification) error { return row.fail })
			resp := h.Serve(signed(anEvent))
			require.Equal(t, row.status, resp.StatusCode)
			if row.status == 503 {
				require.Equal(t, "1", resp.Header.Get("Retry-After"))
			}
			require.EqualValues(t, row.calls, h.Calls.Load())
			require.Contains(t, h.Log.String(), "delivery store failed")
		})
	}
}

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

func TestFault_D10_AnotherBody(t *testing.T) {
	var revisions []int
	fail := false
	h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error {
		revisions = append(revisions, n.Revision)
		if fail {
			return errors.New("failed")
		}
		return nil
	})
	first, second, third := anEvent, anEvent+" ", anEvent+"\n"
	require.Equal(t, 200, h.Post(first))
	require.Equal(t, 200, h.Post(second), "not swallowed")
	fail = true
	require.Equal(t, 500, h.Post(third))
	fail = false
	require.Equal(t, 200, h.Post(third))
	for _, body := range []string{first, second, third, first} {
		require.Equal(t, 200, h.Post(body))
	}
	require.Equal(t, []int{1, 2, 3, 3}, revisions)
	h.Idle(4)
}

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
