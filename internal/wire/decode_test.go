package wire

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeKeepsDigits(t *testing.T) {
	const big = "12345678901234567890.10"
	var tree any
	require.NoError(t, Decode([]byte(" [ "+big+" , {\"a\":1e2} ]\n"), &tree))
	assert.Equal(t, []any{json.Number(big), map[string]any{"a": json.Number("1e2")}}, tree)
	var document struct {
		Name     string
		Metadata map[string]any
	}
	require.NoError(t, Decode([]byte(`{"name":"a","metadata":{"n":`+big+`}}`), &document))
	assert.Equal(t, json.Number(big), document.Metadata["n"])
}

func TestDecodeTakesOneDocument(t *testing.T) {
	for _, into := range []any{new(any), new(struct{ A string })} {
		require.NoError(t, Decode([]byte(" {\"a\":\"b\"} \r\n"), into))
		for _, document := range []string{``, ` `, `{`, `{"a":"b"`, `{"a":"b"}{}`, `{"a":"b"} null`, `{"a":"b"}]`, `{"a":"b"}x`, `{a:1}`, "\ufeff{}"} {
			assert.Error(t, Decode([]byte(document), into), "%q into %T", document, into)
			assert.Error(t, DecodeLenient([]byte(document), into), "%q into %T", document, into)
		}
	}
	var tree any
	assert.ErrorIs(t, Decode(nil, &tree), io.ErrUnexpectedEOF)
	assert.ErrorIs(t, Decode([]byte(`{"a":`), &tree), io.ErrUnexpectedEOF)
	assert.Equal(t, errTrailing, Decode([]byte(`{} {}`), &tree))
}

func TestDecodeIsStrict(t *testing.T) {
	var f forms
	var typeErr *json.UnmarshalTypeError
	require.ErrorAs(t, Decode([]byte(`{"text":1}`), &f), &typeErr)
	require.ErrorAs(t, Decode([]byte(`{"rows":[{"amount":"1"}]}`), &f), &typeErr)
}

// broken fails to decode itself, with an error of its own.
type broken struct{}

var errBroken = errors.New("broken")

func (*broken) UnmarshalJSON([]byte) error { return errBroken }

func TestDecodeLenientHelpsWithTypesOnly(t *testing.T) {
	var v struct {
		Broken broken
		Text   string
	}
	assert.ErrorIs(t, DecodeLenient([]byte(`{"broken":1}`), &v), errBroken)
	assert.ErrorIs(t, DecodeLenient([]byte(`{"broken":1,"text":1}`), &v), errBroken)
	// One document with a wrong type, and something behind it or not all of it there.
	for _, document := range []string{`{"text":1}{}`, `{"text":1`, `{"text":1}x`} {
		var open struct {
			Text string
			Any  any
		}
		assert.Error(t, DecodeLenient([]byte(document), &open), document)
	}
}

func TestDecodeLenientChangesNothingThatFits(t *testing.T) {
	const document = `{"text":"","list":["",""],"lifetime":1,"rows":[{"amount":1e2}],"metadata":{"n":1.0},"number":-0.5,"own":"1","inner":{"next":null}}`
	var strict, lenient forms
	require.NoError(t, Decode([]byte(document), &strict))
	require.NoError(t, DecodeLenient([]byte(document), &lenient))
	assert.Equal(t, strict, lenient)
	assert.Equal(t, json.Number("1.0"), lenient.Metadata["n"])
}

// What fits is kept where something else did not, fields the caller had filled in too.
func TestDecodeLenientAddsToWhatIsThere(t *testing.T) {
	f := forms{Text: "before", Whole: 3}
	require.NoError(t, DecodeLenient([]byte(`{"whole":"4","list":["a"]}`), &f))
	assert.Equal(t, forms{Text: "before", Whole: 4, List: []string{"a"}}, f)
}

// A document that is let in is not refused half-way, for being denser once its white
// space and unknown members are gone.
func TestDecodeLenientChecksOnce(t *testing.T) {
	rows := strings.Repeat(`{"unknown":"`+strings.Repeat("x", 80)+`"},`, 2000)
	var f forms
	require.NoError(t, DecodeLenient([]byte(`{"text":1,"rows":[`+rows+`{}]}`), &f))
	assert.Len(t, f.Rows, 2001)
	assert.Equal(t, "1", f.Text)
}

func TestDecodeUnchecked(t *testing.T) {
	var tree any
	require.NoError(t, DecodeUnchecked([]byte(strings.Repeat("[", 200)+"1.10"+strings.Repeat("]", 200)), &tree))
	require.NoError(t, DecodeUnchecked([]byte(`[`+strings.Repeat("1,", 5000)+`1.10]`), &tree))
	assert.Equal(t, json.Number("1.10"), tree.([]any)[5000])
	require.Error(t, DecodeUnchecked([]byte(`1 2`), &tree))
}

func TestEveryDecoderChecks(t *testing.T) {
	deep := []byte(`{"data":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`)
	dense := []byte(`{"data":[` + strings.Repeat("{},", 3000) + `{}]}`)
	for want, document := range map[error][]byte{ErrTooDeep: deep, ErrTooDense: dense} {
		var tree any
		var f forms
		assert.ErrorIs(t, Decode(document, &tree), want)
		assert.ErrorIs(t, DecodeLenient(document, &tree), want)
		assert.ErrorIs(t, Decode(document, &f), want)
		assert.ErrorIs(t, DecodeLenient(document, &f), want)
		_, err := Object(document)
		assert.ErrorIs(t, err, want)
		_, err = ReadTexts(document)
		assert.ErrorIs(t, err, want)
		assert.Nil(t, tree)
		assert.Equal(t, forms{}, f)
	}
}

func TestObject(t *testing.T) {
	members, err := Object([]byte(` {"a": 1.10 ,"b":{"c":[ ]},"a":2} `))
	require.NoError(t, err)
	assert.Equal(t, map[string]json.RawMessage{"a": json.RawMessage(`2`), "b": json.RawMessage(`{"c":[ ]}`)}, members)
	members, err = Object([]byte(`{}`))
	require.NoError(t, err)
	assert.NotNil(t, members)
	for document, want := range map[string]string{
		`null`: "not a JSON object", `[]`: "not a JSON object", `"{}"`: "not a JSON object", `7`: "not a JSON object",
		``: "invalid JSON at byte 0", `{`: "invalid JSON at byte 1", `{}{}`: "invalid JSON at byte 3", `{"a":tru}`: "invalid JSON at byte 9",
	} {
		members, err := Object([]byte(document))
		assert.EqualError(t, err, want, document)
		assert.Nil(t, members, document)
	}
}

func TestIsObject(t *testing.T) {
	assert.True(t, IsObject([]byte(`{}`)))
	assert.True(t, IsObject([]byte(`{`)), "its first byte tells")
	for _, value := range []string{``, `[]`, `null`, `"{"`, `1`} {
		assert.False(t, IsObject([]byte(value)), value)
	}
}

func TestUnwrap(t *testing.T) {
	for document, want := range map[string]string{
		`{"data":{"id":"a"}}`:           `{"id":"a"}`,
		` {"data": {"id":"a"} ,"x":1} `: `{"id":"a"}`,
		`{"data":{}}`:                   `{}`,
		`{"id":"a"}`:                    `{"id":"a"}`,
		`{"data":null}`:                 `{"data":null}`,
		`{"data":[]}`:                   `{"data":[]}`,
		`{"data":"x"}`:                  `{"data":"x"}`,
		`{"data":{"id":"a"}`:            `{"data":{"id":"a"}`,
		`{"data":{"id":"a"}}{}`:         `{"data":{"id":"a"}}{}`,
		`[]`:                            `[]`,
		``:                              ``,
	} {
		assert.Equal(t, want, string(Unwrap([]byte(document))), document)
	}
}
