package testkit

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// The ends of a RawServer's pipes.

// queued is a pipe's end whose writes do not wait for the reader.
type queued struct {
	net.Conn
	mu     sync.Mutex
	more   *sync.Cond
	queue  []byte
	closed bool
}

func newQueued(conn net.Conn) *queued {
	q := &queued{Conn: conn}
	q.more = sync.NewCond(&q.mu)
	go q.flush()
	return q
}

func (q *queued) flush() {
	defer q.Conn.Close()
	for {
		q.mu.Lock()
		for len(q.queue) == 0 && !q.closed {
			q.more.Wait()
		}
		b := q.queue
		q.queue = nil
		q.mu.Unlock()
		if len(b) == 0 {
			return
		}
		if _, err := q.Conn.Write(b); err != nil {
			return
		}
	}
}

func (q *queued) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, net.ErrClosed
	}
	q.queue = append(q.queue, b...)
	q.more.Signal()
	return len(b), nil
}

// Close lets what was written arrive, as a socket would.
func (q *queued) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Signal()
	return nil
}

// pipeEnd makes the client's end of a pipe fail like a socket.
type pipeEnd struct {
	net.Conn
	reset *atomic.Bool
	done  atomic.Bool
}

func (c *pipeEnd) Close() error {
	c.done.Store(true)
	return c.Conn.Close()
}

func (c *pipeEnd) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.explain("read", err)
}

func (c *pipeEnd) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain("write", err)
}

func (c *pipeEnd) explain(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case c.done.Load():
		err = net.ErrClosed
	case c.reset.Load():
		err = syscall.ECONNRESET
	case errors.Is(err, io.ErrClosedPipe):
		err = syscall.EPIPE
	default:
		return err // io.EOF, a deadline
	}
	return &net.OpError{Op: op, Net: "pipe", Err: err}
}
