package webhooks_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// shelf is a memory store in a test's words: bodies are texts, leases a minute.
type shelf struct {
	*kopokopo.MemoryStore
	t *testing.T
}

// on runs a test of a store of some size and age in simulated time.
func on(t *testing.T, size int, ttl time.Duration, test func(s shelf)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(shelf{kopokopo.NewMemoryStore(size, ttl), t}) })
}

func (s shelf) claim(key, body string, lease time.Duration) kopokopo.Claim {
	s.t.Helper()
	c, err := s.Claim(context.Background(), key, sha256.Sum256([]byte(body)), lease)
	require.NoError(s.t, err)
	return c
}

// fresh claims what must be free.
func (s shelf) fresh(key, body string) kopokopo.Claim {
	s.t.Helper()
	c := s.claim(key, body, time.Minute)
	require.Equal(s.t, kopokopo.ClaimFresh, c.State)
	return c
}

func (s shelf) commit(c kopokopo.Claim) {
	s.t.Helper()
	require.NoError(s.t, s.Commit(context.Background(), c))
}

func (s shelf) release(c kopokopo.Claim) {
	s.t.Helper()
	require.NoError(s.t, s.Release(context.Background(), c))
}

// holds asserts how many deliveries the store remembers, and how many are claimed.
func (s shelf) holds(total, claimed int) {
	s.t.Helper()
	gotTotal, gotClaimed := s.Len()
	require.Equal(s.t, []int{total, claimed}, []int{gotTotal, gotClaimed})
}

func (s shelf) full(key string) {
	s.t.Helper()
	_, err := s.Claim(context.Background(), key, sha256.Sum256(nil), time.Minute)
	require.ErrorIs(s.t, err, kopokopo.ErrStoreFull)
}

func TestMemoryStoreForgetsTheLeastFirst(t *testing.T) {
	on(t, 3, time.Hour, func(s shelf) {
		s.commit(s.fresh("done", "1"))
		time.Sleep(time.Second)
		s.release(s.fresh("failed", "1"))
		s.claim("ended", "1", time.Second)
		s.holds(3, 1)
		time.Sleep(2 * time.Second)
		s.fresh("a", "1") // what failed goes first
		s.holds(3, 2)
		require.Equal(t, 2, s.claim("ended", "1", time.Second).Attempt, "it kept its place")
		time.Sleep(2 * time.Second)
		s.fresh("b", "1") // then a claim whose lease has ended
		require.Equal(t, kopokopo.ClaimDone, s.claim("done", "1", time.Minute).State)
		c := s.fresh("c", "1") // then what was finished
		s.holds(3, 3)
		s.full("d") // and never what is in work
		require.Equal(t, kopokopo.ClaimBusy, s.claim("c", "1", time.Minute).State, "which takes no room")
		s.release(c)
		require.Equal(t, 1, s.fresh("done", "1").Attempt, "it was forgotten")
		s.holds(3, 3)
	})
}

func TestMemoryStoreForgetsTheOldestOfEachKind(t *testing.T) {
	on(t, 2, time.Hour, func(s shelf) {
		s.commit(s.fresh("first", "1"))
		s.commit(s.fresh("second", "1"))
		s.fresh("a", "1")
		require.Equal(t, kopokopo.ClaimDone, s.claim("second", "1", time.Minute).State)
		s.holds(2, 1)
	})
	on(t, 2, time.Hour, func(s shelf) {
		s.release(s.fresh("first", "1"))
		s.release(s.fresh("second", "1"))
		s.release(s.fresh("a", "1"))
		require.Equal(t, 2, s.fresh("second", "1").Attempt)
		require.Equal(t, 1, s.fresh("first", "1").Attempt)
	})
	on(t, 2, time.Hour, func(s shelf) {
		s.claim("later", "1", 2*time.Second)
		s.claim("sooner", "1", time.Second)
		time.Sleep(time.Minute)
		s.fresh("a", "1") // in the place of the lease that ended first
		require.Equal(t, 2, s.fresh("later", "1").Attempt)
	})
}

// A claim is ended when its lease has, to the nanosecond, and an extended one moves
// back among those whose leases end.
func TestMemoryStoreLeases(t *testing.T) {
	on(t, 2, time.Hour, func(s shelf) {
		c := s.claim("long", "1", 10*time.Second)
		s.claim("short", "1", 5*time.Second)
		require.NoError(t, s.Extend(context.Background(), c, 20*time.Second))
		require.NoError(t, s.Extend(context.Background(), c, time.Second), "which shortens nothing")
		time.Sleep(5*time.Second - 1)
		s.full("a")
		time.Sleep(time.Nanosecond)
		s.fresh("a", "1")
		require.Equal(t, kopokopo.ClaimBusy, s.claim("long", "1", time.Minute).State)
		time.Sleep(15*time.Second - 1)
		require.Equal(t, kopokopo.ClaimBusy, s.claim("long", "1", time.Minute).State)
		time.Sleep(time.Nanosecond)
		s.fresh("long", "1")
	})
}

func TestMemoryStoreForgetsWithAge(t *testing.T) {
	on(t, 0, time.Hour, func(s shelf) {
		s.commit(s.fresh("done", "1"))
		s.release(s.fresh("failed", "1"))
		time.Sleep(time.Hour - 1)
		require.Equal(t, kopokopo.ClaimDone, s.claim("done", "1", time.Minute).State)
		s.commit(s.fresh("other", "1"))
		s.holds(3, 0)
		time.Sleep(time.Nanosecond)
		s.fresh("a", "1")
		s.holds(2, 1)
		require.Equal(t, 1, s.fresh("failed", "1").Attempt)
		require.Equal(t, 1, s.fresh("done", "1").Revision, "nothing is left of the key")
	})
	on(t, 0, 0, func(s shelf) { // three days, unless it is told otherwise
		s.commit(s.fresh("done", "1"))
		time.Sleep(72*time.Hour - 1)
		require.Equal(t, kopokopo.ClaimDone, s.claim("done", "1", time.Minute).State)
		time.Sleep(time.Nanosecond)
		s.fresh("done", "1")
	})
}

func TestMemoryStoreIsOfSomeSize(t *testing.T) {
	on(t, 0, 0, func(s shelf) {
		for i := range 100_000 {
			s.fresh(fmt.Sprint(i), "1")
		}
		s.full("one more")
	})
}

// A body that was handled keeps its revision, and a key its number of them, as long as
// anything of the key is remembered.
func TestMemoryStoreRevisions(t *testing.T) {
	on(t, 4, time.Hour, func(s shelf) {
		for i, body := range []string{"1", "2", "3"} {
			c := s.fresh("k", body)
			require.Equal(t, i+1, c.Revision)
			busy := s.claim("k", "other", time.Minute)
			require.Equal(t, kopokopo.ClaimBusy, busy.State)
			require.Equal(t, i+1, busy.Revision)
			s.commit(c)
		}
		for i, body := range []string{"1", "2", "3"} {
			done := s.claim("k", body, time.Minute)
			require.Equal(t, kopokopo.ClaimDone, done.State)
			require.Equal(t, i+1, done.Revision)
			require.Zero(t, done.Attempt)
		}
		s.fresh("a", "1")
		s.fresh("b", "1") // the first body is forgotten
		c := s.fresh("k", "1")
		require.Equal(t, 4, c.Revision)
		require.Equal(t, kopokopo.ClaimDone, s.claim("k", "3", time.Minute).State)
		s.commit(c)
		require.NoError(t, s.Commit(context.Background(), c))
		require.Equal(t, 5, s.fresh("k", "5").Revision)
	})
}

// What was forgotten cannot be extended or committed any more, and nobody is harmed by
// a claim that no store has made.
func TestMemoryStoreAndStrangeClaims(t *testing.T) {
	on(t, 1, time.Hour, func(s shelf) {
		ctx := context.Background()
		c := s.claim("k", "1", time.Second)
		time.Sleep(time.Second)
		s.commit(s.fresh("a", "1"))
		require.ErrorIs(t, s.Commit(ctx, c), kopokopo.ErrLeaseLost)
		require.ErrorIs(t, s.Extend(ctx, c, time.Hour), kopokopo.ErrLeaseLost)
		s.release(c)
		for _, strange := range []kopokopo.Claim{{}, {Key: "a"}, {Key: "a", Token: 1}, {Key: "a", Digest: sha256.Sum256([]byte("1"))}} {
			require.ErrorIs(t, s.Commit(ctx, strange), kopokopo.ErrLeaseLost)
			require.ErrorIs(t, s.Extend(ctx, strange, time.Hour), kopokopo.ErrLeaseLost)
			s.release(strange)
		}
		require.Equal(t, kopokopo.ClaimDone, s.claim("a", "1", time.Minute).State)
		s.holds(1, 0)
	})
	on(t, 0, 0, func(s shelf) { // an unfinished delivery and a claim without a token
		c := s.fresh("k", "1")
		strange := c
		strange.Token = 0
		require.ErrorIs(t, s.Commit(context.Background(), strange), kopokopo.ErrLeaseLost)
		s.release(c)
		require.ErrorIs(t, s.Commit(context.Background(), strange), kopokopo.ErrLeaseLost)
		s.holds(1, 0)
	})
	require.ErrorIs(t, new(kopokopo.MemoryStore).Commit(t.Context(), kopokopo.Claim{Key: "k"}), kopokopo.ErrLeaseLost)
}

func TestClaimStatesHaveNames(t *testing.T) {
	for state, want := range map[kopokopo.ClaimState]string{kopokopo.ClaimFresh: "fresh", kopokopo.ClaimBusy: "busy", kopokopo.ClaimDone: "done",
		0: "unknown claim state", 4: "unknown claim state"} {
		require.Equal(t, want, state.String())
	}
}
