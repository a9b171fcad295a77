package kopokopotest

import (
	"crypto/subtle"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// token is one access token that was issued.
type token struct {
	issued, expires time.Time
	revoked         bool
}

func (t *token) active(now time.Time) bool { return !t.revoked && now.Before(t.expires) }

// RevokeTokens makes every token issued so far invalid, as happens when an
// application's credentials are renewed.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens.all() {
		t.revoked = true
	}
}

func (s *Server) serveOAuth(w http.ResponseWriter, r *http.Request, body []byte) {
	switch r.Method + " " + r.URL.Path {
	case "GET /oauth/token/info":
		s.tokenInfo(w, r)
	case "POST /oauth/token":
		s.withClient(w, r, body, s.issueToken)
	case "POST /oauth/revoke":
		s.withClient(w, r, body, s.revokeToken)
	case "POST /oauth/introspect":
		s.withClient(w, r, body, s.introspect)
	default:
		notFound().write(w)
	}
}

// withClient reads the parameters and checks the application's credentials.
func (s *Server) withClient(w http.ResponseWriter, r *http.Request, body []byte, next func(http.ResponseWriter, url.Values)) {
	params, ok := oauthParams(r, body)
	switch {
	case !ok:
		refuseOAuth(http.StatusBadRequest, "invalid_request", "The request body could not be read.").write(w)
	case !same(params.Get("client_id"), s.creds.AppID) || !same(params.Get("client_secret"), s.creds.Secret):
		refuseOAuth(http.StatusUnauthorized, "invalid_client",
			"Client authentication failed: use the credentials of this fake server, never real ones.").write(w)
	default:
		next(w, params)
	}
}

// oauthParams takes parameters from the query and from a form or JSON body: the
// K2 docs describe the form, the official Ruby SDK sends JSON, and one Go client
// puts everything in the query.
func oauthParams(r *http.Request, body []byte) (url.Values, bool) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, false
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "application/json" || strings.HasSuffix(media, "+json") {
		o, err := parseObject(body)
		for _, m := range o {
			params.Set(m.key, o.text(m.key))
		}
		return params, err == nil
	}
	form, err := url.ParseQuery(string(body))
	for key, values := range form {
		params[key] = values
	}
	return params, err == nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *Server) issueToken(w http.ResponseWriter, params url.Values) {
	if params.Get("grant_type") != "client_credentials" {
		refuseOAuth(http.StatusBadRequest, "unsupported_grant_type", "Only client_credentials is supported.").write(w)
		return
	}
	now, value := time.Now(), newToken()
	s.mu.Lock()
	s.tokens.put(value, &token{issued: now, expires: now.Add(s.tokenLifetime)}, len(value))
	s.mu.Unlock()

	reply := object{
		{"access_token", value},
		{"token_type", "Bearer"},
		{"expires_in", int64(s.tokenLifetime / time.Second)},
	}
	switch s.createdAt {
	case CreatedAtISO:
		reply.set("created_at", second(now))
	case CreatedAtUnix:
		reply.set("created_at", now.Unix())
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, encode(reply))
}

// revokeToken answers 200 whether or not the token is known (RFC 7009).
func (s *Server) revokeToken(w http.ResponseWriter, params url.Values) {
	s.mu.Lock()
	if t, ok := s.tokens.get(params.Get("token")); ok {
		t.revoked = true
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, encode(object{}))
}

// introspect shows exp and iat as ISO texts and scope as a string, unlike RFC 7662:
// so do the fixtures of three official SDKs.
func (s *Server) introspect(w http.ResponseWriter, params url.Values) {
	s.mu.Lock()
	t, ok := s.tokens.get(params.Get("token"))
	active := ok && t.active(time.Now())
	s.mu.Unlock()
	if !active {
		writeJSON(w, http.StatusOK, encode(object{{"active", false}}))
		return
	}
	writeJSON(w, http.StatusOK, encode(object{
		{"active", true},
		{"scope", ""},
		{"client_id", s.creds.AppID},
		{"token_type", "Bearer"},
		{"exp", second(t.expires)},
		{"iat", second(t.issued)},
	}))
}

// tokenInfo shows created_at as Unix seconds and scope as a list, unlike introspect.
func (s *Server) tokenInfo(w http.ResponseWriter, r *http.Request) {
	t, ref := s.bearer(r)
	if ref != nil {
		ref.write(w)
		return
	}
	writeJSON(w, http.StatusOK, encode(object{
		{"resource_owner_id", nil},
		{"scope", []any{}},
		{"expires_in", int64(time.Until(t.expires) / time.Second)},
		{"application", object{{"uid", s.creds.AppID}}},
		{"created_at", t.issued.Unix()},
	}))
}

// authorize checks the bearer token of an API request.
func (s *Server) authorize(r *http.Request) *refusal {
	_, ref := s.bearer(r)
	return ref
}

// bearer finds the request's token. It returns a copy, free of the lock.
func (s *Server) bearer(r *http.Request) (token, *refusal) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens.get(value)
	why := ""
	switch {
	case !ok || !strings.EqualFold(scheme, "Bearer"):
		why = "The access token is invalid"
	case t.revoked:
		why = "The access token was revoked"
	case !time.Now().Before(t.expires):
		why = "The access token expired"
	default:
		return *t, nil
	}
	return token{}, refuseOAuth(http.StatusUnauthorized, "invalid_token", why)
}
