package faults_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Wrappers that repeat requests although they must not. A refusal of the second says
// nothing about the first: unless K2 has refused that too, the outcome is unknown, and
// nothing is sent again.

// repeating is a wrapper that sends a request so many times and returns what came of
// the last one.
func repeating(times int) func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	return func(next http.RoundTripper, req *http.Request) (resp *http.Response, err error) {
		var body []byte
		if req.Body != nil {
			body, _ = io.ReadAll(req.Body)
		}
		for range times {
			if resp != nil {
				resp.Body.Close()
			}
			resp, err = next.RoundTrip(copied(req, body))
		}
		return resp, err
	}
}

func copied(req *http.Request, body []byte) *http.Request {
	out := req.Clone(req.Context())
	if body != nil {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	return out
}

// answers gives one answer after another, whatever connection the requests come on;
// "" hangs up.
func answers(raw ...string) func(int) []step {
	n := 0
	return always(func(p *peer) error {
		for {
			if err := readWhole(p); err != nil {
				return err
			}
			text := raw[min(n, len(raw)-1)]
			n++
			if text == "" {
				return io.EOF
			}
			if err := send(text)(p); err != nil {
				return err
			}
		}
	})
}

func TestARefusalBehindARepeatedRequest(t *testing.T) {
	accepted := answer(201, "", "Location: /api/v1/payments/"+testID)
	busy := answer(503, "", "Retry-After: 1")
	for name, row := range map[string]struct {
		answers []string
		outcome error
	}{
		"read and dropped, then 409":            {[]string{"", answer(409, "")}, kopokopo.ErrOutcomeUnknown},
		"read and dropped, then 400":            {[]string{"", answer(400, `{"error_message":"no"}`)}, kopokopo.ErrOutcomeUnknown},
		"read and dropped, then 401":            {[]string{"", answer(401, "")}, kopokopo.ErrOutcomeUnknown},
		"read and dropped, then 429":            {[]string{"", answer(429, "")}, kopokopo.ErrOutcomeUnknown},
		"read and dropped, then 503 and a wait": {[]string{"", busy}, kopokopo.ErrOutcomeUnknown},
		"503, then 400":                         {[]string{answer(503, ""), answer(400, "")}, kopokopo.ErrOutcomeUnknown},
		"503 and a wait, then 400":              {[]string{busy, answer(400, "")}, kopokopo.ErrOutcomeUnknown},
		"201, then 409":                         {[]string{accepted, answer(409, "")}, kopokopo.ErrOutcomeUnknown},
		"408, then 422":                         {[]string{answer(408, ""), answer(422, "")}, kopokopo.ErrOutcomeUnknown},
		"429, then 400":                         {[]string{answer(429, ""), answer(400, "")}, kopokopo.ErrRefused},
		"400, then 400":                         {[]string{answer(400, ""), answer(400, "")}, kopokopo.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			fault(t, writers, []string{callers}, func(e *env) {
				e.w.Script = answers(row.answers...)
				e.wrap(repeating(2))
				e.expect(e.call(e.Context()), map[string]want{"*": {wire: 2, attempts: 1, outcome: row.outcome}})
			})
		})
	}
	t.Run("two at once", func(t *testing.T) {
		fault(t, writers, []string{callers}, func(e *env) {
			// A moment each, so that the second has begun before the first is answered.
			e.w.Script = always(readWhole, pause(time.Second), send(answer(409, "")), hang)
			e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(req.Body)
				both := make(chan *http.Response, 2)
				for range 2 {
					go func() {
						resp, err := next.RoundTrip(copied(req, body))
						assert.NoError(e.T, err)
						both <- resp
					}()
				}
				(<-both).Body.Close()
				return <-both, nil
			})
			e.expect(e.call(e.Context()), map[string]want{"*": {wire: 2, attempts: 1, outcome: kopokopo.ErrOutcomeUnknown}})
		})
	})
}

// A wrapper that makes an answer of an error, or does not wait for one, as circuit
// breakers and fallbacks do.
func TestAnAnswerThatAWrapperMadeUp(t *testing.T) {
	made := func(code int) *http.Response {
		return &http.Response{StatusCode: code, Header: http.Header{"Retry-After": {"1"}}, Body: http.NoBody}
	}
	for _, code := range []int{401, 409, 429, 503} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			fault(t, writers, []string{callers}, func(e *env) { // of a connection that was lost
				e.w.Script = always(readWhole, fin)
				e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(req)
					if err != nil {
						return made(code), nil
					}
					return resp, nil
				})
				e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1)})
			})
			fault(t, writers, []string{callers}, func(e *env) { // while the request goes on
				e.w.Script = always(readWhole, hang)
				e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(req.Body)
					go next.RoundTrip(copied(req, body))
					synctest.Wait()
					return made(code), nil
				})
				e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1)})
			})
			fault(t, writers, []string{callers}, func(e *env) { // and then sends it after all
				var late bool
				e.wrap(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(req.Body)
					ctx := context.WithoutCancel(req.Context())
					time.AfterFunc(time.Hour, func() {
						again := copied(req, body)
						if _, err := next.RoundTrip(again.WithContext(ctx)); err == nil {
							late = true
						}
					})
					return made(code), nil
				})
				e.cfg.MaxRetries = -1
				e.cfg.TokenSource = sourceFunc(func(_ context.Context, rejected string) (string, error) {
					if rejected != "" {
						return "", errGaveUp
					}
					return testToken, nil
				})
				err := e.call(e.Context())
				require.Error(e.T, err)
				time.Sleep(2 * time.Hour)
				assert.False(e.T, late)
				assert.Zero(e.T, e.w.Count(e.col.method, e.col.path), "the verdict was given")
			})
		})
	}
}
