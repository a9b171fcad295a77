package kopokopotest

import (
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// subscriptionRules: see the K2 docs for type, url and scope. The list of event
// types joins those of all official SDKs; refusing others is assumed, and catches
// the misspelt subscription that would otherwise stay silent.
var subscriptionRules = rules{
	present("event_type"),
	oneOf("event_type",
		"buygoods_transaction_received", "buygoods_transaction_reversed",
		"b2b_transaction_received", "b2b_transaction_reversed",
		"card_transaction_received", "card_transaction_voided", "card_transaction_reversed",
		"customer_created", "settlement_transfer_completed",
		"m2m_transaction_received", "m2m_transaction_completed",
		"paybill_transaction_received", "m-pesa_payment_received"),
	present("url"), secureURL("url"),
	present("scope"), oneOf("scope", "till", "company"),
	scopeReference("Invalid scope reference"), // K2 docs
}

// scopeReference requires a till number where the scope is a till.
func scopeReference(text string) rule {
	return func(req object) string {
		if tillScope(req) && !tillFormat.MatchString(req.text("scope_reference")) {
			return text
		}
		return ""
	}
}

func buildSubscription(s *Server, r *record) object {
	s.subscriptions.put(r.id, r, len(r.body))
	return object{
		{"event_type", r.req.text("event_type")},
		{"webhook_uri", r.req.text("url")},
		{"status", "Active"},
		{"scope", r.req.text("scope")},
		{"scope_reference", r.req.orNull("scope_reference")},
	}
}

// event is something subscribers are told of.
type event struct {
	topic, kind string
	till        string // "" where it concerns the whole company
	resource    object
	linkPath    string // path of _links.resource
	daraja      object // the same in Safaricom's shape, where there is one
}

// notify returns the event for each matching subscription. All get the same event
// id, as one thing has happened.
func (s *Server) notify(e event) []mail {
	id := newID()
	body := encode(object{
		{"topic", e.topic},
		{"id", id},
		{"created_at", second(time.Now())},
		{"event", object{{"type", e.kind}, {"resource", e.resource}}},
		{"_links", object{{"self", s.URL + "/webhook_events/" + id}, {"resource", s.URL + e.linkPath}}},
	})
	var out []mail
	for _, sub := range s.subscriptions.all() {
		if sub.req.text("event_type") != e.topic || !concerns(sub.req, e.till) {
			continue
		}
		m := mail{url: sub.req.text("url"), kind: Webhook, topic: e.topic, id: id, body: body}
		if sub.req.get("enable_daraja_payload") == true && e.daraja != nil {
			m.kind, m.body = Daraja, encode(e.daraja)
		}
		out = append(out, m)
	}
	return out
}

// concerns matches a till against a subscription's or poll's scope: that till, or
// all of the company. K2 takes the scope in any case.
func concerns(req object, till string) bool {
	return !tillScope(req) || till == "" || tillDigits(req.text("scope_reference")) == tillDigits(till)
}

// daraja is the transaction in the shape of Safaricom's C2B confirmation, in the
// variant of the Ruby SDK's 2026 fixtures: a hashed MSISDN, ThirdPartyTransId.
func (t *transaction) daraja() object {
	sum := sha256.Sum256([]byte(t.phone))
	return object{
		{"TransactionType", "Buygoods"},
		{"TransID", t.reference},
		{"TransTime", t.at.In(nairobi).Format("20060102150405")},
		{"TransAmount", t.amount.decimal()},
		{"BusinessShortCode", tillDigits(t.till)},
		{"BillRefNumber", ""},
		{"InvoiceNumber", ""},
		{"OrgAccountBalance", ""},
		{"ThirdPartyTransId", ""},
		{"MSISDN", base64.StdEncoding.EncodeToString(sum[:])},
		{"FirstName", t.first},
		{"MiddleName", t.middle},
		{"LastName", t.last},
	}
}
