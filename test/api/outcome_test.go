package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

const (
	isPending   = kopokopo.OutcomePending
	isSucceeded = kopokopo.OutcomeSucceeded
	isFailed    = kopokopo.OutcomeFailed
	isPartial   = kopokopo.OutcomePartial
)

// sampleOutcomes is what became of each document on record; those that are not
// listed have no outcome.
var sampleOutcomes = map[string]kopokopo.Outcome{
	"resource_incoming_payment_pending":                        isPending,
	"resource_incoming_payment_pending_v2":                     isPending,
	"resource_incoming_payment_received":                       isPending,
	"resource_incoming_payment_success_v2":                     isSucceeded,
	"callback_incoming_payment_success_v1":                     isSucceeded,
	"callback_incoming_payment_success_v2":                     isSucceeded,
	"callback_incoming_payment_success_prod_2025_amount_float": isSucceeded,
	"incoming_payment_success_sandbox_2026_errors_empty_array": isSucceeded,
	"callback_incoming_payment_failed_v1_errors_string":        isFailed,
	"callback_incoming_payment_failed_v2_errors_array":         isFailed,
	"callback_incoming_payment_failed_prod_2025_errors_string": isFailed,
	"callback_payment_processed_v1":                            isSucceeded,
	"resource_payment_processed_guide":                         isSucceeded,
	"callback_send_money_processed":                            isSucceeded,
	"callback_send_money_disbursement_failed":                  isFailed,
	"resource_send_money_processed":                            isSucceeded,
	"resource_send_money_scheduled":                            isPending,
	"callback_settlement_transfer_processed_v1":                isSucceeded,
	"resource_settlement_transfer_processed":                   isSucceeded,
	"settlement_transfer_sandbox_2025":                         isSucceeded,
	"callback_polling_success":                                 isSucceeded,
	"resource_polling_success":                                 isSucceeded,
	"resource_transaction_sms_notification_success":            isSucceeded,
	"callback_payment_link_paid":                               isSucceeded,
	"resource_payment_link_active_guide":                       isSucceeded,
	"resource_payment_link_active_node":                        isSucceeded,
	"resource_payment_link_active_php2":                        isSucceeded,
	"resource_payment_link_active_ruby":                        isSucceeded,
	"callback_reversal_failed_docs":                            isFailed,
	"callback_reversal_processed_docs":                         isSucceeded,
	"callback_reversal_processed_ruby":                         isSucceeded,
	"resource_reversal_processed_php2":                         isSucceeded,
	"resource_reversal_processed_ruby":                         isSucceeded,
	"resource_reversal_received":                               isPending,
	"resource_reversal_scheduled_guide":                        isPending,
}

func TestOutcomeOfEveryDocumentOnRecord(t *testing.T) {
	t.Parallel()
	for name, data := range documents(t) {
		attributes, _ := read(t, data)
		got, ok := attributes.(kopokopo.Outcomer)
		want, listed := sampleOutcomes[name]
		require.Equal(t, listed, ok, name)
		if !ok {
			continue
		}
		assert.Equal(t, want, got.Outcome(), name)
		if want == isFailed {
			assert.NotEmpty(t, got.Reasons(), name)
		}
		if link, ok := attributes.(kopokopo.PaymentLink); ok {
			assert.Equal(t, name == "callback_payment_link_paid", link.Paid(), name)
		}
	}
}

// The words that the combinations are made of: what they mean where money moves,
// and where K2 says whether it is done.
var (
	doneWords  = []string{"Processed", "Transferred", "processed", " Success "}
	openWords  = []string{"Scheduled", "Received", "Pending", "Sleeping", ""}
	deadWords  = []string{"Failed", "Cancelled", "REJECTED"}
	moneyWords = []string{"Transferred", "transferred", "Cancelled", "Failed", "Scheduled", "Processed", "Received", "Sleeping", ""}
)

func moved(word string) bool { return strings.EqualFold(word, "Transferred") }
func stopped(word string) bool {
	return slices.Contains([]string{"cancelled", "failed", "rejected"}, strings.ToLower(word))
}

// Every combination of the status on top, of the batches, of the disbursements and
// of errors: success only where everything says so, failure only where nothing moved.
func TestOutcomeOfEveryCombinationOfTransferStatuses(t *testing.T) {
	t.Parallel()
	tops := slices.Concat(doneWords, openWords, deadWords)
	for _, top := range tops {
		for _, batch := range moneyWords {
			for _, first := range moneyWords {
				for _, second := range moneyWords {
					for _, errs := range []kopokopo.StringList{nil, {"no"}} {
						got := kopokopo.SendMoney{Status: top, Errors: errs, Destinations: make([]kopokopo.SentDestination, 2),
							TransferBatches: []kopokopo.TransferBatch{{Status: batch, Disbursements: []kopokopo.Disbursement{{Status: first}, {Status: second}}}}}
						requireSane(t, got, top, batch, []string{first, second}, errs)
						payment := kopokopo.Payment{Status: top, Errors: errs, TransferBatches: got.TransferBatches}
						settlement := kopokopo.SettlementTransfer{Status: top, Errors: errs, TransferBatches: got.TransferBatches}
						require.Equal(t, got.Outcome(), payment.Outcome())
						require.Equal(t, got.Outcome(), settlement.Outcome())
					}
				}
			}
		}
	}
}

// requireSane says independently what an outcome has to be.
func requireSane(t *testing.T, s kopokopo.SendMoney, top, batch string, parts []string, errs []string) {
	t.Helper()
	allMoved := moved(parts[0]) && moved(parts[1])
	noneMoved := stopped(parts[0]) && stopped(parts[1])
	mixed := moved(parts[0]) && stopped(parts[1]) || stopped(parts[0]) && moved(parts[1])
	done, dead := slices.Contains(doneWords, top), slices.Contains(deadWords, top)
	batchMoved, batchStopped, batchSilent := moved(batch), stopped(batch), batch == ""
	want := isPending
	switch {
	case allMoved && done && (batchMoved || batchSilent) && len(errs) == 0:
		want = isSucceeded
	case noneMoved && (done || dead) && (batchMoved || batchStopped || batchSilent):
		want = isFailed
	case mixed && (done || dead) && (batchMoved || batchSilent):
		want = isPartial
	}
	require.Equal(t, want, s.Outcome(), "top %q, batch %q, disbursements %q, errors %q", top, batch, parts, errs)
}

func TestOutcomeOfTransfersWithMissingParts(t *testing.T) {
	t.Parallel()
	arrived := kopokopo.TransferBatch{Status: "Transferred", Disbursements: []kopokopo.Disbursement{{Status: "Transferred"}}}
	cancelled := kopokopo.TransferBatch{Status: "Cancelled", Disbursements: []kopokopo.Disbursement{{Status: "Cancelled"}}}
	two := make([]kopokopo.SentDestination, 2)
	for name, test := range map[string]struct {
		s    kopokopo.SendMoney
		want kopokopo.Outcome
	}{
		"nothing at all":                   {kopokopo.SendMoney{}, isPending},
		"processed, no batches":            {kopokopo.SendMoney{Status: "Processed"}, isPending},
		"processed, no batches, errors":    {kopokopo.SendMoney{Status: "Processed", Errors: []string{"no"}}, isFailed},
		"scheduled, no batches, errors":    {kopokopo.SendMoney{Status: "Scheduled", Errors: []string{"no"}}, isPending},
		"failed, no batches":               {kopokopo.SendMoney{Status: "Failed"}, isFailed},
		"first callback of two":            {kopokopo.SendMoney{Status: "Processed", Destinations: two, TransferBatches: []kopokopo.TransferBatch{arrived}}, isPending},
		"first of two failed":              {kopokopo.SendMoney{Status: "Processed", Destinations: two, TransferBatches: []kopokopo.TransferBatch{cancelled}}, isPending},
		"both batches":                     {kopokopo.SendMoney{Status: "Processed", Destinations: two, TransferBatches: []kopokopo.TransferBatch{arrived, arrived}}, isSucceeded},
		"one batch cancelled":              {kopokopo.SendMoney{Status: "Processed", Destinations: two, TransferBatches: []kopokopo.TransferBatch{arrived, cancelled}}, isPartial},
		"batch without disbursements":      {kopokopo.SendMoney{Status: "Processed", TransferBatches: []kopokopo.TransferBatch{{Status: "Transferred"}}}, isSucceeded},
		"empty batch without status":       {kopokopo.SendMoney{Status: "Processed", TransferBatches: []kopokopo.TransferBatch{{}}}, isPending},
		"transferred with errors inside":   {kopokopo.SendMoney{Status: "Processed", TransferBatches: []kopokopo.TransferBatch{{Status: "Transferred", Disbursements: []kopokopo.Disbursement{{Status: "Transferred", Errors: []string{"no"}}}}}}, isPending},
		"transferred inside cancelled one": {kopokopo.SendMoney{Status: "Processed", TransferBatches: []kopokopo.TransferBatch{{Status: "Cancelled", Disbursements: arrived.Disbursements}}}, isPending},
	} {
		assert.Equal(t, test.want, test.s.Outcome(), name)
	}
	reasons := kopokopo.SendMoney{Errors: []string{"all"}, TransferBatches: []kopokopo.TransferBatch{{Disbursements: []kopokopo.Disbursement{{Errors: []string{"one"}}}}}}
	assert.Equal(t, []string{"one", "all"}, reasons.Reasons())
}

func TestOutcomeOfEveryCombinationOfReversalStatuses(t *testing.T) {
	t.Parallel()
	for _, top := range slices.Concat(doneWords, openWords, deadWords) {
		done, dead := slices.Contains(doneWords, top), slices.Contains(deadWords, top)
		for _, errs := range []kopokopo.StringList{nil, {"no"}} {
			want := isPending
			if dead || done && len(errs) > 0 {
				want = isFailed
			}
			assert.Equal(t, want, kopokopo.Reversal{Status: top, Errors: errs}.Outcome(), "%q %q", top, errs)
			for _, bulk := range moneyWords {
				want := isPending
				switch {
				case done && moved(bulk) && len(errs) == 0:
					want = isSucceeded
				case (done || dead) && stopped(bulk):
					want = isFailed
				}
				got := kopokopo.Reversal{Status: top, Errors: errs, BulkPayment: &kopokopo.ReversalBulkPayment{Status: bulk}}
				assert.Equal(t, want, got.Outcome(), "%q %q %q", top, bulk, errs)
			}
		}
	}
}

func TestOutcomeOfEveryCombinationOfCollectionStatuses(t *testing.T) {
	t.Parallel()
	inner := []string{"none", "Received", "Complete", "", "Reversed", "Sleeping", "Pending"}
	for _, top := range []string{"Success", "success", "Failed", "Cancelled", "Received", "Pending", "Processed", ""} {
		for _, resource := range inner {
			for _, errs := range []kopokopo.StringList{nil, {}, {"no"}} {
				p := kopokopo.IncomingPayment{Status: top, Event: kopokopo.IncomingPaymentEntry{Errors: errs}}
				if resource != "none" {
					p.Event.Resource = &kopokopo.Transaction{ID: "1", Status: resource}
				}
				want := isPending
				came := slices.Contains([]string{"Received", "Complete", ""}, resource)
				switch {
				case strings.EqualFold(top, "Success") && came && len(errs) == 0:
					want = isSucceeded
				case strings.EqualFold(top, "Success") && resource == "Reversed":
					want = isFailed
				case (top == "Failed" || top == "Cancelled") && (resource == "none" || resource == "Reversed"):
					want = isFailed
				}
				assert.Equal(t, want, p.Outcome(), "%q %q %q", top, resource, errs)
			}
		}
	}
}

func TestOutcomeOfReportsAndLinks(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"Success", "Failed", "Pending", "Received", "Processed", "Sleeping", ""} {
		for _, errs := range []kopokopo.StringList{nil, {"no"}} {
			want := isPending
			switch {
			case status == "Success" && len(errs) == 0:
				want = isSucceeded
			case status == "Failed":
				want = isFailed
			}
			assert.Equal(t, want, kopokopo.Polling{Status: status, Errors: errs}.Outcome(), "%q %q", status, errs)
			assert.Equal(t, want, kopokopo.Polling{Status: status, Errors: errs, Transactions: make([]kopokopo.PolledTransaction, 1)}.Outcome(), "%q %q", status, errs)
			assert.Equal(t, want, kopokopo.SMSNotification{Status: status, Errors: errs}.Outcome(), "%q %q", status, errs)
		}
	}
	made := kopokopo.CustomerLink{Link: "/links/1"}
	assert.Equal(t, isSucceeded, kopokopo.PaymentLink{Status: "Processed", Link: made}.Outcome())
	assert.Equal(t, isPending, kopokopo.PaymentLink{Status: "Processed"}.Outcome(), "no link yet")
	assert.Equal(t, isPending, kopokopo.PaymentLink{Status: "Scheduled", Link: made}.Outcome())
	assert.Equal(t, isFailed, kopokopo.PaymentLink{Status: "Processed", Errors: []string{"no"}}.Outcome())
	assert.Equal(t, isFailed, kopokopo.PaymentLink{Status: "Failed"}.Outcome())
	assert.Equal(t, isPending, kopokopo.PaymentLink{Status: "Processed", Link: made, Errors: []string{"no"}}.Outcome())
}

func TestPaidIsSaidInSoManyWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status, linkStatus string
		paid               bool
	}{
		{"Paid", "", true}, {"", "Paid", true}, {"PAID", "", true}, {"", " paid ", true}, {"Paid", "Paid", true},
		{"", "", false}, {"", "Active", false}, {"", "active", false}, {"Unpaid", "", false}, {"Paid", "Cancelled", false},
		{"Processed", "Paid", false}, {"", "Expired", false}, {"Partially Paid", "", false},
	} {
		link := kopokopo.PaymentLink{Status: "Processed", Link: kopokopo.CustomerLink{Status: test.status, PaymentLinkStatus: test.linkStatus}}
		assert.Equal(t, test.paid, link.Paid(), "%q %q", test.status, test.linkStatus)
		link.Errors = []string{"no"}
		assert.False(t, link.Paid(), "errors contradict it")
	}
	assert.False(t, kopokopo.PaymentLink{Status: "Paid"}.Paid(), "the status on top says that the link was made")
}

func TestOutcomeNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "pending succeeded failed partial unknown outcome",
		strings.Join([]string{isPending.String(), isSucceeded.String(), isFailed.String(), isPartial.String(), kopokopo.Outcome(9).String()}, " "))
	var zero struct{ Attributes kopokopo.SendMoney }
	require.NoError(t, json.Unmarshal([]byte(`{}`), &zero))
	assert.Equal(t, isPending, zero.Attributes.Outcome(), "what is not known is pending")
}
