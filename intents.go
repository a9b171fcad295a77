package kopokopo

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"time"
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
	ErrIntentsFull = errors.New("intent store: full")
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
	Facts     string            // What K2's result has to agree with, at most 64 KiB of JSON. Names and numbers in it are hashed.
	State     IntentState       // What is known of it.
	Alive     bool              // State is IntentSending, and the sender's lease has not ended by the store's clock.
	ID        string            // K2's id, once it is known.
	Location  string            // K2's Location header as it came, if there was one.
	Token     string            // Who wrote it last. Fences off those who come late.
	Created   time.Time         // When the key was first taken, by the store's clock.
	Updated   time.Time         // When it was last written, by the store's clock.
}

// inDoubt reports whether it is not known if K2 has the request.
func (i Intent) inDoubt() bool {
	return i.State == IntentInDoubt || i.State == IntentSending && !i.Alive
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
	// is stored under the key is returned as it is, and nothing is written. If the
	// store fails nobody may send, so an error must mean nothing: the key may have
	// been taken, and is in doubt once the lease has ended.
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

// Intents shows what was created under idempotency keys, and settles by hand what is
// in doubt. It is safe for concurrent use.
type Intents struct{ core *core }

// Get returns what is known of a key. One that was never used, or was freed, is an
// intent in state [IntentFree].
func (i *Intents) Get(ctx context.Context, key string) (Intent, error) {
	const op = "get intent"
	if err := i.check(key); err != nil {
		return Intent{}, &CallError{Op: op, Err: err}
	}
	intent, err := i.core.intents.get(ctx, key)
	if err != nil {
		return Intent{}, &CallError{Op: op, Err: err, IdempotencyKey: key}
	}
	return intent, nil
}

// InDoubt lists the keys of which it is not known whether K2 has the request: look
// them up in the dashboard or with [Client.FindPayments], and settle each by hand. Most
// settle by themselves, when K2's result arrives at a [Handler] of this client. The
// sequence ends with the first error.
func (i *Intents) InDoubt(ctx context.Context) iter.Seq2[Intent, error] {
	return i.list(ctx, IntentInDoubt)
}

// Unfinished lists what was created and is not final: payments whose result has not
// reached a [Handler] of this client. [Client.FollowUp] looks after them. The
// sequence ends with the first error.
func (i *Intents) Unfinished(ctx context.Context) iter.Seq2[Intent, error] {
	return i.list(ctx, IntentCreated)
}

// intentsPage is how many intents are asked for at once.
const intentsPage = 100

// list pages through a state.
func (i *Intents) list(ctx context.Context, state IntentState) iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		const op = "list intents"
		if i == nil || i.core == nil {
			yield(Intent{}, &CallError{Op: op, Err: errNotMade})
			return
		}
		for after := ""; ; {
			page, err := i.core.intents.list(ctx, state, after, intentsPage)
			if err != nil {
				yield(Intent{}, &CallError{Op: op, Err: err})
				return
			}
			for _, intent := range page {
				if after = intent.Key; !yield(intent, nil) {
					return
				}
			}
			if len(page) < intentsPage {
				return
			}
		}
	}
}

// SettleCreated records by hand that K2 has the request of a key: with its id, or with
// "" where it is not known. From then on a create under the key returns that id, or
// fails with [ErrOutcomeUnknown] and [ErrNoLocation]; nothing is sent. It is refused
// with [ErrIntentBusy] while a sender is at work, and with a [*ValidationError] for a
// key that is not in doubt (an id may be added to a created one that has none).
func (i *Intents) SettleCreated(ctx context.Context, key, id string) error {
	return i.settle(ctx, "settle intent as created", key, func(v *validation, intent *Intent) {
		v.check(id == "" || isID(id), "id", "is not an id (letters, digits, - and _)")
		if !(intent.State == IntentCreated && intent.ID == "" && id != "") {
			v.check(intent.inDoubt(), "key", "is not in doubt: it is "+string(intent.State))
		}
		intent.State, intent.ID = IntentCreated, id
	})
}

// SettleNotCreated records by hand that K2 does not have the request of a key, which is
// free then: the next create under it is sent. Be certain, since it may pay. It is
// refused with [ErrIntentBusy] while a sender is at work, and with a
// [*ValidationError] for a key that is not in doubt.
func (i *Intents) SettleNotCreated(ctx context.Context, key string) error {
	return i.settle(ctx, "settle intent as not created", key, func(v *validation, intent *Intent) {
		v.check(intent.inDoubt(), "key", "is not in doubt: it is "+string(intent.State))
		intent.State = IntentFree
	})
}

// SettleFinal records by hand that it is known what became of the payment of a key, so
// that [Client.FollowUp] need not look after it any more. It is refused with a
// [*ValidationError] for a key whose request was not created.
func (i *Intents) SettleFinal(ctx context.Context, key string) error {
	return i.settle(ctx, "settle intent as final", key, func(v *validation, intent *Intent) {
		v.check(intent.State == IntentCreated || intent.State == IntentFinal, "key", "was not created: it is "+string(intent.State))
		intent.State = IntentFinal
	})
}

// settle changes an intent by hand.
func (i *Intents) settle(ctx context.Context, op, key string, change func(*validation, *Intent)) error {
	if err := i.check(key); err != nil {
		return &CallError{Op: op, Err: err}
	}
	intent, err := i.core.intents.get(ctx, key)
	if err == nil && intent.State == IntentSending && intent.Alive {
		err = ErrIntentBusy
	}
	if err == nil {
		v, changed := validation{what: "intent"}, intent
		change(&v, &changed)
		if err = v.err(); err == nil {
			err = i.core.intents.update(ctx, intent.Token, changed, 0)
		}
	}
	if err != nil {
		return &CallError{Op: op, Err: err, IdempotencyKey: key}
	}
	return nil
}

// check refuses a key that cannot be one.
func (i *Intents) check(key string) error {
	if i == nil || i.core == nil {
		return errNotMade
	}
	return checkKey(key)
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
