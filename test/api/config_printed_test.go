package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func TestAConfigAsItIsPrintedLoggedAndEncoded(t *testing.T) {
	t.Parallel()
	cfg := kopokopo.Config{BaseURL: "https://user:pass@k2.example/path?token=1", AuthURL: "mailto:secret@x", CallbackURL: testCallback + "?key=1",
		Credentials: kopokopo.Credentials{AppID: "a", Secret: "b"}, MaxIdleConns: 3, IdleConnTimeout: time.Minute, Timeout: time.Second, UserAgent: "shop/1"}
	text, err := json.Marshal(cfg)
	require.NoError(t, err)
	assert.JSONEq(t, `{"base_url":"https://k2.example","auth_url":"(not a URL)","callback_url":"https://shop.example",
		"credentials":{"app_id":"[REDACTED]","secret":"[REDACTED]","api_key":""},
		"max_idle_conns":3,"idle_conn_timeout":"1m0s","timeout":"1s","user_agent":"shop/1"}`, string(text))
	credentials := slog.GroupValue(slog.String("app_id", "[REDACTED]"), slog.String("secret", "[REDACTED]"), slog.String("api_key", ""))
	assert.Equal(t, credentials, cfg.Credentials.LogValue())
	assert.Equal(t, slog.GroupValue(slog.String("base_url", "https://k2.example"), slog.String("auth_url", "(not a URL)"), slog.String("callback_url", "https://shop.example"),
		slog.Any("credentials", credentials), slog.Int("max_idle_conns", 3), slog.Duration("idle_conn_timeout", time.Minute),
		slog.Duration("timeout", time.Second), slog.String("user_agent", "shop/1")), cfg.LogValue())
	assert.Equal(t, "kopokopo.Config[base_url=https://k2.example auth_url=(not a URL) callback_url=https://shop.example "+
		"credentials=[app_id=[REDACTED] secret=[REDACTED] api_key=] max_idle_conns=3 idle_conn_timeout=1m0s timeout=1s user_agent=shop/1]", fmt.Sprintf("%+v", cfg))
	text, err = cfg.Credentials.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, `kopokopo.Credentials{AppID:"[REDACTED]", Secret:"[REDACTED]", APIKey:""}`, string(text))
	text, err = cfg.Credentials.GobEncode()
	require.NoError(t, err)
	assert.Equal(t, "[REDACTED]", string(text))

	text, err = json.Marshal(kopokopo.Config{BaseURL: " https://k2.example ", AuthURL: "", CallbackURL: "http://[secret"})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"auth_url":""`)
	assert.Contains(t, string(text), `"base_url":"https://k2.example"`)
	assert.Contains(t, string(text), `"callback_url":"(not a URL)"`)
	for _, odd := range []string{"secret", "/secret", "http:secret"} {
		text, err = json.Marshal(kopokopo.Config{BaseURL: odd})
		require.NoError(t, err)
		assert.Contains(t, string(text), `"base_url":"(not a URL)"`, odd)
	}
}

func TestBaseURLsAsTheyAreSent(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://k2.example": "/api/v1/payments", "https://k2.example/": "/api/v1/payments", "https://k2.example///": "",
		"https://k2.example/a/": "/a/api/v1/payments", "https://k2.example/a%2Fb": "/a/b/api/v1/payments", "https://k2.example/.hidden": "/.hidden/api/v1/payments",
		"https://k2.example/a~": "/a~/api/v1/payments", " https://k2.example\n": "/api/v1/payments", "https://k2.example:8443": "/api/v1/payments",
		"https://k2.example/./a": "", "https://k2.example/a/..": "", "https://k2.example/%2e%2e/a": "", "https://k2.example//a": "",
		"https://k2.example#": "", "https://k2.example/#a": "", "https://k2.example?": "", "https://k2.example?a": "",
		"https:k2.example": "", "https:///a": "", "https://:443": "", "https://": "", "k2.example": "", "http://[": "", "https://u@k2.example": "",
	} {
		var sent []string
		cfg := kopokopo.Config{BaseURL: base, TokenSource: oneToken("token"), HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.URL.EscapedPath())
			return saysCreated(r, testID), nil
		})}}
		client, err := kopokopo.New(cfg)
		if want == "" {
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid, base)
			require.Len(t, invalid.Fields, 1)
			assert.Equal(t, "config", invalid.What)
			assert.Equal(t, "BaseURL", invalid.Fields[0].Field)
			assert.NotEmpty(t, invalid.Fields[0].Message)
			continue
		}
		require.NoError(t, err, base)
		_, err = client.V1.Payments.Create(t.Context(), validPayment())
		require.NoError(t, err)
		assert.Equal(t, []string{want}, sent, base)
		require.NoError(t, client.Close())
	}
}

// What mounting a secret as a file adds around it is removed, and nothing else.
func TestSecretsKeepTheirCharacters(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"~secret~", "se cret", "\"secret\"", "'secret'", "secret="} {
		var form string
		client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: kopokopo.Credentials{AppID: " id\r\n", Secret: "\t" + secret + "\n"},
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				require.NoError(t, r.ParseForm())
				form = r.PostForm.Get("client_id") + "/" + r.PostForm.Get("client_secret")
				return says(r, 200, `{"access_token":"a"}`), nil
			})}})
		require.NoError(t, err)
		_, err = client.Tokens.Get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "id/"+secret, form)
		require.NoError(t, client.Close())
	}
}

func TestWhatIsReadFromTheEnvironment(t *testing.T) { // not parallel: the environment is everybody's
	want := kopokopo.Config{BaseURL: testBase, Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret", APIKey: "key"}}
	for name, value := range map[string]string{"BASE_URL": testBase, "CLIENT_ID": "id", "CLIENT_SECRET": "secret", "API_KEY": "key"} {
		t.Setenv("KOPOKOPO_"+name, value)
	}
	cfg, err := kopokopo.ConfigFromEnv()
	require.NoError(t, err)
	assert.True(t, cfg.BaseURL == want.BaseURL && cfg.Credentials == want.Credentials)
	for _, name := range []string{"KOPOKOPO_BASE_URL", "KOPOKOPO_CLIENT_ID", "KOPOKOPO_CLIENT_SECRET"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, " ")
			_, err := kopokopo.ConfigFromEnv()
			assert.EqualError(t, err, "kopokopo: environment: "+name+" is required")
		})
	}
	t.Setenv("KOPOKOPO_API_KEY", "")
	cfg, err = kopokopo.ConfigFromEnv()
	require.NoError(t, err, "it is optional")
	assert.Empty(t, cfg.Credentials.APIKey)
}
