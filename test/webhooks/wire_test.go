package webhooks_test

import (
	"bufio"
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

	"github.com/kopokopo-go/kopokopo"
)

// The W series where the bytes on the wire matter.

// withSignature is a whole request with a signature line of the test's own.
func withSignature(line string) string {
	return "POST / HTTP/1.1\r\nHost: shop.example\r\n" + length(anEvent) + "\r\n" + line + "\r\n\r\n" + anEvent
}

func TestFault_W06_SpaceAroundTheSignature(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	for _, value := range []string{" " + good, "\t " + good + " \t", good + "   ", good} {
		h := newHook(t, nil)
		require.Equal(t, 200, wireStatus(t, h, withSignature("x-kopokopo-signature:"+value)))
		h.Idle(1)
	}
}

func TestFault_W07_FoldedSignature(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	for _, value := range []string{good[:32] + "\r\n " + good[32:], good[:32] + " " + good[32:], "\x80" + good[1:]} {
		h := newHook(t, nil)
		require.Equal(t, 401, wireStatus(t, h, withSignature(kopokopo.SignatureHeader+": "+value)))
		h.Idle(0)
	}
}

func TestFault_W08_HugeSignatureOnTheWire(t *testing.T) {
	h := newHook(t, nil)
	require.Equal(t, 401, wireStatus(t, h, withSignature(kopokopo.SignatureHeader+": "+strings.Repeat("0", 64<<10))))
	require.Equal(t, 431, wireStatus(t, h, withSignature(kopokopo.SignatureHeader+": "+strings.Repeat("0", 2<<20))))
	h.Idle(0)
}

func TestFault_W13_SizesOnTheWire(t *testing.T) {
	const large = 10 << 20
	h := newHook(t, nil)
	// Refused on its Content-Length alone: nothing of the body is ever sent.
	resp := exchange(t, onWire(t, h).Open(), head("", "Content-Length: "+strconv.Itoa(large), ""), 1)[0]
	require.Equal(t, 413, resp.StatusCode)
	require.True(t, resp.Close)
	for name, chunks := range map[string]int{"10 MB": 160, "endless": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			c := onWire(t, h).Open()
			defer c.Close()
			go func() {
				io.WriteString(c, head("", "Transfer-Encoding: chunked", ""))
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

func TestFault_W14_SlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, nil)
		p := onWire(t, h)
		c := p.Open()
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
		require.Equal(t, 10*time.Second, time.Since(start))
		c.Close()
		<-stop
		h.Idle(0)
	}) // the bubble ends only when the server's goroutine is gone
}

func TestFault_W14_DeadlineIsLiftedAfterTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, func(ctx context.Context, _ *kopokopo.Notification) error {
			time.Sleep(30 * time.Second) // longer than the body may take
			return ctx.Err()
		}, func(c *kopokopo.HandlerConfig) { c.AckTimeout = 50 * time.Second })
		c := onWire(t, h).Open()
		raw := head(anEvent, length(anEvent), "") + anEvent
		require.Equal(t, 200, exchange(t, c, raw, 1)[0].StatusCode)
		h.Idle(1)
	})
}

func TestFault_W15_SenderVanishes(t *testing.T) {
	for name, sent := range map[string]string{"in the body": anEvent[:100], "before the body": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHook(t, nil)
				c := onWire(t, h).Open()
				_, err := io.WriteString(c, head(anEvent, length(anEvent), "")+sent)
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
	h := newHook(t, nil)
	r := signed(anEvent)
	r.ContentLength++
	require.Equal(t, 400, h.Serve(r).StatusCode)
	h.Idle(0)
}

func TestFault_W28_SenderHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive error = context.Canceled
		h := newHook(t, func(ctx context.Context, _ *kopokopo.Notification) error {
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
		h.Idle(1)
		require.Equal(t, 200, h.Post(anEvent))
		h.Idle(1)
	})
}

func TestFault_W31_Protocols(t *testing.T) {
	whole := head(anEvent, length(anEvent), "") + anEvent
	t.Run("http 1.0", func(t *testing.T) {
		h := newHook(t, nil)
		require.Equal(t, 200, wireStatus(t, h, strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1)))
		h.Idle(1)
	})
	t.Run("pipelined", func(t *testing.T) {
		h := newHook(t, nil)
		other := received("another", "R2")
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
		r := signed(anEvent)
		req, err := http.NewRequest("POST", srv.URL, r.Body)
		require.NoError(t, err)
		req.Header = r.Header
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 2, resp.ProtoMajor)
		require.Equal(t, 200, resp.StatusCode)
		h.Idle(1)
	})
}

func TestFault_W33_Framing(t *testing.T) {
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(anEvent), anEvent)
	h := newHook(t, nil)
	require.Equal(t, 200, wireStatus(t, h, head(anEvent, "Content-Length: 5", "Transfer-Encoding: chunked", "")+chunked))
	h.Idle(1)
	require.Equal(t, 400, wireStatus(t, h, head(anEvent, length(anEvent), "Content-Length: 5", "")+anEvent))
	h.Idle(1)
	// A shorter length than was signed leaves other bytes than were signed.
	require.Equal(t, 401, wireStatus(t, h, head(anEvent, "Content-Length: 5", "")+anEvent[:5]))
	h.Idle(1)
}
