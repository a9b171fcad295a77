package intents_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// Tests of what a call gets by what its key stands for.

func TestErrorsCarryTheKey(t *testing.T) {
	inShop(t, inTurn(unclear(false, 500), refusal(400)), func(s *shop) {
		_, err := s.push("the-key")
		require.Equal(s, "the-key", s.unknown(err).IdempotencyKey)
		require.NotContains(s, err.Error(), "the-key", "a key may be personal")
		_, err = s.push("another-key")
		require.Equal(s, "another-key", s.outcome(err, kopokopo.ErrRefused).IdempotencyKey)
		_, err = s.pushOf("2500", "the-key")
		require.Equal(s, "the-key", s.notSent(err, kopokopo.ErrKeyReused).IdempotencyKey)
		_, err = push(s.Context(), s.client, "1500", "")
		require.NoError(s, err)
		_, err = push(s.Context(), s.client, "none", "")
		require.Empty(s, s.notSent(err).IdempotencyKey)
	})
}

func TestKeyBusy(t *testing.T) {
	slowly := ordinary
	slowly.delay = time.Second
	inShop(t, inTurn(slowly), func(s *shop) {
		var all sync.WaitGroup
		all.Go(func() {
			ref, err := s.push("k")
			require.NoError(s, err)
			require.Equal(s, "resource-1", ref.ID)
		})
		time.Sleep(500 * time.Millisecond)
		_, err := s.push("k")
		require.Zero(s, s.unknown(err, kopokopo.ErrIntentBusy).Attempts)
		_, err = s.pushOf("2500", "k")
		s.notSent(err, kopokopo.ErrKeyReused)
		for _, settle := range []func(context.Context, string) error{s.client.Intents.SettleNotCreated,
			func(ctx context.Context, key string) error { return s.client.Intents.SettleCreated(ctx, key, "id") }} {
			require.ErrorIs(s, settle(s.Context(), "k"), kopokopo.ErrIntentBusy)
		}
		all.Wait()
		require.Equal(s, 1, s.k2.total())
		s.silent()
	})
}

func TestKeyInDoubt(t *testing.T) {
	for name, first := range map[string]plan{
		"500":               unclear(true, 500),
		"a broken end":      {create: true, end: testkit.FIN},
		"no answer":         {create: true, end: testkit.Hang},
		"201, no Location":  unclear(true, 201),
		"503 with a time":   unclear(true, 503, "Retry-After: 1"),
		"another's refusal": unclear(true, 499),
	} {
		for _, kind := range kinds {
			t.Run(name+"/"+kind.name, func(t *testing.T) {
				inShop(t, inTurn(first), func(s *shop) {
					for range 3 {
						_, err := kind.create(s.Context(), s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
						s.unknown(err)
					}
					require.Equal(s, 1, s.k2.total(), "a key also makes a 503 one that may have been carried out")
					s.is("k", kopokopo.IntentInDoubt, "")
					s.restart()
					_, err := kind.create(s.Context(), s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
					require.Zero(s, s.unknown(err).Attempts)
					require.Equal(s, 1, s.k2.total())
				})
			})
		}
	}
}

// Without a key a 503 that names a time is repeated, where nothing is paid out.
func TestControlBusyWithoutKey(t *testing.T) {
	inShop(t, inTurn(unclear(false, 503, "Retry-After: 1")), func(s *shop) {
		_, err := push(s.Context(), s.client, "1500", "")
		require.NoError(s, err)
		require.Equal(s, 2, s.k2.total())
	})
}

func TestRefusedKeyIsFree(t *testing.T) {
	inShop(t, inTurn(refusal(400), refusal(422)), func(s *shop) {
		for range 2 {
			_, err := s.push("k")
			s.outcome(err, kopokopo.ErrRefused)
			s.is("k", kopokopo.IntentFree, "")
		}
		_, err := s.pushOf("2500", "k") // also for another request
		require.NoError(s, err)
		require.Equal(s, 3, s.k2.total())
		s.silent()
	})
}

func TestUnsentKeyIsFree(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		s.k2.OnDial = func(context.Context, int) error { return errors.New("no route") }
		_, err := s.push("k")
		require.Equal(s, 3, s.notSent(err).Attempts)
		s.is("k", kopokopo.IntentFree, "")

		over, cancel := context.WithCancel(s.Context())
		cancel()
		writes := len(s.store.writes())
		_, err = push(over, s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
		s.notSent(err, context.Canceled)
		require.Len(s, s.store.writes(), writes, "nothing is taken for a call that is over")
		s.is("k", kopokopo.IntentFree, "")
		s.silent()
	})
}

// A 429 and a 401 precede the work, so they are followed by another attempt under the
// key too, with the lease extended over it.
func TestRepeatedUnderTheLease(t *testing.T) {
	for name, refused := range map[string]plan{"429": refusal(429, "Retry-After: 50"), "401": refusal(401)} {
		for _, kind := range kinds {
			t.Run(name+"/"+kind.name, func(t *testing.T) {
				refused.delay = time.Second
				inShop(t, inTurn(refused), func(s *shop) {
					ref, err := kind.create(s.Context(), s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
					require.NoError(s, err)
					require.Equal(s, "resource-1", ref.ID)
					require.Equal(s, 2, s.k2.total())
					want := []string{"begin", "created"} // the lease of a moment ago is enough
					if name == "429" {
						want = []string{"begin", "sending", "created"}
					}
					require.Equal(s, want, s.store.writes())
					s.silent()
				})
			})
		}
	}
}

// An extended lease is as good as a new one.
func TestLeaseIsExtendedOnce(t *testing.T) {
	inShop(t, inTurn(refusal(429, "Retry-After: 50"), refusal(429, "Retry-After: 1")), func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		require.Equal(s, 3, s.k2.total())
		require.Equal(s, []string{"begin", "sending", "created"}, s.store.writes())
	})
}

// A caller that goes while the store takes the key leaves it free.
func TestCallerGoesWhileKeyIsTaken(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		_, err := push(ctx, s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
		s.notSent(err, context.DeadlineExceeded)
		require.Zero(s, s.k2.Dialled())
		s.is("k", kopokopo.IntentFree, "")
		time.Sleep(time.Minute) // until the store has answered
	}, func(cfg *kopokopo.Config) { cfg.Intents = lingering{cfg.Intents} })
}

// lingering is a store that takes a key at once and says so late.
type lingering struct{ kopokopo.IntentStore }

func (s lingering) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	have, err := s.IntentStore.Begin(ctx, intent, lease)
	time.Sleep(2 * time.Second)
	return have, err
}

// While a sender waits for its next attempt its lease may end. It sends only after it
// has extended the lease, and so not when somebody else has settled the key meanwhile.
func TestNoAttemptWithoutTheLease(t *testing.T) {
	waits := refusal(429, "Retry-After: 50")
	t.Run("the store fails", func(t *testing.T) {
		for _, m := range []mishap{failsBefore, hangsBefore, panicsBefore, diesBefore} {
			inShop(t, inTurn(waits), func(s *shop) {
				s.store.meet("Update", m)
				_, err := s.push("k")
				require.Equal(s, 1, s.outcome(err, kopokopo.ErrRefused).Attempts)
				require.Equal(s, 1, s.k2.total())
			})
		}
	})
	t.Run("its answer is lost", func(t *testing.T) {
		for _, m := range []mishap{failsAfter, hangsAfter, panicsAfter} {
			inShop(t, inTurn(waits), func(s *shop) {
				s.store.meet("Update", m)
				_, err := s.push("k")
				s.outcome(err, kopokopo.ErrRefused)
				require.Equal(s, 1, s.k2.total())
				s.is("k", kopokopo.IntentFree, "")
				time.Sleep(time.Minute)
				s.is("k", kopokopo.IntentFree, "")
				s.silent()
			})
		}
	})
	t.Run("a person was faster", func(t *testing.T) {
		inShop(t, inTurn(waits), func(s *shop) {
			var all sync.WaitGroup
			all.Go(func() {
				_, err := s.push("k")
				s.outcome(err, kopokopo.ErrRefused, kopokopo.ErrLeaseLost)
			})
			time.Sleep(30 * time.Second) // the lease is 17 s
			require.NoError(s, s.client.Intents.SettleNotCreated(s.Context(), "k"))
			ref, err := s.push("k")
			require.NoError(s, err)
			all.Wait()
			require.Equal(s, 2, s.k2.total(), "the refused one and that of the second call")
			s.is("k", kopokopo.IntentCreated, ref.ID)
			s.logged("WARN", 1, "settled otherwise")
			s.logged("ERROR", 0, "")
		})
	})
}

// A machine that was asleep has slept through its lease.
func TestOwnLeaseIsShortOfNothing(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		require.Equal(s, []string{"begin", "created"}, s.store.writes(), "one write before sending and one after it")
	})
	slow := func(cfg *kopokopo.Config) { cfg.TokenSource = slowToken{} }
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		require.Equal(s, []string{"begin", "sending", "created"}, s.store.writes(), "a token that took 20 s has used up the lease")
	}, slow)
}

// slowToken takes longer than a lease.
type slowToken struct{}

func (slowToken) Token(context.Context, string) (string, error) {
	time.Sleep(20 * time.Second)
	return "t", nil
}

// Payouts in production over a memory that forgets are worth one warning.
func TestVolatileMemoryWarns(t *testing.T) {
	own := func(cfg *kopokopo.Config) { cfg.Intents = nil }
	pay := func(s *shop, kind kind, key string) {
		_, err := kind.create(s.Context(), s.client, "1500", "", kopokopo.WithIdempotencyKey(key))
		require.NoError(s, err)
	}
	inShop(t, nil, func(s *shop) {
		pay(s, kinds[0], "a")
		pay(s, kinds[2], "b")
		s.silent()
		pay(s, kinds[1], "c")
		pay(s, kinds[1], "d")
		s.logged("WARN", 1, "Config.Intents is not set")
	}, own, production)
	inShop(t, nil, func(s *shop) { pay(s, kinds[1], "k"); s.silent() }, own)
	inShop(t, nil, func(s *shop) { pay(s, kinds[1], "k"); s.silent() }, production)
	inShop(t, nil, func(s *shop) {
		_, err := payout(s.Context(), s.client, "1500", "")
		require.NoError(s, err)
		s.silent()
	}, own, production)
}

// A Location that no database may take costs later callers the Location, and nothing else.
func TestOddLocations(t *testing.T) {
	for name, location := range map[string]string{
		"long":      "https://sandbox.kopokopo.com/" + strings.Repeat("x", 2000) + "/incoming_payments/resource-1",
		"no ASCII":  "https://sandbox.kopokopo.com/\xff/incoming_payments/resource-1",
		"with tabs": "https://sandbox.kopokopo.com/api/v2/incoming_payments/resource-1\t?x",
	} {
		t.Run(name, func(t *testing.T) {
			odd := ordinary
			odd.raw = testkit.Answer(201, "", "Location: "+location)
			inShop(t, inTurn(odd), func(s *shop) {
				ref, err := s.push("k")
				if name == "with tabs" {
					s.unknown(err, kopokopo.ErrNoLocation)
					require.Empty(s, s.is("k", kopokopo.IntentInDoubt, "").Location)
					return
				}
				require.NoError(s, err)
				require.Equal(s, location, ref.Location)
				require.Empty(s, s.is("k", kopokopo.IntentCreated, ref.ID).Location)
				again, err := s.push("k")
				require.NoError(s, err)
				require.Equal(s, kopokopo.Ref{ID: ref.ID}, again)
			})
		})
	}
}

// The default store is the client's own.
func TestDefaultStoreRemembers(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		first, err := s.push("k")
		require.NoError(s, err)
		again, err := s.push("k")
		require.NoError(s, err)
		require.Equal(s, first, again)
		require.Equal(s, 1, s.k2.total())
	}, func(cfg *kopokopo.Config) { cfg.Intents = nil })
}

// A store that two environments or two applications share: a key of one is reused in
// the other, and a result of one settles nothing of the other.
func TestOneStoreForTwoEnvironments(t *testing.T) {
	another := func(cfg *kopokopo.Config) { cfg.Credentials.AppID = "another" }
	for name, change := range map[string]func(*kopokopo.Config){"environment": production, "application": another} {
		t.Run(name, func(t *testing.T) {
			inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
				_, err := s.push("k")
				s.unknown(err)
				sandbox := s.client
				s.open(change)
				defer sandbox.Close()
				_, err = s.push("k")
				s.notSent(err, kopokopo.ErrKeyReused)
				require.Equal(s, 200, s.post(s.k2.first().result(true)))
				s.is("k", kopokopo.IntentInDoubt, "")
				s.logged("WARN", 1, "environment or application")
				handled, err := s.client.FollowUp(s.Context(), s.handler)
				require.NoError(s, err)
				require.Zero(s, handled)
				require.Equal(s, 1, s.k2.total())
			})
		})
	}
	same := func(cfg *kopokopo.Config) { cfg.BaseURL = "https://API.KopoKopo.com:443/" }
	inShop(t, nil, func(s *shop) {
		first, err := s.push("k")
		require.NoError(s, err)
		before := s.client
		s.open(production, same)
		defer before.Close()
		again, err := s.push("k")
		require.NoError(s, err, "the same host in another spelling")
		require.Equal(s, first, again)
	}, production)
}

// What a merchant sends is the merchant's own: the limits for foreign documents, which
// have few values for their size, do not hold for it, with a key or without.
func TestDenseMetadataUnderAKey(t *testing.T) {
	inShop(t, inTurn(ordinary), func(s *shop) {
		req := withPush(map[string]any{"rows": make([]int, 20_000)}, "https://shop.example/result")
		for range 2 {
			ref, err := s.client.IncomingPayments.Create(s.Context(), req, kopokopo.WithIdempotencyKey("k"))
			require.NoError(s, err)
			require.Equal(s, "resource-1", ref.ID)
		}
		require.Equal(s, 1, s.k2.total())
	})
}
