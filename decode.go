package kopokopo

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// This file holds everything lenient about the wire. K2 sends the same field as
// text, number or null depending on endpoint, version and year; a payment must not
// be lost over that. What is decoded is exact all the same: no number passes
// through a float unless the documented field is one.

// errTrailing is what follows a JSON document that should have been alone.
var errTrailing = errors.New("something follows the JSON document")

// buffers are what bodies are encoded in before their size is known.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// wireJSON encodes v as it goes over the wire: compact, and without the HTML
// escapes of encoding/json, which K2's texts do not need.
func wireJSON(v any) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// decodeStrict decodes exactly one JSON document. Numbers in interface values
// keep their digits, as json.Number.
func decodeStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}

// decodeLenient decodes one JSON document into v, first as it stands and, only if
// a value has another type than its field, once more with such values brought
// into the field's type (see coerce).
func decodeLenient(data []byte, v any) error {
	err := decodeStrict(data, v)
	var typeErr *json.UnmarshalTypeError
	if !errors.As(err, &typeErr) {
		return err
	}
	var tree any
	if err := decodeStrict(data, &tree); err != nil {
		return err
	}
	tree, err = coerce(tree, reflect.TypeOf(v).Elem(), "")
	if err != nil {
		return err
	}
	again, err := wireJSON(tree)
	if err != nil {
		return err
	}
	return decodeStrict(again, v)
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// coerce brings a decoded JSON value into a form that type t decodes. Where no
// reading makes sense the value is left out, and stays readable in the raw
// document; a number that is none is an error, since a missing amount is not 0.
func coerce(value any, t reflect.Type, path string) (any, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value == nil || reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
		return value, nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return coerceStruct(value, t, path)
	case reflect.Slice:
		return coerceSlice(value, t, path)
	case reflect.String:
		return coerceString(value), nil
	case reflect.Bool:
		return coerceBool(value), nil
	case reflect.Float64, reflect.Int, reflect.Int64, reflect.Uint64:
		return coerceNumber(value, t.Kind(), path)
	case reflect.Map:
		if _, ok := value.(map[string]any); !ok {
			return nil, nil // metadata written by a language whose empty map is a list
		}
	}
	return value, nil
}

// coerceStruct brings each member of an object into its field's type.
func coerceStruct(value any, t reflect.Type, path string) (any, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, nil
	}
	fields := jsonFields(t)
	out := make(map[string]any, len(object))
	for key, member := range object {
		field, ok := fields[strings.ToLower(key)]
		if !ok {
			continue
		}
		member, err := coerce(member, field, join(path, key))
		if err != nil {
			return nil, err
		}
		out[key] = member
	}
	return out, nil
}

// jsonFields maps the lower-case JSON names of a struct's fields, embedded ones
// included, to their types. encoding/json matches names without regard to case.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type, t.NumField())
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[strings.ToLower(name)] = f.Type
	}
	return fields
}

// coerceSlice brings a list's elements into the element type. A lone value where
// a list belongs is a list of one.
func coerceSlice(value any, t reflect.Type, path string) (any, error) {
	list, ok := value.([]any)
	if !ok {
		if t.Elem().Kind() != reflect.String {
			return nil, nil
		}
		list = []any{value}
	}
	out := make([]any, 0, len(list))
	for i, element := range list {
		element, err := coerce(element, t.Elem(), join(path, strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		out = append(out, element)
	}
	return out, nil
}

// coerceString turns a lone number or truth value into its text.
func coerceString(value any) any {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return nil
}

// scalarText returns the text of one JSON value, "" for null and for what is no
// scalar. Ordinary texts take no decoder: events hold many.
func scalarText(data []byte) (string, error) {
	if end := len(data) - 1; end > 0 && data[0] == '"' && data[end] == '"' && !slices.ContainsFunc(data[1:end],
		func(c byte) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		return string(data[1:end]), nil
	}
	var tree any
	if err := decodeStrict(data, &tree); err != nil {
		return "", err
	}
	text, _ := coerceString(tree).(string)
	return text, nil
}

// coerceBool reads the words and numbers that stand for a truth value.
func coerceBool(value any) any {
	text, _ := coerceString(value).(string)
	if b, err := strconv.ParseBool(strings.TrimSpace(text)); err == nil {
		return b
	}
	return nil
}

// coerceNumber reads a number from its text, and an instant as Unix seconds.
func coerceNumber(value any, kind reflect.Kind, path string) (any, error) {
	text, _ := coerceString(value).(string)
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if kind == reflect.Float64 {
		if isNumber(text) {
			if _, err := strconv.ParseFloat(text, 64); err == nil {
				return json.Number(text), nil
			}
		}
		return nil, fmt.Errorf("%s: not a number", path)
	}
	whole, ok := wholeNumber(text)
	if !ok {
		instant, err := parseTime(text)
		switch {
		case err != nil && kind == reflect.Uint64:
			return nil, nil // a good token is not lost over a time that says nothing
		case err != nil:
			return nil, fmt.Errorf("%s: neither a whole number nor a time", path)
		}
		whole = strconv.FormatInt(instant.Unix(), 10)
	}
	if kind == reflect.Uint64 && strings.HasPrefix(whole, "-") {
		whole = "0" // a lifetime that is over
	}
	return json.Number(whole), nil
}

// wholeNumber returns the digits of a number without a fraction: 3600, 3600.0, 3.6e3.
func wholeNumber(text string) (string, bool) {
	if !isNumber(text) {
		return "", false
	}
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return text, true
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return text, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -(1<<53) {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

// isNumber reports whether text is a number in JSON's grammar, so not NaN, 0x10 or 1_000.
func isNumber(text string) bool {
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return false
	}
	return json.Valid([]byte(text))
}

// join appends a name to the path of a value inside a document.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// unwrapData returns the document inside {"data":{…}}, or data itself if it is bare.
func unwrapData(data []byte) []byte {
	var wrapped struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(data, &wrapped) != nil || len(wrapped.Data) == 0 || wrapped.Data[0] != '{' {
		return data
	}
	return wrapped.Data
}

// StringList is a list of texts that K2 sends as null, as one text or as a list.
type StringList []string

// UnmarshalJSON takes null, a text, a list, and an object of lists (Rails' errors
// by attribute). Empty texts are left out.
func (l *StringList) UnmarshalJSON(data []byte) error {
	var tree any
	if err := decodeStrict(data, &tree); err != nil {
		return err
	}
	*l = texts(tree, "")
	return nil
}

// texts flattens whatever K2 puts where an error text belongs.
func texts(value any, prefix string) []string {
	switch v := value.(type) {
	case []any:
		var out []string
		for _, element := range v {
			out = append(out, texts(element, prefix)...)
		}
		return out
	case map[string]any:
		var out []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, texts(v[key], prefix+key+": ")...)
		}
		return out
	}
	text, _ := coerceString(value).(string)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return []string{prefix + text}
}
