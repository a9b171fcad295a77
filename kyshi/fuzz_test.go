package kyshi_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

// rfc2104 is HMAC as its RFC describes it, independent of crypto/hmac.
func rfc2104(sum func([]byte) []byte, block int, key, text []byte) []byte {
	if len(key) > block {
		key = sum(key)
	}
	inner, outer := bytes.Repeat([]byte{0x36}, block), bytes.Repeat([]byte{0x5c}, block)
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	return sum(append(outer, sum(append(inner, text...))...))
}

func sum256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sum512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

// written is what a signature's text may be, by size of the digest: hex, or base64
// with or without padding. It is independent of the decoders that are used.
var written = map[int]*regexp.Regexp{
	32: regexp.MustCompile(`^(?:(?i:sha256)=)?(?:([0-9A-Fa-f]{64})|([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])=?)$`),
	64: regexp.MustCompile(`^(?:(?i:sha512)=)?(?:([0-9A-Fa-f]{128})|([A-Za-z0-9+/]{85}[AQgw])(?:==)?)$`),
}

const (
	hexDigits    = "0123456789abcdef"
	base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

// bits reads text as digits of so many bits each; what is left over is zero.
func bits(text, digits string, width int) []byte {
	var out []byte
	value, have := 0, 0
	for i := range len(text) {
		value, have = value<<width|strings.IndexByte(digits, text[i]), have+width
		if have >= 8 {
			have -= 8
			out = append(out, byte(value>>have))
			value &= 1<<have - 1
		}
	}
	return out
}

// independent says whether a text is the signature of a body.
func independent(text string, body []byte, size int) bool {
	found := written[size].FindStringSubmatch(strings.Trim(text, " \t\r\n"))
	if found == nil {
		return false
	}
	mac := bits(strings.ToLower(found[1]), hexDigits, 4)
	if found[2] != "" {
		mac = bits(found[2], base64Digits, 6)
	}
	want := rfc2104(sum256, sha256.BlockSize, []byte(secret), body)
	if size == 64 {
		want = rfc2104(sum512, sha512.BlockSize, []byte(secret), body)
	}
	return bytes.Equal(mac, want)
}

// FuzzDecodeSignature holds that a signature is accepted exactly if an independent
// reading of the text and an independent HMAC accept it. form turns the right
// signature into one of its texts; at and with change one byte of it.
func FuzzDecodeSignature(f *testing.F) {
	verifiers := map[int]*kyshi.Verifier{32: newVerifier(f), 64: newVerifier(f, sha512Config)}
	for _, row := range vectors(f) {
		for form := range byte(16) {
			f.Add(row.sha256, row.body, form, uint16(0), byte(0))
		}
		f.Add(row.base64, row.body, byte(99), uint16(3), byte('='))
		f.Add("sha512="+row.sha512, row.body, byte(7), uint16(8), byte('\n'))
	}
	f.Fuzz(func(t *testing.T, text string, body []byte, form byte, at uint16, with byte) {
		for size, v := range verifiers {
			texts := []string{text}
			prefix, mac := "sha256=", rfc2104(sum256, sha256.BlockSize, []byte(secret), body)
			if size == 64 {
				prefix, mac = "sha512=", rfc2104(sum512, sha512.BlockSize, []byte(secret), body)
			}
			names := []string{"hex", "upper hex", "base64", "unpadded base64", "prefix hex", "prefix base64", "upper prefix unpadded base64", "space around upper hex"}
			right := forms(mac, prefix)[names[int(form)%len(names)]]
			changed := []byte(right)
			changed[int(at)%len(changed)] = with
			texts = append(texts, right, string(changed), right+text, text+right)
			for _, text := range texts {
				err := v.Verify(body, text)
				if want := independent(text, body, size); (err == nil) != want {
					t.Fatalf("%d bytes: Verify of %q: %v, want accepted %v", size, text, err, want)
				}
				if err != nil && strings.Contains(err.Error(), right) {
					t.Fatal("the error tells the signature")
				}
			}
			if v.Verify(body, right) != nil {
				t.Fatal("the right signature is refused")
			}
		}
	})
}

// FuzzParseEvent holds that no body makes the parser panic, that Raw is the body,
// that parsing is repeatable, and that amounts keep their digits.
func FuzzParseEvent(f *testing.F) {
	for _, body := range payloads(f) {
		f.Add(body, "1500.50")
	}
	for _, number := range []string{"0", "-0", "1e400", "0.1", "12345678901234567.89", "1E+2", "-1.0e-7"} {
		f.Add([]byte(everything), number)
	}
	f.Add([]byte(`{"event":"x","DATA":{"Reference":null,"amount":"7"},"meta":[{}]}`), "x")
	f.Fuzz(func(t *testing.T, body []byte, number string) {
		if e, err := kyshi.ParseEvent(body); err == nil {
			checkEvent(t, body, e)
		}
		if !isJSONNumber(number) {
			return
		}
		for _, wire := range []string{number, `"` + number + `"`} {
			body := fmt.Appendf(nil, `{"event":"successful","amount":%[1]s,"data":{"reference":"R","amount":%[1]s,"meta":{"localAmount":%[1]s,"feeBreakDown":{"vat":%[1]s,"fee":%[1]s}}}}`, wire)
			e, err := kyshi.ParseEvent(body)
			if err != nil {
				t.Fatal(err)
			}
			m := e.Data.Meta
			for _, got := range []string{e.Data.Amount.String(), m.LocalAmount.String(), m.FeeBreakdown.VAT.String(), m.FeeBreakdown.Fee.String()} {
				if got != number {
					t.Fatalf("amount %s became %s", number, got)
				}
			}
		}
	})
}

func isJSONNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789+-.eE") == "" && json.Valid([]byte(text))
}

// checkEvent compares an event with another reading of its body.
func checkEvent(t *testing.T, body []byte, e *kyshi.Event) {
	t.Helper()
	if !bytes.Equal(e.Raw, body) {
		t.Fatal("Raw is not the body")
	}
	if e.Type == "" || e.Key == "" || len(e.Key) > 255 {
		t.Fatalf("type %q, key %q", e.Type, e.Key)
	}
	if again, err := kyshi.ParseEvent(body); err != nil || again.Key != e.Key || again.Data.Amount != e.Data.Amount {
		t.Fatal("read differently the second time")
	}
	_, _ = fmt.Sprintf("%+v %v", e, e.Data), e.LogValue().String()
	_, _ = e.Data.Amount.Minor()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var tree map[string]any
	if err := dec.Decode(&tree); err != nil {
		t.Fatalf("accepted what encoding/json refuses: %v", err)
	}
	data, ok := tree["data"].(map[string]any)
	if !ok {
		return
	}
	if want, ok := data["amount"].(json.Number); ok && e.Data.Amount.String() != want.String() {
		t.Fatalf("amount %s became %s", want, e.Data.Amount)
	}
	if want, ok := data["reference"].(string); ok && e.Data.Reference != want {
		t.Fatalf("reference %q became %q", want, e.Data.Reference)
	}
}
