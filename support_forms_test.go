package kopokopo_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

func errorIs(err, target error) bool { return errors.Is(err, target) }

// disguises returns the forms in which a secret could be written unnoticed.
func disguises(secret string) map[string]string {
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

func asError[E error](err error, target *E) bool { return errors.As(err, target) }
