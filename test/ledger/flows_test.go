package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// flow is one random merchant's day.
type flow struct {
	*merchant
	*rand.Rand
	wallet, bank, rts string // accounts of its own
}

// amount is between a shilling and most, at times with cents.
func (f *flow) amount(most int) string {
	if f.IntN(4) == 0 {
		return fmt.Sprintf("%d.%02d", 10+f.IntN(most-10), f.IntN(100))
	}
	return fmt.Sprint(10 + f.IntN(most-10))
}

// destinations are some of all kinds: money reaches most of them. No account of the
// merchant's own is in a request twice.
func (f *flow) destinations() []kopokopo.SendMoneyDestination {
	kes := func(most int) kopokopo.Amount { return kopokopo.KES(f.amount(most)) }
	all := []kopokopo.SendMoneyDestination{
		kopokopo.ToMobileWallet("254712345678", kes(80_000), "d"), kopokopo.ToMobileWallet("254712345678", kes(100), "d"),
		kopokopo.ToMobileWallet(kopokopotest.FailPhone, kes(100), "d"), kopokopo.ToTill("12444", kes(60_000), "d"),
		kopokopo.ToTill("0000", kes(100), "d"), kopokopo.ToPaybill("888880", "1", kes(500), "d"),
		kopokopo.ToBankAccount("Jane", "12", "b", kes(120_000), "d"), kopokopo.ToBankAccount("Jane", "12", "b", kes(200), "d"),
		kopokopo.ToMerchantWallet(f.wallet, kes(300)), kopokopo.ToMerchantBankAccount(f.bank, kes(90_000)), kopokopo.ToMerchantBankAccount(f.rts, kes(90_000)),
	}
	f.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+f.IntN(4)]
}

// step does one thing.
func (f *flow) step() {
	switch f.IntN(12) {
	case 0, 1, 2:
		f.push("555555", f.amount(5000))
	case 3:
		f.push(kopokopotest.FailTill, f.amount(5000))
	case 4:
		made(f.merchant, f.client.V1.IncomingPayments)(f.client.V1.IncomingPayments.Create(f.Context(), kopokopo.ReceiveMpesaReq{
			PaymentChannel: kopokopo.ChannelMpesa, TillNumber: "K555555", Subscriber: kopokopo.Subscriber{PhoneNumber: "0712345678"}, Amount: kopokopo.KES(f.amount(900))}))
	case 5:
		f.link(f.amount(2000), f.IntN(3) > 0)
	case 6, 7:
		f.send(f.destinations()...)
	case 8:
		f.pay([]string{"mobile_wallet", "bank_account", "till", "paybill"}[f.IntN(4)], "made-in-the-dashboard", f.amount(60_000))
	case 9:
		f.settle("merchant_bank_account", []string{f.bank, f.rts}[f.IntN(2)], f.amount(60_000))
	case 10:
		if f.idle(); f.balance() <= 0 {
			return // a sweep of nothing moves nothing, and K2's word for it is not on record
		}
		if f.IntN(2) == 0 {
			f.sweep()
		} else {
			f.settle("", "", "")
		}
	case 11:
		if payments := f.poll(); len(payments) > 0 {
			payment := payments[f.IntN(len(payments))]
			reason := []string{"Twice", "Twice", kopokopotest.FailReason}[f.IntN(3)]
			ref, err := f.client.Reversals.Create(f.Context(), kopokopo.ReversalReq{TransactionReference: payment.Reference, Reason: reason})
			if err == nil { // else it was reversed before
				made(f.merchant, f.client.Reversals)(ref, nil)
			}
		}
	}
}

// options are a random choice of what the server shows.
func options(r *rand.Rand) []kopokopotest.Option {
	opts := []kopokopotest.Option{
		kopokopotest.WithDelay(time.Duration(r.IntN(400)) * time.Millisecond),
		// Deliveries are repeated, delayed so that the order is another, and at times lost.
		// That is another choice each time: the ids in them are, too.
		kopokopotest.WithDelivery(func(kopokopotest.Delivery) kopokopotest.DeliveryPlan {
			return kopokopotest.DeliveryPlan{Drop: rand.IntN(6) == 0, Duplicates: rand.IntN(3), Delay: time.Duration(rand.IntN(20)) * time.Second, Pretty: rand.IntN(4) == 0}
		}),
	}
	for _, opt := range []kopokopotest.Option{kopokopotest.WithSplits("25000"), kopokopotest.WithSplits("999.50"), kopokopotest.WithInterimCallbacks(), kopokopotest.WithReversedShown(), kopokopotest.WithSandboxReceipts()} {
		if r.IntN(2) == 0 {
			opts = append(opts, opt)
		}
	}
	return opts
}

// Random flows of payments, links, payouts, splits, settlements, sweeps and
// reversals: the sum of the entries by key is what the server moved, to the cent,
// whatever told of them, how often and in which order.
func TestRandomFlowsComeToWhatMoved(t *testing.T) {
	const schedules = 40
	for seed := range uint64(schedules) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 10))
			trade(t, func(m *merchant) {
				f := &flow{merchant: m, Rand: r, wallet: m.account(""), bank: m.account("EFT"), rts: m.account("RTS")}
				for range 6 + r.IntN(20) {
					f.step()
					// The sandbox has one receipt for all of a second.
					time.Sleep(time.Second + time.Duration(r.IntN(2000))*time.Millisecond)
				}
				f.requireAllTold()
			}, options(r)...)
		})
	}
}

// requireAllTold holds that the books are right once what was lost has been read, and
// that they are the same by any other way through all that tells of the day.
func (f *flow) requireAllTold() {
	f.Helper()
	f.idle()
	posted := f.delivered()
	var payments []mover
	for _, t := range f.poll() {
		payments = append(payments, t)
	}
	documents := f.documents()
	for _, body := range documents {
		require.NoError(f, f.books.apply(parse(f, body)), "%s", body)
	}
	for _, p := range payments {
		require.NoError(f, f.books.apply(p))
	}
	f.idle()
	require.Equal(f, f.moved(), f.books.sum(), "what was posted and read: %v", f.books.entries)

	var all []mover
	for _, body := range append(posted, documents...) {
		n := parse(f, body)
		for range 1 + f.IntN(3) {
			all = append(all, n)
		}
	}
	all = append(append(all, payments...), payments...)
	f.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	shuffled := newBooks()
	for _, from := range all {
		require.NoError(f, shuffled.apply(from))
	}
	require.Equal(f, f.moved(), shuffled.sum(), "in another order")
	require.Len(f, shuffled.entries, len(f.books.entries))
}
