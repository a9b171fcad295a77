package kopokopo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// facts is what a request and K2's document about it both say, in a form that can be
// stored for years and compared: amounts as they are, names and numbers hashed. What
// one side does not say is empty, and says nothing.
type facts struct {
	Scope        string            `json:"scope,omitempty"`        // environment and application, hashed; documents do not say it
	Metadata     map[string]string `json:"metadata,omitempty"`     // the value of each pair, hashed
	Amount       string            `json:"amount,omitempty"`       // in all, in cents
	Reference    string            `json:"reference,omitempty"`    // of the payment that is given back, hashed
	Amounts      string            `json:"amounts,omitempty"`      // of the destinations, hashed
	Destinations string            `json:"destinations,omitempty"` // who they are, hashed
}

// encode returns the facts as an intent store keeps them.
func (f facts) encode() string {
	text, _ := json.Marshal(f) // texts only
	return string(text)
}

// contradicts returns what a document says otherwise than the request did, or "". All
// metadata of the request has to be there: it is by the metadata that a document was
// found.
func (f facts) contradicts(document facts) string {
	for name, value := range f.Metadata {
		if document.Metadata[name] != value {
			return "metadata"
		}
	}
	for _, fact := range []struct{ name, asked, shown string }{
		{"amount", f.Amount, document.Amount},
		{"reference", f.Reference, document.Reference},
		{"amounts of the destinations", f.Amounts, document.Amounts},
		{"destinations", f.Destinations, document.Destinations},
	} {
		if fact.asked != "" && fact.shown != "" && fact.asked != fact.shown {
			return fact.name
		}
	}
	return ""
}

// hashFact hides a text and keeps it comparable.
func hashFact(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// cents returns an amount as text, or "" for what is none.
func cents(amount Decimal) string {
	minor, err := amount.Minor()
	if err != nil {
		return ""
	}
	return strconv.FormatInt(minor, 10)
}

// centsOf is cents of an amount in a request, which was validated.
func centsOf(value string) string { return cents(Decimal{strings.TrimSpace(value)}) }

// metadataFacts hashes metadata as it comes back in JSON: a number and its text are the
// same.
func metadataFacts(metadata map[string]any) map[string]string {
	text, err := wire.Encode(metadata)
	var decoded map[string]any
	if err != nil || wire.Decode(text, &decoded) != nil {
		return nil // no JSON, which Validate refuses
	}
	found := make(map[string]string, len(decoded))
	for name, value := range decoded {
		text := wire.Text(value)
		switch value.(type) {
		case map[string]any, []any:
			nested, _ := wire.Encode(value) // it was JSON before
			text = string(nested)
		case json.Number:
			text = plainNumber(text)
		}
		found[name] = hashFact(text)
	}
	return found
}

// plainNumber writes a number without the zeros that say nothing: 5.0 is 5.
func plainNumber(text string) string {
	negative, whole, fraction, err := Decimal{text}.parts()
	if err != nil {
		return text
	}
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if negative {
		whole = "-" + whole
	}
	return whole
}

// destinationFact is one destination of a payout: what it gets, and who it is.
type destinationFact struct{ amount, identity string }

// ofDestinations fills in what payouts say. A destination that cannot be told apart
// makes them all say nothing.
func (f *facts) ofDestinations(list []destinationFact) {
	amounts, identities := make([]string, len(list)), make([]string, len(list))
	for i, d := range list {
		amounts[i], identities[i] = d.amount, d.identity
	}
	f.Amounts, f.Destinations = hashSet(amounts), hashSet(identities)
}

// hashSet hashes texts whose order says nothing; "" if one of them is missing.
func hashSet(texts []string) string {
	if len(texts) == 0 || slices.Contains(texts, "") {
		return ""
	}
	slices.Sort(texts)
	return hashFact(texts...)
}

// identity returns what tells one destination from another, or "".
func (d SentDestination) identity() string {
	phone := d.PhoneNumber
	if p, err := ParsePhone(phone); err == nil {
		phone = p.Digits()
	}
	for _, parts := range [][]string{{phone}, {d.AccountNumber}, {d.TillNumber}, {d.PayBillNumber, d.PayBillAccountNumber}, {d.Reference}} {
		if text := strings.TrimSpace(strings.Join(parts, " ")); text != "" {
			return text
		}
	}
	return ""
}

func (rmr ReceiveMpesaReq) facts() facts {
	return facts{Metadata: metadataFacts(rmr.Metadata), Amount: centsOf(rmr.Amount.Value)}
}

func (cpr CreatePaymentReq) facts() facts {
	return facts{Metadata: metadataFacts(cpr.Metadata), Amount: centsOf(cpr.Amount.Value)}
}

func (r PaymentLinkReq) facts() facts {
	return facts{Metadata: metadataFacts(r.Metadata), Amount: centsOf(r.Amount.Value)}
}

func (r ReversalReq) facts() facts {
	return facts{Metadata: metadataFacts(r.Metadata), Reference: hashFact(strings.TrimSpace(r.TransactionReference))}
}

func (r SweepReq) facts() facts { return facts{Metadata: metadataFacts(r.Metadata)} }

// facts of a settlement transfer are for whoever settles it by hand: no result carries
// its key.
func (r SettlementTransferReq) facts() facts { return facts{Amount: centsOf(r.Amount.Value)} }

func (r SendMoneyReq) facts() facts {
	f := facts{Metadata: metadataFacts(r.Metadata)}
	list := make([]destinationFact, len(r.Destinations))
	for i, d := range r.Destinations {
		sent := SentDestination{PhoneNumber: d.PhoneNumber, AccountNumber: d.AccountNumber, TillNumber: d.TillNumber,
			PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber, Reference: d.Reference}
		list[i] = destinationFact{centsOf(d.Amount.Value), sent.identity()}
	}
	f.ofDestinations(list)
	return f
}

// factual is what the attributes of results say of the request they belong to.
type factual interface{ facts() facts }

func (p IncomingPayment) facts() facts {
	f := facts{Metadata: metadataFacts(p.Metadata)}
	if p.Event.Resource != nil {
		f.Amount = cents(p.Event.Resource.Amount)
	}
	return f
}

func (p Payment) facts() facts {
	return facts{Metadata: metadataFacts(p.Metadata), Amount: cents(p.Amount.Value)}
}

func (p PaymentLink) facts() facts {
	return facts{Metadata: metadataFacts(p.Metadata), Amount: cents(p.Amount)}
}

func (r Reversal) facts() facts {
	f := facts{Metadata: metadataFacts(r.Metadata)}
	if reference := strings.TrimSpace(r.TransactionReference); reference != "" {
		f.Reference = hashFact(reference)
	}
	return f
}

func (s SendMoney) facts() facts {
	f := facts{Metadata: metadataFacts(s.Metadata)}
	list := make([]destinationFact, len(s.Destinations))
	for i, d := range s.Destinations {
		list[i] = destinationFact{cents(d.Amount), d.identity()}
	}
	f.ofDestinations(list)
	return f
}

// withKey puts an idempotency key into the metadata of each kind of request.

func (rmr ReceiveMpesaReq) withKey(key string) (_ wireRequest, err error) {
	rmr.Metadata, err = paired(rmr.Metadata, key)
	return rmr, err
}

func (cpr CreatePaymentReq) withKey(key string) (_ wireRequest, err error) {
	cpr.Metadata, err = paired(cpr.Metadata, key)
	return cpr, err
}

func (r PaymentLinkReq) withKey(key string) (_ wireRequest, err error) {
	r.Metadata, err = paired(r.Metadata, key)
	return r, err
}

func (r ReversalReq) withKey(key string) (_ wireRequest, err error) {
	r.Metadata, err = paired(r.Metadata, key)
	return r, err
}

func (r SendMoneyReq) withKey(key string) (_ wireRequest, err error) {
	r.Metadata, err = paired(r.Metadata, key)
	return r, err
}

func (r SweepReq) withKey(key string) (_ wireRequest, err error) {
	r.Metadata, err = paired(r.Metadata, key)
	return r, err
}

// withKey of a settlement transfer changes nothing: K2 takes no metadata there.
func (r SettlementTransferReq) withKey(string) (wireRequest, error) { return r, nil }
