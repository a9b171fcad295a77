package kopokopo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// The destinations of send money that are the merchant's own accounts. The others
// are [MobileWallet], [BankAccount], [Till] and [Paybill].
const (
	DestinationMerchantWallet      = "merchant_wallet"
	DestinationMerchantBankAccount = "merchant_bank_account"
)

// NetworkSafaricom is the one mobile network that K2 documents.
const NetworkSafaricom = "Safaricom"

// SendMoneyReq pays out of the merchant's balance, to one or many destinations at
// once (POST /api/v2/send_money). It never empties the balance: for that there is
// [SendMoneyEndpoint.Sweep].
type SendMoneyReq struct {
	Destinations     []SendMoneyDestination `json:"destinations,omitempty"`      // At least one.
	SourceIdentifier string                 `json:"source_identifier,omitempty"` // The till whose balance is used; optional. K2 does not document what it uses without.
	Currency         string                 `json:"currency,omitempty"`          // "KES". Default: that of the destinations' amounts.
	Metadata         map[string]any         `json:"metadata,omitempty"`          // Your own data, at most 5 pairs. It comes back in the result.
	Links            Links                  `json:"_links,omitempty"`            // Callback is where the result is posted. Default Config.CallbackURL.
}

// SendMoneyDestination is one payment of a [SendMoneyReq]. Make it with
// [ToMobileWallet], [ToBankAccount], [ToTill], [ToPaybill], [ToMerchantWallet] or
// [ToMerchantBankAccount], or fill in the fields that its Type has.
type SendMoneyDestination struct {
	Type        string `json:"type,omitempty"`        // MobileWallet, BankAccount, Till, Paybill, DestinationMerchantWallet or DestinationMerchantBankAccount.
	Amount      Amount `json:"amount,omitempty"`      // What to pay. All destinations have the same currency. To mobile wallets KES 10 to 250,000.
	Description string `json:"description,omitempty"` // What for. Optional to the merchant's own accounts.
	Nickname    string `json:"nickname,omitempty"`    // The merchant's name for the destination. Optional; not for own accounts.
	Favourite   bool   `json:"favourite,omitempty"`   // Whether the dashboard lists it as a favourite. Not for own accounts.

	PhoneNumber string `json:"phone_number,omitempty"` // Mobile wallet, in any form that ParsePhone reads.
	Network     string `json:"network,omitempty"`      // Mobile wallet. Default NetworkSafaricom.

	AccountName         string `json:"account_name,omitempty"`    // Bank account: its name.
	AccountNumber       string `json:"account_number,omitempty"`  // Bank account: its number.
	BankBranchReference string `json:"bank_branch_ref,omitempty"` // Bank account: K2's reference of the branch.

	TillNumber string `json:"till_number,omitempty"` // Till.

	PayBillNumber        string `json:"paybill_number,omitempty"`         // Paybill: the business number.
	PayBillAccountNumber string `json:"paybill_account_number,omitempty"` // Paybill: the account with that business.

	Reference string `json:"reference,omitempty"` // Own account: its account_reference, from the dashboard.
}

// ToMobileWallet pays to a mobile wallet: KES 10 to 250,000.
func ToMobileWallet(phone string, amount Amount, description string) SendMoneyDestination {
	return SendMoneyDestination{Type: MobileWallet, PhoneNumber: phone, Network: NetworkSafaricom, Amount: amount, Description: description}
}

// ToBankAccount pays to a bank account. branch is K2's reference of the bank's
// branch, bank_branch_ref, from the dashboard.
func ToBankAccount(name, number, branch string, amount Amount, description string) SendMoneyDestination {
	return SendMoneyDestination{Type: BankAccount, AccountName: name, AccountNumber: number, BankBranchReference: branch, Amount: amount, Description: description}
}

// ToTill pays to somebody's till.
func ToTill(number string, amount Amount, description string) SendMoneyDestination {
	return SendMoneyDestination{Type: Till, TillNumber: number, Amount: amount, Description: description}
}

// ToPaybill pays to an account with a paybill business: a bill.
func ToPaybill(number, account string, amount Amount, description string) SendMoneyDestination {
	return SendMoneyDestination{Type: Paybill, PayBillNumber: number, PayBillAccountNumber: account, Amount: amount, Description: description}
}

// ToMerchantWallet settles to the merchant's own mobile wallet with this account_reference.
func ToMerchantWallet(reference string, amount Amount) SendMoneyDestination {
	return SendMoneyDestination{Type: DestinationMerchantWallet, Reference: reference, Amount: amount}
}

// ToMerchantBankAccount settles to the merchant's own bank account with this account_reference.
func ToMerchantBankAccount(reference string, amount Amount) SendMoneyDestination {
	return SendMoneyDestination{Type: DestinationMerchantBankAccount, Reference: reference, Amount: amount}
}

// SweepReq moves the whole balance to the merchant's own accounts. See
// [SendMoneyEndpoint.Sweep].
type SweepReq struct {
	SourceIdentifier string         `json:"source_identifier,omitempty"` // The till whose balance is moved; optional. K2 does not document what it uses without.
	Currency         string         `json:"currency,omitempty"`          // "KES".
	Metadata         map[string]any `json:"metadata,omitempty"`          // Your own data, at most 5 pairs. It comes back in the result.
	Links            Links          `json:"_links,omitempty"`            // Callback is where the result is posted. Default Config.CallbackURL.
}

// SendMoneyEndpoint pays out of the merchant's balance. It is safe for concurrent use.
type SendMoneyEndpoint struct{ route }

// Create pays the destinations of a request (POST /api/v2/send_money). K2 accepts
// it, and the result comes later. A request without destinations is refused. Every
// error is one of [ErrNotSent], [ErrRefused] and [ErrOutcomeUnknown]; after the last
// one, do not pay again before you know.
func (e *SendMoneyEndpoint) Create(ctx context.Context, req SendMoneyReq, opts ...CallOption) (Ref, error) {
	return e.routed().create(ctx, req, opts)
}

// Sweep moves the whole balance to the merchant's own settlement accounts
// (POST /api/v2/send_money without destinations, which K2 documents as just that).
// Errors are those of Create; Get and Wait read the result.
func (e *SendMoneyEndpoint) Sweep(ctx context.Context, req SweepReq, opts ...CallOption) (Ref, error) {
	return e.sweeping().create(ctx, req, opts)
}

// Validate checks a request as Create does. See [Endpoint.Validate].
func (e *SendMoneyEndpoint) Validate(req SendMoneyReq) error { return e.routed().validate(req) }

// ValidateSweep checks a request as Sweep does. See [Endpoint.Validate].
func (e *SendMoneyEndpoint) ValidateSweep(req SweepReq) error { return e.sweeping().validate(req) }

// Get reads a request in its present state, which its attributes' Outcome tells
// (GET /api/v2/send_money/{id}).
func (e *SendMoneyEndpoint) Get(ctx context.Context, id string, opts ...CallOption) (*Document[SendMoney], error) {
	return getDocument[SendMoney](ctx, e.routed(), id, opts)
}

// Wait waits for the result. See [AsyncEndpoint.Wait].
func (e *SendMoneyEndpoint) Wait(ctx context.Context, id string, opts ...CallOption) (*Document[SendMoney], error) {
	return wait[SendMoney](ctx, e.routed(), id, opts)
}

// CreateAndWait pays and waits for the result. See [AsyncEndpoint.CreateAndWait].
func (e *SendMoneyEndpoint) CreateAndWait(ctx context.Context, req SendMoneyReq, opts ...CallOption) (*Document[SendMoney], error) {
	return createAndWait[SendMoney](ctx, e.routed(), req, opts)
}

// routed makes an endpoint that New did not make fail instead of panic.
func (e *SendMoneyEndpoint) routed() route {
	if e == nil {
		return route{}
	}
	return e.route
}

// sweeping is the endpoint under the name that errors of Sweep have.
func (e *SendMoneyEndpoint) sweeping() route {
	r := e.routed()
	r.name = "sweep"
	return r
}

// SendMoney is what is known of a send money request or a sweep: the document of
// GET /api/v2/send_money/{id}, and of the callback. K2 may post several callbacks
// for one request.
type SendMoney struct {
	Status           string            `json:"status"`            // "Scheduled", "Processed". It says that K2 is done, not that it paid. See Outcome.
	CreatedAt        Time              `json:"created_at"`        // When it was requested.
	SourceIdentifier string            `json:"source_identifier"` // The till whose balance is used.
	Destinations     []SentDestination `json:"destinations"`      // What was asked for; nil while Scheduled, and for a sweep.
	Currency         string            `json:"currency"`          // "KES".
	TransferBatches  []TransferBatch   `json:"transfer_batches"`  // What was paid.
	Errors           StringList        `json:"errors"`            // Why it failed, where K2 says.
	Metadata         map[string]any    `json:"metadata"`          // What the request carried; numbers are json.Number.
	Links            Links             `json:"_links"`            // Where the callback goes.

	requested []SentDestination // what was asked for, where K2 does not repeat it and the request is known
	odd       bool              // something in it has an impossible form
}

// SentDestination is one destination as K2 repeats it.
type SentDestination struct {
	Type                 string  `json:"type"`                   // As in the request.
	Amount               Decimal `json:"amount"`                 // Exactly as K2 sent it.
	Description          string  `json:"description"`            // As in the request.
	Nickname             string  `json:"nickname"`               // As in the request.
	Favourite            bool    `json:"favourite"`              // As in the request.
	PhoneNumber          string  `json:"phone_number"`           // Of a mobile wallet.
	Network              string  `json:"network"`                // Of a mobile wallet.
	AccountName          string  `json:"account_name"`           // Of a bank account.
	AccountNumber        string  `json:"account_number"`         // Of a bank account.
	BankBranchReference  string  `json:"bank_branch_ref"`        // Of a bank account.
	TillNumber           string  `json:"till_number"`            // Of a till.
	PayBillNumber        string  `json:"paybill_number"`         // Of a paybill.
	PayBillAccountNumber string  `json:"paybill_account_number"` // Of a paybill.
	Reference            string  `json:"reference"`              // Of an own account.
}

// Outcome implements [Outcomer]. It is what Results tells of all destinations: a
// success only if each of them got exactly what was asked for, and OutcomePartial once
// it is known of all, and not the same of all. What a sweep should come to is not
// known: it succeeded if all that is listed arrived.
func (s SendMoney) Outcome() Outcome { return s.payout().outcome() }

func (s SendMoney) payout() payout {
	asked := s.Destinations
	if len(asked) == 0 {
		asked = s.requested
	}
	return payout{s.Status, s.Errors, asked, s.TransferBatches, s.odd}
}

// Reasons implements [Outcomer].
func (s SendMoney) Reasons() []string { return transferReasons(s.TransferBatches, s.Errors) }

// The limits of one transfer to a mobile wallet, in shillings (seen in production).
const (
	leastToWallet = "10"
	mostToWallet  = "250000"
)

// Validate implements [Request].
func (r SendMoneyReq) Validate() error {
	v := validation{what: "send money"}
	if len(r.Destinations) == 0 {
		// K2 takes this for an order to move the whole balance.
		v.add("destinations", "must not be empty: to move the whole balance to your own accounts, call Sweep", nil)
	}
	currency := r.currency()
	v.require("currency", currency)
	for i, d := range r.Destinations {
		field := fmt.Sprintf("destinations[%d].", i)
		v.destination(field, d)
		if own := strings.TrimSpace(d.Amount.Currency); own != "" && !strings.EqualFold(own, currency) {
			v.add(field+"amount.currency", "must be the same for all destinations", nil)
		}
	}
	v.metadata(r.Metadata)
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

// currency returns the one currency of a request, which K2 takes on top.
func (r SendMoneyReq) currency() string {
	currency := strings.TrimSpace(r.Currency)
	for _, d := range r.Destinations {
		if currency == "" {
			currency = strings.TrimSpace(d.Amount.Currency)
		}
	}
	return currency
}

// destination requires what K2 requires of each kind of destination.
func (v *validation) destination(field string, d SendMoneyDestination) {
	kind := canonicalDestination(d.Type)
	switch kind {
	case MobileWallet:
		v.phone(field+"phone_number", d.PhoneNumber)
	case BankAccount:
		v.require(field+"account_name", d.AccountName)
		v.require(field+"account_number", d.AccountNumber)
		v.reference(field+"bank_branch_ref", d.BankBranchReference)
	case Till:
		v.require(field+"till_number", d.TillNumber)
	case Paybill:
		v.require(field+"paybill_number", d.PayBillNumber)
		v.require(field+"paybill_account_number", d.PayBillAccountNumber)
	case DestinationMerchantWallet, DestinationMerchantBankAccount:
		v.reference(field+"reference", d.Reference)
	default:
		v.add(field+"type", "must be mobile_wallet, bank_account, till, paybill, merchant_wallet or merchant_bank_account", nil)
	}
	v.amount(field+"amount.value", d.Amount.Value)
	if kind == MobileWallet && outside(d.Amount.Value, leastToWallet, mostToWallet) {
		v.add(field+"amount.value", "must be between KES 10 and KES 250,000 to a mobile wallet", nil)
	}
	if canonicalRecipientType(kind) != "" {
		v.require(field+"description", d.Description)
	}
}

// canonicalDestination returns K2's spelling of a kind of destination, or "".
func canonicalDestination(kind string) string {
	return oneOf(kind, MobileWallet, BankAccount, Till, Paybill, DestinationMerchantWallet, DestinationMerchantBankAccount)
}

// outside reports whether an amount is valid and not within the bounds.
func outside(value, least, most string) bool {
	value, _ = parseAmount(value) // "" for what is none, which is neither less nor more
	low, _ := Decimal{value}.Cmp(Decimal{least})
	high, _ := Decimal{value}.Cmp(Decimal{most})
	return low < 0 || high > 0
}

func (r SendMoneyReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

func (r SendMoneyReq) wire() any {
	destinations := make([]any, len(r.Destinations))
	for i, d := range r.Destinations {
		destinations[i] = d.wire()
	}
	return struct {
		Destinations     []any          `json:"destinations"`
		SourceIdentifier string         `json:"source_identifier,omitempty"`
		Currency         string         `json:"currency"`
		Metadata         map[string]any `json:"metadata,omitzero"`
		Links            wireCallback   `json:"_links"`
	}{destinations, strings.TrimSpace(r.SourceIdentifier), strings.ToUpper(r.currency()), r.Metadata, r.Links.wire()}
}

// wire writes only the fields of the destination's type. The amount is a number
// without its currency, and the phone has no plus: K2 refuses one here.
func (d SendMoneyDestination) wire() any {
	value, _ := parseAmount(d.Amount.Value) // validated
	kind := canonicalDestination(d.Type)
	if kind == DestinationMerchantWallet || kind == DestinationMerchantBankAccount {
		return struct {
			Type        string      `json:"type"`
			Reference   string      `json:"reference"`
			Amount      json.Number `json:"amount"`
			Description *string     `json:"description"` // null where there is none, as K2's docs have it
		}{kind, strings.TrimSpace(d.Reference), json.Number(value), textOrNull(d.Description)}
	}
	body := struct {
		Type                 string      `json:"type"`
		Nickname             string      `json:"nickname,omitempty"`
		PhoneNumber          string      `json:"phone_number,omitempty"`
		Network              string      `json:"network,omitempty"`
		AccountName          string      `json:"account_name,omitempty"`
		AccountNumber        string      `json:"account_number,omitempty"`
		BankBranchReference  string      `json:"bank_branch_ref,omitempty"`
		TillNumber           string      `json:"till_number,omitempty"`
		PayBillNumber        string      `json:"paybill_number,omitempty"`
		PayBillAccountNumber string      `json:"paybill_account_number,omitempty"`
		Amount               json.Number `json:"amount"`
		Description          string      `json:"description"`
		Favourite            bool        `json:"favourite"`
	}{Type: kind, Nickname: d.Nickname, Amount: json.Number(value), Description: d.Description, Favourite: d.Favourite}
	switch kind {
	case MobileWallet:
		phone, _ := ParsePhone(d.PhoneNumber) // validated
		body.PhoneNumber, body.Network = phone.Digits(), orDefault(strings.TrimSpace(d.Network), NetworkSafaricom)
	case BankAccount:
		body.AccountName, body.AccountNumber, body.BankBranchReference = d.AccountName, strings.TrimSpace(d.AccountNumber), strings.TrimSpace(d.BankBranchReference)
	case Till:
		body.TillNumber = strings.TrimSpace(d.TillNumber)
	case Paybill:
		body.PayBillNumber, body.PayBillAccountNumber = strings.TrimSpace(d.PayBillNumber), strings.TrimSpace(d.PayBillAccountNumber)
	}
	return body
}

// textOrNull makes JSON's null of an empty text.
func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Validate implements [Request].
func (r SweepReq) Validate() error {
	v := validation{what: "sweep"}
	v.require("currency", r.Currency)
	v.metadata(r.Metadata)
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

func (r SweepReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

func (r SweepReq) wire() any {
	return struct {
		SourceIdentifier string         `json:"source_identifier,omitempty"`
		Currency         string         `json:"currency"`
		Metadata         map[string]any `json:"metadata,omitzero"`
		Links            wireCallback   `json:"_links"`
	}{strings.TrimSpace(r.SourceIdentifier), strings.ToUpper(strings.TrimSpace(r.Currency)), r.Metadata, r.Links.wire()}
}
