package kopokopotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

func TestEncodeLikeJavaScript(t *testing.T) {
	// The right side is what JSON.stringify(JSON.parse(x)) gives.
	for in, want := range map[string]string{
		`{"b":1,"a":2}`:                        `{"b":1,"a":2}`,
		`{ "a" : [ 1 , { } , [ ] ] }`:          `{"a":[1,{},[]]}`,
		`{"a":1.0,"b":1e2,"c":-0,"d":1.50}`:    `{"a":1,"b":100,"c":0,"d":1.5}`,
		`{"a":1e21,"b":1.5e-7,"c":0.000001}`:   `{"a":1e+21,"b":1.5e-7,"c":0.000001}`,
		`{"a":-0.0,"b":-12.5}`:                 `{"a":0,"b":-12.5}`,
		`{"a":254722000000}`:                   `{"a":254722000000}`,
		`{"a":"<>&'\u2028\u2029\u00e9\u007f"}`: "{\"a\":\"<>&'\u2028\u2029é\u007f\"}",
		`{"a":"\b\f\n\r\t\u0000\u001F\/\"\\"}`: `{"a":"\b\f\n\r\t\u0000\u001f/\"\\"}`,
		`{"a":1,"b":2,"a":3}`:                  `{"a":3,"b":2}`,
		`{"a":null,"b":true,"c":false,"":""}`:  `{"a":null,"b":true,"c":false,"":""}`,
		`{"a":1e999}`:                          `{"a":null}`,
	} {
		o, err := parseObject([]byte(in))
		require.NoError(t, err, in)
		assert.Equal(t, want, string(encode(o)), in)
	}
	// Amounts are money: whole numbers beyond JavaScript's reach keep their digits.
	o, err := parseObject([]byte(`{"a":12345678901234567890}`))
	require.NoError(t, err)
	assert.Equal(t, `{"a":12345678901234567890}`, string(encode(o)))
	assert.Equal(t, `{"a":null}`, string(encode(object{{"a", object(nil)}})))
	assert.Equal(t, `"�"`, string(encode("\xff")))
}

func FuzzParseAndEncode(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2.50,"x",null,true,{"b":1e3}]}`, `[`, `{"a":"\ud800"}`, `{"a":1,"a":2}`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := parseObject(in)
		if err != nil {
			return
		}
		out := encode(o)
		require.True(t, json.Valid(out), "%q", out)
		again, err := parseObject(out)
		if errors.Is(err, wire.ErrTooDense) {
			return // as many values in fewer bytes: what is written has no white space
		}
		require.NoError(t, err)
		require.Equal(t, string(out), string(encode(again)), "writing again changes nothing")
	})
}

// Whatever is posted is answered, with a client error or a 201, and never with a panic.
func FuzzServer(f *testing.F) {
	srv := NewInMemoryServer(WithDelay(0), WithRedelivery(1, 0))
	f.Cleanup(srv.Close)
	srv.tokens.put("t", &token{expires: time.Now().Add(24 * time.Hour)}, 0)
	var paths []string
	for path, ep := range srv.endpoints {
		paths = append(paths, "/api/"+ep.versions[:2]+"/"+path)
	}
	paths = append(paths, "/oauth/token", "/oauth/introspect", "/api/v2/payment_links/x/cancel")
	for i := range paths {
		f.Add(i, []byte(`{"destinations":[{"type":"till","till_number":"1","amount":1e1,"description":"d"}],"type":"till","currency":"KES","scope":"till","_links":{"callback_url":"https://a.example"}}`))
	}
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		req := httptest.NewRequest(http.MethodPost, paths[uint(i)%uint(len(paths))], strings.NewReader(string(body)))
		req.Header.Set("Authorization", "Bearer t")
		req.Header.Set("User-Agent", "fuzz")
		w := httptest.NewRecorder()
		srv.serveAPI(w, req)
		require.Contains(t, []int{201, 400, 401, 404, 413, 429}, w.Code)
	})
}

// A request costs no more than its size allows, and a 400 answers one that would.
func TestFault_F07_RequestsCostNoMoreThanTheirSize(t *testing.T) {
	const size = maxBody - 100
	srv := NewInMemoryServer()
	defer srv.Close()
	srv.tokens.put("t", &token{expires: time.Now().Add(time.Hour)}, 0)
	for name, body := range map[string]string{
		"objects": `{"destinations":[` + strings.Repeat(`{},`, size/3) + `{}]}`,
		"lists":   `{"destinations":[` + strings.Repeat(`[],`, size/3) + `[]]}`,
		"numbers": `{"destinations":[` + strings.Repeat(`1,`, size/2) + `1]}`,
		"members": `{` + strings.Repeat(`"a":1,`, size/6) + `"a":1}`,
		"nested":  `{"metadata":` + strings.Repeat(`[`, size/2) + strings.Repeat(`]`, size/2) + `}`,
	} {
		req := httptest.NewRequest(http.MethodPost, "/api/v2/send_money", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer t")
		req.Header.Set("User-Agent", "test")
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		srv.serveAPI(w, req)
		runtime.ReadMemStats(&after)
		assert.Equal(t, http.StatusBadRequest, w.Code, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20), name)
	}
	o, err := parseObject([]byte(`{"a":` + strings.Repeat(`[`, 99) + strings.Repeat(`]`, 99) + `}`))
	require.NoError(t, err)
	assert.NotNil(t, o.get("a"))
	_, err = parseObject([]byte(`{"a":` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`))
	assert.ErrorIs(t, err, wire.ErrTooDeep)
}

func TestMoney(t *testing.T) {
	for in, want := range map[string][2]string{
		"100": {"100", "100.0"}, "100.0": {"100", "100.0"}, "0.5": {"0.5", "0.5"}, "12.50": {"12.5", "12.5"},
		"12.05": {"12.05", "12.05"}, "1e3": {"1000", "1000.0"}, "2.5E1": {"25", "25.0"}, "1.5000": {"1.5", "1.5"},
		"999999999999.99": {"999999999999.99", "999999999999.99"}, "007": {"7", "7.0"}, "-3": {"-3", "-3.0"},
	} {
		m, ok := parseMoney(in)
		require.True(t, ok, in)
		assert.Equal(t, want, [2]string{m.plain(), m.decimal()}, in)
		assert.Equal(t, want[0], m.number().String())
	}
	for _, in := range []string{"", "x", "1,000", "1.005", "1e999", "1e13", "1234567890123", "+1", ".5", "1.", " 1", "--1", "0x1", "eE", "NaN"} {
		_, ok := parseMoney(in)
		assert.False(t, ok, in)
	}
}

func TestLabels(t *testing.T) {
	for path, want := range map[string]string{
		"till_number": "Till number", "subscriber.phone_number": "Subscriber phone number",
		"_links.callback_url": "Callback url", "url": "Url",
	} {
		assert.Equal(t, want, label(path))
	}
}

func TestFault_F07_MemoryIsBounded(t *testing.T) {
	var s shelf[int]
	for i := range maxStored + 10 {
		s.put(fmt.Sprint(i), i, 1)
	}
	s.put("10", -1, 1)
	assert.Len(t, s.all(), maxStored)
	assert.Len(t, s.byKey, maxStored)
	assert.Equal(t, maxStored, s.bytes)
	_, ok := s.get("9")
	assert.False(t, ok)
	assert.Equal(t, -1, s.all()[0])

	s.put("big", 0, maxStoredBytes)
	assert.Equal(t, []int{0}, s.all(), "one entry always stays")

	var j journal[int]
	for i := range maxStored + 10 {
		j.add(i, 1)
	}
	assert.Len(t, j.list, maxStored)
	assert.Equal(t, 10, j.list[0])
	j.add(-1, maxStoredBytes)
	assert.Equal(t, []int{-1}, j.list)
	assert.Len(t, j.sizes, 1)
}

func TestFault_F07_OutstandingIsBounded(t *testing.T) {
	srv := NewInMemoryServer()
	defer srv.Close()
	srv.jobs.max = 1
	require.True(t, srv.jobs.begin())
	srv.tokens.put("t", &token{expires: time.Now().Add(time.Hour)}, 0)
	req := httptest.NewRequest(http.MethodPost, "/api/v2/merchant_wallets", strings.NewReader(`{}`))
	req.Header.Set("Authorization", "Bearer t")
	req.Header.Set("User-Agent", "test")
	w := httptest.NewRecorder()
	srv.serveAPI(w, req)
	assert.Equal(t, http.StatusTooManyRequests, w.Code)
	srv.post([]mail{{url: "https://a.example", topic: "x"}})
	require.Len(t, srv.Deliveries(), 1)
	require.ErrorIs(t, srv.Deliveries()[0].Err, errClosed)
	require.ErrorIs(t, srv.PayLink("x", "254722000000"), errClosed)
	srv.jobs.end()
}

func TestReferences(t *testing.T) {
	l := ledger{prefix: newPrefix()}
	seen := map[string]bool{}
	for range 100_000 {
		seen[l.newReference()] = true
	}
	assert.Len(t, seen, 100_000)
	for r := range seen {
		require.Regexp(t, "^[A-Z]{4}[0-9A-Z]{6}$", r)
		break
	}
	// A recorded pair of number and hash.
	const hash = "d30d07eef610b83d1f65f3a15280499552e5f0fcb86c3890d7375291c6ba4e70"
	for _, phone := range []string{"254929488147", "+254929488147", "0929488147"} {
		assert.Equal(t, hash, hashedPhone(phone))
	}
}
