package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
)

// Failure is why an attempt has no usable answer. Its text is ours, because net/http
// quotes what the other side has sent, and a hostile or broken peer sends back what
// it was sent: tokens, phone numbers. The failure itself stays reachable by
// [errors.Is] and [errors.As].
type Failure struct {
	err  error
	text string
}

// Error implements error.
func (f *Failure) Error() string { return f.text }

// Unwrap returns the failure as it came.
func (f *Failure) Unwrap() error { return f.err }

// failure makes the error of an attempt. The end of the caller's own context stands
// in front where that is what ended the attempt.
func failure(caller context.Context, seen observation, err error, mask func(string) string) error {
	ended := caller.Err()
	switch {
	case ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Canceled)):
		return ended // the attempt was cancelled because of it
	case errors.Is(err, ErrTooLarge):
		return ErrTooLarge
	}
	f := &Failure{err, mask(describe(err))}
	switch {
	case ended != nil:
		return errors.Join(ended, f)
	case seen == sawBroken && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrBroken, f)
	}
	return f
}

// panicError is a panic of the caller's RoundTripper.
type panicError struct{ text string }

// panicked makes the error of a panic. Its value may hold the request.
func panicked(who string, value any) *panicError {
	return &panicError{fmt.Sprintf("%s panicked: %T", who, value)}
}

// Error implements error.
func (e *panicError) Error() string { return e.text }

// What is said instead of a text that may quote the other side.
const (
	notHTTP     = "the answer is not valid HTTP"
	brokenHTTP2 = "the HTTP/2 connection or stream failed"
)

// describe returns the text of an attempt's failure without quoting the other side.
func describe(err error) string {
	var trip *tripError
	if !errors.As(err, &trip) && mayQuote(err) { // a RoundTripper of the caller's, which may stand on net/http
		return ownText(err)
	}
	return err.Error() // ours, or a wrapper's words around ours
}

// ownText returns a text for a failure of net/http's transport. What is known to hold
// nothing of the other side's is repeated.
func ownText(err error) string {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, ErrEarly, errSealed, net.ErrClosed} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	for _, find := range []func(error) (string, bool){ // before the handshake is over, nothing was sent that could come back
		textOf[*dialError], textOf[*proxyError], textOf[*tls.CertificateVerificationError], textOf[x509.HostnameError], textOf[tls.RecordHeaderError], textOf[tls.AlertError],
	} {
		if text, ok := find(err); ok {
			return text
		}
	}
	text := err.Error()
	var network net.Error
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the answer broke off"
	case errors.Is(err, io.EOF):
		return "the connection was closed before an answer came"
	case strings.HasPrefix(text, "http2: "), strings.HasPrefix(text, "stream error: "):
		return brokenHTTP2
	case mayQuote(err):
		return notHTTP
	case errors.As(err, &network), strings.HasPrefix(text, "tls: "), strings.HasPrefix(text, "net/http: "), strings.HasPrefix(text, "http: "):
		return text
	}
	return notHTTP
}

// textOf returns the text of an error of type E among the causes of err.
func textOf[E error](err error) (string, bool) {
	var target E
	if errors.As(err, &target) {
		return target.Error(), true
	}
	return "", false
}

// peersMarks stand in those texts of net/http and net/textproto that go on with what
// the other side has sent.
var peersMarks = []string{"malformed ", "Content-Length", "ransfer encoding", "Transfer-Encoding", "invalid header", "trailer", "transport connection broken", "http2: ", "stream error: "}

// mayQuote reports whether a text may repeat what the other side has sent.
func mayQuote(err error) bool {
	text := err.Error()
	for _, mark := range peersMarks {
		if strings.Contains(text, mark) {
			return true
		}
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if _, ok := e.(textproto.ProtocolError); ok {
			return true
		}
	}
	return false
}

// rawText is the text that a failure came with, by which some of net/http's can be
// told that have no type.
func rawText(err error) string {
	var trip *tripError
	if errors.As(err, &trip) {
		return trip.err.Error()
	}
	return err.Error()
}

// isPermanent reports whether an attempt that was never sent would fail again.
func isPermanent(err error) bool {
	var (
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
		host   x509.HostnameError
		proxy  *proxyError
	)
	return errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &cert) || errors.As(err, &record) ||
		errors.As(err, &alert) || errors.As(err, &host) || errors.As(err, &proxy) && proxy.permanent() ||
		isTLSMismatch(rawText(err))
}

// isTLSMismatch recognises the failures of a handshake that crypto/tls gives no
// type: both sides are there and will not agree the next time either.
func isTLSMismatch(text string) bool {
	return strings.Contains(text, "tls: ") && !strings.Contains(text, "timeout") ||
		strings.Contains(text, "server gave HTTP response to HTTPS client")
}

// isLostConnection reports whether the connection ended or fell silent, rather than
// saying something that is not HTTP.
func isLostConnection(err error) bool {
	var network net.Error // which a deadline that has passed and a closed connection are too
	text := rawText(err)
	return errors.Is(err, io.EOF) || errors.As(err, &network) || errors.Is(err, context.Canceled) ||
		strings.HasPrefix(text, "http2: ") || strings.HasPrefix(text, "stream error: ") ||
		strings.Contains(text, "server closed idle connection")
}

// proxyError is a proxy that does not let us through.
type proxyError struct{ status int }

// Error implements error.
func (e *proxyError) Error() string {
	return "the proxy answered " + http.StatusText(e.status)
}

// permanent: a proxy that wants other credentials will want them next time.
func (e *proxyError) permanent() bool { return e.status < 500 }
