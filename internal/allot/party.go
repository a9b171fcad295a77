package allot

import "math"

// settle fills the rows of a group.
func (g *group) settle(rows []Row) {
	covered := !g.doubt && !(g.rest && !g.sameState())
	for _, p := range g.parties {
		if !p.settle(rows) {
			covered = false
		}
	}
	if len(g.parties) == 1 || covered {
		return
	}
	// What is missing from one party may be what another one has.
	for _, p := range g.parties {
		for _, i := range p.rows {
			rows[i] = Row{Doubt: g.doubt}
		}
	}
}

// sameState reports whether the same became of everything that was allotted to a
// group. Only then does it not matter if the rest was allotted to the wrong party.
func (g *group) sameState() bool {
	var all []part
	for _, p := range g.parties {
		all = append(all, p.parts...)
	}
	return sameState(all)
}

func sameState(parts []part) bool {
	for _, p := range parts {
		if p.State != parts[0].State {
			return false
		}
	}
	return true
}

// settle fills the rows of a party, and reports whether all of them are covered.
func (p *party) settle(rows []Row) bool {
	parts := p.once()
	if !p.plausible(parts) {
		return false
	}
	whole, rest := p.divide(parts)
	left := len(p.rows) - len(whole)
	exact, short := p.compare(rest, left)
	if !exact && !short {
		if len(p.rows) == 1 {
			rows[p.rows[0]].Parts = indexes(parts) // not covered, but its own
		}
		return false
	}
	between := p.spread(whole, rows)
	switch {
	case left == 1:
		rows[between[0]] = Row{Parts: indexes(rest), Covered: exact}
	case exact && sameState(rest):
		shared := Row{Parts: indexes(rest), Covered: true, Shared: true}
		for _, i := range between {
			rows[i] = shared
		}
	default:
		return false
	}
	return exact
}

// covered reports whether the disbursements of a party come to exactly what it should get.
func (p *party) covered() bool {
	whole, rest := p.divide(p.once())
	exact, _ := p.compare(rest, len(p.rows)-len(whole))
	return exact
}

// divide parts the disbursements that are the whole of a destination from the rest.
func (p *party) divide(parts []part) (whole, rest []part) {
	for _, next := range parts {
		if next.Amount == p.Amount && p.Amount != BadAmount {
			whole = append(whole, next)
		} else {
			rest = append(rest, next)
		}
	}
	return whole, rest
}

// compare tells whether disbursements come to the amount of so many destinations, or
// to less. It is neither if they come to more, or if that cannot be told: an amount is
// none, or one may be listed twice, having the same amount and time as another and no
// receipt.
func (p *party) compare(parts []part, destinations int) (exact, short bool) {
	if len(parts) == 0 {
		return destinations == 0, destinations > 0
	}
	type twin struct{ amount, at int64 }
	seen := map[twin]bool{}
	var sum int64
	for _, next := range parts {
		id := twin{next.Amount, next.At}
		if next.Amount <= 0 || next.Amount > math.MaxInt64-sum || next.Receipt == "" && next.At != 0 && seen[id] {
			return false, false
		}
		seen[id] = seen[id] || next.Receipt == ""
		sum += next.Amount
	}
	if destinations <= 0 {
		return false, false
	}
	each, over := sum/int64(destinations), sum%int64(destinations)
	return each == p.Amount && over == 0, each < p.Amount
}

// spread allots to one destination each what is the whole of one, and returns those
// that are left. They are equal, and yet one that failed may have been paid again under
// its own index by now: so that it stays failed whatever is listed later, the first
// destinations get what failed and the last ones what was paid.
func (p *party) spread(whole []part, rows []Row) (left []int) {
	first, last := 0, len(p.rows)
	var open []part
	for _, next := range whole {
		switch next.State {
		case Failed:
			rows[p.rows[first]] = Row{Parts: []int{next.index}, Covered: true}
			first++
		case Paid:
			last--
			rows[p.rows[last]] = Row{Parts: []int{next.index}, Covered: true}
		default:
			open = append(open, next)
		}
	}
	for _, next := range open {
		rows[p.rows[first]] = Row{Parts: []int{next.index}, Covered: true}
		first++
	}
	return p.rows[first:last]
}

// once returns the disbursements of a party, each once: one receipt is one of them,
// however often it is listed. If it is not listed as the same each time, nothing counts.
func (p *party) once() []part {
	if len(p.parts) < 2 {
		return p.parts
	}
	var parts []part
	seen := map[string]part{}
	for _, next := range p.parts {
		first, again := seen[next.Receipt]
		switch {
		case next.Receipt == "" || !again:
			seen[next.Receipt] = next
			parts = append(parts, next)
		case first.Amount != next.Amount || first.State != next.State:
			return nil
		}
	}
	return parts
}

// plausible reports whether the disbursements that no mark identifies can be for a
// party. Its one destination is one payee; where it is several, nobody may be listed
// twice, since somebody else would be left out.
func (p *party) plausible(parts []part) bool {
	var payee Payee
	seen := map[mark]bool{}
	for _, next := range parts {
		if next.certain {
			continue
		}
		if len(p.rows) == 1 && !payee.learn(next.Payee) {
			return false
		}
		for _, m := range next.Payee.marks() {
			if len(p.rows) > 1 && seen[m] {
				return false
			}
			seen[m] = true
		}
	}
	return true
}

// indexes returns where disbursements stood in the list.
func indexes(parts []part) []int {
	var list []int
	for _, p := range parts {
		list = append(list, p.index)
	}
	return list
}
