package kopokopotest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

func (s *storeCheck) oneClaim() {
	c := s.fresh("a", "1", longLease, 1)
	s.is(kopokopo.ClaimBusy, "a", "1")
	s.is(kopokopo.ClaimBusy, "a", "2")
	s.commit(c)
}

func (s *storeCheck) crowd() {
	for round := range 5 {
		key := fmt.Sprint("crowd-", round)
		var fresh atomic.Int64
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				c, err := s.store.Claim(context.Background(), s.prefix+key, digest(fmt.Sprint(i%2)), longLease)
				switch {
				case err != nil:
					s.errorf("claim: %w", err)
				case c.State == kopokopo.ClaimFresh:
					fresh.Add(1)
				case c.State != kopokopo.ClaimBusy:
					s.errorf("claim is %v, want fresh or busy", c.State)
				}
			})
		}
		all.Wait()
		if n := fresh.Load(); n != 1 {
			s.stop("%d of 50 concurrent claims are fresh, want 1", n)
		}
	}
}

func (s *storeCheck) manyKeys() {
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			s.run(func(*storeCheck) {
				for i := range 25 {
					key := fmt.Sprint(worker, "-", i)
					c := s.fresh(key, "1", longLease, 1)
					s.extend(c, longLease)
					s.commit(c)
					s.is(kopokopo.ClaimDone, key, "1")
				}
			})
		})
	}
	all.Wait()
}

func (s *storeCheck) committed() {
	c := s.fresh("a", "1", longLease, 1)
	s.commit(c)
	s.is(kopokopo.ClaimDone, "a", "1")
	s.release(c)
	s.is(kopokopo.ClaimDone, "a", "1")
	s.fresh("a", "2", longLease, 2)
	s.is(kopokopo.ClaimDone, "a", "1") // while another body is in work
}

// committedTwice commits as a function in its transaction does, and then the
// handler, between which another body can come and go.
func (s *storeCheck) committedTwice() {
	first := s.fresh("a", "1", longLease, 1)
	s.commit(first)
	s.commit(first)
	second := s.fresh("a", "2", longLease, 2)
	s.commit(first)
	s.is(kopokopo.ClaimBusy, "a", "2") // it is the second body's claim still
	s.commit(second)
	s.commit(first)
	s.commit(second)
	s.fresh("a", "3", longLease, 3) // and each was counted once
}

func (s *storeCheck) released() {
	c := s.fresh("a", "1", longLease, 1)
	s.release(c)
	s.release(c)
	s.lost("commit of a released claim", s.store.Commit(context.Background(), c))
	again := s.fresh("a", "1", longLease, 1)
	s.release(c) // late, and no longer its own
	s.is(kopokopo.ClaimBusy, "a", "1")
	s.lost("commit of a released claim that was taken over", s.store.Commit(context.Background(), c))
	s.is(kopokopo.ClaimBusy, "a", "1")
	s.commit(again)
}

func (s *storeCheck) revisions() {
	s.commit(s.fresh("a", "1", longLease, 1))
	s.release(s.fresh("a", "2", longLease, 2))
	c := s.fresh("a", "3", longLease, 2)
	s.is(kopokopo.ClaimDone, "a", "1") // while another body is in work
	s.is(kopokopo.ClaimBusy, "a", "2")
	s.commit(c)
	s.commit(s.fresh("a", "2", longLease, 3))
	for _, text := range []string{"1", "2", "3"} {
		s.is(kopokopo.ClaimDone, "a", text)
	}
	s.fresh("b", "1", longLease, 1)
}

// attempts counts how often a delivery was tried: released, given up with its
// lease, and once more.
func (s *storeCheck) attempts() {
	want := func(c kopokopo.Claim, attempt int) kopokopo.Claim {
		if c.Attempt != attempt {
			s.errorf("attempt %d of a body is counted as %d", attempt, c.Attempt)
		}
		return c
	}
	s.release(want(s.fresh("a", "1", longLease, 1), 1))
	want(s.fresh("a", "1", shortLease, 1), 2)
	c := want(s.afterLease("a", "1"), 3)
	s.is(kopokopo.ClaimBusy, "a", "1") // which is no attempt
	s.release(c)
	s.release(want(s.fresh("a", "2", longLease, 1), 1)) // each body has its own
	s.commit(want(s.fresh("a", "1", longLease, 1), 4))
	s.commit(want(s.fresh("a", "2", longLease, 2), 2))
	want(s.fresh("b", "1", longLease, 1), 1)
}

func (s *storeCheck) tokens() {
	c := s.fresh("a", "1", longLease, 1)
	for range 3 {
		s.release(c)
		again := s.fresh("a", "1", longLease, 1)
		s.above(again, c)
		c = again
	}
	s.commit(c)
	s.above(s.fresh("a", "2", longLease, 2), c)
}

func (s *storeCheck) above(later, earlier kopokopo.Claim) {
	if later.Token <= earlier.Token {
		s.errorf("a later claim's token %d is not above the earlier one's %d", later.Token, earlier.Token)
	}
}

func (s *storeCheck) leaseLasts() {
	s.fresh("a", "1", patience, 1)
	time.Sleep(2 * shortLease)
	s.is(kopokopo.ClaimBusy, "a", "1")
	s.is(kopokopo.ClaimBusy, "a", "2")
}

func (s *storeCheck) leaseEnds() {
	lost := s.fresh("a", "1", shortLease, 1)
	c := s.afterLease("a", "1")
	s.above(c, lost)
	s.lost("commit of a lost claim", s.store.Commit(context.Background(), lost))
	s.release(lost)
	s.is(kopokopo.ClaimBusy, "a", "1")
	s.commit(c)
	s.is(kopokopo.ClaimDone, "a", "1")
	s.lost("commit of a lost claim after the new owner's", s.store.Commit(context.Background(), lost))
	// Another body may take the key as well.
	lost = s.fresh("b", "1", shortLease, 1)
	other := s.afterLease("b", "2")
	s.lost("commit of a claim that another body's took over", s.store.Commit(context.Background(), lost))
	s.commit(other)
	s.fresh("b", "1", longLease, 2)
}

// late commits after the lease has ended, while nobody else has claimed the key. The
// work is done: to refuse it would have it done again.
func (s *storeCheck) late() {
	c := s.fresh("a", "1", shortLease, 1)
	time.Sleep(2 * shortLease)
	s.commit(c)
	s.is(kopokopo.ClaimDone, "a", "1")
}

func (s *storeCheck) extended() {
	ctx := context.Background()
	c := s.fresh("a", "1", shortLease, 1)
	s.extend(c, longLease)
	s.extend(c, shortLease) // an extension takes nothing away
	time.Sleep(2 * shortLease)
	s.is(kopokopo.ClaimBusy, "a", "1")
	s.commit(c)
	// Late, while nobody else has claimed the key.
	c = s.fresh("b", "1", shortLease, 1)
	time.Sleep(2 * shortLease)
	s.extend(c, longLease)
	s.is(kopokopo.ClaimBusy, "b", "1")
	s.release(c)
	// An extension ends like any lease.
	c = s.fresh("b", "1", shortLease, 1)
	s.extend(c, 2*shortLease)
	s.above(s.afterLease("b", "1"), c)
	s.lost("commit of an extended claim that was lost", s.store.Commit(ctx, c))
}

func (s *storeCheck) extendedLost() {
	ctx := context.Background()
	c := s.fresh("a", "1", longLease, 1)
	s.release(c)
	s.lost("extend of a released claim", s.store.Extend(ctx, c, longLease))
	again := s.fresh("a", "1", shortLease, 1)
	s.lost("extend of a released claim that was taken over", s.store.Extend(ctx, c, longLease))
	owner := s.afterLease("a", "1") // so the extension was not the new owner's
	s.lost("extend of a lost claim", s.store.Extend(ctx, again, longLease))
	s.commit(owner)
	s.lost("extend of a lost claim after the new owner's commit", s.store.Extend(ctx, again, longLease))
	s.lost("extend of a claim that was never made", s.store.Extend(ctx, kopokopo.Claim{Key: s.prefix + "b", Token: 1}, longLease))
}

func (s *storeCheck) extendedDone() {
	c := s.fresh("a", "1", longLease, 1)
	s.commit(c)
	s.extend(c, longLease)
	s.is(kopokopo.ClaimDone, "a", "1")
	other := s.fresh("a", "2", shortLease, 2) // the key is free for another body
	s.extend(c, longLease)
	s.above(s.afterLease("a", "2"), other) // whose lease is its own
}

// keys checks that keys are compared byte by byte. A database's usual comparison may
// ignore case, accents or trailing spaces, take % and _ for patterns, or cut off what
// is too long. The module's own handlers make keys of visible ASCII only.
func (s *storeCheck) keys() {
	long := strings.Repeat("k", 255-len(s.prefix))
	for _, key := range []string{"a", "A", "a ", "a  ", " a", "a:", "a%", "a_", "~a", "a'", `a"`, `a\`, long, long[:len(long)-1], long[:len(long)-1] + "K"} {
		s.fresh(key, "1", longLease, 1)
	}
	s.is(kopokopo.ClaimBusy, long, "1")
}

func (s *storeCheck) digests() {
	body := digest("1")
	for i := range len(body) {
		other := body
		other[i] ^= 1
		c := s.found("a", other, longLease)
		if c.State != kopokopo.ClaimFresh {
			s.stop("claim of a body whose digest differs in byte %d is %v, want fresh", i, c.State)
		}
		s.commit(c)
	}
	s.commit(s.fresh("a", "1", longLease, 1+sha256.Size))
	for _, special := range [][sha256.Size]byte{{}, {31: 1}, {0: 1}} { // zero bytes end no digest
		if c := s.found("b", special, longLease); c.State != kopokopo.ClaimFresh {
			s.stop("claim of body %x is %v, want fresh", special, c.State)
		} else {
			s.commit(c)
		}
	}
}

// contexts calls each method with a context that has ended.
func (s *storeCheck) contexts() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	failed := func(what string, err error) {
		if err == nil {
			s.errorf("%s with a context that has ended is no error", what)
		}
	}
	_, err := s.store.Claim(ended, s.prefix+"a", digest("1"), longLease)
	failed("claim", err)
	c := s.fresh("a", "1", longLease, 1) // so nothing was claimed
	failed("release", s.store.Release(ended, c))
	s.is(kopokopo.ClaimBusy, "a", "1")
	failed("commit", s.store.Commit(ended, c))
	s.is(kopokopo.ClaimBusy, "a", "1")
	c = s.fresh("b", "1", shortLease, 1)
	failed("extend", s.store.Extend(ended, c, longLease))
	s.afterLease("b", "1")
}

// room fills a store that has a bound. A claim whose lease has ended must not keep
// others out, wherever it stands among those whose lease lasts.
func (s *storeCheck) room() {
	ctx := context.Background()
	s.fresh("long", "1", longLease, 1)
	claims := 0
	for ; claims < 500; claims++ {
		c, err := s.store.Claim(ctx, s.prefix+fmt.Sprint("short-", claims), digest("1"), shortLease)
		if err != nil || c.State != kopokopo.ClaimFresh {
			break // full, and it says so
		}
	}
	time.Sleep(2 * shortLease)
	for i := range claims {
		s.fresh(fmt.Sprint("next-", i), "1", longLease, 1)
	}
	s.is(kopokopo.ClaimBusy, "long", "1")
}

// reopened checks a durable store over the end of its program.
func (s *storeCheck) reopened() {
	if s.reopen == nil {
		return
	}
	done := s.fresh("done", "1", longLease, 1)
	s.commit(done)
	claimed := s.fresh("claimed", "1", longLease, 1)
	failed := s.fresh("failed", "1", longLease, 1)
	s.release(failed)
	short := s.fresh("short", "1", shortLease, 1)
	store, err := s.reopen(s.store)
	if err != nil {
		s.stop("reopen: %w", err)
	}
	s.store = store
	s.is(kopokopo.ClaimDone, "done", "1")
	s.is(kopokopo.ClaimBusy, "claimed", "1")
	s.commit(done)
	s.above(s.fresh("done", "2", longLease, 2), done)
	s.extend(claimed, longLease)
	s.commit(claimed)
	s.is(kopokopo.ClaimDone, "claimed", "1")
	again := s.fresh("failed", "1", longLease, 1)
	s.above(again, failed)
	if again.Attempt != 2 {
		s.errorf("attempt 2 of a body is counted as %d after reopening", again.Attempt)
	}
	s.above(s.afterLease("short", "1"), short)
}
