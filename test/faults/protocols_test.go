package faults_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// A protocol of the caller's own (TLSNextProto) need not tell httptrace of a connection:
// that none was seen proves nothing there.

// bare is such a protocol. It writes the request, reads nothing, and says that it failed.
type bare struct {
	conn  *tls.Conn
	whole *atomic.Int32
}

func (b bare) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Write(b.conn); err != nil {
		return nil, err
	}
	_, _ = bufio.NewReader(b.conn).ReadByte()
	b.whole.Add(1)
	return nil, io.ErrUnexpectedEOF
}

func TestAProtocolOfTheCallersProvesNothing(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		var written atomic.Int32
		transport := e.overTLS(newTestCA().pool())
		transport.TLSClientConfig.NextProtos = []string{"bare"}
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{
			"bare": func(_ string, c *tls.Conn) http.RoundTripper { return bare{c, &written} },
		}
		e.w.Script = always(secure(&tls.Config{NextProtos: []string{"bare", "http/1.1"},
			Certificates: []tls.Certificate{newTestCA().issue(e.T, tlsHost, farAhead)}}), readWhole, fin)
		err := e.call(e.Context())
		require.Error(e.T, err)
		require.NotErrorIs(e.T, err, kopokopo.ErrNotSent)
		switch e.col.class {
		case "M": // which has HTTP/1.1 and nothing else
			assert.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
			assert.Zero(e.T, written.Load())
			assert.Equal(e.T, 1, e.w.Count(e.col.method, e.col.path))
		case "R":
			assert.Empty(e.T, outcomes(err))
		default:
			assert.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
			assert.EqualValues(e.T, 1, written.Load())
			assert.Equal(e.T, 1, e.w.Count(e.col.method, e.col.path), "it arrived whole, and once")
		}
	})
}

// Requests over TLS are counted as those without it are: the alert that closes a
// connection is told from a request.
func TestFault_N10_RequestReadThenClosedOverTLS(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.overTLS(newTestCA().pool())
		e.w.Script = always(secure(&tls.Config{Certificates: []tls.Certificate{newTestCA().issue(e.T, tlsHost, farAhead)}}), readWhole, fin)
		e.expect(e.call(e.Context()), answersNever(1))
	})
}
