package kopokopo

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
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
