package sdk_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// notifier is one of the seven methods that post a signed sample, reduced to what they share.
type notifier struct {
	name, topic string
	call        func(kopokopo.SDK, string) (topic, id string, err error)
}

func transaction(method func(kopokopo.SDK, string) (kopokopo.BuyGoodsTrans, error)) func(kopokopo.SDK, string) (string, string, error) {
	return func(sdk kopokopo.SDK, url string) (string, string, error) {
		event, err := method(sdk, url)
		return event.Topic, event.ID, err
	}
}

var notifiers = []notifier{
	{"ValidateWebhook", "buygoods_transaction_received", transaction(kopokopo.SDK.ValidateWebhook)},
	{"C2BSubscription", "buygoods_transaction_received", transaction(kopokopo.SDK.C2BSubscription)},
	{"B2BSubscription", "b2b_transaction_received", transaction(kopokopo.SDK.B2BSubscription)},
	{"M2MSubscription", "m2m_transaction_received", transaction(kopokopo.SDK.M2MSubscription)},
	{"C2BReversalSubscription", "buygoods_transaction_reversed", transaction(kopokopo.SDK.C2BReversalSubscription)},
	{"SettlementSub", "settlement_transfer_completed", transaction(kopokopo.SDK.SettlementSub)},
	{"CusomerCreationSub", "customer_created", func(sdk kopokopo.SDK, url string) (string, string, error) {
		event, err := sdk.CusomerCreationSub(url)
		return event.Topic, event.ID, err
	}},
}

func TestSamplesAreSignedAndSaySo(t *testing.T) {
	t.Parallel()
	for _, n := range notifiers {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(200, "text/plain", "ok"))
			topic, id, err := n.call(far.SDK(), far.URL+"/hook?shop=1")
			require.NoError(t, err)
			sent := requireSample(t, far.Only(t), n.topic)
			assert.Equal(t, n.topic, topic)
			assert.Equal(t, sent, id, "an endpoint that answers without an event: what was delivered")
			_, second, err := n.call(far.SDK(), far.URL+"/hook?shop=1")
			require.NoError(t, err)
			assert.NotEqual(t, sent, second, "each sample is one of its own")
		})
	}
}

func TestSamplesHaveTheShapeOfTheEventsOnRecord(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, answering(204, "", ""))
	sdk := far.SDK()
	for method, file := range map[string]string{
		"C2BSubscription": "webhook_buygoods_transaction_received.json", "B2BSubscription": "webhook_b2b_transaction_received.json",
		"M2MSubscription": "webhook_m2m_transaction_received.json", "C2BReversalSubscription": "webhook_buygoods_transaction_reversed.json",
		"SettlementSub": "webhook_settlement_transfer_completed_bank.json", "CusomerCreationSub": "webhook_customer_created.json",
	} {
		for _, n := range notifiers {
			if n.name != method {
				continue
			}
			_, _, err := n.call(sdk, far.URL+"/hook")
			require.NoError(t, err)
			seen := far.Seen()
			got := tree(t, seen[len(seen)-1].Body).(map[string]any)
			want := tree(t, sample(t, file)).(map[string]any)
			for key := range want {
				assert.Contains(t, got, key, method)
			}
			gotEvent, wantEvent := got["event"].(map[string]any), want["event"].(map[string]any)
			assert.Equal(t, wantEvent["type"], gotEvent["type"], method)
			gotResource, wantResource := gotEvent["resource"].(map[string]any), wantEvent["resource"].(map[string]any)
			for key, value := range gotResource {
				if wantValue, ok := wantResource[key]; ok && wantValue != nil && value != nil {
					assert.IsType(t, wantValue, value, "%s %s", method, key)
				}
			}
			for key, value := range wantResource {
				if text, isText := value.(string); isText && text != "" && key != "hashed_sender_phone" {
					assert.Contains(t, gotResource, key, method)
				}
			}
			assert.Equal(t, wantResource["status"], gotResource["status"], method)
		}
	}
}

func TestAnEventThatTheEndpointEchoesIsReturned(t *testing.T) {
	t.Parallel()
	for _, n := range notifiers {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
				var event map[string]any
				assert.NoError(t, json.NewDecoder(r.Body).Decode(&event))
				event["id"] = "echo-1"
				assert.NoError(t, json.NewEncoder(w).Encode(event))
			})
			topic, id, err := n.call(far.SDK(), far.URL+"/hook?shop=1")
			require.NoError(t, err)
			assert.Equal(t, n.topic, topic)
			assert.Equal(t, "echo-1", id)
			requireSample(t, far.Only(t), n.topic)
		})
	}
}

func TestAnAnswerWithoutAnEventGivesTheSample(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "text": "OK", "html": "<html>", "null": "null", "list": `[{"topic":"a","id":"b"}]`, "no id": `{"topic":"a"}`,
		"no topic": `{"id":"a"}`, "empty members": `{"topic":"","id":""}`, "half": `{"topic":"a","id":"b"`,
		"two": `{"topic":"a","id":"b"}{}`, "undecodable": `{"topic":"a","id":"b","event":{"resource":{"amount":"a lot"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, answering(201, "application/json", body))
			event, err := far.SDK().C2BSubscription(far.URL + "/hook?shop=1")
			require.NoError(t, err)
			assert.Equal(t, requireSample(t, far.Only(t), "buygoods_transaction_received"), event.ID)
			assert.Equal(t, 100.0, event.Event.Resource.Amount)
			assert.NoError(t, event.Validate())
		})
	}
}

func TestAnEndpointThatDoesNotAcceptIsAnError(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 307, 400, 401, 403, 404, 410, 500, 502, 503} {
		far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"topic":"a","id":"b"}`)
		})
		event, err := far.SDK().ValidateWebhook(far.URL + "/hook")
		var api *kopokopo.APIError
		require.ErrorAs(t, err, &api, status)
		assert.Equal(t, status, api.StatusCode)
		assert.Equal(t, status < 400, errors.Is(err, kopokopo.ErrRedirect), status)
		assert.Zero(t, event)
		assert.Contains(t, err.Error(), "kopokopo: validate webhook: ")
		assert.NotContains(t, err.Error(), far.URL)
		assert.NotContains(t, err.Error(), "credentials belong", "it is not K2 that answered")
		assert.Equal(t, "(webhook endpoint)", api.Path)
	}
}

func TestSamplesAreRefusedToLiveShops(t *testing.T) {
	t.Parallel()
	live := map[string]kopokopo.Config{
		"Production":      {BaseURL: kopokopo.Production},
		"upper case":      {BaseURL: "https://API.KOPOKOPO.COM"},
		"port":            {BaseURL: "https://api.kopokopo.com:443"},
		"root dot":        {BaseURL: "https://api.kopokopo.com."},
		"app host":        {BaseURL: "https://app.kopokopo.com"},
		"domain":          {BaseURL: "https://kopokopo.com"},
		"live OAuth only": {BaseURL: kopokopo.Sandbox, AuthURL: "https://app.kopokopo.com"},
	}
	for name, cfg := range live {
		far := newFarSide(t, answering(200, "", ""))
		mock := httpmock.NewMockTransport()
		refused := cfg
		refused.Credentials, refused.HTTPClient = testCredentials(), &http.Client{Transport: mock}
		for _, n := range notifiers {
			for _, url := range []string{"https://shop.example/hook", "https://127.0.0.1.example/hook", "https://10.0.0.1/hook", "https://localhost.example/h"} {
				_, id, err := n.call(kopokopo.NewSDK(refused), url)
				require.ErrorIs(t, err, kopokopo.ErrSampleRefused, name)
				assert.Empty(t, id)
			}
			allowed := cfg
			allowed.Credentials = testCredentials()
			_, _, err := n.call(kopokopo.NewSDK(allowed), far.URL+"/hook?shop=1")
			require.NoError(t, err, "%s: loopback is this machine", name)
		}
		assert.Zero(t, mock.GetTotalCallCount(), name)
		assert.Len(t, far.Seen(), len(notifiers), name)
	}
}

func TestSamplesMayGoAnywhereFromTheSandbox(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodPost, "https://shop.example/hook", httpmock.NewStringResponder(200, ""))
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: testCredentials(), HTTPClient: &http.Client{Transport: mock}})
	_, err := sdk.B2BSubscription("https://shop.example/hook")
	require.NoError(t, err)
	assert.Equal(t, 1, mock.GetTotalCallCount())
}

func TestSamplesNeedAKeyAndAURL(t *testing.T) {
	t.Parallel()
	sdk, mock := mockSDK(t)
	keyless := testCredentials()
	keyless.APIKey = ""
	noKey := kopokopo.NewSDK(kopokopo.Config{BaseURL: testBase, Credentials: keyless, HTTPClient: &http.Client{Transport: mock}})
	for _, n := range notifiers {
		_, _, err := n.call(noKey, "https://shop.example/hook")
		require.ErrorContains(t, err, "Credentials.APIKey is required", n.name)
		for _, url := range []string{"", "shop.example/hook", "http://shop.example/hook", "ftp://shop.example/", "https://u:p@shop.example/h", "https://shop.example/\n"} {
			_, _, err := n.call(sdk, url)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid, url)
			assert.Equal(t, "webhookURL", invalid.Fields[0].Field)
			assert.NotContains(t, err.Error(), "u:p")
		}
	}
	assert.Zero(t, mock.GetTotalCallCount())
}

func TestIndependentHMACAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "k", strings.Repeat("k", 64), strings.Repeat("k", 65), strings.Repeat("k", 200)} {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte("body"))
		assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), testkit.IndependentHMAC([]byte("body"), key))
	}
}
