package kopokopo

import (
	"context"
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
	state atomic.Int64 // writes in its lower bits; sealed is the sign
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

// proof gathers, for one attempt, what shows that nothing of it was sent.
type proof struct {
	mu     sync.Mutex
	begun  bool // a round trip of our own transport has begun
	active int  // how many of them have not ended
	over   bool // the verdict was given: nothing may be sent any more
	conn   *countingConn
	before int64
	doubt  bool       // something was had that the writes cannot be told of
	last   *tripError // what the last round trip to end has failed with
}

// proofKey finds the attempt's proof in a request's context.
type proofKey struct{}

// provable is a context that carries a proof.
type provable struct {
	context.Context
	proof *proof
}

// Value implements context.Context.
func (c provable) Value(key any) any {
	if _, ok := key.(proofKey); ok {
		return c.proof
	}
	return c.Context.Value(key)
}

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
	p.doubt = p.doubt || doubt || p.active > 1 // a wrapper that sends two at once
	return true
}

func (p *proof) end(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	if err == nil {
		return nil
	}
	p.last = &tripError{err}
	return p.last
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
	p.conn, p.before = counting, counting.writes()
}

// unsent reports whether it is certain that no byte of the attempt left, nor will.
// It must only be asked once the attempt has failed, with the error it failed with:
// it seals the connection.
func (p *proof) unsent(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if !p.begun || p.active > 0 || p.doubt || !p.isOurs(err) {
		return false
	}
	return p.conn == nil || p.conn.sealAt(p.before)
}

// tripError marks the failure of one round trip of ours. It changes nothing else.
type tripError struct{ error }

// Unwrap returns the failure itself.
func (e *tripError) Unwrap() error { return e.error }

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
	doubt bool // connections may be shared and do not show it: HTTP/2 without TLS
}

func newProvingTransport(base *http.Transport) *provingTransport {
	return &provingTransport{base, base.Protocols != nil && base.Protocols.UnencryptedHTTP2()}
}

// RoundTrip implements http.RoundTripper.
func (t *provingTransport) RoundTrip(req *http.Request) (_ *http.Response, err error) {
	ctx := req.Context()
	p, _ := ctx.Value(proofKey{}).(*proof)
	if p != nil {
		if !p.begin(t.doubt) {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, errSealed
		}
		defer func() { err = p.end(err) }()
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: p.gotConn})
	}
	req = req.WithContext(ctx)
	req.GetBody = nil // a wrapper may have set it, and net/http would send the body again
	return t.base.RoundTrip(req)
}
