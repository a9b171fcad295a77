package kyshi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// The W series where the caller's function matters, and what a handler is made of.

func TestFault_Kyshi_W25_FunctionFails(t *testing.T) { receiver.FunctionFails(t) }

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

func TestFault_Kyshi_W29_Shutdown(t *testing.T) { receiver.Shutdown(t) }

func TestFault_Kyshi_W30_FloodOfBadSignatures(t *testing.T) { receiver.Flood(t) }

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
