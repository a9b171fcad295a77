package kopokopo

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/quiet"
	"github.com/kopokopo-go/kopokopo/internal/redact"
)

// The hosts of K2 Connect (K2 docs). Use one of them, or the URL of a
// kopokopotest server, as [Config.BaseURL].
const (
	// Sandbox is Kopo Kopo's test environment: API, OAuth and dashboard share the host.
	Sandbox = "https://sandbox.kopokopo.com"
	// Production moves real money. It answers both the API and the OAuth calls;
	// the dashboard's host, app.kopokopo.com, answers every API call with 403.
	Production = "https://api.kopokopo.com"
)

// Defaults of [Config]'s optional fields.
const (
	defaultTimeout         = 30 * time.Second
	defaultMaxIdleConns    = 64
	defaultIdleConnTimeout = 30 * time.Second
	defaultRetries         = 2 // so three attempts
)

// Credentials contains the credentials of one application, from the Kopo Kopo
// dashboard. Its secrets are left out where it is printed (fmt), logged (log/slog) or
// encoded: as JSON, XML and gob, and by whatever asks a value for MarshalText or
// MarshalBinary, as libraries for YAML, CBOR and the like do. What asks nothing and
// reads the fields of a struct by reflection, as the diffs of test libraries do, sees
// them.
type Credentials struct {
	AppID  string `json:"app_id"`  // Application key, K2's client_id.
	Secret string `json:"secret"`  // Application secret, K2's client_secret. Only revealed when an application is created or its credentials are made anew.
	APIKey string `json:"api_key"` // Key that signs webhooks and callbacks. Optional; what signs or verifies requires it.
}

// Config contains sdk configuration parameters. No verb prints its secrets, nor those
// of a Config in an exported field; fmt cannot be told so about unexported fields of
// a program's own structs, so keep the [Client] there and not the Config. Only BaseURL and the first two
// Credentials are required; [New] refuses a Config that cannot work with a
// [*ValidationError] that names each faulty field.
type Config struct {
	// BaseURL is where the API lives: [Sandbox], [Production], or the URL of a
	// kopokopotest server. HTTPS, except to a loopback address. A path is kept.
	BaseURL string
	// Credentials of the application.
	Credentials Credentials
	// MaxIdleConns is how many idle connections are kept, in all and to one host. Default 64.
	MaxIdleConns int
	// IdleConnTimeout is how long an idle connection is kept. Default 30 s, shorter
	// than servers usually keep theirs, so that few requests meet a dying connection.
	IdleConnTimeout time.Duration

	// AuthURL is the base URL of the OAuth endpoints where it differs from BaseURL
	// (some production applications use https://app.kopokopo.com). Default BaseURL.
	AuthURL string
	// CallbackURL fills an empty Links.Callback of a request before it is validated.
	// HTTPS, except to a loopback address.
	CallbackURL string
	// Timeout bounds one attempt of one request, its answer's body included. Default 30 s.
	// The caller's context bounds the whole call.
	Timeout time.Duration
	// MaxRetries is how often a call that may be repeated is repeated (see the package
	// documentation on money safety). Default 2; a negative number means never. A
	// second try with a fresh token, after K2 has refused the first one's, does not count.
	MaxRetries int
	// TokenSource supplies the bearer tokens instead of the client's own cache, so
	// that a fleet can share them. Credentials.AppID and Secret are optional with it.
	TokenSource TokenSource
	// Intents remembers what was created under which idempotency key (see
	// [WithIdempotencyKey]). Default: a [MemoryIntents] of the client's own, which
	// forgets when the process ends.
	Intents IntentStore
	// UserAgent is put in front of this package's own User-Agent, as
	// "product/version". K2 answers 403 to requests without a User-Agent.
	UserAgent string
	// HTTPClient is used instead of this package's own. It is copied, never changed:
	// the copy follows no redirects and keeps no cookies. If its Transport is an
	// *http.Transport, a clone is used in which its non-zero settings win over ours.
	// Any other RoundTripper is used as it is; failures in it cannot be proved unsent,
	// so a create that fails there reports [ErrOutcomeUnknown].
	HTTPClient *http.Client
	// WrapTransport is called once for each of the client's connection pools and
	// returns the RoundTripper to use: the place for tracing and metrics. It has to
	// pass the request's context on, and must not repeat a request.
	WrapTransport func(http.RoundTripper) http.RoundTripper
	// Logger receives one record for each attempt, at debug level, and warnings.
	// Nothing personal and nothing secret is logged. Default: silent.
	Logger *slog.Logger
}

// The environment variables that [ConfigFromEnv] reads.
const (
	envClientID     = "KOPOKOPO_CLIENT_ID"
	envClientSecret = "KOPOKOPO_CLIENT_SECRET"
	envAPIKey       = "KOPOKOPO_API_KEY"
	envBaseURL      = "KOPOKOPO_BASE_URL"
)

// ConfigFromEnv reads KOPOKOPO_CLIENT_ID, KOPOKOPO_CLIENT_SECRET, KOPOKOPO_API_KEY
// (optional) and KOPOKOPO_BASE_URL. A missing variable is an error that names it:
// no environment is assumed, least of all Production.
func ConfigFromEnv() (Config, error) {
	cfg := Config{
		BaseURL: os.Getenv(envBaseURL),
		Credentials: Credentials{
			AppID:  os.Getenv(envClientID),
			Secret: os.Getenv(envClientSecret),
			APIKey: os.Getenv(envAPIKey),
		},
	}
	v := validation{what: "environment"}
	v.require(envBaseURL, trimSecret(cfg.BaseURL))
	v.require(envClientID, trimSecret(cfg.Credentials.AppID))
	v.require(envClientSecret, trimSecret(cfg.Credentials.Secret))
	if err := v.err(); err != nil {
		return Config{}, err
	}
	if _, err := cfg.check(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// settings is a Config that has been checked and completed.
type settings struct {
	base, auth  *url.URL
	appID       string
	secret      string
	apiKey      string
	callback    string
	timeout     time.Duration
	maxIdle     int
	idleTimeout time.Duration
	userAgent   string
	logger      *slog.Logger
	retries     int
}

// check refuses a Config that cannot work and fills in the defaults.
func (c Config) check() (settings, error) {
	v := validation{what: "config"}
	s := settings{
		appID:       trimSecret(c.Credentials.AppID),
		secret:      trimSecret(c.Credentials.Secret),
		apiKey:      trimSecret(c.Credentials.APIKey),
		callback:    strings.TrimSpace(c.CallbackURL),
		timeout:     orDefault(c.Timeout, defaultTimeout),
		maxIdle:     orDefault(c.MaxIdleConns, defaultMaxIdleConns),
		idleTimeout: orDefault(c.IdleConnTimeout, defaultIdleConnTimeout),
		userAgent:   userAgent(c.UserAgent),
		logger:      quiet.Logger(c.Logger),
		retries:     max(orDefault(c.MaxRetries, defaultRetries), 0),
	}
	s.base = v.baseURL("BaseURL", c.BaseURL)
	s.auth = s.base
	if strings.TrimSpace(c.AuthURL) != "" {
		s.auth = v.baseURL("AuthURL", c.AuthURL)
	}
	v.secret("Credentials.AppID", s.appID, c.TokenSource == nil)
	v.secret("Credentials.Secret", s.secret, c.TokenSource == nil)
	v.secret("Credentials.APIKey", s.apiKey, false)
	if s.callback != "" {
		v.callback("CallbackURL", s.callback)
	}
	v.check(c.Timeout >= 0, "Timeout", "must not be negative")
	v.check(c.MaxIdleConns >= 0, "MaxIdleConns", "must not be negative")
	v.check(c.IdleConnTimeout >= 0, "IdleConnTimeout", "must not be negative")
	v.check(!hasControl(c.UserAgent), "UserAgent", "must not contain control characters")
	return s, v.err()
}

// orDefault returns value, or fallback for the zero value.
func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// trimSecret removes what mounting a secret as a file, or pasting it, adds around it.
func trimSecret(s string) string { return strings.Trim(s, " \t\r\n") }

// secret checks one credential.
func (v *validation) secret(field, value string, required bool) {
	switch {
	case value == "":
		if required {
			v.add(field, "is required", nil)
		}
	case hasControl(value):
		v.add(field, "must not contain control characters", nil)
	case value == redacted:
		v.add(field, "is the redacted form that printing and encoding give, not the value", nil)
	}
}

// baseURL parses the URL of an API host. It returns nil if it added a fault.
func (v *validation) baseURL(field, raw string) *url.URL {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		v.add(field, "is required: use kopokopo.Sandbox or kopokopo.Production", nil)
		return nil
	}
	// Parse errors quote their input, which may hold a password: say only what is wrong.
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		v.add(field, "must be an absolute URL such as https://sandbox.kopokopo.com", nil)
		return nil
	}
	switch {
	case u.User != nil:
		v.add(field, "must not contain a user or password", nil)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		v.add(field, "must not contain a query or fragment", nil)
	case !secureURL(u):
		v.add(field, "must be https (http only to a loopback address)", nil)
	case hasControl(u.Path) || strings.Contains(u.Path, "//") || hasDotSegment(u.Path):
		v.add(field, "has a malformed path", nil)
	default:
		u.Path = strings.TrimRight(u.Path, "/")
		u.RawPath = ""
		return u
	}
	return nil
}

// hasDotSegment reports whether a path climbs or stands still: net/http would
// send it as it is, and servers disagree about what it means.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// redacted stands in for every secret that would otherwise be printed.
const redacted = redact.Mark

// hide returns a secret's printable form: whether there is one, and no more.
func hide(secret string) string {
	if secret == "" {
		return ""
	}
	return redacted
}

// masked returns c with its secrets replaced. The application key names the
// application and proves nothing, yet K2 asks for it as part of the credentials,
// so it is treated like them.
func (c Credentials) masked() Credentials {
	return Credentials{AppID: hide(c.AppID), Secret: hide(c.Secret), APIKey: hide(c.APIKey)}
}

// Format implements [fmt.Formatter]: no verb prints a secret.
func (c Credentials) Format(f fmt.State, _ rune) {
	m := c.masked()
	fmt.Fprintf(f, "kopokopo.Credentials{AppID:%q, Secret:%q, APIKey:%q}", m.AppID, m.Secret, m.APIKey)
}

// LogValue implements [slog.LogValuer]: no secret is logged.
func (c Credentials) LogValue() slog.Value {
	m := c.masked()
	return slog.GroupValue(slog.String("app_id", m.AppID), slog.String("secret", m.Secret), slog.String("api_key", m.APIKey))
}

// MarshalJSON implements [json.Marshaler] with every secret replaced, since
// structured logs are made with it. Credentials read from JSON are read in full;
// a Config with credentials that were written this way is refused by [New].
func (c Credentials) MarshalJSON() ([]byte, error) {
	type plain Credentials // without this method
	return json.Marshal(plain(c.masked()))
}

// MarshalText implements [encoding.TextMarshaler] for encoders other than JSON.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(c)), nil }

// MarshalBinary implements [encoding.BinaryMarshaler]: credentials are not written.
func (c Credentials) MarshalBinary() ([]byte, error) { return []byte(redacted), nil }

// GobEncode implements gob's encoder interface: credentials are not written.
func (c Credentials) GobEncode() ([]byte, error) { return []byte(redacted), nil }

// parts lists what may be shown of a Config.
func (c Config) parts() []slog.Attr {
	return []slog.Attr{
		slog.String("base_url", showURL(c.BaseURL)),
		slog.String("auth_url", showURL(c.AuthURL)),
		slog.String("callback_url", showURL(c.CallbackURL)),
		slog.Any("credentials", c.Credentials.LogValue()),
		slog.Int("max_idle_conns", c.MaxIdleConns),
		slog.Duration("idle_conn_timeout", c.IdleConnTimeout),
		slog.Duration("timeout", c.Timeout),
		slog.String("user_agent", c.UserAgent),
	}
}

// showURL returns the part of a URL that holds no password, token or reference.
func showURL(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Host == "" {
		return "(not a URL)"
	}
	return u.Scheme + "://" + u.Host
}

// Format implements [fmt.Formatter]: no verb prints a secret.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kopokopo.Config%v", c.parts())
}

// LogValue implements [slog.LogValuer]: no secret is logged.
func (c Config) LogValue() slog.Value { return slog.GroupValue(c.parts()...) }

// MarshalJSON implements [json.Marshaler]: what [Config.LogValue] logs.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"base_url":          showURL(c.BaseURL),
		"auth_url":          showURL(c.AuthURL),
		"callback_url":      showURL(c.CallbackURL),
		"credentials":       c.Credentials,
		"max_idle_conns":    c.MaxIdleConns,
		"idle_conn_timeout": c.IdleConnTimeout.String(),
		"timeout":           c.Timeout.String(),
		"user_agent":        c.UserAgent,
	})
}
