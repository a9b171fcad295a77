package kyshi

import (
	"encoding/json"
	"strings"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// This file holds everything lenient about the wire: a payment must not be lost
// because a number came as text. Numbers keep their digits; none becomes a float.

// object is a JSON object whose members are read one by one, each leniently.
type object map[string]json.RawMessage

// readObject reads exactly one JSON object.
func readObject(raw []byte) (object, error) { return wire.Object(raw) }

// raw returns a member as it came, nil if it is missing or null. The exact name
// wins; another spelling of its case counts too, since Kyshi's own pages differ
// (feeBreakdown, feeBreakDown).
func (o object) raw(name string) json.RawMessage {
	value, ok := o[name]
	if !ok {
		spelling := ""
		for other := range o {
			// The first in order of several: the same body always reads the same.
			if strings.EqualFold(other, name) && (spelling == "" || other < spelling) {
				spelling, value = other, o[other]
			}
		}
	}
	if string(value) == "null" {
		return nil
	}
	return value
}

// only returns an object with no other members than these.
func (o object) only(names ...string) object {
	kept := object{}
	for _, name := range names {
		if value := o.raw(name); value != nil {
			kept[name] = value
		}
	}
	return kept
}

func (o object) text(name string) string              { return layers{o}.text(name) }
func (o object) decimal(name string) kopokopo.Decimal { return layers{o}.decimal(name) }
func (o object) time(name string) kopokopo.Time       { return layers{o}.time(name) }
func (o object) object(name string) (object, bool)    { return layers{o}.object(name) }

// layers are the objects in which a member can stand: the first that has it counts.
type layers []object

func (l layers) raw(name string) json.RawMessage {
	for _, o := range l {
		if value := o.raw(name); value != nil {
			return value
		}
	}
	return nil
}

// text reads text, a number or a truth value as text, and anything else as "". An
// empty text counts as missing: the next layer may have one.
func (l layers) text(name string) string {
	for _, o := range l {
		if text, _ := wire.ScalarText(o.raw(name)); text != "" {
			return text
		}
	}
	return ""
}

// decimal reads a number, or text, exactly. It never fails: see [kopokopo.Decimal].
func (l layers) decimal(name string) kopokopo.Decimal {
	var d kopokopo.Decimal
	if value := l.raw(name); value != nil {
		_ = d.UnmarshalJSON(value)
	}
	return d
}

// time reads an instant; one in no known form is the zero Time.
func (l layers) time(name string) kopokopo.Time {
	var t kopokopo.Time
	if value := l.raw(name); value != nil {
		_ = t.UnmarshalJSON(value)
	}
	return t
}

func (l layers) object(name string) (object, bool) {
	o, err := readObject(l.raw(name))
	return o, err == nil
}

// objects returns all objects of one name, so that they can be read as layers.
func (l layers) objects(name string) layers {
	var found layers
	for _, o := range l {
		if inner, ok := o.object(name); ok {
			found = append(found, inner)
		}
	}
	return found
}
