package kopokopo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What K2 lists long before its time has to wait for it, and not without a bound. So
// many transactions take too long to list in every run of the tests.
func TestTransactionsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, eastAfrica)
	r := reader{client: &Client{}, held: make([]found, maxHeld+1)}
	err := r.read(t.Context(), from, from.Add(time.Hour))
	require.ErrorIs(t, err, ErrResponse)
	assert.ErrorContains(t, err, "more than 262144 transactions wait for earlier ones: Lateness is too long")

	r.held = r.held[:maxHeld]
	err = r.read(t.Context(), from, from.Add(time.Hour))
	require.ErrorIs(t, err, errNotMade, "K2 is asked, by a client that cannot")
}
