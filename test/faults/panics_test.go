package faults_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// A caller's code that panics loses no payment that K2 has accepted, and does not end
// the process: the reference is returned, or the outcome is unknown.

// moody is a slog.Handler that panics where it is told to.
type moody struct{ enabled, handle, with bool }

func (m moody) Enabled(context.Context, slog.Level) bool {
	if m.enabled {
		panic(testToken)
	}
	return true
}

func (m moody) Handle(context.Context, slog.Record) error {
	if m.handle {
		panic(testToken)
	}
	return nil
}

func (m moody) WithAttrs([]slog.Attr) slog.Handler { return m.derived() }
func (m moody) WithGroup(string) slog.Handler      { return m.derived() }

func (m moody) derived() slog.Handler {
	if m.with {
		panic(testToken)
	}
	return m
}

func TestALoggerThatPanicsLosesNoReference(t *testing.T) {
	for name, handler := range map[string]slog.Handler{"Enabled": moody{enabled: true}, "Handle": moody{handle: true}, "all": moody{true, true, true}, "a nil pointer": (*recorder)(nil)} {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, allWays, func(e *env) {
				e.cfg.Logger = slog.New(handler)
				var ref kopokopo.Ref
				e.col.call = func(ctx context.Context, c *kopokopo.Client) (err error) {
					switch e.col.class {
					case "M":
						ref, err = c.V1.Payments.Create(ctx, validPayment())
					case "C":
						ref, err = c.IncomingPayments.Create(ctx, validSTK())
					case "S":
						ref, err = c.WebhookSubscriptions.Create(ctx, validWebhook())
					default:
						_, err = c.IncomingPayments.Get(ctx, testID)
						ref.ID = testID
					}
					return err
				}
				require.NoError(e.T, e.call(e.Context()))
				assert.Equal(e.T, testID, ref.ID)
				assert.Equal(e.T, 1, e.w.Count(e.col.method, e.col.path))
			})
			fault(t, everyone, []string{callers}, func(e *env) { // in the client's own goroutine that gets a token
				e.withIssuer(&issuer{})
				e.cfg.Logger = slog.New(handler)
				require.NoError(e.T, e.call(e.Context()))
				assert.Equal(e.T, 1, e.w.Count(e.col.method, e.col.path))
			})
		})
	}
}

func TestAWrapperThatPanics(t *testing.T) {
	t.Run("behind an accepted request", func(t *testing.T) {
		fault(t, everyone, []string{callers}, func(e *env) {
			e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				require.NoError(e.T, err)
				resp.Body.Close()
				panic(testToken)
			})
			e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1), "R": endsFailing(1, 1)})
		})
	})
	t.Run("before it", func(t *testing.T) {
		fault(t, everyone, []string{callers}, func(e *env) {
			e.wrap(func(http.RoundTripper, *http.Request) (*http.Response, error) { panic(testToken) })
			e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(0), "R": endsFailing(0, 1)})
		})
	})
	t.Run("while the body is read", func(t *testing.T) {
		fault(t, everyone, []string{callers}, func(e *env) {
			e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				require.NoError(e.T, err)
				resp.Body = explosive{resp.Body}
				return resp, nil
			})
			e.expect(e.call(e.Context()), map[string]want{"*": endsWell(1, 1), "R": endsFailing(1, 1)})
		})
	})
	t.Run("with an error that panics", func(t *testing.T) {
		fault(t, everyone, []string{callers}, func(e *env) {
			e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				require.NoError(e.T, err)
				resp.Body.Close()
				var none *traceError
				return nil, none // an error that is not nil, by mistake
			})
			e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1), "R": endsFailing(1, 1)})
		})
	})
	t.Run("while a token is fetched", func(t *testing.T) {
		fault(t, everyone, []string{callers}, func(e *env) {
			e.withIssuer(&issuer{})
			e.wrap(func(http.RoundTripper, *http.Request) (*http.Response, error) { panic(testToken) })
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0), "R": endsFailing(0, 0)})
		})
	})
}

type traceError struct{ text string }

func (e *traceError) Error() string { return e.text }

type explosive struct{ io.ReadCloser }

func (explosive) Read([]byte) (int, error) { panic(testToken) }

func TestATokenSourceThatPanics(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { panic(testToken) })
		e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0), "R": endsFailing(0, 0)})
		assert.Zero(e.T, e.w.Connections())
	})
	fault(t, everyone, allWays, func(e *env) { // when it is asked for another
		e.withIssuer(&issuer{good: func(int) bool { return false }})
		e.cfg.TokenSource = sourceFunc(func(_ context.Context, rejected string) (string, error) {
			if rejected != "" {
				panic(testToken)
			}
			return "token-1", nil
		})
		e.expect(e.call(e.Context()), map[string]want{"*": endsRefused(1, kopokopo.ErrUnauthorized), "R": endsFailing(1, 1, kopokopo.ErrUnauthorized)})
	})
	fault(t, everyone, ourWay, func(e *env) {
		e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { var none *traceError; return "", none })
		e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(0), "R": endsFailing(0, 0)})
	})
}

func TestADialerThatPanics(t *testing.T) {
	fault(t, everyone, []string{callers}, func(e *env) {
		e.cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { panic(testToken) }}}
		e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3)})
	})
}
