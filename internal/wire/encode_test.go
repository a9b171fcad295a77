package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEncodeWritesTextsAsTheyAre(t *testing.T) {
	for want, value := range map[string]any{
		`"a<b>&'c'"`:         "a<b>&'c'",
		`{"a":1,"b":[true]}`: map[string]any{"b": []bool{true}, "a": 1},
		`null`:               nil,
		`"\n"`:               "\n",
	} {
		got, err := Encode(value)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

func TestEncodeRefusesWhatJSONCannotSay(t *testing.T) {
	for _, value := range []any{math.NaN(), func() {}, make(chan int)} {
		got, err := Encode(value)
		require.Error(t, err)
		require.Nil(t, got)
		text, err := Encode("after a refusal")
		require.NoError(t, err)
		require.Equal(t, `"after a refusal"`, string(text), "nothing of what was refused is left")
	}
}

// Buffers are used again, what they held is not.
func TestEncodedBodiesShareNothing(t *testing.T) {
	var group sync.WaitGroup
	for _, letter := range "abcdefgh" {
		group.Go(func() {
			text := strings.Repeat(string(letter), 100)
			first, _ := Encode(text)
			for range 500 {
				if again, err := Encode(text + text); err != nil || string(again) != `"`+text+text+`"` {
					t.Errorf("%s became %s", text+text, again)
				}
			}
			if string(first) != `"`+text+`"` {
				t.Errorf("%s became %s", text, first)
			}
		})
	}
	group.Wait()
}

// average returns what one of many calls allocates, in bytes.
func average(f func()) uint64 {
	const calls = 200
	return allocated(func() {
		for range calls {
			f()
		}
	}) / calls
}

func TestEncodeKeepsSmallBuffersOnly(t *testing.T) {
	text := strings.Repeat("x", maxKept/2)
	kept := average(func() { _, _ = Encode(text) })
	fresh := average(func() {
		var buf bytes.Buffer
		_ = json.NewEncoder(&buf).Encode(text)
		_ = bytes.Clone(buf.Bytes())
	})
	assert.Less(t, kept, fresh*9/10, "bytes for a body whose buffer was there already, and for one whose was not")
	huge := strings.Repeat("x", 2*maxKept)
	for range 20 {
		_, err := Encode(huge)
		require.NoError(t, err)
	}
	for range 50 {
		assert.LessOrEqual(t, buffers.Get().(*bytes.Buffer).Cap(), maxKept)
	}
}
