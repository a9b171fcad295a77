package kopokopotest

// bankAccountRules and walletRules: the merchant's own settlement accounts (K2 docs).
var (
	bankAccountRules = append(
		allPresent("account_name", "bank_branch_ref", "account_number", "settlement_method"),
		oneOf("settlement_method", settleWays...))
	walletRules = append(
		allPresent("first_name", "last_name", "phone_number", "network"),
		pattern("phone_number", phoneFormat, "is an invalid number"))
)

func buildBankAccount(s *Server, r *record) object {
	return object{
		{"status", "Approved"},
		{"account_reference", s.openAccount(r)},
		{"bank_branch_ref", r.req.text("bank_branch_ref")},
		{"account_name", r.req.text("account_name")},
		{"account_number", r.req.text("account_number")},
		{"settlement_method", r.req.text("settlement_method")},
	}
}

func buildWallet(s *Server, r *record) object {
	return object{
		{"status", "Approved"},
		{"account_reference", s.openAccount(r)},
		{"first_name", r.req.text("first_name")},
		{"last_name", r.req.text("last_name")},
		{"phone_number", r.req.text("phone_number")},
		{"network", r.req.text("network")},
	}
}

// openAccount files an own account under a new reference.
func (s *Server) openAccount(r *record) string {
	reference := newID()
	s.accounts.put(reference, r, len(r.body))
	return reference
}

// ownAccount is where a settlement goes.
type ownAccount struct {
	kind      string // "merchant_bank_account" or "merchant_wallet"
	reference string
	fields    object
}

// account looks an own account up. One the server was not told of, made in the
// dashboard as it were, is there too, with no details known.
func (s *Server) account(kind, reference string) ownAccount {
	a := ownAccount{kind: kind, reference: reference}
	if r, ok := s.accounts.get(reference); ok {
		a.kind, a.fields = r.ep.kind, r.req
	}
	return a
}

// anyAccount returns the own account that a sweep goes to: the newest.
func (s *Server) anyAccount() ownAccount {
	if n := len(s.accounts.order); n > 0 {
		return s.account("", s.accounts.order[n-1].key)
	}
	return ownAccount{kind: "merchant_bank_account", reference: newID()}
}

func (a ownAccount) bank() bool { return a.kind == "merchant_bank_account" }

func (a ownAccount) display() string {
	if a.bank() {
		return "Bank Account"
	}
	return "Mobile Wallet"
}

// number is what decides whether money reaches the account.
func (a ownAccount) number() string {
	if a.bank() {
		return a.fields.text("account_number")
	}
	return a.fields.text("phone_number")
}

// instantPay reports whether a transfer has an M-PESA reference at once. EFT, a
// bank's overnight batch, has none: K2 shows null.
func (a ownAccount) instantPay() bool {
	return !a.bank() || a.fields.text("settlement_method") == "RTS"
}

// webhookDestination has the keys of the settlement_transfer_completed samples.
func (a ownAccount) webhookDestination() object {
	fields := []string{"account_name", "account_number", "bank_branch_ref", "settlement_method"}
	if !a.bank() {
		fields = []string{"first_name", "last_name", "phone_number", "network"}
	}
	resource := object{{"reference", a.reference}}
	for _, f := range fields {
		resource = append(resource, member{f, a.fields.text(f)})
	}
	return object{{"type", a.display()}, {"resource", resource}}
}
