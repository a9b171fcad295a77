package kopokopotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// linkRules: a payment link (K2 docs).
var linkRules = rules{
	present("till_number"), pattern("till_number", tillFormat, "is invalid"),
	present("currency"), currency("currency"), positive("amount"),
}

// linkLife is how long a link can be paid; three of four samples show a week.
const linkLife = 7 * 24 * time.Hour

// ErrNotPayable means that a payment link is not known, or was paid or cancelled,
// or has expired.
var ErrNotPayable = errors.New("kopokopotest: payment link cannot be paid")

// buildLink makes a link that is Active at once. The amount is shown as it was
// sent, a number or text; both appear in samples.
func buildLink(s *Server, r *record) object {
	return object{
		{"status", "Processed"},
		{"created_at", instant(r.created)},
		{"till_name", "Fake Till"},
		{"till_number", tillDigits(r.req.text("till_number"))},
		{"payment_reference", r.req.orNull("payment_reference")},
		{"currency", "KES"},
		{"amount", r.req.get("amount")},
		{"note", r.req.orNull("note")},
		{"payment_link", object{
			{"payment_link_status", "Active"},
			{"expires_at", instant(r.created.Add(linkLife))},
			{"initiator_name", "Fake Merchant"},
			{"link", s.URL + "/links/" + newID()},
		}},
		{"errors", nil},
	}
}

// linkState reads where a link stands. A paid one has its status under another key.
func (r *record) linkState() string {
	if state := r.attrs.text("payment_link.payment_link_status"); state != "" {
		return state
	}
	return r.attrs.text("payment_link.status")
}

// expireLink notices that a link's time is over. The word Expired is assumed.
func expireLink(r *record) {
	if r.linkState() == "Active" && time.Since(r.created) > linkLife {
		r.setLinkState("Expired")
	}
}

// setLinkState replaces the link's inner object, never changing one in place.
func (r *record) setLinkState(state string) {
	link, _ := r.attrs.get("payment_link").(object)
	link = link.clone()
	link.set("payment_link_status", state)
	r.attrs.set("payment_link", link)
}

// cancelLink cancels a link that was not paid. That a paid link cannot be
// cancelled, and that cancelling twice is harmless, is assumed.
func cancelLink(_ *Server, r *record) *refusal {
	switch r.linkState() {
	case "Active", "Cancelled":
		r.setLinkState("Cancelled")
		return &refusal{http.StatusOK, object{{"message", "Payment link cancelled."}}}
	}
	return badRequest("Payment link can't be cancelled")
}

// PayLink has a customer with this phone number pay an active payment link, and
// fires the paid callback and the webhooks of the payment. The id is the one that
// the link's Location ends in. Errors: [ErrNotPayable], or a phone number that is
// not Kenyan.
func (s *Server) PayLink(id, phone string) error {
	if !phoneFormat.MatchString(phone) {
		return errors.New("kopokopotest: pay link: phone must be 254XXXXXXXXX")
	}
	if !s.jobs.begin() {
		return fmt.Errorf("pay link: %w", errClosed)
	}
	defer s.jobs.end()
	s.mu.Lock()
	rec, ok := s.find(s.endpoints["payment_links"], id)
	var out []mail
	if ok = ok && rec.linkState() == "Active"; ok {
		out = s.payLink(rec, international(phone))
	}
	s.mu.Unlock()
	if !ok {
		return ErrNotPayable
	}
	s.post(out)
	return nil
}

// payLink gives the link the shape of the paid sample: the status under another
// key, and the phone as a JSON number.
func (s *Server) payLink(r *record, phone string) []mail {
	amount, _ := parseMoney(r.req.text("amount"))
	t := &transaction{amount: amount, till: r.req.text("till_number"), phone: phone}
	events := s.receive(t)
	r.attrs.set("payment_link", object{
		{"status", "Paid"},
		{"expires_at", r.attrs.get("payment_link.expires_at")},
		{"link", r.attrs.get("payment_link.link")},
		{"transaction_reference", t.reference},
		{"sender_phone_number", json.Number(phone)},
		{"origination_time", instant(t.at)},
	})
	return append([]mail{s.callbackMail(r)}, events...)
}
