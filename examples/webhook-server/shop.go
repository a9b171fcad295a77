package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/kopokopo-go/kopokopo"
)

// shop is a merchant's backend, as far as this program needs one.
type shop struct {
	mu     sync.Mutex
	ledger map[string]kopokopo.LedgerEntry // by Key: a unique index, in a database
}

func newShop() *shop { return &shop{ledger: map[string]kopokopo.LedgerEntry{}} }

// receive is called for each delivery that is verified and new. What it returns
// decides: nil is acknowledged, an error makes Kopo Kopo deliver again. What is
// certain is booked before anything undecided is reported.
func (s *shop) receive(_ context.Context, n *kopokopo.Notification) error {
	if n.KeyIndex > 0 {
		fmt.Println("   (signed with the old key: the rotation is not over)")
	}
	entries, undecided := n.Entries()
	if len(entries) == 0 {
		fmt.Println("   no money moved by", n.Topic)
	}
	for _, e := range entries {
		s.book(e, n.Topic)
	}
	return undecided // somebody has to look at it
}

// book writes a movement down once, whatever tells of it: an STK push comes as a
// result and as an event, with one key. A reversal is a movement of its own, and may
// be told of before its payment.
func (s *shop) book(e kopokopo.LedgerEntry, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.ledger[e.Key]; known {
		fmt.Println("   known already, by", by)
		return
	}
	s.ledger[e.Key] = e
	fmt.Printf("   %s: %s of KES %s, by %s\n", e.Kind, e.Direction, e.Amount.Value, by)
}

// balance is the sum of the ledger, in cents.
func (s *shop) balance() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var cents int64
	for _, e := range s.ledger {
		cents += e.Minor()
	}
	return cents
}
