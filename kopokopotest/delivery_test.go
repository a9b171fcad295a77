package kopokopotest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/internal/testkit"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestFault_F14_DeliveriesAreSignedAndCompact(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	s.subscribe("buygoods_transaction_received")
	push := with(stk("K555555", "+254722000000", "10"), "subscriber.last_name", "<O'Brien & \u2028\u2029Ätna\t\"\\\x01>")
	s.create("/api/v2/incoming_payments", push)
	s.idle()
	key := s.srv.Config().Credentials.APIKey
	arrivals := append(s.arrived(result), s.arrived(hook)...)
	require.Len(t, arrivals, 2)
	for _, a := range arrivals {
		assert.Equal(t, testkit.IndependentHMAC(a.body, key), a.header.Get("X-KopoKopo-Signature"))
		assert.Equal(t, "application/json", a.header.Get("Content-Type"))
		assert.NotEmpty(t, a.header.Get("User-Agent"))
		assert.Contains(t, string(a.body), `"<O'Brien & `+"\u2028\u2029"+`Ätna\t\"\\\u0001>"`, "as JSON.stringify writes it")
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, a.body))
		assert.Equal(t, compact.String(), string(a.body))
	}
	for _, d := range s.srv.Deliveries() {
		assert.Equal(t, testkit.IndependentHMAC(d.Body, key), d.Signature)
		assert.Equal(t, 200, d.Status)
		assert.Equal(t, 1, d.Attempt)
		require.NoError(t, d.Err)
		switch d.Kind {
		case kopokopotest.Callback:
			assert.Equal(t, "incoming_payment", d.Topic)
			assert.Equal(t, result, d.URL)
		default:
			assert.Equal(t, kopokopotest.Webhook, d.Kind)
			assert.Equal(t, "buygoods_transaction_received", d.Topic)
			assert.Equal(t, decode(t, d.Body)["id"], d.ID)
		}
	}
}

// The server contacts nothing but this machine, whatever it is told.
func TestFault_F04_LoopbackGate(t *testing.T) {
	var dialled atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { dialled.Add(1) }))
	defer elsewhere.Close()
	redirect := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer redirect.Close()
	srv := kopokopotest.NewServer(kopokopotest.WithDelay(0), kopokopotest.WithRedelivery(2, 0))
	defer srv.Close()
	s := openShop(t, srv)
	push := stk("K555555", "+254722000000", "10")
	for _, target := range []string{
		"https://10.1.2.3/x", "https://169.254.169.254/latest", "https://0.0.0.0/x", "https://[::]/x", "https://[::ffff:10.1.2.3]/x",
		"https://[fe80::1]/x", "https://shop.invalid/x", "https://127.0.0.1.nip.io/x", "https://2130706433/x", "https://localhost.evil.example/x",
	} {
		path := s.create("/api/v2/incoming_payments", with(push, "_links.callback_url", target))
		s.idle()
		assert.Equal(t, "Success", s.attributes(path)["status"])
		list := srv.Deliveries()
		last := list[len(list)-1]
		assert.Equal(t, target, last.URL)
		require.ErrorIs(t, last.Err, kopokopotest.ErrNotLoopback, target)
		assert.Equal(t, 1, last.Attempt, "it is not tried again")
		assert.Zero(t, last.Status)
	}
	s.create("/api/v2/incoming_payments", with(push, "_links.callback_url", redirect.URL))
	s.idle()
	last := srv.Deliveries()[len(srv.Deliveries())-1]
	assert.Equal(t, 307, last.Status)
	assert.Equal(t, 2, last.Attempt)
	require.Error(t, last.Err)
	assert.Zero(t, dialled.Load(), "redirects are not followed")
}

func TestFault_F11_DeliveryToSockets(t *testing.T) {
	bodies := make(chan []byte, 4)
	receive := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies <- b
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 1<<20)) // a long answer is not read to its end
	})
	plain, secure := httptest.NewServer(receive), httptest.NewUnstartedServer(receive)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it will tell of a refused certificate
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	push := stk("K555555", "+254722000000", "10")

	srv := kopokopotest.NewServer(kopokopotest.WithDelay(0), kopokopotest.WithRootCAs(pool))
	defer srv.Close()
	s := openShop(t, srv)
	local := strings.Replace(plain.URL, "127.0.0.1", "localhost", 1)
	for _, target := range []string{plain.URL, local, secure.URL} {
		path := s.create("/api/v2/incoming_payments", with(push, "_links.callback_url", target+"/result"))
		assert.Equal(t, s.get(path).body, string(<-bodies))
	}
	s.idle()
	for _, d := range srv.Deliveries() {
		assert.NoError(t, d.Err)
	}

	strict := kopokopotest.NewServer(kopokopotest.WithDelay(0), kopokopotest.WithRedelivery(1, 0))
	defer strict.Close()
	s = openShop(t, strict)
	s.create("/api/v2/incoming_payments", with(push, "_links.callback_url", secure.URL))
	s.idle()
	require.Len(t, strict.Deliveries(), 1)
	assert.ErrorContains(t, strict.Deliveries()[0].Err, "certificate")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestFault_F11_Redelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(0))
		defer srv.Close()
		s := openShop(t, srv)
		start, refusals := time.Now(), 3
		var after []time.Duration
		srv.Handle(result, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			after = append(after, time.Since(start))
			if len(after) <= refusals {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
		s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
		s.idle()
		const ms = time.Millisecond
		assert.Equal(t, []time.Duration{0, 100 * ms, 300 * ms, 700 * ms}, after)
		for i, d := range srv.Deliveries() {
			assert.Equal(t, i+1, d.Attempt)
			assert.Equal(t, i < refusals, d.Err != nil)
			assert.Equal(t, srv.Deliveries()[0].Body, d.Body, "the same bytes each time")
		}

		start, after, refusals = time.Now(), nil, 99
		s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
		s.idle()
		assert.Len(t, after, 5, "then it gives up")
		assert.Equal(t, 1500*ms, time.Since(start), "without waiting for a sixth")
	})
}

func TestFault_F11_SlowEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(0), kopokopotest.WithRedelivery(2, time.Second))
		defer srv.Close()
		s := openShop(t, srv)
		srv.Handle(result, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}))
		start := time.Now()
		path := s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
		assert.Equal(t, "Success", s.attributes(path)["status"])
		assert.Zero(t, time.Since(start), "the API does not wait for the merchant")
		s.idle()
		assert.Equal(t, 11*time.Second, time.Since(start), "5 s, a second between, 5 s")
		for _, d := range srv.Deliveries() {
			assert.ErrorContains(t, d.Err, "deadline exceeded")
		}
	})
}

func TestFault_F12_DeliveryPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var plan kopokopotest.DeliveryPlan
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(0), kopokopotest.WithDelivery(func(d kopokopotest.Delivery) kopokopotest.DeliveryPlan {
			assert.Zero(t, d.Attempt)
			if d.Kind == kopokopotest.Callback {
				return plan
			}
			return kopokopotest.DeliveryPlan{}
		}))
		defer srv.Close()
		s := openShop(t, srv)
		s.subscribe("buygoods_transaction_received")
		key := srv.Config().Credentials.APIKey
		run := func(p kopokopotest.DeliveryPlan) []arrival {
			plan = p
			before := len(s.arrived(result))
			s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
			s.idle()
			return s.arrived(result)[before:]
		}
		signature := func(a arrival) string { return a.header.Get("X-KopoKopo-Signature") }

		assert.Empty(t, run(kopokopotest.DeliveryPlan{Drop: true}))
		var dropped int
		for _, d := range srv.Deliveries() {
			if d.Kind == kopokopotest.Callback {
				dropped++
				require.ErrorIs(t, d.Err, kopokopotest.ErrDropped)
			}
		}
		assert.Equal(t, 1, dropped)

		got := run(kopokopotest.DeliveryPlan{Duplicates: 2})
		require.Len(t, got, 3)
		assert.Equal(t, got[0].body, got[2].body)

		start := time.Now()
		require.Len(t, run(kopokopotest.DeliveryPlan{Delay: time.Minute}), 1)
		assert.Equal(t, time.Minute, time.Since(start))
		list := srv.Deliveries()
		assert.Equal(t, kopokopotest.Callback, list[len(list)-1].Kind, "a delay changes the order")

		got = run(kopokopotest.DeliveryPlan{WrongKey: true})
		assert.Len(t, signature(got[0]), 64)
		assert.NotEqual(t, testkit.IndependentHMAC(got[0].body, key), signature(got[0]))

		got = run(kopokopotest.DeliveryPlan{Pretty: true})
		assert.Contains(t, string(got[0].body), "\n  ")
		assert.Equal(t, testkit.IndependentHMAC(got[0].body, key), signature(got[0]))

		got = run(kopokopotest.DeliveryPlan{Edit: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"errors":null`), []byte(`"errors":[]`)) }})
		assert.Contains(t, string(got[0].body), `"errors":[]`)
		assert.Equal(t, testkit.IndependentHMAC(got[0].body, key), signature(got[0]))
		got = run(kopokopotest.DeliveryPlan{Edit: func([]byte) []byte { return []byte("no JSON") }, Pretty: true})
		assert.Equal(t, "no JSON", string(got[0].body))
	})
}

func TestHandle(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	var seen *http.Request
	s.srv.Handle("https://Shop.Example:8443", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
	s.create("/api/v2/incoming_payments", with(stk("K555555", "+254722000000", "10"), "_links.callback_url", "https://shop.example:8443/?order=7"))
	s.idle()
	require.NotNil(t, seen)
	assert.Equal(t, "order=7", seen.URL.RawQuery)
	assert.Equal(t, "shop.example:8443", seen.Host)
	assert.Equal(t, http.MethodPost, seen.Method)

	s.srv.Handle(result, nil)
	s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
	s.idle()
	list := s.srv.Deliveries()
	require.ErrorIs(t, list[len(list)-1].Err, kopokopotest.ErrNotLoopback)
	for _, bad := range []string{"", "/hook", "shop.example/hook", "https://%zz"} {
		assert.Panics(t, func() { s.srv.Handle(bad, http.NotFoundHandler()) })
	}
}
