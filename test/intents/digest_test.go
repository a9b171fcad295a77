package intents_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// TestDigestsNeverChange compares the digest of one request of each kind with what it
// was when keys were introduced. Stores hold digests for years: if one of them changed,
// a program that was updated would take its own requests for others, and answer
// ErrKeyReused to a payment that was made. There is no way to renew the file.
func TestDigestsNeverChange(t *testing.T) {
	golden, err := os.ReadFile("testdata/digests.json")
	require.NoError(t, err)
	var want map[string]string
	require.NoError(t, json.Unmarshal(golden, &want))
	metadata := map[string]any{"order": "4711 <&>", "n": 5, "amount": 0.50, "ok": true}
	inShop(t, nil, func(s *shop) {
		have := map[string]string{}
		for i, c := range creations {
			key := "digest-" + string(rune('a'+i))
			_, err := c.create(s.Context(), s.client, metadata, "https://shop.example/result", kopokopo.WithIdempotencyKey(key))
			require.NoError(s, err)
			intent, err := s.store.inner.Get(context.Background(), key)
			require.NoError(s, err)
			have[c.name] = hex.EncodeToString(intent.Digest[:])
		}
		require.Equal(s, want, have)
	}, production)
}

// TestDigestByHand spells out what a digest is of.
func TestDigestByHand(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := s.push("k")
		require.NoError(s, err)
		hashed := sha256.Sum256([]byte(`["kopokopo-intent-1","https://api.kopokopo.com","app","POST","/api/v2/incoming_payments",` +
			`"{\"amount\":{\"currency\":\"KES\",\"value\":1500},\"metadata\":{\"order\":\"4711\"},\"payment_channel\":\"M-PESA STK Push\",` +
			`\"subscriber\":{\"phone_number\":\"+254712345678\"},\"till_number\":\"K000000\"}"]`))
		require.Equal(s, hashed, s.is("k", kopokopo.IntentCreated, "resource-1").Digest)
	}, production)
}

// Whatever differs but the callback URL is another request.
func TestWhatIsTheSameRequest(t *testing.T) {
	same := pushReq("1500", "https://shop.example/one")
	change := func(f func(*kopokopo.ReceiveMpesaReq)) kopokopo.ReceiveMpesaReq {
		req := pushReq("1500", "")
		f(&req)
		return req
	}
	inShop(t, nil, func(s *shop) {
		first, err := s.client.IncomingPayments.Create(s.Context(), same, kopokopo.WithIdempotencyKey("k"))
		require.NoError(s, err)
		for name, req := range map[string]kopokopo.ReceiveMpesaReq{
			"as before":        same,
			"callback URL":     change(func(r *kopokopo.ReceiveMpesaReq) { r.Links.Callback = "https://shop.example/two" }),
			"phone's spelling": change(func(r *kopokopo.ReceiveMpesaReq) { r.Subscriber.PhoneNumber = "+254712345678" }),
		} {
			again, err := s.client.IncomingPayments.Create(s.Context(), req, kopokopo.WithIdempotencyKey("k"))
			require.NoError(s, err, name)
			require.Equal(s, first, again, name)
		}
		for name, req := range map[string]kopokopo.ReceiveMpesaReq{
			"amount":       pushReq("1501", ""),
			"phone":        change(func(r *kopokopo.ReceiveMpesaReq) { r.Subscriber.PhoneNumber = "0712 345 679" }),
			"till":         change(func(r *kopokopo.ReceiveMpesaReq) { r.TillNumber = "K000001" }),
			"metadata":     change(func(r *kopokopo.ReceiveMpesaReq) { r.Metadata = map[string]any{"order": "4712"} }),
			"more of it":   change(func(r *kopokopo.ReceiveMpesaReq) { r.Metadata = map[string]any{"order": "4711", "try": 1} }),
			"less of it":   change(func(r *kopokopo.ReceiveMpesaReq) { r.Metadata = nil }),
			"its type":     change(func(r *kopokopo.ReceiveMpesaReq) { r.Metadata = map[string]any{"order": 4711} }),
			"customer":     change(func(r *kopokopo.ReceiveMpesaReq) { r.Subscriber.FirstName = "Jane" }),
			"its currency": change(func(r *kopokopo.ReceiveMpesaReq) { r.Amount.Currency = "USD" }),
		} {
			_, err := s.client.IncomingPayments.Create(s.Context(), req, kopokopo.WithIdempotencyKey("k"))
			require.ErrorIs(s, err, kopokopo.ErrKeyReused, name)
		}
		_, err = s.client.V1.IncomingPayments.Create(s.Context(), same, kopokopo.WithIdempotencyKey("k"))
		s.notSent(err, kopokopo.ErrKeyReused)
		require.Equal(s, 1, s.k2.total())
	})
}
