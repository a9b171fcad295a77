package survival_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/examples/shop/checkout"
)

// survive lets a world have its mishaps, then gives it calm to come to an end, and returns
// what is wrong in it.
func survive(s scenario, t *tally) (wrong []string) {
	w, err := open(s, t)
	defer w.close()
	if err == nil {
		_, err = w.begin()
	}
	for second := 0; err == nil && second < s.seconds; second++ {
		err = w.revive()
		w.press(second)
		time.Sleep(time.Second)
	}
	if err != nil {
		return []string{err.Error()}
	}
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	if err := w.settle(); err != nil {
		return []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Minute)
	defer cancel()
	if err := w.k2.WaitIdle(ctx); err != nil {
		wrong = append(wrong, "Kopo Kopo is still at work")
	}
	return append(wrong, w.verdict()...)
}

// revive starts the program again a while after it was abandoned.
func (w *world) revive() error {
	if w.alive() != nil {
		return nil
	}
	w.tally.add("crashes", 1)
	time.Sleep(w.dice.wait(25*time.Second, "down", w.lives))
	_, err := w.begin()
	return err
}

// press has customers press the button of their orders, some of them several times at
// once, or on a page that is old.
func (w *world) press(second int) {
	for i := range w.orders {
		question := []any{"press", i, second}
		order := w.order(i)
		if order.Receipt != "" || w.dice.roll(question...) > 0.15 {
			continue
		}
		attempt := order.Attempt
		if w.dice.roll(append(question, "old")...) < 0.2 {
			attempt = max(attempt-1, 1)
		}
		times := 1 + int(w.dice.roll(append(question, "times")...)*3)
		w.tally.add("presses", times)
		for n := range times {
			go func() {
				time.Sleep(w.dice.wait(2*time.Second, append(question, n)...))
				w.visit("POST", fmt.Sprint("/orders/", order.ID, "/payments/", attempt))
			}()
		}
	}
}

// visit asks the program for a page, if it is alive.
func (w *world) visit(method, path string) string {
	if l := w.alive(); l != nil {
		text, _ := l.visit(method, path)
		return text
	}
	return ""
}

// settle lets everything come to an end: what is on its way arrives, somebody settles what
// is in doubt, and customers go on until they have paid.
func (w *world) settle() error {
	for round := range w.rounds {
		if err := w.revive(); err != nil {
			return err
		}
		time.Sleep(30 * time.Second)
		if round == 0 || round < 4 && w.faults {
			continue // what is late arrives, leases end, results settle what they can
		}
		if err := w.settleDoubts(); err != nil {
			return err
		}
		done := w.settledRows()
		for i := range w.orders {
			if order := w.order(i); order.Receipt == "" {
				done = false
				w.visit("POST", fmt.Sprint("/orders/", order.ID, "/payments/", order.Attempt))
			}
		}
		if done {
			break
		}
	}
	return nil
}

// settleDoubts does what the staff does: it looks at Kopo Kopo's dashboard for
// what the shop has in doubt.
func (w *world) settleDoubts() error {
	intents := w.life.shop.Client.Intents
	for key := range strings.Lines(w.visit("GET", "/doubts")) {
		key = strings.TrimSpace(key)
		ids := w.createdUnder(w.stable(key))
		w.tally.add("settled by hand", 1)
		var err error
		if len(ids) == 0 {
			err = intents.SettleNotCreated(w.ctx, key)
		} else {
			err = intents.SettleCreated(w.ctx, key, ids[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) order(i int) checkout.Order {
	order, _ := w.memory.Order(w.ctx, fmt.Sprint("order", i))
	return order
}

// settledRows reports whether the payroll knows of each row what became of it, but for the
// one of which nobody ever will.
func (w *world) settledRows() bool {
	l := w.alive()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line.Outcome == kopokopo.OutcomePending && line.Index != 1 {
			return false
		}
	}
	return len(l.lines) == w.scenario.rows
}

// verdict holds what the program believes against what Kopo Kopo did.
func (w *world) verdict() (wrong []string) {
	find := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(w.ids)) {
		find(len(w.ids[key]) == 1, "%s: created %d times", key, len(w.ids[key]))
	}
	find(!w.log.contains("twice"), "the log tells of something that was done twice")
	moved := w.wrongOrders(find) - w.wrongRows(find)
	balance, err := w.k2.Balance().Minor()
	find(err == nil && balance-100_000_00 == moved, "the balance moved by %d cents, and %d were counted", balance-100_000_00, moved)
	find(w.memory.Balance() == moved, "%d cents moved, and %d are booked", moved, w.memory.Balance())
	return wrong
}

// wrongOrders finds orders that were not paid once, and returns the cents that came in.
func (w *world) wrongOrders(find func(bool, string, ...any)) (cents int64) {
	for i := range w.orders {
		order := w.order(i)
		cents += inCents(order.Price) * int64(w.charged[order.ID])
		find(w.charged[order.ID] == 1, "%s: charged %d times", order.ID, w.charged[order.ID])
		find(order.Receipt != "", "%s: has no receipt", order.ID)
	}
	return cents
}

// wrongRows finds people who were not paid as often as they should, or of whom the payroll
// believes something else, and returns the cents that went out.
func (w *world) wrongRows(find func(bool, string, ...any)) (cents int64) {
	due, believed := map[string]int{}, map[string]int{}
	rows, l := w.rows(), w.life
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, row := range rows {
		if row.PhoneNumber != failing && row.PhoneNumber != unknown {
			due[row.PhoneNumber]++
		}
		if i < len(l.lines) && l.lines[i].Outcome == kopokopo.OutcomeSucceeded {
			believed[row.PhoneNumber]++
		}
	}
	for i := range rows[1:] { // the last two are one person
		phone := rowPhone(i)
		cents += inCents(rows[i].Amount.Value) * int64(w.paid[phone])
		find(w.paid[phone] == due[phone], "row %d: paid %d times in place of %d", i, w.paid[phone], due[phone])
		find(believed[phone] == w.paid[phone], "row %d: paid %d times, and %d are believed", i, w.paid[phone], believed[phone])
	}
	return cents
}

func inCents(shillings string) int64 {
	amount, err := kopokopo.ParseDecimal(shillings)
	if err != nil {
		panic(err)
	}
	cents, err := amount.Minor()
	if err != nil {
		panic(err)
	}
	return cents
}
