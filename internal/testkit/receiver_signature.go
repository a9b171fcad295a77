package testkit

import (
	"context"
	"encoding/hex"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The cases of a Receiver in which the signature is in question.

// NoSignature is W02: none, an empty one, a blank one.
func (r *Receiver) NoSignature(t *testing.T) {
	r.Refused(t)
	r.Refused(t, "")
	r.Refused(t, " ")
}

// TwoSignatures is W03: two headers, whatever is in them.
func (r *Receiver) TwoSignatures(t *testing.T) {
	good, bad := r.sign(r.Body), r.Sign(r.Body, "another key")
	for _, pair := range [][]string{{good, good}, {good, bad}, {bad, good}, {good, ""}, {"", good}} {
		r.Refused(t, pair...)
	}
}

// SignatureList is W04: a list in one header.
func (r *Receiver) SignatureList(t *testing.T) {
	good := r.sign(r.Body)
	for _, list := range []string{good + "," + good, good + ", " + good, good + ",", "," + good} {
		r.Refused(t, list)
	}
}

// withSignature is a whole request with a signature line of the test's own.
func (r *Receiver) withSignature(line string) string {
	return "POST / HTTP/1.1\r\nHost: shop.example\r\n" + Length(r.Body) + "\r\n" + line + "\r\n\r\n" + r.Body
}

// SpaceAroundTheSignature is W06: net/http takes the space off, and the case of the
// header's name does not count.
func (r *Receiver) SpaceAroundTheSignature(t *testing.T) {
	good := r.sign(r.Body)
	for _, value := range []string{" " + good, "\t " + good + " \t", good + "   ", good} {
		h := r.hook(t, nil)
		require.Equal(t, 200, WireStatus(t, h, r.withSignature(strings.ToLower(r.Header)+":"+value)))
		h.Idle(1)
	}
}

// FoldedSignature is W07 on the wire: a signature over two lines, or with a byte that
// is no text.
func (r *Receiver) FoldedSignature(t *testing.T) {
	good := r.sign(r.Body)
	for _, value := range []string{good[:32] + "\r\n " + good[32:], good[:32] + " " + good[32:], "\x80" + good[1:]} {
		h := r.hook(t, nil)
		require.Equal(t, r.Status, WireStatus(t, h, r.withSignature(r.Header+": "+value)))
		h.Idle(0)
	}
}

// OtherForms is W07: the right digits in a form that is not the sender's, those that
// more has included.
func (r *Receiver) OtherForms(t *testing.T, more ...string) {
	good := r.sign(r.Body)
	wide := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c + 0xfee0 // full-width digits
		}
		return c
	}, good)
	for _, form := range append(more, good[:32]+" "+good[32:], good[:31]+" "+good[32:], "0x"+good, "0x"+good[2:], wide,
		good[:63]+"g", good[:63]+"\x00") {
		r.Refused(t, form)
	}
}

// Lengths is W08: a signature that is too short or too long.
func (r *Receiver) Lengths(t *testing.T) {
	good := r.sign(r.Body)
	for n := range len(good) {
		r.Refused(t, good[:n])
	}
	for _, extra := range []string{"0", "00", good, strings.Repeat("0", 64<<10)} {
		r.Refused(t, good+extra)
	}
}

// HugeSignatureOnTheWire is W08 where net/http draws the line.
func (r *Receiver) HugeSignatureOnTheWire(t *testing.T) {
	h := r.hook(t, nil)
	require.Equal(t, r.Status, WireStatus(t, h, r.withSignature(r.Header+": "+strings.Repeat("0", 64<<10))))
	require.Equal(t, 431, WireStatus(t, h, r.withSignature(r.Header+": "+strings.Repeat("0", 2<<20))))
	h.Idle(0)
}

// OneBit is W09: one bit of the signature, of the body or of the key is another.
func (r *Receiver) OneBit(t *testing.T) {
	good := r.sign(r.Body)
	for bit := range 8 * len(good) / 2 {
		mac, err := hex.DecodeString(good)
		require.NoError(t, err)
		mac[bit/8] ^= 1 << (bit % 8)
		r.Refused(t, hex.EncodeToString(mac))
	}
	h := r.hook(t, nil)
	for i := range []byte(r.Body) {
		body := []byte(r.Body)
		body[i] ^= 1
		require.Equal(t, r.Status, h.Serve(SignedBy(r.Header, good, string(body))).StatusCode)
	}
	h.Idle(0)
	for i := range []byte(r.Key) {
		key := []byte(r.Key)
		key[i] ^= 1
		r.Refused(t, r.Sign(r.Body, string(key)))
	}
}

// Rotation is W10: a key is being replaced by another.
func (r *Receiver) Rotation(t *testing.T) {
	index := -1
	h := r.hook(t, func(_ context.Context, d Delivery) error { index = d.Key; return nil },
		Settings{Keys: []string{"the-new-key", "the-old-key"}})
	for i, row := range []struct {
		key           string
		status, index int
	}{{"the-new-key", 200, 0}, {"the-old-key", 200, 1}, {"the-retired-key", r.Status, -1}} {
		index = -1
		body := r.Other(i)
		require.Equal(t, row.status, h.Serve(SignedBy(r.Header, r.Sign(body, row.key), body)).StatusCode)
		require.Equal(t, row.index, index)
	}
}

// WrongSignatures is W11: signatures of the right length.
func (r *Receiver) WrongSignatures(t *testing.T) {
	good := r.sign(r.Body)
	for _, wrong := range []string{strings.Repeat("0", 64), strings.Repeat("f", 64), good[1:] + good[:1], r.sign(""), r.Sign(r.Body, "another key")} {
		r.Refused(t, wrong)
	}
}

// FailuresTellNothing is W12: every refusal reads the same, and neither log nor error
// repeats the signature that would be right or one of the given secrets.
func (r *Receiver) FailuresTellNothing(t *testing.T, secrets ...string) {
	h := r.hook(t, nil)
	good := r.sign(r.Body)
	var headers []http.Header
	for _, signature := range []string{"", "x", strings.Repeat("0", 64), good[:63], "sha512=" + good} {
		req := SignedBy(r.Header, signature, r.Body)
		resp := h.Serve(req)
		require.Equal(t, r.Status, resp.StatusCode)
		headers = append(headers, resp.Header)
		err := r.Verify(req, []byte(r.Body))
		require.Error(t, err)
		for _, secret := range append(secrets, good, good[:16], r.Key) {
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, h.Log.String(), secret)
		}
	}
	for _, header := range headers {
		require.Equal(t, headers[0], header)
	}
}

// Flood is W30: ten thousand bad signatures cost no memory and a line or two.
func (r *Receiver) Flood(t *testing.T) {
	h := r.hook(t, nil)
	deliver := func() {
		require.Equal(t, r.Status, h.Serve(SignedBy(r.Header, strings.Repeat("0", 64), r.Body)).StatusCode)
	}
	deliver()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 10_000 {
		deliver()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
	require.EqualValues(t, 10_001, h.BadSignatures())
	require.LessOrEqual(t, strings.Count(h.Log.String(), "\n"), 3)
	h.Idle(0)
}
