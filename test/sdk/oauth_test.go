package sdk_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestGetTokenPostsAForm(t *testing.T) {
	t.Parallel()
	tests := map[string]kopokopo.TokenResponse{
		"oauth_token_docs_2026.json":       {AccessToken: "JCGQXLrlfuOqdUYdTcLz3rBiCZQDRvdWIUPkw++GMuGhkem9Bo", Type: "Bearer", Expiry: 3600, Creation: 1777237755},
		"oauth_token_created_at_iso.json":  {AccessToken: "0Sn0W6kzNicvoWhDbQcVSKLRUpGjIdlPSEYyrHqrDDoRnQwE7Q", Type: "Bearer", Expiry: 3600, Creation: 1617706360},
		"oauth_token_created_at_unix.json": {AccessToken: "test-access-token", Type: "Bearer", Expiry: 10, Creation: 1010},
		"oauth_token_minimal.json":         {AccessToken: "0Sn0W6kzNicvoWhDbQcVSKLRUpGjIdlPSEYyrHqrDDoRnQwE7Q", Type: "Bearer", Expiry: 3600},
	}
	for file, want := range tests {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(200, "application/json", string(sample(t, file))))
			sdk := far.SDK()
			got, err := sdk.GetToken()
			require.NoError(t, err)
			assert.Equal(t, want, got)
			requireForm(t, far.Only(t), "/oauth/token", credentialsForm("grant_type", "client_credentials"))
			_, err = sdk.GetToken()
			require.NoError(t, err)
			assert.Len(t, far.Seen(), 2, "GetToken always asks")
		})
	}
}

func TestRevokeTokenPostsAForm(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"object": "{}", "empty": "", "html": "<p>ok</p>"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(200, "application/json", body))
			require.NoError(t, far.SDK().RevokeToken(testToken))
			requireForm(t, far.Only(t), "/oauth/revoke", credentialsForm("token", testToken))
		})
	}
}

func TestTokenIntrospectionPostsAForm(t *testing.T) {
	t.Parallel()
	tests := map[string]kopokopo.TokenIntrospectionResponse{
		"oauth_introspect_active.json": {Active: true, ClientID: "lN19fbMMiWlJM0ekQMD4jGbO1jv2LzDXBi4wkGxHypg", Type: "Bearer",
			Expiry: 1617261036, Creation: 1617257436},
		"GUESS_oauth_introspect_inactive.json": {},
	}
	for file, want := range tests {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(200, "application/json", string(sample(t, file))))
			got, err := far.SDK().TokenIntrospection(testToken)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			requireForm(t, far.Only(t), "/oauth/introspect", credentialsForm("token", testToken))
		})
	}
}

func TestTokenInformationSendsTheBearer(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, answering(200, "application/json", string(sample(t, "oauth_token_info.json"))))
	got, err := far.SDK().TokenInformation(testToken)
	require.NoError(t, err)
	assert.Empty(t, got.OwnerID)
	assert.Empty(t, got.Scope)
	assert.Equal(t, uint64(2776), got.Expiry)
	assert.Equal(t, uint64(1617257436), got.Creation)
	assert.Equal(t, "lN19fbMMiWlJM0ekQMD4jGbO1jv2LzDXBi4wkGxHypg", got.Application.UID)

	r := far.Only(t)
	assert.Equal(t, http.MethodGet, r.Method)
	assert.Equal(t, "/oauth/token/info", r.Path)
	assert.Empty(t, r.Query)
	assert.Empty(t, r.Body)
	assert.Equal(t, "Bearer "+testToken, r.Header.Get("Authorization"))
	assert.Equal(t, "application/json", r.Header.Get("Accept"))
	assert.Equal(t, ownUserAgent, r.Header.Get("User-Agent"))
	assert.NotContains(t, r.Header, "Content-Type")
}

func TestAuthURLTakesTheTokenCallsOnly(t *testing.T) {
	t.Parallel()
	auth := newFarSide(t, answering(200, "application/json", `{"access_token":"`+testToken+`","token_type":"Bearer","active":true}`))
	api := newFarSide(t, created)
	cfg := api.Config()
	cfg.AuthURL = auth.URL + "/"
	sdk := kopokopo.NewSDK(cfg)
	_, err := sdk.GetToken()
	require.NoError(t, err)
	_, err = sdk.TokenIntrospection(testToken)
	require.NoError(t, err)
	_, err = sdk.TokenInformation(testToken)
	require.NoError(t, err)
	require.NoError(t, sdk.RevokeToken(testToken))
	_, err = sdk.CreateWebhook(testToken, validWebhook())
	require.NoError(t, err)
	require.Len(t, auth.Seen(), 4)
	assert.Equal(t, "/oauth/token", auth.Seen()[0].Path)
	assert.Equal(t, "/api/v1/webhook_subscriptions", api.Only(t).Path)
}

func TestATokenThatCannotBeUsedIsAnError(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no token":      `{"token_type":"Bearer","expires_in":3600}`,
		"empty token":   `{"access_token":"","token_type":"Bearer"}`,
		"line break":    `{"access_token":"abc\r\nX-Evil: 1","token_type":"Bearer"}`,
		"space":         `{"access_token":"abc def","token_type":"Bearer"}`,
		"non-ASCII":     `{"access_token":"abcé","token_type":"Bearer"}`,
		"9 KB":          `{"access_token":"` + strings.Repeat("a", 9<<10) + `","token_type":"Bearer"}`,
		"other type":    `{"access_token":"abc","token_type":"mac"}`,
		"null":          `null`,
		"list":          `[]`,
		"nothing":       ``,
		"html":          `<html></html>`,
		"two documents": `{"access_token":"abc"}{}`,
		"half":          `{"access_token":"abc"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(200, "application/json", body))
			got, err := far.SDK().GetToken()
			require.ErrorIs(t, err, kopokopo.ErrResponse)
			assert.Zero(t, got)
			assert.Empty(t, outcomes(err))
			assert.Contains(t, err.Error(), "kopokopo: get token: ")
			far.Only(t)
		})
	}
}

func TestOAuthAgainstTheEmbeddedKopoKopo(t *testing.T) {
	t.Parallel()
	for _, form := range []kopokopotest.CreatedAt{kopokopotest.CreatedAtISO, kopokopotest.CreatedAtUnix, kopokopotest.CreatedAtAbsent} {
		srv := kopokopotest.NewServer(kopokopotest.WithCreatedAt(form))
		t.Cleanup(srv.Close)
		sdk := kopokopo.NewSDK(srv.Config())
		token, err := sdk.GetToken()
		require.NoError(t, err)
		assert.NotEmpty(t, token.AccessToken)
		assert.Equal(t, uint64(3600), token.Expiry)
		assert.Equal(t, form == kopokopotest.CreatedAtAbsent, token.Creation == 0)

		state, err := sdk.TokenIntrospection(token.AccessToken)
		require.NoError(t, err)
		assert.True(t, state.Active)
		assert.Equal(t, srv.Config().Credentials.AppID, state.ClientID)
		assert.Equal(t, uint64(3600), state.Expiry-state.Creation)

		info, err := sdk.TokenInformation(token.AccessToken)
		require.NoError(t, err)
		assert.Equal(t, srv.Config().Credentials.AppID, info.Application.UID)

		require.NoError(t, sdk.RevokeToken(token.AccessToken))
		state, err = sdk.TokenIntrospection(token.AccessToken)
		require.NoError(t, err)
		assert.False(t, state.Active)
		_, err = sdk.TokenInformation(token.AccessToken)
		require.ErrorIs(t, err, kopokopo.ErrUnauthorized)

		for _, r := range srv.Requests() {
			assert.Empty(t, r.RawQuery)
			assert.NotContains(t, string(r.Body), srv.Config().Credentials.APIKey)
		}
		assert.Equal(t, 1, srv.Count(http.MethodPost, "/oauth/token"))
		assert.Equal(t, 2, srv.Count(http.MethodGet, "/oauth/token/info"), "a refused token is not replaced")
	}
}

func TestBadCredentialsAreNamed(t *testing.T) {
	t.Parallel()
	srv := kopokopotest.NewServer()
	t.Cleanup(srv.Close)
	cfg := srv.Config()
	cfg.Credentials.Secret = "wrong-" + testSecret
	_, err := kopokopo.NewSDK(cfg).GetToken()
	require.ErrorIs(t, err, kopokopo.ErrUnauthorized)
	assert.Empty(t, outcomes(err))
	var api *kopokopo.APIError
	require.ErrorAs(t, err, &api)
	assert.Equal(t, "invalid_client", api.Code)
	assert.Contains(t, err.Error(), "kopokopo: get token: 401: ")
	assert.Contains(t, err.Error(), "check that the credentials belong to this environment")
	noSecrets(t, err.Error())
	assert.Equal(t, 1, srv.Count(http.MethodPost, "/oauth/token"))
}
