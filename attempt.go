package kopokopo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
)

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   []byte

	attempts int // that it took
}

// attempt sends a request once and reads the answer. unsent is true only for an
// error of which it is certain that nothing left.
func (c *core) attempt(ctx context.Context, call *request, bearer string) (rep reply, unsent bool, err error) {
	if ctx.Err() != nil {
		return reply{}, true, ctx.Err()
	}
	if c.closed.Load() {
		return reply{}, true, ErrClosed
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)() // Close ends what is under way
	p := &proof{}
	req, err := call.build(provable{ctx, p}, bearer, c.userAgent)
	if err != nil {
		return reply{}, true, err
	}
	resp, err := c.pools.client(call.class).Do(req)
	if err != nil {
		return reply{}, c.pools.proofs && p.unsent(err), transportError(caller, err)
	}
	defer resp.Body.Close()
	rep = reply{status: resp.StatusCode, header: resp.Header}
	if rep.status < 200 {
		return rep, false, nil // 101: what follows is no body, and may never end
	}
	rep.body, err = readBody(resp, call.limit)
	if err != nil && !call.write && rep.status < 300 {
		return rep, false, bodyError(caller, err)
	}
	// A status is a status, and what K2 has accepted is accepted, whatever became of
	// the body behind it.
	return rep, false, nil
}

// bodyError says that an answer broke off, unless it was given up.
func bodyError(ctx context.Context, err error) error {
	err = transportError(ctx, err)
	if errors.Is(err, ErrResponseTooLarge) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return responseError("the body broke off: %w", err)
}

// readBody reads an answer within a limit. Reading to the end, and no further than
// the limit, is what lets the connection be used again without trusting the server.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.Body == http.NoBody {
		return nil, nil // as after every create
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(data)) > limit {
		return data[:limit], ErrResponseTooLarge
	}
	return data, err
}

// transportError takes the URL out of an error, and makes the error of the
// caller's own context visible if that is what ended the attempt.
func transportError(ctx context.Context, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if trip, ok := err.(*tripError); ok {
		err = trip.error
	}
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		return errors.Join(ctxErr, err)
	}
	return err
}
