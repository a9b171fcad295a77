package kopokopo

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// SettlementTransferReq moves money from the balance to one of the merchant's own
// accounts (POST /api/v1/settlement_transfers).
type SettlementTransferReq struct {
	Amount               Amount `json:"amount,omitempty"`                // How much.
	DestinationType      string `json:"destination_type,omitempty"`      // DestinationMerchantBankAccount or DestinationMerchantWallet.
	DestinationReference string `json:"destination_reference,omitempty"` // The account's account_reference, from the dashboard.

	// Blind moves the whole balance to the accounts that K2 has on record. It must be
	// said in so many words: Amount and destination are then empty.
	Blind bool `json:"blind,omitempty"`

	Links Links `json:"_links,omitempty"` // Callback is where the result is posted. Default Config.CallbackURL.
}

// SettlementTransfer is what is known of a transfer: the document of
// GET /api/v1/settlement_transfers/{id}, and of the callback. K2 keeps no metadata of it.
type SettlementTransfer struct {
	Status          string          `json:"status"`           // "Processed", "Transferred". It says that K2 is done, not that it paid. See Outcome.
	CreatedAt       Time            `json:"created_at"`       // When it was requested.
	Amount          Money           `json:"amount"`           // What was to be moved; without a value if it was blind.
	TransferBatches []TransferBatch `json:"transfer_batches"` // What was moved.
	Errors          StringList      `json:"errors"`           // Why it failed, where K2 says.
	Links           Links           `json:"_links"`           // Where the callback goes.

	odd bool // something in it has an impossible form
}

// Outcome implements [Outcomer]: a transfer is what its disbursements are, and it
// succeeded only if they come to exactly its amount. What a blind one should come to is
// not known: it succeeded if all that is listed arrived.
func (t SettlementTransfer) Outcome() Outcome {
	return toOne(t.Amount.Value, payout{status: t.Status, errors: t.Errors, batches: t.TransferBatches, odd: t.odd}).outcome()
}

// Reasons implements [Outcomer].
func (t SettlementTransfer) Reasons() []string { return transferReasons(t.TransferBatches, t.Errors) }

// Validate implements [Request].
func (r SettlementTransferReq) Validate() error {
	v := validation{what: "settlement transfer"}
	targeted := strings.TrimSpace(r.Amount.Value+r.DestinationType+r.DestinationReference) != ""
	switch {
	case r.Blind && targeted:
		v.add("blind", "moves the whole balance: it goes with no amount and no destination", nil)
	case r.Blind:
	default:
		// K2 takes a transfer without any of these for a blind one.
		if canonicalOwnAccount(r.DestinationType) == "" {
			v.add("destination_type", "must be merchant_bank_account or merchant_wallet (to move the whole balance, set Blind)", nil)
		}
		v.reference("destination_reference", r.DestinationReference)
		v.money("amount", r.Amount)
	}
	v.callback("_links.callback_url", r.Links.Callback)
	return v.err()
}

// canonicalOwnAccount returns K2's spelling of a kind of own account, or "".
func canonicalOwnAccount(kind string) string {
	return oneOf(kind, DestinationMerchantBankAccount, DestinationMerchantWallet)
}

func (r SettlementTransferReq) withCallback(url string) wireRequest {
	r.Links = r.Links.withCallback(url)
	return r
}

// wire writes the amount as text, unlike everywhere else: so K2 documents it here.
func (r SettlementTransferReq) wire() any {
	type blind struct {
		Links wireCallback `json:"_links"`
	}
	if r.Blind {
		return blind{r.Links.wire()}
	}
	amount := r.Amount.wire()
	return struct {
		Amount               Amount `json:"amount"`
		DestinationType      string `json:"destination_type"`
		DestinationReference string `json:"destination_reference"`
		blind
	}{Amount{Value: amount.Value.String(), Currency: amount.Currency}, canonicalOwnAccount(r.DestinationType), strings.TrimSpace(r.DestinationReference), blind{r.Links.wire()}}
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
	if err := wire.DecodeLenient(data, attributes); err != nil {
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
