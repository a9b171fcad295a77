package kopokopotest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// Handle has h receive what is posted to this URL, a callback_url or a webhook's
// url: host and path decide, scheme and query do not. Nothing is dialled; h serves
// a real request over an in-memory connection, so any https URL will do, such as
// https://shop.example/hook. A later h for the same URL replaces the earlier, and
// nil removes it. Handle panics if the URL has no host.
func (s *Server) Handle(rawURL string, h http.Handler) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		panic("kopokopotest: Handle needs an absolute URL")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h == nil {
		delete(s.handlers, handlerKey(u.Host, u.Path))
		return
	}
	s.handlers[handlerKey(u.Host, u.Path)] = h
}

func handlerKey(host, path string) string {
	if path == "" {
		path = "/"
	}
	return strings.ToLower(host) + path
}

func (s *Server) handler(host, path string) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handlers[handlerKey(host, path)]
}

// serveMerchant hands a delivery to the handler registered for its URL.
func (s *Server) serveMerchant(w http.ResponseWriter, r *http.Request) {
	h := s.handler(r.Host, r.URL.Path)
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

// route chooses the way to a URL: to a registered handler, or to a socket of this
// machine. A host name is not even looked up, since nothing behind it could be
// meant; localhost is the exception.
func (s *Server) route(rawURL string) (*http.Client, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("kopokopotest: deliver: %w", err)
	}
	if s.handler(u.Host, u.Path) != nil {
		return s.inside, nil
	}
	_, err = netip.ParseAddr(u.Hostname())
	if s.memory || (err != nil && !strings.EqualFold(u.Hostname(), "localhost")) {
		return nil, ErrNotLoopback
	}
	return s.outside, nil
}

// loopbackTransport reaches the loopback interface only. The check is made on the
// address about to be connected, after any name was resolved, so no name and no
// notation of an address gets around it.
func loopbackTransport(roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		ip, err := netip.ParseAddrPort(address)
		if err != nil || !ip.Addr().Unmap().IsLoopback() {
			return ErrNotLoopback
		}
		return nil
	}}
	return &http.Transport{
		DialContext:        dialer.DialContext,
		DisableKeepAlives:  true, // no connection outlives its delivery
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
}

// noRedirect makes a redirect an answer like any other: a signed event goes to the
// URL it was meant for or nowhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
