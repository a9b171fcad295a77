package kopokopo

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxResponseHeader bounds the header of an answer; net/http's own bound is 10 MiB.
const maxResponseHeader = 64 << 10

// standardTransport is net/http's own, before any program can have replaced it.
var standardTransport = http.DefaultTransport

// class says how careful a call has to be about being sent twice.
type class byte

const (
	classRead    class = 'R' // changes nothing: reads and the token calls
	classSetup   class = 'S' // sets something up: subscriptions, recipients, links
	classCollect class = 'C' // money in, which the customer confirms by PIN
	classPayOut  class = 'M' // money out
)

// pools are the client's connections. What pays out has its own: a fresh HTTP/1.1
// connection for each request, because on a reused connection net/http may replay
// a request by itself, and may take the rest of an earlier answer for this one's.
type pools struct {
	shared *http.Client
	payOut *http.Client
	proofs bool              // failures can be proved unsent
	owned  []*http.Transport // what may be closed with the client
}

// client returns the pool for a class.
func (p *pools) client(c class) *http.Client {
	if c == classPayOut {
		return p.payOut
	}
	return p.shared
}

// closeIdle closes the connections that no request uses. A transport that belongs
// to the caller is left alone: others may be using it.
func (p *pools) closeIdle() {
	for _, t := range p.owned {
		t.CloseIdleConnections()
	}
}

// newPools builds the connections from a checked Config.
func newPools(cfg Config, s settings) *pools {
	var own http.Client
	if cfg.HTTPClient != nil {
		own = *cfg.HTTPClient // the caller's is never changed
	}
	// An answer of another host, or half a payment sent again, is worth no convenience.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Jar = nil

	rt := own.Transport
	if isNilTransport(rt) {
		rt = http.DefaultTransport // which the program may have replaced: tracing, tests
	}
	if isNilTransport(rt) {
		rt = standardTransport
	}
	base, ours := rt.(*http.Transport)
	if !ours {
		s.logger.Warn("kopokopo: the RoundTripper of Config.HTTPClient, or http.DefaultTransport, is not an *http.Transport: failures cannot be proved unsent, and payouts may share a connection")
		own.Transport = noRedirects{wrapTransport(cfg, rt)}
		return &pools{shared: &own, payOut: &own}
	}
	sharedBase := tune(base, s, base == standardTransport)
	payOutBase := payOutTransport(sharedBase)
	shared, payOut := own, own
	shared.Transport = noRedirects{wrapTransport(cfg, newProvingTransport(sharedBase))}
	payOut.Transport = noRedirects{wrapTransport(cfg, newProvingTransport(payOutBase))}
	return &pools{shared: &shared, payOut: &payOut, proofs: true, owned: []*http.Transport{sharedBase, payOutBase}}
}

// isNilTransport reports whether there is no RoundTripper, or a nil one in the interface.
func isNilTransport(rt http.RoundTripper) bool {
	t, ok := rt.(*http.Transport)
	return rt == nil || ok && t == nil
}

// wrapTransport applies the caller's wrapper, if there is one.
func wrapTransport(cfg Config, rt http.RoundTripper) http.RoundTripper {
	if cfg.WrapTransport == nil {
		return rt
	}
	if wrapped := cfg.WrapTransport(rt); wrapped != nil {
		return wrapped
	}
	return rt
}

// noRedirects takes away where a redirect points to. net/http is told not to follow
// it, but first parses it, and makes an error without a status of what it cannot.
type noRedirects struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t noRedirects) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if resp == nil && err == nil {
		return nil, errors.New("the RoundTripper returned neither an answer nor an error")
	}
	if resp != nil && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		resp.Header = resp.Header.Clone() // it may be a canned answer's
		resp.Header.Del("Location")
	}
	return resp, err
}

// tune clones a transport and fits it out. The settings of net/http's own give way
// to ours; those of a transport that somebody made on purpose stay.
func tune(base *http.Transport, s settings, standard bool) *http.Transport {
	t := base.Clone() // only then look: net/http fills in fields of base at its first use
	t.ForceAttemptHTTP2 = t.ForceAttemptHTTP2 || hasHTTP2(t)
	if standard || t.MaxIdleConns == 0 {
		t.MaxIdleConns = s.maxIdle
	}
	if t.MaxIdleConnsPerHost == 0 {
		t.MaxIdleConnsPerHost = s.maxIdle // net/http's 2 opens a connection for almost every parallel call
	}
	if standard || t.IdleConnTimeout == 0 {
		t.IdleConnTimeout = s.idleTimeout
	}
	if t.MaxResponseHeaderBytes == 0 {
		t.MaxResponseHeaderBytes = maxResponseHeader
	}
	if t.TLSHandshakeTimeout == 0 {
		t.TLSHandshakeTimeout = 10 * time.Second
	}
	countBytes(t)
	hideProxy(t)
	return t
}

// hasHTTP2 reports whether a clone of a transport that nobody fitted out speaks
// HTTP/2, which net/http then has on by itself. Our dialer would switch it off.
func hasHTTP2(t *http.Transport) bool {
	//lint:ignore SA1019 deprecated, and still somebody's only dialer
	dials := t.DialContext != nil || t.DialTLSContext != nil || t.Dial != nil || t.DialTLS != nil
	return !dials && t.TLSNextProto == nil && t.Protocols == nil &&
		(t.TLSClientConfig == nil || slices.Contains(t.TLSClientConfig.NextProtos, "h2"))
}

// hideProxy keeps a proxy's address, which can hold a password, out of errors, and
// gives its refusals a type.
func hideProxy(t *http.Transport) {
	if find := t.Proxy; find != nil {
		t.Proxy = func(req *http.Request) (*url.URL, error) {
			proxy, err := find(req)
			if err != nil {
				return nil, errors.New("the proxy's address is malformed")
			}
			return proxy, nil
		}
	}
	if t.OnProxyConnectResponse == nil {
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode != http.StatusOK {
				return &proxyError{answer.StatusCode}
			}
			return nil
		}
	}
}

// payOutTransport is a clone for class M. HTTP/2 is off because its client sends a
// delivered request again after some stream errors; keep-alives are off because of
// replays and mixed-up answers on reused connections. The session cache keeps the
// price of a fresh TLS connection near one round trip.
func payOutTransport(shared *http.Transport) *http.Transport {
	t := shared.Clone()
	t.DisableKeepAlives = true
	t.DisableCompression = true
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	if t.TLSClientConfig.ClientSessionCache == nil {
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	}
	return t
}

// countBytes makes every connection of t count what is written to it. What a
// DialTLSContext returns stays as it is, since net/http looks for a *tls.Conn there;
// failures on such connections cannot be proved unsent.
func countBytes(t *http.Transport) {
	dial := t.DialContext
	//lint:ignore SA1019 deprecated, and still somebody's only dialer
	if old := t.Dial; dial == nil && old != nil {
		dial = func(_ context.Context, network, addr string) (net.Conn, error) { return old(network, addr) }
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	t.DialContext = counted(dial)
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func counted(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil || conn == nil {
			return nil, err // net/http has an error for neither
		}
		return &countingConn{Conn: conn}, nil
	}
}

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

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   []byte

	attempts int // that it took
}

// attempt sends a request once and reads the answer. unsent is true only for an
// error of which it is certain that nothing left.
func (c *core) attempt(ctx context.Context, call *request, bearer string) (rep reply, unsent bool, err error) {
	if ctx.Err() != nil {
		return reply{}, true, ctx.Err()
	}
	if c.closed.Load() {
		return reply{}, true, ErrClosed
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)() // Close ends what is under way
	p := &proof{}
	req, err := call.build(provable{ctx, p}, bearer, c.userAgent)
	if err != nil {
		return reply{}, true, err
	}
	resp, err := c.pools.client(call.class).Do(req)
	if err != nil {
		return reply{}, c.pools.proofs && p.unsent(err), transportError(caller, err)
	}
	defer resp.Body.Close()
	rep = reply{status: resp.StatusCode, header: resp.Header}
	if rep.status < 200 {
		return rep, false, nil // 101: what follows is no body, and may never end
	}
	rep.body, err = readBody(resp, call.limit)
	if err != nil && !call.write && rep.status < 300 {
		return rep, false, bodyError(caller, err)
	}
	// A status is a status, and what K2 has accepted is accepted, whatever became of
	// the body behind it.
	return rep, false, nil
}

// bodyError says that an answer broke off, unless it was given up.
func bodyError(ctx context.Context, err error) error {
	err = transportError(ctx, err)
	if errors.Is(err, ErrResponseTooLarge) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return responseError("the body broke off: %w", err)
}

// readBody reads an answer within a limit. Reading to the end, and no further than
// the limit, is what lets the connection be used again without trusting the server.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.Body == http.NoBody {
		return nil, nil // as after every create
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(data)) > limit {
		return data[:limit], ErrResponseTooLarge
	}
	return data, err
}

// transportError takes the URL out of an error, and makes the error of the
// caller's own context visible if that is what ended the attempt.
func transportError(ctx context.Context, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if trip, ok := err.(*tripError); ok {
		err = trip.error
	}
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		return errors.Join(ctxErr, err)
	}
	return err
}
