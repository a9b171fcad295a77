package kopokopotest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestSignedSampleOfEveryTopic(t *testing.T) {
	topics := map[string]bool{}
	h, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{"my-key"}}, func(_ context.Context, n *kopokopo.Notification) error {
		topics[n.Topic] = true
		return nil
	})
	require.NoError(t, err)
	for _, topic := range kopokopo.SampleTopics() {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, kopokopotest.SignedSample("https://shop.example/webhooks", topic, "my-key"))
		require.Equal(t, http.StatusOK, rec.Code, topic)
		rec = httptest.NewRecorder()
		h.ServeHTTP(rec, kopokopotest.SignedSample("https://shop.example/webhooks", topic, "other-key"))
		require.Equal(t, http.StatusUnauthorized, rec.Code, topic)
	}
	require.Len(t, topics, len(kopokopo.SampleTopics()))
	require.Panics(t, func() { kopokopotest.SignedSample("https://shop.example/", "no_such_topic", "k") })
	require.Panics(t, func() { kopokopotest.SignedSample(":", kopokopo.TopicCustomerCreated, "k") })
}

func TestServerSendsSamples(t *testing.T) {
	srv := kopokopotest.NewInMemoryServer()
	defer srv.Close()
	client, err := kopokopo.New(srv.Config())
	require.NoError(t, err)
	fail := false
	h, err := client.WebhookHandler(func(context.Context, *kopokopo.Notification) error {
		if fail {
			return errors.New("failed")
		}
		return nil
	})
	require.NoError(t, err)
	const url = "https://shop.example/webhooks"
	srv.Handle(url, h)
	for _, topic := range kopokopo.SampleTopics() {
		d, err := srv.SendSample(t.Context(), url, topic)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, d.Status)
	}
	require.Len(t, srv.Deliveries(), len(kopokopo.SampleTopics()))
	fail = true
	d, err := srv.SendSample(t.Context(), url, kopokopo.TopicCustomerCreated)
	require.Error(t, err)
	require.Equal(t, http.StatusInternalServerError, d.Status)
	_, err = srv.SendSample(t.Context(), "https://elsewhere.example/", kopokopo.TopicCustomerCreated)
	require.ErrorIs(t, err, kopokopotest.ErrNotLoopback)
	_, err = srv.SendSample(t.Context(), url, "no_such_topic")
	require.Error(t, err)
}
