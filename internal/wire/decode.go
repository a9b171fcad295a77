package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
)

// Decode decodes exactly one JSON document into what v points to. Numbers in
// interface values keep their digits, as json.Number.
func Decode(data []byte, v any) error {
	if err := Check(data); err != nil {
		return err
	}
	return DecodeUnchecked(data, v)
}

// DecodeLenient decodes one JSON document into what v points to, first as it stands
// and, only if a value has another type than its field, once more with such values
// brought into the field's type: see coerce.
func DecodeLenient(data []byte, v any) error {
	err := Decode(data, v)
	var typeErr *json.UnmarshalTypeError
	if !errors.As(err, &typeErr) {
		return err
	}
	var tree any
	if err := DecodeUnchecked(data, &tree); err != nil {
		return err
	}
	tree, wrong := coerce(tree, reflect.TypeOf(v).Elem())
	if wrong != nil {
		return wrong
	}
	again, err := Encode(tree)
	if err != nil {
		return err
	}
	return DecodeUnchecked(again, v) // without white space it may be denser than Check allows
}

// DecodeUnchecked is Decode of a document whose cost is no question: one that Check has
// passed, or one that this module wrote itself.
func DecodeUnchecked(data []byte, v any) error {
	if !holdsInterface(reflect.TypeOf(v)) {
		return json.Unmarshal(data, v) // costs half
	}
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

// errNotObject means that a document is JSON, and something else than an object.
var errNotObject = errors.New("not a JSON object")

// Object decodes exactly one JSON object into its members. Its errors are fit to be
// shown: see [Describe].
func Object(data []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	err := Decode(data, &members)
	var typeErr *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typeErr), err == nil && members == nil: // the latter is null
		return nil, errNotObject
	case err != nil:
		return nil, Describe(err)
	}
	return members, nil
}

// IsObject reports whether one JSON value, as a decoder cut it out, is an object.
func IsObject(value json.RawMessage) bool { return len(value) > 0 && value[0] == '{' }

// Unwrap returns the document inside {"data":{…}}, or data itself if it is bare.
func Unwrap(data []byte) []byte {
	var wrapped struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(data, &wrapped) != nil || !IsObject(wrapped.Data) {
		return data
	}
	return wrapped.Data
}
