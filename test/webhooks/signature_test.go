package webhooks_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

type signatureVector struct{ Name, Key, Body, Signature string }

func signatureVectors(t testing.TB) []signatureVector {
	t.Helper()
	var file struct{ Vectors []signatureVector }
	require.NoError(t, json.Unmarshal(sample(t, "signature_vectors.json"), &file))
	require.Len(t, file.Vectors, 15)
	return file.Vectors
}

func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	for _, v := range signatureVectors(t) {
		body := []byte(v.Body)
		assert.Equal(t, v.Signature, kopokopo.Sign(body, v.Key), v.Name)
		assert.Equal(t, v.Signature, independentHMAC(body, v.Key), v.Name)
		assert.NoError(t, kopokopo.VerifySignature(body, v.Signature, v.Key), v.Name)
		assert.NoError(t, kopokopo.VerifySignature(body, strings.ToUpper(v.Signature), v.Key), "%s: upper case", v.Name)
		assert.NoError(t, kopokopo.VerifySignature(body, v.Signature, "other", v.Key, "third"), "%s: keys being replaced", v.Name)
	}
}

func TestEveryMutationOfASignatureIsRefused(t *testing.T) {
	t.Parallel()
	for _, v := range signatureVectors(t) {
		mac, err := hex.DecodeString(v.Signature)
		require.NoError(t, err)
		mutants := []string{" ", " " + v.Signature, v.Signature + " ", v.Signature + "\n", "sha256=" + v.Signature, "0x" + v.Signature,
			"0x" + v.Signature[2:], v.Signature[:31] + " " + v.Signature[32:], v.Signature[:32] + " " + v.Signature[32:],
			base64.StdEncoding.EncodeToString(mac), base64.RawURLEncoding.EncodeToString(mac), string(mac),
			v.Signature + v.Signature, v.Signature + "," + v.Signature, v.Signature[1:] + "g", strings.Repeat("0", 64), strings.Repeat("z", 64),
			fullWidth(v.Signature), fullWidth(v.Signature[:1]) + v.Signature[1:], fullWidth(v.Signature[:1]) + v.Signature[3:], v.Signature[:63] + "\x00"}
		for n := 1; n < len(v.Signature); n++ {
			mutants = append(mutants, v.Signature[:n], v.Signature+strings.Repeat("0", n))
		}
		for bit := range len(mac) * 8 {
			flipped := append([]byte(nil), mac...)
			flipped[bit/8] ^= 1 << (bit % 8)
			mutants = append(mutants, hex.EncodeToString(flipped))
		}
		for _, mutant := range mutants {
			err := kopokopo.VerifySignature([]byte(v.Body), mutant, v.Key)
			require.ErrorIs(t, err, kopokopo.ErrBadSignature, "%s: %q", v.Name, mutant)
			assert.EqualError(t, err, "kopokopo: webhook: bad signature", "nothing about key, body or expectation")
		}
		require.ErrorIs(t, kopokopo.VerifySignature([]byte(v.Body), "", v.Key), kopokopo.ErrNoSignature)
	}
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune { return r - '!' + '！' }, s)
}

func TestEveryMutationOfBodyAndKeyIsRefused(t *testing.T) {
	t.Parallel()
	for _, v := range signatureVectors(t) {
		bad := func(body []byte, key, what string) {
			t.Helper()
			require.ErrorIs(t, kopokopo.VerifySignature(body, v.Signature, key), kopokopo.ErrBadSignature, "%s: %s", v.Name, what)
		}
		for i := range len(v.Body) {
			flipped := []byte(v.Body)
			flipped[i] ^= 1 << (i % 8)
			bad(flipped, v.Key, "one bit of the body")
		}
		bad([]byte(v.Body+"\n"), v.Key, "a line break")
		bad([]byte(v.Body[1:]), v.Key, "the first byte")
		bad([]byte("\ufeff"+v.Body), v.Key, "a byte order mark")
		bad(nil, v.Key, "no body")
		for i := range len(v.Key) {
			flipped := []byte(v.Key)
			flipped[i] ^= 1 << (i % 8)
			bad([]byte(v.Body), string(flipped), "one bit of the key")
		}
		bad([]byte(v.Body), v.Key+"\n", "the key with a line break")
		bad([]byte(v.Body), v.Key+" ", "the key with a space")
	}
}

func TestVerifyingWithoutAKeyIsAnError(t *testing.T) {
	t.Parallel()
	body := []byte("{}")
	for _, keys := range [][]string{nil, {}, {""}, {"", "k"}, {"k", ""}} {
		for _, sig := range []string{"", kopokopo.Sign(body, ""), kopokopo.Sign(body, "k"), "nonsense"} {
			err := kopokopo.VerifySignature(body, sig, keys...)
			assert.EqualError(t, err, "kopokopo: webhook: no key to verify with")
		}
	}
}

func TestAnEmptyBodyCanBeSigned(t *testing.T) {
	t.Parallel()
	assert.NoError(t, kopokopo.VerifySignature(nil, kopokopo.Sign(nil, "k"), "k"))
	assert.NoError(t, kopokopo.VerifySignature([]byte{}, kopokopo.Sign(nil, "k"), "k"))
	assert.NoError(t, kopokopo.VerifySignature(nil, kopokopo.Sign(nil, strings.Repeat("k", 1000)), strings.Repeat("k", 1000)), "keys may be long")
}

// FuzzVerifySignature: a signature is accepted if and only if it is the RFC 2104 HMAC
// of the body under the key, in 64 hex digits, and the key is not empty.
func FuzzVerifySignature(f *testing.F) {
	for _, v := range signatureVectors(f) {
		f.Add([]byte(v.Body), v.Signature, v.Key)
		f.Add([]byte(v.Body), strings.ToUpper(v.Signature), v.Key)
		f.Add([]byte(v.Body), "sha256="+v.Signature, v.Key)
	}
	f.Add([]byte{}, independentHMAC(nil, ""), "")
	f.Add([]byte("x"), independentHMAC([]byte("x"), "k"), "k\x00")
	f.Fuzz(func(t *testing.T, body []byte, sig, key string) {
		want := key != "" && len(sig) == 64 && strings.EqualFold(sig, independentHMAC(body, key))
		if _, err := hex.DecodeString(sig); err != nil {
			want = false
		}
		if got := kopokopo.VerifySignature(body, sig, key) == nil; got != want {
			t.Fatalf("accepted %v, want %v", got, want)
		}
		if key != "" && kopokopo.VerifySignature(body, kopokopo.Sign(body, key), key) != nil {
			t.Fatal("our own signature is refused")
		}
	})
}
