package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Ids and answers of Get.

func TestWhichIDsAreSent(t *testing.T) {
	t.Parallel()
	var asked []string
	client := scripted(t, func(r *http.Request, _ string) *http.Response {
		asked = append(asked, r.URL.EscapedPath())
		return says(r, 404, "")
	})
	defer client.Close()
	const at = "/api/v2/incoming_payments/"
	for id, want := range map[string]string{
		"a": "a", "z": "z", "A": "A", "Z": "Z", "0": "0", "9": "9", "-": "-", "_": "_", strings.Repeat("a", 128): strings.Repeat("a", 128),
		testBase + at + "abc": "abc", "HTTPS://K2.EXAMPLE" + at + "abc": "abc",
		"": "", " ": "", strings.Repeat("a", 129): "", "`": "", "{": "", "@": "", "[": "", "/": "", ":": "", ".": "", "..": "", "é": "", "a b": "", "a%20b": "",
		testBase + at: "", testBase + at + "a/b": "", testBase + at + "a%62": "", testBase + at + "a?b": "", testBase + at + "a?": "", testBase + at + "a#b": "",
		testBase + "/api/v1/incoming_payments/abc": "", testBase + "/abc": "", "https://evil.example" + at + "abc": "", "http://k2.example" + at + "abc": "",
		"https://user@k2.example" + at + "abc": "", "//k2.example" + at + "abc": "", at + "abc": "", "\x00": "", "http://[": "",
	} {
		asked = nil
		_, err := client.IncomingPayments.Get(t.Context(), id)
		require.Error(t, err)
		if want != "" {
			assert.Equal(t, []string{at + want}, asked, "%.40q", id)
			continue
		}
		assert.Empty(t, asked, "%.40q", id)
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid, "%q", id)
		assert.Equal(t, "incoming payment", invalid.What)
		assert.Equal(t, "id", invalid.Fields[0].Field)
		requireOp(t, err, "get incoming payment", 0)
		if strings.TrimSpace(id) == "" {
			assert.EqualError(t, err, "kopokopo: get incoming payment: id is empty")
			assert.ErrorIs(t, err, kopokopo.ErrEmptyID)
		} else {
			assert.EqualError(t, err, "kopokopo: get incoming payment: id is neither an id (letters, digits, - and _) nor a Location of this resource on the configured host")
		}
	}
}

func TestAnswersToGet(t *testing.T) {
	t.Parallel()
	for body, text := range map[string]string{
		`{}`:                                    "data is missing",
		`{"data":null}`:                         "data is missing",
		`{"data":[]}`:                           "data is missing",
		`{"data":"x"}`:                          "data is missing",
		`{"data":{}}`:                           "data.id is missing",
		`{"data":{"id":""}}`:                    "data.id is missing",
		`{"data":{"id":"a"}}`:                   "data.attributes is missing",
		`{"data":{"id":"a","attributes":[]}}`:   "data.attributes is missing",
		`{"data":{"id":"a","attributes":null}}`: "data.attributes is missing",
		`{"data":{"id":"b","attributes":{}}}`:   "data.id is not the id that was asked for",
		`{"data":{"id":"A","type":"incoming_payment","attributes":{}}}`: "",
	} {
		n := 0
		client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, TokenSource: oneToken("token"), MaxRetries: 1,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if n++; n == 1 {
					answer := says(r, 429, "")
					answer.Header.Set("Retry-After", "0")
					return answer, nil
				}
				return says(r, 200, body), nil
			})}})
		require.NoError(t, err)
		doc, err := client.IncomingPayments.Get(t.Context(), "a", nil)
		if text == "" {
			require.NoError(t, err)
			assert.Equal(t, "A", doc.ID, "as K2 has it")
			continue
		}
		require.ErrorIs(t, err, kopokopo.ErrResponse, body)
		assert.EqualError(t, err, "kopokopo: get incoming payment: unusable answer: "+text, body)
		requireOp(t, err, "get incoming payment", 2)
		assert.Nil(t, doc)
		require.NoError(t, client.Close())
	}
}

// A day of a busy shop is long; everything else is short.
func TestOnlyReportsMayBeLong(t *testing.T) {
	t.Parallel()
	long := `{"data":{"id":"a","type":"polling","attributes":{"status":"Success","scope":"` + strings.Repeat("x", 2<<20) + `"}}}`
	client := scripted(t, func(r *http.Request, _ string) *http.Response { return says(r, 200, long) })
	defer client.Close()
	_, err := client.Polling.Get(t.Context(), "a")
	require.NoError(t, err)
	_, err = client.V1.Polling.Get(t.Context(), "a")
	require.NoError(t, err)
	_, err = client.IncomingPayments.Get(t.Context(), "a")
	require.ErrorIs(t, err, kopokopo.ErrResponseTooLarge)
	_, err = client.SendMoney.Get(t.Context(), "a")
	require.ErrorIs(t, err, kopokopo.ErrResponseTooLarge)
}

// What was not made by New fails in every method, whatever part of it is missing.
func TestEndpointsThatAreNone(t *testing.T) {
	t.Parallel()
	var setup *kopokopo.Endpoint[kopokopo.CreateWebhookReq, kopokopo.WebhookSubscription]
	var async *kopokopo.AsyncEndpoint[kopokopo.ReceiveMpesaReq, kopokopo.IncomingPayment]
	for _, endpoint := range []*kopokopo.Endpoint[kopokopo.CreateWebhookReq, kopokopo.WebhookSubscription]{setup, {}} {
		_, err := endpoint.Create(t.Context(), validWebhook())
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
		assert.ErrorContains(t, err, "not made by New")
		_, err = endpoint.Get(t.Context(), testID)
		assert.Empty(t, outcomes(err))
		assert.ErrorContains(t, err, "not made by New")
	}
	for _, endpoint := range []*kopokopo.AsyncEndpoint[kopokopo.ReceiveMpesaReq, kopokopo.IncomingPayment]{async, {}} {
		_, err := endpoint.Create(t.Context(), validSTK())
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
		_, err = endpoint.Get(t.Context(), testID)
		assert.ErrorContains(t, err, "not made by New")
		_, err = endpoint.Wait(t.Context(), testID)
		assert.ErrorContains(t, err, "not made by New")
		_, err = endpoint.CreateAndWait(t.Context(), validSTK())
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
	}
	for _, links := range []*kopokopo.PaymentLinkEndpoint{nil, {}} {
		err := links.Cancel(t.Context(), testID)
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
		var call *kopokopo.CallError
		require.ErrorAs(t, err, &call)
		assert.Zero(t, call.Attempts)
	}
}

// What Cancel sends, and what its errors say.
func TestCancelOnTheWire(t *testing.T) {
	t.Parallel()
	status := 200
	client := scripted(t, func(r *http.Request, body string) *http.Response {
		assert.Equal(t, "{}", body)
		assert.Equal(t, []string{"application/json"}, r.Header["Content-Type"])
		assert.Equal(t, []string{"application/json"}, r.Header["Accept"])
		answer := says(r, status, "")
		answer.Body = io.NopCloser(io.LimitReader(endless{}, 3<<20))
		answer.ContentLength = -1
		return answer
	})
	defer client.Close()
	require.NoError(t, client.PaymentLinks.Cancel(t.Context(), testID), "what a success says in its body adds nothing")
	for code, want := range map[int]struct {
		outcome error
		advised bool
	}{400: {kopokopo.ErrRefused, false}, 500: {kopokopo.ErrOutcomeUnknown, true}} {
		status = code
		err := client.PaymentLinks.Cancel(t.Context(), testID)
		assert.Equal(t, []error{want.outcome}, outcomes(err))
		var call *kopokopo.CallError
		require.ErrorAs(t, err, &call)
		assert.Equal(t, want.advised, call.Advice != "")
		assert.Equal(t, "cancel payment link", call.Op)
	}
	err := client.PaymentLinks.Cancel(t.Context(), "a/b")
	var call *kopokopo.CallError
	require.ErrorAs(t, err, &call)
	assert.Zero(t, call.Attempts)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}
