package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// carriesNoOutcome fails if an error speaks of a request that changes something, or
// advises about repeating one.
func carriesNoOutcome(t *testing.T, err error) {
	t.Helper()
	for _, outcome := range []error{kopokopo.ErrNotSent, kopokopo.ErrRefused, kopokopo.ErrOutcomeUnknown} {
		assert.NotErrorIs(t, err, outcome)
	}
	for _, text := range []string{"outcome", "creating", "created", "not sent"} {
		assert.NotContains(t, err.Error(), text)
	}
	var call *kopokopo.CallError
	for cause := err; errors.As(cause, &call); cause = call.Err {
		assert.NoError(t, call.Outcome)
		assert.Empty(t, call.Advice)
	}
}

// Creating a polling is repeated as a read is: it changes nothing.
func TestPollingIsRepeatedLikeARead(t *testing.T) {
	for _, status := range []int{500, 502, 503, 408, 429} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			l := &pollLedger{list: []filedPayment{filedAt("a", dayOne.Add(time.Hour), 0)}}
			l.onCreate = func(n int) int {
				if n == 0 {
					return status
				}
				return 0
			}
			withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
				list, err := readTransactions(t, client, wholeDays(0, 1))
				require.NoError(t, err)
				assert.Equal(t, []string{"a"}, theirIDs(list))
				assert.Equal(t, 2, l.creates, "one more than one")
			})
		})
	}
}

// Errors of polling say what happened, and no more: there is nothing to look after.
func TestPollingErrorsCarryNoOutcome(t *testing.T) {
	for status, creates := range map[int]int{503: 3, 429: 3, 400: 1, 302: 1, 200: 1} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			l := &pollLedger{onCreate: func(int) int { return status }} // a 200 names no resource
			withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
				list, err := readTransactions(t, client, wholeDays(0, 2))
				require.ErrorContains(t, err, "kopokopo: read transactions of 2026-03-01T00:00:00+03:00 to 2026-03-02T00:00:00+03:00: create polling: ")
				carriesNoOutcome(t, err)
				assert.Empty(t, list)
				assert.Equal(t, creates, l.creates)
				var stopped *kopokopo.TransactionsError
				require.ErrorAs(t, err, &stopped)
				assert.Equal(t, dayOne, stopped.From, "nothing was delivered")

				l.creates = 0
				req := kopokopo.PollingReq{Scope: kopokopo.ScopeCompany, From: dayOne, To: dayOne.Add(time.Hour)}
				_, err = client.Polling.Create(t.Context(), req)
				require.ErrorContains(t, err, "kopokopo: create polling: ")
				carriesNoOutcome(t, err)
				_, err = client.V1.Polling.Create(t.Context(), req)
				require.Error(t, err)
				carriesNoOutcome(t, err)
				assert.Equal(t, 2*creates, l.creates)

				_, err = client.Polling.Create(t.Context(), kopokopo.PollingReq{})
				require.ErrorContains(t, err, "scope is required")
				carriesNoOutcome(t, err)
			})
		})
	}
}

// Wherever a sequence fails, the error says from where it goes on: both parts
// together are all of it, once.
func TestTransactionsGoesOnWhereItFailed(t *testing.T) {
	list := make([]filedPayment, 24*5)
	for i := range list {
		list[i] = filedAt(fmt.Sprintf("t-%03d", i), dayOne.Add(time.Duration(i)*time.Hour), time.Duration(i%4)*20*time.Minute)
	}
	var all []string
	for _, p := range list {
		all = append(all, p.id)
	}
	faults := map[string]func(l *pollLedger, window int){
		"create": func(l *pollLedger, window int) {
			l.onCreate = func(n int) int {
				if n >= window && n < window+3 {
					return 503
				}
				return 0
			}
		},
		"failed": func(l *pollLedger, window int) { l.onWindow = inWindow(window, `"status":"Failed","errors":["no"]`) },
		"pending": func(l *pollLedger, window int) {
			l.onWindow = inWindow(window, `"status":"Pending","transactions":null`)
		},
		"no list": func(l *pollLedger, window int) {
			l.onWindow = inWindow(window, `"status":"Success","transactions":[{}]`)
		},
	}
	for name, fault := range faults {
		for window := range 5 {
			t.Run(fmt.Sprint(name, window), func(t *testing.T) {
				l := &pollLedger{list: list}
				fault(l, window)
				withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
					first, err := readTransactions(t, client, wholeDays(0, 5))
					var stopped *kopokopo.TransactionsError
					require.ErrorAs(t, err, &stopped)
					carriesNoOutcome(t, err)
					l.onCreate, l.onWindow = nil, nil

					q := wholeDays(0, 5)
					q.From = stopped.From
					rest, err := readTransactions(t, client, q)
					require.NoError(t, err)
					assert.Equal(t, all, append(theirIDs(first), theirIDs(rest)...))
					if window > 0 {
						assert.Equal(t, dayOne.AddDate(0, 0, window).Add(-time.Hour), stopped.From, "an hour is kept for what K2 files late")
					}
				})
			})
		}
	}
}

func inWindow(window int, attributes string) func(int) string {
	return func(n int) string {
		if n == window {
			return attributes
		}
		return ""
	}
}

// Random books, filed at random times within Lateness, read in random windows that
// fail at random, and gone on with from a stored time: everything, once, in order.
func TestTransactionsWhateverFails(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		lateness := time.Duration(random.IntN(5)) * 30 * time.Minute
		if lateness == 0 {
			lateness = time.Second
		}
		q := wholeDays(0, 3)
		q.Window, q.Lateness = time.Hour+time.Duration(random.IntN(48*60))*time.Minute, lateness
		l := &pollLedger{}
		var want []string
		for i := range 60 {
			at := dayOne.Add(time.Duration(random.IntN(4*24*3600))*time.Second - 12*time.Hour)
			late := time.Duration(random.Int64N(int64(lateness+time.Minute))).Truncate(time.Second) - time.Minute + time.Second
			l.list = append(l.list, filedAt(fmt.Sprintf("t-%02d", i), at, late))
		}
		slices.SortStableFunc(l.list, func(a, b filedPayment) int { return a.at.Compare(b.at) })
		for _, p := range l.list {
			if !p.at.Before(q.From) && p.at.Before(q.To) {
				want = append(want, p.at.Format(time.RFC3339))
			}
		}
		l.onWindow = func(int) string {
			if random.IntN(3) == 0 {
				return `"status":"Failed"`
			}
			return ""
		}
		withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
			var got []string
			ids := map[string]bool{}
			for {
				list, err := readTransactions(t, client, q)
				for _, found := range list {
					got = append(got, found.OriginationTime.In(pollZone).Format(time.RFC3339))
					assert.False(t, ids[found.ID], "seed %d: %s twice", seed, found.ID)
					ids[found.ID] = true
				}
				if err == nil {
					break
				}
				var stopped *kopokopo.TransactionsError
				require.ErrorAs(t, err, &stopped)
				require.False(t, stopped.From.Before(q.From))
				q.From = stopped.From
			}
			assert.Equal(t, want, got, "seed %d", seed)
		})
	}
}

// A payment is in the day of its own time, by whatever clock K2 looks for it, and in
// that day only.
func TestTransactionsOfTheDayWhateverTheClock(t *testing.T) {
	second := dayOne.AddDate(0, 0, 1)
	l := &pollLedger{list: []filedPayment{
		filedAt("midday", dayOne.Add(12*time.Hour), 0),
		filedAt("filed in the next second", second.Add(-2*time.Second), 4*time.Second),
		filedAt("filed after most of an hour", second.Add(-time.Second), 59*time.Minute),
		filedAt("filed by the day before, whose clock is slow", second.Add(10*time.Second), -30*time.Second),
		filedAt("first instant", second, 0),
		filedAt("first instant, filed early", second, -time.Second),
	}}
	want := [][]string{
		{"midday", "filed in the next second", "filed after most of an hour"},
		{"first instant, filed early", "first instant", "filed by the day before, whose clock is slow"},
		{},
	}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		var together []string
		for day := range 3 {
			list, err := readTransactions(t, client, wholeDays(day, 1))
			require.NoError(t, err)
			assert.ElementsMatch(t, want[day], theirIDs(list), "day %d", day)
			together = append(together, theirIDs(list)...)
		}
		assert.Equal(t, 3, l.creates, "one request a day")
		list, err := readTransactions(t, client, wholeDays(0, 3))
		require.NoError(t, err)
		assert.Equal(t, len(together), len(list))
		assert.ElementsMatch(t, together, theirIDs(list), "one period is the sum of its days")
	})
}

// Where it goes on is a whole second, as everything that K2 is asked.
func TestTransactionsGoesOnAtAWholeSecond(t *testing.T) {
	l := &pollLedger{onWindow: inWindow(1, `"status":"Failed"`)}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		q := wholeDays(0, 2)
		q.From, q.Lateness = q.From.Add(time.Millisecond), 90*time.Second+time.Second/2
		_, err := readTransactions(t, client, q)
		var stopped *kopokopo.TransactionsError
		require.ErrorAs(t, err, &stopped)
		assert.Equal(t, dayOne.AddDate(0, 0, 1).Add(-90*time.Second), stopped.From)
		assert.Equal(t, err.Error(), stopped.Err.Error())
	})
	assert.EqualError(t, &kopokopo.TransactionsError{}, "kopokopo: read transactions: failed")
}

// Within one period, what K2 files later still is found, if late.
func TestTransactionsFiledTooLateForTheirOrder(t *testing.T) {
	l := &pollLedger{list: []filedPayment{
		filedAt("early", dayOne.Add(time.Hour), 30*time.Hour),
		filedAt("noon", dayOne.Add(12*time.Hour), 0),
		filedAt("next noon", dayOne.Add(36*time.Hour), 0),
	}}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		list, err := readTransactions(t, client, wholeDays(0, 3))
		require.NoError(t, err)
		assert.Equal(t, []string{"noon", "early", "next noon"}, theirIDs(list))

		q := wholeDays(0, 1)
		list, err = readTransactions(t, client, q)
		require.NoError(t, err)
		assert.Equal(t, []string{"noon"}, theirIDs(list))
		q.Lateness = 31 * time.Hour
		list, err = readTransactions(t, client, q)
		require.NoError(t, err)
		assert.Equal(t, []string{"early", "noon"}, theirIDs(list), "a longer Lateness finds it")
	})
}

// Nothing is asked of a time that is not yet, beyond what the period itself says.
func TestTransactionsAsksForNoFuture(t *testing.T) {
	l := &pollLedger{}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		for _, row := range []struct{ to, asked time.Duration }{ // counted from now
			{0, 0},
			{-10 * time.Minute, 0},
			{-2 * time.Hour, -time.Hour},
			{3 * time.Hour, 3 * time.Hour},
		} {
			l.asked = nil
			now := time.Now()
			_, err := readTransactions(t, client, kopokopo.TransactionsQuery{From: now.Add(row.to - time.Hour), To: now.Add(row.to)})
			require.NoError(t, err)
			require.Len(t, l.asked, 1)
			assert.Equal(t, now.Add(row.asked+time.Second).Unix(), l.asked[0].to.Unix(), "to %v", row.to)
			assert.Equal(t, now.Add(row.to-time.Hour-time.Minute).Unix(), l.asked[0].from.Unix(), "to %v", row.to)
		}
	})
}

// Where K2 is asked for more than the period, and that is too much, it is asked for
// in parts.
func TestTransactionsHalvesWhatLiesBehindThePeriod(t *testing.T) {
	l := &pollLedger{list: []filedPayment{filedAt("a", dayOne.Add(time.Minute), 0), filedAt("b", dayOne.Add(time.Minute), 50*time.Minute)}}
	long := `"status":"Success","transactions":[` + strings.Repeat(" ", 32<<20) + `]`
	l.onWindow = func(n int) string {
		require.Less(t, n, 50, "it goes on for ever")
		if l.asked[n].to.Sub(l.asked[n].from) > 33*time.Minute {
			return long
		}
		return ""
	}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		list, err := readTransactions(t, client, kopokopo.TransactionsQuery{From: dayOne, To: dayOne.Add(time.Hour), Window: time.Hour})
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"a", "b"}, theirIDs(list))
		assert.Equal(t, 2+4, l.creates, "two hours, one, and four times half an hour")
	})
}

// A payment and its reversal share a reference, and perhaps the id: both are told.
func TestTransactionsTellsOfReversals(t *testing.T) {
	at := dayOne.Add(24*time.Hour - time.Second) // in the overlap of two windows
	l := &pollLedger{list: []filedPayment{
		{id: "1", reference: "OJM6Q1W84K", status: "Received", at: at, filed: at},
		{id: "1", reference: "OJM6Q1W84K", status: "Reversed", at: at, filed: at},
		{id: "1", reference: "OJM6Q1W84K", status: " reversed", at: at, filed: at.Add(time.Second)},
		{id: "2", reference: "OJM6Q1W84K", status: "Reversed", at: at, filed: at},
		{id: "2", reference: "OJM6Q1W84L", status: "Reversed", at: at, filed: at},
	}}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		list, err := readTransactions(t, client, wholeDays(0, 2))
		require.NoError(t, err)
		var got []string
		for _, found := range list {
			got = append(got, found.ID+" "+found.Reference[9:]+" "+strings.ToLower(strings.TrimSpace(found.Status)))
		}
		assert.ElementsMatch(t, []string{"1 K received", "1 K reversed", "2 K reversed", "2 L reversed"}, got)
		assert.Equal(t, 2, l.creates)
	})
}

// The caller's token goes with every request.
func TestTransactionsTakesOptions(t *testing.T) {
	l := &pollLedger{}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		_, err := readTransactions(t, client, wholeDays(0, 2), kopokopo.WithToken("mine"))
		require.NoError(t, err)
		assert.Equal(t, []string{"Bearer mine", "Bearer mine"}, l.tokens)
		_, err = readTransactions(t, client, wholeDays(0, 1), kopokopo.WithToken(""))
		require.ErrorIs(t, err, kopokopo.ErrEmptyToken)
		carriesNoOutcome(t, err)
		assert.Len(t, l.tokens, 2)
	})
}

// Bad queries name their fields, and nothing is asked.
func TestTransactionsRefusesBadQueries(t *testing.T) {
	const text = "kopokopo: read transactions: "
	l := &pollLedger{}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		good := wholeDays(0, 1)
		for want, spoil := range map[string]func(q *kopokopo.TransactionsQuery){
			"From is required; To is required":                         func(q *kopokopo.TransactionsQuery) { *q = kopokopo.TransactionsQuery{} },
			"From is required":                                         func(q *kopokopo.TransactionsQuery) { q.From = time.Time{} },
			"To is required":                                           func(q *kopokopo.TransactionsQuery) { q.To = time.Time{} },
			"To must be after From":                                    func(q *kopokopo.TransactionsQuery) { q.To = q.From.Add(time.Second / 2) },
			"Window must be at least a minute":                         func(q *kopokopo.TransactionsQuery) { q.Window = time.Minute - 1 },
			"Lateness must be between 0 and 7 days":                    func(q *kopokopo.TransactionsQuery) { q.Lateness = 7*24*time.Hour + time.Second },
			"scope_reference is required":                              func(q *kopokopo.TransactionsQuery) { q.Scope = kopokopo.ScopeTill },
			"Callback must be https (http only to a loopback address)": func(q *kopokopo.TransactionsQuery) { q.Callback = "http://shop.example" },
		} {
			q := good
			spoil(&q)
			list, err := readTransactions(t, client, q)
			require.EqualError(t, err, text+want)
			assert.Empty(t, list)
			assert.EqualError(t, q.Validate(), "kopokopo: transactions: "+want)
			var invalid *kopokopo.ValidationError
			assert.ErrorAs(t, err, &invalid)
			carriesNoOutcome(t, err)
			var stopped *kopokopo.TransactionsError
			require.ErrorAs(t, err, &stopped)
			assert.Equal(t, q.From, stopped.From)
		}
		negative := good
		negative.Lateness = -time.Second
		assert.ErrorContains(t, negative.Validate(), "Lateness")
		least, most := good, good
		least.Window, most.Lateness = time.Minute, 7*24*time.Hour
		assert.NoError(t, errors.Join(least.Validate(), most.Validate()))
		assert.Zero(t, l.creates)

		for _, none := range []*kopokopo.Client{nil, {}} {
			_, err := readTransactions(t, none, good)
			require.EqualError(t, err, text+"the client was not made by New")
		}
		for _, err := range client.Transactions(context.Context(nil), good) {
			require.ErrorContains(t, err, "the context is nil")
		}
	})
}

// What has been delivered is forgotten: a long period takes no more memory than a
// short one.
func TestTransactionsForgets(t *testing.T) {
	l := &pollLedger{}
	const each = 1000 // transactions of one window
	serial := 0
	l.onWindow = func(n int) string {
		var list strings.Builder
		for i := range each {
			at := dayOne.Add(time.Duration(n)*time.Hour + time.Duration(i)*time.Hour/each)
			fmt.Fprintf(&list, `,{"resource":{"id":"%036d","origination_time":%q}}`, serial, at.Format(time.RFC3339))
			serial++
		}
		return `"status":"Success","transactions":[` + list.String()[1:] + `]`
	}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		q := wholeDays(0, 4)
		q.Window = time.Hour
		read, first, last := 0, uint64(0), uint64(0)
		for _, err := range client.Transactions(t.Context(), q) {
			require.NoError(t, err)
			if read++; read == 10*each {
				first = heapInUse()
			} else if read == 90*each {
				last = heapInUse()
			}
		}
		assert.Equal(t, 96*each, read)
		assert.Less(t, last, first+1<<20, "80,000 transactions later")
	})
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fourthDay is a list of n transactions of the fourth day.
func fourthDay(prefix string, n int) string {
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, `,{"type":"Buygoods Transaction","resource":{"id":"%s%d","origination_time":"2026-03-04T05:00:00Z"}}`, prefix, i)
	}
	return `"status":"Success","transactions":[` + strings.TrimPrefix(list.String(), ",") + `]`
}

// A list of very many very short transactions is too large, as a long one is.
func TestTransactionsHalvesWindowsOfTooMany(t *testing.T) {
	long := fourthDay("a", 1<<18+1)
	l := &pollLedger{}
	l.onWindow = func(n int) string {
		if n == 0 {
			return long
		}
		return fourthDay("a", 1)
	}
	withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
		list, err := readTransactions(t, client, wholeDays(3, 1))
		require.NoError(t, err)
		assert.Equal(t, []string{"a0"}, theirIDs(list))
		assert.Equal(t, 3, l.creates, "the whole, which was too large, and its halves")
		assert.InDelta(t, l.asked[0].to.Sub(l.asked[0].from)/2, l.asked[1].to.Sub(l.asked[1].from), float64(time.Minute))
	})
}
