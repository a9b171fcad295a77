package kopokopotest_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// balance is what the server has on the merchant's balance.
func (s *shop) balance() string { return s.srv.Balance().String() }

// settlement is a transfer to an account of the merchant's own.
func settlement(account, amount string) string {
	return `{"amount":{"currency":"KES","value":"` + amount + `"},"destination_type":"merchant_bank_account","destination_reference":"` + account + `","_links":{"callback_url":"` + result + `"}}`
}

func TestBalanceMovesWithEverything(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0))
	assert.Equal(t, "100000", s.balance())
	reference := s.received("K555555")
	assert.Equal(t, "100250", s.balance())
	s.create("/api/v2/reversals", `{"transaction_reference":"`+reference+`","reason":"Twice","_links":{"callback_url":"`+result+`"}}`)
	assert.Equal(t, "100000", s.balance())
	s.create("/api/v1/payments", sample(t, "request_payment_v1"))
	assert.Equal(t, "80000", s.balance())
	s.create("/api/v2/send_money", sample(t, "request_send_money_external_mixed"))
	assert.Equal(t, "78200", s.balance())
	s.create("/api/v2/send_money", strings.ReplaceAll(sample(t, "request_send_money_external_mobile_wallet"), "254900000000", kopokopotest.FailPhone))
	assert.Equal(t, "78200", s.balance(), "nothing arrived")
	s.create("/api/v1/settlement_transfers", settlement("a", "80000.50"))
	assert.Equal(t, "-1800.5", s.balance(), "nothing is refused for want of money")
	got := s.attributes(s.create("/api/v1/settlement_transfers", sample(t, "request_settlement_transfer_blind_v1")))
	assert.Equal(t, "0.0", at(t, got, "transfer_batches.0.disbursements.0.amount"), "there is nothing to sweep")
	assert.Equal(t, "-1800.5", s.balance())
}

func TestSplitsLookLikeTheSample(t *testing.T) {
	s := memoryShop(t, kopokopotest.WithDelay(0), kopokopotest.WithSplits("25000"))
	s.subscribe("settlement_transfer_completed")
	account := s.attributes(s.create("/api/v2/merchant_bank_accounts", sample(t, "request_merchant_bank_account")))["account_reference"].(string)
	got := s.attributes(s.create("/api/v1/settlement_transfers", settlement(account, "49452")))
	parts := at(t, got, "transfer_batches.0.disbursements").([]any)
	require.Len(t, parts, 2)
	for i, want := range []string{"24452.0", "25000.0"} {
		assert.Equal(t, want, at(t, parts[i], "amount"))
		assert.Nil(t, at(t, parts[i], "transaction_reference"), "EFT")
	}
	assert.NotEqual(t, at(t, parts[0], "origination_time"), at(t, parts[1], "origination_time"))
	s.idle()
	events := s.arrived(hook)
	require.Len(t, events, 1)
	sameShape(t, sample(t, "webhook_settlement_transfer_completed_bank"), string(events[0].body))
	assert.Equal(t, "49452.0", at(t, decode(t, events[0].body), "event.resource.amount"))
	assert.Len(t, at(t, decode(t, events[0].body), "event.resource.disbursements"), 2)

	for amount, want := range map[string]int{"25000": 1, "50000": 2, "100000.50": 5} {
		got := s.attributes(s.create("/api/v2/send_money", `{"destinations":[{"type":"till","till_number":"12444","amount":`+amount+`,"description":"d"}],"currency":"KES","_links":{"callback_url":"`+result+`"}}`))
		parts := at(t, got, "transfer_batches.0.disbursements").([]any)
		assert.Len(t, parts, want, amount)
		receipts := map[any]bool{}
		for _, p := range parts {
			receipts[at(t, p, "transaction_reference")] = true
		}
		assert.Len(t, receipts, want, "each has its own")
	}
	got = s.attributes(s.create("/api/v1/settlement_transfers", settlement(account, "999999999999")))
	assert.Len(t, at(t, got, "transfer_batches.0.disbursements"), 100, "no more, whatever the amount")
	assert.Panics(t, func() { kopokopotest.WithSplits("many") })
	assert.Panics(t, func() { kopokopotest.WithSplits("0") })
}

func TestSandboxReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memoryShop(t, kopokopotest.WithDelay(0), kopokopotest.WithSandboxReceipts(), kopokopotest.WithSplits("100"))
		first, second := s.received("K555555"), s.received("K777777")
		assert.Equal(t, strconv.FormatInt(time.Now().Unix(), 10), first)
		assert.Equal(t, first, second, "within one second")
		time.Sleep(time.Second)
		assert.NotEqual(t, first, s.received("K555555"))

		for _, want := range []int{201, 201, 400} { // one after the other, and then there is none left
			r := s.post("/api/v2/reversals", `{"transaction_reference":"`+first+`","reason":"Twice","_links":{"callback_url":"`+result+`"}}`)
			assert.Equal(t, want, r.status, r.body)
		}
		got := s.attributes(s.create("/api/v2/send_money", `{"destinations":[{"type":"till","till_number":"12444","amount":250,"description":"d"}],"currency":"KES","_links":{"callback_url":"`+result+`"}}`))
		receipts := map[any]bool{}
		for _, p := range at(t, got, "transfer_batches.0.disbursements").([]any) {
			receipts[at(t, p, "transaction_reference")] = true
		}
		assert.Len(t, receipts, 1, "the parts of a split share one")
		s.idle()
		s.srv.Close()
	})
}

func TestInterimCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memoryShop(t, kopokopotest.WithDelay(10*time.Second), kopokopotest.WithInterimCallbacks())
		s.create("/api/v2/send_money", sample(t, "request_send_money_external_mixed"))
		s.create("/api/v2/send_money", sample(t, "request_send_money_external_mobile_wallet"))
		s.create("/api/v2/payment_links", sample(t, "request_payment_link_v2"))
		time.Sleep(7 * time.Second)
		seen := func() map[string]int {
			states := map[string]int{}
			for _, d := range s.srv.Deliveries() {
				if d.Attempt <= 1 {
					attributes := at(t, decode(t, d.Body), "data.attributes").(map[string]any)
					batches, _ := attributes["transfer_batches"].([]any)
					states[attributes["status"].(string)+" "+strconv.Itoa(len(batches))]++
				}
			}
			return states
		}
		assert.Equal(t, map[string]int{"Scheduled 0": 2}, seen(), "half-way")
		s.idle()
		assert.Equal(t, map[string]int{"Scheduled 0": 2, "Processed 1": 2, "Processed 3": 1}, seen(), "the first of several alone, and all of it")
		s.srv.Close()
	})
}

func TestReversedShown(t *testing.T) {
	for _, shown := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			opts := []kopokopotest.Option{kopokopotest.WithDelay(10 * time.Second)}
			if shown {
				opts = append(opts, kopokopotest.WithReversedShown())
			}
			s := memoryShop(t, opts...)
			push := s.create("/api/v2/incoming_payments", stk("K555555", "+254722000000", "10"))
			s.idle()
			poll := func() any {
				path := s.create("/api/v2/polling", rows[9].body(s))
				time.Sleep(10*time.Second + time.Millisecond)
				return at(t, s.attributes(path), "transactions.0.resource.status")
			}
			want := func(word string) string {
				if shown {
					return word
				}
				return "Received"
			}
			assert.Equal(t, "Received", poll())
			path := s.create("/api/v2/polling", rows[9].body(s))
			time.Sleep(time.Second)
			s.create("/api/v2/reversals", `{"transaction_reference":"`+at(t, s.attributes(push), "event.resource.reference").(string)+`","reason":"Twice","_links":{"callback_url":"`+result+`"}}`)
			time.Sleep(9*time.Second + time.Millisecond)
			assert.Equal(t, want("Pending Reversal"), at(t, s.attributes(path), "transactions.0.resource.status"))
			s.idle()
			assert.Equal(t, want("Reversed"), poll())
			assert.Equal(t, want("Reversed"), at(t, s.attributes(push), "event.resource.status"))
			sameShape(t, sample(t, "callback_incoming_payment_success_v2"), s.get(push).body)
			s.srv.Close()
		})
	}
}
