package wire

import (
	"bytes"
	"errors"
)

// The limits of [Check]. The package's comment says why they are what they are.
const (
	maxDepth        = 100     // Levels of nesting.
	freeElements    = 1 << 10 // List elements, and lists and objects in objects, that any document may have,
	bytesPerElement = 48      // and one more for so many bytes of it.
	freeValues      = 8 << 10 // Values that any document may have,
	bytesPerValue   = 12      // and one more for so many bytes of it.
)

// The refusals of [Check].
var (
	ErrTooDeep  = errors.New("it is nested more than 100 levels deep")
	ErrTooDense = errors.New("it has more values than a document of its size can have")
)

// Check refuses a document that would cost more to decode than its size allows: see
// the package's comment. It does not say whether the document is valid JSON. The
// functions of this package that decode call it themselves.
func Check(data []byte) error {
	if isSlight(data) {
		return nil
	}
	return newCensus(data).take(data)
}

// isSlight reports whether a document has so few marks that it passes however they
// stand, those inside of texts included. Ordinary documents do, and the question costs
// next to nothing. A list counts twice: for itself and for its first element.
func isSlight(data []byte) bool {
	opened := bytes.Count(data, []byte("{")) + bytes.Count(data, []byte("["))
	return opened <= maxDepth && 2*opened+bytes.Count(data, []byte(",")) <= freeElements
}

// census counts a document's values against what is left of its limits.
type census struct {
	elements, values int
	depth            int
	inList           [maxDepth + 1]bool // for each level above the present one, and it
}

// newCensus starts a census of a document with what its size allows.
func newCensus(data []byte) *census {
	return &census{elements: freeElements + len(data)/bytesPerElement, values: freeValues + len(data)/bytesPerValue}
}

// take reads a document once. What is inside of a list or object is counted where
// that opens and at each comma, so that an empty one counts as if it had one value.
func (c *census) take(data []byte) error {
	for i := 0; i < len(data); i++ {
		switch mark := data[i]; mark {
		case '"':
			i = endOfText(data, i)
		case '{', '[':
			if c.depth == maxDepth {
				return ErrTooDeep
			}
			if !c.inList[c.depth] {
				c.elements-- // in a list it has been counted as an element
			}
			c.depth++
			c.inList[c.depth] = mark == '['
			c.next()
		case '}', ']':
			c.depth = max(c.depth-1, 0)
		case ',':
			c.next()
		}
		if c.elements < 0 || c.values < 0 {
			return ErrTooDense
		}
	}
	return nil
}

// next counts one value on the present level.
func (c *census) next() {
	c.values--
	if c.inList[c.depth] {
		c.elements--
	}
}

// endOfText returns where the text that begins at start ends: at its closing quote,
// or at the end of what there is.
func endOfText(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return len(data)
}
