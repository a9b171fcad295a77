// Package signature holds the module's one keyed-hash comparison.
//
// Both webhook packages sign and verify through it, so that there is a single
// place to review: the hash is computed over the bytes as they arrived and
// compared in constant time, never as text.
package signature

import (
	"crypto/hmac"
	"hash"
)

// Sum returns the HMAC of body under key with the hash that newHash makes.
func Sum(newHash func() hash.Hash, key string, body []byte) []byte {
	mac := hmac.New(newHash, []byte(key))
	mac.Write(body) // a hash.Hash never fails to write
	return mac.Sum(nil)
}

// Match reports the index of the first key under which mac is the HMAC of body,
// or -1. An empty key never matches. Every key is tried, so that the time taken
// says nothing about which of several active keys signed.
func Match(newHash func() hash.Hash, mac, body []byte, keys ...string) int {
	found := -1
	for i, key := range keys {
		if key == "" {
			continue
		}
		if hmac.Equal(mac, Sum(newHash, key, body)) && found < 0 {
			found = i
		}
	}
	return found
}
