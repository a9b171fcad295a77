package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What can be wrong with where a document ends.
var (
	errTrailing = errors.New("something follows the JSON document")
	errCutOff   = errors.New("the JSON document is cut off")
)

// Describe says what is wrong with a document that was not decoded, without quoting
// it: what it holds is personal.
func Describe(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("invalid JSON at byte %d", syntax.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCutOff
	}
	for _, own := range []error{errTrailing, ErrTooDeep, ErrTooDense} {
		if errors.Is(err, own) {
			return own
		}
	}
	return errors.New("a value has an impossible form")
}
