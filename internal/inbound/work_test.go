package inbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestContextsOfTheCallersCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var works []context.Context
		request, hangUp := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "the request's"))
		var failure error
		r := newRig(func(ctx context.Context) error {
			works = append(works, ctx)
			hangUp() // a sender that hangs up must not stop the work
			require.NoError(t, ctx.Err())
			require.Equal(t, "the request's", ctx.Value(contextKey{}))
			deadline, _ := ctx.Deadline()
			require.Equal(t, 40*time.Second, time.Until(deadline))
			return failure
		}, func(c *Config[string]) { c.AckTimeout, c.WorkTimeout = 7*time.Second, 40*time.Second })
		require.Equal(t, 200, answer(r, signedIn(request, "event")).Code)
		failure = errors.New("failed")
		require.Equal(t, 500, answer(r, signedIn(request, "event")).Code)
		synctest.Wait()
		require.Equal(t, "claim@0 commit@0 claim@0 release@0", r.store.String())
		for _, step := range r.store.steps {
			require.Equal(t, 7*time.Second, step.left, step.what)
			works = append(works, step.ctx)
		}
		for _, ctx := range works {
			require.ErrorIs(t, ctx.Err(), context.Canceled, "each is given back")
		}
	})
}

type contextKey struct{}

func signedIn(ctx context.Context, body string) *http.Request { return request(body).WithContext(ctx) }

func TestStatesOfAClaim(t *testing.T) {
	for state, row := range map[State]struct {
		status int
		retry  string
		log    string
	}{
		Fresh:    {200, "", ""},
		Done:     {200, "", ""},
		Busy:     {503, "1", ""},
		0:        {503, "1", "level=ERROR msg=\"test: delivery store failed on claim, nothing was called\" key=event error=\"claim is in state 0, which does not exist\"\n"},
		Done + 1: {503, "1", "claim is in state 4, which does not exist"},
		-1:       {503, "1", "claim is in state -1, which does not exist"},
	} {
		t.Run(strconv.Itoa(int(state)), func(t *testing.T) {
			calls := 0
			r := newRig(func(context.Context) error { calls++; return nil })
			r.store.claim = func() (State, error) { return state, nil }
			rec := answer(r, request("event"))
			require.Equal(t, row.status, rec.Code)
			require.Equal(t, row.retry, rec.Header().Get("Retry-After"))
			require.Equal(t, state == Fresh, calls == 1)
			require.Len(t, r.store.called("commit"), calls)
			require.Empty(t, r.store.called("release"))
			require.Contains(t, r.log.String(), row.log)
			require.Equal(t, row.log == "", r.log.String() == "")
			r.idle(t)
		})
	}
}

// numbered is a store whose claims are revisions.
type numbered struct{ *script }

func (n numbered) Claim(context.Context, string, [32]byte, time.Duration) (int, error) {
	state, err := n.claim()
	return int(state), err
}
func (n numbered) Extend(context.Context, int, time.Duration) error { return nil }
func (n numbered) Commit(context.Context, int) error                { return nil }
func (n numbered) Release(context.Context, int) error               { return nil }

func TestOverKeepsTheStoresClaim(t *testing.T) {
	s := numbered{&script{}}
	store := Over(s, func(revision int) (State, int) { return Fresh, revision })
	for revision, want := range map[int]int{-3: 1, 0: 1, 1: 1, 2: 2, 9: 9} {
		s.claim = func() (State, error) { return State(revision), nil }
		h, err := store.claim(t.Context(), "", [32]byte{}, 0)
		require.NoError(t, err)
		require.Equal(t, Standing{State: Fresh, Revision: want, Claim: revision}, h)
	}
	s.claim = func() (State, error) { return 1, errors.New("down") }
	h, err := store.claim(t.Context(), "", [32]byte{}, 0)
	require.EqualError(t, err, "down")
	require.Zero(t, h)
}

func TestFailuresOfTheStore(t *testing.T) {
	down := func(context.Context) error { return errors.New("down") }
	for name, row := range map[string]struct {
		plant func(*script)
		fail  error
		want  int
		log   string
	}{
		"claim":   {func(s *script) { s.claim = func() (State, error) { return 0, errors.New("down") } }, nil, 503, "level=ERROR msg=\"test: delivery store failed on claim, nothing was called\" key=event error=down\n"},
		"commit":  {func(s *script) { s.commit = down }, nil, 503, "level=ERROR msg=\"test: delivery store failed on commit: the work was done and may be done again\" key=event error=down\n"},
		"lost":    {func(s *script) { s.commit = func(context.Context) error { return fmt.Errorf("x: %w", ErrLeaseLost) } }, nil, 503, "level=ERROR msg=\"test: another delivery took over while this one was in work: it may have been done twice\" key=event error=\"x: the claim's lease was lost\"\n"},
		"release": {func(s *script) { s.release = down }, errors.New("failed"), 500, "level=ERROR msg=\"test: delivery store failed on release; the claim is held until its lease ends\" key=event error=down\nlevel=ERROR msg=\"test: delivery failed\" key=event error=failed\n"},
		"none":    {func(*script) {}, errors.New("failed"), 500, "level=ERROR msg=\"test: delivery failed\" key=event error=failed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(func(context.Context) error { return row.fail })
			row.plant(r.store)
			rec := answer(r, request("event"))
			require.Equal(t, row.want, rec.Code)
			require.Equal(t, row.want == 503, rec.Header().Get("Retry-After") == "1")
			require.Equal(t, row.log, r.log.String())
			r.idle(t)
		})
	}
}

func TestDeadLetters(t *testing.T) {
	unreadable := func(c *Config[string]) {
		c.Parse = func([]byte, int) (Event[string], error) { return Event[string]{}, errors.New("not JSON") }
	}
	for name, row := range map[string]struct {
		hook   func(context.Context, []byte) error
		status int
		log    string
	}{
		"no hook":  {nil, 422, "level=ERROR msg=\"test: unreadable delivery refused\" cause=\"not JSON\" bytes=5 error=\"no dead-letter hook is set\"\n"},
		"kept":     {func(context.Context, []byte) error { return nil }, 200, "level=WARN msg=\"test: unreadable delivery kept as a dead letter\" cause=\"not JSON\" bytes=5\n"},
		"not kept": {func(context.Context, []byte) error { return errors.New("disk full") }, 422, "level=ERROR msg=\"test: unreadable delivery refused\" cause=\"not JSON\" bytes=5 error=\"disk full\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var given context.Context
				r := newRig(nil, unreadable, func(c *Config[string]) {
					c.AckTimeout = 9 * time.Second
					if row.hook == nil {
						return
					}
					c.DeadLetter = func(ctx context.Context, body []byte) error {
						given = ctx
						deadline, _ := ctx.Deadline()
						require.Equal(t, 9*time.Second, time.Until(deadline))
						require.Equal(t, "event", string(body))
						return row.hook(ctx, body)
					}
				})
				rec := answer(r, request("event"))
				require.Equal(t, row.status, rec.Code)
				headers(t, rec, map[string]string{})
				require.Equal(t, row.log, r.log.String())
				require.Empty(t, r.store.String())
				synctest.Wait()
				require.True(t, given == nil || given.Err() != nil)
				r.idle(t)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // a hook that hangs holds up neither the sender nor the rest
		r := newRig(nil, unreadable, func(c *Config[string]) {
			c.DeadLetter = func(context.Context, []byte) error { time.Sleep(time.Minute); return nil }
		})
		begun := time.Now()
		require.Equal(t, 503, r.post("event"))
		require.Equal(t, 5*time.Second, time.Since(begun))
		require.Contains(t, r.log.String(), "asked to deliver again\" key=\"\"\n")
		r.idle(t)
		require.Equal(t, time.Minute, time.Since(begun))
	})
}

func TestSlowWorkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(takes(20*time.Second), func(c *Config[string]) { c.AckTimeout = 11500 * time.Millisecond })
		begun := time.Now()
		rec := answer(r, request("event"))
		require.Equal(t, 503, rec.Code)
		headers(t, rec, map[string]string{"Retry-After": "12"})
		require.Equal(t, 11500*time.Millisecond, time.Since(begun))
		require.Equal(t, "level=WARN msg=\"test: the function, the store or the dead-letter hook takes longer than the acknowledgement deadline; it goes on, and the sender is asked to deliver again\" key=event\n", r.log.String())
		r.idle(t)
		require.Equal(t, 20*time.Second, time.Since(begun))
		require.Len(t, r.store.called("commit"), 1)
	})
}

// The sender of work that is done waits no longer, and the timer of its deadline is
// given back.
func TestQuickWorkIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(takes(time.Second))
		begun := time.Now()
		require.Equal(t, 200, r.post("event"))
		require.Equal(t, time.Second, time.Since(begun))
		require.Empty(t, r.log.String())
	})
}
