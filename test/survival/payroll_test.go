package survival_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/examples/payout/payroll"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// TestNobodyIsPaidAThirdTime has Ann fail while Ben is pending. Ann is paid again, the
// program ends without a word, and Ben fails too. The next run pays Ben again, and has to
// know that the Ann who failed in the document of both has been paid since.
func TestNobodyIsPaidAThirdTime(t *testing.T) {
	const ann, ben = "254711111111", "254722222222"
	synctest.Test(t, func(t *testing.T) {
		var paid tally
		k2 := kopokopotest.NewInMemoryServer(kopokopotest.WithDestinations(func(d kopokopotest.Destination) (plan kopokopotest.DestinationPlan) {
			if d.Try == 1 {
				plan.Reasons = kopokopotest.FailureReasons(kopokopo.FailureLimitOrBusy)
			} else {
				paid.add(d.Number, 1)
			}
			if d.Try == 1 && d.Number == ben {
				plan.Pending = time.Hour
			}
			return plan
		}), kopokopotest.WithTokenLifetime(24*time.Hour))
		defer k2.Close()
		intents := kopokopo.NewMemoryIntents(0, 0) // stands for one that is durable
		run := func(t *testing.T) []payroll.Line {
			cfg := k2.Config()
			cfg.CallbackURL, cfg.Intents = callbackURL, intents
			client, err := kopokopo.New(cfg)
			require.NoError(t, err)
			defer client.Close()
			staff := payroll.Payroll{Client: client, Name: "march", Tries: 3, Rows: []kopokopo.SendMoneyDestination{
				kopokopo.ToMobileWallet(ann, kopokopo.KES("1000"), "Salary"), kopokopo.ToMobileWallet(ben, kopokopo.KES("1000"), "Salary")}}
			lines, err := staff.Run(t.Context())
			require.NoError(t, err)
			return lines
		}
		outcomes := func(lines []payroll.Line) (list []kopokopo.Outcome) {
			for i, line := range lines {
				require.NoError(t, line.Err)
				require.Equal(t, i, line.Index)
				list = append(list, line.Outcome)
			}
			return list
		}
		const pending, succeeded = kopokopo.OutcomePending, kopokopo.OutcomeSucceeded

		require.Empty(t, run(t), "nothing is known yet")
		time.Sleep(time.Minute) // Ann has failed
		require.Equal(t, []kopokopo.Outcome{pending, pending}, outcomes(run(t)), "Ann is paid again, and the program ends")
		assert.Equal(t, 2, k2.Count("POST", "/api/v2/send_money"))
		time.Sleep(time.Minute)
		require.Equal(t, []kopokopo.Outcome{succeeded, pending}, outcomes(run(t)))
		time.Sleep(time.Hour) // Ben has failed too
		require.Equal(t, []kopokopo.Outcome{succeeded, pending}, outcomes(run(t)), "Ben is paid again, and the program ends")
		time.Sleep(time.Minute)
		lines := run(t)
		require.Equal(t, []kopokopo.Outcome{succeeded, succeeded}, outcomes(lines))
		assert.Equal(t, []int{1, 1}, []int{lines[0].Try, lines[1].Try})
		run(t)
		assert.Equal(t, []int{1, 1}, []int{paid.of(ann), paid.of(ben)})
		assert.Equal(t, 3, k2.Count("POST", "/api/v2/send_money"), "both, then Ann, then Ben")
		assert.Equal(t, "98000", k2.Balance().String())
	})
}

// TestPayingTheUnpaidTogetherPaysTwice is the control: a program that sends what Unpaid
// lists as one request, under a key of its own, does pay Ann a third time, since the list
// has grown by Ben.
func TestPayingTheUnpaidTogetherPaysTwice(t *testing.T) {
	const ann, ben = "254711111111", "254722222222"
	synctest.Test(t, func(t *testing.T) {
		var asked tally
		k2 := kopokopotest.NewInMemoryServer(kopokopotest.WithDestinations(func(d kopokopotest.Destination) (plan kopokopotest.DestinationPlan) {
			asked.add(d.Number, 1)
			if d.Try == 1 {
				plan.Reasons = kopokopotest.FailureReasons(kopokopo.FailureLimitOrBusy)
			}
			if d.Try == 1 && d.Number == ben {
				plan.Pending = time.Minute
			}
			return plan
		}))
		defer k2.Close()
		cfg := k2.Config()
		cfg.CallbackURL = callbackURL
		client, err := kopokopo.New(cfg)
		require.NoError(t, err)
		defer client.Close()
		ref, err := client.SendMoney.Create(t.Context(), kopokopo.SendMoneyReq{Destinations: []kopokopo.SendMoneyDestination{
			kopokopo.ToMobileWallet(ann, kopokopo.KES("1000"), "Salary"), kopokopo.ToMobileWallet(ben, kopokopo.KES("1000"), "Salary")}})
		require.NoError(t, err)
		for range 2 {
			time.Sleep(2 * time.Second)
			payment, err := client.SendMoney.Get(t.Context(), ref.ID)
			require.NoError(t, err)
			unpaid := payment.Attributes.Unpaid()
			require.NotEmpty(t, unpaid)
			_, err = client.SendMoney.Create(t.Context(), kopokopo.SendMoneyReq{Destinations: unpaid}, kopokopo.WithIdempotencyKey(ref.ID+"/unpaid"))
			if err != nil {
				require.ErrorIs(t, err, kopokopo.ErrKeyReused, "the key notices")
				_, err = client.SendMoney.Create(t.Context(), kopokopo.SendMoneyReq{Destinations: unpaid}) // and without one nothing does
				require.NoError(t, err)
			}
			time.Sleep(time.Hour / 2)
		}
		assert.Equal(t, []int{3, 2}, []int{asked.of(ann), asked.of(ben)})
	})
}
