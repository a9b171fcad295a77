package survival_test

import (
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// dice decide by a seed and by what they are asked about, and not by when: goroutines may
// take turns as they like, and the same things go wrong in every run of one seed.
type dice struct {
	seed uint64

	mu     sync.Mutex
	passed map[string]int
}

// roll returns a number of [0, 1) that depends on the seed and the question.
func (d *dice) roll(question ...any) float64 {
	h := fnv.New64a()
	fmt.Fprintln(h, append([]any{d.seed}, question...)...)
	x := h.Sum64() // FNV is weak in its upper bits: mix it as SplitMix64 does
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

// wait returns a time of at most so long.
func (d *dice) wait(most time.Duration, question ...any) time.Duration {
	return time.Duration(d.roll(append(question, "wait")...) * float64(most))
}

// nth counts how often something has happened, this time included.
func (d *dice) nth(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = map[string]int{}
	}
	d.passed[what]++
	return d.passed[what]
}

// tally counts what went wrong on the way.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (t *tally) add(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[what] += n
}

func (t *tally) of(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[what]
}

// String lists the counts by name.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprint(t.counts)
}
