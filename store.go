package kopokopo

import (
	"container/heap"
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/inbound"
)

// DeliveryStore remembers which deliveries were handled. A [Handler] claims a
// delivery before it calls your function, extends the claim while the function runs,
// commits it when the function has succeeded, and releases it when it has not.
//
// The default is a [MemoryStore], which forgets everything when the process ends:
// then a delivery that K2 repeats is handled again. For money use a store that is
// as durable as your ledger. kopokopotest.TestStore checks an implementation
// against this contract:
//
//   - A delivery is a key and the SHA-256 of its body. A key is 1 to 255 bytes,
//     compared byte by byte: upper and lower case differ, and trailing spaces count.
//     The handlers of this module make keys of visible ASCII without spaces only.
//   - There is never more than one live claim on a key. A claim lives until it is
//     committed or released, or its lease has ended.
//   - A lease is a length of time. The store counts it, by its own clock, from when
//     it writes it: the clocks of several machines need not agree.
//   - The end of a lease lets somebody else claim the key, and takes nothing from its
//     owner before somebody has: until then Extend and Commit succeed as they did.
//     Only a store that needs the room may give up claims whose lease has ended.
//   - Once committed a delivery stays [ClaimDone]: a claim on the same key and digest
//     never is fresh again, for as long as the store promises to remember.
//   - Another digest under a key with committed deliveries is fresh, with a
//     Revision one higher than theirs.
//
// A store is one set of handled deliveries. Handlers with different functions need
// one each.
//
// Methods are called from several goroutines at once, Extend beside Commit and
// Release of the same claim too. They honour the context: when it has ended they
// return an error soon, and do nothing if it had ended before. An error of Claim or
// Commit makes the handler answer 503, so that K2 delivers again. A failed Extend is
// tried again for as long as the function runs, and after a failed Release the claim
// is held until its lease ends.
type DeliveryStore interface {
	// Claim takes the delivery if nobody has it. Only with State [ClaimFresh] is
	// there anything to extend, commit or release. It never waits for another claim
	// to end. An error means that nothing was claimed. The lease is positive.
	Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (Claim, error)
	// Extend lets the lease of a fresh claim end when lease has passed from now, and
	// never earlier than it would have ended. It fails with [ErrLeaseLost] if the
	// claim was released, or its lease has ended and another claim was made since.
	// Extending what was committed under the same Token changes nothing, and is no
	// error: a function that commits by itself may go on for a while.
	Extend(ctx context.Context, claim Claim, lease time.Duration) error
	// Commit marks a fresh claim as done. It fails with [ErrLeaseLost] if the claim
	// was released, or its lease has ended and another claim was made since.
	// Committing what was committed under the same Token is no error, whatever came
	// under the key afterwards: a function may commit by itself, in the transaction of
	// its own work (see [ClaimFrom]).
	Commit(ctx context.Context, claim Claim) error
	// Release gives a fresh claim up, so that the delivery can be claimed again at
	// once. A claim that was lost or committed is left as it is, without an error.
	Release(ctx context.Context, claim Claim) error
}

// ErrLeaseLost means that a delivery was claimed again while it was in work, because
// its lease had ended: the store could not be reached for longer than a lease, or the
// process stood still.
var ErrLeaseLost = inbound.ErrLeaseLost

// ClaimState is what a claim found.
type ClaimState int

// The states of a claim.
const (
	ClaimFresh ClaimState = ClaimState(inbound.Fresh) // The caller has it now.
	ClaimBusy  ClaimState = ClaimState(inbound.Busy)  // Somebody else has it.
	ClaimDone  ClaimState = ClaimState(inbound.Done)  // It was handled.
)

// String returns "fresh", "busy" or "done".
func (s ClaimState) String() string {
	switch s {
	case ClaimFresh:
		return "fresh"
	case ClaimBusy:
		return "busy"
	case ClaimDone:
		return "done"
	}
	return "unknown claim state"
}

// Claim is the answer of [DeliveryStore.Claim], and what is extended, committed or
// released.
type Claim struct {
	Key      string            // [Notification.Key].
	Digest   [sha256.Size]byte // SHA-256 of the body.
	State    ClaimState        // What was found.
	Revision int               // 1 for the first body under the key, one more for each other body.
	Token    int64             // Fences off late owners: each fresh claim on a key has a higher one, over restarts of a durable store too.

	// Attempt counts the fresh claims on this delivery (key and digest), this one
	// included: 1 for the first. Claims that were released count, and so do those whose
	// process died. Durable stores keep the count with the delivery, a [MemoryStore]
	// for as long as it has room. Only set with [ClaimFresh].
	Attempt int
}

// ClaimFrom returns the claim under which a handler's function runs. A function
// that does its work in a transaction can commit the claim in the same one, with a
// store that supports it: then work and claim happen together or not at all.
func ClaimFrom(ctx context.Context) (Claim, bool) {
	claim, ok := inbound.ClaimFrom(ctx).(Claim)
	return claim, ok
}

// overStore is a DeliveryStore as the engine sees it.
func overStore(s DeliveryStore) inbound.Store {
	return inbound.Over(s, func(c Claim) (inbound.State, int) { return inbound.State(c.State), c.Revision })
}

// Defaults of [NewMemoryStore].
const (
	defaultStoreSize = 100_000
	defaultStoreTTL  = 72 * time.Hour
)

// ErrStoreFull means that a [MemoryStore] is full of deliveries that are in work.
var ErrStoreFull = errors.New("kopokopo: delivery store: full of deliveries in work")

// MemoryStore is a [DeliveryStore] in memory: not durable, and not shared between
// processes. It is bounded in number and age. When it is full it forgets the failed
// deliveries first (which costs their [Claim.Attempt]), then claims whose lease has
// ended, then what was finished longest ago, and never what is in work. It is safe
// for concurrent use and has no goroutines.
type MemoryStore struct {
	size int
	ttl  time.Duration

	mu        sync.Mutex
	keys      map[string]*memoryKey
	finished  list.List  // of *memoryBody, finished longest ago in front
	failed    list.List  // of *memoryBody, given up longest ago in front
	claims    leaseQueue // the next lease to end in front
	lastToken int64
}

// memoryKey is what the store knows of a key.
type memoryKey struct {
	name      string
	bodies    []*memoryBody // mostly one
	revisions int           // how many bodies were finished, forgotten ones included

	claimed *memoryBody // which body has a claim, nil if none has
	token   int64       // of the claim
	until   time.Time   // when its lease ends
	place   int         // in claims
}

// memoryBody is one delivery.
type memoryBody struct {
	key      *memoryKey
	digest   [sha256.Size]byte
	attempts int
	token    int64         // under which it was finished, 0 if it was not
	revision int           // once it is finished
	place    *list.Element // in finished or failed, nil while it is claimed
	since    time.Time     // when it came there
}

// NewMemoryStore returns a store that remembers at most size deliveries (0 for
// 100,000, some tens of megabytes) for at most ttl (0 for 72 hours). K2's
// signature holds no time, so a delivery that is older than that and is sent again
// is handled again.
func NewMemoryStore(size int, ttl time.Duration) *MemoryStore {
	return &MemoryStore{size: size, ttl: ttl}
}

// prepare makes the zero MemoryStore one with the defaults. The caller holds s.mu.
func (s *MemoryStore) prepare() {
	if s.keys != nil {
		return
	}
	s.keys = map[string]*memoryKey{}
	if s.size <= 0 {
		s.size = defaultStoreSize
	}
	if s.ttl <= 0 {
		s.ttl = defaultStoreTTL
	}
}

// Claim implements [DeliveryStore]. It fails with [ErrStoreFull].
func (s *MemoryStore) Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (Claim, error) {
	if err := ctx.Err(); err != nil {
		return Claim{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepare()
	now := time.Now()
	s.forgetOld(now)
	claim := Claim{Key: key, Digest: digest}
	b := s.find(key, digest)
	if b != nil && b.token != 0 {
		claim.State, claim.Revision = ClaimDone, b.revision
		return claim, nil
	}
	if k := s.keys[key]; k != nil && k.claimed != nil && now.Before(k.until) {
		claim.State, claim.Revision = ClaimBusy, k.revisions+1
		return claim, nil
	}
	if b == nil && !s.makeRoom(now) {
		return Claim{}, ErrStoreFull
	}
	b = s.take(key, digest, now.Add(lease))
	claim.State, claim.Revision, claim.Token, claim.Attempt = ClaimFresh, b.key.revisions+1, b.key.token, b.attempts
	return claim, nil
}

// Extend implements [DeliveryStore].
func (s *MemoryStore) Extend(ctx context.Context, claim Claim, lease time.Duration) error {
	return s.settle(ctx, claim, func(b *memoryBody) {
		if until := time.Now().Add(lease); until.After(b.key.until) {
			b.key.until = until
			heap.Fix(&s.claims, b.key.place)
		}
	})
}

// Commit implements [DeliveryStore].
func (s *MemoryStore) Commit(ctx context.Context, claim Claim) error {
	return s.settle(ctx, claim, func(b *memoryBody) {
		b.key.revisions++
		b.token, b.revision = claim.Token, b.key.revisions
		s.unclaim(b, &s.finished)
	})
}

// Release implements [DeliveryStore].
func (s *MemoryStore) Release(ctx context.Context, claim Claim) error {
	err := s.settle(ctx, claim, func(b *memoryBody) { s.unclaim(b, &s.failed) })
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	return err
}

// Len returns how many deliveries are remembered, and how many of them are claimed.
func (s *MemoryStore) Len() (total, inWork int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.len(), len(s.claims)
}

func (s *MemoryStore) len() int { return s.finished.Len() + s.failed.Len() + len(s.claims) }

// settle applies change to the delivery that claim still owns. What was finished
// under the claim is left as it is.
func (s *MemoryStore) settle(ctx context.Context, claim Claim, change func(*memoryBody)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(claim.Key, claim.Digest)
	switch {
	case b != nil && b.token != 0 && b.token == claim.Token:
		return nil
	case b == nil || b.key.claimed != b || b.key.token != claim.Token:
		return ErrLeaseLost
	}
	change(b)
	return nil
}

// find returns a delivery that is remembered, or nil.
func (s *MemoryStore) find(key string, digest [sha256.Size]byte) *memoryBody {
	if k := s.keys[key]; k != nil {
		for _, b := range k.bodies {
			if b.digest == digest {
				return b
			}
		}
	}
	return nil
}

// take gives a delivery a new claim. The store has room for it, and no other claim
// on its key is alive.
func (s *MemoryStore) take(key string, digest [sha256.Size]byte, until time.Time) *memoryBody {
	k := s.keys[key]
	if k == nil {
		k = &memoryKey{name: key}
		s.keys[key] = k
	}
	if k.claimed != nil { // its lease has ended
		s.unclaim(k.claimed, &s.failed)
	}
	b := s.find(key, digest)
	if b == nil {
		b = &memoryBody{key: k, digest: digest}
		k.bodies = append(k.bodies, b)
	} else {
		s.failed.Remove(b.place)
		b.place = nil
	}
	b.attempts++
	s.lastToken++
	k.claimed, k.token, k.until = b, s.lastToken, until
	heap.Push(&s.claims, k)
	return b
}

// unclaim ends the claim on a delivery and puts it where it is remembered.
func (s *MemoryStore) unclaim(b *memoryBody, to *list.List) {
	heap.Remove(&s.claims, b.key.place)
	b.key.claimed = nil
	b.place, b.since = to.PushBack(b), time.Now()
}

// forgetOld removes what came to rest longer ago than the store remembers. There is
// no goroutine for it: each claim does it, and each delivery is removed once.
func (s *MemoryStore) forgetOld(now time.Time) {
	for _, resting := range []*list.List{&s.finished, &s.failed} {
		for e := resting.Front(); e != nil && now.Sub(e.Value.(*memoryBody).since) >= s.ttl; e = resting.Front() {
			s.forget(resting, e)
		}
	}
}

// makeRoom reports whether there is room for one more delivery, and forgets another
// if need be.
func (s *MemoryStore) makeRoom(now time.Time) bool {
	if s.len() < s.size {
		return true
	}
	if s.failed.Len() == 0 && len(s.claims) > 0 && !now.Before(s.claims[0].until) {
		s.unclaim(s.claims[0].claimed, &s.failed)
	}
	for _, resting := range []*list.List{&s.failed, &s.finished} {
		if e := resting.Front(); e != nil {
			s.forget(resting, e)
			return true
		}
	}
	return false
}

// forget removes one delivery, and its key with the last of them.
func (s *MemoryStore) forget(from *list.List, e *list.Element) {
	b := from.Remove(e).(*memoryBody)
	k := b.key
	k.bodies = slices.DeleteFunc(k.bodies, func(other *memoryBody) bool { return other == b })
	if len(k.bodies) == 0 {
		delete(s.keys, k.name)
	}
}

// leaseQueue is a [heap.Interface] of the keys with a claim, by when the lease ends.
type leaseQueue []*memoryKey

func (q leaseQueue) Len() int           { return len(q) }
func (q leaseQueue) Less(i, j int) bool { return q[i].until.Before(q[j].until) }

func (q leaseQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements [heap.Interface].
func (q *leaseQueue) Push(k any) {
	k.(*memoryKey).place = len(*q)
	*q = append(*q, k.(*memoryKey))
}

// Pop implements [heap.Interface].
func (q *leaseQueue) Pop() any {
	last := len(*q) - 1
	k := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return k
}
