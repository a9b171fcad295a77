package webhooks_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The W series: what can arrive at a webhook handler, and what it does.

var anEvent = received("2133dbfb-24b9-40fc-ae57-2d7559785760", "OJM6Q1W84K")

func TestFault_W01_Valid(t *testing.T) {
	var got *kopokopo.Notification
	h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error { got = n; return nil })
	resp := h.Serve(signed(anEvent))
	require.Equal(t, 200, resp.StatusCode)
	h.Idle(1)
	require.Equal(t, anEvent, string(got.Raw))
	require.Equal(t, "OJM6Q1W84K", got.Payload.(*kopokopo.TransactionEvent).Reference)
}

func TestFault_W01_SignatureVectors(t *testing.T) {
	var file struct {
		Vectors []struct{ Name, Key, Body, Signature string }
	}
	require.NoError(t, json.Unmarshal(sample(t, "signature_vectors.json"), &file))
	require.Len(t, file.Vectors, 15)
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			h := newHook(t, nil, func(c *kopokopo.HandlerConfig) { c.Keys = []string{"another", v.Key} })
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(v.Body))
			r.Header.Set(kopokopo.SignatureHeader, v.Signature)
			_, shape := kopokopo.ParseEvent([]byte(v.Body))
			want, calls := 200, 1
			if shape != nil { // signed, and no notification of K2's: a fixture's "hello"
				want, calls = 422, 0
			}
			require.Equal(t, want, h.Serve(r).StatusCode)
			h.Idle(calls)
			require.Zero(t, h.BadSignatures())
		})
	}
}

// refused delivers an event with the given signature headers.
func refused(t *testing.T, sigs ...string) {
	t.Helper()
	h := newHook(t, nil)
	r := signed(anEvent)
	r.Header.Del(kopokopo.SignatureHeader)
	for _, sig := range sigs {
		r.Header.Add(kopokopo.SignatureHeader, sig)
	}
	require.Equal(t, 401, h.Serve(r).StatusCode, "signatures %q", sigs)
	h.Idle(0)
	require.EqualValues(t, 1, h.BadSignatures())
	require.Error(t, kopokopo.VerifyRequest(r, []byte(anEvent), hookKey))
}

func TestFault_W02_NoSignature(t *testing.T) {
	refused(t)
	refused(t, "")
	require.ErrorIs(t, kopokopo.VerifyRequest(httptest.NewRequest("POST", "/", nil), nil, hookKey), kopokopo.ErrNoSignature)
}

func TestFault_W03_TwoSignatures(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	bad := kopokopo.Sign([]byte(anEvent), "other")
	for _, pair := range [][]string{{good, good}, {good, bad}, {bad, good}, {good, ""}, {"", good}} {
		refused(t, pair...)
	}
}

func TestFault_W04_SignatureList(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	for _, list := range []string{good + "," + good, good + ", " + good, good + ",", "," + good} {
		refused(t, list)
	}
}

func TestFault_W05_HexCase(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	mixed := strings.ToUpper(good[:32]) + good[32:]
	for _, sig := range []string{strings.ToUpper(good), mixed} {
		h := newHook(t, nil)
		r := signed(anEvent)
		r.Header.Set(kopokopo.SignatureHeader, sig)
		require.Equal(t, 200, h.Serve(r).StatusCode)
		h.Idle(1)
	}
}

func TestFault_W07_SignatureForms(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	raw, err := hex.DecodeString(good)
	require.NoError(t, err)
	wide := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r + 0xfee0 // full-width digits
		}
		return r
	}, good)
	for _, sig := range []string{good[:32] + " " + good[32:], good[:31] + " " + good[32:], "0x" + good, "0x" + good[2:], "sha256=" + good,
		base64.StdEncoding.EncodeToString(raw), wide, " " + good, good + " ", good[:63] + "g", good[:63] + "\x00"} {
		refused(t, sig)
	}
}

func TestFault_W08_Lengths(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	for n := range len(good) {
		refused(t, good[:n])
	}
	for _, extra := range []string{"0", "00", good, strings.Repeat("0", 64<<10)} {
		refused(t, good+extra)
	}
}

func TestFault_W09_OneBit(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	mac, err := hex.DecodeString(good)
	require.NoError(t, err)
	for bit := range 8 * len(mac) {
		flipped := bytes.Clone(mac)
		flipped[bit/8] ^= 1 << (bit % 8)
		refused(t, hex.EncodeToString(flipped))
	}
	h := newHook(t, nil)
	for i := range []byte(anEvent) {
		body := []byte(anEvent)
		body[i] ^= 1
		r := signed(string(body))
		r.Header.Set(kopokopo.SignatureHeader, good)
		require.Equal(t, 401, h.Serve(r).StatusCode)
	}
	for i := range []byte(hookKey) {
		key := []byte(hookKey)
		key[i] ^= 1
		refused(t, kopokopo.Sign([]byte(anEvent), string(key)))
	}
	h.Idle(0)
}

func TestFault_W10_Rotation(t *testing.T) {
	index := -1
	h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error { index = n.KeyIndex; return nil },
		func(c *kopokopo.HandlerConfig) { c.Keys = []string{"the-new-key", "the-old-key"} })
	for i, row := range []struct {
		key           string
		status, index int
	}{{"the-new-key", 200, 0}, {"the-old-key", 200, 1}, {"the-retired-key", 401, -1}} {
		index = -1
		body := received("event-"+strconv.Itoa(i), "R")
		r := signed(body)
		r.Header.Set(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), row.key))
		require.Equal(t, row.status, h.Serve(r).StatusCode)
		require.Equal(t, row.index, index)
	}
}

func TestFault_W11_WrongSignaturesOfTheRightLength(t *testing.T) {
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	for _, sig := range []string{strings.Repeat("0", 64), strings.Repeat("f", 64), good[1:] + good[:1], kopokopo.Sign(nil, hookKey), kopokopo.Sign([]byte(anEvent), "other")} {
		refused(t, sig)
	}
}

func TestFault_W12_FailuresTellNothing(t *testing.T) {
	h := newHook(t, nil)
	good := kopokopo.Sign([]byte(anEvent), hookKey)
	var headers []http.Header
	for _, sig := range []string{"", "x", strings.Repeat("0", 64), good[:63]} {
		r := signed(anEvent)
		r.Header.Set(kopokopo.SignatureHeader, sig)
		resp := h.Serve(r)
		require.Equal(t, 401, resp.StatusCode)
		headers = append(headers, resp.Header)
		err := kopokopo.VerifySignature([]byte(anEvent), sig, hookKey)
		for _, secret := range []string{good, hookKey, "OJM6Q1W84K", "254999999999"} {
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, h.Log.String(), secret)
		}
	}
	for _, header := range headers {
		require.Equal(t, headers[0], header)
	}
}

func TestFault_W13_Sizes(t *testing.T) {
	const limit = 1 << 10
	small := func(c *kopokopo.HandlerConfig) { c.MaxBody = limit }
	pad := func(n int) string { return anEvent + strings.Repeat(" ", n-len(anEvent)) }
	h := newHook(t, nil, small)
	require.Equal(t, 200, h.Post(pad(limit)))
	require.Equal(t, 413, h.Post(pad(limit+1)))
	r := signed(pad(limit + 1))
	r.ContentLength = -1 // chunked
	require.Equal(t, 413, h.Serve(r).StatusCode)
	h.Idle(1)
	// The default is 1 MiB.
	h = newHook(t, nil)
	require.Equal(t, 200, h.Post(pad(1<<20)))
	require.Equal(t, 413, h.Post(pad(1<<20+1)))
	h.Idle(1)
}

func TestFault_W16_Encoded(t *testing.T) {
	h := newHook(t, nil)
	for _, coding := range []string{"gzip", "br", "GZIP", "identity, gzip", "deflate", "zstd"} {
		r := signed(anEvent)
		r.Header.Set("Content-Encoding", coding)
		require.Equal(t, 415, h.Serve(r).StatusCode, coding)
	}
	h.Idle(0)
	r := signed(anEvent)
	r.Header.Set("Content-Encoding", "identity")
	require.Equal(t, 200, h.Serve(r).StatusCode)
	h.Idle(1)
}

func TestFault_W17_Empty(t *testing.T) {
	h := newHook(t, nil)
	require.Equal(t, 400, h.Post(""))
	r := signed("")
	r.Body = nil
	require.Equal(t, 400, h.Serve(r).StatusCode)
	h.Idle(0)
}

func TestFault_W18_Methods(t *testing.T) {
	h := newHook(t, nil)
	for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS", "PATCH", "DELETE", "post"} {
		r := signed(anEvent)
		r.Method = method
		resp := h.Serve(r)
		require.Equal(t, 405, resp.StatusCode, method)
		require.Equal(t, "POST", resp.Header.Get("Allow"))
	}
	h.Idle(0)
}

func TestFault_W19_ContentTypes(t *testing.T) {
	for contentType, want := range map[string]int{
		"": 200, "application/json": 200, "application/json; charset=utf-8": 200, "text/plain": 200, "application/vnd.api+json": 200,
		"application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415, "Multipart/Mixed": 415,
		"application/x-www-form-urlencoded;charset=utf-8": 415,
	} {
		h := newHook(t, nil)
		r := signed(anEvent)
		r.Header.Set("Content-Type", contentType)
		if contentType == "" {
			r.Header.Del("Content-Type")
		}
		require.Equal(t, want, h.Serve(r).StatusCode, contentType)
	}
}

func TestFault_W20_RawBytes(t *testing.T) {
	wrap := func(inner string) string {
		return `{"topic":"buygoods_transaction_received","id":"e1","event":{"type":"x","resource":{` + inner + `}}}`
	}
	for name, row := range map[string]struct {
		body   string
		status int
		check  func(*kopokopo.TransactionEvent) bool
	}{
		"html":           {wrap(`"sender_first_name":"a&b<c>"`), 200, func(e *kopokopo.TransactionEvent) bool { return e.SenderFirstName == "a&b<c>" }},
		"escapes":        {wrap(`"sender_first_name":"\u0026\/"`), 200, func(e *kopokopo.TransactionEvent) bool { return e.SenderFirstName == "&/" }},
		"decimals":       {wrap(`"amount":100.0`), 200, func(e *kopokopo.TransactionEvent) bool { return e.Amount.String() == "100.0" }},
		"exponent":       {wrap(`"amount":1e2`), 200, func(e *kopokopo.TransactionEvent) bool { _, err := e.Amount.Minor(); return err != nil }},
		"names":          {wrap(`"sender_last_name":"Ngũgĩ 😀"`), 200, func(e *kopokopo.TransactionEvent) bool { return e.SenderLastName == "Ngũgĩ 😀" }},
		"lone surrogate": {wrap(`"sender_last_name":"\ud800"`), 200, func(e *kopokopo.TransactionEvent) bool { return e.SenderLastName == "\ufffd" }},
		"crlf":           {strings.ReplaceAll(wrap(`"amount":"1"`), ",", ",\r\n\t"), 200, nil},
		"duplicate keys": {wrap(`"amount":"1","amount":"2"`), 200, func(e *kopokopo.TransactionEvent) bool { return e.Amount.String() == "2" }},
		"key order":      {`{"event":{"resource":{"reference":"R"}},"id":"e2","topic":"buygoods_transaction_received"}`, 200, func(e *kopokopo.TransactionEvent) bool { return e.Reference == "R" }},
		"newline":        {wrap(`"amount":"1"`) + "\n", 200, nil},
		"bom":            {"\ufeff" + wrap(`"amount":"1"`), 422, nil},
		"trailing":       {wrap(`"amount":"1"`) + "{}", 422, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got *kopokopo.Notification
			h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error { got = n; return nil })
			require.Equal(t, row.status, h.Post(row.body))
			if row.status != 200 {
				h.Idle(0)
				return
			}
			require.Equal(t, row.body, string(got.Raw))
			if row.check != nil {
				require.True(t, row.check(got.Payload.(*kopokopo.TransactionEvent)), "%+v", got.Payload)
			}
		})
	}
}

func TestFault_W21_UnknownTopicAndFields(t *testing.T) {
	var got []*kopokopo.Notification
	h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error { got = append(got, n); return nil })
	bodies := []string{
		`{"topic":"paybill_transaction_received","id":"1","event":{"type":"New","resource":{"reference":"PB1","new":[1]}}}`,
		`{"data":{"id":"2","type":"loan","attributes":{"status":"Granted","new":true}}}`,
		strings.Replace(anEvent, `"currency"`, `"new":{"a":1},"currency"`, 1),
	}
	for _, body := range bodies {
		require.Equal(t, 200, h.Post(body))
	}
	h.Idle(3)
	for i, n := range got {
		require.Equal(t, bodies[i], string(n.Raw))
	}
	require.Nil(t, got[0].Payload)
	require.Equal(t, "PB1", got[0].Reference)
	require.Equal(t, "paybill_transaction_received", got[0].Topic)
	require.Nil(t, got[1].Payload)
	require.Equal(t, "loan", got[1].Topic)
}

func TestFault_W22_Unreadable(t *testing.T) {
	bodies := []string{`{`, `null`, `[]`, `"hello"`, `7`, `{}`, `{"data":null}`, `{"topic":""}`, `{"id":"x"}`, "\xff\xfe", `{"topic":"customer_created","id":"x"}`,
		`{"data":{"id":"x","type":"incoming_payment"}}`}
	h := newHook(t, nil)
	for _, body := range bodies {
		require.Equal(t, 422, h.Post(body), body)
	}
	var kept []string
	fail := errors.New("disk full")
	var answer error
	h = newHook(t, nil, func(c *kopokopo.HandlerConfig) {
		c.OnDeadLetter = func(_ context.Context, raw []byte) error { kept = append(kept, string(raw)); return answer }
	})
	for _, body := range bodies {
		require.Equal(t, 200, h.Post(body), body)
	}
	require.Equal(t, bodies, kept)
	answer = fail
	require.Equal(t, 422, h.Post(`{`))
	h.Idle(0)
	h = newHook(t, nil, func(c *kopokopo.HandlerConfig) {
		c.OnDeadLetter = func(context.Context, []byte) error { panic("secret payload") }
	})
	require.Equal(t, 422, h.Post(`{`))
	require.NotContains(t, h.Log.String(), "secret payload")
}

func TestFault_W22_MissingID(t *testing.T) {
	h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error {
		require.True(t, strings.HasPrefix(n.Key, "body:"), n.Key)
		return nil
	})
	for range 2 {
		require.Equal(t, 200, h.Post(received("", "R1")))
		require.Equal(t, 200, h.Post(`{"data":{"type":"loan","attributes":{}}}`))
	}
	h.Idle(2)
}

func TestFault_W23_AbsurdAmounts(t *testing.T) {
	for i, amount := range []string{`-5`, `"NaN"`, `"1e400"`, `1e400`, `"abc"`, `{}`, `[1]`, `true`, `null`, `""`, `"` + strings.Repeat("9", 400) + `"`} {
		var got *kopokopo.Notification
		h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error { got = n; return nil })
		body := strings.Replace(received("id-"+strconv.Itoa(i), "R"), `"100.0"`, amount, 1)
		require.Equal(t, 200, h.Post(body), amount)
		h.Idle(1)
		if amount != `-5` {
			_, err := got.Payload.(*kopokopo.TransactionEvent).Amount.Minor()
			require.Error(t, err, amount)
		}
		require.Equal(t, body, string(got.Raw))
	}
}

func TestFault_W24_DispatchedByBody(t *testing.T) {
	var topics []string
	h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error { topics = append(topics, n.Topic); return nil })
	require.Equal(t, 200, h.Post(anEvent))
	require.Equal(t, 200, h.Post(string(sample(t, "callback_incoming_payment_success_v2.json"))))
	require.Equal(t, 200, h.Post(string(sample(t, "webhook_daraja_buygoods_ruby.json"))))
	require.Equal(t, []string{"buygoods_transaction_received", "incoming_payment", "Buygoods"}, topics)
}

func TestFault_W25_FunctionFails(t *testing.T) {
	h := newHook(t, func(context.Context, *kopokopo.Notification) error {
		return errors.New("no customer 254999999999")
	})
	for i := range 3 {
		require.Equal(t, 500, h.Post(anEvent))
		h.Idle(i + 1)
	}
	require.Contains(t, h.Log.String(), "no customer *******")
	require.NotContains(t, h.Log.String(), "254999999999")
}

// brokenError panics over its own text, as a nil pointer in an error does.
type brokenError struct{ text *string }

func (e brokenError) Error() string { return *e.text }

func TestFault_W26_Panics(t *testing.T) {
	type payload struct{ Phone string }
	for name, fn := range map[string]hookFunc{
		"value":   func(context.Context, *kopokopo.Notification) error { panic(payload{"254999999999"}) },
		"string":  func(context.Context, *kopokopo.Notification) error { panic("+254999999999 " + anEvent) },
		"runtime": func(_ context.Context, n *kopokopo.Notification) error { return fmt.Errorf("%d", []int{}[len(n.ID)]) },
		"goexit":  func(context.Context, *kopokopo.Notification) error { runtime.Goexit(); return nil },
		"error":   func(context.Context, *kopokopo.Notification) error { return brokenError{} },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook(t, fn)
			require.Equal(t, 500, h.Post(anEvent))
			h.Idle(1)
			require.Equal(t, 500, h.Post(anEvent), "called again")
			h.Idle(2)
			require.Contains(t, h.Log.String(), "delivery failed")
			require.NotContains(t, h.Log.String(), "254999999999")
			require.NotContains(t, h.Log.String(), "OJM6Q1W84K")
		})
	}
}

func TestFault_W26_AbortHandler(t *testing.T) {
	h := newHook(t, func(context.Context, *kopokopo.Notification) error { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.Post(anEvent) })
	h.Idle(1)
}

func TestFault_W27_SlowFunction(t *testing.T) {
	for name, failure := range map[string]error{"succeeds": nil, "fails": errors.New("failed")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHook(t, func(ctx context.Context, _ *kopokopo.Notification) error {
					time.Sleep(20 * time.Second)
					require.NoError(t, ctx.Err())
					deadline, ok := ctx.Deadline()
					require.True(t, ok)
					require.Equal(t, 40*time.Second, time.Until(deadline))
					return failure
				})
				start := time.Now()
				resp := h.Serve(signed(anEvent))
				require.Equal(t, 503, resp.StatusCode)
				require.Equal(t, "5", resp.Header.Get("Retry-After"))
				require.Equal(t, 5*time.Second, time.Since(start))
				require.Equal(t, 503, h.Post(anEvent), "while it is in work")
				require.EqualValues(t, 1, h.Calls.Load())
				time.Sleep(20 * time.Second)
				h.Idle(1)
				if failure == nil {
					require.Equal(t, 200, h.Post(anEvent))
					h.Idle(1)
					return
				}
				require.Equal(t, 503, h.Post(anEvent))
				time.Sleep(20 * time.Second)
				h.Idle(2)
			})
		})
	}
}

func TestFault_W27_WorkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := newHook(t, func(ctx context.Context, _ *kopokopo.Notification) error { <-ctx.Done(); return ctx.Err() })
		require.Equal(t, 503, h.Post(anEvent))
		require.NoError(t, h.Shutdown(t.Context()))
		require.Equal(t, time.Minute, time.Since(start))
		h.Idle(1)
	})
}

func TestFault_W29_Shutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done sync.Map
		h := newHook(t, func(_ context.Context, n *kopokopo.Notification) error {
			time.Sleep(20 * time.Second) // past the acknowledgement deadline
			done.Store(n.ID, true)
			return nil
		})
		for i := range 100 {
			go h.Post(received("event-"+strconv.Itoa(i), "R"))
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.Shutdown(short), context.DeadlineExceeded)
		resp := h.Serve(signed(anEvent))
		require.Equal(t, 503, resp.StatusCode, "refused while shutting down")
		require.Equal(t, "1", resp.Header.Get("Retry-After"))
		require.NoError(t, h.Shutdown(t.Context()))
		h.Idle(100)
		for i := range 100 {
			_, ok := done.Load("event-" + strconv.Itoa(i))
			require.True(t, ok)
		}
		require.NoError(t, h.Shutdown(t.Context()), "again")
		require.Equal(t, 503, h.Post(anEvent))
	})
}

func TestFault_W30_FloodOfBadSignatures(t *testing.T) {
	h := newHook(t, nil)
	deliver := func() {
		r := signed(anEvent)
		r.Header.Set(kopokopo.SignatureHeader, strings.Repeat("0", 64))
		require.Equal(t, 401, h.Serve(r).StatusCode)
	}
	deliver()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 10_000 {
		deliver()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
	require.EqualValues(t, 10_001, h.BadSignatures())
	require.LessOrEqual(t, strings.Count(h.Log.String(), "\n"), 3)
	h.Idle(0)
}

func TestFault_W32_BodyAlreadyRead(t *testing.T) {
	h := newHook(t, nil)
	eater := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := new(bytes.Buffer)
		buf.ReadFrom(r.Body)
		h.ServeHTTP(w, r)
	})
	closer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body.Close()
		h.ServeHTTP(w, r)
	})
	for _, middleware := range []http.Handler{eater, closer} {
		require.Equal(t, 500, wireStatus(t, middleware, head(anEvent, "Content-Length: "+strconv.Itoa(len(anEvent)), "")+anEvent))
	}
	require.Contains(t, h.Log.String(), "read before it got here")
	h.Idle(0)
}
