package kopokopotest

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// records is what the server remembers for inspection, guarded by Server.mu.
type records struct {
	requests   journal[Request]
	deliveries journal[Delivery]
}

// Request is one API or OAuth request as the server received it.
type Request struct {
	Method   string
	Path     string
	RawQuery string
	Header   http.Header
	Body     []byte // at most 1 MiB and one byte of it
	Time     time.Time
}

// Requests returns copies of the requests received, oldest first: every one, also
// those refused or met by a [Fault]. The newest 10,000 are kept, or fewer if
// their bodies exceed 64 MiB.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests.list))
	for i, r := range s.requests.list {
		r.Header, r.Body = r.Header.Clone(), bytes.Clone(r.Body)
		out[i] = r
	}
	return out
}

// Count returns how many of the recorded requests had this method and exact path.
func (s *Server) Count(method, path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests.list {
		if r.Method == method && r.Path == path {
			n++
		}
	}
	return n
}

// Deliveries returns copies of all attempts to post a callback or webhook, in the
// order they ended, one entry for each attempt. The newest 10,000 are kept, or
// fewer if their bodies exceed 64 MiB.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Delivery, len(s.deliveries.list))
	for i, d := range s.deliveries.list {
		d.Body = bytes.Clone(d.Body)
		out[i] = d
	}
	return out
}

// Balance returns what is on the merchant's balance, in shillings: an opening 100,000,
// what was received, less what was reversed, paid out and settled. It may be below zero.
func (s *Server) Balance() kopokopo.Decimal {
	s.mu.Lock()
	defer s.mu.Unlock()
	balance, _ := kopokopo.ParseDecimal(s.balance.plain()) // money always is a decimal
	return balance
}

// WaitIdle returns when no request is waiting for its result and no delivery,
// redeliveries included, is outstanding; or with ctx's error when that ends first.
func (s *Server) WaitIdle(ctx context.Context) error { return s.jobs.wait(ctx) }

func (s *Server) recordRequest(r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.add(Request{
		Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: body, Time: time.Now(),
	}, len(body))
}

func (s *Server) recordDelivery(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Time = time.Now()
	s.deliveries.add(d, len(d.Body))
}
