package wire

import (
	"bytes"
	"encoding/json"
	"sync"
)

// buffers are what bodies are encoded in before their size is known.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKept is how large a buffer may be to be kept for the next body.
const maxKept = 64 << 10

// Encode writes v as it goes over the wire: compact, and without the HTML escapes of
// encoding/json, which K2's texts do not need.
func Encode(v any) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxKept {
			buffers.Put(buf)
		}
	}()
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}
