package kopokopotest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestTokenEncodings(t *testing.T) {
	s := memoryShop(t)
	creds := s.srv.Config().Credentials
	v := url.Values{"client_id": {creds.AppID}, "client_secret": {creds.Secret}, "grant_type": {"client_credentials"}}
	asJSON, err := json.Marshal(map[string]string{"client_id": creds.AppID, "client_secret": creds.Secret, "grant_type": "client_credentials"})
	require.NoError(t, err)
	for _, c := range []struct{ name, path, media, body string }{
		{"form", "/oauth/token", "application/x-www-form-urlencoded", v.Encode()},
		{"json", "/oauth/token", "application/json", string(asJSON)},
		{"query", "/oauth/token?" + v.Encode(), "", ""},
		{"query with empty form", "/oauth/token?" + v.Encode(), "application/x-www-form-urlencoded", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := s.request(http.MethodPost, c.path, c.body)
			req.Header.Set("Content-Type", c.media)
			req.Header.Del("Authorization")
			r := s.do(req)
			require.Equal(t, 200, r.status, r.body)
			sameShape(t, sample(t, "oauth_token_docs_2026"), r.body)
			token := r.json(t)["access_token"].(string)
			assert.Regexp(t, `^[A-Za-z0-9+/]{43,50}$`, token)
			assert.Contains(t, token, "+")
			assert.Contains(t, token, "/")
		})
	}
}

func TestFault_F05_TokenRefused(t *testing.T) {
	s := memoryShop(t)
	creds := s.srv.Config().Credentials
	for _, c := range []struct {
		name, media, body string
		status            int
		code              string
	}{
		{"wrong secret", "", "client_id=" + creds.AppID + "&client_secret=live-secret&grant_type=client_credentials", 401, "invalid_client"},
		{"wrong id", "", "client_id=live-id&client_secret=" + creds.Secret + "&grant_type=client_credentials", 401, "invalid_client"},
		{"nothing", "", "", 401, "invalid_client"},
		{"wrong grant", "", "client_id=" + creds.AppID + "&client_secret=" + creds.Secret + "&grant_type=password", 400, "unsupported_grant_type"},
		{"bad form", "", "%zz", 400, "invalid_request"},
		{"bad JSON", "application/json", "{", 400, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := s.request(http.MethodPost, "/oauth/token", c.body)
			if c.media == "" {
				c.media = "application/x-www-form-urlencoded"
			}
			req.Header.Set("Content-Type", c.media)
			r := s.do(req)
			assert.Equal(t, c.status, r.status)
			sameShape(t, sample(t, "error_401_invalid_client"), r.body)
			assert.Equal(t, c.code, r.json(t)["error"])
			for _, secret := range []string{"live", creds.AppID, creds.Secret} {
				assert.NotContains(t, r.body, secret)
			}
		})
	}
	assert.Equal(t, 400, s.post("/oauth/token?a=%zz", "").status)
	for _, r := range []reply{s.get("/oauth/token"), s.post("/oauth/token/info", ""), s.post("/oauth/authorize", "{}"), s.get("/"), s.get("/api"), s.get("/api/v1")} {
		assert.Equal(t, 404, r.status)
	}
}

func TestTokenCreatedAt(t *testing.T) {
	for form, want := range map[kopokopotest.CreatedAt]string{
		kopokopotest.CreatedAtISO:    `"created_at":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00"}`,
		kopokopotest.CreatedAtUnix:   `"created_at":\d{9,}}`,
		kopokopotest.CreatedAtAbsent: `"expires_in":60}`,
	} {
		s := memoryShop(t, kopokopotest.WithCreatedAt(form), kopokopotest.WithTokenLifetime(time.Minute))
		r := s.form("/oauth/token", url.Values{"grant_type": {"client_credentials"}})
		assert.Regexp(t, want+"$", r.body)
		assert.InDelta(t, 60, r.json(t)["expires_in"], 0)
	}
}

func TestTokenLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer()
		defer srv.Close()
		s := openShop(t, srv)
		const path = "/api/v2/reversals/x"
		info := s.get("/oauth/token/info")
		sameShape(t, sample(t, "oauth_token_info"), info.body)
		assert.InDelta(t, 3600, info.json(t)["expires_in"], 0)
		assert.InDelta(t, time.Now().Unix(), info.json(t)["created_at"], 0)

		active := s.form("/oauth/introspect", url.Values{"token": {s.token}})
		sameShape(t, sample(t, "oauth_introspect_active"), active.body)
		exp, err := time.Parse(time.RFC3339, active.json(t)["exp"].(string))
		require.NoError(t, err)
		assert.Equal(t, time.Hour, time.Until(exp))
		assert.Equal(t, 404, s.get(path).status, "authorised, though not found")

		time.Sleep(time.Hour)
		for _, r := range []reply{s.get(path), s.get("/oauth/token/info")} {
			assert.Equal(t, 401, r.status)
			assert.Equal(t, "invalid_token", r.json(t)["error"])
			assert.Contains(t, r.json(t)["error_description"], "expired")
		}
		assert.Equal(t, sample(t, "GUESS_oauth_introspect_inactive"), s.form("/oauth/introspect", url.Values{"token": {s.token}}).body)

		s.token = s.newToken()
		other := s.newToken()
		revoked := s.form("/oauth/revoke", url.Values{"token": {s.token}})
		assert.Equal(t, 200, revoked.status)
		assert.Equal(t, sample(t, "oauth_revoke_empty"), revoked.body)
		assert.Equal(t, 200, s.form("/oauth/revoke", url.Values{"token": {"unknown"}}).status)
		assert.Equal(t, 401, s.get(path).status)
		s.token = other
		assert.Equal(t, 404, s.get(path).status)
		srv.RevokeTokens()
		assert.Equal(t, 401, s.get(path).status)
	})
}

func TestEdge(t *testing.T) {
	for name, start := range map[string]func(...kopokopotest.Option) *kopokopotest.Server{
		"socket": kopokopotest.NewServer, "memory": kopokopotest.NewInMemoryServer,
	} {
		t.Run(name, func(t *testing.T) {
			srv := start()
			defer srv.Close()
			s := openShop(t, srv)

			for _, path := range []string{"/oauth/token", "/api/v2/incoming_payments", "/"} {
				req := s.request(http.MethodPost, path, "{}")
				req.Header.Set("User-Agent", "")
				r := s.do(req)
				assert.Equal(t, 403, r.status)
				assert.Equal(t, "text/html", r.header.Get("Content-Type"))
				assert.Empty(t, r.body)
			}
			for _, authorization := range []string{"", "Bearer", "Bearer x", "Basic " + s.token, s.token} {
				req := s.request(http.MethodPost, "/api/v2/incoming_payments", "{}")
				req.Header.Set("Authorization", authorization)
				r := s.do(req)
				assert.Equal(t, 401, r.status)
				assert.Equal(t, sample(t, "GUESS_error_401_invalid_token"), r.body)
			}
			assert.Equal(t, 404, s.post("/api/v1/send_money/", "{}").status, "no such version")
			assert.Equal(t, 400, s.post("/api/v2/send_money/", "{}").status, "a closing slash is harmless")
		})
	}
}

// A web page whose name was pointed at this machine reaches nothing.
func TestFault_F02_ForeignHost(t *testing.T) {
	srv := kopokopotest.NewServer()
	defer srv.Close()
	s := openShop(t, srv)
	for host, want := range map[string]int{
		"evil.example": 403, "evil.example:80": 403, "192.168.1.2": 403,
		"localhost:1": 404, "127.0.0.1": 404, "[::1]:9": 404, "": 404,
	} {
		req := s.request(http.MethodGet, "/api/v2/reversals/x", "")
		req.Host = host
		assert.Equal(t, want, s.do(req).status, host)
	}
}

func TestFault_F01_ListensOnLoopback(t *testing.T) {
	srv := kopokopotest.NewServer()
	defer srv.Close()
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, srv.URL)
}

// A client built for production can tell by any reply what it is talking to.
func TestFault_F06_EveryReplyIsMarked(t *testing.T) {
	s := memoryShop(t)
	s.srv.Inject(kopokopotest.Fault{Path: "/faulty", Status: 500})
	replies := []reply{
		s.get("/"), s.get("/faulty"), s.get("/oauth/token/info"), s.post("/oauth/token", ""),
		s.post("/api/v2/reversals", "{}"), s.post("/api/v2/merchant_wallets", sample(t, "request_merchant_wallet")),
	}
	s.token = ""
	for _, r := range append(replies, s.get("/api/v2/reversals/x")) {
		assert.Equal(t, []string{"1"}, r.header.Values("X-Fake-KopoKopo"), r.status)
	}
}

func TestCredentials(t *testing.T) {
	srv := kopokopotest.NewInMemoryServer()
	defer srv.Close()
	creds := srv.Config().Credentials
	other := kopokopotest.NewInMemoryServer()
	defer other.Close()
	for _, v := range []string{creds.AppID, creds.Secret, creds.APIKey} {
		assert.Regexp(t, "^fake_[a-z]+_[0-9a-f]{32}$", v)
	}
	assert.NotEqual(t, creds, other.Config().Credentials)
	assert.Same(t, srv.Client(), srv.Config().HTTPClient)
	socket := kopokopotest.NewServer()
	defer socket.Close()
	assert.Nil(t, socket.Config().HTTPClient)
	assert.Equal(t, socket.URL, socket.Config().BaseURL)
}
