package kopokopotest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

const payments = "/api/v2/incoming_payments"

func TestInjectedInOrder(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	s.srv.Inject(kopokopotest.Fault{Method: "POST", Path: payments, Status: 503, Header: http.Header{"retry-after": {"7"}}, Times: 2})
	s.srv.Inject(kopokopotest.Fault{Path: "/api/v2", Status: 429, Body: []byte(`{"error":"slow"}`)})
	s.srv.Inject(kopokopotest.Fault{Path: "/api/v2", Status: 502, Body: []byte("<html>"), Header: http.Header{"Content-Type": {"text/html"}}})
	push := stk("K555555", "+254722000000", "10")

	r := s.get(payments + "/x")
	assert.Equal(t, 429, r.status)
	assert.Equal(t, `{"error":"slow"}`, r.body)
	assert.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	for range 2 {
		r = s.post(payments, push)
		assert.Equal(t, 503, r.status)
		assert.Equal(t, "7", r.header.Get("Retry-After"))
		assert.Empty(t, r.body)
	}
	r = s.post(payments, push)
	assert.Equal(t, 502, r.status)
	assert.Equal(t, "text/html", r.header.Get("Content-Type"))
	s.create(payments, push)
	assert.Equal(t, 4, s.srv.Count("POST", payments), "requests that met a fault are recorded")
}

func TestInjectedPaths(t *testing.T) {
	s := memoryShop(t)
	for _, c := range []struct {
		fault, path string
		meets       bool
	}{
		{"", "/anything", true},
		{"/", "/anything", true},
		{payments, payments, true},
		{payments, payments + "/x", true},
		{payments + "/", payments + "/x", true},
		{payments, payments + "_old", false},
		{payments + "/x", payments, false},
		{"/oauth", "/oauth/token", true},
	} {
		s.srv.Inject(kopokopotest.Fault{Path: c.fault, Status: 418})
		assert.Equal(t, c.meets, s.get(c.path).status == 418, "%q %q", c.fault, c.path)
		if !c.meets {
			s.get(c.fault) // uses the fault up
		}
	}
	s.srv.Inject(kopokopotest.Fault{Path: payments, Status: 500, Times: -1})
	for range 20 {
		assert.Equal(t, 500, s.get(payments+"/x").status)
	}
}

// The two kinds of lost answer: one where nothing happened and one where all did.
func TestInjectedDrop(t *testing.T) {
	for name, start := range map[string]func(...kopokopotest.Option) *kopokopotest.Server{
		"socket": kopokopotest.NewServer, "memory": kopokopotest.NewInMemoryServer,
	} {
		t.Run(name, func(t *testing.T) {
			srv := start(kopokopotest.WithDelay(0))
			defer srv.Close()
			s := openShop(t, srv)
			push := stk("K555555", "+254722000000", "10")
			for _, done := range []bool{false, true} {
				srv.Inject(kopokopotest.Fault{Path: payments, Drop: true, AfterWork: done})
				_, err := srv.Client().Do(s.request("POST", payments, push))
				require.Error(t, err)
				assert.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), err)
				s.idle()
				assert.Equal(t, done, len(s.arrived(result)) == 1)
			}
			assert.Equal(t, 2, srv.Count("POST", payments), "net/http did not send it twice")

			srv.Inject(kopokopotest.Fault{Path: payments, Status: 504, AfterWork: true})
			assert.Equal(t, 504, s.post(payments, push).status)
			s.idle()
			assert.Len(t, s.arrived(result), 2)
		})
	}
}

func TestInjectedDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(0))
		defer srv.Close()
		s := openShop(t, srv)
		push := stk("K555555", "+254722000000", "10")
		start := time.Now()
		srv.Inject(kopokopotest.Fault{Path: payments, Delay: time.Minute})
		s.create(payments, push)
		assert.Equal(t, time.Minute, time.Since(start))
		s.idle()

		start = time.Now()
		srv.Inject(kopokopotest.Fault{Path: payments, Delay: time.Minute, AfterWork: true})
		path := s.create(payments, push)
		assert.Equal(t, time.Minute, time.Since(start))
		last := srv.Deliveries()[len(srv.Deliveries())-1]
		assert.Equal(t, id(path), last.ID)
		assert.Equal(t, start, last.Time, "the callback overtook the answer")

		for done, want := range map[bool]int{false: 1, true: 2} {
			before := len(s.arrived(result))
			srv.Inject(kopokopotest.Fault{Path: payments, Delay: time.Minute, Drop: true, AfterWork: done})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := srv.Client().Do(s.request("POST", payments, push).WithContext(ctx))
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			s.idle()
			assert.Len(t, s.arrived(result), before+want-1, "work done before the wait: %v", done)
		}
	})
}
