package kopokopotest

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func memoryIntents() kopokopo.IntentStore { return kopokopo.NewMemoryIntents(0, 0) }

// sameIntents reopens a memory store as if it were durable.
func sameIntents(s kopokopo.IntentStore) (kopokopo.IntentStore, error) { return s, nil }

func TestMemoryIntentsKeepTheContract(t *testing.T) {
	require.NoError(t, TestIntentStore(memoryIntents))
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, TestIntentStore(func() kopokopo.IntentStore { return new(kopokopo.MemoryIntents) }))
		require.NoError(t, TestIntentStore(memoryIntents, WithIntentReopen(sameIntents)))
		require.NoError(t, TestIntentStore(func() kopokopo.IntentStore { return kopokopo.NewMemoryIntents(300, 0) }), "at its bound")
	})
	shared := memoryIntents() // as a database is
	for range 2 {
		require.NoError(t, TestIntentStore(func() kopokopo.IntentStore { return shared }))
	}
}

// TestIntentStoreFindsFaults breaks each rule in several ways and wants it named.
func TestIntentStoreFindsFaults(t *testing.T) {
	maps.Copy(brokenIntents, brokenKeys)
	for _, rule := range intentRules {
		require.NotEmpty(t, brokenIntents[rule.name], "no store breaks the rule %q", rule.name)
	}
	require.Len(t, brokenIntents, len(intentRules))
	for rule, faults := range brokenIntents {
		for fault, damage := range faults {
			t.Run(rule+"/"+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newFaulty(memoryIntents())
					damage(b)
					err := TestIntentStore(func() kopokopo.IntentStore { return b }, WithIntentReopen(b.reopen))
					require.ErrorContains(t, err, "kopokopotest: intent store: "+rule+": ")
				})
			})
		}
	}
}

// The methods of a store.
type (
	beginFunc  = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error)
	updateFunc = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error
	getFunc    = func(ctx context.Context, key string) (kopokopo.Intent, error)
	listFunc   = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error)
)

// faulty is a store with a fault: its functions are the store's own, until a fault
// replaces one.
type faulty struct {
	inner  kopokopo.IntentStore
	begin  beginFunc
	update updateFunc
	get    getFunc
	list   listFunc
	reopen func(kopokopo.IntentStore) (kopokopo.IntentStore, error)

	mu   sync.Mutex
	seen map[string]string // whatever a fault remembers
}

func newFaulty(inner kopokopo.IntentStore) *faulty {
	return &faulty{inner: inner, begin: inner.Begin, update: inner.Update, get: inner.Get, list: inner.List,
		reopen: sameIntents, seen: map[string]string{}}
}

func (f *faulty) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	return f.begin(ctx, intent, lease)
}

func (f *faulty) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	return f.update(ctx, token, intent, lease)
}

func (f *faulty) Get(ctx context.Context, key string) (kopokopo.Intent, error) {
	return f.get(ctx, key)
}

func (f *faulty) List(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
	return f.list(ctx, state, after, limit)
}

// remember keeps a text under a name and returns what was there.
func (f *faulty) remember(name, text string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.seen[name]
	f.seen[name] = text
	return before
}

// beginning is a store that takes another intent or lease than it was given.
func beginning(change func(intent *kopokopo.Intent, lease *time.Duration)) func(*faulty) {
	return func(f *faulty) {
		f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
			change(&intent, &lease)
			return f.inner.Begin(ctx, intent, lease)
		}
	}
}

// updating is a store that writes something else than it was given.
func updating(change func(token *string, intent *kopokopo.Intent, lease *time.Duration)) func(*faulty) {
	return func(f *faulty) {
		f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
			change(&token, &intent, &lease)
			return f.inner.Update(ctx, token, intent, lease)
		}
	}
}

// answering is a store that says something else of an intent than stands there,
// wherever it is asked.
func answering(change func(f *faulty, have *kopokopo.Intent)) func(*faulty) {
	return func(f *faulty) {
		f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
			have, err := f.inner.Begin(ctx, intent, lease)
			change(f, &have)
			return have, err
		}
		f.get = func(ctx context.Context, key string) (kopokopo.Intent, error) {
			have, err := f.inner.Get(ctx, key)
			change(f, &have)
			return have, err
		}
		f.list = func(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
			page, err := f.inner.List(ctx, state, after, limit)
			for i := range page {
				change(f, &page[i])
			}
			return page, err
		}
	}
}

// naming is a store that takes one key for another.
func naming(take func(key string) string) func(*faulty) {
	return func(f *faulty) {
		f.begin = func(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
			asked := intent.Key
			intent.Key = take(intent.Key)
			have, err := f.inner.Begin(ctx, intent, lease)
			have.Key = asked
			return have, err
		}
		f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
			intent.Key = take(intent.Key)
			return f.inner.Update(ctx, token, intent, lease)
		}
		f.get = func(ctx context.Context, key string) (kopokopo.Intent, error) {
			have, err := f.inner.Get(ctx, take(key))
			have.Key = key
			return have, err
		}
	}
}

// overWhatStands is a store without a fence for the states that a fault names.
func overWhatStands(unfenced func(state kopokopo.IntentState) bool) func(*faulty) {
	return func(f *faulty) {
		f.update = func(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
			if have, _ := f.inner.Get(ctx, intent.Key); unfenced(intent.State) {
				token = have.Token
			}
			return f.inner.Update(ctx, token, intent, lease)
		}
	}
}

// reopenedAs is a store whose fault shows when it was reopened.
func reopenedAs(damage func(*faulty)) func(*faulty) {
	return func(f *faulty) {
		f.reopen = func(kopokopo.IntentStore) (kopokopo.IntentStore, error) {
			next := newFaulty(f.inner)
			damage(next)
			return next, nil
		}
	}
}
