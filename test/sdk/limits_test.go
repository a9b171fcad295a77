package sdk_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The longest durations there are mean "as good as for ever", and do not turn into
// none where one is added to or doubled.
func TestTheLongestDurations(t *testing.T) {
	t.Parallel()
	for _, longest := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64/2 + 1, math.MaxInt64 / 2} {
		far := newFarSide(t, created)
		cfg := far.Config()
		cfg.Timeout, cfg.IdleConnTimeout = longest, longest
		sdk := kopokopo.NewSDK(cfg)
		for _, create := range creates {
			id, err := create.Call(sdk, testToken)
			require.NoError(t, err, "%s with %v", create.Name, longest)
			assert.Equal(t, testID, id)
		}
		require.NoError(t, sdk.RevokeToken(testToken))
		assert.Len(t, far.Seen(), len(creates)+1)

		client, err := kopokopo.New(cfg)
		require.NoError(t, err)
		_, err = client.V1.Payments.Create(t.Context(), validPayment(), kopokopo.WithToken(testToken))
		require.NoError(t, err)
		require.NoError(t, client.Close())
	}
}
