package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

const (
	rowPending = kopokopo.OutcomePending
	rowPaid    = kopokopo.OutcomeSucceeded
	rowFailed  = kopokopo.OutcomeFailed
	rowPartial = kopokopo.OutcomePartial
)

// payee is a destination of a mobile wallet.
func payee(phone, amount string) kopokopo.SentDestination {
	return kopokopo.SentDestination{Type: "mobile_wallet", PhoneNumber: phone, Amount: amountOf(amount)}
}

// gave is a disbursement to a mobile wallet.
func gave(phone, amount, status, receipt string) kopokopo.Disbursement {
	return kopokopo.Disbursement{DestinationType: "mobile_wallet", PhoneNumber: phone, Amount: amountOf(amount), Status: status, TransactionReference: receipt}
}

// amountOf is an amount as K2 sends it, readable or not.
func amountOf(text string) kopokopo.Decimal {
	var d kopokopo.Decimal
	if err := d.UnmarshalJSON([]byte(`"` + text + `"`)); err != nil {
		panic(err)
	}
	return d
}

// batchOf is the batch of each disbursement on its own, as K2 sends them.
func batchOf(disbursements ...kopokopo.Disbursement) []kopokopo.TransferBatch {
	var batches []kopokopo.TransferBatch
	for _, d := range disbursements {
		batches = append(batches, kopokopo.TransferBatch{Status: d.Status, Amount: d.Amount, Disbursements: []kopokopo.Disbursement{d}})
	}
	return batches
}

// overTheWire is a payout as it is read from a callback.
func overTheWire(t testing.TB, s kopokopo.SendMoney) kopokopo.SendMoney {
	t.Helper()
	attributes, err := json.Marshal(s)
	require.NoError(t, err)
	return callbackOf[kopokopo.SendMoney](t, "send_money", string(attributes))
}

// callbackOf is the attributes of a callback.
func callbackOf[A any](t testing.TB, kind, attributes string) A {
	t.Helper()
	n, err := kopokopo.ParseEvent([]byte(`{"data":{"id":"0dad3e3f","type":"` + kind + `","attributes":` + attributes + `}}`))
	require.NoError(t, err, attributes)
	return n.Payload.(*kopokopo.Document[A]).Attributes
}

// outcomesOf lists the outcomes of results, in their order.
func outcomesOf(results []kopokopo.SendMoneyResult) []kopokopo.Outcome {
	var list []kopokopo.Outcome
	for _, r := range results {
		list = append(list, r.Outcome)
	}
	return list
}

// sampleRow is what became of one person in a document on record.
type sampleRow struct {
	outcome   kopokopo.Outcome
	reference string
	reasons   []string
}

// sampleRows is each document on record that lists disbursements.
var sampleRows = map[string][]sampleRow{
	"callback_send_money_processed":                 {{rowPaid, "DAVSM1757311336", nil}},
	"resource_send_money_processed":                 {{rowPaid, "QDZ273694C8", nil}, {rowPaid, "QCL160124A7", nil}},
	"GUESS_callback_send_money_disbursement_failed": {{rowFailed, "", []string{"The balance is insufficient for the transaction"}}},
	"callback_payment_processed_v1":                 {{rowPaid, "LBA10034460", nil}},
	"resource_payment_processed_guide":              {{rowPaid, "LBA10034460", nil}},
	// These have no destinations: what is listed is each disbursement.
	"callback_settlement_transfer_processed_v1":          {{rowPaid, "LDLJANAPH26", nil}, {rowPaid, "", nil}, {rowPaid, "", nil}},
	"resource_settlement_transfer_processed":             {{rowPaid, "LDLJANAPH26", nil}, {rowPaid, "", nil}, {rowPaid, "", nil}},
	"REBUILT_settlement_transfer_sandbox_2025":           {{rowPaid, "1757640471", nil}},
	"webhook_settlement_transfer_completed_bank":         {{rowPaid, "", nil}, {rowPaid, "", nil}},
	"GUESS_webhook_settlement_transfer_completed_wallet": {{rowPaid, "LDLJANAPH26", nil}},
}

func TestResultsOfEveryDocumentOnRecord(t *testing.T) {
	t.Parallel()
	for _, file := range payloads.Names("*.json") {
		body := payloads.Read(file)
		name := strings.TrimSuffix(file, ".json")
		if strings.HasPrefix(name, "FLATTENED_") { // what an SDK made of a document
			continue
		}
		if !strings.Contains(string(body), `"disbursements"`) {
			assert.NotContains(t, sampleRows, name)
			continue
		}
		assert.Equal(t, sampleRows[name], rowsOf(t, body), name)
	}
}

// rowsOf returns the results in a document or, where it has no destinations, each
// disbursement.
func rowsOf(t *testing.T, body []byte) (rows []sampleRow) {
	t.Helper()
	n, err := kopokopo.ParseEvent(body)
	require.NoError(t, err)
	var results []kopokopo.SendMoneyResult
	var listed []kopokopo.Disbursement
	switch p := n.Payload.(type) {
	case *kopokopo.Document[kopokopo.SendMoney]:
		results = p.Attributes.Results()
		for i, r := range results {
			require.Equal(t, i, r.Index)
			require.Equal(t, p.Attributes.Destinations[i], r.Destination)
		}
	case *kopokopo.Document[kopokopo.Payment]:
		results = p.Attributes.Results()
		first := p.Attributes.TransferBatches[0].Disbursements[0]
		require.Equal(t, kopokopo.SentDestination{Type: "Mobile Wallet", Reference: first.DestinationReference, Amount: p.Attributes.Amount.Value}, results[0].Destination)
	case *kopokopo.Document[kopokopo.SettlementTransfer]:
		for _, b := range p.Attributes.TransferBatches {
			listed = append(listed, b.Disbursements...)
		}
	case *kopokopo.SettlementEvent:
		listed = p.Disbursements
	}
	for _, r := range results {
		rows = append(rows, sampleRow{r.Outcome, r.Reference, r.Reasons})
	}
	for _, d := range listed {
		rows = append(rows, sampleRow{d.Outcome(), d.TransactionReference, d.Errors})
	}
	return rows
}

func TestWhatBecameOfEachPersonInAPayout(t *testing.T) {
	t.Parallel()
	const a, b = "254712345678", "254712000111"
	two := []kopokopo.SentDestination{payee(a, "1000"), payee(b, "1000")}
	bank := kopokopo.SentDestination{Type: "bank_account", AccountNumber: "0123456", BankBranchReference: "branch-1", Amount: amountOf("49452")}
	eft := func(amount, status string) kopokopo.Disbursement {
		return kopokopo.Disbursement{DestinationType: "Bank Account", AccountNumber: "0123456", Amount: amountOf(amount), Status: status}
	}
	for name, test := range map[string]struct {
		asked  []kopokopo.SentDestination
		listed []kopokopo.Disbursement
		rows   []kopokopo.Outcome
		whole  kopokopo.Outcome
	}{
		"A paid twice and B never":                  {two, []kopokopo.Disbursement{gave(a, "1000.0", "Transferred", "R1"), gave(a, "1000.0", "Transferred", "R2")}, []kopokopo.Outcome{rowPending, rowPending}, rowPending},
		"one receipt listed twice for A":            {two, []kopokopo.Disbursement{gave(a, "1000.0", "Transferred", "R1"), gave(a, "1000", "Transferred", " R1 ")}, []kopokopo.Outcome{rowPaid, rowPending}, rowPending},
		"one receipt listed twice for the only one": {two[:1], []kopokopo.Disbursement{gave(a, "1000.0", "Transferred", "R1"), gave(a, "1000.00", "Transferred", "R1")}, []kopokopo.Outcome{rowPaid}, rowPaid},
		"one receipt of two people":                 {two, []kopokopo.Disbursement{gave(b, "1000.0", "Transferred", "R1"), gave(a, "1000.0", "Transferred", "R1")}, []kopokopo.Outcome{rowPaid, rowPaid}, rowPaid},
		"100 asked and 100,000 paid":                {[]kopokopo.SentDestination{payee(a, "100")}, []kopokopo.Disbursement{gave(a, "100000", "Transferred", "R1")}, []kopokopo.Outcome{rowPending}, rowPending},
		"100 asked and 100,000 paid, with a comma":  {[]kopokopo.SentDestination{payee(a, "100")}, []kopokopo.Disbursement{gave(a, "100,000", "Transferred", "R1")}, []kopokopo.Outcome{rowPending}, rowPending},
		"less than was asked for":                   {two[:1], []kopokopo.Disbursement{gave(a, "999.99", "Transferred", "R1")}, []kopokopo.Outcome{rowPending}, rowPending},
		"one of two failed, the other not listed":   {two, []kopokopo.Disbursement{gave(a, "1000.0", "Cancelled", "")}, []kopokopo.Outcome{rowFailed, rowPending}, rowPending},
		"one of two paid, the other not listed":     {two, []kopokopo.Disbursement{gave(b, "1000.0", "Transferred", "R1")}, []kopokopo.Outcome{rowPending, rowPaid}, rowPending},
		"one paid, one failed":                      {two, []kopokopo.Disbursement{gave(b, "1000.0", "Cancelled", ""), gave(a, "1000.0", "Transferred", "R1")}, []kopokopo.Outcome{rowPaid, rowFailed}, rowPartial},
		"both failed":                               {two, []kopokopo.Disbursement{gave(b, "1000.0", "Cancelled", ""), gave(a, "1000.0", "Failed", "")}, []kopokopo.Outcome{rowFailed, rowFailed}, rowFailed},
		"one failed, one still on its way":          {two, []kopokopo.Disbursement{gave(b, "1000.0", "Cancelled", ""), gave(a, "1000.0", "Scheduled", "")}, []kopokopo.Outcome{rowPending, rowFailed}, rowPending},
		"failed, with a receipt":                    {two[:1], []kopokopo.Disbursement{gave(a, "1000.0", "Cancelled", "R1")}, []kopokopo.Outcome{rowPending}, rowPending},
		"came back, with a receipt":                 {two[:1], []kopokopo.Disbursement{gave(a, "1000.0", "Reversed", "R1")}, []kopokopo.Outcome{rowFailed}, rowFailed},
		"failed and then paid":                      {two[:1], []kopokopo.Disbursement{gave(a, "1000.0", "Cancelled", ""), gave(a, "1000.0", "Transferred", "R1")}, []kopokopo.Outcome{rowPending}, rowPending},
		"a receipt that was paid and failed":        {two[:1], []kopokopo.Disbursement{gave(a, "1000.0", "Reversed", "R1"), gave(a, "1000.0", "Transferred", "R1")}, []kopokopo.Outcome{rowPending}, rowPending},
		"somebody who was not asked for":            {two, []kopokopo.Disbursement{gave(a, "1000.0", "Cancelled", ""), gave(b, "1000.0", "Cancelled", ""), gave("254700000999", "1000.0", "Transferred", "R1")}, []kopokopo.Outcome{rowPending, rowPending}, rowPending},
		"split, 49,452 = 24,452 + 25,000":           {[]kopokopo.SentDestination{bank}, []kopokopo.Disbursement{eft("24452.0", "Transferred"), eft("25000.0", "Transferred")}, []kopokopo.Outcome{rowPaid}, rowPaid},
		"split, half of it not listed yet":          {[]kopokopo.SentDestination{bank}, []kopokopo.Disbursement{eft("24452.0", "Cancelled")}, []kopokopo.Outcome{rowPending}, rowPending},
		"split, and one part failed":                {[]kopokopo.SentDestination{bank}, []kopokopo.Disbursement{eft("24452.0", "Cancelled"), eft("25000.0", "Transferred")}, []kopokopo.Outcome{rowPartial}, rowPartial},
		"split, and both parts failed":              {[]kopokopo.SentDestination{bank}, []kopokopo.Disbursement{eft("24452.0", "Cancelled"), eft("25000.0", "Cancelled")}, []kopokopo.Outcome{rowFailed}, rowFailed},
		"split, and one part too many":              {[]kopokopo.SentDestination{bank}, []kopokopo.Disbursement{eft("24452.0", "Transferred"), eft("25000.0", "Transferred"), eft("0.01", "Transferred")}, []kopokopo.Outcome{rowPending}, rowPending},
		"twice the same, both paid":                 {[]kopokopo.SentDestination{two[0], two[0]}, []kopokopo.Disbursement{gave(a, "1000.0", "Transferred", "R1"), gave(a, "1000.0", "Transferred", "R2")}, []kopokopo.Outcome{rowPaid, rowPaid}, rowPaid},
		"twice the same, one receipt":               {[]kopokopo.SentDestination{two[0], two[0]}, []kopokopo.Disbursement{gave(a, "1000.0", "Transferred", "R1"), gave(a, "1000.0", "Transferred", "R1")}, []kopokopo.Outcome{rowPending, rowPaid}, rowPending},
		"twice the same, one failed":                {[]kopokopo.SentDestination{two[0], two[0]}, []kopokopo.Disbursement{gave(a, "1000.0", "Transferred", "R1"), gave(a, "1000.0", "Cancelled", "")}, []kopokopo.Outcome{rowFailed, rowPaid}, rowPartial},
		"twice the same, and both failed":           {[]kopokopo.SentDestination{two[0], two[0]}, []kopokopo.Disbursement{gave(a, "1000.0", "Cancelled", ""), gave(a, "1000.0", "Cancelled", "")}, []kopokopo.Outcome{rowFailed, rowFailed}, rowFailed},
		"masked, and the only one of its amount":    {[]kopokopo.SentDestination{two[0], payee(b, "700")}, []kopokopo.Disbursement{gave("2547****8", "700.0", "Transferred", "R1"), gave(a, "1000.0", "Cancelled", "")}, []kopokopo.Outcome{rowFailed, rowPaid}, rowPartial},
		"masked, and one of two":                    {two, []kopokopo.Disbursement{gave("2547****8", "1000.0", "Transferred", "R1"), gave(a, "1000.0", "Cancelled", "")}, []kopokopo.Outcome{rowPending, rowPending}, rowPending},
		"without a phone, and one of two":           {two, []kopokopo.Disbursement{gave("", "1000.0", "Transferred", "R1"), gave("", "1000.0", "Transferred", "R2")}, []kopokopo.Outcome{rowPending, rowPending}, rowPending},
		"without a phone, told by the type":         {[]kopokopo.SentDestination{two[0], {Type: "till", TillNumber: "12444", Amount: amountOf("1000")}}, []kopokopo.Disbursement{{DestinationType: "Till", Amount: amountOf("1000.0"), Status: "Transferred"}, {DestinationType: "Mobile Wallet", Amount: amountOf("1000.0"), Status: "Failed"}}, []kopokopo.Outcome{rowFailed, rowPaid}, rowPartial},
	} {
		literal := kopokopo.SendMoney{Status: "Processed", Currency: "KES", Destinations: test.asked, TransferBatches: batchOf(test.listed...)}
		for how, s := range map[string]kopokopo.SendMoney{"a program's own": literal, "decoded": overTheWire(t, literal)} {
			assert.Equal(t, test.rows, outcomesOf(s.Results()), "%s, %s", name, how)
			assert.Equal(t, test.whole, s.Outcome(), "%s, %s", name, how)
			var failed []kopokopo.SentDestination
			for _, r := range s.Results() {
				if r.Outcome == rowFailed {
					failed = append(failed, r.Destination)
				}
			}
			assert.Len(t, s.Unpaid(), len(failed), "%s, %s", name, how)
		}
	}
}

// The same payee in all the forms that the documents have.
func TestPayeesInEverySpelling(t *testing.T) {
	t.Parallel()
	type pair struct {
		asked  kopokopo.SentDestination
		listed kopokopo.Disbursement
	}
	for name, p := range map[string]pair{
		"a phone with a plus":           {payee("254712345678", "5"), gave("+254712345678", "5.0", "", "")},
		"a phone as it is dialled":      {payee("254712345678", "5"), gave("0712 345-678", "5", "", "")},
		"a type as version 1 shows it":  {kopokopo.SentDestination{Type: "mobile_wallet"}, kopokopo.Disbursement{DestinationType: " Mobile Wallet"}},
		"an own account by its kind":    {kopokopo.SentDestination{Type: "merchant_bank_account", Reference: "A-1"}, kopokopo.Disbursement{DestinationType: "Bank Account", DestinationReference: "a-1"}},
		"an own wallet by its kind":     {kopokopo.SentDestination{Type: "merchant_wallet", Reference: "A-1"}, kopokopo.Disbursement{DestinationType: "Mobile Wallet", DestinationReference: "A-1", PhoneNumber: "254712345678"}},
		"a till with a K":               {kopokopo.SentDestination{Type: "till", TillNumber: "K123456"}, kopokopo.Disbursement{DestinationType: "till", TillNumber: "123456"}},
		"an account with dashes":        {kopokopo.SentDestination{Type: "bank_account", AccountNumber: "01-23 45"}, kopokopo.Disbursement{DestinationType: "Bank Account", AccountNumber: "012345"}},
		"a bill in capitals":            {kopokopo.SentDestination{Type: "paybill", PayBillNumber: "888880", PayBillAccountNumber: "acc#1"}, kopokopo.Disbursement{DestinationType: "Paybill", PayBillNumber: "888880", PayBillAccountNumber: "ACC#1"}},
		"a type that is not known":      {kopokopo.SentDestination{Type: "mobile_wallet", PhoneNumber: "254712345678"}, kopokopo.Disbursement{DestinationType: "Pochi", PhoneNumber: "254712345678"}},
		"a phone that is masked":        {payee("254712345678", "5"), gave("2547••••5678", "5", "", "")},
		"a phone that is blank":         {payee("254712345678", "5"), gave("  ", "5", "", "")},
		"an account that is masked":     {kopokopo.SentDestination{Type: "bank_account", AccountNumber: "XXXXXX7890"}, kopokopo.Disbursement{DestinationType: "bank_account", AccountNumber: "1234567890"}},
		"a recipient's own reference":   {payee("254712345678", "5"), kopokopo.Disbursement{PhoneNumber: "254712345678", DestinationReference: "9764ef5f"}},
		"a number that is not of Kenya": {payee("+256 700 000 001", "5"), gave("256700000001", "5", "", "")},
	} {
		p.asked.Amount, p.listed.Amount, p.listed.Status = amountOf("5"), amountOf("5.00"), "Transferred"
		s := kopokopo.SendMoney{Status: "Processed", Destinations: []kopokopo.SentDestination{p.asked}, TransferBatches: batchOf(p.listed)}
		assert.Equal(t, rowPaid, s.Outcome(), name)
	}
	for name, p := range map[string]pair{
		"another phone":                      {payee("254712345678", "5"), gave("254712345679", "5", "", "")},
		"a number of another country":        {payee("254712345678", "5"), gave("256712345678", "5", "", "")},
		"another type":                       {kopokopo.SentDestination{Type: "till"}, kopokopo.Disbursement{DestinationType: "Paybill"}},
		"another till":                       {kopokopo.SentDestination{TillNumber: "1"}, kopokopo.Disbursement{TillNumber: "2"}},
		"another account":                    {kopokopo.SentDestination{AccountNumber: "1"}, kopokopo.Disbursement{AccountNumber: "2"}},
		"another branch of the same account": {kopokopo.SentDestination{AccountNumber: "1", BankBranchReference: "x"}, kopokopo.Disbursement{AccountNumber: "1", BankBranchReference: "y"}},
		"another paybill":                    {kopokopo.SentDestination{PayBillNumber: "1"}, kopokopo.Disbursement{PayBillNumber: "2"}},
		"another bill":                       {kopokopo.SentDestination{PayBillNumber: "1", PayBillAccountNumber: "x"}, kopokopo.Disbursement{PayBillNumber: "1", PayBillAccountNumber: "y"}},
		"another own account":                {kopokopo.SentDestination{Reference: "x"}, kopokopo.Disbursement{DestinationReference: "y"}},
	} {
		p.asked.Amount, p.listed.Amount = amountOf("5"), amountOf("5.00")
		for _, status := range []string{"Transferred", "Cancelled"} {
			p.listed.Status = status
			s := kopokopo.SendMoney{Status: "Processed", Destinations: []kopokopo.SentDestination{p.asked}, TransferBatches: batchOf(p.listed)}
			assert.Equal(t, rowPending, s.Outcome(), name)
			assert.Empty(t, s.Unpaid(), name)
		}
	}
}

// What K2 says on top, and the number of destinations it was asked for.
func TestResultsAndTheStatusOnTop(t *testing.T) {
	t.Parallel()
	one, two := []kopokopo.SentDestination{payee("0712345678", "10")}, []kopokopo.SentDestination{payee("0712345678", "10"), payee("0712345679", "10")}
	paid, failed := gave("0712345678", "10.0", "Transferred", "R"), gave("0712345679", "10.0", "Cancelled", "")
	both := batchOf(paid, gave("0712345679", "10.0", "Transferred", "S"))
	for name, test := range map[string]struct {
		s    kopokopo.SendMoney
		rows []kopokopo.Outcome
	}{
		"not done, though listed":                 {kopokopo.SendMoney{Status: "Scheduled", Destinations: two, TransferBatches: batchOf(paid, failed)}, []kopokopo.Outcome{rowPending, rowPending}},
		"done":                                    {kopokopo.SendMoney{Status: "Processed", Destinations: two, TransferBatches: batchOf(paid, failed)}, []kopokopo.Outcome{rowPaid, rowFailed}},
		"failed, but one was paid":                {kopokopo.SendMoney{Status: "Failed", Destinations: two, TransferBatches: batchOf(paid, failed)}, []kopokopo.Outcome{rowPaid, rowFailed}},
		"failed, but all were paid":               {kopokopo.SendMoney{Status: "Failed", Destinations: two, TransferBatches: both}, []kopokopo.Outcome{rowPending, rowPending}},
		"failed, one is listed":                   {kopokopo.SendMoney{Status: "Failed", Destinations: two, TransferBatches: batchOf(failed)}, []kopokopo.Outcome{rowPending, rowFailed}},
		"failed, nothing is listed":               {kopokopo.SendMoney{Status: "Rejected", Destinations: two}, []kopokopo.Outcome{rowFailed, rowFailed}},
		"errors, one is listed":                   {kopokopo.SendMoney{Status: "Processed", Errors: []string{"no"}, Destinations: two, TransferBatches: batchOf(failed)}, []kopokopo.Outcome{rowPending, rowFailed}},
		"errors, nothing of two is listed":        {kopokopo.SendMoney{Status: "Processed", Errors: []string{"no"}, Destinations: two}, []kopokopo.Outcome{rowPending, rowPending}},
		"errors, nothing of one is listed":        {kopokopo.SendMoney{Status: "Processed", Errors: []string{"no"}, Destinations: one}, []kopokopo.Outcome{rowFailed}},
		"errors, and all were paid":               {kopokopo.SendMoney{Status: "Processed", Errors: []string{"no"}, Destinations: two, TransferBatches: both}, []kopokopo.Outcome{rowPending, rowPending}},
		"no errors, nothing is listed":            {kopokopo.SendMoney{Status: "Processed", Destinations: one}, []kopokopo.Outcome{rowPending}},
		"a batch that lists none, of that amount": {kopokopo.SendMoney{Status: "Processed", Destinations: one, TransferBatches: []kopokopo.TransferBatch{{Status: "Transferred", Amount: amountOf("10.0")}}}, []kopokopo.Outcome{rowPaid}},
		"a batch that lists none, of another":     {kopokopo.SendMoney{Status: "Processed", Destinations: one, TransferBatches: []kopokopo.TransferBatch{{Status: "Transferred", Amount: amountOf("9")}}}, []kopokopo.Outcome{rowPending}},
		"a batch that says it is done":            {kopokopo.SendMoney{Status: "Processed", Destinations: one, TransferBatches: []kopokopo.TransferBatch{{Status: "Processed", Amount: amountOf("10.0")}}}, []kopokopo.Outcome{rowPending}},
		"no destinations":                         {kopokopo.SendMoney{Status: "Processed", TransferBatches: both}, nil},
		"an empty list of destinations":           {kopokopo.SendMoney{Status: "Processed", Destinations: []kopokopo.SentDestination{}, TransferBatches: both}, nil},
	} {
		assert.Equal(t, test.rows, outcomesOf(test.s.Results()), name)
		assert.Equal(t, test.rows == nil, test.s.Results() == nil, name)
	}
	sweep := kopokopo.SendMoney{Status: "Processed", TransferBatches: []kopokopo.TransferBatch{{Status: "Processed"}}}
	assert.Equal(t, rowPending, sweep.Outcome(), "Processed is not a word for money that arrived")
}

// A result names the receipts and reasons of its own disbursements.
func TestResultsHaveTheirReceiptsAndReasons(t *testing.T) {
	t.Parallel()
	no := gave("0712000111", "300", "Cancelled", "")
	no.Errors = []string{"no such number"}
	again := gave("0712000222", "40", "Transferred", "T")
	s := kopokopo.SendMoney{Status: "Processed", Errors: []string{"not all went well"}, Destinations: []kopokopo.SentDestination{
		payee("0712345678", "1000"), payee("0712000111", "300"), payee("0712000222", "40"), payee("0712000333", "5")},
		TransferBatches: batchOf(gave("0712345678", "400", "Transferred", "R"), no, gave("0712345678", "600", "Transferred", "S"), again,
			gave("0712000222", "40", "Transferred", "U"), gave("0712000333", "5", "Cancelled", ""))}
	results := s.Results()
	assert.Equal(t, []kopokopo.Outcome{rowPaid, rowFailed, rowPending, rowFailed}, outcomesOf(results))
	assert.Equal(t, "R, S", results[0].Reference)
	assert.Empty(t, results[0].Reasons)
	assert.Equal(t, []string{"no such number"}, results[1].Reasons)
	assert.Empty(t, results[1].Reference)
	assert.Equal(t, "T, U", results[2].Reference, "who was paid twice can be asked")
	assert.Equal(t, []string{"not all went well"}, results[3].Reasons, "K2 says no more")
	// Two equal payments in two parts each: nobody can tell whose receipts they are.
	s = kopokopo.SendMoney{Status: "Processed", Destinations: []kopokopo.SentDestination{payee("0712345678", "10"), payee("0712345678", "10")}, TransferBatches: batchOf(
		gave("0712345678", "4", "Transferred", "A"), gave("0712345678", "4", "Transferred", "B"), gave("0712345678", "6", "Transferred", "C"), gave("0712345678", "6", "Transferred", "D"))}
	for _, r := range s.Results() {
		assert.Equal(t, kopokopo.SendMoneyResult{Index: r.Index, Destination: s.Destinations[0], Outcome: rowPaid}, r)
	}
}

// A form that K2 cannot mean is pending, though decoding takes it; so is one that is
// only right in a part that says nothing.
func TestPayoutsInImpossibleForms(t *testing.T) {
	t.Parallel()
	const paidOne = `{"amount":"10.0","status":"Transferred","phone_number":"254712345678","destination_type":"mobile_wallet","transaction_reference":"R"}`
	document := func(destinations, batches string) string {
		return `{"status":"Processed","destinations":` + destinations + `,"currency":"KES","transfer_batches":` + batches + `,"errors":null}`
	}
	const one = `[{"type":"mobile_wallet","amount":10,"phone_number":"254712345678"}]`
	batches := func(disbursements string) string {
		return `[{"status":"Transferred","amount":"10.0","disbursements":` + disbursements + `}]`
	}
	good := callbackOf[kopokopo.SendMoney](t, "send_money", document(one, batches("["+paidOne+"]")))
	require.Equal(t, rowPaid, good.Outcome())
	require.Equal(t, rowPaid, callbackOf[kopokopo.SendMoney](t, "send_money", strings.Replace(document(one, batches("["+paidOne+"]")), "transfer_batches", "Transfer_Batches", 1)).Outcome(), "JSON names are taken in either case")
	change := func(disbursement, old, new string) string {
		require.Contains(t, disbursement, old)
		return document(one, batches("["+strings.Replace(disbursement, old, new, 1)+"]"))
	}
	failedOne := strings.NewReplacer("Transferred", "Cancelled", `"R"`, `null`).Replace(paidOne)
	for name, attributes := range map[string]string{
		"disbursements as an object":         document(one, batches(paidOne)),
		"disbursements as an object of them": document(one, batches(`{"0":`+paidOne+`}`)),
		"disbursements as a text":            document(one, batches(`"none"`)),
		"a disbursement that is null":        document(one, batches("["+paidOne+",null]")),
		"a disbursement that is a list":      document(one, batches("["+paidOne+",[]]")),
		"a disbursement that is a text":      document(one, batches("["+paidOne+`,"Transferred"]`)),
		"batches as an object":               document(one, `{"status":"Transferred","amount":"10.0"}`),
		"a batch that is null":               document(one, `[{"status":"Transferred","disbursements":[`+paidOne+`]},null]`),
		"a batch that is a text":             document(one, `["Transferred"]`),
		"destinations as an object":          document(`{"type":"mobile_wallet"}`, batches("["+paidOne+"]")),
		"destinations as a number":           document(`1`, batches("["+paidOne+"]")),
		"a destination that is null":         document(`[null]`, batches("["+paidOne+"]")),
		"a destination that is a text":       document(`["254712345678"]`, batches("["+paidOne+"]")),
		"a destination with an odd amount":   document(`[{"amount":{"value":10}}]`, batches("["+paidOne+"]")),
		"a destination with an odd phone":    document(`[{"amount":10,"phone_number":["254712345678"]}]`, batches("["+paidOne+"]")),
		"a batch with an odd status":         document(one, `[{"status":{"is":"Cancelled"},"disbursements":[`+paidOne+`]}]`),
		"a batch with an odd amount":         document(one, `[{"status":"Transferred","amount":[1],"disbursements":[`+paidOne+`]}]`),
		"a status that is a list":            change(paidOne, `"Transferred"`, `["Transferred"]`),
		"an amount that is an object":        change(paidOne, `"10.0"`, `{"value":"10.0"}`),
		"a receipt that is an object":        change(paidOne, `"R"`, `{"id":"R"}`),
		"a phone that is an object":          change(paidOne, `"254712345678"`, `{"e164":"254712345678"}`),
		"a type that is a list":              change(paidOne, `"mobile_wallet"`, `["mobile_wallet"]`),
		"a failure with an odd phone":        change(failedOne, `"254712345678"`, `[]`),
		"failures as an object":              document(one, batches(failedOne)),
		"errors, and batches as an object":   `{"status":"Processed","destinations":` + one + `,"transfer_batches":{},"errors":["no"]}`,
		"no destinations, odd batches":       `{"status":"Failed","destinations":null,"transfer_batches":"none"}`,
	} {
		s := callbackOf[kopokopo.SendMoney](t, "send_money", attributes)
		assert.Equal(t, rowPending, s.Outcome(), name)
		assert.Empty(t, s.Unpaid(), name)
		for _, r := range s.Results() {
			assert.Equal(t, rowPending, r.Outcome, name)
		}
	}
}

// A payment of version 1 and a settlement transfer are to one destination: the same rules.
func TestPaymentsToOneDestination(t *testing.T) {
	t.Parallel()
	part := func(reference, amount, status, receipt string) string {
		return `{"amount":"` + amount + `","status":"` + status + `","destination_type":"Bank Account","destination_reference":"` + reference + `","transaction_reference":` + receipt + `}`
	}
	document := func(amount string, parts ...string) string {
		return `{"status":"Processed","amount":` + amount + `,"transfer_batches":[{"status":"","disbursements":[` + strings.Join(parts, ",") + `]}]}`
	}
	const asked = `{"currency":"KES","value":49452}`
	paid, rest := part("a", "24452.0", "Transferred", "null"), part("a", "25000.0", "Transferred", "null")
	for name, test := range map[string]struct {
		attributes string
		want       kopokopo.Outcome
	}{
		"in two parts":                         {document(asked, paid, rest), rowPaid},
		"one part is missing":                  {document(asked, paid), rowPending},
		"one part failed":                      {document(asked, paid, part("a", "25000.0", "Cancelled", "null")), rowPartial},
		"all failed":                           {document(asked, part("a", "24452", "Failed", "null"), part("a", "25000", "Cancelled", "null")), rowFailed},
		"one part is too much":                 {document(asked, paid, rest, part("a", "1", "Transferred", "null")), rowPending},
		"one receipt twice":                    {document(asked, part("a", "49452.0", "Transferred", `"R"`), part("a", "49452.0", "Transferred", `"R"`)), rowPaid},
		"twice":                                {document(asked, part("a", "49452.0", "Transferred", `"R"`), part("a", "49452.0", "Transferred", `"S"`)), rowPending},
		"two recipients":                       {document(asked, paid, part("b", "25000.0", "Transferred", "null")), rowPending},
		"disbursements as an object":           {`{"status":"Processed","amount":` + asked + `,"transfer_batches":[{"status":"Transferred","amount":"49452","disbursements":{}}]}`, rowPending},
		"batches as an object":                 {`{"status":"Failed","amount":` + asked + `,"transfer_batches":{}}`, rowPending},
		"an amount that is no object":          {`{"status":"Processed","amount":49452,"transfer_batches":[{"status":"Transferred","disbursements":[` + paid + `]}]}`, rowPending},
		"an amount whose value is an object":   {`{"status":"Processed","amount":{"value":{}},"transfer_batches":[{"status":"Transferred","disbursements":[` + paid + `]}]}`, rowPending},
		"no amount: all that is listed":        {document("null", paid, rest), rowPaid},
		"no amount: not all that is listed":    {document("null", paid, part("a", "25000.0", "Cancelled", "null")), rowPartial},
		"done, errors, nothing is listed":      {`{"status":"Processed","amount":` + asked + `,"errors":"no"}`, rowFailed},
		"done, nothing is listed":              {`{"status":"Processed","amount":` + asked + `}`, rowPending},
		"failed, nothing is listed":            {`{"status":"Failed","amount":` + asked + `}`, rowFailed},
		"failed, and yet it was paid":          {`{"status":"Failed","amount":` + asked + `,"transfer_batches":[{"disbursements":[` + paid + "," + rest + `]}]}`, rowPending},
		"scheduled, and something failed":      {strings.Replace(document(asked, part("a", "49452", "Cancelled", "null")), "Processed", "Scheduled", 1), rowPending},
		"of a batch that says something else":  {strings.Replace(document(asked, paid, rest), `"status":""`, `"status":"Cancelled"`, 1), rowPending},
		"failed, in a batch that is not known": {strings.Replace(document(asked, part("a", "49452", "Cancelled", "null")), `"status":""`, `"status":"Sleeping"`, 1), rowPending},
	} {
		p := callbackOf[kopokopo.Payment](t, "payment", test.attributes)
		assert.Equal(t, test.want, p.Outcome(), "payment: %s", name)
		require.Len(t, p.Results(), 1)
		assert.Equal(t, test.want, p.Results()[0].Outcome, "payment: %s", name)
		assert.Equal(t, test.want, callbackOf[kopokopo.SettlementTransfer](t, "settlement_transfer", test.attributes).Outcome(), "transfer: %s", name)
	}
	blind := kopokopo.Payment{Status: "Processed", Errors: []string{"all"}, TransferBatches: []kopokopo.TransferBatch{{Disbursements: []kopokopo.Disbursement{{Status: "Failed", Errors: []string{"one"}}}}}}
	assert.Equal(t, []kopokopo.SendMoneyResult{{Outcome: rowFailed, Reasons: []string{"one", "all"}}}, blind.Results())
	assert.Equal(t, []string{"one", "all"}, blind.Reasons())
	assert.Equal(t, []string{"one", "all"}, kopokopo.SettlementTransfer{Errors: blind.Errors, TransferBatches: blind.TransferBatches}.Reasons())
}

// A disbursement knows its batch from decoding; one that a program made answers by itself.
func TestOutcomeOfADisbursement(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status, receipt, batch string
		errors                 []string
		alone, inBatch         kopokopo.Outcome
	}{
		{"Transferred", "R", "Transferred", nil, rowPaid, rowPaid},
		{"Transferred", "R", " ", nil, rowPaid, rowPaid},
		{"Transferred", "R", "Cancelled", nil, rowPaid, rowPending},
		{"Transferred", "R", "Scheduled", nil, rowPaid, rowPending},
		{"Transferred", "R", "Transferred", []string{"no"}, rowPending, rowPending},
		{"Cancelled", "", "Transferred", nil, rowFailed, rowFailed},
		{"Cancelled", "", "Cancelled", []string{"no"}, rowFailed, rowFailed},
		{"Cancelled", "", "Processing", nil, rowFailed, rowPending},
		{"Cancelled", "R", "Cancelled", nil, rowPending, rowPending},
		{" reversed ", "R", "Transferred", nil, rowFailed, rowFailed},
		{"Processed", "R", "Transferred", nil, rowPending, rowPending},
		{"", "", "Transferred", nil, rowPending, rowPending},
	} {
		d := kopokopo.Disbursement{Status: test.status, TransactionReference: test.receipt, Errors: test.errors}
		assert.Equal(t, test.alone, d.Outcome(), "%+v", test)
		batches := []kopokopo.TransferBatch{{Status: test.batch, Disbursements: []kopokopo.Disbursement{d}}}
		decoded := overTheWire(t, kopokopo.SendMoney{TransferBatches: batches}).TransferBatches[0].Disbursements[0]
		assert.Equal(t, test.inBatch, decoded.Outcome(), "%+v", test)
		for kind, attributes := range map[string]any{"payment": kopokopo.Payment{TransferBatches: batches}, "settlement_transfer": kopokopo.SettlementTransfer{TransferBatches: batches}} {
			text, err := json.Marshal(attributes)
			require.NoError(t, err)
			if kind == "payment" {
				decoded = callbackOf[kopokopo.Payment](t, kind, string(text)).TransferBatches[0].Disbursements[0]
			} else {
				decoded = callbackOf[kopokopo.SettlementTransfer](t, kind, string(text)).TransferBatches[0].Disbursements[0]
			}
			assert.Equal(t, test.inBatch, decoded.Outcome(), "%s %+v", kind, test)
		}
	}
}

// What failed can be sent again as it comes, of each kind of destination and however
// K2 shows it.
func TestUnpaidIsReadyToSend(t *testing.T) {
	t.Parallel()
	want := []kopokopo.SendMoneyDestination{
		kopokopo.ToMobileWallet("254712345678", kopokopo.KES("1000"), "Salary"),
		kopokopo.ToBankAccount("Jane Supplier", "1234567890", "633aa26c", kopokopo.KES("2000.5"), "Invoice"),
		kopokopo.ToTill("12444", kopokopo.KES("0.05"), "Stock"),
		kopokopo.ToPaybill("888880", "12345678", kopokopo.KES("300"), "Tokens"),
		kopokopo.ToMerchantWallet("wallet-1", kopokopo.KES("100")),
		kopokopo.ToMerchantBankAccount("account-1", kopokopo.KES("100")),
	}
	want[0].Nickname, want[0].Favourite = "Jane", true
	shown := []string{"Mobile Wallet", "Bank Account", "till", "Paybill", "merchant_wallet", "Merchant Bank Account"}
	amounts := []string{"1000.0", "2000.500", "0.05", "0300", "100", "100.00"}
	s := kopokopo.SendMoney{Status: "Processed"}
	for i, d := range want {
		s.Destinations = append(s.Destinations, kopokopo.SentDestination{Type: shown[i], Amount: amountOf(amounts[i]), Description: d.Description,
			Nickname: d.Nickname, Favourite: d.Favourite, PhoneNumber: d.PhoneNumber, Network: d.Network, AccountName: d.AccountName,
			AccountNumber: d.AccountNumber, BankBranchReference: d.BankBranchReference, TillNumber: d.TillNumber,
			PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber, Reference: d.Reference})
	}
	assert.Nil(t, s.Unpaid(), "nothing is known yet")
	s.Status = "Failed"
	for _, currency := range []string{"KES", "", " KES "} {
		s.Currency = currency
		unpaid := s.Unpaid()
		require.Equal(t, want, unpaid)
		require.NoError(t, kopokopo.SendMoneyReq{Destinations: unpaid, Links: kopokopo.Links{Callback: "https://shop.example/result"}}.Validate())
	}
	s.Currency = "UGX"
	assert.Equal(t, kopokopo.Amount{Value: "1000", Currency: "UGX"}, s.Unpaid()[0].Amount)
	s.Destinations = []kopokopo.SentDestination{{Type: "Pochi", Amount: amountOf("a lot")}}
	assert.Equal(t, []kopokopo.SendMoneyDestination{{Type: "Pochi", Amount: kopokopo.Amount{Value: "a lot", Currency: "UGX"}}}, s.Unpaid(), "nothing is made up: Validate refuses it")
}

// Payouts of thousands, and lists that are as long as an answer may be: no more work
// than reading them.
func TestResultsOfThousands(t *testing.T) {
	t.Parallel()
	const many = 5000
	s := kopokopo.SendMoney{Status: "Processed"}
	var listed []kopokopo.Disbursement
	for i := range many {
		phone := "2547" + strings.Repeat("0", 8-len(digits(i))) + digits(i)
		s.Destinations = append(s.Destinations, payee(phone, "1000"))
		status, receipt := "Transferred", "R"
		if i%10 == 0 {
			status, receipt = "Cancelled", ""
		}
		listed = append(listed, gave("+"+phone, "1000.0", status, receipt))
	}
	slices.Reverse(listed)
	s.TransferBatches = batchOf(listed...)
	assert.Equal(t, rowPartial, s.Outcome())
	assert.Len(t, s.Unpaid(), many/10)
	// No shorter: documents with more values than their size explains are not read at all.
	empty := strings.TrimSuffix(strings.Repeat(`{"favourite":null,"description":"of nobody, and of no amount"},`, 15_000), ",")
	odd := callbackOf[kopokopo.SendMoney](t, "send_money", `{"status":"Processed","destinations":[`+empty+`],"transfer_batches":[{"disbursements":[`+empty+`]}]}`)
	assert.Equal(t, rowPending, odd.Outcome())
	assert.Len(t, odd.Results(), 15_000)
}

func digits(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}
