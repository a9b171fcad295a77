package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// broken is a valid request with one thing wrong, or several.
type broken[R any] struct {
	name   string
	spoil  func(r *R)
	fields []string // the API names that the error has to list, and no others
	is     error    // the documented error among them
}

// refuse checks a table of broken requests, and that the valid one is valid.
func refuse[R kopokopo.Request](t *testing.T, valid func() R, table []broken[R]) {
	t.Helper()
	require.NoError(t, valid().Validate())
	for _, row := range table {
		r := valid()
		row.spoil(&r)
		err := r.Validate()
		var invalid *kopokopo.ValidationError
		if !assert.ErrorAs(t, err, &invalid, row.name) {
			continue
		}
		var fields []string
		for _, f := range invalid.Fields {
			fields = append(fields, f.Field)
		}
		assert.Equal(t, row.fields, fields, row.name)
		if row.is != nil {
			assert.ErrorIs(t, err, row.is, row.name)
		}
		for _, secret := range []string{"0712345678", "999999", "260000", "7.77"} {
			assert.NotContains(t, err.Error(), secret, "%s: no phone and no amount in an error", row.name)
		}
	}
}

var sixPairs = map[string]any{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}

// badCallbacks are refused wherever a callback is taken.
var badCallbacks = []string{"", " ", "shop.example/result", "http://shop.example/result", "https://", "ftp://shop.example/", "https://user:secret@shop.example/"}

// refuseLinks checks the callback and the metadata, which are alike everywhere.
func refuseLinks[R kopokopo.Request](t *testing.T, valid func() R, links func(r *R) *kopokopo.Links, metadata func(r *R) *map[string]any) {
	t.Helper()
	var table []broken[R]
	for _, callback := range badCallbacks {
		table = append(table, broken[R]{"callback " + callback, func(r *R) { links(r).Callback = callback }, []string{"_links.callback_url"}, nil})
	}
	if metadata != nil {
		table = append(table,
			broken[R]{"six pairs", func(r *R) { *metadata(r) = sixPairs }, []string{"metadata"}, kopokopo.ErrMaxMetadataSize},
			broken[R]{"no JSON", func(r *R) { *metadata(r) = map[string]any{"f": func() {}} }, []string{"metadata"}, nil})
	}
	refuse(t, valid, table)
	loopback := valid()
	links(&loopback).Callback = "http://127.0.0.1:8080/result"
	assert.NoError(t, loopback.Validate())
}

func TestSendMoneyIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.SendMoneyReq
	one := func(d kopokopo.SendMoneyDestination) func(r *R) {
		return func(r *R) { r.Destinations = []kopokopo.SendMoneyDestination{d} }
	}
	kes, no := kopokopo.KES("100"), kopokopo.KES("")
	refuse(t, walletSendMoney, []broken[R]{
		{"no destinations", func(r *R) { r.Destinations = nil }, []string{"destinations"}, nil},
		{"empty destinations", func(r *R) { r.Destinations = []kopokopo.SendMoneyDestination{} }, []string{"destinations"}, nil},
		{"no currency", func(r *R) { r.Currency = "" }, []string{"currency"}, nil},
		{"two currencies", func(r *R) { r.Destinations[0].Amount.Currency = "USD" }, []string{"destinations[0].amount.currency"}, nil},
		{"no type", func(r *R) { r.Destinations[0].Type = "" }, []string{"destinations[0].type"}, nil},
		{"strange type", func(r *R) { r.Destinations[0].Type = "purse" }, []string{"destinations[0].type"}, nil},
		{"no phone", one(kopokopo.ToMobileWallet("", kes, "d")), []string{"destinations[0].phone_number"}, nil},
		{"short phone", one(kopokopo.ToMobileWallet("071234567", kes, "d")), []string{"destinations[0].phone_number"}, nil},
		{"no amount", one(kopokopo.ToMobileWallet("0712345678", no, "d")), []string{"destinations[0].amount.value"}, nil},
		{"zero", one(kopokopo.ToMobileWallet("0712345678", kopokopo.KES("0"), "d")), []string{"destinations[0].amount.value"}, nil},
		{"negative", one(kopokopo.ToTill("1", kopokopo.KES("-5"), "d")), []string{"destinations[0].amount.value"}, nil},
		{"exponent", one(kopokopo.ToTill("1", kopokopo.KES("1e3"), "d")), []string{"destinations[0].amount.value"}, nil},
		{"three decimals", one(kopokopo.ToTill("1", kopokopo.KES("1.005"), "d")), []string{"destinations[0].amount.value"}, nil},
		{"too little", one(kopokopo.ToMobileWallet("0712345678", kopokopo.KES("9.99"), "d")), []string{"destinations[0].amount.value"}, nil},
		{"too much", one(kopokopo.ToMobileWallet("0712345678", kopokopo.KES("250000.01"), "d")), []string{"destinations[0].amount.value"}, nil},
		{"no description", one(kopokopo.ToMobileWallet("0712345678", kes, " ")), []string{"destinations[0].description"}, nil},
		{"bank account", one(kopokopo.ToBankAccount("", "", "", kes, "")), []string{"destinations[0].account_name", "destinations[0].account_number", "destinations[0].bank_branch_ref", "destinations[0].description"}, kopokopo.ErrEmptyID},
		{"till", one(kopokopo.ToTill("", kes, "")), []string{"destinations[0].till_number", "destinations[0].description"}, nil},
		{"paybill", one(kopokopo.ToPaybill("", "", kes, "")), []string{"destinations[0].paybill_number", "destinations[0].paybill_account_number", "destinations[0].description"}, nil},
		{"own wallet", one(kopokopo.ToMerchantWallet("", kes)), []string{"destinations[0].reference"}, kopokopo.ErrEmptyID},
		{"own bank account", one(kopokopo.ToMerchantBankAccount("", no)), []string{"destinations[0].reference", "destinations[0].amount.value"}, kopokopo.ErrEmptyID},
		{"everything at once", func(r *R) {
			*r = R{Destinations: []kopokopo.SendMoneyDestination{walletSendMoney().Destinations[0], {Type: "till"}}, Metadata: sixPairs}
		}, []string{"currency", "destinations[1].till_number", "destinations[1].amount.value", "destinations[1].description", "metadata", "_links.callback_url"}, kopokopo.ErrMaxMetadataSize},
	})
	refuseLinks(t, walletSendMoney, func(r *R) *kopokopo.Links { return &r.Links }, func(r *R) *map[string]any { return &r.Metadata })

	assert.ErrorContains(t, kopokopo.SendMoneyReq{}.Validate(), "Sweep", "the error says how to move everything on purpose")
	for _, amount := range []string{"10", "10.00", "250000", "250000.00"} {
		r := walletSendMoney()
		r.Destinations[0].Amount.Value = amount
		assert.NoError(t, r.Validate(), amount)
	}
	large := kopokopo.SendMoneyReq{Destinations: []kopokopo.SendMoneyDestination{kopokopo.ToTill("12444", kopokopo.KES("1000000"), "d")}, Links: callbackToYourApp}
	assert.NoError(t, large.Validate(), "the limits are those of mobile wallets")
}

func TestSweepIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.SweepReq
	refuse(t, validSweep, []broken[R]{
		{"no currency", func(r *R) { r.Currency = "" }, []string{"currency"}, nil},
		{"everything at once", func(r *R) { *r = R{Metadata: sixPairs} }, []string{"currency", "metadata", "_links.callback_url"}, nil},
	})
	refuseLinks(t, validSweep, func(r *R) *kopokopo.Links { return &r.Links }, func(r *R) *map[string]any { return &r.Metadata })
}

func TestSettlementTransferIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.SettlementTransferReq
	refuse(t, validSettlement, []broken[R]{
		{"no type", func(r *R) { r.DestinationType = "" }, []string{"destination_type"}, nil},
		{"strange type", func(r *R) { r.DestinationType = "till" }, []string{"destination_type"}, nil},
		{"no reference", func(r *R) { r.DestinationReference = "" }, []string{"destination_reference"}, kopokopo.ErrEmptyID},
		{"no amount", func(r *R) { r.Amount.Value = "" }, []string{"amount.value"}, nil},
		{"no currency", func(r *R) { r.Amount.Currency = "" }, []string{"amount.currency"}, nil},
		{"empty is not blind", func(r *R) { *r = R{} }, []string{"destination_type", "destination_reference", "amount.currency", "amount.value", "_links.callback_url"}, nil},
		{"blind and targeted", func(r *R) { r.Blind = true }, []string{"blind"}, nil},
	})
	refuseLinks(t, validSettlement, func(r *R) *kopokopo.Links { return &r.Links }, nil)
	assert.ErrorContains(t, kopokopo.SettlementTransferReq{}.Validate(), "Blind", "the error says how to move everything on purpose")
	assert.NoError(t, kopokopo.SettlementTransferReq{Blind: true, Links: callbackToYourApp}.Validate())
}

func TestPollingIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.PollingReq
	refuse(t, validPolling, []broken[R]{
		{"no scope", func(r *R) { r.Scope = "" }, []string{"scope"}, nil},
		{"till without number", func(r *R) { r.Scope = "Till" }, []string{"scope_reference"}, kopokopo.ErrEmptyID},
		{"no from", func(r *R) { r.From = time.Time{} }, []string{"from_time"}, nil},
		{"no to", func(r *R) { r.To = time.Time{} }, []string{"to_time"}, nil},
		{"to before from", func(r *R) { r.To = r.From.Add(-time.Second) }, []string{"to_time"}, nil},
		{"everything at once", func(r *R) { *r = R{} }, []string{"scope", "from_time", "to_time", "_links.callback_url"}, nil},
	})
	refuseLinks(t, validPolling, func(r *R) *kopokopo.Links { return &r.Links }, nil)
}

func TestPaymentLinkIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.PaymentLinkReq
	refuse(t, validLink, []broken[R]{
		{"no till", func(r *R) { r.TillNumber = "" }, []string{"till_number"}, nil},
		{"no amount", func(r *R) { r.Amount.Value = "" }, []string{"amount"}, nil},
		{"bad amount", func(r *R) { r.Amount.Value = "7.777" }, []string{"amount"}, nil},
		{"no currency", func(r *R) { r.Amount.Currency = "" }, []string{"currency"}, nil},
		{"everything at once", func(r *R) { *r = R{Metadata: sixPairs} }, []string{"till_number", "currency", "amount", "metadata", "_links.callback_url"}, nil},
	})
	refuseLinks(t, validLink, func(r *R) *kopokopo.Links { return &r.Links }, func(r *R) *map[string]any { return &r.Metadata })
}

func TestReversalIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.ReversalReq
	refuse(t, validReversal, []broken[R]{
		{"no reference", func(r *R) { r.TransactionReference = "" }, []string{"transaction_reference"}, kopokopo.ErrEmptyID},
		{"no reason", func(r *R) { r.Reason = " " }, []string{"reason"}, nil},
		{"everything at once", func(r *R) { *r = R{Metadata: sixPairs} }, []string{"transaction_reference", "reason", "metadata", "_links.callback_url"}, nil},
	})
	refuseLinks(t, validReversal, func(r *R) *kopokopo.Links { return &r.Links }, func(r *R) *map[string]any { return &r.Metadata })
}

func TestSMSNotificationIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.SMSNotificationReq
	refuse(t, validSMS, []broken[R]{
		{"no webhook reference", func(r *R) { r.WebhookEventReference = "" }, []string{"webhook_event_reference"}, kopokopo.ErrEmptyID},
		{"no message", func(r *R) { r.Message = "" }, []string{"message"}, nil},
		{"everything at once", func(r *R) { *r = R{} }, []string{"webhook_event_reference", "message", "_links.callback_url"}, nil},
	})
	refuseLinks(t, validSMS, func(r *R) *kopokopo.Links { return &r.Links }, nil)
}

func TestOwnAccountsAreValidated(t *testing.T) {
	t.Parallel()
	type B = kopokopo.MerchantBankAccountReq
	refuse(t, validBankAccount, []broken[B]{
		{"no name", func(r *B) { r.AccountName = "" }, []string{"account_name"}, nil},
		{"no branch", func(r *B) { r.BankBranchReference = "" }, []string{"bank_branch_ref"}, kopokopo.ErrEmptyID},
		{"no number", func(r *B) { r.AccountNumber = "" }, []string{"account_number"}, nil},
		{"no method", func(r *B) { r.SettlementMethod = "" }, []string{"settlement_method"}, kopokopo.ErrInvalidSettlementMethod},
		{"strange method", func(r *B) { r.SettlementMethod = "RTGS" }, []string{"settlement_method"}, kopokopo.ErrInvalidSettlementMethod},
		{"everything at once", func(r *B) { *r = B{} }, []string{"account_name", "bank_branch_ref", "account_number", "settlement_method"}, nil},
	})
	type W = kopokopo.MerchantWalletReq
	refuse(t, validWallet, []broken[W]{
		{"no first name", func(r *W) { r.FirstName = "" }, []string{"first_name"}, nil},
		{"no last name", func(r *W) { r.LastName = "" }, []string{"last_name"}, nil},
		{"no phone", func(r *W) { r.PhoneNumber = "" }, []string{"phone_number"}, nil},
		{"foreign phone", func(r *W) { r.PhoneNumber = "+255712345678" }, []string{"phone_number"}, nil},
		{"no network", func(r *W) { r.Network = "" }, []string{"network"}, nil},
		{"everything at once", func(r *W) { *r = W{} }, []string{"first_name", "last_name", "phone_number", "network"}, nil},
	})
}

func TestExternalRecipientIsValidated(t *testing.T) {
	t.Parallel()
	type R = kopokopo.ExternalRecipientReq
	empty := func(kind string) func(r *R) { return func(r *R) { *r = R{Type: kind} } }
	in := func(fields ...string) []string {
		for i := range fields {
			fields[i] = "external_recipient." + fields[i]
		}
		return fields
	}
	valid := func() R { return R{Type: kopokopo.BankAccount, Recipient: somebody(kopokopo.BankAccount)} }
	refuse(t, valid, []broken[R]{
		{"no type", empty(""), []string{"type"}, nil},
		{"wallet", empty("mobile_wallet"), in("first_name", "last_name", "phone_number", "network"), nil},
		{"bank account", empty("bank_account"), in("account_name", "bank_branch_ref", "account_number"), kopokopo.ErrEmptyID},
		{"till", empty("till"), in("till_name", "till_number"), nil},
		{"paybill", empty("paybill"), in("paybill_name", "paybill_number", "paybill_account_number"), nil},
		{"strange method", func(r *R) { r.Recipient.SettlementMethod = "SWIFT" }, in("settlement_method"), kopokopo.ErrInvalidSettlementMethod},
	})
	without := valid()
	without.Recipient.SettlementMethod = ""
	assert.NoError(t, without.Validate(), "the method is optional in version 2")
}

func TestTransactionsQueryIsValidated(t *testing.T) {
	t.Parallel()
	type Q = kopokopo.TransactionsQuery
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	refuse(t, func() Q { return Q{From: from, To: from.AddDate(0, 1, 0)} }, []broken[Q]{
		{"no from", func(q *Q) { q.From = time.Time{} }, []string{"From"}, nil},
		{"no to", func(q *Q) { q.To = time.Time{} }, []string{"To"}, nil},
		{"empty", func(q *Q) { q.To = q.From }, []string{"To"}, nil},
		{"less than a second", func(q *Q) { q.To = q.From.Add(999 * time.Millisecond) }, []string{"To"}, nil},
		{"backwards", func(q *Q) { q.To = q.From.Add(-time.Hour) }, []string{"To"}, nil},
		{"narrow", func(q *Q) { q.Window = 59 * time.Second }, []string{"Window"}, nil},
		{"negative", func(q *Q) { q.Window = -time.Hour }, []string{"Window"}, nil},
		{"till", func(q *Q) { q.Scope = "till" }, []string{"scope_reference"}, kopokopo.ErrEmptyID},
		{"callback", func(q *Q) { q.Callback = "http://shop.example" }, []string{"Callback"}, nil},
		{"everything at once", func(q *Q) { *q = Q{Scope: "till", Window: 1, Callback: "x"} }, []string{"From", "To", "Window", "scope_reference", "Callback"}, nil},
	})
}

// A faulty request never leaves, and its error says so; the client's callback URL
// fills an empty one first.
func TestFaultyRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	client, mock := mockClient(t)
	ctx := context.Background()
	_, sendErr := client.SendMoney.Create(ctx, kopokopo.SendMoneyReq{})
	_, sweepErr := client.SendMoney.Sweep(ctx, kopokopo.SweepReq{})
	_, linkErr := client.PaymentLinks.Create(ctx, kopokopo.PaymentLinkReq{})
	_, reversalErr := client.Reversals.CreateAndWait(ctx, kopokopo.ReversalReq{})
	_, smsErr := client.V1.SMSNotifications.Create(ctx, kopokopo.SMSNotificationReq{})
	for op, err := range map[string]error{"create send money": sendErr, "create sweep": sweepErr, "create payment link": linkErr,
		"create reversal": reversalErr, "create SMS notification": smsErr, "cancel payment link": client.PaymentLinks.Cancel(ctx, "")} {
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err), op)
		assert.True(t, strings.HasPrefix(err.Error(), "kopokopo: "+op+": not sent: "), err)
	}
	assert.Zero(t, mock.GetTotalCallCount())
}
