package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// pollCallback is where the results of polling requests would go.
const pollCallback = "https://shop.example/result"

var pollZone = time.FixedZone("EAT", 3*60*60)

// dayOne begins the period of these tests.
var dayOne = time.Date(2026, 3, 1, 0, 0, 0, 0, pollZone)

// filedPayment is a transaction of a Kopo Kopo that looks for transactions by the time at
// which it filed them, which need not be their own.
type filedPayment struct {
	id, reference, status string
	at, filed             time.Time
	more                  string // further members of the resource
}

// filedAt is a payment that was filed late, or early if late is negative.
func filedAt(id string, at time.Time, late time.Duration) filedPayment {
	return filedPayment{id: id, reference: "R" + id, status: "Received", at: at, filed: at.Add(late)}
}

// pollLedger answers polling requests, and counts them.
type pollLedger struct {
	list []filedPayment
	raw  string // answered in place of the list, if not empty

	onCreate func(n int) int    // the status of an answer to the n-th create, 0 for a created one
	onWindow func(n int) string // attributes in place of "status":"Success" for the n-th window

	creates   int // requests to create a polling, whatever came of them
	asked     []askedPeriod
	tokens    []string // with which they came
	callbacks []string // where their results are to go
}

type askedPeriod struct{ from, to time.Time }

// RoundTrip is Kopo Kopo.
func (l *pollLedger) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	switch {
	case r.URL.Path == "/oauth/token":
		return pollReply(r, 200, `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`), nil
	case r.Method == http.MethodPost:
		return l.create(r), nil
	}
	var n int
	_, _ = fmt.Sscanf(r.URL.Path, "/api/v2/polling/w-%d", &n)
	attributes := ""
	if l.onWindow != nil {
		attributes = l.onWindow(n)
	}
	if attributes == "" {
		attributes = `"status":"Success","transactions":` + l.transactions(l.asked[n])
	}
	return pollReply(r, 200, fmt.Sprintf(`{"data":{"id":"w-%d","type":"polling","attributes":{%s}}}`, n, attributes)), nil
}

func (l *pollLedger) create(r *http.Request) *http.Response {
	body, _ := io.ReadAll(r.Body)
	var asked struct {
		From  time.Time `json:"from_time"`
		To    time.Time `json:"to_time"`
		Links struct {
			Callback string `json:"callback_url"`
		} `json:"_links"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return pollReply(r, 400, `{}`)
	}
	l.creates++
	l.tokens = append(l.tokens, r.Header.Get("Authorization"))
	l.callbacks = append(l.callbacks, asked.Links.Callback)
	if l.onCreate != nil {
		if status := l.onCreate(l.creates - 1); status != 0 {
			return pollReply(r, status, `{}`)
		}
	}
	l.asked = append(l.asked, askedPeriod{asked.From, asked.To})
	answer := pollReply(r, 201, "")
	answer.Header.Set("Location", fmt.Sprintf("https://k2.example%s/w-%d", r.URL.Path, len(l.asked)-1))
	return answer
}

// transactions lists what was filed in a period, newest first.
func (l *pollLedger) transactions(p askedPeriod) string {
	if l.raw != "" {
		return l.raw
	}
	var list []string
	for _, t := range slices.Backward(l.list) {
		if t.filed.Before(p.from) || !t.filed.Before(p.to) || t.filed.After(time.Now()) {
			continue
		}
		list = append(list, fmt.Sprintf(`{"type":"Buygoods Transaction","resource":{"id":%q,"reference":%q,"status":%q,"origination_time":%q%s}}`,
			t.id, t.reference, t.status, t.at.In(pollZone).Format(time.RFC3339), t.more))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func pollReply(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// withPollLedger runs a test in a bubble, at a time that is later than all of the
// test's, with a client that repeats requests as often as it does by itself.
func withPollLedger(t *testing.T, l *pollLedger, run func(t *testing.T, client *kopokopo.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(dayOne.AddDate(0, 1, 0)))
		client, err := kopokopo.New(kopokopo.Config{
			BaseURL:     "https://k2.example",
			Credentials: kopokopo.Credentials{AppID: "application", Secret: "secret of it", APIKey: "key of it"},
			CallbackURL: pollCallback,
			HTTPClient:  &http.Client{Transport: l},
		})
		require.NoError(t, err)
		run(t, client)
		require.NoError(t, client.Close())
	})
}

// wholeDays is a period of whole days.
func wholeDays(first, n int) kopokopo.TransactionsQuery {
	return kopokopo.TransactionsQuery{From: dayOne.AddDate(0, 0, first), To: dayOne.AddDate(0, 0, first+n)}
}

// readTransactions reads a sequence to its end. There is one error at most, and nothing behind it.
func readTransactions(t *testing.T, client *kopokopo.Client, q kopokopo.TransactionsQuery, opts ...kopokopo.CallOption) (list []kopokopo.Transaction, err error) {
	t.Helper()
	for transaction, failed := range client.Transactions(t.Context(), q, opts...) {
		require.NoError(t, err, "nothing follows an error")
		if failed != nil {
			err = failed
			continue
		}
		list = append(list, transaction)
	}
	return list, err
}

// theirIDs lists the ids of transactions.
func theirIDs(list []kopokopo.Transaction) []string {
	ids := []string{}
	for _, t := range list {
		ids = append(ids, t.ID)
	}
	return ids
}
