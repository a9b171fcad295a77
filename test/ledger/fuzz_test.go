package ledger_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// FuzzEntries gives any bytes to the parser and asks what they move. It never panics;
// every entry has a key of at most 255 printable ASCII characters, each another, and
// moves more than zero; the error is ErrUndecided or none, in a short text; and the
// same body moves the same twice, also as a sample, but for its keys.
func FuzzEntries(f *testing.F) {
	for _, name := range payloads.Names("*.json") {
		f.Add(payloads.Read(name))
	}
	for _, golden := range goldenKeys {
		f.Add([]byte(golden.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := kopokopo.ParseEvent(body)
		if err != nil {
			return
		}
		entries, err := n.Entries()
		again, errAgain := parse(t, body).Entries()
		require.Equal(t, entries, again)
		require.Equal(t, err, errAgain)
		if err != nil {
			require.ErrorIs(t, err, kopokopo.ErrUndecided)
			require.Less(t, len(err.Error()), 400)
		}
		seen := map[string]bool{}
		for _, e := range entries {
			requireSound(t, e)
			require.False(t, seen[e.Key], "%s is there twice", e.Key)
			seen[e.Key] = true
		}
		n.Sample = true
		marked, _ := n.Entries()
		require.Len(t, marked, len(entries))
		for i, e := range marked {
			require.True(t, strings.HasPrefix(e.Key, "sample:"))
			require.Equal(t, entries[i].Minor(), e.Minor())
		}
	})
}

// requireSound holds what is true of every entry.
func requireSound(t *testing.T, e kopokopo.LedgerEntry) {
	t.Helper()
	require.LessOrEqual(t, len(e.Key), 255)
	for _, key := range []string{e.Key, e.Reverses} {
		require.False(t, strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }), "%q", key)
	}
	sign, err := e.Amount.Value.Sign()
	require.NoError(t, err)
	require.Positive(t, sign)
	require.Regexp(t, `^[A-Z]{3}$`, e.Amount.Currency)
	require.NotZero(t, e.Minor())
	require.Equal(t, e.Direction == kopokopo.Debit, e.Minor() < 0)
	prefix := map[kopokopo.EntryKind]string{kopokopo.EntryPayment: "credit:", kopokopo.EntryPayout: "debit:", kopokopo.EntrySettlement: "debit:", kopokopo.EntryReversal: "reversal:"}[e.Kind]
	require.NotEmpty(t, prefix)
	require.True(t, strings.HasPrefix(e.Key, prefix) || strings.HasPrefix(e.Key, "sample:"+prefix), e.Key)
	require.Equal(t, e.Kind == kopokopo.EntryReversal, e.Reverses != "")
	require.Equal(t, e.Kind == kopokopo.EntryPayment, e.Direction == kopokopo.Credit)
}
