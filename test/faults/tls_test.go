package faults_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// N04 to N06 and N18 to N20: TLS, proxies and the choice of the protocol.

const tlsHost = "k2.example"

// testCA issues certificates. Bubbles begin in the year 2000, so they are valid for long.
type testCA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

var newTestCA = sync.OnceValue(func() *testCA {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4e9, 0), KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &testCA{key, cert}
})

func (ca *testCA) issue(t testing.TB, host string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: time.Unix(0, 0), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (ca *testCA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// secure is the step that speaks TLS from here on.
func secure(cfg *tls.Config) step {
	return func(p *peer) error {
		conn := tls.Server(p.Conn, cfg)
		p.Conn, p.In = conn, bufio.NewReader(conn)
		return conn.Handshake()
	}
}

// overTLS points a client at the script through TLS, in a transport of the caller's.
func (e *env) overTLS(roots *x509.CertPool) *http.Transport {
	t := &http.Transport{DialContext: e.w.Dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
	e.cfg.BaseURL = "https://" + tlsHost
	e.w.Buffered = true
	e.cfg.HTTPClient = &http.Client{Transport: t}
	return t
}

var longAgo, farAhead = time.Unix(1000, 0), time.Unix(4e9, 0)

func TestFault_N04_TLSThatCannotBeTrusted(t *testing.T) {
	ca := newTestCA()
	tests := map[string]struct {
		server *tls.Config
		roots  *x509.CertPool
		typed  bool // a certificate error
	}{
		"unknown CA":   {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, tlsHost, farAhead)}}, x509.NewCertPool(), true},
		"wrong name":   {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "other.example", farAhead)}}, ca.pool(), true},
		"expired":      {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, tlsHost, longAgo)}}, ca.pool(), true},
		"TLS 1.0 only": {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, tlsHost, farAhead)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, ca.pool(), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, []string{callers}, func(e *env) {
				e.overTLS(tt.roots)
				e.w.Script = always(secure(tt.server), serveAll)
				err := e.call(e.Context())
				e.expect(err, map[string]want{"*": endsNotSent(1), "R": endsFailing(0, 1)})
				var cert *tls.CertificateVerificationError
				assert.Equal(e.T, tt.typed, errors.As(err, &cert), "%v", err)
			})
		})
	}
}

func TestFault_N05_PlainHTTPOnTheTLSPort(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.overTLS(newTestCA().pool())
		e.w.Script = always(send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), hang)
		e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(1), "R": endsFailing(0, 1)})
	})
}

const proxySecret = "pr0xy-passw0rd"

func TestFault_N06_Proxy(t *testing.T) {
	ca := newTestCA()
	answering := func(raw string) func(int) []step { return always(readWhole, send(raw), hang) }
	tests := map[string]struct {
		script   func(int) []step
		dial     error
		attempts int
	}{
		"407":     {answering("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), nil, 1},
		"403":     {answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), nil, 1},
		"502":     {answering("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), nil, 3},
		"garbage": {answering("SSH-2.0\r\n\r\n"), nil, 3},
		"refused": {always(hang), &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, 3},
		"TLS inside fails": {always(readWhole, send("HTTP/1.1 200 OK\r\n\r\n"),
			secure(&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "other.example", farAhead)}})), nil, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, []string{callers}, func(e *env) {
				transport := e.overTLS(ca.pool())
				transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128", User: url.UserPassword("proxyuser", proxySecret)})
				e.w.Script = tt.script
				if tt.dial != nil {
					e.w.OnDial = failDial(tt.dial)
				}
				err := e.call(e.Context())
				e.expect(err, map[string]want{"*": endsNotSent(tt.attempts), "R": endsFailing(0, tt.attempts)})
				assert.NotContains(e.T, err.Error(), proxySecret)
				assert.NotContains(e.T, err.Error(), "proxyuser")
			})
		})
	}
	t.Run("an address that cannot be read", func(t *testing.T) {
		fault(t, everyone, []string{callers}, func(e *env) {
			malformed := "http://proxyuser:" + proxySecret + "@proxy.example:nonsense"
			e.overTLS(ca.pool()).Proxy = func(*http.Request) (*url.URL, error) {
				return url.Parse(malformed)
			}
			err := e.call(e.Context())
			e.expect(err, map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3)})
			assert.NotContains(e.T, err.Error(), proxySecret)
		})
	})
}

// deaf fails every write once it is told to.
type deaf struct {
	net.Conn
	told *atomic.Bool
}

func (c *deaf) Write(b []byte) (int, error) {
	const longestAlert = 31 // the goodbye gets through
	if c.told.Load() && len(b) > longestAlert {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return c.Conn.Write(b)
}

// The proof holds below TLS, behind a proxy, and in TLS within the TLS of a proxy: a
// connection that fails once it is had, before a byte was written, is gone on from.
func TestFault_N08_WriteFailsWithNothingWrittenInTLS(t *testing.T) {
	server := secure(&tls.Config{Certificates: []tls.Certificate{newTestCA().issue(t, tlsHost, farAhead)}})
	tunnel := []step{readWhole, send("HTTP/1.1 200 OK\r\n\r\n"), server, serveAll}
	tests := map[string]struct {
		proxy  string
		script []step
	}{
		"no proxy":      {"", []step{server, serveAll}},
		"a proxy":       {"http://proxy.example:3128", tunnel},
		"a proxy's TLS": {"https://" + tlsHost + ":3128", append([]step{server}, tunnel...)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, []string{callers}, func(e *env) {
				transport := e.overTLS(newTestCA().pool())
				if tt.proxy != "" {
					proxy, err := url.Parse(tt.proxy)
					require.NoError(e.T, err)
					transport.Proxy = http.ProxyURL(proxy)
				}
				var first atomic.Bool
				e.w.Script = always(tt.script...)
				e.w.OnConn = func(n int, c net.Conn) net.Conn {
					if n == 0 {
						return &deaf{c, &first}
					}
					return c
				}
				ctx := httptrace.WithClientTrace(e.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { first.Store(true) }})
				e.expect(e.call(ctx), map[string]want{"*": endsWell(1, 2)})
			})
		})
	}
}

// proxyChildEnv makes TestFault_N06_ProxyFromEnvironment the process that has a proxy
// in its environment, which net/http reads only once.
const proxyChildEnv = "KOPOKOPO_TEST_PROXY_CHILD"

func TestFault_N06_ProxyFromEnvironment(t *testing.T) {
	if base := os.Getenv(proxyChildEnv); base != "" {
		client, err := kopokopo.New(kopokopo.Config{BaseURL: base, TokenSource: fixedToken, MaxRetries: -1})
		require.NoError(t, err)
		defer client.Close()
		t.Logf("outcome: %v", columns["M"].call(t.Context(), client))
		return
	}
	w := &wire{Script: always(readWhole, send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))}
	proxy := "http://proxyuser:" + proxySecret + "@" + w.Listen(t)[len("http://"):]
	run := func(base string, noProxy string) string {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFault_N06_ProxyFromEnvironment$", "-test.v")
		cmd.Env = append(os.Environ(), proxyChildEnv+"="+base, "HTTPS_PROXY="+proxy, "NO_PROXY="+noProxy)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	out := run("https://k2.invalid", "")
	assert.Contains(t, out, "not sent")
	assert.NotContains(t, out, proxySecret)
	require.Len(t, w.Seen(), 1, "our transport asks the proxy")
	assert.Equal(t, http.MethodConnect, w.Seen()[0].Method)
	out = run("https://127.0.0.1:1", "127.0.0.1")
	assert.Contains(t, out, "not sent")
	assert.Len(t, w.Seen(), 1, "NO_PROXY is heeded")
}

// offers runs the call over TLS and returns the protocols the client offered.
func (e *env) offers() [][]string {
	var mu sync.Mutex
	var offered [][]string
	e.overTLS(newTestCA().pool()).ForceAttemptHTTP2 = true
	server := &tls.Config{Certificates: []tls.Certificate{newTestCA().issue(e.T, tlsHost, farAhead)}}
	server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		offered = append(offered, slices.Clone(hello.SupportedProtos))
		return nil, nil
	}
	e.w.Script = always(secure(server), serveAll)
	require.NoError(e.T, e.call(e.Context()))
	require.NoError(e.T, e.call(e.Context()))
	mu.Lock()
	defer mu.Unlock()
	return offered
}

// The faults of HTTP/2 cannot befall a payout: it never offers the protocol. What
// they do to the other classes is tested in the module test/h2faults.
func payoutsOfferOnlyHTTP1(t *testing.T) {
	fault(t, "M", []string{callers}, func(e *env) {
		assert.Equal(e.T, [][]string{{"http/1.1"}, {"http/1.1"}}, e.offers())
		assert.Equal(e.T, 2, e.w.Count(e.col.method, e.col.path))
	})
	fault(t, "C", []string{callers}, func(e *env) {
		assert.Equal(e.T, [][]string{{"h2", "http/1.1"}}, e.offers(), "one connection, and the others may speak HTTP/2")
		assert.Equal(e.T, 2, e.w.Count(e.col.method, e.col.path))
	})
}

func TestFault_N18_HTTP2ProtocolErrorCannotHappen(t *testing.T) { payoutsOfferOnlyHTTP1(t) }
func TestFault_N19_HTTP2RefusedStreamCannotHappen(t *testing.T) { payoutsOfferOnlyHTTP1(t) }
func TestFault_N20_HTTP2InternalErrorCannotHappen(t *testing.T) { payoutsOfferOnlyHTTP1(t) }
func TestFault_N18_PayoutsResumeTheirTLSSessions(t *testing.T) {
	fault(t, "M", []string{callers}, func(e *env) {
		var mu sync.Mutex
		var resumed []bool
		e.overTLS(newTestCA().pool())
		e.w.Script = always(secure(&tls.Config{Certificates: []tls.Certificate{newTestCA().issue(e.T, tlsHost, farAhead)},
			VerifyConnection: func(s tls.ConnectionState) error {
				mu.Lock()
				defer mu.Unlock()
				resumed = append(resumed, s.DidResume)
				return nil
			}}), serveAll)
		for range 3 {
			require.NoError(e.T, e.call(e.Context()))
		}
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(e.T, []bool{false, true, true}, resumed)
	})
}
