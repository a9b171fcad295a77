package kopokopo

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"
)

// Defaults of [NewMemoryStore].
const (
	defaultStoreSize = 100_000
	defaultStoreTTL  = 72 * time.Hour
)

// ErrStoreFull means that a [MemoryStore] is full of deliveries that are in work.
var ErrStoreFull = errors.New("kopokopo: delivery store: full of deliveries in work")

// MemoryStore is a [DeliveryStore] in memory: not durable, and not shared between
// processes. It is bounded in number and age. When it is full it forgets the
// deliveries that were finished longest ago, never one in work. It is safe for
// concurrent use and has no goroutines.
type MemoryStore struct {
	size int
	ttl  time.Duration

	mu        sync.Mutex
	keys      map[string]*deliveryRecord
	completed list.List // of finishedDelivery, the oldest in front
	live      list.List // of *deliveryRecord, the oldest claim in front
	lastToken int64
}

// deliveryRecord is what the store knows of a key.
type deliveryRecord struct {
	key       string
	digests   [][sha256.Size]byte // of the bodies that were finished
	revisions int                 // how many bodies were finished, forgotten ones included
	committed int64               // token of the last claim that was committed

	claim *list.Element // in live, nil if there is no claim
	token int64
	until time.Time
}

// finishedDelivery is one delivery that was handled.
type finishedDelivery struct {
	record *deliveryRecord
	digest [sha256.Size]byte
	at     time.Time
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
	s.keys = map[string]*deliveryRecord{}
	if s.size <= 0 {
		s.size = defaultStoreSize
	}
	if s.ttl <= 0 {
		s.ttl = defaultStoreTTL
	}
}

// Claim implements [DeliveryStore]. It fails with [ErrStoreFull].
func (s *MemoryStore) Claim(_ context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepare()
	now := time.Now()
	s.forgetOld(now)
	claim := Claim{Key: key, Digest: digest, Revision: 1}
	r := s.keys[key]
	if r != nil {
		claim.Revision = r.revisions + 1
		if i := slices.Index(r.digests, digest); i >= 0 {
			claim.State, claim.Revision = ClaimDone, r.revisions-len(r.digests)+i+1
			return claim, nil
		}
		if r.claim != nil && now.Before(r.until) {
			claim.State = ClaimBusy
			return claim, nil
		}
	}
	if (r == nil || r.claim == nil) && !s.hasRoom(now) {
		return Claim{}, ErrStoreFull
	}
	if r == nil {
		r = &deliveryRecord{key: key}
		s.keys[key] = r
	}
	if r.claim != nil {
		s.live.Remove(r.claim) // its lease has ended
	}
	s.lastToken++
	r.claim, r.token, r.until = s.live.PushBack(r), s.lastToken, now.Add(lease)
	for s.completed.Len()+s.live.Len() > s.size {
		s.forget(s.completed.Front())
	}
	claim.State, claim.Token = ClaimFresh, r.token
	return claim, nil
}

// Commit implements [DeliveryStore].
func (s *MemoryStore) Commit(_ context.Context, claim Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.keys[claim.Key]
	switch {
	case r != nil && claim.Token != 0 && r.committed == claim.Token:
		return nil
	case r == nil || r.claim == nil || r.token != claim.Token:
		return ErrLeaseLost
	}
	s.live.Remove(r.claim)
	r.claim, r.committed = nil, claim.Token
	r.digests = append(r.digests, claim.Digest)
	r.revisions++
	s.completed.PushBack(finishedDelivery{record: r, digest: claim.Digest, at: time.Now()})
	return nil
}

// Release implements [DeliveryStore].
func (s *MemoryStore) Release(_ context.Context, claim Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.keys[claim.Key]; r != nil && r.claim != nil && r.token == claim.Token {
		s.drop(r)
	}
	return nil
}

// Len returns how many deliveries are remembered, and how many of them are in work.
func (s *MemoryStore) Len() (total, inWork int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.completed.Len() + s.live.Len(), s.live.Len()
}

// drop gives up a record's claim.
func (s *MemoryStore) drop(r *deliveryRecord) {
	s.live.Remove(r.claim)
	r.claim = nil
	s.tidy(r)
}

// tidy removes a record that holds nothing.
func (s *MemoryStore) tidy(r *deliveryRecord) {
	if r.claim == nil && len(r.digests) == 0 {
		delete(s.keys, r.key)
	}
}

// forgetOld removes what was finished longer ago than the store remembers. There
// is no goroutine for it: each claim does it, and each delivery is removed once.
func (s *MemoryStore) forgetOld(now time.Time) {
	for e := s.completed.Front(); e != nil && now.Sub(e.Value.(finishedDelivery).at) >= s.ttl; e = s.completed.Front() {
		s.forget(e)
	}
}

// hasRoom reports whether there is room for one more claim. Claims whose lease has
// ended make room; those in work never do.
func (s *MemoryStore) hasRoom(now time.Time) bool {
	for s.live.Len() >= s.size {
		oldest := s.live.Front().Value.(*deliveryRecord)
		if now.Before(oldest.until) {
			return false
		}
		s.drop(oldest)
	}
	return true
}

// forget removes one finished delivery.
func (s *MemoryStore) forget(e *list.Element) {
	f := s.completed.Remove(e).(finishedDelivery)
	if i := slices.Index(f.record.digests, f.digest); i >= 0 {
		f.record.digests = slices.Delete(f.record.digests, i, i+1)
	}
	s.tidy(f.record)
}
