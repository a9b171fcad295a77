package ledger_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// What the samples of several files move.
const (
	customerPaid  = "credit:OJM6Q1W84K payment credit 100 KES"
	settledByEFT1 = "debit::34a273d1-fedc-4610-8ab6-a1ba4828f317:24452:1611734278623 settlement debit 24452 KES"
	settledByEFT2 = "debit::34a273d1-fedc-4610-8ab6-a1ba4828f317:25000:1611734278627 settlement debit 25000 KES"
	settledMobile = "debit:LDLJANAPH26:17067bf7-648e-424c-af0f-8c541a1b4ec3 settlement debit 19900 KES"
	polledPayment = "credit:9e53317173f0d4b3fed16bb92fac74a4 payment credit 1 KES"
)

// movingSamples are the samples that tell of money that moved. One line a movement:
// where two files show the same one, they have the same line.
var movingSamples = map[string][]string{
	"GUESS_webhook_card_transaction_received.json":                          {"credit:CARD0001 payment credit 100 KES"},
	"GUESS_webhook_settlement_transfer_completed_wallet.json":               {settledMobile},
	"REBUILT_incoming_payment_success_sandbox_2026_errors_empty_array.json": {"credit:1770871136 payment credit 249 KES"},
	"REBUILT_settlement_transfer_sandbox_2025.json":                         {"debit:1757640471:cc0e5289-f964-4fc0-8e81-ab48fdb3d3d9 settlement debit 236 KES"},
	"callback_incoming_payment_success_prod_2025_amount_float.json":         {"credit:12345678ab10 payment credit 115 KES"},
	"callback_incoming_payment_success_v1.json":                             {"credit:OJJ1MPU40Z payment credit 100 KES"},
	"callback_incoming_payment_success_v2.json":                             {"credit:OJJ1MPU40Z payment credit 100 KES"},
	"resource_incoming_payment_success_v2.json":                             {"credit:OJJ1MPU40Z payment credit 1 KES"},
	"callback_payment_link_paid.json":                                       {"credit:DAVSTK1777482274 payment credit 3101 KES"},
	"callback_payment_processed_v1.json":                                    {"debit:LBA10034460:0fcb2f42-9372-4a6c-8c2f-3fd977c548e8 payout debit 780 KES"},
	"resource_payment_processed_guide.json":                                 {"debit:LBA10034460:c7f300c0-f1ef-4151-9bbe-005005aa3747 payout debit 20000 KES"},
	"callback_polling_success.json":                                         {polledPayment},
	"resource_polling_success.json":                                         {polledPayment},
	"callback_reversal_processed_docs.json": {
		"reversal:059278a2-8ffe-4f31-b3b4-d6c76770c72f reversal debit 400 KES of credit:059278a2-8ffe-4f31-b3b4-d6c76770c72f"},
	"callback_reversal_processed_ruby.json": {"reversal:DAV1777481072 reversal debit 201 KES of credit:DAV1777481072"},
	"resource_reversal_processed_php2.json": {"reversal:JAN1622026 reversal debit 6182 KES of credit:JAN1622026"},
	"resource_reversal_processed_ruby.json": {"reversal:Q9W28ZX1D0 reversal debit 3981 KES of credit:Q9W28ZX1D0"},
	"callback_send_money_processed.json":    {"debit:DAVSM1757311336:9764ef5f-fcd6-42c1-bbff-de280becc64b payout debit 1000 KES"},
	"resource_send_money_processed.json": {
		"debit:QCL160124A7:a3bd6298-8a5a-4a93-b880-7948a621fdfb payout debit 1000 KES",
		"debit:QDZ273694C8:5f58ce16-0320-4da8-ad38-0f2cf7f520f2 payout debit 1000 KES"},
	"callback_settlement_transfer_processed_v1.json":        {settledMobile, settledByEFT1, settledByEFT2},
	"resource_settlement_transfer_processed.json":           {settledMobile, settledByEFT1, settledByEFT2},
	"webhook_settlement_transfer_completed_bank.json":       {settledByEFT1, settledByEFT2},
	"webhook_b2b_transaction_received.json":                 {"credit:OJQ8USH5XK payment credit 313 KES"},
	"webhook_b2b_transaction_reversed.json":                 {"reversal:OJM6Q1W84K reversal debit 233 KES of credit:OJM6Q1W84K"},
	"webhook_buygoods_transaction_received.json":            {customerPaid},
	"webhook_buygoods_transaction_received_guide.json":      {customerPaid},
	"webhook_buygoods_transaction_received_v1_no_hash.json": {customerPaid},
	"webhook_buygoods_transaction_reversed.json":            {"reversal:OJM6Q1W84K reversal debit 233 KES of credit:OJM6Q1W84K"},
	"webhook_daraja_b2b_node.json":                          {"credit:OJQ8USH5XK payment credit 313 KES"},
	"webhook_daraja_b2b_ruby.json":                          {customerPaid},
	"webhook_daraja_buygoods_node.json":                     {customerPaid},
	"webhook_daraja_buygoods_php2.json":                     {customerPaid},
	"webhook_daraja_buygoods_ruby.json":                     {customerPaid},
	"webhook_m2m_transaction_received.json":                 {"credit:893ebbcfc3-e8993-485e-929c-066741f47847 payment credit 456 KES"},
}

// stillSamples are notifications that move nothing, and in which nothing is undecided.
var stillSamples = []string{
	"GUESS_callback_send_money_disbursement_failed.json", "GUESS_resource_incoming_payment_received.json",
	"REBUILT_resource_merchant_wallet.json", "REBUILT_resource_webhook_subscription.json",
	"callback_incoming_payment_failed_prod_2025_errors_string.json", "callback_incoming_payment_failed_v1_errors_string.json",
	"callback_incoming_payment_failed_v2_errors_array.json", "callback_reversal_failed_docs.json", "legacy_2017_webhook_customer_created.json",
	"resource_external_recipient_till.json", "resource_incoming_payment_pending.json", "resource_incoming_payment_pending_v2.json",
	"resource_merchant_bank_account_approved.json", "resource_pay_recipient_mobile_wallet.json",
	"resource_payment_link_active_guide.json", "resource_payment_link_active_node.json", "resource_payment_link_active_php2.json",
	"resource_payment_link_active_ruby.json", "resource_reversal_received.json", "resource_reversal_scheduled_guide.json",
	"resource_send_money_scheduled.json", "resource_transaction_sms_notification_success.json", "webhook_customer_created.json",
}

// otherSamples are no notifications: requests, refusals, tokens, the signatures, and
// what an SDK made of a document.
var otherSamples = []string{
	"FLATTENED_php_sdk_output_settlement_transfer_2025.json",
	"GUESS_error_400_pay_recipient_not_created.json", "GUESS_error_401_invalid_token.json", "GUESS_error_403_app_not_approved.json",
	"GUESS_oauth_introspect_inactive.json", "error_400_incoming_payment_phone_invalid.json", "error_400_incoming_payment_till_blank.json",
	"error_400_payment_link_till_invalid.json", "error_400_reversal_pending_message_array.json", "error_400_reversal_reference_invalid.json",
	"error_400_send_money_limits_errors_array.json", "error_400_send_money_source_identifier_invalid.json",
	"error_400_webhook_invalid_scope_reference.json", "error_401_invalid_client.json",
	"oauth_introspect_active.json", "oauth_revoke_empty.json", "oauth_token_created_at_iso.json", "oauth_token_created_at_unix.json",
	"oauth_token_docs_2026.json", "oauth_token_info.json", "oauth_token_info_docs.json", "oauth_token_minimal.json",
	"payment_link_cancelled.json", "request_external_recipient_bank_account_v2.json", "request_external_recipient_mobile_wallet_v2.json",
	"request_external_recipient_paybill_v2.json", "request_external_recipient_till_v2.json", "request_incoming_payment_v2.json",
	"request_merchant_bank_account.json", "request_merchant_wallet.json", "request_pay_recipient_bank_account_v1.json",
	"request_pay_recipient_mobile_wallet_v1.json", "request_pay_recipient_paybill_v1.json", "request_pay_recipient_till_v1.json",
	"request_payment_link_v2.json", "request_payment_v1.json", "request_polling.json", "request_reversal_v2.json",
	"request_send_money_external_mixed.json", "request_send_money_external_mobile_wallet.json", "request_send_money_my_account.json",
	"request_send_money_sweep_all.json", "request_settlement_transfer_blind_v1.json", "request_settlement_transfer_targeted_v1.json",
	"request_transaction_sms_notification_v1.json", "request_webhook_subscription_v2.json", "signature_vectors.json",
}

// Each of the 104 samples moves what is written above, and no more.
func TestEverySampleHasItsEntries(t *testing.T) {
	t.Parallel()
	for name, want := range movingSamples {
		requireEntries(t, parse(t, sample(t, name)), false, want...)
	}
	for _, name := range stillSamples {
		requireEntries(t, parse(t, sample(t, name)), false)
	}
	for _, name := range otherSamples {
		_, err := kopokopo.ParseEvent(sample(t, name))
		assert.ErrorIs(t, err, kopokopo.ErrNotification, name)
	}
	known := append(slices.Clone(stillSamples), otherSamples...)
	names := payloads.Names("*.json")
	for _, name := range names {
		if _, moves := movingSamples[name]; !moves {
			assert.Contains(t, known, name)
		}
	}
	assert.Equal(t, 104, len(movingSamples)+len(stillSamples)+len(otherSamples))
	assert.Len(t, names, 104)
}

// The attributes tell the same as the notification, also where they came by Get.
func TestAttributesTellWhatTheNotificationTells(t *testing.T) {
	t.Parallel()
	for name, want := range movingSamples {
		n := parse(t, sample(t, name))
		var from mover
		switch p := n.Payload.(type) {
		case mover:
			from = p
		case *kopokopo.Document[kopokopo.IncomingPayment]:
			from = p.Attributes
		case *kopokopo.Document[kopokopo.SendMoney]:
			from = p.Attributes
		case *kopokopo.Document[kopokopo.Payment]:
			from = p.Attributes
		case *kopokopo.Document[kopokopo.SettlementTransfer]:
			from = p.Attributes
		case *kopokopo.Document[kopokopo.Reversal]:
			from = p.Attributes
		case *kopokopo.Document[kopokopo.PaymentLink]:
			from = p.Attributes
		case *kopokopo.Document[kopokopo.Polling]:
			from = p.Attributes
			requireEntries(t, p.Attributes.Transactions[0].Resource, false, want...)
		}
		require.NotNil(t, from, name)
		requireEntries(t, from, false, want...)
	}
}

// What an entry says beside its key.
func TestFieldsOfAnEntry(t *testing.T) {
	t.Parallel()
	entries, err := parse(t, sample(t, "webhook_buygoods_transaction_reversed.json")).Entries()
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, "OJM6Q1W84K", entries[0].Reference, "the payment's receipt")
	assert.Equal(t, "2020-10-29T08:06:49+03:00", entries[0].At.Format("2006-01-02T15:04:05-07:00"))
	assert.EqualValues(t, -233_00, entries[0].Minor())

	entries, err = parse(t, sample(t, "webhook_m2m_transaction_received.json")).Entries()
	require.NoError(t, err)
	assert.Empty(t, entries[0].Reference, "K2 shows no receipt")
	assert.EqualValues(t, 456_00, entries[0].Minor())
	assert.Zero(t, kopokopo.LedgerEntry{Amount: kopokopo.Money{Value: decimal("much")}}.Minor())

	entries, err = parse(t, sample(t, "webhook_settlement_transfer_completed_bank.json")).Entries()
	require.NoError(t, err)
	assert.Empty(t, entries[0].Reference, "EFT has none")
}

// The samples that this package makes are in no ledger by their keys.
func TestKeysOfSamplesSaySo(t *testing.T) {
	t.Parallel()
	moving := 0
	for _, topic := range kopokopo.SampleTopics() {
		body, err := kopokopo.Sample(topic)
		require.NoError(t, err)
		entries, err := parse(t, body).Entries()
		require.NoError(t, err, topic)
		for _, e := range entries {
			moving++
			assert.True(t, strings.HasPrefix(e.Key, "sample:"), e.Key)
			assert.True(t, e.Reverses == "" || strings.HasPrefix(e.Reverses, "sample:credit:"), e.Reverses)
		}
		quiet := topic == kopokopo.TopicCustomerCreated || topic == "transaction_sms_notification"
		assert.Equal(t, quiet, len(entries) == 0, topic)
	}
	assert.Equal(t, len(kopokopo.SampleTopics())-2, moving)
}
