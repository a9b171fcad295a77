package kopokopotest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// The leases of TestStore: one that no check outlives, and one that ends at once.
const (
	longLease  = time.Hour
	shortLease = 50 * time.Millisecond
	patience   = 10 * time.Second // for a short lease to end in a slow database
)

// StoreOption changes what [TestStore] checks.
type StoreOption func(*storeOptions)

type storeOptions struct {
	reopen func(kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error)
}

// WithReopen makes [TestStore] check that a store forgets nothing when its program
// ends. reopen closes a store as far as a program's end would, and opens another one
// over the same data.
func WithReopen(reopen func(kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error)) StoreOption {
	return func(o *storeOptions) { o.reopen = reopen }
}

// storeRules are what TestStore checks, by the names that its errors have.
var storeRules = []struct {
	name  string
	check func(*storeCheck)
}{
	{"one claim at a time", (*storeCheck).oneClaim},
	{"a crowd gets one claim", (*storeCheck).crowd},
	{"many keys at once", (*storeCheck).manyKeys},
	{"committed stays done", (*storeCheck).committed},
	{"committing twice is no error", (*storeCheck).committedTwice},
	{"released can be claimed again", (*storeCheck).released},
	{"another body is a revision", (*storeCheck).revisions},
	{"attempts are counted", (*storeCheck).attempts},
	{"tokens rise", (*storeCheck).tokens},
	{"a lease lasts", (*storeCheck).leaseLasts},
	{"a lease ends", (*storeCheck).leaseEnds},
	{"late, but not taken over", (*storeCheck).late},
	{"extending keeps a claim", (*storeCheck).extended},
	{"extending what is lost", (*storeCheck).extendedLost},
	{"extending what is committed", (*storeCheck).extendedDone},
	{"keys are exact", (*storeCheck).keys},
	{"digests are exact", (*storeCheck).digests},
	{"the context is honoured", (*storeCheck).contexts},
	{"ended leases make room", (*storeCheck).room},
	{"reopened, nothing is forgotten", (*storeCheck).reopened},
}

// TestStore checks a [kopokopo.DeliveryStore] against its contract, in the manner of
// testing/fstest: call it in a test of your store's. newStore returns an empty
// store, or one whose keys the check has not used; TestStore makes up new keys each
// time. It returns nil, or everything it found, each with the name of the rule that
// was broken.
//
// It takes as long as some dozen leases of 50 ms, and makes some thousand calls. A
// store with a bound must have room for 300 deliveries; TestStore checks what it does
// at its bound if that is below 500. Pass [WithReopen] for a store that is to be
// durable.
func TestStore(newStore func() kopokopo.DeliveryStore, opts ...StoreOption) error {
	var o storeOptions
	for _, opt := range opts {
		opt(&o)
	}
	var found []error
	for _, rule := range storeRules {
		s := &storeCheck{store: newStore(), storeOptions: o, prefix: "check-" + rand.Text() + ":"}
		s.run(rule.check)
		for _, err := range s.errs {
			found = append(found, fmt.Errorf("kopokopotest: store: %s: %w", rule.name, err))
		}
	}
	return errors.Join(found...)
}

// storeCheck is the check of one rule.
type storeCheck struct {
	storeOptions
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

// stop reports what makes the rest of a check senseless.
func (s *storeCheck) stop(format string, args ...any) {
	s.errorf(format, args...)
	panic(errStop)
}

// digest is what a claim has of a body.
func digest(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// found claims a body, and returns what the store says.
func (s *storeCheck) found(key string, body [sha256.Size]byte, lease time.Duration) kopokopo.Claim {
	c, err := s.store.Claim(context.Background(), s.prefix+key, body, lease)
	if err != nil {
		s.stop("claim: %w", err)
	}
	return c
}

// fresh claims a body that must be free.
func (s *storeCheck) fresh(key, text string, lease time.Duration, revision int) kopokopo.Claim {
	c := s.found(key, digest(text), lease)
	if c.State != kopokopo.ClaimFresh {
		s.stop("claim of body %q is %v, want fresh", text, c.State)
	}
	if c.Key != s.prefix+key || c.Digest != digest(text) {
		s.errorf("a fresh claim has another key or digest than was asked for")
	}
	if c.Revision != revision {
		s.errorf("a fresh claim has revision %d, want %d", c.Revision, revision)
	}
	return c
}

// is claims a body that must not be free.
func (s *storeCheck) is(want kopokopo.ClaimState, key, text string) {
	if c := s.found(key, digest(text), longLease); c.State != want {
		s.stop("claim of body %q is %v, want %v", text, c.State, want)
	}
}

// afterLease claims as soon as a short lease has ended.
func (s *storeCheck) afterLease(key, text string) kopokopo.Claim {
	for deadline := time.Now().Add(patience); ; time.Sleep(shortLease) {
		c := s.found(key, digest(text), longLease)
		if c.State == kopokopo.ClaimFresh {
			return c
		}
		if c.State == kopokopo.ClaimDone || time.Now().After(deadline) {
			s.stop("claim is %v after a lease of %v has ended, want fresh", c.State, shortLease)
		}
	}
}

func (s *storeCheck) extend(c kopokopo.Claim, lease time.Duration) {
	if err := s.store.Extend(context.Background(), c, lease); err != nil {
		s.stop("extend: %w", err)
	}
}

func (s *storeCheck) commit(c kopokopo.Claim) {
	if err := s.store.Commit(context.Background(), c); err != nil {
		s.stop("commit: %w", err)
	}
}

func (s *storeCheck) release(c kopokopo.Claim) {
	if err := s.store.Release(context.Background(), c); err != nil {
		s.stop("release: %w", err)
	}
}

// lost reports what is not ErrLeaseLost.
func (s *storeCheck) lost(what string, err error) {
	if !errors.Is(err, kopokopo.ErrLeaseLost) {
		s.errorf("%s: %v, want ErrLeaseLost", what, err)
	}
}
