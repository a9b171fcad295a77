package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// fallback sends what the transport below could not send by a way of its own, as
// failover wrappers do although they are told not to.
type fallback struct{ next, other http.RoundTripper }

func (f fallback) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	first := req.Clone(req.Context())
	first.Body = io.NopCloser(bytes.NewReader(body))
	if resp, err := f.next.RoundTrip(first); err == nil {
		return resp, nil
	}
	second := req.Clone(req.Context())
	second.URL.Host, second.Body = "127.0.0.1:2", io.NopCloser(bytes.NewReader(body))
	return f.other.RoundTrip(second)
}

// deadEnd takes a request and says nothing.
type deadEnd struct{ taken atomic.Int32 }

func (d *deadEnd) RoundTrip(req *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, req.Body)
	d.taken.Add(1)
	return nil, io.ErrUnexpectedEOF
}

func TestWrapperThatSendsElsewhereIsNotProvedUnsent(t *testing.T) {
	t.Parallel()
	other := &deadEnd{}
	client, err := kopokopo.New(kopokopo.Config{BaseURL: "http://127.0.0.1:1", TokenSource: oneToken("token"),
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return fallback{next, other} }})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.SendMoney.Create(t.Context(), kopokopo.SendMoneyReq{
		Destinations: []kopokopo.SendMoneyDestination{kopokopo.ToTill("12345", kopokopo.KES("100"), "Stock")},
		Links:        kopokopo.Links{Callback: "https://shop.example/result"}})
	require.ErrorIs(t, err, kopokopo.ErrOutcomeUnknown)
	require.NotErrorIs(t, err, kopokopo.ErrNotSent)
	require.EqualValues(t, 1, other.taken.Load(), "sent once, and not again")
}

// oneToken is a TokenSource of one token.
type oneToken string

func (f oneToken) Token(context.Context, string) (string, error) { return string(f), nil }

// tokenFunc is a TokenSource that does what it is told.
type tokenFunc func() (string, error)

func (f tokenFunc) Token(context.Context, string) (string, error) { return f() }

func TestTokenSourcesThatMisbehave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := tokenFunc(func() (string, error) { <-release; return "token", nil })
		client, err := kopokopo.New(kopokopo.Config{BaseURL: "http://127.0.0.1:1", TokenSource: stuck})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begun := time.Now()
		_, err = client.IncomingPayments.Get(ctx, "an-id")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 50*time.Millisecond, time.Since(begun))

		time.AfterFunc(time.Second, func() { client.Close() })
		_, err = client.IncomingPayments.Get(t.Context(), "an-id")
		require.ErrorIs(t, err, kopokopo.ErrClosed)
		close(release)

		client, err = kopokopo.New(kopokopo.Config{BaseURL: "http://127.0.0.1:1", CallbackURL: "https://shop.example/result",
			TokenSource: tokenFunc(func() (string, error) { panic("a secret") })})
		require.NoError(t, err)
		defer client.Close()
		_, err = client.IncomingPayments.Create(t.Context(), validSTK())
		require.ErrorIs(t, err, kopokopo.ErrNotSent)
		require.NotContains(t, err.Error(), "a secret")
	})
}

func TestNilTransportsAreTheDefault(t *testing.T) {
	t.Parallel()
	client, err := kopokopo.New(kopokopo.Config{BaseURL: "http://127.0.0.1:1", Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret"},
		MaxRetries: -1, HTTPClient: &http.Client{Transport: (*http.Transport)(nil)}})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Tokens.Get(t.Context())
	require.Error(t, err)
}

// silent is a RoundTripper that returns nothing at all.
type silent struct{}

func (silent) RoundTrip(*http.Request) (*http.Response, error) { return nil, nil }

func TestRoundTripperThatReturnsNothing(t *testing.T) {
	t.Parallel()
	client, err := kopokopo.New(kopokopo.Config{BaseURL: kopokopo.Sandbox, TokenSource: oneToken("token"), HTTPClient: &http.Client{Transport: silent{}}})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.IncomingPayments.Create(t.Context(), validSTK())
	require.ErrorIs(t, err, kopokopo.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "neither an answer nor an error")
}

// A payout is through when the money is, not when the first part of it is.
func TestLessThanWasAskedForIsPending(t *testing.T) {
	t.Parallel()
	batch := func(amounts ...string) string {
		var parts []string
		for _, amount := range amounts {
			parts = append(parts, `{"amount":"`+amount+`","status":"Transferred"}`)
		}
		return `"transfer_batches":[{"status":"Transferred","disbursements":[` + strings.Join(parts, ",") + `]}]`
	}
	decode := func(attributes string, into any) { require.NoError(t, json.Unmarshal([]byte(attributes), into)) }
	for paid, want := range map[string]kopokopo.Outcome{
		batch("500.0", "500.0"): kopokopo.OutcomePending, batch("1000.0", "4999.99"): kopokopo.OutcomePending,
		batch("1000.0", "5000.0"): kopokopo.OutcomeSucceeded, batch("1000.0", "2500", "2500.00"): kopokopo.OutcomeSucceeded,
		batch("1000.0", "a lot"): kopokopo.OutcomePending,
	} {
		var sent kopokopo.SendMoney
		decode(`{"status":"Processed","destinations":[{"amount":1000},{"amount":5000}],`+paid+`}`, &sent)
		require.Equal(t, want, sent.Outcome(), paid)
		var payment kopokopo.Payment
		decode(`{"status":"Processed","amount":{"value":6000},`+paid+`}`, &payment)
		require.Equal(t, want, payment.Outcome(), paid)
		var transfer kopokopo.SettlementTransfer
		decode(`{"status":"Processed","amount":{"value":null},`+paid+`}`, &transfer)
		require.Equal(t, kopokopo.OutcomeSucceeded, transfer.Outcome(), "blind: "+paid)
	}
}
