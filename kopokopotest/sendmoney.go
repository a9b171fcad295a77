package kopokopotest

import (
	"fmt"
	"regexp"
)

// sendMoneyRules are those that concern no destination (K2 docs).
var sendMoneyRules = rules{
	present("currency"), currency("currency"),
	pattern("source_identifier", tillFormat, "is invalid"),
}

// Limits of one transfer to a mobile wallet, in cents (seen in production).
const (
	minTransfer money = 10_00
	maxTransfer money = 250_000_00
)

// walletPhone: send_money takes no plus (seen in production).
var walletPhone = regexp.MustCompile(`^254[0-9]{9}$`)

// destinationFields has the required fields of each type of destination besides
// the amount; the first is the number that says who is paid.
var destinationFields = map[string][]string{
	"mobile_wallet":         {"phone_number", "network", "description"},
	"bank_account":          {"account_number", "account_name", "bank_branch_ref", "description"},
	"till":                  {"till_number", "description"},
	"paybill":               {"paybill_number", "paybill_account_number", "description"},
	"merchant_wallet":       {"reference"},
	"merchant_bank_account": {"reference"},
}

// checkSendMoney looks at each destination. None at all is valid: it sweeps all
// funds to the merchant's own accounts (K2 docs).
func checkSendMoney(_ *Server, req object) *refusal {
	list, ok := req.get("destinations").([]any)
	if !ok && req.get("destinations") != nil {
		return badRequest("Destinations is invalid")
	}
	for _, item := range list {
		d, _ := item.(object)
		if ref := checkDestination(d); ref != nil {
			return ref
		}
	}
	return nil
}

func checkDestination(d object) *refusal {
	kind := d.text("type")
	fields, known := destinationFields[kind]
	if !known {
		return badRequest("Destination type is invalid")
	}
	if faults := append(allPresent(fields...), positive("amount")).faults(d); len(faults) > 0 {
		return badRequest(faults[0])
	}
	if kind != "mobile_wallet" {
		return nil
	}
	if phone := d.text("phone_number"); !walletPhone.MatchString(phone) {
		return badRequest(fmt.Sprintf("%s has an invalid length or format. Must be 254XXXXXXXXX.", phone))
	}
	if amount, _ := parseMoney(d.text("amount")); amount < minTransfer || amount > maxTransfer {
		return refuseErrors("Transfer amount must be between KSh 10.00 and KSh 250,000.00")
	}
	return nil
}

// buildSendMoney: while Scheduled, destinations are not shown yet.
func buildSendMoney(_ *Server, r *record) object {
	return object{
		{"status", "Scheduled"},
		{"created_at", instant(r.created)},
		{"source_identifier", r.req.get("source_identifier")},
		{"destinations", nil},
		{"currency", "KES"},
		{"transfer_batches", nil},
		{"errors", nil},
	}
}

// endSendMoney: the whole says Processed even where a disbursement was Cancelled,
// as K2's reversals do (docs); only the inner statuses tell.
func endSendMoney(s *Server, r *record, why []string) []mail {
	list, _ := r.req.get("destinations").([]any)
	batches, out := []any{}, []mail(nil)
	for i, item := range list {
		d, _ := item.(object)
		to, plan := newDestination(d), s.decideOn(r, i, d, why)
		if plan.Pending != 0 {
			batches = append(batches, s.disburseLater(r, i, to, plan))
			continue
		}
		batch, mails := s.disburse(to, plan.Reasons)
		batches, out = append(batches, batch), append(out, mails...)
	}
	if len(list) == 0 {
		batch, mails := s.disburseAll(why)
		batches, out = append(batches, batch), append(out, mails...)
	}
	r.attrs.set("status", "Processed")
	r.attrs.set("destinations", echoDestinations(r.req.get("destinations")))
	if s.interim && len(batches) > 1 {
		r.attrs.set("transfer_batches", batches[:1])
		out = append(out, s.callbackMail(r))
	}
	r.attrs.set("transfer_batches", batches)
	return out
}

// destinationOrder is how K2 orders the keys of the destinations it echoes, as far
// as samples show; the others follow as they were sent.
var destinationOrder = []string{"type", "amount", "network", "nickname", "favourite", "description", "phone_number"}

func echoDestinations(sent any) any {
	list, ok := sent.([]any)
	if !ok {
		return nil
	}
	out := []any{}
	for _, item := range list {
		rest, _ := item.(object)
		var d object
		for _, key := range destinationOrder {
			if v := rest.get(key); v != nil {
				d, rest = append(d, member{key, v}), rest.without(key)
			}
		}
		out = append(out, append(d, rest...))
	}
	return out
}

// destination is a destination of a request as its disbursements show it.
type destination struct {
	asked     object
	kind      string
	own       bool   // it is an account of the merchant's
	reference string // K2's name for it: all disbursements have the same
}

func newDestination(asked object) destination {
	d := destination{asked: asked, kind: asked.text("type"), reference: newID()}
	if d.own = d.kind == "merchant_wallet" || d.kind == "merchant_bank_account"; d.own {
		d.reference = asked.text("reference")
	}
	return d
}

func (d destination) amount() money {
	amount, _ := parseMoney(d.asked.text("amount")) // validated
	return amount
}

// shown is what its disbursements repeat of it.
func (d destination) shown() object {
	if d.own {
		return nil
	}
	shown := object{{"nickname", d.asked.orNull("nickname")}, {"favourite", d.asked.get("favourite") == true}}
	for _, field := range destinationFields[d.kind] {
		if field != "network" && field != "description" {
			shown = append(shown, member{field, d.asked.text(field)})
		}
	}
	return shown
}

// disburse pays one destination, in a batch of its own as in the samples.
func (s *Server) disburse(d destination, why []string) (batch object, out []mail) {
	if d.own {
		to := s.account(d.kind, d.reference)
		p := s.settleTo(to, d.amount(), why)
		return p.sendMoneyBatch(d), s.settled(to, p)
	}
	p := s.payOut(d.amount(), d.asked.text(destinationFields[d.kind][0]), d.kind == "bank_account", why)
	return p.sendMoneyBatch(d), nil
}

// disburseAll sweeps the balance to an own account.
func (s *Server) disburseAll(why []string) (batch object, out []mail) {
	to, amount := s.anyAccount(), s.sweep()
	p := s.settleTo(to, amount, why)
	return p.sendMoneyBatch(destination{kind: to.kind, own: true, reference: to.reference}), s.settled(to, p)
}

// sendMoneyBatch shows a payout as send money does.
func (p payout) sendMoneyBatch(d destination) object {
	list := []any{}
	for _, part := range p.parts {
		shown := object{{"amount", part.amount.decimal()}, {"errors", p.errors}, {"status", p.status}}
		shown = append(shown, d.shown()...)
		list = append(list, append(shown, object{
			{"destination_type", d.kind},
			{"origination_time", instant(part.at)},
			{"destination_reference", d.reference},
			{"transaction_reference", part.reference},
		}...))
	}
	return object{{"status", p.status}, {"amount", p.amount.decimal()}, {"disbursements", list}}
}
