package intents_test

import (
	"context"

	"github.com/kopokopo-go/kopokopo"
)

// kind is one kind of create that can have an idempotency key.
type kind struct {
	name   string
	path   string
	create func(ctx context.Context, c *kopokopo.Client, amount, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error)
}

// kinds are a collection, a payout and a set-up write: the classes whose rules differ.
var kinds = []kind{
	{"push", "/api/v2/incoming_payments", push},
	{"payout", "/api/v2/send_money", payout},
	{"link", "/api/v2/payment_links", link},
}

func push(ctx context.Context, c *kopokopo.Client, amount, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
	return c.IncomingPayments.Create(ctx, pushReq(amount, callback), opts...)
}

func payout(ctx context.Context, c *kopokopo.Client, amount, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
	return c.SendMoney.Create(ctx, payoutReq(amount, callback), opts...)
}

func link(ctx context.Context, c *kopokopo.Client, amount, callback string, opts ...kopokopo.CallOption) (kopokopo.Ref, error) {
	return c.PaymentLinks.Create(ctx, kopokopo.PaymentLinkReq{TillNumber: "4321", Amount: kopokopo.KES(amount),
		Metadata: map[string]any{"order": "4711"}, Links: kopokopo.Links{Callback: callback}}, opts...)
}

func pushReq(amount, callback string) kopokopo.ReceiveMpesaReq {
	return kopokopo.ReceiveMpesaReq{PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000000",
		Subscriber: kopokopo.Subscriber{PhoneNumber: "0712 345 678"}, Amount: kopokopo.KES(amount),
		Metadata: map[string]any{"order": "4711"}, Links: kopokopo.Links{Callback: callback}}
}

func payoutReq(amount, callback string) kopokopo.SendMoneyReq {
	return kopokopo.SendMoneyReq{Destinations: []kopokopo.SendMoneyDestination{kopokopo.ToMobileWallet("0712 345 678", kopokopo.KES(amount), "Salary")},
		Metadata: map[string]any{"order": "4711"}, Links: kopokopo.Links{Callback: callback}}
}
