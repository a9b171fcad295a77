package api_test

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// holder is another program's struct that holds a value of ours in an exported field.
type holder struct {
	Name  string
	Value any
	Map   map[string]any
	List  []any
}

// embedder is another program's struct that embeds ours.
type embedder struct {
	kopokopo.Credentials
	C kopokopo.Config
	P *kopokopo.Config
}

// secretive returns every value that holds secrets, alone and inside others.
func secretive(t testing.TB) map[string]any {
	t.Helper()
	creds := testCredentials()
	cfg := kopokopo.Config{BaseURL: "https://k2.example/hidden-path", Credentials: creds, CallbackURL: testCallback + "?key=" + testToken}
	client, err := kopokopo.New(cfg)
	require.NoError(t, err)
	sdk := client.SDK()
	token := kopokopo.TokenResponse{AccessToken: testToken, Type: "Bearer", Expiry: 3600, Creation: 1}
	simple := map[string]any{
		"Credentials": creds, "*Credentials": &creds, "Config": cfg, "*Config": &cfg,
		"Client": *client, "*Client": client, "SDK": sdk, "*SDK": &sdk, "TokenResponse": token, "*TokenResponse": &token,
		"unusable SDK": kopokopo.NewSDK(kopokopo.Config{Credentials: creds}),
	}
	all := map[string]any{}
	for name, v := range simple {
		all[name] = v
		all[name+" in a struct"] = holder{Name: "n", Value: v}
		all[name+" in a *struct"] = &holder{Name: "n", Value: v}
		all[name+" in a map"] = map[string]any{"k": v}
		all[name+" in a slice"] = []any{v, v}
		all[name+" deeper"] = holder{Map: map[string]any{"k": []any{v}}, List: []any{map[string]any{"k": v}}}
		all[name+" in a wrapped error"] = fmt.Errorf("failed: %v: %w", v, errors.New("x"))
		all[name+" in joined errors"] = errors.Join(fmt.Errorf("with %+v", v), fmt.Errorf("and %#v", v))
	}
	all["embedding struct"] = embedder{creds, cfg, &cfg}
	all["typed map"] = map[string]kopokopo.Credentials{"k": creds}
	all["typed slice"] = []kopokopo.Config{cfg}
	all["map key"] = map[kopokopo.Credentials]int{creds: 1}
	return all
}

func TestNoVerbPrintsASecret(t *testing.T) {
	t.Parallel()
	values := secretive(t)
	for verb := 'A'; verb <= 'z'; verb++ {
		if verb > 'Z' && verb < 'a' || verb == 'w' {
			continue
		}
		for _, flags := range []string{"", "+", "#", "-+40", ".3", "#+ 0", " "} {
			format := "%" + flags + string(verb)
			for name, v := range values {
				if verb == 'p' && !printsAsPointer(v) {
					continue
				}
				if text := fmt.Sprintf(format, v); showsSecret(text) {
					t.Errorf("%s of %s shows a secret: %s", format, name, text)
				}
			}
		}
	}
	for name, v := range values {
		assert.False(t, showsSecret(fmt.Sprint(v)), name)
		assert.False(t, showsSecret(fmt.Sprintln(v, v)), name)
		tooFew := strings.Repeat("%d", 1) // out of the reach of go vet
		assert.False(t, showsSecret(fmt.Sprintf(tooFew, 1, v)), "%s: as an argument too many", name)
	}
}

// printsAsPointer reports whether %p means anything for v. For everything else fmt
// falls back to printing raw fields without asking the value (and go vet reports the
// mistake): documented fields are exported strings, so nothing can be done about it.
func printsAsPointer(v any) bool {
	return len(fmt.Sprintf("%p", v)) > 2 && fmt.Sprintf("%p", v)[:2] == "0x"
}

func showsSecret(text string) bool {
	for _, secret := range []string{testSecret, testAPIKey, testToken, testClientID} {
		for _, hidden := range disguises(secret) {
			if strings.Contains(text, hidden) {
				return true
			}
		}
	}
	return false
}

func TestPrintedFormsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	cfg := kopokopo.Config{BaseURL: "https://user:pass@k2.example/path?token=1", Credentials: kopokopo.Credentials{AppID: "a", Secret: "b"}}
	text := fmt.Sprintf("%+v", cfg)
	assert.Contains(t, text, "https://k2.example")
	assert.NotContains(t, text, "pass")
	assert.NotContains(t, text, "token=1")
	assert.Equal(t, `kopokopo.Credentials{AppID:"[REDACTED]", Secret:"[REDACTED]", APIKey:""}`, fmt.Sprint(cfg.Credentials), "what is missing shows")
	client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials()})
	require.NoError(t, err)
	assert.Equal(t, "kopokopo.Client(https://k2.example)", fmt.Sprint(client))
	assert.Equal(t, "kopokopo.SDK(https://k2.example)", fmt.Sprintf("%+v", client.SDK()))
	assert.Equal(t, "kopokopo.SDK(unusable)", fmt.Sprint(kopokopo.NewSDK(cfg)))
	assert.Equal(t, "kopokopo.Client(not made by New)", fmt.Sprint(kopokopo.Client{}))
}

func TestNoLogShowsASecret(t *testing.T) {
	t.Parallel()
	for name, v := range secretive(t) {
		var out bytes.Buffer
		for _, handler := range []slog.Handler{
			slog.NewTextHandler(&out, nil),
			slog.NewJSONHandler(&out, nil),
		} {
			if _, isJSON := handler.(*slog.JSONHandler); isJSON && holdsToken(name) {
				continue // JSON of a value with a token in it is there to be kept: TestTokensCanBeStored
			}
			slog.New(handler).Info("message", "value", v, slog.Group("group", "value", v))
		}
		assert.NotEmpty(t, out.String(), name)
		if showsSecret(out.String()) {
			t.Errorf("a log of %s shows a secret: %s", name, out.String())
		}
	}
}

// holdsToken tells a value with a token inside from the token itself, which has a form for logs.
func holdsToken(name string) bool { return strings.Contains(name, "TokenResponse ") }

func TestNoEncodingHoldsASecret(t *testing.T) {
	t.Parallel()
	for name, v := range secretive(t) {
		if strings.Contains(name, "TokenResponse") {
			continue
		}
		var out bytes.Buffer
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
		_ = json.NewEncoder(&out).Encode(v)
		if text, err := xml.Marshal(v); err == nil {
			out.Write(text)
		}
		_ = gob.NewEncoder(&out).Encode(v)
		if showsSecret(out.String()) {
			t.Errorf("an encoding of %s holds a secret: %q", name, out.String())
		}
	}
	for name, written := range map[string]func() ([]byte, error){
		"MarshalText": encoding.TextMarshaler(testCredentials()).MarshalText, "MarshalBinary": encoding.BinaryMarshaler(testCredentials()).MarshalBinary,
		"GobEncode": gob.GobEncoder(testCredentials()).GobEncode,
	} {
		text, err := written() // what libraries for YAML, TOML, CBOR or MessagePack ask for
		require.NoError(t, err, name)
		assert.Contains(t, string(text), "[REDACTED]", name)
		assert.False(t, showsSecret(string(text)), name)
	}
	text, err := json.Marshal(testCredentials())
	require.NoError(t, err)
	assert.JSONEq(t, `{"app_id":"[REDACTED]","secret":"[REDACTED]","api_key":"[REDACTED]"}`, string(text))
}

// A token is the one secret that programs have reason to keep.
func TestTokensCanBeStored(t *testing.T) {
	t.Parallel()
	token := kopokopo.TokenResponse{AccessToken: testToken, Type: "Bearer", Expiry: 3600, Creation: 1617257436}
	text, err := json.Marshal(token)
	require.NoError(t, err)
	var again kopokopo.TokenResponse
	require.NoError(t, json.Unmarshal(text, &again))
	assert.True(t, token == again)
}

func TestCredentialsAreReadFromJSONInFull(t *testing.T) {
	t.Parallel()
	var creds kopokopo.Credentials
	require.NoError(t, json.Unmarshal([]byte(`{"app_id":"a","secret":"b","api_key":"c"}`), &creds))
	assert.True(t, creds == kopokopo.Credentials{AppID: "a", Secret: "b", APIKey: "c"})
}

func TestErrorsOfCallsShowNoSecret(t *testing.T) {
	t.Parallel()
	echo := func() string {
		text, _ := json.Marshal(map[string]any{"error_code": "code " + testSecret, "error_message": []string{
			"secret " + testSecret, "key " + testAPIKey, "token " + testToken, "id " + testClientID, "bearer+" + disguises(testSecret)["query-escaped"]}})
		return string(text)
	}()
	for _, status := range []int{400, 401, 403, 404, 422, 500} {
		far := newFarSide(t, answering(status, "application/json", echo))
		sdk := far.SDK()
		for _, create := range creates {
			_, err := create.Call(sdk, testToken)
			require.Error(t, err)
			for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				noSecrets(t, fmt.Sprintf(format, err))
			}
			var api *kopokopo.APIError
			require.ErrorAs(t, err, &api)
			noSecrets(t, api.Code+fmt.Sprint(api.Messages))
			assert.Equal(t, echo, string(api.Body()), "the raw body stays available to whoever asks for it")
		}
	}
}

// Revoke and introspect carry the token in their form: an answer can repeat it too.
func TestErrorsOfTokenCallsShowNoToken(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, answering(400, "application/json", `{"error":"no `+testToken+`","error_description":"token=`+disguises(testToken)["query-escaped"]+`&client_secret=`+disguises(testSecret)["query-escaped"]+`"}`))
	for name, call := range sdkCalls {
		err := call(far.SDK(), testToken)
		require.ErrorContains(t, err, "[REDACTED]", name)
		noSecrets(t, err.Error())
		var api *kopokopo.APIError
		require.ErrorAs(t, err, &api)
		noSecrets(t, api.Code)
	}
	assert.Len(t, far.Seen(), len(sdkCalls))
}
