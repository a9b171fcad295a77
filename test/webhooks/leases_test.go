package webhooks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// Deliveries that take long, or whose process dies: who has them, and for how long.

const leaseKey = "a key of the application's"

// process is a handler of its own, as each process of a fleet has one.
func process(t testing.TB, store kopokopo.DeliveryStore, fn func(context.Context, *kopokopo.Notification) error, change ...func(*kopokopo.HandlerConfig)) *kopokopo.Handler {
	t.Helper()
	cfg := kopokopo.HandlerConfig{Keys: []string{leaseKey}, Store: store}
	for _, c := range change {
		c(&cfg)
	}
	h, err := kopokopo.NewWebhookHandler(cfg, fn)
	require.NoError(t, err)
	return h
}

// paid is a notification with an id.
func paid(id string) string { return fmt.Sprintf(`{"topic":"t","id":%q}`, id) }

// status delivers a body to a handler.
func status(h http.Handler, body string) int { return reply(h, body).Code }

func reply(h http.Handler, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, kopokopotest.Signed("https://shop.example/webhooks", []byte(body), leaseKey))
	return rec
}

// A function that runs on after the end of its context is at work still: nobody else
// gets its delivery, in this process or in another one over the same store.
func TestFault_D08_LateWorkKeepsItsDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := kopokopo.NewMemoryStore(0, 0)
		var calls atomic.Int64
		long := func(context.Context, *kopokopo.Notification) error {
			calls.Add(1)
			time.Sleep(5 * time.Minute) // its context ends after one
			return nil
		}
		first, second := process(t, store, long), process(t, store, long)
		begun := time.Now()
		require.Equal(t, 503, status(first, paid("1")))
		for time.Since(begun) < 5*time.Minute {
			require.Equal(t, 503, status(second, paid("1")))
			require.Equal(t, 503, status(first, paid("1")))
			require.Equal(t, 503, status(second, paid("1")+" "), "another body under the key")
			time.Sleep(5 * time.Second)
		}
		require.NoError(t, first.Shutdown(t.Context()))
		require.Equal(t, 200, status(second, paid("1")))
		require.EqualValues(t, 1, calls.Load())
	})
}

// dead is the store of a process that has died: nothing it does is heard of any more.
type dead struct {
	kopokopo.DeliveryStore
	gone *atomic.Bool
}

func (d dead) Extend(ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
	if d.gone.Load() {
		return errors.New("dead")
	}
	return d.DeliveryStore.Extend(ctx, c, lease)
}

func (d dead) Commit(context.Context, kopokopo.Claim) error  { return errors.New("dead") }
func (d dead) Release(context.Context, kopokopo.Claim) error { return errors.New("dead") }

// A process that dies blocks a redelivery for seconds, however long its work may take.
func TestFault_D04_CrashBlocksForSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := kopokopo.NewMemoryStore(0, 0)
		var gone atomic.Bool
		first := process(t, dead{store, &gone}, func(context.Context, *kopokopo.Notification) error {
			time.Sleep(time.Hour)
			return nil
		}, func(c *kopokopo.HandlerConfig) { c.WorkTimeout = time.Hour })
		var attempts []int
		second := process(t, store, func(ctx context.Context, _ *kopokopo.Notification) error {
			claim, _ := kopokopo.ClaimFrom(ctx)
			attempts = append(attempts, claim.Attempt)
			return nil
		})
		require.Equal(t, 503, status(first, paid("1")))
		time.Sleep(10 * time.Minute)
		require.Equal(t, 503, status(second, paid("1")), "it lives, and so does its claim")
		gone.Store(true)
		died := time.Now()
		for status(second, paid("1")) != 200 {
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, time.Since(died), 15*time.Second)
		require.Equal(t, []int{2}, attempts)
		require.NoError(t, first.Shutdown(t.Context()))
	})
}

func TestAttemptsReachTheFunction(t *testing.T) {
	var seen []int
	h := process(t, nil, func(ctx context.Context, _ *kopokopo.Notification) error {
		claim, ok := kopokopo.ClaimFrom(ctx)
		require.True(t, ok)
		if seen = append(seen, claim.Attempt); claim.Attempt < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	for _, want := range []int{500, 500, 200, 200} {
		require.Equal(t, want, status(h, paid("1")))
	}
	require.Equal(t, []int{1, 2, 3}, seen)
}

// lost is a store whose claims are taken over after a while, as after a partition.
type lost struct {
	kopokopo.DeliveryStore
	from time.Time
}

func (l lost) Extend(ctx context.Context, c kopokopo.Claim, lease time.Duration) error {
	if time.Now().After(l.from) {
		return fmt.Errorf("store: %w", kopokopo.ErrLeaseLost)
	}
	return l.DeliveryStore.Extend(ctx, c, lease)
}

func TestFault_D08_TakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		h := process(t, lost{kopokopo.NewMemoryStore(0, 0), begun.Add(17 * time.Second)}, func(ctx context.Context, _ *kopokopo.Notification) error {
			<-ctx.Done()
			require.Equal(t, 20*time.Second, time.Since(begun))
			require.ErrorIs(t, context.Cause(ctx), kopokopo.ErrLeaseLost)
			return ctx.Err()
		}, func(c *kopokopo.HandlerConfig) { c.AckTimeout = time.Minute })
		require.Equal(t, 503, status(h, paid("1")))
	})
}

// The work in hand is bounded: 20,000 deliveries of a function that hangs leave a
// thousand goroutines, and the sender of each other one is asked to deliver again.
func TestFault_W27_WorkInHandIsBounded(t *testing.T) {
	for name, limit := range map[string]int{"default": 0, "set": 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var calls atomic.Int64
				var log bytes.Buffer
				h := process(t, nil, func(context.Context, *kopokopo.Notification) error { calls.Add(1); <-release; return nil },
					func(c *kopokopo.HandlerConfig) {
						c.AckTimeout, c.MaxInWork = time.Millisecond, limit
						c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
					})
				want := max(limit, 10)
				if limit == 0 {
					want = 1000
				}
				before := runtime.NumGoroutine()
				for i := range 20_000 {
					rec := reply(h, paid(fmt.Sprint(i)))
					require.Equal(t, 503, rec.Code)
					require.Equal(t, "1", rec.Header().Get("Retry-After"))
				}
				require.LessOrEqual(t, runtime.NumGoroutine(), before+want+10)
				require.EqualValues(t, want, calls.Load())
				require.Contains(t, log.String(), fmt.Sprintf("in_work=%d", want))
				close(release)
				synctest.Wait()
				require.Equal(t, 200, status(h, paid("afterwards")))
				require.NoError(t, h.Shutdown(t.Context()))
			})
		})
	}
}

// The longest durations there are once overflowed into leases that had ended before
// they began: three deliveries at once were three calls.
func TestLongestTimeoutsOverflowNothing(t *testing.T) {
	for name, change := range map[string]func(*kopokopo.HandlerConfig){
		"WorkTimeout": func(c *kopokopo.HandlerConfig) { c.WorkTimeout = math.MaxInt64 },
		"AckTimeout":  func(c *kopokopo.HandlerConfig) { c.AckTimeout = math.MaxInt64 - 1 },
		"ReadTimeout": func(c *kopokopo.HandlerConfig) { c.ReadTimeout = math.MaxInt64 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				h := process(t, nil, func(ctx context.Context, _ *kopokopo.Notification) error {
					calls.Add(1)
					time.Sleep(time.Second)
					return ctx.Err()
				}, change)
				answers := make(chan int, 3)
				for range 3 {
					go func() { answers <- status(h, paid("1")) }()
				}
				require.Equal(t, 200+503+503, <-answers+<-answers+<-answers)
				require.EqualValues(t, 1, calls.Load())
			})
		})
	}
}

// A log handler that panics changes no answer, and ends nothing.
func TestPanickingLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, logger := range []*slog.Logger{nil, slog.New(panicking{}), slog.New(panicking{quietly: true}), {}} {
			h := process(t, nil, func(_ context.Context, n *kopokopo.Notification) error {
				switch {
				case strings.HasPrefix(n.ID, "slow"):
					time.Sleep(20 * time.Second)
					return errors.New("failed in a goroutine of its own")
				case strings.HasPrefix(n.ID, "bad"):
					return errors.New("failed")
				}
				return nil
			}, func(c *kopokopo.HandlerConfig) { c.Logger = logger })
			require.Equal(t, 200, status(h, paid("good")))
			require.Equal(t, 500, status(h, paid("bad")))
			require.Equal(t, 503, status(h, paid("slow")))
			require.Equal(t, 422, status(h, "{"))
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("unsigned")))
			require.Equal(t, 401, rec.Code)
			require.NoError(t, h.Shutdown(t.Context()))
		}
	})
}

// panicking is a log handler that breaks, from the start or at each record.
type panicking struct{ quietly bool }

func (p panicking) Enabled(context.Context, slog.Level) bool {
	if !p.quietly {
		panic("enabled")
	}
	return true
}
func (panicking) Handle(context.Context, slog.Record) error { panic("handle") }
func (panicking) WithAttrs([]slog.Attr) slog.Handler        { panic("attrs") }
func (panicking) WithGroup(string) slog.Handler             { panic("group") }

// A signature that is missing is a fault of the configuration, and is seen in the log
// whatever else is refused.
func TestMissingSignatureIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := process(t, nil, func(context.Context, *kopokopo.Notification) error { return nil },
			func(c *kopokopo.HandlerConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		refuse := func(signatures ...string) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(paid("1")))
			r.Header[http.CanonicalHeaderKey(kopokopo.SignatureHeader)] = signatures
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			require.Equal(t, 401, rec.Code)
		}
		for range 600 { // a minute
			refuse(strings.Repeat("0", 64))
			refuse("a", "b")
			refuse()
			refuse("")
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 6, strings.Count(log.String(), "a request without a signature"))
		require.Equal(t, 6, strings.Count(log.String(), "signature refused"))
		require.EqualValues(t, 2400, h.BadSignatures())
	})
}
