package intents_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// crashPoint is one write of a create's, and what happens to it.
type crashPoint struct {
	method string
	before []mishap // of the same method's earlier calls
	at     mishap

	outcome error                // of the call, nil if it returns its Ref
	posts   int                  // that K2 saw then
	state   kopokopo.IntentState // of the key when every lease has ended, but for sending, which is in doubt
	logged  int                  // lines at level ERROR
}

// mishaps are all that make a call of the store fail.
var mishaps = []mishap{failsBefore, failsAfter, hangsBefore, hangsAfter, panicsBefore, panicsAfter, diesBefore, diesAfter}

// TestCrashPoints lets the store fail, hang, panic or its process end before and after
// the effect of each write of a create that K2 accepts. The call never says anything
// that is not so, and whatever the key is afterwards, the program's next one does not
// send what K2 has.
func TestCrashPoints(t *testing.T) {
	var points []crashPoint
	for _, m := range mishaps {
		taken := crashPoint{method: "Begin", at: m, outcome: kopokopo.ErrNotSent, state: kopokopo.IntentFree}
		switch m {
		case diesAfter, hangsAfter: // nobody was left to give it back, or it was taken after it was given back
			taken.state = kopokopo.IntentSending
		}
		recorded := crashPoint{method: "Update", at: m, posts: 1, state: kopokopo.IntentCreated}
		switch m {
		case diesBefore:
			recorded.state, recorded.logged = kopokopo.IntentSending, 1
		case diesAfter:
			recorded.logged = 1
		}
		points = append(points, taken, recorded)
	}
	for _, p := range points {
		t.Run(fmt.Sprint(p.method, "/", p.at), func(t *testing.T) {
			inShop(t, nil, func(s *shop) { p.run(s) })
		})
	}
}

// run makes one call that meets the mishap, and another one after a restart.
func (p crashPoint) run(s *shop) {
	s.store.meet(p.method, append(p.before, p.at)...)
	ref, err := s.push("k")
	if p.outcome == nil {
		require.NoError(s, err)
		require.Equal(s, "resource-1", ref.ID)
	} else {
		require.Zero(s, s.outcome(err, p.outcome).Attempts)
	}
	require.Equal(s, p.posts, s.k2.total())
	s.logged("ERROR", p.logged, "is in doubt")

	time.Sleep(time.Minute)
	s.restart()
	id := ""
	if p.state == kopokopo.IntentCreated {
		id = "resource-1"
	}
	s.is("k", p.state, id)
	again, err := s.push("k")
	switch p.state {
	case kopokopo.IntentFree:
		require.NoError(s, err)
	case kopokopo.IntentCreated:
		require.NoError(s, err)
		require.Equal(s, ref, again, "the same Ref")
	default:
		require.Zero(s, s.unknown(err).Attempts)
	}
	require.LessOrEqual(s, s.k2.total(), 1)
}

// A store that is down for good when a create is recorded: the call has its Ref, and the
// key is in doubt and never free.
func TestStoreDownAfterSending(t *testing.T) {
	for _, m := range []mishap{failsBefore, hangsBefore, panicsBefore} {
		inShop(t, nil, func(s *shop) {
			s.store.meet("Update", m, m, m, m)
			begun := time.Now()
			_, err := s.push("k")
			require.NoError(s, err)
			require.LessOrEqual(s, time.Since(begun), 5*time.Second)
			s.logged("ERROR", 1, "key=k")
			_, err = s.push("k")
			s.unknown(err, kopokopo.ErrIntentBusy)
			time.Sleep(time.Minute)
			_, err = s.push("k")
			require.NotErrorIs(s, s.unknown(err), kopokopo.ErrIntentBusy)
			require.Equal(s, 1, s.k2.total())
			require.Len(s, s.store.writes(), 1+3+1+1, "three tries of recording")
		})
	}
}

// What K2 refused, and what was not sent, is not free while the store cannot say so.
func TestStoreDownAfterRefusal(t *testing.T) {
	inShop(t, inTurn(refusal(400)), func(s *shop) {
		s.store.meet("Update", failsBefore, failsBefore, failsBefore)
		_, err := s.push("k")
		s.outcome(err, kopokopo.ErrRefused)
		time.Sleep(time.Minute)
		_, err = s.push("k")
		s.unknown(err)
		require.NoError(s, s.client.Intents.SettleNotCreated(s.Context(), "k"))
		_, err = s.push("k")
		require.NoError(s, err)
	})
}

// The caller's context is over, and what K2 has done is recorded all the same.
func TestRecordedAfterTheCaller(t *testing.T) {
	late := ordinary
	late.delay = time.Second
	inShop(t, inTurn(late), func(s *shop) {
		ctx, cancel := context.WithTimeout(s.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := push(ctx, s.client, "1500", "", kopokopo.WithIdempotencyKey("k"))
		s.unknown(err, context.DeadlineExceeded)
		s.is("k", kopokopo.IntentInDoubt, "")
		time.Sleep(time.Second)
		require.Equal(s, 200, s.post(s.k2.first().result(true)))
		s.is("k", kopokopo.IntentFinal, "resource-1")
	})
}

// Whose time is over is told by the error: the store's, or the caller's.
func TestStoreAndCallerAreTold(t *testing.T) {
	for _, m := range []mishap{hangsBefore, hangsAfter} {
		inShop(t, nil, func(s *shop) {
			s.store.meet("Begin", m)
			_, err := s.push("k")
			s.notSent(err)
			require.NotErrorIs(s, err, context.DeadlineExceeded)
			s.store.meet("Begin", m)
			ctx, cancel := context.WithTimeout(s.Context(), time.Second)
			defer cancel()
			_, err = push(ctx, s.client, "1500", "", kopokopo.WithIdempotencyKey("k2"))
			s.notSent(err, context.DeadlineExceeded)
			time.Sleep(time.Minute)
		})
	}
}

// hostile is a store whose errors do harm: they panic, or pass for an outcome.
type hostile struct {
	kopokopo.IntentStore
	err error
}

func (s hostile) Begin(context.Context, kopokopo.Intent, time.Duration) (kopokopo.Intent, error) {
	return kopokopo.Intent{}, s.err
}

func (s hostile) Update(context.Context, string, kopokopo.Intent, time.Duration) error { return s.err }

// evil is an error that panics whatever is asked of it.
type evil struct{}

func (evil) Error() string { panic("text") }
func (evil) Is(error) bool { panic("is") }
func (evil) As(any) bool   { panic("as") }
func (evil) Unwrap() error { panic("unwrap") }

func TestHostileErrors(t *testing.T) {
	for name, err := range map[string]error{
		"panics":                evil{},
		"another call's":        fmt.Errorf("down: %w", &kopokopo.CallError{Op: "create", Outcome: kopokopo.ErrOutcomeUnknown, Err: errors.New("x")}),
		"a refusal":             errors.Join(kopokopo.ErrRefused, kopokopo.ErrOutcomeUnknown),
		"a payment that failed": &kopokopo.FailedError{ID: "id", Type: "payment", Outcome: kopokopo.OutcomeFailed},
		"personal":              errors.New("row 254712345678 of +254 712 345 678 is locked"),
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, nil, func(s *shop) {
				_, failed := s.push("k")
				require.Zero(s, s.notSent(failed).Attempts)
				require.NotErrorIs(s, failed, kopokopo.ErrPaymentFailed)
				require.NotContains(s, failed.Error(), "345")
				require.Zero(s, s.k2.Dialled())
				require.Empty(s, testkit.Outcomes(s.client.Intents.SettleNotCreated(s.Context(), "k")))
				require.NotContains(s, s.log.String(), "345")
			}, func(cfg *kopokopo.Config) { cfg.Intents = hostile{memory(), err} })
			inShop(t, nil, func(s *shop) { // and after K2 has accepted it
				ref, failed := s.push("k")
				require.NoError(s, failed)
				require.Equal(s, "resource-1", ref.ID)
				require.NotContains(s, s.log.String(), "345")
			}, func(cfg *kopokopo.Config) { cfg.Intents = recording{memory(), err} })
		})
	}
}

// recording is a store that fails to record only.
type recording struct {
	kopokopo.IntentStore
	err error
}

func (s recording) Update(context.Context, string, kopokopo.Intent, time.Duration) error {
	return s.err
}
