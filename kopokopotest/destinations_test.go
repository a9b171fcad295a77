package kopokopotest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// payRequest is send money of KES 100 to each phone.
func payRequest(phones ...string) string {
	list := make([]string, len(phones))
	for i, phone := range phones {
		list[i] = `{"type":"mobile_wallet","phone_number":"` + phone + `","network":"Safaricom","amount":100,"description":"d"}`
	}
	return `{"destinations":[` + strings.Join(list, ",") + `],"currency":"KES","_links":{"callback_url":"` + result + `"}}`
}

// disbursed has the status, the errors and the receipt of each destination.
func disbursed(t *testing.T, attributes map[string]any) []string {
	t.Helper()
	var list []string
	for _, b := range attributes["transfer_batches"].([]any) {
		d := at(t, b, "disbursements.0")
		list = append(list, fmt.Sprint(at(t, b, "status"), " ", at(t, d, "status"), " ", at(t, d, "errors"), " ", at(t, d, "transaction_reference") != nil))
	}
	return list
}

func TestDestinations(t *testing.T) {
	const (
		ann   = "254711111111"
		fails = "254722222222"
		slow  = "254733333333"
		never = "254744444444"
		stuck = "254755555555"
	)
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		s := memoryShop(t, kopokopotest.WithDestinations(func(d kopokopotest.Destination) kopokopotest.DestinationPlan {
			seen = append(seen, fmt.Sprint(d.Collection, " ", d.Index, " ", d.Number, " ", d.Try))
			assert.Contains(t, string(d.Body), d.Number)
			switch {
			case d.Number == fails && d.Try == 1:
				return kopokopotest.DestinationPlan{Reasons: kopokopotest.FailureReasons(kopokopo.FailureLimitOrBusy)}
			case d.Number == slow:
				return kopokopotest.DestinationPlan{Pending: time.Minute}
			case d.Number == never:
				return kopokopotest.DestinationPlan{Pending: 10 * time.Minute, Reasons: []string{"Gone"}, Status: "Unclear"}
			case d.Number == stuck:
				return kopokopotest.DestinationPlan{Pending: -1}
			}
			return kopokopotest.DestinationPlan{}
		}))
		defer s.srv.Close()
		path := s.create("/api/v2/send_money", payRequest(ann, fails, slow, never, stuck))
		time.Sleep(time.Second)
		got := s.attributes(path)
		assert.Equal(t, "Processed", got["status"])
		assert.Equal(t, []string{
			"Transferred Transferred <nil> true",
			"Cancelled Cancelled [System busy] false",
			"Pending Pending <nil> false",
			"Unclear Unclear <nil> false",
			"Pending Pending <nil> false",
		}, disbursed(t, got))
		assert.Equal(t, "99900", s.balance(), "what is pending has not moved")
		require.Len(t, s.arrived(result), 1)
		name := at(t, got, "transfer_batches.2.disbursements.0.destination_reference")

		time.Sleep(time.Minute)
		got = s.attributes(path)
		assert.Equal(t, "Transferred Transferred <nil> true", disbursed(t, got)[2])
		assert.Equal(t, name, at(t, got, "transfer_batches.2.disbursements.0.destination_reference"), "the same destination")
		assert.Equal(t, "99800", s.balance())
		require.Len(t, s.arrived(result), 2)
		assert.Equal(t, s.get(path).body, string(s.arrived(result)[1].body), "the result is posted again")

		s.idle() // does not wait for what never comes
		got = s.attributes(path)
		assert.Equal(t, []string{"Cancelled Cancelled [Gone] false", "Pending Pending <nil> false"}, disbursed(t, got)[3:])
		assert.Equal(t, "99800", s.balance())
		assert.Len(t, s.arrived(result), 3)

		again := s.create("/api/v2/send_money", payRequest(fails))
		s.idle()
		assert.Equal(t, []string{"Transferred Transferred <nil> true"}, disbursed(t, s.attributes(again)), "the second time it arrives")
		assert.Equal(t, "99700", s.balance())
		assert.Equal(t, []string{
			"send_money 0 " + ann + " 1", "send_money 1 " + fails + " 1", "send_money 2 " + slow + " 1",
			"send_money 3 " + never + " 1", "send_money 4 " + stuck + " 1", "send_money 0 " + fails + " 2",
		}, seen)
	})
}

// TestDestinationsYieldToTheRest holds what decides where a plan has no reasons.
func TestDestinationsYieldToTheRest(t *testing.T) {
	const ann = "254711111111"
	plan := func(d kopokopotest.Destination) (p kopokopotest.DestinationPlan) {
		if d.Number == ann {
			p.Reasons = []string{"of its own"}
		}
		return p
	}
	request := payRequest(ann, "254722222222", kopokopotest.FailPhone)
	s := memoryShop(t, kopokopotest.WithDelay(0), kopokopotest.WithDestinations(plan))
	assert.Equal(t, []string{
		"Cancelled Cancelled [of its own] false",
		"Transferred Transferred <nil> true",
		"Cancelled Cancelled [The balance is insufficient for the transaction] false",
	}, disbursed(t, s.attributes(s.create("/api/v2/send_money", request))))

	s = memoryShop(t, kopokopotest.WithDelay(0), kopokopotest.WithDestinations(plan),
		kopokopotest.WithOutcome(func(kopokopotest.Submission) []string { return []string{"of all"} }))
	assert.Equal(t, []string{
		"Cancelled Cancelled [of its own] false", "Cancelled Cancelled [of all] false", "Cancelled Cancelled [of all] false",
	}, disbursed(t, s.attributes(s.create("/api/v2/send_money", request))))
}
