package kopokopotest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// The leases of TestStore: one that no check outlives, and one that ends at once.
const (
	longLease  = time.Hour
	shortLease = 50 * time.Millisecond
	patience   = 10 * time.Second // for a short lease to end in a slow database
)

// TestStore checks a [kopokopo.DeliveryStore] against its contract, in the manner of
// testing/fstest: call it in a test of your store's. newStore returns an empty
// store, or one whose keys the check has not used; TestStore makes up new keys each
// time. It returns nil, or everything it found. It takes as long as a few leases of
// 50 ms.
func TestStore(newStore func() kopokopo.DeliveryStore) error {
	var found []error
	for _, c := range []struct {
		name  string
		check func(*storeCheck)
	}{
		{"one claim at a time", (*storeCheck).oneClaim},
		{"committed stays done", (*storeCheck).committed},
		{"released can be claimed again", (*storeCheck).released},
		{"another body is a revision", (*storeCheck).revisions},
		{"a lease ends", (*storeCheck).leaseEnds},
		{"late, but not taken over", (*storeCheck).late},
		{"keys are exact", (*storeCheck).keys},
		{"a crowd", (*storeCheck).crowd},
		{"many keys at once", (*storeCheck).manyKeys},
	} {
		s := &storeCheck{store: newStore(), prefix: "check-" + rand.Text() + ":"}
		s.run(c.check)
		for _, err := range s.errs {
			found = append(found, fmt.Errorf("kopokopotest: store: %s: %w", c.name, err))
		}
	}
	return errors.Join(found...)
}

// storeCheck is one check under way.
type storeCheck struct {
	store  kopokopo.DeliveryStore
	prefix string
	mu     sync.Mutex
	errs   []error
}

// errStop ends a check whose next step makes no sense.
var errStop = errors.New("stop")

// run runs a check until its end or its first hopeless step.
func (s *storeCheck) run(check func(*storeCheck)) {
	defer func() {
		if p := recover(); p != nil && p != errStop {
			panic(p)
		}
	}()
	check(s)
}

func (s *storeCheck) errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

// digest is what a claim has of a body.
func digest(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// claim claims and checks what is found.
func (s *storeCheck) claim(key, text string, lease time.Duration, want kopokopo.ClaimState, revision int) kopokopo.Claim {
	c, err := s.store.Claim(context.Background(), s.prefix+key, digest(text), lease)
	switch {
	case err != nil:
		s.errorf("claim: %w", err)
		panic(errStop)
	case c.State != want:
		s.errorf("claim of body %q is %v, want %v", text, c.State, want)
		panic(errStop)
	}
	if want == kopokopo.ClaimFresh && (c.Key != s.prefix+key || c.Digest != digest(text)) {
		s.errorf("a fresh claim has another key or digest than was asked for")
	}
	if want == kopokopo.ClaimFresh && c.Revision != revision {
		s.errorf("a fresh claim has revision %d, want %d", c.Revision, revision)
	}
	return c
}

func (s *storeCheck) commit(c kopokopo.Claim) {
	if err := s.store.Commit(context.Background(), c); err != nil {
		s.errorf("commit: %w", err)
		panic(errStop)
	}
}

func (s *storeCheck) release(c kopokopo.Claim) {
	if err := s.store.Release(context.Background(), c); err != nil {
		s.errorf("release: %w", err)
		panic(errStop)
	}
}

func (s *storeCheck) oneClaim() {
	c := s.claim("a", "1", longLease, kopokopo.ClaimFresh, 1)
	s.claim("a", "1", longLease, kopokopo.ClaimBusy, 0)
	s.claim("a", "2", longLease, kopokopo.ClaimBusy, 0)
	s.commit(c)
}

func (s *storeCheck) committed() {
	c := s.claim("a", "1", longLease, kopokopo.ClaimFresh, 1)
	s.commit(c)
	s.claim("a", "1", longLease, kopokopo.ClaimDone, 0)
	s.commit(c) // by a function in its transaction, and then by the handler
	s.release(c)
	s.claim("a", "1", longLease, kopokopo.ClaimDone, 0)
}

func (s *storeCheck) released() {
	c := s.claim("a", "1", longLease, kopokopo.ClaimFresh, 1)
	s.release(c)
	again := s.claim("a", "1", longLease, kopokopo.ClaimFresh, 1)
	if again.Token <= c.Token {
		s.errorf("the second claim's token %d is not above the first one's %d", again.Token, c.Token)
	}
	s.release(c) // late, and no longer its own
	s.claim("a", "1", longLease, kopokopo.ClaimBusy, 0)
	if err := s.store.Commit(context.Background(), c); !errors.Is(err, kopokopo.ErrLeaseLost) {
		s.errorf("commit of a released claim that was taken over: %v, want ErrLeaseLost", err)
	}
	s.claim("a", "1", longLease, kopokopo.ClaimBusy, 0)
	s.commit(again)
}

func (s *storeCheck) revisions() {
	s.commit(s.claim("a", "1", longLease, kopokopo.ClaimFresh, 1))
	s.release(s.claim("a", "2", longLease, kopokopo.ClaimFresh, 2))
	c := s.claim("a", "3", longLease, kopokopo.ClaimFresh, 2)
	s.claim("a", "1", longLease, kopokopo.ClaimDone, 0) // while another body is in work
	s.claim("a", "2", longLease, kopokopo.ClaimBusy, 0)
	s.commit(c)
	s.commit(s.claim("a", "2", longLease, kopokopo.ClaimFresh, 3))
	for _, text := range []string{"1", "2", "3"} {
		s.claim("a", text, longLease, kopokopo.ClaimDone, 0)
	}
}

// afterLease claims again as soon as a short lease has ended.
func (s *storeCheck) afterLease(key, text string) kopokopo.Claim {
	deadline := time.Now().Add(patience)
	for {
		c, err := s.store.Claim(context.Background(), s.prefix+key, digest(text), longLease)
		if err != nil {
			s.errorf("claim: %w", err)
			panic(errStop)
		}
		if c.State == kopokopo.ClaimFresh {
			return c
		}
		if c.State == kopokopo.ClaimDone || time.Now().After(deadline) {
			s.errorf("claim is %v after a lease of %v has ended, want fresh", c.State, shortLease)
			panic(errStop)
		}
		time.Sleep(shortLease)
	}
}

func (s *storeCheck) leaseEnds() {
	lost := s.claim("a", "1", shortLease, kopokopo.ClaimFresh, 1)
	c := s.afterLease("a", "1")
	if c.Token <= lost.Token {
		s.errorf("the second claim's token %d is not above the first one's %d", c.Token, lost.Token)
	}
	if err := s.store.Commit(context.Background(), lost); !errors.Is(err, kopokopo.ErrLeaseLost) {
		s.errorf("commit of a lost claim: %v, want ErrLeaseLost", err)
	}
	s.release(lost)
	s.claim("a", "1", longLease, kopokopo.ClaimBusy, 0)
	s.commit(c)
	s.claim("a", "1", longLease, kopokopo.ClaimDone, 0)
	if err := s.store.Commit(context.Background(), lost); !errors.Is(err, kopokopo.ErrLeaseLost) {
		s.errorf("commit of a lost claim after the new owner's: %v, want ErrLeaseLost", err)
	}
}

// late allows a store to forget a claim with its lease: what it must not do is say
// that it committed and then not know of it.
func (s *storeCheck) late() {
	c := s.claim("a", "1", shortLease, kopokopo.ClaimFresh, 1)
	time.Sleep(2 * shortLease)
	switch err := s.store.Commit(context.Background(), c); {
	case err == nil:
		s.claim("a", "1", longLease, kopokopo.ClaimDone, 0)
	case errors.Is(err, kopokopo.ErrLeaseLost):
		s.claim("a", "1", longLease, kopokopo.ClaimFresh, 1)
	default:
		s.errorf("late commit: %w", err)
	}
}

func (s *storeCheck) keys() {
	long := strings.Repeat("k", 255-len(s.prefix))
	for _, key := range []string{"a", "A", "a:", "a%", "a_", "~a", long, long[:len(long)-1]} {
		s.claim(key, "1", longLease, kopokopo.ClaimFresh, 1)
	}
}

func (s *storeCheck) crowd() {
	var fresh atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			c, err := s.store.Claim(context.Background(), s.prefix+"a", digest("1"), longLease)
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
		s.errorf("%d of 50 concurrent claims are fresh, want 1", n)
	}
}

func (s *storeCheck) manyKeys() {
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			s.run(func(*storeCheck) {
				for i := range 25 {
					key := fmt.Sprint(worker, "-", i)
					s.commit(s.claim(key, "1", longLease, kopokopo.ClaimFresh, 1))
					s.claim(key, "1", longLease, kopokopo.ClaimDone, 0)
				}
			})
		})
	}
	all.Wait()
}
