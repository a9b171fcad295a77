package testkit

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/internal/pipe"
)

// Raw HTTP/1.1 to a handler, where the bytes on the wire matter.

// DiscardLog is for what net/http would say about broken requests.
var DiscardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

// Wire is a handler that is reached over in-memory connections, so that a test can
// write to it what no client would, and can simulate time.
type Wire struct {
	*pipe.Listener
	t testing.TB
}

// OnWire serves a handler over in-memory connections until the test ends.
func OnWire(t testing.TB, h http.Handler) *Wire {
	t.Helper()
	l := pipe.Listen()
	host := pipe.Serve(l, &http.Server{Handler: h, ErrorLog: DiscardLog})
	t.Cleanup(host.Close)
	return &Wire{l, t}
}

// Open opens a connection to the handler.
func (w *Wire) Open() net.Conn {
	w.t.Helper()
	c, err := w.Dial(w.t.Context(), "", "")
	require.NoError(w.t, err)
	return c
}

// Head is the start of a POST with a signature in a header, ready for further headers
// and an empty line.
func Head(header, signature string, extra ...string) string {
	lines := append([]string{"POST /webhooks HTTP/1.1", "Host: shop.example", "Content-Type: application/json",
		header + ": " + signature}, extra...)
	return strings.Join(lines, "\r\n") + "\r\n"
}

// Length is the header with a body's length.
func Length(body string) string { return "Content-Length: " + strconv.Itoa(len(body)) }

// Exchange writes raw bytes to a connection, reads n answers and closes it. The
// answers have no body, but for those of net/http's own.
func Exchange(t testing.TB, c net.Conn, raw string, n int) []*http.Response {
	t.Helper()
	defer c.Close()
	go io.WriteString(c, raw)
	in := bufio.NewReader(c)
	var answers []*http.Response
	for range n {
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			require.Empty(t, body)
		}
		answers = append(answers, resp)
	}
	return answers
}

// WireStatus is the status of one raw exchange with a handler.
func WireStatus(t testing.TB, h http.Handler, raw string) int {
	t.Helper()
	return Exchange(t, OnWire(t, h).Open(), raw, 1)[0].StatusCode
}
