package faults_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// S: secrets, tokens and people's data stay where they belong. How Config and
// Credentials print is tested beside them.

func refusedConfig(t *testing.T, field string, change func(*kopokopo.Config)) {
	t.Helper()
	cfg := kopokopo.Config{BaseURL: "https://k2.example", Credentials: testCredentials()}
	change(&cfg)
	_, err := kopokopo.New(cfg)
	var invalid *kopokopo.ValidationError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, field, invalid.Fields[0].Field)
	noSecrets(t, fmt.Sprintf("%v %+v %#v %q", err, err, err, err))
}

func TestFault_S01_SecretsAsFilesHaveThem(t *testing.T) {
	// A trailing newline or carriage return belongs to the file; within a secret it does not.
	for _, space := range []string{"\n", "\r\n", " ", "\t"} {
		once(t, func(e *env) {
			e.withIssuer(&issuer{})
			e.cfg.Credentials.Secret = testSecret + space
			require.NoError(e.T, e.call(e.Context()))
			assert.NotContains(e.T, string(e.w.Seen()[0].Body), "%0A")
		})
	}
	refusedConfig(t, "Credentials.Secret", func(c *kopokopo.Config) { c.Credentials.Secret = testSecret[:5] + "\n" + testSecret[5:] })
	refusedConfig(t, "Credentials.APIKey", func(c *kopokopo.Config) { c.Credentials.APIKey = testAPIKey + "\x00" + testAPIKey })
}

func TestFault_S02_SecretsThatAreMissing(t *testing.T) {
	refusedConfig(t, "Credentials.AppID", func(c *kopokopo.Config) { c.Credentials.AppID = "" })
	refusedConfig(t, "Credentials.Secret", func(c *kopokopo.Config) { c.Credentials.Secret = " \n" })
	once(t, func(e *env) { // quotes and short keys are K2's affair
		e.cfg.Credentials = kopokopo.Credentials{AppID: `"quoted"`, Secret: "s", APIKey: "k"}
		require.NoError(e.T, e.call(e.Context()))
	})
}

func TestFault_S03_InsecureBaseURL(t *testing.T) {
	refusedConfig(t, "BaseURL", func(c *kopokopo.Config) { c.BaseURL = "http://k2.example" })
	refusedConfig(t, "AuthURL", func(c *kopokopo.Config) { c.AuthURL = "http://k2.example" })
	refusedConfig(t, "BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://" + testClientID + ":" + testClientID + "@k2.example" })
}

func TestFault_S04_RedactedCredentials(t *testing.T) {
	// What printing a Config gives is not taken for a Config.
	refusedConfig(t, "Credentials.Secret", func(c *kopokopo.Config) { c.Credentials.Secret = "[REDACTED]" })
	written, err := json.Marshal(testCredentials())
	require.NoError(t, err)
	noSecrets(t, string(written))
	refusedConfig(t, "Credentials.AppID", func(c *kopokopo.Config) { require.NoError(t, json.Unmarshal(written, &c.Credentials)) })
}

// What must show nowhere, beside the secrets.
const (
	personPhone = "254999999999"
	personName  = "Wanjiku-Otieno"
	personNote  = "note-of-the-customer"
)

// sweepFaults are representative ways for a call to end.
var sweepFaults = map[string]func(e *env){
	"no connection": func(e *env) { e.w.OnDial = failDial(syscall.ECONNREFUSED) },
	"reset":         func(e *env) { e.w.Script = always(readWhole, rst) },
	"closed":        func(e *env) { e.w.Script = always(readWhole, fin) },
	"silence":       func(e *env) { e.w.Script = always(readWhole, hang) },
	"garbage":       func(e *env) { e.w.Script = always(readWhole, send("\x00\x01\x02 garbage\r\n\r\n"), fin) },
	"cut": func(e *env) {
		e.w.Script = always(readWhole, send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), fin)
	},
	"redirect": func(e *env) {
		e.w.Script = always(readWhole, send(answer(302, "", "Location: https://evil.example/?t="+testToken)), fin)
	},
	"echo": func(e *env) { // a server that repeats what it was sent in its error
		e.w.Script = always(serveAll)
		e.w.Serve = func(_ *peer, req wireRequest) string {
			text, _ := json.Marshal(fmt.Sprintf("bad request: %s, body %s, secret %s, key %s, id %s", req.Header.Get("Authorization"), personPhone, testSecret, testAPIKey, testClientID))
			return answer(400, `{"error_message":`+string(text)+`}`)
		}
	},
	"an echo that is no JSON": func(e *env) {
		e.w.Script = always(serveAll)
		e.w.Serve = func(_ *peer, req wireRequest) string { return answer(500, string(req.Body)+testSecret) }
	},
	"429": func(e *env) { e.w.Script = always(readWhole, send(answer(429, "", "Retry-After: 1")), fin) },
	"401": func(e *env) {
		e.w.Script = always(readWhole, send(answer(401, `{"error_message":"`+testToken+`"}`)), fin)
	},
	"bad token source": func(e *env) {
		e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { return testToken + "\n", nil })
	},
	"bad credentials": func(e *env) {
		e.withIssuer(&issuer{answer: func(int) string {
			text, _ := json.Marshal("client " + testClientID + " with " + testSecret + " is unknown")
			return answer(401, `{"error":"invalid_client","error_description":`+string(text)+`}`)
		}})
	},
	"good": func(*env) {},
}

// people fills the requests with what must not show.
func people(e *env) {
	e.col.call = func(ctx context.Context, c *kopokopo.Client) error {
		switch e.col.class {
		case "M":
			payment := validPayment()
			payment.Description, payment.Metadata = personName, map[string]any{"note": personNote}
			_, err := c.V1.Payments.Create(ctx, payment)
			return err
		case "C":
			push := validSTK()
			push.Subscriber.FirstName, push.Metadata = personName, map[string]any{"note": personNote}
			_, err := c.IncomingPayments.Create(ctx, push)
			return err
		}
		return columns[e.col.class].call(ctx, c)
	}
}

// renderings prints a value in every way there is.
func renderings(v any) []string {
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p", "%U", "%o"} {
		out = append(out, fmt.Sprintf(verb, v), fmt.Sprintf(verb, []any{v}), fmt.Sprintf(verb, map[string]any{"v": v}),
			fmt.Sprintf(verb, struct{ V any }{v}), fmt.Sprintf(verb, struct{ v any }{v}))
	}
	text, _ := json.Marshal(v)
	out = append(out, string(text))
	xmlText, _ := xml.Marshal(v)
	out = append(out, string(xmlText))
	var buf bytes.Buffer
	_ = gob.NewEncoder(&buf).Encode(v)
	out = append(out, buf.String())
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("x", "v", v)
		out = append(out, b.String())
	}
	func() {
		defer func() { out = append(out, fmt.Sprint(recover())) }()
		panic(v)
	}()
	return out
}

// nothingShows fails if a text holds a secret or something personal, in any form.
func nothingShows(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		noSecrets(t, text)
		for _, personal := range []string{personPhone, "999999999", personName, personNote} {
			for form, hidden := range disguises(personal) {
				if strings.Contains(text, hidden) {
					t.Errorf("%q shows in its %s form in %q", personal, form, text)
				}
			}
		}
	}
}

// sweep runs every fault and hands over what came of it.
func sweep(t *testing.T, look func(e *env, err error)) {
	for name, arrange := range sweepFaults {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, allWays, func(e *env) {
				e.cfg.Timeout = time.Second
				people(e)
				arrange(e)
				look(e, e.call(e.Context()))
			})
		})
	}
}

func TestFault_S05_ErrorsInEveryVerb(t *testing.T) {
	sweep(t, func(e *env, err error) {
		if err == nil {
			return
		}
		// A foreign error may print its fields: only this package's are asked in full.
		for link := err; link != nil; link = errors.Unwrap(link) {
			nothingShows(e.T, renderings(link)...)
		}
		var answered *kopokopo.APIError
		if errors.As(err, &answered) {
			nothingShows(e.T, renderings(answered)...)
			nothingShows(e.T, renderings(*answered)...)
		}
		nothingShows(e.T, renderings(fmt.Errorf("paying: %w", err))...)
	})
}

func TestFault_S06_ClientsInEveryVerb(t *testing.T) {
	once(t, func(e *env) {
		e.withIssuer(&issuer{answer: func(int) string { return answer(200, `{"access_token":"`+testToken+`"}`) }, good: func(int) bool { return true }})
		e.w.Serve = func(_ *peer, req wireRequest) string {
			if req.Path == "/oauth/token" {
				return answer(200, `{"access_token":"`+testToken+`"}`)
			}
			return ""
		}
		require.NoError(e.T, e.call(e.Context()))
		nothingShows(e.T, renderings(e.client)...)
		nothingShows(e.T, renderings(*e.client)...)
		nothingShows(e.T, renderings(e.client.SDK())...)
		nothingShows(e.T, renderings(e.client.Tokens)...)
		nothingShows(e.T, renderings(e.client.IncomingPayments)...)
		nothingShows(e.T, renderings(e.client.V1.Payments)...)
		token, err := e.client.Tokens.Get(e.Context())
		require.NoError(e.T, err)
		nothingShows(e.T, fmt.Sprintf("%v %+v %#v %s %q %x %d", token, token, token, token, token, token, token), fmt.Sprint(&token), fmt.Sprintf("%+v", []any{token}))
	})
}

func TestFault_S07_LogsOfEveryFault(t *testing.T) {
	sweep(t, func(e *env, _ error) {
		for _, rec := range e.log.all() {
			nothingShows(e.T, rec.text, rec.message)
			for _, value := range rec.attrs {
				nothingShows(e.T, fmt.Sprintf("%+v", value.Any()))
			}
			assert.NotContains(e.T, rec.text, testID, "ids are not logged")
		}
	})
}

func TestFault_S08_LogLine(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		first := firstly(answer(429, "", "Retry-After: 2"))
		e.w.Serve = func(p *peer, req wireRequest) string {
			raw := first(p, req)
			if raw != "" {
				time.Sleep(time.Second)
			}
			return raw
		}
		require.NoError(e.T, e.call(e.Context()))
		synctest.Wait()
		var lines []record
		for _, rec := range e.log.all() {
			if _, ok := rec.attrs["attempt"]; ok {
				lines = append(lines, rec)
			}
		}
		require.Len(e.T, lines, 2, "one for each attempt")
		status := map[bool]int64{true: http.StatusCreated, false: http.StatusOK}[e.col.create]
		refused, accepted := "refused", "accepted"
		if !e.col.create {
			refused, accepted = "failed", "answered" // a read has no outcome
		}
		for i, want := range []struct {
			status int64
			took   time.Duration
			result string
		}{{429, time.Second, refused}, {status, 0, accepted}} {
			attrs := lines[i].attrs
			assert.Equal(e.T, slog.LevelDebug, lines[i].level)
			assert.Equal(e.T, e.col.method, attrs["method"].String())
			assert.Equal(e.T, e.col.template, attrs["path"].String())
			assert.Equal(e.T, want.status, attrs["status"].Int64())
			assert.Equal(e.T, int64(i+1), attrs["attempt"].Int64())
			assert.Equal(e.T, want.took, attrs["took"].Duration())
			assert.Equal(e.T, want.result, attrs["outcome"].String())
			assert.Len(e.T, attrs, 6, "and nothing else")
		}
	})
}
