package kopokopo_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goBlock is a block of Go in the README.
var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// squeeze makes text comparable whatever its indentation.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestReadmeBlocksAreCompiled holds that every block of Go in the README stands,
// word for word, in an example that is compiled.
func TestReadmeBlocksAreCompiled(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var compiled strings.Builder
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		isExample := strings.HasSuffix(path, ".go") &&
			(strings.HasPrefix(filepath.Base(path), "example") || strings.HasPrefix(path, "examples"+string(filepath.Separator)))
		if err != nil || d.IsDir() || !isExample {
			return err
		}
		source, err := os.ReadFile(path)
		compiled.WriteString(squeeze(string(source)) + " ")
		return err
	})
	require.NoError(t, err)

	blocks := goBlock.FindAllStringSubmatch(strings.ReplaceAll(string(readme), "\r\n", "\n"), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		require.Contains(t, compiled.String(), squeeze(block[1]), "this block of the README is not part of an example")
	}
}
