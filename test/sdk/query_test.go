package sdk_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// incomingSamples are all the incoming payments on record, and what they hold.
var incomingSamples = []struct {
	file, id, status string
	amount           float64
	reference, payer string
	errors           kopokopo.StringList
}{
	{"callback_incoming_payment_success_v1.json", "a652f86f-f2aa-4d70-baa2-ccfe4b78f4fc", "Success", 100, "OJJ1MPU40Z", "Joe", nil},
	{"callback_incoming_payment_success_v2.json", "a652f86f-f2aa-4d70-baa2-ccfe4b78f4fc", "Success", 100, "OJJ1MPU40Z", "Joe", nil},
	{"resource_incoming_payment_success_v2.json", "a652f86f-f2aa-4d70-baa2-ccfe4b78f4fc", "Success", 1, "OJJ1MPU40Z", "Joe", nil},
	{"callback_incoming_payment_success_prod_2025_amount_float.json", "d7443ea0-d2d1-41f6-b269-aabcc4b8a932", "Success", 115, "12345678ab10", "", nil},
	{"REBUILT_incoming_payment_success_sandbox_2026_errors_empty_array.json", "0895010c-fe23-473c-944a-3277971e239a", "Success", 249, "1770871136", "Doreen", nil},
	{"callback_incoming_payment_failed_v1_errors_string.json", "09bc45fc-3b97-4c44-b860-42a7bcbd7480", "Failed", 0, "", "",
		kopokopo.StringList{"The initiator information is invalid."}},
	{"callback_incoming_payment_failed_v2_errors_array.json", "09bc45fc-3b97-4c44-b860-42a7bcbd7480", "Failed", 0, "", "",
		kopokopo.StringList{"The initiator information is invalid."}},
	{"callback_incoming_payment_failed_prod_2025_errors_string.json", "090cceda-2489-4343-8125-08a58ac0d9a0", "Failed", 0, "", "",
		kopokopo.StringList{"The balance is insufficient for the transaction"}},
	{"resource_incoming_payment_pending.json", "0dad3e3f-a83e-4ed2-afa6-2e76a3df3a03", "Pending", 0, "", "", nil},
	{"resource_incoming_payment_pending_v2.json", "e192ac63-8b24-4caf-8637-a2a9b75a14e6", "Pending", 0, "", "", nil},
	{"GUESS_resource_incoming_payment_received.json", "0895010c-fe23-473c-944a-3277971e239b", "Received", 0, "", "", nil},
}

func TestQueryReturnsTheDocumentedEvent(t *testing.T) {
	t.Parallel()
	for _, test := range incomingSamples {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(200, "application/json; charset=utf-8", string(sample(t, test.file))))
			event, err := far.SDK().QueryIncommingMpesaPayment(testToken, test.id)
			require.NoError(t, err)
			assert.Equal(t, "incoming_payment", event.Type)
			assert.Equal(t, test.id, event.ID)
			assert.Equal(t, test.status, event.Attributes.Status)
			assert.NotEmpty(t, event.Attributes.InitiationTime)
			assert.Equal(t, test.amount, event.Attributes.Resource.Amount)
			assert.Equal(t, test.reference, event.Attributes.Resource.Reference)
			assert.Equal(t, test.payer, event.Attributes.Resource.SenderFirstName)
			assert.Equal(t, test.errors, event.Attributes.Errors)
			assert.NotEmpty(t, event.Attributes.Links.Callback)
			assert.Contains(t, event.Attributes.Links.Self, test.id)

			r := far.Only(t)
			assert.Equal(t, http.MethodGet, r.Method)
			assert.Equal(t, "/api/v1/incoming_payments/"+test.id, r.Path)
			assert.Empty(t, r.Query)
			assert.Empty(t, r.Body)
			assert.Equal(t, []string{"Bearer " + testToken}, r.Header["Authorization"])
			assert.Equal(t, []string{"application/json"}, r.Header["Accept"])
			assert.Equal(t, []string{ownUserAgent}, r.Header["User-Agent"])
			assert.NotContains(t, r.Header, "Content-Type")
		})
	}
}

func TestQueryKeepsMetadataAsItWasSent(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, answering(200, "application/json", string(sample(t, "callback_incoming_payment_success_prod_2025_amount_float.json"))))
	event, err := far.SDK().QueryIncommingMpesaPayment(testToken, "d7443ea0-d2d1-41f6-b269-aabcc4b8a932")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"notes": "Payment for invoice ORDER_KEY", "reference": "ORDER_KEY", "customer_id": json.Number("0")},
		event.Attributes.Metadata)
	assert.Equal(t, "d30d07eef610b83d1f65f3a15280499552e5f0fcb86c3890d7375291c6ba4e70", event.Attributes.Resource.HashedSenderPhone)
}

func TestQueryTakesALocationOfTheSameOrigin(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, answering(200, "application/json", string(sample(t, "resource_incoming_payment_pending.json"))))
	event, err := far.SDK().QueryIncommingMpesaPayment(testToken, far.URL+"/api/v1/incoming_payments/"+testID)
	require.NoError(t, err)
	assert.Equal(t, testID, event.ID)
	assert.Equal(t, "/api/v1/incoming_payments/"+testID, far.Only(t).Path)
}

func TestQueryRefusesWhatIsNoIDBeforeAnythingIsDialled(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, answering(200, "application/json", "{}"))
	sdk := far.SDK()
	for name, id := range map[string]string{
		"foreign host":    "https://evil.example/api/v1/incoming_payments/" + testID,
		"foreign port":    "http://127.0.0.1:1/api/v1/incoming_payments/" + testID,
		"foreign scheme":  strings.Replace(far.URL, "http:", "https:", 1) + "/api/v1/incoming_payments/" + testID,
		"user":            strings.Replace(far.URL, "//", "//user@", 1) + "/api/v1/incoming_payments/" + testID,
		"other resource":  far.URL + "/api/v1/payments/" + testID,
		"oauth":           far.URL + "/oauth/token/info",
		"deeper":          far.URL + "/api/v1/incoming_payments/a/b",
		"URL with query":  far.URL + "/api/v1/incoming_payments/" + testID + "?x=1",
		"URL with bare ?": far.URL + "/api/v1/incoming_payments/" + testID + "?",
		"URL with #":      far.URL + "/api/v1/incoming_payments/" + testID + "#x",
		"URL with ..":     far.URL + "/api/v1/incoming_payments/../payments",
		"encoded slash":   far.URL + "/api/v1/incoming_payments/a%2Fb",
		"dots":            "..",
		"climbing":        "../../oauth/token/info",
		"slash":           "a/b",
		"backslash":       `a\b`,
		"query":           testID + "?x=1",
		"fragment":        testID + "#x",
		"encoded":         "%2e%2e",
		"space":           "a b",
		"line break":      testID + "\r\nX-Evil: 1",
		"NUL":             testID + "\x00",
		"DEL":             testID + "\x7f",
		"non-ASCII":       "äöü",
		"full width":      "１２３",
		"10 KB":           strings.Repeat("a", 10<<10),
		"129 characters":  strings.Repeat("a", 129),
	} {
		event, err := sdk.QueryIncommingMpesaPayment(testToken, id)
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		assert.Equal(t, "id", invalid.Fields[0].Field, name)
		assert.NotErrorIs(t, err, kopokopo.ErrEmptyID, name)
		assert.Less(t, len(err.Error()), 300, name)
		assert.NotContains(t, err.Error(), id, "%s: the value is not repeated", name)
		assert.Empty(t, outcomes(err), name)
		assert.Zero(t, event, name)
	}
	assert.Empty(t, far.Seen())
	assert.Zero(t, far.Connections())
}

// An answer about something else must not pass for the payment that was asked for.
func TestQueryRefusesAnUnusableAnswer(t *testing.T) {
	t.Parallel()
	pending := string(sample(t, "resource_incoming_payment_pending.json"))
	for name, body := range map[string]string{
		"nothing":        "",
		"null":           "null",
		"list":           "[]",
		"empty object":   "{}",
		"data null":      `{"data":null}`,
		"data list":      `{"data":[]}`,
		"no id":          `{"data":{"type":"incoming_payment","attributes":{}}}`,
		"no attributes":  `{"data":{"id":"` + testID + `","type":"incoming_payment"}}`,
		"attributes nil": `{"data":{"id":"` + testID + `","attributes":null}}`,
		"another id":     strings.ReplaceAll(pending, testID, "other"),
		"half":           pending[:len(pending)/2],
		"trailing":       pending + "{}",
		"html":           "<html></html>",
		"bad amount":     `{"data":{"id":"` + testID + `","attributes":{"status":"Success","event":{"resource":{"amount":"abc"}}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(200, "application/json", body))
			event, err := far.SDK().QueryIncommingMpesaPayment(testToken, testID)
			require.ErrorIs(t, err, kopokopo.ErrResponse)
			assert.Contains(t, err.Error(), "kopokopo: get incoming payment: ")
			assert.Empty(t, outcomes(err))
			assert.Zero(t, event)
			far.Only(t)
		})
	}
}

func TestQueryAgainstTheEmbeddedKopoKopo(t *testing.T) {
	t.Parallel()
	srv := kopokopotest.NewServer(kopokopotest.WithDelay(0))
	t.Cleanup(srv.Close)
	sdk := kopokopo.NewSDK(srv.Config())
	token, err := sdk.GetToken()
	require.NoError(t, err)
	for till, status := range map[string]string{kopokopotest.SuccessTill: "Success", kopokopotest.FailTill: "Failed"} {
		stk := validSTK()
		stk.TillNumber = till
		stk.Metadata = map[string]any{"n": int64(12345678901234567)}
		id, err := sdk.ReceiveMpesaPayment(token.AccessToken, stk)
		require.NoError(t, err)
		event, err := sdk.QueryIncommingMpesaPayment(token.AccessToken, id)
		require.NoError(t, err)
		assert.Equal(t, id, event.ID)
		assert.Equal(t, status, event.Attributes.Status)
		assert.Equal(t, json.Number("12345678901234567"), event.Attributes.Metadata["n"])
		if status == "Success" {
			assert.Equal(t, 20000.0, event.Attributes.Resource.Amount)
			assert.Equal(t, "+254999999999", event.Attributes.Resource.SenderPhoneNumber)
		} else {
			assert.NotEmpty(t, event.Attributes.Errors)
		}
		assert.Equal(t, 1, srv.Count(http.MethodGet, "/api/v1/incoming_payments/"+id))
	}
	_, err = sdk.QueryIncommingMpesaPayment(token.AccessToken, testID)
	var api *kopokopo.APIError
	require.ErrorAs(t, err, &api)
	assert.Equal(t, http.StatusNotFound, api.StatusCode)
	assert.Equal(t, "/api/v1/incoming_payments/{id}", api.Path)
}
