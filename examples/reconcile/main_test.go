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
		assert.Equal(t, `KES 1500.0: order 1001
KES 250.5: order 1002
KES 99.0: not in the books
never paid: order 1003
in all KES 1849.50
`, out.String())
	})
}
