package kyshi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// The W series where the caller's function matters, and what a handler is made of.

func TestFault_Kyshi_W25_FunctionFails(t *testing.T) {
	h := newHook(t, func(context.Context, *kyshi.Event) error { return errors.New("no customer 233200000001") })
	for i := range 3 {
		require.Equal(t, 500, h.Post(anEvent))
		h.Idle(i + 1)
	}
	require.Contains(t, h.Log.String(), "no customer *******")
	require.NotContains(t, h.Log.String(), "233200000001")
}

func TestFault_Kyshi_W26_Panics(t *testing.T) {
	h := newHook(t, func(_ context.Context, e *kyshi.Event) error { panic(e.Data.Customer.Email) })
	require.Equal(t, 500, h.Post(anEvent))
	require.Equal(t, 500, h.Post(anEvent))
	h.Idle(2)
	require.Contains(t, h.Log.String(), "panic")
	require.NotContains(t, h.Log.String(), "ama.mensah")
	h = newHook(t, func(context.Context, *kyshi.Event) error { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(httptest.NewRecorder(), signed(anEvent)) })
	h.Idle(1)
}

func TestFault_Kyshi_W27_SlowFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, func(ctx context.Context, _ *kyshi.Event) error { time.Sleep(20 * time.Second); return ctx.Err() })
		start := time.Now()
		require.Equal(t, 503, h.Post(anEvent))
		require.Equal(t, 5*time.Second, time.Since(start), "well within Kyshi's 10 s")
		require.Equal(t, 503, h.Post(anEvent), "still at work")
		time.Sleep(20 * time.Second)
		require.Equal(t, 200, h.Post(anEvent), "done since")
		h.Idle(1)
	})
}

func TestFault_Kyshi_W29_Shutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, func(context.Context, *kyshi.Event) error { time.Sleep(20 * time.Second); return nil })
		for i := range 100 {
			go h.Post(charge("R" + strconv.Itoa(i)))
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.Shutdown(short), context.DeadlineExceeded)
		require.Equal(t, 503, h.Post(anEvent), "refused while shutting down")
		require.NoError(t, h.Shutdown(t.Context()))
		h.Idle(100)
		total, _ := h.Store.Len()
		require.Equal(t, 100, total, "none is half done")
	})
}

func TestFault_Kyshi_W30_FloodOfBadSignatures(t *testing.T) {
	h := newHook(t, nil)
	deliver := func() {
		r := signed(anEvent)
		r.Header.Set(kyshi.SignatureHeader, strings.Repeat("0", 64))
		require.Equal(t, 400, h.Serve(r).StatusCode)
	}
	deliver()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 10_000 {
		deliver()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
	require.EqualValues(t, 10_001, h.BadSignatures())
	require.LessOrEqual(t, strings.Count(h.Log.String(), "\n"), 3)
}

func TestNewWebhookHandlerRefusesWhatCannotWork(t *testing.T) {
	v, fn := newVerifier(t), func(context.Context, *kyshi.Event) error { return nil }
	for name, row := range map[string]struct {
		cfg   kyshi.HandlerConfig
		fn    hookFunc
		field string
	}{
		"no verifier":   {kyshi.HandlerConfig{}, fn, "Verifier"},
		"zero verifier": {kyshi.HandlerConfig{Verifier: &kyshi.Verifier{}}, fn, "Verifier"},
		"no function":   {kyshi.HandlerConfig{Verifier: v}, nil, "fn"},
		"body":          {kyshi.HandlerConfig{Verifier: v, MaxBody: -1}, fn, "MaxBody"},
		"read":          {kyshi.HandlerConfig{Verifier: v, ReadTimeout: -1}, fn, "ReadTimeout"},
		"ack":           {kyshi.HandlerConfig{Verifier: v, AckTimeout: -1}, fn, "AckTimeout"},
		"work":          {kyshi.HandlerConfig{Verifier: v, WorkTimeout: -1}, fn, "WorkTimeout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kyshi.NewWebhookHandler(row.cfg, row.fn)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, row.field, invalid.Fields[0].Field)
		})
	}
	h, err := kyshi.NewWebhookHandler(kyshi.HandlerConfig{Verifier: v}, fn)
	require.NoError(t, err)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, signed(anEvent))
	require.Equal(t, 200, rec.Code, "with nothing but a verifier")
}

func TestZeroHandlerAcceptsNothing(t *testing.T) {
	for _, h := range []*kyshi.Handler{nil, {}} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, signed(anEvent))
		require.Equal(t, 500, rec.Code)
		require.NoError(t, h.Shutdown(t.Context()))
		require.Zero(t, h.BadSignatures())
	}
}
