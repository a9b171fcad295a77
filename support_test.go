package kopokopo_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// What the tests of this package have in common: a server that notes what reached
// it, canned transports, and the samples in testdata/payloads.

const (
	testToken    = "test+token/with=marks"
	testBase     = "https://k2.example"
	testClientID = "client-id-4711"
	testSecret   = "s3cr&t/+\"<é>-secret"
	testAPIKey   = "api&key/+\"<é>-apikey"
	testCallback = "https://shop.example/result"
	testID       = "0dad3e3f-a83e-4ed2-afa6-2e76a3df3a03"
)

func testCredentials() kopokopo.Credentials {
	return kopokopo.Credentials{AppID: testClientID, Secret: testSecret, APIKey: testAPIKey}
}

// sample reads a payload as K2 sends it.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "payloads", name))
	require.NoError(t, err)
	return data
}

// seenRequest is a request as a server saw it.
type seenRequest struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
}

// farSide is a server that notes requests, and the connections they came on.
type farSide struct {
	URL string

	mu       sync.Mutex
	requests []seenRequest
	conns    int
}

// newFarSide starts a server on loopback that notes what it receives before h answers.
func newFarSide(t testing.TB, h http.HandlerFunc) *farSide {
	t.Helper()
	f := &farSide{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.note(r)
		h(w, r)
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			f.mu.Lock()
			f.conns++
			f.mu.Unlock()
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	f.URL = srv.URL
	return f
}

// note keeps a copy of a request and leaves its body readable.
func (f *farSide) note(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, seenRequest{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), body})
}

func (f *farSide) seen() []seenRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seenRequest(nil), f.requests...)
}

// only returns the one request there was.
func (f *farSide) only(t testing.TB) seenRequest {
	t.Helper()
	requests := f.seen()
	require.Len(t, requests, 1, "requests the server received")
	return requests[0]
}

func (f *farSide) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns
}

// config reaches the server, once for each call: what is repeated, and when, is
// tested with the retries.
func (f *farSide) config() kopokopo.Config {
	return kopokopo.Config{BaseURL: f.URL, Credentials: testCredentials(), MaxRetries: -1}
}

func (f *farSide) sdk() kopokopo.SDK { return kopokopo.NewSDK(f.config()) }

// created answers a create with a Location below the path that was posted to.
func created(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "https://sandbox.kopokopo.com"+r.URL.Path+"/"+testID)
	w.WriteHeader(http.StatusCreated)
}

// answering returns a handler with one canned answer.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// mockSDK is a façade on a canned transport of its own.
func mockSDK(t testing.TB) (kopokopo.SDK, *httpmock.MockTransport) {
	t.Helper()
	client, mock := mockClient(t)
	return client.SDK(), mock
}

func mockClient(t testing.TB) (*kopokopo.Client, *httpmock.MockTransport) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	client, err := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(),
		HTTPClient: &http.Client{Transport: mock}, MaxRetries: -1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client, mock
}

// canned answers with a body as JSON.
func canned(status int, body []byte) httpmock.Responder {
	return httpmock.NewBytesResponder(status, body).HeaderSet(http.Header{"Content-Type": {"application/json; charset=utf-8"}})
}

// tree decodes JSON for a comparison that respects types: numbers keep their digits.
func tree(t testing.TB, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), "%s", data)
	_, err := dec.Token()
	require.ErrorIs(t, err, io.EOF, "one document")
	return v
}

// validSTK is request_incoming_payment_v2.json as a program writes it.
func validSTK() kopokopo.ReceiveMpesaReq {
	return kopokopo.ReceiveMpesaReq{
		PaymentChannel: "M-PESA STK Push",
		TillNumber:     "K000000",
		Subscriber:     kopokopo.Subscriber{FirstName: "Joe", LastName: "Buyer", PhoneNumber: "+254999999999", Email: "jbuyer@mail.net"},
		Amount:         kopokopo.Amount{Currency: "KES", Value: "20000"},
		Metadata:       map[string]any{"customer_id": "123456789", "reference": "123456", "notes": "Payment for invoice 12345"},
		Links:          kopokopo.Links{Callback: "https://callback_to_your_app.your_application.com"},
	}
}

// validPayment is request_payment_v1.json as a program writes it.
func validPayment() kopokopo.CreatePaymentReq {
	return kopokopo.CreatePaymentReq{
		DestinationType:      "mobile_wallet",
		DestinationReference: "c7f300c0-f1ef-4151-9bbe-005005aa3747",
		Amount:               kopokopo.KES("20000"),
		Description:          "Salary payment for May 2018",
		Category:             "salaries",
		Tags:                 "tag 1, tag 2",
		Metadata:             map[string]any{"customerId": "8675309", "notes": "Salary payment for May 2018"},
		Links:                kopokopo.Links{Callback: "https://dummy_callback_url/payment_result"},
	}
}

func validWebhook() kopokopo.CreateWebhookReq {
	return kopokopo.CreateWebhookReq{EventType: "buygoods_transaction_received", URL: "https://myapplication.com/webhooks", Scope: "till", ScopeRef: "555555"}
}

func validTill() kopokopo.AddPAYRecipient {
	return kopokopo.AddPAYRecipient{Type: "till", PaymentRecipient: kopokopo.PaymentRecipient{TillName: "Test Till 44", TillNumber: "12444"}}
}

// creates are the four creates of the documented interface.
var creates = []struct {
	name, path, op string
	call           func(sdk kopokopo.SDK, token string) (string, error)
}{
	{"CreateWebhook", "/api/v1/webhook_subscriptions", "create webhook subscription",
		func(sdk kopokopo.SDK, token string) (string, error) { return sdk.CreateWebhook(token, validWebhook()) }},
	{"ReceiveMpesaPayment", "/api/v1/incoming_payments", "create incoming payment",
		func(sdk kopokopo.SDK, token string) (string, error) {
			return sdk.ReceiveMpesaPayment(token, validSTK())
		}},
	{"AddPayRecipients", "/api/v1/pay_recipients", "create pay recipient",
		func(sdk kopokopo.SDK, token string) (string, error) { return sdk.AddPayRecipients(token, validTill()) }},
	{"CreatePayment", "/api/v1/payments", "create payment",
		func(sdk kopokopo.SDK, token string) (string, error) { return sdk.CreatePayment(token, validPayment()) }},
}

// outcomes lists which of the three outcomes an error is.
func outcomes(err error) []error {
	var list []error
	for _, outcome := range []error{kopokopo.ErrNotSent, kopokopo.ErrRefused, kopokopo.ErrOutcomeUnknown} {
		if errorIs(err, outcome) {
			list = append(list, outcome)
		}
	}
	return list
}

// noSecrets fails if a text repeats one of the test's secrets.
func noSecrets(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{testSecret, testAPIKey, testToken, testClientID} {
		for form, hidden := range disguises(secret) {
			if strings.Contains(text, hidden) {
				t.Errorf("a secret shows in its %s form in %q", form, text)
			}
		}
	}
}
