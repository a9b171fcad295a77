package wire

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// forms has a field of each kind that K2 sends in more forms than one.
type forms struct {
	Text     string         `json:"text"`
	Pointer  *string        `json:"pointer"`
	Flag     bool           `json:"flag"`
	Number   float64        `json:"number"`
	Whole    int            `json:"whole"`
	Long     int64          `json:"long"`
	Lifetime uint64         `json:"lifetime"`
	List     []string       `json:"list"`
	Rows     []row          `json:"rows"`
	Inner    row            `json:"inner"`
	Metadata map[string]any `json:"metadata"`
	Own      ownJSON        `json:"own"`
	OwnText  ownText        `json:"own_text"`
	Odd      int            `json:"odd"` // what has another type where the rest is tested
}

type row struct {
	Name   string  `json:"name"`
	Amount float64 `json:"amount"`
	Next   *row    `json:"next"`
}

// lenient decodes members beside one of another type than its field, so that all are
// brought into their types.
func lenient(t *testing.T, members string) (forms, error) {
	t.Helper()
	var f forms
	require.Error(t, json.Unmarshal([]byte(`{"odd":"1",`+members+`}`), &forms{}), "else nothing is tested")
	err := DecodeLenient([]byte(`{"odd":"1",`+members+`}`), &f)
	if err == nil {
		assert.Equal(t, 1, f.Odd)
		f.Odd = 0
	}
	return f, err
}

func TestEveryFormOfAValue(t *testing.T) {
	one := "1"
	for members, want := range map[string]forms{
		`"text":"a"`:   {Text: "a"},
		`"text":""`:    {},
		`"text":1.10`:  {Text: "1.10"},
		`"text":true`:  {Text: "true"},
		`"text":null`:  {},
		`"text":{}`:    {},
		`"text":["a"]`: {},
		`"TEXT":7`:     {Text: "7"},
		`"unknown":7`:  {},

		`"pointer":1`:    {Pointer: &one},
		`"pointer":"1"`:  {Pointer: &one},
		`"pointer":null`: {},
		`"pointer":[]`:   {},

		`"flag":true`:     {Flag: true},
		`"flag":"true"`:   {Flag: true},
		`"flag":" true "`: {Flag: true},
		`"flag":1`:        {Flag: true},
		`"flag":"1"`:      {Flag: true},
		`"flag":0`:        {},
		`"flag":"false"`:  {},
		`"flag":"maybe"`:  {},
		`"flag":null`:     {},
		`"flag":{}`:       {},

		`"number":1.5`:      {Number: 1.5},
		`"number":"1.5"`:    {Number: 1.5},
		`"number":" -1e2 "`: {Number: -100},
		`"number":""`:       {},
		`"number":" "`:      {},
		`"number":null`:     {},
		`"number":{}`:       {},
		`"number":"1e308"`:  {Number: 1e308},
		`"number":"1e-999"`: {},

		`"whole":7`:                             {Whole: 7},
		`"whole":"-7"`:                          {Whole: -7},
		`"whole":7.0`:                           {Whole: 7},
		`"whole":" 7 "`:                         {Whole: 7},
		`"long":" -7 "`:                         {Long: -7},
		`"whole":""`:                            {},
		`"whole":null`:                          {},
		`"long":"7"`:                            {Long: 7},
		`"long":-7.0`:                           {Long: -7},
		`"lifetime":"7"`:                        {Lifetime: 7},
		`"lifetime":3.6e3`:                      {Lifetime: 3600},
		`"lifetime":-1`:                         {},
		`"lifetime":"-1"`:                       {},
		`"lifetime":[1]`:                        {},
		`"lifetime":"?"`:                        {},
		`"lifetime":"18446744073709551615"`:     {Lifetime: 18446744073709551615},
		`"long":"-9223372036854775808"`:         {Long: -9223372036854775808},
		`"whole":"2020-10-22T10:43:19+03:00"`:   {Whole: 1603352599},
		`"long":"2020-10-22T07:43:19.790Z"`:     {Long: 1603352599},
		`"lifetime":"2020-10-22 07:43:19 UTC"`:  {Lifetime: 1603352599},
		`"lifetime":"1969-12-31T23:59:59Z"`:     {},
		`"long":"1969-12-31T23:59:59Z"`:         {Long: -1},
		`"long":"20201022104319"`:               {Long: 20201022104319}, // a number as much as a time
		`"lifetime":"2020-10-22T10:43:19+0300"`: {Lifetime: 1603352599},

		`"list":["a",1,true,null]`: {List: []string{"a", "1", "true", ""}},
		`"list":"a"`:               {List: []string{"a"}},
		`"list":""`:                {List: []string{""}},
		`"list":7`:                 {List: []string{"7"}},
		`"list":[]`:                {List: []string{}},
		`"list":null`:              {},
		`"list":{}`:                {List: []string{""}},

		`"rows":[{"name":1,"amount":"2"},null,7,{}]`: {Rows: []row{{Name: "1", Amount: 2}, {}, {}, {}}},
		`"rows":{"name":"a"}`:                        {},
		`"rows":"a"`:                                 {},
		`"rows":null`:                                {},
		`"inner":{"name":1,"other":{"name":2}}`:      {Inner: row{Name: "1"}},
		`"inner":{"next":{"next":{"name":1}}}`:       {Inner: row{Next: &row{Next: &row{Name: "1"}}}},
		`"inner":"a"`:                                {},
		`"inner":[]`:                                 {},

		`"metadata":{"a":1.10,"b":{"c":[true]}}`: {Metadata: map[string]any{"a": json.Number("1.10"), "b": map[string]any{"c": []any{true}}}},
		`"metadata":[]`:                          {},
		`"metadata":""`:                          {},
		`"metadata":null`:                        {},
		`"own":{"a":1}`:                          {Own: ownJSON{`{"a":1}`}},
		`"own":7`:                                {Own: ownJSON{`7`}},
		`"own_text":"7"`:                         {OwnText: ownText{`7`}},
	} {
		got, err := lenient(t, members)
		require.NoError(t, err, members)
		assert.Equal(t, want, got, members)
	}
}

// What has no reading changes nothing: the field keeps what it had.
func TestWhatIsLeftOutChangesNothing(t *testing.T) {
	one := "1"
	before := forms{Text: "a", Pointer: &one, Flag: true, Number: 1.5, Whole: 1, Long: 2, Lifetime: 3, List: []string{"b"}, Rows: []row{{Name: "c"}},
		Inner: row{Name: "d"}, Metadata: map[string]any{"e": "f"}}
	after := before
	require.NoError(t, DecodeLenient([]byte(`{"odd":"1","text":{},"flag":"maybe","number":[],"whole":"","long":{},"lifetime":"?","inner":7}`), &after))
	before.Odd = 1
	assert.Equal(t, before, after)
	require.NoError(t, DecodeLenient([]byte(`{"odd":"1","lifetime":"-1"}`), &after))
	assert.Zero(t, after.Lifetime, "a lifetime that is over is one that was read")
}

func TestANumberThatIsNoneIsAnError(t *testing.T) {
	for members, want := range map[string]string{
		`"number":"abc"`:                           "number: not a number",
		`"Number":"abc"`:                           "Number: not a number",
		`"number":true`:                            "number: not a number",
		`"number":"NaN"`:                           "number: not a number",
		`"number":"Inf"`:                           "number: not a number",
		`"number":"0x10"`:                          "number: not a number",
		`"number":"1_000"`:                         "number: not a number",
		`"number":"1,500"`:                         "number: not a number",
		`"number":"1e999"`:                         "number: not a number",
		`"number":1e999`:                           "number: not a number",
		`"whole":"abc"`:                            "whole: neither a whole number nor a time",
		`"whole":1.5`:                              "whole: neither a whole number nor a time",
		`"long":"1e30"`:                            "long: neither a whole number nor a time",
		`"long":true`:                              "long: neither a whole number nor a time",
		`"inner":{"amount":"x"}`:                   "inner.amount: not a number",
		`"rows":[{},{"next":{"amount":"x"}}]`:      "rows.1.next.amount: not a number",
		`"inner":{"next":{"next":{"amount":"x"}}}`: "inner.next.next.amount: not a number",
		`"rows":[{"amount":1},{"amount":2},{"amount":"x"}]`: "rows.2.amount: not a number",
	} {
		_, err := lenient(t, members)
		assert.EqualError(t, err, want)
	}
	var number float64
	assert.EqualError(t, DecodeLenient([]byte(`"x"`), &number), "not a number")
	require.NoError(t, DecodeLenient([]byte(`" 1.5 "`), &number))
	assert.Equal(t, 1.5, number)
}
