package kopokopotest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// IntentStoreOption changes what [TestIntentStore] checks.
type IntentStoreOption func(*intentStoreOptions)

type intentStoreOptions struct {
	reopen func(kopokopo.IntentStore) (kopokopo.IntentStore, error)
}

// WithIntentReopen makes [TestIntentStore] check that a store forgets nothing when its
// program ends. reopen closes a store as far as a program's end would, and opens
// another one over the same data.
func WithIntentReopen(reopen func(kopokopo.IntentStore) (kopokopo.IntentStore, error)) IntentStoreOption {
	return func(o *intentStoreOptions) { o.reopen = reopen }
}

// intentRules are what TestIntentStore checks, by the names that its errors have.
var intentRules = []struct {
	name  string
	check func(*intentCheck)
}{
	{"a free key is taken once", (*intentCheck).begun},
	{"a crowd gets one key", (*intentCheck).crowd},
	{"many keys at once", (*intentCheck).manyKeys},
	{"every field is kept", (*intentCheck).fields},
	{"an update writes its four fields", (*intentCheck).updated},
	{"times are sane", (*intentCheck).times},
	{"every write is fenced", (*intentCheck).fenced},
	{"a write that stands succeeds again", (*intentCheck).again},
	{"a freed key is a new one", (*intentCheck).freed},
	{"a lease lasts", (*intentCheck).leaseLasts},
	{"a lease ends, and the key is not free", (*intentCheck).leaseEnds},
	{"a lease begins anew", (*intentCheck).leaseAnew},
	{"keys are exact", (*intentCheck).keys},
	{"lists are in order", (*intentCheck).listed},
	{"lists are by state", (*intentCheck).states},
	{"the context is honoured", (*intentCheck).contexts},
	{"reopened, nothing is forgotten", (*intentCheck).reopened},
}

// TestIntentStore checks a [kopokopo.IntentStore] against its contract, in the manner of
// testing/fstest: call it in a test of your store's. newStore returns an empty store, or
// one whose keys the check has not used; TestIntentStore makes up new keys each time. It
// returns nil, or everything it found, each with the name of the rule that was broken.
//
// It takes as long as a dozen leases of 50 ms, and makes some thousand calls. A store
// with a bound must have room for 300 intents. Pass [WithIntentReopen] for a store that
// is to be durable.
func TestIntentStore(newStore func() kopokopo.IntentStore, opts ...IntentStoreOption) error {
	var o intentStoreOptions
	for _, opt := range opts {
		opt(&o)
	}
	var found []error
	for _, rule := range intentRules {
		s := &intentCheck{store: newStore(), intentStoreOptions: o, prefix: "check-" + rand.Text() + ":"}
		s.run(rule.check)
		for _, err := range s.errs {
			found = append(found, fmt.Errorf("kopokopotest: intent store: %s: %w", rule.name, err))
		}
	}
	return errors.Join(found...)
}

// intentCheck is the check of one rule.
type intentCheck struct {
	intentStoreOptions
	store  kopokopo.IntentStore
	prefix string
	mu     sync.Mutex
	errs   []error
}

// run runs a check until its end or its first hopeless step.
func (s *intentCheck) run(check func(*intentCheck)) {
	defer func() {
		if p := recover(); p != nil && p != errStop {
			panic(p)
		}
	}()
	check(s)
}

func (s *intentCheck) errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

// stop reports what makes the rest of a check senseless.
func (s *intentCheck) stop(format string, args ...any) {
	s.errorf(format, args...)
	panic(errStop)
}

// intent is one that nobody has taken yet, under a new token.
func (s *intentCheck) intent(key string) kopokopo.Intent {
	return kopokopo.Intent{Key: s.prefix + key, Digest: digest(key), Operation: "POST /api/v2/send_money",
		Facts: `{"amount":"1500"}`, Token: rand.Text()}
}

// begin begins whatever stands under the key.
func (s *intentCheck) begin(intent kopokopo.Intent, lease time.Duration) kopokopo.Intent {
	have, err := s.store.Begin(context.Background(), intent, lease)
	if err != nil {
		s.stop("begin: %w", err)
	}
	return have
}

// take takes a key that must be free.
func (s *intentCheck) take(key string, lease time.Duration) kopokopo.Intent {
	intent := s.intent(key)
	have := s.begin(intent, lease)
	if have.Token != intent.Token || have.State != kopokopo.IntentSending || have.Key != intent.Key || have.Digest != intent.Digest {
		s.stop("begin of the free key %q returns another intent in state %q", key, have.State)
	}
	return have
}

// get reads what stands under a key.
func (s *intentCheck) get(key string) kopokopo.Intent {
	have, err := s.store.Get(context.Background(), s.prefix+key)
	if err != nil {
		s.stop("get: %w", err)
	}
	return have
}

// write updates an intent to a state under a new token, and returns it as it should be.
func (s *intentCheck) write(have kopokopo.Intent, state kopokopo.IntentState, lease time.Duration) kopokopo.Intent {
	next := have
	next.State, next.Token = state, rand.Text()
	if err := s.store.Update(context.Background(), have.Token, next, lease); err != nil {
		s.stop("update to %q: %w", state, err)
	}
	return next
}

// stands reports what differs between what stands under a key and what should.
func (s *intentCheck) stands(what, key string, want kopokopo.Intent) {
	if differs := difference(s.get(key), want); differs != "" {
		s.errorf("%s: %s", what, differs)
	}
}

// difference says in which field an intent is not as it should be, times and Alive aside.
func difference(have, want kopokopo.Intent) string {
	have.Created, have.Updated, have.Alive = want.Created, want.Updated, want.Alive
	switch {
	case have.State != want.State:
		return fmt.Sprintf("the state is %q, want %q", have.State, want.State)
	case have.Facts != want.Facts:
		return fmt.Sprintf("%d bytes of Facts, want %d, and the same", len(have.Facts), len(want.Facts))
	case have != want:
		return fmt.Sprintf("it is %+v, want %+v", have, want)
	}
	return ""
}

// lost reports what is not ErrLeaseLost.
func (s *intentCheck) lost(what string, err error) {
	if !errors.Is(err, kopokopo.ErrLeaseLost) {
		s.errorf("%s: %v, want ErrLeaseLost", what, err)
	}
}

// afterLease reads a key as soon as a short lease has ended.
func (s *intentCheck) afterLease(key string) kopokopo.Intent {
	for deadline := time.Now().Add(patience); ; time.Sleep(shortLease) {
		have := s.get(key)
		if !have.Alive {
			return have
		}
		if time.Now().After(deadline) {
			s.stop("the sender of %q is alive after a lease of %v has ended", key, shortLease)
		}
	}
}

// list reads all pages of a state, of the keys of this check.
func (s *intentCheck) list(state kopokopo.IntentState, limit int) []kopokopo.Intent {
	var all []kopokopo.Intent
	for after := s.prefix; ; {
		page, err := s.store.List(context.Background(), state, after, limit)
		if err != nil {
			s.stop("list: %w", err)
		}
		if len(page) > limit {
			s.errorf("a list of at most %d has %d", limit, len(page))
		}
		for _, intent := range page {
			if !strings.HasPrefix(intent.Key, s.prefix) {
				return all // behind the keys of this check
			}
			if intent.Key <= after {
				s.stop("%q is listed after %q", intent.Key, after)
			}
			after = intent.Key
			all = append(all, intent)
		}
		if len(page) < limit {
			return all
		}
	}
}
