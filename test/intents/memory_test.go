package intents_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Tests of what is bounded: the memory store, and the calls of a store that hangs.

// keep begins an intent and brings it into a state.
func keep(t *testing.T, m *kopokopo.MemoryIntents, key string, state kopokopo.IntentState, lease time.Duration) {
	t.Helper()
	ctx := context.Background()
	have, err := m.Begin(ctx, kopokopo.Intent{Key: key, Token: key + "1"}, lease)
	require.NoError(t, err)
	if state != kopokopo.IntentSending {
		next := have
		next.State, next.Token = state, key+"2"
		require.NoError(t, m.Update(ctx, have.Token, next, 0))
	}
}

func stateOf(t *testing.T, m *kopokopo.MemoryIntents, key string) kopokopo.IntentState {
	t.Helper()
	have, err := m.Get(context.Background(), key)
	require.NoError(t, err)
	return have.State
}

// A full memory forgets what was created, the oldest first, and only what is older than
// its time. What is being sent or in doubt is never forgotten.
func TestMemoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := kopokopo.NewMemoryIntents(5, time.Hour)
		begin := func(key string) error {
			_, err := m.Begin(context.Background(), kopokopo.Intent{Key: key, Token: key}, time.Second)
			return err
		}
		keep(t, m, "sending", kopokopo.IntentSending, time.Second)
		keep(t, m, "doubt", kopokopo.IntentInDoubt, time.Second)
		keep(t, m, "old", kopokopo.IntentCreated, time.Second)
		time.Sleep(time.Minute)
		keep(t, m, "final", kopokopo.IntentFinal, time.Second)
		keep(t, m, "young", kopokopo.IntentCreated, time.Second)
		require.Equal(t, 5, m.Len())
		require.ErrorIs(t, begin("more"), kopokopo.ErrIntentsFull)
		require.Equal(t, 5, m.Len())

		time.Sleep(time.Hour - time.Minute - 1)
		require.ErrorIs(t, begin("more"), kopokopo.ErrIntentsFull, "younger than an hour")
		time.Sleep(time.Nanosecond)
		require.NoError(t, begin("more"))
		require.Equal(t, kopokopo.IntentFree, stateOf(t, m, "old"))
		require.ErrorIs(t, begin("and more"), kopokopo.ErrIntentsFull)
		time.Sleep(1000 * time.Hour)
		require.NoError(t, begin("b"))
		require.NoError(t, begin("c"))
		require.Equal(t, kopokopo.IntentFree, stateOf(t, m, "final"))
		require.ErrorIs(t, begin("d"), kopokopo.ErrIntentsFull)
		require.Equal(t, kopokopo.IntentSending, stateOf(t, m, "sending"))
		require.Equal(t, kopokopo.IntentInDoubt, stateOf(t, m, "doubt"))
		require.Equal(t, 5, m.Len())
		listed, err := m.List(context.Background(), kopokopo.IntentInDoubt, "", 10)
		require.NoError(t, err)
		require.Len(t, listed, 3, "those of a moment ago are being sent")
	})
}

// A write gives a record its time anew, and takes what is in doubt again out of what may
// be forgotten.
func TestMemoryKeepsWhatIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := kopokopo.NewMemoryIntents(2, time.Hour)
		keep(t, m, "a", kopokopo.IntentCreated, time.Second)
		keep(t, m, "b", kopokopo.IntentCreated, time.Second)
		time.Sleep(59 * time.Minute)
		have, err := m.Get(t.Context(), "a")
		require.NoError(t, err)
		next := have
		next.State, next.Token = kopokopo.IntentFinal, "a3"
		require.NoError(t, m.Update(t.Context(), have.Token, next, 0))
		time.Sleep(time.Minute)
		keep(t, m, "c", kopokopo.IntentSending, time.Second)
		require.Equal(t, kopokopo.IntentFinal, stateOf(t, m, "a"))
		require.Equal(t, kopokopo.IntentFree, stateOf(t, m, "b"))
	})
}

// A create that finds its memory full was not sent.
func TestMemoryFullIsNotSent(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for i := range 3 {
			_, err := s.push(fmt.Sprint("k", i))
			require.NoError(s, err)
		}
		_, err := s.push("k3")
		s.notSent(err, kopokopo.ErrIntentsFull)
		_, err = s.push("k0")
		require.NoError(s, err, "what is remembered is answered all the same")
		require.Equal(s, 3, s.k2.total())
	}, func(cfg *kopokopo.Config) { cfg.Intents = kopokopo.NewMemoryIntents(3, 0) })
}

// Zero and negative settings are the defaults, and a memory that was not made by
// NewMemoryIntents works.
func TestMemoryDefaults(t *testing.T) {
	for _, m := range []*kopokopo.MemoryIntents{new(kopokopo.MemoryIntents), kopokopo.NewMemoryIntents(0, 0), kopokopo.NewMemoryIntents(-1, -1)} {
		require.Zero(t, m.Len())
		require.Equal(t, kopokopo.IntentFree, stateOf(t, m, "k"))
		listed, err := m.List(t.Context(), kopokopo.IntentCreated, "", 10)
		require.NoError(t, err)
		require.Empty(t, listed)
		require.ErrorIs(t, m.Update(t.Context(), "t", kopokopo.Intent{Key: "k", State: kopokopo.IntentCreated}, 0), kopokopo.ErrLeaseLost)
		for i := range 2000 {
			keep(t, m, fmt.Sprint(i), kopokopo.IntentCreated, time.Second)
		}
		require.Equal(t, 2000, m.Len())
		page, err := m.List(t.Context(), kopokopo.IntentCreated, "", -1)
		require.NoError(t, err)
		require.Empty(t, page)
	}
}

// Several goroutines at once, for the race detector.
func TestMemoryAtOnce(t *testing.T) {
	m := kopokopo.NewMemoryIntents(50, time.Nanosecond)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 200 {
				key := fmt.Sprint(worker%4, "-", i%20)
				have, err := m.Begin(context.Background(), kopokopo.Intent{Key: key, Token: fmt.Sprint(worker, "-", i)}, time.Minute)
				if err != nil {
					continue
				}
				next := have
				next.State, next.Token = []kopokopo.IntentState{kopokopo.IntentCreated, kopokopo.IntentFree}[i%2], fmt.Sprint("next-", worker, "-", i)
				_ = m.Update(context.Background(), have.Token, next, 0)
				_, _ = m.List(context.Background(), kopokopo.IntentCreated, "", 5)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, m.Len(), 50)
}

// hanging is a store that answers nobody, not even when the context ends.
type hanging struct {
	kopokopo.IntentStore
	until chan struct{}
}

func (s hanging) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	<-s.until
	return s.IntentStore.Begin(ctx, intent, lease)
}

func (s hanging) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	<-s.until
	return s.IntentStore.Update(ctx, token, intent, lease)
}

// A store that hangs for ever costs each create a few seconds and nothing is sent, and
// however many there are, the goroutines that wait for it are bounded.
func TestHangingStoreIsBounded(t *testing.T) {
	const creates = 1500
	var until chan struct{}
	inShop(t, nil, func(s *shop) {
		before := runtime.NumGoroutine()
		for range 2 {
			var all sync.WaitGroup
			for i := range creates {
				all.Go(func() {
					begun := time.Now()
					_, err := s.push(fmt.Sprint("k", i))
					s.notSent(err)
					require.NotErrorIs(s, err, context.DeadlineExceeded, "it is not the caller's context that has ended")
					require.ErrorContains(s, err, "no answer within 5s")
					require.LessOrEqual(s, time.Since(begun), 10*time.Second)
				})
			}
			all.Wait()
			require.LessOrEqual(s, runtime.NumGoroutine()-before, 1100)
		}
		require.Zero(s, s.k2.Dialled())
		close(until)
		synctest.Wait()
		_, err := s.push("later")
		require.NoError(s, err, "the places are free again")
	}, func(cfg *kopokopo.Config) {
		until = make(chan struct{}) // of the bubble
		cfg.Intents = hanging{memory(), until}
	})
}
