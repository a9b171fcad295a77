package outbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

// joined is a context of the engine's that ends with the caller's too, and has its
// values. It is not a child of the caller's context, because net/http reports the
// cause of a context's end, and the cause of a caller's context can be anything: the
// failure of another payment, where goroutines share one.
type joined struct {
	context.Context                 // ends with the engine, the caller's context and at its deadline
	caller          context.Context // for its values
}

// Value implements [context.Context].
func (c *joined) Value(key any) any {
	if value := c.Context.Value(key); value != nil {
		return value
	}
	return c.caller.Value(key)
}

// join makes such a context, and what releases it. end is a deadline of the engine's
// own, zero for none.
func join(life, caller context.Context, end time.Time) (joined, func()) {
	if callers, ok := caller.Deadline(); ok && (end.IsZero() || callers.Before(end)) {
		end = callers
	}
	var ctx context.Context
	var cancel context.CancelFunc
	if end.IsZero() {
		ctx, cancel = context.WithCancel(life)
	} else {
		ctx, cancel = context.WithDeadline(life, end)
	}
	gone := context.AfterFunc(caller, cancel)
	return joined{ctx, caller}, func() { gone(); cancel() }
}

// attemptContext is the context of one attempt, in which its proof is found.
type attemptContext struct {
	joined
	proof proof
}

// Value implements [context.Context].
func (c *attemptContext) Value(key any) any {
	if _, ok := key.(proofKey); ok {
		return &c.proof
	}
	return c.joined.Value(key)
}

// attempt sends a request once, reads the answer and classifies what it saw.
func (e *Engine) attempt(caller context.Context, r *run) (Reply, observation, error) {
	if err := e.Usable(caller); err != nil {
		return Reply{}, sawUnsendable, err
	}
	within, release := join(e.life, caller, time.Now().Add(e.timeout))
	defer release()
	ctx := &attemptContext{joined: within}
	req, err := r.call.build(ctx, r.bearer, e.userAgent)
	if err != nil {
		return Reply{}, sawUnsendable, err
	}
	rep, err := exchange(e.pools.transport(r.call.Class), req, r.call)
	if err != nil {
		return failed(caller, r, &ctx.proof, rep, err)
	}
	seen := ctx.proof.answered(observeStatus(rep.Status, rep.Header), r.call.Class)
	if seen == sawEarly || seen == sawUnsent {
		return Reply{}, seen, ErrEarly
	}
	return rep, seen, nil
}

// failed classifies an attempt that failed. The failure may be of a type of the
// caller's, whose methods are not to be trusted any more than a RoundTripper is.
func failed(caller context.Context, r *run, p *proof, rep Reply, cause error) (_ Reply, seen observation, err error) {
	defer func() {
		if v := recover(); v != nil {
			seen, err = sawPanic, panicked("the RoundTripper's error", v)
		}
	}()
	seen = classify(caller, rep, p.unsent(cause), cause)
	return rep, seen, failure(caller, seen, cause, r.mask())
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
// A status is a status, and what was accepted is accepted, whatever becomes of the
// body behind it.
func exchange(rt http.RoundTripper, req *http.Request, call *Call) (rep Reply, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked("the RoundTripper", v)
		}
		if rep.Status >= 300 || rep.Status >= 200 && call.Write {
			err = nil
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
	case unsent && (caller.Err() != nil || isPermanent(err)):
		return sawUnsendable
	case unsent:
		return sawUnsent
	case errors.As(err, &panicked):
		return sawPanic
	case errors.Is(err, ErrTooLarge):
		return sawTooLarge
	case rep.Status != 0:
		return sawBroken
	case isLostConnection(err):
		return sawNothing
	}
	return sawGarbage
}
