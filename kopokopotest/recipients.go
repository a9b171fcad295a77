package kopokopotest

import (
	"regexp"
	"strings"
)

// recipientType is one kind of recipient: its required fields, which are also the
// ones shown, and the one that says where the money goes.
type recipientType struct {
	display string
	fields  []string
	number  string
}

var recipientTypes = map[string]recipientType{
	"mobile_wallet": {"Mobile Wallet", []string{"first_name", "last_name", "phone_number", "network"}, "phone_number"},
	"bank_account":  {"Bank Account", []string{"account_name", "bank_branch_ref", "account_number"}, "account_number"},
	"till":          {"Till", []string{"till_name", "till_number"}, "till_number"},
	"paybill":       {"Paybill", []string{"paybill_name", "paybill_number", "paybill_account_number"}, "paybill_number"},
}

var (
	personName = regexp.MustCompile(`^[\pL\pM ]+$`)
	settleWays = []string{"eft", "rts"}
)

// notCreated is what v1 answers to a recipient that exists already, and to names
// with digits or punctuation (seen in production).
var notCreated = badRequest("Pay recipient could not be created")

func checkPayRecipient(s *Server, req object) *refusal {
	if ref := checkRecipient(req, "pay_recipient"); ref != nil {
		return ref
	}
	t, inner := recipientOf(req)
	for _, field := range []string{"first_name", "last_name"} {
		if name := inner.text(field); name != "" && !personName.MatchString(name) {
			return notCreated
		}
	}
	identity := req.text("type")
	for _, field := range t.fields {
		if !strings.HasSuffix(field, "_name") {
			identity += "|" + inner.text(field)
		}
	}
	if _, exists := s.duplicates.get(identity); exists {
		return notCreated
	}
	s.duplicates.put(identity, struct{}{}, len(identity))
	return nil
}

func checkExternalRecipient(_ *Server, req object) *refusal {
	return checkRecipient(req, "external_recipient")
}

func checkRecipient(req object, wrapper string) *refusal {
	t, known := recipientTypes[req.text("type")]
	if !known {
		if req.text("type") == "" {
			return badRequest("Type can't be blank")
		}
		return badRequest("Type is invalid")
	}
	inner, ok := req.get(wrapper).(object)
	if !ok {
		return badRequest(label(wrapper) + " can't be blank")
	}
	rs := append(allPresent(t.fields...), pattern("phone_number", phoneFormat, "is an invalid number"), oneOf("settlement_method", settleWays...))
	if wrapper == "pay_recipient" && req.text("type") == "bank_account" {
		rs = append(rs, present("settlement_method"))
	}
	if faults := rs.faults(inner); len(faults) > 0 {
		return badRequest(faults[0])
	}
	return nil
}

// recipientOf returns a recipient's type and fields, whichever version made it.
func recipientOf(req object) (recipientType, object) {
	inner, ok := req.get("pay_recipient").(object)
	if !ok {
		inner, _ = req.get("external_recipient").(object)
	}
	return recipientTypes[req.text("type")], inner
}

// buildPayRecipient shows the reference that payments name the recipient by. Going
// by the samples, a payment may name the recipient's id as well.
func buildPayRecipient(s *Server, r *record) object {
	t, inner := recipientOf(r.req)
	attrs := object{{"recipient_type", t.display}, {"status", "Approved"}}
	attrs = append(attrs, shownFields(t, inner)...)
	reference := newID()
	s.recipients.put(reference, r, len(r.body))
	s.recipients.put(r.id, r, len(r.body))
	return append(attrs, member{"recipient_reference", reference})
}

// buildExternalRecipient: v2 shows the word Unavailable for a reference.
func buildExternalRecipient(_ *Server, r *record) object {
	t, inner := recipientOf(r.req)
	attrs := object{{"recipient_type", t.display}, {"account_alias", inner.orNull("nickname")}, {"status", "Approved"}}
	attrs = append(attrs, shownFields(t, inner)...)
	return append(attrs, member{"recipient_reference", "Unavailable"})
}

func shownFields(t recipientType, inner object) object {
	var out object
	for _, field := range t.fields {
		out = append(out, member{field, inner.text(field)})
	}
	switch t.number {
	case "phone_number":
		out = append(out, member{"email", inner.text("email")})
	case "account_number":
		out = append(out, member{"settlement_method", inner.orNull("settlement_method")})
	}
	return out
}
