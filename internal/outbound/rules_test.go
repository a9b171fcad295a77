package outbound

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policy is the decision table in words, written down once more and on its own: for
// each status, what comes of a call of each class that is answered so for ever. A
// number is how many requests the other side has then seen.
const policy = `
                                 R         S            C            M
100-199                          1 error   1 unknown    1 unknown    1 unknown
200-299                          1 ok      1 ok         1 ok         1 ok
300-399                          1 error   1 unknown    1 unknown    1 unknown
400,402-407,409-420,422-424      1 error   1 refused    1 refused    1 refused
426-428,430-459,461-498          1 error   1 refused    1 refused    1 refused
401                              2 error   2 refused    2 refused    2 refused
401+insufficient_scope           1 error   1 refused    1 refused    1 refused
408,421,425,460,499              3 error   1 unknown    1 unknown    1 unknown
429                              3 error   3 refused    3 refused    3 refused
429+Retry-After                  3 error   3 refused    3 refused    3 refused
500-599                          3 error   1 unknown    1 unknown    1 unknown
503+Retry-After                  3 error   3 unknown    3 unknown    1 unknown
503+nonsense                     3 error   1 unknown    1 unknown    1 unknown
500+Retry-After                  3 error   1 unknown    1 unknown    1 unknown
502+Retry-After                  3 error   1 unknown    1 unknown    1 unknown
504+Retry-After                  3 error   1 unknown    1 unknown    1 unknown
600-999                          3 error   1 unknown    1 unknown    1 unknown
`

// policyHeaders are what stands behind a plus.
var policyHeaders = map[string][]string{
	"insufficient_scope": {"WWW-Authenticate", `Bearer realm="x", error="insufficient_scope"`},
	"Retry-After":        {"Retry-After", "1"},
	"nonsense":           {"Retry-After", "soon"},
}

// statuses reads the first column of a row.
func statuses(t *testing.T, column string) (codes []int, header []string) {
	t.Helper()
	column, plus, _ := strings.Cut(column, "+")
	header = policyHeaders[plus]
	for part := range strings.SplitSeq(column, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		require.NoError(t, err)
		last := first
		if isRange {
			last, err = strconv.Atoi(to)
			require.NoError(t, err)
		}
		for code := first; code <= last; code++ {
			codes = append(codes, code)
		}
	}
	return codes, header
}

// TestEveryStatusOfEveryClass holds the rules against the policy.
func TestEveryStatusOfEveryClass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rows := strings.Split(strings.TrimSpace(policy), "\n")[1:]
		seen := map[int]int{}
		for _, row := range rows {
			fields := strings.Fields(row)
			codes, header := statuses(t, fields[0])
			for _, code := range codes {
				if header == nil {
					seen[code]++
				}
				for i, c := range classes {
					want := fields[1+2*i] + " " + fields[2+2*i]
					assert.Equal(t, want, answeredFor(t, c, code, header), "class %c, %d %v", c, code, header)
				}
			}
		}
		for code := 100; code < 1000; code++ {
			require.Equal(t, 1, seen[code], "the policy says one thing of %d", code)
		}
	})
}

// answeredFor makes a call that is always answered alike, and says what came of it.
func answeredFor(t *testing.T, c Class, code int, header []string) string {
	t.Helper()
	requests := 0
	e := engine(t, over(func(*http.Request) (*http.Response, error) { requests++; return respond(code, header...), nil }))
	defer e.Close()
	rep, err := e.Do(t.Context(), call(c))
	if err == nil {
		require.Equal(t, code, rep.Status)
		require.Equal(t, requests, rep.Attempts)
		return fmt.Sprint(requests, " ok")
	}
	end := failureOf(t, err)
	require.Equal(t, requests, end.Attempts)
	require.NoError(t, end.Cause, "an answer is no failure")
	require.Equal(t, code, end.Answer.Status)
	require.Equal(t, VerdictOf(code, end.Answer.Header), end.Verdict, "what the root asks for says the same")
	if c == Read {
		return fmt.Sprint(requests, " error")
	}
	return fmt.Sprintf("%d %v", requests, end.Verdict)
}

func TestVerdictsAsTheyAreLogged(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "accepted, not sent, refused, unknown", fmt.Sprintf("%v, %v, %v, %v", Accepted, NotSent, Refused, Unknown))
	assert.True(t, Accepted < NotSent && NotSent < Refused && Refused < Unknown, "the worse the greater")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]any{
		"0": time.Duration(0), "1": time.Second, "59": 59 * time.Second, "3599": 3599 * time.Second, " 7 ": 7 * time.Second, "007": 7 * time.Second,
		"3600": time.Hour, "3601": time.Hour, "86400": time.Hour,
		"9223372036854775807": time.Hour, "9223372036854775808": time.Hour, "99999999999999999999999999": time.Hour,
		"Tue, 24 Nov 2026 12:00:30 GMT": 30 * time.Second, "Tue, 24 Nov 2026 11:59:59 GMT": time.Duration(0), "Tue, 24 Nov 2026 14:00:00 GMT": time.Hour,
		"Tuesday, 24-Nov-26 12:00:20 GMT": 20 * time.Second, "Tue Nov 24 12:00:10 2026": 10 * time.Second,
		"Fri, 31 Dec 9999 23:59:59 GMT": time.Hour,
		"":                              nil, " ": nil, "-1": nil, "+1": nil, "1.5": nil, "5, 10": nil, "1e3": nil, "soon": nil, "0x10": nil, "٣": nil, "1 0": nil,
		"Tue, 24 Nov 2026 12:00:30 EAT": nil, "2026-11-24T12:00:30Z": nil,
	} {
		delay, asked := RetryAfter(http.Header{"Retry-After": {value}}, now)
		if want == nil {
			assert.False(t, asked, "%q", value)
			assert.Zero(t, delay, "%q", value)
			continue
		}
		assert.True(t, asked, "%q", value)
		assert.Equal(t, want, delay, "%q", value)
	}
	_, asked := RetryAfter(nil, now)
	assert.False(t, asked)
	delay, _ := RetryAfter(http.Header{"Retry-After": {"3", "9"}}, now)
	assert.Equal(t, 3*time.Second, delay, "the first of two")
}

// FuzzRetryAfter: a wait that an answer asks for is between nothing and the bound.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "7", "-1", "99999999999999999999", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", " 7 "} {
		f.Add(seed, int64(1445412480))
	}
	f.Fuzz(func(t *testing.T, text string, now int64) {
		delay, asked := RetryAfter(http.Header{"Retry-After": {text}}, time.Unix(now, 0))
		if delay < 0 || delay > MaxRetryAfter || !asked && delay != 0 {
			t.Fatalf("%q gave %s, %v", text, delay, asked)
		}
	})
}
