package kopokopo

import "strings"

// PayRecipient is a registered recipient of version 1 (GET /api/v1/pay_recipients/{id}).
type PayRecipient struct {
	RecipientType      string `json:"recipient_type"`      // "Mobile Wallet", "Bank Account", "Till", "Paybill".
	Status             string `json:"status"`              // "Approved".
	RecipientReference string `json:"recipient_reference"` // What CreatePaymentReq.DestinationReference takes. K2 may not tell it: see the dashboard.
	PaymentRecipient
}

func (apr AddPAYRecipient) withCallback(string) wireRequest { return apr }

func (apr AddPAYRecipient) wire() any {
	return struct {
		Type         string           `json:"type"`
		PayRecipient PaymentRecipient `json:"pay_recipient"` // documented as payment_recipient
	}{canonicalRecipientType(apr.Type), apr.PaymentRecipient.canonical(apr.Type)}
}

// canonical returns the fields that this kind of recipient has, as K2 spells them.
func (r PaymentRecipient) canonical(kind string) PaymentRecipient {
	own := PaymentRecipient{Nickname: r.Nickname}
	switch canonicalRecipientType(kind) {
	case MobileWallet:
		phone, _ := ParsePhone(r.PhoneNumber) // validated
		own.FirstName, own.MiddleName, own.LastName = r.FirstName, r.MiddleName, r.LastName
		own.PhoneNumber, own.Email, own.Network = phone.E164(), r.Email, r.Network
	case BankAccount:
		own.AccountName, own.AccountNumber = r.AccountName, strings.TrimSpace(r.AccountNumber)
		own.BankBranchReference, own.SettlementMethod = strings.TrimSpace(r.BankBranchReference), canonicalSettlementMethod(r.SettlementMethod)
	case Till:
		own.TillName, own.TillNumber = r.TillName, strings.TrimSpace(r.TillNumber)
	case Paybill:
		own.PayBillName, own.PayBillNumber, own.PayBillAccountNumber = r.PayBillName, strings.TrimSpace(r.PayBillNumber), strings.TrimSpace(r.PayBillAccountNumber)
	}
	return own
}

// ExternalRecipientReq registers somebody to pay (POST /api/v2/external_recipients).
type ExternalRecipientReq struct {
	Type      string           `json:"type,omitempty"`      // MobileWallet, BankAccount, Till or Paybill.
	Recipient PaymentRecipient `json:"recipient,omitempty"` // The fields of that type. Email, Nickname and SettlementMethod are optional.
}

// ExternalRecipient is a registered recipient of version 2
// (GET /api/v2/external_recipients/{id}).
type ExternalRecipient struct {
	RecipientType      string `json:"recipient_type"`      // "Mobile Wallet", "Bank Account", "Till", "Paybill".
	AccountAlias       string `json:"account_alias"`       // K2's name for the nickname, as far as is known.
	Status             string `json:"status"`              // "Approved".
	RecipientReference string `json:"recipient_reference"` // "Unavailable" wherever it was seen. SendMoney needs none.
	PaymentRecipient
}

// Validate implements [Request].
func (r ExternalRecipientReq) Validate() error {
	v := validation{what: "external recipient"}
	recipient := r.Recipient
	if recipient.SettlementMethod == "" {
		// Two of K2's SDKs do not send it in version 2: a missing one is fine, a wrong one is not.
		recipient.SettlementMethod = "EFT"
	}
	v.recipient("external_recipient", r.Type, recipient)
	return v.err()
}

func (r ExternalRecipientReq) withCallback(string) wireRequest { return r }

func (r ExternalRecipientReq) wire() any {
	return struct {
		Type      string           `json:"type"`
		Recipient PaymentRecipient `json:"external_recipient"`
	}{canonicalRecipientType(r.Type), r.Recipient.canonical(r.Type)}
}
