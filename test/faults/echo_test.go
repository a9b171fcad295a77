package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// A hostile peer, or a broken one between, sends back what it was sent, in places that
// net/http quotes when it cannot read them. No error repeats it.

// echoes are answers that cannot be read, made of what the peer was sent.
var echoes = map[string]struct {
	raw   func(sent string) string
	typed bool // the cause is a textproto.ProtocolError
	body  bool // it is the body that cannot be read, so that the status of a create counts
}{
	"a header line without a colon": {func(sent string) string { return "HTTP/1.1 201 Created\r\n" + sent + "\r\n\r\n" }, true, false},
	"a header line that begins so":  {func(sent string) string { return "HTTP/1.1 201 Created\r\n " + sent[:min(len(sent), 60)] + "\r\n\r\n" }, true, false},
	"a header's name":               {func(sent string) string { return "HTTP/1.1 201 Created\r\n" + sent + ": 1\r\n\r\n" }, true, false},
	"a Content-Length":              {func(sent string) string { return "HTTP/1.1 201 Created\r\nContent-Length: " + sent + "\r\n\r\n" }, false, false},
	"two Content-Lengths": {func(sent string) string {
		return "HTTP/1.1 201 Created\r\nContent-Length: 1\r\nContent-Length: " + sent + "\r\n\r\n"
	}, false, false},
	"a Transfer-Encoding": {func(sent string) string { return "HTTP/1.1 201 Created\r\nTransfer-Encoding: " + sent + "\r\n\r\n" }, false, false},
	"two Transfer-Encodings": {func(sent string) string {
		return "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: " + sent + "\r\n\r\n"
	}, false, false},
	"a Trailer": {func(sent string) string {
		return "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length, " + sent + "\r\n\r\n0\r\n\r\n"
	}, false, true},
	"the status line": {func(sent string) string { return sent + "\r\n\r\n" }, false, false},
	"the status":      {func(sent string) string { return "HTTP/1.1 " + sent + "\r\n\r\n" }, false, false},
	"the version":     {func(sent string) string { return "HTTP/" + strings.ReplaceAll(sent, " ", "_") + " 201 Created\r\n\r\n" }, false, false},
	"a trailer behind a chunked body": {func(sent string) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + sent + "\r\n\r\n"
	}, true, true},
	"a chunk's length": {func(sent string) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent + "\r\n"
	}, false, true},
}

// wasSent is a line of what the peer was sent: the bearer token and the body, and the
// secrets in the forms that they have on the way.
func wasSent(req wireRequest) string {
	return strings.Join([]string{req.Header.Get("Authorization"), strings.ReplaceAll(string(req.Body), "\n", ""), personName, personNote,
		"+254 999 999 999", "0999-999-999", personPhone, url.QueryEscape(testSecret), url.PathEscape(testAPIKey),
		strings.ToLower(url.QueryEscape(testToken)), testClientID}, " ")
}

func TestEchoesAreNotRepeated(t *testing.T) {
	for name, echo := range echoes {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, allWays, func(e *env) {
				people(e)
				e.w.Script = always(readWhole, func(p *peer) error { return send(echo.raw(wasSent(p.Last)))(p) }, fin)
				err := e.call(e.Context())
				if echo.body && e.col.create {
					require.NotErrorIs(e.T, err, kopokopo.ErrNotSent)
					return
				}
				require.Error(e.T, err)
				e.Logf("%v", err)
				nothingShows(e.T, renderings(err)...)
				nothingShows(e.T, renderings(fmt.Errorf("paying: %w", err))...)
				for _, personal := range []string{"999 999 999", "999-999-999"} {
					assert.NotContains(e.T, err.Error(), personal)
				}
				var failed *kopokopo.CallError
				require.ErrorAs(e.T, err, &failed)
				nothingShows(e.T, renderings(failed.Err)...)
				var protocol textproto.ProtocolError
				assert.Equal(e.T, echo.typed, errors.As(err, &protocol), "the cause keeps its identity")
				if e.col.create {
					assert.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
				}
				var log bytes.Buffer
				slog.New(slog.NewTextHandler(&log, nil)).Error("failed", "err", err)
				slog.New(slog.NewJSONHandler(&log, nil)).Error("failed", "err", err)
				nothingShows(e.T, log.String())
				for _, rec := range e.log.all() {
					nothingShows(e.T, rec.text)
				}
			})
		})
	}
}

// The same where a token is fetched: the secret is in the body there.
func TestEchoesOfTheSecretAreNotRepeated(t *testing.T) {
	for name, echo := range echoes {
		t.Run(name, func(t *testing.T) {
			fault(t, "CR", []string{ours, foreign}, func(e *env) {
				e.cfg.TokenSource = nil
				e.w.Script = always(readWhole, func(p *peer) error { return send(echo.raw(string(p.Last.Body)))(p) }, fin)
				err := e.call(e.Context())
				require.Error(e.T, err)
				nothingShows(e.T, renderings(err)...)
				nothingShows(e.T, err.Error())
			})
		})
	}
}

// Numbers and secrets in the words of K2 itself, in every form they are written in.
func TestWhatK2RepeatsIsMasked(t *testing.T) {
	for _, text := range []string{"+254 999 999 999", "0999-999-999", "0999 999 999", "254999999999", "+254-999-999-999",
		testSecret, url.QueryEscape(testSecret), url.PathEscape(testSecret), strings.ToLower(url.QueryEscape(testSecret)), strings.ToLower(url.PathEscape(testSecret)),
		testToken, url.QueryEscape(testToken), strings.ToLower(url.PathEscape(testToken)), url.PathEscape(testAPIKey), testClientID} {
		fault(t, everyone, ourWay, func(e *env) {
			e.w.Serve = func(*peer, wireRequest) string {
				return answer(400, fmt.Sprintf(`{"error_message":%q}`, "no good: "+text+" (as it was sent)"))
			}
			err := e.call(e.Context())
			require.ErrorContains(e.T, err, "no good: ")
			assert.NotContains(e.T, err.Error(), text)
			nothingShows(e.T, err.Error())
			assert.NotRegexp(e.T, `[0-9][0-9 -]{6,}`, err.Error())
		})
	}
}

// The words of a TokenSource's error are the caller's, and can hold what it was given.
func TestATokenSourcesErrorIsMasked(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.withIssuer(&issuer{good: func(int) bool { return false }})
		e.cfg.TokenSource = sourceFunc(func(_ context.Context, rejected string) (string, error) {
			if rejected == "" {
				return testToken, nil
			}
			return "", fmt.Errorf("%w: after %s, with %s for %s", errGaveUp, rejected, testSecret, personPhone)
		})
		err := e.call(e.Context())
		require.ErrorIs(e.T, err, errGaveUp)
		nothingShows(e.T, err.Error(), fmt.Sprintf("%+v", err))
	})
}
