package kopokopotest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Fault makes the API misbehave for the requests it matches. What is left zero
// stays as usual: a Fault with only a Delay answers late but rightly.
type Fault struct {
	Method string // matches this method; "" any
	Path   string // matches this path and everything below it; "" any
	Times  int    // how many requests it meets; 0 means one, negative all

	Delay  time.Duration // wait this long before the work, or with AfterWork before the answer
	Status int           // answer with this status, Header and Body instead
	Header http.Header   // headers of that answer
	Body   []byte        // body of that answer; JSON unless Header says otherwise
	Drop   bool          // read the request, then close the connection without an answer

	// AfterWork carries the request out at once, before Delay holds its answer back
	// or Status or Drop take it away: the payment exists, but the caller cannot
	// know. Without it, nothing has happened.
	AfterWork bool
}

// Inject adds a fault. Faults are tried in the order they were added; a request
// meets the first that matches. They apply before anything is checked, to the
// OAuth endpoints too. Inject panics if Status is no status of a final answer.
func (s *Server) Inject(f Fault) {
	if f.Status != 0 && (f.Status < 200 || f.Status > 999) {
		panic(fmt.Sprintf("kopokopotest: Inject: status %d cannot be answered", f.Status))
	}
	if f.Times == 0 {
		f.Times = 1
	}
	f.Header, f.Body = f.Header.Clone(), bytes.Clone(f.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// takeFault returns the fault this request meets, using it up, or nil.
func (s *Server) takeFault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !f.matches(r.Method, r.URL.Path) {
			continue
		}
		if f.Times > 0 {
			f.Times--
			if f.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		return f
	}
	return nil
}

func (f *Fault) matches(method, path string) bool {
	if f.Method != "" && f.Method != method {
		return false
	}
	top := strings.TrimSuffix(f.Path, "/")
	return path == top || strings.HasPrefix(path, top+"/")
}

// meet applies a fault to one request; work answers it in the usual way.
func (s *Server) meet(f *Fault, w http.ResponseWriter, r *http.Request, work func(http.ResponseWriter)) {
	if f.AfterWork {
		held := &heldReply{header: http.Header{}}
		work(held)
		work = held.release
	}
	if !s.pause(r, f.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
	case f.Status != 0:
		f.reply(w)
	default:
		work(w)
	}
}

// pause waits; false means that the client or the server has gone.
func (s *Server) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

func (f *Fault) reply(w http.ResponseWriter) {
	for key, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(key)] = values
	}
	if len(f.Body) > 0 && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", jsonType)
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write(f.Body)
}

// heldReply keeps the answer of work that is done already.
type heldReply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldReply) Header() http.Header         { return h.header }
func (h *heldReply) Write(b []byte) (int, error) { return h.body.Write(b) }
func (h *heldReply) WriteHeader(status int)      { h.status = status }

// release gives the answer at last.
func (h *heldReply) release(w http.ResponseWriter) {
	maps.Copy(w.Header(), h.header)
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes())
}
