package kyshi_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

// Every field of a subscription and an invoice, each from the member of its name, and
// neither where Kyshi sent none.
func TestEveryFieldOfSubscriptionAndInvoice(t *testing.T) {
	day := func(n int) string { return fmt.Sprintf("2026-05-%02dT00:00:00Z", n) }
	at := func(n int) time.Time { return time.Date(2026, 5, n, 0, 0, 0, 0, time.UTC) }
	d := inData(t, `"subscription":{"id":"1","code":"2","status":"3","isActive":true,"startDate":"`+day(1)+`","previousPaymentDate":"`+day(2)+
		`","nextPaymentDate":"`+day(3)+`","currentPeriodStart":"`+day(4)+`","currentPeriodEnd":"`+day(5)+`","pastDueAt":"`+day(6)+
		`","nextRetryAt":"`+day(7)+`","retryCount":8,"maxRetryCount":"9","gracePeriodDays":10,"cancelledAt":"`+day(11)+
		`","cancelReason":"12","invoiceLimit":13,"invoicesPaid":14},
		"invoice":{"id":"1","code":"2","amount":"3.50","currency":"4","periodStart":"`+day(5)+`","periodEnd":"`+day(6)+`","dueAt":"`+day(7)+
		`","nextRetryAt":"`+day(8)+`","retryCount":9,"maxRetryCount":10,"status":"11","description":"12","transactionId":"13"}`).Data
	s := d.Subscription
	require.NotNil(t, s)
	require.Equal(t, []string{"1", "2", "3", "8", "9", "10", "12", "13", "14"},
		[]string{s.ID, s.Code, s.Status, s.RetryCount, s.MaxRetryCount, s.GracePeriodDays, s.CancelReason, s.InvoiceLimit, s.InvoicesPaid})
	require.True(t, s.IsActive)
	for n, got := range map[int]time.Time{1: s.StartDate.Time, 2: s.PreviousPaymentDate.Time, 3: s.NextPaymentDate.Time, 4: s.CurrentPeriodStart.Time,
		5: s.CurrentPeriodEnd.Time, 6: s.PastDueAt.Time, 7: s.NextRetryAt.Time, 11: s.CancelledAt.Time} {
		require.True(t, at(n).Equal(got), "%d: %s", n, got)
	}
	i := d.Invoice
	require.NotNil(t, i)
	require.Equal(t, []string{"1", "2", "3.50", "4", "9", "10", "11", "12", "13"},
		[]string{i.ID, i.Code, i.Amount.String(), i.Currency, i.RetryCount, i.MaxRetryCount, i.Status, i.Description, i.TransactionID})
	for n, got := range map[int]time.Time{5: i.PeriodStart.Time, 6: i.PeriodEnd.Time, 7: i.DueAt.Time, 8: i.NextRetryAt.Time} {
		require.True(t, at(n).Equal(got), "%d: %s", n, got)
	}
	for _, members := range []string{`"amount":1`, `"subscription":null,"invoice":null`, `"subscription":[],"invoice":"INV"`} {
		d := inData(t, members).Data
		require.Nil(t, d.Subscription, members)
		require.Nil(t, d.Invoice, members)
	}
}

// A sample is acknowledged without a call, so each of its three marks must be there.
func TestASampleHasThreeMarks(t *testing.T) {
	sample := func(mark, reference, mode string) bool {
		body := `{"event":"successful","data":{"reference":"` + reference + `","meta":{"mode":"` + mode + `"}},"sample":` + mark + `}`
		e, err := kyshi.ParseEvent([]byte(body))
		require.NoError(t, err)
		return e.Sample
	}
	require.True(t, sample(`true`, "SAMPLE-1", "test"))
	require.True(t, sample(`true`, "SAMPLE-1", ""))
	require.False(t, sample(`true`, "SAMPLE-1", "live"))
	require.False(t, sample(`true`, "ORD-1", "test"))
	require.False(t, sample(`false`, "SAMPLE-1", "test"))
	require.False(t, sample(`"true"`, "SAMPLE-1", "test"))
	require.False(t, sample(`1`, "SAMPLE-1", "test"))
}

// The exact name of a member wins over other spellings of its case, and of several of
// these the first in order, whatever letters they have.
func TestSpellingsOfAMember(t *testing.T) {
	for members, want := range map[string]string{
		`"reference":"exact","REFERENCE":"other"`:                           "exact",
		`"reFERENCE":"only"`:                                                "only",
		`"rEFERENCE":"second","REFERENCE":"first","reFERENCE":"third"`:      "first",
		`"referencE":"third","referenCe":"second","Reference":"first"`:      "first",
		`"reference":null,"REFERENCE":"other"`:                              "",
		`"reference":"","Reference":"other"`:                                "",
		`"references":"another name","referenc":"another","xreference":"x"`: "",
	} {
		e, err := kyshi.ParseEvent([]byte(`{"event":"other","data":{` + members + `}}`))
		require.NoError(t, err, members)
		require.Equal(t, want, e.Data.Reference, members)
	}
}

// What is posted costs no more than a number of bytes for each of its own.
func TestHostileEventsAreBounded(t *testing.T) {
	const size = 1 << 20
	many := func(unit string, width int) string {
		unit += strings.Repeat(" ", max(width-1-len(unit), 0)) + ","
		return strings.TrimSuffix(strings.Repeat(unit, size/len(unit)), ",")
	}
	var names strings.Builder
	for i := 0; names.Len() < size; i++ {
		fmt.Fprintf(&names, `"nextPayment%04x":1,`, i)
	}
	for name, row := range map[string]struct {
		members string
		refused bool
	}{
		"dense customers":   {`"customer":[` + many(`{}`, 0) + `]`, true},
		"dense numbers":     {`"customer":[` + many(`1`, 0) + `]`, true},
		"nested":            {`"meta":` + strings.Repeat(`{"meta":`, 9000) + `1` + strings.Repeat(`}`, 9000), true},
		"customers":         {`"customer":[` + many(`{}`, 48) + `]`, false},
		"customers, filled": {`"customer":[` + many(`{"id":1,"email":2,"phone":3}`, 48) + `]`, false},
		"members":           {`"subscription":{` + names.String() + `"id":1}`, false},
		"more members":      {names.String() + `"amount":1`, false},
		"the same member":   {many(`"meta":{}`, 48), false},
		"digits":            {`"amount":` + strings.Repeat("9", size), false},
		"log":               {`"log":[` + many(`[1]`, 96) + `]`, false},
	} {
		body := []byte(`{"event":"successful","data":{"reference":"R",` + row.members + `}}`)
		var before, after runtime.MemStats
		start := time.Now()
		runtime.ReadMemStats(&before)
		_, err := kyshi.ParseEvent(body)
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20+64*len(body)), name)
		require.Less(t, time.Since(start), 20*time.Second, name)
		if row.refused {
			require.ErrorIs(t, err, kyshi.ErrEvent, name)
			require.Less(t, len(err.Error()), 200, name)
		} else {
			require.NoError(t, err, name)
		}
	}
}
