package kopokopo

import (
	"context"
	"errors"
	"fmt"

	"github.com/kopokopo-go/kopokopo/internal/redact"
)

// Payload is what a [Notification] tells: a pointer to one of the event types
// ([TransactionEvent], [CustomerCreatedEvent], [SettlementEvent], [DarajaEvent]), or
// the *[Document] of a resource with a result. Nothing outside of this package is one.
//
// That lets the compiler see a wrong case: a value in place of a pointer, the
// attributes in place of their document, and a type that is no payload are errors where
// a Payload is switched on, instead of cases that never match. It cannot tell one
// Document from another: a case for that of a subscription, which K2 never posts,
// compiles and never matches. A [Dispatch] has no such case.
type Payload interface {
	payload()
}

func (*TransactionEvent) payload()     {}
func (*CustomerCreatedEvent) payload() {}
func (*SettlementEvent) payload()      {}
func (*DarajaEvent) payload()          {}
func (*Document[A]) payload()          {}

// ErrNoCase means that a [Dispatch] has neither a case for a notification nor Other.
var ErrNoCase = errors.New("no case for it, and no Other")

// Dispatch is a function for the webhook handler, made of one function for each kind
// of payload. A case can be left out: what it would have received goes to Other. Where
// that is left out too, the notification is an error, so that K2 delivers it again and
// nothing is acknowledged that nobody looked at.
//
//	handler, err := client.WebhookHandler(kopokopo.Dispatch{
//		IncomingPayment: shop.result, // func(ctx, *Notification, *Document[IncomingPayment]) error
//		Transaction:     shop.event,  // func(ctx, *Notification, *TransactionEvent) error
//		Other:           func(context.Context, *kopokopo.Notification) error { return nil },
//	}.Handle)
//
// A case says what a notification is about, not how it ended: ask the attributes'
// Outcome of a result, and the topic of an event, since a payment that was received
// and one that was reversed are both a Transaction. A Dispatch is safe for concurrent
// use where its functions are.
type Dispatch struct {
	// Transaction receives the events about one transaction: buygoods_transaction_received
	// and _reversed, and those of b2b, m2m and card.
	Transaction func(context.Context, *Notification, *TransactionEvent) error
	// CustomerCreated receives customer_created.
	CustomerCreated func(context.Context, *Notification, *CustomerCreatedEvent) error
	// SettlementTransferCompleted receives settlement_transfer_completed, the event. The
	// result of a request is SettlementTransfer.
	SettlementTransferCompleted func(context.Context, *Notification, *SettlementEvent) error
	// Daraja receives payments in Safaricom's shape.
	Daraja func(context.Context, *Notification, *DarajaEvent) error

	// IncomingPayment receives the results of STK pushes.
	IncomingPayment func(context.Context, *Notification, *Document[IncomingPayment]) error
	// SendMoney receives the results of send money requests and sweeps.
	SendMoney func(context.Context, *Notification, *Document[SendMoney]) error
	// Payment receives the results of version 1 payments.
	Payment func(context.Context, *Notification, *Document[Payment]) error
	// SettlementTransfer receives the results of version 1 settlement transfers.
	SettlementTransfer func(context.Context, *Notification, *Document[SettlementTransfer]) error
	// PaymentLink receives the results of payment links: made, and paid.
	PaymentLink func(context.Context, *Notification, *Document[PaymentLink]) error
	// Reversal receives the results of reversals.
	Reversal func(context.Context, *Notification, *Document[Reversal]) error
	// Polling receives the results of polling requests.
	Polling func(context.Context, *Notification, *Document[Polling]) error
	// SMSNotification receives the results of SMS notifications.
	SMSNotification func(context.Context, *Notification, *Document[SMSNotification]) error

	// Other receives what has no case above, topics that this package does not know
	// among it: their Payload is nil, and all that they tell is in Raw. Return nil from
	// it to acknowledge.
	Other func(context.Context, *Notification) error
}

// Handle gives a notification to its case and returns what that returns. The error is
// [ErrNoCase] with the notification's kind and topic where there is neither a case nor
// Other. It is what [Client.WebhookHandler] and [NewWebhookHandler] take.
func (d Dispatch) Handle(ctx context.Context, n *Notification) error {
	if n == nil {
		return errors.New("kopokopo: dispatch: there is no notification")
	}
	switch p := n.Payload.(type) {
	case *TransactionEvent:
		return dispatch(ctx, d, n, p, d.Transaction)
	case *CustomerCreatedEvent:
		return dispatch(ctx, d, n, p, d.CustomerCreated)
	case *SettlementEvent:
		return dispatch(ctx, d, n, p, d.SettlementTransferCompleted)
	case *DarajaEvent:
		return dispatch(ctx, d, n, p, d.Daraja)
	case *Document[IncomingPayment]:
		return dispatch(ctx, d, n, p, d.IncomingPayment)
	case *Document[SendMoney]:
		return dispatch(ctx, d, n, p, d.SendMoney)
	case *Document[Payment]:
		return dispatch(ctx, d, n, p, d.Payment)
	case *Document[SettlementTransfer]:
		return dispatch(ctx, d, n, p, d.SettlementTransfer)
	case *Document[PaymentLink]:
		return dispatch(ctx, d, n, p, d.PaymentLink)
	case *Document[Reversal]:
		return dispatch(ctx, d, n, p, d.Reversal)
	case *Document[Polling]:
		return dispatch(ctx, d, n, p, d.Polling)
	case *Document[SMSNotification]:
		return dispatch(ctx, d, n, p, d.SMSNotification)
	}
	return d.other(ctx, n)
}

// dispatch calls a case if there is one.
func dispatch[P any](ctx context.Context, d Dispatch, n *Notification, payload *P, fn func(context.Context, *Notification, *P) error) error {
	if fn == nil {
		return d.other(ctx, n)
	}
	return fn(ctx, n, payload)
}

// other takes what has no case.
func (d Dispatch) other(ctx context.Context, n *Notification) error {
	if d.Other == nil {
		return fmt.Errorf("kopokopo: dispatch %s %s: %w", n.Kind, redact.Text(n.Topic), ErrNoCase)
	}
	return d.Other(ctx, n)
}
