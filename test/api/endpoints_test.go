package api_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

const shopResult = "https://shop.example/result"

// world runs a test against an embedded Kopo Kopo in a bubble, where waiting takes
// no time and nothing may be left running at the end.
func world(t *testing.T, run func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client), opts ...kopokopotest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k2 := kopokopotest.NewInMemoryServer(opts...)
		k2.Handle(shopResult, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		cfg := k2.Config()
		cfg.CallbackURL = shopResult
		client, err := kopokopo.New(cfg)
		require.NoError(t, err)
		run(t, k2, client)
		require.NoError(t, client.Close())
		k2.Close()
	})
}

// there creates something, reads it back and returns its attributes.
func there[R kopokopo.Request, A any](t *testing.T, e *kopokopo.Endpoint[R, A], req R) A {
	t.Helper()
	ref, err := e.Create(t.Context(), req)
	require.NoError(t, err)
	doc, err := e.Get(t.Context(), ref.ID)
	require.NoError(t, err)
	again, err := e.Get(t.Context(), ref.Location)
	require.NoError(t, err, "a Location will do")
	assert.Equal(t, doc, again)
	assert.Equal(t, ref.ID, doc.ID)
	return doc.Attributes
}

// waiting is the CreateAndWait of any endpoint.
type waiting[R kopokopo.Request, A any] interface {
	CreateAndWait(ctx context.Context, req R, opts ...kopokopo.CallOption) (*kopokopo.Document[A], error)
}

// through creates something and waits until it has succeeded.
func through[R kopokopo.Request, A kopokopo.Outcomer](t *testing.T, e waiting[R, A], req R) A {
	t.Helper()
	doc, err := e.CreateAndWait(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, isSucceeded, doc.Attributes.Outcome())
	return doc.Attributes
}

func TestSetupEndpointsBothWays(t *testing.T) {
	world(t, func(t *testing.T, _ *kopokopotest.Server, client *kopokopo.Client) {
		for _, e := range []*kopokopo.Endpoint[kopokopo.CreateWebhookReq, kopokopo.WebhookSubscription]{client.WebhookSubscriptions, client.V1.WebhookSubscriptions} {
			assert.Equal(t, "555555", there(t, e, validWebhook()).ScopeReference)
		}
		for _, e := range []*kopokopo.Endpoint[kopokopo.MerchantBankAccountReq, kopokopo.MerchantBankAccount]{client.MerchantBankAccounts, client.V1.MerchantBankAccounts} {
			account := there(t, e, validBankAccount())
			assert.Equal(t, "EFT", account.SettlementMethod)
			assert.NotEmpty(t, account.AccountReference)
		}
		for _, e := range []*kopokopo.Endpoint[kopokopo.MerchantWalletReq, kopokopo.MerchantWallet]{client.MerchantWallets, client.V1.MerchantWallets} {
			wallet := there(t, e, validWallet())
			assert.Equal(t, "+254999999999", wallet.PhoneNumber)
			assert.NotEmpty(t, wallet.AccountReference)
		}
		for kind, shown := range map[string]string{"mobile_wallet": "Mobile Wallet", "bank_account": "Bank Account", "till": "Till", "paybill": "Paybill"} {
			old := there(t, client.V1.PayRecipients, kopokopo.AddPAYRecipient{Type: kind, PaymentRecipient: somebody(kind)})
			assert.Equal(t, shown, old.RecipientType)
			assert.NotEmpty(t, old.RecipientReference)
			added := there(t, client.ExternalRecipients, kopokopo.ExternalRecipientReq{Type: kind, Recipient: somebody(kind)})
			assert.Equal(t, shown, added.RecipientType)
			assert.Equal(t, "Unavailable", added.RecipientReference)
		}
	})
}

func TestCollectionEndpointsBothWays(t *testing.T) {
	world(t, func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client) {
		begun := time.Now()
		var last kopokopo.IncomingPayment
		for _, e := range []*kopokopo.AsyncEndpoint[kopokopo.ReceiveMpesaReq, kopokopo.IncomingPayment]{client.IncomingPayments, client.V1.IncomingPayments} {
			req := validSTK()
			req.TillNumber, req.Links = kopokopotest.SuccessTill, kopokopo.Links{}
			last = through(t, e, req)
			assert.Equal(t, "20000.0", last.Event.Resource.Amount.String())
			assert.Equal(t, "123456", last.Metadata["reference"])

			req.TillNumber = kopokopotest.FailTill
			doc, err := e.CreateAndWait(t.Context(), req)
			require.ErrorIs(t, err, kopokopo.ErrPaymentFailed)
			assert.Equal(t, []string{"The initiator information is invalid."}, doc.Attributes.Reasons())
		}
		receipt := last.Event.Resource.Reference

		for _, e := range []*kopokopo.AsyncEndpoint[kopokopo.PollingReq, kopokopo.Polling]{client.Polling, client.V1.Polling} {
			report := through(t, e, kopokopo.PollingReq{Scope: "company", From: begun.Add(-time.Hour), To: time.Now()})
			require.Len(t, report.Transactions, 2)
			assert.Equal(t, "Buygoods Transaction", report.Transactions[0].Type)
			assert.Equal(t, receipt, report.Transactions[1].Resource.Reference)
		}
		refund := kopokopo.ReversalReq{TransactionReference: receipt, Reason: kopokopotest.FailReason}
		doc, err := client.Reversals.CreateAndWait(t.Context(), refund)
		require.ErrorIs(t, err, kopokopo.ErrPaymentFailed, "K2 says Processed of it")
		assert.Equal(t, "Processed", doc.Attributes.Status)
		refund.Reason = "Wrong size"
		assert.Equal(t, "20000.0", through(t, client.Reversals, refund).BulkPayment.Amount.String())

		sms := through(t, client.V1.SMSNotifications, kopokopo.SMSNotificationReq{WebhookEventReference: testID, Message: "Thank you"})
		assert.Equal(t, "Thank you", sms.Message)
		for _, got := range k2.Requests() {
			assert.NotEmpty(t, got.Header.Get("User-Agent"))
		}
	})
}

func TestPayoutEndpointsBothWays(t *testing.T) {
	world(t, func(t *testing.T, _ *kopokopotest.Server, client *kopokopo.Client) {
		account := there(t, client.MerchantBankAccounts, validBankAccount())
		wallet := there(t, client.MerchantWallets, validWallet())
		req := kopokopo.SendMoneyReq{SourceIdentifier: "4321", Destinations: []kopokopo.SendMoneyDestination{
			kopokopo.ToMobileWallet("0712345678", kopokopo.KES("1000"), "Salary"),
			kopokopo.ToBankAccount("Jane Supplier", "1234567890", "633aa26c-7b7c-4091-ae28-96c0687cf886", kopokopo.KES("2000.50"), "Invoice"),
			kopokopo.ToTill("12444", kopokopo.KES("500"), "Stock"),
			kopokopo.ToPaybill("888880", "12345678", kopokopo.KES("300"), "Tokens"),
			kopokopo.ToMerchantWallet(wallet.AccountReference, kopokopo.KES("100")),
			kopokopo.ToMerchantBankAccount(account.AccountReference, kopokopo.KES("100")),
		}}
		sent := through(t, client.SendMoney, req)
		require.Len(t, sent.TransferBatches, 6)
		assert.Equal(t, "254712345678", sent.Destinations[0].PhoneNumber, "without a plus")
		assert.Equal(t, "2000.5", sent.Destinations[1].Amount.String())

		req.Destinations[2] = kopokopo.ToTill("00000", kopokopo.KES("500"), "Nobody's")
		doc, err := client.SendMoney.CreateAndWait(t.Context(), req)
		require.ErrorIs(t, err, kopokopo.ErrPartial)
		require.NotErrorIs(t, err, kopokopo.ErrPaymentFailed)
		assert.Equal(t, isPartial, doc.Attributes.Outcome())

		req.Destinations = []kopokopo.SendMoneyDestination{kopokopo.ToMobileWallet(kopokopotest.FailPhone, kopokopo.KES("50"), "Nobody")}
		_, err = client.SendMoney.CreateAndWait(t.Context(), req)
		require.ErrorIs(t, err, kopokopo.ErrPaymentFailed)

		ref, err := client.SendMoney.Sweep(t.Context(), kopokopo.SweepReq{Currency: "KES"})
		require.NoError(t, err)
		swept, err := client.SendMoney.Wait(t.Context(), ref.ID)
		require.NoError(t, err)
		assert.Equal(t, "92499.0", swept.Attributes.TransferBatches[0].Amount.String(), "what the payouts have left")

		targeted := validSettlement()
		targeted.DestinationReference = account.AccountReference
		assert.Equal(t, "200", through(t, client.V1.SettlementTransfers, targeted).Amount.Value.String())
		assert.True(t, through(t, client.V1.SettlementTransfers, kopokopo.SettlementTransferReq{Blind: true}).Amount.Value.IsZero())
		assert.Equal(t, "20000", through(t, client.V1.Payments, validPayment()).Amount.Value.String())
	})
}

func TestPaymentLinksBothWays(t *testing.T) {
	world(t, func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client) {
		link := through(t, client.PaymentLinks, validLink())
		assert.False(t, link.Paid())
		assert.Equal(t, "1000", link.Amount.String())

		ref, err := client.PaymentLinks.Create(t.Context(), validLink())
		require.NoError(t, err)
		require.NoError(t, k2.PayLink(ref.ID, "254712345678"))
		paid, err := client.PaymentLinks.Get(t.Context(), ref.ID)
		require.NoError(t, err)
		assert.True(t, paid.Attributes.Paid())
		assert.Equal(t, "254712345678", paid.Attributes.Link.SenderPhoneNumber)
		assert.NotEmpty(t, paid.Attributes.Link.TransactionReference)

		err = client.PaymentLinks.Cancel(t.Context(), ref.ID)
		assert.Equal(t, []error{kopokopo.ErrRefused}, outcomes(err), "a paid link")

		ref, err = client.PaymentLinks.Create(t.Context(), validLink())
		require.NoError(t, err)
		require.NoError(t, client.PaymentLinks.Cancel(t.Context(), ref.Location), "a Location will do")
		cancelled, err := client.PaymentLinks.Wait(t.Context(), ref.ID)
		require.NoError(t, err)
		assert.Equal(t, "Cancelled", cancelled.Attributes.Link.PaymentLinkStatus)
		assert.Equal(t, "{}", string(k2.Requests()[len(k2.Requests())-2].Body))
	})
}

// Cancelling is a write: its errors say what became of it.
func TestCancelOutcomes(t *testing.T) {
	world(t, func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client) {
		ref, err := client.PaymentLinks.Create(t.Context(), validLink())
		require.NoError(t, err)
		const op = "kopokopo: cancel payment link: "
		err = client.PaymentLinks.Cancel(t.Context(), "../"+ref.ID)
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
		assert.ErrorContains(t, err, op)

		err = client.PaymentLinks.Cancel(t.Context(), testID)
		assert.Equal(t, []error{kopokopo.ErrRefused}, outcomes(err))
		var answer *kopokopo.APIError
		require.ErrorAs(t, err, &answer)
		assert.Equal(t, "/api/v2/payment_links/{id}/cancel", answer.Path)

		k2.Inject(kopokopotest.Fault{Method: http.MethodPost, Path: "/api/v2/payment_links/" + ref.ID, Drop: true, AfterWork: true})
		err = client.PaymentLinks.Cancel(t.Context(), ref.ID)
		assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
		assert.ErrorContains(t, err, op+"outcome unknown: ")
		assert.ErrorContains(t, err, "get the link before cancelling it again")

		err = client.PaymentLinks.Cancel(t.Context(), ref.ID, kopokopo.WithToken("not a token"))
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
		err = client.PaymentLinks.Cancel(t.Context(), ref.ID, kopokopo.WithToken("unknown"))
		assert.ErrorIs(t, err, kopokopo.ErrUnauthorized)
		assert.NoError(t, client.PaymentLinks.Cancel(t.Context(), ref.ID))
	})
}

// What New did not make fails; it does not panic.
func TestZeroEndpointsFail(t *testing.T) {
	t.Parallel()
	var client kopokopo.Client
	_, createErr := client.SendMoney.Create(t.Context(), walletSendMoney())
	_, sweepErr := client.SendMoney.Sweep(t.Context(), validSweep())
	_, getErr := client.SendMoney.Get(t.Context(), testID)
	_, waitErr := client.SendMoney.Wait(t.Context(), testID)
	_, linkErr := client.PaymentLinks.CreateAndWait(t.Context(), validLink())
	_, zeroErr := new(kopokopo.PaymentLinkEndpoint).Wait(t.Context(), testID)
	_, asyncErr := client.Reversals.Wait(t.Context(), testID)
	cancelErr := client.PaymentLinks.Cancel(t.Context(), testID)
	var sequenceErr error
	for _, err := range client.Transactions(t.Context(), kopokopo.TransactionsQuery{}) {
		sequenceErr = err
	}
	for _, err := range []error{createErr, sweepErr, getErr, waitErr, linkErr, zeroErr, asyncErr, cancelErr, sequenceErr} {
		assert.ErrorContains(t, err, "not made by New")
	}
	assert.True(t, errors.Is(createErr, kopokopo.ErrNotSent) && errors.Is(cancelErr, kopokopo.ErrNotSent))
}
