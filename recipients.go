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

// MerchantBankAccountReq registers a bank account of the merchant's own, to settle
// to (POST /api/v2/merchant_bank_accounts).
type MerchantBankAccountReq struct {
	AccountName         string `json:"account_name,omitempty"`      // The name of the account, as the bank has it.
	BankBranchReference string `json:"bank_branch_ref,omitempty"`   // The branch, from the dashboard: the API lists none.
	AccountNumber       string `json:"account_number,omitempty"`    // The number of the account.
	SettlementMethod    string `json:"settlement_method,omitempty"` // "EFT" or "RTS".
	Nickname            string `json:"nickname,omitempty"`          // The merchant's name for it, optional (version 2).
}

// MerchantBankAccount is a bank account of the merchant's own
// (GET /api/v2/merchant_bank_accounts/{id}).
type MerchantBankAccount struct {
	Status              string `json:"status"`            // "Approved".
	AccountReference    string `json:"account_reference"` // What ToMerchantBankAccount takes. K2 may not tell it: see the dashboard.
	BankBranchReference string `json:"bank_branch_ref"`   // The branch.
	AccountName         string `json:"account_name"`      // The name of the account.
	AccountNumber       string `json:"account_number"`    // The number of the account.
	SettlementMethod    string `json:"settlement_method"` // "EFT" or "RTS".
	Nickname            string `json:"nickname"`          // The merchant's name for it.
}

// Validate implements [Request].
func (r MerchantBankAccountReq) Validate() error {
	v := validation{what: "merchant bank account"}
	v.require("account_name", r.AccountName)
	v.reference("bank_branch_ref", r.BankBranchReference)
	v.require("account_number", r.AccountNumber)
	v.settlementMethod("settlement_method", r.SettlementMethod)
	return v.err()
}

func (r MerchantBankAccountReq) withCallback(string) wireRequest { return r }

func (r MerchantBankAccountReq) wire() any {
	type body MerchantBankAccountReq
	r.SettlementMethod = canonicalSettlementMethod(r.SettlementMethod)
	return body(r)
}

// MerchantWalletReq registers a mobile wallet of the merchant's own, to settle to
// (POST /api/v2/merchant_wallets).
type MerchantWalletReq struct {
	FirstName   string `json:"first_name,omitempty"`   // Of the wallet's owner.
	LastName    string `json:"last_name,omitempty"`    // Of the wallet's owner.
	PhoneNumber string `json:"phone_number,omitempty"` // In any form that ParsePhone reads.
	Network     string `json:"network,omitempty"`      // NetworkSafaricom.
	Nickname    string `json:"nickname,omitempty"`     // The merchant's name for it, optional (version 2).
}

// MerchantWallet is a mobile wallet of the merchant's own
// (GET /api/v2/merchant_wallets/{id}).
type MerchantWallet struct {
	Status           string `json:"status"`            // "Approved".
	AccountReference string `json:"account_reference"` // What ToMerchantWallet takes. K2 may not tell it: see the dashboard.
	FirstName        string `json:"first_name"`        // Of the wallet's owner.
	LastName         string `json:"last_name"`         // Of the wallet's owner.
	PhoneNumber      string `json:"phone_number"`      // The wallet.
	Network          string `json:"network"`           // "Safaricom".
	Nickname         string `json:"nickname"`          // The merchant's name for it.
}

// Validate implements [Request].
func (r MerchantWalletReq) Validate() error {
	v := validation{what: "merchant wallet"}
	v.require("first_name", r.FirstName)
	v.require("last_name", r.LastName)
	v.phone("phone_number", r.PhoneNumber)
	v.require("network", r.Network)
	return v.err()
}

func (r MerchantWalletReq) withCallback(string) wireRequest { return r }

// wire writes the phone with a plus, as K2 documents it for wallets.
func (r MerchantWalletReq) wire() any {
	type body MerchantWalletReq
	phone, _ := ParsePhone(r.PhoneNumber) // validated
	r.PhoneNumber = phone.E164()
	return body(r)
}
