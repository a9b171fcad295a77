package kyshi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// What Kyshi's handler makes of its settings, and what it has of the engine it shares.

// receiving makes a handler without a store or a logger unless change sets them.
func receiving(t *testing.T, fn func(context.Context, *kyshi.Event) error, change func(*kyshi.HandlerConfig)) *kyshi.Handler {
	t.Helper()
	cfg := kyshi.HandlerConfig{Verifier: newVerifier(t)}
	if change != nil {
		change(&cfg)
	}
	h, err := kyshi.NewWebhookHandler(cfg, fn)
	require.NoError(t, err)
	return h
}

func delivered(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestFault_Kyshi_W27_WorkInHandIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := make(chan string, 100)
		h := receiving(t, func(_ context.Context, e *kyshi.Event) error { calls <- e.Key; <-release; return nil },
			func(c *kyshi.HandlerConfig) { c.MaxInWork = 7 })
		for i := range 50 {
			rec := delivered(h, signed(charge(fmt.Sprint("R", i))))
			require.Equal(t, 503, rec.Code)
			require.NotEmpty(t, rec.Header().Get("Retry-After"))
		}
		require.Len(t, calls, 7)
		close(release)
		synctest.Wait()
		require.Equal(t, 200, delivered(h, signed(charge("afterwards"))).Code)
		require.NoError(t, h.Shutdown(t.Context()))
	})
}

func TestFault_Kyshi_D08_LateWorkKeepsItsDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := kopokopo.NewMemoryStore(0, 0)
		calls := 0
		make := func() *kyshi.Handler {
			return receiving(t, func(ctx context.Context, _ *kyshi.Event) error {
				calls++
				claim, ok := kopokopo.ClaimFrom(ctx)
				require.True(t, ok)
				require.Equal(t, 1, claim.Attempt)
				time.Sleep(5 * time.Minute) // its context ends after one
				return nil
			}, func(c *kyshi.HandlerConfig) { c.Store = store })
		}
		first, second := make(), make()
		begun := time.Now()
		for time.Since(begun) < 5*time.Minute {
			require.Equal(t, 503, delivered(first, signed(anEvent)).Code)
			require.Equal(t, 503, delivered(second, signed(anEvent)).Code)
			time.Sleep(5 * time.Second)
		}
		require.NoError(t, first.Shutdown(t.Context()))
		require.Equal(t, 200, delivered(second, signed(anEvent)).Code)
		require.Equal(t, 1, calls)
	})
}

func TestTimesAndDefaultsOfAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := receiving(t, func(ctx context.Context, _ *kyshi.Event) error { <-ctx.Done(); return ctx.Err() },
			func(c *kyshi.HandlerConfig) {
				c.ReadTimeout, c.AckTimeout, c.WorkTimeout, c.MaxBody = 3*time.Second, 7*time.Second, 11*time.Second, 1000
			})
		begun := time.Now()
		require.Equal(t, 503, delivered(h, signed(anEvent)).Code)
		require.Equal(t, 7*time.Second, time.Since(begun))
		require.Equal(t, 413, delivered(h, signed(charge(strings.Repeat("x", 1000)))).Code)
		w := &readDeadline{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, signed(anEvent))
		require.Equal(t, begun.Add(10*time.Second), w.first)
		require.NoError(t, h.Shutdown(t.Context()))
		require.Equal(t, 11*time.Second, time.Since(begun))

		calls := 0
		h = receiving(t, func(context.Context, *kyshi.Event) error { calls++; return nil }, nil)
		for range 3 { // the store of its own remembers more than one, and for longer than a moment
			for i := range 10 {
				require.Equal(t, 200, delivered(h, signed(charge(fmt.Sprint("R", i)))).Code)
			}
			time.Sleep(time.Hour)
		}
		require.Equal(t, 10, calls)
	})
}

// readDeadline is a ResponseWriter that notes its first read deadline.
type readDeadline struct {
	*httptest.ResponseRecorder
	first time.Time
}

func (r *readDeadline) SetReadDeadline(at time.Time) error {
	if r.first.IsZero() {
		r.first = at
	}
	return nil
}

func TestSettingsThatCannotWork(t *testing.T) {
	for field, cfg := range map[string]kyshi.HandlerConfig{
		"MaxBody": {MaxBody: -1}, "MaxInWork": {MaxInWork: -1},
		"ReadTimeout": {ReadTimeout: -1}, "AckTimeout": {AckTimeout: -1}, "WorkTimeout": {WorkTimeout: -1},
	} {
		cfg.Verifier = newVerifier(t)
		_, err := kyshi.NewWebhookHandler(cfg, func(context.Context, *kyshi.Event) error { return nil })
		require.EqualError(t, err, "kopokopo: kyshi webhook handler: "+field+" must not be negative")
	}
}

func TestHandlerPrintsWhatItIs(t *testing.T) {
	require.Equal(t, "kyshi.Handler", fmt.Sprintf("%+v", receiving(t, func(context.Context, *kyshi.Event) error { return nil }, nil)))
}

// panicking is a log handler that breaks at each record.
type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("handle") }

func TestPanickingLogger(t *testing.T) {
	h := receiving(t, func(context.Context, *kyshi.Event) error { return errors.New("failed") },
		func(c *kyshi.HandlerConfig) { c.Logger = slog.New(panicking{}) })
	require.Equal(t, 500, delivered(h, signed(anEvent)).Code)
	r := signed(anEvent)
	r.Header.Del(kyshi.SignatureHeader)
	require.Equal(t, 400, delivered(h, r).Code)
}

// A signature that is missing is seen in the log whatever else is refused, and each
// now and then only.
func TestMissingSignatureIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := receiving(t, func(context.Context, *kyshi.Event) error { return nil },
			func(c *kyshi.HandlerConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		for range 600 { // a minute
			for _, signature := range []string{strings.Repeat("0", 64), "", "  "} {
				r := signed(anEvent)
				r.Header.Set(kyshi.SignatureHeader, signature)
				require.Equal(t, 400, delivered(h, r).Code)
				r = signed(anEvent)
				r.Header.Add(kyshi.SignatureHeader, "another")
				require.Equal(t, 400, delivered(h, r).Code)
			}
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 6, strings.Count(log.String(), "kyshi: webhook: a request without a signature"))
		require.Equal(t, 6, strings.Count(log.String(), "kyshi: webhook: signature refused"))
		require.EqualValues(t, 3600, h.BadSignatures())
	})
}
