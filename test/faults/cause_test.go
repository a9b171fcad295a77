package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// Goroutines that pay share a context (errgroup), whose cause is then the failure of
// the first payment that failed. It must not come out of the others.

// others are what a payment of another goroutine can have failed with.
var others = map[string]error{
	"a payment that failed": &kopokopo.FailedError{ID: "another", Type: "send_money", Outcome: kopokopo.OutcomeFailed, Reasons: []string{"another's reason"}},
	"a part of a payment":   &kopokopo.FailedError{ID: "another", Type: "send_money", Outcome: kopokopo.OutcomePartial},
	"only a word of it":     fmt.Errorf("another's reason: %w", kopokopo.ErrPaymentFailed),
	"a refusal":             &kopokopo.APIError{StatusCode: 401, Messages: []string{"another's reason"}},
	"an error of a call":    &kopokopo.CallError{Op: "create another", Outcome: kopokopo.ErrRefused, Attempts: 7, Err: errors.New("another's reason")},
	"an invalid request":    &kopokopo.ValidationError{What: "another", Fields: []kopokopo.FieldError{{Field: "id", Message: "another's reason", Err: kopokopo.ErrEmptyID}}},
	"a program's own":       errors.New("another's reason"),
}

// speaksForItself fails if an error says anything of another payment.
func (e *env) speaksForItself(err, other error) {
	e.Helper()
	require.Error(e.T, err)
	require.ErrorIs(e.T, err, context.Canceled)
	assert.NotContains(e.T, err.Error(), "another")
	assert.NotErrorIs(e.T, err, other)
	for _, word := range []error{kopokopo.ErrPaymentFailed, kopokopo.ErrPartial, kopokopo.ErrUnauthorized, kopokopo.ErrEmptyID, kopokopo.ErrRedirect, kopokopo.ErrClosed} {
		assert.NotErrorIs(e.T, err, word)
	}
	var failed *kopokopo.FailedError
	assert.False(e.T, errors.As(err, &failed))
	var api *kopokopo.APIError
	assert.False(e.T, errors.As(err, &api))
	var invalid *kopokopo.ValidationError
	assert.False(e.T, errors.As(err, &invalid))
	var call *kopokopo.CallError
	require.ErrorAs(e.T, err, &call)
	assert.NotEqual(e.T, 7, call.Attempts)
	if e.col.create {
		assert.Len(e.T, outcomes(err), 1)
	} else {
		assert.Empty(e.T, outcomes(err))
	}
}

func TestAnotherPaymentsFailureStaysAnothers(t *testing.T) {
	hanging := always(readWhole, hang)
	phases := map[string]struct {
		ways    []string
		arrange func(e *env)
		unsent  bool
	}{
		"dialling": {allWays[:3], func(e *env) {
			e.w.OnDial = func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }
		}, true},
		"waiting for K2":      {allWays, func(e *env) { e.w.Script = hanging }, false},
		"in the middle of it": {allWays, func(e *env) { e.w.Script = always(readWhole, send("HTTP/1.1 200 O"), hang) }, false},
		"asking for a token":  {ourWay, func(e *env) { e.cfg.TokenSource, e.w.Script = nil, hanging }, true},
		"in a TokenSource": {ourWay, func(e *env) {
			e.cfg.TokenSource = sourceFunc(func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) })
		}, true},
		"in a RoundTripper": {[]string{callers}, func(e *env) {
			e.cfg.HTTPClient = &http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, context.Cause(req.Context())
			})}
		}, false},
		"in a wrapper": {[]string{callers}, func(e *env) {
			e.wrap(func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, fmt.Errorf("traced: %w", context.Cause(req.Context()))
			})
		}, false},
	}
	for name, phase := range phases {
		t.Run(name, func(t *testing.T) {
			for of, other := range others {
				t.Run(of, func(t *testing.T) {
					fault(t, everyone, phase.ways, func(e *env) {
						phase.arrange(e)
						ctx, cancel := context.WithCancelCause(e.Context())
						time.AfterFunc(time.Second, func() { cancel(other) })
						var err error
						assert.Equal(e.T, time.Second, elapsed(func() { err = e.call(ctx) }), "at once")
						e.speaksForItself(err, other)
						switch {
						case !e.col.create:
						case phase.unsent:
							assert.ErrorIs(e.T, err, kopokopo.ErrNotSent)
						default:
							assert.ErrorIs(e.T, err, kopokopo.ErrOutcomeUnknown)
						}
					})
				})
			}
		})
	}
}

func TestAnotherPaymentsFailureDoesNotEndAWaitAsItsOwn(t *testing.T) {
	for of, other := range others {
		t.Run(of, func(t *testing.T) {
			for name, look := range map[string]step{"between two looks": serveAll, "during one": func(p *peer) error {
				if err := readWhole(p); err != nil {
					return err
				}
				return hang(p)
			}} {
				t.Run(name, func(t *testing.T) {
					fault(t, "R", allWays, func(e *env) {
						e.w.Script = always(look)
						ctx, cancel := context.WithCancelCause(e.Context())
						time.AfterFunc(5*time.Second, func() { cancel(other) })
						var err error
						assert.Equal(e.T, 5*time.Second, elapsed(func() { _, err = e.start().IncomingPayments.Wait(ctx, testID) }))
						e.speaksForItself(err, other)
						require.ErrorIs(e.T, err, kopokopo.ErrStillPending)
					})
				})
			}
		})
	}
}

// What comes from a caller's code as it is, and speaks of another payment, is no word
// about this one either.
func TestACallersCodeDoesNotSpeakForTheCall(t *testing.T) {
	for of, other := range others {
		t.Run(of, func(t *testing.T) {
			fault(t, everyone, []string{callers}, func(e *env) {
				e.wrap(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, other })
				err := e.call(e.Context())
				require.Error(e.T, err)
				for _, word := range []error{kopokopo.ErrPaymentFailed, kopokopo.ErrPartial, kopokopo.ErrUnauthorized, kopokopo.ErrEmptyID} {
					assert.NotErrorIs(e.T, err, word)
				}
				var failed *kopokopo.FailedError
				assert.False(e.T, errors.As(err, &failed))
				var api *kopokopo.APIError
				assert.False(e.T, errors.As(err, &api))
				var call *kopokopo.CallError
				require.ErrorAs(e.T, err, &call)
				assert.NotEqual(e.T, "create another", call.Op)
				if e.col.create {
					assert.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
				} else {
					assert.Empty(e.T, outcomes(err))
				}
			})
			fault(t, everyone, ourWay, func(e *env) {
				e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { return "", other })
				err := e.call(e.Context())
				require.Error(e.T, err)
				for _, word := range []error{kopokopo.ErrPaymentFailed, kopokopo.ErrPartial} {
					assert.NotErrorIs(e.T, err, word)
				}
				var failed *kopokopo.FailedError
				assert.False(e.T, errors.As(err, &failed))
				if e.col.create {
					assert.Equal(e.T, []error{kopokopo.ErrNotSent}, outcomes(err))
				} else {
					assert.Empty(e.T, outcomes(err))
				}
				assert.Zero(e.T, e.w.Connections())
			})
		})
	}
}
