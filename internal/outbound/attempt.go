package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// attemptContext is the context of one attempt: the caller's values, a time limit of
// its own, and the attempt's proof. It is not a child of the caller's context,
// because net/http reports the cause of a context's end, and the cause of a caller's
// context can be anything: the failure of another payment, where goroutines share one.
type attemptContext struct {
	context.Context                 // ends with the attempt's time, the caller's context or the engine
	caller          context.Context // for its values and its deadline
	proof           *proof
}

// Value implements [context.Context].
func (c *attemptContext) Value(key any) any {
	if _, ok := key.(proofKey); ok {
		return c.proof
	}
	if value := c.Context.Value(key); value != nil {
		return value
	}
	return c.caller.Value(key)
}

// Deadline implements [context.Context].
func (c *attemptContext) Deadline() (time.Time, bool) {
	own, limited := c.Context.Deadline()
	if callers, ok := c.caller.Deadline(); ok && (!limited || callers.Before(own)) {
		return callers, true
	}
	return own, limited
}

// bound makes the context of an attempt, and what releases it.
func (e *Engine) bound(caller context.Context, p *proof) (*attemptContext, func()) {
	timed, cancel := context.WithTimeout(context.Background(), e.timeout)
	closed := context.AfterFunc(e.life, cancel)
	gone := context.AfterFunc(caller, cancel)
	return &attemptContext{timed, caller, p}, func() { closed(); gone(); cancel() }
}

// attempt sends a request once, reads the answer and classifies what it saw.
func (e *Engine) attempt(caller context.Context, call *Call, bearer string) (Reply, observation, error) {
	if err := e.Usable(caller); err != nil {
		return Reply{}, sawUnsendable, err
	}
	p := &proof{}
	ctx, release := e.bound(caller, p)
	defer release()
	req, err := call.build(ctx, bearer, e.userAgent)
	if err != nil {
		return Reply{}, sawUnsendable, err
	}
	rep, err := exchange(e.pools.transport(call.Class), req, call)
	if err != nil {
		unsent := rep.Status == 0 && e.pools.proofs && p.unsent(err)
		seen := classify(caller, rep, unsent, err)
		return rep, seen, e.failure(caller, call, bearer, seen, err)
	}
	if p.isEarly() {
		return Reply{}, sawEarly, ErrEarly
	}
	seen := observeStatus(rep.Status, rep.Header)
	if rules[seen].verdict == Refused && call.Class != Read && p.mayHaveActedBefore() {
		seen = sawRepeated
	}
	return rep, seen, nil
}

// build makes the request of one attempt. GetBody stays nil: with it, net/http may
// send a body again by itself.
func (c *Call) build(ctx context.Context, bearer, userAgent string) (*http.Request, error) {
	var body io.Reader
	if c.Body != nil {
		body = io.NopCloser(bytes.NewReader(c.Body))
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, c.URL, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(c.Body))
	for name, values := range c.Header {
		req.Header[name] = slices.Clone(values) // a wrapper may write into them
	}
	req.Header.Set("User-Agent", userAgent)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Close = c.Class == PayOut // also where the transport is not ours
	return req, nil
}

// exchange sends a request and reads the answer. Whatever a RoundTripper of the
// caller's does, it returns: a panic behind a payment that was accepted would lose it.
func exchange(rt http.RoundTripper, req *http.Request, call *Call) (rep Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("the RoundTripper panicked: %T", p)} // its value may hold the request
		}
	}()
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return Reply{}, err
	}
	if resp == nil {
		return Reply{}, errors.New("the RoundTripper returned neither an answer nor an error")
	}
	rep = Reply{Status: resp.StatusCode, Header: resp.Header}
	if resp.Body == nil {
		return rep, nil
	}
	defer resp.Body.Close()
	if rep.Status < 200 {
		return rep, nil // 101: what follows is no body, and may never end
	}
	rep.Body, err = readBody(resp, call.Limit)
	if err != nil && (call.Write || rep.Status >= 300) {
		err = nil // a status is a status, and what was accepted is accepted, whatever became of the body behind it
	}
	return rep, err
}

// readBody reads an answer within a limit. Reading to the end, and no further than
// the limit, is what lets the connection be used again without trusting the server.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.Body == http.NoBody {
		return nil, nil // as after every create
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(data)) > limit {
		return data[:limit], ErrTooLarge
	}
	return data, err
}

// classify tells what an attempt that failed has shown.
func classify(caller context.Context, rep Reply, unsent bool, err error) observation {
	var panicked *panicError
	switch {
	case errors.As(err, &panicked):
		return sawPanic
	case errors.Is(err, ErrTooLarge):
		return sawTooLarge
	case rep.Status != 0:
		return sawBroken
	case unsent && (caller.Err() != nil || isPermanent(err)):
		return sawUnsendable
	case unsent:
		return sawUnsent
	case isLostConnection(err):
		return sawNothing
	}
	return sawGarbage
}
