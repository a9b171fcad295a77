package testkit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// What a request that arrived has to look like.

// OwnUserAgent is the User-Agent that K2 wants to see.
var OwnUserAgent = "kopokopo-go/" + kopokopo.Version + " (" + runtime.Version() + "; " + runtime.GOOS + ")"

// RequireForm checks a call of an OAuth endpoint: everything in the body, nothing in the query.
func RequireForm(t testing.TB, r SeenRequest, path string, want url.Values) {
	t.Helper()
	assert.Equal(t, http.MethodPost, r.Method)
	assert.Equal(t, path, r.Path)
	assert.Empty(t, r.Query, "the query ends in logs")
	assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
	assert.Equal(t, "application/json", r.Header.Get("Accept"))
	assert.Equal(t, OwnUserAgent, r.Header.Get("User-Agent"))
	assert.NotContains(t, r.Header, "Authorization")
	form, err := url.ParseQuery(string(r.Body))
	require.NoError(t, err)
	assert.Equal(t, want, form)
	for name, values := range r.Header {
		assert.NotContains(t, strings.Join(values, " "), Secret, name)
	}
	assert.NotContains(t, string(r.Body), APIKey, "the API key is not for K2")
	assert.NotContains(t, string(r.Body), url.QueryEscape(APIKey))
}

// CredentialsForm is the form of an OAuth call: the credentials, and pairs of further
// names and values.
func CredentialsForm(extra ...string) url.Values {
	form := url.Values{"client_id": {ClientID}, "client_secret": {Secret}}
	for i := 0; i < len(extra); i += 2 {
		form.Set(extra[i], extra[i+1])
	}
	return form
}

// IndependentHMAC is RFC 2104 by hand, so that no mistake of ours can confirm itself.
func IndependentHMAC(body []byte, key string) string {
	pad := func(b byte) []byte {
		k := []byte(key)
		if len(k) > sha256.BlockSize {
			sum := sha256.Sum256(k)
			k = sum[:]
		}
		block := make([]byte, sha256.BlockSize)
		copy(block, k)
		for i := range block {
			block[i] ^= b
		}
		return block
	}
	inner := sha256.Sum256(append(pad(0x36), body...))
	outer := sha256.Sum256(append(pad(0x5c), inner[:]...))
	return hex.EncodeToString(outer[:])
}

// RequireSample checks a signed sample as a shop receives it at /hook?shop=1, and
// returns its id.
func RequireSample(t testing.TB, r SeenRequest, topic string) (id string) {
	t.Helper()
	assert.Equal(t, http.MethodPost, r.Method)
	assert.Equal(t, "/hook", r.Path)
	assert.Equal(t, "shop=1", r.Query)
	assert.Equal(t, []string{"application/json"}, r.Header["Content-Type"])
	assert.Equal(t, []string{OwnUserAgent}, r.Header["User-Agent"])
	assert.NotContains(t, r.Header, "Authorization", "no token goes to a foreign host")
	want := IndependentHMAC(r.Body, APIKey)
	assert.Equal(t, []string{want}, r.Header.Values("X-KopoKopo-Signature"))
	assert.NoError(t, kopokopo.VerifySignature(r.Body, r.Header.Get(kopokopo.SignatureHeader), APIKey))

	everything, err := json.Marshal(r.Header)
	require.NoError(t, err)
	for _, secret := range []string{APIKey, Secret, ClientID} {
		for form, hidden := range Disguises(secret) {
			assert.NotContains(t, string(r.Body)+r.Query+string(everything), hidden, form)
		}
	}
	var event struct {
		Topic, ID string
		CreatedAt string `json:"created_at"`
		Sample    bool
		Event     struct {
			Type     string
			Resource map[string]any
		}
		Links map[string]string `json:"_links"`
	}
	require.NoError(t, json.Unmarshal(r.Body, &event))
	assert.Equal(t, topic, event.Topic)
	assert.True(t, strings.HasPrefix(event.ID, "sample-"), event.ID)
	assert.True(t, event.Sample)
	assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00$`, event.CreatedAt)
	assert.NotEmpty(t, event.Event.Type)
	assert.Contains(t, event.Links["self"], event.ID)
	if ref, ok := event.Event.Resource["reference"]; ok {
		assert.Regexp(t, `^SAMPLE`, ref)
	}
	if id, ok := event.Event.Resource["id"]; ok {
		assert.Regexp(t, `^sample-`, id)
	}
	assert.NotRegexp(t, `:\s|,\s"|\n`, string(r.Body), "compact, as K2 writes it")
	return event.ID
}
