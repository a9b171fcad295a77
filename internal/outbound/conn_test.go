package outbound

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wireConn is the connection below a countingConn: it takes what it may, and notes it.
type wireConn struct {
	net.Conn
	took  [][]byte
	write func(b []byte) (int, error)
	read  func(b []byte) (int, error)

	closed bool
}

func (c *wireConn) Close() error { c.closed = true; return nil }

func (c *wireConn) Write(b []byte) (int, error) {
	if c.write != nil {
		return c.write(b)
	}
	c.took = append(c.took, append([]byte(nil), b...))
	return len(b), nil
}

func (c *wireConn) Read(b []byte) (int, error) { return c.read(b) }

func TestEveryWriteThatMayHaveSentIsCounted(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, row := range map[string]struct {
		n    int
		err  error
		want int64
	}{
		"whole":                    {14, nil, 1},
		"a part":                   {1, broken, 1},
		"whole and error":          {14, broken, 1},
		"nothing":                  {0, broken, 0},
		"nothing, said to be well": {0, nil, 1},
	} {
		c := &countingConn{Conn: &wireConn{write: func([]byte) (int, error) { return row.n, row.err }}}
		n, err := c.Write([]byte("POST / HTTP/1."))
		assert.Equal(t, row.n, n, name)
		assert.Equal(t, row.err, err, name)
		assert.Equal(t, row.want, c.writes(), name)
		_, _ = c.Write([]byte("POST / HTTP/1."))
		assert.Equal(t, 2*row.want, c.writes(), name)
	}
}

func TestAnAlertIsNoPartOfARequest(t *testing.T) {
	t.Parallel()
	first := func(b byte, size int) []byte { return append([]byte{b}, make([]byte, size-1)...) }
	for _, b := range []byte{0x15, 0x17} {
		for _, size := range []int{1, 7, 24, 31} {
			assert.True(t, isAlert(first(b, size)), "%#x, %d bytes", b, size)
		}
		for _, size := range []int{32, 100, 4096} { // in TLS 1.3, requests look like this
			assert.False(t, isAlert(first(b, size)), "%#x, %d bytes", b, size)
		}
	}
	for _, b := range []byte{0x00, 0x14, 0x16, 0x18, 'G', 'P'} {
		assert.False(t, isAlert(first(b, 24)), "%#x", b)
	}
	assert.False(t, isAlert(nil))

	below := &wireConn{}
	c := &countingConn{Conn: below}
	_, err := c.Write(first(0x15, 24))
	require.NoError(t, err)
	assert.Zero(t, c.writes())
	require.True(t, c.sealAt(0))
	_, err = c.Write(first(0x17, 24))
	require.NoError(t, err, "the goodbye gets through a seal")
	assert.Len(t, below.took, 2)
}

func TestASealedConnectionTakesNothingMore(t *testing.T) {
	t.Parallel()
	below := &wireConn{}
	c := &countingConn{Conn: below}
	_, err := c.Write([]byte("CONNECT"))
	require.NoError(t, err)
	require.False(t, c.sealAt(0), "it was written to")
	require.False(t, c.sealAt(2))
	_, err = c.Write([]byte("GET"))
	require.NoError(t, err, "a seal that failed seals nothing")
	require.True(t, c.sealAt(2))
	require.True(t, c.sealAt(2), "it is sealed at that")
	require.False(t, c.sealAt(1))
	require.False(t, c.sealAt(3))
	require.EqualValues(t, 2, c.writes())
	n, err := c.Write([]byte("POST"))
	assert.Zero(t, n)
	assert.Equal(t, errSealed, err)
	assert.Equal(t, [][]byte{[]byte("CONNECT"), []byte("GET")}, below.took)
	assert.EqualValues(t, 2, c.writes())
}

// A write that has begun may have sent something: until it has ended with nothing,
// the connection cannot be sealed.
func TestAWriteThatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan error)
		c := &countingConn{Conn: &wireConn{write: func([]byte) (int, error) { return 0, <-release }}}
		var writing sync.WaitGroup
		writing.Go(func() { _, _ = c.Write([]byte("POST")) })
		synctest.Wait()
		require.False(t, c.sealAt(0))
		release <- net.ErrClosed
		writing.Wait()
		require.True(t, c.sealAt(0))
	})
}

// Of a seal and any number of writes at once, either no write gets through or the seal
// fails.
func TestSealAndWriteAtOnce(t *testing.T) {
	t.Parallel()
	for range 2000 {
		below := &wireConn{}
		var mu sync.Mutex
		reached := 0
		below.write = func(b []byte) (int, error) { mu.Lock(); defer mu.Unlock(); reached++; return len(b), nil }
		c := &countingConn{Conn: below}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { _, _ = c.Write([]byte("POST")) })
		}
		sealed := false
		all.Go(func() { sealed = c.sealAt(0) })
		all.Wait()
		require.Equal(t, sealed, reached == 0)
		require.EqualValues(t, reached, c.writes())
	}
}

func TestAfterHowManyWritesSomethingCame(t *testing.T) {
	t.Parallel()
	n := 1
	c := &countingConn{Conn: &wireConn{read: func([]byte) (int, error) { return n, nil }}}
	c.heard.Store(-1)
	read := func() int64 { _, _ = c.Read(nil); return c.heard.Load() }
	assert.EqualValues(t, 0, read())
	_, _ = c.Write([]byte("POST"))
	assert.EqualValues(t, 0, c.heard.Load())
	assert.EqualValues(t, 1, read())
	_, _ = c.Write([]byte("POST"))
	n = 0
	assert.EqualValues(t, 1, read(), "nothing came")
	n = 1
	c.sealAt(2)
	assert.EqualValues(t, 2, read())
}
