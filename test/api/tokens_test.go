package api_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The calls of Client.Tokens: what they are called, what they refuse, and what they do
// to the client's own token.

// tokenCalls are the methods of Tokens, by what their errors say was being done.
var tokenCalls = map[string]func(t *testing.T, tokens *kopokopo.Tokens, token string) error{
	"get token": func(t *testing.T, tokens *kopokopo.Tokens, _ string) error {
		_, err := tokens.Get(t.Context())
		return err
	},
	"revoke token": func(t *testing.T, tokens *kopokopo.Tokens, token string) error {
		return tokens.Revoke(t.Context(), token)
	},
	"introspect token": func(t *testing.T, tokens *kopokopo.Tokens, token string) error {
		_, err := tokens.Introspect(t.Context(), token)
		return err
	},
	"get token info": func(t *testing.T, tokens *kopokopo.Tokens, token string) error {
		_, err := tokens.Info(t.Context(), token)
		return err
	},
}

// requireOp checks what an error of a read says was being done, and how often it was tried.
func requireOp(t *testing.T, err error, op string, attempts int) {
	t.Helper()
	var call *kopokopo.CallError
	require.ErrorAs(t, err, &call)
	assert.Equal(t, op, call.Op)
	assert.Equal(t, attempts, call.Attempts, op)
	assert.NoError(t, call.Outcome)
	assert.Empty(t, outcomes(err))
}

func TestTokenCallsThatFail(t *testing.T) {
	t.Parallel()
	for op, call := range tokenCalls {
		for _, tokens := range []*kopokopo.Tokens{nil, {}} {
			err := call(t, tokens, testToken)
			assert.EqualError(t, err, "kopokopo: "+op+": the client was not made by New")
			requireOp(t, err, op, 0)
		}
		client, mock := mockClient(t)
		if op != "get token" {
			for token, text := range map[string]string{"": "token is empty", "a b": "token must not contain white space or control characters", "a\n": "token must not contain white space or control characters"} {
				err := call(t, client.Tokens, token)
				assert.EqualError(t, err, "kopokopo: "+op+": "+text)
				requireOp(t, err, op, 0)
				assert.Equal(t, token == "", errors.Is(err, kopokopo.ErrEmptyToken))
				var invalid *kopokopo.ValidationError
				require.ErrorAs(t, err, &invalid)
				assert.Equal(t, "request", invalid.What)
			}
		}
		assert.Zero(t, mock.GetTotalCallCount())

		mock.RegisterNoResponder(canned(500, nil))
		err := call(t, client.Tokens, testToken)
		assert.EqualError(t, err, "kopokopo: "+op+": 500 Internal Server Error (empty body)")
		requireOp(t, err, op, 1)
	}
}

// Class R: what fails on the way is asked again, and the attempts are counted.
func TestTokenCallsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for op, call := range tokenCalls {
		n := 0
		client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(), MaxRetries: 1,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if n++; n == 1 {
					answer := says(r, 503, "")
					answer.Header.Set("Retry-After", "0")
					return answer, nil
				}
				return says(r, 200, `null`), nil
			})}})
		require.NoError(t, err)
		err = call(t, client.Tokens, testToken)
		assert.Equal(t, 2, n, op)
		if op == "revoke token" {
			require.NoError(t, err, "what comes back says nothing")
			continue
		}
		require.ErrorIs(t, err, kopokopo.ErrResponse)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "null is no object")
		requireOp(t, err, op, 2)
		require.NoError(t, client.Close())
	}
}

func TestTokenAnswersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for body, text := range map[string]string{
		`{}`:                     "access_token is missing",
		`{"access_token":""}`:    "access_token is missing",
		`{"access_token":"a b"}`: "access_token cannot be sent in a header",
		`{"access_token":"a","token_type":"mac"}`:      "token_type is not Bearer",
		`{"access_token":"a","token_type":"bearer"} x`: "",
		`[]`:  "",
		`"a"`: "",
		``:    "",
	} {
		client, mock := mockClient(t)
		mock.RegisterNoResponder(canned(200, []byte(body)))
		token, err := client.Tokens.Get(t.Context())
		require.ErrorIs(t, err, kopokopo.ErrResponse, body)
		requireOp(t, err, "get token", 1)
		if text != "" {
			assert.EqualError(t, err, "kopokopo: get token: unusable answer: "+text)
		}
		assert.True(t, token == kopokopo.TokenResponse{}, body)
	}
	for _, kind := range []string{"", "Bearer", "BEARER"} {
		client, mock := mockClient(t)
		mock.RegisterNoResponder(canned(200, []byte(`{"access_token":"a","token_type":"`+kind+`","expires_in":99999999999999999999}`)))
		_, err := client.Tokens.Get(t.Context())
		require.NoError(t, err)
	}
}

// With a TokenSource the credentials may be missing. The calls that need them say so.
func TestTokenCallsWithoutCredentials(t *testing.T) {
	t.Parallel()
	for _, creds := range []kopokopo.Credentials{{}, {AppID: "id"}, {Secret: "secret"}} {
		asked := 0
		client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: creds, TokenSource: oneToken("token"), MaxRetries: -1,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { asked++; return says(r, 200, `{"scope":[]}`), nil })}})
		require.NoError(t, err)
		for op, call := range tokenCalls {
			err := call(t, client.Tokens, testToken)
			if op == "get token info" {
				require.NoError(t, err, "which sends the token, and nothing else")
				continue
			}
			requireOp(t, err, op, 0)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, "config", invalid.What)
			var fields []string
			for _, f := range invalid.Fields {
				fields = append(fields, f.Field)
			}
			var want []string
			if creds.AppID == "" {
				want = append(want, "Credentials.AppID")
			}
			if creds.Secret == "" {
				want = append(want, "Credentials.Secret")
			}
			assert.Equal(t, want, fields, op)
		}
		assert.Equal(t, 1, asked)
		require.NoError(t, client.Close())
	}
}

// Revoking the token that the client uses makes the next call get another; revoking
// any other changes nothing.
func TestRevokeForgetsTheClientsOwnToken(t *testing.T) {
	t.Parallel()
	issued, used := 0, ""
	client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(),
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case "/oauth/token":
				issued++
				return says(r, 200, fmt.Sprintf(`{"access_token":"token-%d","expires_in":3600}`, issued)), nil
			case "/oauth/revoke":
				return says(r, 200, `{}`), nil
			}
			used = r.Header.Get("Authorization")
			return saysCreated(r, testID), nil
		})}})
	require.NoError(t, err)
	defer client.Close()
	pay := func() {
		_, err := client.V1.Payments.Create(t.Context(), validPayment())
		require.NoError(t, err)
	}
	pay()
	require.Equal(t, "Bearer token-1", used)
	require.NoError(t, client.Tokens.Revoke(t.Context(), "token-0"))
	pay()
	require.Equal(t, "Bearer token-1", used)
	require.NoError(t, client.Tokens.Revoke(t.Context(), "token-1"))
	pay()
	require.Equal(t, "Bearer token-2", used)
	require.NoError(t, client.Tokens.Revoke(t.Context(), "token-1"))
	pay()
	require.Equal(t, "Bearer token-2", used, "the new one is not taken away")
	require.Equal(t, 2, issued)
}

func TestHintsOfTheTokenCalls(t *testing.T) {
	t.Parallel()
	hint := func(status int, authURL string, call func(*kopokopo.Tokens) error) string {
		client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, AuthURL: authURL, Credentials: testCredentials(), MaxRetries: -1,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return says(r, status, ""), nil })}})
		require.NoError(t, err)
		defer client.Close()
		var api *kopokopo.APIError
		require.ErrorAs(t, call(client.Tokens), &api)
		assert.True(t, strings.HasPrefix(api.Path, "/oauth/"), api.Path)
		return api.Hint
	}
	get := func(tokens *kopokopo.Tokens) error { _, err := tokens.Get(t.Context()); return err }
	info := func(tokens *kopokopo.Tokens) error { _, err := tokens.Info(t.Context(), testToken); return err }
	assert.Equal(t, "check that the credentials belong to this environment", hint(401, "", get))
	assert.Empty(t, hint(400, "", get))
	assert.Empty(t, hint(401, "", info), "it is the token that is not accepted")
	assert.Equal(t, "app.kopokopo.com is the dashboard's host and serves no API: use kopokopo.Production as BaseURL", hint(403, "https://app.kopokopo.com", get))
}

func TestATokenAsItIsPrintedAndLogged(t *testing.T) {
	t.Parallel()
	token := kopokopo.TokenResponse{AccessToken: testToken, Type: "Bearer", Expiry: 3600, Creation: 7}
	assert.Equal(t, `kopokopo.TokenResponse{AccessToken:"[REDACTED]", Type:"Bearer", Expiry:3600, Creation:7}`, fmt.Sprintf("%+v", token))
	assert.Equal(t, `kopokopo.TokenResponse{AccessToken:"", Type:"", Expiry:0, Creation:0}`, fmt.Sprint(kopokopo.TokenResponse{}), "what is missing shows")
	assert.Equal(t, slog.GroupValue(slog.String("token_type", "Bearer"), slog.Uint64("expires_in", 3600), slog.Uint64("created_at", 7)), token.LogValue())
}
