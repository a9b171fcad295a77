package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDescribeQuotesNothing(t *testing.T) {
	for document, want := range map[string]string{
		``:                                "the JSON document is cut off",
		`  `:                              "the JSON document is cut off",
		`{"secret":`:                      "the JSON document is cut off",
		`{"secret" 1}`:                    "invalid JSON at byte 11",
		`{"secret":1}{}`:                  "something follows the JSON document",
		strings.Repeat("[", 101):          "it is nested more than 100 levels deep",
		"[" + strings.Repeat("1,", 20000): "it has more values than a document of its size can have",
	} {
		var tree any
		err := Decode([]byte(document), &tree)
		require.Error(t, err, document)
		assert.EqualError(t, Describe(err), want)
		assert.EqualError(t, Describe(fmt.Errorf("data: %w", err)), want, "also from further away")
	}
	var number int
	err := Decode([]byte(`254712345678901234567890`), &number)
	require.Error(t, err)
	assert.EqualError(t, Describe(err), "a value has an impossible form")
	assert.EqualError(t, Describe(errors.New("secret")), "a value has an impossible form")
}
