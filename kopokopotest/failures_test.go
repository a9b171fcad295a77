package kopokopotest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// why makes an STK push and returns what K2 says of it, "" if the customer paid.
func why(t *testing.T, till, phone string, opts ...kopokopotest.Option) any {
	t.Helper()
	s := memoryShop(t, append(opts, kopokopotest.WithDelay(0))...)
	path := s.create("/api/v2/incoming_payments", stk(till, phone, "100"))
	s.idle()
	got := s.attributes(path)
	if got["status"] == "Success" {
		return ""
	}
	assert.Equal(t, "Failed", got["status"])
	assert.Nil(t, at(t, got, "event.resource"))
	return at(t, got, "event.errors.0")
}

func TestCustomersFailByTheirPhones(t *testing.T) {
	busy := kopokopotest.WithFailure("0712 345 678", kopokopo.FailureLimitOrBusy)
	const pin = "The initiator information is invalid."
	for name, row := range map[string]struct {
		till, phone string
		opts        []kopokopotest.Option
		want        any
	}{
		"the phone in another form":   {"K555555", "+254712345678", []kopokopotest.Option{busy}, "System busy"},
		"another phone":               {"K555555", "0712345679", []kopokopotest.Option{busy}, ""},
		"another phone at a bad till": {kopokopotest.FailTill, "0712345679", []kopokopotest.Option{busy}, pin},
		"the phone at a bad till":     {kopokopotest.FailTill, "0712345678", []kopokopotest.Option{busy}, "System busy"},
		"the last of two counts": {"K555555", "0712345678",
			[]kopokopotest.Option{busy, kopokopotest.WithFailure("254712345678", kopokopo.FailureWrongPIN)}, pin},
		"no failure goes before the till": {kopokopotest.FailTill, "0712345678", []kopokopotest.Option{kopokopotest.WithFailure("0712345678", "")}, ""},
		"WithOutcome goes before both": {kopokopotest.FailTill, "0712345678", []kopokopotest.Option{busy, kopokopotest.WithOutcome(
			func(kopokopotest.Submission) []string { return kopokopotest.FailureReasons(kopokopo.FailureCancelled) })}, "Request cancelled by user"},
		"WithOutcome without a word": {"K555555", "0712345678", []kopokopotest.Option{busy, kopokopotest.WithOutcome(
			func(kopokopotest.Submission) []string { return nil })}, "System busy"},
		"a code of one's own": {"K555555", "0712345678", []kopokopotest.Option{kopokopotest.WithFailure("0712345678", "sim_swapped")}, "sim_swapped"},
	} {
		assert.Equal(t, row.want, why(t, row.till, row.phone, row.opts...), name)
	}
}

func TestFailureReasons(t *testing.T) {
	assert.Nil(t, kopokopotest.FailureReasons(""))
	for code, want := range map[kopokopo.FailureCode]kopokopo.FailureCode{
		kopokopo.FailureWrongPIN: kopokopo.FailureWrongPIN, kopokopo.FailureCancelled: kopokopo.FailureCancelled,
		kopokopo.FailureNoAnswer: kopokopo.FailureNoAnswer, kopokopo.FailureInsufficientBalance: kopokopo.FailureInsufficientBalance,
		kopokopo.FailureExpired: kopokopo.FailureExpired, kopokopo.FailureInProgress: kopokopo.FailureInProgress,
		kopokopo.FailureLimitOrBusy: kopokopo.FailureLimitOrBusy, kopokopo.FailureNotDelivered: kopokopo.FailureNotDelivered,
		kopokopo.FailureUnknown: kopokopo.FailureUnknown, "sim_swapped": kopokopo.FailureUnknown,
	} {
		reasons := kopokopotest.FailureReasons(code)
		require.Len(t, reasons, 1, code)
		assert.Equal(t, want, kopokopo.FailureCodeOf(reasons...), "a client reads it back")
	}
}

func TestWithFailureRefusesWhatIsNoPhone(t *testing.T) {
	for _, phone := range []string{"", "customer", "07123", "+1 555 0100", "0712345678x"} {
		assert.PanicsWithValue(t, "kopokopotest: WithFailure: kopokopo: phone: not a Kenyan phone number",
			func() { kopokopotest.WithFailure(phone, kopokopo.FailureCancelled) }, phone)
	}
}
