package kopokopotest

import "strings"

// incomingRules: an STK push needs a till, a payer and an amount (K2 docs).
var incomingRules = rules{
	present("payment_channel"), mpesaChannel,
	present("till_number"), pattern("till_number", tillFormat, "is invalid"),
	present("subscriber.phone_number"), pattern("subscriber.phone_number", phoneFormat, "is an invalid number"),
	present("amount.currency"), currency("amount.currency"), positive("amount.value"),
}

// mpesaChannel takes every spelling on record: "M-PESA STK Push", "M-PESA STK
// PUSH", "M-PESA", "MPESA".
func mpesaChannel(req object) string {
	v := req.text("payment_channel")
	plain := strings.ReplaceAll(strings.ToUpper(v), "-", "")
	if v != "" && !strings.HasPrefix(plain, "MPESA") {
		return "Payment channel is invalid"
	}
	return ""
}

func buildIncoming(_ *Server, r *record) object {
	return object{
		{"initiation_time", instant(r.created)},
		{"status", "Pending"},
		{"event", incomingEvent(nil, nil)},
	}
}

func incomingEvent(resource, errors any) object {
	return object{{"type", "Incoming Payment Request"}, {"resource", resource}, {"errors", errors}}
}

// endIncoming pays, or fails as the till says. Failed v1 payments carry their
// reason as a string, v2 ones as a list (seen in production and in the v2 docs).
func endIncoming(s *Server, r *record, why []string) []mail {
	till := r.req.text("till_number")
	if len(why) == 0 && tillDigits(till) == tillDigits(FailTill) {
		why = []string{"The initiator information is invalid."}
	}
	if len(why) > 0 {
		r.attrs.set("status", "Failed")
		var reasons any = texts(why)
		if r.version == "v1" {
			reasons = strings.Join(why, ", ")
		}
		r.attrs.set("event", incomingEvent(nil, reasons))
		return nil
	}
	amount, _ := parseMoney(r.req.text("amount.value"))
	t := &transaction{
		amount: amount,
		till:   till,
		phone:  international(r.req.text("subscriber.phone_number")),
		first:  r.req.orNull("subscriber.first_name"),
		middle: r.req.orNull("subscriber.middle_name"),
		last:   r.req.orNull("subscriber.last_name"),
		push:   r,
	}
	out := s.receive(t)
	r.attrs.set("status", "Success")
	r.attrs.set("event", incomingEvent(t.resultResource(received), nil))
	return out
}
