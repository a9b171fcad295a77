package api_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// errorSamples are the error answers on record.
var errorSamples = []struct {
	file    string
	status  int
	code    string
	message string
}{
	{"error_400_incoming_payment_phone_invalid.json", 400, "400", "Subscriber phone number is an invalid number"},
	{"error_400_incoming_payment_till_blank.json", 400, "400", "Till number can't be blank"},
	{"error_400_payment_link_till_invalid.json", 400, "400", "Till number is invalid"},
	{"error_400_reversal_pending_message_array.json", 400, "400", "You cannot reverse a transaction in Pending Reversal"},
	{"error_400_reversal_reference_invalid.json", 400, "400", "Transaction reference invalid"},
	{"error_400_send_money_limits_errors_array.json", 400, "", "Transfer amount must be between KSh 10.00 and KSh 250,000.00"},
	{"error_400_send_money_source_identifier_invalid.json", 400, "400", "Source identifier is invalid"},
	{"error_400_webhook_invalid_scope_reference.json", 400, "400", "Invalid scope reference"},
	{"error_401_invalid_client.json", 401, "invalid_client", "Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method."},
	{"GUESS_error_400_pay_recipient_not_created.json", 400, "400", "Pay recipient could not be created"},
	{"GUESS_error_401_invalid_token.json", 401, "invalid_token", "The access token is invalid"},
	{"GUESS_error_403_app_not_approved.json", 403, "403", "Your Oauth Application has not been approved"},
}

func TestErrorAnswersOnRecord(t *testing.T) {
	t.Parallel()
	for _, test := range errorSamples {
		for _, contentType := range []string{"application/json; charset=utf-8", "text/plain", "", "application/problem+json"} {
			t.Run(test.file+" as "+contentType, func(t *testing.T) {
				t.Parallel()
				body := string(sample(t, test.file))
				far := newFarSide(t, answering(test.status, contentType, body))
				_, err := far.SDK().ReceiveMpesaPayment(testToken, validSTK())
				var api *kopokopo.APIError
				require.ErrorAs(t, err, &api)
				assert.Equal(t, test.status, api.StatusCode)
				assert.Equal(t, test.code, api.Code)
				assert.Equal(t, []string{test.message}, api.Messages)
				assert.Equal(t, http.MethodPost, api.Method)
				assert.Equal(t, "/api/v1/incoming_payments", api.Path)
				assert.Empty(t, api.Hint)
				assert.Zero(t, api.RetryAfter)
				assert.Equal(t, body, string(api.Body()))
				assert.EqualError(t, err, "kopokopo: create incoming payment: "+strconv.Itoa(test.status)+": "+test.message)
				assert.Equal(t, []error{kopokopo.ErrRefused}, outcomes(err))
				assert.Equal(t, test.status == 401, errors.Is(err, kopokopo.ErrUnauthorized))
				var call *kopokopo.CallError
				require.ErrorAs(t, err, &call)
				assert.Equal(t, 1, call.Attempts)
				assert.Equal(t, "create incoming payment", call.Op)
				far.Only(t)
			})
		}
	}
}

func TestErrorShapes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, code, text string }{
		"texts by attribute":  {`{"errors":{"till":["is blank","is odd"],"amount":"is low"}}`, "", "400: amount: is low; till: is blank; till: is odd"},
		"errors as text":      {`{"errors":"no"}`, "", "400: no"},
		"nested lists":        {`{"errors":[["a"],[["b"]]]}`, "", "400: a; b"},
		"numbers":             {`{"error_code":"E1","error_message":12}`, "E1", "400: 12"},
		"message":             {`{"message":"no"}`, "", "400: no"},
		"error":               {`{"error":"no"}`, "no", "400: no"},
		"error object":        {`{"error":{"detail":"no"}}`, "", "400: detail: no"},
		"first shape wins":    {`{"message":"third","error_message":"first","errors":["second"]}`, "", "400: first"},
		"empty ones are none": {`{"error_message":"","errors":[" "],"message":"third"}`, "", "400: third"},
		"list":                {`["a","b"]`, "", "400: a; b"},
		"white space before":  {"\r\n " + `{"message":"no"}`, "", "400: no"},
		"line breaks inside":  {`{"message":"a\nb\tc\u0000d\u202ee"}`, "", "400: a b c d e"},
		"code only":           {`{"error_code":400}`, "400", "400 Bad Request (json, 18 bytes)"},
		"null":                {`null`, "", "400 Bad Request (json, 4 bytes)"},
		"text":                {`"no"`, "", "400 Bad Request (json, 4 bytes)"},
		"half":                {`{"message":"no"`, "", "400 Bad Request (json, 15 bytes)"},
		"empty":               {``, "", "400 Bad Request (empty body)"},
		"digits":              {`{"message":"call 254712345678, 0712345678 or 123456"}`, "", "400: call *******, ******* or 123456"},
	} {
		sdk, mock := mockSDK(t)
		mock.RegisterResponder(http.MethodPost, testBase+"/api/v1/payments", canned(400, []byte(test.body)))
		_, err := sdk.CreatePayment(testToken, validPayment())
		assert.EqualError(t, err, "kopokopo: create payment: "+test.text, name)
		var api *kopokopo.APIError
		require.ErrorAs(t, err, &api, name)
		assert.Equal(t, test.code, api.Code, name)
		assert.Equal(t, test.body, string(api.Body()), name)
		assert.Equal(t, 1, mock.GetTotalCallCount())
	}
}

func TestManyAndLongMessagesStayShort(t *testing.T) {
	t.Parallel()
	sdk, mock := mockSDK(t)
	long := `{"errors":["` + strings.Repeat(strings.Repeat("é", 1000)+`","`, 100) + `"]}`
	mock.RegisterResponder(http.MethodPost, testBase+"/api/v1/payments", canned(422, []byte(long)))
	_, err := sdk.CreatePayment(testToken, validPayment())
	assert.Less(t, len(err.Error()), 1<<10)
	var api *kopokopo.APIError
	require.ErrorAs(t, err, &api)
	assert.Len(t, api.Messages, 20)
	assert.Len(t, api.Body(), 4<<10)
	for _, m := range api.Messages {
		assert.Less(t, len(m), 600)
	}
}

func TestAnswersThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status                  int
		contentType, body, text string
		outcome                 error
	}{
		"HTML 502":     {502, "text/html", "<html>" + strings.Repeat("x", 4000) + "</html>", "502 Bad Gateway (html, 4 KB)", kopokopo.ErrOutcomeUnknown},
		"HTML 404":     {404, "text/html; charset=utf-8", "<html>{}</html>", "404 Not Found (html, 15 bytes)", kopokopo.ErrRefused},
		"HTML with {":  {400, "text/html", `{"message":"x"}`, "400 Bad Request (html, 15 bytes)", kopokopo.ErrRefused},
		"empty 500":    {500, "", "", "500 Internal Server Error (empty body)", kopokopo.ErrOutcomeUnknown},
		"plain text":   {429, "text/plain", "slow down 254712345678", "429 Too Many Requests (plain, 22 bytes)", kopokopo.ErrRefused},
		"odd status":   {599, "", "", "599 (empty body)", kopokopo.ErrOutcomeUnknown},
		"timeout":      {408, "", "", "408 Request Timeout (empty body)", kopokopo.ErrOutcomeUnknown},
		"misdirected":  {421, "", "", "421 Misdirected Request (empty body)", kopokopo.ErrOutcomeUnknown},
		"too early":    {425, "", "", "425 Too Early (empty body)", kopokopo.ErrOutcomeUnknown},
		"403 bodyless": {403, "text/html", "", "403 Forbidden (empty body); K2 answers so to requests without a User-Agent", kopokopo.ErrRefused},
		"403 body":     {403, "text/html", "no", "403 Forbidden (html, 2 bytes)", kopokopo.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(test.status, test.contentType, test.body))
			for _, create := range creates {
				_, err := create.Call(far.SDK(), testToken)
				assert.Equal(t, []error{test.outcome}, outcomes(err), create.Name)
				prefix := "kopokopo: " + create.Op + ": "
				if test.outcome == kopokopo.ErrOutcomeUnknown {
					prefix += "outcome unknown: "
				}
				assert.Truef(t, strings.HasPrefix(err.Error(), prefix+test.text), "%s", err)
				assert.NotContains(t, err.Error(), "254712345678")
			}
			_, err := far.SDK().QueryIncommingMpesaPayment(testToken, testID)
			assert.Truef(t, strings.HasPrefix(err.Error(), "kopokopo: get incoming payment: "+test.text), "%s", err)
			assert.Empty(t, outcomes(err))
			assert.Len(t, far.Seen(), len(creates)+1)
		})
	}
}

func TestHintOfTheDashboardHost(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(httpmock.NewStringResponder(403, "").HeaderSet(http.Header{"Content-Type": {"text/html"}}))
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: "https://app.kopokopo.com", Credentials: testCredentials(), HTTPClient: &http.Client{Transport: mock}, MaxRetries: -1})
	_, err := sdk.CreateWebhook(testToken, validWebhook())
	assert.EqualError(t, err, "kopokopo: create webhook subscription: 403 Forbidden (empty body); app.kopokopo.com is the dashboard's host and serves no API: use kopokopo.Production as BaseURL")
	assert.Equal(t, 1, mock.GetTotalCallCount())
}

func TestRetryAfterIsTold(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "0": 0, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": time.Hour, "86400": time.Hour,
		"Wed, 21 Oct 2015 07:28:00 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": time.Hour,
	} {
		far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(429)
		})
		_, err := far.SDK().CreatePayment(testToken, validPayment())
		var api *kopokopo.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, want, api.RetryAfter, header)
		assert.Equal(t, []error{kopokopo.ErrRefused}, outcomes(err))
	}
}

func TestErrorsFormAFamily(t *testing.T) {
	t.Parallel()
	failed := &kopokopo.FailedError{ID: "1", Type: "payment", Outcome: kopokopo.OutcomeFailed, Reasons: []string{"a", "b"}}
	assert.EqualError(t, failed, "kopokopo: payment: failed: a; b")
	assert.ErrorIs(t, failed, kopokopo.ErrPaymentFailed)
	assert.NotErrorIs(t, failed, kopokopo.ErrPartial)
	partial := &kopokopo.FailedError{Type: "send_money", Outcome: kopokopo.OutcomePartial}
	assert.EqualError(t, partial, "kopokopo: send money: only a part succeeded")
	assert.ErrorIs(t, partial, kopokopo.ErrPartial)
	assert.NotErrorIs(t, partial, kopokopo.ErrPaymentFailed)
	assert.NotErrorIs(t, &kopokopo.FailedError{Type: "polling", Outcome: kopokopo.OutcomeFailed}, kopokopo.ErrPaymentFailed)
	assert.EqualError(t, &kopokopo.APIError{StatusCode: 418}, "418 I'm a teapot")
	assert.Nil(t, (&kopokopo.APIError{}).Body())
	assert.EqualError(t, &kopokopo.CallError{Op: "do", Outcome: kopokopo.ErrNotSent}, "kopokopo: do: not sent: failed")
}

func TestBodyOfAnErrorIsACopy(t *testing.T) {
	t.Parallel()
	sdk, mock := mockSDK(t)
	mock.RegisterNoResponder(canned(400, []byte(`{"message":"no"}`)))
	_, err := sdk.CreatePayment(testToken, validPayment())
	var api *kopokopo.APIError
	require.ErrorAs(t, err, &api)
	api.Body()[0] = 'X'
	assert.Equal(t, `{"message":"no"}`, string(api.Body()))
}
