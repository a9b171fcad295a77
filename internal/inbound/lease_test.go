package inbound

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// takes is work of a length, whatever its context says.
func takes(d time.Duration) func(context.Context) error {
	return func(context.Context) error { time.Sleep(d); return nil }
}

// timeline runs one delivery to its end and an hour longer, and returns the calls of
// the store.
func timeline(t *testing.T, r *rig) string {
	t.Helper()
	r.post("event")
	r.idle(t)
	time.Sleep(time.Hour)
	return r.store.String()
}

// extends is a part of a timeline.
func extends(from, to, every int) string {
	var all []string
	for at := from; at <= to; at += every {
		all = append(all, "extend@"+strconv.Itoa(at))
	}
	return strings.Join(all, " ")
}

func TestLeaseIsExtendedWhileTheFunctionRuns(t *testing.T) {
	for work, want := range map[time.Duration]string{
		0:                       "claim@0 commit@0",
		4999 * time.Millisecond: "claim@0 commit@4.999",
		6 * time.Second:         "claim@0 extend@5 commit@6",
		14 * time.Second:        "claim@0 extend@5 extend@10 commit@14",
		71 * time.Second:        "claim@0 " + extends(5, 70, 5) + " commit@71", // longer than its context
	} {
		t.Run(work.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(takes(work))
				require.Equal(t, want, timeline(t, r))
				require.Equal(t, 15*time.Second, r.store.called("claim")[0].lease)
				for _, e := range r.store.called("extend") {
					require.Equal(t, 15*time.Second, e.lease)
					require.Equal(t, 5*time.Second, e.left, "what an Extend may take")
					require.Error(t, e.ctx.Err(), "its context is given back")
				}
				require.NotContains(t, r.log.String(), "extend")
			})
		})
	}
}

func TestFailedExtendIsTriedAgain(t *testing.T) {
	for name, row := range map[string]struct {
		fails func(n int) bool
		want  string
		log   string
	}{
		"once": {func(n int) bool { return n == 1 }, "claim@0 extend@5 extend@6 extend@11 extend@16 extend@21 commit@23",
			"level=ERROR msg=\"test: delivery store failed on extend; it is tried again\" key=event error=down times=1\n"},
		"twice": {func(n int) bool { return n == 2 || n == 3 }, "claim@0 extend@5 extend@10 extend@11 extend@12 extend@17 extend@22 commit@23",
			"level=ERROR msg=\"test: delivery store failed on extend; it is tried again\" key=event error=down times=1\n"},
		"late": {func(n int) bool { return n == 3 || n == 4 }, "claim@0 extend@5 extend@10 extend@15 extend@16 extend@17 extend@22 commit@23",
			"level=ERROR msg=\"test: delivery store failed on extend; it is tried again\" key=event error=down times=1\n"},
		// After 15 s the lease ends, which by itself takes nothing away: the attempts go
		// on at the usual pace, and so does the function.
		"always": {func(int) bool { return true }, "claim@0 " + extends(5, 15, 1) + " extend@20 commit@23",
			"level=ERROR msg=\"test: delivery store failed on extend until the lease ended: another delivery may take over while this one is in work\" key=event error=down times=1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(ctx context.Context) error { time.Sleep(23 * time.Second); return ctx.Err() })
				r.store.extend = func(_ context.Context, n int) error {
					if row.fails(n) {
						return errors.New("down")
					}
					return nil
				}
				require.Equal(t, row.want, timeline(t, r), "the function's context does not end")
				require.Contains(t, r.log.String(), row.log)
			})
		})
	}
}

// What an Extend took is no reason to be late with the next one.
func TestSlowExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(takes(23 * time.Second))
		r.store.extend = func(context.Context, int) error { time.Sleep(2 * time.Second); return nil }
		require.Equal(t, "claim@0 extend@5 extend@10 extend@15 extend@20 commit@23", timeline(t, r))
	})
}

// An Extend that comes back when all is over sets no timer again.
func TestExtendAfterTheEnd(t *testing.T) {
	for name, f := range map[string]*failure{"succeeds": nil, "fails": {text: "down"}, "is lost": {lost: true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(nil)
			l := r.keep(t.Context(), "event", Standing{}, time.Now())
			l.stop()
			r.extended(l, "event", time.Now(), f)
			require.False(t, l.timer.Stop(), "a timer is set")
			require.False(t, l.lost())
			require.Empty(t, r.log.String())
		})
	}
}

// However it fails, an Extend is tried again.
func TestExtendThatPanicsOrExits(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("x") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(takes(8 * time.Second))
				r.store.extend = func(_ context.Context, n int) error {
					if n < 3 {
						fail()
					}
					return nil
				}
				require.Equal(t, "claim@0 extend@5 extend@6 extend@7 commit@8", timeline(t, r))
			})
		})
	}
}

func TestLostLeaseEndsTheContext(t *testing.T) {
	for name, row := range map[string]struct {
		stubborn bool // the function succeeds all the same
		want     string
		log      string
	}{
		"the function gives up": {false, "claim@0 extend@5 extend@10 release@10", `level=WARN msg="test: delivery put off" key=event error="context canceled"`},
		"the function goes on":  {true, "claim@0 extend@5 extend@10 commit@10", `level=ERROR msg="test: another delivery took over while this one was in work: it may have been done twice" key=event error=`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(ctx context.Context) error {
					<-ctx.Done()
					require.ErrorIs(t, context.Cause(ctx), ErrLeaseLost)
					require.ErrorIs(t, ctx.Err(), context.Canceled)
					if row.stubborn {
						return nil
					}
					return ctx.Err()
				}, func(c *Config[string]) { c.AckTimeout = time.Minute })
				r.store.extend = func(_ context.Context, n int) error {
					if n == 2 {
						return ErrLeaseLost
					}
					return nil
				}
				r.store.commit = func(context.Context) error { return ErrLeaseLost }
				rec := answer(r, request("event"))
				require.Equal(t, 503, rec.Code, "whoever took it over is at work")
				require.Equal(t, "1", rec.Header().Get("Retry-After"))
				time.Sleep(time.Hour)
				require.Equal(t, row.want, r.store.String())
				require.Contains(t, r.log.String(), `level=ERROR msg="test: another delivery took over while this one was in work: its context is ended" key=event error="the claim's lease was lost"`)
				require.Contains(t, r.log.String(), row.log)
				r.idle(t)
			})
		})
	}
}

// The lease is kept until the commit has returned, and not beyond a release.
func TestLeaseWhileSettling(t *testing.T) {
	slow := func(c *Config[string]) { c.AckTimeout = time.Minute }
	synctest.Test(t, func(t *testing.T) {
		r := newRig(nil, slow)
		r.store.commit = func(context.Context) error { time.Sleep(12 * time.Second); return nil }
		require.Equal(t, "claim@0 commit@0 extend@5 extend@10", timeline(t, r))
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(context.Context) error { return errors.New("failed") }, slow)
		r.store.release = func(context.Context) error { time.Sleep(12 * time.Second); return nil }
		require.Equal(t, "claim@0 release@0", timeline(t, r))
	})
}

// An Extend that is under way when the claim is released finds it gone. That is no
// news.
func TestExtendBesideTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(context.Context) error { time.Sleep(6 * time.Second); return errors.New("failed") })
		r.store.extend = func(ctx context.Context, _ int) error {
			<-ctx.Done() // the release is quicker
			require.ErrorIs(t, ctx.Err(), context.Canceled)
			return ErrLeaseLost
		}
		require.Equal(t, "claim@0 extend@5 release@6", timeline(t, r))
		require.NotContains(t, r.log.String(), "took over")
	})
}

// A store that hangs in Extend holds up neither the answer nor the commit. It keeps the
// delivery's place, so that hanging calls are bounded like everything else.
func TestExtendThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(takes(6*time.Second), func(c *Config[string]) { c.AckTimeout, c.MaxInWork = time.Minute, 1 })
		r.store.extend = func(context.Context, int) error { time.Sleep(time.Minute); return nil }
		begun := time.Now()
		require.Equal(t, 200, r.post("event"))
		require.Equal(t, 6*time.Second, time.Since(begun))
		synctest.Wait()
		require.Equal(t, 503, r.post("another"))
		r.idle(t)
		require.Equal(t, 65*time.Second, time.Since(begun))
		require.Equal(t, "claim@0 extend@5 commit@6", r.store.String())
	})
}

// What a claim took to be answered is taken off its first lease.
func TestSlowClaim(t *testing.T) {
	for took, want := range map[time.Duration]string{
		3 * time.Second:      "claim@0 extend@5 commit@9",
		12 * time.Second:     "claim@0 extend@12 extend@17 commit@18",
		15*time.Second - 1:   "claim@0 extend@14.999999999 extend@19.999999999 commit@20.999999999",
		15 * time.Second:     "claim@0", // it may have ended
		1500 * time.Second:   "claim@0",
		-5 * time.Nanosecond: "claim@0 extend@5 commit@6",
	} {
		t.Run(took.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(takes(6*time.Second), func(c *Config[string]) { c.AckTimeout = time.Hour })
				r.store.claim = func() (State, error) { time.Sleep(took); return Fresh, nil }
				rec := answer(r, request("event"))
				r.idle(t)
				require.Equal(t, want, r.store.String())
				if want == "claim@0" {
					require.Equal(t, 503, rec.Code)
					require.Contains(t, r.log.String(), `msg="test: delivery store failed on claim, nothing was called" key=event error="the answer took longer than the claim's lease"`)
				}
			})
		})
	}
}

// What is done is done, however long it took to find out; and a failure is told as it
// was.
func TestSlowAnswersThatAreNoClaim(t *testing.T) {
	for name, row := range map[string]struct {
		state  State
		err    error
		status int
		log    string
	}{
		"done":  {Done, nil, 200, ""},
		"busy":  {Busy, nil, 503, ""},
		"fails": {Fresh, errors.New("down"), 503, "key=event error=down"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(nil, func(c *Config[string]) { c.AckTimeout = time.Hour })
				r.store.claim = func() (State, error) { time.Sleep(time.Minute); return row.state, row.err }
				require.Equal(t, row.status, r.post("event"))
				require.Contains(t, r.log.String(), row.log)
				require.Equal(t, row.log == "", r.log.String() == "")
				require.Equal(t, "claim@0", r.store.String())
			})
		})
	}
}

// What a function that is done leaves behind is nothing: neither a goroutine nor a
// timer that would go off.
func TestQuickWorkLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(nil)
		for i := range 100 {
			require.Equal(t, 200, r.post(strconv.Itoa(i)))
		}
		synctest.Wait()
		before := runtime.NumGoroutine()
		time.Sleep(time.Hour)
		require.Equal(t, before, runtime.NumGoroutine())
		require.Empty(t, r.store.called("extend"))
		r.idle(t)
	})
}

func TestClaimReachesTheFunction(t *testing.T) {
	r := newRig(func(ctx context.Context) error {
		require.Equal(t, Fresh, ClaimFrom(ctx))
		return nil
	})
	require.Equal(t, http.StatusOK, r.post("event"))
	require.Nil(t, ClaimFrom(t.Context()))
}
