package kopokopotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// member is one key of an object.
type member struct {
	key   string
	value any
}

// object is a JSON object that keeps the order of its keys. Its values are nil,
// bool, string, json.Number, object or []any. The order matters because a
// signature covers bytes: a receiver that parses and writes the body again gets
// the same bytes only when nothing was reordered.
type object []member

// get returns the value at a dotted path, or nil.
func (o object) get(path string) any {
	key, rest, nested := strings.Cut(path, ".")
	for _, m := range o {
		if m.key != key {
			continue
		}
		if !nested {
			return m.value
		}
		inner, _ := m.value.(object)
		return inner.get(rest)
	}
	return nil
}

// text returns the string at a dotted path. A number counts as its digits, since
// K2 takes either where it expects text; everything else is "".
func (o object) text(path string) string {
	switch v := o.get(path).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// orNull returns the value at a dotted path with "absent" made an explicit null,
// which is how K2 shows a missing name or nickname.
func (o object) orNull(path string) any {
	if s := o.text(path); s != "" {
		return s
	}
	return nil
}

// set replaces the value of a key in place, or appends it.
func (o *object) set(key string, value any) {
	for i := range *o {
		if (*o)[i].key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{key, value})
}

// without returns a copy that lacks a key.
func (o object) without(key string) object {
	var out object
	for _, m := range o {
		if m.key != key {
			out = append(out, m)
		}
	}
	return out
}

// clone copies the object's own list of members, so that set on the copy does
// not reach the original.
func (o object) clone() object { return append(object(nil), o...) }

var errNotObject = errors.New("not a JSON object")

// parseObject reads exactly one JSON object, of a cost that its size bounds.
func parseObject(body []byte) (object, error) {
	if err := wire.Check(body); err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		return nil, errNotObject
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	v, err := parseValue(dec)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, errNotObject
	}
	return o, nil
}

func parseValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	switch tok {
	case json.Delim('{'):
		return parseMembers(dec)
	case json.Delim('['):
		return parseElements(dec)
	}
	return tok, nil
}

func parseMembers(dec *json.Decoder) (any, error) {
	o := object{}
	at := map[string]int{} // a repeated key: the last value wins, in the first place
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read JSON key: %w", err)
		}
		key, _ := tok.(string)
		v, err := parseValue(dec)
		if err != nil {
			return nil, err
		}
		if i, repeated := at[key]; repeated {
			o[i].value = v
			continue
		}
		at[key] = len(o)
		o = append(o, member{key, v})
	}
	_, err := dec.Token()
	return o, err
}

func parseElements(dec *json.Decoder) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := parseValue(dec)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token()
	return list, err
}

// encode writes a value as JavaScript's JSON.stringify would: compact, no
// trailing newline, no escaping of <, >, &, U+2028 or U+2029. Official Kopo Kopo
// SDKs verify a signature either over the raw bytes (PHP, Python) or over the
// parsed and re-serialised body (Node), so what K2 sends must be the same both ways.
func encode(v any) []byte { return appendValue(nil, v) }

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case json.Number:
		return append(dst, number(v)...)
	case string:
		return appendString(dst, v)
	case object:
		return appendObject(dst, v)
	case []any:
		return appendList(dst, v)
	}
	return append(dst, "null"...)
}

func appendObject(dst []byte, o object) []byte {
	if o == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.key), ':')
		dst = appendValue(dst, m.value)
	}
	return append(dst, '}')
}

func appendList(dst []byte, list []any) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, v)
	}
	return append(dst, ']')
}

const hexDigits = "0123456789abcdef"

// shortEscape has the characters JSON.stringify escapes with a letter.
var shortEscape = map[byte]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

func appendString(dst []byte, s string) []byte {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		switch letter, short := shortEscape[c]; {
		case short:
			dst = append(dst, '\\', letter)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// number writes a number as JavaScript would. Whole numbers keep their digits,
// however long; 1.0 becomes 1 and 1e2 becomes 100.
func number(n json.Number) string {
	s := n.String()
	if !strings.ContainsAny(s, ".eE") && s != "-0" {
		return s
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return "null"
	}
	if f == 0 {
		return "0"
	}
	b, err := json.Marshal(f) // encoding/json formats a float64 by the ECMAScript rule
	if err != nil {
		return "null"
	}
	return string(b)
}

// texts makes a JSON list of strings.
func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
