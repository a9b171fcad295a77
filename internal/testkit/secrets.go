package testkit

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Disguises returns the forms in which a secret could be written unnoticed.
func Disguises(secret string) map[string]string {
	escaped, _ := json.Marshal(secret)
	var xmlText bytes.Buffer
	_ = xml.EscapeText(&xmlText, []byte(secret))
	raw := []byte(secret)
	return map[string]string{
		"raw":             secret,
		"hex":             hex.EncodeToString(raw),
		"HEX":             strings.ToUpper(hex.EncodeToString(raw)),
		"spaced hex":      fmt.Sprintf("% x", raw),
		"base64":          base64.RawStdEncoding.EncodeToString(raw),
		"base64url":       base64.RawURLEncoding.EncodeToString(raw),
		"query-escaped":   url.QueryEscape(secret),
		"path-escaped":    url.PathEscape(secret),
		"JSON-escaped":    strings.Trim(string(escaped), `"`),
		"Go-quoted":       strings.Trim(strconv.Quote(secret), `"`),
		"ASCII-quoted":    strings.Trim(strconv.QuoteToASCII(secret), `"`),
		"XML-escaped":     xmlText.String(),
		"a list of bytes": strings.Trim(fmt.Sprint(raw), "[]"),
	}
}

// NoSecrets fails if a text repeats one of the test's secrets.
func NoSecrets(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{Secret, APIKey, Token, ClientID} {
		for form, hidden := range Disguises(secret) {
			if strings.Contains(text, hidden) {
				t.Errorf("a secret shows in its %s form in %q", form, text)
			}
		}
	}
}
