package faults_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// N: faults of the network before and while a request is sent.

func failDial(err error) func(context.Context, int) error {
	return func(context.Context, int) error { return err }
}

func TestFault_N01_DNS(t *testing.T) {
	lookup := func(resolverErr *net.DNSError) error { return &net.OpError{Op: "dial", Net: "tcp", Err: resolverErr} }
	t.Run("temporary", func(t *testing.T) {
		fault(t, everyone, allWays[:3], func(e *env) {
			e.w.OnDial = failDial(lookup(&net.DNSError{Err: "server misbehaving", Name: "k2.example", IsTemporary: true}))
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3)})
			assert.Equal(e.T, 3, e.w.Dialled())
		})
	})
	t.Run("no such host", func(t *testing.T) {
		fault(t, everyone, allWays[:3], func(e *env) {
			e.w.OnDial = failDial(lookup(&net.DNSError{Err: "no such host", Name: "k2.example", IsNotFound: true}))
			err := e.call(e.Context())
			e.expect(err, map[string]want{"*": endsNotSent(1), "R": endsFailing(0, 1)})
			var dns *net.DNSError
			assert.ErrorAs(e.T, err, &dns)
		})
	})
	t.Run("a resolver that answers later", func(t *testing.T) {
		fault(t, everyone, ourWay, func(e *env) {
			e.w.OnDial = func(_ context.Context, n int) error {
				if n == 0 {
					return lookup(&net.DNSError{Err: "i/o timeout", Name: "k2.example", IsTimeout: true, IsTemporary: true})
				}
				return nil
			}
			e.expect(e.call(e.Context()), map[string]want{"*": endsWell(1, 2)})
		})
	})
}

func TestFault_N02_ConnectionRefused(t *testing.T) {
	refusedBy := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	fault(t, everyone, allWays, func(e *env) {
		e.w.OnDial = failDial(refusedBy)
		e.expect(e.call(e.Context()), map[string]want{
			"*": endsNotSent(3, syscall.ECONNREFUSED), "R": endsFailing(0, 3, syscall.ECONNREFUSED),
			"M/foreign": endsUnknown(0, syscall.ECONNREFUSED), "C/foreign": endsUnknown(0), "S/foreign": endsUnknown(0),
		})
	})
}

func TestFault_N02_ConnectionRefused_TCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := ln.Addr().String()
	require.NoError(t, ln.Close())
	client, err := kopokopo.New(kopokopo.Config{BaseURL: "http://" + address, TokenSource: fixedToken, MaxRetries: -1})
	require.NoError(t, err)
	defer client.Close()
	err = columns["M"].call(t.Context(), client)
	require.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestFault_N03_DialBlackHole(t *testing.T) {
	fault(t, everyone, allWays[:3], func(e *env) {
		e.cfg.Timeout = 7 * time.Second
		e.w.OnDial = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		var err error
		took := elapsed(func() { err = e.call(e.Context()) })
		e.expect(err, map[string]want{"*": endsNotSent(3, context.DeadlineExceeded), "R": endsFailing(0, 3, context.DeadlineExceeded)})
		assert.GreaterOrEqual(e.T, took, 21*time.Second)
		assert.Less(e.T, took, 21*time.Second+750*time.Millisecond, "three attempts and two pauses")
	})
	t.Run("a caller with less patience", func(t *testing.T) {
		fault(t, everyone, allWays[:3], func(e *env) {
			e.w.OnDial = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
			ctx, cancel := context.WithTimeout(e.Context(), time.Second)
			defer cancel()
			var err error
			took := elapsed(func() { err = e.call(ctx) })
			e.expect(err, map[string]want{"*": endsNotSent(1, context.DeadlineExceeded), "R": endsFailing(0, 1, context.DeadlineExceeded)})
			assert.Equal(e.T, time.Second, took)
		})
	})
}

// answersNever is what happens where nothing is proved: a create ends there, a read goes on.
func answersNever(wire int, is ...error) map[string]want {
	return map[string]want{"*": endsUnknown(wire, is...), "R": endsFailing(3*wire, 3, is...)}
}

func TestFault_N07_ResetAfterAccept(t *testing.T) {
	t.Run("before a byte was written", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			e.w.Script = always(rst)
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3),
				"M/foreign": endsUnknown(0), "C/foreign": endsUnknown(0), "S/foreign": endsUnknown(0)})
		})
	})
	t.Run("once", func(t *testing.T) {
		fault(t, everyone, allWays[:3], func(e *env) {
			e.w.Script = inTurn([]step{rst}, []step{serveAll})
			e.expect(e.call(e.Context()), map[string]want{"*": endsWell(1, 2)})
		})
	})
	t.Run("after some bytes", func(t *testing.T) {
		fault(t, everyone, allWays, func(e *env) {
			e.w.Script = always(readSome(10), rst)
			e.expect(e.call(e.Context()), answersNever(0))
		})
	})
}

// faultyWrites fails the writes of a connection's client.
type faultyWrites struct {
	net.Conn
	after int // bytes that still get through
}

func (c *faultyWrites) Write(b []byte) (int, error) {
	if c.after >= len(b) {
		c.after -= len(b)
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.after])
	c.after = 0
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
}

func TestFault_N08_WriteFailsWithNothingWritten(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.OnConn = func(n int, c net.Conn) net.Conn {
			if n == 0 {
				return &faultyWrites{c, 0}
			}
			return c
		}
		e.expect(e.call(e.Context()), map[string]want{"*": endsWell(1, 2),
			"M/foreign": endsUnknown(0), "C/foreign": endsUnknown(0), "S/foreign": endsUnknown(0)})
	})
	t.Run("for ever", func(t *testing.T) {
		fault(t, everyone, allWays[:3], func(e *env) {
			e.w.OnConn = func(_ int, c net.Conn) net.Conn { return &faultyWrites{c, 0} }
			e.expect(e.call(e.Context()), map[string]want{"*": endsNotSent(3), "R": endsFailing(0, 3)}) // net/http reports the end it notices first
		})
	})
}

func TestFault_N09_WriteFailsHalfway(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.OnConn = func(_ int, c net.Conn) net.Conn { return &faultyWrites{c, 100} }
		e.expect(e.call(e.Context()), answersNever(0))
	})
}

func TestFault_N10_RequestReadThenClosed(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.Script = always(readWhole, fin)
		e.expect(e.call(e.Context()), answersNever(1))
	})
}

func TestFault_N11_ReusedConnectionDropsAfterRead(t *testing.T) {
	fault(t, writers, allWays, func(e *env) {
		// The connection that was warmed serves one more request, and drops it.
		e.w.Script = inTurn([]step{readWhole, good, readWhole, fin}, []step{readWhole, fin})
		e.warm()
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1)})
		fresh := e.col.class == "M" && e.way != foreign // whose connections are its own affair
		assert.Equal(e.T, fresh, e.w.Connections() == 2, "a payout has a connection of its own")
	})
	t.Run("reads go on", func(t *testing.T) {
		fault(t, "R", allWays, func(e *env) {
			e.w.Script = inTurn([]step{readWhole, good, readWhole, fin}, []step{serveAll})
			e.warm()
			require.NoError(e.T, e.call(e.Context()))
			assert.Equal(e.T, 3, e.w.Count(e.col.method, e.col.path), "net/http repeats a read by itself")
		})
	})
}

func TestFault_N12_RequestReadThenReset(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.Script = always(readWhole, rst)
		e.expect(e.call(e.Context()), answersNever(1, syscall.ECONNRESET))
	})
}

func TestFault_N13_RequestReadThenSilence(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.cfg.Timeout = 4 * time.Second
		e.w.Script = always(readWhole, hang)
		var err error
		took := elapsed(func() { err = e.call(e.Context()) })
		e.expect(err, answersNever(1, context.DeadlineExceeded))
		if e.col.create {
			assert.Equal(e.T, 4*time.Second, took)
		} else {
			assert.GreaterOrEqual(e.T, took, 12*time.Second)
		}
	})
	t.Run("within the caller's deadline", func(t *testing.T) {
		fault(t, "R", allWays, func(e *env) {
			e.cfg.Timeout = 4 * time.Second
			e.w.Script = always(readWhole, hang)
			ctx, cancel := context.WithTimeout(e.Context(), 6*time.Second)
			defer cancel()
			var err error
			took := elapsed(func() { err = e.call(ctx) })
			e.expect(err, map[string]want{"R": endsFailing(2, 2, context.DeadlineExceeded)})
			assert.Equal(e.T, 6*time.Second, took)
		})
	})
}

func TestFault_N14_StatusLineCut(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.Script = always(readWhole, send("HTTP/1.1 201 Cre"), fin)
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1), "R": endsFailing(2, 2)})
	})
}

func TestFault_N15_NotHTTP(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.Script = always(readWhole, send("SSH-2.0-OpenSSH_9.2p1 "+strings.Repeat("x", 5000)+"\r\n"), hang)
		err := e.call(e.Context())
		e.expect(err, map[string]want{"*": endsUnknown(1), "R": endsFailing(2, 2)})
		assert.LessOrEqual(e.T, len(err.Error()), 900, "what the peer said is not repeated at length")
	})
	t.Run("before the request was read", func(t *testing.T) {
		fault(t, writers, ourWay, func(e *env) {
			e.w.Script = always(send("SSH-2.0-OpenSSH_9.2p1\r\n"), hang)
			err := e.call(e.Context())
			// Whether the writer got its chance before the reader closed is a matter of
			// scheduling; what must not be is a complete request, or a retry of unproven bytes.
			require.Len(e.T, outcomes(err), 1)
			if errors.Is(err, kopokopo.ErrNotSent) {
				assert.Zero(e.T, e.w.Count(e.col.method, e.col.path))
			}
		})
	})
}

func TestFault_N16_HeaderFlood(t *testing.T) {
	flood := "HTTP/1.1 201 Created\r\n" + strings.Repeat("X-Padding: "+strings.Repeat("a", 1000)+"\r\n", 1300)
	fault(t, everyone, allWays[:3], func(e *env) {
		read := 0
		e.w.OnConn = func(_ int, c net.Conn) net.Conn { return &countedReads{c, &read} }
		e.w.Script = always(readWhole, send(flood), hang)
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1), "R": endsFailing(2, 2)})
		assert.Less(e.T, read, 2*(64<<10)+3*4096, "bytes taken in")
	})
}

// countedReads counts what a client reads.
type countedReads struct {
	net.Conn
	n *int
}

func (c *countedReads) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	*c.n += n
	return n, err
}

func TestFault_N17_EndlessInformationalAnswers(t *testing.T) {
	early := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n", 10000)
	fault(t, everyone, allWays[:3], func(e *env) {
		read := 0
		e.w.OnConn = func(_ int, c net.Conn) net.Conn { return &countedReads{c, &read} }
		e.w.Script = always(readWhole, send(early), hang)
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1), "R": endsFailing(2, 2)})
		assert.Less(e.T, read, 2*(64<<10)+3*4096, "bytes taken in")
	})
}
