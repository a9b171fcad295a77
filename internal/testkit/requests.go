package testkit

import "github.com/kopokopo-go/kopokopo"

// ValidSTK is request_incoming_payment_v2.json as a program writes it.
func ValidSTK() kopokopo.ReceiveMpesaReq {
	return kopokopo.ReceiveMpesaReq{
		PaymentChannel: "M-PESA STK Push",
		TillNumber:     "K000000",
		Subscriber:     kopokopo.Subscriber{FirstName: "Joe", LastName: "Buyer", PhoneNumber: "+254999999999", Email: "jbuyer@mail.net"},
		Amount:         kopokopo.Amount{Currency: "KES", Value: "20000"},
		Metadata:       map[string]any{"customer_id": "123456789", "reference": "123456", "notes": "Payment for invoice 12345"},
		Links:          kopokopo.Links{Callback: "https://callback_to_your_app.your_application.com"},
	}
}

// ValidPayment is request_payment_v1.json as a program writes it.
func ValidPayment() kopokopo.CreatePaymentReq {
	return kopokopo.CreatePaymentReq{
		DestinationType:      "mobile_wallet",
		DestinationReference: "c7f300c0-f1ef-4151-9bbe-005005aa3747",
		Amount:               kopokopo.KES("20000"),
		Description:          "Salary payment for May 2018",
		Category:             "salaries",
		Tags:                 "tag 1, tag 2",
		Metadata:             map[string]any{"customerId": "8675309", "notes": "Salary payment for May 2018"},
		Links:                kopokopo.Links{Callback: "https://dummy_callback_url/payment_result"},
	}
}

// ValidWebhook is request_webhook_subscription_v2.json as a program writes it.
func ValidWebhook() kopokopo.CreateWebhookReq {
	return kopokopo.CreateWebhookReq{EventType: "buygoods_transaction_received", URL: "https://myapplication.com/webhooks", Scope: "till", ScopeRef: "555555"}
}

// ValidTill is request_pay_recipient_till_v1.json as a program writes it.
func ValidTill() kopokopo.AddPAYRecipient {
	return kopokopo.AddPAYRecipient{Type: "till", PaymentRecipient: kopokopo.PaymentRecipient{TillName: "Test Till 44", TillNumber: "12444"}}
}

// SDKCreate is a create of the documented interface with a valid request: its name,
// where it posts to, what its errors say was being done, and the call.
type SDKCreate struct {
	Name, Path, Op string
	Call           func(sdk kopokopo.SDK, token string) (string, error)
}

// SDKCreates are the four creates of the documented interface.
var SDKCreates = []SDKCreate{
	{"CreateWebhook", "/api/v1/webhook_subscriptions", "create webhook subscription",
		func(sdk kopokopo.SDK, token string) (string, error) { return sdk.CreateWebhook(token, ValidWebhook()) }},
	{"ReceiveMpesaPayment", "/api/v1/incoming_payments", "create incoming payment",
		func(sdk kopokopo.SDK, token string) (string, error) {
			return sdk.ReceiveMpesaPayment(token, ValidSTK())
		}},
	{"AddPayRecipients", "/api/v1/pay_recipients", "create pay recipient",
		func(sdk kopokopo.SDK, token string) (string, error) { return sdk.AddPayRecipients(token, ValidTill()) }},
	{"CreatePayment", "/api/v1/payments", "create payment",
		func(sdk kopokopo.SDK, token string) (string, error) { return sdk.CreatePayment(token, ValidPayment()) }},
}

// SDKCalls are the methods of the documented interface that take a token and create
// nothing, called with valid arguments but for it, by name.
var SDKCalls = map[string]func(sdk kopokopo.SDK, token string) error{
	"RevokeToken": func(sdk kopokopo.SDK, token string) error { return sdk.RevokeToken(token) },
	"TokenIntrospection": func(sdk kopokopo.SDK, token string) error {
		_, err := sdk.TokenIntrospection(token)
		return err
	},
	"TokenInformation": func(sdk kopokopo.SDK, token string) error {
		_, err := sdk.TokenInformation(token)
		return err
	},
	"QueryIncommingMpesaPayment": func(sdk kopokopo.SDK, token string) error {
		_, err := sdk.QueryIncommingMpesaPayment(token, ID)
		return err
	},
}
