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
		require.NoError(t, run(t.Context(), k2, &out))
		assert.Equal(t, `Made a link for KES 2500, paid: false
The customer followed it, paid: true
A second link is now Cancelled
`, out.String())
	})
}
