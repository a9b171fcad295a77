package wire

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// misfit says that a value cannot be what its field needs, and where it stands: names
// and indexes from the outermost one, with dots between them.
type misfit struct{ path, what string }

func (m *misfit) Error() string {
	if m.path == "" {
		return m.what
	}
	return m.path + ": " + m.what
}

// in returns the misfit as it is seen from outside of the member or element it was
// found in.
func (m *misfit) in(name string) *misfit {
	if m.path != "" {
		name += "." + m.path
	}
	return &misfit{name, m.what}
}

// coerce brings a decoded JSON value into a form that type t decodes. It may change
// the value. Where no reading makes sense the value is left out, and stays readable in
// the raw document; a number that is none is an error, since a missing amount is not 0.
func coerce(value any, t reflect.Type) (any, *misfit) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value == nil || decodesItself(t) {
		return value, nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return coerceStruct(value, t)
	case reflect.Slice:
		return coerceSlice(value, t)
	case reflect.String:
		return coerceText(value), nil
	case reflect.Bool:
		return coerceBool(value), nil
	case reflect.Float64:
		return coerceFloat(value)
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return coerceWhole(value, t.Kind() == reflect.Uint64)
	case reflect.Map:
		if _, ok := value.(map[string]any); !ok {
			return nil, nil // metadata written by a language whose empty map is a list
		}
	}
	return value, nil
}

// coerceStruct brings each member of an object into its field's type.
func coerceStruct(value any, t reflect.Type) (any, *misfit) {
	object, _ := value.(map[string]any) // else nil, which is JSON's null
	fields := fieldsOf(t)
	for key, member := range object {
		field, ok := fields[strings.ToLower(key)]
		if !ok {
			continue
		}
		member, wrong := coerce(member, field)
		if wrong != nil {
			return nil, wrong.in(key)
		}
		object[key] = member
	}
	return object, nil
}

// coerceSlice brings a list's elements into the element type. A lone value where
// a list of texts belongs is a list of one.
func coerceSlice(value any, t reflect.Type) (any, *misfit) {
	list, ok := value.([]any)
	if !ok {
		if t.Elem().Kind() != reflect.String {
			return nil, nil
		}
		list = []any{value}
	}
	for i, element := range list {
		element, wrong := coerce(element, t.Elem())
		if wrong != nil {
			return nil, wrong.in(strconv.Itoa(i))
		}
		list[i] = element
	}
	return list, nil
}

// coerceText turns a lone number or truth value into its text.
func coerceText(value any) any {
	switch value.(type) {
	case string, json.Number, bool:
		return Text(value)
	}
	return nil
}

// coerceBool reads the words and numbers that stand for a truth value.
func coerceBool(value any) any {
	if b, err := strconv.ParseBool(strings.TrimSpace(Text(value))); err == nil {
		return b
	}
	return nil
}

// coerceFloat reads a number from its text.
func coerceFloat(value any) (any, *misfit) {
	number := json.Number(strings.TrimSpace(Text(value)))
	if number == "" {
		return nil, nil
	}
	if _, err := number.Float64(); err != nil || !isNumber(number.String()) {
		return nil, &misfit{what: "not a number"}
	}
	return number, nil
}

// coerceWhole reads a whole number from its text, and an instant as Unix seconds.
func coerceWhole(value any, unsigned bool) (any, *misfit) {
	text := strings.TrimSpace(Text(value))
	if text == "" {
		return nil, nil
	}
	whole, ok := wholeNumber(text)
	if !ok {
		instant, err := ParseTime(text)
		switch {
		case err != nil && unsigned:
			return nil, nil // a good token is not lost over a time that says nothing
		case err != nil:
			return nil, &misfit{what: "neither a whole number nor a time"}
		}
		whole = strconv.FormatInt(instant.Unix(), 10)
	}
	if unsigned && strings.HasPrefix(whole, "-") {
		return 0, nil // a lifetime that is over
	}
	return json.Number(whole), nil
}
