package kyshi

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// digest is a hash that Kyshi may sign with, and how its digests are written.
type digest struct {
	hash   crypto.Hash
	name   string
	prefix string // what may stand in front of a digest's text, in any case
	new    func() hash.Hash
}

// digests are the hashes there are to choose from. The choice is a setting: to try
// one after the other would let the weakest decide.
var digests = []digest{
	{hash: crypto.SHA256, name: "SHA-256", prefix: "sha256=", new: sha256.New},
	{hash: crypto.SHA512, name: "SHA-512", prefix: "sha512=", new: sha512.New},
}

func digestOf(h crypto.Hash) (digest, bool) {
	for _, d := range digests {
		if d.hash == h {
			return d, true
		}
	}
	return digest{}, false
}

// decode reads the text of a digest: hex in either case, or standard base64 with
// or without padding, perhaps behind the hash's name. The three lengths differ, so
// no text can be read in two ways. All of the digest must be there.
func (d digest) decode(text string) ([]byte, bool) {
	if n := len(d.prefix); len(text) > n && strings.EqualFold(text[:n], d.prefix) {
		text = text[n:]
	}
	size := d.hash.Size()
	var mac []byte
	var err error
	switch len(text) {
	case hex.EncodedLen(size):
		mac, err = hex.DecodeString(text)
	case base64.StdEncoding.EncodedLen(size):
		mac, err = base64.StdEncoding.Strict().DecodeString(text)
	case base64.RawStdEncoding.EncodedLen(size):
		mac, err = base64.RawStdEncoding.Strict().DecodeString(text)
	default:
		return nil, false
	}
	// encoding/base64 skips line breaks, so the length of the text is not enough.
	return mac, err == nil && len(mac) == size
}

// malformed says what is wrong with a text that is no digest of d. It tells an
// integrator at once which setting is wrong, and repeats nothing of the text.
func (d digest) malformed(text string) error {
	for _, other := range digests {
		if _, ok := other.decode(text); ok && other.hash != d.hash {
			return fmt.Errorf("%w: it is a %d-byte digest, as of %s, while %s is configured: see VerifierConfig.Hash",
				ErrMalformedSignature, other.hash.Size(), other.name, d.name)
		}
	}
	return fmt.Errorf("%w: not the hex or base64 of a %d-byte %s digest", ErrMalformedSignature, d.hash.Size(), d.name)
}
