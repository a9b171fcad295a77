package kopokopotest

// checkSettlement: a blind transfer names no destination and moves everything; a
// targeted one needs all three of its fields. An official SDK sends the blind form
// with nulls in place of absent fields.
func checkSettlement(_ *Server, req object) *refusal {
	var rs rules
	if req.text("destination_type") != "" || req.text("destination_reference") != "" {
		rs = rules{
			present("destination_type"), oneOf("destination_type", "merchant_bank_account", "merchant_wallet"),
			present("destination_reference"), present("amount.value"),
		}
	}
	if req.text("amount.value") != "" {
		rs = append(rs, positive("amount.value"), currency("amount.currency"))
	}
	if faults := rs.faults(req); len(faults) > 0 {
		return badRequest(faults[0])
	}
	return nil
}

func buildSettlement(_ *Server, r *record) object {
	var value any // null for a blind transfer
	if amount, ok := parseMoney(r.req.text("amount.value")); ok {
		value = amount.plain()
	}
	return object{
		{"status", "Scheduled"},
		{"created_at", instant(r.created)},
		{"amount", object{{"currency", "KES"}, {"value", value}}},
		{"transfer_batches", nil},
	}
}

func endSettlement(s *Server, r *record, why []string) []mail {
	to := s.anyAccount()
	if kind := r.req.text("destination_type"); kind != "" {
		to = s.account(kind, r.req.text("destination_reference"))
	}
	amount, given := parseMoney(r.req.text("amount.value"))
	if !given {
		amount = s.sweep()
	}
	p := s.settleTo(to, amount, why)
	r.attrs.set("status", "Processed")
	r.attrs.set("transfer_batches", []any{p.batch(to.display(), to.reference)})
	return s.settled(to, p)
}
