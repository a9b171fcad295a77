package kopokopo_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/kopokopo-go/kopokopo"
)

// Crashers are kept as rows of a table or as f.Add here, by name.

// tripper answers without a network; httpmock's bookkeeping would take most of a fuzzer's time.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fuzzSDK is a façade whose every call is answered by what answer points to.
func fuzzSDK(status *int, contentType *string, body *[]byte) kopokopo.SDK {
	return kopokopo.NewSDK(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(), MaxRetries: -1,
		HTTPClient: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: *status, Header: http.Header{"Content-Type": {*contentType}},
				Body: io.NopCloser(bytes.NewReader(*body)), ContentLength: int64(len(*body)), Request: r}, nil
		})}})
}

// seedPayloads adds every payload on record.
func seedPayloads(f *testing.F, add func([]byte)) {
	files, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(files) < 90 {
		f.Fatal("payloads are missing", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		add(data)
	}
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

var e164 = regexp.MustCompile(`^\+254\d{9}$`)

// FuzzParsePhone: every form of a number that was read gives the same number, in the
// grammar K2 takes.
func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{"+254712345678", "0712 345 678", "712345678", "254-112-345-678", "", "+", "00712345678", "०७१२३४५६७८", "2540712345678", "254254254254"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		phone, err := kopokopo.ParsePhone(text)
		if err != nil {
			if phone != (kopokopo.Phone{}) {
				t.Fatal("an error and a phone")
			}
			return
		}
		if !e164.MatchString(phone.E164()) || "+"+phone.Digits() != phone.E164() || "0"+phone.Digits()[3:] != phone.Local() {
			t.Fatalf("%q gave %q, %q, %q", text, phone.E164(), phone.Digits(), phone.Local())
		}
		for _, form := range []string{phone.E164(), phone.Digits(), phone.Local()} {
			if again, err := kopokopo.ParsePhone(form); err != nil || again != phone {
				t.Fatalf("%q is not %q any more", form, phone.E164())
			}
		}
		hash, err := kopokopo.HashPhone(text)
		if err != nil || !kopokopo.MatchesHash(phone.Local(), hash) {
			t.Fatal("the hash does not match")
		}
		if strings.Contains(phone.String(), phone.Digits()[3:]) {
			t.Fatal("the number shows")
		}
	})
}

var canonicalAmount = regexp.MustCompile(`^(0|[1-9]\d*)(\.\d{1,2})?$`)

// FuzzAmount: an amount that Validate accepts goes over the wire as a JSON number that
// is the same number, positive and plain; any other is never sent.
func FuzzAmount(f *testing.F) {
	for _, seed := range []string{"1", "007.50", "0", "-1", "1e9", "1.234", "1,500", " 100 ", "9223372036854775807", "999999999999.99", "", "0.00", "NaN", "०", "1.5.0"} {
		f.Add(seed)
	}
	var body []byte
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(), MaxRetries: -1,
		HTTPClient: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			body, _ = io.ReadAll(r.Body)
			return &http.Response{StatusCode: 201, Header: http.Header{"Location": {"/" + testID}}, Body: http.NoBody, Request: r}, nil
		})}})
	f.Fuzz(func(t *testing.T, value string) {
		body = nil
		req := validSTK()
		req.Amount.Value = value
		valid := req.Validate() == nil
		_, err := sdk.ReceiveMpesaPayment(testToken, req)
		if valid != (err == nil) || valid != (body != nil) {
			t.Fatalf("%q: valid %v, error %v, sent %v", value, valid, err, body != nil)
		}
		if !valid {
			return
		}
		var wire struct {
			Amount struct{ Value json.RawMessage }
		}
		if err := json.Unmarshal(body, &wire); err != nil {
			t.Fatal(err)
		}
		number := string(wire.Amount.Value)
		sent, ok := new(big.Rat).SetString(number)
		given, ok2 := new(big.Rat).SetString(value)
		if !ok || !ok2 || !canonicalAmount.MatchString(number) || sent.Cmp(given) != 0 || sent.Sign() <= 0 {
			t.Fatalf("%q went as %q", value, number)
		}
	})
}

// digitRun finds what could be a phone or an account.
var digitRun = regexp.MustCompile(`[0-9]{7}`)

// FuzzErrorBody: whatever K2 answers, the error is one printable line of about a
// kilobyte, without runs of 7 digits and without our secrets.
func FuzzErrorBody(f *testing.F) {
	for _, test := range errorSamples {
		data, err := os.ReadFile("testdata/payloads/" + test.file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint16(test.status), "application/json", data)
	}
	f.Add(uint16(502), "text/html", []byte("<html>"))
	f.Add(uint16(400), "application/json", []byte(`{"errors":{"1234567":["0712345678"]},"error_code":"254712345678"}`))
	f.Add(uint16(400), "text/12345678", []byte(strings.Repeat("[", 10000)))
	f.Add(uint16(403), "", []byte{})
	f.Add(uint16(201), "", []byte("\xff\xfe"))
	var status int
	var contentType string
	var body []byte
	sdk := fuzzSDK(&status, &contentType, &body)
	f.Fuzz(func(t *testing.T, code uint16, media string, answer []byte) {
		status, contentType, body = 200+int(code)%400, media, answer
		_, err := sdk.ReceiveMpesaPayment(testToken, validSTK())
		if err == nil {
			t.Fatal("no Location, and no error")
		}
		checkErrorText(t, err)
		if len(outcomes(err)) != 1 {
			t.Fatalf("outcomes of %v", err)
		}
		var api *kopokopo.APIError
		if asError(err, &api) {
			checkLine(t, api.Code)
			for _, m := range api.Messages {
				checkLine(t, m)
			}
			if len(api.Body()) > 4<<10 || len(api.Messages) > 20 {
				t.Fatal("too much is kept")
			}
		}
		_, err = sdk.QueryIncommingMpesaPayment(testToken, testID)
		if err != nil {
			checkErrorText(t, err)
			if len(outcomes(err)) != 0 {
				t.Fatalf("a read has no outcome: %v", err)
			}
		}
	})
}

func checkErrorText(t *testing.T, err error) {
	t.Helper()
	checkLine(t, err.Error())
	if len(err.Error()) > 1<<10+200 {
		t.Fatalf("%d bytes", len(err.Error()))
	}
	noSecrets(t, err.Error())
}

func checkLine(t *testing.T, text string) {
	t.Helper()
	if len(text) > 1<<10+200 || !utf8.ValidString(text) {
		t.Fatalf("too long or broken: %q", text)
	}
	if run := digitRun.FindString(text); run != "" {
		t.Fatalf("digits show in %q", text)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Fatalf("%q shows %U", text, r)
		}
	}
}

var bearer = regexp.MustCompile(`^[!-~]+$`)

// FuzzTokenResponse: an answer to a token request is an error, or a token that a
// header can carry.
func FuzzTokenResponse(f *testing.F) {
	for _, file := range []string{"oauth_token_minimal.json", "oauth_token_created_at_unix.json", "oauth_token_docs_2026.json", "error_401_invalid_client.json"} {
		f.Add(sample(f, file))
	}
	for _, seed := range []string{`{"access_token":"a","expires_in":"3600","created_at":-1}`, `{"access_token":"a","expires_in":3600.0,"created_at":"20201022104319"}`,
		`{"access_token":1,"token_type":true,"expires_in":[3600],"created_at":{"a":1}}`, `{"access_token":"a","created_at":"2026-04-26 21:09:15 UTC"}`, `{"access_token":"a\r\nb"}`, `{"ACCESS_TOKEN":"a","access_token":1}`,
		`{"access_token":["a"]}`, `null`, `{"access_token":"a","expires_in":1e400}`, `{"access_token":"a","expires_in":-1e-400}`} {
		f.Add([]byte(seed))
	}
	status, contentType := 200, "application/json"
	var body []byte
	sdk := fuzzSDK(&status, &contentType, &body)
	f.Fuzz(func(t *testing.T, answer []byte) {
		body = answer
		token, err := sdk.GetToken()
		if err != nil {
			if token != (kopokopo.TokenResponse{}) {
				t.Fatal("an error and a token")
			}
			checkErrorText(t, err)
			return
		}
		if token.AccessToken == "" || !bearer.MatchString(token.AccessToken) ||
			token.Type != "" && !strings.EqualFold(token.Type, "bearer") {
			t.Fatalf("unusable: %q", token.AccessToken)
		}
		_, _ = sdk.TokenIntrospection(testToken)
		_, _ = sdk.TokenInformation(testToken)
	})
}

// FuzzDecimal: decoding never fails over valid JSON, keeps the digits, and survives
// being stored; arithmetic agrees with big.Rat.
func FuzzDecimal(f *testing.F) {
	for _, seed := range []string{`"100.0"`, `115.0`, `null`, `"a lot"`, `1e3`, `-0.5`, `{}`, `[1]`, `true`, `" 5 "`, `"92233720368547758.08"`, `"\u2028"`, `"\ud800"`, `"1.10"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var d kopokopo.Decimal
		if err := json.Unmarshal(document, &d); err != nil {
			if json.Valid(document) {
				t.Fatal(err)
			}
			return
		}
		text, err := json.Marshal(d)
		var again kopokopo.Decimal
		if err != nil || json.Unmarshal(text, &again) != nil || again != d {
			t.Fatalf("%s became %s", document, text)
		}
		minor, err := d.Minor()
		if err != nil {
			return
		}
		value, ok := new(big.Rat).SetString(d.String())
		if !ok || new(big.Rat).Mul(value, big.NewRat(100, 1)).Cmp(new(big.Rat).SetInt64(minor)) != 0 {
			t.Fatalf("%q is not %d", d, minor)
		}
		if sign, err := d.Sign(); err != nil || sign != value.Sign() {
			t.Fatal("wrong sign")
		}
		if order, err := d.Cmp(again); err != nil || order != 0 {
			t.Fatal("not itself")
		}
	})
}

// FuzzDocumentedTypes: no document makes a documented type panic, and what was decoded
// can be stored and is then the same.
func FuzzDocumentedTypes(f *testing.F) {
	seedPayloads(f, func(data []byte) { f.Add(data) })
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials()})
	f.Fuzz(func(t *testing.T, document []byte) {
		for _, v := range []any{new(kopokopo.BuyGoodsTrans), new(kopokopo.CustomerReq), new(kopokopo.IncomingPaymentEvent), new(kopokopo.ProcessIncommingPaymentReq),
			new(kopokopo.Resource), new(kopokopo.Disbursements), new(kopokopo.Attribute), new(kopokopo.Amount), new(kopokopo.CustomerResource),
			new(kopokopo.TokenResponse), new(kopokopo.TokenIntrospectionResponse), new(kopokopo.TokenInfo), new(kopokopo.StringList), new(kopokopo.Time),
			new(kopokopo.ReceiveMpesaReq), new(kopokopo.CreatePaymentReq), new(kopokopo.AddPAYRecipient), new(kopokopo.CreateWebhookReq),
			new(kopokopo.IncomingPayment), new(kopokopo.Payment)} {
			if json.Unmarshal(document, v) != nil {
				continue
			}
			if checked, ok := v.(interface{ Validate() error }); ok {
				_ = checked.Validate()
			}
			if _, err := json.Marshal(v); err != nil {
				t.Fatalf("%T cannot be stored: %v", v, err)
			}
		}
		id, err := sdk.ProcessIncommingMpesaPayment(string(document))
		if id == "" && err == nil {
			t.Fatal("neither an id nor an error")
		}
		if err != nil {
			checkErrorText(t, err)
		}
	})
}
