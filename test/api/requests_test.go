package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// scripted is a client whose every request, but those for tokens, is answered by h.
func scripted(t testing.TB, h func(r *http.Request, body string) *http.Response) *kopokopo.Client {
	t.Helper()
	client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(), MaxRetries: -1,
		HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			var body []byte
			if r.Body != nil {
				body, _ = io.ReadAll(r.Body)
			}
			if r.URL.Path == "/oauth/token" {
				return says(r, 200, `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`), nil
			}
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			return h(r, string(body)), nil
		})}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// says is an answer with a JSON body.
func says(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// saysCreated is the answer to a create.
func saysCreated(r *http.Request, id string) *http.Response {
	answer := says(r, 201, "")
	answer.Header.Set("Location", testBase+r.URL.Path+"/"+id)
	return answer
}

// attempt is a create, whatever its types.
type attempt func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error)

var callbackToYourApp = kopokopo.Links{Callback: "https://callback_to_your_app.your_application.com"}

// request samples, as a program writes them, and where they go.
var requestSamples = map[string]struct {
	path   string
	create attempt
}{
	"request_webhook_subscription_v2": {"/api/v2/webhook_subscriptions", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.WebhookSubscriptions.Create(ctx, validWebhook())
	}},
	"request_incoming_payment_v2": {"/api/v2/incoming_payments", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		req := validSTK()
		req.Subscriber.PhoneNumber = "0999 999 999"
		return c.IncomingPayments.Create(ctx, req)
	}},
	"request_payment_v1": {"/api/v1/payments", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.V1.Payments.Create(ctx, validPayment())
	}},
	"request_pay_recipient_mobile_wallet_v1":      {"/api/v1/pay_recipients", payRecipient("mobile_wallet")},
	"request_pay_recipient_bank_account_v1":       {"/api/v1/pay_recipients", payRecipient("bank_account")},
	"request_pay_recipient_till_v1":               {"/api/v1/pay_recipients", payRecipient("till")},
	"request_pay_recipient_paybill_v1":            {"/api/v1/pay_recipients", payRecipient("paybill")},
	"request_external_recipient_mobile_wallet_v2": {"/api/v2/external_recipients", externalRecipient("mobile_wallet", "John")},
	"request_external_recipient_bank_account_v2":  {"/api/v2/external_recipients", externalRecipient("bank_account", "John bank")},
	"request_external_recipient_till_v2":          {"/api/v2/external_recipients", externalRecipient("till", "Till 44")},
	"request_external_recipient_paybill_v2":       {"/api/v2/external_recipients", externalRecipient("paybill", "Power")},
	"request_merchant_bank_account": {"/api/v2/merchant_bank_accounts", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.MerchantBankAccounts.Create(ctx, validBankAccount())
	}},
	"request_merchant_wallet": {"/api/v2/merchant_wallets", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.MerchantWallets.Create(ctx, validWallet())
	}},
	"request_send_money_external_mixed":         {"/api/v2/send_money", sendMoney(mixedSendMoney())},
	"request_send_money_external_mobile_wallet": {"/api/v2/send_money", sendMoney(walletSendMoney())},
	"request_send_money_my_account":             {"/api/v2/send_money", sendMoney(ownSendMoney())},
	"request_send_money_sweep_all": {"/api/v2/send_money", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.SendMoney.Sweep(ctx, validSweep())
	}},
	"request_settlement_transfer_blind_v1":    {"/api/v1/settlement_transfers", settlement(kopokopo.SettlementTransferReq{Blind: true, Links: callbackToYourApp})},
	"request_settlement_transfer_targeted_v1": {"/api/v1/settlement_transfers", settlement(validSettlement())},
	"request_polling": {"/api/v2/polling", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.Polling.Create(ctx, validPolling())
	}},
	"request_transaction_sms_notification_v1": {"/api/v1/transaction_sms_notifications", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.V1.SMSNotifications.Create(ctx, validSMS())
	}},
	"request_payment_link_v2": {"/api/v2/payment_links", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.PaymentLinks.Create(ctx, validLink())
	}},
	"request_reversal_v2": {"/api/v2/reversals", func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.Reversals.Create(ctx, validReversal())
	}},
}

// somebody is a recipient of each kind.
func somebody(kind string) kopokopo.PaymentRecipient {
	switch kind {
	case "mobile_wallet":
		return kopokopo.PaymentRecipient{FirstName: "John", LastName: "Doe", Email: "johndoe@nomail.net", PhoneNumber: "254999999999", Network: "Safaricom"}
	case "bank_account":
		return kopokopo.PaymentRecipient{AccountName: "John Doe", BankBranchReference: "633aa26c-7b7c-4091-ae28-96c0687cf886", AccountNumber: "1234567890", SettlementMethod: "EFT"}
	case "till":
		return kopokopo.PaymentRecipient{TillName: "Test Till 44", TillNumber: "12444"}
	}
	return kopokopo.PaymentRecipient{PayBillName: "Power Co", PayBillNumber: "888880", PayBillAccountNumber: "12345678"}
}

func payRecipient(kind string) attempt {
	return func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.V1.PayRecipients.Create(ctx, kopokopo.AddPAYRecipient{Type: kind, PaymentRecipient: somebody(kind)})
	}
}

func externalRecipient(kind, nickname string) attempt {
	return func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		r := somebody(kind)
		r.Nickname = nickname
		return c.ExternalRecipients.Create(ctx, kopokopo.ExternalRecipientReq{Type: kind, Recipient: r})
	}
}

func sendMoney(req kopokopo.SendMoneyReq) attempt {
	return func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.SendMoney.Create(ctx, req)
	}
}

func settlement(req kopokopo.SettlementTransferReq) attempt {
	return func(ctx context.Context, c *kopokopo.Client) (kopokopo.Ref, error) {
		return c.V1.SettlementTransfers.Create(ctx, req)
	}
}

func mixedSendMoney() kopokopo.SendMoneyReq {
	bank := kopokopo.ToBankAccount("Jane Supplier", "1234567890", "633aa26c-7b7c-4091-ae28-96c0687cf886", kopokopo.KES("1000"), "Invoice 1")
	till := kopokopo.ToTill("12444", kopokopo.KES("500"), "Stock")
	bill := kopokopo.ToPaybill("888880", "12345678", kopokopo.KES("300"), "Tokens")
	bank.Nickname, till.Nickname, bill.Nickname = "Supplier", "Shop", "Power"
	return kopokopo.SendMoneyReq{
		Destinations:     []kopokopo.SendMoneyDestination{bank, till, bill},
		SourceIdentifier: "4321",
		Metadata:         map[string]any{},
		Links:            kopokopo.Links{Callback: "https://dummy_callback_url/send_money_result"},
	}
}

func walletSendMoney() kopokopo.SendMoneyReq {
	return kopokopo.SendMoneyReq{
		Destinations: []kopokopo.SendMoneyDestination{{
			Type: kopokopo.MobileWallet, Nickname: "Jane Doe", PhoneNumber: "+254 900 000 000",
			Amount: kopokopo.Amount{Value: "1000"}, Description: "Reason for payment", Favourite: true,
		}},
		SourceIdentifier: "4321",
		Currency:         "KES",
		Metadata:         map[string]any{"customerId": "8675309", "notes": "Salary payment for September 2025"},
		Links:            kopokopo.Links{Callback: "https://dummy_callback_url/send_money_result"},
	}
}

func ownSendMoney() kopokopo.SendMoneyReq {
	req := walletSendMoney()
	req.Destinations = []kopokopo.SendMoneyDestination{kopokopo.ToMerchantBankAccount("e479b8de-d05d-46f1-89ea-27948293f5df", kopokopo.KES("100"))}
	return req
}

func validSweep() kopokopo.SweepReq {
	return kopokopo.SweepReq{Currency: "KES", Metadata: walletSendMoney().Metadata, Links: walletSendMoney().Links}
}

func validBankAccount() kopokopo.MerchantBankAccountReq {
	return kopokopo.MerchantBankAccountReq{AccountName: "Jane Merchant", BankBranchReference: "9ed38155-7d6f-11e3-83c3-5404a6144203",
		AccountNumber: "1234567890", SettlementMethod: "eft", Nickname: "Main bank"}
}

func validWallet() kopokopo.MerchantWalletReq {
	return kopokopo.MerchantWalletReq{FirstName: "Jane", LastName: "Doe", PhoneNumber: "0999999999", Network: kopokopo.NetworkSafaricom, Nickname: "My phone"}
}

func validSettlement() kopokopo.SettlementTransferReq {
	return kopokopo.SettlementTransferReq{Amount: kopokopo.KES("200"), DestinationType: kopokopo.DestinationMerchantBankAccount,
		DestinationReference: "87bbfdcf-fb59-4d8e-b039-b85b97015a7e", Links: callbackToYourApp}
}

func validPolling() kopokopo.PollingReq {
	from := time.Date(2021, 4, 12, 5, 50, 22, 0, time.UTC)
	return kopokopo.PollingReq{Scope: kopokopo.ScopeCompany, From: from, To: from.AddDate(0, 0, 7), Links: callbackToYourApp}
}

func validSMS() kopokopo.SMSNotificationReq {
	return kopokopo.SMSNotificationReq{WebhookEventReference: "e51438e9-c42b-4bf2-a261-faeaf189e3ed", Message: "Your message here",
		Links: kopokopo.Links{Callback: "https://webhook.site/a67f60b8-8c26-40a2-866c-99f5314a3e0e"}}
}

func validLink() kopokopo.PaymentLinkReq {
	return kopokopo.PaymentLinkReq{TillNumber: "4321", Amount: kopokopo.KES("1000"), PaymentReference: "INV02932922",
		Note: "Payment for monthly internet subscription", Metadata: map[string]any{"account_number": "1234567"},
		Links: kopokopo.Links{Callback: "https://example.com/callback"}}
}

func validReversal() kopokopo.ReversalReq {
	return kopokopo.ReversalReq{TransactionReference: "TQ2L262026", Reason: "Erroneous payment",
		Metadata: map[string]any{"reversalTicket": "#1283833"}, Links: callbackToYourApp}
}

// What goes over the wire is what K2 documents: the same keys, values and JSON types.
func TestRequestsEqualTheirSamples(t *testing.T) {
	t.Parallel()
	for _, file := range payloads.Names("request_*.json") {
		name := strings.TrimSuffix(file, ".json")
		t.Run(name, func(t *testing.T) {
			test, ok := requestSamples[name]
			require.True(t, ok, "a sample without a request")
			var got string
			client := scripted(t, func(r *http.Request, body string) *http.Response {
				assert.Equal(t, http.MethodPost, r.Method)
				assert.Equal(t, test.path, r.URL.Path)
				assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
				got = body
				return saysCreated(r, testID)
			})
			ref, err := test.create(t.Context(), client)
			require.NoError(t, err)
			assert.Equal(t, testID, ref.ID)
			want := tree(t, sample(t, file)).(map[string]any)
			if want["enable_daraja_payload"] == false {
				delete(want, "enable_daraja_payload") // the default is left out, as version 1 does not know it
			}
			assert.Equal(t, want, tree(t, []byte(got)))
		})
	}
}

// Requests are kept and queued in their own form, which survives the trip.
func TestRequestsSurviveStorage(t *testing.T) {
	t.Parallel()
	for _, req := range []any{mixedSendMoney(), walletSendMoney(), validSweep(), validSettlement(), validLink(), validReversal(), validSMS(), validPolling(), validBankAccount(), validWallet()} {
		stored, err := json.Marshal(req)
		require.NoError(t, err)
		switch want := req.(type) {
		case kopokopo.SendMoneyReq:
			var got kopokopo.SendMoneyReq
			require.NoError(t, json.Unmarshal(stored, &got))
			assert.Equal(t, want.Destinations, got.Destinations)
		case kopokopo.PollingReq:
			var got kopokopo.PollingReq
			require.NoError(t, json.Unmarshal(stored, &got))
			assert.Equal(t, want, got)
		case kopokopo.SettlementTransferReq:
			var got kopokopo.SettlementTransferReq
			require.NoError(t, json.Unmarshal(stored, &got))
			assert.Equal(t, want, got)
		}
	}
}
