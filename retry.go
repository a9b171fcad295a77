package kopokopo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// Bounds of retrying.
const (
	defaultRetries = 2 // so three attempts
	backoffBase    = 250 * time.Millisecond
	backoffCap     = 8 * time.Second
	longestWait    = time.Minute // a Retry-After beyond it is left to the caller
	maxRetryAfter  = time.Hour   // a Retry-After is never read as more
)

// observation is what was seen of one attempt.
type observation int

const (
	sawSuccess      observation = iota // 2xx
	sawUnsent                          // proved unsent, and it may work next time: refused, timeout in dial, nothing written
	sawUnsendable                      // proved unsent, and it will stay so: unknown host, certificate, proxy, context over
	sawNothing                         // something may have left, and no answer came
	sawGarbage                         // something may have left, and what came is not HTTP
	sawBroken                          // a success whose body broke off
	sawTooLarge                        // a success whose body is too large
	sawRedirect                        // 3xx, and 101
	sawRefusal                         // 4xx, but for those below
	sawUnauthorized                    // 401, but for a lack of scope
	sawTimeout                         // 408, 421, 425: a gateway may have passed the request on
	sawLimit                           // 429
	sawBusy                            // 503 with a Retry-After
	sawServerError                     // 5xx, and what no row knows
)

// action is what follows an attempt.
type action int

const (
	stop  action = iota // it is over
	again               // once more, after a while, as often as the client may
	once                // once more, after a while, one time
	renew               // once more, with another token, one time
)

// rule is one row of the decision table: what an observation proves about a
// request that changes something, and what follows for each class.
type rule struct {
	verdict verdict
	actions [4]action // classes R, S, C, M
}

// rules is the whole retry policy. What may have been acted on is never sent again:
// the refusals that permit it (401, 429, and for what is not a payout 503 with a
// Retry-After) are given before the work begins.
var rules = [...]rule{
	//                             R      S      C      M
	sawSuccess:      {accepted, [4]action{stop, stop, stop, stop}},
	sawUnsent:       {notSent, [4]action{again, again, again, again}},
	sawUnsendable:   {notSent, [4]action{stop, stop, stop, stop}},
	sawNothing:      {unknown, [4]action{again, stop, stop, stop}},
	sawGarbage:      {unknown, [4]action{once, stop, stop, stop}},
	sawBroken:       {unknown, [4]action{again, stop, stop, stop}},
	sawTooLarge:     {unknown, [4]action{stop, stop, stop, stop}},
	sawRedirect:     {unknown, [4]action{stop, stop, stop, stop}},
	sawRefusal:      {refused, [4]action{stop, stop, stop, stop}},
	sawUnauthorized: {refused, [4]action{renew, renew, renew, renew}},
	sawTimeout:      {unknown, [4]action{again, stop, stop, stop}},
	sawLimit:        {refused, [4]action{again, again, again, again}},
	sawBusy:         {unknown, [4]action{again, again, again, stop}},
	sawServerError:  {unknown, [4]action{again, stop, stop, stop}},
}

// action returns what follows for a class.
func (o observation) action(c class) action {
	return rules[o].actions[strings.IndexByte("RSCM", byte(c))]
}

// verdict is what one attempt, or a whole call, came to, the worse the greater.
type verdict int

const (
	accepted verdict = iota // 2xx
	notSent
	refused
	unknown
)

func (v verdict) String() string {
	return [...]string{"accepted", "not sent", "refused", "unknown"}[v]
}

// observe classifies one attempt.
func observe(ctx context.Context, rep reply, unsent bool, err error) observation {
	switch {
	case err == nil:
		return observeStatus(rep)
	case errors.Is(err, ErrResponseTooLarge):
		return sawTooLarge
	case rep.status != 0:
		return sawBroken
	case unsent && (ctx.Err() != nil || isPermanent(err)):
		return sawUnsendable
	case unsent:
		return sawUnsent
	case isLostConnection(err):
		return sawNothing
	}
	return sawGarbage
}

// observeStatus classifies an answer.
func observeStatus(rep reply) observation {
	switch {
	case rep.status < 200:
		return sawRedirect
	case rep.status < 300:
		return sawSuccess
	case rep.status < 400:
		return sawRedirect
	case rep.status >= 500:
		if _, asked := retryAfter(rep.header, time.Now()); asked && rep.status == http.StatusServiceUnavailable {
			return sawBusy
		}
		return sawServerError
	}
	switch rep.status {
	case http.StatusUnauthorized:
		if lacksScope(rep.header) {
			return sawRefusal // another token of the same application has no more
		}
		return sawUnauthorized
	case http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly:
		return sawTimeout
	case http.StatusTooManyRequests:
		return sawLimit
	}
	return sawRefusal
}

// lacksScope reports whether a 401 says that the token is good but not enough (RFC 6750).
func lacksScope(h http.Header) bool {
	return strings.Contains(h.Get("WWW-Authenticate"), "insufficient_scope")
}

// isPermanent reports whether an attempt that was never sent would fail again.
func isPermanent(err error) bool {
	var (
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
		host   x509.HostnameError
		proxy  *proxyError
	)
	return errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &cert) || errors.As(err, &record) ||
		errors.As(err, &alert) || errors.As(err, &host) || errors.As(err, &proxy) && proxy.permanent() ||
		isTLSMismatch(err)
}

// isTLSMismatch recognises the failures of a handshake that crypto/tls gives no
// type: both sides are there and will not agree the next time either.
func isTLSMismatch(err error) bool {
	text := err.Error()
	return strings.Contains(text, "tls: ") && !strings.Contains(text, "timeout") ||
		strings.Contains(text, "server gave HTTP response to HTTPS client")
}

// isLostConnection reports whether the connection ended or fell silent, rather than
// saying something that is not HTTP.
func isLostConnection(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.As(err, &network) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		strings.HasPrefix(err.Error(), "http2: ") || strings.HasPrefix(err.Error(), "stream error: ") ||
		strings.Contains(err.Error(), "server closed idle connection")
}

// run is one call on its way: its attempts so far and what they came to.
type run struct {
	call     *request
	max      int // retries that it may make
	attempts int
	retries  int
	renewed  bool
	rejected string  // the token that K2 did not accept
	worst    verdict // of all attempts: an answer does not undo an earlier one
	cause    error   // of the last attempt
}

// do sends a request, as often as the table has it, and returns K2's answer if it
// is a success. Every other end is a [*CallError].
func (c *core) do(ctx context.Context, call *request) (reply, error) {
	if err := c.usable(ctx); err != nil {
		return reply{}, call.fail(notSent, 0, err)
	}
	r := run{call: call, max: c.retries, worst: notSent}
	for {
		bearer, err := c.bearer(ctx, call, r.rejected)
		if err != nil {
			return reply{}, r.end(c.closing(err))
		}
		rep, seen, err := c.once(ctx, &r, bearer)
		if seen == sawSuccess {
			rep.attempts = r.attempts
			return rep, nil
		}
		r.cause = c.closing(err)
		r.worst = max(r.worst, rules[seen].verdict)
		delay, more := r.next(seen, rep, bearer)
		if !more {
			return rep, r.end(nil)
		}
		if err := c.wait(ctx, delay); err != nil {
			return rep, r.end(err)
		}
	}
}

// once makes one attempt, logs it and classifies it. Without a transport error, err
// is K2's answer unless that is a success.
func (c *core) once(ctx context.Context, r *run, bearer string) (reply, observation, error) {
	r.attempts++
	started := time.Now()
	rep, unsent, err := c.attempt(ctx, r.call, bearer)
	if c.closed.Load() {
		c.pools.closeIdle() // this attempt's connection came back after Close
	}
	seen := observe(ctx, rep, unsent, err)
	c.log(ctx, r, rep, seen, time.Since(started))
	if err == nil && seen != sawSuccess {
		id, secret := c.credentials()
		err = newAPIError(r.call, rep, masker(bearer, secret, c.apiKey(), id))
	}
	return rep, seen, err
}

// next says whether to try once more, and after how long.
func (r *run) next(seen observation, rep reply, bearer string) (time.Duration, bool) {
	switch seen.action(r.call.class) {
	case renew:
		if r.renewed || r.call.token != "" || r.call.anonymous {
			return 0, false // the caller's own token is not ours to replace
		}
		r.renewed, r.rejected = true, bearer
		return 0, true
	case once:
		return r.pause(rep), r.retry(min(r.max, 1))
	case again:
		return r.pause(rep), r.retry(r.max)
	}
	return 0, false
}

// retry counts a retry if one is left.
func (r *run) retry(limit int) bool {
	r.retries++
	return r.retries <= limit
}

// pause is how long K2 asks to wait, or else full jitter below a doubling bound, so
// that a fleet does not come back in step.
func (r *run) pause(rep reply) time.Duration {
	if delay, asked := retryAfter(rep.header, time.Now()); asked {
		return delay
	}
	return rand.N(min(backoffBase<<min(r.retries, 10), backoffCap))
}

// wait waits, but not in vain: not past the caller's deadline, and not for a time
// that is the caller's to decide about.
func (c *core) wait(ctx context.Context, delay time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.closed.Load() {
		return ErrClosed
	}
	if delay > longestWait {
		return errTooLong
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < delay {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.life.Done():
		return ErrClosed
	}
}

var errTooLong = errors.New("K2 asks to wait longer than a call should")

// end makes the error of a run. The last attempt comes first, since it is what
// happened; what kept it from being repeated stands beside it.
func (r *run) end(ended error) error {
	err := r.cause
	switch {
	case err == nil:
		err = ended
	case ended != nil && !errors.Is(err, ended):
		err = errors.Join(err, ended)
	}
	return r.call.fail(r.worst, r.attempts, err)
}

// closing puts ErrClosed beside an error that closing the client has caused.
func (c *core) closing(err error) error {
	if err == nil || !c.closed.Load() || errors.Is(err, ErrClosed) {
		return err
	}
	return errors.Join(ErrClosed, err)
}

// bearer returns the token a request goes out with: never the one that K2 rejected,
// if it can be helped.
func (c *core) bearer(ctx context.Context, call *request, rejected string) (string, error) {
	switch {
	case call.anonymous:
		return "", nil
	case call.token != "":
		return call.token, nil
	}
	token, err := c.tokens.Token(ctx, rejected)
	if err == nil && !isToken(token) {
		return "", responseError("the token source returned a token that no header can carry")
	}
	return token, err
}

// log writes one record about an attempt: nothing personal, nothing secret.
func (c *core) log(ctx context.Context, r *run, rep reply, seen observation, took time.Duration) {
	if !c.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	c.logger.LogAttrs(ctx, slog.LevelDebug, "kopokopo: "+r.call.op,
		slog.String("method", r.call.method), slog.String("path", r.call.template),
		slog.Int("attempt", r.attempts), slog.Int("status", rep.status),
		slog.Duration("took", took), slog.String("outcome", rules[seen].verdict.String()))
}

// proxyError is a proxy that does not let us through.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return "the proxy answered " + http.StatusText(e.status)
}

// permanent: a proxy that wants other credentials will want them next time.
func (e *proxyError) permanent() bool { return e.status < 500 }
