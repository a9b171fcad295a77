package allot

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func person(phone string, amount int64) Destination {
	return Destination{Payee{Kind: "mobile_wallet", Phone: phone}, amount}
}

func got(phone string, amount int64, state State, receipt string) Disbursement {
	return Disbursement{Payee: Payee{Kind: "mobile_wallet", Phone: phone}, Amount: amount, State: state, Receipt: receipt}
}

// unnamed is a disbursement of which only the amount is known.
func unnamed(amount int64, state State) Disbursement {
	return Disbursement{Amount: amount, State: state}
}

func covered(parts ...int) Row { return Row{Parts: parts, Covered: true} }
func open(parts ...int) Row    { return Row{Parts: parts} }

var doubt = Row{Doubt: true}

func bank(account, branch string, amount int64) Destination {
	return Destination{Payee{Kind: "bank_account", Account: account, Branch: branch}, amount}
}

func eft(account string, amount, at int64) Disbursement {
	return Disbursement{Payee: Payee{Account: account}, Amount: amount, State: Paid, At: at}
}

func bill(account string) Payee { return Payee{Paybill: "888880", Bill: account} }

func masked(text string, amount int64) Destination {
	return Destination{Payee{Kind: "mobile_wallet", Veiled: text}, amount}
}

var (
	a, b = person("1", 1000), person("2", 1000)

	matches = map[string]struct {
		asked  []Destination
		listed []Disbursement
		want   []Row
	}{
		"each once, in another order":            {[]Destination{a, b}, []Disbursement{got("2", 1000, Paid, "R"), got("1", 1000, Failed, "")}, []Row{covered(1), covered(0)}},
		"nothing":                                {[]Destination{a, b}, nil, []Row{{}, {}}},
		"the other one not yet":                  {[]Destination{a, b}, []Disbursement{got("2", 1000, Failed, "")}, []Row{{}, covered(0)}},
		"one twice, the other never":             {[]Destination{a, b}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1000, Paid, "S")}, []Row{open(0, 1), {}}},
		"a receipt listed twice":                 {[]Destination{a}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1000, Paid, "R")}, []Row{covered(0)}},
		"a receipt shared by two people":         {[]Destination{a, b}, []Disbursement{got("1", 1000, Paid, "R"), got("2", 1000, Paid, "R")}, []Row{covered(0), covered(1)}},
		"a receipt with two amounts":             {[]Destination{a}, []Disbursement{got("1", 400, Paid, "R"), got("1", 600, Paid, "R")}, []Row{{}}},
		"a receipt with two states":              {[]Destination{a}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1000, Failed, "R")}, []Row{{}}},
		"split":                                  {[]Destination{a}, []Disbursement{got("1", 400, Paid, "R"), got("1", 600, Failed, "")}, []Row{covered(0, 1)}},
		"split, one part missing":                {[]Destination{a}, []Disbursement{got("1", 400, Paid, "R")}, []Row{open(0)}},
		"more than was asked for":                {[]Destination{a}, []Disbursement{got("1", 1001, Paid, "R")}, []Row{open(0)}},
		"part of one more":                       {[]Destination{a}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1, Paid, "S")}, []Row{open(0, 1)}},
		"no amount":                              {[]Destination{a}, []Disbursement{got("1", NoAmount, Paid, "R")}, []Row{open(0)}},
		"no amount on either side":               {[]Destination{person("1", NoAmount)}, []Disbursement{got("1", NoAmount, Paid, "R")}, []Row{covered(0)}},
		"no amount on either side, twice":        {[]Destination{person("1", NoAmount)}, []Disbursement{got("1", NoAmount, Paid, "R"), got("1", NoAmount, Paid, "S")}, []Row{open(0, 1)}},
		"no amount asked for":                    {[]Destination{person("1", NoAmount)}, []Disbursement{got("1", 5, Paid, "R")}, []Row{open(0)}},
		"unreadable on both sides":               {[]Destination{person("1", BadAmount)}, []Disbursement{got("1", BadAmount, Paid, "R")}, []Row{open(0)}},
		"unreadable amounts of two":              {[]Destination{person("1", BadAmount), person("1", 5)}, []Disbursement{got("1", BadAmount, Paid, "R")}, []Row{doubt, doubt}},
		"amounts that overflow":                  {[]Destination{a}, []Disbursement{got("1", math.MaxInt64, Paid, "R"), got("1", math.MaxInt64, Paid, "S")}, []Row{open(0, 1)}},
		"equal ones, failed first and paid last": {[]Destination{a, a, a}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1000, Open, ""), got("1", 1000, Failed, "")}, []Row{covered(2), covered(1), covered(0)}},
		"equal ones, one not yet":                {[]Destination{a, b, a}, []Disbursement{got("1", 1000, Paid, "R"), got("2", 1000, Failed, "")}, []Row{{}, covered(1), covered(0)}},
		"equal ones, one more than asked for":    {[]Destination{a, a}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1000, Paid, "S"), got("1", 1000, Paid, "T")}, []Row{{}, {}}},
		"equal ones, a receipt listed twice":     {[]Destination{a, a}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1000, Paid, "R")}, []Row{{}, covered(0)}},
		"equal ones, all split":                  {[]Destination{a, a}, []Disbursement{got("1", 900, Paid, "R"), got("1", 100, Paid, "S"), got("1", 100, Paid, "T"), got("1", 900, Paid, "U")}, []Row{{Parts: []int{0, 1, 2, 3}, Covered: true, Shared: true}, {Parts: []int{0, 1, 2, 3}, Covered: true, Shared: true}}},
		"equal ones, all split, mixed":           {[]Destination{a, a}, []Disbursement{got("1", 900, Paid, "R"), got("1", 100, Failed, ""), got("1", 100, Paid, "T"), got("1", 900, Paid, "U")}, []Row{{}, {}}},
		"equal ones, all split, not exact":       {[]Destination{a, a}, []Disbursement{got("1", 900, Paid, "R"), got("1", 101, Paid, "S"), got("1", 100, Paid, "T"), got("1", 900, Paid, "U")}, []Row{{}, {}}},
		"equal ones, one split":                  {[]Destination{a, a}, []Disbursement{got("1", 900, Paid, "R"), got("1", 100, Paid, "S"), got("1", 1000, Failed, "")}, []Row{covered(2), covered(0, 1)}},
		"equal ones, one split and not through":  {[]Destination{a, a}, []Disbursement{got("1", 900, Paid, "R"), got("1", 1000, Failed, "")}, []Row{covered(1), open(0)}},
		"equal ones, one split and too much":     {[]Destination{a, a}, []Disbursement{got("1", 900, Paid, "R"), got("1", 101, Paid, "S"), got("1", 1000, Failed, "")}, []Row{{}, {}}},
		"EFT in two parts":                       {[]Destination{bank("7", "x", 50)}, []Disbursement{eft("7", 25, 623), eft("7", 25, 627)}, []Row{covered(0, 1)}},
		"EFT, one part twice":                    {[]Destination{bank("7", "x", 50)}, []Disbursement{eft("7", 25, 623), eft("7", 25, 623)}, []Row{open(0, 1)}},
		"EFT in two parts at an unknown time":    {[]Destination{bank("7", "x", 50)}, []Disbursement{eft("7", 25, 0), eft("7", 25, 0)}, []Row{covered(0, 1)}},
		"two branches, told by the amount":       {[]Destination{bank("7", "x", 50), bank("7", "y", 60)}, []Disbursement{eft("7", 60, 1), eft("7", 50, 2)}, []Row{covered(1), covered(0)}},
		"two branches, one not yet":              {[]Destination{bank("7", "x", 50), bank("7", "y", 60)}, []Disbursement{eft("7", 60, 1)}, []Row{{}, {}}},
		"two branches, same amount":              {[]Destination{bank("7", "x", 50), bank("7", "y", 50)}, []Disbursement{eft("7", 50, 1), eft("7", 50, 2)}, []Row{doubt, doubt}},
		"one payee, two amounts":                 {[]Destination{a, person("1", 300)}, []Disbursement{got("1", 300, Failed, ""), got("1", 1000, Paid, "R")}, []Row{covered(1), covered(0)}},
		"one payee, one amount too often":        {[]Destination{a, person("1", 300)}, []Disbursement{got("1", 300, Paid, "R"), got("1", 300, Paid, "S"), got("1", 1000, Failed, "")}, []Row{{}, {}}},
		"one payee, a receipt with two states":   {[]Destination{a, person("1", 300)}, []Disbursement{got("1", 300, Paid, "R"), got("1", 300, Failed, "R"), got("1", 1000, Failed, "")}, []Row{{}, {}}},
		"one payee, two equal ones not yet":      {[]Destination{a, a, person("1", 300)}, []Disbursement{got("1", 300, Failed, "")}, []Row{{}, {}, {}}},
		"a part that cannot be read":             {[]Destination{a}, []Disbursement{got("1", BadAmount, Paid, "R"), got("1", 1001, Paid, "S")}, []Row{open(0, 1)}},
		"a part without an amount":               {[]Destination{a}, []Disbursement{got("1", NoAmount, Paid, "R"), got("1", 400, Paid, "S"), got("1", 600, Paid, "T")}, []Row{open(0, 1, 2)}},
		"a part of one":                          {[]Destination{a}, []Disbursement{got("1", 1, Paid, "R"), got("1", 999, Paid, "S")}, []Row{covered(0, 1)}},
		"as much as can be":                      {[]Destination{person("1", math.MaxInt64)}, []Disbursement{got("1", 1, Paid, "R"), got("1", math.MaxInt64-1, Paid, "S")}, []Row{covered(0, 1)}},
		"no amount asked for of two":             {[]Destination{person("1", NoAmount), person("1", NoAmount)}, []Disbursement{got("1", 1, Paid, "R")}, []Row{{}, {}}},
		"equal ones, two split and too much":     {[]Destination{a, a, a}, []Disbursement{got("1", 1000, Failed, ""), got("1", 1500, Paid, "R"), got("1", 501, Paid, "S")}, []Row{{}, {}, {}}},
		"a bill, beside a masked payee":          {[]Destination{{bill("x"), 5}, {Payee{Veiled: "*"}, 5}}, []Disbursement{{Payee: bill("x"), Amount: 5}}, []Row{covered(0), {}}},
		"a paybill alone, beside a masked payee": {[]Destination{{bill(""), 5}, {Payee{Veiled: "*"}, 5}}, []Disbursement{{Payee: bill(""), Amount: 5}}, []Row{doubt, doubt}},
		"one payee, the small one may be a part": {[]Destination{a, person("1", 300)}, []Disbursement{got("1", 300, Failed, "")}, []Row{{}, {}}},
		"paybills by account":                    {[]Destination{{bill("x"), 5}, {bill("y"), 5}}, []Disbursement{{Payee: bill("y"), Amount: 5}, {Payee: bill("x"), Amount: 5}}, []Row{covered(1), covered(0)}},
		"a paybill without the account":          {[]Destination{{bill("x"), 5}, {bill("y"), 5}}, []Disbursement{{Payee: bill(""), Amount: 5}, {Payee: bill("x"), Amount: 5}}, []Row{doubt, doubt}},
		"no name, told by the amount":            {[]Destination{a, person("2", 300)}, []Disbursement{unnamed(300, Paid), unnamed(1000, Failed)}, []Row{covered(1), covered(0)}},
		"no name, the rest is the last one's":    {[]Destination{a, person("2", 5000)}, []Disbursement{unnamed(1000, Paid), unnamed(2500, Paid), unnamed(2500, Paid)}, []Row{covered(0), covered(1, 2)}},
		"no name, the rest is of two":            {[]Destination{a, person("2", 5000)}, []Disbursement{unnamed(500, Paid), unnamed(500, Paid)}, []Row{doubt, doubt}},
		"no name, the rest is mixed":             {[]Destination{a, person("2", 5000)}, []Disbursement{unnamed(1000, Failed), unnamed(2500, Paid), unnamed(2500, Paid)}, []Row{{}, {}}},
		"no name, nothing left":                  {[]Destination{a, person("2", 300)}, []Disbursement{unnamed(300, Paid), unnamed(1000, Paid), unnamed(7, Paid)}, []Row{doubt, doubt}},
		"no name, equal amounts":                 {[]Destination{a, b}, []Disbursement{unnamed(1000, Paid), unnamed(1000, Paid)}, []Row{doubt, doubt}},
		"one without a name may be anybody's":    {[]Destination{a, b}, []Disbursement{got("1", 1000, Failed, ""), unnamed(1000, Paid)}, []Row{doubt, doubt}},
		"one without a name, but its amount":     {[]Destination{a, person("2", 300)}, []Disbursement{got("1", 1000, Failed, ""), unnamed(300, Paid)}, []Row{covered(0), covered(1)}},
		"no name, and only one destination":      {[]Destination{a}, []Disbursement{unnamed(1000, Paid)}, []Row{covered(0)}},
		"two names for one destination":          {[]Destination{masked("07**1", 1000)}, []Disbursement{got("1", 500, Paid, "R"), got("2", 500, Paid, "S")}, []Row{{}}},
		"one name for one destination":           {[]Destination{masked("07**1", 1000)}, []Disbursement{got("1", 500, Paid, "R"), got("1", 500, Paid, "S")}, []Row{covered(0, 1)}},
		"masked alike, one of them twice":        {[]Destination{masked("07**1", 1000), masked("07**1", 1000)}, []Disbursement{got("1", 1000, Paid, "R"), got("1", 1000, Paid, "S")}, []Row{{}, {}}},
		"masked alike, both":                     {[]Destination{masked("07**1", 1000), masked("07**1", 1000)}, []Disbursement{got("1", 1000, Paid, "R"), got("2", 1000, Paid, "S")}, []Row{covered(1), covered(0)}},
		"masked, two people":                     {[]Destination{masked("07**1", 1000), masked("07**2", 1000)}, []Disbursement{unnamed(1000, Failed), unnamed(1000, Paid)}, []Row{doubt, doubt}},
	}
)

func TestMatch(t *testing.T) {
	for name, test := range matches {
		assert.Equal(t, Result{Rows: test.want}, Match(test.asked, test.listed), name)
	}
}

func TestMatchOfWhatWasNotAskedFor(t *testing.T) {
	other := Payee{Kind: "till", Till: "9"}
	for name, listed := range map[string][]Disbursement{
		"somebody else":  {got("1", 1000, Paid, "R"), got("2", 1000, Paid, "S")},
		"something else": {{Payee: other, Amount: 1000, State: Failed}, got("1", 1000, Paid, "R")},
	} {
		assert.Equal(t, Result{Rows: make([]Row, 1), Stray: true}, Match([]Destination{a}, listed), name)
	}
	assert.Equal(t, Result{Rows: []Row{}, Stray: true}, Match(nil, []Disbursement{unnamed(1, Paid)}))
	assert.Equal(t, Result{Rows: []Row{}}, Match(nil, nil))
}

// What a receipt, a mark or a state is for: a payee with all its marks has one
// candidate, however many of them agree.
func TestMatchByAllMarksAtOnce(t *testing.T) {
	full := Payee{Kind: "k", Phone: "1", Account: "2", Branch: "3", Till: "4", Paybill: "5", Bill: "6", Reference: "7"}
	asked := []Destination{{full, 10}, {full, 20}}
	assert.Equal(t, []Row{covered(1), covered(0)}, Match(asked, []Disbursement{{Payee: full, Amount: 20}, {Payee: full, Amount: 10}}).Rows)
	for member := range compared {
		one, another := full, full
		another[member] = "x"
		matched := Match([]Destination{{one, 10}, {another, 10}}, []Disbursement{{Payee: another, Amount: 10, State: Failed}, {Payee: one, Amount: 10, State: Paid}})
		assert.Equal(t, []Row{covered(1), covered(0)}, matched.Rows, "member %d tells them apart", member)
		only := Payee{}
		only[member] = full[member]
		assert.True(t, Match([]Destination{{only, 10}}, []Disbursement{{Payee: another, Amount: 10}}).Stray, "member %d contradicts", member)
	}
}

// The cost is bounded: payees that are looked up are as good as free, and those that
// have to be compared with all end it.
func TestMatchIsBounded(t *testing.T) {
	const many = 20_000
	asked, listed := make([]Destination, many), make([]Disbursement, many)
	for i := range asked {
		asked[i] = person(strconv.Itoa(i), 1000)
		listed[many-1-i] = got(strconv.Itoa(i), 1000, Paid, "")
	}
	matched := Match(asked, listed)
	require.False(t, matched.Stray || matched.Exhausted)
	for i, row := range matched.Rows {
		require.Equal(t, covered(many-1-i), row)
	}
	for i := range asked { // neither has what the other one has
		asked[i].Payee, listed[i].Payee = Payee{Phone: strconv.Itoa(i)}, Payee{Till: strconv.Itoa(i)}
	}
	asked[0].Payee[Till] = "none of them" // so that tills count
	assert.Equal(t, Result{Rows: make([]Row, many), Exhausted: true}, Match(asked, listed))

	for i := range 4000 { // what only disbursements have takes no comparisons
		asked[i], listed[i] = person(strconv.Itoa(i), 1000), Disbursement{Payee: Payee{Reference: strconv.Itoa(i)}, Amount: 1000}
	}
	assert.Equal(t, doubt, Match(asked[:4000], listed[:4000]).Rows[3999])

	same, sameListed := make([]Destination, many), make([]Disbursement, many)
	for i := range same {
		same[i], sameListed[i] = person("1", 1000), got("1", 500, Paid, strconv.Itoa(i))
	}
	assert.Equal(t, make([]Row, many), Match(same, sameListed).Rows, "half of it is missing")
}

// Whatever is listed, and in whatever order: a row that is covered has got disbursements
// of its own that come to exactly its amount, and none is another row's too.
func TestMatchOfAnythingIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	for range 20_000 {
		var asked []Destination
		var listed []Disbursement
		for range 1 + random.IntN(4) {
			asked = append(asked, Destination{Payee{Phone: pick("", "1", "2"), Kind: pick("", "k", "l"), Veiled: pick("", "*")}, int64(1+random.IntN(3)) * 10})
		}
		for range random.IntN(5) {
			listed = append(listed, Disbursement{Payee{Phone: pick("", "1", "2"), Kind: pick("", "k", "l")}, int64(random.IntN(4)) * 10,
				State(random.IntN(3)), pick("", "R", "S"), int64(random.IntN(2))})
		}
		matched := Match(asked, listed)
		taken := map[int]bool{}
		for i, row := range matched.Rows {
			if !row.Covered || row.Shared {
				continue
			}
			var sum int64
			for _, part := range row.Parts {
				require.False(t, taken[part], "%+v %+v %+v", asked, listed, matched)
				require.False(t, asked[i].Payee.contradicts(listed[part].Payee), "%+v %+v %+v", asked, listed, matched)
				taken[part] = true
				sum += listed[part].Amount
			}
			require.Equal(t, asked[i].Amount, sum, "%+v %+v %+v", asked, listed, matched)
		}
		random.Shuffle(len(listed), func(i, j int) { listed[i], listed[j] = listed[j], listed[i] })
		for i, row := range Match(asked, listed).Rows {
			require.Equal(t, matched.Rows[i].Covered, row.Covered, "in another order: %+v %+v", asked, listed)
		}
	}
}
