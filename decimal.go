package kopokopo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// maxShillingDigits keeps an amount within what an int64 of cents holds, with
// room to add many of them up. It is far beyond any limit of M-PESA or a bank.
const maxShillingDigits = 12

// parseAmount checks the amount of a request and returns it as a JSON number.
func parseAmount(value string) (string, error) {
	whole, cents, ok := splitDecimal(value)
	switch {
	case !ok:
		return "", errors.New("must be a plain decimal such as 1500")
	case len(cents) > 2:
		return "", errors.New("must have at most two decimals")
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" && strings.Trim(cents, "0") == "" {
		return "", errors.New("must be greater than zero")
	}
	if len(whole) > maxShillingDigits {
		return "", errors.New("is too large")
	}
	if whole == "" {
		whole = "0"
	}
	if cents == "" {
		return whole, nil
	}
	return whole + "." + cents, nil
}

// splitDecimal splits an unsigned plain decimal at its point: digits, and digits
// behind a point if there is one.
func splitDecimal(text string) (whole, fraction string, ok bool) {
	whole, fraction, point := strings.Cut(text, ".")
	ok = whole != "" && isDigits(whole) && isDigits(fraction) && (!point || fraction != "")
	return whole, fraction, ok
}

// isDigits reports whether s consists of ASCII digits only. The empty string does.
func isDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// Decimal is a number of K2's answers with exactly the digits K2 sent: an amount
// never passes through a float. K2 sends amounts as text ("100.0"), as a number or
// as null; the zero Decimal is a missing one.
//
// Decoding never fails over the content, so that an event with an absurd amount
// is not lost: the text is kept, and whoever computes with it gets the error.
type Decimal struct{ text string }

// ParseDecimal reads a plain decimal, optionally negative: "1500", "-0.5".
func ParseDecimal(text string) (Decimal, error) {
	d := Decimal{text: text}
	if _, _, _, err := d.parts(); err != nil {
		return Decimal{}, err
	}
	return d, nil
}

// String returns the digits as K2 sent them, "" for a missing number.
func (d Decimal) String() string { return d.text }

// IsZero reports whether there is no number (K2 sent null or nothing). The number
// 0 is a number: test it with [Decimal.Sign].
func (d Decimal) IsZero() bool { return d.text == "" }

// parts splits the number, without leading and trailing zeros that say nothing.
func (d Decimal) parts() (negative bool, whole, fraction string, err error) {
	text, negative := strings.CutPrefix(d.text, "-")
	whole, fraction, ok := splitDecimal(text)
	if !ok {
		if d.text == "" {
			return false, "", "", errors.New("kopokopo: decimal: no number")
		}
		return false, "", "", errors.New("kopokopo: decimal: not a plain decimal number")
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole == "" && fraction == "" {
		negative = false
	}
	return negative, whole, fraction, nil
}

// Sign returns -1, 0 or +1. It fails for what is not a number.
func (d Decimal) Sign() (int, error) {
	negative, whole, fraction, err := d.parts()
	switch {
	case err != nil:
		return 0, err
	case negative:
		return -1, nil
	case whole == "" && fraction == "":
		return 0, nil
	}
	return 1, nil
}

// Cmp compares two numbers exactly: -1 if d is less than other, 0 if they are the
// same number ("100" and "100.0" are), +1 if it is more. It fails if either is not a number.
func (d Decimal) Cmp(other Decimal) (int, error) {
	dn, dw, df, err := d.parts()
	if err != nil {
		return 0, err
	}
	on, ow, of, err := other.parts()
	if err != nil {
		return 0, err
	}
	if dn != on {
		if dn {
			return -1, nil
		}
		return 1, nil
	}
	order := strings.Compare(dw, ow)
	if len(dw) != len(ow) {
		order = len(dw) - len(ow)
	}
	if order == 0 {
		order = strings.Compare(df, of)
	}
	switch {
	case order == 0:
		return 0, nil
	case order > 0 == dn:
		return -1, nil
	}
	return 1, nil
}

// Minor returns the amount in minor units, cents of a shilling: 100.5 is 10050.
// Nothing is rounded: a fraction of a cent, and what an int64 does not hold, is an error.
func (d Decimal) Minor() (int64, error) {
	negative, whole, fraction, err := d.parts()
	if err != nil {
		return 0, err
	}
	if len(fraction) > 2 {
		return 0, errors.New("kopokopo: decimal: not a whole number of minor units")
	}
	var minor int64
	for _, digit := range whole + fraction + "00"[len(fraction):] {
		next := minor*10 + int64(digit-'0')
		if next/10 != minor {
			return 0, fmt.Errorf("kopokopo: decimal: %d digits are too many for minor units", len(whole))
		}
		minor = next
	}
	if negative {
		minor = -minor
	}
	return minor, nil
}

// MarshalJSON writes the number as text, as K2 mostly does, and a missing one as null.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if d.text == "" {
		return []byte("null"), nil
	}
	return wire.Encode(d.text)
}

// UnmarshalJSON takes text, number and null.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	text, err := wire.ScalarText(data)
	if err != nil {
		return err
	}
	d.text = strings.TrimSpace(text)
	return nil
}
