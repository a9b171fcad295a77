package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for want, value := range map[string]any{"a": "a", " ": " ", "1.10": json.Number("1.10"), "true": true, "false": false} {
		assert.Equal(t, want, Text(value))
	}
	for _, value := range []any{nil, []any{"a"}, map[string]any{"a": "a"}, 1.5, 7} {
		assert.Empty(t, Text(value))
	}
}

func TestScalarText(t *testing.T) {
	for document, want := range map[string]string{
		`"OJM6Q1W84K"`:             "OJM6Q1W84K",
		`""`:                       "",
		`" a~ "`:                   " a~ ",
		`"\"a\\\n\u00e9"`:          "\"a\\\né",
		`"Wanjirũ"`:                "Wanjirũ",
		"\"\x7f\"":                 "\x7f",
		"\"a\xffb\"":               "a\ufffdb",
		`"\ud800"`:                 "\ufffd",
		`null`:                     "",
		`true`:                     "true",
		`false`:                    "false",
		`0`:                        "0",
		`-0.50`:                    "-0.50",
		`1e3`:                      "1e3",
		`12345678901234567890.123`: "12345678901234567890.123",
		" \t\r\n7 ":                "7",
		` "a" `:                    "a",
		` null `:                   "",
		`{}`:                       "",
		`{"a":"b"}`:                "",
		`["a"]`:                    "",
		` [1] `:                    "",
	} {
		got, err := ScalarText([]byte(document))
		require.NoError(t, err, document)
		assert.Equal(t, want, got, document)
	}
	for _, document := range []string{``, ` `, `"`, `"a`, `a"`, `"a""b"`, `"a"b"`, "\"a\nb\"", `"\x"`, `"\"`, `nul`, `True`, `+1`, `01`, `1.`, `.5`, `1 2`, `"a" "b"`, `{`, `[1`, `'a'`, `#a#`, "\u00a07", "\"\x1f\"", "\"\x00\"", `~7`, `7~`, `~null~`} {
		got, err := ScalarText([]byte(document))
		require.Error(t, err, document)
		assert.Empty(t, got, document)
	}
}

// Ordinary texts, numbers and null take no decoder: one copy, or nothing at all.
func TestScalarTextIsQuick(t *testing.T) {
	for document, want := range map[string]float64{`"OJM6Q1W84K ~!"`: 1, `"a"`: 0, `""`: 0, `1500.50`: 1, `null`: 0, `true`: 1} {
		data := []byte(document)
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = ScalarText(data) }), want, document)
	}
}

func TestIsNumber(t *testing.T) {
	for _, text := range []string{"0", "-0", "7", "10", "1234567890", "-12", "0.5", "1.0", "9.99", "1e3", "1E3", "1e+3", "1e-3", "-1.5E-07", "0e0", "1e00", "90", "19", "1.09e90"} {
		assert.True(t, isNumber(text), text)
	}
	for _, text := range []string{"", "-", "+1", "00", "01", "-01", "007", ".5", "-.5", "1.", "1.e3", "1.5.5", "e3", "1e", "1e+", "1e-", "1e+-3", "1e3.5", "1e3e3", "0x10", "1_000", "1,5", "NaN", "Inf", "-Infinity",
		" 1", "1 ", "1\n", "1a", "/", ":", "1/", "1:", "1./", "1.5:", "1e/", "1e5:", "--1", "٣", "true", `"1"`, "1f3"} {
		assert.False(t, isNumber(text), text)
	}
}

func TestWholeNumber(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "7": "7", "-7": "-7", "3600": "3600", "3600.0": "3600", "3.6e3": "3600", "3.6E+3": "3600", "36000e-1": "3600",
		"0.0": "0", "-0.0": "0", "0e999": "", "0.000e20": "0", "100.000": "100", "1e2": "100", "1200e-2": "12", "0.012e3": "12",
		"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808", "18446744073709551615": "18446744073709551615",
		"9007199254740993.0": "9007199254740993", "90071992547409930e-1": "9007199254740993", "1e19": "10000000000000000000", "-1e18": "-1000000000000000000",
		"1000000000000000000000e-20": "10", "0.00000000000000000001e20": "1", "184467440737095516.15e2": "18446744073709551615",
		"18446744073709551616": "", "-9223372036854775809": "", "1e20": "", "1e21": "", "-1e19": "", "1e999999999999999999999": "",
		"1.5": "", "-0.5": "", "1e-1": "", "15e-1": "", "4503599627370497.25": "", "100e-3": "", "100e-21": "", "1e-20": "", "0e-21": "",
		"": "", "x": "", "01": "", "1_0": "", "0x1": "",
	} {
		got, ok := wholeNumber(text)
		assert.Equal(t, want != "", ok, text)
		assert.Equal(t, want, got, text)
	}
}

func TestWholeNumberOfManyDigits(t *testing.T) {
	got, ok := wholeNumber("12." + strings.Repeat("0", 1<<20))
	assert.True(t, ok)
	assert.Equal(t, "12", got)
	_, ok = wholeNumber(strings.Repeat("9", 1<<20))
	assert.False(t, ok)
	_, ok = wholeNumber("1e" + strings.Repeat("9", 1<<20))
	assert.False(t, ok)
}
