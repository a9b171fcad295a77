package inbound

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLeaseLost is a store's error for a claim that somebody else has taken over.
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
type Store interface {
	claim(ctx context.Context, key string, digest [32]byte, lease time.Duration) (Standing, error)
	extend(ctx context.Context, claim any, lease time.Duration) error
	commit(ctx context.Context, claim any) error
	release(ctx context.Context, claim any) error
}

// Claims is what a package's own store interface looks like; C is its claim.
type Claims[C any] interface {
	Claim(ctx context.Context, key string, digest [32]byte, lease time.Duration) (C, error)
	Extend(ctx context.Context, claim C, lease time.Duration) error
	Commit(ctx context.Context, claim C) error
	Release(ctx context.Context, claim C) error
}

// Over makes a Store of a package's own.
func Over[C any](store Claims[C], read func(C) (State, int)) Store { return over[C]{store, read} }

// over takes the claims it has handed out back as they were.
type over[C any] struct {
	store Claims[C]
	read  func(C) (State, int)
}

func (o over[C]) claim(ctx context.Context, key string, digest [32]byte, lease time.Duration) (Standing, error) {
	claim, err := o.store.Claim(ctx, key, digest, lease)
	if err != nil {
		return Standing{}, err
	}
	state, revision := o.read(claim)
	if state < Fresh || state > Done {
		return Standing{}, fmt.Errorf("claim is in state %d, which does not exist", state)
	}
	return Standing{State: state, Revision: max(1, revision), Claim: claim}, nil
}

func (o over[C]) extend(ctx context.Context, claim any, lease time.Duration) error {
	return o.store.Extend(ctx, claim.(C), lease)
}

func (o over[C]) commit(ctx context.Context, claim any) error {
	return o.store.Commit(ctx, claim.(C))
}

func (o over[C]) release(ctx context.Context, claim any) error {
	return o.store.Release(ctx, claim.(C))
}

// claimKey is the key of the claim in the context of the work.
type claimKey struct{}

// ClaimFrom returns the store's claim under which work is done, or nil.
func ClaimFrom(ctx context.Context) any { return ctx.Value(claimKey{}) }
