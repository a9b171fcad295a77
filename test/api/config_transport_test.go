package api_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// callEverything makes a call of each class.
func callEverything(t *testing.T, sdk kopokopo.SDK) {
	t.Helper()
	for _, create := range creates {
		_, err := create.Call(sdk, testToken)
		require.NoError(t, err, create.Name)
	}
	require.NoError(t, sdk.RevokeToken(testToken))
}

func TestHTTPClientIsCopiedAndNeverChanged(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		created(w, r)
	})
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	tr := &http.Transport{MaxIdleConns: 3, IdleConnTimeout: time.Minute}
	redirects := 0
	theirs := &http.Client{Transport: tr, Jar: jar, Timeout: 7 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { redirects++; return nil }}
	cfg := far.Config()
	cfg.HTTPClient = theirs
	client, err := kopokopo.New(cfg)
	require.NoError(t, err)
	callEverything(t, client.SDK())
	for _, r := range far.Seen() {
		assert.NotContains(t, r.Header, "Cookie", "our copy keeps no cookies")
	}
	require.NoError(t, client.Close())

	assert.Same(t, tr, theirs.Transport)
	assert.Same(t, jar, theirs.Jar)
	assert.Equal(t, 7*time.Second, theirs.Timeout)
	require.NotNil(t, theirs.CheckRedirect)
	require.NoError(t, theirs.CheckRedirect(nil, nil))
	assert.Equal(t, 1, redirects, "still the caller's own function")
	address, err := url.Parse(far.URL)
	require.NoError(t, err)
	assert.Empty(t, jar.Cookies(address))
	requirePlain(t, tr)
}

// requirePlain checks that a caller's transport is as it was made.
func requirePlain(t *testing.T, tr *http.Transport) {
	t.Helper()
	assert.Equal(t, 3, tr.MaxIdleConns)
	assert.Equal(t, time.Minute, tr.IdleConnTimeout)
	assert.Zero(t, tr.MaxIdleConnsPerHost)
	assert.Zero(t, tr.MaxResponseHeaderBytes)
	assert.Zero(t, tr.TLSHandshakeTimeout)
	assert.Nil(t, tr.DialContext)
	assert.Nil(t, tr.Protocols)
	// TLSClientConfig and TLSNextProto are filled in by net/http's own Clone.
	assert.False(t, tr.DisableKeepAlives)
	assert.False(t, tr.DisableCompression)
	assert.False(t, tr.ForceAttemptHTTP2)
}

func TestSettingsOfTheCallersTransportWin(t *testing.T) {
	t.Parallel()
	var dials, proxied atomic.Int32
	far := newFarSide(t, created)
	tr := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
		Proxy: func(*http.Request) (*url.URL, error) { proxied.Add(1); return nil, nil },
	}
	cfg := far.Config()
	cfg.HTTPClient = &http.Client{Transport: tr}
	callEverything(t, kopokopo.NewSDK(cfg))
	assert.Len(t, far.Seen(), 5)
	assert.Equal(t, 5, far.Connections(), "DisableKeepAlives")
	assert.Equal(t, int32(5), dials.Load(), "DialContext")
	assert.GreaterOrEqual(t, proxied.Load(), int32(5), "Proxy")
}

func TestTheCallersCertificatesAreUsed(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(created))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	cfg := kopokopo.Config{BaseURL: srv.URL, Credentials: testCredentials(), MaxRetries: -1}
	_, err := kopokopo.NewSDK(cfg).CreatePayment(testToken, validPayment())
	require.ErrorContains(t, err, "certificate")
	assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err), "a handshake that fails sends no request")
	cfg.HTTPClient = srv.Client()
	callEverything(t, kopokopo.NewSDK(cfg))
	cfg.HTTPClient = &http.Client{Transport: srv.Client().Transport, Timeout: time.Nanosecond}
	_, err = kopokopo.NewSDK(cfg).QueryIncommingMpesaPayment(testToken, testID)
	require.ErrorContains(t, err, "deadline exceeded", "the client's own Timeout is kept")
}

// countingTripper counts what passes through it.
type countingTripper struct {
	next  http.RoundTripper
	count *atomic.Int32
}

func (c countingTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	c.count.Add(1)
	r = r.Clone(r.Context())
	r.Header.Set("X-Traced", "1")
	return c.next.RoundTrip(r)
}

func TestWrapTransportSeesEveryCall(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	var wraps, trips atomic.Int32
	cfg := far.Config()
	cfg.WrapTransport = func(rt http.RoundTripper) http.RoundTripper {
		wraps.Add(1)
		assert.NotNil(t, rt)
		return countingTripper{rt, &trips}
	}
	sdk := kopokopo.NewSDK(cfg)
	assert.Equal(t, int32(2), wraps.Load(), "once for each pool")
	callEverything(t, sdk)
	assert.Equal(t, int32(5), trips.Load())
	for _, r := range far.Seen() {
		assert.Equal(t, "1", r.Header.Get("X-Traced"))
	}
	assert.Equal(t, 2, far.Connections(), "a wrapper takes no connection reuse away, and payouts keep their own")

	cfg.WrapTransport = func(http.RoundTripper) http.RoundTripper { return nil }
	callEverything(t, kopokopo.NewSDK(cfg))
}

func TestAForeignRoundTripperIsWrappedToo(t *testing.T) {
	t.Parallel()
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodPost, testBase+"/api/v1/payments", httpmock.NewErrorResponder(assert.AnError))
	var trips atomic.Int32
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(), HTTPClient: &http.Client{Transport: mock}, MaxRetries: -1,
		WrapTransport: func(rt http.RoundTripper) http.RoundTripper { return countingTripper{rt, &trips} }})
	_, err := sdk.CreatePayment(testToken, validPayment())
	require.ErrorIs(t, err, assert.AnError)
	assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err), "nothing proves that it was not sent")
	assert.Equal(t, int32(1), trips.Load())
	assert.Equal(t, 1, mock.GetTotalCallCount())
}

// A program that has replaced http.DefaultTransport, for tracing or for tests, is
// respected. Not parallel: the variable belongs to everybody.
func TestAReplacedDefaultTransportIsUsed(t *testing.T) {
	original := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = original })
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodPost, kopokopo.Sandbox+"/oauth/token", canned(200, sample(t, "oauth_token_minimal.json")))
	http.DefaultTransport = mock
	cfg := kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: testCredentials()}
	during, err := kopokopo.New(cfg)
	require.NoError(t, err)
	cfg.HTTPClient = &http.Client{Timeout: time.Minute}
	withClient, err := kopokopo.New(cfg)
	require.NoError(t, err)
	http.DefaultTransport = original
	for _, client := range []*kopokopo.Client{during, withClient} {
		token, err := client.SDK().GetToken()
		require.NoError(t, err)
		assert.NotEmpty(t, token.AccessToken)
	}
	assert.Equal(t, 2, mock.GetTotalCallCount())
}

func TestTheDefaultTransportIsNeverChanged(t *testing.T) {
	standard := http.DefaultTransport.(*http.Transport)
	idle, perHost, timeout, header := standard.MaxIdleConns, standard.MaxIdleConnsPerHost, standard.IdleConnTimeout, standard.MaxResponseHeaderBytes
	far := newFarSide(t, created)
	callEverything(t, far.SDK())
	assert.Same(t, standard, http.DefaultTransport)
	assert.Equal(t, idle, standard.MaxIdleConns)
	assert.Equal(t, perHost, standard.MaxIdleConnsPerHost)
	assert.Equal(t, timeout, standard.IdleConnTimeout)
	assert.Equal(t, header, standard.MaxResponseHeaderBytes)
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/webhook_subscriptions":
			created(w, r)
		case "/api/v1/incoming_payments":
			answering(400, "application/json", string(sample(t, "error_400_incoming_payment_till_blank.json")))(w, r)
		case "/oauth/token/info":
			answering(200, "application/json", string(sample(t, "oauth_token_info.json")))(w, r)
		default:
			answering(500, "text/html", "<html>"+string(make([]byte, 100<<10))+"</html>")(w, r)
		}
	})
	sdk := far.SDK()
	for range 50 {
		_, err := sdk.CreateWebhook(testToken, validWebhook())
		require.NoError(t, err)
		_, err = sdk.ReceiveMpesaPayment(testToken, validSTK())
		require.ErrorIs(t, err, kopokopo.ErrRefused)
		_, err = sdk.TokenInformation(testToken)
		require.NoError(t, err)
		_, err = sdk.QueryIncommingMpesaPayment(testToken, testID)
		require.Error(t, err)
		_, err = sdk.AddPayRecipients(testToken, validTill())
		require.ErrorIs(t, err, kopokopo.ErrOutcomeUnknown)
	}
	assert.Len(t, far.Seen(), 250)
	assert.Equal(t, 1, far.Connections())
}

func TestPayoutsTakeAFreshConnectionEach(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	client, err := kopokopo.New(far.Config())
	require.NoError(t, err)
	for range 10 {
		_, err := client.V1.Payments.Create(t.Context(), validPayment(), kopokopo.WithToken(testToken))
		require.NoError(t, err)
		_, err = client.V1.WebhookSubscriptions.Create(t.Context(), validWebhook(), kopokopo.WithToken(testToken))
		require.NoError(t, err)
	}
	assert.Len(t, far.Seen(), 20)
	assert.Equal(t, 11, far.Connections(), "one for each payout, one for all the rest")
}
