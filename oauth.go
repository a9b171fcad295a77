package kopokopo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/outbound"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// TokenResponse is an access token (POST /oauth/token). Printing it (fmt) and logging
// it (log/slog) hides the token. Its JSON holds it, since programs store tokens: so
// does the line of a logger that writes JSON, if the TokenResponse is inside another
// value.
type TokenResponse struct {
	AccessToken string `json:"access_token"` // The bearer token. It can hold + and /.
	Type        string `json:"token_type"`   // "Bearer".
	Expiry      uint64 `json:"expires_in"`   // Seconds of life, 3600 as a rule.
	Creation    uint64 `json:"created_at"`   // Unix seconds; 0 if K2 did not say.
}

// UnmarshalJSON takes every form K2 uses: times as ISO text, number or null.
func (t *TokenResponse) UnmarshalJSON(data []byte) error {
	type plain TokenResponse
	return wire.DecodeLenient(data, (*plain)(t))
}

// Format implements [fmt.Formatter]: no verb prints the token.
func (t TokenResponse) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kopokopo.TokenResponse{AccessToken:%q, Type:%q, Expiry:%d, Creation:%d}", hide(t.AccessToken), t.Type, t.Expiry, t.Creation)
}

// LogValue implements [slog.LogValuer]: the token is not logged.
func (t TokenResponse) LogValue() slog.Value {
	return slog.GroupValue(slog.String("token_type", t.Type), slog.Uint64("expires_in", t.Expiry), slog.Uint64("created_at", t.Creation))
}

// TokenIntrospectionResponse says whether a token is still good (POST /oauth/introspect).
type TokenIntrospectionResponse struct {
	Active   bool   `json:"active"`     // Whether K2 accepts the token. If not, the rest is empty.
	Scope    string `json:"scope"`      // Empty: K2 has no scopes.
	ClientID string `json:"client_id"`  // The application the token belongs to.
	Type     string `json:"token_type"` // "Bearer".
	Expiry   uint64 `json:"exp"`        // When it expires, Unix seconds.
	Creation uint64 `json:"iat"`        // When it was issued, Unix seconds.
}

// UnmarshalJSON takes every form K2 uses: times as ISO text, number or null.
func (t *TokenIntrospectionResponse) UnmarshalJSON(data []byte) error {
	type plain TokenIntrospectionResponse
	return wire.DecodeLenient(data, (*plain)(t))
}

// TokenInfo describes the token that was used to ask (GET /oauth/token/info).
type TokenInfo struct {
	OwnerID     string   `json:"resource_owner_id"` // Empty for applications.
	Scope       []string `json:"scope"`             // Empty: K2 has no scopes.
	Expiry      uint64   `json:"expires_in"`        // Seconds of life left.
	Application struct {
		UID string `json:"uid"` // The application's id.
	} `json:"application"`
	Creation uint64 `json:"created_at"` // When it was issued, Unix seconds.
}

// UnmarshalJSON takes every form K2 uses.
func (t *TokenInfo) UnmarshalJSON(data []byte) error {
	type plain TokenInfo
	return wire.DecodeLenient(data, (*plain)(t))
}

// Tokens is K2's OAuth: client credentials, no scopes, no refresh tokens. Calls of
// a [Client] get their token by themselves; these methods are for programs that
// manage tokens on their own.
type Tokens struct{ core *core }

// Get asks K2 for a new token, every time (POST /oauth/token).
func (t *Tokens) Get(ctx context.Context) (TokenResponse, error) {
	var token TokenResponse
	err := t.post(ctx, "get token", "/oauth/token", url.Values{"grant_type": {"client_credentials"}}, &token)
	if err != nil {
		return TokenResponse{}, err
	}
	if err := usableToken(token); err != nil {
		return TokenResponse{}, &CallError{Op: "get token", Attempts: 1, Err: err}
	}
	return token, nil
}

// usableToken refuses an answer that no request could be authorised with.
func usableToken(token TokenResponse) error {
	switch {
	case token.AccessToken == "":
		return responseError("access_token is missing")
	case !outbound.IsToken(token.AccessToken):
		return responseError("access_token cannot be sent in a header")
	case token.Type != "" && !strings.EqualFold(token.Type, "Bearer"):
		return responseError("token_type is not Bearer")
	}
	return nil
}

// TokenSource supplies bearer tokens: the one of [Config], or by default the
// client's own cache. It must be safe for concurrent use.
type TokenSource interface {
	// Token returns a token that is good as far as the source knows. rejected is "",
	// or a token that K2 has just refused: the source drops it, if it still has that
	// very one, and returns another. It returns when ctx ends.
	Token(ctx context.Context, rejected string) (string, error)
}

// fetch is Get for the engine's token cache.
func (t *Tokens) fetch(ctx context.Context) (outbound.Token, error) {
	token, err := t.Get(ctx)
	life := min(token.Expiry, uint64(math.MaxInt64/time.Second))
	return outbound.Token{Value: token.AccessToken, Life: time.Duration(life) * time.Second}, err
}

// isBadCredentials reports whether asking for a token again at once would be pointless.
func isBadCredentials(err error) bool {
	e, ok := asAPIError(err)
	return ok && (e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusBadRequest)
}

// Revoke makes a token unusable (POST /oauth/revoke). If it is the one this client
// uses, the next call gets a new one.
func (t *Tokens) Revoke(ctx context.Context, token string) error {
	if err := t.with("revoke token", token); err != nil {
		return err
	}
	defer t.core.engine.Forget(token)
	return t.post(ctx, "revoke token", "/oauth/revoke", url.Values{"token": {token}}, nil)
}

// Introspect asks whether a token is good, and for how long (POST /oauth/introspect).
func (t *Tokens) Introspect(ctx context.Context, token string) (TokenIntrospectionResponse, error) {
	var answer TokenIntrospectionResponse
	if err := t.with("introspect token", token); err != nil {
		return answer, err
	}
	err := t.post(ctx, "introspect token", "/oauth/introspect", url.Values{"token": {token}}, &answer)
	return answer, err
}

// Info describes a token, which is sent as the call's bearer (GET /oauth/token/info).
func (t *Tokens) Info(ctx context.Context, token string) (TokenInfo, error) {
	var answer TokenInfo
	if err := t.with("get token info", token); err != nil {
		return answer, err
	}
	call := t.request("get token info", http.MethodGet, "/oauth/token/info")
	call.Token = token
	err := t.send(ctx, call, &answer)
	return answer, err
}

// with checks what the calls about a token have in common.
func (t *Tokens) with(op, token string) error {
	err := checkToken(token)
	if t == nil || t.core == nil {
		err = errNotMade
	}
	if err != nil {
		return &CallError{Op: op, Err: err}
	}
	return nil
}

// request begins a call of an OAuth endpoint.
func (t *Tokens) request(op, method, path string) *request {
	return &request{host: t.core.auth.Host, Call: outbound.Call{Op: op, Class: outbound.Read, Method: method,
		URL: t.core.auth.String() + path, Template: path, Header: acceptJSON, Limit: maxResponse}}
}

// post sends a form with the client's credentials. They go in the body: a query
// would leave them in every log on the way.
func (t *Tokens) post(ctx context.Context, op, path string, form url.Values, answer any) error {
	if t == nil || t.core == nil {
		return &CallError{Op: op, Err: errNotMade}
	}
	id, secret := t.core.credentials()
	if id == "" || secret == "" {
		v := validation{what: "config"}
		v.secret("Credentials.AppID", id, true)
		v.secret("Credentials.Secret", secret, true)
		return &CallError{Op: op, Err: v.err()}
	}
	form.Set("client_id", id)
	form.Set("client_secret", secret)
	call := t.request(op, http.MethodPost, path)
	call.Anonymous, call.Header, call.Body = true, formHeader, []byte(form.Encode())
	call.Secrets = form["token"] // the token a call is about may come back in K2's words
	return t.send(ctx, call, answer)
}

// send sends a call and decodes the object in its answer. Revoke passes nil: what
// comes back says nothing.
func (t *Tokens) send(ctx context.Context, call *request, answer any) error {
	rep, err := t.core.do(ctx, call)
	if err != nil || answer == nil {
		return err
	}
	var object map[string]json.RawMessage
	err = wire.Decode(rep.Body, &object)
	if err == nil && object == nil {
		err = io.ErrUnexpectedEOF // null
	}
	if err == nil {
		err = json.Unmarshal(rep.Body, answer)
	}
	if err != nil {
		return &CallError{Op: call.Op, Attempts: rep.Attempts, Err: responseError("%w", err)}
	}
	return nil
}
