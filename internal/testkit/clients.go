package testkit

import (
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// MockSDK is a façade on a canned transport of its own.
func MockSDK(t testing.TB) (kopokopo.SDK, *httpmock.MockTransport) {
	t.Helper()
	client, mock := MockClient(t)
	return client.SDK(), mock
}

// MockClient is a client on a canned transport of its own, that tries once and needs no network.
func MockClient(t testing.TB) (*kopokopo.Client, *httpmock.MockTransport) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	client, err := kopokopo.New(kopokopo.Config{BaseURL: Base, Credentials: Credentials(),
		HTTPClient: &http.Client{Transport: mock}, MaxRetries: -1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client, mock
}

// Canned answers with a body as JSON.
func Canned(status int, body []byte) httpmock.Responder {
	return httpmock.NewBytesResponder(status, body).HeaderSet(http.Header{"Content-Type": {"application/json; charset=utf-8"}})
}
