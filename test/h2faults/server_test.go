package h2faults_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// server speaks HTTP/2 frame by frame, or HTTP/1.1 if that is all a client offers, and
// counts the complete requests.
type server struct {
	ln     net.Listener
	config *tls.Config
	// after acts on a complete request, the n-th of all from 1: it answers, resets or
	// ends the connection by returning false.
	after func(c *conn, stream uint32, n int) bool

	mu        sync.Mutex
	complete  map[string]int
	protocols []string
	running   sync.WaitGroup
	conns     []net.Conn
}

// conn is one HTTP/2 connection of the server.
type conn struct {
	*http2.Framer
	s    *server
	path map[uint32]string
}

func newServer(t *testing.T, after func(c *conn, stream uint32, n int) bool) *server {
	t.Helper()
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS() // for its certificate
	config := pair.TLS.Clone()
	pair.Close()
	config.NextProtos = []string{"h2", "http/1.1"}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{ln: ln, config: config, after: after, complete: map[string]int{}}
	s.running.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *server) close() {
	s.ln.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *server) accept() {
	for {
		raw, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, raw)
		s.mu.Unlock()
		s.running.Go(func() {
			defer raw.Close()
			c := tls.Server(raw, s.config)
			if c.Handshake() != nil {
				return
			}
			protocol := c.ConnectionState().NegotiatedProtocol
			s.mu.Lock()
			s.protocols = append(s.protocols, protocol)
			s.mu.Unlock()
			if protocol == "h2" {
				s.frames(c)
			} else {
				s.plain(c)
			}
		})
	}
}

// count notes a complete request and returns how many there were.
func (s *server) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete[what]++
	total := 0
	for _, n := range s.complete {
		total += n
	}
	return total
}

func (s *server) seen(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complete[what]
}

// plain serves HTTP/1.1.
func (s *server) plain(c net.Conn) {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		s.count(r.Method + " " + r.URL.Path)
		w.Header().Set("Location", r.URL.Path+"/"+id)
		w.WriteHeader(http.StatusCreated)
	})}
	one := &oneConn{c: c, done: make(chan struct{})}
	srv.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(one.done)
		}
	}
	srv.Serve(one)
}

// oneConn is a listener with one connection.
type oneConn struct {
	c    net.Conn
	once sync.Once
	done chan struct{}
}

func (l *oneConn) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = l.c })
	if c == nil {
		<-l.done
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.c.LocalAddr() }

// frames serves HTTP/2.
func (s *server) frames(raw net.Conn) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(raw, preface); err != nil {
		return
	}
	c := &conn{Framer: http2.NewFramer(raw, raw), s: s, path: map[uint32]string{}}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if c.WriteSettings() != nil {
		return
	}
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return
		}
		ended := false
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				c.WritePing(true, f.Data)
			}
		case *http2.MetaHeadersFrame:
			c.path[f.StreamID] = f.PseudoValue("method") + " " + f.PseudoValue("path")
			ended = f.StreamEnded()
		case *http2.DataFrame:
			ended = f.StreamEnded()
		}
		if ended {
			stream := frame.Header().StreamID
			if !s.after(c, stream, s.count(c.path[stream])) {
				return
			}
		}
	}
}

// good answers a request as K2 does.
func (c *conn) good(stream uint32) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	what := c.path[stream]
	status, body := 201, ""
	if what[:3] == "GET" {
		status, body = 200, `{"data":{"id":"`+id+`","type":"incoming_payment","attributes":{}}}`
	}
	enc.WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(status)})
	enc.WriteField(hpack.HeaderField{Name: "location", Value: "/x/" + id})
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		c.WriteData(stream, true, []byte(body))
	}
}

// field answers a request with 201 and one header of the test's.
func (c *conn) field(stream uint32, name, value string) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	enc.WriteField(hpack.HeaderField{Name: ":status", Value: "201"})
	enc.WriteField(hpack.HeaderField{Name: name, Value: value})
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
}
