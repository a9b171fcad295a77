package kopokopotest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func TestMemoryStoreKeepsTheContract(t *testing.T) {
	newStore := func() kopokopo.DeliveryStore { return kopokopo.NewMemoryStore(0, 0) }
	require.NoError(t, kopokopotest.TestStore(newStore))
	require.NoError(t, kopokopotest.TestStore(func() kopokopo.DeliveryStore { return new(kopokopo.MemoryStore) }))
	synctest.Test(t, func(t *testing.T) { require.NoError(t, kopokopotest.TestStore(newStore)) })
}

// brokenStore is a memory store with one fault.
type brokenStore struct {
	*kopokopo.MemoryStore
	fault string
}

func (s brokenStore) Claim(ctx context.Context, key string, digest [sha256.Size]byte, lease time.Duration) (kopokopo.Claim, error) {
	switch s.fault {
	case "digest":
		digest = [sha256.Size]byte{}
	case "lease":
		lease = 24 * time.Hour
	case "expired":
		lease = 0
	case "short keys":
		key = key[:min(len(key), 100)]
	}
	c, err := s.MemoryStore.Claim(ctx, key, digest, lease)
	switch s.fault {
	case "state":
		c.State = kopokopo.ClaimFresh
	case "revision":
		c.Revision = 1
	case "token":
		c.Token = 1
	case "down":
		return c, errors.New("down")
	}
	return c, err
}

func (s brokenStore) Commit(ctx context.Context, c kopokopo.Claim) error {
	err := s.MemoryStore.Commit(ctx, c)
	switch s.fault {
	case "silent commit":
		return nil
	case "no commit":
		return s.MemoryStore.Release(ctx, c)
	}
	return err
}

func (s brokenStore) Release(ctx context.Context, c kopokopo.Claim) error {
	switch s.fault {
	case "no release":
		return nil
	case "loud release":
		return errors.New("not mine")
	}
	return s.MemoryStore.Release(ctx, c)
}

func TestStoreFindsFaults(t *testing.T) {
	for _, fault := range []string{"digest", "lease", "expired", "short keys", "state", "revision", "token", "down", "silent commit", "no commit", "no release", "loud release"} {
		synctest.Test(t, func(t *testing.T) {
			require.Error(t, kopokopotest.TestStore(func() kopokopo.DeliveryStore {
				return brokenStore{kopokopo.NewMemoryStore(0, 0), fault}
			}), fault)
		})
	}
}

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
