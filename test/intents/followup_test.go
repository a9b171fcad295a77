package intents_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// follow follows up and asserts how many results were handled.
func (s *shop) follow(handled int) error {
	s.Helper()
	n, err := s.client.FollowUp(s.Context(), s.handler)
	require.Equal(s, handled, n)
	require.Empty(s, testkit.Outcomes(err), "nothing is created")
	return err
}

// Callbacks that never come, of every kind, over the end of the program.
func TestFollowUp(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for _, c := range creations {
			_, err := c.create(s.Context(), s.client, map[string]any{"order": "4711"}, "", kopokopo.WithIdempotencyKey(fmt.Sprint("k", s.k2.total())))
			require.NoError(s, err)
		}
		require.NoError(s, s.follow(0), "they are pending")
		require.Len(s, keysOf(s, s.client.Intents.Unfinished(s.Context())), len(creations))
		s.restart()
		time.Sleep(resultAfter)
		require.NoError(s, s.follow(len(creations)))
		require.Empty(s, keysOf(s, s.client.Intents.Unfinished(s.Context())))
		require.Len(s, s.handled, len(creations))
		for _, n := range s.handled {
			require.Equal(s, kopokopo.KindResult, n.Kind)
			require.Equal(s, 1, n.Revision)
			require.NotNil(s, n.Payload)
		}
		require.NoError(s, s.follow(0), "once")
		require.Equal(s, len(creations), s.k2.total())
		s.silent()
	})
}

// What is not there yet, or is not this client's, or cannot be read, is left, and the
// rest is done.
func TestFollowUpLeaves(t *testing.T) {
	inShop(t, inTurn(unclear(true, 500), unclear(true, 201)), func(s *shop) {
		_, err := s.push("doubt")
		s.unknown(err)
		_, err = s.push("no id")
		s.notSent(err) // a space is no key
		_, err = s.push("no-id")
		s.unknown(err)
		require.NoError(s, s.client.Intents.SettleCreated(s.Context(), "no-id", ""))
		_, err = s.push("forgotten")
		require.NoError(s, err)
		s.k2.mu.Lock()
		delete(s.k2.made, "resource-3")
		s.k2.made["resource-9"] = s.k2.made["resource-2"]
		s.k2.mu.Unlock()
		_, err = s.push("good")
		require.NoError(s, err)
		another := s.k2.config()
		another.Intents, another.Credentials.AppID = s.store, "another"
		client, err := kopokopo.New(another)
		require.NoError(s, err)
		defer client.Close()
		_, err = push(s.Context(), client, "1500", "", kopokopo.WithIdempotencyKey("another-application"))
		require.NoError(s, err)
		time.Sleep(resultAfter)

		reads := func() (n int) {
			for _, r := range s.k2.Seen() {
				if r.Method == http.MethodGet {
					n++
				}
			}
			return n
		}
		err = s.follow(1)
		var answer *kopokopo.APIError
		require.ErrorAs(s, err, &answer)
		require.Equal(s, 404, answer.StatusCode)
		require.Equal(s, 2, reads(), "the forgotten one and the good one")
		require.Equal(s, []string{"another-application", "forgotten", "no-id"}, keysOf(s, s.client.Intents.Unfinished(s.Context())))
		require.Equal(s, []string{"doubt"}, keysOf(s, s.client.Intents.InDoubt(s.Context())))

		s.store.meet("List", failsBefore)
		require.ErrorIs(s, s.follow(0), errDown)
	})
}

// All reads that fail are told of.
func TestFollowUpJoinsErrors(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for i := range 3 {
			_, err := s.push(fmt.Sprint("k", i))
			require.NoError(s, err)
		}
		s.k2.mu.Lock()
		delete(s.k2.made, "resource-1")
		delete(s.k2.made, "resource-3")
		s.k2.mu.Unlock()
		time.Sleep(resultAfter)
		err := s.follow(1)
		require.Equal(s, 2, strings.Count(err.Error(), "404"), "%v", err)

		over, cancel := context.WithCancel(s.Context())
		cancel()
		n, err := s.client.FollowUp(over, s.handler)
		require.Zero(s, n)
		require.ErrorIs(s, err, context.Canceled)
		for _, call := range []func() (int, error){
			func() (int, error) { return s.client.FollowUp(s.Context(), nil) },
			func() (int, error) { return s.client.FollowUp(s.Context(), new(kopokopo.Handler)) },
		} {
			_, err = call()
			var invalid *kopokopo.ValidationError
			require.ErrorAs(s, err, &invalid)
			require.Equal(s, "handler", invalid.Fields[0].Field)
		}
		for _, none := range []*kopokopo.Client{nil, {}} {
			_, err = none.FollowUp(s.Context(), s.handler)
			require.Error(s, err)
		}
	})
}

// A function that fails is called again at the next FollowUp, and a full or closed
// handler is an error of this one.
func TestFollowUpHandlerFails(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		time.Sleep(resultAfter)
		var calls atomic.Int64
		handler, err := s.client.WebhookHandler(func(context.Context, *kopokopo.Notification) error {
			if calls.Add(1) == 1 {
				return errors.New("the ledger is down")
			}
			return nil
		})
		require.NoError(s, err)
		n, err := s.client.FollowUp(s.Context(), handler)
		require.Zero(s, n)
		require.ErrorContains(s, err, "500")
		s.is("k", kopokopo.IntentCreated, "resource-1")
		n, err = s.client.FollowUp(s.Context(), handler)
		require.NoError(s, err)
		require.Equal(s, 1, n)
		s.is("k", kopokopo.IntentFinal, "resource-1")

		require.NoError(s, handler.Shutdown(s.Context()))
		_, err = s.push("k2")
		require.NoError(s, err)
		time.Sleep(resultAfter)
		_, err = s.client.FollowUp(s.Context(), handler)
		require.ErrorContains(s, err, "503")
	})
}

// A result that comes after it was read reaches the function again, as another revision.
// One that came before is not handled twice, even where the store could not say so.
func TestFollowUpAndDelivery(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		time.Sleep(resultAfter)
		require.NoError(s, s.follow(1))
		late := s.k2.first().resultWith(true, func(a map[string]any) { a["initiation_time"] = "2026-03-01T10:00:00.000+03:00" })
		require.Equal(s, 200, s.post(late))
		require.Len(s, s.handled, 2)
		require.Equal(s, []int{1, 2}, []int{s.handled[0].Revision, s.handled[1].Revision})
		require.Equal(s, s.handled[0].Reference, s.handled[1].Reference, "the ledger's key is the same")
		s.is("k", kopokopo.IntentFinal, "resource-1")

		_, err = s.push("k2")
		require.NoError(s, err)
		s.store.meet("Update", failsBefore)
		time.Sleep(resultAfter)
		require.Equal(s, 200, s.post(s.k2.resource("resource-2").result(true)))
		s.is("k2", kopokopo.IntentCreated, "resource-2")
		require.NoError(s, s.follow(1), "the same body is done already")
		require.Len(s, s.handled, 3)
		s.is("k2", kopokopo.IntentFinal, "resource-2")
	})
}

// A result that comes while others are read is not read once more.
func TestFollowUpAndDeliveryMeanwhile(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for _, key := range []string{"a", "b"} {
			_, err := s.push(key)
			require.NoError(s, err)
		}
		time.Sleep(resultAfter)
		s.k2.meanwhile = func() { // while the first of them is read
			s.k2.meanwhile = nil
			require.Equal(s, 200, s.post(s.k2.resource("resource-2").resultWith(true, func(a map[string]any) { a["initiation_time"] = nil })))
		}
		require.NoError(s, s.follow(1))
		require.Len(s, s.handled, 2)
		require.Equal(s, 1, s.handled[0].Revision)
		require.Equal(s, 1, s.handled[1].Revision)
		s.is("b", kopokopo.IntentFinal, "resource-2")
	})
}

// When K2 is down a FollowUp does not ask for everything that it knows.
func TestFollowUpGivesUp(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for i := range 150 {
			_, err := s.push(fmt.Sprint("k", i))
			require.NoError(s, err)
		}
		s.k2.mu.Lock()
		clear(s.k2.made)
		s.k2.mu.Unlock()
		err := s.follow(0)
		var all *kopokopo.CallError
		require.ErrorAs(s, err, &all)
		require.Len(s, all.Err.(interface{ Unwrap() []error }).Unwrap(), 100)
	})
}

// What a store says was created is put into a path only if it can be one.
func TestFollowUpChecksOperations(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		time.Sleep(resultAfter)
		have := s.is("k", kopokopo.IntentCreated, "resource-1")
		for i, operation := range []string{"", "POST", "POST /api/v2/", "POST /api/v3/incoming_payments", "POST /oauth/token", "POST v2/incoming_payments",
			"POST /api/v2/../v1/incoming_payments", "POST /api/v2/incoming_payments/1", "POST /api/v2/x?y", "POST api/v2/incoming_payments", "POST https://evil.example/api/v2/x"} {
			intent := have
			intent.Key, intent.Operation = fmt.Sprint("bad-", i), operation
			begun, err := s.store.inner.Begin(s.Context(), intent, time.Minute)
			require.NoError(s, err)
			begun.State, begun.Token = kopokopo.IntentCreated, "created"
			require.NoError(s, s.store.inner.Update(s.Context(), intent.Token, begun, 0))
		}
		bad := len(keysOf(s, s.client.Intents.Unfinished(s.Context()))) - 1
		require.NoError(s, s.follow(1))
		require.Len(s, keysOf(s, s.client.Intents.Unfinished(s.Context())), bad, "they are left alone")
		s.is("k", kopokopo.IntentFinal, "resource-1")
		require.Len(s, s.k2.Seen(), 2)
	})
}

// Processes that follow up at the same time handle each result once.
func TestFollowUpsAtOnce(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for i := range 20 {
			_, err := s.push(fmt.Sprintf("k%02d", i))
			require.NoError(s, err)
		}
		time.Sleep(resultAfter)
		var handled atomic.Int64
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				n, err := s.client.FollowUp(s.Context(), s.handler)
				handled.Add(int64(n))
				if err != nil { // somebody else has it in work
					require.ErrorContains(s, err, "503")
				}
			})
		}
		all.Wait()
		require.NoError(s, s.follow(0))
		require.Len(s, s.handled, 20)
		require.GreaterOrEqual(s, handled.Load(), int64(20))
		require.Empty(s, keysOf(s, s.client.Intents.Unfinished(s.Context())))
	})
}

// A document that is not of the request, because a connection has given a sender the
// answer to another one, or a person has written down the wrong id, is no result.
func TestFollowUpDistrusts(t *testing.T) {
	inShop(t, inTurn(ordinary, unclear(true, 500)), func(s *shop) {
		_, err := s.pushOf("2500", "other")
		require.NoError(s, err)
		require.NoError(s, s.client.Intents.SettleFinal(s.Context(), "other"))
		_, err = s.push("k")
		s.unknown(err)
		require.NoError(s, s.client.Intents.SettleCreated(s.Context(), "k", "resource-1"))
		time.Sleep(resultAfter)
		require.ErrorIs(s, s.follow(0), kopokopo.ErrResponse)
		s.is("k", kopokopo.IntentCreated, "resource-1")
		require.Empty(s, s.handled)
	})
}

// Where K2 returns no metadata with a document, the id alone says what it is of.
func TestFollowUpWithoutMetadata(t *testing.T) {
	for _, change := range []func(map[string]any){
		func(a map[string]any) { delete(a, "metadata") },
		func(a map[string]any) { a["metadata"] = []any{} },
		func(a map[string]any) { a["metadata"] = nil },
	} {
		inShop(t, nil, func(s *shop) {
			_, err := s.push("k")
			require.NoError(s, err)
			s.k2.edit = change
			time.Sleep(resultAfter)
			require.NoError(s, s.follow(1))
			s.is("k", kopokopo.IntentFinal, "resource-1")
		})
	}
}

// A payment link is not followed up when it was made, but when it was paid, or cannot be
// paid any more.
func TestFollowUpPaymentLinks(t *testing.T) {
	status := func(name, value string) func(map[string]any) {
		return func(a map[string]any) { object(a["payment_link"])[name] = value }
	}
	expires := func(d time.Duration) func(map[string]any) {
		return func(a map[string]any) {
			object(a["payment_link"])["expires_at"] = time.Now().Add(d).Format(time.RFC3339)
		}
	}
	for name, row := range map[string]struct {
		change func(map[string]any)
		over   bool
	}{
		"active":              {func(map[string]any) {}, false},
		"active for a week":   {expires(7 * 24 * time.Hour), false},
		"active until today":  {expires(-time.Hour), false},
		"long expired":        {expires(-25 * time.Hour), true},
		"said to be expired":  {status("payment_link_status", "Expired"), true},
		"cancelled":           {status("payment_link_status", "cancelled"), true},
		"paid":                {status("payment_link_status", "Paid"), true},
		"paid, as a callback": {func(a map[string]any) { a["payment_link"] = map[string]any{"link": "https://x", "status": "Paid"} }, true},
		"not made":            {func(a map[string]any) { a["status"], a["payment_link"], a["errors"] = "Failed", nil, "no till" }, true},
		"being made":          {func(a map[string]any) { a["status"], a["payment_link"] = "Scheduled", nil }, false},
		"in an unknown word":  {status("payment_link_status", "Slumbering"), false},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, nil, func(s *shop) {
				_, err := link(s.Context(), s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
				require.NoError(s, err)
				s.k2.edit = row.change
				want := 0
				if row.over {
					want = 1
				}
				require.NoError(s, s.follow(want))
				require.Equal(s, 200, s.post(s.k2.first().resultWith(false, row.change)))
				state := kopokopo.IntentCreated
				if row.over {
					state = kopokopo.IntentFinal
				}
				s.is("k", state, "resource-1")
			})
		})
	}
}
