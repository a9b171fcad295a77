package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// poolsOf builds the connections for a transport of the caller's, nil for none.
func poolsOf(base *http.Transport) (shared, payOut *http.Transport, p *pools) {
	cfg := Config{MaxIdleConns: 8, IdleConnTimeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler)}
	if base != nil {
		cfg.HTTPClient = &http.Client{Transport: base}
	}
	p = newPools(cfg)
	return p.shared.(*provingTransport).base, p.payOut.(*provingTransport).base, p
}

func TestOurOwnTransport(t *testing.T) {
	t.Parallel()
	shared, payOut, p := poolsOf(nil)
	assert.Equal(t, []*http.Transport{shared, payOut}, p.owned)
	assert.NotSame(t, shared, standardTransport)
	for _, base := range []*http.Transport{shared, payOut} {
		assert.Equal(t, 8, base.MaxIdleConns)
		assert.Equal(t, 8, base.MaxIdleConnsPerHost)
		assert.Equal(t, 20*time.Second, base.IdleConnTimeout)
		assert.EqualValues(t, 64<<10, base.MaxResponseHeaderBytes)
		assert.Equal(t, 10*time.Second, base.TLSHandshakeTimeout)
		assert.NotNil(t, base.Proxy, "the environment's")
	}
	assert.True(t, shared.ForceAttemptHTTP2)
	assert.False(t, shared.DisableKeepAlives)
	assert.False(t, shared.DisableCompression)

	assert.True(t, payOut.DisableKeepAlives)
	assert.True(t, payOut.DisableCompression)
	assert.False(t, payOut.ForceAttemptHTTP2)
	assert.True(t, payOut.Protocols.HTTP1())
	assert.False(t, payOut.Protocols.HTTP2())
	assert.False(t, payOut.Protocols.UnencryptedHTTP2())
	assert.NotNil(t, payOut.TLSNextProto)
	assert.Empty(t, payOut.TLSNextProto)
	assert.Equal(t, []string{"http/1.1"}, payOut.TLSClientConfig.NextProtos)
	assert.NotNil(t, payOut.TLSClientConfig.ClientSessionCache)
	assert.False(t, payOut.TLSClientConfig.InsecureSkipVerify)
	_, withoutTLS, _ := poolsOf(&http.Transport{DialContext: (&net.Dialer{}).DialContext})
	assert.EqualValues(t, tls.VersionTLS12, withoutTLS.TLSClientConfig.MinVersion)

	for c, want := range map[Class]http.RoundTripper{Read: p.shared, Setup: p.shared, Collect: p.shared, PayOut: p.payOut} {
		assert.Same(t, want, p.transport(c), "class %c", c)
	}
	assert.NotSame(t, p.shared, p.payOut)
}

// The settings of a transport that somebody made on purpose stay; what was not set is.
func TestTheCallersSettingsWin(t *testing.T) {
	t.Parallel()
	cache := tls.NewLRUClientSessionCache(1)
	theirs := &http.Transport{MaxIdleConns: 3, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 1 << 20,
		TLSHandshakeTimeout: time.Second, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, ClientSessionCache: cache, ServerName: "x"}}
	shared, payOut, _ := poolsOf(theirs)
	for _, base := range []*http.Transport{shared, payOut} {
		assert.NotSame(t, theirs, base)
		assert.Equal(t, 3, base.MaxIdleConns)
		assert.Equal(t, 2, base.MaxIdleConnsPerHost)
		assert.Equal(t, time.Minute, base.IdleConnTimeout)
		assert.EqualValues(t, 1<<20, base.MaxResponseHeaderBytes)
		assert.Equal(t, time.Second, base.TLSHandshakeTimeout)
		assert.EqualValues(t, tls.VersionTLS13, base.TLSClientConfig.MinVersion)
		assert.Same(t, cache, base.TLSClientConfig.ClientSessionCache)
		assert.Equal(t, "x", base.TLSClientConfig.ServerName)
	}
	assert.Nil(t, theirs.DialContext, "theirs is not changed")
	assert.Nil(t, theirs.OnProxyConnectResponse)
	assert.False(t, theirs.DisableKeepAlives)
	assert.Same(t, cache, theirs.TLSClientConfig.ClientSessionCache)

	shared, _, _ = poolsOf(&http.Transport{})
	assert.Equal(t, 8, shared.MaxIdleConns)
	assert.Equal(t, 8, shared.MaxIdleConnsPerHost)
	assert.Equal(t, 20*time.Second, shared.IdleConnTimeout)
	assert.EqualValues(t, 64<<10, shared.MaxResponseHeaderBytes)
	assert.Equal(t, 10*time.Second, shared.TLSHandshakeTimeout)
	assert.Nil(t, shared.Proxy, "none was wanted")
}

// A transport speaks HTTP/2 in our hands if it did in its owner's: by itself, net/http
// takes it away from what has a dialer of its own, which ours then has.
func TestWhoSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no") }
	oldDial := func(string, string) (net.Conn, error) { return nil, errors.New("no") }
	none := map[string]func(string, *tls.Conn) http.RoundTripper{}
	for name, row := range map[string]struct {
		base *http.Transport
		want bool
	}{
		"nothing set":    {&http.Transport{}, true},
		"asked for":      {&http.Transport{ForceAttemptHTTP2: true, DialContext: dial}, true},
		"DialContext":    {&http.Transport{DialContext: dial}, false},
		"DialTLSContext": {&http.Transport{DialTLSContext: dial}, false},
		//lint:ignore SA1019 deprecated, and still somebody's only dialer
		"Dial": {&http.Transport{Dial: oldDial}, false},
		//lint:ignore SA1019 deprecated, and still somebody's only dialer
		"DialTLS":          {&http.Transport{DialTLS: oldDial}, false},
		"TLSNextProto":     {&http.Transport{TLSNextProto: none}, false},
		"Protocols":        {&http.Transport{Protocols: new(http.Protocols)}, false},
		"TLSClientConfig":  {&http.Transport{TLSClientConfig: &tls.Config{}}, false},
		"h2 in NextProtos": {&http.Transport{TLSClientConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"}}}, true},
		"other NextProtos": {&http.Transport{TLSClientConfig: &tls.Config{NextProtos: []string{"http/1.1"}}}, false},
		"net/http's own":   {http.DefaultTransport.(*http.Transport), true},
		"a clone of that":  {http.DefaultTransport.(*http.Transport).Clone(), true},
		"its dialer changed": {func() *http.Transport {
			c := http.DefaultTransport.(*http.Transport).Clone()
			c.DialContext = dial
			return c
		}(), true},
	} {
		shared, payOut, _ := poolsOf(row.base)
		assert.Equal(t, row.want, shared.ForceAttemptHTTP2, name)
		assert.False(t, payOut.ForceAttemptHTTP2, name)
	}
}

func TestNilTransports(t *testing.T) {
	t.Parallel()
	for _, none := range []http.RoundTripper{nil, (*http.Transport)(nil)} {
		p := newPools(Config{HTTPClient: &http.Client{Transport: none}, Logger: slog.New(slog.DiscardHandler)})
		assert.Len(t, p.owned, 2)
	}
	assert.False(t, isNilTransport(&http.Transport{}))
	assert.False(t, isNilTransport(roundTrip(nil)))
}

// Not parallel: the variable is everybody's.
func TestAReplacedDefaultTransport(t *testing.T) {
	original := http.DefaultTransport
	defer func() { http.DefaultTransport = original }()
	http.DefaultTransport = roundTrip(func(*http.Request) (*http.Response, error) { return respond(200), nil })
	for _, client := range []*http.Client{nil, {}} {
		e := engine(t, func(cfg *Config) { cfg.HTTPClient = client })
		_, err := e.Do(t.Context(), call(Read))
		require.NoError(t, err, "a program's replacement is used")
	}
	for _, none := range []http.RoundTripper{nil, (*http.Transport)(nil)} {
		http.DefaultTransport = none
		p := newPools(Config{Logger: slog.New(slog.DiscardHandler), MaxIdleConns: 5})
		require.Len(t, p.owned, 2, "net/http's own, as it was")
		assert.Equal(t, 5, p.owned[0].MaxIdleConns)
	}
}

func TestForeignRoundTrippersAreWarnedOf(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := Config{Name: "test: ", Logger: slog.New(slog.NewTextHandler(&log, nil)),
		HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, nil })}}
	p := newPools(cfg)
	assert.Empty(t, p.owned)
	assert.NotNil(t, p.shared)
	assert.NotNil(t, p.payOut)
	assert.Contains(t, log.String(), "level=WARN")
	assert.Contains(t, log.String(), "test: the RoundTripper of Config.HTTPClient, or http.DefaultTransport, is not an *http.Transport: failures cannot be proved unsent, and payouts may share a connection")
	log.Reset()
	_ = newPools(Config{Logger: cfg.Logger})
	assert.Empty(t, log.String())
}

func TestWrappersOfBothPools(t *testing.T) {
	t.Parallel()
	var below []http.RoundTripper
	_, _, plain := poolsOf(nil)
	assert.IsType(t, &provingTransport{}, plain.shared)
	trip := roundTrip(nil)
	p := newPools(Config{Logger: slog.New(slog.DiscardHandler), WrapTransport: func(rt http.RoundTripper) http.RoundTripper {
		below = append(below, rt)
		return trip
	}})
	assert.IsType(t, trip, p.shared)
	assert.IsType(t, trip, p.payOut)
	require.Len(t, below, 2)
	assert.NotSame(t, below[0], below[1])
	assert.Len(t, p.owned, 2)
	p = newPools(Config{Logger: slog.New(slog.DiscardHandler), WrapTransport: func(http.RoundTripper) http.RoundTripper { return nil }})
	assert.IsType(t, &provingTransport{}, p.shared, "a wrapper that returns nothing wraps nothing")
}

// Payouts have a fresh connection each, even below a wrapper that takes Close away;
// the others share.
func TestConnectionsOfEachClass(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: always(status(200))}
		e := f.engine(t, wrapped(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			req = req.Clone(req.Context())
			req.Close = false
			return next.RoundTrip(req)
		}))
		for range 5 {
			_, err := e.Do(t.Context(), call(c))
			require.NoError(t, err)
		}
		assert.Equal(t, map[bool]int{true: 5, false: 1}[c == PayOut], f.connections())
		for _, req := range f.all() {
			assert.Equal(t, c == PayOut, req.Header.Get("Connection") == "close")
		}
	})
	each(t, []Class{Collect}, func(t *testing.T, c Class) {
		f := &far{answer: always(status(200))}
		e := f.engine(t)
		for _, idle := range []time.Duration{19 * time.Second, 21 * time.Second, 0} {
			_, err := e.Do(t.Context(), call(c))
			require.NoError(t, err)
			time.Sleep(idle)
		}
		assert.Equal(t, 2, f.connections(), "an idle one is kept so long and no longer")
	})
}

func TestAProxysAddressStaysOutOfErrors(t *testing.T) {
	t.Parallel()
	const password = "pr0xy-passw0rd"
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{}
		e := f.engine(t, func(cfg *Config) {
			base := f.transport()
			base.Proxy = func(*http.Request) (*url.URL, error) {
				return url.Parse(fmt.Sprintf("http://user:%s@proxy:nonsense", password))
			}
			cfg.HTTPClient = &http.Client{Transport: base}
		})
		_, err := e.Do(t.Context(), call(c))
		assert.Equal(t, NotSent, verdictOf(t, err))
		assert.NotContains(t, err.Error(), password)
		assert.NotContains(t, err.Error(), "user")
	})
	each(t, classes, func(t *testing.T, c Class) {
		for code, tries := range map[int]int{403: 1, 407: 1, 499: 1, 500: 3, 502: 3, 204: 1} {
			f := &far{answer: always(status(code))}
			e := f.engine(t, func(cfg *Config) {
				base := f.transport()
				base.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("user", password)})
				cfg.HTTPClient = &http.Client{Transport: base}
			})
			_, err := e.Do(t.Context(), secured(call(c)))
			end := failureOf(t, err)
			assert.Equal(t, NotSent, end.Verdict)
			assert.Equal(t, tries, end.Attempts, "%d", code)
			assert.EqualError(t, end.Cause, "the proxy answered "+http.StatusText(code))
			assert.Equal(t, tries, f.count())
		}
	})
	synctest.Test(t, func(t *testing.T) { // the caller's own opinion of a proxy's answer stays
		mine := errors.New("not this proxy")
		f := &far{answer: always(status(200))}
		e := f.engine(t, func(cfg *Config) {
			base := f.transport()
			base.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:3128"})
			base.OnProxyConnectResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error { return mine }
			cfg.HTTPClient = &http.Client{Transport: base}
		})
		_, err := e.Do(t.Context(), secured(call(PayOut)))
		require.ErrorIs(t, err, mine)
	})
	shared, _, _ := poolsOf(&http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:3128"})})
	at, err := shared.Proxy(nil)
	require.NoError(t, err)
	assert.Equal(t, "proxy:3128", at.Host)
	assert.NoError(t, shared.OnProxyConnectResponse(t.Context(), nil, nil, respond(200)))
}

// Whatever dials, what it returns is counted.
func TestEveryDialerIsCounted(t *testing.T) {
	t.Parallel()
	below := &wireConn{}
	dial := func(context.Context, string, string) (net.Conn, error) { return below, nil }
	other := func(string, string) (net.Conn, error) { return nil, errors.New("not this one") }
	for name, base := range map[string]*http.Transport{
		"DialContext": {DialContext: dial},
		"Dial":        {Dial: func(string, string) (net.Conn, error) { return below, nil }},
		"both":        {DialContext: dial, Dial: other},
	} {
		shared, _, _ := poolsOf(base)
		conn, err := shared.DialContext(t.Context(), "tcp", "far.example:80")
		require.NoError(t, err, name)
		require.IsType(t, &countingConn{}, conn, name)
		assert.Same(t, below, conn.(*countingConn).Conn, name)
		assert.Nil(t, shared.DialTLSContext, name)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	shared, _, _ := poolsOf(&http.Transport{})
	conn, err := shared.DialContext(t.Context(), "tcp", ln.Addr().String())
	require.NoError(t, err, "net's own")
	require.IsType(t, &countingConn{}, conn)
	conn.Close()

	shared, _, _ = poolsOf(&http.Transport{DialTLSContext: dial})
	conn, err = shared.DialTLSContext(t.Context(), "tcp", "far.example:443")
	require.NoError(t, err)
	assert.Same(t, below, conn, "net/http looks for a *tls.Conn here")

	shared, _, _ = poolsOf(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nil }})
	conn, err = shared.DialContext(t.Context(), "tcp", "far.example:80")
	assert.NoError(t, err)
	assert.True(t, conn == nil, "and not a counted nothing")
}
