package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

var nairobi = time.FixedZone("EAT", 3*60*60)

// midnight begins the period of these tests.
var midnight = time.Date(2026, 3, 1, 0, 0, 0, 0, nairobi)

// books is a Kopo Kopo that knows some transactions and answers polling requests.
type books struct {
	entries []entry
	from    bool // whether it includes the start of a period
	to      bool // whether it includes the end
	most    int  // more transactions than this make an answer too large; 0 for no limit
	fail    func(window int) string

	windows []window // that were asked for
	bodies  []map[string]any
}

type entry struct {
	id, reference string
	at            time.Time
}

type window struct{ from, to time.Time }

func (b *books) answer(r *http.Request, body string) *http.Response {
	if r.Method == http.MethodPost {
		var asked map[string]any
		_ = json.Unmarshal([]byte(body), &asked)
		from, _ := time.Parse(time.RFC3339, asked["from_time"].(string))
		to, _ := time.Parse(time.RFC3339, asked["to_time"].(string))
		b.windows, b.bodies = append(b.windows, window{from, to}), append(b.bodies, asked)
		return saysCreated(r, fmt.Sprint("w-", len(b.windows)-1))
	}
	var n int
	_, _ = fmt.Sscanf(r.URL.Path, "/api/v2/polling/w-%d", &n)
	attributes := `"status":"Success"`
	if b.fail != nil && b.fail(n) != "" {
		attributes = b.fail(n)
	}
	return says(r, 200, `{"data":{"id":"`+fmt.Sprint("w-", n)+`","type":"polling","attributes":{`+attributes+`,"transactions":`+b.list(b.windows[n])+`}}}`)
}

// list returns the transactions of a window, newest first: the order is not K2's promise.
func (b *books) list(w window) string {
	var list []string
	for _, e := range slices.Backward(b.entries) {
		inside := e.at.After(w.from) && e.at.Before(w.to) || b.from && e.at.Equal(w.from) || b.to && e.at.Equal(w.to)
		if inside {
			list = append(list, fmt.Sprintf(`{"type":"Buygoods Transaction","resource":{"id":%q,"reference":%q,"amount":"1.0","origination_time":%q}}`,
				e.id, e.reference, e.at.In(nairobi).Format(time.RFC3339)))
		}
	}
	if b.most > 0 && len(list) > b.most {
		return `"` + strings.Repeat("x", 33<<20) + `"`
	}
	return "[" + strings.Join(list, ",") + "]"
}

// every makes a transaction at each step from midnight on.
func every(step time.Duration, n int) []entry {
	list := make([]entry, n)
	for i := range list {
		list[i] = entry{fmt.Sprintf("t-%04d", i), fmt.Sprintf("REF%04d", i), midnight.Add(time.Duration(i) * step)}
	}
	return list
}

// readBooks reads a query's transactions in a bubble.
func readBooks(t *testing.T, b *books, q kopokopo.TransactionsQuery, opts ...kopokopo.CallOption) (ids []string, err error) {
	t.Helper()
	q.Callback = testCallback
	synctest.Test(t, func(t *testing.T) {
		client := scripted(t, b.answer)
		var before time.Time
		for tx, failed := range client.Transactions(t.Context(), q, opts...) {
			if failed != nil {
				require.NoError(t, err, "one error, at the end")
				err = failed
				continue
			}
			require.NoError(t, err, "nothing follows an error")
			assert.False(t, tx.OriginationTime.Before(before), "in the order of their times")
			before = tx.OriginationTime.Time
			assert.Equal(t, "Buygoods Transaction", tx.Type)
			ids = append(ids, tx.ID)
		}
		require.NoError(t, client.Close())
	})
	return ids, err
}

func idsOf(entries []entry) []string {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.id)
	}
	return ids
}

func TestTransactionsReadsEachOnceWhateverK2sBounds(t *testing.T) {
	entries := every(time.Hour, 24*4+1) // some lie exactly on the borders
	for _, bounds := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		b := &books{entries: entries, from: bounds[0], to: bounds[1]}
		ids, err := readBooks(t, b, kopokopo.TransactionsQuery{From: midnight, To: midnight.AddDate(0, 0, 4)})
		require.NoError(t, err)
		assert.Equal(t, idsOf(entries[:24*4]), ids, "From is included, To is not: %v", bounds)
		assert.Len(t, b.windows, 4)
	}
}

func TestTransactionsAsksForWindows(t *testing.T) {
	b := &books{from: true}
	_, err := readBooks(t, b, kopokopo.TransactionsQuery{From: midnight.Add(500 * time.Millisecond), To: midnight.Add(50 * time.Hour), Window: 20 * time.Hour})
	require.NoError(t, err)
	require.Len(t, b.windows, 3)
	edge, before := midnight, time.Minute // K2's clock and M-PESA's may differ
	for i, size := range []time.Duration{20 * time.Hour, 20 * time.Hour, 10 * time.Hour} {
		assert.Equal(t, edge.Add(-before).Unix(), b.windows[i].from.Unix(), "a second more at both ends, and a minute at the first")
		edge, before = edge.Add(size), time.Second
		assert.Equal(t, edge.Add(time.Second).Unix(), b.windows[i].to.Unix())
	}
	assert.Equal(t, map[string]any{"scope": "company", "scope_reference": "", "from_time": "2026-02-28T23:59:00+03:00", "to_time": "2026-03-01T20:00:01+03:00",
		"_links": map[string]any{"callback_url": testCallback}}, b.bodies[0])
	_, err = readBooks(t, b, kopokopo.TransactionsQuery{From: midnight, To: midnight.Add(time.Minute), Scope: kopokopo.ScopeTill, ScopeReference: "12345"})
	require.NoError(t, err)
	assert.Equal(t, "till 12345", fmt.Sprint(b.bodies[3]["scope"], " ", b.bodies[3]["scope_reference"]))
}

func TestTransactionsHalvesWindowsThatAreTooLarge(t *testing.T) {
	b := &books{entries: every(time.Hour, 24), from: true, to: true, most: 8}
	ids, err := readBooks(t, b, kopokopo.TransactionsQuery{From: midnight, To: midnight.AddDate(0, 0, 1)})
	require.NoError(t, err)
	assert.Equal(t, idsOf(b.entries), ids)
	var sizes []time.Duration
	for _, w := range b.windows {
		from := w.from.Add(time.Second)
		if from.Before(midnight) {
			from = midnight // the first window asks for a minute before it
		}
		sizes = append(sizes, w.to.Add(-time.Second).Sub(from))
	}
	assert.Equal(t, []time.Duration{24 * time.Hour, 12 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour}, sizes)
}

func TestTransactionsGivesUpAtAMinute(t *testing.T) {
	rush := every(time.Minute/20, 100)
	b := &books{entries: rush, most: 5}
	ids, err := readBooks(t, b, kopokopo.TransactionsQuery{From: midnight.Add(-10 * time.Minute), To: midnight.Add(10 * time.Minute), Window: 10 * time.Minute})
	require.ErrorIs(t, err, kopokopo.ErrResponseTooLarge)
	assert.Empty(t, ids)
	assert.ErrorContains(t, err, "kopokopo: read transactions of 2026-03-01T00:00:00+03:00 to 2026-03-01T00:01:00+03:00: ")
	last := b.windows[len(b.windows)-1]
	assert.Equal(t, time.Minute+2*time.Second, last.to.Sub(last.from))
}

// The first window that fails ends it: there is never a gap.
func TestTransactionsEndsWithTheFirstWindowThatFails(t *testing.T) {
	entries := every(time.Hour, 24*3)
	for name, test := range map[string]struct {
		attributes string
		is         error
	}{
		"failed":  {`"status":"Failed","errors":["no"]`, nil},
		"unknown": {`"status":"Sleeping"`, kopokopo.ErrStillPending},
	} {
		b := &books{entries: entries, from: true, to: true}
		b.fail = func(n int) string {
			if n == 1 {
				return test.attributes
			}
			return ""
		}
		ids, err := readBooks(t, b, kopokopo.TransactionsQuery{From: midnight, To: midnight.AddDate(0, 0, 3)}, kopokopo.WithWaitLimit(time.Minute))
		require.Error(t, err, name)
		require.NotErrorIs(t, err, kopokopo.ErrPaymentFailed, name)
		assert.Contains(t, err.Error(), "kopokopo: read transactions of 2026-03-02T00:00:00+03:00 to 2026-03-03T00:00:00+03:00: ", name)
		if test.is != nil {
			require.ErrorIs(t, err, test.is, name)
		}
		assert.Equal(t, idsOf(entries[:23]), ids, "%s: what came before is complete, but for an hour in which K2 may still file", name)
		var stopped *kopokopo.TransactionsError
		require.ErrorAs(t, err, &stopped, name)
		assert.Equal(t, midnight.Add(23*time.Hour).Unix(), stopped.From.Unix(), "%s: the rest begins here", name)
		assert.Len(t, b.windows, 2, name)
	}
}

func TestTransactionsStopsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{entries: every(time.Hour, 24*3), from: true}
		client := scripted(t, b.answer)
		q := kopokopo.TransactionsQuery{From: midnight, To: midnight.AddDate(0, 0, 3), Callback: testCallback}
		sequence := client.Transactions(t.Context(), q)
		assert.Empty(t, b.windows, "nothing is asked before it is read")
		for tx, err := range sequence {
			require.NoError(t, err)
			if tx.ID == "t-0003" {
				break
			}
		}
		assert.Len(t, b.windows, 1)

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range client.Transactions(ctx, q) {
			last = err
			cancel()
		}
		require.ErrorIs(t, last, context.Canceled)
		assert.Len(t, b.windows, 2)

		for _, err := range client.Transactions(t.Context(), kopokopo.TransactionsQuery{}) {
			last = err
		}
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, last, &invalid)
		require.NoError(t, client.Close())
	})
}

// What has no time, no id, or another's reference is in the sequence, once.
func TestTransactionsKeepsOddOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := `[{"type":"A","resource":{"id":"a"}},{"type":"B","resource":{"reference":"b"}},` +
			`{"type":"C","resource":{"id":"1","reference":"R","origination_time":"2026-03-01T05:00:00+03:00"}},` +
			`{"type":"D","resource":{"id":"2","reference":"R","origination_time":"2026-03-01T04:00:00+03:00"}},` +
			`{"type":"C","resource":{"id":"1","reference":"R","origination_time":"2026-03-01T05:00:00+03:00"}},` +
			`{"type":"E","resource":{"id":"3","origination_time":"2026-02-28T23:59:59+03:00"}}]`
		client := scripted(t, func(r *http.Request, _ string) *http.Response {
			if r.Method == http.MethodPost {
				return saysCreated(r, "p")
			}
			return says(r, 200, `{"data":{"id":"p","type":"polling","attributes":{"status":"Success","transactions":`+list+`}}}`)
		})
		var types []string
		for tx, err := range client.Transactions(t.Context(), kopokopo.TransactionsQuery{From: midnight, To: midnight.AddDate(0, 0, 1), Callback: testCallback}) {
			require.NoError(t, err)
			types = append(types, tx.Type)
		}
		assert.Equal(t, []string{"A", "B", "D", "C"}, types)
		require.NoError(t, client.Close())
	})
}

// What is no list of transactions is an error, never an empty or a shorter list.
func TestTransactionsRefusesWhatIsNoList(t *testing.T) {
	for _, list := range []string{`{"0":{"type":"A","resource":{"id":"a"}}}`, `"none"`, `7`, `[null]`, `["x"]`, `[{"type":"A"}]`, `[{"type":"A","resource":null}]`,
		`[{"type":"A","resource":"a"}]`, `[{"type":"A","resource":[]}]`, `[{"type":"A","resource":{"amount":"1"}}]`, `[{"type":"A","resource":{"id":"a","origination_time":"noon"}}]`} {
		synctest.Test(t, func(t *testing.T) {
			client := scripted(t, func(r *http.Request, _ string) *http.Response {
				if r.Method == http.MethodPost {
					return saysCreated(r, "p")
				}
				return says(r, 200, `{"data":{"id":"p","type":"polling","attributes":{"status":"Success","transactions":`+list+`}}}`)
			})
			var errs []error
			for _, err := range client.Transactions(t.Context(), kopokopo.TransactionsQuery{From: midnight, To: midnight.AddDate(0, 0, 3), Callback: testCallback}) {
				errs = append(errs, err)
			}
			require.Len(t, errs, 1, list)
			require.ErrorIs(t, errs[0], kopokopo.ErrResponse, list)
			require.NoError(t, client.Close())
		})
	}
}

// K2 may filter by another clock than the one it reports: a transaction that turns
// up in the answers of several windows is still one.
func TestTransactionsOnceOverAllWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := 0
		client := scripted(t, func(r *http.Request, _ string) *http.Response {
			if r.Method == http.MethodPost {
				window++
				return saysCreated(r, "p")
			}
			list := `[]`
			if window != 2 {
				list = `[{"type":"A","resource":{"id":"a","origination_time":"2026-03-03T05:00:00+03:00"}}]`
			}
			return says(r, 200, `{"data":{"id":"p","type":"polling","attributes":{"status":"Success","transactions":`+list+`}}}`)
		})
		var ids []string
		for tx, err := range client.Transactions(t.Context(), kopokopo.TransactionsQuery{From: midnight, To: midnight.AddDate(0, 0, 4), Callback: testCallback}) {
			require.NoError(t, err)
			ids = append(ids, tx.ID)
		}
		require.Equal(t, []string{"a"}, ids)
		require.Equal(t, 4, window)
		require.NoError(t, client.Close())
	})
}

// A day at the embedded Kopo Kopo.
func TestTransactionsOfADay(t *testing.T) {
	world(t, func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client) {
		begun := time.Now()
		var want []string
		for range 30 {
			doc, err := client.IncomingPayments.CreateAndWait(t.Context(), validSTKFor(kopokopotest.SuccessTill))
			require.NoError(t, err)
			want = append(want, doc.Attributes.Event.Resource.Reference)
			time.Sleep(47 * time.Minute)
		}
		var got []string
		for tx, err := range client.Transactions(t.Context(), kopokopo.TransactionsQuery{From: begun, To: time.Now(), Window: time.Hour}) {
			require.NoError(t, err)
			assert.Equal(t, "20000.0", tx.Amount.String())
			got = append(got, tx.Reference)
		}
		assert.Equal(t, want, got)
		assert.Greater(t, k2.Count(http.MethodPost, "/api/v2/polling"), 20)
	})
}
