// Package ledger_test holds the black-box tests of ledger entries: what each shape
// that K2 tells of money in moves, and that all of them together come to what moved.
package ledger_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// sample reads one of the documents on record.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	return payloads.Read(name)
}

// parse reads a body that is a notification.
func parse(t testing.TB, body []byte) *kopokopo.Notification {
	t.Helper()
	n, err := kopokopo.ParseEvent(body)
	require.NoError(t, err, "%s", body)
	return n
}

// lines writes entries one a line, with what a ledger stores of them.
func lines(entries []kopokopo.LedgerEntry) []string {
	var out []string
	for _, e := range entries {
		line := fmt.Sprintf("%s %s %s %s %s", e.Key, e.Kind, e.Direction, e.Amount.Value, e.Amount.Currency)
		if e.Reverses != "" {
			line += " of " + e.Reverses
		}
		out = append(out, line)
	}
	return out
}

// requireEntries holds that a document moves just this, and whether anything in it is
// undecided.
func requireEntries(t *testing.T, from mover, undecided bool, want ...string) {
	t.Helper()
	entries, err := from.Entries()
	assert.Equal(t, want, lines(entries))
	if undecided {
		assert.ErrorIs(t, err, kopokopo.ErrUndecided)
	} else {
		assert.NoError(t, err)
	}
}

// mover is what tells of money that moved.
type mover interface {
	Entries() ([]kopokopo.LedgerEntry, error)
}

// Everything that moves money has the method.
var _ = []mover{
	(*kopokopo.Notification)(nil), kopokopo.IncomingPayment{}, kopokopo.SendMoney{}, kopokopo.Payment{}, kopokopo.SettlementTransfer{},
	kopokopo.Reversal{}, kopokopo.PaymentLink{}, kopokopo.Polling{}, kopokopo.Transaction{},
	kopokopo.TransactionEvent{}, kopokopo.SettlementEvent{}, kopokopo.DarajaEvent{},
}

// decimal is an amount.
func decimal(text string) kopokopo.Decimal {
	var d kopokopo.Decimal
	if err := d.UnmarshalJSON([]byte(`"` + text + `"`)); err != nil {
		panic(err)
	}
	return d
}
