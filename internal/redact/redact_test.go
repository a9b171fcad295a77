package redact

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Till number can't be blank": "Till number can't be blank",
		"":                           "",
		"  a  ":                      "a",

		// One line, printable.
		"a\nb\r\nc\td\x1b[31me\x00f": "a b  c d [31me f",
		"a\u00a0b\u202ec\u2028d":     "a b c d",
		"Ngũgĩ wa Thiong'o":          "Ngũgĩ wa Thiong'o",
		"\xff\xfe":                   "\ufffd\ufffd",

		// Phones, however they are grouped.
		"254712345678":                    "*******",
		"call +254712345678 now":          "call +******* now",
		"+254 712 345 678":                "+*******",
		"0712-345-678":                    "*******",
		"0712 345-678.":                   "*******.",
		"0712\t345\n678":                  "*******",
		"0712\u00a0345\u00a0678":          "*******",
		"to 0712345678 and 0712 345 678!": "to ******* and *******!",
		"phone=254712345678&x":            "phone=*******&x",
		"7-1-2-3-4-5-6":                   "*******",
		"account 1234567":                 "account *******",
		"\u0660\u0661\u0662 not ASCII":    "\u0660\u0661\u0662 not ASCII",

		// Smaller numbers and what only looks like a group.
		"123456":                        "123456",
		"123 456":                       "123 456",
		"KES 20000 of 300000":           "KES 20000 of 300000",
		"1234  5678":                    "1234  5678",
		"1234, 5678":                    "1234, 5678",
		"1234 - 5678":                   "1234 - 5678",
		"123456-":                       "123456-",
		"-123456":                       "-123456",
		"10.20.30.40:8080":              "10.20.30.40:8080",
		"read tcp 127.0.0.1:54321->127": "read tcp 127.0.0.1:54321->127",

		// Dates and times.
		"2026-11-24":                  "2026-11-24",
		"2026-11-24 18:22:01":         "2026-11-24 18:22:01",
		"from 2026-11-24T18:22:01 on": "from 2026-11-24T18:22:01 on",
		"2026-11-24 18":               "2026-11-24 18",
		"2026-11-24 1":                "*******",
		"2026-11-24-18":               "*******",
		"2026 11 24":                  "*******",
		"1926-11-24":                  "*******",
		"2026-1-124":                  "*******",
		"20 6-11-24":                  "*******",
		"20 61-1-240":                 "*******",
		"2026-11-2":                   "*******",
		"20261124":                    "*******",
	} {
		assert.Equal(t, want, Text(text), "%q", text)
	}
}

func TestTextIsBounded(t *testing.T) {
	t.Parallel()
	assert.Len(t, Text(strings.Repeat("x", 512)), 512)
	assert.Len(t, Text(strings.Repeat("x", 513)), 512)
	assert.Len(t, Text(strings.Repeat("x", 1<<20)), 512)
	assert.Equal(t, strings.Repeat("é", 256), Text(strings.Repeat("é", 1000)))
	assert.Equal(t, strings.Repeat("x", 511)+"é", Text(strings.Repeat("x", 511)+"ééé"), "a rune is not cut")
	assert.Equal(t, strings.Repeat("x", 500)+"*******", Text(strings.Repeat("x", 500)+strings.Repeat("1", 1000)), "nor is a number shown in part")
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	const secret = "s3cr&t/+\"<é>"
	mask := Secrets("", "short", secret, "exactly6"[:6])
	for text, want := range map[string]string{
		"nothing":                      "nothing",
		"short":                        "short",
		"exactl":                       "[REDACTED]",
		"a " + secret + " b " + secret: "a [REDACTED] b [REDACTED]",
		"client_secret=s3cr%26t%2F%2B%22%3C%C3%A9%3E": "client_secret=[REDACTED]", // a form
		"client_secret=s3cr%26t%2f%2b%22%3c%c3%a9%3e": "client_secret=[REDACTED]",
		"/s3cr&t%2F+%22%3C%C3%A9%3E/":                 "/[REDACTED]/", // a path
		"/s3cr&t%2f+%22%3c%c3%a9%3e/":                 "/[REDACTED]/",
		"S3CR&T/+":                                    "S3CR&T/+",
	} {
		assert.Equal(t, want, mask(text), "%q", text)
	}
	assert.Equal(t, "[REDACTED]", Secrets("the-token", "the-token-and-more")("the-token-and-more"), "one begins as the other does")
	assert.Equal(t, "[REDACTED]", Secrets("100%-sure")("100%-sure"))
	assert.Equal(t, "[REDACTED]", Secrets("100%-sure")("100%25-sure"))
	assert.Equal(t, "[REDACTED]", Secrets("trailing%")("trailing%25"))
	assert.Equal(t, "100%", lowerEscapes("100%"))
	assert.Equal(t, "%2f%", lowerEscapes("%2F%"))
	assert.Equal(t, "A%2fB%ac", lowerEscapes("A%2FB%AC"))

	given := []string{"short1", "longer-secret"}
	_ = Secrets(given...)
	assert.Equal(t, []string{"short1", "longer-secret"}, given, "the caller's list is left alone")
}

var longNumber = regexp.MustCompile(`[0-9](?:[ -]?[0-9]){6,}`)

// FuzzText: what is shown of a foreign text is one printable line of bounded length, in
// which no number of seven digits stands that is not a date.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "0712 345 678", "+254-712-345-678", "2026-11-24 18:22", "a\x00b\xffc", strings.Repeat("9", 600), "\u00a01\u00a02", strings.Repeat("1 ", 400)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown := Text(text)
		require.LessOrEqual(t, len(shown), maxText+len(Mark))
		require.True(t, utf8.ValidString(shown))
		require.NotContains(t, shown, "\n")
		for _, number := range longNumber.FindAllString(shown, -1) {
			require.Regexp(t, `^20[0-9]{2}-[0-9]{2}-[0-9]{2}`, number, "%q of %q", shown, text)
		}
		require.Equal(t, shown, Text(shown), "shown again, it is the same")
	})
}
