package outbound

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// issuer is where the engine's own cache gets its tokens: token-1, token-2, …
type issuer struct {
	mu    sync.Mutex
	asked []time.Time
	life  time.Duration
	takes time.Duration
	fail  func(n int) error // of the n-th, from 1
	final error             // would come again at once
}

func (i *issuer) fetch(ctx context.Context) (Token, error) {
	i.mu.Lock()
	i.asked = append(i.asked, time.Now())
	n := len(i.asked)
	i.mu.Unlock()
	if i.takes > 0 {
		select {
		case <-time.After(i.takes):
		case <-ctx.Done():
			return Token{}, ctx.Err()
		}
	}
	if i.fail != nil {
		if err := i.fail(n); err != nil {
			return Token{}, err
		}
	}
	return Token{fmt.Sprintf("token-%d", n), i.life}, nil
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.asked)
}

// cache is the token cache of an engine over an issuer.
func (i *issuer) cache(t *testing.T) *tokenCache {
	t.Helper()
	e := engine(t, func(cfg *Config) {
		cfg.Tokens, cfg.Fetch = nil, i.fetch
		cfg.IsFinal = func(err error) bool { return i.final != nil && errors.Is(err, i.final) }
	})
	return e.tokens.(*tokenCache)
}

// get asks the cache, and lets what it began in the background end.
func get(t *testing.T, cache *tokenCache, rejected string) string {
	t.Helper()
	token, err := cache.Token(t.Context(), rejected)
	require.NoError(t, err)
	synctest.Wait()
	return token
}

func TestOneFetchForEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{life: time.Hour, takes: time.Second}
		cache := source.cache(t)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				token, err := cache.Token(t.Context(), "")
				assert.NoError(t, err)
				assert.Equal(t, "token-1", token)
			})
		}
		assert.Equal(t, time.Second, elapsed(all.Wait))
		assert.Equal(t, 1, source.count())

		for range 1000 { // the same when it is rejected
			all.Go(func() {
				token, err := cache.Token(t.Context(), "token-1")
				assert.NoError(t, err)
				assert.Equal(t, "token-2", token)
			})
		}
		all.Wait()
		assert.Equal(t, 2, source.count())
		assert.Equal(t, "token-2", get(t, cache, "token-1"), "a late rejection does not take the new one away")
		assert.Equal(t, "token-2", get(t, cache, "token-0"))
		assert.Equal(t, 2, source.count())
	})
}

// Whoever gives up leaves alone.
func TestAWaiterLeavesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{life: time.Hour, takes: 2 * time.Second}
		cache := source.cache(t)
		var all sync.WaitGroup
		all.Go(func() { // the one that begins the fetch
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_, err := cache.Token(ctx, "")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.EqualError(t, err, "waiting for a token: context deadline exceeded")
			assert.Equal(t, 50*time.Millisecond, time.Since(begun))
		})
		synctest.Wait()
		for range 10 {
			all.Go(func() { assert.Equal(t, "token-1", must(cache.Token(t.Context(), ""))) })
		}
		all.Wait()
		assert.Equal(t, 1, source.count())
	})
}

func must(token string, err error) string {
	if err != nil {
		return err.Error()
	}
	return token
}

// A token is used until a tenth of its life, and a minute at most, is left. Then it is
// still used, while one caller's question makes the cache fetch the next.
func TestTokensAreRenewedEarly(t *testing.T) {
	t.Parallel()
	for life, early := range map[time.Duration]time.Duration{
		time.Hour: time.Minute, 10 * time.Minute: time.Minute, 5 * time.Minute: 30 * time.Second, 10 * time.Second: time.Second, time.Second: 100 * time.Millisecond,
		24 * time.Hour: time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			source := &issuer{life: life}
			cache := source.cache(t)
			require.Equal(t, "token-1", get(t, cache, ""))
			time.Sleep(life - early)
			require.Equal(t, "token-1", get(t, cache, ""))
			require.Equal(t, 1, source.count(), "life %v", life)
			time.Sleep(time.Nanosecond)
			require.Equal(t, "token-1", get(t, cache, ""), "it is good for a while")
			require.Equal(t, 2, source.count(), "life %v", life)
			require.Equal(t, "token-2", get(t, cache, ""))
			require.Equal(t, 2, source.count())
		})
	}
}

func TestHowLongATokenLives(t *testing.T) {
	t.Parallel()
	for said, want := range map[time.Duration]time.Duration{
		0: 5 * time.Minute, -1: 5 * time.Minute, time.Second: time.Second, time.Hour: time.Hour,
		24 * time.Hour: 24 * time.Hour, 25 * time.Hour: 24 * time.Hour, math.MaxInt64: 24 * time.Hour,
	} {
		synctest.Test(t, func(t *testing.T) {
			source := &issuer{life: said, takes: 100 * time.Millisecond}
			cache := source.cache(t)
			_ = get(t, cache, "")
			assert.Equal(t, source.asked[0].Add(want), cache.expires, "counted from before it was asked for")
			time.Sleep(time.Until(cache.expires) - 1)
			assert.Equal(t, "token-1", must(cache.Token(t.Context(), "")), "life %v: to the last", said)

			source = &issuer{life: said, takes: 100 * time.Millisecond}
			cache = source.cache(t)
			_ = get(t, cache, "")
			time.Sleep(time.Until(cache.expires))
			assert.Equal(t, "token-2", must(cache.Token(t.Context(), "")), "life %v: and not a moment longer", said)
		})
	}
}

// A renewal that fails costs nothing while the token is good, and is tried again after
// a pause.
func TestAnEarlyRenewalThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		source := &issuer{life: time.Hour, fail: func(n int) error {
			if n > 1 {
				return down
			}
			return nil
		}}
		cache := source.cache(t)
		_ = get(t, cache, "")
		time.Sleep(59*time.Minute + 1)
		for range 3 {
			require.Equal(t, "token-1", get(t, cache, ""))
		}
		require.Equal(t, 2, source.count())
		time.Sleep(5 * time.Second)
		require.Equal(t, "token-1", get(t, cache, ""))
		require.Equal(t, 2, source.count())
		time.Sleep(time.Nanosecond)
		require.Equal(t, "token-1", get(t, cache, ""))
		require.Equal(t, 3, source.count())
		time.Sleep(time.Minute)
		_, err := cache.Token(t.Context(), "")
		require.ErrorIs(t, err, down)
		require.Equal(t, 4, source.count())
		_, err = cache.Token(t.Context(), "")
		require.ErrorIs(t, err, down)
		require.Equal(t, 5, source.count(), "without a token, everybody asks")
		source.fail = nil
		require.Equal(t, "token-6", get(t, cache, ""))
	})
}

// Credentials that were refused are believed to be bad for a while.
func TestBadCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad credentials")
		source := &issuer{life: time.Hour, final: bad, fail: func(int) error { return bad }}
		cache := source.cache(t)
		ask := func() error { _, err := cache.Token(t.Context(), ""); synctest.Wait(); return err }
		require.ErrorIs(t, ask(), bad)
		time.Sleep(5*time.Second - 1)
		require.ErrorIs(t, ask(), bad)
		require.Equal(t, 1, source.count())
		time.Sleep(time.Nanosecond)
		require.ErrorIs(t, ask(), bad)
		require.Equal(t, 2, source.count())
		source.fail = nil
		require.ErrorIs(t, ask(), bad)
		time.Sleep(5 * time.Second)
		require.NoError(t, ask())
		cache.drop("token-3")
		require.NoError(t, ask(), "they are good now")
		require.Equal(t, 4, source.count())
	})
}

// Two programs may be taking each other's token away: each gets on, at one renewal a
// second.
func TestRejectedTokensAreRenewedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{life: time.Hour}
		cache := source.cache(t)
		token := get(t, cache, "")
		begun := time.Now()
		for range 10 {
			token = get(t, cache, token)
		}
		assert.Equal(t, 11, source.count())
		assert.Equal(t, 9*time.Second, time.Since(begun), "the first at once")
		for i := 2; i < 11; i++ {
			assert.Equal(t, time.Second, source.asked[i].Sub(source.asked[i-1]))
		}
		time.Sleep(400 * time.Millisecond)
		assert.Equal(t, 600*time.Millisecond, elapsed(func() { token = get(t, cache, token) }))
		time.Sleep(time.Minute)
		assert.Zero(t, elapsed(func() { token = get(t, cache, token) }))
	})
}

func TestAFetchHasATimeLimitOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{takes: time.Hour}
		cache := source.cache(t)
		var err error
		assert.Equal(t, 30*time.Second, elapsed(func() { _, err = cache.Token(t.Context(), "") }))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestFetchesThatMisbehave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{life: time.Hour, fail: func(n int) error {
			switch n {
			case 1:
				panic("holds a secret")
			case 2:
				runtime.Goexit()
			}
			return nil
		}}
		cache := source.cache(t)
		_, err := cache.Token(t.Context(), "")
		require.EqualError(t, err, "panic: string")
		_, err = cache.Token(t.Context(), "")
		require.EqualError(t, err, "no token was fetched")
		require.Equal(t, "token-3", get(t, cache, ""))
	})
}

func TestOnlyTheTokenThatIsMeantIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{life: time.Hour}
		e := engine(t, func(cfg *Config) { cfg.Tokens, cfg.Fetch = nil, source.fetch })
		cache := e.tokens.(*tokenCache)
		require.Equal(t, "token-1", get(t, cache, ""))
		e.Forget("token-0")
		require.Equal(t, "token-1", get(t, cache, ""))
		require.Equal(t, 1, source.count())
		e.Forget("token-1")
		require.Equal(t, "token-2", get(t, cache, ""))
		e.Forget("token-1")
		require.Equal(t, "token-2", get(t, cache, ""), "revoking the one before does not take the new one away")
		require.Equal(t, 2, source.count())

		other := engine(t, func(cfg *Config) { cfg.Tokens = fixed("token-9") })
		other.Forget("token-9") // a source of the caller's keeps its own
		token, err := other.tokens.Token(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, "token-9", token)
	})
}

func TestCloseEndsFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{takes: time.Hour}
		e := engine(t, func(cfg *Config) {
			cfg.Tokens, cfg.Fetch, cfg.IsFinal = nil, source.fetch, func(error) bool { return false }
		})
		time.AfterFunc(time.Second, e.Close)
		var err error
		assert.Equal(t, time.Second, elapsed(func() { _, err = e.tokens.Token(t.Context(), "") }))
		require.Error(t, err)

		source = &issuer{life: time.Hour}
		e = engine(t, func(cfg *Config) {
			cfg.Tokens, cfg.Fetch, cfg.IsFinal = nil, source.fetch, func(error) bool { return false }
		})
		cache := e.tokens.(*tokenCache)
		token := get(t, cache, get(t, cache, ""))
		time.AfterFunc(100*time.Millisecond, e.Close)
		assert.Equal(t, 100*time.Millisecond, elapsed(func() { _, err = cache.Token(t.Context(), token) }), "also the pause before one")
		require.Equal(t, ErrClosed, err)
	})
}

// A source of the caller's can do what it likes: each call leaves on its own context.
func TestSourcesOfTheCallers(t *testing.T) {
	t.Parallel()
	bubble(t, "it never returns", func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		e := engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(context.Context, string) (string, error) { <-release; return "late", nil })
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var err error
		assert.Equal(t, 50*time.Millisecond, elapsed(func() { _, err = e.tokens.Token(ctx, "") }))
		require.EqualError(t, err, "waiting for a token: context deadline exceeded")
		time.AfterFunc(time.Second, e.Close)
		assert.Equal(t, time.Second, elapsed(func() { _, err = e.tokens.Token(t.Context(), "") }))
		require.Equal(t, ErrClosed, err)
	})
	bubble(t, "it panics", func(t *testing.T) {
		for _, way := range []func(){func() { panic("holds a token") }, runtime.Goexit} {
			e := engine(t, func(cfg *Config) {
				cfg.Tokens = source(func(context.Context, string) (string, error) { way(); return "", nil })
			})
			_, err := e.tokens.Token(t.Context(), "")
			require.EqualError(t, err, "token source: panic")
		}
	})
	bubble(t, "what it sees", func(t *testing.T) {
		type key struct{}
		var seen context.Context
		e := engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(ctx context.Context, rejected string) (string, error) {
				seen = ctx
				return "after " + rejected, nil
			})
		})
		token, err := e.tokens.Token(context.WithValue(t.Context(), key{}, "the caller's"), "another")
		require.NoError(t, err)
		assert.Equal(t, "after another", token)
		assert.Equal(t, "the caller's", seen.Value(key{}))
		assert.Error(t, seen.Err(), "what it began for this token ends with it")
		_, limited := seen.Deadline()
		assert.False(t, limited, "how long it may take is the caller's to say")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = e.tokens.Token(ctx, "")
		require.NoError(t, err)
		deadline, _ := seen.Deadline()
		assert.Equal(t, time.Now().Add(time.Minute), deadline)
	})
	bubble(t, "it listens", func(t *testing.T) {
		heard := make(chan error, 1)
		e := engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(ctx context.Context, _ string) (string, error) {
				<-ctx.Done()
				heard <- context.Cause(ctx)
				return "", nil
			})
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("another's failure")) })
		_, _ = e.tokens.Token(ctx, "")
		assert.Equal(t, context.Canceled, <-heard)
		time.AfterFunc(time.Second, e.Close)
		_, _ = e.tokens.Token(t.Context(), "")
		assert.Equal(t, context.Canceled, <-heard, "of Close it hears too")
	})
}
