package kopokopo

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"

	"github.com/kopokopo-go/kopokopo/internal/allot"
)

// This file reads who a payment is for, however K2 spells it, and notices where that or
// what became of it has a form that K2 cannot mean.

// payee returns who a destination is for, in the form that it is compared in.
func (d *SentDestination) payee() allot.Payee {
	p := allot.Payee{allot.Kind: payeeKind(d.Type)}
	for member, text := range [...]string{allot.Phone: d.PhoneNumber, allot.Account: d.AccountNumber, allot.Branch: d.BankBranchReference,
		allot.Till: d.TillNumber, allot.Paybill: d.PayBillNumber, allot.Bill: d.PayBillAccountNumber, allot.Reference: d.Reference} {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if p[member] = legible(member, text); p[member] == "" {
			p[allot.Veiled] += strings.TrimSpace(text) + "\n"
		}
	}
	return p
}

// legible returns a text in the form that it is compared in, "" if part of it is masked.
func legible(member int, text string) string {
	if member == allot.Phone {
		if phone, err := ParsePhone(text); err == nil {
			return phone.Digits()
		}
		text = strings.TrimPrefix(strings.TrimSpace(text), "+")
	}
	text = strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, text))
	if strings.ContainsAny(text, "*•…") || strings.Contains(text, "xxx") {
		return ""
	}
	if number, ok := strings.CutPrefix(text, "k"); ok && member == allot.Till && isDigits(number) {
		return number // K2 writes tills with and without it
	}
	return text
}

// destinationType reads a type as version 2 spells it and as version 1 shows it,
// "mobile_wallet" and "Mobile Wallet". It returns "" for one that is not known.
func destinationType(kind string) string {
	return canonicalDestination(strings.ReplaceAll(strings.TrimSpace(kind), " ", "_"))
}

// payeeKind returns the kind of payee that a type stands for, "" for one that is not
// known. The merchant's own accounts are shown by the names of the others at times.
func payeeKind(kind string) string {
	switch kind = destinationType(kind); kind {
	case DestinationMerchantWallet:
		return MobileWallet
	case DestinationMerchantBankAccount:
		return BankAccount
	}
	return kind
}

// requested returns a destination of a request as K2 repeats it.
func (d SendMoneyDestination) requested() SentDestination {
	value, _ := parseAmount(d.Amount.Value) // validated
	return SentDestination{Type: canonicalDestination(d.Type), Amount: Decimal{value}, Description: d.Description,
		Nickname: d.Nickname, Favourite: d.Favourite, PhoneNumber: d.PhoneNumber, Network: d.Network,
		AccountName: d.AccountName, AccountNumber: d.AccountNumber, BankBranchReference: d.BankBranchReference,
		TillNumber: d.TillNumber, PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber, Reference: d.Reference}
}

// again returns a destination that K2 has repeated as a request takes it.
func (d SentDestination) again(currency string) SendMoneyDestination {
	amount := d.Amount.String()
	if _, whole, fraction, err := d.Amount.parts(); err == nil { // K2 writes 100.0, and may write more zeros than a request may have
		amount = orDefault(whole, "0")
		if fraction != "" {
			amount += "." + fraction
		}
	}
	return SendMoneyDestination{Type: orDefault(destinationType(d.Type), d.Type), Amount: Amount{Value: amount, Currency: orDefault(strings.TrimSpace(currency), "KES")},
		Description: d.Description, Nickname: d.Nickname, Favourite: d.Favourite, PhoneNumber: d.PhoneNumber, Network: d.Network,
		AccountName: d.AccountName, AccountNumber: d.AccountNumber, BankBranchReference: d.BankBranchReference,
		TillNumber: d.TillNumber, PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber, Reference: d.Reference}
}

// UnmarshalJSON takes every form on record. What has none of them is left out, stays
// readable in [Document.Raw], and makes the outcome pending.
func (s *SendMoney) UnmarshalJSON(data []byte) (err error) {
	type plain SendMoney
	var shape struct {
		Destinations []object[destinationShape] `json:"destinations"`
		batchesShape
	}
	s.odd, err = decodePayout(data, (*plain)(s), &shape)
	tellBatches(s.TransferBatches)
	return err
}

// UnmarshalJSON is that of [SendMoney].
func (p *Payment) UnmarshalJSON(data []byte) (err error) {
	type plain Payment
	p.odd, err = decodePayout(data, (*plain)(p), &oneShape{})
	tellBatches(p.TransferBatches)
	return err
}

// UnmarshalJSON is that of [SendMoney].
func (t *SettlementTransfer) UnmarshalJSON(data []byte) (err error) {
	type plain SettlementTransfer
	t.odd, err = decodePayout(data, (*plain)(t), &oneShape{})
	tellBatches(t.TransferBatches)
	return err
}

// decodePayout decodes a payout's attributes, and reports whether something in them had
// another form than shape.
func decodePayout(data []byte, attributes, shape any) (odd bool, err error) {
	if err := decodeLenient(data, attributes); err != nil {
		return false, err
	}
	return json.Unmarshal(data, shape) != nil, nil
}

// tellBatches tells each disbursement the status of its batch.
func tellBatches(batches []TransferBatch) {
	for _, b := range batches {
		for i := range b.Disbursements {
			b.Disbursements[i].batch = b.Status
		}
	}
}

// The shapes say where lists, objects and single values stand in what an outcome is
// read from. Decoding itself takes nearly everything, so that no event is lost, and
// would leave out a disbursement whose list is an object.
type (
	oneShape struct {
		Amount *object[struct {
			Value scalar `json:"value"`
		}] `json:"amount"`
		batchesShape
	}
	batchesShape struct {
		TransferBatches []object[batchShape] `json:"transfer_batches"`
	}
	batchShape struct {
		Status        scalar                      `json:"status"`
		Amount        scalar                      `json:"amount"`
		Disbursements []object[disbursementShape] `json:"disbursements"`
	}
	disbursementShape struct {
		Status               scalar `json:"status"`
		DestinationType      scalar `json:"destination_type"`
		DestinationReference scalar `json:"destination_reference"`
		TransactionReference scalar `json:"transaction_reference"`
		payeeShape
	}
	destinationShape struct {
		Type      scalar `json:"type"`
		Reference scalar `json:"reference"`
		payeeShape
	}
	payeeShape struct {
		Amount               scalar `json:"amount"`
		PhoneNumber          scalar `json:"phone_number"`
		AccountNumber        scalar `json:"account_number"`
		BankBranchReference  scalar `json:"bank_branch_ref"`
		TillNumber           scalar `json:"till_number"`
		PayBillNumber        scalar `json:"paybill_number"`
		PayBillAccountNumber scalar `json:"paybill_account_number"`
	}
)

var errShape = errors.New("a value has an impossible form")

// object is an element of a list of objects of shape T.
type object[T any] struct{}

// UnmarshalJSON refuses what is no object of that shape, null included.
func (object[T]) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return errShape
	}
	return json.Unmarshal(data, new(T))
}

// scalar is a text, a number, a truth value or null.
type scalar struct{}

// UnmarshalJSON refuses lists and objects.
func (scalar) UnmarshalJSON(data []byte) error {
	if data[0] == '{' || data[0] == '[' {
		return errShape
	}
	return nil
}
