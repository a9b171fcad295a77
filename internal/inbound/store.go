package inbound

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLeaseLost is a Commit's error for a claim that somebody else has taken over.
var ErrLeaseLost = errors.New("the claim's lease was lost")

// State is what a claim found.
type State int

// The states of a claim.
const (
	Fresh State = 1 + iota // The claim is ours: do the work.
	Busy                   // Somebody else has it.
	Done                   // The work is done.
)

// Standing is what the engine knows of a claim.
type Standing struct {
	State    State
	Revision int // 1 for the first body under a key.
	Claim    any // The store's own claim.
}

// Store is a store of claims of any type: make one with Over.
type Store struct {
	claim func(ctx context.Context, key string, digest [32]byte, lease time.Duration) (held, error)
}

// held is a claim and what can be done with it.
type held struct {
	Standing
	commit, release func(context.Context) error
}

// Claims is what a package's own store interface looks like; C is its claim.
type Claims[C any] interface {
	Claim(ctx context.Context, key string, digest [32]byte, lease time.Duration) (C, error)
	Commit(ctx context.Context, claim C) error
	Release(ctx context.Context, claim C) error
}

// Over makes a Store of a package's own.
func Over[C any](store Claims[C], read func(C) (State, int)) Store {
	return Store{claim: func(ctx context.Context, key string, digest [32]byte, lease time.Duration) (held, error) {
		claim, err := store.Claim(ctx, key, digest, lease)
		if err != nil {
			return held{}, err
		}
		state, revision := read(claim)
		revision = max(1, revision)
		if state < Fresh || state > Done {
			return held{}, fmt.Errorf("claim is in state %d, which does not exist", state)
		}
		return held{
			Standing: Standing{State: state, Revision: revision, Claim: claim},
			commit:   func(ctx context.Context) error { return store.Commit(ctx, claim) },
			release:  func(ctx context.Context) error { return store.Release(ctx, claim) },
		}, nil
	}}
}

// claimKey is the key of the claim in the context of the work.
type claimKey struct{}

// ClaimFrom returns the store's claim under which work is done, or nil.
func ClaimFrom(ctx context.Context) any { return ctx.Value(claimKey{}) }
