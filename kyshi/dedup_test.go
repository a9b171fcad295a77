package kyshi_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/internal/testkit"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

// The D series: deliveries that repeat, race and change.

func TestFault_Kyshi_D01_Twice(t *testing.T) { receiver.Twice(t) }

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

func TestFault_Kyshi_D02_HundredAtOnce(t *testing.T) { receiver.HundredAtOnce(t) }

func TestFault_Kyshi_D03_FailedThenRedelivered(t *testing.T) { receiver.FailedThenRedelivered(t) }

func TestFault_Kyshi_D04_CrashAfterClaim(t *testing.T) { receiver.CrashAfterClaim(t) }

func TestFault_Kyshi_D05_CommitInTheWorksOwnTransaction(t *testing.T) {
	receiver.CrashBetweenEffectAndCommit(t)
	require.Equal(t, "kyshi:ref:successful:ORD-7f3a19c2", receiver.Name(t, anEvent), "the key of the claim")
}

func TestFault_Kyshi_D08_LeaseShorterThanTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := newHook(t, func(context.Context, *kyshi.Event) error { <-release; return nil },
			func(c *kyshi.HandlerConfig) { c.Store = testkit.StuckLeases{DeliveryStore: c.Store} })
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

func TestFault_Kyshi_D09_StoreDown(t *testing.T) { receiver.StoreDown(t) }

func TestFault_Kyshi_D10_AnotherBody(t *testing.T) { receiver.AnotherBody(t) }

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
