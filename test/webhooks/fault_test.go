package webhooks_test

import (
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

func TestFault_W02_NoSignature(t *testing.T) {
	receiver.NoSignature(t)
	require.ErrorIs(t, kopokopo.VerifyRequest(httptest.NewRequest("POST", "/", nil), nil, hookKey), kopokopo.ErrNoSignature)
}

func TestFault_W03_TwoSignatures(t *testing.T) { receiver.TwoSignatures(t) }

func TestFault_W04_SignatureList(t *testing.T) { receiver.SignatureList(t) }

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
	receiver.OtherForms(t, "sha256="+good, base64.StdEncoding.EncodeToString(raw), " "+good, good+" ")
}

func TestFault_W08_Lengths(t *testing.T) { receiver.Lengths(t) }

func TestFault_W09_OneBit(t *testing.T) { receiver.OneBit(t) }

func TestFault_W10_Rotation(t *testing.T) { receiver.Rotation(t) }

func TestFault_W11_WrongSignaturesOfTheRightLength(t *testing.T) { receiver.WrongSignatures(t) }

func TestFault_W12_FailuresTellNothing(t *testing.T) {
	receiver.FailuresTellNothing(t, "OJM6Q1W84K", "254999999999")
}

func TestFault_W13_Sizes(t *testing.T) { receiver.Sizes(t) }

func TestFault_W16_Encoded(t *testing.T) { receiver.Encoded(t) }

func TestFault_W17_Empty(t *testing.T) { receiver.Empty(t) }

func TestFault_W18_Methods(t *testing.T) { receiver.Methods(t) }

func TestFault_W19_ContentTypes(t *testing.T) { receiver.ContentTypes(t) }

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
	receiver.Unreadable(t, bodies)
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

func TestFault_W25_FunctionFails(t *testing.T) { receiver.FunctionFails(t) }

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

func TestFault_W29_Shutdown(t *testing.T) { receiver.Shutdown(t) }

func TestFault_W30_FloodOfBadSignatures(t *testing.T) { receiver.Flood(t) }

func TestFault_W32_BodyAlreadyRead(t *testing.T) { receiver.BodyAlreadyRead(t) }
