package kopokopotest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// nairobi is the offset of every time K2 writes: +03:00.
var nairobi = time.FixedZone("EAT", 3*60*60)

// instant writes a time as K2 writes creation times, with milliseconds.
func instant(t time.Time) string { return t.In(nairobi).Format("2006-01-02T15:04:05.000-07:00") }

// second writes a time as K2 writes events and the times of M-PESA, without a fraction.
func second(t time.Time) string { return t.In(nairobi).Format("2006-01-02T15:04:05-07:00") }

// randomBytes never fails: crypto/rand ends the program if the system has no randomness.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// newID makes a random UUID, the form of K2's ids.
func newID() string {
	b := randomBytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newCredentials makes credentials that nobody can take for real ones.
func newCredentials() kopokopo.Credentials {
	return kopokopo.Credentials{
		AppID:  "fake_app_" + hex.EncodeToString(randomBytes(16)),
		Secret: "fake_secret_" + hex.EncodeToString(randomBytes(16)),
		APIKey: "fake_key_" + hex.EncodeToString(randomBytes(16)),
	}
}

// newToken makes an access token of 48 characters with '+' and '/' in it. K2's have
// them too, so a client that puts one in a form unescaped fails here as it would there.
func newToken() string {
	b := []byte(base64.RawStdEncoding.EncodeToString(randomBytes(36)))
	b[15], b[16], b[31] = '+', '+', '/'
	return string(b)
}

const referenceAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// newReference makes an M-PESA receipt number: ten upper-case letters and digits,
// a random prefix of the server and a count, so that no two are the same; or one as
// Kopo Kopo's sandbox makes them. The caller holds s.mu.
func (l *ledger) newReference() string {
	if l.unixSeconds {
		return strconv.FormatInt(time.Now().Unix(), 10)
	}
	l.receipts++
	b := []byte(l.prefix + "000000")
	for i, n := len(b)-1, l.receipts; n > 0 && i >= len(l.prefix); i, n = i-1, n/36 {
		b[i] = referenceAlphabet[n%36]
	}
	return string(b)
}

// newPrefix makes the four characters that start a server's receipt numbers.
func newPrefix() string {
	b := randomBytes(4)
	for i := range b {
		b[i] = referenceAlphabet[10+int(b[i])%26]
	}
	return string(b)
}

// hashedPhone is K2's hashed_sender_phone: the hex SHA-256 of the number as
// 254XXXXXXXXX (confirmed by a recorded pair of number and hash).
func hashedPhone(phone string) string {
	sum := sha256.Sum256([]byte(international(phone)))
	return hex.EncodeToString(sum[:])
}

// international writes a Kenyan number as 254XXXXXXXXX.
func international(phone string) string {
	phone = strings.TrimPrefix(phone, "+")
	if local, ok := strings.CutPrefix(phone, "0"); ok {
		return "254" + local
	}
	return phone
}

// tillDigits drops the K that tills carry in payment requests but not in webhooks.
func tillDigits(till string) string { return strings.TrimPrefix(strings.ToUpper(till), "K") }
