package testkit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The cases of a Receiver in which the body or the connection is in question.

// Sizes is W13: a body at its limit, and one byte beyond it.
func (r *Receiver) Sizes(t *testing.T) {
	const limit = 1 << 10
	pad := func(n int) string { return r.Body + strings.Repeat(" ", n-len(r.Body)) }
	h := r.hook(t, nil, Settings{MaxBody: limit})
	require.Equal(t, 200, h.Post(pad(limit)))
	require.Equal(t, 413, h.Post(pad(limit+1)))
	req := r.signed(pad(limit + 1))
	req.ContentLength = -1 // chunked
	require.Equal(t, 413, h.Serve(req).StatusCode)
	h.Idle(1)
	h = r.hook(t, nil) // the default is 1 MiB
	require.Equal(t, 200, h.Post(pad(1<<20)))
	require.Equal(t, 413, h.Post(pad(1<<20+1)))
	h.Idle(1)
}

// SizesOnTheWire is W13 where a body is announced, large or endless.
func (r *Receiver) SizesOnTheWire(t *testing.T) {
	h := r.hook(t, nil)
	// Refused on its Content-Length alone: nothing of the body is ever sent.
	resp := Exchange(t, OnWire(t, h).Open(), r.head("", "Content-Length: "+strconv.Itoa(10<<20), ""), 1)[0]
	require.Equal(t, 413, resp.StatusCode)
	require.True(t, resp.Close)
	for name, chunks := range map[string]int{"10 MB": 160, "endless": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			c := OnWire(t, h).Open()
			defer c.Close()
			go func() {
				io.WriteString(c, r.head("", "Transfer-Encoding: chunked", ""))
				chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat(" ", 64<<10))
				for range chunks {
					if _, err := io.WriteString(c, chunk); err != nil {
						return
					}
				}
			}()
			in := bufio.NewReader(c)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, 413, resp.StatusCode)
			require.True(t, resp.Close)
			_, err = in.ReadByte()
			require.ErrorIs(t, err, io.EOF, "the connection is closed")
		})
	}
	h.Idle(0)
}

// SlowBody is W14: a body of a byte a second, which would take minutes.
func (r *Receiver) SlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := r.hook(t, nil)
		c := OnWire(t, h).Open()
		defer c.Close()
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			io.WriteString(c, r.head(r.Body, Length(r.Body), ""))
			for i := range r.Body {
				time.Sleep(time.Second)
				if _, err := io.WriteString(c, r.Body[i:i+1]); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, 408, resp.StatusCode)
		require.Equal(t, 10*time.Second, time.Since(start), "the read deadline reaches the connection")
		c.Close()
		<-stop
		h.Idle(0)
	}) // the bubble ends only when the server's goroutine is gone
}

// SenderVanishes is W15: the connection ends in the body or before it.
func (r *Receiver) SenderVanishes(t *testing.T) {
	for name, sent := range map[string]string{"in the body": r.Body[:100], "before the body": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := r.hook(t, nil)
				c := OnWire(t, h).Open()
				_, err := io.WriteString(c, r.head(r.Body, Length(r.Body), "")+sent)
				require.NoError(t, err)
				c.Close()
				synctest.Wait()
				total, _ := h.Store.Len()
				require.Zero(t, total)
				h.Idle(0)
			})
		})
	}
	// A transport that hides the loss is found by the length.
	h := r.hook(t, nil)
	req := r.signed(r.Body)
	req.ContentLength++
	require.Equal(t, 400, h.Serve(req).StatusCode)
	h.Idle(0)
}

// Encoded is W16: a body in a coding that its signature was not made over.
func (r *Receiver) Encoded(t *testing.T) {
	h := r.hook(t, nil)
	for _, coding := range []string{"gzip", "br", "GZIP", "identity, gzip", "deflate", "zstd"} {
		req := r.signed(r.Body)
		req.Header.Set("Content-Encoding", coding)
		require.Equal(t, 415, h.Serve(req).StatusCode, coding)
	}
	h.Idle(0)
	req := r.signed(r.Body)
	req.Header.Set("Content-Encoding", "identity")
	require.Equal(t, 200, h.Serve(req).StatusCode)
	h.Idle(1)
}

// Empty is W17: no body.
func (r *Receiver) Empty(t *testing.T) {
	h := r.hook(t, nil)
	require.Equal(t, 400, h.Post(""))
	req := r.signed("")
	req.Body = nil
	require.Equal(t, 400, h.Serve(req).StatusCode)
	h.Idle(0)
}

// Methods is W18: anything but POST.
func (r *Receiver) Methods(t *testing.T) {
	h := r.hook(t, nil)
	for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS", "PATCH", "DELETE", "post"} {
		req := r.signed(r.Body)
		req.Method = method
		resp := h.Serve(req)
		require.Equal(t, 405, resp.StatusCode, method)
		require.Equal(t, "POST", resp.Header.Get("Allow"))
	}
	h.Idle(0)
}

// ContentTypes is W19: JSON under any name, and what forms send.
func (r *Receiver) ContentTypes(t *testing.T) {
	for contentType, want := range map[string]int{
		"": 200, "application/json": 200, "application/json; charset=utf-8": 200, "text/plain": 200, "application/vnd.api+json": 200,
		"application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415, "Multipart/Mixed": 415,
		"application/x-www-form-urlencoded;charset=utf-8": 415,
	} {
		h := r.hook(t, nil)
		req := r.signed(r.Body)
		req.Header.Set("Content-Type", contentType)
		if contentType == "" {
			req.Header.Del("Content-Type")
		}
		require.Equal(t, want, h.Serve(req).StatusCode, contentType)
	}
}

// Unreadable is W22: signed bodies that no delivery can be made of are refused, or go
// to a function that keeps them.
func (r *Receiver) Unreadable(t *testing.T, bodies []string) {
	h := r.hook(t, nil)
	for _, body := range bodies {
		require.Equal(t, 422, h.Post(body), body)
	}
	h.Idle(0)
	var kept []string
	var answer error
	h = r.hook(t, nil, Settings{OnDeadLetter: func(_ context.Context, raw []byte) error { kept = append(kept, string(raw)); return answer }})
	for _, body := range bodies {
		require.Equal(t, 200, h.Post(body), body)
	}
	require.Equal(t, bodies, kept)
	answer = errors.New("disk full")
	require.Equal(t, 422, h.Post(`{`))
	h.Idle(0)
	h = r.hook(t, nil, Settings{OnDeadLetter: func(context.Context, []byte) error { panic("secret payload") }})
	require.Equal(t, 422, h.Post(`{`))
	require.NotContains(t, h.Log.String(), "secret payload")
}
