package outbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/redact"
)

// Bounds of the token cache.
const (
	tokenFetchTime    = 30 * time.Second // one fetch, whoever waits for it
	unknownLifetime   = 5 * time.Minute  // of a token that does not say
	longestLifetime   = 24 * time.Hour
	earlyRefresh      = time.Minute     // at most this long before a token expires it is renewed
	badCredentialsFor = 5 * time.Second // a refusal of the credentials is believed this long
	refreshPause      = 5 * time.Second // after an early refresh that failed
	rejectionPause    = time.Second     // between renewals of tokens that K2 rejected
)

// TokenSource supplies bearer tokens. rejected is "", or a token that was just
// refused: the source drops it, if it still has that very one, and returns another.
type TokenSource interface {
	Token(ctx context.Context, rejected string) (string, error)
}

// Token is what a fetch brings.
type Token struct {
	Value string
	Life  time.Duration // 0 if it does not say
}

// IsToken reports whether token is what RFC 6750 allows in a header, generously.
func IsToken(token string) bool {
	return token != "" && len(token) <= 8<<10 &&
		!strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// tokenCache holds the engine's token. One fetch serves any number of callers and
// belongs to none of them: each waits on its own context.
type tokenCache struct {
	fetch   func(context.Context) (Token, error)
	isFinal func(error) bool // whether asking again at once would be pointless
	life    context.Context  // ends with the engine

	mu           sync.Mutex
	token        string
	expires      time.Time
	refreshAfter time.Time // from here on it is renewed while it is still good
	flight       *tokenFlight
	refused      error // the answer to credentials that K2 did not accept
	refusedUntil time.Time
	rejectedAt   time.Time // when a token was last renewed because K2 rejected one
}

// tokenFlight is one fetch under way. Its results are read after done is closed.
type tokenFlight struct {
	done  chan struct{}
	token string
	err   error
}

// Token implements [TokenSource].
func (t *tokenCache) Token(ctx context.Context, rejected string) (string, error) {
	token, flight, err := t.current(rejected)
	if flight == nil {
		return token, err
	}
	select {
	case <-flight.done:
		return flight.token, flight.err
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for a token: %w", ctx.Err())
	case <-t.life.Done():
		return "", ErrClosed
	}
}

// current returns the cached token, having begun to renew it if it is time, or the
// flight to wait for if there is none.
func (t *tokenCache) current(rejected string) (string, *tokenFlight, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var pause time.Duration
	if rejected != "" && t.token == rejected {
		// Two programs may be taking each other's token away. Each gets on, but they
		// do not ask K2 for tokens as fast as they can.
		t.token = ""
		pause = max(0, rejectionPause-now.Sub(t.rejectedAt))
		t.rejectedAt = now.Add(pause)
	}
	if t.token != "" && now.Before(t.expires) {
		if now.After(t.refreshAfter) {
			t.startFlight(0)
		}
		return t.token, nil, nil
	}
	if t.refused != nil && now.Before(t.refusedUntil) {
		return "", nil, t.refused
	}
	return "", t.startFlight(pause), nil
}

// drop forgets a token that is no longer good, and no other: by now there may be a
// newer one.
func (t *tokenCache) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// startFlight returns the fetch under way, beginning one if there is none.
// The caller holds the lock.
func (t *tokenCache) startFlight(pause time.Duration) *tokenFlight {
	if t.flight == nil {
		t.flight = &tokenFlight{done: make(chan struct{})}
		go t.fly(t.flight, pause)
	}
	return t.flight
}

// fly fetches a token for everybody who waits.
func (t *tokenCache) fly(flight *tokenFlight, pause time.Duration) {
	var (
		begun    time.Time
		response Token
		err      = errors.New("no token was fetched") // what runtime.Goexit in a RoundTripper leaves
	)
	defer func() { t.land(flight, begun, response, err) }()
	t.rest(pause)
	begun = time.Now()
	response, err = t.fetchSafely()
}

// land notes what a flight brought and lets those who wait for it go on.
func (t *tokenCache) land(flight *tokenFlight, begun time.Time, response Token, err error) {
	defer close(flight.done)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight = nil
	flight.token, flight.err = response.Value, err
	if err != nil {
		t.failed(err)
		return
	}
	t.refused = nil
	life := lifetime(response.Life)
	t.token, t.expires = response.Value, begun.Add(life)
	t.refreshAfter = t.expires.Add(-min(earlyRefresh, life/10))
}

// rest waits, unless the client is closed meanwhile.
func (t *tokenCache) rest(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.life.Done():
	}
}

// fetchSafely turns a panic below, in a caller's RoundTripper for one, into an error.
func (t *tokenCache) fetchSafely() (response Token, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = Token{}, fmt.Errorf("panic: %T", p)
		}
	}()
	ctx, cancel := context.WithTimeout(t.life, tokenFetchTime)
	defer cancel()
	return t.fetch(ctx)
}

// failed notes a fetch that failed. The caller holds the lock.
func (t *tokenCache) failed(err error) {
	now := time.Now()
	t.refreshAfter = now.Add(refreshPause)
	if t.isFinal(err) {
		t.refused, t.refusedUntil = err, now.Add(badCredentialsFor)
	}
}

// lifetime bounds what a token says of its life. Counting begins before the request
// was sent, so it is never too long.
func lifetime(said time.Duration) time.Duration {
	if said <= 0 {
		return unknownLifetime
	}
	return min(said, longestLifetime)
}

// foreignTokens calls a TokenSource of the caller's so that, whatever it does, each
// call leaves on its own context and gets an error instead of a panic.
type foreignTokens struct {
	source  TokenSource
	life    context.Context // ends with the engine
	secrets func() []string // which its errors may hold
}

// Token implements [TokenSource].
func (f foreignTokens) Token(ctx context.Context, rejected string) (string, error) {
	type answer struct {
		token string
		err   error
	}
	asking, release := join(f.life, ctx, time.Time{})
	defer release()
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("token source: panic")}
		defer func() {
			recover() // its value may hold a token
			answers <- a
		}()
		token, err := f.source.Token(&asking, rejected)
		if err != nil {
			err = &Failure{err, redact.Secrets(append(f.secrets(), rejected, token)...)(err.Error())}
		}
		a = answer{token, err}
	}()
	select {
	case a := <-answers:
		return a.token, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for a token: %w", ctx.Err())
	case <-f.life.Done():
		return "", ErrClosed
	}
}
