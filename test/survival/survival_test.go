// Package survival_test holds that a shop and a payroll, written as the examples are, survive
// everything at once: each request and delivery lost, late, repeated or out of order, and the
// program abandoned between any two of its steps and started again over the same stores.
package survival_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/examples/shop/checkout"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// runs returns how many worlds to try: so many, or as the environment says.
func runs(t *testing.T, usual int) int {
	if text := os.Getenv("KOPOKOPO_SURVIVAL_RUNS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal("KOPOKOPO_SURVIVAL_RUNS:", err)
		}
		return n
	}
	return usual
}

// everything is all of it at once. What Kopo Kopo shows of payouts differs by the seed.
func everything(seed uint64) scenario {
	odds := dice{seed: seed}
	shown := [][]kopokopotest.Option{nil, {kopokopotest.WithInterimCallbacks()}, {kopokopotest.WithSplits("600")}}
	return scenario{seed: seed, orders: 5, rows: 9, seconds: 90, faults: true, rounds: 60, server: shown[seed%3],
		kill: func(life int, point string, nth int) bool { return odds.roll("kill", life, point, nth) < 1.0/80 }}
}

// in lets a scenario happen in a bubble of its own, whose hours pass at once.
func in(t *testing.T, s scenario, sum *tally) (wrong []string) {
	t.Helper()
	sum.add("runs", 1)
	synctest.Test(t, func(*testing.T) { wrong = survive(s, sum) })
	return wrong
}

func TestSurvival(t *testing.T) {
	t.Parallel()
	var sum tally
	for seed := range uint64(runs(t, 20)) {
		assert.Empty(t, in(t, everything(seed), &sum), "seed %d", seed)
	}
	t.Log(&sum)
	for _, mishap := range []string{"crashes", "requests lost", "requests late, after the program had given up", "answers lost",
		"requests refused: 401, 429, 503", "requests delayed", "reads duplicated", "presses",
		"deliveries dropped", "deliveries duplicated", "deliveries delayed", "settled by hand"} {
		assert.NotZero(t, sum.of(mishap), mishap)
	}
}

// TestEachFailpoint abandons the program once at each point that it passes in the first
// half minute, in a world where otherwise nothing goes wrong but that one result never
// comes. The usual run takes the first pass of each point, a long one each pass.
func TestEachFailpoint(t *testing.T) {
	t.Parallel()
	quiet := scenario{seed: 1, orders: 2, rows: 4, seconds: 40, rounds: 60}
	var sum tally
	var mu sync.Mutex
	var points []string
	watched := quiet
	watched.kill = func(_ int, point string, nth int) bool {
		mu.Lock()
		defer mu.Unlock()
		if nth == 1 || runs(t, 0) > 0 {
			points = append(points, fmt.Sprint(point, ", ", nth))
		}
		return false
	}
	assert.Empty(t, in(t, watched, &sum))
	for _, chosen := range points {
		quiet.kill = func(life int, point string, nth int) bool {
			return life == 1 && fmt.Sprint(point, ", ", nth) == chosen
		}
		assert.Empty(t, in(t, quiet, &sum), "abandoned at %s", chosen)
	}
	t.Log(&sum)
	assert.Greater(t, sum.of("crashes"), len(points)*9/10, "the points are those of each run, but for a few")
}

// TestWhatIsNotSurvived holds that the worlds above are ones to fail in. Each control
// leaves one thing out.
func TestWhatIsNotSurvived(t *testing.T) {
	t.Parallel()
	for name, control := range map[string]struct {
		without func(*scenario)
		finding string
	}{
		"without idempotency keys": {func(s *scenario) {
			s.intents = func(int) kopokopo.IntentStore { return forgetful{} }
		}, "(charged|paid|created) [2-9][0-9]* times"},
		"with keys that a crash forgets": {func(s *scenario) {
			s.intents = func(int) kopokopo.IntentStore { return kopokopo.NewMemoryIntents(0, 0) }
		}, "(charged|paid|created) [2-9][0-9]* times"},
		"credited by delivery in place of entry key": {func(s *scenario) {
			s.books = func(b checkout.Books) checkout.Books { return &creditor{Books: b} }
		}, "cents moved, and .* are booked"},
	} {
		t.Run(name, func(t *testing.T) {
			var sum tally
			var wrong []string
			for seed := range uint64(3) {
				s := everything(seed)
				s.orders, s.rows, s.seconds, s.rounds = 3, 4, 45, 5
				control.without(&s)
				wrong = append(wrong, in(t, s, &sum)...)
			}
			t.Log(&sum, wrong[:min(len(wrong), 3)])
			assert.Regexp(t, control.finding, strings.Join(wrong, "\n"))
		})
	}
}

// forgetful is an IntentStore for which each key is free always: as if there were none.
type forgetful struct{}

func (forgetful) Begin(_ context.Context, i kopokopo.Intent, _ time.Duration) (kopokopo.Intent, error) {
	i.State, i.Alive = kopokopo.IntentSending, true
	return i, nil
}

func (forgetful) Update(context.Context, string, kopokopo.Intent, time.Duration) error { return nil }

func (forgetful) Get(_ context.Context, key string) (kopokopo.Intent, error) {
	return kopokopo.Intent{Key: key, State: kopokopo.IntentFree}, nil
}

func (forgetful) List(context.Context, kopokopo.IntentState, string, int) ([]kopokopo.Intent, error) {
	return nil, nil
}

// creditor books each payment as often as it is told of it.
type creditor struct {
	checkout.Books
	told atomic.Int64
}

func (c *creditor) Book(ctx context.Context, e kopokopo.LedgerEntry) error {
	if e.Kind == kopokopo.EntryPayment {
		e.Key += fmt.Sprint(" ", c.told.Add(1))
	}
	return c.Books.Book(ctx, e)
}
