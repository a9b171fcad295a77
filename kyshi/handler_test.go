package kyshi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

// The W series of the fault list, as it applies to Kyshi: what can arrive at the
// handler, and what it does. Kyshi asks for 400 where K2 gets 401, and its text
// form of a signature is open, so base64 and a prefix are not faults here.

func TestFault_Kyshi_W01_Valid(t *testing.T) {
	for _, row := range vectors(t) {
		var got *kyshi.Event
		h := newHook(t, func(_ context.Context, e *kyshi.Event) error { got = e; return nil })
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(row.body))
		r.Header.Set("x-kyshi-signature", row.sha256)
		require.Equal(t, 200, h.Serve(r).StatusCode, row.file)
		h.Idle(1)
		require.Equal(t, row.body, got.Raw)
		require.Zero(t, h.BadSignatures())
	}
}

// refused delivers an event with the given signature headers.
func refused(t *testing.T, sigs ...string) {
	t.Helper()
	h := newHook(t, nil)
	r := signed(anEvent)
	r.Header.Del(kyshi.SignatureHeader)
	for _, sig := range sigs {
		r.Header.Add(kyshi.SignatureHeader, sig)
	}
	require.Equal(t, 400, h.Serve(r).StatusCode, "signatures %q", sigs)
	h.Idle(0)
	total, _ := h.Store.Len()
	require.Zero(t, total)
	require.EqualValues(t, 1, h.BadSignatures())
}

func TestFault_Kyshi_W02_NoSignature(t *testing.T) {
	refused(t)
	refused(t, "")
	refused(t, " ")
}

func TestFault_Kyshi_W03_TwoSignatures(t *testing.T) {
	good, bad := sign(anEvent), signWith("whsec_other", anEvent)
	for _, pair := range [][]string{{good, good}, {good, bad}, {bad, good}, {good, ""}, {"", good}} {
		refused(t, pair...)
	}
}

func TestFault_Kyshi_W04_SignatureList(t *testing.T) {
	good := sign(anEvent)
	for _, list := range []string{good + "," + good, good + ", " + good, good + ",", "," + good} {
		refused(t, list)
	}
}

func TestFault_Kyshi_W05_TextForms(t *testing.T) {
	for name, text := range forms(unhex(t, sign(anEvent)), "sha256=") {
		h := newHook(t, nil)
		r := signed(anEvent)
		r.Header.Set(kyshi.SignatureHeader, text)
		require.Equal(t, 200, h.Serve(r).StatusCode, name)
		h.Idle(1)
	}
}

func TestFault_Kyshi_W07_OtherForms(t *testing.T) {
	good := sign(anEvent)
	wide := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r + 0xfee0 // full-width digits
		}
		return r
	}, good)
	for _, sig := range []string{good[:32] + " " + good[32:], good[:31] + " " + good[32:], "0x" + good, "0x" + good[2:], "sha512=" + good, "sha1=" + good,
		"v1," + good, wide, good[:63] + "g", good[:63] + "\x00", secret} {
		refused(t, sig)
	}
}

func TestFault_Kyshi_W08_Lengths(t *testing.T) {
	good := sign(anEvent)
	encoded := base64.StdEncoding.EncodeToString(unhex(t, good))
	for n := range len(good) {
		refused(t, good[:n])
		refused(t, "sha256="+good[:n])
	}
	for n := range len(encoded) - 1 { // without its last character it is unpadded
		refused(t, encoded[:n])
	}
	for _, extra := range []string{"0", "00", good, strings.Repeat("0", 64<<10)} {
		refused(t, good+extra)
	}
}

func TestFault_Kyshi_W09_OneBit(t *testing.T) {
	good := sign(anEvent)
	for bit := range 8 * 32 {
		mac := unhex(t, good)
		mac[bit/8] ^= 1 << (bit % 8)
		refused(t, hex.EncodeToString(mac))
	}
	h := newHook(t, nil)
	for i := range []byte(anEvent) {
		body := []byte(anEvent)
		body[i] ^= 1
		r := signed(string(body))
		r.Header.Set(kyshi.SignatureHeader, good)
		require.Equal(t, 400, h.Serve(r).StatusCode)
	}
	h.Idle(0)
	for i := range []byte(secret) {
		other := []byte(secret)
		other[i] ^= 1
		refused(t, signWith(string(other), anEvent))
	}
}

func TestFault_Kyshi_W10_Rotation(t *testing.T) {
	index := -1
	h := newHook(t, func(_ context.Context, e *kyshi.Event) error { index = e.SecretIndex; return nil }, func(c *kyshi.HandlerConfig) {
		c.Verifier = newVerifier(t, func(c *kyshi.VerifierConfig) { c.Secrets = []string{"the-new-secret", "the-old-secret"} })
	})
	for i, row := range []struct {
		secret        string
		status, index int
	}{{"the-new-secret", 200, 0}, {"the-old-secret", 200, 1}, {"the-retired-secret", 400, -1}} {
		index = -1
		body := charge("R" + strconv.Itoa(i))
		r := signed(body)
		r.Header.Set(kyshi.SignatureHeader, signWith(row.secret, body))
		require.Equal(t, row.status, h.Serve(r).StatusCode)
		require.Equal(t, row.index, index)
	}
}

func TestFault_Kyshi_W11_WrongSignaturesOfTheRightLength(t *testing.T) {
	good := sign(anEvent)
	for _, sig := range []string{strings.Repeat("0", 64), strings.Repeat("f", 64), good[1:] + good[:1], sign(""), signWith("whsec_other", anEvent)} {
		refused(t, sig)
	}
}

func TestFault_Kyshi_W12_FailuresTellNothing(t *testing.T) {
	h := newHook(t, nil)
	good := sign(anEvent)
	var headers []http.Header
	for _, sig := range []string{"", "x", strings.Repeat("0", 64), good[:63], "sha512=" + good} {
		r := signed(anEvent)
		r.Header.Set(kyshi.SignatureHeader, sig)
		resp := h.Serve(r)
		require.Equal(t, 400, resp.StatusCode)
		headers = append(headers, resp.Header)
		for _, text := range append(secretForms(), good[:16], "ORD-7f3a19c2", "233200000001", "AUTH_x1y2z3") {
			require.NotContains(t, h.Log.String(), text)
		}
	}
	for _, header := range headers {
		require.Equal(t, headers[0], header)
	}
}

func TestFault_Kyshi_W13_Sizes(t *testing.T) {
	const limit = 1 << 10
	pad := func(n int) string { return anEvent + strings.Repeat(" ", n-len(anEvent)) }
	h := newHook(t, nil, func(c *kyshi.HandlerConfig) { c.MaxBody = limit })
	require.Equal(t, 200, h.Post(pad(limit)))
	require.Equal(t, 413, h.Post(pad(limit+1)))
	r := signed(pad(limit + 1))
	r.ContentLength = -1 // chunked
	require.Equal(t, 413, h.Serve(r).StatusCode)
	h.Idle(1)
	h = newHook(t, nil) // the default is 1 MiB
	require.Equal(t, 200, h.Post(pad(1<<20)))
	require.Equal(t, 413, h.Post(pad(1<<20+1)))
	h.Idle(1)
}

func TestFault_Kyshi_W16_Encoded(t *testing.T) {
	h := newHook(t, nil)
	for _, coding := range []string{"gzip", "br", "identity, gzip"} {
		r := signed(anEvent)
		r.Header.Set("Content-Encoding", coding)
		require.Equal(t, 415, h.Serve(r).StatusCode, coding)
	}
	h.Idle(0)
}

func TestFault_Kyshi_W17_Empty(t *testing.T) {
	h := newHook(t, nil)
	require.Equal(t, 400, h.Post(""))
	r := signed("")
	r.Body = nil
	require.Equal(t, 400, h.Serve(r).StatusCode)
	h.Idle(0)
}

func TestFault_Kyshi_W18_Methods(t *testing.T) {
	h := newHook(t, nil)
	for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS", "PATCH", "DELETE"} {
		r := signed(anEvent)
		r.Method = method
		resp := h.Serve(r)
		require.Equal(t, 405, resp.StatusCode, method)
		require.Equal(t, "POST", resp.Header.Get("Allow"))
	}
	h.Idle(0)
}

func TestFault_Kyshi_W19_ContentTypes(t *testing.T) {
	for contentType, want := range map[string]int{
		"": 200, "application/json": 200, "application/json; charset=utf-8": 200, "text/plain": 200,
		"application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415,
	} {
		h := newHook(t, nil)
		r := signed(anEvent)
		r.Header.Set("Content-Type", contentType)
		require.Equal(t, want, h.Serve(r).StatusCode, contentType)
	}
}

func TestFault_Kyshi_W20_RawBytes(t *testing.T) {
	wrap := func(inner string) string { return `{"event":"successful","data":{"reference":"R",` + inner + `}}` }
	for name, row := range map[string]struct {
		body   string
		status int
		check  func(kyshi.Data) bool
	}{
		"html":           {wrap(`"customer":{"firstName":"a&b<c>"}`), 200, func(d kyshi.Data) bool { return d.Customer.FirstName == "a&b<c>" }},
		"escapes":        {wrap(`"customer":{"firstName":"\u0026\/"}`), 200, func(d kyshi.Data) bool { return d.Customer.FirstName == "&/" }},
		"decimals":       {wrap(`"amount":100.0`), 200, func(d kyshi.Data) bool { return d.Amount.String() == "100.0" }},
		"exponent":       {wrap(`"amount":1e2`), 200, func(d kyshi.Data) bool { _, err := d.Amount.Minor(); return err != nil }},
		"names":          {wrap(`"customer":{"lastName":"N'Guessan Aïcha 😀"}`), 200, func(d kyshi.Data) bool { return d.Customer.LastName == "N'Guessan Aïcha 😀" }},
		"lone surrogate": {wrap(`"customer":{"lastName":"\ud800"}`), 200, func(d kyshi.Data) bool { return d.Customer.LastName == "\ufffd" }},
		"crlf":           {strings.ReplaceAll(wrap(`"amount":"1"`), ",", ",\r\n\t"), 200, nil},
		"duplicate keys": {wrap(`"amount":"1","amount":"2"`), 200, func(d kyshi.Data) bool { return d.Amount.String() == "2" }},
		"newline":        {wrap(`"amount":"1"`) + "\n", 200, nil},
		"bom":            {"\ufeff" + wrap(`"amount":"1"`), 422, nil},
		"trailing":       {wrap(`"amount":"1"`) + "{}", 422, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got *kyshi.Event
			h := newHook(t, func(_ context.Context, e *kyshi.Event) error { got = e; return nil })
			require.Equal(t, row.status, h.Post(row.body))
			if row.status != 200 {
				h.Idle(0)
				return
			}
			require.Equal(t, row.body, string(got.Raw))
			require.True(t, row.check == nil || row.check(got.Data))
		})
	}
}

func TestFault_Kyshi_W21_UnknownEventAndFields(t *testing.T) {
	var got []*kyshi.Event
	h := newHook(t, func(_ context.Context, e *kyshi.Event) error { got = append(got, e); return nil })
	bodies := []string{`{"event":"virtual_account.credited","data":{"anything":[1]}}`, `{"event":"failed","data":{"reference":"R9"}}`,
		strings.Replace(anEvent, `"log"`, `"new":{"a":1},"log"`, 1)}
	for _, body := range bodies {
		require.Equal(t, 200, h.Post(body))
	}
	h.Idle(3)
	for i, e := range got {
		require.Equal(t, bodies[i], string(e.Raw))
	}
	require.EqualValues(t, "virtual_account.credited", got[0].Type)
	require.Equal(t, "R9", got[1].Data.Reference)
}

func TestFault_Kyshi_W22_Unreadable(t *testing.T) {
	bodies := []string{`{`, `null`, `[]`, `"hello"`, `7`, `{}`, `{"data":null}`, `{"event":""}`, "\xff\xfe", `{"event":"successful","data":{"amount":5}}`}
	h := newHook(t, nil)
	for _, body := range bodies {
		require.Equal(t, 422, h.Post(body), body)
	}
	var kept []string
	var answer error
	h = newHook(t, nil, func(c *kyshi.HandlerConfig) {
		c.OnDeadLetter = func(_ context.Context, raw []byte) error { kept = append(kept, string(raw)); return answer }
	})
	for _, body := range bodies {
		require.Equal(t, 200, h.Post(body), body)
	}
	require.Equal(t, bodies, kept)
	answer = errors.New("disk full")
	require.Equal(t, 422, h.Post(`{`))
	h.Idle(0)
}

func TestFault_Kyshi_W23_AbsurdAmounts(t *testing.T) {
	for i, amount := range []string{`-5`, `"NaN"`, `"1e400"`, `1e400`, `"abc"`, `{}`, `[1]`, `true`, `null`, `""`, `"` + strings.Repeat("9", 400) + `"`} {
		var got *kyshi.Event
		h := newHook(t, func(_ context.Context, e *kyshi.Event) error { got = e; return nil })
		body := strings.Replace(charge("R"+strconv.Itoa(i)), `1500.50`, amount, 1)
		require.Equal(t, 200, h.Post(body), amount)
		h.Idle(1)
		if amount != `-5` {
			_, err := got.Data.Amount.Minor()
			require.Error(t, err, amount)
		}
	}
}

func TestFault_Kyshi_W24_TestAndLiveOnOneRoute(t *testing.T) {
	var told []string
	h := newHook(t, func(_ context.Context, e *kyshi.Event) error {
		told = append(told, e.Data.Meta.Mode+strconv.Itoa(e.SecretIndex))
		return nil
	}, func(c *kyshi.HandlerConfig) {
		c.Verifier = newVerifier(t, func(c *kyshi.VerifierConfig) { c.Secrets = []string{"whsec_live", "whsec_test"} })
	})
	for i, row := range []struct{ secret, mode string }{{"whsec_live", "live"}, {"whsec_test", "test"}} {
		body := `{"event":"successful","reference":"R` + strconv.Itoa(i) + `","meta":{"mode":"` + row.mode + `"}}`
		r := signed(body)
		r.Header.Set(kyshi.SignatureHeader, signWith(row.secret, body))
		require.Equal(t, 200, h.Serve(r).StatusCode)
	}
	require.Equal(t, []string{"live0", "test1"}, told)
}
