package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// The books come to what the embedded Kopo Kopo moved, whatever it is made to show of it.

// requireBalanced holds that what was posted, and what can be read, come to what moved.
func (m *merchant) requireBalanced(want int64) {
	m.Helper()
	m.idle()
	require.Equal(m, want, m.moved(), "what the server moved")
	require.Equal(m, want, m.books.sum(), "what was posted: %v", m.books.entries)
	read := newBooks()
	for _, body := range m.documents() {
		require.NoError(m, read.apply(parse(m, body)), "%s", body)
	}
	for _, t := range m.poll() {
		require.NoError(m, read.apply(t))
	}
	require.Equal(m, want, read.sum(), "what can be read: %v", read.entries)
	require.Len(m, read.entries, len(m.books.entries))
}

func TestPayoutsByEFTHaveNoReceipt(t *testing.T) {
	trade(t, func(m *merchant) {
		bank := func(amount string) kopokopo.SendMoneyDestination {
			return kopokopo.ToBankAccount("Jane", "12", "b", kopokopo.KES(amount), "d")
		}
		m.send(bank("700"), kopokopo.ToMobileWallet("254712345678", kopokopo.KES("50"), "d"), bank("700.50"))
		m.pay("bank_account", "made-in-the-dashboard", "20")
		account := m.account("EFT")
		m.settle("merchant_bank_account", account, "30")
		m.send(kopokopo.ToMerchantBankAccount(account, kopokopo.KES("40")))
		m.requireBalanced(-1540_50)
		receipts := 0
		for _, e := range m.books.entries {
			if e.Reference != "" {
				receipts++
			}
		}
		assert.Equal(t, 1, receipts, "the wallet's alone")
		assert.Len(t, m.books.entries, 6)
	})
}

// RTS has receipts, in a settlement and in a payment to a registered recipient.
func TestPayoutsByRTSHaveAReceipt(t *testing.T) {
	trade(t, func(m *merchant) {
		m.settle("merchant_bank_account", m.account("RTS"), "30")
		ref, err := m.client.V1.PayRecipients.Create(m.Context(), kopokopo.AddPAYRecipient{Type: "bank_account", PaymentRecipient: kopokopo.PaymentRecipient{
			AccountName: "Jane", AccountNumber: "12", BankBranchReference: "b", SettlementMethod: "RTS"}})
		require.NoError(t, err)
		m.pay("bank_account", ref.ID, "20")
		m.requireBalanced(-50_00)
		for _, e := range m.books.entries {
			assert.NotEmpty(t, e.Reference)
		}
	})
}

func TestSplitPayouts(t *testing.T) {
	for name, test := range map[string]struct {
		opts     []kopokopotest.Option
		method   string // of the account
		receipts int
	}{
		"two receipts": {nil, "RTS", 2},
		"one receipt":  {[]kopokopotest.Option{kopokopotest.WithSandboxReceipts()}, "RTS", 1},
		"no receipt":   {nil, "EFT", 1},
	} {
		t.Run(name, func(t *testing.T) {
			trade(t, func(m *merchant) {
				account := m.account(test.method)
				m.settle("merchant_bank_account", account, "49452")
				m.idle()
				receipts := map[string]int64{}
				for _, e := range m.books.entries {
					receipts[e.Reference]++
				}
				assert.Len(t, receipts, test.receipts)
				assert.Len(t, m.books.entries, 2, "24,452 and 25,000, as in K2's sample")
				time.Sleep(time.Second)
				m.send(kopokopo.ToMerchantBankAccount(account, kopokopo.KES("50000")))
				m.requireBalanced(-99_452_00)
				assert.Len(t, m.books.entries, 4)
			}, append(test.opts, kopokopotest.WithSplits("25000"))...)
		})
	}
}

// The limit that the documentation names: two payments within one second have one
// receipt in K2's sandbox. Payouts to different people do not suffer from it.
func TestSandboxReceiptsWithinOneSecond(t *testing.T) {
	trade(t, func(m *merchant) {
		m.send(kopokopo.ToMobileWallet("254712345678", kopokopo.KES("50"), "d"), kopokopo.ToMobileWallet("254712345679", kopokopo.KES("50"), "d"))
		m.push("555555", "100")
		m.requireBalanced(0)
		m.push("555555", "100")
		m.idle()
		assert.Equal(t, m.moved(), m.books.sum()+100_00, "the second one has the key of the first")
		time.Sleep(time.Second)
		m.push("555555", "100")
		m.idle()
		assert.Equal(t, m.moved(), m.books.sum()+100_00, "and a later one does not")
	}, kopokopotest.WithSandboxReceipts())
}

func TestInterimCallbacks(t *testing.T) {
	trade(t, func(m *merchant) {
		m.push("555555", "1000")
		m.send(kopokopo.ToTill("12444", kopokopo.KES("100"), "d"), kopokopo.ToMobileWallet(kopokopotest.FailPhone, kopokopo.KES("50"), "d"),
			kopokopo.ToPaybill("888880", "1", kopokopo.KES("200"), "d"))
		m.pay("till", "made-in-the-dashboard", "20")
		m.requireBalanced(680_00)
		callbacks := map[string]int{}
		for _, d := range m.k2.Deliveries() {
			if d.Kind == kopokopotest.Callback {
				callbacks[d.Topic]++
			}
		}
		delete(callbacks, "polling")
		assert.Equal(t, map[string]int{"incoming_payment": 2, "send_money": 3, "payment": 2}, callbacks)
	}, kopokopotest.WithInterimCallbacks())
}

// Everything that can be told of one payment and its way back: the result, the
// event, Safaricom's shape, the reversed event, the reversal, and both read again.
func TestReversedPayments(t *testing.T) {
	for _, shown := range []bool{false, true} {
		t.Run(fmt.Sprint("shown ", shown), func(t *testing.T) {
			var opts []kopokopotest.Option
			if shown {
				opts = append(opts, kopokopotest.WithReversedShown())
			}
			trade(t, func(m *merchant) {
				m.push("555555", "100")
				m.link("250", true)
				m.requireBalanced(350_00)
				for _, payment := range m.poll() {
					m.reverse(payment.Reference, "Twice")
				}
				m.requireBalanced(0)
				assert.Len(t, m.books.entries, 4)
				assert.Equal(t, shown, m.poll()[0].Status == "Reversed")
				failed := m.push("555555", "70")
				m.idle()
				doc, err := m.client.IncomingPayments.Get(m.Context(), failed)
				require.NoError(t, err)
				m.reverse(doc.Attributes.Event.Resource.Reference, kopokopotest.FailReason)
				m.requireBalanced(70_00)
			}, opts...)
		})
	}
}

// The trap: a reversed event carries the payment's receipt and a positive amount, and
// is no payment. It takes the money off also where it comes first, or where the
// payment was never told of.
func TestAReversedEventIsNoPayment(t *testing.T) {
	t.Parallel()
	const received, reversed = "webhook_buygoods_transaction_received.json", "webhook_buygoods_transaction_reversed.json"
	for _, order := range [][]string{{received, reversed}, {reversed, received}, {reversed, received, reversed, received}} {
		b := newBooks()
		for _, name := range order {
			require.NoError(t, b.apply(parse(t, sample(t, name))))
		}
		assert.EqualValues(t, 100_00-233_00, b.sum(), "the amounts of the samples differ")
		assert.Len(t, b.entries, 2)
	}
	for _, topic := range []string{kopokopo.TopicBuygoodsReversed, kopokopo.TopicB2BReversed, kopokopo.TopicCardReversed, kopokopo.TopicCardVoided} {
		for _, status := range []string{"Reversed", "Voided", "", "Received", "Complete", "Sleeping"} {
			entries, _ := kopokopo.TransactionEvent{Topic: topic, Transaction: transaction(status)}.Entries()
			for _, e := range entries {
				assert.Equal(t, kopokopo.Debit, e.Direction, "%s %s", topic, status)
			}
		}
	}
}
