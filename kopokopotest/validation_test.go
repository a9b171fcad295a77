package kopokopotest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// with changes one dotted path of a JSON request; nil removes it.
func with(request, path string, value any) string {
	var doc map[string]any
	if err := json.Unmarshal([]byte(request), &doc); err != nil {
		panic(err)
	}
	keys := strings.Split(path, ".")
	at := doc
	for _, k := range keys[:len(keys)-1] {
		at = at[k].(map[string]any)
	}
	last := keys[len(keys)-1]
	if value == nil {
		delete(at, last)
	} else {
		at[last] = value
	}
	out, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func text(message string) string {
	return `{"error_code":400,"error_message":` + quote(message) + `}`
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

func TestValidation(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	var (
		push     = stk("K555555", "+254722000000", "10")
		sub      = sample(t, "request_webhook_subscription_v2")
		wallet   = sample(t, "request_pay_recipient_mobile_wallet_v1")
		bank     = sample(t, "request_pay_recipient_bank_account_v1")
		external = sample(t, "request_external_recipient_mobile_wallet_v2")
		pay      = sample(t, "request_payment_v1")
		send     = sample(t, "request_send_money_external_mobile_wallet")
		targeted = sample(t, "request_settlement_transfer_targeted_v1")
		poll     = sample(t, "request_polling")
		sms      = sample(t, "request_transaction_sms_notification_v1")
		link     = sample(t, "request_payment_link_v2")
		reverse  = sample(t, "request_reversal_v2")
		own      = sample(t, "request_merchant_bank_account")
		ownPhone = sample(t, "request_merchant_wallet")
		six      = map[string]any{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}
	)
	destination := func(key string, value any) string {
		d := map[string]any{"type": "mobile_wallet", "phone_number": "254722000000", "network": "Safaricom", "amount": 100, "description": "d"}
		if value == nil {
			delete(d, key)
		} else {
			d[key] = value
		}
		return with(send, "destinations", []any{d})
	}
	s.create("/api/v1/pay_recipients", wallet) // for the duplicate

	for _, c := range []struct{ name, path, body, want string }{
		{"recorded: till blank", "v2/incoming_payments", with(push, "till_number", ""), sample(t, "error_400_incoming_payment_till_blank")},
		{"recorded: phone", "v1/incoming_payments", with(push, "subscriber.phone_number", "12345"), sample(t, "error_400_incoming_payment_phone_invalid")},
		{"till", "v2/incoming_payments", with(push, "till_number", "tillX"), text("Till number is invalid")},
		{"channel blank", "v2/incoming_payments", with(push, "payment_channel", nil), text("Payment channel can't be blank")},
		{"channel", "v2/incoming_payments", with(push, "payment_channel", "VISA"), text("Payment channel is invalid")},
		{"no subscriber", "v2/incoming_payments", with(push, "subscriber", nil), text("Subscriber phone number can't be blank")},
		{"currency", "v2/incoming_payments", with(push, "amount.currency", "USD"), text("Amount currency is invalid")},
		{"amount missing", "v2/incoming_payments", with(push, "amount.value", nil), text("Amount value can't be blank")},
		{"amount words", "v2/incoming_payments", with(push, "amount.value", "ten"), text("Amount value is not a number")},
		{"amount zero", "v2/incoming_payments", with(push, "amount.value", 0), text("Amount value must be greater than 0")},
		{"amount negative", "v2/incoming_payments", with(push, "amount.value", -5), text("Amount value must be greater than 0")},
		{"metadata", "v2/incoming_payments", with(push, "metadata", six), text("Metadata can't have more than 5 key-value pairs")},
		{"metadata list", "v2/incoming_payments", with(push, "metadata", []any{1}), text("Metadata is invalid")},
		{"callback blank", "v2/incoming_payments", with(push, "_links", nil), text("Callback url can't be blank")},
		{"callback http", "v2/incoming_payments", with(push, "_links.callback_url", "http://shop.example/x"), text("Callback url is invalid: it must be a secure HTTPS endpoint")},
		{"callback not a URL", "v2/incoming_payments", with(push, "_links.callback_url", "https://"), text("Callback url is invalid: it must be a secure HTTPS endpoint")},

		{"recorded: scope", "v2/webhook_subscriptions", with(sub, "scope_reference", nil), sample(t, "error_400_webhook_invalid_scope_reference")},
		{"scope words", "v1/webhook_subscriptions", with(sub, "scope_reference", "shop"), text("Invalid scope reference")},
		{"scope unknown", "v1/webhook_subscriptions", with(sub, "scope", "shop"), text("Scope is invalid")},
		{"event blank", "v2/webhook_subscriptions", with(sub, "event_type", ""), text("Event type can't be blank")},
		{"event misspelt", "v2/webhook_subscriptions", with(sub, "event_type", "buygoods_transaction_recieved"), text("Event type is invalid")},
		{"url blank", "v2/webhook_subscriptions", with(sub, "url", ""), text("Url can't be blank")},
		{"url http", "v2/webhook_subscriptions", with(sub, "url", "http://10.0.0.1/x"), text("Url is invalid: it must be a secure HTTPS endpoint")},

		{"recorded: duplicate", "v1/pay_recipients", wallet, sample(t, "GUESS_error_400_pay_recipient_not_created")},
		{"name with digits", "v1/pay_recipients", with(wallet, "pay_recipient.first_name", "J0hn"), text("Pay recipient could not be created")},
		{"type", "v1/pay_recipients", with(wallet, "type", "shop"), text("Type is invalid")},
		{"type blank", "v1/pay_recipients", with(wallet, "type", nil), text("Type can't be blank")},
		{"no recipient", "v1/pay_recipients", with(wallet, "pay_recipient", nil), text("Pay recipient can't be blank")},
		{"network", "v1/pay_recipients", with(wallet, "pay_recipient.network", ""), text("Network can't be blank")},
		{"settlement method", "v1/pay_recipients", with(bank, "pay_recipient.settlement_method", "SWIFT"), text("Settlement method is invalid")},
		{"settlement method blank", "v1/pay_recipients", with(bank, "pay_recipient.settlement_method", nil), text("Settlement method can't be blank")},
		{"external phone", "v2/external_recipients", with(external, "external_recipient.phone_number", "1"), text("Phone number is an invalid number")},
		{"external wrong wrapper", "v2/external_recipients", wallet, text("External recipient can't be blank")},
		{"own account", "v1/merchant_bank_accounts", with(own, "bank_branch_ref", ""), text("Bank branch ref can't be blank")},
		{"own method", "v2/merchant_bank_accounts", with(own, "settlement_method", "X"), text("Settlement method is invalid")},
		{"own wallet", "v2/merchant_wallets", with(ownPhone, "phone_number", "07"), text("Phone number is an invalid number")},

		{"destination type", "v1/payments", with(pay, "destination_type", "shop"), text("Destination type is invalid")},
		{"destination", "v1/payments", with(pay, "destination_reference", ""), text("Destination reference can't be blank")},
		{"description", "v1/payments", with(pay, "description", nil), text("Description can't be blank")},
		{"transfer without amount", "v1/settlement_transfers", with(targeted, "amount", nil), text("Amount value can't be blank")},
		{"transfer without type", "v1/settlement_transfers", with(targeted, "destination_type", nil), text("Destination type can't be blank")},
		{"transfer amount", "v1/settlement_transfers", with(targeted, "amount.value", "x"), text("Amount value is not a number")},

		{"recorded: limits", "v2/send_money", destination("amount", 9), sample(t, "error_400_send_money_limits_errors_array")},
		{"above the limit", "v2/send_money", destination("amount", "250000.01"), sample(t, "error_400_send_money_limits_errors_array")},
		{"recorded: source", "v2/send_money", with(send, "source_identifier", "my till"), sample(t, "error_400_send_money_source_identifier_invalid")},
		{"plus", "v2/send_money", destination("phone_number", "+254722000000"), text("+254722000000 has an invalid length or format. Must be 254XXXXXXXXX.")},
		{"no network", "v2/send_money", destination("network", nil), text("Network can't be blank")},
		{"unknown destination", "v2/send_money", destination("type", "shop"), text("Destination type is invalid")},
		{"destinations not a list", "v2/send_money", with(send, "destinations", "all"), text("Destinations is invalid")},
		{"no currency", "v2/send_money", with(send, "currency", nil), text("Currency can't be blank")},

		{"poll time blank", "v1/polling", with(poll, "from_time", nil), text("From time can't be blank")},
		{"poll time", "v2/polling", with(poll, "to_time", "yesterday"), text("To time is invalid")},
		{"poll scope", "v2/polling", with(poll, "scope", "till"), text("Scope reference is invalid")},
		{"sms", "v1/transaction_sms_notifications", with(sms, "message", ""), text("Message can't be blank")},

		{"recorded: link till", "v2/payment_links", with(link, "till_number", "abc"), sample(t, "error_400_payment_link_till_invalid")},
		{"link amount", "v2/payment_links", with(link, "amount", nil), text("Amount can't be blank")},
		{"recorded: reversal reference", "v2/reversals", reverse, sample(t, "error_400_reversal_reference_invalid")},
		{"reversal lists its faults", "v2/reversals", `{}`,
			`{"error_code":400,"error_message":["Transaction reference can't be blank","Reason can't be blank","Callback url can't be blank"]}`},

		{"no JSON", "v2/incoming_payments", `{"till_number"`, text("Request body must be a JSON object")},
		{"no body", "v2/incoming_payments", ``, text("Request body must be a JSON object")},
		{"a list", "v2/send_money", `[]`, text("Request body must be a JSON object")},
		{"null", "v2/reversals", `null`, text("Request body must be a JSON object")},
		{"two documents", "v2/polling", `{} {}`, text("Request body must be a JSON object")},
		{"deep", "v2/polling", strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), text("Request body must be a JSON object")},
	} {
		t.Run(c.path+" "+c.name, func(t *testing.T) {
			s.t = t
			r := s.post("/api/"+c.path, c.body)
			assert.Equal(t, 400, r.status)
			assert.Equal(t, c.want, r.body)
			assert.Empty(t, r.header.Get("Location"))
		})
	}
}

func TestAcceptedForms(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	push := stk("K555555", "+254722000000", "10")
	for path, values := range map[string][]any{
		"payment_channel":         {"M-PESA", "MPESA", "M-PESA STK PUSH", "m-pesa stk push"},
		"subscriber.phone_number": {"254722000000", "0722000000", "+254110000000"},
		"amount.value":            {"1000", 1e3, "12.50", 0.5},
		"till_number":             {"555555", 555555},
		"_links.callback_url":     {"http://127.0.0.1:9/x", "http://localhost:9/x", "http://[::1]:9/x", "HTTPS://shop.example"},
	} {
		for _, v := range values {
			s.create("/api/v2/incoming_payments", with(push, path, v))
		}
	}
	s.create("/api/v2/webhook_subscriptions", `{"event_type":"customer_created","url":"https://shop.example/a","scope":"Company","scope_reference":""}`)
	s.create("/api/v1/settlement_transfers", `{"amount":{"currency":null,"value":null},"destination_type":null,"destination_reference":null,"_links":{"callback_url":"https://shop.example/a"}}`)
}

func TestBodyLimit(t *testing.T) {
	s := memoryShop(t)
	for path, want := range map[string]int{"/api/v2/incoming_payments": 413, "/oauth/token": 413} {
		assert.Equal(t, want, s.post(path, strings.Repeat(" ", 1<<20+1)).status)
	}
	assert.Equal(t, 400, s.post("/api/v2/incoming_payments", strings.Repeat(" ", 1<<20)).status)
	assert.Equal(t, 400, s.post("/api/v2/incoming_payments", "{"+strings.Repeat(`"a":1,`, 1<<20/6-1)+`"a":1}`).status, "many keys cost no time")
}
