package intents_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Tests of results: of one's own, and of others that carry the same key.

// TestResultsOfOthers posts results that are signed and carry the key, and are not of the
// request that the key stands for. Each leaves the key in doubt and one warning, and
// reaches the merchant's function like any other result.
func TestResultsOfOthers(t *testing.T) {
	set := func(name string, value any) func(map[string]any) { return func(a map[string]any) { a[name] = value } }
	metadata := func(pairs ...any) func(map[string]any) {
		m := map[string]any{"idempotency_key": "k"}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return set("metadata", m)
	}
	self := func(version string) func(map[string]any) {
		return set("_links", map[string]any{"self": "https://sandbox.kopokopo.com/api/" + version + "/x/1"})
	}
	someone := []any{map[string]any{"type": "mobile_wallet", "phone_number": "254712345679", "amount": 1500}}
	for _, row := range []struct {
		name    string
		create  string // of creations
		differs string
		change  func(attributes map[string]any)
	}{
		{"another order", "incoming payment", "metadata", metadata("order", "4712")},
		{"missing metadata", "incoming payment", "metadata", metadata()},
		{"a pair that is null", "incoming payment", "metadata", metadata("order", nil)},
		{"a pair that is an object", "incoming payment", "metadata", metadata("order", map[string]any{"4711": "4711"})},
		{"another amount", "incoming payment", "amount", func(a map[string]any) {
			object(object(a["event"])["resource"])["amount"] = "1500.01"
		}},
		{"an absurd amount", "incoming payment", "amount", func(a map[string]any) {
			object(object(a["event"])["resource"])["amount"] = "1,500"
		}},
		{"version 1 of the API", "incoming payment", "version", self("v1")},
		{"version 2 of the API", "incoming payment v1", "version", self("v2")},
		{"another link's amount", "payment link", "amount", set("amount", 1501)},
		{"another payment's amount", "payment v1", "amount", set("amount", map[string]any{"currency": "KES", "value": "15000"})},
		{"another recipient", "payment v1", "recipient", func(a map[string]any) {
			object(object(a["transfer_batches"].([]any)[0])["disbursements"].([]any)[0])["destination_reference"] = "another"
		}},
		{"another payment to give back", "reversal", "reference", set("transaction_reference", "TQ2L262027")},
		{"another person", "send money", "destinations", set("destinations", someone)},
		{"one person more", "send money", "amounts of the destinations", func(a map[string]any) {
			a["destinations"] = append(a["destinations"].([]any), someone...)
		}},
		{"another person's amount", "send money", "amounts of the destinations", func(a map[string]any) {
			object(a["destinations"].([]any)[0])["amount"] = "150"
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			resultOf(t, row.create, func(s *shop) string { return s.k2.first().resultWith(true, row.change) }, row.differs)
		})
	}
	t.Run("another type", func(t *testing.T) {
		resultOf(t, "incoming payment", func(s *shop) string {
			return strings.ReplaceAll(s.k2.first().result(true), `"type":"incoming_payment"`, `"type":"payment_link"`)
		}, "type")
	})
}

// resultOf brings a key in doubt and posts a result that is not its own.
func resultOf(t *testing.T, name string, body func(s *shop) string, differs string) {
	for _, c := range creations {
		if c.name != name {
			continue
		}
		inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
			_, err := c.create(s.Context(), s.client, map[string]any{"order": "4711"}, "", kopokopo.WithIdempotencyKey("k"))
			s.unknown(err)
			require.Equal(s, 200, s.post(body(s)))
			s.is("k", kopokopo.IntentInDoubt, "")
			s.logged("WARN", 1, differs)
			s.logged("ERROR", 0, "")
			require.Len(s, s.handled, 1)
			_, err = c.create(s.Context(), s.client, map[string]any{"order": "4711"}, "", kopokopo.WithIdempotencyKey("k"))
			s.unknown(err)
			require.Equal(s, 1, s.k2.total())
		})
	}
}

// What K2 writes in another form than it was sent is the same.
func TestResultsInOtherForms(t *testing.T) {
	for name, change := range map[string]func(attributes map[string]any){
		"as it is":           func(map[string]any) {},
		"more metadata":      func(a map[string]any) { object(a["metadata"])["k2"] = "added" },
		"numbers as texts":   func(a map[string]any) { object(a["metadata"])["n"] = "5" },
		"numbers as floats":  func(a map[string]any) { object(a["metadata"])["n"] = 5.0 },
		"a number as amount": func(a map[string]any) { object(object(a["event"])["resource"])["amount"] = 1500 },
		"no link":            func(a map[string]any) { delete(a, "_links") },
		"a link of nobody":   func(a map[string]any) { a["_links"] = map[string]any{"self": "https://webhook.site/1"} },
		"no transaction":     func(a map[string]any) { a["status"] = "Failed"; object(a["event"])["resource"] = nil },
		"no event":           func(a map[string]any) { delete(a, "event") },
		"an event of text":   func(a map[string]any) { a["event"] = "none" },
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
				metadata := map[string]any{"order": "4711", "n": 5}
				_, err := s.client.IncomingPayments.Create(s.Context(), withPush(metadata, ""), kopokopo.WithIdempotencyKey("k"))
				s.unknown(err)
				require.Equal(s, 200, s.post(s.k2.first().resultWith(true, change)))
				require.Equal(s, "resource-1", func() string { i, _ := s.client.Intents.Get(s.Context(), "k"); return i.ID }())
				s.silent()
			})
		})
	}
}

// Signed bodies that are no results, or carry no usable key, settle nothing and harm nothing.
func TestNoResults(t *testing.T) {
	inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
		_, err := s.push("k")
		s.unknown(err)
		good := s.k2.first().result(true)
		for _, body := range []string{
			strings.Replace(good, `"idempotency_key":"k"`, `"idempotency_key":"K"`, 1),
			strings.Replace(good, `"idempotency_key":"k"`, `"idempotency_key":""`, 1),
			strings.Replace(good, `"idempotency_key":"k"`, `"idempotency_key":"k k"`, 1),
			strings.Replace(good, `"idempotency_key":"k"`, `"idempotency_key":{"k":"k"}`, 1),
			strings.Replace(good, `"idempotency_key":"k"`, `"idempotency_key":"`+strings.Repeat("k", 129)+`"`, 1),
			strings.Replace(good, `"id":"resource-1"`, `"id":"../resource-1"`, 1),
			strings.Replace(good, `"metadata":{`, `"metadata":[],"more":{`, 1),
			`{"topic":"customer_created","id":"1","event":{"type":"Customer Created","resource":{"idempotency_key":"k"}}}`,
			`{"data":{"id":"1","type":"incoming_payment","attributes":{"metadata":"idempotency_key"}}}`,
			strings.TrimSuffix(strings.ReplaceAll(good, "resource-1", "sample-1"), "}") + `,"sample":true}`,
		} {
			require.Equal(s, 200, s.post(body), body)
			s.is("k", kopokopo.IntentInDoubt, "")
		}
		s.silent()
	})
}

// The callback often comes before the POST is answered: it settles the key, and the
// sender that comes later has nothing to complain of.
func TestResultBeforeTheAnswer(t *testing.T) {
	late := ordinary
	late.delay = time.Second
	for name, row := range map[string]struct {
		plan  plan
		check func(s *shop, ref kopokopo.Ref, err error)
	}{
		"the answer comes": {late, func(s *shop, ref kopokopo.Ref, err error) {
			require.NoError(s, err)
			require.Equal(s, "resource-1", ref.ID)
		}},
		"the answer is lost": {plan{create: true, delay: time.Second, raw: "no HTTP\r\n\r\n"}, func(s *shop, _ kopokopo.Ref, err error) {
			s.unknown(err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, inTurn(row.plan), func(s *shop) {
				var first kopokopo.Ref
				var all sync.WaitGroup
				all.Go(func() {
					ref, err := s.push("k")
					row.check(s, ref, err)
					first = ref
				})
				time.Sleep(500 * time.Millisecond)
				require.Equal(s, 200, s.post(s.k2.first().result(true)))
				s.is("k", kopokopo.IntentFinal, "resource-1")
				all.Wait()
				s.is("k", kopokopo.IntentFinal, "resource-1")
				again, err := s.push("k")
				require.NoError(s, err)
				if first.ID != "" {
					require.Equal(s, first, again, "with its Location")
				}
				require.Equal(s, "resource-1", again.ID)
				require.Equal(s, 1, s.k2.total())
				s.silent()
			})
		})
	}
}

// Created is final: a second resource under one key changes nothing and is an error in
// the log, whoever comes first.
func TestSecondResource(t *testing.T) {
	second := func(s *shop) string { return strings.ReplaceAll(s.k2.first().result(true), "resource-1", "resource-2") }
	inShop(t, nil, func(s *shop) {
		ref, err := s.push("k")
		require.NoError(s, err)
		require.Equal(s, 200, s.post(second(s)))
		s.is("k", kopokopo.IntentCreated, ref.ID)
		s.logged("ERROR", 1, "second=resource-2")
		require.Equal(s, 200, s.post(s.k2.first().result(true)))
		s.is("k", kopokopo.IntentFinal, ref.ID)
		require.Equal(s, 200, s.post(second(s)))
		s.is("k", kopokopo.IntentFinal, ref.ID)
		s.logged("ERROR", 2, "second=resource-2")
	})
	late := ordinary
	late.delay = time.Second
	inShop(t, inTurn(late), func(s *shop) { // and where the other one's result comes while the first is being sent
		var all sync.WaitGroup
		all.Go(func() {
			ref, err := s.push("k")
			require.NoError(s, err)
			require.Equal(s, "resource-1", ref.ID, "each call tells what it knows")
		})
		time.Sleep(500 * time.Millisecond)
		require.Equal(s, 200, s.post(second(s)))
		all.Wait()
		s.is("k", kopokopo.IntentFinal, "resource-2")
		s.logged("ERROR", 1, "settled otherwise")
	})
}

// An id that K2 writes in another case is the same.
func TestIDInAnotherCase(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		require.Equal(s, 200, s.post(strings.ReplaceAll(s.k2.first().result(true), "resource-1", "RESOURCE-1")))
		s.is("k", kopokopo.IntentFinal, "resource-1")
		s.silent()
	})
}

// While the store fails a result is not acknowledged, and the merchant's function is not
// called: K2 delivers again.
func TestStoreFailsOnResult(t *testing.T) {
	for _, m := range []mishap{failsBefore, failsAfter, hangsBefore, panicsBefore, panicsAfter} {
		for _, method := range []string{"Get", "Update"} {
			t.Run(fmt.Sprint(method, "/", m), func(t *testing.T) {
				inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
					_, err := s.push("k")
					s.unknown(err)
					s.store.meet(method, m)
					require.Equal(s, 503, s.post(s.k2.first().result(true)))
					require.Empty(s, s.handled)
					time.Sleep(10 * time.Second) // a store that hangs is given up meanwhile
					require.Equal(s, 200, s.post(s.k2.first().result(true)))
					require.Len(s, s.handled, 1)
					s.is("k", kopokopo.IntentFinal, "resource-1")
				})
			})
		}
	}
}

// Of settlement transfers K2 keeps no metadata: no result finds its way back to the key,
// and a person settles it.
func TestTransfersAreSettledByHand(t *testing.T) {
	inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
		transfer := creations[len(creations)-1]
		_, err := transfer.create(s.Context(), s.client, nil, "", kopokopo.WithIdempotencyKey("k"))
		s.unknown(err)
		require.Equal(s, 200, s.post(s.k2.first().result(true)))
		s.is("k", kopokopo.IntentInDoubt, "")
		require.NoError(s, s.client.Intents.SettleCreated(s.Context(), "k", "resource-1"))
		ref, err := transfer.create(s.Context(), s.client, nil, "", kopokopo.WithIdempotencyKey("k"))
		require.NoError(s, err)
		require.Equal(s, "resource-1", ref.ID)
		time.Sleep(resultAfter)
		require.NoError(s, s.follow(1), "it is read by its id")
		s.is("k", kopokopo.IntentFinal, "resource-1")
		require.Equal(s, 1, s.k2.total())
	})
}

// A duplicate settles what the first delivery could not finish.
func TestDuplicateFinishes(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		s.store.meet("Update", failsBefore)
		require.Equal(s, 200, s.post(s.k2.first().result(true)))
		s.is("k", kopokopo.IntentCreated, "resource-1")
		s.logged("WARN", 1, "final result")
		require.Equal(s, 200, s.post(s.k2.first().result(true)))
		s.is("k", kopokopo.IntentFinal, "resource-1")
		require.Len(s, s.handled, 1)
		writes := len(s.store.writes())
		require.Equal(s, 200, s.post(s.k2.first().result(true)))
		require.Len(s, s.store.writes(), writes, "what is final is not written again")
	})
}

// Somebody else writes between the reading and the writing of an intent: it is read again,
// but not for ever.
func TestResultOverOthersWrites(t *testing.T) {
	for times, status := range map[int]int{1: 200, 4: 200, 5: 503} {
		inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
			_, err := s.push("k")
			s.unknown(err)
			before := s.client
			s.open(func(cfg *kopokopo.Config) { cfg.Intents = &meddled{IntentStore: s.store.inner, times: times} })
			defer before.Close()
			require.Equal(s, status, s.post(s.k2.first().result(true)), "%d others", times)
			require.Equal(s, 200, s.post(s.k2.first().result(true)))
			s.is("k", kopokopo.IntentFinal, "resource-1")
		})
	}
}

// meddled is a store in which somebody else is a little faster, for some times.
type meddled struct {
	kopokopo.IntentStore
	times int
}

func (s *meddled) Get(ctx context.Context, key string) (kopokopo.Intent, error) {
	have, err := s.IntentStore.Get(ctx, key)
	if s.times--; s.times >= 0 && err == nil {
		other := have
		other.Token = fmt.Sprint("other-", s.times)
		err = s.IntentStore.Update(ctx, have.Token, other, 0)
	}
	return have, err
}
