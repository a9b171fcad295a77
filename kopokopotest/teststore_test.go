package kopokopotest

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func memory() kopokopo.DeliveryStore { return kopokopo.NewMemoryStore(0, 0) }

// unchanged reopens a memory store as if it were durable.
func unchanged(s kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error) { return s, nil }

func TestMemoryStoreKeepsTheContract(t *testing.T) {
	require.NoError(t, TestStore(memory))
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, TestStore(func() kopokopo.DeliveryStore { return new(kopokopo.MemoryStore) }))
		require.NoError(t, TestStore(memory, WithReopen(unchanged)))
		require.NoError(t, TestStore(func() kopokopo.DeliveryStore { return kopokopo.NewMemoryStore(300, 0) }), "at its bound")
	})
}

// TestStoreFindsFaults breaks each rule in several ways and wants it named.
func TestStoreFindsFaults(t *testing.T) {
	for _, rule := range storeRules {
		require.NotEmpty(t, brokenStores[rule.name], "no store breaks the rule %q", rule.name)
	}
	require.Len(t, brokenStores, len(storeRules))
	for rule, faults := range brokenStores {
		for fault, damage := range faults {
			t.Run(rule+"/"+fault, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &broken{DeliveryStore: memory(), reopen: unchanged, last: map[string]int64{}, number: map[any]int{}}
					damage(b)
					err := TestStore(func() kopokopo.DeliveryStore { return b }, WithReopen(b.reopen))
					require.ErrorContains(t, err, "kopokopotest: store: "+rule+": ")
				})
			})
		}
	}
}

// The methods of a store.
type (
	claimFunc  = func(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error)
	extendFunc = func(ctx context.Context, c kopokopo.Claim, lease time.Duration) error
	endFunc    = func(ctx context.Context, c kopokopo.Claim) error
)

// broken is a store with a fault: what is not nil stands in for the store's own.
type broken struct {
	kopokopo.DeliveryStore
	claim           claimFunc
	extend          extendFunc
	commit, release endFunc
	reopen          func(kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error)

	mu     sync.Mutex
	last   map[string]int64 // the token of the last fresh claim on a key
	number map[any]int      // whatever a fault counts
}

func (b *broken) Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
	claim := b.DeliveryStore.Claim
	if b.claim != nil {
		claim = b.claim
	}
	return claim(ctx, key, digest, lease)
}

func (b *broken) Extend(ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
	extend := b.DeliveryStore.Extend
	if b.extend != nil {
		extend = b.extend
	}
	return extend(ctx, c, lease)
}

func (b *broken) Commit(ctx context.Context, c kopokopo.Claim) error {
	commit := b.DeliveryStore.Commit
	if b.commit != nil {
		commit = b.commit
	}
	return commit(ctx, c)
}

func (b *broken) Release(ctx context.Context, c kopokopo.Claim) error {
	release := b.DeliveryStore.Release
	if b.release != nil {
		release = b.release
	}
	return release(ctx, c)
}

// unfenced puts the last token of its key into a claim.
func (b *broken) unfenced(c kopokopo.Claim) kopokopo.Claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Token = b.last[c.Key]
	return c
}

// count counts once more.
func (b *broken) count(what any) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number[what]++
	return b.number[what]
}

func (b *broken) counted(what any) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.number[what]
}

// body names the delivery of a claim.
func body(c kopokopo.Claim) any { return [2]string{c.Key, string(c.Digest[:])} }

// answered changes what a claim is answered.
func answered(change func(b *broken, c *kopokopo.Claim)) func(*broken) {
	return func(b *broken) {
		b.claim = func(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			c, err := b.DeliveryStore.Claim(ctx, key, digest, lease)
			if c.State == kopokopo.ClaimFresh {
				b.mu.Lock()
				b.last[c.Key] = c.Token
				b.mu.Unlock()
			}
			change(b, &c)
			return c, err
		}
	}
}

// mistaken is a store that takes one key or digest for another.
func mistaken(take func(key *string, digest *[sha256.Size]byte)) func(*broken) {
	taken := func(c kopokopo.Claim) kopokopo.Claim {
		take(&c.Key, &c.Digest)
		return c
	}
	return func(b *broken) {
		b.claim = func(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			askedKey, askedDigest := key, digest
			take(&key, &digest)
			c, err := b.DeliveryStore.Claim(ctx, key, digest, lease)
			c.Key, c.Digest = askedKey, askedDigest
			return c, err
		}
		b.extend = func(ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
			return b.DeliveryStore.Extend(ctx, taken(c), lease)
		}
		b.commit = func(ctx context.Context, c kopokopo.Claim) error { return b.DeliveryStore.Commit(ctx, taken(c)) }
		b.release = func(ctx context.Context, c kopokopo.Claim) error { return b.DeliveryStore.Release(ctx, taken(c)) }
	}
}

func keyed(take func(string) string) func(*broken) {
	return mistaken(func(key *string, _ *[sha256.Size]byte) { *key = take(*key) })
}

func digested(take func(*[sha256.Size]byte)) func(*broken) {
	return mistaken(func(_ *string, digest *[sha256.Size]byte) { take(digest) })
}

// leased changes the lease of a claim.
func leased(change func(time.Duration) time.Duration) func(*broken) {
	return claiming(func(b *broken, ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
		return b.DeliveryStore.Claim(ctx, key, digest, change(lease))
	})
}

// claiming, extending, committing, releasing and reopening replace a method.
func claiming(f func(b *broken, ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error)) func(*broken) {
	return func(b *broken) {
		b.claim = func(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			return f(b, ctx, key, digest, lease)
		}
	}
}

func extending(f func(b *broken, ctx context.Context, c kopokopo.Claim, lease time.Duration) error) func(*broken) {
	return func(b *broken) {
		b.extend = func(ctx context.Context, c kopokopo.Claim, lease time.Duration) error { return f(b, ctx, c, lease) }
	}
}

func committing(f func(b *broken, ctx context.Context, c kopokopo.Claim) error) func(*broken) {
	return func(b *broken) {
		b.commit = func(ctx context.Context, c kopokopo.Claim) error { return f(b, ctx, c) }
	}
}

func releasing(f func(b *broken, ctx context.Context, c kopokopo.Claim) error) func(*broken) {
	return func(b *broken) {
		b.release = func(ctx context.Context, c kopokopo.Claim) error { return f(b, ctx, c) }
	}
}

func reopening(f func(kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error)) func(*broken) {
	return func(b *broken) { b.reopen = f }
}

// afterReopening is a store whose fault shows when it was reopened.
func afterReopening(damage func(*broken)) func(*broken) {
	return reopening(func(s kopokopo.DeliveryStore) (kopokopo.DeliveryStore, error) {
		next := &broken{DeliveryStore: s, last: map[string]int64{}, number: map[any]int{}}
		damage(next)
		return next, nil
	})
}

// both has two faults, which together are one.
func both(one, two func(*broken)) func(*broken) {
	return func(b *broken) { one(b); two(b) }
}

// losing is a store that gives a claim up when its lease has ended, though nobody
// else has claimed the key.
func losing(damage func(b *broken, ended func(kopokopo.Claim) bool)) func(*broken) {
	return func(b *broken) {
		ends := map[int64]time.Time{}
		b.claim = func(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
			c, err := b.DeliveryStore.Claim(ctx, key, digest, lease)
			b.mu.Lock()
			defer b.mu.Unlock()
			ends[c.Token] = time.Now().Add(lease)
			return c, err
		}
		damage(b, func(c kopokopo.Claim) bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return !time.Now().Before(ends[c.Token])
		})
	}
}
