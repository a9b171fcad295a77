package kopokopotest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// pipeListener is a net.Listener whose connections are net.Pipe pairs. A pipe
// blocks on channels only, so a testing/synctest bubble sees a waiting server as
// durably blocked and can move its clock; a socket would hold it still.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next dial.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and every dial.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr names the listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// dial has the signature of http.Transport.DialContext. The address is ignored:
// whatever host a request names, it reaches this listener.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = client.Close()
	_ = server.Close()
	return nil, err
}

// transport returns a RoundTripper that reaches only this listener. Naming it as
// the TLS dialler too makes https URLs work over the plain pipe, so any callback
// URL can be served without a certificate.
func (l *pipeListener) transport() *http.Transport {
	return &http.Transport{DialContext: l.dial, DialTLSContext: l.dial}
}

// readHeaderTimeout ends connections that never send a request.
const readHeaderTimeout = 30 * time.Second

// host is a running http.Server that can be stopped with nothing left behind.
type host struct {
	srv    *http.Server
	conns  sync.WaitGroup
	served chan struct{}
}

// startHost serves h on l until close.
func startHost(l net.Listener, h http.Handler) *host {
	out := &host{served: make(chan struct{})}
	out.srv = &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout, ConnState: out.track}
	go func() {
		defer close(out.served)
		_ = out.srv.Serve(l)
	}()
	return out
}

// track counts connection goroutines. StateNew comes from the accept loop, so
// every Add is over once Serve has returned.
func (h *host) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		h.conns.Done()
	}
}

// close ends the listener and all connections and waits for their goroutines.
// The second Close catches a connection accepted during the first.
func (h *host) close() {
	_ = h.srv.Close()
	<-h.served
	_ = h.srv.Close()
	h.conns.Wait()
}
