package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k2 := kopokopotest.NewInMemoryServer()
		defer k2.Close()
		var out strings.Builder
		require.NoError(t, run(t.Context(), k2.Config(), &out))
		assert.Equal(t, `The customer has paid KES 1500.0
K2 says Processed, and the money did not go back: [The balance is insufficient for the transaction]
K2 says Processed, and KES 1500.0 went back
`, out.String())
	})
}
