package wire

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Types that decode themselves, and what they would be if they did not.
type (
	ownJSON struct{ Value any }
	ownText struct{ Value any }
	chain   struct {
		Next *chain
		Name string
	}
	openChain struct {
		Next  *openChain
		Value any
	}
)

func (o *ownJSON) UnmarshalJSON(data []byte) error { o.Value = string(data); return nil }
func (o *ownText) UnmarshalText(text []byte) error { o.Value = string(text); return nil }

func TestHoldsInterface(t *testing.T) {
	for _, row := range []struct {
		value any
		want  bool
	}{
		{new(any), true},
		{new(error), true},
		{new(map[string]any), true},
		{new([]any), true},
		{new([1]any), true},
		{new(struct {
			A struct{ B *[]map[string][2]any }
		}), true},
		{new(struct {
			A string
			B any
		}), true},
		{new(openChain), true},
		{new(struct {
			A chain
			B openChain
		}), true},
		{new(string), false},
		{new(chain), false},
		{new(map[string]*[]string), false},
		{new(struct{ A []struct{ B json.RawMessage } }), false},
		{new(ownJSON), false},
		{new(ownText), false},
		{new(struct {
			A ownJSON
			B []ownText
			C *ownJSON
			D time.Time
		}), false},
	} {
		for range 2 { // found out, and remembered
			assert.Equal(t, row.want, holdsInterface(reflect.TypeOf(row.value)), "%T", row.value)
		}
		known, ok := interfaces.Load(reflect.TypeOf(row.value))
		assert.True(t, ok)
		assert.Equal(t, row.want, known)
	}
}

// base is embedded.
type base struct {
	Inner string `json:"inner"`
	Twice string `json:"twice"`
}

// Outer is embedded, and exported.
type Outer struct {
	Name string `json:"of_outer"`
}

func TestFieldsOf(t *testing.T) {
	type record struct {
		*base
		Outer
		Plain  int
		Tagged bool    `json:"Tagged_Name,omitempty"`
		NoName float64 `json:",omitempty"`
		Left   string  `json:"-"`
		Twice  int     `json:"twice"`
		hidden string
	}
	_ = record{hidden: ""}
	want := map[string]reflect.Type{
		"inner":       reflect.TypeFor[string](),
		"of_outer":    reflect.TypeFor[string](),
		"plain":       reflect.TypeFor[int](),
		"tagged_name": reflect.TypeFor[bool](),
		"noname":      reflect.TypeFor[float64](),
		"twice":       reflect.TypeFor[int](),
	}
	first := fieldsOf(reflect.TypeFor[record]())
	assert.Equal(t, want, first)
	again := fieldsOf(reflect.TypeFor[record]())
	assert.Equal(t, reflect.ValueOf(first).Pointer(), reflect.ValueOf(again).Pointer(), "found out once")
}
