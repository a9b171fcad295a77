package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func pushRequest(callback string) kopokopo.ReceiveMpesaReq {
	return kopokopo.ReceiveMpesaReq{PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000111",
		Subscriber: kopokopo.Subscriber{PhoneNumber: "+254712345678"}, Amount: kopokopo.KES("100"), Links: kopokopo.Links{Callback: callback}}
}

func TestNewWebhookHandlerRefusesWhatCannotWork(t *testing.T) {
	fn := func(context.Context, *kopokopo.Notification) error { return nil }
	client, err := kopokopo.New(kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: kopokopo.Credentials{AppID: "a", Secret: "b"}})
	require.NoError(t, err)
	for name, row := range map[string]struct {
		cfg   kopokopo.HandlerConfig
		fn    hookFunc
		field string
	}{
		"no key":         {kopokopo.HandlerConfig{}, fn, "Keys"},
		"empty key":      {kopokopo.HandlerConfig{Keys: []string{"good", ""}}, fn, "Keys[1]"},
		"blank key":      {kopokopo.HandlerConfig{Keys: []string{" \n"}}, fn, "Keys[0]"},
		"control":        {kopokopo.HandlerConfig{Keys: []string{"a\x00b"}}, fn, "Keys[0]"},
		"client":         {kopokopo.HandlerConfig{Client: client}, fn, "Credentials.APIKey"},
		"no function":    {kopokopo.HandlerConfig{Keys: []string{"k"}}, nil, "fn"},
		"reread":         {kopokopo.HandlerConfig{Keys: []string{"k"}, Reread: true}, fn, "Reread"},
		"negative limit": {kopokopo.HandlerConfig{Keys: []string{"k"}, MaxBody: -1}, fn, "MaxBody"},
		"negative time":  {kopokopo.HandlerConfig{Keys: []string{"k"}, AckTimeout: -1}, fn, "AckTimeout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kopokopo.NewWebhookHandler(row.cfg, row.fn)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, row.field, invalid.Fields[0].Field)
		})
	}
	_, err = client.WebhookHandler(fn)
	require.ErrorContains(t, err, "Credentials.APIKey is required")
	_, err = (*kopokopo.Client)(nil).WebhookHandler(fn)
	require.Error(t, err)
	_, err = (&kopokopo.Client{}).WebhookHandler(fn)
	require.Error(t, err)
	_, err = kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Client: client, Keys: []string{"other"}}, fn)
	require.NoError(t, err, "the keys can come from elsewhere")
}

func TestZeroHandlerAcceptsNothing(t *testing.T) {
	for _, h := range []*kopokopo.Handler{nil, {}} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, signed(anEvent))
		require.Equal(t, 500, rec.Code)
		require.NoError(t, h.Shutdown(t.Context()))
		require.Zero(t, h.BadSignatures())
	}
}

func TestHandlersPrintNoKeys(t *testing.T) {
	cfg := kopokopo.HandlerConfig{Keys: []string{hookKey}}
	h, err := kopokopo.NewWebhookHandler(cfg, func(context.Context, *kopokopo.Notification) error { return nil })
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{cfg, &cfg, h, struct{ H *kopokopo.Handler }{h}} {
			require.NotContains(t, fmt.Sprintf(verb, v), hookKey)
		}
	}
	require.NotContains(t, cfg.LogValue().String(), hookKey)
}

func TestSigningKeyWithNewline(t *testing.T) {
	h := newHook(t, nil, func(c *kopokopo.HandlerConfig) { c.Keys = []string{hookKey + "\n"} })
	require.Equal(t, 200, h.Post(anEvent), "as a mounted secret file has it")
}

// k2 is an embedded Kopo Kopo whose callbacks reach a handler of the client's.
func k2(t *testing.T, fn hookFunc, opts ...kopokopotest.Option) (*kopokopotest.Server, *kopokopo.Client) {
	t.Helper()
	srv := kopokopotest.NewInMemoryServer(opts...)
	t.Cleanup(srv.Close)
	client, err := kopokopo.New(srv.Config())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	h, err := client.WebhookHandler(fn)
	require.NoError(t, err)
	srv.Handle(testCallback, h)
	return srv, client
}

func TestResultWakesWait(t *testing.T) {
	for name, answer := range map[string]error{"succeeds": nil, "fails": errors.New("my ledger is down")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, client := k2(t, func(context.Context, *kopokopo.Notification) error { return answer },
					kopokopotest.WithDelay(1500*time.Millisecond))
				start := time.Now()
				doc, err := client.IncomingPayments.CreateAndWait(t.Context(), pushRequest(testCallback))
				require.NoError(t, err)
				require.Equal(t, "Success", doc.Attributes.Status)
				require.Equal(t, 1500*time.Millisecond, time.Since(start), "by the callback: the first look is after 4 s")
			})
		})
	}
}

func TestFault_D13_CallbackBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var references []string
		srv, client := k2(t, func(_ context.Context, n *kopokopo.Notification) error {
			references = append(references, n.Reference)
			return nil
		}, kopokopotest.WithDelay(0))
		// The answer to the POST reaches the program long after the callback has.
		start := time.Now()
		ref, err := client.IncomingPayments.Create(t.Context(), pushRequest(testCallback))
		require.NoError(t, err)
		require.NoError(t, srv.WaitIdle(t.Context()))
		require.Len(t, references, 1, "the callback was handled")
		doc, err := client.IncomingPayments.Wait(t.Context(), ref.ID)
		require.NoError(t, err)
		require.Equal(t, references[0], doc.Attributes.Event.Resource.Reference)
		require.Zero(t, time.Since(start), "no wake-up was lost")
	})
}

func TestUnverifiedResultWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := k2(t, func(context.Context, *kopokopo.Notification) error { t.Error("called"); return nil },
			kopokopotest.WithDelay(time.Second),
			kopokopotest.WithDelivery(func(kopokopotest.Delivery) kopokopotest.DeliveryPlan {
				return kopokopotest.DeliveryPlan{WrongKey: true}
			}))
		start := time.Now()
		_, err := client.IncomingPayments.CreateAndWait(t.Context(), pushRequest(testCallback))
		require.NoError(t, err)
		require.Equal(t, 4*time.Second, time.Since(start), "by the first look")
		require.NoError(t, srv.WaitIdle(t.Context()))
	})
}

// rereader is a handler that asks K2 again.
func rereader(t *testing.T, fn hookFunc) (*kopokopotest.Server, *kopokopo.Client, http.Handler) {
	t.Helper()
	srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(time.Second))
	t.Cleanup(srv.Close)
	client, err := kopokopo.New(srv.Config())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	h, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Client: client, Reread: true}, fn)
	require.NoError(t, err)
	return srv, client, h
}

func deliver(srv *kopokopotest.Server, h http.Handler, body string) *httptest.ResponseRecorder {
	r := signed(body)
	r.Header.Set(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), srv.Config().Credentials.APIKey))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestRereadReplacesAStaleResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got *kopokopo.Notification
		srv, client, h := rereader(t, func(_ context.Context, n *kopokopo.Notification) error { got = n; return nil })
		for _, v1 := range []bool{false, true} {
			create, version := client.IncomingPayments.Create, "v2"
			if v1 {
				create, version = client.V1.IncomingPayments.Create, "v1"
			}
			ref, err := create(t.Context(), pushRequest("https://elsewhere.example/"))
			require.NoError(t, err)
			// A message that says it was paid, while K2 says it is pending: either it is
			// forged or K2's answer is behind. Acknowledged, it would be lost.
			body := fmt.Sprintf(`{"data":{"id":%q,"type":"incoming_payment","attributes":{"status":"Success","event":{"resource":{"reference":"REPLAYED"}},"_links":{"self":"https://api.kopokopo.com/api/%s/incoming_payments/x"}}}}`, ref.ID, version)
			got = nil
			require.Equal(t, 503, deliver(srv, h, body).Code)
			require.Nil(t, got)
			// Delivered again when K2 knows, it is K2's answer that counts.
			require.NoError(t, srv.WaitIdle(t.Context()))
			require.Equal(t, 200, deliver(srv, h, body).Code)
			doc := got.Payload.(*kopokopo.Document[kopokopo.IncomingPayment])
			require.Equal(t, kopokopo.OutcomeSucceeded, doc.Attributes.Outcome())
			require.Equal(t, doc.Attributes.Event.Resource.Reference, got.Reference)
			require.NotEqual(t, "REPLAYED", got.Reference)
			require.Equal(t, body, string(got.Raw))
		}
	})
}

func TestRereadThatFailsIsPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		srv, _, h := rereader(t, func(context.Context, *kopokopo.Notification) error { calls++; return nil })
		rec := deliver(srv, h, `{"data":{"id":"no-such-payment","type":"incoming_payment","attributes":{"status":"Success"}}}`)
		require.Equal(t, 503, rec.Code)
		require.Equal(t, "1", rec.Header().Get("Retry-After"))
		require.Zero(t, calls)
		// What cannot be read again goes through as it is.
		require.Equal(t, 200, deliver(srv, h, anEvent).Code)
		require.Equal(t, 200, deliver(srv, h, `{"data":{"id":"x","type":"loan","attributes":{}}}`).Code)
		require.Equal(t, 2, calls)
	})
}

func TestSamplesInProduction(t *testing.T) {
	creds := testCredentials()
	creds.APIKey = hookKey
	calls := 0
	count := func(_ context.Context, n *kopokopo.Notification) error {
		require.True(t, n.Sample)
		calls++
		return nil
	}
	for _, row := range []struct {
		base  string
		calls int
	}{{kopokopo.Production, 0}, {kopokopo.Sandbox, len(kopokopo.SampleTopics())}} {
		client, err := kopokopo.New(kopokopo.Config{BaseURL: row.base, Credentials: creds})
		require.NoError(t, err)
		h, err := client.WebhookHandler(count)
		require.NoError(t, err)
		calls = 0
		for _, topic := range kopokopo.SampleTopics() {
			body, err := kopokopo.Sample(topic)
			require.NoError(t, err)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, signed(string(body)))
			require.Equal(t, 200, rec.Code)
		}
		require.Equal(t, row.calls, calls)
	}
	h := newHook(t, count, func(c *kopokopo.HandlerConfig) { c.SkipSamples = true })
	body, err := kopokopo.Sample(kopokopo.TopicCustomerCreated)
	require.NoError(t, err)
	require.Equal(t, 200, h.Post(string(body)))
	h.Idle(0)
}

func TestEverySampleIsWhatItSays(t *testing.T) {
	require.Len(t, kopokopo.SampleTopics(), 20)
	for _, topic := range kopokopo.SampleTopics() {
		body, err := kopokopo.Sample(topic)
		require.NoError(t, err)
		n := parse(t, body)
		require.True(t, n.Sample, topic)
		require.NotNil(t, n.Payload, topic)
		if topic != kopokopo.SampleDaraja {
			require.Equal(t, topic, n.Topic)
		}
		require.True(t, strings.HasPrefix(n.ID, "sample-") || strings.HasPrefix(n.ID, "SAMPLE"), n.ID)
		require.True(t, n.Reference == "" || strings.HasPrefix(n.Reference, "SAMPLE"), n.Reference)
		if doc, ok := outcome(n.Payload); ok {
			require.Equal(t, kopokopo.OutcomeSucceeded, doc, topic)
		}
		again, err := kopokopo.Sample(topic)
		require.NoError(t, err)
		require.NotEqual(t, n.Key, parse(t, again).Key, "each sample is another delivery")
	}
	_, err := kopokopo.Sample("no_such_topic")
	require.Error(t, err)
}

// outcome returns what became of a result.
func outcome(payload any) (kopokopo.Outcome, bool) {
	switch p := payload.(type) {
	case *kopokopo.Document[kopokopo.IncomingPayment]:
		return p.Attributes.Outcome(), true
	case *kopokopo.Document[kopokopo.Payment]:
		return p.Attributes.Outcome(), true
	case *kopokopo.Document[kopokopo.SendMoney]:
		return p.Attributes.Outcome(), true
	case *kopokopo.Document[kopokopo.SettlementTransfer]:
		return p.Attributes.Outcome(), true
	case *kopokopo.Document[kopokopo.Polling]:
		return p.Attributes.Outcome(), true
	case *kopokopo.Document[kopokopo.PaymentLink]:
		return p.Attributes.Outcome(), true
	case *kopokopo.Document[kopokopo.Reversal]:
		return p.Attributes.Outcome(), true
	case *kopokopo.Document[kopokopo.SMSNotification]:
		return p.Attributes.Outcome(), true
	}
	return 0, false
}

func TestDocumentedSamplesReachTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topics := map[string]int{}
		srv := kopokopotest.NewInMemoryServer()
		t.Cleanup(srv.Close)
		cfg := srv.Config()
		var handler http.Handler
		p := onWire(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
		cfg.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: p.Dial}}
		client, err := kopokopo.New(cfg)
		require.NoError(t, err)
		handler, err = client.WebhookHandler(func(_ context.Context, n *kopokopo.Notification) error {
			require.True(t, n.Sample)
			topics[n.Topic]++
			return nil
		})
		require.NoError(t, err)
		sdk := client.SDK()
		const url = "http://127.0.0.1:9/webhooks"
		event, err := sdk.ValidateWebhook(url)
		require.NoError(t, err)
		require.Equal(t, kopokopo.TopicBuygoodsReceived, event.Topic)
		for _, send := range []func(string) (kopokopo.BuyGoodsTrans, error){sdk.C2BSubscription, sdk.B2BSubscription, sdk.M2MSubscription, sdk.C2BReversalSubscription, sdk.SettlementSub} {
			_, err := send(url)
			require.NoError(t, err)
		}
		_, err = sdk.CusomerCreationSub(url)
		require.NoError(t, err)
		require.Equal(t, map[string]int{kopokopo.TopicBuygoodsReceived: 2, kopokopo.TopicB2BReceived: 1, kopokopo.TopicM2MReceived: 1,
			kopokopo.TopicBuygoodsReversed: 1, kopokopo.TopicSettlementTransferCompleted: 1, kopokopo.TopicCustomerCreated: 1}, topics)
		require.NoError(t, client.Close())
	})
}

func TestHandlerLeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error {
		if strings.HasSuffix(n.ID, "3") {
			panic("x")
		}
		return nil
	})
	for i := range 1000 {
		h.Post(received(fmt.Sprint("event-", i), "R"))
	}
	require.NoError(t, h.Shutdown(t.Context()))
	eventually(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}
