package api_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// validating is what Create and Validate of any endpoint are.
type validating[R kopokopo.Request] interface {
	Create(ctx context.Context, req R, opts ...kopokopo.CallOption) (kopokopo.Ref, error)
	Validate(req R) error
}

// sweeps is Sweep as an endpoint of its own.
type sweeps struct{ *kopokopo.SendMoneyEndpoint }

func (s sweeps) Create(ctx context.Context, req kopokopo.SweepReq, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
	return s.Sweep(ctx, req, opts...)
}
func (s sweeps) Validate(req kopokopo.SweepReq) error { return s.ValidateSweep(req) }

// bothWays is one request at one endpoint.
type bothWays struct {
	name     string
	validate func(c *kopokopo.Client) error
	create   func(ctx context.Context, c *kopokopo.Client) error
	alone    func() error // the request's own Validate
}

func both[R kopokopo.Request](name string, pick func(*kopokopo.Client) validating[R], req R) bothWays {
	return bothWays{
		name:     name,
		validate: func(c *kopokopo.Client) error { return pick(c).Validate(req) },
		create: func(ctx context.Context, c *kopokopo.Client) error {
			_, err := pick(c).Create(ctx, req)
			return err
		},
		alone: req.Validate,
	}
}

// everywhere makes a request of every type, at every endpoint that takes it: valid but
// for what change does to it.
func everywhere(change func(links *kopokopo.Links)) []bothWays {
	type at = kopokopo.Client
	links := func(l kopokopo.Links) kopokopo.Links { change(&l); return l }
	stk, pay, send, sweep := validSTK(), validPayment(), walletSendMoney(), validSweep()
	stk.Links, pay.Links, send.Links, sweep.Links = links(stk.Links), links(pay.Links), links(send.Links), links(sweep.Links)
	settle, poll, sms, link, back := validSettlement(), validPolling(), validSMS(), validLink(), validReversal()
	settle.Links, poll.Links, sms.Links = links(settle.Links), links(poll.Links), links(sms.Links)
	link.Links, back.Links = links(link.Links), links(back.Links)
	return []bothWays{
		both("STK push", func(c *at) validating[kopokopo.ReceiveMpesaReq] { return c.IncomingPayments }, stk),
		both("STK push, version 1", func(c *at) validating[kopokopo.ReceiveMpesaReq] { return c.V1.IncomingPayments }, stk),
		both("send money", func(c *at) validating[kopokopo.SendMoneyReq] { return c.SendMoney }, send),
		both("sweep", func(c *at) validating[kopokopo.SweepReq] { return sweeps{c.SendMoney} }, sweep),
		both("polling", func(c *at) validating[kopokopo.PollingReq] { return c.Polling }, poll),
		both("polling, version 1", func(c *at) validating[kopokopo.PollingReq] { return c.V1.Polling }, poll),
		both("payment link", func(c *at) validating[kopokopo.PaymentLinkReq] { return c.PaymentLinks }, link),
		both("reversal", func(c *at) validating[kopokopo.ReversalReq] { return c.Reversals }, back),
		both("payment", func(c *at) validating[kopokopo.CreatePaymentReq] { return c.V1.Payments }, pay),
		both("settlement", func(c *at) validating[kopokopo.SettlementTransferReq] { return c.V1.SettlementTransfers }, settle),
		both("SMS", func(c *at) validating[kopokopo.SMSNotificationReq] { return c.V1.SMSNotifications }, sms),
	}
}

// withoutCallback are the requests that have none: valid ones, and empty ones.
func withoutCallback(empty bool) []bothWays {
	type at = kopokopo.Client
	hook, account, wallet, till := validWebhook(), validBankAccount(), validWallet(), validTill()
	somebody := kopokopo.ExternalRecipientReq{Type: "till", Recipient: till.PaymentRecipient}
	if empty {
		hook, account, wallet = kopokopo.CreateWebhookReq{}, kopokopo.MerchantBankAccountReq{}, kopokopo.MerchantWalletReq{}
		till, somebody = kopokopo.AddPAYRecipient{}, kopokopo.ExternalRecipientReq{}
	}
	return []bothWays{
		both("subscription", func(c *at) validating[kopokopo.CreateWebhookReq] { return c.WebhookSubscriptions }, hook),
		both("subscription, version 1", func(c *at) validating[kopokopo.CreateWebhookReq] { return c.V1.WebhookSubscriptions }, hook),
		both("external recipient", func(c *at) validating[kopokopo.ExternalRecipientReq] { return c.ExternalRecipients }, somebody),
		both("pay recipient", func(c *at) validating[kopokopo.AddPAYRecipient] { return c.V1.PayRecipients }, till),
		both("bank account", func(c *at) validating[kopokopo.MerchantBankAccountReq] { return c.MerchantBankAccounts }, account),
		both("bank account, version 1", func(c *at) validating[kopokopo.MerchantBankAccountReq] { return c.V1.MerchantBankAccounts }, account),
		both("wallet", func(c *at) validating[kopokopo.MerchantWalletReq] { return c.MerchantWallets }, wallet),
		both("wallet, version 1", func(c *at) validating[kopokopo.MerchantWalletReq] { return c.V1.MerchantWallets }, wallet),
	}
}

// counted is a client whose server counts what reaches it, tokens included.
func counted(t *testing.T, callback string) (*kopokopo.Client, *int) {
	t.Helper()
	sent := 0
	client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(), MaxRetries: -1, CallbackURL: callback,
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent++
			return says(r, 500, ""), nil
		})}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client, &sent
}

// sameRefusal checks that Validate refuses what Create refuses, with the same error,
// and that neither sends anything.
func sameRefusal(t *testing.T, row bothWays, client *kopokopo.Client, sent *int) *kopokopo.ValidationError {
	t.Helper()
	err := row.validate(client)
	require.Error(t, err, row.name)
	assert.Equal(t, row.create(t.Context(), client), err, row.name)
	var invalid *kopokopo.ValidationError
	require.ErrorAs(t, err, &invalid, row.name)
	assert.Zero(t, *sent, row.name)
	return invalid
}

func TestValidateAppliesTheClientsDefaults(t *testing.T) {
	t.Parallel()
	with, sent := counted(t, testCallback)
	without, sentWithout := counted(t, "")
	for _, row := range everywhere(func(l *kopokopo.Links) { *l = kopokopo.Links{} }) {
		require.Error(t, row.alone(), "%s: the request knows no client", row.name)
		require.NoError(t, row.validate(with), row.name)
		assert.Zero(t, *sent, row.name)
		invalid := sameRefusal(t, row, without, sentWithout)
		assert.Equal(t, []kopokopo.FieldError{{Field: "_links.callback_url", Message: "is required"}}, invalid.Fields, row.name)
	}
	for _, row := range append(everywhere(func(*kopokopo.Links) {}), withoutCallback(false)...) {
		require.NoError(t, row.validate(without), row.name)
		assert.Zero(t, *sentWithout, row.name)
	}
}

func TestValidateRefusesAsCreateDoes(t *testing.T) {
	t.Parallel()
	client, sent := counted(t, testCallback)
	for _, row := range everywhere(func(l *kopokopo.Links) { l.Callback = "http://shop.example/" }) {
		assert.Equal(t, "_links.callback_url", sameRefusal(t, row, client, sent).Fields[0].Field, "%s: a default replaces nothing", row.name)
	}
	for _, row := range withoutCallback(true) {
		assert.NotEmpty(t, sameRefusal(t, row, client, sent).Fields)
	}
	empty := both("no destinations", func(c *kopokopo.Client) validating[kopokopo.SendMoneyReq] { return c.SendMoney }, kopokopo.SendMoneyReq{Currency: "KES"})
	assert.Equal(t, "destinations", sameRefusal(t, empty, client, sent).Fields[0].Field, "a sweep is never what Validate lets through")
	pairs := validSTK()
	pairs.Metadata = sixPairs
	many := both("metadata", func(c *kopokopo.Client) validating[kopokopo.ReceiveMpesaReq] { return c.IncomingPayments }, pairs)
	sameRefusal(t, many, client, sent)
	require.ErrorIs(t, many.validate(client), kopokopo.ErrMaxMetadataSize)
	require.ErrorIs(t, many.validate(client), kopokopo.ErrNotSent)
	require.EqualError(t, many.validate(client), "kopokopo: create incoming payment: not sent: metadata maximum metadata size is 5")
}

// TestValidateOfAClientThatIsNone holds that endpoints which New did not make refuse.
func TestValidateOfAClientThatIsNone(t *testing.T) {
	t.Parallel()
	for _, row := range append(everywhere(func(*kopokopo.Links) {}), withoutCallback(false)...) {
		err := row.validate(&kopokopo.Client{})
		require.ErrorContains(t, err, "the client was not made by New", row.name)
		require.Equal(t, fmt.Sprint(row.create(t.Context(), &kopokopo.Client{})), err.Error(), row.name)
	}
}
