package faults_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// dice hands out the bytes of a fuzzed script, and zeros when they are used up.
type dice struct{ data []byte }

func (d *dice) next() int {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b)
}

// pick returns one of n.
func (d *dice) pick(n int) int { return d.next() % n }

// fuzzedStatuses are answers, among them every row of the decision table.
var fuzzedStatuses = []int{200, 201, 202, 204, 400, 401, 401, 403, 404, 408, 413, 421, 422, 425, 429, 429, 500, 502, 503, 503, 504, 301, 302, 307, 308, 101, 299, 418, 999}

func (d *dice) answer(path string) string {
	status := fuzzedStatuses[d.pick(len(fuzzedStatuses))]
	var header []string
	if flags := d.next(); flags&1 == 0 {
		header = append(header, "Location: "+path+"/"+testID)
	} else if flags&2 != 0 {
		header = append(header, "Retry-After: "+[]string{"0", "1", "70", "x", "-1", "5, 10"}[(flags>>2)%6])
	} else if flags&4 != 0 {
		header = append(header, "Connection: close")
	} else if flags&8 != 0 {
		header = append(header, `WWW-Authenticate: Bearer error="insufficient_scope"`)
	}
	return answer(status, []string{"", `{"error_message":"no"}`, `{"data":{"id":"` + testID + `","attributes":{}}}`, "<html>"}[d.pick(4)], header...)
}

// steps makes the script of one connection.
func (d *dice) steps(path string) []step {
	var out []step
	for range 1 + d.pick(5) {
		switch d.pick(20) {
		case 0:
			return append(out, serveAll)
		case 1, 2, 3, 4:
			out = append(out, readWhole, send(d.answer(path)))
		case 5:
			return append(out, readWhole, fin)
		case 6:
			return append(out, readWhole, rst)
		case 7:
			return append(out, readSome(1+d.next()*4), fin)
		case 8:
			return append(out, readSome(1+d.next()*4), rst)
		case 9:
			return append(out, fin)
		case 10:
			return append(out, rst)
		case 11:
			return append(out, readWhole, send(strings.Repeat(string(rune(d.next())), 1+d.next())), fin)
		case 12: // an answer that is cut
			raw := d.answer(path)
			return append(out, readWhole, send(raw[:d.next()%len(raw)]), fin)
		case 13:
			return append(out, readWhole, hang)
		case 14:
			return append(out, hang)
		case 15: // an answer to nothing
			out = append(out, send(d.answer(path)))
		case 16:
			out = append(out, pause(time.Duration(d.next())*50*time.Millisecond))
		case 17:
			out = append(out, readWhole, send(d.answer(path)+d.answer(path)))
		case 18:
			out = append(out, readWhole, send("HTTP/1.1 100 Continue\r\n\r\n"), send(d.answer(path)))
		case 19: // an answer while the request is still being read
			out = append(out, readSome(20+d.next()), send(d.answer(path)))
		}
	}
	return out
}

// arrange makes a scenario of the bytes.
func (d *dice) arrange(e *env) (ctx context.Context, cancel context.CancelFunc, warm bool) {
	e.cfg.Timeout = time.Duration(1+d.pick(4)) * time.Second
	e.cfg.MaxRetries = d.pick(5) - 1
	path := e.col.path
	scripts := make([][]step, 1+d.pick(6))
	dials := make([]int, len(scripts))
	for i := range scripts {
		dials[i] = d.pick(12)
		scripts[i] = d.steps(path)
	}
	e.w.Script = inTurn(scripts...)
	e.w.OnDial = func(ctx context.Context, n int) error {
		switch dials[n%len(dials)] {
		case 9:
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		case 10:
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	e.w.OnConn = func(n int, c net.Conn) net.Conn {
		if dials[n%len(dials)] == 11 {
			return &faultyWrites{c, n * 100 % 300}
		}
		return c
	}
	ctx, cancel = e.Context(), func() {}
	switch d.pick(4) {
	case 1:
		ctx, cancel = context.WithTimeout(ctx, time.Duration(d.next())*20*time.Millisecond)
	case 2:
		ctx, cancel = context.WithCancel(ctx)
		stop := time.AfterFunc(time.Duration(d.next())*20*time.Millisecond, cancel)
		inner := cancel
		cancel = func() { stop.Stop(); inner() }
	}
	return ctx, cancel, d.pick(3) == 0
}

// FuzzFaultScripts plays random faults against one call, and checks that what the
// client says of it is true.
func FuzzFaultScripts(f *testing.F) {
	log.SetOutput(io.Discard) // net/http reports answers that nobody asked for
	f.Cleanup(func() { log.SetOutput(os.Stderr) })
	for class := range byte(4) {
		for op := range byte(20) {
			f.Add([]byte{class, 0, 3, 0, 1, 0, 0, op, 3, 9, 2, 0, 0, 0, 0, 0})
			f.Add([]byte{class, 1, 1, 2, 5, 11, 3, op, 1, 5, 14, 3, 0, 2, op, 20, 1, 18, 3, 9, 1, op})
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			d := &dice{data}
			e := newEnv(t, everyone[d.pick(4):][:1], []string{callers, callers, foreign}[d.pick(3)])
			e.quiet = true
			defer e.finish()
			ctx, cancel, warm := d.arrange(e)
			defer cancel()
			if warm {
				_ = columns["R"].call(e.Context(), e.start())
			}
			before := e.w.Count(e.col.method, e.col.path)
			var err error
			took := elapsed(func() { err = e.call(ctx) })
			if limit := time.Duration(5+e.cfg.MaxRetries) * (e.cfg.Timeout + time.Minute + 8*time.Second); took > limit {
				t.Fatalf("took %v", took)
			}
			e.checkSound(err, before)
		})
	})
}

// checkSound compares what the client says with what the server counted and sent.
func (e *env) checkSound(err error, before int) {
	said := outcomes(err)
	arrived := e.w.Count(e.col.method, e.col.path) - before
	var successes, refusals, permits int
	for _, status := range e.w.Sent() {
		switch {
		case status >= 200 && status < 300:
			successes++
		case status >= 400 && status < 500:
			refusals++
		}
		if status == http.StatusUnauthorized || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && e.col.class != "M" {
			permits++
		}
	}
	if err == nil {
		if successes == 0 {
			e.Fatalf("no error, and the server sent no success: %v, requests %v", e.w.Sent(), e.w.Seen())
		}
	} else if !e.col.create && len(said) != 0 || e.col.create && len(said) != 1 {
		e.Fatalf("%v is %v", err, said)
	}
	switch {
	case errors.Is(err, kopokopo.ErrNotSent) && arrived > 0:
		e.Fatalf("said to be not sent, and %d arrived: %v", arrived, err)
	case errors.Is(err, kopokopo.ErrRefused) && refusals == 0:
		e.Fatalf("said to be refused, and the server sent %v: %v", e.w.Sent(), err)
	case e.col.create && arrived > 1+permits:
		e.Fatalf("%d arrived after %v: %v", arrived, e.w.Sent(), err)
	}
	if e.way == foreign && errors.Is(err, kopokopo.ErrNotSent) && e.log.attempts(e.col.template, e.col.method) > 0 && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		e.Fatalf("nothing is proved with a foreign RoundTripper: %v", err)
	}
}
