package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestDemonstrate(t *testing.T) {
	k2 := kopokopotest.NewServer(kopokopotest.WithOutcome(decide), kopokopotest.WithDelivery(deliver))
	defer k2.Close()
	var out strings.Builder
	require.NoError(t, demonstrate(t.Context(), k2, &out))
	assert.Equal(t, `Ann presses the button: please confirm on your phone
Ann presses it twice: please confirm on your phone
Ben presses: please confirm on your phone
Ben has declined, and presses on his old page: receipt "", attempt 2, declined "cancelled"
Ben presses on his new page: please confirm on your phone
Cyd presses, and the result will be lost: please confirm on your phone
Dan presses, and the request is lost: you may have been asked to pay: please wait
Eve presses, and only the answer is lost: you may have been asked to pay: please wait
In doubt: shop/dan/1
Booked: KES 6000 from 6 requests; Kopo Kopo's balance: 106000
`, out.String())
}
