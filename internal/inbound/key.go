package inbound

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxKeyPart keeps a key within 255 characters, which any database can index.
const maxKeyPart = 64

// KeyPart makes a text fit for a key, so that different texts stay different.
func KeyPart(text string) string {
	plain := len(text) <= maxKeyPart && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
	if plain {
		return text
	}
	digest := sha256.Sum256([]byte(text))
	return "~" + hex.EncodeToString(digest[:])
}
