package intents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// exchanged is a store that can be replaced by another one.
type exchanged struct {
	kopokopo.IntentStore
	current atomic.Pointer[kopokopo.MemoryIntents]
}

func (s *exchanged) Get(ctx context.Context, key string) (kopokopo.Intent, error) {
	return s.current.Load().Get(ctx, key)
}

func (s *exchanged) Update(ctx context.Context, token string, intent kopokopo.Intent, lease time.Duration) error {
	return s.current.Load().Update(ctx, token, intent, lease)
}

// FuzzSignedResults posts any body, signed, while a key is in doubt. Nothing panics, the
// answer is one of those documented, and the key is settled only by what is a result of
// its own request, read here by hand. What a body costs is bounded by its own length:
// it is decoded once more, and only if the name of the pair stands in it.
func FuzzSignedResults(f *testing.F) {
	k := newK2(inTurn(unclear(true, 500)))
	defer k.Close()
	cfg := k.config()
	first := kopokopo.NewMemoryIntents(0, 0)
	cfg.Intents = first
	client, err := kopokopo.New(cfg)
	require.NoError(f, err)
	defer client.Close()
	_, err = push(context.Background(), client, "1500", "", kopokopo.WithIdempotencyKey("k"))
	require.ErrorIs(f, err, kopokopo.ErrOutcomeUnknown)
	doubt, err := first.Get(context.Background(), "k")
	require.NoError(f, err)

	store := &exchanged{}
	cfg.Intents = store
	receiver, err := kopokopo.New(cfg)
	require.NoError(f, err)
	defer receiver.Close()
	handler, err := receiver.WebhookHandler(func(context.Context, *kopokopo.Notification) error { return nil })
	require.NoError(f, err)

	good := k.first().result(true)
	for _, seed := range []string{good, k.first().result(false), strings.ToUpper(good), strings.Replace(good, `"k"`, `"K"`, 1),
		strings.Replace(good, "1500", "1501", -1), strings.Replace(good, "/v2/", "/v1/", -1), strings.Replace(good, `"order"`, `"orde"`, 1),
		strings.Replace(good, "incoming_payment", "payment_link", -1), `{"data":{"id":"1","type":"incoming_payment","attributes":{"metadata":{"idempotency_key":"k"}}}}`,
		`{"data":{"attributes":{"metadata":"idempotency_key"}}}`, "idempotency_key", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m := kopokopo.NewMemoryIntents(0, 0)
		begun, err := m.Begin(context.Background(), doubt, 0)
		require.NoError(t, err)
		next := begun
		next.State, next.Token = kopokopo.IntentInDoubt, "in doubt"
		require.NoError(t, m.Update(context.Background(), begun.Token, next, 0))
		store.current.Store(m)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, testkit.SignedBy(kopokopo.SignatureHeader, kopokopo.Sign(body, testkit.APIKey), string(body)))
		switch recorder.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("answered %d", recorder.Code)
		}
		have, err := m.Get(context.Background(), "k")
		require.NoError(t, err)
		if have.State == kopokopo.IntentInDoubt {
			return
		}
		if fault := ownResult(body, have.ID); fault != "" {
			t.Fatalf("%s: settled as %q", fault, have.ID)
		}
	})
}

// ownResult says why a body is not a result of the request above, or "".
func ownResult(body []byte, id string) string {
	var envelope struct{ Data json.RawMessage }
	var data struct {
		ID, Type   string
		Attributes json.RawMessage
	}
	attributes := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(body))
	if dec.Decode(&envelope) != nil || json.Unmarshal(envelope.Data, &data) != nil || json.Unmarshal(data.Attributes, &attributes) != nil {
		return "no document"
	}
	metadata := object(attributes["metadata"])
	self, _ := object(attributes["_links"])["self"].(string)
	amount := object(object(attributes["event"])["resource"])["amount"]
	switch {
	case data.ID != id:
		return "another id"
	case strings.TrimSuffix(data.Type, "s") != "incoming_payment":
		return "another type"
	case fmt.Sprint(metadata["idempotency_key"]) != "k", fmt.Sprint(metadata["order"]) != "4711":
		return "other metadata"
	case strings.Contains(self, "/api/v1/"):
		return "another version"
	case attributes["amount"] == nil && amount != nil && strings.TrimSpace(fmt.Sprint(amount)) != "" && !is1500(fmt.Sprint(amount)):
		return "another amount"
	}
	return ""
}

func is1500(amount string) bool {
	whole, fraction, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(amount), "0"), ".")
	return whole == "1500" && strings.Trim(fraction, "0") == ""
}
