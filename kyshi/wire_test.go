package kyshi_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

// The W series where the bytes on the wire matter.

// withSignature is a whole request with a signature line of the test's own.
func withSignature(line string) string {
	return "POST / HTTP/1.1\r\nHost: shop.example\r\n" + length(anEvent) + "\r\n" + line + "\r\n\r\n" + anEvent
}

func TestFault_Kyshi_W06_SpaceAroundTheSignature(t *testing.T) {
	good := sign(anEvent)
	for _, value := range []string{" " + good, "\t " + good + " \t", good + "   ", good} {
		h := newHook(t, nil)
		require.Equal(t, 200, wireStatus(t, h, withSignature("x-kyshi-signature:"+value)))
		h.Idle(1)
	}
}

func TestFault_Kyshi_W07_FoldedSignature(t *testing.T) {
	good := sign(anEvent)
	for _, value := range []string{good[:32] + "\r\n " + good[32:], good[:32] + " " + good[32:], "\x80" + good[1:]} {
		h := newHook(t, nil)
		require.Equal(t, 400, wireStatus(t, h, withSignature(kyshi.SignatureHeader+": "+value)))
		h.Idle(0)
	}
}

func TestFault_Kyshi_W08_HugeSignatureOnTheWire(t *testing.T) {
	h := newHook(t, nil)
	require.Equal(t, 400, wireStatus(t, h, withSignature(kyshi.SignatureHeader+": "+strings.Repeat("0", 64<<10))))
	require.Equal(t, 431, wireStatus(t, h, withSignature(kyshi.SignatureHeader+": "+strings.Repeat("0", 2<<20))))
	h.Idle(0)
}

func TestFault_Kyshi_W13_EndlessBody(t *testing.T) {
	h := newHook(t, nil)
	// Refused on its Content-Length alone: nothing of the body is ever sent.
	resp := exchange(t, onWire(t, h).Open(), head("", "Content-Length: "+strconv.Itoa(10<<20), ""), 1)[0]
	require.Equal(t, 413, resp.StatusCode)
	require.True(t, resp.Close)
	c := onWire(t, h).Open()
	defer c.Close()
	go func() {
		io.WriteString(c, head("", "Transfer-Encoding: chunked", ""))
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat(" ", 64<<10))
		for {
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
	h.Idle(0)
}

func TestFault_Kyshi_W14_SlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, nil)
		c := onWire(t, h).Open()
		defer c.Close()
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			io.WriteString(c, head(anEvent, length(anEvent), ""))
			for i := range anEvent { // a byte a second would take minutes
				time.Sleep(time.Second)
				if _, err := io.WriteString(c, anEvent[i:i+1]); err != nil {
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
	})
}

func TestFault_Kyshi_W15_SenderVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, nil)
		c := onWire(t, h).Open()
		_, err := io.WriteString(c, head(anEvent, length(anEvent), "")+anEvent[:100])
		require.NoError(t, err)
		c.Close()
		synctest.Wait()
		total, _ := h.Store.Len()
		require.Zero(t, total)
		h.Idle(0)
	})
}

func TestFault_Kyshi_W28_SenderHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive error = context.Canceled
		h := newHook(t, func(ctx context.Context, _ *kyshi.Event) error {
			time.Sleep(4 * time.Second)
			alive = ctx.Err()
			return alive
		})
		c := onWire(t, h).Open()
		_, err := io.WriteString(c, head(anEvent, length(anEvent), "")+anEvent)
		require.NoError(t, err)
		time.Sleep(time.Second)
		c.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, alive)
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(1)
	})
}

func TestFault_Kyshi_W31_Protocols(t *testing.T) {
	whole := head(anEvent, length(anEvent), "") + anEvent
	t.Run("http 1.0", func(t *testing.T) {
		h := newHook(t, nil)
		require.Equal(t, 200, wireStatus(t, h, strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1)))
		h.Idle(1)
	})
	t.Run("pipelined", func(t *testing.T) {
		h := newHook(t, nil)
		other := charge("R2")
		raw := whole + head(other, length(other), "") + other + whole
		for _, resp := range exchange(t, onWire(t, h).Open(), raw, 3) {
			require.Equal(t, 200, resp.StatusCode)
		}
		h.Idle(2)
	})
	t.Run("trailers", func(t *testing.T) {
		h := newHook(t, nil)
		raw := head(anEvent, "Transfer-Encoding: chunked", "Trailer: X-Sum", "") +
			fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n", len(anEvent), anEvent)
		require.Equal(t, 200, wireStatus(t, h, raw))
		h.Idle(1)
	})
	t.Run("expect 100-continue", func(t *testing.T) {
		h := newHook(t, nil)
		c := onWire(t, h).Open()
		defer c.Close()
		_, err := io.WriteString(c, head(anEvent, length(anEvent), "Expect: 100-continue", ""))
		require.NoError(t, err)
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, 100, resp.StatusCode)
		go io.WriteString(c, anEvent)
		resp, err = http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		h.Idle(1)
	})
	t.Run("h2", func(t *testing.T) {
		h := newHook(t, nil)
		srv := httptest.NewUnstartedServer(h)
		srv.EnableHTTP2 = true
		srv.TLS = &tls.Config{}
		srv.StartTLS()
		defer srv.Close()
		req, err := newVerifier(t).SignedRequest(t.Context(), srv.URL, []byte(anEvent))
		require.NoError(t, err)
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 2, resp.ProtoMajor)
		require.Equal(t, 200, resp.StatusCode)
		h.Idle(1)
	})
}

func TestFault_Kyshi_W32_BodyAlreadyRead(t *testing.T) {
	h := newHook(t, nil)
	eater := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		new(bytes.Buffer).ReadFrom(r.Body)
		h.ServeHTTP(w, r)
	})
	closer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body.Close()
		h.ServeHTTP(w, r)
	})
	twice := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(httptest.NewRecorder(), r)
		h.ServeHTTP(w, r) // the body was read by the first
	})
	for calls, middleware := range []http.Handler{eater, closer} {
		require.Equal(t, 500, wireStatus(t, middleware, head(anEvent, length(anEvent), "")+anEvent), calls)
	}
	h.Idle(0)
	require.Equal(t, 500, wireStatus(t, twice, head(anEvent, length(anEvent), "")+anEvent))
	h.Idle(1)
	require.Contains(t, h.Log.String(), "read before it got here")
}

func TestFault_Kyshi_W33_Framing(t *testing.T) {
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(anEvent), anEvent)
	h := newHook(t, nil)
	require.Equal(t, 200, wireStatus(t, h, head(anEvent, "Content-Length: 5", "Transfer-Encoding: chunked", "")+chunked))
	h.Idle(1)
	require.Equal(t, 400, wireStatus(t, h, head(anEvent, length(anEvent), "Content-Length: 5", "")+anEvent))
	// A shorter length than was signed leaves other bytes than were signed.
	require.Equal(t, 400, wireStatus(t, h, head(anEvent, "Content-Length: 5", "")+anEvent[:5]))
	h.Idle(1)
	require.EqualValues(t, 1, h.BadSignatures())
}
