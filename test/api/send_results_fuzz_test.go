package api_test

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// Crashers are kept as f.Add here, by name.

// FuzzUnpaid: whatever a document lists, paying what Unpaid has, on top of all that is
// listed for the same payees and did not fail, never comes to more than was asked for.
func FuzzUnpaid(f *testing.F) {
	for _, name := range payloads.Names("*send_money*.json") {
		body := payloads.Read(name)
		var document struct {
			Data struct {
				Attributes json.RawMessage `json:"attributes"`
			} `json:"data"`
		}
		if json.Unmarshal(body, &document) == nil && document.Data.Attributes != nil {
			f.Add([]byte(document.Data.Attributes))
		}
	}
	const one = `{"status":"Processed","destinations":[{"amount":1,"phone_number":"254712345678"},{"amount":"1","phone_number":"0712345679"}],`
	for _, batches := range []string{`null`, `{}`, `[{}]`, `[null]`, `[{"status":"Cancelled","amount":1}]`, `[{"disbursements":{"amount":1,"status":"Cancelled","phone_number":"254712345678"}}]`,
		`[{"disbursements":[{"amount":"1.0","status":"Cancelled","phone_number":"+254712345678"},{"amount":"1","status":"Transferred","transaction_reference":5}]}]`} {
		f.Add([]byte(one + `"transfer_batches":` + batches + `}`))
	}
	f.Fuzz(func(t *testing.T, attributes []byte) {
		var s kopokopo.SendMoney
		if json.Unmarshal(attributes, &s) == nil {
			checkUnpaid(t, s)
		}
	})
}

// FuzzUnpaidByScript has the same invariant over documents that are made of few names
// and amounts, so that everything is nearly like everything else.
func FuzzUnpaidByScript(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x01\x01\x02\x03"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x01\x00\x01\x00\x01\x01\x01\x00\x00\x00"))
	f.Add([]byte("\x00\x09\x02\x00\x02\x12\x02\x00\x01\x09\x02\x01\x01\x00\x02\x02\x03\x21\x0a\x05"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 4*24 {
			return
		}
		checkUnpaid(t, scriptedPayout(script))
	})
}

// scriptedPayout makes a document of a script, in which four bytes are a destination or
// a disbursement.
func scriptedPayout(script []byte) kopokopo.SendMoney {
	s := kopokopo.SendMoney{Status: "Processed"}
	phones := []string{"", "254712345678", "0712345678", "254712345679", "2547****8"}
	names := []string{"", "1", "2", "K1", "x*"}
	for chunk := range slices.Chunk(script, 4) {
		if len(chunk) < 4 {
			break
		}
		who, amount := chunk[1], amountOf([]string{"", "100", "200", "300.0", "100.00", "a lot", "0"}[chunk[2]%7])
		d := kopokopo.SentDestination{Type: []string{"", "mobile_wallet", "till", "Bank Account", "Pochi"}[chunk[0]/4%5], Amount: amount}
		text := names[who/8%5]
		switch who % 8 {
		case 0, 1:
			d.PhoneNumber = phones[who/8%5]
		case 2:
			d.TillNumber = text
		case 3:
			d.AccountNumber = text
		case 4:
			d.AccountNumber, d.BankBranchReference = text, "branch"
		case 5:
			d.PayBillNumber, d.PayBillAccountNumber = "888880", text
		case 6:
			d.Reference = text
		case 7:
			d.PhoneNumber, d.Reference = phones[who/8%5], text
		}
		switch {
		case chunk[0]%4 == 0:
			s.Destinations = append(s.Destinations, d)
		case chunk[0] == 255:
			s.Status = []string{"Failed", "Processed", "Scheduled", "Transferred"}[chunk[1]%4]
			if chunk[2]%4 == 0 {
				s.Errors = []string{"no"}
			}
		default:
			b := kopokopo.Disbursement{Amount: d.Amount, DestinationType: d.Type, PhoneNumber: d.PhoneNumber, TillNumber: d.TillNumber, AccountNumber: d.AccountNumber,
				BankBranchReference: d.BankBranchReference, PayBillNumber: d.PayBillNumber, PayBillAccountNumber: d.PayBillAccountNumber, DestinationReference: d.Reference}
			b.Status = []string{"Cancelled", "Transferred", "Scheduled", "Cancelled", "Reversed"}[chunk[3]%5]
			b.TransactionReference = []string{"", "", "R", "S"}[chunk[3]/5%4]
			s.TransferBatches = append(s.TransferBatches, kopokopo.TransferBatch{Disbursements: []kopokopo.Disbursement{b}})
		}
	}
	return s
}

// identity is what a destination or a disbursement is known by, in a form of this test's
// own: the marks that identify somebody, and everything that can speak against it.
type identity struct {
	marks []string
	all   map[string]string
}

func identify(kind, phone, account, branch, till, paybill, bill, reference string) identity {
	id := identity{all: map[string]string{}}
	for name, text := range map[string]string{"phone": phone, "account": account, "branch": branch, "till": till, "paybill": paybill, "bill": bill, "reference": reference} {
		if text = stripped(name, text); text != "" {
			id.all[name] = text
		}
	}
	for _, name := range []string{"phone", "account", "till", "reference"} {
		if id.all[name] != "" {
			id.marks = append(id.marks, name+id.all[name])
		}
	}
	if id.all["paybill"] != "" && id.all["bill"] != "" {
		id.marks = append(id.marks, "bill"+id.all["paybill"]+"/"+id.all["bill"])
	}
	kind = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(kind)), " ", "_")
	if kind = strings.TrimPrefix(kind, "merchant_"); kind == "wallet" {
		kind = "mobile_wallet"
	}
	if slices.Contains([]string{"mobile_wallet", "bank_account", "till", "paybill"}, kind) {
		id.all["kind"] = kind
	}
	return id
}

var (
	kenyan  = regexp.MustCompile(`^(254|0)?[17][0-9]{8}$|^254[1-9][0-9]{8}$|^0[1-9][0-9]{8}$`)
	ownTill = regexp.MustCompile(`^k[0-9]*$`)
)

// stripped is a text without what does not count in it, "" if it is masked.
func stripped(name, text string) string {
	text = strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' || r == '+' && name == "phone" {
			return -1
		}
		return r
	}, text))
	switch {
	case strings.ContainsAny(text, "*•…"), strings.Contains(text, "xxx"):
		return ""
	case name == "phone" && kenyan.MatchString(text):
		return text[len(text)-9:]
	case name == "till" && ownTill.MatchString(text):
		return text[1:]
	}
	return text
}

// contradicts reports whether two cannot be the same.
func (id identity) contradicts(other identity) bool {
	for name, value := range id.all {
		if its, ok := other.all[name]; ok && its != value {
			return true
		}
	}
	return false
}

// names reports whether two are the same by a mark.
func (id identity) names(other identity) bool {
	return !id.contradicts(other) && slices.ContainsFunc(id.marks, func(m string) bool { return slices.Contains(other.marks, m) })
}

// cents is an amount, 0 for none and far too much for one that cannot be read.
func cents(d kopokopo.Decimal) int64 {
	if d.IsZero() {
		return 0
	}
	if amount, err := d.Minor(); err == nil && amount > 0 {
		return amount
	}
	return 1 << 40
}

// audit is a payout that is looked at by itself.
type audit struct {
	s       kopokopo.SendMoney
	results []kopokopo.SendMoneyResult
	asked   []identity
	group   []int // of each destination: those that a disbursement names together are one
	listed  []kopokopo.Disbursement
	ids     []identity // of each disbursement
}

// checkUnpaid matches by itself, and adds up.
func checkUnpaid(t *testing.T, s kopokopo.SendMoney) {
	a := audit{s: s, results: s.Results()}
	a.checkRows(t)
	for i, r := range a.results {
		d := r.Destination
		a.asked = append(a.asked, identify(d.Type, d.PhoneNumber, d.AccountNumber, d.BankBranchReference, d.TillNumber, d.PayBillNumber, d.PayBillAccountNumber, d.Reference))
		a.group = append(a.group, i)
	}
	for _, b := range s.TransferBatches {
		for _, d := range b.Disbursements {
			a.listed = append(a.listed, d)
			a.ids = append(a.ids, identify(d.DestinationType, d.PhoneNumber, d.AccountNumber, d.BankBranchReference, d.TillNumber, d.PayBillNumber, d.PayBillAccountNumber, d.DestinationReference))
		}
	}
	for _, id := range a.ids {
		a.join(id)
	}
	for i, r := range a.results {
		if r.Outcome == rowFailed {
			a.checkNamed(t, i)
			a.checkUnnamed(t, i)
		}
	}
}

// checkRows: the rows and the whole say the same.
func (a audit) checkRows(t *testing.T) {
	if len(a.results) != len(a.s.Destinations) {
		t.Fatalf("%d results of %d destinations", len(a.results), len(a.s.Destinations))
	}
	failed, whole := 0, a.s.Outcome()
	for i, r := range a.results {
		if r.Index != i || whole == rowPaid && r.Outcome != rowPaid || whole == rowFailed && r.Outcome != rowFailed {
			t.Fatalf("result %d is %+v in a payout that %v", i, r, whole)
		}
		if r.Outcome == rowFailed {
			failed++
		}
	}
	if len(a.s.Unpaid()) != failed {
		t.Fatalf("%d of %d failures are unpaid", len(a.s.Unpaid()), failed)
	}
}

// join makes one group of the destinations that a disbursement names.
func (a audit) join(id identity) {
	first := -1
	for i := range a.asked {
		if !a.asked[i].names(id) {
			continue
		}
		if old := a.group[i]; first >= 0 {
			for j := range a.group {
				if a.group[j] == old {
					a.group[j] = a.group[first]
				}
			}
		}
		first = i
	}
}

// checkNamed: what is to be paid again in a destination's group, and what is listed for
// it and did not fail, come to no more than was asked for.
func (a audit) checkNamed(t *testing.T, row int) {
	var asked, again, moved int64
	for i, r := range a.results {
		if a.group[i] == a.group[row] {
			asked += cents(r.Destination.Amount)
			if r.Outcome == rowFailed {
				again += cents(r.Destination.Amount)
			}
		}
	}
	receipts := map[string]bool{"": true}
	for i, d := range a.listed {
		named := slices.IndexFunc(a.asked, a.ids[i].names)
		receipt := strings.TrimSpace(d.TransactionReference)
		if named < 0 || a.group[named] != a.group[row] || d.Outcome() == rowFailed || receipt != "" && receipts[receipt] {
			continue
		}
		receipts[receipt] = true
		moved += cents(d.Amount)
	}
	if again+moved > asked {
		t.Fatalf("destination %d: %d would be paid again, %d is listed and did not fail, %d was asked for\n%+v", row, again, moved, asked, a.s)
	}
}

// checkUnnamed: a disbursement that names nobody, but has the amount of a destination
// and can be its own, leaves one of those destinations less to be paid again.
func (a audit) checkUnnamed(t *testing.T, row int) {
	want := cents(a.results[row].Destination.Amount)
	equal, again := 0, 0
	for i, r := range a.results {
		if cents(r.Destination.Amount) == want && !a.asked[row].contradicts(a.asked[i]) {
			equal++
			if r.Outcome == rowFailed {
				again++
			}
		}
	}
	receipts := map[string]bool{}
	for i, d := range a.listed {
		if d.Outcome() == rowFailed || cents(d.Amount) != want || a.asked[row].contradicts(a.ids[i]) ||
			slices.ContainsFunc(a.asked, a.ids[i].names) || receipts[d.TransactionReference] {
			continue
		}
		receipts[d.TransactionReference] = d.TransactionReference != ""
		equal--
	}
	if again > max(equal, 0) {
		t.Fatalf("destination %d may have been paid without a name\n%+v", row, a.s)
	}
}

func TestScriptedPayouts(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	unpaid := 0
	for range 30_000 {
		script := make([]byte, 4*(1+random.IntN(8)))
		for i := range script {
			script[i] = byte(random.IntN(256))
		}
		for i := 0; i < len(script); i += 4 {
			script[i] &= []byte{0xf, 0xfc, 0xff}[random.IntN(3)]
			script[i+1] &= []byte{0x9, 0x1f}[random.IntN(2)] // few people
		}
		s := scriptedPayout(script)
		checkUnpaid(t, s)
		unpaid += len(s.Unpaid())
	}
	require.Greater(t, unpaid, 100)
}
