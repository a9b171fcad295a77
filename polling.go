package kopokopo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxPollingResponse bounds the answer of a polling request, which lists all
// transactions of its period.
const maxPollingResponse = 32 << 20

// maxListed bounds how many transactions are read from one answer, however short each
// is. Real ones take 350 bytes, so that the bytes end first.
const maxListed = 1 << 18

// PollingReq asks for the transactions of a period (POST /api/v2/polling). The
// result lists them. [Client.Transactions] is the easy way to it.
//
// To ask twice does no harm, so creating a polling is repeated like a read where it
// fails on the way, and its errors carry no outcome.
type PollingReq struct {
	Scope          string    `json:"scope,omitempty"`           // ScopeCompany or ScopeTill.
	ScopeReference string    `json:"scope_reference,omitempty"` // The till's number, if the scope is one.
	From           time.Time `json:"from_time,omitzero"`        // Start of the period. K2 gets whole seconds.
	To             time.Time `json:"to_time,omitzero"`          // End of the period. K2 gets whole seconds, and does not document whether it includes them.
	Links          Links     `json:"_links,omitempty"`          // Callback is where the result is posted. Default Config.CallbackURL.
}

// Polling is what is known of a polling request: the document of
// GET /api/v2/polling/{id}, and of the callback. K2 keeps no metadata of it.
type Polling struct {
	Status         string              `json:"status"`          // "Pending", "Success", "Failed".
	FromTime       Time                `json:"from_time"`       // Start of the period.
	ToTime         Time                `json:"to_time"`         // End of the period.
	Transactions   []PolledTransaction `json:"transactions"`    // What was received in it, in no documented order.
	Scope          string              `json:"scope"`           // "Company" or "Till": K2 capitalises it.
	ScopeReference string              `json:"scope_reference"` // The till, if the scope is one.
	Errors         StringList          `json:"errors"`          // Why it failed.
	Links          Links               `json:"_links"`          // Where the callback goes.
}

// PolledTransaction is one transaction that K2 found.
type PolledTransaction struct {
	Type     string      `json:"type"`     // "Buygoods Transaction", "External Till to Till Transaction".
	Resource Transaction `json:"resource"` // The transaction.
}

// Outcome implements [Outcomer]. The list counts only with the status Success: with
// any other it may be incomplete.
func (p Polling) Outcome() Outcome { return reported(p.Status, p.Errors) }

// Reasons implements [Outcomer].
func (p Polling) Reasons() []string { return p.Errors }

// Validate implements [Request].
func (r PollingReq) Validate() error {
	v := validation{what: "polling"}
	v.scope(r.Scope, r.ScopeReference)
	v.check(!r.From.IsZero(), "from_time", "is required")
	v.check(!r.To.IsZero(), "to_time", "is required")
	v.check(r.To.IsZero() || !r.To.Before(r.From), "to_time", "must not be before from_time")
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

// scope requires a scope, and the till where it is one.
func (v *validation) scope(scope, reference string) {
	v.require("scope", scope)
	if strings.EqualFold(strings.TrimSpace(scope), ScopeTill) {
		v.reference("scope_reference", reference)
	}
}

func (r PollingReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

func (r PollingReq) wire() any {
	return struct {
		Scope          string       `json:"scope"`
		ScopeReference string       `json:"scope_reference"` // "" for a company, as K2's samples have it
		From           string       `json:"from_time"`
		To             string       `json:"to_time"`
		Links          wireCallback `json:"_links"`
	}{strings.ToLower(strings.TrimSpace(r.Scope)), r.ScopeReference, r.From.In(eastAfrica).Format(k2Time), r.To.In(eastAfrica).Format(k2Time), r.Links.wire()}
}

// listing is a Polling as [Client.Transactions] reads it. Such leniency as is right
// for a name would be a gap in the books here.
type listing struct {
	Status       string     `json:"status"`
	Errors       StringList `json:"errors"`
	Transactions listed     `json:"transactions"`
}

// Outcome implements [Outcomer].
func (l listing) Outcome() Outcome { return reported(l.Status, l.Errors) }

// Reasons implements [Outcomer].
func (l listing) Reasons() []string { return l.Errors }

// listed is a list of transactions, or the fault for which it is none. The fault is
// kept and not returned from UnmarshalJSON, because Wait would take it for a look
// that failed, and look again.
type listed struct {
	all   []Transaction
	fault error
}

// UnmarshalJSON takes null, and a list whose every element is a transaction. It reads
// element by element and stops at the first that is none, or too many: what a list
// costs in memory is its own length and 300 bytes for each of maxListed elements.
func (l *listed) UnmarshalJSON(data []byte) error {
	*l = listed{}
	if string(data) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if opening, err := dec.Token(); err != nil || opening != json.Delim('[') {
		l.fault = responseError("transactions is not a list")
		return nil
	}
	for i := 0; dec.More(); i++ {
		if i == maxListed {
			l.fault = fmt.Errorf("%w: more than %d transactions", ErrResponseTooLarge, maxListed)
			return nil
		}
		var element listedTransaction
		start := dec.InputOffset()
		err := dec.Decode(&element)
		var typeErr *json.UnmarshalTypeError
		if errors.As(err, &typeErr) {
			err = decodeLenient(bytes.TrimLeft(data[start:dec.InputOffset()], ", \t\r\n"), &element)
		}
		if err == nil {
			err = element.fault()
		}
		if err != nil {
			l.fault = responseError("transactions[%d]: %w", i, err)
			return nil
		}
		l.all = append(l.all, element.transaction())
	}
	return nil
}

// listedTransaction is a [PolledTransaction] whose time is read to the letter.
type listedTransaction struct {
	Type     string `json:"type"`
	Resource struct {
		Transaction
		OriginationTime statedTime `json:"origination_time"` // in place of the one in Transaction
	} `json:"resource"`
}

// fault says why an element is no transaction, or nil.
func (e *listedTransaction) fault() error {
	switch {
	case strings.TrimSpace(e.Resource.ID) == "" && strings.TrimSpace(e.Resource.Reference) == "":
		return errNoTransaction
	case e.Resource.OriginationTime.unreadable:
		return errUnreadableTime
	}
	return nil
}

var (
	errNoTransaction  = errors.New("not a transaction")
	errUnreadableTime = errors.New("origination_time cannot be read")
)

// transaction returns the transaction with everything K2 says of it.
func (e *listedTransaction) transaction() Transaction {
	t := e.Resource.Transaction
	t.Type, t.OriginationTime = e.Type, e.Resource.OriginationTime.Time
	return t
}

// statedTime is a Time that tells a time in no known form from none.
type statedTime struct {
	Time
	unreadable bool
}

// UnmarshalJSON takes text, number and null.
func (t *statedTime) UnmarshalJSON(data []byte) error {
	text, err := scalarText(data)
	if err != nil {
		return err
	}
	*t = statedTime{}
	if strings.TrimSpace(text) != "" {
		t.Time.Time, err = parseTime(text)
		t.unreadable = err != nil
	}
	return nil
}
