package kyshi

import (
	"crypto"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/signature"
)

// SignatureHeader carries the signature of a webhook (Kyshi docs, header table).
const SignatureHeader = "X-Kyshi-Signature"

// The ways in which a signature fails. A webhook with any of them must be
// discarded. The texts say nothing about secret, body or the signature that was
// expected.
var (
	// ErrNoSignature means that a request carries no signature, or an empty one.
	// Check that the header's name is the one Kyshi uses for you, and that proxies
	// pass it on.
	ErrNoSignature = errors.New("kyshi: webhook: no signature")
	// ErrSeveralSignatures means that the signature's header is there more than
	// once: which of them counts would be a matter of opinion.
	ErrSeveralSignatures = errors.New("kyshi: webhook: several signature headers")
	// ErrMalformedSignature means that a signature is not the text of a digest of the
	// configured hash. If it is one of the other hash, the error's text says so.
	ErrMalformedSignature = errors.New("kyshi: webhook: malformed signature")
	// ErrSignatureMismatch means that a signature is not that of the body under any
	// of the secrets: another secret, another body, or somebody else.
	ErrSignatureMismatch = errors.New("kyshi: webhook: signature does not match")
)

// errNotMade is the error of a Verifier that [NewVerifier] did not make. It
// verifies nothing.
var errNotMade = errors.New("kyshi: verifier was not made with NewVerifier")

// VerifierConfig is what a [Verifier] is made of. Only Secrets is required. It
// prints, logs and encodes without its secrets.
type VerifierConfig struct {
	// Secrets are the webhook secret keys that may sign, the one in use first. Kyshi
	// has one for test and one for live; list the old and the new one while you
	// replace it. At least one, none empty, each exactly as Kyshi shows it: white
	// space around a secret is refused, not removed.
	Secrets []string
	// Header is the name of the header that carries the signature. Default
	// [SignatureHeader]. Case does not matter.
	Header string
	// Hash is the hash of the HMAC: [crypto.SHA256] or [crypto.SHA512]. Default
	// SHA-256. Others are refused. It is not guessed from what arrives.
	Hash crypto.Hash
}

// Format implements [fmt.Formatter]: no verb prints a secret.
func (c VerifierConfig) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kyshi.VerifierConfig(%d secrets)", len(c.Secrets))
}

// LogValue implements [slog.LogValuer]: no secret is logged.
func (c VerifierConfig) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalJSON implements [json.Marshaler]: no secret is encoded, since structured
// logs are made with it.
func (c VerifierConfig) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// GobEncode implements gob's encoder interface: no secret is encoded.
func (c VerifierConfig) GobEncode() ([]byte, error) { return []byte(fmt.Sprint(c)), nil }

// Verifier checks signatures and makes them. It is safe for concurrent use. Make
// it with [NewVerifier]: the zero Verifier verifies nothing.
type Verifier struct {
	header string
	digest digest
	// In func fields, which no verb prints, and no encoder writes.
	match func(mac, body []byte) int
	sum   func(body []byte) []byte
}

// NewVerifier returns a Verifier. The error is a [*kopokopo.ValidationError] that
// names each faulty field and repeats no value.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	found := faults{What: "kyshi verifier"}
	if len(cfg.Secrets) == 0 {
		found.add("Secrets", "is required")
	}
	for i, secret := range cfg.Secrets {
		field := "Secrets[" + strconv.Itoa(i) + "]"
		switch {
		case secret == "":
			found.add(field, "is required") // an empty one would verify what anybody signs
		case strings.TrimSpace(secret) != secret:
			found.add(field, "has white space around it: pass the secret exactly as Kyshi shows it")
		case strings.ContainsFunc(secret, unicode.IsControl):
			found.add(field, "must not contain control characters")
		}
	}
	if cfg.Header == "" {
		cfg.Header = SignatureHeader
	}
	if !isToken(cfg.Header) {
		found.add("Header", "is not a name that a header can have")
	}
	if cfg.Hash == 0 {
		cfg.Hash = crypto.SHA256
	}
	d, ok := digestOf(cfg.Hash)
	if !ok {
		found.add("Hash", "must be crypto.SHA256 or crypto.SHA512")
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	secrets := slices.Clone(cfg.Secrets)
	return &Verifier{
		header: http.CanonicalHeaderKey(cfg.Header),
		digest: d,
		match:  func(mac, body []byte) int { return signature.Match(d.new, mac, body, secrets...) },
		sum:    func(body []byte) []byte { return signature.Sum(d.new, secrets[0], body) },
	}, nil
}

// Verify checks a signature: the raw body and the header's value, both exactly as
// they arrived. Never pass JSON that was decoded and encoded again, and never only
// the data member. The error is [ErrNoSignature], [ErrMalformedSignature] or
// [ErrSignatureMismatch], by [errors.Is].
func (v *Verifier) Verify(body []byte, value string) error {
	_, err := v.verify(body, value)
	return err
}

// VerifyRequest checks the signature of a request whose body was read before, as
// [Verifier.Verify] does. A request with more than one signature header, equal or
// not, is [ErrSeveralSignatures].
func (v *Verifier) VerifyRequest(r *http.Request, body []byte) error {
	if !v.made() {
		return errNotMade
	}
	value, err := v.signatureOf(r.Header)
	if err != nil {
		return err
	}
	return v.Verify(body, value)
}

// signatureOf takes the signature out of a request's header, "" if there is none.
func (v *Verifier) signatureOf(h http.Header) (string, error) {
	switch values := h.Values(v.header); len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", ErrSeveralSignatures
}

// verify returns the index of the secret that signed a body.
func (v *Verifier) verify(body []byte, value string) (int, error) {
	if !v.made() {
		return -1, errNotMade
	}
	value = strings.Trim(value, " \t\r\n") // around it, never inside
	if value == "" {
		return -1, ErrNoSignature
	}
	mac, ok := v.digest.decode(value)
	if !ok {
		return -1, v.digest.malformed(value)
	}
	index := v.match(mac, body)
	if index < 0 {
		return -1, ErrSignatureMismatch
	}
	return index, nil
}

// Sign returns the signature of a body under the first secret, as Kyshi is taken
// to write it: the HMAC as lower-case hex. It is "" for a Verifier that
// [NewVerifier] did not make.
func (v *Verifier) Sign(body []byte) string {
	if !v.made() {
		return ""
	}
	return hex.EncodeToString(v.sum(body))
}

// Header returns the canonical name of the header that carries the signature, for
// those who must let it through.
func (v *Verifier) Header() string {
	if !v.made() {
		return ""
	}
	return v.header
}

func (v *Verifier) made() bool { return v != nil && v.match != nil }

// Format implements [fmt.Formatter]: no verb prints a secret.
func (v *Verifier) Format(f fmt.State, _ rune) {
	if !v.made() {
		fmt.Fprint(f, "kyshi.Verifier(not made)")
		return
	}
	fmt.Fprintf(f, "kyshi.Verifier(%s, HMAC-%s)", v.header, v.digest.name)
}

// LogValue implements [slog.LogValuer]: no secret is logged.
func (v *Verifier) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(v)) }

// isToken reports whether name can be a header's (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// faults collects everything that is wrong with a configuration.
type faults kopokopo.ValidationError

func (f *faults) add(field, message string) {
	f.Fields = append(f.Fields, kopokopo.FieldError{Field: field, Message: message})
}

func (f *faults) check(ok bool, field, message string) {
	if !ok {
		f.add(field, message)
	}
}

func (f *faults) err() error {
	if len(f.Fields) == 0 {
		return nil
	}
	return (*kopokopo.ValidationError)(f)
}
