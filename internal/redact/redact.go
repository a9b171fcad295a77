// Package redact makes foreign texts fit to be shown: those of servers, senders and
// callers' errors, in this module's own errors and logs.
package redact

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Mark stands in for every secret.
const Mark = "[REDACTED]"

// maxText is how much of a foreign text an error repeats, in bytes.
const maxText = 512

// fewestDigits is how many digits make a number personal: phones, accounts, tills
// with their suffixes. Amounts and codes have fewer.
const fewestDigits = 7

// Text makes a foreign text fit for an error and a log: one line, printable,
// bounded, and with numbers of seven and more digits (phones, accounts) masked,
// however they are grouped: +254 712 345 678, 0712-345-678.
func Text(text string) string {
	out := make([]byte, 0, min(len(text), maxText)+utf8.UTFMax)
	var n number
	for i, r := range text {
		if len(out) >= maxText {
			break
		}
		_, width := utf8.DecodeRuneInString(text[i:])
		if !strconv.IsPrint(r) {
			r = ' '
		}
		switch {
		case r >= '0' && r <= '9':
			n.digit(len(out))
		case (r == ' ' || r == '-') && n.digits > 0 && startsWithDigit(text[i+width:]):
			// One separator between two digits belongs to the number.
		default:
			out = n.end(out)
		}
		out = utf8.AppendRune(out, r)
	}
	return strings.TrimSpace(string(n.end(out)))
}

func startsWithDigit(text string) bool { return text != "" && text[0] >= '0' && text[0] <= '9' }

// number is a run of digits, single separators included, at the end of what was
// written so far.
type number struct {
	start  int // where its first digit stands
	digits int
}

func (n *number) digit(at int) {
	if n.digits == 0 {
		n.start = at
	}
	n.digits++
}

// end closes the number, if there is one, and masks it if it is personal.
func (n *number) end(out []byte) []byte {
	if n.digits >= fewestDigits && !startsWithDate(out[n.start:]) {
		out = append(out[:n.start], "*******"...)
	}
	*n = number{}
	return out
}

// startsWithDate spares dates and times, without which "from when to when" could not
// be said: 2026-11-24, 2026-11-24 18:22.
func startsWithDate(run []byte) bool {
	const date = "2006-01-02"
	if len(run) != len(date) && len(run) != len(date+" 15") {
		return false
	}
	for i, c := range []byte(date) {
		if (c == '-') != (run[i] == '-') || c != '-' && run[i] == ' ' {
			return false
		}
	}
	return string(run[:2]) == "20" && (len(run) == len(date) || run[len(date)] == ' ')
}

// shortest is how long a secret is at the least: shorter ones would mask ordinary words.
const shortest = 6

// Secrets returns a function that replaces the given secrets wherever they stand in
// a text, also as they stand in a form, in a path, or in either with lower-case hex
// digits.
func Secrets(secrets ...string) func(string) string {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be the beginning of another
	return func(text string) string {
		for _, secret := range secrets {
			if len(secret) < shortest {
				continue
			}
			for _, form := range []string{url.QueryEscape(secret), url.PathEscape(secret), secret} {
				text = strings.ReplaceAll(text, form, Mark)
				text = strings.ReplaceAll(text, lowerEscapes(form), Mark)
			}
		}
		return text
	}
}

// lowerEscapes writes the hex digits of percent escapes in lower case.
func lowerEscapes(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	out := []byte(text)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i+1:i+3], strings.ToLower(string(out[i+1:i+3])))
		}
	}
	return string(out)
}
