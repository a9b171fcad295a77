package ledger_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// amounts that are no movement of money.
var impossibleAmounts = []string{"", "0", "0.0", "-0", "-1", "-100.0", "much", "1e3", "1,000", "NaN", "0.005", "100.001", "1234567890123", strings.Repeat("9", 400)}

// What claims that money moved, by an amount that cannot be, is undecided in every shape.
func TestImpossibleAmountsAreUndecided(t *testing.T) {
	t.Parallel()
	for _, text := range impossibleAmounts {
		amount := decimal(text)
		tx := transaction("Received")
		tx.Amount = amount
		part := disbursement("Transferred")
		part.Amount = amount
		paidLink := link("Processed", "Paid")
		paidLink.Amount = amount
		back := reversal("Processed", "Transferred")
		back.BulkPayment.Amount = amount
		for _, from := range []mover{
			tx, kopokopo.IncomingPayment{Status: "Success", Event: kopokopo.IncomingPaymentEntry{Resource: &tx}},
			kopokopo.TransactionEvent{Topic: kopokopo.TopicB2BReceived, Transaction: tx},
			kopokopo.TransactionEvent{Topic: kopokopo.TopicB2BReversed, Transaction: tx},
			kopokopo.Polling{Status: "Success", Transactions: []kopokopo.PolledTransaction{{Resource: tx}}},
			kopokopo.DarajaEvent{TransactionType: "Buygoods", TransID: "R1", TransAmount: amount},
			sent("Processed", kopokopo.TransferBatch{Status: "Transferred", Disbursements: []kopokopo.Disbursement{part}}),
			kopokopo.Payment{Status: "Processed", TransferBatches: []kopokopo.TransferBatch{{Disbursements: []kopokopo.Disbursement{part}}}},
			kopokopo.SettlementTransfer{Status: "Processed", TransferBatches: []kopokopo.TransferBatch{{Disbursements: []kopokopo.Disbursement{part}}}},
			kopokopo.SettlementEvent{Status: "Transferred", Disbursements: []kopokopo.Disbursement{part}},
			paidLink, back,
		} {
			requireEntries(t, from, true)
		}
	}
}

// A currency of K2's is kept, and what is none is undecided.
func TestCurrencies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "KES", " ": "KES", "kes": "KES", " USD ": "USD"} {
		tx := transaction("Received")
		tx.Currency = text
		requireEntries(t, tx, false, "credit:R1 payment credit 100 "+want)
	}
	for _, text := range []string{"K", "KESH", "K£S", "123", strings.Repeat("K", 1000)} {
		tx := transaction("Received")
		tx.Currency = text
		requireEntries(t, tx, true)
	}
}

// edited is a sample with some of its text replaced.
func edited(t *testing.T, name string, replace ...string) mover {
	t.Helper()
	var compact strings.Builder
	encoder := json.NewEncoder(&compact)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(json.RawMessage(sample(t, name))))
	text := compact.String()
	for pair := range slices.Chunk(replace, 2) {
		require.Contains(t, text, pair[0], name)
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return parse(t, []byte(text))
}

// The samples that the cases below are made of.
const (
	incomingSample = "callback_incoming_payment_success_v2.json"
	failedSample   = "callback_incoming_payment_failed_v2_errors_array.json"
	sentOneSample  = "callback_send_money_processed.json"
	sentTwoSample  = "resource_send_money_processed.json"
	transferSample = "callback_settlement_transfer_processed_v1.json"
	eventSample    = "webhook_settlement_transfer_completed_bank.json"
	backSample     = "callback_reversal_processed_ruby.json"
	notBackSample  = "callback_reversal_failed_docs.json"
	paidLinkSample = "callback_payment_link_paid.json"
	receivedSample = "webhook_buygoods_transaction_received.json"
	reversedSample = "webhook_buygoods_transaction_reversed.json"
	m2mSample      = "webhook_m2m_transaction_received.json"
	darajaSample   = "webhook_daraja_buygoods_ruby.json"
	polledSample   = "callback_polling_success.json"
)

// change is a sample with some of its text replaced, and what is certain in it.
type change struct {
	from    string
	replace []string
	want    []string
}

// contradictions are what K2 could post that is undecided.
var contradictions = map[string]change{
	"success beside errors":                      {incomingSample, []string{`"errors":null`, `"errors":["no"]`}, nil},
	"success without a transaction":              {failedSample, []string{`"Failed"`, `"Success"`, `["The initiator information is invalid."]`, `null`}, nil},
	"success with an empty transaction":          {failedSample, []string{`"Failed"`, `"Success"`, `"resource":null`, `"resource":{}`, `["The initiator information is invalid."]`, `null`}, nil},
	"success with text for a transaction":        {failedSample, []string{`"Failed"`, `"Success"`, `"resource":null`, `"resource":"R1"`, `["The initiator information is invalid."]`, `null`}, nil},
	"failed beside a transaction":                {incomingSample, []string{`"Success"`, `"Failed"`}, nil},
	"failed beside an amount":                    {incomingSample, []string{`"Success"`, `"Failed"`, `"reference":"OJJ1MPU40Z"`, `"reference":""`}, nil},
	"failed beside a failed one with a receipt":  {incomingSample, []string{`"Success"`, `"Failed"`, `"Received"`, `"Failed"`}, nil},
	"no status beside a transaction":             {incomingSample, []string{`"Success"`, `""`}, nil},
	"a payment without a receipt":                {incomingSample, []string{`"OJJ1MPU40Z"`, `null`}, nil},
	"an event without a receipt":                 {receivedSample, []string{`"OJM6Q1W84K"`, `" "`}, nil},
	"a reversed event without a receipt":         {reversedSample, []string{`"OJM6Q1W84K"`, `null`}, nil},
	"a reversed event that says received":        {reversedSample, []string{`"Reversed"`, `"Received"`}, nil},
	"a reversed event that says complete":        {reversedSample, []string{`"Reversed"`, `"Complete"`}, nil},
	"between merchants without an id":            {m2mSample, []string{`"id":"893ebbcfc3-e8993-485e-929c-066741f47847"`, `"id":null`}, nil},
	"Daraja without a receipt":                   {darajaSample, []string{`"OJM6Q1W84K"`, `""`}, nil},
	"Daraja of an unknown type":                  {darajaSample, []string{`"Buygoods"`, `"Reversal"`}, nil},
	"a polled payment without a receipt":         {polledSample, []string{`"9e53317173f0d4b3fed16bb92fac74a4"`, `null`}, nil},
	"a polled payment without a status":          {polledSample, []string{`"Received"`, `null`}, nil},
	"a list of transactions that is none":        {polledSample, []string{`"transactions":[`, `"transactions":{"list":[`, `}}],"scope"`, `}}]},"scope"`}, nil},
	"a transaction that is none":                 {polledSample, []string{`"transactions":[`, `"transactions":["R1",`}, []string{polledPayment}},
	"payout beside errors of the whole":          {sentOneSample, []string{`"errors":null,"metadata"`, `"errors":["no"],"metadata"`}, nil},
	"payout beside errors of its own":            {sentTwoSample, []string{`"errors":null,"status":"Transferred","nickname":"Test","favourite":true,"phone_number":"254900111111"`, `"errors":["no"],"status":"Transferred","nickname":"Test","favourite":true,"phone_number":"254900111111"`}, []string{movingSamples[sentTwoSample][1]}},
	"payout inside of what failed":               {sentOneSample, []string{`"Processed"`, `"Failed"`}, nil},
	"payout inside of a batch that failed":       {sentOneSample, []string{`{"status":"Transferred","amount"`, `{"status":"Cancelled","amount"`}, nil},
	"a payout that failed, with a receipt":       {sentOneSample, []string{`"Transferred","nickname"`, `"Cancelled","nickname"`}, nil},
	"a batch that arrived, of one that did not":  {sentOneSample, []string{`"Transferred","nickname"`, `"Cancelled","nickname"`, `"DAVSM1757311336"`, `null`}, nil},
	"a payout that came back":                    {sentOneSample, []string{`"Transferred","nickname"`, `"Reversed","nickname"`}, nil},
	"a payout without a status":                  {sentOneSample, []string{`"Transferred","nickname"`, `"","nickname"`}, nil},
	"a request without a status":                 {sentOneSample, []string{`"Processed"`, `null`}, nil},
	"a payout of more than its batch":            {sentOneSample, []string{`"status":"Transferred","amount":"1000.0"`, `"status":"Transferred","amount":"999"`}, movingSamples[sentOneSample]},
	"a batch without disbursements":              {sentOneSample, []string{`"disbursements":[`, `"other":[`}, nil},
	"disbursements that are no list":             {sentOneSample, []string{`"disbursements":[`, `"disbursements":{"a":[`, `"DAVSM1757311336"}]}`, `"DAVSM1757311336"}]}}`}, nil},
	"batches that are no list":                   {sentOneSample, []string{`"transfer_batches":[`, `"transfer_batches":{"a":[`, `"DAVSM1757311336"}]}]`, `"DAVSM1757311336"}]}]}`}, nil},
	"a disbursement that is none":                {sentOneSample, []string{`"disbursements":[`, `"disbursements":[7,`}, movingSamples[sentOneSample]},
	"a payout without a destination":             {transferSample, []string{`"17067bf7-648e-424c-af0f-8c541a1b4ec3"`, `null`}, []string{settledByEFT1, settledByEFT2}},
	"a payout with neither receipt nor time":     {transferSample, []string{`"2021-01-27T10:57:58.623+03:00"`, `null`}, []string{settledMobile, settledByEFT2}},
	"transferred, and nothing is shown":          {transferSample, []string{`"status":"Processed"`, `"status":"Transferred"`, `"transfer_batches":[`, `"other":[`}, nil},
	"a settlement of more than its parts":        {eventSample, []string{`"49452.0"`, `"49452.5"`}, []string{settledByEFT1, settledByEFT2}},
	"a settlement with an amount that is none":   {eventSample, []string{`"49452.0"`, `"lots"`}, []string{settledByEFT1, settledByEFT2}},
	"a settlement without parts":                 {eventSample, []string{`"disbursements":[`, `"other":[`}, nil},
	"a settlement without parts and status":      {eventSample, []string{`"disbursements":[`, `"other":[`, `"amount":"49452.0","status":"Transferred"`, `"amount":"49452.0","status":""`}, nil},
	"a settlement of which a part has no status": {eventSample, []string{`"24452.0","status":"Transferred"`, `"24452.0","status":""`}, []string{settledByEFT2}},
	"a reversal beside errors":                   {backSample, []string{`"errors":null`, `"errors":["no"]`}, nil},
	"a reversal that failed and arrived":         {backSample, []string{`"Processed"`, `"Failed"`}, nil},
	"a reversal that failed, with a receipt":     {notBackSample, []string{`"transaction_reference":null`, `"transaction_reference":"REV1"`}, nil},
	"a reversal of nothing":                      {backSample, []string{`"DAV1777481072"`, `null`}, nil},
	"a reversal that is said to have arrived":    {backSample, []string{`"status":"Processed"`, `"status":"Transferred"`, `"reversal_bulk_payment":{`, `"other":{`}, nil},
	"a reversal whose payment is text":           {backSample, []string{`"reversal_bulk_payment":{"amount":"201.0","status":"Transferred","origination_time":"2026-04-29T19:44:32.361+03:00","transaction_reference":"DAVREV1777481249"}`, `"reversal_bulk_payment":"201.0"`}, nil},
	"a link that is paid beside errors":          {paidLinkSample, []string{`"errors":null`, `"errors":["no"]`}, nil},
	"a link that is paid and was not made":       {paidLinkSample, []string{`"Processed"`, `"Failed"`}, nil},
	"a link that is paid without a receipt":      {paidLinkSample, []string{`"DAVSTK1777482274"`, `null`}, nil},
	"a link that is text":                        {paidLinkSample, []string{`"payment_link":{`, `"payment_link":"x","other":{`}, nil},
}

// Contradictions and gaps, as K2 would post them: never silent, and what is certain is there.
func TestContradictionsAreUndecided(t *testing.T) {
	t.Parallel()
	for name, test := range contradictions {
		t.Run(name, func(t *testing.T) { requireEntries(t, edited(t, test.from, test.replace...), true, test.want...) })
	}
	requireEntries(t, kopokopo.IncomingPayment{Status: "Sleeping"}, true)
	requireEntries(t, push("", "Reversed"), true)
	requireEntries(t, kopokopo.TransactionEvent{Transaction: transaction("")}, true)
	cameBack := reversal("Processed", "Reversed")
	cameBack.BulkPayment.TransactionReference = ""
	requireEntries(t, cameBack, true)
	bare := push("Success", "Failed")
	*bare.Event.Resource = kopokopo.Transaction{ID: "id-1", Status: "Failed"}
	requireEntries(t, bare, true)
}

// firstOfTwo is how the first disbursement of sentTwoSample begins.
const firstOfTwo = `{"amount":"1000.0","errors":null,"status":"Transferred","nickname":"Test","favourite":true,"phone_number":"254900111111"`

// oddities are what K2 could post that only looks undecided.
var oddities = map[string]change{
	"a destination that is not listed yet": {sentOneSample, []string{`"destinations":[`, `"destinations":[{"type":"till","amount":5},`}, movingSamples[sentOneSample]},
	"nothing is listed yet":                {sentOneSample, []string{`"transfer_batches":[`, `"other":[`}, nil},
	"less is listed than the batch is of":  {sentOneSample, []string{`"status":"Transferred","amount":"1000.0"`, `"status":"Transferred","amount":"5000"`}, movingSamples[sentOneSample]},
	"one arrived, one failed":              {sentTwoSample, []string{firstOfTwo, strings.ReplaceAll(firstOfTwo, "Transferred", "Cancelled"), `"QCL160124A7"`, `null`, `{"status":"Transferred","amount":"1000.0","disbursements":[` + strings.ReplaceAll(firstOfTwo, "Transferred", "Cancelled"), `{"status":"Cancelled","amount":"1000.0","disbursements":[` + strings.ReplaceAll(firstOfTwo, "Transferred", "Cancelled")}, movingSamples[sentTwoSample][1:]},
	"one arrived, one is on its way":       {sentTwoSample, []string{firstOfTwo, strings.ReplaceAll(firstOfTwo, "Transferred", "Sent")}, movingSamples[sentTwoSample][1:]},
	"an interim document with odd lists":   {sentOneSample, []string{`"Processed"`, `"Queued"`, `"transfer_batches":[`, `"transfer_batches":7,"other":[`}, nil},
	"a received event without a status":    {"webhook_buygoods_transaction_received.json", []string{`"status":"Received"`, `"state":"x"`}, []string{customerPaid}},
	"a reversed event without a status":    {"webhook_buygoods_transaction_reversed.json", []string{`"status":"Reversed"`, `"state":"x"`}, movingSamples["webhook_buygoods_transaction_reversed.json"]},
	"an unknown topic":                     {"webhook_buygoods_transaction_received.json", []string{`buygoods_transaction_received`, `loyalty_points_received`}, nil},
	"an unknown type of result":            {"callback_incoming_payment_success_v2.json", []string{`"type":"incoming_payment"`, `"type":"loyalty_points"`}, nil},
	"a failed payment that was reversed":   {"callback_incoming_payment_success_v2.json", []string{`"Success"`, `"Failed"`, `"Received"`, `"Reversed"`}, []string{"credit:OJJ1MPU40Z payment credit 100 KES", "reversal:OJJ1MPU40Z reversal debit 100 KES of credit:OJJ1MPU40Z"}},
	"a failed one with a failed remnant":   {"callback_incoming_payment_success_v2.json", []string{`"Success"`, `"Failed"`, `"Received"`, `"Failed"`, `"OJJ1MPU40Z"`, `""`}, nil},
	"m2m with a receipt all the same":      {"webhook_m2m_transaction_received.json", []string{`"currency"`, `"reference":"R1","currency"`}, movingSamples["webhook_m2m_transaction_received.json"]},
	"m2m that is completed":                {"webhook_m2m_transaction_received.json", []string{`m2m_transaction_received`, `m2m_transaction_completed`, `"Received"`, `"Completed"`}, movingSamples["webhook_m2m_transaction_received.json"]},
	"a settlement that failed":             {"webhook_settlement_transfer_completed_bank.json", []string{`"Transferred"`, `"Cancelled"`}, nil},
}

// What looks odd and is none: it is no news, or certain all the same.
func TestWhatIsNotUndecided(t *testing.T) {
	t.Parallel()
	for name, test := range oddities {
		t.Run(name, func(t *testing.T) { requireEntries(t, edited(t, test.from, test.replace...), false, test.want...) })
	}
}

// The same of values that a program has put together.
func TestValuesThatAreNotUndecided(t *testing.T) {
	t.Parallel()
	for _, amount := range []string{"", "0", "-1"} { // a remnant of what failed, with spaces for a receipt
		failed := push("Failed", "Received")
		failed.Event.Resource.Amount, failed.Event.Resource.Reference = decimal(amount), " "
		requireEntries(t, failed, false)
		failed = push("Failed", "Failed")
		failed.Event.Resource.Reference = " "
		requireEntries(t, failed, false)
	}
	// What failed explains what the whole says, and what is under way is still to come.
	gone := disbursement("Cancelled")
	gone.TransactionReference = ""
	for _, top := range []string{"Processed", "Failed"} {
		some := sent(top, batch("Transferred", disbursement("Transferred")), batch("Cancelled", gone))
		some.Errors = []string{"one of them failed"}
		requireEntries(t, some, false, paidOut)
		some.TransferBatches[1] = kopokopo.TransferBatch{Status: "Cancelled"}
		requireEntries(t, some, false, paidOut)
	}
	for _, word := range []string{"Pending", "Cancelled"} {
		requireEntries(t, sent("Transferred", kopokopo.TransferBatch{Status: word}), false)
	}
	notBack := reversal("Transferred", "Cancelled")
	notBack.BulkPayment.TransactionReference = ""
	requireEntries(t, notBack, false)
	dead := transaction("Failed")
	dead.Reference = " "
	requireEntries(t, dead, false)
	nameless := transaction("Received")
	nameless.Reference, nameless.SendingMerchant = " ", "Jane"
	requireEntries(t, nameless, false, "credit:id-1 payment credit 100 KES")
	withoutID := transaction("Received")
	withoutID.ID = ""
	requireEntries(t, kopokopo.IncomingPayment{Status: "Success", Event: kopokopo.IncomingPaymentEntry{Resource: &withoutID}}, false, paid)
	requireEntries(t, (*kopokopo.Notification)(nil), false)
	requireEntries(t, &kopokopo.Notification{}, false)
	requireEntries(t, kopokopo.TransactionEvent{Transaction: transaction("Reversed")}, false, gaveBack)
	requireEntries(t, kopokopo.TransactionEvent{Transaction: transaction("Received")}, false, paid)
	for _, empty := range []mover{kopokopo.IncomingPayment{}, kopokopo.SendMoney{}, kopokopo.Payment{}, kopokopo.SettlementTransfer{}, kopokopo.Reversal{}, kopokopo.PaymentLink{}, kopokopo.Polling{}} {
		requireEntries(t, empty, false)
	}
}
