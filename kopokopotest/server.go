package kopokopotest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/pipe"
)

// Server is an embedded Kopo Kopo. Its methods may be called from several
// goroutines at once.
type Server struct {
	// URL is the base URL of the API, without a trailing slash.
	URL string

	creds  kopokopo.Credentials
	memory bool
	settings

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	api       *pipe.Host
	apiClient *http.Client
	merchants *pipe.Host
	inside    *http.Client // to the merchant's handlers
	outside   *http.Client // to loopback sockets

	handling  tracker // API requests being answered
	jobs      tracker // transitions and deliveries outstanding
	endpoints map[string]*endpoint
	closed    sync.Once

	mu       sync.Mutex // guards what follows
	handlers map[string]http.Handler
	faults   []*Fault
	ledger
	records
}

// NewServer starts a server on a free port of the loopback interface. The caller
// should Close it when done. It panics if it cannot listen, as httptest does.
func NewServer(opts ...Option) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("kopokopotest: failed to listen on the loopback interface: %v", err))
	}
	s := newServer(opts)
	s.URL = "http://" + l.Addr().String()
	s.apiClient = &http.Client{Transport: &http.Transport{}}
	s.outside = &http.Client{Transport: loopbackTransport(s.roots), CheckRedirect: noRedirect}
	s.start(l)
	return s
}

// NewInMemoryServer starts a server that is reached over in-memory pipes only: no
// port, no socket. Use it inside a testing/synctest bubble, where hours of
// processing and token lifetime then pass at once. [Server.Client], and the
// HTTPClient in [Server.Config], reach it; its own deliveries reach only URLs
// registered with [Server.Handle].
func NewInMemoryServer(opts ...Option) *Server {
	l := pipe.Listen()
	s := newServer(opts)
	s.memory = true
	s.URL = "http://127.0.0.1:1" // never dialled; plain http is accepted for a loopback literal
	s.apiClient = &http.Client{Transport: l.Transport()}
	s.start(l)
	return s
}

func newServer(opts []Option) *Server {
	s := &Server{
		settings: newSettings(opts),
		creds:    newCredentials(),
		jobs:     tracker{max: maxOutstanding},
		handlers: map[string]http.Handler{},
	}
	s.endpoints = endpointTable()
	s.openLedger()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *Server) start(l net.Listener) {
	merchants := pipe.Listen()
	transport := merchants.Transport()
	transport.DisableKeepAlives, transport.DisableCompression = true, true
	s.inside = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	s.merchants = host(merchants, s.serveMerchant)
	s.api = host(l, s.serveAPI)
}

// readHeaderTimeout ends connections that never send a request.
const readHeaderTimeout = 30 * time.Second

func host(l net.Listener, h http.HandlerFunc) *pipe.Host {
	return pipe.Serve(l, &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout})
}

// Config returns a Config with the server's URL and credentials, ready for
// kopokopo.New and kopokopo.NewSDK. That of an in-memory server also carries the
// HTTPClient that reaches it.
func (s *Server) Config() kopokopo.Config {
	cfg := kopokopo.Config{BaseURL: s.URL, Credentials: s.creds}
	if s.memory {
		cfg.HTTPClient = s.apiClient
	}
	return cfg
}

// Client returns an HTTP client that reaches the server and whose idle
// connections end with it. That of an in-memory server reaches the server
// whatever host a URL names.
func (s *Server) Client() *http.Client { return s.apiClient }

// Close shuts the server down: it lets requests being answered finish, gives up
// transitions and deliveries that are still outstanding, and returns when no
// goroutine of the server is left. To let everything happen first, call
// [Server.WaitIdle]. Closing again does nothing. It waits for handlers registered
// with [Server.Handle] to return, so do not call it from one.
func (s *Server) Close() {
	s.closed.Do(func() {
		s.handling.close()
		s.jobs.close()
		s.cancel()
		_ = s.handling.wait(context.Background())
		s.api.Close()
		_ = s.jobs.wait(context.Background())
		s.merchants.Close()
		s.apiClient.CloseIdleConnections()
	})
}
