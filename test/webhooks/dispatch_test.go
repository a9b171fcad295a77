package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// casesOf is the case that each sample belongs to.
var casesOf = map[string]string{
	kopokopo.TopicBuygoodsReceived: "Transaction", kopokopo.TopicBuygoodsReversed: "Transaction",
	kopokopo.TopicB2BReceived: "Transaction", kopokopo.TopicB2BReversed: "Transaction", kopokopo.TopicM2MReceived: "Transaction",
	kopokopo.TopicM2MCompleted: "Transaction",
	kopokopo.TopicCardReceived: "Transaction", kopokopo.TopicCardVoided: "Transaction", kopokopo.TopicCardReversed: "Transaction",
	kopokopo.TopicCustomerCreated: "CustomerCreated", kopokopo.TopicSettlementTransferCompleted: "SettlementTransferCompleted",
	kopokopo.SampleDaraja: "Daraja", "incoming_payment": "IncomingPayment", "send_money": "SendMoney", "payment": "Payment",
	"settlement_transfer": "SettlementTransfer", "payment_link": "PaymentLink", "reversal": "Reversal", "polling": "Polling",
	"transaction_sms_notification": "SMSNotification",
}

// fullDispatch has every case, and each notes its name and returns err.
func fullDispatch(called *[]string, err error) kopokopo.Dispatch {
	var d kopokopo.Dispatch
	v := reflect.ValueOf(&d).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func(args []reflect.Value) []reflect.Value {
			n := args[1].Interface().(*kopokopo.Notification)
			if len(args) == 3 && args[2].Interface() != any(n.Payload) {
				*called = append(*called, "another payload than the notification's")
			}
			*called = append(*called, name)
			return []reflect.Value{reflect.ValueOf(&err).Elem()}
		}))
	}
	return d
}

// sampleOf is a sample as a handler would hand it on.
func sampleOf(t *testing.T, topic string) *kopokopo.Notification {
	t.Helper()
	body, err := kopokopo.Sample(topic)
	require.NoError(t, err)
	return parse(t, body)
}

func TestDispatchCallsTheCaseOfEverySample(t *testing.T) {
	t.Parallel()
	require.Len(t, casesOf, len(kopokopo.SampleTopics()))
	for _, topic := range kopokopo.SampleTopics() {
		var called []string
		h := newHook(t, fullDispatch(&called, nil).Handle)
		assert.Equal(t, http.StatusOK, h.Post(string(sampleOf(t, topic).Raw)), topic)
		assert.Equal(t, []string{casesOf[topic]}, called, topic)

		called = nil
		refused := errors.New("the database is away")
		h = newHook(t, fullDispatch(&called, refused).Handle)
		assert.Equal(t, http.StatusInternalServerError, h.Post(string(sampleOf(t, topic).Raw)), topic)
		assert.Equal(t, []string{casesOf[topic]}, called, topic)
	}
}

// TestEveryCaseHasASample holds that no case of a Dispatch is one that nothing reaches.
func TestEveryCaseHasASample(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{"Other": true}
	for _, name := range casesOf {
		reached[name] = true
	}
	cases := reflect.TypeFor[kopokopo.Dispatch]()
	for i := range cases.NumField() {
		assert.True(t, reached[cases.Field(i).Name], cases.Field(i).Name)
	}
}

func TestDispatchWithoutACaseIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	for _, topic := range kopokopo.SampleTopics() {
		var called []string
		d := fullDispatch(&called, nil)
		d.Other = nil
		reflect.ValueOf(&d).Elem().FieldByName(casesOf[topic]).SetZero()
		n := sampleOf(t, topic)
		err := d.Handle(t.Context(), n)
		require.ErrorIs(t, err, kopokopo.ErrNoCase, topic)
		require.EqualError(t, err, fmt.Sprintf("kopokopo: dispatch %s %s: no case for it, and no Other", n.Kind, n.Topic))
		assert.Empty(t, called)

		h := newHook(t, d.Handle)
		assert.Equal(t, http.StatusInternalServerError, h.Post(string(n.Raw)), "K2 is not told that it was handled")
		assert.Equal(t, http.StatusInternalServerError, h.Post(string(n.Raw)), "nor later")
		assert.Contains(t, h.Log.String(), n.Topic)
	}
}

func TestDispatchGivesTheRestToOther(t *testing.T) {
	t.Parallel()
	failed := errors.New("no")
	for name, row := range map[string]struct {
		body string
		err  error
		want int
	}{
		"a topic without a case":     {string(sampleOf(t, kopokopo.TopicCustomerCreated).Raw), nil, 200},
		"Other fails":                {string(sampleOf(t, kopokopo.TopicCustomerCreated).Raw), failed, 500},
		"an unknown topic":           {`{"topic":"c2b_transaction_completed","id":"1","event":{"resource":{"reference":"OJM6Q1W84K"}}}`, nil, 200},
		"an unknown type of result":  {`{"data":{"id":"1","type":"loan","attributes":{"status":"Processed"}}}`, nil, 200},
		"a topic that K2 never made": {`{"topic":"💥 +254712345678","id":"1"}`, failed, 500},
	} {
		var got []*kopokopo.Notification
		h := newHook(t, kopokopo.Dispatch{
			Transaction: func(context.Context, *kopokopo.Notification, *kopokopo.TransactionEvent) error {
				t.Error("this is no case for it")
				return nil
			},
			Other: func(_ context.Context, n *kopokopo.Notification) error { got = append(got, n); return row.err },
		}.Handle)
		assert.Equal(t, row.want, h.Post(row.body), name)
		require.Len(t, got, 1, name)
		assert.Equal(t, row.body, string(got[0].Raw), name)
		assert.NotContains(t, h.Log.String(), "254712345678", name)
	}
}

// TestUnknownTopicsHaveNoPayload holds that nil stays nil: a payload of a type inside a
// Payload would be no longer equal to it.
func TestUnknownTopicsHaveNoPayload(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"topic":"loan_granted","id":"1","event":{"resource":{}}}`, `{"topic":"loan_granted","id":"1"}`,
		`{"data":{"id":"1","type":"loan","attributes":{}}}`, `{"data":{"id":"","type":"incoming_payment","attributes":{}}}`,
	} {
		assert.True(t, parse(t, []byte(body)).Payload == nil, body)
	}
}

func TestDispatchRefuses(t *testing.T) {
	t.Parallel()
	phone := &kopokopo.Notification{Kind: kopokopo.KindWebhook, Topic: "call_0712345678"}
	for name, row := range map[string]struct {
		n    *kopokopo.Notification
		want string
	}{
		"no notification":       {nil, "kopokopo: dispatch: there is no notification"},
		"an empty notification": {&kopokopo.Notification{}, "kopokopo: dispatch  : no case for it, and no Other"},
		"a number in the topic": {phone, "kopokopo: dispatch webhook call_*******: no case for it, and no Other"},
		"a document of no result": {&kopokopo.Notification{Kind: kopokopo.KindResult, Topic: "webhook_subscription",
			Payload: &kopokopo.Document[kopokopo.WebhookSubscription]{}}, "kopokopo: dispatch result webhook_subscription: no case for it, and no Other"},
	} {
		require.EqualError(t, kopokopo.Dispatch{}.Handle(t.Context(), row.n), row.want, name)
	}
}
