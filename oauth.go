package kopokopo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// TokenResponse is an access token (POST /oauth/token). Printing it hides the token.
type TokenResponse struct {
	AccessToken string `json:"access_token"` // The bearer token. It can hold + and /.
	Type        string `json:"token_type"`   // "Bearer".
	Expiry      uint64 `json:"expires_in"`   // Seconds of life, 3600 as a rule.
	Creation    uint64 `json:"created_at"`   // Unix seconds; 0 if K2 did not say.
}

// UnmarshalJSON takes every form K2 uses: times as ISO text, number or null.
func (t *TokenResponse) UnmarshalJSON(data []byte) error {
	type plain TokenResponse
	return decodeLenient(data, (*plain)(t))
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
	return decodeLenient(data, (*plain)(t))
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
	return decodeLenient(data, (*plain)(t))
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
	case !isToken(token.AccessToken):
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

// foreignTokens calls a TokenSource of the caller's so that, whatever it does, each
// call leaves on its own context and gets an error instead of a panic.
type foreignTokens struct {
	source TokenSource
	life   context.Context // ends with the client
}

// Token implements [TokenSource].
func (f foreignTokens) Token(ctx context.Context, rejected string) (string, error) {
	type answer struct {
		token string
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("token source: panic")}
		defer func() {
			recover() // its value may hold a token
			answers <- a
		}()
		token, err := f.source.Token(ctx, rejected)
		a = answer{token, err}
	}()
	select {
	case a := <-answers:
		return a.token, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for a token: %w", ctx.Err())
	case <-f.life.Done():
		return "", ErrClosed
	}
}

// Revoke makes a token unusable (POST /oauth/revoke). If it is the one this client
// uses, the next call gets a new one.
func (t *Tokens) Revoke(ctx context.Context, token string) error {
	if err := t.with("revoke token", token); err != nil {
		return err
	}
	if own, ok := t.core.tokens.(*tokenCache); ok {
		defer own.drop(token)
	}
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
	call.token = token
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
	return &request{op: op, class: classRead, method: method, template: path, limit: maxResponse,
		url: t.core.auth.String() + path, host: t.core.auth.Host}
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
	call.anonymous, call.contentType, call.body = true, ContentTypeForm, []byte(form.Encode())
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
	err = decodeStrict(rep.body, &object)
	if err == nil && object == nil {
		err = io.ErrUnexpectedEOF // null
	}
	if err == nil {
		err = json.Unmarshal(rep.body, answer)
	}
	if err != nil {
		return &CallError{Op: call.op, Attempts: rep.attempts, Err: responseError("%w", err)}
	}
	return nil
}

// Bounds of the token cache.
const (
	tokenFetchTime    = 30 * time.Second // one fetch, whoever waits for it
	unknownLifetime   = 5 * time.Minute  // of a token that does not say
	longestLifetime   = 24 * time.Hour
	earlyRefresh      = time.Minute     // at most this long before a token expires it is renewed
	badCredentialsFor = 5 * time.Second // a refusal of the credentials is believed this long
	refreshPause      = 5 * time.Second // after an early refresh that failed
	rejectionPause    = time.Second     // between renewals of tokens that K2 rejected
)

// tokenCache holds the client's token. One fetch serves any number of callers and
// belongs to none of them: each waits on its own context.
type tokenCache struct {
	fetch func(context.Context) (TokenResponse, error)
	life  context.Context // ends with the client

	mu           sync.Mutex
	token        string
	expires      time.Time
	refreshAfter time.Time // from here on it is renewed while it is still good
	flight       *tokenFlight
	refused      error // the answer to credentials that K2 did not accept
	refusedUntil time.Time
	rejectedAt   time.Time // when a token was last renewed because K2 rejected one
}

// tokenFlight is one fetch under way. Its results are read after done is closed.
type tokenFlight struct {
	done  chan struct{}
	token string
	err   error
}

func newTokenCache(c *core) *tokenCache {
	return &tokenCache{fetch: (&Tokens{core: c}).Get, life: c.life}
}

// Token implements [TokenSource].
func (t *tokenCache) Token(ctx context.Context, rejected string) (string, error) {
	token, flight, err := t.current(rejected)
	if flight == nil {
		return token, err
	}
	select {
	case <-flight.done:
		return flight.token, flight.err
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for a token: %w", ctx.Err())
	case <-t.life.Done():
		return "", ErrClosed
	}
}

// current returns the cached token, having begun to renew it if it is time, or the
// flight to wait for if there is none.
func (t *tokenCache) current(rejected string) (string, *tokenFlight, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var pause time.Duration
	if rejected != "" && t.token == rejected {
		// Two programs may be taking each other's token away. Each gets on, but they
		// do not ask K2 for tokens as fast as they can.
		t.token = ""
		pause = max(0, rejectionPause-now.Sub(t.rejectedAt))
		t.rejectedAt = now.Add(pause)
	}
	if t.token != "" && now.Before(t.expires) {
		if now.After(t.refreshAfter) {
			t.startFlight(0)
		}
		return t.token, nil, nil
	}
	if t.refused != nil && now.Before(t.refusedUntil) {
		return "", nil, t.refused
	}
	return "", t.startFlight(pause), nil
}

// drop forgets a token that is no longer good, and no other: by now there may be a
// newer one.
func (t *tokenCache) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// startFlight returns the fetch under way, beginning one if there is none.
// The caller holds the lock.
func (t *tokenCache) startFlight(pause time.Duration) *tokenFlight {
	if t.flight == nil {
		t.flight = &tokenFlight{done: make(chan struct{})}
		go t.fly(t.flight, pause)
	}
	return t.flight
}

// fly fetches a token for everybody who waits.
func (t *tokenCache) fly(flight *tokenFlight, pause time.Duration) {
	var (
		begun    time.Time
		response TokenResponse
		err      = errors.New("no token was fetched") // what runtime.Goexit in a RoundTripper leaves
	)
	defer func() { t.land(flight, begun, response, err) }()
	t.rest(pause)
	begun = time.Now()
	response, err = t.fetchSafely()
}

// land notes what a flight brought and lets those who wait for it go on.
func (t *tokenCache) land(flight *tokenFlight, begun time.Time, response TokenResponse, err error) {
	defer close(flight.done)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight = nil
	flight.token, flight.err = response.AccessToken, err
	if err != nil {
		t.failed(err)
		return
	}
	t.refused = nil
	life := lifetime(response.Expiry)
	t.token, t.expires = response.AccessToken, begun.Add(life)
	t.refreshAfter = t.expires.Add(-min(earlyRefresh, life/10))
}

// rest waits, unless the client is closed meanwhile.
func (t *tokenCache) rest(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.life.Done():
	}
}

// fetchSafely turns a panic below, in a caller's RoundTripper for one, into an error.
func (t *tokenCache) fetchSafely() (response TokenResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = TokenResponse{}, fmt.Errorf("panic: %T", p)
		}
	}()
	ctx, cancel := context.WithTimeout(t.life, tokenFetchTime)
	defer cancel()
	return t.fetch(ctx)
}

// failed notes a fetch that failed. The caller holds the lock.
func (t *tokenCache) failed(err error) {
	now := time.Now()
	t.refreshAfter = now.Add(refreshPause)
	if isBadCredentials(err) {
		t.refused, t.refusedUntil = err, now.Add(badCredentialsFor)
	}
}

// isBadCredentials reports whether asking again at once would be pointless.
func isBadCredentials(err error) bool {
	e, ok := asAPIError(err)
	return ok && (e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusBadRequest)
}

// lifetime reads expires_in. Counting begins before the request was sent, so it is
// never too long.
func lifetime(seconds uint64) time.Duration {
	switch {
	case seconds == 0:
		return unknownLifetime
	case seconds > uint64(longestLifetime/time.Second):
		return longestLifetime
	}
	return time.Duration(seconds) * time.Second
}
