package allot

// What a payee is known by. The first ones are compared, where both sides have them.
const (
	Kind      = iota // a person's phone, a bank account, a till or a paybill
	Phone            // a person's phone number
	Account          // the number of a bank account
	Branch           // its branch
	Till             // the number of a till
	Paybill          // the number of a paybill
	Bill             // the account with a paybill
	Reference        // the payer's own name for an account
	compared
	// Veiled is what was masked. It is compared with nothing; it only keeps two
	// destinations apart that may be two payees.
	Veiled = compared
)

// Payee is who a destination or a disbursement is for. Each member is in the one form
// that it is compared in, and "" where it is missing or masked.
type Payee [Veiled + 1]string

// mark is what is enough to identify a payee.
type mark struct {
	member int
	value  string
}

// marks returns all that identifies a payee by itself.
func (p *Payee) marks() []mark {
	var marks []mark
	for _, member := range [...]int{Phone, Account, Till, Reference} {
		if p[member] != "" {
			marks = append(marks, mark{member, p[member]})
		}
	}
	if p[Paybill] != "" && p[Bill] != "" { // a paybill alone is many payees
		marks = append(marks, mark{Bill, p[Paybill] + "/" + p[Bill]})
	}
	return marks
}

// contradicts reports whether two payees cannot be the same: both have a member, and
// it differs.
func (p *Payee) contradicts(other Payee) bool {
	for member := range compared {
		if p[member] != "" && other[member] != "" && p[member] != other[member] {
			return true
		}
	}
	return false
}

// learn adds what another payee is known by. It reports false if they cannot be the same.
func (p *Payee) learn(other Payee) bool {
	if p.contradicts(other) {
		return false
	}
	for member := range compared {
		if p[member] == "" {
			p[member] = other[member]
		}
	}
	return true
}
