package wire

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allocated returns how many bytes a function allocates, whether or not they are
// freed again.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// fill repeats a unit, with commas between, until a document has about size bytes.
func fill(head, unit, tail string, size int) string {
	n := max((size-len(head)-len(tail))/(len(unit)+1), 1)
	return head + strings.Repeat(unit+",", n-1) + unit + tail
}

// padded widens a unit with white space, so that with its comma it has width bytes at least.
func padded(unit string, width int) string {
	return unit + strings.Repeat(" ", max(width-1-len(unit), 0))
}

// distinct is an object with members of different names, each of width bytes with
// its comma.
func distinct(head, tail string, width, size int) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; b.Len() < size-width; i++ {
		b.WriteString(padded(fmt.Sprintf(`"%x":1`, i), width) + ",")
	}
	b.WriteString(`"":1` + tail)
	return b.String()
}

// verdict is what Check says of a document, and a closer look at it too.
func verdict(t *testing.T, document string) error {
	t.Helper()
	err := Check([]byte(document))
	require.Equal(t, err, newCensus([]byte(document)).take([]byte(document)), "whether the look is quick or not changes nothing")
	return err
}

func TestNestingHasALimit(t *testing.T) {
	open, shut := strings.Repeat("[", 100), strings.Repeat("]", 100)
	names := strings.Repeat(`{"a":`, 99)
	for _, document := range []string{
		open + shut,
		names + `[]` + strings.Repeat(`}`, 99),
		`[` + strings.Repeat(`[[]],`, 300) + `[]]`, // what is closed does not count
		`[[],` + open[:99],
		`["` + strings.Repeat("[", 5000) + `"]`, // nor does what stands in a text,
		`["` + strings.Repeat(`\"[`, 5000) + `"]`,
		`["` + strings.Repeat(`\\\"[`, 5000) + `"]`,
		`["\\",` + open[:99],
		`["` + open + open, // even if that has no end
		`["` + open + open + `\`,
		strings.Repeat("]}", 1000) + open, // and what was never opened cannot be closed
	} {
		assert.NoError(t, verdict(t, document), document)
	}
	for _, document := range []string{
		open + "[" + shut + "]",
		strings.Repeat("[", 1<<20),
		names + `[[]]` + strings.Repeat(`}`, 99),
		`[[],` + open,
		`["\\",` + open, // a backslash that is a character does not escape the quote
		`["\\\\",` + open,
		strings.Repeat("]}", 1000) + open + "{",
		strings.Repeat("{", 50) + "}" + open[:52],
	} {
		assert.Equal(t, ErrTooDeep, verdict(t, document), document)
	}
}

// repeated is a list or object of n equal units.
func repeated(unit, frame string, n int) string {
	return frame[:1] + strings.Repeat(unit+",", n-1) + unit + frame[1:]
}

// checkLimit holds that of lists or objects with ever more equal units just those are
// let in that stay within a limit.
func checkLimit(t *testing.T, unit, frame string, within func(n, size int) bool) {
	t.Helper()
	fit := 0
	for high := 1 << 20; high > 0; high /= 2 { // the largest that is let in, by halving
		if size := len(frame) + (fit+high)*(len(unit)+1) - 1; within(fit+high, size) {
			fit += high
		}
	}
	require.Greater(t, fit, 100)
	require.Less(t, fit, 200_000)
	assert.NoError(t, verdict(t, repeated(unit, frame, fit)), "%d of %s", fit, unit)
	assert.Equal(t, ErrTooDense, verdict(t, repeated(unit, frame, fit+1)), "%d of %s", fit+1, unit)
}

func TestElementsHaveALimit(t *testing.T) {
	for unit, each := range map[string]int{
		`1`: 1, `null`: 1, `{}`: 1, `"[,,,{"`: 1, `"\",\\"`: 1, `{"a":1,"b":","}`: 1,
		`[1]`: 2, `[]`: 2, `[1,2,3]`: 4, `{"a":{}}`: 2, `{"a":{"b":1,"c":2}}`: 2, `{"a":[]}`: 3, `{"a":[{"b":[1,2]}]}`: 6,
	} {
		checkLimit(t, unit, "[]", func(n, size int) bool { return n*each+1 <= 1024+size/48 })
	}
	// One for each 48 bytes passes at any length.
	assert.NoError(t, verdict(t, repeated(padded(`{}`, 48), "[]", 100_000)))
	assert.Equal(t, ErrTooDense, verdict(t, repeated(padded(`{}`, 47), "[]", 100_000)))
}

func TestValuesHaveALimit(t *testing.T) {
	for _, unit := range []string{`"a":1`, `"abc":1`, `"a":","`} {
		checkLimit(t, unit, "{}", func(n, size int) bool { return n <= 8192+size/12 })
	}
	assert.NoError(t, verdict(t, repeated(padded(`"a":1`, 12), "{}", 500_000)))
	assert.Equal(t, ErrTooDense, verdict(t, repeated(padded(`"a":1`, 11), "{}", 500_000)))
	// An object with nothing in it counts as if it had a member: two values for 23 bytes.
	empty := `{},` + strings.Repeat(" ", 20)
	assert.Equal(t, 23, len(empty))
	c := census{elements: 1 << 30, values: 8192 + 500_000*len(empty)/12}
	assert.Equal(t, ErrTooDense, c.take([]byte(`[`+strings.Repeat(empty, 500_000))))
}

// Few documents need a closer look, and none that could fail is spared it.
func TestSlightDocuments(t *testing.T) {
	commas := strings.Repeat(",", 1100)
	for document, want := range map[string]bool{
		``:                                      true,
		payment:                                 true,
		strings.Repeat("[", 100):                true,
		strings.Repeat("{", 100):                true,
		strings.Repeat("[", 101):                false,
		strings.Repeat("{", 101):                false,
		strings.Repeat("[{", 50) + commas[:824]: true,
		strings.Repeat("[{", 50) + commas[:825]: false,
		`"` + strings.Repeat("{[", 60) + `"`:    false,
		commas[:1024]:                           true,
		commas[:1025]:                           false,
		strings.Repeat(`"a":"b" `, 5000) + `{"c":[]}`: true,
	} {
		assert.Equal(t, want, isSlight([]byte(document)), "%.20s… of %d bytes", document, len(document))
		if want {
			assert.NoError(t, verdict(t, document))
		}
	}
}

// Documents as K2 sends them, as dense as they can be, in any length that is read.
func TestDocumentsOfK2Pass(t *testing.T) {
	const (
		polled     = `{"type":"Buygoods Transaction","resource":{"id":"2133dbfb-24b9-40fc-ae57-2d7559785760","amount":"100.0","status":"Received","system":"Lipa Na M-PESA","currency":"KES","reference":"OJM6Q1W84K","till_number":"514459","sender_last_name":"Doe","sender_first_name":"Jane","sender_middle_name":null,"sender_phone_number":"+254999999999","origination_time":"2020-10-22T10:43:19+03:00"}}`
		polledNull = `{"type":null,"resource":{"id":null,"amount":null,"status":null,"system":null,"currency":null,"reference":null,"till_number":null,"sender_last_name":null,"sender_first_name":null,"sender_middle_name":null,"sender_phone_number":null,"origination_time":null}}`
		failed     = `{"status":"Cancelled","amount":"1000.0","disbursements":[{"amount":"1000.0","errors":["The balance is insufficient for the transaction"],"status":"Cancelled","nickname":"Test","favourite":true,"phone_number":"254700000000","destination_type":"mobile_wallet","origination_time":"2025-09-08T09:02:16.069+03:00","destination_reference":"9764ef5f-fcd6-42c1-bbff-de280becc64b","transaction_reference":null}]}`
		version1   = `{"status":"Transferred","disbursements":[{"amount":"780.0","status":"Transferred","destination_type":"Mobile Wallet","origination_time":"2020-11-13T08:32:03.000+03:00","destination_reference":"0fcb2f42-9372-4a6c-8c2f-3fd977c548e8","transaction_reference":"LBA10034460"}]}`
		batchNull  = `{"status":null,"disbursements":[{"amount":null,"status":null,"destination_type":null,"origination_time":null,"destination_reference":null,"transaction_reference":null}]}`
		asked      = `{"type":"mobile_wallet","amount":1000,"network":"Safaricom","nickname":"Test","favourite":true,"description":"Testing","phone_number":"254700000000"}`
	)
	for name, unit := range map[string]string{"polled": polled, "polled, null": polledNull, "failed": failed, "version 1": version1, "batch, null": batchNull, "asked": asked, "asked and failed": asked + "," + failed} {
		for _, size := range []int{1 << 10, 64 << 10, 1 << 20, 8 << 20} {
			document := fill(`{"data":{"id":"a","type":"b","attributes":{"list":[`, unit, `]}}}`, size)
			assert.NoError(t, Check([]byte(document)), "%s, %d bytes", name, size)
		}
	}
	metadata := distinct(`{"data":{"attributes":{"metadata":{"list":[`+strings.Repeat("1,", 900)+`1],`, `}}}}`, 12, 100_000)
	assert.NoError(t, Check([]byte(metadata)), "a merchant's own data, far beyond the five pairs that K2 takes")
}

// wide is a struct of 384 bytes. No answer has a list of larger ones.
type wide struct {
	Texts [23]string `json:"texts"`
	Inner struct {
		Number int `json:"number"`
	} `json:"inner"`
	Flag bool `json:"flag"`
}

// answer has what answers have.
type answer struct {
	Status   string         `json:"status"`
	Rows     []wide         `json:"rows"`
	Owners   []owner        `json:"owners"`
	Names    []string       `json:"names"`
	Number   float64        `json:"number"`
	Lifetime uint64         `json:"lifetime"`
	Reasons  reasons        `json:"reasons"`
	Metadata map[string]any `json:"metadata"`
}

// owner decodes itself leniently, and reasons themselves, as types of the root do.
type owner struct {
	Name    string  `json:"name"`
	Reasons reasons `json:"reasons"`
}

func (o *owner) UnmarshalJSON(data []byte) error {
	type plain owner
	return DecodeLenient(data, (*plain)(o))
}

type reasons []string

func (r *reasons) UnmarshalJSON(data []byte) (err error) {
	*r, err = ReadTexts(data)
	return err
}

// hostile are documents of about size bytes that are as dear as the limits allow, and
// such as are refused.
func hostile(size int) map[string]string {
	members := map[string]string{
		"rows {}":         fill(`"rows":[`, `{}`, `]`, size),
		"rows null":       fill(`"rows":[`, `null`, `]`, size),
		"rows, allowed":   fill(`"rows":[`, padded(`{}`, 48), `]`, size),
		"rows, null":      fill(`"rows":[`, padded(`null`, 48), `]`, size),
		"rows, numbers":   fill(`"rows":[`, padded(`1`, 48), `]`, size),
		"rows, members":   fill(`"rows":[`, padded(`{"a":1,"b":2,"inner":1}`, 48), `]`, size),
		"owners {}":       fill(`"owners":[`, padded(`{}`, 48), `]`, size),
		"owners, forms":   fill(`"owners":[`, padded(`{"name":1,"reasons":[1]}`, 144), `]`, size),
		"names":           fill(`"names":[`, padded(`1`, 48), `]`, size),
		"names []":        fill(`"names":[`, padded(`[]`, 96), `]`, size),
		"no text":         fill(`"status":[`, padded(`1`, 48), `]`, size),
		"names as object": distinct(`"names":{`, `}`, 12, size),
		"metadata []":     fill(`"metadata":{"a":[`, padded(`[]`, 96), `]}`, size),
		"metadata {}":     fill(`"metadata":{"a":[`, padded(`{"a":1}`, 48), `]}`, size),
		"metadata":        distinct(`"metadata":{`, `}`, 12, size),
		"metadata, dense": distinct(`"metadata":{`, `}`, 9, size),
		"unknown":         distinct(``, ``, 12, size),
		"reasons":         fill(`"reasons":[`, padded(`"a"`, 48), `]`, size),
		"reasons by name": `"reasons":{"` + strings.Repeat("k", size/4) + `":[` + strings.Repeat(padded(`"a"`, 48)+",", size*3/4/48) + `""]}`,
		"reasons, dense":  `"reasons":{"` + strings.Repeat("k", size/4) + `":[` + strings.Repeat(`"a",`, size*3/16) + `""]}`,
		"nested":          `"reasons":` + strings.Repeat("[", size/2) + strings.Repeat("]", size/2),
		"nested, 90":      fill(`"reasons":[`, padded(strings.Repeat("[", 90)+strings.Repeat("]", 90), 90*96), `]`, size),
		"nested, 9900":    `"reasons":` + strings.Repeat("[", 9900) + strings.Repeat("]", 9900),
		"unclosed":        `"metadata":{"a":` + strings.Repeat(`{"a":`, size/5),
		"owners, names":   fill(`"owners":[`, `{"reasons":{"`+strings.Repeat("k", 1300)+`":[`+strings.Repeat(padded(`"a"`, 48)+",", 48)+`""]}}`, `]`, size),
		"twice":           fill(``, padded(`"reasons":[]`, 96), ``, size),
		"twice, number":   fill(``, padded(`"reasons":1`, 12), ``, size),
		"twice, metadata": fill(``, padded(`"metadata":{}`, 48), ``, size),
		"digits":          `"number":` + strings.Repeat("9", size),
		"digits as text":  `"lifetime":"` + strings.Repeat("9", size) + `"`,
		"fraction":        `"lifetime":"1.` + strings.Repeat("0", size) + `"`,
		"exponent":        `"lifetime":"1e` + strings.Repeat("9", size) + `"`,
		"time":            `"lifetime":"` + strings.Repeat("2", size) + ` UTC"`,
		"text":            `"status":"` + strings.Repeat("x", size) + `"`,
		"escapes":         `"status":"` + strings.Repeat(`\u2028`, size/6) + `"`,
		"line separators": `"metadata":{"a":"` + strings.Repeat("\u2028", size/3) + `"}`,
		"broken letters":  `"metadata":{"a":"` + strings.Repeat("\xff", size) + `"}`,
		"white space":     `"status":"" ` + strings.Repeat(" ", size),
	}
	documents := map[string]string{}
	for name, member := range members {
		documents[name] = `{` + member + `}`
		documents[name+", and another type"] = `{"status":1,"number":"1",` + member + `}`
	}
	return documents
}

// bound is what the package's comment promises.
func bound(size int) uint64 { return 8<<20 + 96*uint64(size) }

// No document costs more than the package's comment says.
func TestCostIsBounded(t *testing.T) {
	assert.Equal(t, 384, int(reflect.TypeFor[wide]().Size()))
	for _, size := range []int{64 << 10, 1 << 20} {
		for name, document := range hostile(size) {
			data := []byte(document)
			start := time.Now()
			cost := allocated(func() { _ = DecodeLenient(data, new(answer)) })
			assert.LessOrEqual(t, cost, bound(len(data)), "%s, %d bytes: %d for each", name, len(data), cost/uint64(len(data)))
			assert.Less(t, time.Since(start), 10*time.Second, name)
		}
	}
}

func TestCostOfTheOtherReaders(t *testing.T) {
	const size = 1 << 20
	for name, data := range map[string][]byte{
		"texts":   []byte(`{"` + strings.Repeat("k", size/4) + `":[` + strings.Repeat(padded(`"a"`, 48)+",", size*3/4/48) + `""]}`),
		"dense":   []byte(fill(`[`, `"a"`, `]`, size)),
		"nested":  []byte(strings.Repeat("[", size/2) + strings.Repeat("]", size/2)),
		"members": []byte(distinct(`{`, `}`, 12, size)),
		"text":    []byte(`"` + strings.Repeat(`\n`, size/2) + `"`),
		"digits":  []byte(strings.Repeat("9", size)),
		"wrapped": []byte(`{"data":` + fill(`{"a":[`, `{}`, `]}`, size) + `}`),
	} {
		for reader, read := range map[string]func(){
			"Decode":     func() { _ = Decode(data, new(any)) },
			"ReadTexts":  func() { _, _ = ReadTexts(data) },
			"Object":     func() { _, _ = Object(data) },
			"ScalarText": func() { _, _ = ScalarText(data) },
			"Unwrap":     func() { _ = Unwrap(data) },
			"ParseTime":  func() { _, _ = ParseTime(string(data)) },
			"Check":      func() { _ = Check(data) },
		} {
			cost := allocated(read)
			assert.LessOrEqual(t, cost, bound(len(data)), "%s of %s", reader, name)
		}
	}
}
