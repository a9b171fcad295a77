package testkit

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"time"
)

// Step is one thing the server does on a connection. An error ends the connection.
type Step func(p *Peer) error

// Always is a script that is the same for every connection.
func Always(steps ...Step) func(int) []Step { return func(int) []Step { return steps } }

// InTurn has a script for each connection; the last one goes on.
func InTurn(scripts ...[]Step) func(int) []Step {
	return func(n int) []Step { return scripts[min(n, len(scripts)-1)] }
}

// ReadWhole reads one request with its body, and counts it.
func ReadWhole(p *Peer) error {
	req, err := http.ReadRequest(p.In)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	p.Last = RawRequest{req.Method, req.URL.Path, req.Header, body, p.n}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.requests = append(p.w.requests, p.Last)
	return nil
}

// ReadSome reads exactly n bytes, and counts nothing.
func ReadSome(n int) Step {
	return func(p *Peer) error {
		_, err := io.CopyN(io.Discard, p.Conn, int64(n))
		return err
	}
}

// Send writes raw bytes.
func Send(raw string) Step {
	return func(p *Peer) error {
		p.note(raw)
		_, err := io.WriteString(p.Conn, raw)
		return err
	}
}

// Drip writes raw bytes one at a time.
func Drip(raw string, every time.Duration) Step {
	return func(p *Peer) error {
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

// FIN closes the connection; so does the end of a script.
func FIN(*Peer) error { return io.EOF }

// RST resets the connection.
func RST(p *Peer) error {
	if tcp, ok := p.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	} else {
		p.reset.Store(true)
	}
	return io.EOF
}

// Hang says nothing more until the client has gone.
func Hang(p *Peer) error {
	_, err := io.Copy(io.Discard, p.Conn)
	return err
}

// Pause lets simulated time pass.
func Pause(d time.Duration) Step {
	return func(*Peer) error { time.Sleep(d); return nil }
}

// Good answers the last request as K2 does when all is well.
func Good(p *Peer) error { return Send(GoodAnswer(p.Last))(p) }

// GoodAnswer is what Good sends: a token, a Location, or an incoming payment that is pending.
func GoodAnswer(req RawRequest) string {
	switch {
	case req.Path == "/oauth/token":
		return Answer(200, `{"access_token":"`+Token+`","token_type":"Bearer","expires_in":3600}`)
	case req.Method == http.MethodPost:
		return Answer(201, "", "Location: https://sandbox.kopokopo.com"+req.Path+"/"+ID)
	}
	return Answer(200, `{"data":{"id":"`+path.Base(req.Path)+`","type":"incoming_payment","attributes":{"status":"Pending"}}}`)
}

// Answer writes out an HTTP/1.1 answer.
func Answer(status int, body string, header ...string) string {
	lines := append([]string{fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)), "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(body))}, header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// ServeAll answers every request on the connection until the client has gone.
func ServeAll(p *Peer) error {
	for {
		if err := ReadWhole(p); err != nil {
			return err
		}
		raw := ""
		if p.w.Serve != nil {
			raw = p.w.Serve(p, p.Last)
		}
		if raw == "" {
			raw = GoodAnswer(p.Last)
		}
		if err := Send(raw)(p); err != nil {
			return err
		}
	}
}
