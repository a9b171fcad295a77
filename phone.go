package kopokopo

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Phone is a Kenyan phone number. The zero Phone is no number.
type Phone struct{ national string } // nine digits

// ParsePhone reads a Kenyan number in any of the forms people write: 0712 345 678,
// 0112-345-678, 712345678, 254712345678, +254712345678. Spaces and dashes are
// ignored. The error does not repeat the input.
func ParsePhone(text string) (Phone, error) {
	digits := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, text)
	digits, plus := strings.CutPrefix(digits, "+")
	if !isDigits(digits) {
		return Phone{}, errPhone
	}
	national, country := strings.CutPrefix(digits, "254")
	switch {
	case country && len(national) == 9 && national[0] != '0':
		return Phone{national}, nil
	case plus:
		return Phone{}, errPhone
	case len(digits) == 10 && digits[0] == '0' && digits[1] != '0':
		return Phone{digits[1:]}, nil
	case len(digits) == 9 && (digits[0] == '7' || digits[0] == '1'):
		return Phone{digits}, nil
	}
	return Phone{}, errPhone
}

var errPhone = errors.New("kopokopo: phone: not a Kenyan phone number")

// E164 returns the number as STK push wants it: +254712345678.
func (p Phone) E164() string { return p.prefixed("+254") }

// Digits returns the number as send money wants it, and as K2 hashes it: 254712345678.
func (p Phone) Digits() string { return p.prefixed("254") }

// Local returns the number as Kenyans dial it: 0712345678.
func (p Phone) Local() string { return p.prefixed("0") }

func (p Phone) prefixed(prefix string) string {
	if p.national == "" {
		return ""
	}
	return prefix + p.national
}

// String returns the number with all but its last three digits hidden, for logs.
// [Phone.E164] and [Phone.Digits] return it in full.
func (p Phone) String() string {
	if p.national == "" {
		return ""
	}
	return "+254******" + p.national[6:]
}

// Format implements [fmt.Formatter]: no verb prints the number in full.
func (p Phone) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// HashPhone returns K2's hashed_sender_phone for a number in any form that
// [ParsePhone] reads: the lower-case hex SHA-256 of 254712345678.
func HashPhone(phone string) (string, error) {
	p, err := ParsePhone(phone)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(p.Digits()))
	return hex.EncodeToString(sum[:]), nil
}

// MatchesHash reports whether hash, K2's hashed_sender_phone, is that of phone.
func MatchesHash(phone, hash string) bool {
	want, err := HashPhone(phone)
	if err != nil {
		return false
	}
	got := strings.ToLower(strings.TrimSpace(hash))
	return subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}
