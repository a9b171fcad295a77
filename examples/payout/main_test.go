package main

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := map[string]int{}
		k2 := kopokopotest.NewInMemoryServer(kopokopotest.WithDestinations(func(d kopokopotest.Destination) kopokopotest.DestinationPlan {
			sent[d.Number]++
			return decide(d)
		}))
		defer k2.Close()
		var out strings.Builder
		require.NoError(t, run(t.Context(), k2.Config(), &out))
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		require.Len(t, lines, 50)
		receipt := regexp.MustCompile("receipt [A-Z0-9]{10}")
		for i, want := range map[int]string{
			0:  " 0 succeeded, a receipt",
			7:  " 7 succeeded, paid again: 1, a receipt",
			21: "21 succeeded, paid again: 1, a receipt",
			33: "33 failed, paid again: 2: [STK_CB - ]DS timeout.",
			42: "42 pending",
			49: "49 succeeded, a receipt",
		} {
			assert.Equal(t, want, receipt.ReplaceAllString(lines[i], "a receipt"))
		}
		assert.Equal(t, 46, strings.Count(out.String(), "succeeded, receipt"))
		for i, times := range map[int]int{0: 1, 7: 2, 21: 2, 33: 3, 42: 1} {
			assert.Equal(t, times, sent[phone(i)], "row %d", i)
		}
		assert.Equal(t, "28000", k2.Balance().String(), "48 people have their KES 1500")
		assert.Equal(t, 1+1+1+2, k2.Count("POST", "/api/v2/send_money"))
	})
}
