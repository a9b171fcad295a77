package wire

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// What a Go type means to encoding/json takes long to find out and never changes, so
// it is found out once for each type.
var (
	interfaces sync.Map // reflect.Type to bool: see holdsInterface
	fields     sync.Map // reflect.Type to map[string]reflect.Type: see fieldsOf
)

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decodesItself reports whether a type has a decoder of its own.
func decodesItself(t reflect.Type) bool {
	t = reflect.PointerTo(t)
	return t.Implements(jsonUnmarshaler) || t.Implements(textUnmarshaler)
}

// holdsInterface reports whether decoding into a type can make an interface value,
// which is where numbers would become floats.
func holdsInterface(t reflect.Type) bool {
	if known, ok := interfaces.Load(t); ok {
		return known.(bool)
	}
	found := findInterface(t, map[reflect.Type]bool{})
	interfaces.Store(t, found)
	return found
}

// findInterface is holdsInterface without its memory. seen are the types it is about
// to look into already: some contain themselves.
func findInterface(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || decodesItself(t) {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return findInterface(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if findInterface(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// fieldsOf maps the lower-case JSON names of a struct's fields, embedded ones
// included, to their types. encoding/json matches names without regard to case.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := fields.Load(t); ok {
		return known.(map[string]reflect.Type)
	}
	found := make(map[string]reflect.Type, t.NumField())
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		found[strings.ToLower(name)] = f.Type
	}
	fields.Store(t, found)
	return found
}
