package testkit

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// RawServer is a scripted raw server that counts the complete requests it read: what a
// server counted, and not what a client believes, is what the fault tests assert. It
// stands on net.Pipe, so that time can be simulated, or on loopback TCP.
type RawServer struct {
	Script func(conn int) []Step                  // what happens on the n-th connection, from 0
	OnDial func(ctx context.Context, n int) error // what happens to the n-th dial, pipes only
	OnConn func(n int, client net.Conn) net.Conn  // wraps the client's end, pipes only
	Serve  func(p *Peer, req RawRequest) string   // the answer of ServeAll; "" is a good one

	Buffered bool // pipes whose server can write before the client reads, as TLS needs it

	mu       sync.Mutex
	requests []RawRequest
	statuses []int
	dials    int
	conns    int
	open     map[*Peer]bool
	closed   bool
	running  sync.WaitGroup
}

// RawRequest is a request that arrived whole.
type RawRequest struct {
	Method, Path string
	Header       http.Header
	Body         []byte
	Conn         int // which of the server's connections it came on, from 0
}

// Peer is one connection as the server has it.
type Peer struct {
	net.Conn
	In   *bufio.Reader // what the client sends; set anew by a step that wraps Conn
	Last RawRequest    // the last request that arrived whole

	w     *RawServer
	n     int
	reset *atomic.Bool // the client sees ECONNRESET instead of the end, pipes only
}

// note keeps the statuses of the answers that are about to be sent.
func (p *Peer) note(raw string) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for _, begun := range strings.SplitAfter(raw, "HTTP/1.1 ")[1:] {
		var status int
		if n, _ := fmt.Sscanf(begun, "%3d ", &status); n == 1 {
			p.w.statuses = append(p.w.statuses, status)
		}
	}
}

// run plays a connection's script.
func (w *RawServer) run(conn net.Conn, reset *atomic.Bool) {
	w.mu.Lock()
	p := &Peer{Conn: conn, w: w, n: w.conns, In: bufio.NewReader(conn), reset: reset}
	w.conns++
	if w.closed {
		w.mu.Unlock()
		conn.Close()
		return
	}
	if w.open == nil {
		w.open = map[*Peer]bool{}
	}
	w.open[p] = true
	w.running.Add(1)
	steps := w.Script(p.n)
	w.mu.Unlock()
	go func() {
		defer w.running.Done()
		defer func() {
			conn.Close()
			w.mu.Lock()
			delete(w.open, p)
			w.mu.Unlock()
		}()
		for _, do := range steps {
			if do(p) != nil {
				return
			}
		}
	}()
}

// Dial is a DialContext that reaches the script over a pipe.
func (w *RawServer) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	n := w.dials
	w.dials++
	w.mu.Unlock()
	if w.OnDial != nil {
		if err := w.OnDial(ctx, n); err != nil {
			return nil, err
		}
	}
	client, server := net.Pipe()
	if w.Buffered {
		server = newQueued(server)
	}
	reset := new(atomic.Bool)
	w.run(server, reset)
	var conn net.Conn = &pipeEnd{Conn: client, reset: reset}
	if w.OnConn != nil {
		conn = w.OnConn(n, conn)
	}
	return conn, nil
}

// Listen serves the script on loopback TCP and returns the base URL.
func (w *RawServer) Listen(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			w.run(conn, nil)
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-accepting
		w.Close()
	})
	return "http://" + ln.Addr().String()
}

// Close ends every connection and waits for the scripts.
func (w *RawServer) Close() {
	w.mu.Lock()
	w.closed = true
	for p := range w.open {
		p.Conn.Close()
	}
	w.mu.Unlock()
	w.running.Wait()
}

// Count returns how many complete requests of a kind arrived.
func (w *RawServer) Count(method, urlPath string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.requests {
		if r.Method == method && r.Path == urlPath {
			n++
		}
	}
	return n
}

// Seen returns the complete requests that arrived, in order.
func (w *RawServer) Seen() []RawRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// Sent returns the statuses of the answers, as they were begun.
func (w *RawServer) Sent() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.statuses)
}

// Connections returns how many connections there were.
func (w *RawServer) Connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns
}

// Dialled returns how often Dial was called, whether it connected or not.
func (w *RawServer) Dialled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}
