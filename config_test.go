package kopokopo_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

func TestConfigIsRefusedFieldByField(t *testing.T) {
	t.Parallel()
	const secretive = "hunter2"
	tests := map[string]struct {
		field  string
		change func(*kopokopo.Config)
	}{
		"no base URL":            {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = " " }},
		"relative":               {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "/hunter2" }},
		"no scheme":              {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "hunter2.kopokopo.com" }},
		"other scheme":           {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "ftp://hunter2" }},
		"opaque":                 {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https:hunter2" }},
		"no host":                {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https:///hunter2" }},
		"port only":              {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://:443/hunter2" }},
		"bad port":               {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example:hunter2" }},
		"bad escape":             {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/%hunter2" }},
		"plain http":             {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "http://hunter2.example" }},
		"http to a private host": {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "http://10.0.0.1/hunter2" }},
		"http, loopback in name": {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "http://127.0.0.1.hunter2" }},
		"user":                   {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://hunter2@k2.example" }},
		"password":               {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://u:hunter2@k2.example" }},
		"query":                  {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/?k=hunter2" }},
		"bare ?":                 {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/hunter2?" }},
		"fragment":               {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/#hunter2" }},
		"bare #":                 {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/hunter2#" }},
		"control character":      {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/hunt\ner2" }},
		"escaped control":        {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/hunter2%0a" }},
		"climbing":               {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/hunter2/../x" }},
		"escaped climbing":       {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example/hunter2/%2e%2e" }},
		"double slash":           {"BaseURL", func(c *kopokopo.Config) { c.BaseURL = "https://k2.example//hunter2" }},
		"auth URL, plain http":   {"AuthURL", func(c *kopokopo.Config) { c.AuthURL = "http://hunter2.example" }},
		"auth URL, password":     {"AuthURL", func(c *kopokopo.Config) { c.AuthURL = "https://u:hunter2@k2.example" }},
		"no app id":              {"Credentials.AppID", func(c *kopokopo.Config) { c.Credentials.AppID = "" }},
		"blank app id":           {"Credentials.AppID", func(c *kopokopo.Config) { c.Credentials.AppID = " \n" }},
		"no secret":              {"Credentials.Secret", func(c *kopokopo.Config) { c.Credentials.Secret = "" }},
		"app id with NUL":        {"Credentials.AppID", func(c *kopokopo.Config) { c.Credentials.AppID = "hunter2\x00x" }},
		"secret of two lines":    {"Credentials.Secret", func(c *kopokopo.Config) { c.Credentials.Secret = "hunter2\nsecond" }},
		"key with DEL":           {"Credentials.APIKey", func(c *kopokopo.Config) { c.Credentials.APIKey = "hunter2\x7fx" }},
		"redacted secret":        {"Credentials.Secret", func(c *kopokopo.Config) { c.Credentials.Secret = "[REDACTED]" }},
		"callback, plain http":   {"CallbackURL", func(c *kopokopo.Config) { c.CallbackURL = "http://hunter2.example/" }},
		"callback, password":     {"CallbackURL", func(c *kopokopo.Config) { c.CallbackURL = "https://u:hunter2@shop.example/" }},
		"timeout":                {"Timeout", func(c *kopokopo.Config) { c.Timeout = -1 }},
		"idle connections":       {"MaxIdleConns", func(c *kopokopo.Config) { c.MaxIdleConns = -1 }},
		"idle time":              {"IdleConnTimeout", func(c *kopokopo.Config) { c.IdleConnTimeout = -time.Second }},
		"user agent":             {"UserAgent", func(c *kopokopo.Config) { c.UserAgent = "hunter2\r\nX-Evil: 1" }},
	}
	for name, test := range tests {
		cfg := kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: testkit.Credentials()}
		test.change(&cfg)
		client, err := kopokopo.New(cfg)
		assert.Nil(t, client, name)
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		require.Len(t, invalid.Fields, 1, name)
		assert.Equal(t, test.field, invalid.Fields[0].Field, name)
		assert.Contains(t, err.Error(), "kopokopo: config: "+test.field+" ", name)
		assert.NotContains(t, err.Error(), secretive, "%s: the value is not repeated", name)
		testkit.NoSecrets(t, err.Error())
	}
}

func TestConfigNamesEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := kopokopo.New(kopokopo.Config{Timeout: -1, MaxIdleConns: -1})
	var invalid *kopokopo.ValidationError
	require.ErrorAs(t, err, &invalid)
	var fields []string
	for _, f := range invalid.Fields {
		fields = append(fields, f.Field)
	}
	assert.ElementsMatch(t, []string{"BaseURL", "Credentials.AppID", "Credentials.Secret", "Timeout", "MaxIdleConns"}, fields)
	assert.Contains(t, err.Error(), "kopokopo.Sandbox")
}

func TestConfigsThatWork(t *testing.T) {
	t.Parallel()
	for name, base := range map[string]string{
		"sandbox": kopokopo.Sandbox, "production": kopokopo.Production, "upper-case scheme": "HTTPS://k2.example",
		"slash": "https://k2.example/", "port": "https://k2.example:8443", "path": "https://gateway.example/k2/",
		"loopback": "http://127.0.0.1:8080", "loopback 2": "http://127.9.9.9", "IPv6": "http://[::1]:80", "name": "http://localhost:3000",
		"newline of a file": kopokopo.Sandbox + "\n", "mapped": "http://[::ffff:127.0.0.1]",
	} {
		creds := testkit.Credentials()
		creds.APIKey = ""
		client, err := kopokopo.New(kopokopo.Config{BaseURL: base, Credentials: creds})
		require.NoError(t, err, name)
		require.NoError(t, client.Close())
	}
}

func TestPathOfTheBaseURLIsKept(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "/", "///", "/k2", "/k2/"} {
		far := testkit.NewFarSide(t, testkit.Created)
		cfg := far.Config()
		cfg.BaseURL += suffix
		sdk := kopokopo.NewSDK(cfg)
		_, err := sdk.CreateWebhook(testkit.Token, testkit.ValidWebhook())
		if suffix == "///" {
			require.Error(t, err)
			assert.Zero(t, far.Connections())
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, strings.TrimRight(suffix, "/")+"/api/v1/webhook_subscriptions", far.Only(t).Path)
	}
}

func TestSecretsFromFilesAreTrimmed(t *testing.T) {
	t.Parallel()
	far := testkit.NewFarSide(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			testkit.Answering(200, "application/json", `{"access_token":"abc"}`)(w, r)
		}
	})
	cfg := far.Config()
	cfg.BaseURL = "\t" + cfg.BaseURL + "/\r\n"
	cfg.Credentials = kopokopo.Credentials{AppID: " " + testkit.ClientID + "\n", Secret: testkit.Secret + "\r\n", APIKey: "\t" + testkit.APIKey + "\n"}
	sdk := kopokopo.NewSDK(cfg)
	_, err := sdk.GetToken()
	require.NoError(t, err)
	testkit.RequireForm(t, far.Only(t), "/oauth/token", testkit.CredentialsForm("grant_type", "client_credentials"))
	_, err = sdk.ValidateWebhook(far.URL + "/hook?shop=1")
	require.NoError(t, err)
	testkit.RequireSample(t, far.Seen()[1], "buygoods_transaction_received")
}

func TestConfigFromEnv(t *testing.T) {
	all := map[string]string{"KOPOKOPO_BASE_URL": kopokopo.Sandbox, "KOPOKOPO_CLIENT_ID": testkit.ClientID,
		"KOPOKOPO_CLIENT_SECRET": testkit.Secret + "\n", "KOPOKOPO_API_KEY": testkit.APIKey}
	tests := map[string]struct {
		set     map[string]string
		missing []string
	}{
		"complete":    {nil, nil},
		"no base URL": {map[string]string{"KOPOKOPO_BASE_URL": ""}, []string{"KOPOKOPO_BASE_URL is required"}},
		"blank":       {map[string]string{"KOPOKOPO_CLIENT_SECRET": " \n"}, []string{"KOPOKOPO_CLIENT_SECRET is required"}},
		"nothing": {map[string]string{"KOPOKOPO_BASE_URL": "", "KOPOKOPO_CLIENT_ID": "", "KOPOKOPO_CLIENT_SECRET": "", "KOPOKOPO_API_KEY": ""},
			[]string{"KOPOKOPO_BASE_URL is required", "KOPOKOPO_CLIENT_ID is required", "KOPOKOPO_CLIENT_SECRET is required"}},
		"plain http": {map[string]string{"KOPOKOPO_BASE_URL": "http://k2.example"}, []string{"BaseURL must be https"}},
		"no API key": {map[string]string{"KOPOKOPO_API_KEY": ""}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for key, value := range all {
				t.Setenv(key, value)
			}
			for key, value := range test.set {
				t.Setenv(key, value)
			}
			cfg, err := kopokopo.ConfigFromEnv()
			if test.missing == nil {
				require.NoError(t, err)
				assert.Equal(t, kopokopo.Sandbox, cfg.BaseURL)
				assert.Equal(t, testkit.ClientID, cfg.Credentials.AppID)
				_, err = kopokopo.New(cfg)
				require.NoError(t, err)
				return
			}
			assert.True(t, cfg.BaseURL == "" && cfg.Credentials == kopokopo.Credentials{}, "no half Config")
			for _, text := range test.missing {
				require.ErrorContains(t, err, text)
			}
			testkit.NoSecrets(t, err.Error())
		})
	}
}

func TestUserAgentPutsTheCallersProductFirst(t *testing.T) {
	t.Parallel()
	for product, want := range map[string]string{
		"":                    testkit.OwnUserAgent,
		"shop/2.1 (checkout)": "shop/2.1 (checkout) " + testkit.OwnUserAgent,
		"  shop/2.1  ":        "shop/2.1 " + testkit.OwnUserAgent,
	} {
		far := testkit.NewFarSide(t, testkit.Created)
		cfg := far.Config()
		cfg.UserAgent = product
		_, err := kopokopo.NewSDK(cfg).CreateWebhook(testkit.Token, testkit.ValidWebhook())
		require.NoError(t, err)
		assert.Equal(t, []string{want}, far.Only(t).Header["User-Agent"])
	}
}

func TestCallbackURLFillsAnEmptyLink(t *testing.T) {
	t.Parallel()
	far := testkit.NewFarSide(t, testkit.Created)
	cfg := far.Config()
	cfg.CallbackURL = " " + testkit.Callback + "\n"
	sdk := kopokopo.NewSDK(cfg)
	callback := func() any {
		seen := far.Seen()
		return testkit.Tree(t, seen[len(seen)-1].Body).(map[string]any)["_links"]
	}
	stk, payment := testkit.ValidSTK(), testkit.ValidPayment()
	stk.Links, payment.Links = kopokopo.Links{}, kopokopo.Links{}
	_, err := sdk.ReceiveMpesaPayment(testkit.Token, stk)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"callback_url": testkit.Callback}, callback())
	_, err = sdk.CreatePayment(testkit.Token, payment)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"callback_url": testkit.Callback}, callback())
	_, err = sdk.CreatePayment(testkit.Token, testkit.ValidPayment())
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"callback_url": "https://dummy_callback_url/payment_result"}, callback(), "the request's own wins")
	assert.Len(t, far.Seen(), 3)
}

func TestTimeoutBoundsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &testkit.RawServer{Script: testkit.Always(testkit.ReadWhole, testkit.Hang)}
		defer silent.Close()
		client, err := kopokopo.New(kopokopo.Config{BaseURL: "http://127.0.0.1:1", Credentials: testkit.Credentials(), Timeout: 50 * time.Millisecond, MaxRetries: -1,
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: silent.Dial}}})
		require.NoError(t, err)
		defer client.Close()
		began := time.Now()
		_, err = client.SDK().CreatePayment(testkit.Token, testkit.ValidPayment())
		require.ErrorContains(t, err, "deadline exceeded")
		assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, testkit.Outcomes(err))
		_, err = client.SDK().QueryIncommingMpesaPayment(testkit.Token, testkit.ID)
		require.ErrorContains(t, err, "deadline exceeded")
		assert.Empty(t, testkit.Outcomes(err))
		assert.Equal(t, 100*time.Millisecond, time.Since(began))
		assert.Len(t, silent.Seen(), 2)
	})
}
