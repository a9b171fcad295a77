package kopokopo

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// maxMetadata is how many metadata pairs K2 takes (K2 docs).
const maxMetadata = 5

// maxURL is longer than any URL a merchant would register on purpose.
const maxURL = 2000

// validation collects the faults of one value under their API names, so that a
// caller sees all of them at once.
type validation struct {
	what   string
	faults []FieldError
}

// add records a fault. cause is the sentinel it stands for, or nil.
func (v *validation) add(field, message string, cause error) {
	v.faults = append(v.faults, FieldError{Field: field, Message: message, Err: cause})
}

// check records a fault unless ok.
func (v *validation) check(ok bool, field, message string) {
	if !ok {
		v.add(field, message, nil)
	}
}

// err returns the faults as a [*ValidationError], or nil if there are none.
func (v *validation) err() error {
	if len(v.faults) == 0 {
		return nil
	}
	return &ValidationError{What: v.what, Fields: v.faults}
}

// require records a fault if a text is blank, as Rails' presence rule has it.
func (v *validation) require(field, value string) {
	if strings.TrimSpace(value) == "" {
		v.add(field, "is required", nil)
	}
}

// reference requires an id or reference.
func (v *validation) reference(field, value string) {
	if strings.TrimSpace(value) == "" {
		v.add(field, "is required", ErrEmptyID)
	}
}

// callback requires a URL that K2 can post to: HTTPS, or HTTP to a loopback
// address, which only an embedded Kopo Kopo will call.
func (v *validation) callback(field, raw string) {
	if strings.TrimSpace(raw) == "" {
		v.add(field, "is required", nil)
		return
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || hasControl(raw) || strings.ContainsAny(raw, " \\"):
		v.add(field, "must be an absolute URL", nil)
	case len(raw) > maxURL:
		v.add(field, "must be at most 2000 characters", nil)
	case u.User != nil:
		v.add(field, "must not contain a user or password", nil)
	case !secureURL(u):
		v.add(field, "must be https (http only to a loopback address)", nil)
	}
}

// metadata allows what K2 allows: five pairs of any JSON value.
func (v *validation) metadata(m map[string]any) {
	if len(m) > maxMetadata {
		v.add("metadata", ErrMaxMetadataSize.Error(), ErrMaxMetadataSize)
	}
	for _, value := range m {
		switch value.(type) {
		case nil, string, bool, int, int64:
			continue // what metadata mostly holds
		}
		if _, err := wire.Encode(value); err != nil {
			v.add("metadata", "must hold JSON values only", nil)
			return
		}
	}
}

// phone requires a number that can be Kenyan.
func (v *validation) phone(field, value string) {
	if strings.TrimSpace(value) == "" {
		v.add(field, "is required", nil)
		return
	}
	if _, err := ParsePhone(value); err != nil {
		v.add(field, "must be a Kenyan phone number such as +254712345678", nil)
	}
}

// amount requires a positive amount of shillings and at most whole cents.
func (v *validation) amount(field, value string) {
	if strings.TrimSpace(value) == "" {
		v.add(field, "is required", nil)
		return
	}
	if _, err := parseAmount(value); err != nil {
		v.add(field, err.Error(), nil)
	}
}

// settlementMethod requires EFT or RTS.
func (v *validation) settlementMethod(field, value string) {
	if canonicalSettlementMethod(value) == "" {
		v.add(field, "must be EFT or RTS", ErrInvalidSettlementMethod)
	}
}

// canonicalSettlementMethod returns K2's spelling, or "".
func canonicalSettlementMethod(value string) string {
	return oneOf(value, "EFT", "RTS")
}

// oneOf returns the spelling in the list that equals value but for case and
// outer white space, or "".
func oneOf(value string, list ...string) string {
	value = strings.TrimSpace(value)
	for _, known := range list {
		if strings.EqualFold(value, known) {
			return known
		}
	}
	return ""
}

// hasControl reports whether s holds an ASCII control character.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// secureURL reports whether what is sent to u is protected on its way.
func secureURL(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// isLoopback reports whether host can only be this machine. A name is not looked
// up: only "localhost" counts.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// canonicalChannel returns the spelling on record of a payment channel, or "".
func canonicalChannel(channel string) string {
	return oneOf(channel, ChannelSTKPush, ChannelMpesa, ChannelMPESA)
}

// canonicalRecipientType returns K2's spelling of a kind of recipient, or "".
func canonicalRecipientType(kind string) string {
	return oneOf(kind, MobileWallet, BankAccount, Till, Paybill)
}

// Validate returns nil if the struct is valid
func (cwr CreateWebhookReq) Validate() error {
	v := validation{what: "webhook subscription"}
	v.require("event_type", cwr.EventType)
	v.callback("url", cwr.URL)
	v.require("scope", cwr.Scope)
	// Which events go with which scope is left to K2: it takes more than it documents.
	if strings.EqualFold(strings.TrimSpace(cwr.Scope), "till") {
		v.reference("scope_reference", cwr.ScopeRef)
	}
	return v.err()
}

// Validate returns nil if the struct is valid
func (rmr ReceiveMpesaReq) Validate() error {
	v := validation{what: "incoming payment"}
	if canonicalChannel(rmr.PaymentChannel) == "" {
		v.add("payment_channel", `must be "M-PESA STK Push" or "M-PESA"`, ErrInvalidPaymentChannel)
	}
	v.require("till_number", rmr.TillNumber)
	v.phone("subscriber.phone_number", rmr.Subscriber.PhoneNumber)
	v.money("amount", rmr.Amount)
	v.metadata(rmr.Metadata)
	v.callback("_links.callback_url", rmr.Links.Callback)
	return v.err()
}

// money requires an amount with its currency.
func (v *validation) money(field string, a Amount) {
	v.require(field+".currency", a.Currency)
	v.amount(field+".value", a.Value)
}

// Validate returns nil if the struct is valid
func (apr AddPAYRecipient) Validate() error {
	v := validation{what: "pay recipient"}
	v.recipient("pay_recipient", apr.Type, apr.PaymentRecipient)
	return v.err()
}

// recipient requires what K2 requires of each kind of recipient.
func (v *validation) recipient(field, kind string, r PaymentRecipient) {
	field += "."
	switch canonicalRecipientType(kind) {
	case MobileWallet:
		v.require(field+"first_name", r.FirstName)
		v.require(field+"last_name", r.LastName)
		v.phone(field+"phone_number", r.PhoneNumber)
		v.require(field+"network", r.Network)
	case BankAccount:
		v.require(field+"account_name", r.AccountName)
		v.reference(field+"bank_branch_ref", r.BankBranchReference)
		v.require(field+"account_number", r.AccountNumber)
		v.settlementMethod(field+"settlement_method", r.SettlementMethod)
	case Till:
		v.require(field+"till_name", r.TillName)
		v.require(field+"till_number", r.TillNumber)
	case Paybill:
		v.require(field+"paybill_name", r.PayBillName)
		v.require(field+"paybill_number", r.PayBillNumber)
		v.require(field+"paybill_account_number", r.PayBillAccountNumber)
	default:
		v.add("type", "must be mobile_wallet, bank_account, till or paybill", nil)
	}
}

// Validate returns nil if the struct is valid
func (cpr CreatePaymentReq) Validate() error {
	v := validation{what: "payment"}
	if canonicalRecipientType(cpr.DestinationType) == "" {
		v.add("destination_type", "must be mobile_wallet, bank_account, till or paybill", nil)
	}
	v.reference("destination_reference", cpr.DestinationReference)
	v.money("amount", cpr.Amount)
	v.require("description", cpr.Description)
	v.metadata(cpr.Metadata)
	v.callback("_links.callback_url", cpr.Links.Callback)
	return v.err()
}

// Validate returns nil if the struct is valid
func (bgt BuyGoodsTrans) Validate() error {
	v := validation{what: "event"}
	v.require("topic", bgt.Topic)
	v.reference("id", bgt.ID)
	v.reference("event.resource.id", bgt.Event.Resource.ID)
	return v.err()
}
