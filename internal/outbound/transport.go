package outbound

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

// pools are the engine's connections. What pays out has its own: a fresh HTTP/1.1
// connection for each request, because on a reused connection net/http may replay
// a request by itself, and may take the rest of an earlier answer for this one's.
type pools struct {
	shared http.RoundTripper
	payOut http.RoundTripper
	owned  []*http.Transport // what may be closed with the engine
}

// transport returns the pool for a class.
func (p *pools) transport(c Class) http.RoundTripper {
	if c == PayOut {
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

// newPools builds the connections. Of the caller's http.Client only the Transport is
// used: an answer of another host, or half a payment sent again, is worth no
// convenience, and cookies have no place here.
func newPools(cfg Config) *pools {
	var rt http.RoundTripper
	if cfg.HTTPClient != nil {
		rt = cfg.HTTPClient.Transport
	}
	if isNilTransport(rt) {
		rt = http.DefaultTransport // which the program may have replaced: tracing, tests
	}
	if isNilTransport(rt) {
		rt = standardTransport
	}
	base, ours := rt.(*http.Transport)
	if !ours {
		cfg.Logger.Warn(cfg.Name + "the RoundTripper of Config.HTTPClient, or http.DefaultTransport, is not an *http.Transport: failures cannot be proved unsent, and payouts may share a connection")
		wrapped := cfg.wrap(rt)
		return &pools{shared: wrapped, payOut: wrapped}
	}
	sharedBase := tune(base, cfg, base == standardTransport)
	shared := newProvingTransport(sharedBase) // looks before the next line's Clone fills in net/http's own HTTP/2
	payOutBase := payOutTransport(sharedBase)
	return &pools{
		shared: cfg.wrap(shared),
		payOut: cfg.wrap(newProvingTransport(payOutBase)),
		owned:  []*http.Transport{sharedBase, payOutBase},
	}
}

// isNilTransport reports whether there is no RoundTripper, or a nil one in the interface.
func isNilTransport(rt http.RoundTripper) bool {
	t, ok := rt.(*http.Transport)
	return rt == nil || ok && t == nil
}

// wrap applies the caller's wrapper, if there is one.
func (cfg Config) wrap(rt http.RoundTripper) http.RoundTripper {
	if cfg.WrapTransport == nil {
		return rt
	}
	if wrapped := cfg.WrapTransport(rt); wrapped != nil {
		return wrapped
	}
	return rt
}

// tune clones a transport and fits it out. The settings of net/http's own give way
// to ours; those of a transport that somebody made on purpose stay.
func tune(base *http.Transport, cfg Config, standard bool) *http.Transport {
	t := base.Clone() // only then look: net/http fills in fields of base at its first use
	t.ForceAttemptHTTP2 = t.ForceAttemptHTTP2 || hasHTTP2(t)
	if standard || t.MaxIdleConns == 0 {
		t.MaxIdleConns = cfg.MaxIdleConns
	}
	if t.MaxIdleConnsPerHost == 0 {
		t.MaxIdleConnsPerHost = cfg.MaxIdleConns // net/http's 2 opens a connection for almost every parallel call
	}
	if standard || t.IdleConnTimeout == 0 {
		t.IdleConnTimeout = cfg.IdleConnTimeout
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
	dial = contained(dial)
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil || conn == nil {
			return nil, err // net/http has an error for neither
		}
		return &countingConn{Conn: conn}, nil
	}
	if t.DialTLSContext != nil {
		t.DialTLSContext = contained(t.DialTLSContext)
	}
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// contained calls a dialer, which is the caller's or net's, so that its errors can be
// told from the transport's, and its panic, in a goroutine of net/http's, does not
// end the process.
func contained(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		defer func() {
			if v := recover(); v != nil {
				conn, err = nil, &dialError{panicked("the dialer", v)}
			}
		}()
		conn, err = dial(ctx, network, addr)
		if err != nil {
			return nil, &dialError{err}
		}
		return conn, nil
	}
}

// dialError is the failure of a dialer: nothing was sent yet that its text could quote.
type dialError struct{ err error }

// Error implements error.
func (e *dialError) Error() string { return e.err.Error() }

// Unwrap returns what the dialer returned.
func (e *dialError) Unwrap() error { return e.err }
