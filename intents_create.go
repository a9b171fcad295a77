package kopokopo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/facts"
	"github.com/kopokopo-go/kopokopo/internal/outbound"
	"github.com/kopokopo-go/kopokopo/internal/redact"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// Bounds of what is said to an intent store.
const (
	intentTime   = 5 * time.Second  // for one exchange, and for all tries of recording a result
	intentMargin = 15 * time.Second // a sender's lease beyond the time of one attempt
	giveBackTime = time.Second      // for freeing a key that was not used
	recordTries  = 3
	recordPause  = 100 * time.Millisecond // before the second try
	reviseTries  = 5                      // of a change, when somebody else has written first
	intentCalls  = 1000                   // of the store under way at once, those included that were given up
)

// intentKeeper is the client's side of an intent store: whatever the store does, a
// call returns in time and never panics.
type intentKeeper struct {
	store    IntentStore
	calls    chan struct{} // holds one token for each call under way
	logger   *slog.Logger
	volatile sync.Once // the warning about payouts over a store that forgets
	forgets  bool      // the store is the client's own
	live     bool      // the client is for production
}

func newIntentKeeper(cfg Config, s settings) *intentKeeper {
	k := &intentKeeper{store: cfg.Intents, calls: make(chan struct{}, intentCalls), logger: s.logger, live: isLive(s.base)}
	if k.store == nil {
		k.store, k.forgets = NewMemoryIntents(0, 0), true
	}
	return k
}

// warn says once that a payout in production rests on a memory that forgets.
func (k *intentKeeper) warn(class outbound.Class) {
	if k.forgets && k.live && class == outbound.PayOut {
		k.volatile.Do(func() {
			k.logger.Warn("kopokopo: payouts in production have idempotency keys, and Config.Intents is not set: the keys are forgotten when the process ends")
		})
	}
}

// ask calls the store in a goroutine of its own, since it is the caller's code and may
// hang or panic. What comes back too late is lost. Calls that hang for ever keep their
// places, so that their goroutines cannot pile up.
func ask[T any](ctx context.Context, k *intentKeeper, call func(ctx context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, intentTime)
	defer cancel()
	var none T
	select {
	case k.calls <- struct{}{}:
	case <-ctx.Done():
		return none, noAnswer(caller)
	}
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("intent store: it panicked")}
		defer func() {
			recover()
			<-k.calls
			answers <- a
		}()
		value, err := call(ctx)
		if err != nil { // looked at here, since an error of the caller's can panic as well
			err = fmt.Errorf("intent store: %w", withoutOutcome(err))
		}
		a = answer{value, err}
	}()
	select {
	case a := <-answers:
		if caller.Err() == nil && (errors.Is(a.err, context.DeadlineExceeded) || errors.Is(a.err, context.Canceled)) {
			a.err = errors.New(a.err.Error()) // as text only: it would pass for the end of the caller's context
		}
		return a.value, a.err
	case <-ctx.Done():
		return none, noAnswer(caller)
	}
}

// noAnswer is the error of a call of the store that took too long. It is the end of the
// caller's context only if that has ended.
func noAnswer(caller context.Context) error {
	if err := caller.Err(); err != nil {
		return fmt.Errorf("intent store: %w", err)
	}
	return fmt.Errorf("intent store: no answer within %v", intentTime)
}

func (k *intentKeeper) begin(ctx context.Context, intent Intent, lease time.Duration) (Intent, error) {
	return ask(ctx, k, func(ctx context.Context) (Intent, error) { return k.store.Begin(ctx, intent, lease) })
}

func (k *intentKeeper) get(ctx context.Context, key string) (Intent, error) {
	return ask(ctx, k, func(ctx context.Context) (Intent, error) { return k.store.Get(ctx, key) })
}

func (k *intentKeeper) list(ctx context.Context, state IntentState, after string, limit int) ([]Intent, error) {
	return ask(ctx, k, func(ctx context.Context) ([]Intent, error) { return k.store.List(ctx, state, after, limit) })
}

// update writes an intent over the token that was seen of it, under a new one.
func (k *intentKeeper) update(ctx context.Context, token string, intent Intent, lease time.Duration) error {
	if intent.Token == token {
		intent.Token = rand.Text()
	}
	_, err := ask(ctx, k, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, k.store.Update(ctx, token, intent, lease)
	})
	return err
}

// log writes a line about a key, in which long numbers are masked.
func (k *intentKeeper) log(ctx context.Context, level slog.Level, message string, intent Intent, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("operation", intent.Operation), slog.String("key", redact.Text(intent.Key)))
	k.logger.LogAttrs(ctx, level, "kopokopo: "+message, attrs...)
}

// logged is an error as it may stand in a log.
func logged(err error) slog.Attr { return slog.String("error", causeText(err)) }

// sender is one create under a key, from before its first byte until it is known what
// became of it.
type sender struct {
	keeper *intentKeeper
	intent Intent // as it was last written; its Token is ours
	unsure string // the token of a last write that may stand as well, since its answer was lost
	lease  time.Duration
	leased time.Time // when the lease last began, at the latest
}

// createOnce sends a create under a key, if the key is free.
func (r route) createOnce(ctx context.Context, call *request) (Ref, error) {
	intent, err := r.intend(call)
	if err == nil {
		err = r.core.engine.Usable(ctx)
	}
	if err != nil {
		return Ref{}, call.fail(outbound.NotSent, 0, err)
	}
	s, ref, err := r.core.takeKey(ctx, call, intent)
	if s == nil {
		return ref, err
	}
	call.Keyed, call.Before = true, s.hold
	ref, err = r.send(ctx, call)
	s.record(ctx, ref, err)
	return ref, err
}

// takeKey stores an intent before a byte is sent. If the key is not free there is no
// sender, and the answer is what the key stands for: a Ref, or an error that says what
// is known.
func (c *core) takeKey(ctx context.Context, call *request, intent Intent) (*sender, Ref, error) {
	c.intents.warn(call.Class)
	s := &sender{keeper: c.intents, intent: intent, lease: leaseFor(c.engine.Timeout()), leased: time.Now()}
	have, err := c.intents.begin(ctx, intent, s.lease)
	switch {
	case err != nil:
		s.giveBack(ctx)
		return nil, Ref{}, call.fail(outbound.NotSent, 0, err)
	case have.Token == intent.Token && have.State == IntentSending:
		return s, Ref{}, nil
	case have.Digest != intent.Digest:
		return nil, Ref{}, call.fail(outbound.NotSent, 0, ErrKeyReused)
	}
	ref, err := have.known(call)
	return nil, ref, err
}

// giveBack frees a key that the store may have taken although its answer was lost:
// nothing was sent. If it cannot, the key is in doubt once the lease has ended.
func (s *sender) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	free := s.intent
	free.State = IntentFree
	_ = s.keeper.update(ctx, s.intent.Token, free, 0) // the store has failed: that is being said already
}

// leaseFor is how long a sender's lease is for an attempt of so long.
func leaseFor(attempt time.Duration) time.Duration {
	return min(attempt, math.MaxInt64-intentMargin) + intentMargin
}

// hold extends the lease over one more attempt. Without it nothing more may be sent:
// somebody else may have settled the key by then. What is left of the lease after a
// first part of the margin still covers an attempt.
func (s *sender) hold(ctx context.Context) error {
	begun, next := time.Now(), s.intent
	// A machine that was asleep has a clock that went on and one that did not.
	if max(begun.Sub(s.leased), begun.Round(0).Sub(s.leased.Round(0))) < intentMargin/3 {
		return nil
	}
	next.Token = rand.Text()
	if err := s.keeper.update(ctx, s.intent.Token, next, s.lease); err != nil {
		s.unsure = next.Token
		return err
	}
	s.intent, s.leased = next, begun
	return nil
}

// write writes over what this sender wrote last.
func (s *sender) write(ctx context.Context, next Intent) error {
	ctx, cancel := context.WithTimeout(ctx, intentTime/recordTries) // one call that hangs must not take the time of all
	defer cancel()
	err := s.keeper.update(ctx, s.intent.Token, next, 0)
	if errors.Is(err, ErrLeaseLost) && s.unsure != "" {
		err = s.keeper.update(ctx, s.unsure, next, 0)
	}
	return err
}

// record stores what became of a create. It has a time of its own, since the caller's
// may be over and the money is on its way; if it fails the intent stays as it is, and
// is in doubt once the lease has ended, never free.
func (s *sender) record(ctx context.Context, ref Ref, failure error) {
	next := s.intent
	next.State, next.Token, next.ID = stateAfter(failure), rand.Text(), ref.ID
	if isVisible(ref.Location) && len(ref.Location) <= maxURL {
		next.Location = ref.Location // what a database takes
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), intentTime)
	defer cancel()
	var err error
	for try := range recordTries {
		if try > 0 {
			select {
			case <-time.After(recordPause << try):
			case <-ctx.Done():
			}
		}
		if err = s.write(ctx, next); err == nil {
			return
		}
		if errors.Is(err, ErrLeaseLost) {
			s.overtaken(ctx, next)
			return
		}
	}
	s.keeper.log(ctx, slog.LevelError, "intent store failed to record what became of a create; its idempotency key is in doubt", next,
		slog.String("state", string(next.State)), logged(err))
}

// stateAfter is what an intent is after a create that ended so. Only what is certain
// not to be created frees the key.
func stateAfter(failure error) IntentState {
	var call *CallError
	switch {
	case failure == nil:
		return IntentCreated
	case errors.As(failure, &call) && (call.Outcome == ErrNotSent || call.Outcome == ErrRefused):
		return IntentFree
	}
	return IntentInDoubt
}

// overtaken looks at what somebody else, a result or a person, wrote down while this
// sender was at work. That is right if it is the same, and welcome if this sender does
// not know.
func (s *sender) overtaken(ctx context.Context, own Intent) {
	agrees, found := false, Intent{}
	err := s.keeper.revise(ctx, own.Key, func(have *Intent) bool {
		found = *have
		switch own.State {
		case IntentCreated:
			agrees = have.created() && (have.ID == "" || strings.EqualFold(have.ID, own.ID))
		case IntentInDoubt:
			agrees = have.created()
		default:
			agrees = !have.created()
		}
		if own.State != IntentCreated || !agrees || have.ID != "" && have.Location != "" {
			return false
		}
		have.ID, have.Location = own.ID, own.Location // so that whoever asks later gets the same Ref
		return true
	})
	if agrees {
		return
	}
	level := slog.LevelWarn
	if own.State == IntentCreated {
		level = slog.LevelError // there may be two payments under one key
	}
	attrs := []slog.Attr{slog.String("sent", string(own.State)), slog.String("settled", string(found.State))}
	if err != nil {
		attrs = append(attrs, logged(err))
	}
	s.keeper.log(ctx, level, "an idempotency key was settled otherwise while its request was being sent", own, attrs...)
}

// idempotencyPair is the metadata pair that a request with a key carries.
const idempotencyPair = "idempotency_key"

// digestVersion stands in front of what is hashed. What follows it never changes
// under one version: stores hold digests for years.
const digestVersion = "kopokopo-intent-1"

// intend makes the intent of a create, and puts the key into the metadata of its body.
func (r route) intend(call *request) (intent Intent, err error) {
	var body map[string]any
	if err := wire.DecodeUnchecked(call.Body, &body); err != nil {
		return Intent{}, err
	}
	metadata, _ := body["metadata"].(map[string]any)
	own, given := metadata[idempotencyPair]
	digest, err := r.core.digest(call, body)
	if err != nil {
		return Intent{}, err
	}
	if r.keys == keysInMetadata {
		if metadata == nil {
			metadata = map[string]any{}
		}
		metadata[idempotencyPair], body["metadata"] = call.key, metadata
		if call.Body, err = wire.Encode(body); err != nil {
			return Intent{}, err
		}
	}
	v := validation{what: r.name}
	v.check(!given || own == any(call.key), "metadata."+idempotencyPair, "must be the key given by WithIdempotencyKey")
	if len(metadata) > maxMetadata {
		v.add("metadata", ErrMaxMetadataSize.Error()+", the pair of the idempotency key included", ErrMaxMetadataSize)
	}
	said := facts.Of(body)
	said.Scope = r.core.scope()
	return Intent{Key: call.key, Digest: digest, Operation: call.Method + " " + call.Template, Facts: said.Encode(),
		State: IntentSending, Token: rand.Text()}, v.err()
}

// digest identifies a request: environment, application, method, path and body. The
// callback URL is no part of it, since it changes with deployments, and the key itself
// is none.
func (c *core) digest(call *request, body map[string]any) ([sha256.Size]byte, error) {
	body = maps.Clone(body)
	delete(body, "_links")
	if metadata, ok := body["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		delete(metadata, idempotencyPair)
		body["metadata"] = metadata
		if len(metadata) == 0 {
			delete(body, "metadata")
		}
	}
	canonical, err := wire.Encode(body) // maps are written in the order of their keys
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	appID, _ := c.credentials()
	parts, err := json.Marshal([]string{digestVersion, c.origin(), appID, call.Method, call.Template, string(canonical)})
	return sha256.Sum256(parts), err
}

// scope names the environment and the application of a client, hashed.
func (c *core) scope() string {
	appID, _ := c.credentials()
	return facts.Hash(c.origin(), appID)
}

// origin is where the API lives, however its URL is written.
func (c *core) origin() string {
	host := strings.ToLower(c.base.Host)
	switch c.base.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return c.base.Scheme + "://" + host + c.base.Path
}
