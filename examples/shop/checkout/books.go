package checkout

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/kopokopo-go/kopokopo"
)

// Order is what a customer pays for.
type Order struct {
	ID, Till, Phone, Price string
	Attempt                int                  // by which the customer is asked, from 1
	Declined               kopokopo.FailureCode // why the attempt before it failed
	Receipt                string               // once it is paid
}

// Books are the shop's database. Every write can be repeated, and is one transaction.
type Books interface {
	Order(ctx context.Context, id string) (Order, error)
	// Result sets an order's receipt or, without one, moves it on to its next attempt if it
	// still is at this one. An order that is not there is another shop's, and no error.
	Result(ctx context.Context, id, attempt, receipt string, declined kopokopo.FailureCode) error
	// Book writes a movement of money down: INSERT … ON CONFLICT (key) DO NOTHING.
	Book(ctx context.Context, e kopokopo.LedgerEntry) error
}

// Memory is Books that are gone when the program ends.
type Memory struct {
	mu     sync.Mutex
	Orders map[string]Order
	Ledger map[string]kopokopo.LedgerEntry // by Key
}

// Order implements [Books].
func (m *Memory) Order(_ context.Context, id string) (Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if order, ok := m.Orders[id]; ok {
		return order, nil
	}
	return Order{}, fmt.Errorf("there is no order %q", id)
}

// Result implements [Books].
func (m *Memory) Result(_ context.Context, id, attempt, receipt string, declined kopokopo.FailureCode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	order, ok := m.Orders[id]
	if receipt != "" {
		order.Receipt = receipt
	} else if strconv.Itoa(order.Attempt) == attempt {
		order.Attempt, order.Declined = order.Attempt+1, declined
	}
	if ok {
		m.Orders[id] = order
	}
	return nil
}

// Book implements [Books].
func (m *Memory) Book(_ context.Context, e kopokopo.LedgerEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Ledger[e.Key] = e
	return nil
}

// Balance is what the ledger comes to, in cents.
func (m *Memory) Balance() (cents int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.Ledger {
		cents += e.Minor()
	}
	return cents
}
