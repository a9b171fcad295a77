package signature

import (
	"crypto/sha256"
	"hash"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	body := []byte("body")
	mac := Sum(sha256.New, "b", body)
	require.Equal(t, 1, Match(sha256.New, mac, body, "a", "b", "c"))
	require.Equal(t, 0, Match(sha256.New, mac, body, "b", "b"))
	require.Equal(t, -1, Match(sha256.New, mac, body, "a", "c"))
	require.Equal(t, -1, Match(sha256.New, mac, body))
	require.Equal(t, -1, Match(sha256.New, mac[:31], body, "b"))
	require.Equal(t, -1, Match(sha256.New, nil, body, "b"))
	require.Equal(t, -1, Match(sha256.New, Sum(sha256.New, "", body), body, ""), "an empty key never matches")
}

// TestFault_W11_EveryKeyIsTried counts the work instead of timing it: it must not
// depend on which key signed, or on whether any did.
func TestFault_W11_EveryKeyIsTried(t *testing.T) {
	body := []byte("body")
	work := func(mac []byte) (hashes int) {
		Match(func() hash.Hash { hashes++; return sha256.New() }, mac, body, "a", "b", "c")
		return hashes
	}
	want := work(make([]byte, sha256.Size))
	require.Positive(t, want)
	for _, key := range []string{"a", "b", "c"} {
		require.Equal(t, want, work(Sum(sha256.New, key, body)))
	}
}

// TestComparisonIsConstantTime reads the source: no test of behaviour tells == from
// hmac.Equal.
func TestComparisonIsConstantTime(t *testing.T) {
	source, err := os.ReadFile("signature.go")
	require.NoError(t, err)
	require.Contains(t, string(source), "hmac.Equal(mac, ")
	for _, banned := range []string{"bytes.Equal", "bytes.Compare", "mac ==", "== mac", "mac !=", "string(mac)", "reflect."} {
		require.False(t, strings.Contains(string(source), banned), banned)
	}
}
