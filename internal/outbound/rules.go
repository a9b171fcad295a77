package outbound

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// observation is what was seen of one attempt.
type observation int

const (
	sawSuccess      observation = iota // 2xx
	sawUnsent                          // proved unsent, and it may work next time: refused, timeout in dial, nothing written
	sawUnsendable                      // proved unsent, and it will stay so: unknown host, certificate, proxy, context over
	sawNothing                         // something may have left, and no answer came
	sawGarbage                         // something may have left, and what came is not HTTP
	sawEarly                           // an answer that was there before the request was: it answers something else
	sawBroken                          // a success whose body broke off
	sawTooLarge                        // a success whose body is too large
	sawPanic                           // a wrapper of the caller's panicked
	sawRedirect                        // 3xx, and 101
	sawRefusal                         // 4xx, but for those below
	sawRepeated                        // a refusal, but a wrapper had sent the request before
	sawUnauthorized                    // 401, but for a lack of scope
	sawTimeout                         // 408, 421, 425, 460, 499: a gateway may have passed the request on
	sawLimit                           // 429
	sawBusy                            // 503 with a Retry-After
	sawServerError                     // 5xx, and what no row knows
)

// action is what follows an attempt.
type action int

const (
	stop  action = iota // it is over
	again               // once more, after a while, as often as the engine may
	once                // once more, after a while, one time
	renew               // once more, with another token, one time
)

// rule is one row of the decision table: what an observation proves about a
// request that changes something, and what follows for each class.
type rule struct {
	verdict Verdict
	actions [4]action // classes R, S, C, M
}

// rules is the whole retry policy. What may have been acted on is never sent again:
// the refusals that permit it (401, 429, and for what is not a payout 503 with a
// Retry-After) are given before the work begins.
var rules = [...]rule{
	//                             R      S      C      M
	sawSuccess:      {Accepted, [4]action{stop, stop, stop, stop}},
	sawUnsent:       {NotSent, [4]action{again, again, again, again}},
	sawUnsendable:   {NotSent, [4]action{stop, stop, stop, stop}},
	sawNothing:      {Unknown, [4]action{again, stop, stop, stop}},
	sawGarbage:      {Unknown, [4]action{once, stop, stop, stop}},
	sawEarly:        {Unknown, [4]action{again, stop, stop, stop}},
	sawBroken:       {Unknown, [4]action{again, stop, stop, stop}},
	sawTooLarge:     {Unknown, [4]action{stop, stop, stop, stop}},
	sawPanic:        {Unknown, [4]action{stop, stop, stop, stop}},
	sawRedirect:     {Unknown, [4]action{stop, stop, stop, stop}},
	sawRefusal:      {Refused, [4]action{stop, stop, stop, stop}},
	sawRepeated:     {Unknown, [4]action{stop, stop, stop, stop}},
	sawUnauthorized: {Refused, [4]action{renew, renew, renew, renew}},
	sawTimeout:      {Unknown, [4]action{again, stop, stop, stop}},
	sawLimit:        {Refused, [4]action{again, again, again, again}},
	sawBusy:         {Unknown, [4]action{again, again, again, stop}},
	sawServerError:  {Unknown, [4]action{again, stop, stop, stop}},
}

// action returns what follows for a class.
func (o observation) action(c Class) action {
	return rules[o].actions[strings.IndexByte("RSCM", byte(c))]
}

// isRefusal reports whether an observation proves that the request was not acted on.
func (o observation) isRefusal() bool { return rules[o].verdict == Refused }

// Verdict is what one attempt, or a whole call, came to, the worse the greater.
type Verdict int

// The verdicts.
const (
	Accepted Verdict = iota // 2xx
	NotSent                 // nothing of it left
	Refused                 // it was answered, and not acted on
	Unknown                 // it may have been acted on, or not
)

// String returns the verdict as log records have it.
func (v Verdict) String() string {
	return [...]string{"accepted", "not sent", "refused", "unknown"}[v]
}

// VerdictOf returns what an answer's status and header prove about the request.
func VerdictOf(status int, header http.Header) Verdict {
	return rules[observeStatus(status, header)].verdict
}

// observeStatus classifies an answer.
func observeStatus(status int, header http.Header) observation {
	switch {
	case status < 200:
		return sawRedirect
	case status < 300:
		return sawSuccess
	case status < 400:
		return sawRedirect
	case status >= 500:
		if _, asked := RetryAfter(header, time.Now()); asked && status == http.StatusServiceUnavailable {
			return sawBusy
		}
		return sawServerError
	}
	switch status {
	case http.StatusUnauthorized:
		if lacksScope(header) {
			return sawRefusal // another token of the same application has no more
		}
		return sawUnauthorized
	case http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly, statusHungUp, statusHungUpOnBalancer:
		return sawTimeout
	case http.StatusTooManyRequests:
		return sawLimit
	}
	return sawRefusal
}

// What nginx and the AWS load balancer write down when they believe that the client
// has gone: the request was passed on by then.
const (
	statusHungUpOnBalancer = 460
	statusHungUp           = 499
)

// lacksScope reports whether a 401 says that the token is good but not enough (RFC 6750).
func lacksScope(h http.Header) bool {
	return strings.Contains(h.Get("WWW-Authenticate"), "insufficient_scope")
}

// MaxRetryAfter is the longest wait that RetryAfter returns.
const MaxRetryAfter = time.Hour

// RetryAfter reads Retry-After, in seconds or as a date. asked is false if there is
// none, or none that makes sense.
func RetryAfter(h http.Header, now time.Time) (delay time.Duration, asked bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text) // the three forms of RFC 9110; a zone that is not GMT is none
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter), true
}
