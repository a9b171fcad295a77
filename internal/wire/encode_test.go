package wire

import (
	"bytes"
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

func TestEncodeKeepsSmallBuffersOnly(t *testing.T) {
	text := strings.Repeat("x", maxKept/2)
	per := allocated(func() {
		for range 200 {
			_, err := Encode(text)
			require.NoError(t, err)
		}
	}) / 200
	assert.Less(t, per, uint64(len(text)*17/10), "bytes for each body: one copy of it, and no new buffer as a rule")
	huge := strings.Repeat("x", 2*maxKept)
	for range 20 {
		_, err := Encode(huge)
		require.NoError(t, err)
	}
	for range 50 {
		assert.LessOrEqual(t, buffers.Get().(*bytes.Buffer).Cap(), maxKept)
	}
}
