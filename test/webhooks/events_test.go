package webhooks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

func parse(t testing.TB, body []byte) *kopokopo.Notification {
	t.Helper()
	n, err := kopokopo.ParseEvent(body)
	require.NoError(t, err)
	require.Equal(t, string(body), string(n.Raw))
	return n
}

func TestParseEventOfEverySample(t *testing.T) {
	for name, want := range map[string]struct {
		kind      kopokopo.NotificationKind
		topic     string
		reference string
		payload   any
		key       string
	}{
		"webhook_buygoods_transaction_received.json": {"webhook", "buygoods_transaction_received", "OJM6Q1W84K", &kopokopo.TransactionEvent{},
			"webhook:buygoods_transaction_received:2133dbfb-24b9-40fc-ae57-2d7559785760"},
		"webhook_buygoods_transaction_received_v1_no_hash.json":   {"webhook", "buygoods_transaction_received", "OJM6Q1W84K", &kopokopo.TransactionEvent{}, ""},
		"webhook_buygoods_transaction_reversed.json":              {"webhook", "buygoods_transaction_reversed", "OJM6Q1W84K", &kopokopo.TransactionEvent{}, ""},
		"webhook_b2b_transaction_received.json":                   {"webhook", "b2b_transaction_received", "OJQ8USH5XK", &kopokopo.TransactionEvent{}, ""},
		"webhook_b2b_transaction_reversed.json":                   {"webhook", "b2b_transaction_reversed", "OJM6Q1W84K", &kopokopo.TransactionEvent{}, ""},
		"webhook_m2m_transaction_received.json":                   {"webhook", "m2m_transaction_received", "", &kopokopo.TransactionEvent{}, ""},
		"GUESS_webhook_card_transaction_received.json":            {"webhook", "card_transaction_received", "CARD0001", &kopokopo.TransactionEvent{}, ""},
		"webhook_customer_created.json":                           {"webhook", "customer_created", "", &kopokopo.CustomerCreatedEvent{}, ""},
		"legacy_2017_webhook_customer_created.json":               {"webhook", "customer_created", "", &kopokopo.CustomerCreatedEvent{}, ""},
		"webhook_settlement_transfer_completed_bank.json":         {"webhook", "settlement_transfer_completed", "", &kopokopo.SettlementEvent{}, ""},
		"GUESS_webhook_settlement_transfer_completed_wallet.json": {"webhook", "settlement_transfer_completed", "", &kopokopo.SettlementEvent{}, ""},
		"webhook_daraja_buygoods_node.json":                       {"daraja", "Pay Bill", "OJM6Q1W84K", &kopokopo.DarajaEvent{}, "daraja:~"},
		"webhook_daraja_buygoods_php2.json":                       {"daraja", "Buy Goods", "OJM6Q1W84K", &kopokopo.DarajaEvent{}, ""},
		"webhook_daraja_buygoods_ruby.json":                       {"daraja", "Buygoods", "OJM6Q1W84K", &kopokopo.DarajaEvent{}, "daraja:Buygoods:OJM6Q1W84K"},
		"webhook_daraja_b2b_node.json":                            {"daraja", "Business Payment", "OJQ8USH5XK", &kopokopo.DarajaEvent{}, ""},
		"webhook_daraja_b2b_ruby.json":                            {"daraja", "Organization To Organization Transfer", "OJM6Q1W84K", &kopokopo.DarajaEvent{}, ""},
		"callback_incoming_payment_success_v1.json":               {"result", "incoming_payment", "OJJ1MPU40Z", &kopokopo.Document[kopokopo.IncomingPayment]{}, ""},
		"callback_incoming_payment_success_v2.json": {"result", "incoming_payment", "OJJ1MPU40Z", &kopokopo.Document[kopokopo.IncomingPayment]{},
			"result:incoming_payment:a652f86f-f2aa-4d70-baa2-ccfe4b78f4fc:succeeded"},
		"callback_incoming_payment_failed_v1_errors_string.json":                {"result", "incoming_payment", "", &kopokopo.Document[kopokopo.IncomingPayment]{}, "result:incoming_payment:09bc45fc-3b97-4c44-b860-42a7bcbd7480:failed"},
		"callback_incoming_payment_success_prod_2025_amount_float.json":         {"result", "incoming_payment", "12345678ab10", &kopokopo.Document[kopokopo.IncomingPayment]{}, ""},
		"REBUILT_incoming_payment_success_sandbox_2026_errors_empty_array.json": {"result", "incoming_payment", "1770871136", &kopokopo.Document[kopokopo.IncomingPayment]{}, ""},
		"callback_payment_processed_v1.json":                                    {"result", "payment", "", &kopokopo.Document[kopokopo.Payment]{}, ""},
		"callback_send_money_processed.json":                                    {"result", "send_money", "", &kopokopo.Document[kopokopo.SendMoney]{}, "result:send_money:e848260e-5461-4633-be49-095a96d669b8:succeeded"},
		"callback_settlement_transfer_processed_v1.json":                        {"result", "settlement_transfer", "", &kopokopo.Document[kopokopo.SettlementTransfer]{}, ""},
		"REBUILT_settlement_transfer_sandbox_2025.json":                         {"result", "settlement_transfer", "", &kopokopo.Document[kopokopo.SettlementTransfer]{}, ""},
		"callback_polling_success.json":                                         {"result", "polling", "", &kopokopo.Document[kopokopo.Polling]{}, ""},
		"callback_payment_link_paid.json":                                       {"result", "payment_link", "DAVSTK1777482274", &kopokopo.Document[kopokopo.PaymentLink]{}, ""},
		"callback_reversal_processed_ruby.json":                                 {"result", "reversal", "DAV1777481072", &kopokopo.Document[kopokopo.Reversal]{}, ""},
		"callback_reversal_failed_docs.json":                                    {"result", "reversal", "8b275328-3b33-4144-9163-b2badbfb5de3", &kopokopo.Document[kopokopo.Reversal]{}, "result:reversal:c5486bd6-54c5-4d38-9e8a-e5a3597cd704:failed"},
		"resource_transaction_sms_notification_success.json":                    {"result", "transaction_sms_notification", "", &kopokopo.Document[kopokopo.SMSNotification]{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := parse(t, sample(t, name))
			require.Equal(t, want.kind, n.Kind)
			require.Equal(t, want.topic, n.Topic)
			require.Equal(t, want.reference, n.Reference)
			require.IsType(t, want.payload, n.Payload)
			require.Equal(t, 1, n.Revision)
			require.False(t, n.Sample)
			require.True(t, strings.HasPrefix(n.Key, want.key), n.Key)
			require.LessOrEqual(t, len(n.Key), 255)
			require.NotEmpty(t, n.ID)
			if n.Topic != "transaction_sms_notification" && n.Topic != "polling" {
				require.False(t, n.CreatedAt.IsZero())
			}
		})
	}
}

// TestEveryKeyOfAnEventIsAField walks each sample event and looks for every value in
// what was parsed. What this package has no field for is listed, and stays in Raw.
func TestEveryKeyOfAnEventIsAField(t *testing.T) {
	onlyInRaw := []string{"resourceId"} // 2017
	for _, name := range payloads.Names("*webhook_*.json") {
		if strings.Contains(name, "request_") || strings.Contains(name, "resource_") || strings.Contains(name, "error_") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			body := sample(t, name)
			n := parse(t, body)
			var have []string
			gather(reflect.ValueOf(*n), &have)
			var tree map[string]any
			dec := json.NewDecoder(bytes.NewReader(body))
			dec.UseNumber()
			require.NoError(t, dec.Decode(&tree))
			walk("", tree, func(path, value string) {
				for _, key := range onlyInRaw {
					if path == "."+key {
						return
					}
				}
				require.Contains(t, have, canonical(value), path)
			})
		})
	}
}

// canonical writes times in one form.
func canonical(text string) string {
	var at kopokopo.Time
	if len(text) >= 14 && at.UnmarshalJSON([]byte(`"`+text+`"`)) == nil && !at.IsZero() {
		return fmt.Sprint(at.UnixNano())
	}
	return text
}

// walk visits the leaves of a document that say something.
func walk(path string, value any, visit func(path, value string)) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			walk(path+"."+key, member, visit)
		}
	case []any:
		for _, element := range v {
			walk(path, element, visit)
		}
	case string:
		if v != "" {
			visit(path, v)
		}
	case nil:
	default:
		visit(path, fmt.Sprint(v))
	}
}

// gather lists every text and number in a value, without its raw bytes.
func gather(v reflect.Value, out *[]string) {
	switch x := v.Interface().(type) {
	case kopokopo.Time:
		*out = append(*out, fmt.Sprint(x.UnixNano()))
		return
	case kopokopo.Decimal:
		*out = append(*out, x.String())
		return
	case []byte, json.RawMessage:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				gather(v.Field(i), out)
			}
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			gather(v.Elem(), out)
		}
	case reflect.Slice:
		for i := range v.Len() {
			gather(v.Index(i), out)
		}
	default:
		*out = append(*out, fmt.Sprint(v.Interface()))
	}
}

func TestParseEventKeepsItsOwnCopy(t *testing.T) {
	body := []byte(anEvent)
	n := parse(t, body)
	clear(body)
	require.Equal(t, anEvent, string(n.Raw))
}

func TestParseEventErrorsQuoteNothing(t *testing.T) {
	for _, body := range []string{`{"topic":"customer_created","id":"254999999999","event":{"resource":"OJM6Q1W84K"}}`, `OJM6Q1W84K`, `{"data":{"id":"254999999999","type":"incoming_payment","attributes":7}}`} {
		_, err := kopokopo.ParseEvent([]byte(body))
		require.ErrorIs(t, err, kopokopo.ErrNotification)
		require.NotContains(t, err.Error(), "OJM6Q1W84K")
		require.NotContains(t, err.Error(), "254999999999")
	}
}

func TestNotificationPrintsNothingPersonal(t *testing.T) {
	n := parse(t, []byte(anEvent))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "n", n, "value", *n)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %d %q", n, n, *n, n, *n, n), log.String()} {
		require.NotContains(t, text, "254999999999")
		require.NotContains(t, text, "OJM6Q1W84K")
		require.Contains(t, text, "buygoods_transaction_received")
	}
}

func TestKeysTellDeliveriesApart(t *testing.T) {
	keys := map[string]string{}
	for _, body := range []string{
		received("a", "R"), received("b", "R"), event("buygoods_transaction_reversed", "a", "R", "Reversed"), event("x:y", "z", "", ""), event("x", "y:z", "", ""),
		received(strings.Repeat("a", 64), "R"), received(strings.Repeat("a", 65), "R"), received("A", "R"), received("é", "R"), received("", "R"), received("", "S"),
		`{"data":{"id":"a","type":"t","attributes":{"status":"Processed"}}}`, `{"data":{"id":"a","type":"t","attributes":{"status":"Scheduled"}}}`,
		`{"data":{"id":"a","type":"u","attributes":{}}}`,
		`{"TransactionType":"a","TransID":"b"}`, `{"TransactionType":"b","TransID":"a"}`, `{"TransactionType":"a"}`,
	} {
		n := parse(t, []byte(body))
		require.Empty(t, keys[n.Key], body)
		keys[n.Key] = body
		require.LessOrEqual(t, len(n.Key), 255)
		for _, r := range n.Key {
			require.True(t, r > ' ' && r < 0x7f)
		}
	}
}

func TestOnlyWhatBearsAllMarksIsASample(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"topic":"customer_created","id":"sample-1","event":{"resource":{}},"sample":true}`:                                             true,
		`{"topic":"customer_created","id":"sample-1","event":{"resource":{}},"sample":"true"}`:                                           false,
		`{"topic":"customer_created","id":"sample-1","event":{"resource":{}},"sample":1}`:                                                false,
		`{"topic":"customer_created","id":"2133dbfb","event":{"resource":{}},"sample":true}`:                                             false,
		`{"topic":"buygoods_transaction_received","id":"2133dbfb","event":{"resource":{"reference":"SAMPLEABC123"}},"sample":true}`:      true,
		`{"topic":"buygoods_transaction_received","id":"2133dbfb","event":{"resource":{"reference":"OJM6Q1W84K"}},"sample":true}`:        false,
		`{"topic":"buygoods_transaction_received","id":"sample-1","event":{"resource":{"reference":"OJM6Q1W84K"}}}`:                      false,
		`{"TransactionType":"Buygoods","TransID":"SAMPLEABC123","TransAmount":"100.0","sample":true}`:                                    true,
		`{"data":{"id":"sample-1","type":"incoming_payment","attributes":{"status":"Success"}},"sample":true}`:                           true,
		`{"data":{"id":"a652f86f","type":"incoming_payments","attributes":{"status":"Success","event":{"resource":{}}}},"sample":false}`: false,
	} {
		n, err := kopokopo.ParseEvent([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, want, n.Sample, body)
		require.NotNil(t, n.Payload, body)
	}
}
