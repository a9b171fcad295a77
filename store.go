package kopokopo

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/inbound"
)

// DeliveryStore remembers which deliveries were handled. A [Handler] claims a
// delivery before it calls your function, commits the claim when the function has
// succeeded, and releases it when it has not.
//
// The default is a [MemoryStore], which forgets everything when the process ends:
// then a delivery that K2 repeats is handled again. For money use a store that is
// as durable as your ledger. kopokopotest.TestStore checks an implementation
// against this contract:
//
//   - There is never more than one live claim on a key. A claim lives until it is
//     committed or released, or its lease has ended.
//   - A delivery is a key and the SHA-256 of its body. Once committed it stays
//     [ClaimDone]: a claim on the same key and digest never is fresh again, for as
//     long as the store promises to remember.
//   - Another digest under a key with committed deliveries is fresh, with a
//     Revision one higher than theirs.
//
// A store is one set of handled deliveries. Handlers with different functions need
// one each.
//
// Methods are called from several goroutines at once. They have to honour the
// context; an error of any of them makes the handler answer 503, so that K2
// delivers again.
type DeliveryStore interface {
	// Claim takes the delivery if nobody has it. Only with State [ClaimFresh] is
	// there anything to commit or release. An error means that nothing was claimed.
	Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (Claim, error)
	// Commit marks a fresh claim as done. It fails with [ErrLeaseLost] if the lease
	// has ended and another claim was made since. Committing what was committed
	// under the same Token is no error: a function may commit by itself, in the
	// transaction of its own work (see [ClaimFrom]).
	Commit(ctx context.Context, claim Claim) error
	// Release gives a fresh claim up, so that the delivery can be claimed again at
	// once. A claim that was lost or committed is left as it is, without an error.
	Release(ctx context.Context, claim Claim) error
}

// ErrLeaseLost means that a delivery was claimed again while it was in work,
// because the work took longer than the lease.
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

// Claim is the answer of [DeliveryStore.Claim], and what is committed or released.
type Claim struct {
	Key      string            // [Notification.Key].
	Digest   [sha256.Size]byte // SHA-256 of the body.
	State    ClaimState        // What was found.
	Revision int               // 1 for the first body under the key, one more for each other body.
	Token    int64             // Fences off late owners: each fresh claim on a key has a higher one.
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
