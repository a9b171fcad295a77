package webhooks_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/pipe"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// documentedStatuses are what a handler may answer.
var documentedStatuses = []int{200, 400, 401, 405, 408, 413, 415, 422, 500, 503}

// oneConn is a connection that has all of its input already, and keeps its output.
type oneConn struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *oneConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *oneConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *oneConn) Close() error                     { return nil }
func (c *oneConn) LocalAddr() net.Addr              { return pipe.Addr{} }
func (c *oneConn) RemoteAddr() net.Addr             { return pipe.Addr{} }
func (c *oneConn) SetDeadline(time.Time) error      { return nil }
func (c *oneConn) SetReadDeadline(time.Time) error  { return nil }
func (c *oneConn) SetWriteDeadline(time.Time) error { return nil }

// oneListener serves one connection and ends when that is served.
type oneListener struct {
	conns chan net.Conn
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, io.EOF
}
func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return pipe.Addr{} }

// FuzzHandlerRawHTTP gives a server the bytes of a connection. What reaches the
// handler is seen by a spy in front of it; what the handler answers must follow
// from that, and from nothing else.
func FuzzHandlerRawHTTP(f *testing.F) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(anEvent), anEvent)
	whole := head(anEvent, length(anEvent), "") + anEvent
	for _, seed := range []string{
		whole, whole + whole, strings.Replace(whole, "POST", "GET", 1), strings.Replace(whole, "1.1", "1.0", 1),
		head(anEvent, "Transfer-Encoding: chunked", "") + chunk, head(anEvent, "Content-Length: 5", "Transfer-Encoding: chunked", "") + chunk,
		head("{", length("{"), "") + "{", head("null", length("null"), "") + "null", head("", "Content-Length: 0", ""),
		head(anEvent, length(anEvent), "Content-Encoding: gzip", "") + anEvent, head(anEvent, length(anEvent), "") + anEvent[:40],
		head(anEvent, length(anEvent), kopokopo.SignatureHeader+": x", "") + anEvent,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "garbage",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzRawHTTP(t, raw) }) // net/http lingers before it closes
	})
}

func fuzzRawHTTP(t *testing.T, raw []byte) {
	const limit = 4 << 10
	var calls, expected atomic.Int64
	h, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{hookKey}, MaxBody: limit},
		func(context.Context, *kopokopo.Notification) error { calls.Add(1); return nil })
	require.NoError(t, err)
	done := map[[32]byte]bool{}
	spy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, readErr := io.ReadAll(io.LimitReader(r.Body, limit+1))
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), errReader{readErr}), r.Body}
		sigs := r.Header.Values(kopokopo.SignatureHeader)
		_, shape := kopokopo.ParseEvent(body)
		digest := sha256.Sum256(body)
		if r.Method == "POST" && readErr == nil && len(body) > 0 && len(body) <= limit && int64(len(body)) >= r.ContentLength &&
			len(sigs) == 1 && strings.ToLower(sigs[0]) == independentHMAC(body, hookKey) && len(sigs[0]) == 64 &&
			shape == nil && acceptableHeaders(r.Header) && !done[digest] {
			expected.Add(1)
			done[digest] = true
		}
		h.ServeHTTP(w, r)
	})
	statuses, bodies := serveRaw(spy, raw)
	require.Equal(t, expected.Load(), calls.Load())
	for i, status := range statuses {
		if bodies[i] == "" {
			require.Contains(t, documentedStatuses, status)
		} else { // net/http's own answer to what is no request
			require.GreaterOrEqual(t, status, 400)
		}
	}
}

// errReader ends a body the way it ended on the wire.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) {
	if r.err == nil {
		return 0, io.EOF
	}
	return 0, r.err
}

// acceptableHeaders is the handler's rule about headers, written again.
func acceptableHeaders(h http.Header) bool {
	for _, v := range h.Values("Content-Encoding") {
		for _, coding := range strings.Split(v, ",") {
			if c := strings.ToLower(strings.TrimSpace(coding)); c != "" && c != "identity" {
				return false
			}
		}
	}
	kind := strings.ToLower(strings.TrimSpace(strings.Split(h.Get("Content-Type"), ";")[0]))
	return kind != "application/x-www-form-urlencoded" && !strings.HasPrefix(kind, "multipart/")
}

// serveRaw serves one connection to its end and returns the final answers on it.
func serveRaw(h http.Handler, raw []byte) (statuses []int, bodies []string) {
	c := &oneConn{in: bytes.NewReader(raw)}
	l := &oneListener{conns: make(chan net.Conn, 1)}
	closed := make(chan struct{})
	srv := &http.Server{Handler: h, ErrorLog: discardLog, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}}
	l.conns <- c
	close(l.conns)
	srv.Serve(l)
	<-closed
	in := bufio.NewReader(&c.out)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses, bodies
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode >= 200 {
			statuses, bodies = append(statuses, resp.StatusCode), append(bodies, string(body))
		}
	}
}

// FuzzParseEvent gives any bytes to the parser: it keeps them, and never panics.
func FuzzParseEvent(f *testing.F) {
	for _, file := range payloads.Names("*.json") {
		f.Add(payloads.Read(file))
	}
	for _, seed := range []string{"", "null", "{}", `{"topic":1}`, `{"data":{"id":1,"type":2,"attributes":[]}}`, `{"TransactionType":{}}`, "\ufeff{}", `{"topic":"customer_created","event":{"resource":{"msisdn":1}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		n, err := kopokopo.ParseEvent(body)
		require.Equal(t, before, body, "the input was changed")
		if err != nil {
			require.ErrorIs(t, err, kopokopo.ErrNotification)
			require.Nil(t, n)
			return
		}
		require.True(t, json.Valid(body))
		require.Equal(t, body, n.Raw)
		require.NotEmpty(t, n.Key)
		require.LessOrEqual(t, len(n.Key), 255)
		require.Equal(t, 1, n.Revision)
		require.Contains(t, []kopokopo.NotificationKind{kopokopo.KindWebhook, kopokopo.KindResult, kopokopo.KindDaraja}, n.Kind)
		require.False(t, strings.ContainsFunc(n.Key, func(r rune) bool { return r <= ' ' || r > '~' }))
		again, err := kopokopo.ParseEvent(body)
		require.NoError(t, err)
		require.Equal(t, n, again, "the same bytes are the same event")
		_ = fmt.Sprintf("%v %+v", n, *n)
	})
}

// FuzzDeliveryKey makes two deliveries of each kind: their keys are equal exactly if
// kind, topic, id and status are.
func FuzzDeliveryKey(f *testing.F) {
	f.Add("a", "b", "c", "a", "b", "c")
	f.Add("a:b", "c", "", "a", "b:c", "")
	f.Add("reversal", "1", "Processed", "reversals", "1", "processed")
	f.Add("buygoods_transaction_received", "1", "", "buygoods_transaction_reversed", "1", "")
	f.Add("incoming_payment", "é", "Failed", "incoming_payment", "e\u0301", "failed")
	f.Add(strings.Repeat("x", 64), "1", "", strings.Repeat("x", 65), "1", "")
	f.Add("~", "", "", "", "~", "")
	f.Fuzz(func(t *testing.T, topic1, id1, status1, topic2, id2, status2 string) {
		type delivery struct {
			kind      string
			parts     [3]string
			body, key string
		}
		var all []delivery
		for _, p := range [][3]string{{topic1, id1, status1}, {topic2, id2, status2}} {
			for i, s := range p {
				p[i] = strings.ToValidUTF8(s, "\ufffd") // as JSON has it
			}
			webhook, err := json.Marshal(map[string]any{"topic": p[0], "id": p[1], "event": map[string]any{"resource": map[string]any{}}})
			require.NoError(t, err)
			result, err := json.Marshal(map[string]any{"data": map[string]any{"id": p[1], "type": p[0], "attributes": map[string]any{"status": p[2]}}})
			require.NoError(t, err)
			daraja, err := json.Marshal(map[string]any{"TransactionType": p[0], "TransID": p[1]})
			require.NoError(t, err)
			all = append(all, delivery{"webhook", [3]string{p[0], p[1]}, string(webhook), ""},
				delivery{"result", [3]string{strings.Replace(p[0], "reversals", "reversal", boolInt(p[0] == "reversals")), p[1], p[2]}, string(result), ""},
				delivery{"daraja", [3]string{p[0], p[1]}, string(daraja), ""})
		}
		for i := range all {
			n, err := kopokopo.ParseEvent([]byte(all[i].body))
			if err != nil {
				continue
			}
			all[i].key = n.Key
			require.Equal(t, all[i].kind, string(n.Kind))
			if all[i].kind == "result" {
				all[i].parts[2] = strings.ToLower(strings.TrimSpace(all[i].parts[2]))
				if outcome, ok := outcome(n.Payload); ok {
					all[i].parts[2] = outcome.String()
				}
			}
		}
		for i, a := range all {
			for _, b := range all[i+1:] {
				if a.key == "" || b.key == "" {
					continue
				}
				same := a.kind == b.kind && slices.Equal(a.parts[:], b.parts[:])
				if a.parts[1] == "" || b.parts[1] == "" {
					same = a.body == b.body
				}
				require.Equal(t, same, a.key == b.key, "%s %s\n%s\n%s", a.key, b.key, a.body, b.body)
			}
		}
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
