// Package facts compares a request with what Kopo Kopo's documents say of it later:
// whether a result that carries an idempotency key is the result of the request that
// the key stands for. What is kept of a request can be stored for years, so it holds
// no text of the request: names, numbers and metadata are hashed.
package facts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Facts is what a request and a document about it both say. What one of them does not
// say is empty there, and says nothing. Its JSON is below 2 KiB for any request.
type Facts struct {
	Scope        string            `json:"scope,omitempty"`        // Environment and application; documents do not say it.
	Metadata     map[string]string `json:"metadata,omitempty"`     // The value of each pair by its name, both hashed.
	Amount       string            `json:"amount,omitempty"`       // In all, as a decimal without needless zeros.
	Receipt      string            `json:"receipt,omitempty"`      // Of the payment that is given back, hashed.
	Recipient    string            `json:"recipient,omitempty"`    // Of a payment of version 1, hashed.
	Amounts      string            `json:"amounts,omitempty"`      // Of the destinations, hashed together.
	Destinations string            `json:"destinations,omitempty"` // Who they are, hashed together.
}

// unreadable stands for an amount that is no decimal number, which no request has.
const unreadable = "?"

// Of reads the body of a request, or the attributes of a document, decoded with
// json.Number for numbers. It takes time and space in proportion to the document.
func Of(document map[string]any) Facts {
	f := Facts{
		Metadata:  pairs(document["metadata"]),
		Amount:    amount(document["amount"]),
		Receipt:   hashed(text(document["transaction_reference"])),
		Recipient: hashed(strings.ToLower(text(document["destination_reference"]))),
	}
	if transaction := object(object(document["event"])["resource"]); f.Amount == "" {
		f.Amount = amount(transaction["amount"]) // of an STK push: what the customer has paid
	}
	if f.Recipient == "" {
		f.Recipient = paid(document["transfer_batches"])
	}
	f.Amounts, f.Destinations = destinations(document["destinations"])
	return f
}

// Encode returns the facts as an intent store keeps them.
func (f Facts) Encode() string {
	text, _ := json.Marshal(f) // texts only
	return string(text)
}

// Decode reads what Encode wrote.
func Decode(stored string) (f Facts, err error) {
	err = json.Unmarshal([]byte(stored), &f)
	return f, err
}

// ContradictedBy returns what a document says otherwise than the request did, or "".
func (f Facts) ContradictedBy(document Facts) string {
	if f.pairsDifferFrom(document) {
		return "metadata"
	}
	for _, fact := range []struct{ name, asked, shown string }{
		{"amount", f.Amount, document.Amount},
		{"reference", f.Receipt, document.Receipt},
		{"recipient", f.Recipient, document.Recipient},
		{"amounts of the destinations", f.Amounts, document.Amounts},
		{"destinations", f.Destinations, document.Destinations},
	} {
		if fact.asked != "" && fact.shown != "" && fact.asked != fact.shown {
			return fact.name
		}
	}
	return ""
}

// pairsDifferFrom reports whether a pair of the request is missing in the document or
// has another value there. It is by their metadata that documents are found.
func (f Facts) pairsDifferFrom(document Facts) bool {
	for name, value := range f.Metadata {
		if document.Metadata[name] != value {
			return true
		}
	}
	return false
}

// Hash hides texts and keeps them comparable.
func Hash(parts ...string) string {
	unambiguous, _ := json.Marshal(parts) // texts only
	sum := sha256.Sum256(unambiguous)
	return hex.EncodeToString(sum[:16])
}

// hashed is Hash of a text that may be missing.
func hashed(text string) string {
	if text == "" {
		return ""
	}
	return Hash(text)
}

// pairs hashes metadata. A pair whose value is null says nothing.
func pairs(metadata any) map[string]string {
	found := map[string]string{}
	for name, value := range object(metadata) {
		if value != nil {
			found[Hash(name)] = Hash(canonical(value))
		}
	}
	return found
}

// canonical is a JSON value as text, the same for a number and its text.
func canonical(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		if plain, ok := decimal(v.String()); ok {
			return plain
		}
		return v.String()
	}
	nested, _ := json.Marshal(value) // members in the order of their names
	return string(nested)
}

// destinations hashes the amounts of a payout's destinations, and who they are. Their
// order says nothing. Where one of them says nothing, all of them do.
func destinations(value any) (amounts, identities string) {
	elements, _ := value.([]any)
	var sums, names []string
	for _, element := range elements {
		destination := object(element)
		sums = append(sums, amount(destination["amount"]))
		names = append(names, identity(destination))
	}
	return hashedSet(sums), hashedSet(names)
}

// paid hashes whom a payment was paid to.
func paid(batches any) string {
	var names []string
	list, _ := batches.([]any)
	for _, batch := range list {
		disbursements, _ := object(batch)["disbursements"].([]any)
		for _, disbursement := range disbursements {
			if name := strings.ToLower(text(object(disbursement)["destination_reference"])); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return hashedSet(names)
}

// hashedSet hashes texts whose order says nothing; "" if one of them is missing.
func hashedSet(texts []string) string {
	if len(texts) == 0 || slices.Contains(texts, "") {
		return ""
	}
	slices.Sort(texts)
	return Hash(texts...)
}

// subscriber is how many digits at the end of a Kenyan phone number tell it from
// others, however it is written.
const subscriber = 9

// identity returns what tells one destination from another, or "".
func identity(destination map[string]any) string {
	phone := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text(destination["phone_number"]))
	if len(phone) >= subscriber {
		return phone[len(phone)-subscriber:]
	}
	if bill := text(destination["paybill_number"]); bill != "" {
		return Hash(bill, text(destination["paybill_account_number"]))
	}
	for _, name := range []string{"account_number", "till_number", "reference"} {
		if own := text(destination[name]); own != "" {
			return own
		}
	}
	return ""
}

// amount returns an amount, which is a number, a text, or an object with a value.
func amount(value any) string {
	if money := object(value); money != nil {
		value = money["value"]
	}
	said := text(value)
	if said == "" {
		return ""
	}
	if plain, ok := decimal(said); ok {
		return plain
	}
	return unreadable
}

// decimal writes a plain decimal without the zeros that say nothing: 05.00 is 5.
func decimal(text string) (plain string, ok bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || !isDigits(whole) || !isDigits(fraction) || point && fraction == "" {
		return "", false
	}
	plain = strings.TrimLeft(whole, "0")
	if plain == "" {
		plain = "0"
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		plain += "." + fraction
	}
	if negative && plain != "0" {
		plain = "-" + plain
	}
	return plain, true
}

func isDigits(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// object returns a value if it is an object, and nil otherwise.
func object(value any) map[string]any {
	members, _ := value.(map[string]any)
	return members
}

// text returns a scalar as text without outer white space, and "" otherwise.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	}
	return ""
}
