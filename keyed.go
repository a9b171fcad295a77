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
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/outbound"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// Bounds of what is said to an intent store.
const (
	intentTime   = 5 * time.Second  // for one exchange, and for all tries of recording a result
	intentMargin = 15 * time.Second // a sender's lease beyond the time of one attempt
	giveBackTime = time.Second      // for freeing a key that was not used
	recordTries  = 3
	recordPause  = 100 * time.Millisecond // before the second try
)

// idempotencyPair is the metadata pair that a keyed request carries.
const idempotencyPair = "idempotency_key"

// keyedRequest is what can be created under an idempotency key.
type keyedRequest interface {
	wireRequest
	// withKey returns a copy that carries the key in its metadata, if it has any.
	withKey(key string) (wireRequest, error)
	// facts returns what K2's result has to agree with.
	facts() facts
}

// intentKeeper is the client's side of an intent store: whatever the store does, a
// call returns in time and never panics.
type intentKeeper struct {
	store    IntentStore
	logger   *slog.Logger
	volatile sync.Once // the warning about payouts over a store that forgets
	forgets  bool      // the store is the client's own
	live     bool      // the client is for production
}

func newIntentKeeper(cfg Config, s settings) *intentKeeper {
	k := &intentKeeper{store: cfg.Intents, logger: s.logger, live: isLive(s.base)}
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
// hang or panic. What comes back too late is lost.
func ask[T any](ctx context.Context, call func(ctx context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, intentTime)
	defer cancel()
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("the store panicked")}
		defer func() {
			recover()
			answers <- a
		}()
		value, err := call(ctx)
		a = answer{value, err}
	}()
	var none T
	select {
	case a := <-answers:
		if a.err != nil {
			return none, fmt.Errorf("intent store: %w", a.err)
		}
		return a.value, nil
	case <-ctx.Done():
		return none, fmt.Errorf("intent store: %w", ctx.Err())
	}
}

func (k *intentKeeper) begin(ctx context.Context, intent Intent, lease time.Duration) (Intent, error) {
	return ask(ctx, func(ctx context.Context) (Intent, error) { return k.store.Begin(ctx, intent, lease) })
}

func (k *intentKeeper) get(ctx context.Context, key string) (Intent, error) {
	return ask(ctx, func(ctx context.Context) (Intent, error) { return k.store.Get(ctx, key) })
}

func (k *intentKeeper) list(ctx context.Context, state IntentState, after string, limit int) ([]Intent, error) {
	return ask(ctx, func(ctx context.Context) ([]Intent, error) { return k.store.List(ctx, state, after, limit) })
}

// update writes an intent over the token that was seen of it, under a new one.
func (k *intentKeeper) update(ctx context.Context, token string, intent Intent, lease time.Duration) error {
	if intent.Token == token {
		intent.Token = rand.Text()
	}
	_, err := ask(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, k.store.Update(ctx, token, intent, lease)
	})
	return err
}

// sender is one create under a key, from before its first byte until it is known what
// became of it.
type sender struct {
	keeper *intentKeeper
	intent Intent // as it was last written; its Token is ours
	lease  time.Duration
	leased time.Time // when the lease last began, at the latest
}

// createOnce sends a create under a key, if the key is free.
func (r route) createOnce(ctx context.Context, call *request, req keyedRequest) (Ref, error) {
	if err := r.core.engine.Usable(ctx); err != nil {
		return Ref{}, call.fail(outbound.NotSent, 0, err)
	}
	s, ref, err := r.core.takeKey(ctx, call, req)
	if s == nil {
		return ref, err
	}
	call.Keyed, call.Before = true, s.hold
	ref, err = r.send(ctx, call)
	s.record(ctx, ref, err)
	return ref, err
}

// takeKey stores an intent before a byte is sent. If the key is not free the answer is
// what it stands for: a Ref, or an error that says what is known.
func (c *core) takeKey(ctx context.Context, call *request, req keyedRequest) (*sender, Ref, error) {
	digest, err := c.digest(call)
	if err != nil {
		return nil, Ref{}, call.fail(outbound.NotSent, 0, err)
	}
	c.intents.warn(call.Class)
	s := &sender{keeper: c.intents, lease: leaseFor(c.engine.Timeout()), leased: time.Now()}
	said := req.facts()
	said.Scope = c.scope()
	s.intent = Intent{Key: call.key, Digest: digest, Operation: call.Method + " " + call.Template, Facts: said.encode(),
		State: IntentSending, Token: rand.Text()}
	have, err := c.intents.begin(ctx, s.intent, s.lease)
	switch {
	case err != nil:
		s.giveBack(ctx)
		return nil, Ref{}, call.fail(outbound.NotSent, 0, err)
	case have.Token == s.intent.Token && have.State == IntentSending:
		return s, Ref{}, nil
	case have.Digest != digest:
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
	free.State, free.Token = IntentFree, rand.Text()
	_ = s.keeper.update(ctx, s.intent.Token, free, 0) // the store has failed: that is being said already
}

// known is the answer to a create whose key was used before for the same request.
func (i Intent) known(call *request) (Ref, error) {
	switch {
	case (i.State == IntentCreated || i.State == IntentFinal) && i.ID != "":
		return Ref{ID: i.ID, Location: i.Location}, nil
	case i.State == IntentCreated || i.State == IntentFinal:
		return Ref{}, call.fail(outbound.Unknown, 0, ErrNoLocation)
	case i.State == IntentSending && i.Alive:
		return Ref{}, call.fail(outbound.Unknown, 0, ErrIntentBusy)
	}
	return Ref{}, call.fail(outbound.Unknown, 0, errInDoubt)
}

// leaseFor is how long a sender's lease is for an attempt of so long.
func leaseFor(attempt time.Duration) time.Duration {
	return min(attempt, math.MaxInt64-intentMargin) + intentMargin
}

// hold extends the lease over one more attempt. Without it nothing more may be sent:
// somebody else may have settled the key by then. What is left of the lease after a
// first part of the margin still covers an attempt.
func (s *sender) hold(ctx context.Context) error {
	if time.Since(s.leased) < intentMargin/3 {
		return nil
	}
	begun, next := time.Now(), s.intent
	next.Token = rand.Text()
	if err := s.keeper.update(ctx, s.intent.Token, next, s.lease); err != nil {
		return err
	}
	s.intent, s.leased = next, begun
	return nil
}

// record stores what became of a create. It has a time of its own, since the caller's
// may be over and the money is on its way; if it fails the intent stays as it is, and
// is in doubt once the lease has ended, never free.
func (s *sender) record(ctx context.Context, ref Ref, failure error) {
	next := s.intent
	next.Token, next.ID, next.Location = rand.Text(), ref.ID, ref.Location
	switch {
	case failure == nil:
		next.State = IntentCreated
	case errors.Is(failure, ErrNotSent), errors.Is(failure, ErrRefused):
		next.State = IntentFree
	default:
		next.State = IntentInDoubt
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), intentTime)
	defer cancel()
	var err error
	for try := range recordTries {
		if try > 0 && !rest(ctx, recordPause<<try) {
			break
		}
		if err = s.keeper.update(ctx, s.intent.Token, next, 0); err == nil {
			return
		}
		if errors.Is(err, ErrLeaseLost) {
			s.overtaken(ctx, next)
			return
		}
	}
	s.keeper.logger.Error("kopokopo: intent store failed to record what became of a create; its idempotency key stays in doubt",
		slog.String("operation", next.Operation), slog.String("state", string(next.State)), slog.Any("error", err))
}

// overtaken looks at what somebody else, a result or a person, wrote down while this
// sender was at work. That is right if it is the same.
func (s *sender) overtaken(ctx context.Context, own Intent) {
	have, err := s.keeper.get(ctx, own.Key)
	if err == nil && own.State == IntentCreated && (have.State == IntentCreated || have.State == IntentFinal) && have.ID == own.ID {
		return
	}
	level := slog.LevelWarn
	if own.State == IntentCreated {
		level = slog.LevelError // there may be two payments under one key
	}
	s.keeper.logger.Log(ctx, level, "kopokopo: an idempotency key was settled otherwise while its request was being sent",
		slog.String("operation", own.Operation), slog.String("sent", string(own.State)), slog.String("settled", string(have.State)), slog.Any("error", err))
}

// rest waits, unless the context ends first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// digestVersion stands in front of what is hashed. What follows it never changes
// under one version: stores hold digests for years.
const digestVersion = "kopokopo-intent-1"

// digest identifies a request: environment, application, method, path and body. The
// callback URL is no part of it, since it changes with deployments, and the key itself
// is none.
func (c *core) digest(call *request) ([sha256.Size]byte, error) {
	var body map[string]any
	if err := wire.Decode(call.Body, &body); err != nil {
		return [sha256.Size]byte{}, err
	}
	delete(body, "_links")
	if metadata, ok := body["metadata"].(map[string]any); ok {
		if delete(metadata, idempotencyPair); len(metadata) == 0 {
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

// paired returns metadata with the pair of an idempotency key. The caller's map is
// never changed, and a pair of that name that says something else is a mistake.
func paired(metadata map[string]any, key string) (map[string]any, error) {
	v := validation{what: "request"}
	if own, ok := metadata[idempotencyPair]; ok && own != key {
		v.add("metadata."+idempotencyPair, "must be the key given by WithIdempotencyKey", nil)
	}
	with := make(map[string]any, len(metadata)+1)
	maps.Copy(with, metadata)
	with[idempotencyPair] = key
	return with, v.err()
}

// unkeyed refuses an idempotency key where none can be kept.
func unkeyed(op string) error {
	v := validation{what: op}
	v.add("WithIdempotencyKey", "is for creates of payments, whose result comes back with it", nil)
	return v.err()
}
