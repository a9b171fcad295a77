package testkit

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The cases of a Receiver in which deliveries repeat, race, change and get lost.

// Twice is D01: the same delivery again and again.
func (r *Receiver) Twice(t *testing.T) {
	h := r.hook(t, nil)
	for range 5 {
		require.Equal(t, 200, h.Post(r.Body))
	}
	h.Idle(1)
}

// HundredAtOnce is D02: one delivery a hundred times at the same moment.
func (r *Receiver) HundredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := r.hook(t, func(context.Context, Delivery) error { time.Sleep(time.Second); return nil })
		var accepted, busy atomic.Int64
		var all sync.WaitGroup
		start := time.Now()
		for range 100 {
			all.Go(func() {
				resp := h.Serve(r.signed(r.Body))
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
		require.Equal(t, 200, h.Post(r.Body))
		h.Idle(1)
	})
}

// FailedThenRedelivered is D03.
func (r *Receiver) FailedThenRedelivered(t *testing.T) {
	fail := true
	h := r.hook(t, func(context.Context, Delivery) error {
		if fail {
			return errors.New("failed")
		}
		return nil
	})
	require.Equal(t, 500, h.Post(r.Body))
	fail = false
	require.Equal(t, 200, h.Post(r.Body))
	require.Equal(t, 200, h.Post(r.Body))
	h.Idle(2)
}

// CrashAfterClaim is D04: a process took the claim and died.
func (r *Receiver) CrashAfterClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := r.hook(t, nil)
		claim, err := h.Store.Claim(t.Context(), r.Name(t, r.Body), sha256.Sum256([]byte(r.Body)), time.Minute)
		require.NoError(t, err)
		require.Equal(t, kopokopo.ClaimFresh, claim.State)
		require.Equal(t, 503, h.Post(r.Body))
		time.Sleep(time.Minute)
		require.Equal(t, 200, h.Post(r.Body), "the lease has ended")
		h.Idle(1)
	})
}

// StuckLeases is a store that cannot extend a lease.
type StuckLeases struct{ kopokopo.DeliveryStore }

// Extend implements [kopokopo.DeliveryStore].
func (StuckLeases) Extend(context.Context, kopokopo.Claim, time.Duration) error {
	return errors.New("not now")
}

// FailingStore fails where a test wants it to.
type FailingStore struct {
	kopokopo.DeliveryStore
	OnClaim, OnCommit, OnRelease error
	Panics                       bool // in Commit
}

// Claim fails with OnClaim.
func (s *FailingStore) Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
	if s.OnClaim != nil {
		return kopokopo.Claim{}, s.OnClaim
	}
	return s.DeliveryStore.Claim(ctx, key, digest, lease)
}

// Commit fails with OnCommit, or panics.
func (s *FailingStore) Commit(ctx context.Context, c kopokopo.Claim) error {
	if s.Panics {
		panic("the store broke")
	}
	if s.OnCommit != nil {
		return s.OnCommit
	}
	return s.DeliveryStore.Commit(ctx, c)
}

// Release fails with OnRelease.
func (s *FailingStore) Release(ctx context.Context, c kopokopo.Claim) error {
	if s.OnRelease != nil {
		return s.OnRelease
	}
	return s.DeliveryStore.Release(ctx, c)
}

// Failing makes a handler whose store fails.
func (r *Receiver) Failing(t testing.TB, s *FailingStore, fn Function) *Hook {
	return r.hook(t, fn, Settings{Store: func(memory *kopokopo.MemoryStore) kopokopo.DeliveryStore {
		s.DeliveryStore = memory
		return s
	}})
}

// CrashBetweenEffectAndCommit is D05: with two stores the effect is done, the commit is
// lost, and the effect is repeated; where the function commits the claim in one
// transaction with its work, nothing is.
func (r *Receiver) CrashBetweenEffectAndCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &FailingStore{OnCommit: errors.New("killed")}
		h := r.Failing(t, s, nil)
		require.Equal(t, 503, h.Post(r.Body))
		s.OnCommit = nil
		time.Sleep(2 * time.Minute)
		require.Equal(t, 200, h.Post(r.Body))
		h.Idle(2)

		s = &FailingStore{}
		h = r.Failing(t, s, func(ctx context.Context, _ Delivery) error {
			claim, ok := kopokopo.ClaimFrom(ctx)
			require.True(t, ok)
			require.Equal(t, kopokopo.ClaimFresh, claim.State)
			require.Equal(t, r.Name(t, r.Body), claim.Key)
			require.NoError(t, s.DeliveryStore.Commit(ctx, claim))
			s.OnCommit = errors.New("killed") // before the handler's own commit
			return nil
		})
		require.Equal(t, 503, h.Post(r.Body))
		s.OnCommit = nil
		require.Equal(t, 200, h.Post(r.Body))
		h.Idle(1)
		_, ok := kopokopo.ClaimFrom(t.Context())
		require.False(t, ok)
	})
}

// StoreDown is D09: the store fails in each of its methods.
func (r *Receiver) StoreDown(t *testing.T) {
	down := errors.New("store down")
	for name, row := range map[string]struct {
		store  FailingStore
		fail   error
		status int
		calls  int
	}{
		"claim":        {store: FailingStore{OnClaim: down}, status: 503},
		"commit":       {store: FailingStore{OnCommit: down}, status: 503, calls: 1},
		"commit panic": {store: FailingStore{Panics: true}, status: 503, calls: 1},
		"release":      {store: FailingStore{OnRelease: down}, fail: errors.New("failed"), status: 500, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := r.Failing(t, &row.store, func(context.Context, Delivery) error { return row.fail })
			resp := h.Serve(r.signed(r.Body))
			require.Equal(t, row.status, resp.StatusCode)
			if row.status == 503 {
				require.Equal(t, "1", resp.Header.Get("Retry-After"))
			}
			require.EqualValues(t, row.calls, h.Calls.Load())
			require.Contains(t, h.Log.String(), r.Package+": webhook: delivery store failed")
		})
	}
}

// AnotherBody is D10: another body under a key that is finished is not swallowed, and
// is told apart; one whose function failed is no finished one.
func (r *Receiver) AnotherBody(t *testing.T) {
	var revisions []int
	fail := false
	h := r.hook(t, func(_ context.Context, d Delivery) error {
		revisions = append(revisions, d.Revision)
		if fail {
			return errors.New("failed")
		}
		return nil
	})
	first, second, third := r.Body, r.Body+" ", r.Body+"\n"
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

// FunctionFails is W25: a function that fails is called again, and its error is logged
// without the numbers in it.
func (r *Receiver) FunctionFails(t *testing.T) {
	h := r.hook(t, func(context.Context, Delivery) error { return errors.New("no customer 254999999999") })
	for i := range 3 {
		require.Equal(t, 500, h.Post(r.Body))
		h.Idle(i + 1)
	}
	require.Contains(t, h.Log.String(), "no customer *******")
	require.NotContains(t, h.Log.String(), "254999999999")
}

// Shutdown is W29: what is in work is finished, and nothing new is begun.
func (r *Receiver) Shutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done sync.Map
		h := r.hook(t, func(_ context.Context, d Delivery) error {
			time.Sleep(20 * time.Second) // past the acknowledgement deadline
			done.Store(string(d.Raw), true)
			return nil
		})
		for i := range 100 {
			go h.Post(r.Other(i))
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.Shutdown(short), context.DeadlineExceeded)
		resp := h.Serve(r.signed(r.Body))
		require.Equal(t, 503, resp.StatusCode, "refused while shutting down")
		require.Equal(t, "1", resp.Header.Get("Retry-After"))
		require.NoError(t, h.Shutdown(t.Context()))
		h.Idle(100)
		total, _ := h.Store.Len()
		require.Equal(t, 100, total, "none is half done")
		for i := range 100 {
			_, ok := done.Load(r.Other(i))
			require.True(t, ok)
		}
		require.NoError(t, h.Shutdown(t.Context()), "again")
		require.Equal(t, 503, h.Post(r.Body))
	})
}
