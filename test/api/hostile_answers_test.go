package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// What a peer answers costs no more than a number of bytes for each of its own, and
// whatever a refusal holds, its status reaches the caller.

// hostileSize is nearly what an answer may have.
const hostileSize = 1<<20 - 8<<10

// costOfAnAnswer bounds what reading an answer may allocate, with what the server of
// these tests takes for itself.
func costOfAnAnswer(size int) uint64 { return 8<<20 + 64*uint64(size) }

// allocatedBy returns how many bytes a function allocates, whether or not they are
// freed again.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// hostileServer answers everything with what status and body are set to.
type hostileServer struct {
	client *kopokopo.Client
	status int
	body   string
}

func newHostileServer(t *testing.T) *hostileServer {
	t.Helper()
	s := &hostileServer{status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.body))
	}))
	t.Cleanup(server.Close)
	client, err := kopokopo.New(kopokopo.Config{BaseURL: server.URL, MaxRetries: -1,
		Credentials: kopokopo.Credentials{AppID: "app", Secret: "secret"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	s.client = client
	return s
}

// many repeats a unit, with commas between, until there are about size bytes.
func many(unit string, size int) string {
	n := max(size/(len(unit)+1), 1)
	return strings.Repeat(unit+",", n-1) + unit
}

// spaced is many with white space after each unit, so that each takes width bytes.
func spaced(unit string, width, size int) string {
	return many(unit+strings.Repeat(" ", max(width-1-len(unit), 0)), size)
}

// named is a list of members of different names.
func named(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `"%x":1    ,`, i)
	}
	return b.String() + `"":1`
}

// hostileMembers are members of about size bytes in all. Those called dense have more
// values than is allowed, the others as many as just are.
func hostileMembers(size int) map[string]string {
	deep := func(open, shut string, levels int) string {
		return strings.Repeat(open, levels) + `1` + strings.Repeat(shut, levels)
	}
	plain := map[string]string{
		"dense destinations":      `"destinations":[` + many(`{}`, size) + `]`,
		"dense transactions":      `"transactions":[` + many(`null`, size) + `]`,
		"dense metadata":          `"metadata":{"a":[` + many(`[]`, size) + `]}`,
		"dense errors":            `"errors":{"` + strings.Repeat("k", size/4) + `":[` + many(`"a"`, size*3/4) + `]}`,
		"dense texts":             `"status":[` + many(`1`, size) + `]`,
		"dense nesting":           `"metadata":` + deep(`{"a":`, `}`, 9000),
		"destinations":            `"destinations":[` + spaced(`{}`, 48, size) + `]`,
		"destinations, numbers":   `"destinations":[` + spaced(`1`, 48, size) + `]`,
		"transactions":            `"transactions":[` + spaced(`{}`, 48, size) + `]`,
		"transactions, resources": `"transactions":[` + spaced(`{"type":1,"resource":{"amount":[]}}`, 192, size) + `]`,
		"batches":                 `"transfer_batches":[` + spaced(`{"disbursements":[{"errors":[1]}]}`, 240, size) + `]`,
		"disbursements":           `"transfer_batches":[{"disbursements":[` + spaced(`{"errors":1,"amount":{}}`, 96, size) + `]}]`,
		"errors":                  `"errors":{"` + strings.Repeat("k", size/4) + `":[` + spaced(`"a"`, 48, size*3/4) + `]}`,
		"errors, nested":          `"errors":[` + spaced(deep(`[`, `]`, 90), 90*96, size) + `]`,
		"errors, repeated":        spaced(`"errors":[]`, 96, size),
		"metadata":                `"metadata":{` + named(size) + `}`,
		"metadata, lists":         `"metadata":{"a":[` + spaced(`{"a":1}`, 48, size) + `]}`,
		"metadata, one number":    `"metadata":{"a":` + strings.Repeat("9", size) + `}`,
		"unknown members":         named(size),
		"one text":                `"error_message":"` + strings.Repeat("x", size) + `"`,
		"escapes":                 `"status":"` + strings.Repeat(`\u2028`, size/6) + `"`,
		"a list for a text":       `"status":[` + spaced(`1`, 48, size) + `]`,
	}
	all := map[string]string{}
	for name, members := range plain {
		all[name] = members
		if !strings.HasPrefix(name, "dense") {
			all[name+", and a wrong type"] = `"status":1,"scope":2,` + members // decoded once more, leniently
		}
	}
	return all
}

func TestHostileAnswersToReads(t *testing.T) {
	s := newHostileServer(t)
	for name, members := range hostileMembers(hostileSize) {
		kind, read := "send_money", func() error {
			_, err := s.client.SendMoney.Get(t.Context(), "a", kopokopo.WithToken("token"))
			return err
		}
		if strings.Contains(name, "transactions") {
			kind, read = "polling", func() error {
				_, err := s.client.Polling.Get(t.Context(), "a", kopokopo.WithToken("token"))
				return err
			}
		}
		s.body = `{"data":{"id":"a","type":"` + kind + `","attributes":{` + members + `}}}`
		require.LessOrEqual(t, len(s.body), 1<<20, "%s: else it is its length that is refused", name)
		var err error
		start := time.Now()
		cost := allocatedBy(func() { err = read() })
		assert.LessOrEqual(t, cost, costOfAnAnswer(len(s.body)), "%s: %d for each byte", name, cost/uint64(len(s.body)))
		assert.Less(t, time.Since(start), 20*time.Second, name)
		if strings.HasPrefix(name, "dense") {
			require.ErrorIs(t, err, kopokopo.ErrResponse, name)
		}
		if err != nil {
			assert.ErrorIs(t, err, kopokopo.ErrResponse, name)
			assert.Less(t, len(err.Error()), 2<<10, name)
		}
	}
}

func TestHostileRefusalsKeepTheirStatus(t *testing.T) {
	s := newHostileServer(t)
	req := kopokopo.ReceiveMpesaReq{PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000000", Amount: kopokopo.KES("10"),
		Subscriber: kopokopo.Subscriber{FirstName: "Joe", LastName: "Buyer", PhoneNumber: "+254999999999"},
		Links:      kopokopo.Links{Callback: "https://shop.example/result"}}
	for name, members := range hostileMembers(hostileSize) {
		bodies := []string{`{` + members + `}`}
		if strings.Contains(name, "errors") {
			bodies = append(bodies, `[{`+members+`}]`)
		}
		for _, body := range bodies {
			s.status, s.body = http.StatusBadRequest, body
			require.LessOrEqual(t, len(body), 1<<20, name)
			var err error
			cost := allocatedBy(func() { _, err = s.client.IncomingPayments.Create(t.Context(), req, kopokopo.WithToken("token")) })
			assert.LessOrEqual(t, cost, costOfAnAnswer(len(body)), "%s: %d for each byte", name, cost/uint64(len(body)))
			var refusal *kopokopo.APIError
			require.ErrorAs(t, err, &refusal, name)
			assert.Equal(t, http.StatusBadRequest, refusal.StatusCode, name)
			assert.ErrorIs(t, err, kopokopo.ErrRefused, name)
			assert.LessOrEqual(t, len(refusal.Messages), 20, name)
			assert.Less(t, len(err.Error()), 2<<10, name)
		}
	}
}

// The documented types and ParseEvent read what others give them, and the façade too.
func TestHostileDocumentsForTheDocumentedTypes(t *testing.T) {
	for name, members := range hostileMembers(128 << 10) {
		event := []byte(`{"topic":"buygoods_transaction_received","id":"a","created_at":"","event":{"type":"b","resource":{` + members + `}}}`)
		result := []byte(`{"data":{"id":"a","type":"send_money","attributes":{` + members + `}}}`)
		for reader, read := range map[string]func() error{
			"ParseEvent":           func() error { _, err := kopokopo.ParseEvent(event); return err },
			"ParseEvent, result":   func() error { _, err := kopokopo.ParseEvent(result); return err },
			"BuyGoodsTrans":        func() error { return json.Unmarshal(event, new(kopokopo.BuyGoodsTrans)) },
			"IncomingPaymentEvent": func() error { return json.Unmarshal(result, new(kopokopo.IncomingPaymentEvent)) },
			"the façade's result":  func() error { return json.Unmarshal(result, new(kopokopo.ProcessIncommingPaymentReq)) },
		} {
			var err error
			cost := allocatedBy(func() { err = read() })
			// What is posted is decoded once for what all results have, and once for its type.
			assert.LessOrEqual(t, cost, 2*costOfAnAnswer(len(event)), "%s by %s: %d for each byte", name, reader, cost/uint64(len(event)))
			if err != nil {
				assert.Less(t, len(err.Error()), 1<<10, "%s by %s", name, reader)
			}
			if strings.HasPrefix(reader, "ParseEvent") && strings.HasPrefix(name, "dense") {
				assert.ErrorIs(t, err, kopokopo.ErrNotification, name)
			}
		}
	}
}

// A long answer that is honest is read in full, at a small cost.
func TestALongPollingIsReadInFull(t *testing.T) {
	const transaction = `{"type":"Buygoods Transaction","resource":{"id":"%08d-24b9-40fc-ae57-2d7559785760","amount":"100.0","status":"Received","system":"Lipa Na M-PESA","currency":"KES","reference":"OJM6Q1W84K","till_number":"514459","sender_last_name":"Doe","sender_first_name":"Jane","sender_middle_name":null,"sender_phone_number":"+254999999999","origination_time":"2020-10-22T10:43:19+03:00"}}`
	var b strings.Builder
	b.WriteString(`{"data":{"id":"a","type":"polling","attributes":{"status":"Success","transactions":[`)
	count := 0
	for ; b.Len() < 8<<20; count++ {
		fmt.Fprintf(&b, transaction+",", count)
	}
	fmt.Fprintf(&b, transaction+`],"scope":"Company"}}}`, count)
	count++
	s := newHostileServer(t)
	s.body = b.String()
	var doc *kopokopo.Document[kopokopo.Polling]
	var err error
	cost := allocatedBy(func() { doc, err = s.client.Polling.Get(t.Context(), "a", kopokopo.WithToken("token")) })
	require.NoError(t, err)
	require.Len(t, doc.Attributes.Transactions, count)
	assert.Equal(t, fmt.Sprintf("%08d-24b9-40fc-ae57-2d7559785760", count-1), doc.Attributes.Transactions[count-1].Resource.ID)
	assert.Less(t, cost, 16*uint64(len(s.body)))
}

// Reasons beyond all measure are cut, and the rest of the document is kept.
func TestReasonsAreCut(t *testing.T) {
	s := newHostileServer(t)
	s.body = `{"data":{"id":"a","type":"send_money","attributes":{"status":"Processed","errors":{"` + strings.Repeat("k", 10_000) +
		`":[` + many(`"The balance is insufficient for the transaction"`, 500_000) + `]}}}}`
	doc, err := s.client.SendMoney.Get(t.Context(), "a", kopokopo.WithToken("token"))
	require.NoError(t, err)
	assert.Equal(t, "Processed", doc.Attributes.Status)
	total := 0
	for _, reason := range doc.Attributes.Errors {
		total += len(reason)
		assert.LessOrEqual(t, len(reason), 4<<10)
	}
	assert.LessOrEqual(t, total, 64<<10)
	assert.NotEmpty(t, doc.Attributes.Errors)
	assert.Contains(t, string(doc.Raw), "insufficient", "the document has them all")
}
