package pipe

import (
	"net"
	"net/http"
	"sync"
)

// Host is a running http.Server that can be stopped with nothing left behind.
type Host struct {
	srv    *http.Server
	conns  sync.WaitGroup
	served chan struct{}
}

// Serve serves on l, which need not be a pipe, until Close. It takes over the
// server's ConnState.
func Serve(l net.Listener, srv *http.Server) *Host {
	h := &Host{srv: srv, served: make(chan struct{})}
	srv.ConnState = h.track
	go func() {
		defer close(h.served)
		_ = srv.Serve(l)
	}()
	return h
}

// track counts connection goroutines. StateNew comes from the accept loop, so
// every Add is over once Serve has returned.
func (h *Host) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		h.conns.Done()
	}
}

// Close ends the listener and all connections and waits for their goroutines, and so
// for the handlers that are at work. The second Close catches a connection accepted
// during the first.
func (h *Host) Close() {
	_ = h.srv.Close()
	<-h.served
	_ = h.srv.Close()
	h.conns.Wait()
}
