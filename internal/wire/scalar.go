package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Text returns the text of a decoded JSON value: a text itself, the digits of a
// number, "true" or "false". It is "" for null, lists and objects.
func Text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// ScalarText is Text of one JSON value that has not been decoded yet. It fails for
// what is no JSON. Events hold many such values, so that only a text with escapes or
// with other letters than ASCII takes a decoder.
func ScalarText(data []byte) (string, error) {
	if isPlainText(data) {
		return string(data[1 : len(data)-1]), nil
	}
	data = bytes.Trim(data, " \t\r\n")
	switch {
	case string(data) == "null":
		return "", nil
	case string(data) == "true", string(data) == "false", isNumber(string(data)):
		return string(data), nil
	}
	var text string
	err := json.Unmarshal(data, &text)
	var typeErr *json.UnmarshalTypeError
	if errors.As(err, &typeErr) {
		return "", nil // a list or an object
	}
	return text, err
}

// isPlainText reports whether a JSON text stands for its own bytes.
func isPlainText(data []byte) bool {
	end := len(data) - 1
	return end > 0 && data[0] == '"' && data[end] == '"' && !slices.ContainsFunc(data[1:end],
		func(c byte) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' })
}

// isNumber reports whether text is a number in JSON's grammar, so not NaN, 0x10,
// 1_000 or 007.
func isNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	whole := digits(text)
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	text = text[whole:]
	if strings.HasPrefix(text, ".") {
		fraction := digits(text[1:])
		if fraction == 0 {
			return false
		}
		text = text[1+fraction:]
	}
	if strings.HasPrefix(text, "e") || strings.HasPrefix(text, "E") {
		text = text[1:]
		if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
			text = text[1:]
		}
		exponent := digits(text)
		return exponent > 0 && exponent == len(text)
	}
	return text == ""
}

// digits returns how many ASCII digits text begins with.
func digits(text string) int {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return i
		}
	}
	return len(text)
}

// maxShift is more places than the point of a number of 64 bits can move by.
const maxShift = 20

// wholeNumber returns the digits of a number without a fraction that an int64 or a
// uint64 holds: 3600, 3600.0, 3.6e3.
func wholeNumber(text string) (string, bool) {
	if !isNumber(text) {
		return "", false
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	shift, _ := strconv.Atoi(exponent) // 0 without one, and the nearest int for one beyond
	if shift > maxShift || shift < -maxShift {
		return "", false
	}
	magnitude, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(magnitude, ".")
	zeros := strings.Repeat("0", maxShift) // so that the point stays between digits wherever it moves
	all, point := zeros+whole+fraction+zeros, maxShift+len(whole)+shift
	if strings.Trim(all[point:], "0") != "" {
		return "", false
	}
	whole = strings.TrimLeft(all[:point], "0")
	if whole == "" {
		return "0", true
	}
	var err error
	if negative {
		whole = "-" + whole
		_, err = strconv.ParseInt(whole, 10, 64)
	} else {
		_, err = strconv.ParseUint(whole, 10, 64)
	}
	if err != nil {
		return "", false
	}
	return whole, true
}
