package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// peers is something the other side has sent, and that must be repeated nowhere.
const peers = "Bearer what-it-was-sent"

func TestTextsOfFailures(t *testing.T) {
	t.Parallel()
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	verify := &tls.CertificateVerificationError{Err: errors.New("x509: expired")}
	for name, row := range map[string]struct {
		err  error
		want string
	}{
		"cancelled":            {fmt.Errorf("around: %w", context.Canceled), "context canceled"},
		"too late":             {fmt.Errorf("around: %w", context.DeadlineExceeded), "context deadline exceeded"},
		"early":                {fmt.Errorf("%w: %w", ErrEarly, errors.New(peers)), ErrEarly.Error()},
		"sealed":               {errSealed, errSealed.Error()},
		"closed":               {fmt.Errorf("around: %w", net.ErrClosed), "use of closed network connection"},
		"end":                  {fmt.Errorf("net/http: %w", io.EOF), "the connection was closed before an answer came"},
		"break":                {io.ErrUnexpectedEOF, "the answer broke off"},
		"reset":                {reset, "read tcp: connection reset by peer"},
		"dial":                 {&dialError{errors.New("the tunnel is down")}, "the tunnel is down"},
		"proxy":                {fmt.Errorf("around: %w", &proxyError{407}), "the proxy answered Proxy Authentication Required"},
		"certificate":          {fmt.Errorf("around: %w", verify), "tls: failed to verify certificate: x509: expired"},
		"host":                 {fmt.Errorf("around: %w", x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "b"}), "x509: certificate is valid for a, not b"},
		"record":               {fmt.Errorf("around: %w", tls.RecordHeaderError{Msg: "first record does not look like TLS"}), "tls: first record does not look like TLS"},
		"alert":                {fmt.Errorf("around: %w", tls.AlertError(40)), "tls: handshake failure"},
		"tls":                  {errors.New("tls: no supported versions"), "tls: no supported versions"},
		"header timeout":       {errors.New("net/http: timeout awaiting response headers"), "net/http: timeout awaiting response headers"},
		"http":                 {errors.New("http: server gave HTTP response to HTTPS client"), "http: server gave HTTP response to HTTPS client"},
		"HTTP/2 stream":        {errors.New("stream error: stream ID 1; CANCEL; " + peers), "the HTTP/2 connection or stream failed"},
		"HTTP/2 GOAWAY":        {errors.New("http2: server sent GOAWAY; debug=" + peers), "the HTTP/2 connection or stream failed"},
		"status line":          {errors.New(`malformed HTTP response "` + peers + `"`), "the answer is not valid HTTP"},
		"header line":          {textproto.ProtocolError("header line: " + peers), "the answer is not valid HTTP"},
		"transport broken":     {fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", textproto.ProtocolError("malformed MIME header line: "+peers)), "the answer is not valid HTTP"},
		"transport, otherwise": {errors.New("net/http: HTTP/1.x transport connection broken: " + peers), "the answer is not valid HTTP"},
		"length":               {errors.New(`bad Content-Length "` + peers + `"`), "the answer is not valid HTTP"},
		"lengths":              {errors.New(`http: message cannot contain multiple Content-Length headers; got ["` + peers + `"]`), "the answer is not valid HTTP"},
		"encoding":             {errors.New(`net/http: unsupported transfer encoding: "` + peers + `"`), "the answer is not valid HTTP"},
		"encodings":            {errors.New(`http: Transfer-Encoding "` + peers + `"`), "the answer is not valid HTTP"},
		"trailer":              {errors.New(`http: bad trailer key "` + peers + `"`), "the answer is not valid HTTP"},
		"invalid header":       {errors.New(`net/http: invalid header field value "` + peers + `"`), "the answer is not valid HTTP"},
		"anything else":        {errors.New(peers), "the answer is not valid HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.want, ownText(row.err))
			trip := &tripError{row.err}
			assert.Equal(t, row.want, trip.Error())
			assert.Equal(t, row.want, describe(trip))
			assert.Equal(t, "traced: "+row.want, describe(fmt.Errorf("traced: %w", trip)), "with a wrapper's words around it")
			if strings.Contains(row.err.Error(), peers) && row.err.Error() != peers && !errors.Is(row.err, ErrEarly) {
				assert.Equal(t, row.want, describe(row.err), "also where a RoundTripper of the caller's stands on net/http")
				assert.NotContains(t, describe(fmt.Errorf("traced: %w", row.err)), peers)
			}
		})
	}
	assert.Equal(t, "circuit open", describe(errors.New("circuit open")), "what a RoundTripper of the caller's says is the caller's")
}

func TestTheTextIsOursAndTheFailureStays(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: func(_ int, req request) string {
			return "HTTP/1.1 201 Created\r\n" + req.Header.Get("Authorization") + "\r\n\r\n"
		}}
		_, err := f.engine(t).Do(t.Context(), call(c))
		end := failureOf(t, err)
		var protocol textproto.ProtocolError
		require.ErrorAs(t, err, &protocol)
		require.Contains(t, protocol.Error(), theToken, "this is what must not be repeated")
		assert.EqualError(t, end.Cause, "the answer is not valid HTTP")
		var failure *Failure
		require.ErrorAs(t, err, &failure)
	})
	each(t, classes, func(t *testing.T, c Class) { // secrets are masked in every text, whoever's
		secret := call(c)
		secret.Secrets = []string{"about-this-token"}
		for _, in := range []string{theToken, theSecret, "about-this-token"} {
			e := engine(t, over(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent " + in + " in vain") }))
			_, err := e.Do(t.Context(), secret)
			assert.EqualError(t, failureOf(t, err).Cause, "sent [REDACTED] in vain")
		}
		own := call(c)
		own.Token = "the-callers-own"
		e := engine(t, over(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent the-callers-own") }))
		_, err := e.Do(t.Context(), own)
		assert.EqualError(t, failureOf(t, err).Cause, "sent [REDACTED]")
	})
	each(t, classes, func(t *testing.T, c Class) {
		e := engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(_ context.Context, rejected string) (string, error) {
				return "half-a-token", fmt.Errorf("%w: %s, %s, half-a-token", io.EOF, rejected, theSecret)
			})
		})
		_, err := e.Do(t.Context(), call(c))
		assert.EqualError(t, failureOf(t, err).Ended, "EOF: , [REDACTED], [REDACTED]")
		require.ErrorIs(t, err, io.EOF)

		f := &far{answer: always(status(401))}
		e = f.engine(t, func(cfg *Config) {
			cfg.Tokens = source(func(_ context.Context, rejected string) (string, error) {
				if rejected != "" {
					return "", errors.New("no other than " + rejected)
				}
				return theToken, nil
			})
		})
		_, err = e.Do(t.Context(), call(c))
		assert.EqualError(t, failureOf(t, err).Ended, "no other than [REDACTED]")
	})
}

func TestTheMaskOfACall(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{answer: always(status(401))}
		source := &tokens{}
		secret := call(c)
		secret.Secrets = []string{"about-this-token"}
		_, err := f.engine(t, func(cfg *Config) { cfg.Tokens = source }).Do(t.Context(), secret)
		mask := failureOf(t, err).Mask
		for _, hidden := range []string{"token-a", "token-b", theSecret, "about-this-token"} {
			assert.Equal(t, "<[REDACTED]>", mask("<"+hidden+">"), "the rejected token is as secret as the one after it")
		}
		own := call(c)
		own.Token = "the-callers-own"
		e := f.engine(t)
		e.Close()
		_, err = e.Do(t.Context(), own)
		assert.Equal(t, "[REDACTED]", failureOf(t, err).Mask("the-callers-own"), "also before an attempt")
	})
}

func TestWhatIsLost(t *testing.T) {
	t.Parallel()
	for _, err := range []error{io.EOF, &net.OpError{Err: syscall.ECONNRESET}, net.ErrClosed, context.Canceled, context.DeadlineExceeded,
		errors.New("http2: timeout"), errors.New("stream error: CANCEL"), errors.New("http: server closed idle connection")} {
		assert.True(t, isLostConnection(err), "%v", err)
		assert.True(t, isLostConnection(&tripError{err}), "%v", err)
		assert.True(t, isLostConnection(&tripError{fmt.Errorf("%w", err)}), "%v", err)
	}
	for _, err := range []error{io.ErrUnexpectedEOF, errors.New(`malformed HTTP response "x"`), errors.New("not http2: "), errors.New("circuit open")} {
		assert.False(t, isLostConnection(err), "%v", err)
	}
}

func TestWhatIsPermanent(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&net.DNSError{IsNotFound: true}, &tls.CertificateVerificationError{Err: io.EOF}, tls.RecordHeaderError{}, tls.AlertError(40),
		x509.HostnameError{Certificate: &x509.Certificate{}}, &proxyError{499}, errors.New("tls: no supported versions"), errors.New("remote error: tls: handshake failure"),
		errors.New("http: server gave HTTP response to HTTPS client")} {
		assert.True(t, isPermanent(err), "%v", err)
		assert.True(t, isPermanent(&tripError{err}), "%v", err)
	}
	for _, err := range []error{&net.DNSError{IsTemporary: true}, &proxyError{500}, syscall.ECONNREFUSED, io.EOF, errors.New("net/http: TLS handshake timeout"),
		errors.New("tls: handshake timeout")} {
		assert.False(t, isPermanent(err), "%v", err)
	}
}

// An untrusted certificate is not tried again, and what is wrong stays reachable.
func TestCertificates(t *testing.T) {
	t.Parallel()
	each(t, classes, func(t *testing.T, c Class) {
		f := &far{}
		trusting := f.overTLS(t)
		e := f.engine(t, trusting)
		_, err := e.Do(t.Context(), secured(call(c)))
		require.NoError(t, err)

		for name, change := range map[string]func(*tls.Config){
			"nobody trusts it": func(cfg *tls.Config) { cfg.RootCAs = x509.NewCertPool() },
			"another's name":   func(cfg *tls.Config) { cfg.ServerName = "other.example" },
		} {
			before := f.count()
			e := f.engine(t, trusting, func(cfg *Config) { change(cfg.HTTPClient.Transport.(*http.Transport).TLSClientConfig) })
			_, err := e.Do(t.Context(), secured(call(c)))
			end := failureOf(t, err)
			assert.Equal(t, NotSent, end.Verdict, name)
			assert.Equal(t, 1, end.Attempts, name)
			var wrong *tls.CertificateVerificationError
			require.ErrorAs(t, err, &wrong)
			assert.Equal(t, before, f.count())
		}
	})
	// Over TLS too, what was written is counted: a request that was read is not unsent.
	each(t, writes, func(t *testing.T, c Class) {
		f := &far{script: func(_ int, conn *conn) { conn.read() }}
		change := f.overTLS(t)
		_, err := f.engine(t, change).Do(t.Context(), secured(call(c)))
		assert.Equal(t, Unknown, verdictOf(t, err))
		assert.Equal(t, 1, f.count())
		assert.Equal(t, 1, f.connections())
	})
}

// One record for each attempt, with nothing personal and nothing secret in it.
func TestLogs(t *testing.T) {
	t.Parallel()
	record := func(t *testing.T, c Class, level slog.Level, f *far) string {
		var log bytes.Buffer
		handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		e := f.engine(t, func(cfg *Config) { cfg.Logger, cfg.Retries = slog.New(handler), 1 })
		_, _ = e.Do(t.Context(), call(c))
		return log.String()
	}
	lost := &far{answer: always("")}
	rows := map[string]struct{ read, write string }{
		created:     {"answered", "accepted"},
		status(400): {"failed", "refused"},
		status(500): {"failed", "unknown"},
	}
	each(t, classes, func(t *testing.T, c Class) {
		begin := "level=DEBUG msg=\"test: create thing\" method=POST path=/things "
		if c == Read {
			begin = "level=DEBUG msg=\"test: get thing\" method=GET path=/things/{id} "
		}
		for raw, row := range rows {
			code := raw[len("HTTP/1.1 "):][:3]
			outcome := map[bool]string{true: row.read, false: row.write}[c == Read]
			line := record(t, c, slog.LevelDebug, &far{answer: always(raw)})
			first, _, _ := strings.Cut(line, "\n")
			assert.Equal(t, begin+"attempt=1 status="+code+" took=0s outcome="+outcome, first)
		}
		lines := strings.Split(strings.TrimSpace(record(t, c, slog.LevelDebug, lost)), "\n")
		if c == Read {
			require.Len(t, lines, 2, "one for each attempt")
			assert.Equal(t, begin+"attempt=2 status=0 took=0s outcome=failed", lines[1])
		} else {
			assert.Equal(t, []string{begin + "attempt=1 status=0 took=0s outcome=unknown"}, lines)
		}
		unsent := record(t, c, slog.LevelDebug, &far{onDial: refuse(0)})
		unsendable := record(t, c, slog.LevelDebug, &far{onDial: func(context.Context, int) error { return &net.DNSError{IsNotFound: true} }})
		if c != Read {
			assert.Contains(t, unsent, "outcome=\"not sent\"")
			assert.Contains(t, unsendable, "outcome=\"not sent\"")
		}
		half := record(t, c, slog.LevelDebug, &far{script: func(_ int, conn *conn) {
			conn.read()
			conn.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
		}})
		assert.Contains(t, half, "status=200")
		assert.Empty(t, record(t, c, slog.LevelInfo, &far{}), "at debug level only")
	})
}

// A level that is not asked for costs nothing but the question.
func TestNothingIsMadeForALogThatNobodyReads(t *testing.T) {
	t.Parallel()
	each(t, []Class{Read}, func(t *testing.T, c Class) {
		asked := &askedHandler{}
		f := &far{}
		e := f.engine(t, func(cfg *Config) { cfg.Logger = slog.New(asked) })
		_, err := e.Do(t.Context(), call(c))
		require.NoError(t, err)
		assert.Equal(t, 1, asked.enabled)
	})
}

type askedHandler struct {
	slog.Handler
	enabled int
}

func (h *askedHandler) Enabled(context.Context, slog.Level) bool { h.enabled++; return false }
