package kopokopotest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// Two hours of processing pass in no time, and the bubble itself fails if a
// goroutine is left after Close.
func TestSimulatedTime(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(2*time.Hour), kopokopotest.WithTokenLifetime(24*time.Hour))
		defer srv.Close()
		s := openShop(t, srv)
		start := time.Now()
		path := s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
		time.Sleep(2*time.Hour - time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, "Pending", s.attributes(path)["status"])
		s.idle()
		assert.Equal(t, 2*time.Hour, time.Since(start))
		assert.Equal(t, "Success", s.attributes(path)["status"])
		assert.Len(t, s.arrived(result), 1)
	})
	assert.Less(t, time.Since(began), time.Minute)
}

func TestLinkExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithTokenLifetime(30 * 24 * time.Hour))
		defer srv.Close()
		s := openShop(t, srv)
		path := s.create("/api/v2/payment_links", sample(t, "request_payment_link_v2"))
		time.Sleep(8 * 24 * time.Hour)
		require.ErrorIs(t, srv.PayLink(id(path), "254722000000"), kopokopotest.ErrNotPayable)
		assert.Equal(t, "Expired", at(t, s.attributes(path), "payment_link.payment_link_status"))
		assert.Equal(t, 400, s.post(path+"/cancel", "").status)
	})
}

func TestReversalWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithTokenLifetime(60 * 24 * time.Hour))
		defer srv.Close()
		s := openShop(t, srv)
		request := `{"transaction_reference":"` + s.received("K555555") + `","reason":"r","_links":{"callback_url":"` + result + `"}}`
		time.Sleep(31 * 24 * time.Hour)
		assert.Equal(t, sample(t, "error_400_reversal_reference_invalid"), s.post("/api/v2/reversals", request).body)
	})
}

// Close gives up what is outstanding, in either phase, and may be repeated.
func TestFault_F09_CloseWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(30 * time.Minute))
		defer srv.Close()
		s := openShop(t, srv)
		srv.Handle(result, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = r.Body.Read(make([]byte, 1<<20))
			<-r.Context().Done()
		}))
		s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
		time.Sleep(30 * time.Minute)
		synctest.Wait() // the callback is now being handled
		s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, srv.WaitIdle(ctx), context.DeadlineExceeded)

		srv.Inject(kopokopotest.Fault{Delay: time.Hour})
		refused := make(chan error, 1)
		go func() {
			_, err := srv.Client().Get(srv.URL + "/oauth/token/info")
			refused <- err
		}()
		synctest.Wait()
		srv.Close()
		srv.Close()
		require.Error(t, <-refused)
		_, err := srv.Client().Get(srv.URL)
		require.Error(t, err)
		require.NoError(t, srv.WaitIdle(t.Context()))
		require.Error(t, srv.PayLink("x", "254722000000"))
	})
}

// A server on a socket leaves nothing behind either.
func TestFault_F09_CloseLeavesNoGoroutine(t *testing.T) {
	srv := kopokopotest.NewServer(kopokopotest.WithDelay(time.Hour))
	s := openShop(t, srv)
	s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
	srv.Close()
	buf := make([]byte, 1<<20)
	require.Eventually(t, func() bool {
		stacks := string(buf[:runtime.Stack(buf, true)])
		return !strings.Contains(stacks, "kopokopotest.(*") && !strings.Contains(stacks, "http.(*conn).serve")
	}, 5*time.Second, time.Millisecond)
}

func TestFault_F13_ConcurrentClients(t *testing.T) {
	const clients, each = 100, 5
	for name, start := range map[string]func(...kopokopotest.Option) *kopokopotest.Server{
		"socket": kopokopotest.NewServer, "memory": kopokopotest.NewInMemoryServer,
	} {
		t.Run(name, func(t *testing.T) {
			srv := start(kopokopotest.WithDelay(time.Millisecond))
			defer srv.Close()
			s := openShop(t, srv)
			s.subscribe("buygoods_transaction_received")
			s.subscribe("customer_created")
			var wg sync.WaitGroup
			for c := range clients {
				wg.Go(func() {
					for range each {
						path := s.create("/api/v2/incoming_payments", stk("K555555", fmt.Sprintf("+254722%06d", c), "10"))
						s.attributes(path)
					}
					srv.Requests()
					srv.Deliveries()
				})
			}
			wg.Wait()
			s.idle()
			assert.Equal(t, clients*each, srv.Count("POST", "/api/v2/incoming_payments"))
			assert.Len(t, s.arrived(result), clients*each)
			assert.Len(t, s.arrived(hook), clients*each+clients, "a payment each, and every customer once")
			references := map[any]bool{}
			for _, a := range s.arrived(result) {
				references[at(t, decode(t, a.body), "data.attributes.event.resource.reference")] = true
			}
			assert.Len(t, references, clients*each)
			sweep := s.create("/api/v2/send_money", `{"currency":"KES","_links":{"callback_url":"`+result+`"}}`)
			s.idle()
			assert.Equal(t, "105000.0", at(t, s.attributes(sweep), "transfer_batches.0.amount"), "every shilling is there")
		})
	}
}

func TestRequestsAreCopies(t *testing.T) {
	s := memoryShop(t)
	s.post("/api/v2/send_money?a=1", `{"x":1}`)
	list := s.srv.Requests()
	last := list[len(list)-1]
	assert.Equal(t, "POST", last.Method)
	assert.Equal(t, "/api/v2/send_money", last.Path)
	assert.Equal(t, "a=1", last.RawQuery)
	assert.Equal(t, `{"x":1}`, string(last.Body))
	assert.Equal(t, "Bearer "+s.token, last.Header.Get("Authorization"))
	assert.WithinDuration(t, time.Now(), last.Time, time.Minute)
	last.Body[0] = '!'
	last.Header.Set("Authorization", "")
	again := s.srv.Requests()[len(list)-1]
	assert.Equal(t, `{"x":1}`, string(again.Body))
	assert.NotEmpty(t, again.Header.Get("Authorization"))
	assert.Equal(t, 1, s.srv.Count("POST", "/api/v2/send_money"))
	assert.Zero(t, s.srv.Count("GET", "/api/v2/send_money"))

	s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
	s.idle()
	clear(s.srv.Deliveries()[0].Body)
	assert.True(t, bytes.HasPrefix(s.srv.Deliveries()[0].Body, []byte(`{"data"`)))
}
