package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/kopokopo-go/kopokopo"
)

// shop is a merchant's backend, as far as this program needs one.
type shop struct {
	mu     sync.Mutex
	ledger map[string]kopokopo.Decimal // by M-PESA receipt: a unique index, in a database
	gone   map[string]bool             // receipts of payments that were given back
}

func newShop() *shop {
	return &shop{ledger: map[string]kopokopo.Decimal{}, gone: map[string]bool{}}
}

// receive is called for each delivery that is verified and new. What it returns
// decides: nil is acknowledged, an error makes Kopo Kopo deliver again.
func (s *shop) receive(_ context.Context, n *kopokopo.Notification) error {
	if n.KeyIndex > 0 {
		fmt.Println("   (signed with the old key: the rotation is not over)")
	}
	switch p := n.Payload.(type) {
	case *kopokopo.TransactionEvent:
		switch n.Topic {
		case kopokopo.TopicBuygoodsReceived, kopokopo.TopicB2BReceived:
			return s.credit(n.Reference, p.Amount, "event")
		case kopokopo.TopicBuygoodsReversed, kopokopo.TopicB2BReversed:
			return s.reverse(n.Reference)
		}
	case *kopokopo.Document[kopokopo.IncomingPayment]:
		switch p.Attributes.Outcome() {
		case kopokopo.OutcomeSucceeded:
			if r := p.Attributes.Event.Resource; r != nil {
				return s.credit(r.Reference, r.Amount, "result")
			}
		case kopokopo.OutcomeFailed:
			fmt.Println("   the customer did not pay:", p.Attributes.Reasons())
		}
	default:
		fmt.Println("   nothing to do for", n.Topic)
	}
	return nil
}

// credit books a payment once, whatever it is reported by: an STK push comes as a
// result and as an event, with one receipt.
func (s *shop) credit(receipt string, amount kopokopo.Decimal, by string) error {
	if receipt == "" {
		return errors.New("a payment without a receipt") // look at it by hand
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.ledger[receipt]; known {
		fmt.Println("   known already, by the", by)
		return nil
	}
	s.ledger[receipt] = amount
	fmt.Println("   credited KES", amount, "by the", by)
	return nil
}

// reverse takes a payment back. It may be reported before the payment itself is.
func (s *shop) reverse(receipt string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone[receipt] = true
	fmt.Println("   reversed")
	return nil
}
