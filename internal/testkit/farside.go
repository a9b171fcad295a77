package testkit

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// SeenRequest is a request as a server saw it.
type SeenRequest struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
}

// FarSide is an HTTP server on loopback that notes requests, and the connections they
// came on. It is safe for concurrent use.
type FarSide struct {
	URL string // its base URL, without a trailing slash

	mu       sync.Mutex
	requests []SeenRequest
	conns    int
}

// NewFarSide starts a server on loopback that notes what it receives before h answers.
func NewFarSide(t testing.TB, h http.HandlerFunc) *FarSide {
	t.Helper()
	f := &FarSide{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.note(r)
		h(w, r)
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			f.mu.Lock()
			f.conns++
			f.mu.Unlock()
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	f.URL = srv.URL
	return f
}

// note keeps a copy of a request and leaves its body readable.
func (f *FarSide) note(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, SeenRequest{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), body})
}

// Seen returns the requests that arrived, in order.
func (f *FarSide) Seen() []SeenRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]SeenRequest(nil), f.requests...)
}

// Only returns the one request there was.
func (f *FarSide) Only(t testing.TB) SeenRequest {
	t.Helper()
	requests := f.Seen()
	require.Len(t, requests, 1, "requests the server received")
	return requests[0]
}

// Connections returns how many connections were opened.
func (f *FarSide) Connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns
}

// Config reaches the server, once for each call: what is repeated, and when, is
// tested with the retries.
func (f *FarSide) Config() kopokopo.Config {
	return kopokopo.Config{BaseURL: f.URL, Credentials: Credentials(), MaxRetries: -1}
}

// SDK is a façade that reaches the server.
func (f *FarSide) SDK() kopokopo.SDK { return kopokopo.NewSDK(f.Config()) }

// Created answers a create with a Location below the path that was posted to.
func Created(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "https://sandbox.kopokopo.com"+r.URL.Path+"/"+ID)
	w.WriteHeader(http.StatusCreated)
}

// Answering returns a handler with one canned answer.
func Answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}
