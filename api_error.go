package kopokopo

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/redact"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

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
func newAPIError(call *request, rep reply, mask func(string) string) *APIError {
	e := &APIError{
		StatusCode: rep.status,
		Method:     call.method,
		Path:       call.template,
	}
	e.RetryAfter, _ = retryAfter(rep.header, time.Now())
	body := slices.Clone(rep.body[:min(len(rep.body), maxErrorBody)])
	e.body = func() []byte { return slices.Clone(body) }
	mediaType, _, _ := mime.ParseMediaType(rep.header.Get("Content-Type"))
	if looksLikeJSON(mediaType, rep.body) {
		e.readMessages(rep.body, func(text string) string { return mask(maskForm(call, text)) })
	}
	e.summary = strings.TrimSpace(http.StatusText(rep.status) + " (" + describeBody(mediaType, len(rep.body)) + ")")
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

// maskForm hides the token that a call was about, which is in its form and not in its header.
func maskForm(call *request, text string) string {
	if call.contentType != ContentTypeForm {
		return text
	}
	form, _ := url.ParseQuery(string(call.body))
	return masker(form["token"]...)(text)
}

// addMessages keeps the first twenty messages, fit to be shown.
func (e *APIError) addMessages(found []string, mask func(string) string) {
	for _, text := range found[:min(len(found), 20)] {
		e.Messages = append(e.Messages, redact.Text(mask(text)))
	}
}

// hint names the known causes of an answer that does not explain itself.
func hint(rep reply, call *request) string {
	switch {
	case call.signature != "":
		return "" // not K2's answer
	case rep.status == http.StatusForbidden && len(strings.TrimSpace(string(rep.body))) == 0:
		if call.host == "app.kopokopo.com" {
			return "app.kopokopo.com is the dashboard's host and serves no API: use kopokopo.Production as BaseURL"
		}
		return "K2 answers so to requests without a User-Agent (does a proxy remove it?), to the host app.kopokopo.com, and to applications that are not activated yet"
	case rep.status == http.StatusUnauthorized && call.anonymous:
		return "check that the credentials belong to this environment"
	}
	return ""
}

// retryAfter reads Retry-After, in seconds or as a date. asked is false if there is
// none, or none that makes sense.
func retryAfter(h http.Header, now time.Time) (delay time.Duration, asked bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if isDigits(text) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text) // the three forms of RFC 9110; a zone that is not GMT is none
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}

// asAPIError finds K2's answer in an error.
func asAPIError(err error) (*APIError, bool) {
	var e *APIError
	return e, errors.As(err, &e)
}
