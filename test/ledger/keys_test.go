package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// tx is a transaction as K2 writes it, with other things beside it.
func tx(receipt, amount, status, extra string) string {
	return fmt.Sprintf(`{"id":"id-%s","reference":%q,"amount":%s,"currency":"KES","status":%q,"origination_time":"2026-03-01T10:00:00+03:00"%s}`,
		receipt, receipt, amount, status, extra)
}

func eventOf(topic, resource string) string {
	return fmt.Sprintf(`{"topic":%q,"id":"e1","event":{"type":"Buygoods Transaction","resource":%s}}`, topic, resource)
}

func resultOf(kind, attributes string) string {
	return fmt.Sprintf(`{"data":{"id":"d1","type":%q,"attributes":{%s}}}`, kind, attributes)
}

func polled(transactions ...string) string {
	var list []string
	for _, t := range transactions {
		list = append(list, `{"type":"Buygoods Transaction","resource":`+t+`}`)
	}
	return resultOf("polling", `"status":"Success","transactions":[`+strings.Join(list, ",")+`]`)
}

// part is a disbursement as K2 writes it.
func part(amount, receipt, destination, at string) string {
	return fmt.Sprintf(`{"amount":%q,"status":"Transferred","destination_type":"mobile_wallet","destination_reference":%q,"transaction_reference":%s,"origination_time":"2026-03-01T10:00:%s+03:00"}`,
		amount, destination, receipt, at)
}

func batches(parts ...string) string {
	return `"status":"Processed","transfer_batches":[{"status":"Transferred","disbursements":[` + strings.Join(parts, ",") + `]}]`
}

// keysOf are the keys of a body in which nothing is undecided.
func keysOf(t *testing.T, body string) []string {
	t.Helper()
	entries, err := parse(t, []byte(body)).Entries()
	require.NoError(t, err, body)
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}

// goldenKeys are keys that merchants have in their tables. They never change.
var goldenKeys = []struct {
	name, body string
	keys       []string
}{
	{"payment", eventOf("buygoods_transaction_received", tx("OJM6Q1W84K", `"100.0"`, "Received", "")), []string{"credit:OJM6Q1W84K"}},
	{"payment with spaces around its receipt", eventOf("buygoods_transaction_received", tx(" OJM6Q1W84K ", `"100.0"`, "Received", "")), []string{"credit:OJM6Q1W84K"}},
	{"sandbox payment", eventOf("buygoods_transaction_received", tx("1770871136", `249`, "Received", "")), []string{"credit:1770871136"}},
	{"receipt that is no plain text", eventOf("buygoods_transaction_received", tx("R:1/é", `"1"`, "Received", "")),
		[]string{"credit:~6b302bfc27f1b083e033be385eb1a3e84019631dff3611bfb721756f16be4911"}},
	{"receipt of 65 characters", eventOf("buygoods_transaction_received", tx(strings.Repeat("R", 65), `"1"`, "Received", "")),
		[]string{"credit:~56c3a17ca73dcb3f3cc44fde721b3d095596bd4a7f565624363b036e819823a2"}},
	{"between merchants", `{"topic":"m2m_transaction_received","id":"e","event":{"type":"Merchant to Merchant Transaction","resource":{"id":"893ebbcf-c3","amount":"456","status":"Received"}}}`,
		[]string{"credit:893ebbcf-c3"}},
	{"reversed payment in a list", polled(tx("R1", `"5"`, "Reversed", "")), []string{"credit:R1", "reversal:R1"}},
	{"reversed event", eventOf("buygoods_transaction_reversed", tx("R1", `"5"`, "Reversed", "")), []string{"reversal:R1"}},
	{"voided card payment", eventOf("card_transaction_voided", tx("CARD0001", `"5"`, "Voided", "")), []string{"reversal:CARD0001"}},
	{"payout", resultOf("send_money", batches(part("1000.0", `"R1"`, "a3bd6298-8a5a", "01.5"))), []string{"debit:R1:a3bd6298-8a5a"}},
	{"payout whose receipt is a number", resultOf("payment", batches(part("1000.0", `1757640471`, "a3bd6298-8a5a", "01.5"))), []string{"debit:1757640471:a3bd6298-8a5a"}},
	{"EFT", resultOf("settlement_transfer", batches(part("24452.50", `null`, "34a273d1", "58.623"))), []string{"debit::34a273d1:24452.5:1772348458623"}},
	{"EFT of less than a shilling", resultOf("settlement_transfer", batches(part("0.50", `""`, "34a273d1", "58"))), []string{"debit::34a273d1:0.5:1772348458000"}},
	{"exact twins by EFT", resultOf("settlement_transfer", batches(part("5", `null`, "D", "58.623"), part("5.00", `null`, "D", "58.623"), part("5", `null`, "D", "58.623"))),
		[]string{"debit::D:5:1772348458623", "debit::D:5:1772348458623:2", "debit::D:5:1772348458623:3"}},
	{"a payout with spaces around its texts", resultOf("send_money", batches(part("5", `" R1 "`, " D ", "01"))), []string{"debit:R1:D"}},
	{"a split with two receipts", resultOf("send_money", batches(part("24452", `"R1"`, "D", "01"), part("25000", `"R2"`, "D", "02"))), []string{"debit:R1:D", "debit:R2:D"}},
	{"a split with one receipt", resultOf("send_money", batches(part("24452", `"R1"`, "D", "01"), part("25000", `"R1"`, "D", "02"))), []string{"debit:R1:D", "debit:R1:D:2"}},
	{"a split with one receipt, listed backwards", resultOf("send_money", batches(part("25000", `"R1"`, "D", "02"), part("24452", `"R1"`, "D", "01"))), []string{"debit:R1:D:2", "debit:R1:D"}},
	{"a split with one receipt and one time", resultOf("send_money", batches(part("25000", `"R1"`, "D", "01"), part("24452", `"R1"`, "D", "01"))), []string{"debit:R1:D:2", "debit:R1:D"}},
	{"a split in halves with one receipt", resultOf("send_money", batches(part("25000", `"R1"`, "D", "01"), part("25000", `"R1"`, "D", "02"))), []string{"debit:R1:D", "debit:R1:D:2"}},
	{"one disbursement, listed twice", resultOf("send_money", batches(part("25000", `"R1"`, "D", "01"), part("25000.0", `"R1"`, "D", "01"))), []string{"debit:R1:D"}},
	{"one receipt, two destinations", resultOf("send_money", batches(part("5", `"R1"`, "D1", "01"), part("5", `"R1"`, "D2", "01"))), []string{"debit:R1:D1", "debit:R1:D2"}},
	{"a destination without a reference", resultOf("send_money", batches(`{"amount":"5","status":"Transferred","phone_number":"254712345678","transaction_reference":"R1"}`)),
		[]string{"debit:R1:6a1e746c46da7e22bf2ed3dd379721cc22fa1d27d0e043697904489d3f79a11a"}},
	{"a destination whose reference is unavailable", resultOf("send_money", batches(`{"amount":"5","status":"Transferred","destination_reference":"Unavailable","phone_number":"+254712345678","transaction_reference":"R1"}`)),
		[]string{"debit:R1:6a1e746c46da7e22bf2ed3dd379721cc22fa1d27d0e043697904489d3f79a11a"}},
	{"a bill", resultOf("send_money", batches(`{"amount":"5","status":"Transferred","paybill_number":"888880","paybill_account_number":"12","transaction_reference":"R1"}`)),
		[]string{"debit:R1:6f5de8d6b7bb51886b48462017bda4a5743fc953edb3369c094075a2833309c6"}},
	{"reversal", resultOf("reversal", `"status":"Processed","transaction_reference":"R1","reversal_bulk_payment":{"amount":"5","status":"Transferred","transaction_reference":"REV1"}`), []string{"reversal:R1"}},
	{"reversal that was requested by K2's id", resultOf("reversals", `"status":"Processed","transaction_reference":"059278a2-8ffe-4f31-b3b4-d6c76770c72f","reversal_bulk_payment":{"amount":"5","status":"Transferred"}`),
		[]string{"reversal:059278a2-8ffe-4f31-b3b4-d6c76770c72f"}},
}

func TestGoldenKeys(t *testing.T) {
	t.Parallel()
	spaced, err := parse(t, []byte(goldenKeys[1].body)).Entries()
	require.NoError(t, err)
	assert.Equal(t, "OJM6Q1W84K", spaced[0].Reference)
	for _, test := range goldenKeys {
		assert.Equal(t, test.keys, keysOf(t, test.body), test.name)
	}
}

// One movement has one key, whatever told of it.
func TestOneMovementHasOneKeyInEveryShape(t *testing.T) {
	t.Parallel()
	const phone = `,"sender_phone_number":"+254999999999"`
	for name, shapes := range map[string]struct {
		keys   []string
		bodies []string
	}{
		"a payment": {[]string{"credit:R1"}, []string{
			resultOf("incoming_payment", `"status":"Success","event":{"resource":`+tx("R1", `"100.0"`, "Received", phone)+`},"_links":{"self":"https://x/api/v1/incoming_payments/d1"}`),
			resultOf("incoming_payment", `"status":"Success","event":{"resource":`+tx("R1", `100`, "Received", "")+`,"errors":[]},"_links":{"self":"https://x/api/v2/incoming_payments/d1"}`),
			eventOf("buygoods_transaction_received", tx("R1", `"100"`, "Received", phone)),
			eventOf("b2b_transaction_received", tx("R1", `"100.00"`, "Complete", "")),
			`{"TransactionType":"Buygoods","TransID":"R1","TransTime":"20260301100000","TransAmount":"100.0"}`,
			`{"TransactionType":"Pay Bill","TransID":"R1","TransTime":"20260301100000","TransAmount":"100.0"}`,
			resultOf("payment_link", `"status":"Processed","currency":"KES","amount":100,"payment_link":{"status":"Paid","transaction_reference":"R1"}`),
			resultOf("payment_link", `"status":"Processed","currency":"KES","amount":"100","payment_link":{"payment_link_status":"paid","transaction_reference":"R1"}`),
			polled(tx("R1", `"100.0"`, "Received", "")),
			polled(tx("R1", `"100.0"`, "Received", ""), tx("R1", `"100.0"`, "Received", "")),
		}},
		"a reversal": {[]string{"reversal:R1"}, []string{
			resultOf("reversal", `"status":"Processed","transaction_reference":"R1","reversal_bulk_payment":{"amount":"100.0","status":"Transferred","transaction_reference":"REV1"}`),
			resultOf("reversals", `"status":"Processed","transaction_reference":"R1","reversal_bulk_payment":{"amount":"100","status":"Transferred","transaction_reference":"REV1"}`),
			eventOf("buygoods_transaction_reversed", tx("R1", `"100"`, "Reversed", "")),
			eventOf("b2b_transaction_reversed", tx("R1", `"100"`, "Reversed", "")),
		}},
		"a payment and its reversal": {[]string{"credit:R1", "reversal:R1"}, []string{
			resultOf("incoming_payment", `"status":"Success","event":{"resource":`+tx("R1", `"100.0"`, "Reversed", "")+`}`),
			polled(tx("R1", `"100.0"`, "Reversed", "")),
			polled(tx("R1", `"100.0"`, "Received", ""), tx("R1", `"100.0"`, "Reversed", "")),
			eventOf("card_transaction_received", tx("R1", `"100.0"`, "Voided", "")),
		}},
		"between merchants": {[]string{"credit:id-"}, []string{
			eventOf("m2m_transaction_received", tx("", `"100"`, "Received", "")),
			eventOf("m2m_transaction_completed", tx("", `"100"`, "Completed", `,"sending_merchant":"Jane"`)),
			resultOf("polling", `"status":"Success","transactions":[{"type":"Merchant to Merchant Transaction","resource":`+tx("", `"100"`, "Received", "")+`}]`),
			polled(tx("", `"100"`, "Received", `,"sending_merchant":"Jane"`)),
		}},
		"a settlement": {[]string{"debit:R1:A1", "debit::A1:25000:1772348402000"}, []string{
			resultOf("settlement_transfer", batches(part("24452.0", `"R1"`, "A1", "01"), part("25000.0", `null`, "A1", "02"))),
			resultOf("send_money", batches(part("24452", `"R1"`, "A1", "01"), part("25000", `null`, "A1", "02"))),
			`{"topic":"settlement_transfer_completed","id":"e1","event":{"resource":{"amount":"49452","status":"Transferred","destination":{"type":"Bank Account","resource":{"reference":"A1"}},"disbursements":[` +
				`{"amount":"24452","status":"Transferred","transaction_reference":"R1","origination_time":"2026-03-01T10:00:01+03:00"},` +
				`{"amount":"25000","status":"Transferred","transaction_reference":null,"origination_time":"2026-03-01T07:00:02.000Z"}]}}}`,
		}},
	} {
		for _, body := range shapes.bodies {
			assert.Equal(t, shapes.keys, keysOf(t, body), "%s: %s", name, body)
		}
	}
}

// Each callback of a send money has the keys of those before it, and more.
func TestLaterCallbacksRepeatTheKeys(t *testing.T) {
	t.Parallel()
	a, b, c := part("5", `"R1"`, "D1", "01"), part("5", `null`, "D2", "02"), part("7", `"R3"`, "D1", "03")
	seen := map[string]bool{}
	for _, callback := range []string{
		resultOf("send_money", `"status":"Scheduled","transfer_batches":null`),
		resultOf("send_money", batches(a)),
		resultOf("send_money", batches(a, b)),
		resultOf("send_money", batches(c, b, a)),
		resultOf("send_money", `"status":"Processed","transfer_batches":[{"status":"Transferred","disbursements":[`+b+`]},{"status":"Transferred","amount":"12","disbursements":[`+c+`,`+a+`]}]`),
	} {
		for _, key := range keysOf(t, callback) {
			seen[key] = true
		}
	}
	assert.Len(t, seen, 3)
}

// Accounts that K2 names no reference of are told apart, however they are written.
func TestDestinationsWithoutAReference(t *testing.T) {
	t.Parallel()
	key := func(account string) string {
		return keysOf(t, resultOf("send_money", batches(`{"amount":"5","status":"Transferred","transaction_reference":"R1",`+account+`}`)))[0]
	}
	assert.Equal(t, key(`"phone_number":"254712345678"`), key(`"phone_number":"+254712345678","destination_type":"Mobile Wallet","nickname":"x"`))
	assert.Equal(t, key(`"phone_number":"12","till_number":"3"`), key(`"phone_number":" 12 ","till_number":" 3 ","destination_reference":" "`))
	different := map[string]bool{}
	for _, account := range []string{
		`"phone_number":"254712345678"`, `"phone_number":"254712345679"`, `"account_number":"12"`, `"account_number":"12","bank_branch_ref":"b"`,
		`"till_number":"12"`, `"paybill_number":"12"`, `"paybill_number":"1","paybill_account_number":"2"`, `"paybill_account_number":"12"`, `"phone_number":"12"`,
	} {
		k := key(account)
		assert.Regexp(t, "^debit:R1:[0-9a-f]{64}$", k)
		different[k] = true
	}
	assert.Len(t, different, 9)

	event := `{"topic":"settlement_transfer_completed","id":"e1","event":{"resource":{"status":"Transferred","destination":{"type":"Bank Account","resource":{"account_number":"12","bank_branch_ref":"b"}},` +
		`"disbursements":[{"amount":"5","status":"Transferred","transaction_reference":"R1"}]}}}`
	assert.Equal(t, key(`"account_number":"12","bank_branch_ref":"b"`), keysOf(t, event)[0])
	event = strings.Replace(event, `"account_number":"12","bank_branch_ref":"b"`, `"phone_number":"+254712345678"`, 1)
	assert.Equal(t, key(`"phone_number":"254712345678"`), keysOf(t, event)[0])
}

// A payout to somebody, a settlement to oneself: it is said by the destination.
func TestKindsOfMoneyOut(t *testing.T) {
	t.Parallel()
	with := func(destinations string, kind string) kopokopo.EntryKind {
		body := resultOf("send_money", destinations+strings.ReplaceAll(batches(part("5", `"R1"`, "D", "01")), "mobile_wallet", kind))
		entries, err := parse(t, []byte(body)).Entries()
		require.NoError(t, err)
		return entries[0].Kind
	}
	const asked = `"destinations":[{"type":"x"}],`
	assert.Equal(t, kopokopo.EntryPayout, with(asked, "mobile_wallet"))
	assert.Equal(t, kopokopo.EntryPayout, with(asked, "Bank Account"))
	assert.Equal(t, kopokopo.EntrySettlement, with(asked, "merchant_wallet"))
	assert.Equal(t, kopokopo.EntrySettlement, with(asked, "merchant_bank_account"))
	assert.Equal(t, kopokopo.EntrySettlement, with("", "Bank Account"), "a sweep goes to own accounts only")
}
