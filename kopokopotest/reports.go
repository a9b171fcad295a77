package kopokopotest

import (
	"strings"
	"time"
)

// pollingRules and smsRules: see the K2 docs.
var (
	pollingRules = rules{
		present("scope"), oneOf("scope", "company", "till"), scopeReference("Scope reference is invalid"),
		timeRule("from_time"), timeRule("to_time"),
	}
	smsRules = allPresent("webhook_event_reference", "message")
)

// timeRule requires ISO 8601 with an offset.
func timeRule(path string) rule {
	return func(req object) string {
		v := req.text(path)
		if v == "" {
			return label(path) + " can't be blank"
		}
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return label(path) + " is invalid"
		}
		return ""
	}
}

func tillScope(req object) bool { return strings.EqualFold(req.text("scope"), "till") }

// buildPolling capitalises the scope and turns an empty reference into null, as K2 does.
func buildPolling(_ *Server, r *record) object {
	scope := strings.ToLower(r.req.text("scope"))
	return object{
		{"status", "Pending"},
		{"from_time", r.req.text("from_time")},
		{"to_time", r.req.text("to_time")},
		{"transactions", nil},
		{"scope", strings.ToUpper(scope[:1]) + scope[1:]},
		{"scope_reference", r.req.orNull("scope_reference")},
	}
}

// endPolling reports the transactions received by now. Its Failed form is assumed.
func endPolling(s *Server, r *record, why []string) []mail {
	if len(why) > 0 {
		r.attrs.set("status", "Failed")
		r.attrs.set("errors", texts(why))
		return nil
	}
	from, _ := time.Parse(time.RFC3339, r.req.text("from_time"))
	to, _ := time.Parse(time.RFC3339, r.req.text("to_time"))
	found := []any{}
	for _, t := range s.transactions.all() {
		// Whole seconds, because that is what origination_time shows.
		at := t.at.Truncate(time.Second)
		if !at.Before(from.Truncate(time.Second)) && !at.After(to) && concerns(r.req, t.till) {
			found = append(found, object{{"type", "Buygoods Transaction"}, {"resource", t.pollResource(s.shown(t))}})
		}
	}
	r.attrs.set("status", "Success")
	r.attrs.set("transactions", found)
	return nil
}

func buildSMS(_ *Server, r *record) object {
	return object{
		{"status", "Pending"},
		{"message", r.req.text("message")},
		{"webhook_event_reference", r.req.text("webhook_event_reference")},
	}
}

// endSMS: the Failed form is assumed.
func endSMS(_ *Server, r *record, why []string) []mail {
	status := "Success"
	if len(why) > 0 {
		status = "Failed"
	}
	r.attrs.set("status", status)
	return nil
}
