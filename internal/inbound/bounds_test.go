package inbound

import (
	"context"
	"io"
	"log/slog"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNoMoreInWorkThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var verified atomic.Int64
		r := newRig(func(context.Context) error { <-release; return nil }, func(c *Config[string]) {
			c.MaxInWork = 3
			verify := c.Verify
			c.Verify = func(body []byte, signature string) (int, error) { verified.Add(1); return verify(body, signature) }
		})
		for i := range 3 {
			require.Equal(t, 503, r.post(strconv.Itoa(i))) // it goes on
		}
		before := r.log.String()
		for range 100 {
			req := request("another")
			req.Body = unreadable{t}
			rec := answer(r, req)
			require.Equal(t, 503, rec.Code)
			headers(t, rec, map[string]string{"Retry-After": "1", "Connection": "close"})
		}
		require.EqualValues(t, 3, verified.Load())
		require.Len(t, r.store.called("claim"), 3)
		require.Equal(t, "level=WARN msg=\"test: as many deliveries are in work as may be; the sender is asked to deliver again\" in_work=3 times=1\n",
			strings.TrimPrefix(r.log.String(), before))
		release <- struct{}{}
		synctest.Wait()
		close(release)
		require.Equal(t, 200, r.post("another"))
		r.idle(t)
	})
}

// A request that was let in to be read can find the last place taken.
func TestLastPlaceIsTakenWhileABodyIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(func(context.Context) error { <-release; return nil }, func(c *Config[string]) { c.MaxInWork = 1 })
		arriving, arrive := io.Pipe()
		late := make(chan struct{})
		go func() {
			defer close(late)
			req := request("late")
			req.Body, req.ContentLength = arriving, -1
			rec := answer(r, req)
			require.Equal(t, 503, rec.Code)
			headers(t, rec, map[string]string{"Retry-After": "1"})
		}()
		synctest.Wait()
		require.Equal(t, 503, r.post("first"))
		io.WriteString(arrive, "late")
		arrive.Close()
		<-late
		require.Contains(t, r.log.String(), "as many deliveries are in work")
		require.Len(t, r.store.called("claim"), 1)
		close(release)
		r.idle(t)
	})
}

// Who cannot sign takes no place, however slow the body is to arrive.
func TestUnsignedRequestsTakeNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(nil, func(c *Config[string]) { c.MaxInWork = 1 })
		var senders []*io.PipeWriter
		for range 50 {
			arriving, arrive := io.Pipe()
			senders = append(senders, arrive)
			req := request("x")
			req.Header.Del("Signature")
			req.Body, req.ContentLength = arriving, -1
			go answer(r, req)
		}
		synctest.Wait()
		require.Equal(t, 200, r.post("event"))
		for _, s := range senders {
			s.Write([]byte("x"))
			s.Close()
		}
		synctest.Wait()
		require.EqualValues(t, 50, r.Refused())
		require.Equal(t, 200, r.post("event"))
		r.idle(t)
	})
}

func TestShutDownIsNoFault(t *testing.T) {
	r := newRig(nil)
	r.idle(t)
	req := request("event")
	req.Body = unreadable{t}
	rec := answer(r, req)
	require.Equal(t, 503, rec.Code)
	headers(t, rec, map[string]string{"Retry-After": "1", "Connection": "close"})
	require.Empty(t, r.log.String())
}

// The longest durations there are overflow nothing: a delivery that is in work is
// busy for all others.
func TestLongestDurations(t *testing.T) {
	for name, change := range map[string]func(*Config[string]){
		"work": func(c *Config[string]) { c.WorkTimeout = math.MaxInt64 },
		"ack":  func(c *Config[string]) { c.AckTimeout = math.MaxInt64 },
		"read": func(c *Config[string]) { c.ReadTimeout = math.MaxInt64 },
		"all": func(c *Config[string]) {
			c.WorkTimeout, c.AckTimeout, c.ReadTimeout = math.MaxInt64-1, math.MaxInt64-1, math.MaxInt64
			c.MaxBody, c.MaxInWork = math.MaxInt64, math.MaxInt
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(ctx context.Context) error { return ctx.Err() }, change)
				require.Equal(t, 200, r.post("event"))
				require.Equal(t, leaseTime, r.store.called("claim")[0].lease)
				r.idle(t)
			})
		})
	}
}

func TestSecondsAreRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		1: 1, time.Second - 1: 1, time.Second: 1, time.Second + 1: 2, 90 * time.Second: 90,
		math.MaxInt64: 9223372037, math.MaxInt64 - 1: 9223372037,
	} {
		require.Equal(t, want, seconds(d), d)
	}
}

func TestDefaultsAndSettings(t *testing.T) {
	e := New(Config[string]{})
	require.EqualValues(t, 1<<20, e.MaxBody)
	require.Equal(t, 1000, e.MaxInWork)
	require.Equal(t, 1000, e.jobs.limit)
	require.Equal(t, []time.Duration{10 * time.Second, 5 * time.Second, time.Minute}, []time.Duration{e.ReadTimeout, e.AckTimeout, e.WorkTimeout})
	require.Equal(t, 401, e.RefusedStatus)
	require.NotNil(t, e.Logger)
	require.Equal(t, "text", e.Mask("text"))
	e = New(Config[string]{MaxBody: 1, MaxInWork: 1, ReadTimeout: 1, AckTimeout: 1, WorkTimeout: 2, RefusedStatus: 400, Mask: strings.ToUpper})
	require.EqualValues(t, 1, e.MaxBody)
	require.Equal(t, 1, e.jobs.limit)
	require.Equal(t, []time.Duration{1, 1, 2}, []time.Duration{e.ReadTimeout, e.AckTimeout, e.WorkTimeout})
	require.Equal(t, 400, e.RefusedStatus)
	require.Equal(t, "TEXT", e.Mask("text"))
}

func TestTrackerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := tracker{limit: 1}
		require.Equal(t, admitted, work.ask())
		require.Equal(t, admitted, work.begin())
		require.Equal(t, full, work.ask())
		require.Equal(t, full, work.begin())
		work.end()
		require.Equal(t, admitted, work.begin())
		// Two that wait for the end, and one that comes again after it.
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() { require.NoError(t, work.close(t.Context())) })
		}
		synctest.Wait()
		require.Equal(t, closed, work.ask())
		require.Equal(t, closed, work.begin())
		work.end()
		waiting.Wait()
		require.NoError(t, work.close(t.Context()))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, work.close(ended), "there is nothing to wait for")
	})
}

// Many at one moment: one of them is logged, and all are counted.
func TestAlarmInACrowd(t *testing.T) {
	for range 20 {
		var log lines
		var a alarm
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 8 * runtime.GOMAXPROCS(0) {
			all.Go(func() {
				<-start
				a.raise(t.Context(), log.logger(), slog.LevelWarn, "crowd")
			})
		}
		close(start)
		all.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "crowd"))
		require.EqualValues(t, 8*runtime.GOMAXPROCS(0), a.count())
	}
}

func TestKeyPart(t *testing.T) {
	plain := strings.Repeat("a", 64)
	for _, text := range []string{"", "a", "z", "A", "Z", "0", "9", "-", "_", ".", "azAZ09-_.", plain} {
		require.Equal(t, text, KeyPart(text))
	}
	seen := map[string]bool{}
	for _, text := range []string{plain + "a", "`", "{", "@", "[", "/", ":", " ", "~", "a:b", "é", "\x00", "\xff", "~0"} {
		part := KeyPart(text)
		require.Regexp(t, "^~[0-9a-f]{64}$", part, text)
		require.False(t, seen[part])
		seen[part] = true
	}
	require.Equal(t, "~6783a31eabf68ccc0660f935c0826282bdd2241f3a80a9f2d10d59aea9ebb5d8", KeyPart("a:b"), "keys outlive versions")
}
