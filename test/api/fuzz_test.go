package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
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
		f.Add(uint16(test.status), "application/json", sample(f, test.file))
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
		if errors.As(err, &api) {
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

// FuzzDocumentedTypes: no document makes a documented type panic, and what was decoded
// can be stored and is then the same.
func FuzzDocumentedTypes(f *testing.F) {
	for _, file := range payloads.Names("*.json") {
		f.Add(payloads.Read(file))
	}
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
