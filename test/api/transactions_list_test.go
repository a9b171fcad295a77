package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The elements of a list are transactions, and what is wrong with one is said.
func TestTransactionsNamesWhatIsNoTransaction(t *testing.T) {
	const good = `{"type":"A","resource":{"id":"a","origination_time":"2026-03-01T05:00:00+03:00"}},`
	for list, want := range map[string]string{
		`"none"`:                        "transactions is not a list",
		`{}`:                            "transactions is not a list",
		`false`:                         "transactions is not a list",
		`[` + good + `null]`:            "transactions[1]: not a transaction",
		`[` + good + `7]`:               "transactions[1]: not a transaction",
		`[` + good + `{"resource":[]}]`: "transactions[1]: not a transaction",
		`[` + good + `{"resource":{"id":" ","reference":null}}]`: "transactions[1]: not a transaction",
		`[` + good + `{"resource":{"id":{},"reference":[1]}}]`:   "transactions[1]: not a transaction",
		`[` + timed(`"noon"`) + `]`:                              "transactions[0]: origination_time cannot be read",
		`[` + timed(`"2026-03-01"`) + `]`:                        "transactions[0]: origination_time cannot be read",
		`[` + timed(`0`) + `]`:                                   "transactions[0]: origination_time cannot be read",
		`[` + timed(`-5`) + `]`:                                  "transactions[0]: origination_time cannot be read",
		`[` + timed(`1.5`) + `]`:                                 "transactions[0]: origination_time cannot be read",
		`[` + timed(`137438953472001`) + `]`:                     "transactions[0]: origination_time cannot be read",
		`[` + timed(`99999999999999999999`) + `]`:                "transactions[0]: origination_time cannot be read",
		`[` + timed(`true`) + `]`:                                "transactions[0]: origination_time cannot be read",
	} {
		l := &pollLedger{raw: list}
		withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
			found, err := readTransactions(t, client, wholeDays(0, 3))
			require.ErrorIs(t, err, kopokopo.ErrResponse, list)
			assert.ErrorContains(t, err, want, list)
			assert.Empty(t, found, list)
			assert.Equal(t, 1, l.creates, list)
		})
	}
}

func timed(value string) string {
	return `{"type":"A","resource":{"id":"a","origination_time":` + value + `}}`
}

// What K2 writes in another type than usual is the same transaction, and no list is
// an empty one.
func TestTransactionsReadsEveryForm(t *testing.T) {
	at := dayOne.Add(5 * time.Hour)
	for list, want := range map[string][]kopokopo.Transaction{
		`null`: nil,
		`[]`:   nil,
		`[{"type":5,"resource":{"id":7,"reference":8,"till_number":514459,"settled":"true","origination_time":1772330400}}]`: {
			{Type: "5", ID: "7", Reference: "8", TillNumber: "514459", Settled: true, OriginationTime: kopokopo.Time{Time: at}}},
		`[{"type":"A","resource":{"reference":"R","sender_middle_name":null,"origination_time":"2026-03-01 05:00:00"},"more":[1]}]`: {
			{Type: "A", Reference: "R", OriginationTime: kopokopo.Time{Time: at}}},
		`[{"resource":{"id":"a","origination_time":" "}},{"resource":{"id":"b","origination_time":{}}},{"resource":{"id":"c","origination_time":"noon","origination_time":null}}]`: {
			{ID: "a"}, {ID: "b"}, {ID: "c"}},
	} {
		l := &pollLedger{raw: list}
		withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
			found, err := readTransactions(t, client, wholeDays(0, 3))
			require.NoError(t, err, list)
			require.Len(t, found, len(want), list)
			for i := range found {
				assert.True(t, want[i].OriginationTime.Equal(found[i].OriginationTime.Time), list)
				found[i].OriginationTime = want[i].OriginationTime
			}
			assert.Equal(t, want, found, list)
			assert.Equal(t, 3, l.creates, list)
		})
	}
}

// What is said of a polling beside its list.
func TestTransactionsNeedsASuccess(t *testing.T) {
	for attributes, want := range map[string]string{
		`"status":"Failed","errors":["From time is invalid"]`:               "polling: failed: From time is invalid",
		`"status":"Success","errors":"partly","transactions":[]`:            "still pending",
		`"status":"Pending","transactions":[` + timed(`1772330400`) + `]`:   "still pending",
		`"status":"Cancelled","transactions":[` + timed(`1772330400`) + `]`: "polling: failed",
	} {
		l := &pollLedger{onWindow: func(int) string { return attributes }}
		withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
			found, err := readTransactions(t, client, wholeDays(0, 1))
			require.ErrorContains(t, err, want, attributes)
			require.NotErrorIs(t, err, kopokopo.ErrPaymentFailed)
			assert.Empty(t, found)
		})
	}
	assert.Equal(t, []string{"no"}, kopokopo.Polling{Errors: kopokopo.StringList{"no"}}.Reasons())
	assert.EqualError(t, kopokopo.PollingReq{}.Validate(), "kopokopo: polling: scope is required; from_time is required; to_time is required; _links.callback_url is required")
}

// FuzzTransactions: whatever the list holds, the sequence ends with one error, or
// everything in it is in the period and has an identity of its own. What it costs is
// linear in the length of the answer, which is bounded.
func FuzzTransactions(f *testing.F) {
	for _, list := range []string{`null`, `[]`, `"x"`, `[null]`, `[` + timed(`"noon"`) + `]`, `[` + timed(`1772330400`) + `,` + timed(`null`) + `]`,
		`[{"type":1,"resource":{"ID":1,"Reference":"r","amount":1e400,"origination_time":"20260301050000","settled":0}}]`,
		`[{"resource":{"id":"a","status":"Received"}},{"resource":{"id":"a","status":"Reversed"}},{"resource":{"id":"a","status":"RECEIVED "}}]`} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		l := &pollLedger{raw: list}
		if strings.TrimSpace(list) == "" {
			return
		}
		withPollLedger(t, l, func(t *testing.T, client *kopokopo.Client) {
			found, err := readTransactions(t, client, wholeDays(0, 2), kopokopo.WithWaitLimit(0))
			seen := map[[3]string]bool{}
			before := time.Time{}
			for _, transaction := range found {
				key := [3]string{transaction.ID, transaction.Reference, strings.ToLower(strings.TrimSpace(transaction.Status))}
				at := transaction.OriginationTime.Time
				if seen[key] || strings.TrimSpace(key[0]+key[1]) == "" {
					t.Fatalf("twice, or nothing: %q", key)
				}
				if !at.IsZero() && (at.Before(before) || at.Before(dayOne) || !at.Before(dayOne.AddDate(0, 0, 2))) {
					t.Fatalf("out of order or of the period: %s", at)
				}
				seen[key], before = true, at
			}
			var stopped *kopokopo.TransactionsError
			if err != nil && !errors.As(err, &stopped) {
				t.Fatalf("no TransactionsError: %v", err)
			}
			if err != nil && len(found) > 0 && json.Valid([]byte(list)) {
				t.Fatal("the answers are all the same, and only some of them are refused")
			}
		})
	})
}
