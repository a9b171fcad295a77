package kopokopo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// Request is what the Create methods take: a value that can tell whether K2 could
// accept it.
type Request interface {
	// Validate returns a [*ValidationError] that lists every faulty field, or nil.
	Validate() error
}

// wireRequest is what the request types of this package add to Request. The form
// on the wire is built here and not by MarshalJSON, because programs store and
// queue the documented types in their documented form.
type wireRequest interface {
	Request
	// withCallback returns a copy in which an empty callback URL is filled.
	withCallback(url string) wireRequest
	// wire returns the body to send, of a request that is valid.
	wire() any
}

// Ref names a resource that K2 has created.
type Ref struct {
	ID       string // Its id: the last segment of Location.
	Location string // K2's Location header as it came. Its host is unreliable; use the ID.
}

// Document is one resource as K2 returns it, and as it posts it in callbacks. Its
// fields are exported so that a program's own fake can make one.
//
// Attributes K2 has added since this package was made are in Raw, and so is
// everything that did not fit its field.
type Document[A any] struct {
	ID         string          // The resource's id. It is not always a UUID.
	Type       string          // K2's name of the type: "incoming_payment".
	Attributes A               // What this package knows of it.
	Raw        json.RawMessage // The whole document, with what K2 may have added since.
}

// CallOption changes one call.
type CallOption func(*callOptions)

type callOptions struct {
	token     string
	hasToken  bool
	waitLimit time.Duration
}

// readOptions applies the options of one call to the defaults.
func readOptions(opts []CallOption) callOptions {
	o := callOptions{waitLimit: defaultWaitLimit}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return o
}

// WithToken makes a call go out with this bearer token instead of the client's own.
// If K2 does not accept it the call fails with [ErrUnauthorized]: no other token is
// tried. An empty token is [ErrEmptyToken].
func WithToken(token string) CallOption {
	return func(o *callOptions) { o.token, o.hasToken = token, true }
}

// Endpoint is one resource of the API. Make a [Client] to get one; it is safe for
// concurrent use.
type Endpoint[Req Request, A any] struct{ route }

// AsyncEndpoint is a resource whose result comes later, on its callback URL and by Get.
type AsyncEndpoint[Req Request, A Outcomer] struct{ route }

// route is what an endpoint is, apart from its types.
type route struct {
	core  *core
	name  string // "incoming payment", as errors have it
	path  string // "/api/v2/incoming_payments"
	class class
	pace  pace  // when Wait looks
	limit int64 // of the body of an answer to Get
}

// routes makes the routes of one version of the API.
func routes(c *core, version string) func(name, collection string, cl class, p pace) route {
	return func(name, collection string, cl class, p pace) route {
		return route{core: c, name: name, path: "/api/" + version + "/" + collection, class: cl, pace: p, limit: maxResponse}
	}
}

// large is a route whose answers are as long as a day of a busy shop.
func (r route) large() route {
	r.limit = maxPollingResponse
	return r
}

func newEndpoint[Req wireRequest, A any](r route) *Endpoint[Req, A] { return &Endpoint[Req, A]{r} }

func newAsyncEndpoint[Req wireRequest, A Outcomer](r route) *AsyncEndpoint[Req, A] {
	return &AsyncEndpoint[Req, A]{r}
}

// Create validates the request and sends it (POST). K2 answers 201 with the
// resource's Location and an empty body. Every error is one of [ErrNotSent],
// [ErrRefused] and [ErrOutcomeUnknown].
func (e *Endpoint[Req, A]) Create(ctx context.Context, req Req, opts ...CallOption) (Ref, error) {
	return e.routed().create(ctx, req, opts)
}

// Get reads a resource (GET). id is a resource's id, or a Location on the
// configured host.
func (e *Endpoint[Req, A]) Get(ctx context.Context, id string, opts ...CallOption) (*Document[A], error) {
	return getDocument[A](ctx, e.routed(), id, opts)
}

// routed makes an endpoint that New did not make fail instead of panic.
func (e *Endpoint[Req, A]) routed() route {
	if e == nil {
		return route{}
	}
	return e.route
}

// Create validates the request and sends it (POST). K2 answers 201 with the
// resource's Location and an empty body: the resource exists, its result comes
// later. Every error is one of [ErrNotSent], [ErrRefused] and [ErrOutcomeUnknown].
func (e *AsyncEndpoint[Req, A]) Create(ctx context.Context, req Req, opts ...CallOption) (Ref, error) {
	return e.routed().create(ctx, req, opts)
}

// Get reads a resource (GET) in its present state, which its attributes'
// Outcome tells. id is a resource's id, or a Location on the configured host.
func (e *AsyncEndpoint[Req, A]) Get(ctx context.Context, id string, opts ...CallOption) (*Document[A], error) {
	return getDocument[A](ctx, e.routed(), id, opts)
}

func (e *AsyncEndpoint[Req, A]) routed() route {
	if e == nil {
		return route{}
	}
	return e.route
}

// getDocument is Get.
func getDocument[A any](ctx context.Context, r route, id string, opts []CallOption) (*Document[A], error) {
	rep, id, err := r.get(ctx, id, opts)
	if err != nil {
		return nil, err
	}
	doc, err := decodeDocument[A](rep.body)
	if err == nil && !strings.EqualFold(doc.ID, id) {
		err = responseError("data.id is not the id that was asked for")
	}
	if err != nil {
		return nil, &CallError{Op: "get " + r.name, Attempts: rep.attempts, Err: err}
	}
	return doc, nil
}

// create is Create without the types.
func (r route) create(ctx context.Context, req Request, opts []CallOption) (Ref, error) {
	call := &request{op: "create " + r.name, class: r.class, write: true, method: http.MethodPost,
		template: r.path, contentType: ContentTypeJSON, limit: maxResponse}
	if err := r.prepare(call, "", opts); err != nil {
		return Ref{}, call.fail(notSent, 0, err)
	}
	wired, ok := req.(wireRequest)
	if !ok {
		return Ref{}, call.fail(notSent, 0, errors.New("the request is not of one of this package's types"))
	}
	wired = wired.withCallback(r.core.callback)
	if err := wired.Validate(); err != nil {
		return Ref{}, call.fail(notSent, 0, err)
	}
	body, err := wire.Encode(wired.wire())
	if err != nil {
		return Ref{}, call.fail(notSent, 0, err)
	}
	call.body = body
	rep, err := r.core.do(ctx, call)
	if err != nil {
		return Ref{}, err
	}
	ref := Ref{Location: rep.header.Get("Location")}
	if ref.ID = locationID(ref.Location, r.path); ref.ID == "" {
		return ref, call.fail(unknown, rep.attempts, ErrNoLocation) // what K2 said may help to find it
	}
	return ref, nil
}

// get is Get without the types. It returns the bare id beside the answer.
func (r route) get(ctx context.Context, id string, opts []CallOption) (reply, string, error) {
	call := &request{op: "get " + r.name, class: classRead, method: http.MethodGet,
		template: r.path + "/{id}", limit: r.limit}
	if r.core == nil {
		return reply{}, "", call.fail(notSent, 0, errNotMade)
	}
	id, err := r.bareID(id)
	if err == nil {
		err = r.prepare(call, "/"+id, opts)
	}
	if err != nil {
		return reply{}, "", call.fail(notSent, 0, err)
	}
	rep, err := r.core.do(ctx, call)
	return rep, id, err
}

// act posts an empty object to an action of a resource, as K2's own SDK does. What
// a success says in its body adds nothing.
func (r route) act(ctx context.Context, id, action, advice string, opts []CallOption) error {
	call := &request{op: action + " " + r.name, class: r.class, write: true, method: http.MethodPost,
		template: r.path + "/{id}/" + action, contentType: ContentTypeJSON, body: []byte("{}"), limit: maxResponse}
	if r.core == nil {
		return call.fail(notSent, 0, errNotMade)
	}
	id, err := r.bareID(id)
	if err == nil {
		err = r.prepare(call, "/"+id+"/"+action, opts)
	}
	if err != nil {
		return call.fail(notSent, 0, err)
	}
	_, err = r.core.do(ctx, call)
	var failed *CallError
	if errors.As(err, &failed) && failed.Advice != "" {
		failed.Advice = advice // what is said of creates does not fit
	}
	return err
}

// prepare fills in what a call takes from the client and from its options.
func (r route) prepare(call *request, suffix string, opts []CallOption) error {
	if r.core == nil {
		return errNotMade
	}
	o := readOptions(opts)
	if o.hasToken {
		if err := checkToken(o.token); err != nil {
			return err
		}
	}
	call.token = o.token
	call.url, call.host = r.core.base.String()+r.path+suffix, r.core.base.Host
	return nil
}

// checkToken refuses a token that no header can carry.
func checkToken(token string) error {
	v := validation{what: "request"}
	switch {
	case token == "":
		v.add("token", "is empty", ErrEmptyToken)
	case !isToken(token):
		v.add("token", "must not contain white space or control characters", nil)
	}
	return v.err()
}

// isToken reports whether token is what RFC 6750 allows in a header, generously.
func isToken(token string) bool {
	return token != "" && len(token) <= 8<<10 &&
		!strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// errNotMade is the error of every method of a zero value.
var errNotMade = errors.New("the client was not made by New")

// maxID is longer than any id K2 makes.
const maxID = 128

// isID reports whether id is safe as a segment of a path. Ids of K2 are UUIDs, or
// nearly: several on record are not valid ones.
func isID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// bareID returns the id in what a caller gave: an id, or a Location of this very
// resource on the configured host.
func (r route) bareID(given string) (string, error) {
	v := validation{what: r.name}
	if strings.TrimSpace(given) == "" {
		v.add("id", "is empty", ErrEmptyID)
		return "", v.err()
	}
	if isID(given) {
		return given, nil
	}
	u, err := url.Parse(given)
	if err == nil && u.Scheme == r.core.base.Scheme && strings.EqualFold(u.Host, r.core.base.Host) &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && u.RawPath == "" {
		if id, ok := strings.CutPrefix(u.Path, r.core.base.Path+r.path+"/"); ok && isID(id) {
			return id, nil
		}
	}
	v.add("id", "is neither an id (letters, digits, - and _) nor a Location of this resource on the configured host", nil)
	return "", v.err()
}

// locationID reduces a Location to the id in it, whatever its host and prefix: they
// are unreliable, and nothing is ever fetched from there. It returns "" if the last
// segment cannot be an id.
func locationID(location, collection string) string {
	u, err := url.Parse(strings.TrimSpace(location))
	if err != nil {
		return ""
	}
	segments := u.RawPath // as it came: what is escaped is no separator
	if segments == "" {
		segments = u.EscapedPath()
	}
	id := path.Base(strings.TrimRight(segments, "/"))
	if !isID(id) {
		return ""
	}
	for segment := range strings.SplitSeq(collection, "/") {
		if id == segment {
			return "" // the collection itself
		}
	}
	return id
}

// responseError says what is wrong with an answer.
func responseError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrResponse}, args...)...)
}

// decodeDocument reads {"data":{id,type,attributes}}, with nothing behind it.
func decodeDocument[A any](body []byte) (*Document[A], error) {
	var envelope struct {
		Data json.RawMessage `json:"data"`
	}
	if err := wire.Decode(body, &envelope); err != nil {
		return nil, responseError("%w", err)
	}
	if len(envelope.Data) == 0 || envelope.Data[0] != '{' {
		return nil, responseError("data is missing")
	}
	return decodeBare[A](envelope.Data)
}

// decodeBare reads {id,type,attributes}.
func decodeBare[A any](document json.RawMessage) (*Document[A], error) {
	var members struct {
		ID         string          `json:"id"`
		Type       string          `json:"type"`
		Attributes json.RawMessage `json:"attributes"`
	}
	if err := wire.DecodeLenient(document, &members); err != nil {
		return nil, responseError("%w", err)
	}
	if members.ID == "" {
		return nil, responseError("data.id is missing")
	}
	if len(members.Attributes) == 0 || members.Attributes[0] != '{' {
		return nil, responseError("data.attributes is missing")
	}
	doc := &Document[A]{ID: members.ID, Type: members.Type, Raw: document}
	if err := wire.DecodeLenient(members.Attributes, &doc.Attributes); err != nil {
		return nil, responseError("data.attributes: %w", err)
	}
	return doc, nil
}
