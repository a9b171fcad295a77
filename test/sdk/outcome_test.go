package sdk_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// The documented event tells its outcome like the attributes of a client.
var _ kopokopo.Outcomer = kopokopo.IncomingPaymentEvent{}

// outcomeOf is the outcome that a status on record means.
var outcomeOf = map[string]kopokopo.Outcome{
	"Success": kopokopo.OutcomeSucceeded, "Failed": kopokopo.OutcomeFailed,
	"Pending": kopokopo.OutcomePending, "Received": kopokopo.OutcomePending,
}

func TestTheDocumentedEventTellsItsOutcome(t *testing.T) {
	t.Parallel()
	for _, test := range incomingSamples {
		far := newFarSide(t, answering(200, "application/json", string(sample(t, test.file))))
		event, err := far.SDK().QueryIncommingMpesaPayment(testToken, test.id)
		require.NoError(t, err, test.file)
		assert.Equal(t, outcomeOf[test.status], event.Outcome(), test.file)
		assert.Equal(t, []string(test.errors), event.Reasons(), test.file)
		want := kopokopo.FailureCode("")
		if test.status == "Failed" {
			want = kopokopo.FailureCodeOf(test.errors...)
			assert.NotEqual(t, kopokopo.FailureUnknown, want, test.file)
		}
		assert.Equal(t, want, event.FailureCode(), test.file)
	}
}

// oddAttributes are the attributes of results that contradict themselves, or nearly,
// and what they come to.
var oddAttributes = map[string]kopokopo.Outcome{
	`"status":"success","event":{"resource":{"reference":"OJJ1MPU40Z","status":"received"}}`: kopokopo.OutcomeSucceeded,
	`"status":" Success ","event":{"resource":{"id":"5f0","status":" Received "}}`:           kopokopo.OutcomeSucceeded,
	`"status":"Success","event":{"resource":{"reference":"OJJ1MPU40Z"}}`:                     kopokopo.OutcomeSucceeded,
	`"status":"Success","event":{"resource":{"reference":1757640471},"errors":[]}`:           kopokopo.OutcomeSucceeded,
	`"status":"Success","event":{"resource":null}`:                                           kopokopo.OutcomePending,
	`"status":"Success","event":{"resource":{}}`:                                             kopokopo.OutcomePending,
	`"status":"Success","event":{"resource":{"id":null,"reference":"","amount":null}}`:       kopokopo.OutcomePending,
	`"status":"Success"`: kopokopo.OutcomePending,
	`"status":"Success","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Received"},"errors":["no"]}`: kopokopo.OutcomePending,
	`"status":"Success","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Reversed"}}`:                 kopokopo.OutcomeFailed,
	`"status":"Success","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Sleeping"}}`:                 kopokopo.OutcomePending,
	`"status":"Received","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Received","amount":"1"}}`:   kopokopo.OutcomePending,
	`"status":"Failed","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Received"}}`:                  kopokopo.OutcomePending,
	`"status":"Failed","event":{"resource":{},"errors":["no"]}`:                                              kopokopo.OutcomeFailed,
	`"status":"Failed","event":{"errors":"no"}`:                                                              kopokopo.OutcomeFailed,
	`"status":"Failed"`:    kopokopo.OutcomeFailed,
	`"status":"Cancelled"`: kopokopo.OutcomeFailed,
	`"status":"Sleeping"`:  kopokopo.OutcomePending,
	`"status":"Processed","event":{"resource":{"reference":"OJJ1MPU40Z","status":"Received"}}`: kopokopo.OutcomePending,
	`"status":null`: kopokopo.OutcomePending,
	``:              kopokopo.OutcomePending,
}

// TestBothDoorsTellTheSame reads each odd result through the documented event and
// through the client's document, and once more after the event was stored and loaded.
func TestBothDoorsTellTheSame(t *testing.T) {
	t.Parallel()
	for attributes, want := range oddAttributes {
		body := []byte(result(attributes))
		n, err := kopokopo.ParseEvent(body)
		require.NoError(t, err, attributes)
		document := n.Payload.(*kopokopo.Document[kopokopo.IncomingPayment]).Attributes
		var event, loaded kopokopo.IncomingPaymentEvent
		require.NoError(t, json.Unmarshal(body, &event))
		stored, err := json.Marshal(event)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(stored, &loaded))
		for _, told := range []interface {
			kopokopo.Outcomer
			FailureCode() kopokopo.FailureCode
		}{document, event, loaded} {
			assert.Equal(t, want, told.Outcome(), "%T %s", told, attributes)
			assert.Equal(t, document.Reasons(), told.Reasons(), "%T %s", told, attributes)
			assert.Equal(t, document.FailureCode(), told.FailureCode(), "%T %s", told, attributes)
		}
	}
}

// TestTheDocumentedEventOfSomethingElseIsPending holds that a document of another type
// is taken neither for a success nor for a failure.
func TestTheDocumentedEventOfSomethingElseIsPending(t *testing.T) {
	t.Parallel()
	success := kopokopo.Attribute{Status: "Success", Resource: kopokopo.Resource{Reference: "OJJ1MPU40Z", Status: "Received"}}
	for kind, want := range map[string]kopokopo.Outcome{
		"incoming_payment": kopokopo.OutcomeSucceeded, "incoming_payments": kopokopo.OutcomeSucceeded, "": kopokopo.OutcomeSucceeded,
		"polling": kopokopo.OutcomePending, "payment": kopokopo.OutcomePending, "incoming": kopokopo.OutcomePending,
	} {
		assert.Equal(t, want, kopokopo.IncomingPaymentEvent{Type: kind, Attributes: success}.Outcome(), kind)
	}
	failed := kopokopo.IncomingPaymentEvent{Type: "polling", Attributes: kopokopo.Attribute{Status: "Failed", Errors: kopokopo.StringList{"System busy"}}}
	assert.Equal(t, kopokopo.OutcomePending, failed.Outcome())
	assert.Empty(t, failed.FailureCode())
	assert.Equal(t, []string{"System busy"}, failed.Reasons())
	var nothing kopokopo.IncomingPaymentEvent
	assert.Equal(t, kopokopo.OutcomePending, nothing.Outcome())
	assert.Nil(t, nothing.Reasons())
}

// TestTheFacadeNeedsNoStatus takes payments through the documented interface only, and
// asks what became of them without comparing a word of K2's.
func TestTheFacadeNeedsNoStatus(t *testing.T) {
	t.Parallel()
	k2 := kopokopotest.NewServer(kopokopotest.WithDelay(0), kopokopotest.WithFailure("0712345678", kopokopo.FailureCancelled))
	defer k2.Close()
	sdk := kopokopo.NewSDK(k2.Config())
	token, err := sdk.GetToken()
	require.NoError(t, err)
	for phone, want := range map[string]struct {
		outcome kopokopo.Outcome
		code    kopokopo.FailureCode
	}{
		"+254712345678": {kopokopo.OutcomeFailed, kopokopo.FailureCancelled},
		"+254712345679": {kopokopo.OutcomeSucceeded, ""},
	} {
		req := validSTK()
		req.TillNumber, req.Subscriber.PhoneNumber = kopokopotest.SuccessTill, phone
		id, err := sdk.ReceiveMpesaPayment(token.AccessToken, req)
		require.NoError(t, err)
		event, err := sdk.QueryIncommingMpesaPayment(token.AccessToken, id)
		require.NoError(t, err)
		assert.Equal(t, want.outcome, event.Outcome())
		assert.Equal(t, want.code, event.FailureCode())
	}
}
