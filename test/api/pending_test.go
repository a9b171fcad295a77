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
)

// waits are the Wait of every endpoint that has one, with the type of its documents.
var waits = []struct {
	kind    string
	payment bool // whether money was to move
	wait    func(ctx context.Context, c *kopokopo.Client, opts ...kopokopo.CallOption) error
}{
	{"incoming_payment", true, waitOf(func(c *kopokopo.Client) waiter[kopokopo.IncomingPayment] { return c.IncomingPayments })},
	{"incoming_payment", true, waitOf(func(c *kopokopo.Client) waiter[kopokopo.IncomingPayment] { return c.V1.IncomingPayments })},
	{"send_money", true, waitOf(func(c *kopokopo.Client) waiter[kopokopo.SendMoney] { return c.SendMoney })},
	{"payment", true, waitOf(func(c *kopokopo.Client) waiter[kopokopo.Payment] { return c.V1.Payments })},
	{"settlement_transfer", true, waitOf(func(c *kopokopo.Client) waiter[kopokopo.SettlementTransfer] { return c.V1.SettlementTransfers })},
	{"reversal", true, waitOf(func(c *kopokopo.Client) waiter[kopokopo.Reversal] { return c.Reversals })},
	{"payment_link", false, waitOf(func(c *kopokopo.Client) waiter[kopokopo.PaymentLink] { return c.PaymentLinks })},
	{"polling", false, waitOf(func(c *kopokopo.Client) waiter[kopokopo.Polling] { return c.Polling })},
	{"polling", false, waitOf(func(c *kopokopo.Client) waiter[kopokopo.Polling] { return c.V1.Polling })},
	{"transaction_sms_notification", false, waitOf(func(c *kopokopo.Client) waiter[kopokopo.SMSNotification] { return c.V1.SMSNotifications })},
}

type waiter[A any] interface {
	Wait(ctx context.Context, id string, opts ...kopokopo.CallOption) (*kopokopo.Document[A], error)
}

func waitOf[A any](pick func(*kopokopo.Client) waiter[A]) func(context.Context, *kopokopo.Client, ...kopokopo.CallOption) error {
	return func(ctx context.Context, c *kopokopo.Client, opts ...kopokopo.CallOption) error {
		_, err := pick(c).Wait(ctx, testID, opts...)
		return err
	}
}

// TestWaitThatEndsPending holds that a payment which was waited for in vain is pending
// by either error, and that what moves no money is no pending payment.
func TestWaitThatEndsPending(t *testing.T) {
	for _, row := range waits {
		for name, end := range map[string]func(ctx context.Context, c *kopokopo.Client) error{
			"limit": func(ctx context.Context, c *kopokopo.Client) error { return row.wait(ctx, c) },
			"once": func(ctx context.Context, c *kopokopo.Client) error {
				return row.wait(ctx, c, kopokopo.WithWaitLimit(0))
			},
			"deadline": func(ctx context.Context, c *kopokopo.Client) error {
				ctx, cancel := context.WithTimeout(ctx, 7*time.Second)
				defer cancel()
				return row.wait(ctx, c)
			},
			"cancel": func(ctx context.Context, c *kopokopo.Client) error {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(7*time.Second, cancel)
				return row.wait(ctx, c)
			},
			"closed": func(ctx context.Context, c *kopokopo.Client) error {
				time.AfterFunc(7*time.Second, func() { _ = c.Close() })
				return row.wait(ctx, c)
			},
		} {
			for answer, look := range map[string]oneLook{
				"pending": func(r *http.Request) *http.Response {
					return says(r, 200, `{"data":{"id":"`+testID+`","type":"`+row.kind+`","attributes":{"status":"Pending"}}}`)
				},
				"no answer of use": refusing(503),
			} {
				synctest.Test(t, func(t *testing.T) {
					client := scripted(t, func(r *http.Request, _ string) *http.Response { return look(r) })
					err := end(t.Context(), client)
					require.ErrorIs(t, err, kopokopo.ErrStillPending, "%s %s %s", row.kind, name, answer)
					require.Equal(t, row.payment, errors.Is(err, kopokopo.ErrPaymentPending), "%s %s %s: %v", row.kind, name, answer, err)
					assert.ErrorContains(t, err, "still pending")
					assert.NotContains(t, err.Error(), "payment pending", "it is said once")
					for _, other := range []error{kopokopo.ErrPaymentFailed, kopokopo.ErrPartial, kopokopo.ErrOutcomeUnknown, kopokopo.ErrNotSent, kopokopo.ErrRefused} {
						require.NotErrorIs(t, err, other)
					}
				})
			}
		}
	}
}

// TestWaitThatEndsOtherwiseIsNotPending holds that a result, and a look that makes more
// of them pointless, say nothing of pending.
func TestWaitThatEndsOtherwiseIsNotPending(t *testing.T) {
	for _, row := range waits {
		for name, look := range map[string]oneLook{
			"failed": func(r *http.Request) *http.Response {
				return says(r, 200, `{"data":{"id":"`+testID+`","type":"`+row.kind+`","attributes":{"status":"Failed","errors":["no"],"reversal_bulk_payment":{"status":"Cancelled"}}}}`)
			},
			"unauthorized": refusing(401),
			"forbidden":    refusing(403),
		} {
			synctest.Test(t, func(t *testing.T) {
				client := scripted(t, func(r *http.Request, _ string) *http.Response { return look(r) })
				err := row.wait(t.Context(), client)
				require.Error(t, err, "%s %s", row.kind, name)
				require.NotErrorIs(t, err, kopokopo.ErrStillPending, "%s %s", row.kind, name)
				require.NotErrorIs(t, err, kopokopo.ErrPaymentPending, "%s %s", row.kind, name)
			})
		}
	}
}

// TestPendingErrorsByThemselves holds what each of the two says alone.
func TestPendingErrorsByThemselves(t *testing.T) {
	t.Parallel()
	assert.NotErrorIs(t, kopokopo.ErrStillPending, kopokopo.ErrPaymentPending, "a polling can be still pending")
	assert.NotErrorIs(t, kopokopo.ErrPaymentPending, kopokopo.ErrStillPending, "nobody need have waited")
	sdk, _ := mockSDK(t)
	_, err := sdk.ProcessIncommingMpesaPayment(state("Pending"))
	assert.ErrorIs(t, err, kopokopo.ErrPaymentPending)
	assert.NotErrorIs(t, err, kopokopo.ErrStillPending, "nobody waited")
}
