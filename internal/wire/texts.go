package wire

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of [Texts].
const (
	maxTexts     = 1000     // How many texts are kept,
	maxText      = 4 << 10  // how many bytes of each,
	maxTextBytes = 64 << 10 // and how many of all.
)

// ellipsis ends a text that was cut.
const ellipsis = "…"

// Texts flattens whatever K2 puts where a text belongs that says why something
// failed: null, a text, a list, and an object of lists (Rails' errors by attribute:
// {"phone":["is odd"]} is "phone: is odd"). Members come in the order of their names;
// empty texts are left out.
//
// The texts of one value are 1000 at most, of 4 KiB each and 64 KiB in all. What is
// longer is cut, and what comes after is left out: a name is repeated for each text
// below it, so that a small document could hold gigabytes of them.
func Texts(value any) []string {
	c := collector{left: maxTextBytes}
	c.collect(value)
	return c.found
}

// ReadTexts is [Texts] of one JSON document.
func ReadTexts(data []byte) ([]string, error) {
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) > 0 && first[0] != '{' && first[0] != '[' {
		text, err := ScalarText(data) // takes no decoder, and mostly there is nothing but null
		return Texts(text), err
	}
	var tree any
	if err := Decode(data, &tree); err != nil {
		return nil, err
	}
	return Texts(tree), nil
}

// collector gathers texts until there are enough.
type collector struct {
	found []string
	left  int      // bytes that may still be added
	names []string // of the members above the present value
}

// full reports whether nothing more is taken: what is left must hold what ends a text
// that was cut.
func (c *collector) full() bool { return c.left < len(ellipsis) || len(c.found) == maxTexts }

// collect takes the texts in a decoded value.
func (c *collector) collect(value any) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			if c.full() {
				return
			}
			c.collect(element)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if c.full() {
				return
			}
			c.names = append(c.names, name)
			c.collect(v[name])
			c.names = c.names[:len(c.names)-1]
		}
	default:
		if text := Text(value); strings.TrimSpace(text) != "" {
			c.add(text)
		}
	}
}

// add takes one text, with the names it stands under in front. The longer these are,
// the fewer texts fit, so that joining them in full costs 16 times their length at most.
func (c *collector) add(text string) {
	text = cut(strings.Join(append(c.names, text), ": "), min(maxText, c.left))
	c.found = append(c.found, text)
	c.left -= len(text)
}

// cut shortens a text to a limit, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
