package api_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The longest limit there is means "as long as it takes".
func TestTheLongestWaitLimit(t *testing.T) {
	t.Parallel()
	for _, longest := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 2} {
		watch(t, []oneLook{found("Pending"), refusing(503), found("Pending"), found("Success")}, func(t *testing.T, client *kopokopo.Client, l *looks) {
			doc, err := client.IncomingPayments.Wait(t.Context(), testID, kopokopo.WithWaitLimit(longest))
			require.NoError(t, err)
			assert.Equal(t, kopokopo.OutcomeSucceeded, doc.Attributes.Outcome())
			assert.Equal(t, 4*time.Second, l.at[0])
		})
	}
}
