package kopokopo

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/outbound"
	"github.com/kopokopo-go/kopokopo/internal/redact"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// The documented errors.
var (
	// ErrEmptyToken indicates missing or invalid bearer token.
	ErrEmptyToken = errors.New("empty token")
	// ErrInvalidPaymentChannel indicates missing or invalid payment channel.
	ErrInvalidPaymentChannel = errors.New("invalid payment channel")
	// ErrMaxMetadataSize indicates maximum metadata length
	ErrMaxMetadataSize = errors.New("maximum metadata size is 5")
	// ErrEmptyID indicates an empty reference or ID
	ErrEmptyID = errors.New("empty id")
	// ErrInvalidSettlementMethod indicates invalid settlement method
	ErrInvalidSettlementMethod = errors.New("invalid settlement method")
)

// What became of a request that changes something. Every error of a create is
// exactly one of these three, by [errors.Is]; errors of reads and of the token
// calls are none of them.
var (
	// ErrNotSent means that K2 cannot have acted: nothing of the request left.
	ErrNotSent = errors.New("not sent")
	// ErrRefused means that K2 answered and refused: it did not act.
	ErrRefused = errors.New("refused")
	// ErrOutcomeUnknown means that K2 may or may not have acted. Do not repeat the
	// request: find out first, from the callback (metadata comes back in it), with
	// [Client.FindPayments] for money in, or in the dashboard for money out.
	ErrOutcomeUnknown = errors.New("outcome unknown")
)

// Kinds of failure, beside the outcome.
var (
	// ErrUnauthorized means that K2 did not accept the bearer token or the credentials (401).
	ErrUnauthorized = errors.New("unauthorized")
	// ErrRedirect means that K2 answered with a redirect. Redirects are never followed:
	// they would carry a token, a secret or half a payment elsewhere.
	ErrRedirect = errors.New("redirects are not followed")
	// ErrResponse means that an answer could not be understood.
	ErrResponse = errors.New("unusable answer")
	// ErrResponseTooLarge means that an answer was larger than this package reads.
	ErrResponseTooLarge = outbound.ErrTooLarge
	// ErrNoLocation means that K2 accepted a create but named no usable resource.
	// It comes with [ErrOutcomeUnknown].
	ErrNoLocation = errors.New("accepted, but the answer names no resource")
	// ErrClosed means that the client was closed.
	ErrClosed = outbound.ErrClosed
)

// What became of a payment.
var (
	// ErrPaymentFailed means that a payment is final and no money moved.
	ErrPaymentFailed = errors.New("payment failed")
	// ErrPaymentPending means that no final result of a payment is known yet: it has
	// neither succeeded nor failed.
	ErrPaymentPending = errors.New("payment pending")
	// ErrPartial means that some of a payment's parts succeeded and others failed.
	ErrPartial = errors.New("only a part succeeded")
	// ErrStillPending means that waiting ended before the result was there. Where a
	// payment was waited for (STK push, send money, sweep, reversal, version 1 payments
	// and settlement transfers), it is [ErrPaymentPending] too; for a polling, an SMS or a
	// payment link it is not, since no money was to move. Where nobody waited, as in
	// [SDK.ProcessIncommingMpesaPayment], there is ErrPaymentPending only.
	ErrStillPending = errors.New("still pending")
)

// Errors about signatures and samples. The signature errors are constant, and
// say nothing about key, body or expected signature.
var (
	// ErrNoSignature means that a request carries no signature.
	ErrNoSignature = errors.New("kopokopo: webhook: no signature")
	// ErrBadSignature means that a signature is malformed or not that of the body.
	ErrBadSignature = errors.New("kopokopo: webhook: bad signature")
	// ErrSampleRefused means that a signed sample event was to be sent to a live shop.
	ErrSampleRefused = errors.New("samples are not sent to a live endpoint with production credentials")
)

// FieldError is one fault of one field.
type FieldError struct {
	Field   string // The name the API, or [Config], gives it: "amount.value", "_links.callback_url".
	Message string // What is wrong, without the value.
	Err     error  // The documented error it stands for, or nil.
}

// ValidationError lists everything that is wrong with a value, at once. It
// satisfies [errors.Is] for each documented error among its fields.
type ValidationError struct {
	What   string // What was checked: "incoming payment", "config".
	Fields []FieldError
}

// Error names every faulty field and repeats no value.
func (e *ValidationError) Error() string { return "kopokopo: " + e.What + ": " + e.list() }

// list is the text behind the prefix.
func (e *ValidationError) list() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + " " + f.Message
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns the documented errors among the faults.
func (e *ValidationError) Unwrap() []error {
	var causes []error
	for _, f := range e.Fields {
		if f.Err != nil {
			causes = append(causes, f.Err)
		}
	}
	return causes
}

// CallError is the error of one call of the API. Its text says what was being
// done and what happened; [errors.Is] and [errors.As] reach the outcome, the cause
// and the context's own error.
type CallError struct {
	Op       string // What was being done: "create incoming payment".
	Outcome  error  // ErrNotSent, ErrRefused or ErrOutcomeUnknown for what changes something, nil for a read.
	Attempts int    // How many times the request was tried.
	Err      error  // The cause.
	Advice   string // What to do about it, or "".

	// IdempotencyKey is the key the call was made with, "" if it had none. It is not
	// part of the text.
	IdempotencyKey string
}

// Error implements error.
func (e *CallError) Error() string {
	text := "kopokopo: " + e.Op + ": "
	if e.Outcome == ErrNotSent || e.Outcome == ErrOutcomeUnknown {
		text += e.Outcome.Error() + ": "
	}
	text += causeText(e.Err)
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// causeText renders a cause on one line, without this package's prefix and without
// anything that could be personal.
func causeText(err error) string {
	if err == nil {
		return "failed"
	}
	if v, ok := err.(*ValidationError); ok {
		return v.list() // our own words, and all of them
	}
	text := strings.TrimPrefix(err.Error(), "kopokopo: ")
	return redact.Text(strings.ReplaceAll(text, "\n", "; ")) // errors.Join's way of listing
}

// Unwrap returns the outcome and the cause.
func (e *CallError) Unwrap() []error {
	if e.Outcome == nil {
		return []error{e.Err}
	}
	return []error{e.Outcome, e.Err}
}

// foreignError is a cause that comes from a caller's code (a TokenSource, a
// RoundTripper) and holds errors of this package that speak of something else: another
// call, another payment. They must not pass for this call's.
type foreignError struct {
	error
	hidden []error // what is not to be found in it
	all    bool    // nor any error type of this package
}

// What an error of a caller's code must not say about a call: what became of the
// request, and of a payment.
var ofCalls = []error{ErrNotSent, ErrRefused, ErrOutcomeUnknown, ErrPaymentFailed, ErrPaymentPending, ErrPartial, ErrStillPending}

// ofAnswers is what no failure of a transport can be either.
var ofAnswers = append([]error{ErrUnauthorized, ErrRedirect, ErrResponse, ErrResponseTooLarge, ErrNoLocation, ErrClosed,
	ErrEmptyToken, ErrEmptyID, ErrInvalidPaymentChannel, ErrMaxMetadataSize, ErrInvalidSettlementMethod}, ofCalls...)

// withoutOutcome hides in an error what only this call may say.
func withoutOutcome(err error) error {
	var failed *FailedError
	if errors.As(err, &failed) || isAny(err, ofCalls) {
		return &foreignError{error: err, hidden: ofCalls}
	}
	return err
}

// withoutOurs hides everything of this package's in the failure of a transport.
func withoutOurs(err error) error {
	var failure *outbound.Failure
	if !errors.As(err, &failure) {
		return err // the engine's own words
	}
	return &foreignError{error: err, hidden: ofAnswers, all: true}
}

// isAny reports whether err is one of targets.
func isAny(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// Is stands in for Unwrap, which would show everything.
func (e *foreignError) Is(target error) bool {
	return !slices.Contains(e.hidden, target) && errors.Is(e.error, target)
}

// As stands in for Unwrap.
func (e *foreignError) As(target any) bool {
	switch target.(type) {
	case **FailedError:
		return false
	case **CallError, **APIError, **ValidationError:
		if e.all {
			return false
		}
	}
	return errors.As(e.error, target)
}

// maxErrorBody is how much of an error's body is kept.
const maxErrorBody = 4 << 10

// APIError is an answer of K2 that is not a success.
type APIError struct {
	StatusCode int           // HTTP status.
	Code       string        // K2's error_code, or OAuth's error; "" if there is none.
	Messages   []string      // K2's messages; runs of 7 and more digits are masked.
	Method     string        // Method of the request.
	Path       string        // Path of the request, ids replaced: /api/v1/payments/{id}.
	RetryAfter time.Duration // How long K2 asks to wait, 0 if it does not.
	Hint       string        // Known causes of such an answer, or "".

	summary string        // what stands in for messages
	body    func() []byte // in a func field, which no verb prints
}

// Body returns the first 4 KiB of the answer as it came. It can hold personal data.
func (e *APIError) Body() []byte {
	if e.body == nil {
		return nil
	}
	return e.body()
}

// Error implements error.
func (e *APIError) Error() string {
	text := strconv.Itoa(e.StatusCode)
	switch {
	case len(e.Messages) > 0:
		text += ": " + redact.Text(strings.Join(e.Messages, "; "))
	case e.summary != "":
		text += " " + e.summary
	default:
		text += " " + http.StatusText(e.StatusCode)
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Is reports [ErrUnauthorized] for a 401 and [ErrRedirect] for a redirect.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrRedirect:
		return e.StatusCode >= 300 && e.StatusCode < 400
	}
	return false
}

// newAPIError reads an answer that is not a success, in every shape K2 uses. mask
// hides the secrets in play wherever a text repeats them.
func newAPIError(call *request, rep outbound.Reply, mask func(string) string) *APIError {
	e := &APIError{
		StatusCode: rep.Status,
		Method:     call.Method,
		Path:       call.Template,
	}
	e.RetryAfter, _ = outbound.RetryAfter(rep.Header, time.Now())
	body := slices.Clone(rep.Body[:min(len(rep.Body), maxErrorBody)])
	e.body = func() []byte { return slices.Clone(body) }
	mediaType, _, _ := mime.ParseMediaType(rep.Header.Get("Content-Type"))
	if looksLikeJSON(mediaType, rep.Body) {
		e.readMessages(rep.Body, mask)
	}
	e.summary = strings.TrimSpace(http.StatusText(rep.Status) + " (" + describeBody(mediaType, len(rep.Body)) + ")")
	e.Hint = hint(rep, call)
	return e
}

// looksLikeJSON reports whether an error's body is worth decoding. Some of K2's
// answers are JSON under another type.
func looksLikeJSON(mediaType string, body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) > 0 && (body[0] == '{' || body[0] == '[') && mediaType != "text/html"
}

// describeBody says what kind of body there was instead of quoting it.
func describeBody(mediaType string, size int) string {
	if size == 0 {
		return "empty body"
	}
	kind := "body"
	if _, sub, ok := strings.Cut(mediaType, "/"); ok {
		kind = redact.Text(sub)
	}
	if size < 1<<10 {
		return fmt.Sprintf("%s, %d bytes", kind, size)
	}
	return fmt.Sprintf("%s, %d KB", kind, (size+1<<9)>>10)
}

// readMessages fills Code and Messages from the first shape that has any.
func (e *APIError) readMessages(body []byte, mask func(string) string) {
	var tree any
	if wire.Decode(body, &tree) != nil {
		return
	}
	if list, ok := tree.([]any); ok { // not on record
		e.addMessages(wire.Texts(list), mask)
		return
	}
	members, _ := tree.(map[string]any)
	for _, key := range []string{"error_message", "errors", "error_description", "error", "message"} {
		if e.addMessages(wire.Texts(members[key]), mask); len(e.Messages) > 0 {
			break
		}
	}
	for _, key := range []string{"error_code", "error"} { // OAuth's error is a code, an object of texts is none
		if code := wire.Text(members[key]); e.Code == "" {
			e.Code = redact.Text(mask(code))
		}
	}
}

// addMessages keeps the first twenty messages, fit to be shown.
func (e *APIError) addMessages(found []string, mask func(string) string) {
	for _, text := range found[:min(len(found), 20)] {
		e.Messages = append(e.Messages, redact.Text(mask(text)))
	}
}

// hint names the known causes of an answer that does not explain itself.
func hint(rep outbound.Reply, call *request) string {
	switch {
	case call.sample:
		return "" // not K2's answer
	case rep.Status == http.StatusForbidden && len(strings.TrimSpace(string(rep.Body))) == 0:
		if call.host == "app.kopokopo.com" {
			return "app.kopokopo.com is the dashboard's host and serves no API: use kopokopo.Production as BaseURL"
		}
		return "K2 answers so to requests without a User-Agent (does a proxy remove it?), to the host app.kopokopo.com, and to applications that are not activated yet"
	case rep.Status == http.StatusUnauthorized && call.Anonymous:
		return "check that the credentials belong to this environment"
	}
	return ""
}

// asAPIError finds K2's answer in an error.
func asAPIError(err error) (*APIError, bool) {
	var e *APIError
	return e, errors.As(err, &e)
}
