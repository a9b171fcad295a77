package outbound

import (
	"crypto/tls"
	"errors"
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
	state  atomic.Int64 // writes in its lower bits; sealed is the sign
	before atomic.Int64 // writes when the present request got the connection
	heard  atomic.Bool  // something was read since the first write of that request
}

// sealed is the sign bit of countingConn.state.
const sealed = -1 << 63

var errSealed = errors.New("kopokopo: the request was given up before it was written")

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

// Read notes what comes after the present request has begun to be written.
func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.writes() > c.before.Load() {
		c.heard.Store(true)
	}
	return n, err
}

// lend begins another request on the connection, and returns what was written so far.
func (c *countingConn) lend() int64 {
	writes := c.writes()
	c.before.Store(writes)
	c.heard.Store(false)
	return writes
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
	begun  bool // a round trip of our own transport has begun
	active int  // how many of them have not ended
	over   bool // the verdict was given: nothing may be sent any more
	conn   *countingConn
	before int64
	doubt  bool       // something was had that the writes cannot be told of
	last   *tripError // what the last round trip to end has failed with
	early  bool       // an answer was there before the request was
	past   Verdict    // the worst of the round trips that have ended
	passed Verdict    // past, when the last round trip began
}

// proofKey finds the attempt's proof in a request's context.
type proofKey struct{}

// begin notes a round trip. It reports false if the verdict was given: a wrapper
// that gave a request up may still be about to send it.
func (p *proof) begin(doubt bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false
	}
	p.begun = true
	p.active++
	if p.active > 1 { // a wrapper that sends two at once
		p.doubt, p.past = true, Unknown
	}
	p.doubt = p.doubt || doubt
	p.passed = p.past
	return true
}

// end notes how a round trip ended. An error comes back marked as one of ours.
func (p *proof) end(resp *http.Response, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	if err == nil {
		verdict := VerdictOf(resp.StatusCode, resp.Header)
		if verdict == Accepted {
			verdict = Unknown // to whoever sends the same again
		}
		p.past = max(p.past, verdict)
		return nil
	}
	if p.doubt || p.conn != nil && !p.conn.sealAt(p.before) {
		p.past = Unknown
	}
	p.last = &tripError{err}
	return p.last
}

// isEarly reports whether the answer was there before the request was.
func (p *proof) isEarly() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.early
}

// mayHaveActedBefore reports whether a round trip before the last, by a wrapper that
// repeats what it should not, may have been acted on.
func (p *proof) mayHaveActedBefore() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed == Unknown
}

// gotFirstByte notes an answer that begins. If nothing was read since the request
// began to be written, this byte was there before it: a peer that says one answer
// too many, and not the answer to this request.
func (p *proof) gotFirstByte() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil && !p.conn.heard.Load() {
		p.early = true
	}
}

// gotConn notes the connection a request is about to be written to, and what had
// been written to it before.
func (p *proof) gotConn(info httptrace.GotConnInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil && p.conn.writes() != p.before {
		p.doubt = true // the transport goes on to another connection
	}
	conn := info.Conn
	for {
		if c, ok := conn.(*tls.Conn); ok && c.ConnectionState().NegotiatedProtocol == "h2" {
			p.doubt = true // shared with other requests
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
		p.doubt = true
		return
	}
	p.conn, p.before = counting, counting.lend()
}

// unsent reports whether it is certain that no byte of the attempt left, nor will.
// It must only be asked once the attempt has failed, with the error it failed with:
// it seals the connection.
func (p *proof) unsent(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if !p.begun || p.active > 0 || p.doubt || p.passed == Unknown || !p.isOurs(err) {
		return false
	}
	return p.conn == nil || p.conn.sealAt(p.before)
}

// tripError marks the failure of one round trip of ours, and says of it what may be
// said, also where a wrapper puts its own words around it.
type tripError struct{ err error }

// Error implements error.
func (e *tripError) Error() string { return ownText(e.err) }

// Unwrap returns the failure itself.
func (e *tripError) Unwrap() error { return e.err }

// isOurs reports whether an attempt failed with what the last round trip of ours
// failed with, and with nothing else: a wrapper may have gone on to send the request
// by a way of its own.
func (p *proof) isOurs(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if trip, ok := err.(*tripError); ok {
			return trip == p.last
		}
	}
	return false
}

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
	p, _ := ctx.Value(proofKey{}).(*proof)
	if p != nil {
		if !p.begin(t.doubt) {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, errSealed
		}
		defer func() { err = p.end(resp, err) }()
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: p.gotConn, GotFirstResponseByte: p.gotFirstByte})
	}
	req = req.WithContext(ctx)
	req.GetBody = nil // a wrapper may have set it, and net/http would send the body again
	return t.base.RoundTrip(req)
}
