package testkit

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The cases of a Receiver in which the protocol is in question.

// SenderHangsUp is W28: the sender goes while the function is at work.
func (r *Receiver) SenderHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive error = context.Canceled
		h := r.hook(t, func(ctx context.Context, _ Delivery) error {
			time.Sleep(4 * time.Second)
			alive = ctx.Err()
			return alive
		})
		c := OnWire(t, h).Open()
		_, err := io.WriteString(c, r.whole(r.Body))
		require.NoError(t, err)
		time.Sleep(time.Second)
		c.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, alive)
		h.Idle(1)
		require.Equal(t, 200, h.Post(r.Body))
		h.Idle(1)
	})
}

// Protocols is W31: the ways in which HTTP can carry a delivery.
func (r *Receiver) Protocols(t *testing.T) {
	for name, row := range map[string]struct {
		run   func(t *testing.T, h *Hook)
		calls int
	}{
		"http 1.0":            {r.http10, 1},
		"pipelined":           {r.pipelined, 2},
		"trailers":            {r.trailers, 1},
		"expect 100-continue": {r.expectContinue, 1},
		"h2":                  {r.http2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := r.hook(t, nil)
			row.run(t, h)
			h.Idle(row.calls)
		})
	}
}

func (r *Receiver) http10(t *testing.T, h *Hook) {
	require.Equal(t, 200, WireStatus(t, h, strings.Replace(r.whole(r.Body), "HTTP/1.1", "HTTP/1.0", 1)))
}

func (r *Receiver) pipelined(t *testing.T, h *Hook) {
	raw := r.whole(r.Body) + r.whole(r.Other(1)) + r.whole(r.Body)
	for _, resp := range Exchange(t, OnWire(t, h).Open(), raw, 3) {
		require.Equal(t, 200, resp.StatusCode)
	}
}

func (r *Receiver) trailers(t *testing.T, h *Hook) {
	raw := r.head(r.Body, "Transfer-Encoding: chunked", "Trailer: X-Sum", "") +
		fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n", len(r.Body), r.Body)
	require.Equal(t, 200, WireStatus(t, h, raw))
}

func (r *Receiver) expectContinue(t *testing.T, h *Hook) {
	c := OnWire(t, h).Open()
	defer c.Close()
	_, err := io.WriteString(c, r.head(r.Body, Length(r.Body), "Expect: 100-continue", ""))
	require.NoError(t, err)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 100, resp.StatusCode)
	go io.WriteString(c, r.Body)
	resp, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
}

func (r *Receiver) http2(t *testing.T, h *Hook) {
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{}
	srv.StartTLS()
	defer srv.Close()
	signed := r.signed(r.Body)
	req, err := http.NewRequest(http.MethodPost, srv.URL, signed.Body)
	require.NoError(t, err)
	req.Header = signed.Header
	resp, err := srv.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 2, resp.ProtoMajor)
	require.Equal(t, 200, resp.StatusCode)
}

// BodyAlreadyRead is W32: a middleware that read or closed the body before.
func (r *Receiver) BodyAlreadyRead(t *testing.T) {
	h := r.hook(t, nil)
	eater := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		h.ServeHTTP(w, req)
	})
	closer := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.Body.Close()
		h.ServeHTTP(w, req)
	})
	for _, middleware := range []http.Handler{eater, closer} {
		require.Equal(t, 500, WireStatus(t, middleware, r.whole(r.Body)))
	}
	h.Idle(0)
	twice := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.ServeHTTP(httptest.NewRecorder(), req)
		h.ServeHTTP(w, req) // the body was read by the first
	})
	require.Equal(t, 500, WireStatus(t, twice, r.whole(r.Body)))
	h.Idle(1)
	require.Contains(t, h.Log.String(), "read before it got here")
}

// Framing is W33: lengths that contradict each other or the body.
func (r *Receiver) Framing(t *testing.T) {
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(r.Body), r.Body)
	h := r.hook(t, nil)
	require.Equal(t, 200, WireStatus(t, h, r.head(r.Body, "Content-Length: 5", "Transfer-Encoding: chunked", "")+chunked))
	h.Idle(1)
	require.Equal(t, 400, WireStatus(t, h, r.head(r.Body, Length(r.Body), "Content-Length: 5", "")+r.Body))
	h.Idle(1)
	// A shorter length than was signed leaves other bytes than were signed.
	require.Equal(t, r.Status, WireStatus(t, h, r.head(r.Body, "Content-Length: 5", "")+r.Body[:5]))
	h.Idle(1)
	require.EqualValues(t, 1, h.BadSignatures())
}
