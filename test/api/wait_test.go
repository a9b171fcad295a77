package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// paymentResult makes an incoming payment's result of the members in question.
func paymentResult(attributes string) string {
	return `{"data":{"id":"` + testID + `","type":"incoming_payment","attributes":{` + attributes + `}}}`
}

// state is an incoming payment in one state, as GET returns it.
func state(status string) string {
	event := `"event":{"type":"Incoming Payment Request","resource":null,"errors":null}`
	switch status {
	case "Success":
		event = `"event":{"type":"Incoming Payment Request","resource":{"status":"Received","reference":"OJJ1MPU40Z"},"errors":null}`
	case "Failed":
		event = `"event":{"type":"Incoming Payment Request","resource":null,"errors":"Request cancelled by 254712345678"}`
	}
	return paymentResult(`"status":"` + status + `",` + event)
}

// looks is a Kopo Kopo whose payment goes through states, one for each look; the
// last stays. It notes when it was asked.
type looks struct {
	begun time.Time
	at    []time.Duration
}

// oneLook is what one look finds.
type oneLook func(r *http.Request) *http.Response

func found(status string) oneLook {
	return func(r *http.Request) *http.Response { return says(r, 200, state(status)) }
}

func refusing(status int, header ...string) oneLook {
	return func(r *http.Request) *http.Response {
		reply := says(r, status, `{"error_code":`+fmt.Sprint(status)+`,"error_message":"no"}`)
		for i := 0; i < len(header); i += 2 {
			reply.Header.Set(header[i], header[i+1])
		}
		return reply
	}
}

// watch waits in a bubble for a payment that goes through the given answers.
func watch(t *testing.T, answers []oneLook, run func(t *testing.T, client *kopokopo.Client, l *looks)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &looks{begun: time.Now()}
		client := scripted(t, func(r *http.Request, _ string) *http.Response {
			if r.Method == http.MethodPost {
				return saysCreated(r, testID)
			}
			l.at = append(l.at, time.Since(l.begun))
			return answers[min(len(l.at), len(answers))-1](r)
		})
		run(t, client, l)
		require.NoError(t, client.Close())
	})
}

func seconds(list ...int) []time.Duration {
	out := make([]time.Duration, len(list))
	for i, s := range list {
		out[i] = time.Duration(s) * time.Second
	}
	return out
}

func TestWaitLooksAtAPaceAndEndsWithTheResult(t *testing.T) {
	watch(t, []oneLook{found("Pending"), found("Received"), found("Sleeping"), found("Success")}, func(t *testing.T, client *kopokopo.Client, l *looks) {
		doc, err := client.IncomingPayments.Wait(t.Context(), testID)
		require.NoError(t, err)
		assert.Equal(t, "OJJ1MPU40Z", doc.Attributes.Event.Resource.Reference)
		assert.Equal(t, seconds(4, 7, 11, 17), l.at)
	})
}

func TestWaitTellsAFailure(t *testing.T) {
	watch(t, []oneLook{found("Failed")}, func(t *testing.T, client *kopokopo.Client, _ *looks) {
		doc, err := client.IncomingPayments.CreateAndWait(t.Context(), validSTK())
		require.ErrorIs(t, err, kopokopo.ErrPaymentFailed)
		require.NotErrorIs(t, err, kopokopo.ErrStillPending)
		assert.Empty(t, outcomes(err), "the request was accepted")
		assert.Equal(t, "Failed", doc.Attributes.Status)
		var failed *kopokopo.FailedError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, kopokopo.FailedError{ID: testID, Type: "incoming_payment", Outcome: isFailed, Reasons: []string{"Request cancelled by *******"},
			Code: kopokopo.FailureUnknown}, *failed)
	})
}

func TestWaitEndsAtItsLimit(t *testing.T) {
	watch(t, []oneLook{found("Pending")}, func(t *testing.T, client *kopokopo.Client, l *looks) {
		doc, err := client.IncomingPayments.Wait(t.Context(), testID)
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "kopokopo: wait for incoming payment: still pending after 5m0s")
		assert.Equal(t, "Pending", doc.Attributes.Status)
		assert.Equal(t, 5*time.Minute, time.Since(l.begun))
		assert.Equal(t, seconds(4, 7, 11, 17, 26, 39, 59, 79), l.at[:8])
		assert.Equal(t, 5*time.Minute, l.at[len(l.at)-1], "the last look is at the limit")
	})
}

func TestWaitLimits(t *testing.T) {
	for limit, want := range map[time.Duration][]time.Duration{
		-time.Second: seconds(0), 0: seconds(0), time.Second: seconds(1), 4 * time.Second: seconds(4),
		8 * time.Second: seconds(4, 7, 8), 10 * time.Minute: nil,
	} {
		watch(t, []oneLook{found("Pending")}, func(t *testing.T, client *kopokopo.Client, l *looks) {
			_, err := client.IncomingPayments.Wait(t.Context(), testID, kopokopo.WithWaitLimit(limit))
			require.ErrorIs(t, err, kopokopo.ErrStillPending)
			assert.Equal(t, max(limit, 0), time.Since(l.begun))
			if want != nil {
				assert.Equal(t, want, l.at, limit)
			}
		})
	}
}

// Payouts are looked after at their own pace.
func TestWaitForAPayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begun := time.Now()
		client := scripted(t, func(r *http.Request, _ string) *http.Response {
			at = append(at, time.Since(begun))
			return says(r, 200, `{"data":{"id":"`+testID+`","type":"send_money","attributes":{"status":"Scheduled"}}}`)
		})
		doc, err := client.SendMoney.Wait(t.Context(), testID)
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		assert.Equal(t, "Scheduled", doc.Attributes.Status)
		assert.Equal(t, seconds(2, 4, 7, 12, 20, 33, 53, 83, 113), at[:9])
	})
}

// One look that fails says nothing about the payment.
func TestWaitOutlastsFailedLooks(t *testing.T) {
	broken := func(r *http.Request) *http.Response { return says(r, 200, `<html>`) }
	other := func(r *http.Request) *http.Response {
		return says(r, 200, `{"data":{"id":"another","type":"incoming_payment","attributes":{"status":"Success"}}}`)
	}
	answers := []oneLook{refusing(404), refusing(404), refusing(500), refusing(429), broken, other, refusing(302), refusing(503), refusing(408), found("Success")}
	watch(t, answers, func(t *testing.T, client *kopokopo.Client, l *looks) {
		_, err := client.IncomingPayments.Wait(t.Context(), testID)
		require.NoError(t, err)
		assert.Len(t, l.at, len(answers))
	})
}

func TestWaitEndsWhereLookingIsPointless(t *testing.T) {
	for status, is := range map[int]error{401: kopokopo.ErrUnauthorized, 403: nil, 400: nil, 410: nil} {
		watch(t, []oneLook{found("Pending"), refusing(status)}, func(t *testing.T, client *kopokopo.Client, l *looks) {
			doc, err := client.IncomingPayments.Wait(t.Context(), testID)
			var refusal *kopokopo.APIError
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, status, refusal.StatusCode)
			assert.Equal(t, "Pending", doc.Attributes.Status, "the last state is in hand")
			assert.Empty(t, outcomes(err), "it says nothing about the payment")
			require.NotErrorIs(t, err, kopokopo.ErrPaymentFailed)
			if is != nil {
				require.ErrorIs(t, err, is)
			}
			assert.Equal(t, seconds(4, 7), l.at[:2])
		})
	}
	watch(t, []oneLook{refusing(404)}, func(t *testing.T, client *kopokopo.Client, l *looks) {
		doc, err := client.IncomingPayments.Wait(t.Context(), testID)
		require.Error(t, err)
		assert.Nil(t, doc)
		assert.Equal(t, seconds(4, 7, 11, 17), l.at, "by then K2 would know it")
	})
	watch(t, nil, func(t *testing.T, client *kopokopo.Client, l *looks) {
		for _, id := range []string{"", "../x", "https://elsewhere.example/api/v2/incoming_payments/" + testID} {
			_, err := client.IncomingPayments.Wait(t.Context(), id)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(t, err, &invalid)
		}
		_, err := client.IncomingPayments.Wait(t.Context(), testID, kopokopo.WithToken(""))
		require.ErrorIs(t, err, kopokopo.ErrEmptyToken)
		var none context.Context
		_, err = client.IncomingPayments.Wait(none, testID)
		require.ErrorContains(t, err, "context is nil")
		assert.Empty(t, l.at)
	})
}

func TestWaitGivesK2ThePauseItAsksFor(t *testing.T) {
	answers := []oneLook{refusing(429, "Retry-After", "60"), refusing(503, "Retry-After", "10"), found("Success")}
	watch(t, answers, func(t *testing.T, client *kopokopo.Client, l *looks) {
		_, err := client.IncomingPayments.Wait(t.Context(), testID)
		require.NoError(t, err)
		assert.Equal(t, seconds(4, 64, 74), l.at)
	})
	watch(t, []oneLook{refusing(429, "Retry-After", "600")}, func(t *testing.T, client *kopokopo.Client, l *looks) {
		_, err := client.IncomingPayments.Wait(t.Context(), testID)
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		assert.ErrorContains(t, err, "429")
		assert.Equal(t, seconds(4), l.at, "not asked again before its time")
		assert.Equal(t, 5*time.Minute, time.Since(l.begun))
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	watch(t, []oneLook{found("Pending")}, func(t *testing.T, client *kopokopo.Client, l *looks) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		doc, err := client.IncomingPayments.Wait(ctx, testID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		assert.Equal(t, "Pending", doc.Attributes.Status)
		assert.Equal(t, 5*time.Second, time.Since(l.begun))

		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		doc, err = client.IncomingPayments.CreateAndWait(ctx, validSTK())
		assert.Nil(t, doc, "nothing was created")
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
		require.ErrorIs(t, err, context.Canceled)
	})
	watch(t, []oneLook{found("Pending")}, func(t *testing.T, client *kopokopo.Client, _ *looks) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		doc, err := client.IncomingPayments.CreateAndWait(ctx, validSTK())
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		require.NotNil(t, doc)
		assert.Equal(t, testID, doc.ID, "the id of what was created is never lost")
		assert.Equal(t, isPending, doc.Attributes.Outcome())
	})
}

// A context that ends while K2 does not oneLook ends the wait at once.
func TestWaitEndsWithItsContextDuringALook(t *testing.T) {
	world(t, func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client) {
		ref, err := client.IncomingPayments.Create(t.Context(), validSTK())
		require.NoError(t, err)
		k2.Inject(kopokopotest.Fault{Method: http.MethodGet, Path: "/api/v2/incoming_payments", Delay: time.Hour, Times: -1})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 6*time.Second, errors.New("closing time"))
		defer cancel()
		begun := time.Now()
		doc, err := client.IncomingPayments.Wait(ctx, ref.ID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		assert.Nil(t, doc)
		assert.Equal(t, 6*time.Second, time.Since(begun))
	}, kopokopotest.WithDelay(time.Minute))
}

// A Kopo Kopo that does not answer costs one timeout at a time, and does not pass for
// the end of the caller's context.
func TestWaitWhileK2IsSilent(t *testing.T) {
	world(t, func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client) {
		ref, err := client.IncomingPayments.Create(t.Context(), validSTK())
		require.NoError(t, err)
		k2.Inject(kopokopotest.Fault{Method: http.MethodGet, Path: "/api/v2/incoming_payments", Delay: time.Hour, Times: -1})
		begun := time.Now()
		doc, err := client.IncomingPayments.Wait(t.Context(), ref.ID)
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the last look failed")
		assert.Nil(t, doc)
		assert.LessOrEqual(t, time.Since(begun), 5*time.Minute+30*time.Second)
	}, kopokopotest.WithDelay(time.Hour))
}

func TestWaitEndsWithTheClient(t *testing.T) {
	watch(t, []oneLook{found("Pending")}, func(t *testing.T, client *kopokopo.Client, l *looks) {
		time.AfterFunc(9*time.Second, func() { _ = client.Close() })
		doc, err := client.IncomingPayments.Wait(t.Context(), testID)
		require.ErrorIs(t, err, kopokopo.ErrClosed)
		require.ErrorIs(t, err, kopokopo.ErrStillPending)
		assert.Equal(t, "Pending", doc.Attributes.Status)
		assert.Equal(t, 9*time.Second, time.Since(l.begun))
	})
}

// Against the embedded Kopo Kopo, through faults and a token that expires.
func TestWaitThroughTrouble(t *testing.T) {
	world(t, func(t *testing.T, k2 *kopokopotest.Server, client *kopokopo.Client) {
		begun := time.Now()
		ref, err := client.IncomingPayments.Create(t.Context(), validSTKFor(kopokopotest.SuccessTill))
		require.NoError(t, err)
		const path = "/api/v2/incoming_payments"
		k2.Inject(kopokopotest.Fault{Method: http.MethodGet, Path: path, Drop: true, Times: 3})
		k2.Inject(kopokopotest.Fault{Method: http.MethodGet, Path: path, Status: 502, Body: []byte("<html>"), Times: 3})
		doc, err := client.IncomingPayments.Wait(t.Context(), ref.ID)
		require.NoError(t, err)
		assert.Equal(t, "Success", doc.Attributes.Status)
		assert.Greater(t, time.Since(begun), 90*time.Second)
		assert.Equal(t, 1, k2.Count(http.MethodPost, path), "one payment")
	}, kopokopotest.WithDelay(90*time.Second), kopokopotest.WithTokenLifetime(30*time.Second))
}

func validSTKFor(till string) kopokopo.ReceiveMpesaReq {
	req := validSTK()
	req.TillNumber = till
	return req
}
