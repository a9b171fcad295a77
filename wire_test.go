package kopokopo_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wire is a scripted raw server that counts the complete requests it read: what a
// server counted, and not what a client believes, is what the fault tests assert. It
// stands on net.Pipe, so that time can be simulated, or on loopback TCP.
type wire struct {
	script func(conn int) []step                  // what happens on the n-th connection, from 0
	onDial func(ctx context.Context, n int) error // what happens to the n-th dial, pipes only
	onConn func(n int, client net.Conn) net.Conn  // wraps the client's end, pipes only
	serve  func(p *peer, req wireRequest) string  // the answer of serveAll; "" is a good one

	buffered bool // pipes whose server can write before the client reads, as TLS needs it

	mu       sync.Mutex
	requests []wireRequest
	statuses []int
	dials    int
	conns    int
	open     map[*peer]bool
	closed   bool
	running  sync.WaitGroup
}

// wireRequest is a request that arrived whole.
type wireRequest struct {
	Method, Path string
	Header       http.Header
	Body         []byte
	Conn         int
}

// peer is one connection as the server has it.
type peer struct {
	net.Conn
	w     *wire
	n     int
	in    *bufio.Reader
	last  wireRequest
	reset *atomic.Bool // the client sees ECONNRESET instead of the end, pipes only
}

// step is one thing the server does on a connection. An error ends the connection.
type step func(p *peer) error

// always is a script that is the same for every connection.
func always(steps ...step) func(int) []step { return func(int) []step { return steps } }

// inTurn has a script for each connection; the last one goes on.
func inTurn(scripts ...[]step) func(int) []step {
	return func(n int) []step { return scripts[min(n, len(scripts)-1)] }
}

// readWhole reads one request with its body, and counts it.
func readWhole(p *peer) error {
	req, err := http.ReadRequest(p.in)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	p.last = wireRequest{req.Method, req.URL.Path, req.Header, body, p.n}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.requests = append(p.w.requests, p.last)
	return nil
}

// readSome reads exactly n bytes, and counts nothing.
func readSome(n int) step {
	return func(p *peer) error {
		_, err := io.CopyN(io.Discard, p.Conn, int64(n))
		return err
	}
}

// send writes raw bytes.
func send(raw string) step {
	return func(p *peer) error {
		p.note(raw)
		_, err := io.WriteString(p.Conn, raw)
		return err
	}
}

// drip writes raw bytes one at a time.
func drip(raw string, every time.Duration) step {
	return func(p *peer) error {
		p.note(raw)
		for i := range len(raw) {
			if _, err := io.WriteString(p.Conn, raw[i:i+1]); err != nil {
				return err
			}
			time.Sleep(every) // of a bubble
		}
		return nil
	}
}

// fin closes the connection; so does the end of a script.
func fin(*peer) error { return io.EOF }

// rst resets the connection.
func rst(p *peer) error {
	if tcp, ok := p.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	} else {
		p.reset.Store(true)
	}
	return io.EOF
}

// hang says nothing more until the client has gone.
func hang(p *peer) error {
	_, err := io.Copy(io.Discard, p.Conn)
	return err
}

// pause lets simulated time pass.
func pause(d time.Duration) step {
	return func(*peer) error { time.Sleep(d); return nil }
}

// good answers the last request as K2 does when all is well.
func good(p *peer) error { return send(goodAnswer(p.last))(p) }

func goodAnswer(req wireRequest) string {
	switch {
	case req.Path == "/oauth/token":
		return answer(200, `{"access_token":"`+testToken+`","token_type":"Bearer","expires_in":3600}`)
	case req.Method == http.MethodPost:
		return answer(201, "", "Location: https://sandbox.kopokopo.com"+req.Path+"/"+testID)
	}
	return answer(200, `{"data":{"id":"`+path.Base(req.Path)+`","type":"incoming_payment","attributes":{"status":"Pending"}}}`)
}

// answer writes out an HTTP/1.1 answer.
func answer(status int, body string, header ...string) string {
	lines := append([]string{fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)), "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(body))}, header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// serveAll answers every request on the connection until the client has gone.
func serveAll(p *peer) error {
	for {
		if err := readWhole(p); err != nil {
			return err
		}
		raw := ""
		if p.w.serve != nil {
			raw = p.w.serve(p, p.last)
		}
		if raw == "" {
			raw = goodAnswer(p.last)
		}
		if err := send(raw)(p); err != nil {
			return err
		}
	}
}

// note keeps the statuses of the answers that are about to be sent.
func (p *peer) note(raw string) {
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
func (w *wire) run(conn net.Conn, reset *atomic.Bool) {
	w.mu.Lock()
	p := &peer{Conn: conn, w: w, n: w.conns, in: bufio.NewReader(conn), reset: reset}
	w.conns++
	if w.closed {
		w.mu.Unlock()
		conn.Close()
		return
	}
	if w.open == nil {
		w.open = map[*peer]bool{}
	}
	w.open[p] = true
	w.running.Add(1)
	steps := w.script(p.n)
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

// dial is a DialContext that reaches the script over a pipe.
func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	n := w.dials
	w.dials++
	w.mu.Unlock()
	if w.onDial != nil {
		if err := w.onDial(ctx, n); err != nil {
			return nil, err
		}
	}
	client, server := net.Pipe()
	if w.buffered {
		server = newQueued(server)
	}
	reset := new(atomic.Bool)
	w.run(server, reset)
	var conn net.Conn = &pipeEnd{Conn: client, reset: reset}
	if w.onConn != nil {
		conn = w.onConn(n, conn)
	}
	return conn, nil
}

// listen serves the script on loopback TCP and returns the base URL.
func (w *wire) listen(t testing.TB) string {
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
		w.close()
	})
	return "http://" + ln.Addr().String()
}

// close ends every connection and waits for the scripts.
func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	for p := range w.open {
		p.Conn.Close()
	}
	w.mu.Unlock()
	w.running.Wait()
}

// count returns how many complete requests of a kind arrived.
func (w *wire) count(method, urlPath string) int {
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

func (w *wire) seen() []wireRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

func (w *wire) sent() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.statuses)
}

func (w *wire) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns
}

func (w *wire) dialled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}
