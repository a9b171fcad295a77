// Package allot finds out which destination of a payout each disbursement was for.
// Whoever pays does not say: the destinations are in one list and the disbursements
// in another, large payments are split, and what identifies somebody can be missing.
// A wrong guess pays somebody twice, so nothing is guessed: what can be read in two
// ways stays open.
//
// Cost: with n destinations and m disbursements, time and memory in proportion to
// n + m, and [MaxComparisons] comparisons of two payees on top at most, beyond which
// everything stays open. Nothing is searched by trial.
package allot

import "slices"

// Destination is one payment that was asked for.
type Destination struct {
	Payee  Payee
	Amount int64 // in minor units, or NoAmount or BadAmount
}

// Disbursement is one payment as it is listed.
type Disbursement struct {
	Payee   Payee
	Amount  int64  // in minor units, or NoAmount or BadAmount
	State   State  // what became of it
	Receipt string // one receipt to one destination is one disbursement however often it is listed; "" if it has none
	At      int64  // when it took place, 0 if that is not known
}

// State is what became of a disbursement.
type State int

// The states.
const (
	Open State = iota // not known
	Paid
	Failed
)

// What stands for an amount that is no sum of money.
const (
	NoAmount  int64 = 0  // there is none
	BadAmount int64 = -1 // there is one that cannot be read
)

// Row is what was allotted to one destination.
type Row struct {
	Parts   []int // indexes of its disbursements, each once
	Covered bool  // they come to exactly its amount, and can be nobody else's
	Shared  bool  // Parts are those of several equal destinations: all have the same state, and nobody can tell whose is whose
	Doubt   bool  // it is not covered because something listed can be read in two ways
}

// Result is what was allotted to all destinations, in their order.
type Result struct {
	Rows []Row
	// Stray: a disbursement can be for none of the destinations. Then nothing is
	// covered: it may be a destination's all the same, in a form that is not understood.
	Stray bool
	// Exhausted: there was too much to compare. Then nothing is covered.
	Exhausted bool
}

// MaxComparisons is how many pairs of payees are compared at most. Those that a mark
// identifies are looked up and take one comparison each, so that only absurd lists
// come near it. It is a fraction of a second.
const MaxComparisons = 1 << 20

// party is one payee and one amount, and all the destinations that are both: it makes
// no difference which of them a disbursement is allotted to.
type party struct {
	Destination
	rows   []int  // indexes of the destinations
	parts  []part // what was allotted to it
	leader int    // another party of its group, or itself: see root
}

// part is a disbursement that was allotted to a party.
type part struct {
	*Disbursement
	index   int
	certain bool // because a mark says so, and not only because nothing speaks against it
}

// group is parties that the same disbursements could be for. What becomes of one says
// something of the others.
type group struct {
	parties []*party
	doubt   bool // a disbursement could be for several of them
	rest    bool // one was allotted because nothing else was open
}

// candidates are the parties that the disbursements to one payee could be for.
type candidates struct {
	parties  []int
	certain  bool
	byAmount map[int64]int // the one party of each amount, or several
}

const several = -1

// table is the destinations of one payout while disbursements are allotted.
type table struct {
	parties     []party
	marked      map[mark][]int // the parties that have a mark
	known       [compared]bool // the members of a payee that any destination has
	doubt, rest map[int]bool   // by a party of the group
	comparisons int
	found       map[Payee]*candidates
}

// Match allots disbursements to destinations.
func Match(asked []Destination, listed []Disbursement) Result {
	result := Result{Rows: make([]Row, len(asked))}
	t := newTable(asked)
	var undecided []part
	var theirs []*candidates
	for i := range listed {
		c := t.find(listed[i].Payee)
		p := part{&listed[i], i, c.certain}
		switch {
		case t.comparisons > MaxComparisons:
			result.Exhausted = true
			return result
		case len(c.parties) == 0:
			result.Stray = true
			return result
		}
		switch to, ok := c.pick(p.Amount); {
		case !ok:
			undecided, theirs = append(undecided, p), append(theirs, c)
		case to == several:
			t.doubt[c.parties[0]] = true
		default:
			t.parties[to].parts = append(t.parties[to].parts, p)
		}
	}
	t.allotRest(undecided, theirs)
	for _, g := range t.groups() {
		g.settle(result.Rows)
	}
	return result
}

// newTable makes parties of destinations.
func newTable(asked []Destination) *table {
	t := &table{marked: map[mark][]int{}, doubt: map[int]bool{}, rest: map[int]bool{}, found: map[Payee]*candidates{}}
	index := map[Destination]int{}
	for row, d := range asked {
		i, ok := index[d]
		if !ok {
			i = len(t.parties)
			index[d] = i
			t.parties = append(t.parties, party{Destination: d, leader: i})
			for _, m := range d.Payee.marks() {
				t.marked[m] = append(t.marked[m], i)
			}
			for member := range compared {
				t.known[member] = t.known[member] || d.Payee[member] != ""
			}
		}
		t.parties[i].rows = append(t.parties[i].rows, row)
	}
	return t
}

// find returns the candidates for a payee: those that a mark identifies or, if none
// does, all that nothing speaks against.
func (t *table) find(p Payee) *candidates {
	for member := range p {
		if member >= compared || !t.known[member] {
			p[member] = "" // no destination has it: payees that differ in nothing else are one
		}
	}
	c, ok := t.found[p]
	if ok {
		return c
	}
	c = &candidates{}
	t.found[p] = c
	for _, m := range p.marks() {
		for _, i := range t.marked[m] {
			if t.comparisons <= MaxComparisons && t.possible(i, p) {
				c.parties, c.certain = append(c.parties, i), true
			}
		}
	}
	for i := 0; i < len(t.parties) && !c.certain && t.comparisons <= MaxComparisons; i++ {
		if t.possible(i, p) {
			c.parties = append(c.parties, i)
		}
	}
	slices.Sort(c.parties)
	c.parties = slices.Compact(c.parties) // one payee can have several marks
	t.bind(c)
	return c
}

// possible reports whether a party can be a payee.
func (t *table) possible(i int, p Payee) bool {
	t.comparisons++
	return !t.parties[i].Payee.contradicts(p)
}

// bind makes one group of several candidates, and an index of their amounts.
func (t *table) bind(c *candidates) {
	if len(c.parties) < 2 {
		return
	}
	c.byAmount = make(map[int64]int, len(c.parties))
	for _, i := range c.parties {
		t.parties[t.root(i)].leader = t.root(c.parties[0])
		amount := t.parties[i].Amount
		if _, taken := c.byAmount[amount]; taken {
			i = several
		}
		c.byAmount[amount] = i
	}
	delete(c.byAmount, BadAmount)
}

// root returns the party that stands for a party's group.
func (t *table) root(i int) int {
	for t.parties[i].leader != i {
		t.parties[i].leader = t.parties[t.parties[i].leader].leader
		i = t.parties[i].leader
	}
	return i
}

// pick returns the party that an amount is for: the only one there is, or the one of
// exactly that amount. ok is false if the amount is none of theirs.
func (c *candidates) pick(amount int64) (party int, ok bool) {
	if len(c.parties) == 1 {
		return c.parties[0], true
	}
	party, ok = c.byAmount[amount]
	return party, ok
}

// allotRest allots the disbursements that are the amount of none of their candidates,
// parts of a larger one for instance: to the one candidate that is still open.
func (t *table) allotRest(undecided []part, theirs []*candidates) {
	if len(undecided) == 0 {
		return
	}
	open := make([]bool, len(t.parties))
	for i := range t.parties {
		open[i] = !t.parties[i].covered()
	}
	only := map[*candidates]int{}
	for i, p := range undecided {
		c := theirs[i]
		to, ok := only[c]
		if !ok {
			to = c.only(open)
			only[c] = to
		}
		if to == several {
			t.doubt[c.parties[0]] = true
			continue
		}
		t.rest[to] = true
		t.parties[to].parts = append(t.parties[to].parts, p)
	}
}

// only returns the one candidate that is open, or several if that is not one.
func (c *candidates) only(open []bool) int {
	found := several
	for _, i := range c.parties {
		if open[i] && found != several {
			return several
		}
		if open[i] {
			found = i
		}
	}
	return found
}

// groups returns the parties by their groups.
func (t *table) groups() []*group {
	var groups []*group
	byRoot := map[int]*group{}
	for i := range t.parties {
		root := t.root(i)
		g := byRoot[root]
		if g == nil {
			g = &group{}
			byRoot[root] = g
			groups = append(groups, g)
		}
		g.parties = append(g.parties, &t.parties[i])
		g.doubt, g.rest = g.doubt || t.doubt[i], g.rest || t.rest[i]
	}
	return groups
}
