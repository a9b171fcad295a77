package intents_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// creation is a create that can have an idempotency key.
type creation struct {
	name, path string
	create     func(ctx context.Context, c *kopokopo.Client, metadata map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error)
}

// creations are all that can.
var creations = []creation{
	{"incoming payment", "/api/v2/incoming_payments", func(ctx context.Context, c *kopokopo.Client, m map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		return c.IncomingPayments.Create(ctx, withPush(m, callback), opts...)
	}},
	{"incoming payment v1", "/api/v1/incoming_payments", func(ctx context.Context, c *kopokopo.Client, m map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		return c.V1.IncomingPayments.Create(ctx, withPush(m, callback), opts...)
	}},
	{"send money", "/api/v2/send_money", func(ctx context.Context, c *kopokopo.Client, m map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		req := payoutReq("1500", callback)
		req.Metadata = m
		return c.SendMoney.Create(ctx, req, opts...)
	}},
	{"sweep", "/api/v2/send_money", func(ctx context.Context, c *kopokopo.Client, m map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		return c.SendMoney.Sweep(ctx, kopokopo.SweepReq{Currency: "KES", Metadata: m, Links: kopokopo.Links{Callback: callback}}, opts...)
	}},
	{"payment link", "/api/v2/payment_links", func(ctx context.Context, c *kopokopo.Client, m map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		return c.PaymentLinks.Create(ctx, kopokopo.PaymentLinkReq{TillNumber: "4321", Amount: kopokopo.KES("1500"), Note: "TV",
			Metadata: m, Links: kopokopo.Links{Callback: callback}}, opts...)
	}},
	{"reversal", "/api/v2/reversals", func(ctx context.Context, c *kopokopo.Client, m map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		return c.Reversals.Create(ctx, kopokopo.ReversalReq{TransactionReference: "TQ2L262026", Reason: "Wrong size",
			Metadata: m, Links: kopokopo.Links{Callback: callback}}, opts...)
	}},
	{"payment v1", "/api/v1/payments", func(ctx context.Context, c *kopokopo.Client, m map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		return c.V1.Payments.Create(ctx, kopokopo.CreatePaymentReq{DestinationType: "mobile_wallet", DestinationReference: "c7f300c0-f1ef-4151-9bbe-005005aa3747",
			Amount: kopokopo.KES("1500"), Description: "Salary", Metadata: m, Links: kopokopo.Links{Callback: callback}}, opts...)
	}},
	{"settlement transfer v1", "/api/v1/settlement_transfers", func(ctx context.Context, c *kopokopo.Client, _ map[string]any, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
		return c.V1.SettlementTransfers.Create(ctx, kopokopo.SettlementTransferReq{DestinationType: "merchant_wallet", DestinationReference: "d76265cd-0951-e511-80da-0aa34a9b2388",
			Amount: kopokopo.KES("1500"), Links: kopokopo.Links{Callback: callback}}, opts...)
	}},
}

func withPush(metadata map[string]any, callback string) kopokopo.ReceiveMpesaReq {
	req := pushReq("1500", callback)
	req.Metadata = metadata
	return req
}

func (c creation) takesMetadata() bool { return c.name != "settlement transfer v1" }

// Each kind of create is sent once under a key, and K2 gets the key where it takes
// metadata. The callback URL is no part of what makes a request the same.
func TestEachCreateIsSentOnce(t *testing.T) {
	for _, c := range creations {
		t.Run(c.name, func(t *testing.T) {
			inShop(t, nil, func(s *shop) {
				metadata := map[string]any{"order": "4711"}
				first, err := c.create(s.Context(), s.client, metadata, "https://shop.example/one", kopokopo.WithIdempotencyKey("k"))
				require.NoError(s, err)
				require.NotEmpty(s, first.ID)
				require.NotEmpty(s, first.Location)
				s.restart()
				again, err := c.create(s.Context(), s.client, metadata, "https://shop.example/another", kopokopo.WithIdempotencyKey("k"))
				require.NoError(s, err)
				require.Equal(s, first, again)
				require.Equal(s, map[string]any{"order": "4711"}, metadata, "the caller's map is never changed")

				require.Equal(s, 1, s.k2.total())
				request := s.k2.Seen()[0]
				require.Equal(s, c.path, request.Path)
				require.NotContains(s, request.Header, "Idempotency-Key")
				sent, carried := s.k2.first().post.body["metadata"].(map[string]any)
				require.Equal(s, c.takesMetadata(), carried)
				if carried {
					require.Equal(s, map[string]any{"order": "4711", "idempotency_key": "k"}, sent)
				}
				s.is("k", kopokopo.IntentCreated, first.ID)
				s.silent()
			})
		})
	}
}

// A create in doubt is settled by its own result, whatever kind it is of, and a final
// result makes the intent final. The key's later callers get the id.
func TestEachResultSettles(t *testing.T) {
	for _, c := range creations {
		if !c.takesMetadata() {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			inShop(t, inTurn(unclear(true, 500)), func(s *shop) {
				metadata := map[string]any{"order": "4711", "n": 5, "yes": true, "none": nil}
				_, err := c.create(s.Context(), s.client, metadata, "", kopokopo.WithIdempotencyKey("k"))
				s.unknown(err)
				s.is("k", kopokopo.IntentInDoubt, "")
				require.Equal(s, 200, s.post(s.k2.first().result(false)))
				s.is("k", kopokopo.IntentCreated, "resource-1")
				require.Equal(s, 200, s.post(s.k2.first().result(true)))
				s.is("k", kopokopo.IntentFinal, "resource-1")
				ref, err := c.create(s.Context(), s.client, metadata, "", kopokopo.WithIdempotencyKey("k"))
				require.NoError(s, err)
				require.Equal(s, "resource-1", ref.ID)
				require.Equal(s, 1, s.k2.total())
				s.silent()
			})
		})
	}
}

// Where no result comes back the option is refused, and nothing is sent.
func TestCreatesWithoutKeys(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	polling := kopokopo.PollingReq{Scope: kopokopo.ScopeCompany, From: at, To: at.Add(time.Hour)}
	person := kopokopo.PaymentRecipient{FirstName: "Jane", LastName: "Doe", PhoneNumber: "0712 345 678", Network: "Safaricom"}
	for name, call := range map[string]func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error{
		"webhook subscription": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			_, err := c.WebhookSubscriptions.Create(ctx, testkit.ValidWebhook(), key)
			return err
		},
		"webhook subscription v1": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			_, err := c.V1.WebhookSubscriptions.Create(ctx, testkit.ValidWebhook(), key)
			return err
		},
		"external recipient": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			_, err := c.ExternalRecipients.Create(ctx, kopokopo.ExternalRecipientReq{Type: kopokopo.Till, Recipient: kopokopo.PaymentRecipient{TillName: "Till", TillNumber: "12444"}}, key)
			return err
		},
		"pay recipient": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			_, err := c.V1.PayRecipients.Create(ctx, kopokopo.AddPAYRecipient{Type: kopokopo.MobileWallet, PaymentRecipient: person}, key)
			return err
		},
		"bank account": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			return account(ctx, c.MerchantBankAccounts, key)
		},
		"bank account v1": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			return account(ctx, c.V1.MerchantBankAccounts, key)
		},
		"wallet": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			return wallet(ctx, c.MerchantWallets, key)
		},
		"wallet v1": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			return wallet(ctx, c.V1.MerchantWallets, key)
		},
		"sms": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			_, err := c.V1.SMSNotifications.Create(ctx, kopokopo.SMSNotificationReq{WebhookEventReference: "c271535c-687f-4a40-a589-8b66b894792e", Message: "Thanks"}, key)
			return err
		},
		"cancel": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			return c.PaymentLinks.Cancel(ctx, "link-b", key)
		},
		"polling": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			_, err := c.Polling.Create(ctx, polling, key)
			return err
		},
		"polling v1": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			_, err := c.V1.Polling.Create(ctx, polling, key)
			return err
		},
		"transactions": func(ctx context.Context, c *kopokopo.Client, key kopokopo.CallOption) error {
			for _, err := range c.Transactions(ctx, kopokopo.TransactionsQuery{From: at, To: at.Add(time.Hour)}, key) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, nil, func(s *shop) {
				err := call(s.Context(), s.client, kopokopo.WithIdempotencyKey("k"))
				var invalid *kopokopo.ValidationError
				require.ErrorAs(s, err, &invalid)
				require.Equal(s, "WithIdempotencyKey", invalid.Fields[0].Field)
				if outcomes := testkit.Outcomes(err); name != "transactions" && !strings.HasPrefix(name, "polling") || len(outcomes) > 0 {
					require.Equal(s, []error{kopokopo.ErrNotSent}, outcomes) // a polling may be repeated, and so tells no outcome
				}
				require.Zero(s, s.k2.Dialled())
				require.Empty(s, s.store.writes())
				s.is("k", kopokopo.IntentFree, "")
			})
		})
	}
}

func account(ctx context.Context, e *kopokopo.Endpoint[kopokopo.MerchantBankAccountReq, kopokopo.MerchantBankAccount], key kopokopo.CallOption) error {
	_, err := e.Create(ctx, kopokopo.MerchantBankAccountReq{AccountName: "Shop", AccountNumber: "1234567890", BankBranchReference: "ref", SettlementMethod: "EFT"}, key)
	return err
}

func wallet(ctx context.Context, e *kopokopo.Endpoint[kopokopo.MerchantWalletReq, kopokopo.MerchantWallet], key kopokopo.CallOption) error {
	_, err := e.Create(ctx, kopokopo.MerchantWalletReq{FirstName: "Jane", LastName: "Doe", PhoneNumber: "0712 345 678", Network: "Safaricom"}, key)
	return err
}

// A key that cancelled link A would answer for the cancel of link B: it is refused
// before anything is asked, whatever the key stands for.
func TestNoKeyForCancel(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		_, err := link(s.Context(), s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
		require.NoError(s, err)
		for _, id := range []string{"link-a", "link-b"} {
			s.notSent(s.client.PaymentLinks.Cancel(s.Context(), id, kopokopo.WithIdempotencyKey("k")))
		}
		require.Equal(s, 1, s.k2.total())
		require.NoError(s, s.client.PaymentLinks.Cancel(s.Context(), "link-a"))
		require.Equal(s, 2, s.k2.total())
	})
}

// Get and Wait have nothing to send, whatever the key is.
func TestReadsIgnoreKeys(t *testing.T) {
	inShop(t, nil, func(s *shop) {
		for _, key := range []string{"k", "", "no key at all"} {
			_, err := s.client.IncomingPayments.Get(s.Context(), "resource-1", kopokopo.WithIdempotencyKey(key))
			var answer *kopokopo.APIError
			require.ErrorAs(s, err, &answer)
			require.Equal(s, 404, answer.StatusCode)
		}
		doc, err := s.client.IncomingPayments.CreateAndWait(s.Context(), pushReq("1500", ""), kopokopo.WithIdempotencyKey("k"))
		require.NoError(s, err)
		again, err := s.client.IncomingPayments.CreateAndWait(s.Context(), pushReq("1500", ""), kopokopo.WithIdempotencyKey("k"))
		require.NoError(s, err)
		require.Equal(s, doc, again)
		require.Equal(s, 1, s.k2.total())
	})
}

// What cannot be a key is refused by its field, before anything is stored or sent.
func TestKeysAreChecked(t *testing.T) {
	visible := ""
	for c := byte('!'); c <= '~'; c++ {
		visible += string(c)
	}
	inShop(t, nil, func(s *shop) {
		for _, key := range []string{"", " ", "a b", "a\t", "a\n", "\x00", "a\x7f", "é", "a\u200b", "\xff", strings.Repeat("k", 129)} {
			_, err := s.push(key)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(s, s.notSent(err), &invalid, "%q", key)
			require.Equal(s, "idempotency key", invalid.Fields[0].Field)
			_, err = s.client.Intents.Get(s.Context(), key)
			require.ErrorAs(s, err, &invalid, "%q", key)
		}
		require.Zero(s, s.k2.Dialled())
		require.Empty(s, s.store.writes())
		for i, key := range []string{"k", "K", "~", `"\'<&>%_`, visible, strings.Repeat("k", 128), strings.Repeat("k", 127) + "K"} {
			ref, err := s.push(key)
			require.NoError(s, err, "%q", key)
			require.Equal(s, key, s.k2.resource(ref.ID).post.key)
			require.Equal(s, i+1, s.k2.total(), "%q is a key of its own", key)
			require.Equal(s, 200, s.post(s.k2.resource(ref.ID).result(true)))
			s.is(key, kopokopo.IntentFinal, ref.ID)
		}
		s.silent()
	})
}

// The key's pair is one of the five. A pair of the caller's own has to say the same.
func TestMetadataCarriesTheKey(t *testing.T) {
	pairs := func(n int, own ...string) map[string]any {
		m := map[string]any{}
		for i := range n {
			m[string(rune('a'+i))] = i
		}
		for _, key := range own {
			m["idempotency_key"] = key
		}
		return m
	}
	for name, row := range map[string]struct {
		metadata map[string]any
		field    string
		is       error
	}{
		"none":                      {metadata: nil},
		"four":                      {metadata: pairs(4)},
		"five":                      {metadata: pairs(5), field: "metadata", is: kopokopo.ErrMaxMetadataSize},
		"four and its own":          {metadata: pairs(4, "k")},
		"five and its own":          {metadata: pairs(5, "k"), field: "metadata", is: kopokopo.ErrMaxMetadataSize},
		"another key":               {metadata: pairs(1, "K"), field: "metadata.idempotency_key"},
		"an empty key":              {metadata: pairs(1, ""), field: "metadata.idempotency_key"},
		"a key that is no text":     {metadata: map[string]any{"idempotency_key": 7}, field: "metadata.idempotency_key"},
		"a key that is a map":       {metadata: map[string]any{"idempotency_key": map[string]any{"k": "k"}}, field: "metadata.idempotency_key"},
		"a key of a type that is k": {metadata: map[string]any{"idempotency_key": named("k")}},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, nil, func(s *shop) {
				before := len(row.metadata)
				_, err := s.client.IncomingPayments.Create(s.Context(), withPush(row.metadata, ""), kopokopo.WithIdempotencyKey("k"))
				require.Len(s, row.metadata, before)
				if row.field == "" {
					require.NoError(s, err)
					require.Equal(s, "k", s.k2.first().post.key)
					return
				}
				var invalid *kopokopo.ValidationError
				require.ErrorAs(s, s.notSent(err), &invalid)
				require.True(s, slices.ContainsFunc(invalid.Fields, func(f kopokopo.FieldError) bool { return f.Field == row.field }), "%v", err)
				require.True(s, row.is == nil || errors.Is(err, row.is))
				require.Zero(s, s.k2.Dialled())
				require.Empty(s, s.store.writes())
			})
		})
	}
	inShop(t, nil, func(s *shop) { // the same request with the pair and without it
		first, err := s.client.IncomingPayments.Create(s.Context(), withPush(pairs(1, "k"), ""), kopokopo.WithIdempotencyKey("k"))
		require.NoError(s, err)
		again, err := s.client.IncomingPayments.Create(s.Context(), withPush(pairs(1), ""), kopokopo.WithIdempotencyKey("k"))
		require.NoError(s, err)
		require.Equal(s, first, again)
	})
}

type named string
