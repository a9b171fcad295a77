// Package pipe is a network in memory: a listener whose connections are net.Pipe
// pairs, the transport that reaches it, and a host for the servers on it. A pipe
// blocks on channels only, so a testing/synctest bubble sees a waiting server as
// durably blocked and can move its clock; a socket would hold it still.
package pipe

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener is a net.Listener whose connections are net.Pipe pairs. It is safe for
// concurrent use.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Listen opens a listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next dial. After Close its error is net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and every dial.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr names the listener.
func (l *Listener) Addr() net.Addr { return Addr{} }

// Addr is the address of every end of a pipe.
type Addr struct{}

// Network returns "pipe".
func (Addr) Network() string { return "pipe" }

// String returns "pipe".
func (Addr) String() string { return "pipe" }

// Dial has the signature of http.Transport.DialContext. The address is ignored:
// whatever host a request names, it reaches this listener. It waits until the
// connection is accepted; its error is the context's, or net.ErrClosed.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
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

// Transport returns a RoundTripper that reaches only this listener. Naming it as
// the TLS dialler too makes https URLs work over the plain pipe, so any callback
// URL can be served without a certificate.
func (l *Listener) Transport() *http.Transport {
	return &http.Transport{DialContext: l.Dial, DialTLSContext: l.Dial}
}
