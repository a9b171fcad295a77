package api_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// somebodyPaid is one of those who are paid in a simulated payout, with their spellings.
type somebodyPaid struct {
	kind, number, more string
}

var paidPeople = []somebodyPaid{
	{"mobile_wallet", "254712345678", ""}, {"mobile_wallet", "254712345679", ""}, {"mobile_wallet", "254110000001", ""},
	{"till", "12444", ""}, {"till", "12445", ""}, {"paybill", "888880", "acct-1"}, {"paybill", "888880", "acct-2"},
	{"bank_account", "0012345", "branch-1"}, {"merchant_bank_account", "own-1", ""}, {"merchant_wallet", "own-2", ""},
}

// destination is how K2 repeats that somebody is to be paid.
func (p somebodyPaid) destination(amount int) kopokopo.SentDestination {
	d := kopokopo.SentDestination{Type: p.kind, Amount: amountOf(fmt.Sprint(amount)), Description: "Pay"}
	switch p.kind {
	case "mobile_wallet":
		d.PhoneNumber = p.number
	case "till":
		d.TillNumber = p.number
	case "paybill":
		d.PayBillNumber, d.PayBillAccountNumber = p.number, p.more
	case "bank_account":
		d.AccountName, d.AccountNumber, d.BankBranchReference = "Jane", p.number, p.more
	default:
		d.Reference = p.number
	}
	return d
}

// transfer is what truly happened, once.
type transfer struct {
	who     int // of paidPeople
	amount  int
	status  string // Transferred, Cancelled, or a word for what is on its way
	receipt string
	listed  bool
}

// moved tells whether money went out or may still go out.
func (x transfer) moved() bool { return x.status != "Cancelled" }

// simulation is a payout by a K2 that makes every mistake there is.
type simulation struct {
	*rand.Rand
	asked     []kopokopo.SentDestination
	who       []int // whom each destination is for
	amounts   []int
	transfers []transfer
	plain     []kopokopo.Outcome // of each destination, if nothing is odd about it; else rowPending
}

func (s *simulation) pick(list ...string) string { return list[s.IntN(len(list))] }
func (s *simulation) chance(percent int) bool    { return s.IntN(100) < percent }

// do notes a transfer. Some have no receipt, as EFT.
func (s *simulation) do(who, amount int, status string, listed bool) {
	x := transfer{who: who, amount: amount, status: status, listed: listed}
	if status == "Transferred" && s.chance(80) {
		x.receipt = fmt.Sprint("R", len(s.transfers))
	}
	s.transfers = append(s.transfers, x)
}

// pieces splits an amount.
func (s *simulation) pieces(amount int) []int {
	first := 1 + s.IntN(amount-1)
	if rest := amount - first; rest > 1 && s.chance(30) {
		second := 1 + s.IntN(rest-1)
		return []int{first, second, rest - second}
	}
	return []int{first, amount - first}
}

// The things that become of one destination.
const (
	honestFates = 5 // those in which K2 does not do more than it was asked for
	allFates    = 10
)

// happen lets something become of a destination, and tells what can be said of it if all
// of it is listed.
func (s *simulation) happen(who, amount, fate int, listed func() bool) kopokopo.Outcome {
	each := func(amounts []int, status func(i int) string) {
		for i, a := range amounts {
			s.do(who, a, status(i), listed())
		}
	}
	always := func(word string) func(int) string { return func(int) string { return word } }
	switch fate {
	case 0:
		s.do(who, amount, "Transferred", listed())
		return rowPaid
	case 1:
		s.do(who, amount, "Cancelled", listed())
		return rowFailed
	case 2:
		each(s.pieces(amount), always("Transferred"))
		return rowPaid
	case 3:
		each(s.pieces(amount), always("Cancelled"))
		return rowFailed
	case 4:
		each(s.pieces(amount), func(i int) string { return []string{"Cancelled", "Transferred"}[min(i, 1)] })
		return rowPartial
	case 5: // nothing has happened yet
	case 6:
		s.do(who, amount, s.pick("Scheduled", "Processing", "Pending"), true)
	case 7: // twice
		each([]int{amount, amount}, always("Transferred"))
	case 8: // another amount
		s.do(who, amount+s.IntN(3)*100-100+1, "Transferred", true)
	case 9: // K2 has tried again
		s.do(who, amount, "Cancelled", true)
		s.do(who, amount, "Transferred", true)
	}
	return rowPending
}

// simulate makes a payout to some people, of amounts that are often equal or parts of
// each other. hidden is how many transfers in a hundred are not listed yet; that goes
// with the honest fates only, since a transfer too many can stand for one that is hidden.
func simulate(random *rand.Rand, fates int, distinct bool, hidden int) *simulation {
	s := &simulation{Rand: random}
	order := random.Perm(len(paidPeople))
	for i := range 1 + random.IntN(5) {
		who := order[i]
		if !distinct {
			who = order[random.IntN(3)]
		}
		amount := []int{100, 200, 300, 500}[random.IntN(4)]
		s.asked, s.who, s.amounts = append(s.asked, paidPeople[who].destination(amount)), append(s.who, who), append(s.amounts, amount)
		fate := random.IntN(fates)
		s.plain = append(s.plain, s.happen(who, amount, fate, func() bool { return !s.chance(hidden) }))
	}
	return s
}

// spelled is a disbursement as K2 lists it, in one of the spellings on record.
func (s *simulation) spelled(x transfer) kopokopo.Disbursement {
	p := paidPeople[x.who]
	d := kopokopo.Disbursement{Amount: amountOf(s.pick(fmt.Sprint(x.amount), fmt.Sprint(x.amount, ".0"), fmt.Sprint(x.amount, ".00"))), Status: s.pick(x.status, strings.ToUpper(x.status)), TransactionReference: x.receipt}
	shown := map[string]string{"mobile_wallet": "Mobile Wallet", "till": "Till", "paybill": "Paybill", "bank_account": "Bank Account", "merchant_bank_account": "Bank Account", "merchant_wallet": "Mobile Wallet"}
	d.DestinationType = s.pick(p.kind, shown[p.kind], "")
	switch p.kind {
	case "mobile_wallet":
		d.PhoneNumber = s.pick(p.number, "+"+p.number, "0"+p.number[3:])
		d.DestinationReference = s.pick("", "recipient-"+p.number)
	case "till":
		d.TillNumber = s.pick(p.number, "K"+p.number)
	case "paybill":
		d.PayBillNumber, d.PayBillAccountNumber = p.number, s.pick(p.more, strings.ToUpper(p.more))
	case "bank_account":
		d.AccountNumber, d.BankBranchReference = p.number, s.pick(p.more, "")
	default:
		d.DestinationReference = p.number
	}
	return d
}

// document is what K2 says of it: in any order, in batches of any size, and what has a
// receipt at times twice.
func (s *simulation) document(change func(*kopokopo.Disbursement)) kopokopo.SendMoney {
	doc := kopokopo.SendMoney{Status: "Processed", Currency: "KES", Destinations: s.asked}
	var listed []kopokopo.Disbursement
	for _, x := range s.transfers {
		for range 1 + s.IntN(2)*min(len(x.receipt), 1) {
			if d := s.spelled(x); x.listed {
				change(&d)
				listed = append(listed, d)
			}
		}
	}
	s.Shuffle(len(listed), func(i, j int) { listed[i], listed[j] = listed[j], listed[i] })
	for len(listed) > 0 {
		n := 1 + s.IntN(min(3, len(listed)))
		batch := kopokopo.TransferBatch{Disbursements: slices.Clone(listed[:n])}
		if n == 1 {
			batch.Status, batch.Amount = listed[0].Status, listed[0].Amount
		}
		doc.TransferBatches, listed = append(doc.TransferBatches, batch), listed[n:]
	}
	return doc
}

// check compares what the SDK says with what truly happened.
func (s *simulation) check(t *testing.T, doc kopokopo.SendMoney) {
	t.Helper()
	results := doc.Results()
	require.Len(t, results, len(s.asked))
	asked, got, mayMove, said, again := map[int]int{}, map[int]int{}, map[int]int{}, map[int]int{}, map[int]int{}
	for i, r := range results {
		asked[s.who[i]] += s.amounts[i]
		switch r.Outcome {
		case rowPaid:
			said[s.who[i]] += s.amounts[i]
		case rowFailed:
			again[s.who[i]] += s.amounts[i]
		}
	}
	for _, x := range s.transfers {
		if x.status == "Transferred" && x.listed {
			got[x.who] += x.amount
		}
		if x.moved() {
			mayMove[x.who] += x.amount
		}
	}
	for who := range asked {
		require.LessOrEqual(t, said[who], got[who], "%v is said to have got what was not listed\n%+v\n%+v", paidPeople[who], s.transfers, doc)
		require.True(t, again[who] == 0 || again[who]+mayMove[who] <= asked[who], "%v would be paid twice\n%+v\n%+v", paidPeople[who], s.transfers, doc)
		if doc.Outcome() == rowPaid {
			require.Equal(t, asked[who], got[who], "a success in which %v got something else\n%+v\n%+v", paidPeople[who], s.transfers, doc)
		}
	}
	unpaid := 0
	for _, d := range doc.Unpaid() {
		require.NoError(t, kopokopo.SendMoneyReq{Destinations: []kopokopo.SendMoneyDestination{d}, Links: kopokopo.Links{Callback: "https://shop.example/result"}}.Validate())
		minor, err := amountOf(d.Amount.Value).Minor()
		require.NoError(t, err)
		unpaid += int(minor)
	}
	total := 0
	for _, amount := range again {
		total += amount * 100
	}
	require.Equal(t, total, unpaid)
}

func asItIs(*kopokopo.Disbursement) {}

// Whatever K2 does and however it lists it: success is said only of what arrived in
// full, and paying again what is said to have failed never pays anybody too much.
func TestSimulatedPayouts(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2026, 11))
	succeeded := 0
	for i := range 12_000 {
		s := simulate(random, []int{honestFates, allFates}[i%2], i%3 == 0, []int{20, 0}[i%2])
		doc := s.document(asItIs)
		if i%50 == 0 {
			doc = overTheWire(t, doc)
		}
		s.check(t, doc)
		if doc.Outcome() == rowPaid {
			succeeded++
		}
		again := s.document(asItIs)
		require.Equal(t, doc.Outcome(), again.Outcome(), "in another order\n%+v\n%+v", doc, again)
		require.ElementsMatch(t, doc.Unpaid(), again.Unpaid())
	}
	require.Greater(t, succeeded, 400, "and success is said at all")
}

// Where nothing is odd, everything is said: of different people, all of it listed.
func TestSimulatedPayoutsWithoutMistakes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		s := simulate(random, honestFates, true, 0)
		doc := s.document(asItIs)
		s.check(t, doc)
		require.Equal(t, s.plain, outcomesOf(doc.Results()), "%+v", doc)
	}
}

// Where K2 leaves out who was paid: the same, of whole payments and in any number.
func TestSimulatedPayoutsWithoutNames(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	said := 0
	for i := range 8_000 {
		s := simulate(random, 1, i%2 == 0, 0)
		s.transfers = nil
		for row, who := range s.who {
			s.happen(who, s.amounts[row], []int{0, 1, 5, 6, 7}[random.IntN(5)], func() bool { return true })
		}
		doc := s.document(func(d *kopokopo.Disbursement) {
			if s.chance(60) {
				*d = kopokopo.Disbursement{DestinationType: d.DestinationType, Amount: d.Amount, Status: d.Status, TransactionReference: d.TransactionReference,
					PhoneNumber: s.pick("", "2547*****"), TillNumber: s.pick("", "***")}
			}
		})
		s.check(t, doc)
		if doc.Outcome() != rowPending {
			said++
		}
	}
	require.Greater(t, said, 200)
}

// A payout that becomes known bit by bit: what was final stays as it was, under the
// same index, also where two destinations are the same.
func TestSimulatedPayoutsGrow(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		s := simulate(random, honestFates, random.IntN(2) == 0, 0)
		order := random.Perm(len(s.transfers))
		for i := range s.transfers {
			s.transfers[i].listed = false
		}
		before := make([]kopokopo.Outcome, len(s.asked))
		for _, next := range order {
			s.transfers[next].listed = true
			doc := s.document(asItIs)
			s.check(t, doc)
			now := outcomesOf(doc.Results())
			for i, was := range before {
				require.True(t, was == rowPending || was == now[i], "%d was %v and is %v\n%+v", i, was, now[i], doc)
			}
			before = now
		}
	}
}
