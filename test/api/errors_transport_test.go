package api_test

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// answersOnce is a server that answers one request on each connection with fixed bytes
// and hangs up.
func answersOnce(t *testing.T, answer string) (base string, far *testkit.RawServer) {
	t.Helper()
	far = &testkit.RawServer{Script: testkit.Always(testkit.ReadWhole, testkit.Send(answer))}
	return far.Listen(t), far
}

func TestServersThatAnswerNonsense(t *testing.T) {
	t.Parallel()
	newSDK := func(base string) kopokopo.SDK {
		return kopokopo.NewSDK(kopokopo.Config{BaseURL: base, Credentials: testCredentials(), MaxRetries: -1, Timeout: 20 * time.Second})
	}
	for name, answer := range map[string]string{
		"hangs up":         "",
		"garbage":          "\x00\x01\x02\x03 not HTTP at all\r\n\r\n",
		"half a status":    "HTTP/1.1 20",
		"half a header":    "HTTP/1.1 201 Created\r\nLocation: /api",
		"bad length":       "HTTP/1.1 201 Created\r\nContent-Length: -5\r\n\r\n",
		"bad chunks":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
		"huge header":      "HTTP/1.1 200 OK\r\nX-Big: " + strings.Repeat("a", 200<<10) + "\r\n\r\n",
		"another protocol": "SSH-2.0-OpenSSH_9.6\r\n",
		"short body":       "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":",
		"bad gzip":         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
		"204":              "HTTP/1.1 204 No Content\r\n\r\n",
		"202, no location": "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
		"101":              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, far := answersOnce(t, answer)
			for i, create := range creates {
				// A client of its own: a create that follows a well-formed answer on the
				// same connection may meet its end, and is then in doubt without having
				// arrived. That is right, and not what is counted here.
				id, err := create.Call(newSDK(base), testToken)
				assert.Empty(t, id)
				assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err), "%s: %v", create.Name, err)
				assert.Contains(t, err.Error(), "kopokopo: "+create.Op+": outcome unknown: ")
				assert.NotContains(t, err.Error(), base, "no URL in errors")
				assert.Less(t, len(err.Error()), 1<<10)
				assert.Len(t, far.Seen(), i+1, "sent once")
			}
			sdk := newSDK(base)
			_, err := sdk.QueryIncommingMpesaPayment(testToken, testID)
			require.Error(t, err)
			assert.Empty(t, outcomes(err))
			_, err = sdk.GetToken()
			require.Error(t, err)
			assert.Empty(t, outcomes(err))
		})
	}
}

// What K2 has accepted is accepted, whatever becomes of the body behind it.
func TestAnAcceptedCreateSurvivesABrokenBody(t *testing.T) {
	t.Parallel()
	base, far := answersOnce(t, "HTTP/1.1 201 Created\r\nLocation: /"+testID+"\r\nContent-Length: 100\r\n\r\nabc")
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: base, Credentials: testCredentials()})
	for _, create := range creates {
		id, err := create.Call(sdk, testToken)
		require.NoError(t, err)
		assert.Equal(t, testID, id)
	}
	assert.Len(t, far.Seen(), 4)
}

func TestAServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	// Port 1 and not one that was free a moment ago: another test's server may have it by now.
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: "http://127.0.0.1:1", Credentials: testCredentials(), MaxRetries: -1})
	for _, create := range creates {
		_, err := create.Call(sdk, testToken)
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err), "%v", err)
		assert.ErrorContains(t, err, "kopokopo: "+create.Op+": not sent: ")
	}
	_, err := sdk.GetToken()
	require.ErrorContains(t, err, "refused")
	assert.Empty(t, outcomes(err), "a TCP refusal is not K2's refusal")
}

func TestATokenThatCannotBeFetchedIsNotSent(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, answering(401, "application/json", string(sample(t, "error_401_invalid_client.json"))))
	client, err := kopokopo.New(far.Config())
	require.NoError(t, err)
	_, err = client.IncomingPayments.Create(t.Context(), validSTK())
	assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
	assert.ErrorIs(t, err, kopokopo.ErrUnauthorized)
	assert.ErrorContains(t, err, "kopokopo: create incoming payment: not sent: ")
	assert.Equal(t, "/oauth/token", far.Only(t).Path)
}

func TestTenMegabytes(t *testing.T) {
	far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/api/") {
			w.WriteHeader(http.StatusInternalServerError)
		}
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for range 10 << 20 / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	sdk := far.SDK()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := sdk.QueryIncommingMpesaPayment(testToken, testID)
	require.ErrorIs(t, err, kopokopo.ErrResponseTooLarge)
	assert.Empty(t, outcomes(err))
	_, err = sdk.GetToken()
	require.ErrorIs(t, err, kopokopo.ErrResponseTooLarge)
	for _, create := range creates {
		_, err := create.Call(sdk, testToken)
		assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
		var api *kopokopo.APIError
		require.ErrorAs(t, err, &api)
		assert.Len(t, api.Body(), 4<<10)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(60<<20), "six answers of 10 MB")
	assert.Len(t, far.Seen(), 6)
}

func TestRedirectsAreNeverFollowed(t *testing.T) {
	t.Parallel()
	second := newFarSide(t, created)
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		first := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", second.URL+r.URL.Path+"/"+testID)
			w.WriteHeader(status)
		})
		sdk := first.SDK()
		for _, create := range creates {
			id, err := create.Call(sdk, testToken)
			assert.Empty(t, id)
			require.ErrorIs(t, err, kopokopo.ErrRedirect, status)
			assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err), status)
			assert.NotContains(t, err.Error(), second.URL)
		}
		for name, call := range sdkCalls {
			err := call(sdk, testToken)
			require.ErrorIs(t, err, kopokopo.ErrRedirect, name)
			assert.Empty(t, outcomes(err), name)
		}
		_, err := sdk.GetToken()
		require.ErrorIs(t, err, kopokopo.ErrRedirect)
		var api *kopokopo.APIError
		require.ErrorAs(t, err, &api)
		assert.Equal(t, status, api.StatusCode)
		assert.Contains(t, err.Error(), strconv.Itoa(status))
		assert.Len(t, first.Seen(), len(creates)+len(sdkCalls)+1)
	}
	assert.Empty(t, second.Seen())
	assert.Zero(t, second.Connections())
}

func TestTheCallersOwnContextStaysVisible(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}), make(chan struct{})
	far := newFarSide(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	t.Cleanup(func() { close(release) })
	client, err := kopokopo.New(far.Config())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err = client.V1.Payments.Create(ctx, validPayment(), kopokopo.WithToken(testToken))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
	_, err = client.V1.Payments.Create(ctx, validPayment(), kopokopo.WithToken(testToken))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err), "a context that is over sends nothing")
	far.Only(t)
}
