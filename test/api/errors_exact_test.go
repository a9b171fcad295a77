package api_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Errors word by word, and what can be asked of each.

func TestErrorsWordByWord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status            int
		contentType, body string
		text              string
	}{
		"unknown": {500, "", "", "kopokopo: create payment: outcome unknown: 500 Internal Server Error (empty body); " +
			"do not pay again: wait for the callback, which returns your metadata, or look in the dashboard"},
		"refused":              {400, "", "", "kopokopo: create payment: 400 Bad Request (empty body)"},
		"trailing data":        {400, "application/json", `{"message":"no"} and more`, "kopokopo: create payment: 400 Bad Request (json, 25 bytes)"},
		"JSON of another type": {400, "text/plain", `{"message":"no"}`, "kopokopo: create payment: 400: no"},
		"text that begins so":  {400, "application/json", `x{"message":"no"}`, "kopokopo: create payment: 400 Bad Request (json, 17 bytes)"},
		"a string":             {400, "application/json", `"no"`, "kopokopo: create payment: 400 Bad Request (json, 4 bytes)"},
		"no type":              {400, "garbage", "x", "kopokopo: create payment: 400 Bad Request (body, 1 bytes)"},
		"below a kilobyte":     {400, "text/plain", strings.Repeat("x", 1023), "kopokopo: create payment: 400 Bad Request (plain, 1023 bytes)"},
		"a kilobyte":           {400, "text/plain", strings.Repeat("x", 1024), "kopokopo: create payment: 400 Bad Request (plain, 1 KB)"},
		"rounded down":         {400, "text/plain", strings.Repeat("x", 1535), "kopokopo: create payment: 400 Bad Request (plain, 1 KB)"},
		"rounded up":           {400, "text/plain", strings.Repeat("x", 1536), "kopokopo: create payment: 400 Bad Request (plain, 2 KB)"},
		"a hundred":            {400, "text/plain", strings.Repeat("x", 100<<10), "kopokopo: create payment: 400 Bad Request (plain, 100 KB)"},
	} {
		sdk, mock := mockSDK(t)
		responder := canned(test.status, []byte(test.body)).HeaderSet(http.Header{"Content-Type": {test.contentType}})
		mock.RegisterResponder(http.MethodPost, testBase+"/api/v1/payments", responder)
		_, err := sdk.CreatePayment(testToken, validPayment())
		assert.EqualError(t, err, test.text, name)
		var api *kopokopo.APIError
		require.ErrorAs(t, err, &api)
		assert.Empty(t, api.Hint, name)
	}
}

func TestAdviceOfEachClass(t *testing.T) {
	t.Parallel()
	advice := map[string]string{
		"CreateWebhook":       "it may have been created: look before creating it again",
		"ReceiveMpesaPayment": "do not charge again: wait for the callback, which returns your metadata, or look in the period's transactions",
		"AddPayRecipients":    "it may have been created: look before creating it again",
		"CreatePayment":       "do not pay again: wait for the callback, which returns your metadata, or look in the dashboard",
	}
	for _, create := range creates {
		for status, outcome := range map[int]error{500: kopokopo.ErrOutcomeUnknown, 400: kopokopo.ErrRefused} {
			sdk, mock := mockSDK(t)
			mock.RegisterNoResponder(canned(status, nil))
			_, err := create.Call(sdk, testToken)
			var call *kopokopo.CallError
			require.ErrorAs(t, err, &call)
			assert.Equal(t, create.Op, call.Op)
			assert.Equal(t, outcome, call.Outcome)
			assert.Equal(t, 1, call.Attempts)
			if outcome == kopokopo.ErrOutcomeUnknown {
				assert.Equal(t, advice[create.Name], call.Advice)
			} else {
				assert.Empty(t, call.Advice)
			}
		}
	}
}

func TestWhichStatusesAreRedirectsAndUnauthorized(t *testing.T) {
	t.Parallel()
	for status := range 600 {
		err := &kopokopo.APIError{StatusCode: status}
		assert.Equal(t, status >= 300 && status <= 399, errors.Is(err, kopokopo.ErrRedirect), status)
		assert.Equal(t, status == 401, errors.Is(err, kopokopo.ErrUnauthorized), status)
		assert.NotErrorIs(t, err, kopokopo.ErrResponse)
	}
}

func TestWhatErrorsAreMadeOf(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	assert.Equal(t, []error{cause}, (&kopokopo.CallError{Err: cause}).Unwrap(), "of a read")
	assert.Equal(t, []error{kopokopo.ErrRefused, cause}, (&kopokopo.CallError{Outcome: kopokopo.ErrRefused, Err: cause}).Unwrap())
	assert.EqualError(t, &kopokopo.CallError{Op: "do", Err: errors.Join(errors.New("kopokopo: a"), errors.New("b")), Advice: "c"}, "kopokopo: do: a; b; c")
	assert.EqualError(t, &kopokopo.CallError{Op: "do", Outcome: kopokopo.ErrRefused, Err: cause}, "kopokopo: do: the cause")
	assert.EqualError(t, &kopokopo.FailedError{}, "kopokopo: payment: failed")

	invalid := &kopokopo.ValidationError{What: "thing", Fields: []kopokopo.FieldError{{Field: "a", Message: "is empty", Err: kopokopo.ErrEmptyID}, {Field: "b", Message: "is odd"}}}
	assert.Equal(t, []error{kopokopo.ErrEmptyID}, invalid.Unwrap())
	assert.EqualError(t, invalid, "kopokopo: thing: a is empty; b is odd")
	assert.EqualError(t, &kopokopo.CallError{Op: "do", Err: invalid}, "kopokopo: do: a is empty; b is odd")
	assert.NotErrorIs(t, &kopokopo.FailedError{Outcome: kopokopo.OutcomeFailed}, kopokopo.ErrStillPending)
}

// What a wrapper's error is made of stays reachable, but for what is of this package.
func TestWhatAWrappersErrorIsMadeOf(t *testing.T) {
	t.Parallel()
	cause := &net.AddrError{Err: "the wrapper's own"}
	client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, TokenSource: oneToken("token"), MaxRetries: -1,
		HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, errors.Join(cause, &kopokopo.APIError{StatusCode: 401}, &kopokopo.FailedError{Outcome: kopokopo.OutcomeFailed}, kopokopo.ErrNoLocation)
		})}})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.V1.Payments.Create(t.Context(), validPayment())
	var own *net.AddrError
	require.ErrorAs(t, err, &own)
	assert.Same(t, cause, own)
	require.ErrorIs(t, err, cause)
	var other *http.MaxBytesError
	assert.False(t, errors.As(err, &other))
	assert.NotErrorIs(t, err, errors.New("another"))
	for _, word := range []error{kopokopo.ErrUnauthorized, kopokopo.ErrPaymentFailed, kopokopo.ErrNoLocation, kopokopo.ErrResponse, kopokopo.ErrClosed} {
		assert.NotErrorIs(t, err, word)
	}
}
