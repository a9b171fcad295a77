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
		assert.Equal(t, `K2 has accepted the payments.
All in all: partial
  mobile_wallet KES 15000.0: Transferred 
  mobile_wallet KES 12000.0: Cancelled The balance is insufficient for the transaction
  paybill KES 2300.0: Transferred 
`, out.String())
	})
}
