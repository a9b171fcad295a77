package kyshi_test

import (
	"bytes"
	"context"
	"encoding/base64"
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

func TestFault_Kyshi_W02_NoSignature(t *testing.T) { receiver.NoSignature(t) }

func TestFault_Kyshi_W03_TwoSignatures(t *testing.T) { receiver.TwoSignatures(t) }

func TestFault_Kyshi_W04_SignatureList(t *testing.T) { receiver.SignatureList(t) }

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
	receiver.OtherForms(t, "sha512="+good, "sha1="+good, "v1,"+good, secret)
}

func TestFault_Kyshi_W08_Lengths(t *testing.T) {
	receiver.Lengths(t)
	good := sign(anEvent)
	encoded := base64.StdEncoding.EncodeToString(unhex(t, good))
	for n := range len(good) {
		receiver.Refused(t, "sha256="+good[:n])
	}
	for n := range len(encoded) - 1 { // without its last character it is unpadded
		receiver.Refused(t, encoded[:n])
	}
}

func TestFault_Kyshi_W09_OneBit(t *testing.T) { receiver.OneBit(t) }

func TestFault_Kyshi_W10_Rotation(t *testing.T) { receiver.Rotation(t) }

func TestFault_Kyshi_W11_WrongSignaturesOfTheRightLength(t *testing.T) { receiver.WrongSignatures(t) }

func TestFault_Kyshi_W12_FailuresTellNothing(t *testing.T) {
	receiver.FailuresTellNothing(t, append(secretForms(), "ORD-7f3a19c2", "233200000001", "AUTH_x1y2z3")...)
}

func TestFault_Kyshi_W13_Sizes(t *testing.T) { receiver.Sizes(t) }

func TestFault_Kyshi_W16_Encoded(t *testing.T) { receiver.Encoded(t) }

func TestFault_Kyshi_W17_Empty(t *testing.T) { receiver.Empty(t) }

func TestFault_Kyshi_W18_Methods(t *testing.T) { receiver.Methods(t) }

func TestFault_Kyshi_W19_ContentTypes(t *testing.T) { receiver.ContentTypes(t) }

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
	receiver.Unreadable(t, bodies)
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
