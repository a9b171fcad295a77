// Package payroll pays many people at once, tells who got the money, and pays those again
// who definitely did not. It keeps no list of what it has done: that stands in the intents
// (Config.Intents), under keys that are the same in every run. So it can be killed anywhere
// and run again, and nobody is paid twice, as long as the intents outlive the kill. In
// memory they do not.
package payroll

import (
	"context"
	"fmt"

	"github.com/kopokopo-go/kopokopo"
)

// Payroll is one payment to each of several people. For one Name it must not change: the
// key stands for this very list, and another one is ErrKeyReused.
type Payroll struct {
	Client *kopokopo.Client
	Name   string                          // "2026-03"
	Rows   []kopokopo.SendMoneyDestination // who gets how much
	Tries  int                             // how often to pay somebody again who did not get it

	// Book writes a movement of money down once by its Key. Optional.
	Book func(ctx context.Context, e kopokopo.LedgerEntry) error
}

// Line is how it stands with one row. Its Destination says whose it is.
type Line struct {
	kopokopo.SendMoneyResult
	Try    int   // 0 for the payment together with all others, then counting those alone
	Err    error // what went wrong in asking: the next run asks again, under the same key
	unpaid kopokopo.SendMoneyDestination
}

// Run pays what is to be paid now and tells how each row stands; without lines nothing is
// known yet. It never waits for Kopo Kopo to be done: run it again while rows are pending,
// and after an error, which has no lines either.
func (p *Payroll) Run(ctx context.Context) ([]Line, error) {
	// Kopo Kopo sees the request of this key once, whoever runs this and how often.
	first, err := p.Client.SendMoney.Create(ctx, kopokopo.SendMoneyReq{
		Destinations: p.Rows,
		Metadata:     map[string]any{"payroll": p.Name},
	}, kopokopo.WithIdempotencyKey("payroll/"+p.Name))
	if err != nil {
		return nil, err
	}
	lines, err := p.look(ctx, first, 0)
	for i, line := range lines {
		// One that is pending may still arrive, and one that arrived in part is for a person
		// to look at.
		for line.Outcome == kopokopo.OutcomeFailed && line.Try < p.Tries {
			line = p.again(ctx, first, line)
		}
		lines[i] = line
	}
	return lines, err
}

// again pays one row that failed, alone.
func (p *Payroll) again(ctx context.Context, first kopokopo.Ref, failed Line) Line {
	index, try := failed.Index, failed.Try+1
	pending := Line{SendMoneyResult: kopokopo.SendMoneyResult{Index: index, Destination: failed.Destination}, Try: try}
	// The key names payment, row and try, and not which others failed: they may get more.
	ref, err := p.Client.SendMoney.Create(ctx, kopokopo.SendMoneyReq{
		Destinations: []kopokopo.SendMoneyDestination{failed.unpaid},
		Metadata:     map[string]any{"payroll": p.Name},
	}, kopokopo.WithIdempotencyKey(fmt.Sprintf("%s/%d/%d", first.ID, index, try)))
	if err != nil {
		pending.Err = err // it may have been sent
		return pending
	}
	lines, err := p.look(ctx, ref, try)
	if err != nil || len(lines) != 1 {
		pending.Err = err
		return pending
	}
	lines[0].Index = index
	return lines[0]
}

// look reads a payment as it stands, and books what has moved: FollowUp gives a result to
// the webhook handler once it is final, and one row that is pending for weeks keeps it from
// being that.
func (p *Payroll) look(ctx context.Context, ref kopokopo.Ref, try int) (lines []Line, err error) {
	payment, err := p.Client.SendMoney.Get(ctx, ref.ID)
	if err != nil {
		return nil, err
	}
	entries, _ := payment.Attributes.Entries() // a row that is undecided is pending
	for i := 0; i < len(entries) && p.Book != nil; i++ {
		if err := p.Book(ctx, entries[i]); err != nil {
			return nil, err
		}
	}
	unpaid := payment.Attributes.Unpaid() // in the order of the results that failed
	for _, result := range payment.Attributes.Results() {
		line := Line{SendMoneyResult: result, Try: try}
		if result.Outcome == kopokopo.OutcomeFailed {
			line.unpaid, unpaid = unpaid[0], unpaid[1:]
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// Done reports whether it is known of each row what became of it.
func Done(lines []Line) bool {
	for _, line := range lines {
		if line.Outcome == kopokopo.OutcomePending {
			return false
		}
	}
	return len(lines) > 0
}
