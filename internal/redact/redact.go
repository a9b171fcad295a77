// Package redact makes foreign texts fit to be shown: those of servers, senders and
// callers' errors, in this module's own errors and logs.
package redact

import (
	"strconv"
	"strings"
)

// maxText is how much of a foreign text an error repeats, in bytes.
const maxText = 512

// Text makes a foreign text fit for an error and a log: one line, printable,
// bounded, and with runs of seven and more digits (phones, accounts) masked.
func Text(text string) string {
	var out strings.Builder
	digits := 0
	for _, r := range text {
		if out.Len() >= maxText {
			break
		}
		if r >= '0' && r <= '9' {
			digits++
			out.WriteRune(r)
			continue
		}
		maskDigits(&out, digits)
		digits = 0
		if !strconv.IsPrint(r) {
			r = ' '
		}
		out.WriteRune(r)
	}
	maskDigits(&out, digits)
	return strings.TrimSpace(out.String())
}

// maskDigits replaces the last n characters, all digits, if they are seven or more.
func maskDigits(out *strings.Builder, n int) {
	if n < 7 {
		return
	}
	kept := out.String()[:out.Len()-n]
	out.Reset()
	out.WriteString(kept)
	out.WriteString("*******")
}
