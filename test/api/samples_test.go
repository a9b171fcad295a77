package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// lookUp reads one resource, whatever its type, and returns its attributes.
type lookUp func(ctx context.Context, c *kopokopo.Client, id string) (attributes any, raw json.RawMessage, err error)

// getter is the Get of any endpoint.
type getter[A any] interface {
	Get(ctx context.Context, id string, opts ...kopokopo.CallOption) (*kopokopo.Document[A], error)
}

func reads[A any](pick func(c *kopokopo.Client) getter[A]) lookUp {
	return func(ctx context.Context, c *kopokopo.Client, id string) (any, json.RawMessage, error) {
		doc, err := pick(c).Get(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		return doc.Attributes, doc.Raw, nil
	}
}

// lookUps are the ways to read each type of document.
var lookUps = map[string]lookUp{
	"incoming_payment":             reads(func(c *kopokopo.Client) getter[kopokopo.IncomingPayment] { return c.IncomingPayments }),
	"payment":                      reads(func(c *kopokopo.Client) getter[kopokopo.Payment] { return c.V1.Payments }),
	"send_money":                   reads(func(c *kopokopo.Client) getter[kopokopo.SendMoney] { return c.SendMoney }),
	"settlement_transfer":          reads(func(c *kopokopo.Client) getter[kopokopo.SettlementTransfer] { return c.V1.SettlementTransfers }),
	"polling":                      reads(func(c *kopokopo.Client) getter[kopokopo.Polling] { return c.Polling }),
	"payment_link":                 reads(func(c *kopokopo.Client) getter[kopokopo.PaymentLink] { return c.PaymentLinks }),
	"reversal":                     reads(func(c *kopokopo.Client) getter[kopokopo.Reversal] { return c.Reversals }),
	"reversals":                    reads(func(c *kopokopo.Client) getter[kopokopo.Reversal] { return c.Reversals }),
	"transaction_sms_notification": reads(func(c *kopokopo.Client) getter[kopokopo.SMSNotification] { return c.V1.SMSNotifications }),
	"pay_recipient":                reads(func(c *kopokopo.Client) getter[kopokopo.PayRecipient] { return c.V1.PayRecipients }),
	"external_recipient":           reads(func(c *kopokopo.Client) getter[kopokopo.ExternalRecipient] { return c.ExternalRecipients }),
	"merchant_bank_account":        reads(func(c *kopokopo.Client) getter[kopokopo.MerchantBankAccount] { return c.MerchantBankAccounts }),
	"merchant_wallet":              reads(func(c *kopokopo.Client) getter[kopokopo.MerchantWallet] { return c.MerchantWallets }),
	"webhook_subscription":         reads(func(c *kopokopo.Client) getter[kopokopo.WebhookSubscription] { return c.WebhookSubscriptions }),
}

// documents are the samples of resources and results.
func documents(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, name := range payloads.Names("*.json") {
		if strings.HasPrefix(name, "FLATTENED_") {
			continue // what an SDK made of a document
		}
		bare := strings.TrimPrefix(strings.TrimPrefix(name, "GUESS_"), "REBUILT_")
		data := sample(t, name)
		if root, ok := tree(t, data).(map[string]any); ok && root["data"] != nil && root["topic"] == nil {
			found[strings.TrimSuffix(bare, ".json")] = data
		}
	}
	require.Greater(t, len(found), 30)
	return found
}

// read decodes a document as the client does.
func read(t *testing.T, data []byte) (attributes any, raw json.RawMessage) {
	t.Helper()
	root := tree(t, data).(map[string]any)["data"].(map[string]any)
	look, ok := lookUps[root["type"].(string)]
	require.True(t, ok, "a type without an endpoint: %v", root["type"])
	client := scripted(t, func(r *http.Request, _ string) *http.Response { return says(r, 200, string(data)) })
	attributes, raw, err := look(t.Context(), client, root["id"].(string))
	require.NoError(t, err)
	return attributes, raw
}

// Every key of every document on record is a field of its type, with the value that
// K2 sent, to the digit.
func TestEveryDocumentOnRecordIsReadInFull(t *testing.T) {
	t.Parallel()
	for name, data := range documents(t) {
		t.Run(name, func(t *testing.T) {
			attributes, raw := read(t, data)
			root := tree(t, data).(map[string]any)["data"].(map[string]any)
			assert.Equal(t, root, tree(t, raw), "and all of it is in Raw")
			holds(t, "attributes", root["attributes"], reflect.ValueOf(attributes))
		})
	}
}

// holds checks that a Go value has everything that a JSON value has.
func holds(t *testing.T, at string, want any, got reflect.Value) {
	t.Helper()
	for got.Kind() == reflect.Pointer && !got.IsNil() {
		got = got.Elem()
	}
	if want == nil {
		assert.True(t, got.IsZero(), "%s: null became %v", at, got)
		return
	}
	switch value := got.Interface().(type) {
	case kopokopo.Decimal:
		assert.Equal(t, plain(want), value.String(), at)
		return
	case kopokopo.Time:
		instant, err := time.Parse(time.RFC3339, plain(want))
		require.NoError(t, err, at)
		assert.True(t, instant.Equal(value.Time), "%s: %v", at, value)
		return
	case kopokopo.StringList:
		if list, ok := want.([]any); ok {
			assert.Len(t, value, len(list), at)
		} else {
			assert.Equal(t, []string{plain(want)}, []string(value), at)
		}
		return
	case map[string]any:
		assert.Equal(t, want, any(value), at)
		return
	}
	switch want := want.(type) {
	case map[string]any:
		require.Equal(t, reflect.Struct, got.Kind(), at)
		fields := fieldsOf(got)
		for key, member := range want {
			field, ok := fields[key]
			if assert.True(t, ok, "%s.%s is lost", at, key) {
				holds(t, at+"."+key, member, field)
			}
		}
	case []any:
		require.Equal(t, len(want), got.Len(), at)
		for i, element := range want {
			holds(t, at+"[]", element, got.Index(i))
		}
	case bool:
		assert.Equal(t, want, got.Bool(), at)
	default:
		assert.Equal(t, plain(want), got.String(), at)
	}
}

// fieldsOf returns a struct's fields under their JSON names, embedded ones included.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = v.FieldByIndex(f.Index)
		}
	}
	return fields
}

// plain is a text or number as K2 wrote it.
func plain(v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	text, _ := v.(string)
	return text
}

// What K2 adds later is not lost, and what does not fit a field is no error.
func TestUnknownAttributesAreKept(t *testing.T) {
	t.Parallel()
	doc := `{"data":{"id":"` + testID + `","type":"send_money","new":{"a":[1]},"attributes":{"status":"Processed","created_at":"soon",` +
		`"fee":12.50,"metadata":[],"transfer_batches":{"odd":true},"destinations":[{"type":"till","amount":"1.10","till_number":12444,"favourite":"true","colour":"red"}]}}}`
	attributes, raw := read(t, []byte(doc))
	assert.Equal(t, tree(t, []byte(doc)).(map[string]any)["data"], tree(t, raw))
	got := attributes.(kopokopo.SendMoney)
	assert.Equal(t, "12444", got.Destinations[0].TillNumber)
	assert.Equal(t, "1.10", got.Destinations[0].Amount.String())
	assert.True(t, got.Destinations[0].Favourite)
	assert.True(t, got.CreatedAt.IsZero())
	assert.Equal(t, kopokopo.OutcomePending, got.Outcome())
}
