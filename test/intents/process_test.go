package intents_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// What the random schedules let happen to a process and to its intent store.

// actor is who calls a store: a create, a delivery, a person. Its chances are its own,
// so that a schedule's seed decides them whatever the goroutines do.
type actor struct {
	kind string
	name string // of a create: what stands in its callback URL

	variant int // of a create: which of the two requests

	mu   sync.Mutex
	dice *rand.Rand
}

type actorKey struct{}

func (a *actor) in(ctx context.Context) context.Context { return context.WithValue(ctx, actorKey{}, a) }

func actorOf(ctx context.Context) *actor {
	a, _ := ctx.Value(actorKey{}).(*actor)
	return a
}

// percent is true so often.
func (a *actor) percent(n int) bool { return a.below(100) < n }

func (a *actor) below(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dice.IntN(n)
}

func (a *actor) upTo(d time.Duration) time.Duration {
	return time.Duration(a.below(int(d/time.Millisecond))) * time.Millisecond
}

// mishap is what happens to one call of a store.
type mishap int

const (
	fine         mishap = iota
	failsBefore         // an error, and nothing is written
	failsAfter          // it is written, and the answer is lost
	hangsBefore         // it hangs until it is given up, and nothing is written
	hangsAfter          // it hangs until it is given up, and is written long after that
	panicsBefore        // the store panics, and nothing is written
	panicsAfter         // the store panics after it has written
	slow                // it takes its time
	diesBefore          // the process ends, and nothing is written
	diesAfter           // the process ends when it is written
)

func (m mishap) String() string {
	return [...]string{"fine", "error before", "error after", "hang", "late effect", "panic before", "panic after", "slow", "death before", "death after"}[m]
}

// mishap draws what happens to one call.
func (a *actor) mishap() mishap {
	// In thousandths. What is left is fine.
	for _, chance := range []struct {
		of mishap
		n  int
	}{{failsBefore, 30}, {failsAfter, 30}, {hangsBefore, 15}, {hangsAfter, 25}, {panicsBefore, 5}, {panicsAfter, 5}, {slow, 100}, {diesBefore, 12}, {diesAfter, 12}} {
		if a.below(1000) < chance.n {
			return chance.of
		}
	}
	return fine
}

var errDown = errors.New("the store is down")

// process is what a program has: a client, a handler, and its side of the store. Once it
// is dead nothing that it does reaches the store or the network.
type process struct {
	world   *world
	client  *kopokopo.Client
	handler *kopokopo.Handler
	dead    atomic.Bool
}

// do lets one call of the store happen, or not.
func do[T any](ctx context.Context, p *process, effect func(context.Context) (T, error)) (none T, _ error) {
	if p.dead.Load() {
		return none, errDown
	}
	a := actorOf(ctx)
	m := a.mishap()
	p.world.tally.add("store: " + m.String())
	return happen(ctx, m, a.upTo(10*time.Second), func() { p.dead.Store(true) }, effect)
}

// happen lets a mishap happen to one call of a store. late is how long something takes
// that takes its time.
func happen[T any](ctx context.Context, m mishap, late time.Duration, die func(), effect func(context.Context) (T, error)) (none T, _ error) {
	switch m {
	case failsBefore:
		return none, errDown
	case failsAfter:
		_, _ = effect(ctx)
		return none, errDown
	case hangsBefore:
		<-ctx.Done()
		return none, ctx.Err()
	case hangsAfter:
		<-ctx.Done()
		go func() { // as a database that commits what nobody waits for any more
			time.Sleep(late)
			_, _ = effect(context.WithoutCancel(ctx))
		}()
		return none, ctx.Err()
	case panicsBefore:
		panic("before")
	case panicsAfter:
		_, _ = effect(ctx)
		panic("after")
	case slow:
		time.Sleep(late / 3)
	case diesBefore:
		die()
		return none, errDown
	case diesAfter:
		_, _ = effect(ctx)
		die()
		return none, errDown
	}
	return effect(ctx)
}

// Begin implements kopokopo.IntentStore.
func (p *process) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	return do(ctx, p, func(ctx context.Context) (kopokopo.Intent, error) { return p.world.store.Begin(ctx, intent, lease) })
}

// Update implements kopokopo.IntentStore.
func (p *process) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	_, err := do(ctx, p, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, p.world.store.Update(ctx, token, intent, lease)
	})
	return err
}

// Get implements kopokopo.IntentStore.
func (p *process) Get(ctx context.Context, key string) (kopokopo.Intent, error) {
	return do(ctx, p, func(ctx context.Context) (kopokopo.Intent, error) { return p.world.store.Get(ctx, key) })
}

// List implements kopokopo.IntentStore.
func (p *process) List(ctx context.Context, state kopokopo.IntentState, after string, limit int) ([]kopokopo.Intent, error) {
	return do(ctx, p, func(ctx context.Context) ([]kopokopo.Intent, error) {
		return p.world.store.List(ctx, state, after, limit)
	})
}

// witness is the store that the processes share. It holds every write against what K2
// has done.
type witness struct {
	kopokopo.IntentStore
	world *world
	mu    sync.Mutex
}

// Begin implements kopokopo.IntentStore.
func (s *witness) Begin(ctx context.Context, intent kopokopo.Intent, lease time.Duration) (kopokopo.Intent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.mu.Lock()
	s.world.variants[intent.Digest] = actorOf(ctx).variant
	s.world.mu.Unlock()
	return s.IntentStore.Begin(ctx, intent, lease)
}

// Update implements kopokopo.IntentStore.
func (s *witness) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, _ := s.IntentStore.Get(context.Background(), intent.Key)
	err := s.IntentStore.Update(ctx, token, intent, lease)
	after, _ := s.IntentStore.Get(context.Background(), intent.Key)
	if before.Token != after.Token {
		s.world.written(actorOf(ctx), before, after)
	}
	if errors.Is(err, kopokopo.ErrLeaseLost) {
		s.world.tally.add("a write that came late was refused")
	}
	return err
}
