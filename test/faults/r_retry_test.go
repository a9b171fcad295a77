package faults_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// R17: how long to wait.

func TestFault_R17_RetryAfter(t *testing.T) {
	type row struct {
		header   []string
		min, max time.Duration // of the one pause
	}
	second := time.Second
	backoff := row{nil, 0, 250 * time.Millisecond}
	// A bubble begins at midnight UTC of 2000-01-01, a Saturday.
	rows := map[string]row{
		"2 seconds":    {[]string{"2"}, 2 * second, 2 * second},
		"0":            {[]string{"0"}, 0, 0},
		"a date ahead": {[]string{"Sat, 01 Jan 2000 00:00:30 GMT"}, 30 * second, 30 * second},
		"a date past":  {[]string{"Fri, 31 Dec 1999 23:59:59 GMT"}, 0, 0},
		"RFC 850":      {[]string{"Saturday, 01-Jan-00 00:00:20 GMT"}, 20 * second, 20 * second},
		"asctime":      {[]string{"Sat Jan  1 00:00:10 2000"}, 10 * second, 10 * second},
		"negative":     {[]string{"-1"}, 0, backoff.max},
		"a fraction":   {[]string{"1.5"}, 0, backoff.max},
		"a list":       {[]string{"5, 10"}, 0, backoff.max},
		"two headers":  {[]string{"3", "9"}, 3 * second, 3 * second},
		"another zone": {[]string{"Sat, 01 Jan 2000 03:00:30 EAT"}, 0, backoff.max},
		"absent":       backoff,
	}
	for name, r := range rows {
		var header []string
		for _, value := range r.header {
			header = append(header, "Retry-After: "+value)
		}
		t.Run("429/"+name, func(t *testing.T) {
			fault(t, everyone, ourWay, func(e *env) {
				e.w.Serve = firstly(answer(429, "", header...))
				var err error
				took := elapsed(func() { err = e.call(e.Context()) })
				e.expect(err, map[string]want{"*": endsWell(2, 2)})
				assert.GreaterOrEqual(e.T, took, r.min)
				assert.LessOrEqual(e.T, took, r.max)
			})
		})
		valid := r.min > 0 || r.max == 0
		t.Run("503/"+name, func(t *testing.T) {
			fault(t, everyone, ourWay, func(e *env) {
				e.w.Serve = firstly(answer(503, "", header...))
				wants := map[string]want{"R": endsWell(2, 2), "M": endsUnknown(1), "*": endsWell(2, 2)}
				if !valid {
					wants["*"] = endsUnknown(1) // without a pause that K2 asks for, it may be anything
				}
				e.expect(e.call(e.Context()), wants)
			})
		})
	}
	t.Run("beyond all measure", func(t *testing.T) {
		for _, value := range []string{"9223372036854775807", "99999999999999999999999", "3601"} {
			fault(t, everyone, ourWay, func(e *env) {
				e.w.Script = always(readWhole, send(answer(429, "", "Retry-After: "+value)), fin)
				err := e.call(e.Context())
				e.expect(err, map[string]want{"*": endsRefused(1), "R": endsFailing(1, 1)})
				var answered *kopokopo.APIError
				require.ErrorAs(e.T, err, &answered)
				assert.Equal(e.T, time.Hour, answered.RetryAfter)
			})
		}
	})
	t.Run("for ever", func(t *testing.T) {
		fault(t, everyone, ourWay, func(e *env) {
			e.w.Script = always(readWhole, send(answer(429, "", "Retry-After: 1")), fin)
			e.expect(e.call(e.Context()), map[string]want{"*": {wire: 3, attempts: 3, outcome: kopokopo.ErrRefused}, "R": endsFailing(3, 3)})
		})
	})
	t.Run("an answer does not undo an earlier one", func(t *testing.T) {
		fault(t, "CS", ourWay, func(e *env) {
			e.w.Script = inTurn([]step{readWhole, send(answer(503, "", "Retry-After: 1")), fin}, []step{readWhole, send(answer(400, "")), fin})
			e.expect(e.call(e.Context()), map[string]want{"*": {wire: 2, attempts: 2, outcome: kopokopo.ErrOutcomeUnknown}})
		})
		fault(t, "CS", ourWay, func(e *env) {
			e.w.Script = always(readWhole, send(answer(503, "", "Retry-After: 1")), fin)
			e.w.OnDial = func(_ context.Context, n int) error {
				if n > 0 {
					return context.DeadlineExceeded
				}
				return nil
			}
			e.expect(e.call(e.Context()), map[string]want{"*": {wire: 1, attempts: 3, outcome: kopokopo.ErrOutcomeUnknown}})
		})
	})
}
