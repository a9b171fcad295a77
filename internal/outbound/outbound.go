// Package outbound is the one engine that requests go out through: token, attempt,
// classify, decide, wait. It takes a request and its class, and returns the answer,
// or an [Error] with the verdict, the number of attempts and the cause. It knows
// nothing of what it sends.
//
// What it promises for a request that changes something: once a byte of it may have
// left, it is not sent again, unless an answer says that it was not acted on (the
// table in rules.go); and the verdict is never better than what is certain. That an
// answer is the answer to this very request is certain for class M alone, whose
// requests each have a connection of their own. Requests of the other classes share
// connections that are kept alive. There, an answer that was there before the first
// byte of the request is not believed, and its connection is closed; but a peer that
// says one answer too many at the right moment cannot be told from one that answers.
package outbound

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// Class says how careful a call has to be about being sent twice.
type Class byte

// The classes.
const (
	Read    Class = 'R' // what may be asked twice without harm
	Setup   Class = 'S' // sets something up
	Collect Class = 'C' // money in, which the customer confirms
	PayOut  Class = 'M' // money out
)

// Errors of the engine's own.
var (
	// ErrClosed means that the engine was closed.
	ErrClosed = errors.New("client closed")
	// ErrTooLarge means that an answer was larger than the call's limit.
	ErrTooLarge = errors.New("answer too large")
	// ErrBroken means that an answer's body broke off.
	ErrBroken = errors.New("the body broke off")
	// ErrEarly means that an answer was there before the request was.
	ErrEarly = errors.New("the answer came before the request was written, so it answers something else")
	// ErrToken means that a token source returned what no header can carry.
	ErrToken = errors.New("the token source returned a token that no header can carry")

	errTooLong = errors.New("the answer asks to wait longer than a call should")
)

// Config is what an engine is made of. Logger and one of Tokens and Fetch are required.
type Config struct {
	HTTPClient      *http.Client                              // the caller's, or nil
	WrapTransport   func(http.RoundTripper) http.RoundTripper // the caller's, or nil
	MaxIdleConns    int                                       // kept, in all and to one host
	IdleConnTimeout time.Duration                             // how long each is kept
	Timeout         time.Duration                             // of one attempt
	Retries         int                                       // beyond the first attempt
	UserAgent       string                                    // sent with each request
	Tokens          TokenSource                               // the caller's source of bearer tokens, or nil
	Fetch           func(ctx context.Context) (Token, error)  // gets a token for the engine's own cache
	IsFinal         func(err error) bool                      // whether an error of Fetch would come again at once
	Secrets         func() []string                           // what must not stand in any text
	Logger          *slog.Logger                              // must not panic
	Name            string                                    // in front of log messages
}

// Engine sends requests. Make it with New; it is safe for concurrent use.
type Engine struct {
	name      string
	pools     *pools
	timeout   time.Duration
	retries   int
	userAgent string
	logger    *slog.Logger
	secrets   func() []string
	tokens    TokenSource
	closed    atomic.Bool
	life      context.Context // ends with Close
	end       context.CancelFunc
}

// New returns an engine.
func New(cfg Config) *Engine {
	e := &Engine{
		name:      cfg.Name,
		pools:     newPools(cfg),
		timeout:   cfg.Timeout,
		retries:   cfg.Retries,
		userAgent: cfg.UserAgent,
		logger:    cfg.Logger,
		secrets:   cfg.Secrets,
	}
	if c := cfg.HTTPClient; c != nil && c.Timeout > 0 {
		e.timeout = min(e.timeout, c.Timeout)
	}
	e.life, e.end = context.WithCancel(context.Background())
	if cfg.Tokens != nil {
		e.tokens = foreignTokens{cfg.Tokens, e.life, cfg.Secrets}
	} else {
		e.tokens = &tokenCache{fetch: cfg.Fetch, isFinal: cfg.IsFinal, life: e.life}
	}
	return e
}

// Close ends what is under way and refuses what comes. Close again does nothing.
func (e *Engine) Close() {
	if e.closed.Swap(true) {
		return
	}
	e.end()
	e.pools.closeIdle()
}

// Done is closed when the engine is.
func (e *Engine) Done() <-chan struct{} { return e.life.Done() }

// Life is a context that ends when the engine is closed.
func (e *Engine) Life() context.Context { return e.life }

// Timeout bounds one attempt.
func (e *Engine) Timeout() time.Duration { return e.timeout }

// Usable reports why no call can be made.
func (e *Engine) Usable(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errors.New("the context is nil")
	case e.closed.Load():
		return ErrClosed
	}
	return ctx.Err() // nil unless it is over already
}

// Forget drops a token from the engine's own cache, if that is the one in it.
func (e *Engine) Forget(token string) {
	if own, ok := e.tokens.(*tokenCache); ok {
		own.drop(token)
	}
}

// Call is one request as it is meant, before any attempt.
type Call struct {
	Op        string      // what log records call it
	Class     Class       // how careful to be
	Write     bool        // it changes something: an answer that accepts it counts, whatever its body
	Method    string      // the HTTP method
	URL       string      // where it goes
	Template  string      // the path without ids, for log records
	Header    http.Header // besides what every request has; its keys are canonical
	Body      []byte      // nil for none
	Token     string      // the caller's own bearer token; "" for one of the engine's
	Anonymous bool        // no bearer token at all
	Limit     int64       // of the answer's body, in bytes
	Secrets   []string    // what must not stand in any text, besides the engine's
	Keyed     bool        // it stands for itself only once: a 503 is no leave to send it again, whatever its class

	// Before, if set, is called before each attempt. If it fails the attempt is not made.
	Before func(ctx context.Context) error
}

// Reply is an answer that was read whole.
type Reply struct {
	Status   int
	Header   http.Header
	Body     []byte
	Attempts int // that it took
}

// Error is the end of a call that did not succeed.
type Error struct {
	Verdict  Verdict // the worst of all attempts: a later answer does not undo an earlier doubt
	Attempts int
	Answer   *Reply              // the last attempt's answer, nil if there was none
	Cause    error               // why the last attempt has no answer, nil if it has one
	Ended    error               // what kept the call from being tried again, nil if nothing did
	Mask     func(string) string // replaces every secret of the call in a text
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Verdict.String()
	if err := errors.Join(e.Cause, e.Ended); err != nil {
		text += ": " + err.Error()
	}
	return text
}

// Unwrap returns the causes.
func (e *Error) Unwrap() []error {
	var causes []error
	for _, err := range []error{e.Cause, e.Ended} {
		if err != nil {
			causes = append(causes, err)
		}
	}
	return causes
}
