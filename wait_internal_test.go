package kopokopo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type silent struct{ looks atomic.Int32 }

// RoundTrip hands out tokens, and answers nothing else until the request is given up.
func (s *silent) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/oauth/token" {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, ContentLength: -1,
			Body: io.NopCloser(strings.NewReader(`{"access_token":"abc","expires_in":3600}`))}, nil
	}
	s.looks.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// inSilence runs a test in a bubble with a client of a Kopo Kopo that never answers.
func inSilence(t *testing.T, run func(t *testing.T, client *Client, k2 *silent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k2 := &silent{}
		client, err := New(Config{BaseURL: Sandbox, Credentials: Credentials{AppID: "id", Secret: "secret"}, HTTPClient: &http.Client{Transport: k2}})
		require.NoError(t, err)
		run(t, client, k2)
		require.NoError(t, client.Close())
		assert.Zero(t, client.core.results.Waiting(), "every waiter has left")
	})
}

// paidResult is the callback of an incoming payment with this id and status.
func paidResult(id, status string) json.RawMessage {
	return json.RawMessage(`{"data":{"id":"` + id + `","type":"incoming_payment","attributes":{"status":"` + status + `","event":{"resource":{"status":"Received","reference":"OJJ1MPU40Z"}}}}}`)
}

func TestAResultThatArrivesEndsTheWaitAtOnce(t *testing.T) {
	for name, after := range map[string]time.Duration{"between looks": 2 * time.Second, "during a look": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inSilence(t, func(t *testing.T, client *Client, k2 *silent) {
				begun := time.Now()
				time.AfterFunc(after/2, func() { client.deliver("P-1", paidResult("p-1", "Received")) })
				time.AfterFunc(after, func() { client.deliver("P-1", paidResult("p-1", "Success")) })
				doc, err := client.IncomingPayments.Wait(t.Context(), "p-1")
				require.NoError(t, err)
				assert.Equal(t, "OJJ1MPU40Z", doc.Attributes.Event.Resource.Reference)
				assert.Equal(t, after, time.Since(begun))
			})
		})
	}
}

func TestAResultCanFailAndCanBeBare(t *testing.T) {
	inSilence(t, func(t *testing.T, client *Client, _ *silent) {
		time.AfterFunc(time.Second, func() {
			client.deliver("s-1", json.RawMessage(`{"id":"s-1","type":"reversals","attributes":{"status":"Processed","errors":["no funds"]}}`))
		})
		doc, err := client.Reversals.Wait(t.Context(), "s-1")
		require.ErrorIs(t, err, ErrPaymentFailed)
		assert.Equal(t, []string{"no funds"}, doc.Attributes.Reasons())
	})
}

// What is not this resource's result changes nothing.
func TestStrangeResultsAreIgnored(t *testing.T) {
	for name, raw := range map[string]string{
		"another id":   string(paidResult("p-2", "Success")),
		"another type": strings.Replace(string(paidResult("p-1", "Success")), "incoming_payment", "payment", 1),
		"garbage":      `{"data":`,
		"nothing":      ``,
		"event":        `{"topic":"buygoods_transaction_received","id":"p-1"}`,
	} {
		inSilence(t, func(t *testing.T, client *Client, k2 *silent) {
			client.deliver("p-1", json.RawMessage(raw))
			time.AfterFunc(5*time.Second, func() { client.deliver("p-1", json.RawMessage(raw)) })
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			doc, err := client.IncomingPayments.Wait(ctx, "p-1")
			require.ErrorIs(t, err, ErrStillPending, name)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			assert.Nil(t, doc, name)
			assert.NotZero(t, k2.looks.Load(), "K2 was asked")
		})
	}
}

// A look that a result interrupts is not a failure that the error mentions.
func TestAnInterruptedLookIsNoFailure(t *testing.T) {
	inSilence(t, func(t *testing.T, client *Client, _ *silent) {
		time.AfterFunc(5*time.Second, func() { client.deliver("p-1", paidResult("p-1", "Received")) })
		doc, err := client.IncomingPayments.Wait(t.Context(), "p-1", WithWaitLimit(6*time.Second))
		require.ErrorIs(t, err, ErrStillPending)
		require.NotErrorIs(t, err, context.Canceled)
		assert.Equal(t, "Received", doc.Attributes.Status)
	})
}

func TestAResultThatCameBeforeTheWaitIsRemembered(t *testing.T) {
	inSilence(t, func(t *testing.T, client *Client, k2 *silent) {
		raw := paidResult("p-1", "Success")
		client.deliver("p-1", raw)
		clear(raw) // the handler's buffer is used again
		time.Sleep(9 * time.Minute)
		for range 2 {
			_, err := client.IncomingPayments.Wait(t.Context(), "P-1")
			require.NoError(t, err)
		}
		assert.Zero(t, k2.looks.Load(), "K2 was not asked")
		time.Sleep(2 * time.Minute)
		_, err := client.IncomingPayments.Wait(t.Context(), "p-1", WithWaitLimit(0))
		require.ErrorIs(t, err, ErrStillPending)
		assert.NotZero(t, k2.looks.Load(), "it was forgotten after ten minutes")
		ids, size := client.core.results.Kept()
		assert.Zero(t, ids)
		assert.Zero(t, size)
	})
}

// Any number can wait for the same result.
func TestManyWaitForOneResult(t *testing.T) {
	inSilence(t, func(t *testing.T, client *Client, _ *silent) {
		var group sync.WaitGroup
		var paid atomic.Int32
		for range 50 {
			group.Go(func() {
				if _, err := client.IncomingPayments.Wait(t.Context(), "p-1"); err == nil {
					paid.Add(1)
				}
			})
		}
		for range 50 {
			group.Go(func() {
				time.Sleep(10 * time.Second)
				client.deliver("p-1", paidResult("p-1", "Success"))
			})
		}
		group.Wait()
		assert.EqualValues(t, 50, paid.Load())
	})
	var none *Client
	none.deliver("p-1", nil)
	new(Client).deliver("p-1", nil)
}
