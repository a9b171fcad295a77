package kopokopo

import (
	"container/list"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Defaults of [NewMemoryIntents].
const (
	defaultIntents    = 100_000
	defaultIntentsTTL = 30 * 24 * time.Hour
)

// MemoryIntents is an [IntentStore] in memory: not durable, and not shared between
// processes, so a payment that was in doubt when the process ended can be sent again
// by the next one. It is bounded: when it is full it forgets what was created longest
// ago and is older than its time, and never what is being sent or in doubt; if there is
// nothing to forget, Begin fails with [ErrIntentsFull]. It is safe for concurrent use
// and has no goroutines.
type MemoryIntents struct {
	size int
	ttl  time.Duration

	mu      sync.Mutex
	intents map[string]*intentRecord
	created list.List // of *intentRecord: what may be forgotten one day, the oldest in front
}

// intentRecord is an intent and its place among those that may be forgotten.
type intentRecord struct {
	Intent
	until time.Time     // of the sender's lease
	place *list.Element // in created, nil if it must not be forgotten
}

// NewMemoryIntents returns a store for at most size intents (0 for 100,000), which
// remembers what was created for at least ttl (0 for 30 days).
func NewMemoryIntents(size int, ttl time.Duration) *MemoryIntents {
	return &MemoryIntents{size: size, ttl: ttl}
}

// prepare makes the zero MemoryIntents one with the defaults. The caller holds m.mu.
func (m *MemoryIntents) prepare() {
	if m.intents != nil {
		return
	}
	m.intents = map[string]*intentRecord{}
	if m.size <= 0 {
		m.size = defaultIntents
	}
	if m.ttl <= 0 {
		m.ttl = defaultIntentsTTL
	}
}

// Begin implements [IntentStore]. It fails with [ErrIntentsFull].
func (m *MemoryIntents) Begin(ctx context.Context, intent Intent, lease time.Duration) (Intent, error) {
	if err := ctx.Err(); err != nil {
		return Intent{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prepare()
	now := time.Now()
	if r := m.intents[intent.Key]; r != nil {
		return r.at(now), nil
	}
	if !m.hasRoom(now) {
		return Intent{}, ErrIntentsFull
	}
	intent.State, intent.Created, intent.Updated = IntentSending, now, now
	r := &intentRecord{Intent: intent, until: now.Add(lease)}
	m.intents[intent.Key] = r
	return r.at(now), nil
}

// Update implements [IntentStore].
func (m *MemoryIntents) Update(ctx context.Context, token string, intent Intent, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.intents[intent.Key]
	switch {
	case r == nil && intent.State == IntentFree:
		return nil // it is free, by this very write or by another
	case r == nil:
		return ErrLeaseLost
	case r.Token == intent.Token && r.State == intent.State:
		return nil // written before
	case r.Token != token:
		return ErrLeaseLost
	}
	now := time.Now()
	m.displace(r)
	if intent.State == IntentFree {
		delete(m.intents, intent.Key)
		return nil
	}
	r.State, r.ID, r.Location, r.Token, r.Updated = intent.State, intent.ID, intent.Location, intent.Token, now
	r.until = now.Add(lease)
	if r.State == IntentCreated || r.State == IntentFinal {
		r.place = m.created.PushBack(r)
	}
	return nil
}

// Get implements [IntentStore].
func (m *MemoryIntents) Get(ctx context.Context, key string) (Intent, error) {
	if err := ctx.Err(); err != nil {
		return Intent{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.intents[key]; r != nil {
		return r.at(time.Now()), nil
	}
	return Intent{Key: key, State: IntentFree}, nil
}

// List implements [IntentStore].
func (m *MemoryIntents) List(ctx context.Context, state IntentState, after string, limit int) ([]Intent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	var found []Intent
	for key, r := range m.intents {
		if intent := r.at(now); key > after && (intent.State == state || state == IntentInDoubt && intent.inDoubt()) {
			found = append(found, intent)
		}
	}
	slices.SortFunc(found, func(a, b Intent) int { return strings.Compare(a.Key, b.Key) })
	return found[:min(len(found), max(limit, 0))], nil
}

// Len returns how many intents are remembered.
func (m *MemoryIntents) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.intents)
}

// at returns the intent as it is at a time.
func (r *intentRecord) at(now time.Time) Intent {
	intent := r.Intent
	intent.Alive = intent.State == IntentSending && now.Before(r.until)
	return intent
}

// displace takes a record from those that may be forgotten.
func (m *MemoryIntents) displace(r *intentRecord) {
	if r.place != nil {
		m.created.Remove(r.place)
		r.place = nil
	}
}

// hasRoom makes room for one more, if it may.
func (m *MemoryIntents) hasRoom(now time.Time) bool {
	for len(m.intents) >= m.size {
		oldest := m.created.Front()
		if oldest == nil {
			return false
		}
		r := oldest.Value.(*intentRecord)
		if now.Sub(r.Updated) < m.ttl {
			return false
		}
		m.displace(r)
		delete(m.intents, r.Key)
	}
	return true
}
