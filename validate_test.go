package kopokopo_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// faultyFields returns the fields that a value is refused for, after checking the error itself.
func faultyFields(t testing.TB, v interface{ Validate() error }) []string {
	t.Helper()
	err := v.Validate()
	if err == nil {
		return nil
	}
	var invalid *kopokopo.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.NotEmpty(t, invalid.Fields)
	assert.True(t, strings.HasPrefix(err.Error(), "kopokopo: "+invalid.What+": "), err.Error())
	var fields []string
	for _, f := range invalid.Fields {
		assert.Contains(t, err.Error(), f.Field+" "+f.Message)
		if f.Err != nil {
			assert.ErrorIs(t, err, f.Err)
		}
		fields = append(fields, f.Field)
	}
	return fields
}

func validEvent() kopokopo.BuyGoodsTrans {
	return kopokopo.BuyGoodsTrans{Topic: "buygoods_transaction_received", ID: "1", Event: kopokopo.Event{Resource: kopokopo.Resource{ID: "2"}}}
}

func recipient(kind string) kopokopo.AddPAYRecipient {
	r := kopokopo.AddPAYRecipient{Type: kind}
	switch kind {
	case "mobile_wallet":
		r.PaymentRecipient = kopokopo.PaymentRecipient{FirstName: "John", LastName: "Doe", PhoneNumber: "0712345678", Network: "Safaricom"}
	case "bank_account":
		r.PaymentRecipient = kopokopo.PaymentRecipient{AccountName: "John Doe", BankBranchReference: "b", AccountNumber: "1", SettlementMethod: "RTS"}
	case "till":
		r.PaymentRecipient = kopokopo.PaymentRecipient{TillName: "Till", TillNumber: "1"}
	case "paybill":
		r.PaymentRecipient = kopokopo.PaymentRecipient{PayBillName: "P", PayBillNumber: "1", PayBillAccountNumber: "2"}
	}
	return r
}

func TestValidRequestsAreAccepted(t *testing.T) {
	t.Parallel()
	for _, v := range []interface{ Validate() error }{testkit.ValidSTK(), testkit.ValidPayment(), testkit.ValidWebhook(), testkit.ValidTill(), validEvent(),
		recipient("mobile_wallet"), recipient("bank_account"), recipient("till"), recipient("paybill")} {
		assert.NoError(t, v.Validate())
	}
	company := testkit.ValidWebhook()
	company.Scope, company.ScopeRef, company.EventType = "company", "", "something_new"
	assert.NoError(t, company.Validate(), "K2 takes more than it documents")
	stk := testkit.ValidSTK()
	stk.Subscriber = kopokopo.Subscriber{PhoneNumber: "0712345678"}
	stk.Metadata = map[string]any{"1": nil, "2": 1, "3": []any{}, "4": map[string]any{"a": true}, "5": json.Number("1")}
	assert.NoError(t, stk.Validate())
}

func TestEachMissingFieldIsNamed(t *testing.T) {
	t.Parallel()
	type check struct {
		value interface{ Validate() error }
		field string
		cause error
	}
	var checks []check
	add := func(field string, cause error, v interface{ Validate() error }) {
		checks = append(checks, check{v, field, cause})
	}
	for _, blank := range []string{"", " \t\n"} {
		stk := func(field string, cause error, clear func(*kopokopo.ReceiveMpesaReq)) {
			req := testkit.ValidSTK()
			clear(&req)
			add(field, cause, req)
		}
		stk("payment_channel", kopokopo.ErrInvalidPaymentChannel, func(r *kopokopo.ReceiveMpesaReq) { r.PaymentChannel = blank })
		stk("till_number", nil, func(r *kopokopo.ReceiveMpesaReq) { r.TillNumber = blank })
		stk("subscriber.phone_number", nil, func(r *kopokopo.ReceiveMpesaReq) { r.Subscriber.PhoneNumber = blank })
		stk("amount.currency", nil, func(r *kopokopo.ReceiveMpesaReq) { r.Amount.Currency = blank })
		stk("amount.value", nil, func(r *kopokopo.ReceiveMpesaReq) { r.Amount.Value = blank })
		stk("_links.callback_url", nil, func(r *kopokopo.ReceiveMpesaReq) { r.Links.Callback = blank })
		pay := func(field string, cause error, clear func(*kopokopo.CreatePaymentReq)) {
			req := testkit.ValidPayment()
			clear(&req)
			add(field, cause, req)
		}
		pay("destination_type", nil, func(r *kopokopo.CreatePaymentReq) { r.DestinationType = blank })
		pay("destination_reference", kopokopo.ErrEmptyID, func(r *kopokopo.CreatePaymentReq) { r.DestinationReference = blank })
		pay("amount.currency", nil, func(r *kopokopo.CreatePaymentReq) { r.Amount.Currency = blank })
		pay("amount.value", nil, func(r *kopokopo.CreatePaymentReq) { r.Amount.Value = blank })
		pay("description", nil, func(r *kopokopo.CreatePaymentReq) { r.Description = blank })
		pay("_links.callback_url", nil, func(r *kopokopo.CreatePaymentReq) { r.Links.Callback = blank })
		hook := func(field string, cause error, clear func(*kopokopo.CreateWebhookReq)) {
			req := testkit.ValidWebhook()
			clear(&req)
			add(field, cause, req)
		}
		hook("event_type", nil, func(r *kopokopo.CreateWebhookReq) { r.EventType = blank })
		hook("url", nil, func(r *kopokopo.CreateWebhookReq) { r.URL = blank })
		hook("scope", nil, func(r *kopokopo.CreateWebhookReq) { r.Scope = blank })
		hook("scope_reference", kopokopo.ErrEmptyID, func(r *kopokopo.CreateWebhookReq) { r.ScopeRef = blank })
		event := validEvent()
		event.Topic = blank
		add("topic", nil, event)
		event = validEvent()
		event.ID = blank
		add("id", kopokopo.ErrEmptyID, event)
		event = validEvent()
		event.Event.Resource.ID = blank
		add("event.resource.id", kopokopo.ErrEmptyID, event)
	}
	for _, c := range checks {
		assert.Equal(t, []string{c.field}, faultyFields(t, c.value))
		if c.cause != nil {
			assert.ErrorIs(t, c.value.Validate(), c.cause)
		}
	}
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value  interface{ Validate() error }
		fields []string
	}{
		{kopokopo.ReceiveMpesaReq{Metadata: map[string]any{"1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 1}},
			[]string{"payment_channel", "till_number", "subscriber.phone_number", "amount.currency", "amount.value", "metadata", "_links.callback_url"}},
		{kopokopo.CreatePaymentReq{}, []string{"destination_type", "destination_reference", "amount.currency", "amount.value", "description", "_links.callback_url"}},
		{kopokopo.CreateWebhookReq{}, []string{"event_type", "url", "scope"}},
		{kopokopo.CreateWebhookReq{Scope: "Till"}, []string{"event_type", "url", "scope_reference"}},
		{kopokopo.BuyGoodsTrans{}, []string{"topic", "id", "event.resource.id"}},
		{kopokopo.AddPAYRecipient{}, []string{"type"}},
		{kopokopo.AddPAYRecipient{Type: "mobile_wallet"}, []string{"pay_recipient.first_name", "pay_recipient.last_name", "pay_recipient.phone_number", "pay_recipient.network"}},
		{kopokopo.AddPAYRecipient{Type: "bank_account"}, []string{"pay_recipient.account_name", "pay_recipient.bank_branch_ref", "pay_recipient.account_number", "pay_recipient.settlement_method"}},
		{kopokopo.AddPAYRecipient{Type: "till"}, []string{"pay_recipient.till_name", "pay_recipient.till_number"}},
		{kopokopo.AddPAYRecipient{Type: "paybill"}, []string{"pay_recipient.paybill_name", "pay_recipient.paybill_number", "pay_recipient.paybill_account_number"}},
	} {
		assert.Equal(t, test.fields, faultyFields(t, test.value))
	}
	err := kopokopo.ReceiveMpesaReq{Metadata: map[string]any{"1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 1}}.Validate()
	assert.ErrorIs(t, err, kopokopo.ErrInvalidPaymentChannel)
	assert.ErrorIs(t, err, kopokopo.ErrMaxMetadataSize)
	assert.NotErrorIs(t, err, kopokopo.ErrEmptyID)
}

func TestAmountsOfRequests(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"1", "100", "20000", "99.50", "0.01", "007.50", "100.0", "999999999999.99", "0000000000000000001"} {
		stk := testkit.ValidSTK()
		stk.Amount.Value = value
		assert.NoError(t, stk.Validate(), value)
	}
	for _, value := range []string{"", "0", "0.00", "000", "-1", "+1", "1e9", "1E2", "NaN", "Inf", "-Inf", "1.234", "1,500", "1,5", " 100 ", "100 ", "100\n", "0x10",
		"1_000", "1.", ".5", "1.5.0", "KES 100", "१००", "１００", "9223372036854775807", "1" + strings.Repeat("0", 400), "null", "0.001"} {
		stk, payment := testkit.ValidSTK(), testkit.ValidPayment()
		stk.Amount.Value, payment.Amount.Value = value, value
		assert.Equal(t, []string{"amount.value"}, faultyFields(t, stk), value)
		assert.Equal(t, []string{"amount.value"}, faultyFields(t, payment), value)
		if len(value) > 4 && value != "1e9" {
			assert.NotContains(t, stk.Validate().Error(), value)
		}
	}
}

func TestCallbackURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://shop.example/result", "https://shop.example", "https://shop.example:8443/r?a=b#c", "HTTPS://SHOP.EXAMPLE/", "https://10.0.0.1/r",
		"http://127.0.0.1/r", "http://127.0.0.1:8080/r", "http://127.1.2.3/r", "http://localhost/r", "http://LOCALHOST:3000/", "http://[::1]:80/r", "https://bücher.example/",
		"https://callback_to_your_app.your_application.com", "https://shop.example/" + strings.Repeat("a", 1900)} {
		stk, webhook := testkit.ValidSTK(), testkit.ValidWebhook()
		stk.Links.Callback, webhook.URL = url, url
		assert.NoError(t, stk.Validate(), url)
		assert.NoError(t, webhook.Validate(), url)
	}
	for _, url := range []string{"http://example.com", "http://example.com/r", "http://10.0.0.1/r", "http://127.0.0.1.example/r", "http://localhost.example/", "http://0.0.0.0/r",
		"http://[::]/r", "shop.example/r", "/r", "//shop.example/r", "https:", "https://", "https:///r", "https://:443/r", "https:shop.example", "ftp://shop.example/r",
		"javascript:alert(1)", "https://user@shop.example/r", "https://user:hunter2@shop.example/r", "http://user:hunter2@127.0.0.1/r", "https://shop.example/\nr", "https://shop.example/\x00",
		"https://shop.example/\x7f", "https://shop.example/a b", `https://shop.example\@evil.example/`, "https://shop.example:port/", " https://shop.example/", "https://shop.example/%zz",
		"https://shop.example/" + strings.Repeat("a", 2000)} {
		stk, payment, webhook := testkit.ValidSTK(), testkit.ValidPayment(), testkit.ValidWebhook()
		stk.Links.Callback, payment.Links.Callback, webhook.URL = url, url, url
		assert.Equal(t, []string{"_links.callback_url"}, faultyFields(t, stk), url)
		assert.Equal(t, []string{"_links.callback_url"}, faultyFields(t, payment), url)
		assert.Equal(t, []string{"url"}, faultyFields(t, webhook), url)
		assert.NotContains(t, stk.Validate().Error(), "hunter2")
		assert.Less(t, len(stk.Validate().Error()), 200)
	}
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{"M-PESA STK Push", "M-PESA STK PUSH", "m-pesa stk push", "M-PESA", "m-pesa", "MPESA", " M-PESA "} {
		stk := testkit.ValidSTK()
		stk.PaymentChannel = channel
		assert.NoError(t, stk.Validate(), channel)
	}
	for _, channel := range []string{"M-PESA STK", "MPESA STK Push", "cash", "M‑PESA"} {
		stk := testkit.ValidSTK()
		stk.PaymentChannel = channel
		assert.ErrorIs(t, stk.Validate(), kopokopo.ErrInvalidPaymentChannel, channel)
	}
	for method, ok := range map[string]bool{"EFT": true, "RTS": true, "eft": true, "Rts": true, "RTGS": false, "": false, "EFT,RTS": false} {
		bank := recipient("bank_account")
		bank.PaymentRecipient.SettlementMethod = method
		assert.Equal(t, !ok, errors.Is(bank.Validate(), kopokopo.ErrInvalidSettlementMethod), method)
	}
	for kind, ok := range map[string]bool{"mobile_wallet": true, "Mobile_Wallet": true, "Mobile Wallet": false, "merchant_wallet": false} {
		payment := testkit.ValidPayment()
		payment.DestinationType = kind
		assert.Equal(t, ok, payment.Validate() == nil, kind)
	}
}

func TestMetadataThatIsNoJSON(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"function": func() {}, "channel": make(chan int), "NaN": math.NaN(), "infinity": math.Inf(1), "bad number": json.Number("0x1")} {
		stk := testkit.ValidSTK()
		stk.Metadata = map[string]any{"k": value}
		assert.Equal(t, []string{"metadata"}, faultyFields(t, stk), name)
	}
}

func TestPhonesOfRequests(t *testing.T) {
	t.Parallel()
	for phone, ok := range map[string]bool{"+254712345678": true, "0712 345 678": true, "712345678": true, "+255712345678": false, "07123": false, "+0712345678": false} {
		stk, wallet := testkit.ValidSTK(), recipient("mobile_wallet")
		stk.Subscriber.PhoneNumber, wallet.PaymentRecipient.PhoneNumber = phone, phone
		assert.Equal(t, ok, stk.Validate() == nil, phone)
		assert.Equal(t, ok, wallet.Validate() == nil, phone)
		if !ok {
			assert.NotContains(t, stk.Validate().Error(), phone)
		}
	}
}
