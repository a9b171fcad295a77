package kopokopo

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/outbound"
)

// Errors about idempotency keys.
var (
	// ErrKeyReused means that an idempotency key stands for another request. It comes
	// with [ErrNotSent]: ask for ErrKeyReused first.
	ErrKeyReused = errors.New("the idempotency key stands for another request")
	// ErrIntentBusy means that another call is sending the request of this key at this
	// moment. It comes with [ErrOutcomeUnknown].
	ErrIntentBusy = errors.New("the request of this idempotency key is being sent")
	// ErrIntentsFull means that a [MemoryIntents] is full of intents that it must not
	// forget. From a create it comes with [ErrNotSent].
	ErrIntentsFull = errors.New("full of intents that must not be forgotten")
)

// errInDoubt is what is said of a key whose request may have reached K2.
var errInDoubt = errors.New("the request of this idempotency key may have reached K2 before")

// WithIdempotencyKey makes a create one that K2 sees once at most, however often and
// by whichever process it is called with the same key, for as long as
// [Config.Intents] remembers. K2 itself knows no such keys.
//
// A key is 1 to 128 visible ASCII characters (0x21 to 0x7E), compared byte by byte. It
// stands for one attempt to pay: derive it from the order and the number of the
// attempt, and take another one to ask again after the customer declined. Several
// services that share a K2 application put a prefix of their own in front of theirs.
//
// A call under a key that was used before, with the same request, returns the [Ref] of
// then and sends nothing. While another call is sending it, the error is
// [ErrOutcomeUnknown] and [ErrIntentBusy]. If it is not known what became of it, the
// error is [ErrOutcomeUnknown] and nothing is sent: a callback of K2's settles that
// by itself, through a [Handler] of this client, or you do, by [Client.Intents]. A key
// whose request was proved unsent, or refused, is free again. With another request
// the error is [ErrKeyReused] and [ErrNotSent]. The same request is one with the same
// fields, in the same environment and application; the callback URL may differ.
// Metadata counts, so derive it from the order and not from the clock.
//
// The request's metadata gains the pair "idempotency_key", by which K2's result finds
// its way back; it counts as one of the five pairs.
//
// Keys work on IncomingPayments, SendMoney (Create, CreateAndWait and Sweep),
// PaymentLinks.Create and Reversals, and of version 1 on IncomingPayments, Payments
// and SettlementTransfers; the last carries no metadata, so what is in doubt there is
// settled by hand only. Elsewhere the option is a [*ValidationError] with
// [ErrNotSent]. Get and Wait ignore it.
func WithIdempotencyKey(key string) CallOption {
	return func(o *callOptions) { o.key, o.hasKey = key, true }
}

// maxKey is how long an idempotency key may be.
const maxKey = 128

// checkKey refuses what cannot be an idempotency key.
func checkKey(key string) error {
	v := validation{what: "idempotency key"}
	switch {
	case key == "":
		v.add("idempotency key", "is empty", nil)
	case len(key) > maxKey:
		v.add("idempotency key", "must be at most 128 characters", nil)
	case !isVisible(key):
		v.add("idempotency key", "must consist of visible ASCII characters", nil)
	}
	return v.err()
}

// isVisible reports whether a text is all visible ASCII, so without white space.
func isVisible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// unkeyed refuses an idempotency key where none can be kept.
func unkeyed(op string) error {
	v := validation{what: op}
	v.add("WithIdempotencyKey", "is for creates of payments, whose result comes back with it", nil)
	return v.err()
}

// IntentState is what is known of a request that was to be created under an
// idempotency key.
type IntentState string

// The states of an intent.
const (
	// IntentFree: nothing is under way under the key. The next create is sent.
	IntentFree IntentState = "free"
	// IntentSending: somebody is sending it, or was when the process ended. It is in
	// doubt once the lease of the sender has ended ([Intent.Alive] is false).
	IntentSending IntentState = "sending"
	// IntentInDoubt: K2 may have it, or not.
	IntentInDoubt IntentState = "in doubt"
	// IntentCreated: K2 has it. What became of the payment is not known yet. Where ID
	// is empty it was settled by hand, and K2's id is not known either.
	IntentCreated IntentState = "created"
	// IntentFinal: K2 had it, and what became of the payment is known.
	IntentFinal IntentState = "final"
)

// Intent is what was to be created under one idempotency key.
type Intent struct {
	Key       string            // The idempotency key.
	Digest    [sha256.Size]byte // Of the request, see [WithIdempotencyKey].
	Operation string            // What was to be created: the method and path, "POST /api/v2/send_money".
	Facts     string            // What K2's result has to agree with: JSON, in which names and numbers are hashed. A store has room for 64 KiB.
	State     IntentState       // What is known of it.
	Alive     bool              // State is IntentSending, and the sender's lease has not ended by the store's clock.
	ID        string            // K2's id, once it is known: at most 128 letters, digits, - and _.
	Location  string            // K2's Location header as it came, if there was one that is of visible ASCII and at most 2,000 characters.
	Token     string            // Who wrote it last: at most 64 letters and digits. Fences off those who come late.
	Created   time.Time         // When the key was taken, by the store's clock, to the millisecond or finer.
	Updated   time.Time         // When it was last written, likewise.
}

// inDoubt reports whether it is not known if K2 has the request.
func (i Intent) inDoubt() bool {
	return i.State == IntentInDoubt || i.State == IntentSending && !i.Alive
}

// created reports whether K2 has the request.
func (i Intent) created() bool { return i.State == IntentCreated || i.State == IntentFinal }

// routeOf is the route of a stored operation, "POST /api/v2/send_money". ok is false for
// what no path may be made of.
func (c *core) routeOf(operation string) (r route, ok bool) {
	_, collection, _ := strings.Cut(operation, " ")
	version, name, _ := strings.Cut(strings.TrimPrefix(collection, "/api/"), "/")
	r = routes(c, version)(strings.ReplaceAll(strings.TrimSuffix(name, "s"), "_", " "), name, outbound.Read, nil)
	return r, (version == "v1" || version == "v2") && isID(name) && r.path == collection
}

// known is the answer to a create whose key was used before for the same request.
func (i Intent) known(call *request) (Ref, error) {
	switch {
	case i.created() && i.ID != "":
		return Ref{ID: i.ID, Location: i.Location}, nil
	case i.created():
		return Ref{}, call.fail(outbound.Unknown, 0, ErrNoLocation)
	case i.State == IntentSending && i.Alive:
		return Ref{}, call.fail(outbound.Unknown, 0, ErrIntentBusy)
	}
	return Ref{}, call.fail(outbound.Unknown, 0, errInDoubt)
}

// IntentStore remembers what was to be created under which idempotency key. The
// default is a [MemoryIntents], which forgets when the process ends: for money use a
// store that is as durable as your orders. kopokopotest.TestIntentStore checks an
// implementation against this contract:
//
//   - A key is taken by one Begin at most until it is free again. Keys are compared
//     byte by byte.
//   - Every write is fenced: it succeeds only over the Token that the writer has seen.
//     A write that stands already, since its answer was lost, succeeds again.
//   - Leases are counted by the store's own clock, and never by the caller's.
//   - What is being sent or in doubt is never forgotten. What was created is kept for
//     30 days at least by a durable store.
//
// Methods are called from several goroutines at once. They have to honour the context.
type IntentStore interface {
	// Begin takes intent.Key if it is free: the intent is stored with
	// [IntentSending], the given Token and a lease, and returned so. Otherwise what
	// is stored under the key is returned as it is, and nothing is written. An error
	// says nothing of the key: it may have been taken, and is in doubt then once the
	// lease has ended. Nobody sends after an error.
	Begin(ctx context.Context, intent Intent, lease time.Duration) (Intent, error)
	// Update writes State, ID, Location and Token of intent over what is stored under
	// its key with the given token. A lease above 0 is for IntentSending: it begins
	// anew. [IntentFree] frees the key. If somebody else has written meanwhile the
	// error is [ErrLeaseLost], unless what stands there has intent's own Token.
	Update(ctx context.Context, token string, intent Intent, lease time.Duration) error
	// Get returns what is stored under a key. A key that nobody has taken is an
	// intent in state [IntentFree], without an error.
	Get(ctx context.Context, key string) (Intent, error)
	// List returns at most limit intents in a state whose keys come after a key, in
	// the order of their bytes; after is "" for the first. For [IntentInDoubt] it
	// lists those in state IntentSending too whose lease has ended.
	List(ctx context.Context, state IntentState, after string, limit int) ([]Intent, error)
}

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
	keys    []string  // of intents, in the order of their bytes
	created list.List // of *intentRecord: what may be forgotten one day, the oldest in front
}

// intentRecord is an intent and its place among those that may be forgotten.
type intentRecord struct {
	Intent
	until time.Time     // of the sender's lease
	place *list.Element // in created, nil if it must not be forgotten
}

// NewMemoryIntents returns a store for at most size intents (0 or less for 100,000),
// which remembers what was created for at least ttl (0 or less for 30 days).
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
	at, _ := slices.BinarySearch(m.keys, intent.Key)
	m.keys = slices.Insert(m.keys, at, intent.Key)
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
	case r.Token == intent.Token:
		return nil // written before
	case r.Token != token:
		return ErrLeaseLost
	}
	if intent.State == IntentFree {
		m.forget(r)
		return nil
	}
	now := time.Now()
	m.keep(r)
	r.State, r.ID, r.Location, r.Token, r.Updated = intent.State, intent.ID, intent.Location, intent.Token, now
	r.until = now.Add(lease)
	if r.created() {
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
	next, seen := slices.BinarySearch(m.keys, after)
	if seen {
		next++
	}
	var found []Intent
	for _, key := range m.keys[next:] {
		if len(found) >= limit {
			break
		}
		if intent := m.intents[key].at(now); intent.State == state || state == IntentInDoubt && intent.inDoubt() {
			found = append(found, intent)
		}
	}
	return found, nil
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

// keep takes a record from those that may be forgotten.
func (m *MemoryIntents) keep(r *intentRecord) {
	if r.place != nil {
		m.created.Remove(r.place)
		r.place = nil
	}
}

// forget drops a record.
func (m *MemoryIntents) forget(r *intentRecord) {
	m.keep(r)
	delete(m.intents, r.Key)
	if at, found := slices.BinarySearch(m.keys, r.Key); found {
		m.keys = slices.Delete(m.keys, at, at+1)
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
		m.forget(r)
	}
	return true
}
