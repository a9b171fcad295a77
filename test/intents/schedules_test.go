package intents_test

import (
	"context"
	"flag"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// seed runs one schedule instead of all: the one that failed.
var seed = flag.Uint64("seed", 0, "run the schedule of this seed alone")

// schedules is how many random schedules a test runs.
func schedules(t *testing.T) int {
	text := os.Getenv("KOPOKOPO_SCHEDULES")
	if text == "" {
		return 2000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "KOPOKOPO_SCHEDULES")
	return n
}

// inBubble runs one schedule in simulated time.
func inBubble(t *testing.T, seed uint64, store func() kopokopo.IntentStore, counts *tally) (faults []string) {
	synctest.Test(t, func(t *testing.T) { faults = live(seed, store(), counts) })
	return faults
}

func memory() kopokopo.IntentStore { return kopokopo.NewMemoryIntents(0, 0) }

// TestRandomSchedules holds what idempotency keys promise against random schedules of
// callers, processes that end, leases that end, persons, results, refusals, dropped
// connections, 503s, and a store that fails at every step before or after its effect.
func TestRandomSchedules(t *testing.T) {
	counts := &tally{times: map[string]int{}}
	if *seed != 0 {
		require.Empty(t, inBubble(t, *seed, memory, counts))
		t.Log("\n" + strings.Join(counts.lines(), "\n"))
		return
	}
	n := schedules(t)
	var next atomic.Uint64
	t.Run("all", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(strconv.Itoa(worker), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1); i <= uint64(n) && !t.Failed(); i = next.Add(1) {
					if faults := inBubble(t, i, memory, counts); len(faults) > 0 {
						t.Errorf("schedule %d (again with -seed %d):\n%s", i, i, strings.Join(faults, "\n"))
					}
				}
			})
		}
	})
	t.Logf("%d schedules\n%s", n, strings.Join(counts.lines(), "\n"))
	if n < 2000 {
		return
	}
	for _, what := range []string{
		"Ref after 0 POSTs of its own", "Ref after 1 POSTs of its own",
		"answer: the idempotency key stands for another request", "answer: the request of this idempotency key is being sent",
		"answer: not sent, nothing sent", "answer: refused", "answer: outcome unknown", "answer: outcome unknown, nothing sent",
		"answer: outcome unknown, no Location", "answer: outcome unknown, no Location, nothing sent",
		"settled as created by a call", "settled as created by a delivery", "settled as created by a person", "freed by hand",
		"a write that came late was refused", "followed up", "proved unsent", "a process ended and another one began",
	} {
		require.NotZero(t, counts.times[what], "it never happened: %s", what)
	}
}

// unfenced writes whatever stands there.
type unfenced struct{ kopokopo.IntentStore }

func (s unfenced) Update(ctx context.Context, _ string, intent kopokopo.Intent, lease time.Duration) error {
	have, err := s.Get(ctx, intent.Key)
	if err != nil {
		return err
	}
	return s.IntentStore.Update(ctx, have.Token, intent, lease)
}

// forgetful gives a key away whose sender's lease has ended.
type forgetful struct{ kopokopo.IntentStore }

func (s forgetful) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	have, err := s.Get(ctx, intent.Key)
	if err == nil && have.State == kopokopo.IntentSending && !have.Alive {
		free := have
		free.State, free.Token = kopokopo.IntentFree, "taken over"
		err = s.Update(ctx, have.Token, free, 0)
	}
	if err != nil {
		return kopokopo.Intent{}, err
	}
	return s.IntentStore.Begin(ctx, intent, lease)
}

// amnesiac forgets what is in doubt.
type amnesiac struct{ kopokopo.IntentStore }

func (s amnesiac) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	if intent.State == kopokopo.IntentInDoubt {
		intent.State = kopokopo.IntentFree
	}
	return s.IntentStore.Update(ctx, token, intent, lease)
}

// crowded lets everybody in who asks while the first is sending.
type crowded struct{ kopokopo.IntentStore }

func (s crowded) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	have, err := s.IntentStore.Begin(ctx, intent, lease)
	if have.Alive {
		have.Token = intent.Token
	}
	return have, err
}

// TestRandomSchedulesFindBrokenRules is the control: with a rule broken on purpose the
// same schedules find a fault.
func TestRandomSchedulesFindBrokenRules(t *testing.T) {
	for name, broken := range map[string]func() kopokopo.IntentStore{
		"no fencing":               func() kopokopo.IntentStore { return unfenced{memory()} },
		"an ended lease is free":   func() kopokopo.IntentStore { return forgetful{memory()} },
		"what is in doubt is free": func() kopokopo.IntentStore { return amnesiac{memory()} },
		"several may send at once": func() kopokopo.IntentStore { return crowded{memory()} },
	} {
		t.Run(name, func(t *testing.T) {
			counts := &tally{times: map[string]int{}}
			for i := uint64(1); i <= 2000; i++ {
				if faults := inBubble(t, i, broken, counts); len(faults) > 0 {
					t.Logf("schedule %d: %s", i, faults[0])
					return
				}
			}
			t.Error("2000 schedules have found nothing")
		})
	}
}
