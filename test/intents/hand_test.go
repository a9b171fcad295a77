package intents_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// Tests of settling by hand, and of a hand that races a sender or a result.

// keysOf collects a list of intents.
func keysOf(s *shop, list func(func(kopokopo.Intent, error) bool)) (keys []string) {
	s.Helper()
	for intent, err := range list {
		require.NoError(s, err)
		keys = append(keys, intent.Key)
	}
	return keys
}

func TestSettleByHand(t *testing.T) {
	inShop(t, inTurn(unclear(true, 500), unclear(false, 500), unclear(true, 500)), func(s *shop) {
		intents, ctx := s.client.Intents, s.Context()
		for _, key := range []string{"a", "b", "c"} {
			_, err := s.push(key)
			s.unknown(err)
		}
		require.Equal(s, []string{"a", "b", "c"}, keysOf(s, intents.InDoubt(ctx)))
		require.NoError(s, intents.SettleCreated(ctx, "a", "resource-1"))
		require.NoError(s, intents.SettleNotCreated(ctx, "b"))
		require.NoError(s, intents.SettleCreated(ctx, "c", ""))
		require.Empty(s, keysOf(s, intents.InDoubt(ctx)))
		require.Equal(s, []string{"a", "c"}, keysOf(s, intents.Unfinished(ctx)))

		ref, err := s.push("a")
		require.NoError(s, err)
		require.Equal(s, kopokopo.Ref{ID: "resource-1"}, ref)
		_, err = s.push("c")
		require.Zero(s, s.unknown(err, kopokopo.ErrNoLocation).Attempts)
		require.Equal(s, 3, s.k2.total())
		ref, err = s.push("b")
		require.NoError(s, err)
		require.Equal(s, "resource-3", ref.ID)

		require.NoError(s, intents.SettleCreated(ctx, "c", "resource-2"), "an id can be added")
		ref, err = s.push("c")
		require.NoError(s, err)
		require.Equal(s, "resource-2", ref.ID)
		for _, key := range []string{"a", "b", "c"} {
			require.NoError(s, intents.SettleFinal(ctx, key))
			require.NoError(s, intents.SettleFinal(ctx, key), "once more")
			intent, err := intents.Get(ctx, key)
			require.NoError(s, err)
			require.Equal(s, kopokopo.IntentFinal, intent.State)
		}
		require.Empty(s, keysOf(s, intents.Unfinished(ctx)))
		s.silent()
	})
}

// A result gives an intent that was settled without an id the id of its payment.
func TestResultAddsTheID(t *testing.T) {
	inShop(t, inTurn(unclear(true, 201)), func(s *shop) {
		_, err := s.push("k")
		s.unknown(err, kopokopo.ErrNoLocation)
		require.NoError(s, s.client.Intents.SettleCreated(s.Context(), "k", ""))
		require.Equal(s, 200, s.post(s.k2.first().result(true)))
		s.is("k", kopokopo.IntentFinal, "resource-1")
		s.silent()
	})
}

// TestSettleRefusals has a row for each thing that cannot be settled.
func TestSettleRefusals(t *testing.T) {
	inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
		intents := s.client.Intents
		_, err := s.push("doubt")
		s.unknown(err)
		_, err = s.push("created")
		require.NoError(s, err)
		_, err = s.push("final")
		require.NoError(s, err)
		require.NoError(s, intents.SettleFinal(s.Context(), "final"))

		created := func(id string) func(context.Context, string) error {
			return func(ctx context.Context, key string) error { return intents.SettleCreated(ctx, key, id) }
		}
		over, cancel := context.WithCancel(s.Context())
		cancel()
		for _, row := range []struct {
			name   string
			settle func(context.Context, string) error
			key    string
			field  string
		}{
			{"created, never used", created("id"), "free", "key"},
			{"created, created", created("id"), "created", "key"},
			{"created, without an id", created(""), "created", "key"},
			{"created, final", created("id"), "final", "key"},
			{"created, no id", created("../id"), "doubt", "id"},
			{"created, no key", created("id"), "", "idempotency key"},
			{"not created, never used", intents.SettleNotCreated, "free", "key"},
			{"not created, created", intents.SettleNotCreated, "created", "key"},
			{"not created, final", intents.SettleNotCreated, "final", "key"},
			{"not created, no key", intents.SettleNotCreated, "a b", "idempotency key"},
			{"final, never used", intents.SettleFinal, "free", "key"},
			{"final, in doubt", intents.SettleFinal, "doubt", "key"},
			{"final, no key", intents.SettleFinal, "\n", "idempotency key"},
		} {
			err := row.settle(s.Context(), row.key)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(s, err, &invalid, row.name)
			require.Equal(s, row.field, invalid.Fields[0].Field, row.name)
			require.Empty(s, testkit.Outcomes(err), row.name)
			require.ErrorIs(s, row.settle(over, "doubt"), context.Canceled, row.name)
			var none context.Context
			require.Error(s, row.settle(none, "doubt"), row.name)
		}
		s.is("doubt", kopokopo.IntentInDoubt, "")
		s.is("created", kopokopo.IntentCreated, "resource-2")
		s.is("final", kopokopo.IntentFinal, "resource-3")

		_, err = intents.Get(over, "doubt")
		require.ErrorIs(s, err, context.Canceled)
		require.NoError(s, s.client.Close())
		_, err = intents.Get(s.Context(), "doubt")
		require.ErrorIs(s, err, kopokopo.ErrClosed)
	})
}

// Values that New did not make, and contexts that are none, are errors.
func TestZeroIntents(t *testing.T) {
	for _, intents := range []*kopokopo.Intents{nil, {}} {
		ctx := t.Context()
		_, err := intents.Get(ctx, "k")
		require.Error(t, err)
		require.Error(t, intents.SettleCreated(ctx, "k", "id"))
		require.Error(t, intents.SettleNotCreated(ctx, "k"))
		require.Error(t, intents.SettleFinal(ctx, "k"))
		for _, list := range []func(context.Context) func(func(kopokopo.Intent, error) bool){
			func(ctx context.Context) func(func(kopokopo.Intent, error) bool) { return intents.InDoubt(ctx) },
			func(ctx context.Context) func(func(kopokopo.Intent, error) bool) { return intents.Unfinished(ctx) },
		} {
			for _, err := range list(ctx) {
				require.Error(t, err)
			}
		}
	}
	inShop(t, nil, func(s *shop) {
		var none context.Context
		_, err := s.client.Intents.Get(none, "k")
		require.Error(s, err)
		rows := 0
		for _, err := range s.client.Intents.InDoubt(none) {
			require.Error(s, err)
			rows++
		}
		require.Equal(s, 1, rows)
		_, err = push(none, s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
		s.notSent(err)
		_, err = s.client.FollowUp(none, s.handler)
		require.Error(s, err)
	})
}

// A list that fails says so and ends. One that goes in circles does too.
func TestListsEnd(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for i := range 250 {
			_, err := s.push(fmt.Sprintf("k-%03d", i))
			require.NoError(s, err)
		}
		require.Len(s, keysOf(s, s.client.Intents.Unfinished(s.Context())), 250)
		for range s.client.Intents.Unfinished(s.Context()) {
			break
		}
		s.store.meet("List", fine, failsBefore)
		var failed error
		rows := 0
		for _, err := range s.client.Intents.Unfinished(s.Context()) {
			if failed = err; err == nil {
				rows++
			}
		}
		require.ErrorIs(s, failed, errDown)
		require.Equal(s, 100, rows)
	})
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		var failed error
		for _, err := range s.client.Intents.Unfinished(s.Context()) {
			failed = err
		}
		require.ErrorContains(s, failed, "in order")
	}, func(cfg *kopokopo.Config) { cfg.Intents = circular{memory()} })
}

// circular is a store whose lists never end.
type circular struct{ kopokopo.IntentStore }

func (s circular) List(ctx context.Context, state kopokopo.IntentState, _ string, limit int) ([]kopokopo.Intent, error) {
	page, err := s.IntentStore.List(ctx, state, "", limit)
	for len(page) > 0 && len(page) < limit {
		page = append(page, page[0])
	}
	return page, err
}

// A sender that comes back long after its lease, when a person has settled its key, tells
// its caller what it knows, and tells the log what may have gone wrong.
func TestLateSender(t *testing.T) {
	for name, row := range map[string]struct {
		settle func(s *shop) error
		level  string
	}{
		"rightly":          {func(s *shop) error { return s.client.Intents.SettleCreated(s.Context(), "k", "resource-1") }, ""},
		"with another id":  {func(s *shop) error { return s.client.Intents.SettleCreated(s.Context(), "k", "resource-9") }, "ERROR"},
		"without an id":    {func(s *shop) error { return s.client.Intents.SettleCreated(s.Context(), "k", "") }, ""},
		"as never created": {func(s *shop) error { return s.client.Intents.SettleNotCreated(s.Context(), "k") }, "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, nil, func(s *shop) {
				stopped := &paused{IntentStore: s.store.inner, at: make(chan struct{})}
				s.open(func(cfg *kopokopo.Config) { cfg.Intents = stopped })
				var all sync.WaitGroup
				all.Go(func() {
					ref, err := s.push("k")
					require.NoError(s, err)
					require.Equal(s, "resource-1", ref.ID)
				})
				time.Sleep(time.Second)
				s.expire("k") // as if the machine had been asleep for the time of the lease
				require.NoError(s, row.settle(s))
				close(stopped.at)
				all.Wait()
				require.Equal(s, 1, s.k2.total())
				if row.level == "" {
					s.silent()
					require.NotEmpty(s, s.is("k", kopokopo.IntentCreated, "resource-1").Location)
					return
				}
				s.logged(row.level, 1, "settled otherwise")
			})
		})
	}
}

// paused is a store that lets a sender record nothing until it may.
type paused struct {
	kopokopo.IntentStore
	at chan struct{}
}

func (s *paused) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	if intent.State == kopokopo.IntentCreated && intent.Location != "" {
		<-s.at
	}
	return s.IntentStore.Update(ctx, token, intent, lease)
}

// expire ends the lease of a sender.
func (s *shop) expire(key string) {
	have, err := s.store.inner.Get(context.Background(), key)
	require.NoError(s, err)
	ended := have
	ended.Token = "ended"
	require.NoError(s, s.store.inner.Update(context.Background(), have.Token, ended, 0))
}

// A hand and a sender that extends its lease, at the same moment: one of them wins, and
// the other one is told so.
func TestHandRacesExtension(t *testing.T) {
	won := map[string]int{}
	for range 50 {
		inShop(t, inTurn(refusal(429, "Retry-After: 30")), func(s *shop) {
			var all sync.WaitGroup
			all.Go(func() {
				_, err := s.push("k")
				if err != nil {
					s.outcome(err, kopokopo.ErrRefused, kopokopo.ErrLeaseLost)
				}
			})
			time.Sleep(30 * time.Second)
			err := s.client.Intents.SettleNotCreated(s.Context(), "k")
			all.Wait()
			if err == nil {
				won["hand"]++
				require.Equal(s, 1, s.k2.total(), "the sender has sent nothing more")
				s.is("k", kopokopo.IntentFree, "")
				return
			}
			won["sender"]++
			require.Equal(s, 2, s.k2.total())
			s.is("k", kopokopo.IntentCreated, "resource-1")
		})
	}
	t.Log(won)
}

// A hand and a result, at the same moment: if the result is first the hand is refused.
func TestHandRacesResult(t *testing.T) {
	for range 50 {
		inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
			_, err := s.push("k")
			s.unknown(err)
			var all sync.WaitGroup
			all.Go(func() { require.Equal(s, 200, s.post(s.k2.first().result(false))) })
			err = s.client.Intents.SettleNotCreated(s.Context(), "k")
			all.Wait()
			if err == nil {
				s.is("k", kopokopo.IntentFree, "") // the person was certain, and wrong
				return
			}
			s.is("k", kopokopo.IntentCreated, "resource-1")
		})
	}
}
