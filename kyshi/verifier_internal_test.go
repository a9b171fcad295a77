package kyshi

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// All of a digest counts. Neither the reading of its text nor the comparison may take
// a part for the whole, or look at a part only: the other one need not be there to
// make up for it.
func TestFault_Kyshi_W08_AllOfADigestCounts(t *testing.T) {
	body := []byte(`{"event":"successful"}`)
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA512} {
		v, err := NewVerifier(VerifierConfig{Secrets: []string{"one", "two"}, Hash: h})
		require.NoError(t, err)
		mac := v.sum(body)
		require.Len(t, mac, h.Size())
		require.Equal(t, 0, v.match(mac, body))
		for n := range mac {
			require.Equal(t, -1, v.match(mac[:n], body), "the first %d bytes", n)
			require.Equal(t, -1, v.match(mac[n+1:], body), "the bytes from %d", n+1)
			for _, text := range []string{hex.EncodeToString(mac[:n]), base64.StdEncoding.EncodeToString(mac[:n]), base64.RawStdEncoding.EncodeToString(mac[:n])} {
				_, ok := v.digest.decode(text)
				require.False(t, ok, "%d bytes of %v as %q", n, h, text)
				require.Error(t, v.Verify(body, text))
			}
		}
		for n := range mac {
			for bit := range 8 {
				other := append([]byte(nil), mac...)
				other[n] ^= 1 << bit
				require.Equal(t, -1, v.match(other, body))
				require.ErrorIs(t, v.Verify(body, hex.EncodeToString(other)), ErrSignatureMismatch)
				require.ErrorIs(t, v.Verify(body, base64.StdEncoding.EncodeToString(other)), ErrSignatureMismatch)
			}
		}
		require.Equal(t, -1, v.match(append(mac, 0), body))
	}
}
