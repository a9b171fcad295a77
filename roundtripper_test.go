package kopokopo_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// bareRoundTripper answers as hand-written fakes and cassettes do: without a length.
type bareRoundTripper struct{}

func (bareRoundTripper) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"access_token":"a"}`))}, nil
}

func TestAnswersWithoutALengthAreRead(t *testing.T) {
	t.Parallel()
	client, err := kopokopo.New(kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret"},
		HTTPClient: &http.Client{Transport: bareRoundTripper{}}})
	require.NoError(t, err)
	token, err := client.Tokens.Get(context.Background())
	require.NoError(t, err)
	require.Equal(t, "a", token.AccessToken)
}
