package facts

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// read decodes a document as the module does.
func read(t testing.TB, document string) Facts {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(document))
	dec.UseNumber()
	var tree map[string]any
	require.NoError(t, dec.Decode(&tree))
	return Of(tree)
}

func TestContradictedBy(t *testing.T) {
	const (
		push     = `{"amount":{"currency":"KES","value":1500},"metadata":{"order":"4711","n":5}}`
		payment  = `{"amount":{"currency":"KES","value":1500},"destination_reference":"C7F300C0"}`
		reversal = `{"transaction_reference":"TQ2L262026"}`
		payout   = `{"destinations":[{"phone_number":"254712345678","amount":1500},{"paybill_number":"8888","paybill_account_number":"1","amount":2300}]}`
		owned    = `{"destinations":[{"type":"merchant_wallet","reference":"e479","amount":100}]}`
	)
	for _, row := range []struct{ name, request, document, differs string }{
		{"nothing is said", push, `{"metadata":{"order":"4711","n":5}}`, ""},
		{"all is said", push, `{"metadata":{"order":"4711","n":5.0,"more":1},"event":{"resource":{"amount":"1500.00"}}}`, ""},
		{"a number as text", push, `{"metadata":{"order":4711,"n":"5"}}`, ""},
		{"a pair is missing", push, `{"metadata":{"order":"4711"}}`, "metadata"},
		{"a pair is null", push, `{"metadata":{"order":"4711","n":null}}`, "metadata"},
		{"a pair is another", push, `{"metadata":{"order":"4712","n":5}}`, "metadata"},
		{"no metadata", push, `{}`, "metadata"},
		{"metadata of another kind", push, `{"metadata":["order","4711"]}`, "metadata"},
		{"another amount", push, `{"metadata":{"order":"4711","n":5},"event":{"resource":{"amount":"1500.5"}}}`, "amount"},
		{"a negative amount", push, `{"metadata":{"order":"4711","n":5},"event":{"resource":{"amount":-1500}}}`, "amount"},
		{"an amount in words", push, `{"metadata":{"order":"4711","n":5},"event":{"resource":{"amount":"15e2"}}}`, "amount"},
		{"no amount", push, `{"metadata":{"order":"4711","n":5},"event":{"resource":{"amount":null}}}`, ""},
		{"an empty amount", push, `{"metadata":{"order":"4711","n":5},"event":{"resource":{"amount":" "}}}`, ""},
		{"the amount on top", payment, `{"amount":{"value":"1500"}}`, ""},
		{"another amount on top", payment, `{"amount":{"value":"150"}}`, "amount"},
		{"the recipient", payment, `{"transfer_batches":[{"disbursements":[{"destination_reference":"c7f300c0"},{"destination_reference":"c7f300c0"}]}]}`, ""},
		{"no batches yet", payment, `{"transfer_batches":[]}`, ""},
		{"batches without recipients", payment, `{"transfer_batches":[{"disbursements":[{}]},{},7]}`, ""},
		{"another recipient", payment, `{"transfer_batches":[{"disbursements":[{"destination_reference":"d"}]}]}`, "recipient"},
		{"one recipient more", payment, `{"transfer_batches":[{"disbursements":[{"destination_reference":"c7f300c0"}]},{"disbursements":[{"destination_reference":"d"}]}]}`, "recipient"},
		{"the receipt", reversal, `{"transaction_reference":" TQ2L262026 "}`, ""},
		{"another receipt", reversal, `{"transaction_reference":"TQ2L262027"}`, "reference"},
		{"no receipt", reversal, `{"transaction_reference":null}`, ""},
		{"the destinations", payout, `{"destinations":[{"paybill_number":8888,"paybill_account_number":"1","amount":"2300.0"},{"phone_number":"+254 712 345678","amount":1500.00}]}`, ""},
		{"none yet", payout, `{"destinations":null}`, ""},
		{"one without a name", payout, `{"destinations":[{"amount":1500},{"phone_number":"0712345678","amount":2300}]}`, ""},
		{"amounts changed places", payout, `{"destinations":[{"phone_number":"0712345678","amount":2300},{"paybill_number":"8888","paybill_account_number":"1","amount":1500}]}`, ""},
		{"another amount of one", payout, `{"destinations":[{"phone_number":"0712345678","amount":1501},{"paybill_number":"8888","paybill_account_number":"1","amount":2300}]}`, "amounts of the destinations"},
		{"another phone", payout, `{"destinations":[{"phone_number":"0712345679","amount":1500},{"paybill_number":"8888","paybill_account_number":"1","amount":2300}]}`, "destinations"},
		{"another account with the paybill", payout, `{"destinations":[{"phone_number":"0712345678","amount":1500},{"paybill_number":"8888","paybill_account_number":"2","amount":2300}]}`, "destinations"},
		{"one is missing", payout, `{"destinations":[{"phone_number":"0712345678","amount":1500}]}`, "amounts of the destinations"},
		{"an own account", owned, `{"destinations":[{"reference":"e479","amount":"100.0"}]}`, ""},
		{"another own account", owned, `{"destinations":[{"reference":"e480","amount":"100.0"}]}`, "destinations"},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked := read(t, row.request)
			require.Empty(t, asked.ContradictedBy(asked))
			stored, err := Decode(asked.Encode())
			require.NoError(t, err)
			require.Equal(t, row.differs, stored.ContradictedBy(read(t, row.document)))
		})
	}
}

// What is stored of a request is short, and holds none of its texts.
func TestEncodedFactsAreShortAndHashed(t *testing.T) {
	metadata := map[string]any{}
	for i := range 5 {
		metadata[strings.Repeat("Jane Doe ", 20_000)+string(rune('a'+i))] = strings.Repeat("254712345678", 10_000)
	}
	var destinations []any
	for range 1000 {
		destinations = append(destinations, map[string]any{"phone_number": "254712345678", "amount": json.Number("1500")})
	}
	f := Of(map[string]any{"metadata": metadata, "destinations": destinations, "transaction_reference": "TQ2L262026",
		"destination_reference": "c7f300c0", "amount": map[string]any{"value": json.Number("999999999999.99")}})
	f.Scope = Hash("https://api.kopokopo.com", "app")
	text := f.Encode()
	require.Less(t, len(text), 2<<10)
	for _, secret := range []string{"Jane", "712345678", "TQ2L", "c7f3", "api.k"} {
		require.NotContains(t, text, secret)
	}
	_, err := Decode("no JSON")
	require.Error(t, err)
}

// Texts that differ have hashes that differ, wherever they are cut.
func TestHashIsUnambiguous(t *testing.T) {
	seen := map[string]bool{}
	for _, parts := range [][]string{nil, {""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"a\x00b"}, {`a","b`}} {
		require.False(t, seen[Hash(parts...)], "%q", parts)
		seen[Hash(parts...)] = true
	}
}

// FuzzOf: a document never contradicts itself, and what is kept of it survives being
// stored. Of takes memory in proportion to the document.
func FuzzOf(f *testing.F) {
	for _, seed := range []string{`{}`, `null`, `{"amount":{"value":1500},"metadata":{"a":1,"b":[1,{"c":null}]}}`,
		`{"destinations":[{"phone_number":"0712345678","amount":"1.50"},7,null,{}]}`, `{"amount":[],"event":{"resource":{"amount":-0.0}}}`,
		`{"transfer_batches":[{"disbursements":[{"destination_reference":"X"}]}],"transaction_reference":5}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		dec := json.NewDecoder(bytes.NewReader(document))
		dec.UseNumber()
		var tree map[string]any
		if dec.Decode(&tree) != nil {
			return
		}
		facts := Of(tree)
		if differs := facts.ContradictedBy(Of(tree)); differs != "" {
			t.Fatalf("it contradicts itself in its %s", differs)
		}
		stored, err := Decode(facts.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if differs := stored.ContradictedBy(facts); differs != "" {
			t.Fatalf("stored, it contradicts itself in its %s", differs)
		}
	})
}

// What was stored of a request is compared with results after an update of the module
// too: if this changed, they would differ in everything, and keys would stay in doubt.
func TestEncodedFactsNeverChange(t *testing.T) {
	f := read(t, `{"amount":{"value":1500.50},"metadata":{"order":"4711","n":5.0,"l":[1,{"b":2,"a":1}]},"transaction_reference":"TQ2L262026",
		"destination_reference":"C7F300C0","destinations":[{"phone_number":"+254712345678","amount":10},{"till_number":"12444","amount":"20.00"}]}`)
	f.Scope = Hash("https://api.kopokopo.com", "app")
	require.JSONEq(t, `{"scope":"42e9708d98cfb30ea2a77d0798c6e2d9","amount":"1500.5","receipt":"94ccd46e14f98fc654caf7ff14498794",
		"recipient":"4cd39e41712bd7089dd36a231406c4da","amounts":"5b329375a0225538b9b3a98032cd24b0","destinations":"608be465685f3eb4eaecb117e93148d8",
		"metadata":{"372da58885f8250b9b936dc2b20bae3b":"38faec5570332081159f1ba8720e814a","3a3119cb811187bd3830b295da05d0ce":"7a42e0b7259a21422baa7ae51932676a",
		"e00e71c16c36d75ab3d0f00c3647ac15":"5e3322c682b4e46a737ec3a18be48fc2"}}`, f.Encode())
}
