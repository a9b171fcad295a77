package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// countingConn counts the writes that may have put bytes on the wire, and can be
// sealed against further ones.
type countingConn struct {
	net.Conn
	state atomic.Int64 // writes in its lower bits; sealed is the sign
	heard atomic.Int64 // how many writes there had been when something was last read
}

// sealed is the sign bit of countingConn.state.
const sealed = -1 << 63

var errSealed = errors.New("the request was given up before it was written")

// Write counts a write before it begins: one that is under way may have sent bytes.
func (c *countingConn) Write(b []byte) (int, error) {
	if isAlert(b) {
		return c.Conn.Write(b)
	}
	for {
		state := c.state.Load()
		if state < 0 {
			return 0, errSealed
		}
		if c.state.CompareAndSwap(state, state+1) {
			break
		}
	}
	n, err := c.Conn.Write(b)
	if n == 0 && err != nil {
		c.state.Add(-1)
	}
	return n, err
}

// Read notes after how many writes something came.
func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.heard.Store(c.writes())
	}
	return n, err
}

// writes returns how many writes may have sent bytes.
func (c *countingConn) writes() int64 { return c.state.Load() &^ sealed }

// sealAt forbids further writes if there were so many, and reports whether there
// were. It is one step: a write that begins after the count was read would make the
// verdict wrong. A connection that was written to is left alone, since it may be
// somebody else's by now.
func (c *countingConn) sealAt(writes int64) bool {
	return c.state.CompareAndSwap(writes, writes|sealed) || c.state.Load() == writes|sealed
}

// isAlert recognises a TLS alert, as closing a connection sends one. It is no part
// of a request: without this, the goodbye on a connection that was closed before
// anything was written would look like a request. In TLS 1.3 an alert is disguised as
// data; no request begins with a write of so few bytes, or with these.
func isAlert(b []byte) bool {
	const alert, data, longest = 0x15, 0x17, 31
	return len(b) > 0 && len(b) <= longest && (b[0] == alert || b[0] == data)
}

// proof gathers, for one attempt, what shows that nothing of it was sent, and what
// makes its answer doubtful.
type proof struct {
	mu     sync.Mutex
	begun  bool    // a round trip of our own transport has begun
	active int     // how many of them have not ended
	over   bool    // the verdict was given: nothing may be sent any more
	doubt  bool    // something was had that the writes cannot be told of
	early  bool    // an answer was there before the request was
	last   *trip   // the last round trip to end
	past   Verdict // the worst of those that have ended
	passed Verdict // past, when the last one began
}

// proofKey finds the attempt's proof in a request's context.
type proofKey struct{}

// trip is one round trip. There is one to an attempt, unless a wrapper repeats what it
// should not.
type trip struct {
	proof  *proof
	trace  httptrace.ClientTrace
	conn   *countingConn // that the request is written to, nil if there is none that counts
	before int64         // how often it had been written to
	early  bool          // the answer was there before the request was
	saw    observation   // what the trip was answered with
	failed *tripError    // or what it failed with
}

// begin begins a round trip. It returns nil if the verdict was given: a wrapper that
// gave a request up may still be about to send it.
func (p *proof) begin(doubt bool) *trip {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	p.begun = true
	p.doubt = p.doubt || doubt
	if p.active == 0 {
		p.early = false // what was early was an answer that the wrapper did not want
	} else {
		p.past = Unknown // a wrapper that sends two at once
	}
	p.active++
	p.passed = p.past
	t := &trip{proof: p, saw: sawNothing}
	t.trace.GotConn, t.trace.GotFirstResponseByte = t.gotConn, t.gotFirstByte
	return t
}

// end notes how a round trip ended, which for a panic is with neither an answer nor
// an error. An error comes back marked as one of ours.
func (t *trip) end(resp *http.Response, err error) error {
	p := t.proof
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.last = t
	p.early = p.early || t.early
	switch {
	case err != nil:
		if p.doubt || !t.sealed() {
			p.past = Unknown
		}
		if t.early { // which is why the connection was closed
			err = fmt.Errorf("%w: %w", ErrEarly, err)
		}
		t.failed = &tripError{err}
		return t.failed
	case resp == nil || t.early:
		p.past = Unknown
	default:
		t.saw = observeStatus(resp.StatusCode, resp.Header)
		verdict := rules[t.saw].verdict
		if verdict == Accepted {
			verdict = Unknown // to whoever sends the same again
		}
		p.past = max(p.past, verdict)
	}
	return nil
}

// sealed reports whether nothing of the request was written, and sees to it that
// nothing will be.
func (t *trip) sealed() bool { return t.conn == nil || t.conn.sealAt(t.before) }

// gotConn notes the connection a request is about to be written to, and what had
// been written to it before.
func (t *trip) gotConn(info httptrace.GotConnInfo) {
	t.proof.mu.Lock()
	defer t.proof.mu.Unlock()
	if t.conn != nil && t.conn.writes() != t.before {
		t.proof.doubt = true // the transport goes on to another connection
	}
	t.conn = nil
	conn := info.Conn
	for {
		if c, ok := conn.(*tls.Conn); ok && c.ConnectionState().NegotiatedProtocol == "h2" {
			t.proof.doubt = true // shared with other requests
			return
		}
		below, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = below.NetConn() // TLS within TLS is an https proxy
	}
	counting, ok := conn.(*countingConn)
	if !ok {
		t.proof.doubt = true
		return
	}
	t.conn, t.before = counting, counting.writes()
}

// gotFirstByte notes an answer that begins. If nothing was read since the request
// began to be written, this byte was there before it: the peer says one answer too
// many, and this is not the answer to the request. The connection is closed, since the
// real answer would be taken for that to the next request.
func (t *trip) gotFirstByte() {
	t.proof.mu.Lock()
	conn := t.conn
	t.early = conn != nil && conn.heard.Load() <= t.before
	early := t.early
	t.proof.mu.Unlock()
	if early {
		conn.Close()
	}
}

// answered returns what an answer shows in the light of all that the wrappers did to
// get it, and forbids them to send anything more. An answer that permits to send the
// request again, or says that it was not acted on, proves so only if it is the answer
// to the one round trip there was: a wrapper may have sent the request before, may
// still be sending it, or may have made an answer of an error.
func (p *proof) answered(seen observation, c Class) observation {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	switch {
	case p.early && p.certain() && p.last.sealed():
		return sawUnsent
	case p.early:
		return sawEarly
	case !p.begun || c == Read || seen == sawSuccess:
		return seen // with no round trip of ours, it is a RoundTripper of the caller's that answers
	case p.active > 0, p.passed == Unknown:
		return sawRepeated
	case seen != p.last.saw && !(seen.isRefusal() && p.last.saw.isRefusal()):
		return sawRepeated
	}
	return seen
}

// unsent reports whether it is certain that no byte of the attempt left, nor will.
// It must only be asked once the attempt has failed, with the error it failed with:
// it seals the connection.
func (p *proof) unsent(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.begun && p.certain() && p.isOurs(err) && p.last.sealed()
}

// certain reports whether what is known of the last round trip is all there is to
// know.
func (p *proof) certain() bool {
	return p.active == 0 && !p.doubt && p.passed != Unknown
}

// isOurs reports whether an attempt failed with what the last round trip of ours
// failed with, and with nothing else: a wrapper may have gone on to send the request
// by a way of its own.
func (p *proof) isOurs(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if trip, ok := err.(*tripError); ok {
			return trip == p.last.failed
		}
	}
	return false
}

// tripError marks the failure of one round trip of ours, and says of it what may be
// said, also where a wrapper puts its own words around it.
type tripError struct{ err error }

// Error implements error.
func (e *tripError) Error() string { return ownText(e.err) }

// Unwrap returns the failure itself.
func (e *tripError) Unwrap() error { return e.err }

// provingTransport stands below every wrapper and feeds the attempt's proof.
type provingTransport struct {
	base  *http.Transport
	doubt bool // what is written may go past the proof
}

// newProvingTransport returns a transport over base, which nothing has used yet. Past
// the proof go HTTP/2 without TLS, whose connections are shared and do not show it,
// and protocols of the caller's own, which need not tell of a connection at all.
func newProvingTransport(base *http.Transport) *provingTransport {
	doubt := base.Protocols != nil && base.Protocols.UnencryptedHTTP2() || len(base.TLSNextProto) > 0
	return &provingTransport{base, doubt}
}

// RoundTrip implements http.RoundTripper.
func (t *provingTransport) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	ctx := req.Context()
	if p, _ := ctx.Value(proofKey{}).(*proof); p != nil {
		trip := p.begin(t.doubt)
		if trip == nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, errSealed
		}
		defer func() { err = trip.end(resp, err) }()
		ctx = httptrace.WithClientTrace(ctx, &trip.trace)
	}
	req = req.WithContext(ctx)
	req.GetBody = nil // a wrapper may have set it, and net/http would send the body again
	return t.base.RoundTrip(req)
}
