package sdk_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func TestProcessReadsEveryResultOnRecord(t *testing.T) {
	t.Parallel()
	sdk, mock := mockSDK(t)
	for _, test := range incomingSamples {
		t.Run(test.file, func(t *testing.T) {
			id, err := sdk.ProcessIncommingMpesaPayment(string(sample(t, test.file)))
			assert.Equal(t, test.id, id)
			assert.Empty(t, outcomes(err))
			switch test.status {
			case "Success":
				require.NoError(t, err)
			case "Failed":
				require.ErrorIs(t, err, kopokopo.ErrPaymentFailed)
				var failed *kopokopo.FailedError
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, test.id, failed.ID)
				assert.Equal(t, kopokopo.OutcomeFailed, failed.Outcome)
				assert.Equal(t, []string(test.errors), failed.Reasons)
				assert.EqualError(t, err, "kopokopo: incoming payment: failed: "+test.errors[0])
			default:
				require.ErrorIs(t, err, kopokopo.ErrPaymentPending)
				require.NotErrorIs(t, err, kopokopo.ErrPaymentFailed)
				assert.EqualError(t, err, "kopokopo: process incoming payment: payment pending")
			}
		})
	}
	assert.Zero(t, mock.GetTotalCallCount(), "it calls nobody")
}

// result makes an incoming payment's result of the members in question.
func result(attributes string) string {
	return `{"data":{"id":"` + testID + `","type":"incoming_payment","attributes":{` + attributes + `}}}`
}

func TestProcessReadsOddResults(t *testing.T) {
	t.Parallel()
	sdk, _ := mockSDK(t)
	for name, test := range map[string]struct {
		attributes string
		want       error
	}{
		"lower case":              {`"status":"success","event":{"resource":{"reference":"OJJ1MPU40Z","status":"received"}}`, nil},
		"white space":             {`"status":" Success ","event":{"resource":{"reference":"OJJ1MPU40Z","status":" Received "}}`, nil},
		"no status inside":        {`"status":"Success","event":{"resource":{"reference":"OJJ1MPU40Z"}}`, nil},
		"success without payment": {`"status":"Success","event":{"resource":null}`, kopokopo.ErrPaymentPending},
		"success, empty payment":  {`"status":"Success","event":{"resource":{}}`, kopokopo.ErrPaymentPending},
		"success, blank payment":  {`"status":"Success","event":{"resource":{"id":null,"reference":"","amount":null}}`, kopokopo.ErrPaymentPending},
		"failed, empty payment":   {`"status":"Failed","event":{"resource":{},"errors":["no"]}`, kopokopo.ErrPaymentFailed},
		"success, no event":       {`"status":"Success"`, kopokopo.ErrPaymentPending},
		"failed beside payment":   {`"status":"Failed","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Received"}}`, kopokopo.ErrPaymentPending},
		"cancelled":               {`"status":"Cancelled"`, kopokopo.ErrPaymentFailed},
		"failed, no reason":       {`"status":"Failed","event":{"errors":null}`, kopokopo.ErrPaymentFailed},
		"failed, no event":        {`"status":"Failed"`, kopokopo.ErrPaymentFailed},
		"unheard of":              {`"status":"Sleeping"`, kopokopo.ErrPaymentPending},
		"no status":               {``, kopokopo.ErrPaymentPending},
		"null status":             {`"status":null`, kopokopo.ErrPaymentPending},
		"success beside errors":   {`"status":"Success","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Received"},"errors":["no"]}`, kopokopo.ErrPaymentPending},
		"success, later reversed": {`"status":"Success","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Reversed"}}`, kopokopo.ErrPaymentFailed},
		"received with resource":  {`"status":"Received","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Received","amount":"1"}}`, kopokopo.ErrPaymentPending},
		"absurd amount":           {`"status":"Success","event":{"resource":{"id":"1","amount":"a lot"}}`, nil},
		"metadata list":           {`"status":"Success","event":{"resource":{"id":"1"}},"metadata":[]`, nil},
	} {
		id, err := sdk.ProcessIncommingMpesaPayment(result(test.attributes))
		assert.Equal(t, testID, id, name)
		if test.want == nil {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorIs(t, err, test.want, name)
		}
	}
}

func TestProcessRefusesWhatIsNoResult(t *testing.T) {
	t.Parallel()
	sdk, _ := mockSDK(t)
	success := string(sample(t, "callback_incoming_payment_success_v2.json"))
	for name, body := range map[string]string{
		"nothing":        "",
		"white space":    " \n",
		"null":           "null",
		"list":           "[]",
		"text":           `"Success"`,
		"grant type":     "client_credentials",
		"half":           success[:len(success)-3],
		"trailing brace": success + "}",
		"trailing text":  success + " x",
		"twice":          success + success,
		"bare document":  `{"id":"1","type":"incoming_payment","attributes":{"status":"Success"}}`,
		"no id":          `{"data":{"type":"incoming_payment","attributes":{"status":"Success"}}}`,
		"no attributes":  `{"data":{"id":"1","type":"incoming_payment"}}`,
		"no type":        `{"data":{"id":"1","attributes":{"status":"Success"}}}`,
		"payment":        string(sample(t, "callback_payment_processed_v1.json")),
		"reversal":       string(sample(t, "callback_reversal_processed_docs.json")),
		"send money":     string(sample(t, "callback_send_money_processed.json")),
		"link":           string(sample(t, "callback_payment_link_paid.json")),
		"event":          string(sample(t, "webhook_buygoods_transaction_received.json")),
		"daraja":         string(sample(t, "webhook_daraja_buygoods_node.json")),
	} {
		id, err := sdk.ProcessIncommingMpesaPayment(body)
		assert.Empty(t, id, name)
		require.ErrorIs(t, err, kopokopo.ErrResponse, name)
		assert.Contains(t, err.Error(), "kopokopo: process incoming payment: ", name)
		assert.NotErrorIs(t, err, kopokopo.ErrPaymentFailed, name)
		assert.NotErrorIs(t, err, kopokopo.ErrPaymentPending, name)
	}
}

// White space around the document is not "something after it".
func TestProcessTakesTheBodyAsItWasPosted(t *testing.T) {
	t.Parallel()
	sdk, _ := mockSDK(t)
	id, err := sdk.ProcessIncommingMpesaPayment("\r\n\t " + string(sample(t, "callback_incoming_payment_success_v1.json")) + "\n")
	require.NoError(t, err)
	assert.Equal(t, "a652f86f-f2aa-4d70-baa2-ccfe4b78f4fc", id)
}

func TestFailureReasonsHidePhoneNumbers(t *testing.T) {
	t.Parallel()
	sdk, _ := mockSDK(t)
	_, err := sdk.ProcessIncommingMpesaPayment(result(`"status":"Failed","event":{"errors":["254712345678 is\nbusy","code 123456"]}`))
	assert.EqualError(t, err, "kopokopo: incoming payment: failed: ******* is busy; code 123456")
	var failed *kopokopo.FailedError
	require.ErrorAs(t, err, &failed)
	assert.NotContains(t, strings.Join(failed.Reasons, " "), "254712345678", "as the field's comment says")
}

func TestProcessIncommingPaymentReqIsTheDecodedForm(t *testing.T) {
	t.Parallel()
	for _, test := range incomingSamples {
		var req kopokopo.ProcessIncommingPaymentReq
		require.NoError(t, json.Unmarshal(sample(t, test.file), &req), test.file)
		assert.Equal(t, "incoming_payment", req.Topic, "the document's type")
		assert.Equal(t, test.id, req.ID)
		assert.Equal(t, test.status, req.Status)
		assert.NotEmpty(t, req.InitiationTime)
		assert.Equal(t, test.id, req.Event.ID)
		assert.Equal(t, test.amount, req.Event.Attributes.Resource.Amount)
		assert.Equal(t, req.Event.Attributes.Metadata, req.Metadata)
		assert.NotEmpty(t, req.Links.Callback)

		stored, err := json.Marshal(req)
		require.NoError(t, err)
		var again kopokopo.ProcessIncommingPaymentReq
		require.NoError(t, json.Unmarshal(stored, &again))
		if len(req.Metadata) == 0 {
			again.Metadata, again.Event.Attributes.Metadata = req.Metadata, req.Event.Attributes.Metadata
		}
		assert.Equal(t, req, again, "%s: stored in its own form and read again", test.file)
	}
}
