package inbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// headers asserts all that an answer says beside its status.
func headers(t *testing.T, rec *httptest.ResponseRecorder, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name := range rec.Header() {
		got[name] = rec.Header().Get(name)
	}
	want["Content-Length"] = "0"
	require.Equal(t, want, got)
	require.Zero(t, rec.Body.Len())
}

func TestAnswers(t *testing.T) {
	closing := map[string]string{"Connection": "close"}
	for name, row := range map[string]struct {
		change func(*http.Request)
		status int
		want   map[string]string
	}{
		"good":             {func(*http.Request) {}, 200, nil},
		"GET":              {func(r *http.Request) { r.Method = http.MethodGet }, 405, map[string]string{"Allow": "POST"}},
		"lower-case post":  {func(r *http.Request) { r.Method = "post" }, 405, map[string]string{"Allow": "POST"}},
		"gzip":             {func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, closing},
		"gzip in a list":   {func(r *http.Request) { r.Header.Set("Content-Encoding", "identity , gzip") }, 415, closing},
		"gzip in a second": {func(r *http.Request) { r.Header["Content-Encoding"] = []string{"identity", "gzip"} }, 415, closing},
		"identity":         {func(r *http.Request) { r.Header.Set("Content-Encoding", "Identity,identity") }, 200, nil},
		"no encoding":      {func(r *http.Request) { r.Header.Set("Content-Encoding", " , ") }, 200, nil},
		"form": {func(r *http.Request) {
			r.Header.Set("Content-Type", "Application/X-WWW-Form-Urlencoded ; charset=utf-8")
		}, 415, closing},
		"multipart":          {func(r *http.Request) { r.Header.Set("Content-Type", " Multipart/mixed; boundary=x") }, 415, closing},
		"json":               {func(r *http.Request) { r.Header.Set("Content-Type", "application/json; x=multipart/mixed") }, 200, nil},
		"announced too long": {func(r *http.Request) { r.ContentLength = 11; r.Body = unreadable{t} }, 413, closing},
		"longest":            {func(r *http.Request) { long(r, 10, 10) }, 200, nil},
		"too long":           {func(r *http.Request) { long(r, 11, -1) }, 413, closing},
		"of unknown length":  {func(r *http.Request) { long(r, 10, -1) }, 200, nil},
		"shorter than said":  {func(r *http.Request) { long(r, 9, 10) }, 400, nil},
		"empty":              {func(r *http.Request) { long(r, 0, 0) }, 400, nil},
		"empty chunks":       {func(r *http.Request) { long(r, 0, -1) }, 400, nil},
		"no body":            {func(r *http.Request) { r.Body = nil }, 400, nil},
		"read before":        {func(r *http.Request) { long(r, 0, 10) }, 500, closing},
		"closed before":      {func(r *http.Request) { r.Body = failing{http.ErrBodyReadAfterClose} }, 500, closing},
		"late":               {func(r *http.Request) { r.Body = failing{os.ErrDeadlineExceeded} }, 408, closing},
		"late in its way":    {func(r *http.Request) { r.Body = failing{netError{true}} }, 408, closing},
		"another net error":  {func(r *http.Request) { r.Body = failing{netError{false}} }, 400, closing},
		"cut off":            {func(r *http.Request) { r.Body = failing{io.ErrUnexpectedEOF} }, 400, closing},
		"broken":             {func(r *http.Request) { r.Body = failing{errors.New("broken")} }, 400, closing},
		"unsigned":           {func(r *http.Request) { r.Header.Del("Signature") }, 401, nil},
		"wrongly signed":     {func(r *http.Request) { r.Header.Set("Signature", "bad") }, 401, nil},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			r := newRig(func(context.Context) error { calls++; return nil }, func(c *Config[string]) { c.MaxBody = 10 })
			req := request("good")
			row.change(req)
			if row.want == nil {
				row.want = map[string]string{}
			}
			rec := answer(r, req)
			require.Equal(t, row.status, rec.Code)
			headers(t, rec, row.want)
			if row.status == 200 {
				require.Equal(t, 1, calls)
				require.Empty(t, r.log.String())
			} else {
				require.Zero(t, calls)
				require.Empty(t, r.store.String())
			}
			delete(row.want, "Content-Length")
			r.idle(t)
		})
	}
}

// long gives a request a body of a size, and another Content-Length.
func long(r *http.Request, size int, said int64) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", size))), said
}

// unreadable is a body that nobody may read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }
func (unreadable) Close() error               { return nil }

// failing is a body that ends with an error after its first byte.
type failing struct{ err error }

func (f failing) Read(p []byte) (int, error) { return copy(p, "x"), f.err }
func (failing) Close() error                 { return nil }

type netError struct{ timeout bool }

func (netError) Error() string   { return "net" }
func (e netError) Timeout() bool { return e.timeout }
func (netError) Temporary() bool { return false }

func TestBodyReadBeforeIsToldApart(t *testing.T) {
	r := newRig(nil)
	req := request("good")
	long(req, 0, 10)
	answer(r, req)
	require.Equal(t, "level=ERROR msg=\"test: the request's body was read before it got here, so its signature cannot be verified; put this handler in front of whatever reads or parses bodies\" times=1\n", r.log.String())
}

// deadlines is a ResponseWriter that notes its read deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
	err error
}

func (d *deadlines) SetReadDeadline(at time.Time) error { d.set = append(d.set, at); return d.err }

func TestReadDeadline(t *testing.T) {
	r := newRig(nil, func(c *Config[string]) { c.ReadTimeout = 7 * time.Second })
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	begun := time.Now()
	r.ServeHTTP(w, request("good"))
	require.Len(t, w.set, 2)
	require.WithinRange(t, w.set[0], begun.Add(7*time.Second), time.Now().Add(7*time.Second))
	require.True(t, w.set[1].IsZero(), "the connection may serve further requests")

	w = &deadlines{ResponseRecorder: httptest.NewRecorder(), err: errors.ErrUnsupported}
	r.ServeHTTP(w, request("good"))
	require.Equal(t, 200, w.Code)
	require.Len(t, w.set, 1)

	w = &deadlines{ResponseRecorder: httptest.NewRecorder()}
	req := request("good")
	req.Body = failing{os.ErrDeadlineExceeded}
	r.ServeHTTP(w, req)
	require.Len(t, w.set, 1, "a connection that is to be closed keeps its deadline")

	plain := struct{ http.ResponseWriter }{httptest.NewRecorder()} // as a careless middleware wraps it
	r.ServeHTTP(plain, request("good"))
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A request gets memory for what it brings. Its word is worth 64 KiB.
func TestMemoryOfABody(t *testing.T) {
	r := newRig(nil, func(c *Config[string]) { c.MaxBody = 64 << 20 })
	read := func(size int, said int64) uint64 {
		req := request("")
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, size))), said
		w := httptest.NewRecorder()
		return allocated(func() {
			body, rep := r.read(w, req)
			require.True(t, len(body) == size || rep.status == 400)
		})
	}
	read(10, 10)
	require.Less(t, read(10, 64<<20), uint64(160<<10), "a liar")
	require.Less(t, read(10, 10), uint64(16<<10), "an honest one")
	require.Less(t, read(10, -1), uint64(16<<10), "one that says nothing")
}

// A body of up to 64 KiB that says how long it is is read into memory that is taken
// once.
func TestMemoryIsTakenOnce(t *testing.T) {
	r := newRig(nil)
	allocs := func(size int) float64 {
		body := make([]byte, size)
		return testing.AllocsPerRun(20, func() {
			req := request("")
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(size)
			_, rep := r.read(httptest.NewRecorder(), req)
			require.Zero(t, rep)
		})
	}
	require.Equal(t, allocs(10), allocs(64<<10))
	require.Less(t, allocs(10), allocs(80<<10))
}

func TestSignatureThatCannotBeTaken(t *testing.T) {
	r := newRig(nil, func(c *Config[string]) {
		c.RefusedStatus = 400
		c.Signature = func(http.Header) (string, error) { return "good", errors.New("several") }
	})
	require.Equal(t, 400, r.post("event"))
	require.Equal(t, "level=WARN msg=\"test: signature refused\" error=several bytes=5 times=1\n", r.log.String())
	require.EqualValues(t, 1, r.Refused())
}

func TestRefusalsAreLoggedNowAndThen(t *testing.T) {
	const (
		unsigned = "level=WARN msg=\"test: a request without a signature; if the sender's own deliveries have none either, something in front of this handler strips the header\" bytes=5 times=1\n"
		refused  = "level=WARN msg=\"test: signature refused\" error=\"verify: bad signature\" bytes=5 times=1\n"
	)
	r := newRig(nil)
	post := func(signature string) {
		req := request("event")
		req.Header.Set("Signature", signature)
		require.Equal(t, 401, answer(r, req).Code)
	}
	for range 1000 { // a flood of bad ones hides no missing one, and the other way round
		post("bad")
		post("")
	}
	require.Equal(t, refused+unsigned, r.log.String())
	require.EqualValues(t, 2000, r.Refused())
	// Without the error that tells them apart they are all refused.
	r = newRig(nil, func(c *Config[string]) { c.Unsigned = nil })
	post("")
	require.Contains(t, r.log.String(), "signature refused")
}

func TestSkippedIsAcknowledged(t *testing.T) {
	r := newRig(nil, func(c *Config[string]) {
		c.Parse = func([]byte, int) (Event[string], error) { return Event[string]{Skip: true}, nil }
	})
	require.Equal(t, 200, r.post("event"))
	require.Empty(t, r.store.String())
	r.idle(t)
}
