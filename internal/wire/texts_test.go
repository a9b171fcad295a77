package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadTexts(t *testing.T) {
	for document, want := range map[string][]string{
		`null`:                             nil,
		` null `:                           nil,
		`""`:                               nil,
		`" \n"`:                            nil,
		`"no"`:                             {"no"},
		"\n \"no\"":                        {"no"},
		`" no "`:                           {" no "},
		`7`:                                {"7"},
		`1.10`:                             {"1.10"},
		`false`:                            {"false"},
		`[]`:                               nil,
		`{}`:                               nil,
		`["a","b"]`:                        {"a", "b"},
		"\r\n[\"a\"]":                      {"a"},
		`["",null," ",[],{}]`:              nil,
		`["a",["b",["c"]],"d"]`:            {"a", "b", "c", "d"},
		`[1.10,true]`:                      {"1.10", "true"},
		`{"phone":["is odd"]}`:             {"phone: is odd"},
		`{"b":"2","a":["1","0"],"c":null}`: {"a: 1", "a: 0", "b: 2"},
		`{"a":{"b":{"c":"x"}},"d":"y"}`:    {"a: b: c: x", "d: y"},
		`[{"a":"1"},"2"]`:                  {"a: 1", "2"},
		`{"":"x"}`:                         {": x"},
	} {
		got, err := ReadTexts([]byte(document))
		require.NoError(t, err, document)
		assert.Equal(t, want, got, document)
	}
	for _, document := range []string{``, ` `, `[`, `["a"`, `["a"] 1`, `nul`, `"a`, strings.Repeat("[", 101) + strings.Repeat("]", 101)} {
		got, err := ReadTexts([]byte(document))
		require.Error(t, err, document)
		assert.Empty(t, got, document)
	}
}

func TestTextsOfADecodedValue(t *testing.T) {
	assert.Nil(t, Texts(nil))
	assert.Equal(t, []string{"a: b: 1", "a: b: x"}, Texts(map[string]any{"a": map[string]any{"b": []any{json.Number("1"), "x"}}}))
}

// list is a list of equal texts.
func list(text string, n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = text
	}
	return out
}

func TestTextsAreAThousandAtMost(t *testing.T) {
	assert.Len(t, Texts(list("a", 999)), 999)
	assert.Len(t, Texts(list("a", 1000)), 1000)
	assert.Len(t, Texts(list("a", 1001)), 1000)
	assert.Len(t, Texts([]any{list("a", 700), list("b", 700)}), 1000)
	assert.Len(t, Texts(map[string]any{"k": list("a", 700), "l": list("b", 700)}), 1000)
	members := map[string]any{}
	for i := range 1500 {
		members[fmt.Sprintf("%04d", i)] = "x"
	}
	got := Texts(members)
	require.Len(t, got, 1000)
	assert.Equal(t, "0999: x", got[999])
	assert.Len(t, Texts(append(list("", 5000), "a")), 1, "empty texts count for nothing")
}

func TestALongTextIsCut(t *testing.T) {
	whole := strings.Repeat("a", 4096)
	assert.Equal(t, []string{whole}, Texts(whole))
	assert.Equal(t, []string{whole[:4093] + "…", "next"}, Texts([]any{whole + "a", "next"}))
	assert.Equal(t, []string{"k: " + whole[:4093]}, Texts(map[string]any{"k": whole[:4093]}))
	assert.Equal(t, []string{"k: " + whole[:4090] + "…"}, Texts(map[string]any{"k": whole[:4094]}))
	for shift := range 4 { // wherever the cut falls, a character stays whole
		got := Texts(strings.Repeat("a", shift) + strings.Repeat("€", 2000))[0]
		assert.True(t, utf8.ValidString(got))
		assert.LessOrEqual(t, len(got), 4096)
		assert.Greater(t, len(got), 4096-3)
		assert.True(t, strings.HasSuffix(got, "€…"))
	}
	assert.Equal(t, "…", cut("\x80\x80\x80\x80\x80", 4), "what has no beginning is left out")
	name := strings.Repeat("n", 5000)
	assert.Equal(t, []string{name[:4093] + "…"}, Texts(map[string]any{name: "why"}))
	assert.Equal(t, []string{name[:4094] + ": " + "", name[:4000] + ": why"}[1:], Texts(map[string]any{name[:4000]: "why"}))
	assert.Equal(t, []string{name[:4093] + "…"}, Texts(map[string]any{name[:4095]: "why"}))
}

func TestAllTextsAre64KiBAtMost(t *testing.T) {
	sum := func(texts []string) int { return len(strings.Join(texts, "")) }
	got := Texts(list(strings.Repeat("a", 1000), 100))
	require.Len(t, got, 66)
	assert.Equal(t, 64<<10, sum(got))
	assert.Equal(t, strings.Repeat("a", 533)+"…", got[65], "cut to what was left")
	got = Texts(list(strings.Repeat("a", 1024), 100))
	require.Len(t, got, 64)
	assert.Equal(t, 64<<10, sum(got))
	for left := range 5 { // as many bytes as are left for another text
		got := Texts(append(list(strings.Repeat("a", 2048), 31), strings.Repeat("b", 2048-left), "ccccc", "d"))
		switch left {
		case 3, 4:
			require.Len(t, got, 33)
			assert.Equal(t, "cccc"[:left-3]+"…", got[32])
		default:
			require.Len(t, got, 32)
		}
		assert.LessOrEqual(t, sum(got), 64<<10)
	}
}

// A name is repeated for each text below it, and each level adds one: that is where a
// small document could become gigabytes.
func TestTextsStopEarly(t *testing.T) {
	deep := any("x")
	for range 9_900 {
		deep = []any{deep, "y"}
	}
	named := any(list("x", 50_000))
	for range 2_000 {
		named = map[string]any{strings.Repeat("n", 100): named}
	}
	wide := any(map[string]any{strings.Repeat("k", 256<<10): list("a", 64<<10)})
	empty := any(list("", 200_000))
	for range 50 {
		empty = map[string]any{strings.Repeat("n", 10_000): empty}
	}
	for name, value := range map[string]any{"deep": deep, "named": named, "wide": wide, "empty": empty} {
		start := time.Now()
		bytes := allocated(func() { Texts(value) })
		assert.Less(t, bytes, uint64(8<<20), name) // the names are joined 16 times at most
		assert.Less(t, time.Since(start), 5*time.Second, name)
	}
}
