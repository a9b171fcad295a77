package kyshi_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// The D series: deliveries that repeat, race and change.

func TestFault_Kyshi_D01_Twice(t *testing.T) {
	h := newHook(t, nil)
	for range 5 {
		require.Equal(t, 200, h.Post(anEvent))
	}
	h.Idle(1)
}

func TestFault_Kyshi_D01_AttemptHeadersDoNotCount(t *testing.T) {
	h, v := newHook(t, nil), newVerifier(t)
	attempts := map[string]bool{}
	for range 3 {
		r, err := v.SignedRequest(t.Context(), "https://shop.example/kyshi", []byte(anEvent))
		require.NoError(t, err)
		attempts[r.Header.Get("X-Kyshi-Event-ID")] = true
		require.Equal(t, 200, h.Serve(r).StatusCode)
	}
	require.Len(t, attempts, 3, "another id for each attempt")
	h.Idle(1)
}

func TestFault_Kyshi_D02_HundredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, func(context.Context, *kyshi.Event) error { time.Sleep(time.Second); return nil })
		var accepted, busy atomic.Int64
		var all sync.WaitGroup
		start := time.Now()
		for range 100 {
			all.Go(func() {
				resp := h.Serve(signed(anEvent))
				switch resp.StatusCode {
				case 200:
					require.Equal(t, time.Second, time.Since(start), "200 before the commit")
					accepted.Add(1)
				case 503:
					require.Equal(t, "1", resp.Header.Get("Retry-After"))
					busy.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, accepted.Load())
		require.EqualValues(t, 99, busy.Load())
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(1)
	})
}

func TestFault_Kyshi_D03_FailedThenRedelivered(t *testing.T) {
	fail := true
	h := newHook(t, func(context.Context, *kyshi.Event) error {
		if fail {
			return errors.New("failed")
		}
		return nil
	})
	require.Equal(t, 500, h.Post(anEvent))
	fail = false
	require.Equal(t, 200, h.Post(anEvent))
	require.Equal(t, 200, h.Post(anEvent))
	h.Idle(2)
}

func TestFault_Kyshi_D04_CrashAfterClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, nil)
		// A process that took the claim and died.
		_, err := h.Store.Claim(t.Context(), parse(t, []byte(anEvent)).Key, sha256.Sum256([]byte(anEvent)), time.Minute)
		require.NoError(t, err)
		require.Equal(t, 503, h.Post(anEvent))
		time.Sleep(time.Minute)
		require.Equal(t, 200, h.Post(anEvent), "the lease has ended")
		h.Idle(1)
	})
}

// failingStore fails where a test wants it to.
type failingStore struct {
	kopokopo.DeliveryStore
	claim, commit, release error
}

func (s *failingStore) Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
	if s.claim != nil {
		return kopokopo.Claim{}, s.claim
	}
	return s.DeliveryStore.Claim(ctx, key, digest, lease)
}

func (s *failingStore) Commit(ctx context.Context, c kopokopo.Claim) error {
	if s.commit != nil {
		return s.commit
	}
	return s.DeliveryStore.Commit(ctx, c)
}

func (s *failingStore) Release(ctx context.Context, c kopokopo.Claim) error {
	if s.release != nil {
		return s.release
	}
	return s.DeliveryStore.Release(ctx, c)
}

// failing makes a hook whose store fails.
func failing(t *testing.T, s *failingStore, fn hookFunc) *hook {
	return newHook(t, fn, func(c *kyshi.HandlerConfig) { s.DeliveryStore, c.Store = c.Store, s })
}

func TestFault_Kyshi_D05_CommitInTheWorksOwnTransaction(t *testing.T) {
	s := &failingStore{}
	h := failing(t, s, func(ctx context.Context, _ *kyshi.Event) error {
		claim, ok := kopokopo.ClaimFrom(ctx)
		require.True(t, ok)
		require.Equal(t, kopokopo.ClaimFresh, claim.State)
		require.Equal(t, "kyshi:ref:successful:ORD-7f3a19c2", claim.Key)
		require.NoError(t, s.DeliveryStore.Commit(ctx, claim))
		s.commit = errors.New("killed") // before the handler's own commit
		return nil
	})
	require.Equal(t, 503, h.Post(anEvent))
	s.commit = nil
	require.Equal(t, 200, h.Post(anEvent))
	h.Idle(1)
	_, ok := kopokopo.ClaimFrom(t.Context())
	require.False(t, ok)
}

// stuckLeases is a store that cannot extend a lease.
type stuckLeases struct{ kopokopo.DeliveryStore }

func (stuckLeases) Extend(context.Context, kopokopo.Claim, time.Duration) error {
	return errors.New("not now")
}

func TestFault_Kyshi_D08_LeaseShorterThanTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := newHook(t, func(context.Context, *kyshi.Event) error { <-release; return nil },
			func(c *kyshi.HandlerConfig) { c.Store = stuckLeases{c.Store} })
		require.Equal(t, 503, h.Post(anEvent))
		time.Sleep(2 * time.Minute) // longer than the lease
		require.Equal(t, 503, h.Post(anEvent))
		close(release)
		synctest.Wait()
		require.Contains(t, h.Log.String(), "it may have been done twice")
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(2)
	})
}

func TestFault_Kyshi_D09_StoreDown(t *testing.T) {
	down := errors.New("store down")
	for name, row := range map[string]struct {
		store  failingStore
		fail   error
		status int
		calls  int
	}{
		"claim":   {store: failingStore{claim: down}, status: 503},
		"commit":  {store: failingStore{commit: down}, status: 503, calls: 1},
		"release": {store: failingStore{release: down}, fail: errors.New("failed"), status: 500, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := failing(t, &row.store, func(context.Context, *kyshi.Event) error { return row.fail })
			require.Equal(t, row.status, h.Serve(signed(anEvent)).StatusCode)
			require.EqualValues(t, row.calls, h.Calls.Load())
			require.Contains(t, h.Log.String(), "kyshi: webhook: delivery store failed")
		})
	}
}

func TestFault_Kyshi_D10_AnotherBody(t *testing.T) {
	var revisions []int
	h := newHook(t, func(_ context.Context, e *kyshi.Event) error { revisions = append(revisions, e.Revision); return nil })
	for _, body := range []string{anEvent, anEvent + " ", anEvent, anEvent + " "} {
		require.Equal(t, 200, h.Post(body))
	}
	require.Equal(t, []int{1, 2}, revisions, "not swallowed, and told apart")
	h.Idle(2)
}

func TestSamplesCanBeSkipped(t *testing.T) {
	for _, skip := range []bool{false, true} {
		var got []bool
		h := newHook(t, func(_ context.Context, e *kyshi.Event) error { got = append(got, e.Sample); return nil },
			func(c *kyshi.HandlerConfig) { c.SkipSamples = skip })
		require.Equal(t, 200, h.Post(string(kyshi.SampleCharge())))
		require.Equal(t, 200, h.Post(anEvent))
		if skip {
			require.Equal(t, []bool{false}, got)
		} else {
			require.Equal(t, []bool{true, false}, got)
		}
	}
}

func TestSampleCharge(t *testing.T) {
	one, two := parse(t, kyshi.SampleCharge()), parse(t, kyshi.SampleCharge())
	require.True(t, one.Sample)
	require.NotEqual(t, one.Key, two.Key)
	require.True(t, strings.HasPrefix(one.Data.Reference, "SAMPLE-"))
	require.Equal(t, kyshi.EventSuccessful, one.Type)
	require.Equal(t, "test", one.Data.Meta.Mode)
	require.Equal(t, "100.5", one.Data.Amount.String())
	require.WithinDuration(t, time.Now(), one.Data.Meta.QueuedAt.Time, time.Minute)
	for _, wire := range []string{`"true"`, `1`, `false`, `null`} {
		require.False(t, parse(t, []byte(`{"event":"x","sample":`+wire+`}`)).Sample)
	}
}

func TestSignedRequest(t *testing.T) {
	v := newVerifier(t, func(c *kyshi.VerifierConfig) { c.Header = "X-Other" })
	body := payload(t, "01-seed-card-numbers.json")
	r, err := v.SignedRequest(t.Context(), "https://shop.example/kyshi?x=1", body)
	require.NoError(t, err)
	require.Equal(t, "POST", r.Method)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.Equal(t, "Kyshi-Webhook/1.0", r.Header.Get("User-Agent"))
	require.Equal(t, []string{v.Sign(body)}, r.Header.Values("X-Other"))
	require.Len(t, r.Header.Get("X-Kyshi-Timestamp"), 13, "milliseconds")
	require.NotEmpty(t, r.Header.Get("X-Kyshi-Event-ID"))
	require.NoError(t, v.VerifyRequest(r, body))
	for _, target := range []string{"", "/kyshi", "shop.example", "ftp://shop.example", "https://", "https://user:p4ssw0rd@[", "mailto:a@example.com"} {
		_, err := v.SignedRequest(t.Context(), target, body)
		require.ErrorContains(t, err, "target must be an absolute http or https URL")
		require.NotContains(t, err.Error(), "p4ssw0rd")
	}
	var none context.Context
	_, err = v.SignedRequest(none, "https://shop.example", body)
	require.EqualError(t, err, "kyshi: signed request: no context")
}
