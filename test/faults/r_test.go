package faults_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// R: what the answers are.

const location = "Location: https://sandbox.kopokopo.com/" + testID // no collection, so it fits every create

// answering runs a case in which every connection gets the same raw answer and is
// then closed.
func answeringRaw(t *testing.T, classes string, raw string, wants map[string]want) {
	t.Helper()
	fault(t, classes, ourWay, func(e *env) {
		e.w.Script = always(readWhole, send(raw), fin)
		e.expect(e.call(e.Context()), wants)
	})
}

var all = map[string]want{"*": endsWell(1, 1)}

func TestFault_R01_Created(t *testing.T) {
	answeringRaw(t, writers, answer(201, "", location), all)
	fault(t, "C", ourWay, func(e *env) {
		e.w.Script = always(readWhole, send(answer(201, "", location)), hang)
		ref, err := e.start().IncomingPayments.Create(e.Context(), validSTK())
		require.NoError(e.T, err)
		assert.Equal(e.T, testID, ref.ID)
	})
}

func TestFault_R02_OtherSuccesses(t *testing.T) {
	answeringRaw(t, writers, answer(200, "", location), all)
	answeringRaw(t, writers, answer(202, `{"status":"queued"}`, location), all)
}

func TestFault_R03_NoLocation(t *testing.T) {
	for _, raw := range []string{answer(201, ""), "HTTP/1.1 204 No Content\r\n\r\n", answer(201, `{"id":"x"}`), answer(201, "", "Location: "), answer(201, "", "Location: /")} {
		answeringRaw(t, writers, raw, map[string]want{"*": endsUnknown(1, kopokopo.ErrNoLocation)})
	}
}

func TestFault_R04_LocationElsewhere(t *testing.T) {
	for _, base := range []string{"https://evil.example", "http://sandbox.kopokopo.com", "https://user:pass@k2.example", "https://k2.example/other/path", ""} {
		fault(t, "MC", ourWay, func(e *env) {
			e.w.Script = always(readWhole, send(answer(201, "", "Location: "+base+e.col.path+"/"+testID)), hang)
			e.expect(e.call(e.Context()), all)
			assert.Len(e.T, e.w.Seen(), 1, "nothing is fetched from there")
			assert.Equal(e.T, 1, e.w.Dialled())
		})
	}
}

func TestFault_R05_CreatedWithACutBody(t *testing.T) {
	answeringRaw(t, writers, "HTTP/1.1 201 Created\r\n"+location+"\r\nContent-Length: 100\r\n\r\nabcdef", all)
}

func TestFault_R06_CutDocument(t *testing.T) {
	answeringRaw(t, "R", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\"", map[string]want{"R": endsFailing(3, 3, kopokopo.ErrResponse)})
	t.Run("whole for the protocol", func(t *testing.T) {
		answeringRaw(t, "R", answer(200, `{"data":{"id":`), map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponse)})
	})
}

func TestFault_R07_GatewayPage(t *testing.T) {
	page := "<html><body><h1>502 Bad Gateway</h1>" + strings.Repeat("<p>nginx</p>", 680) + "</body></html>"
	raw := strings.Replace(answer(502, page), "application/json", "text/html", 1)
	fault(t, everyone, ourWay, func(e *env) {
		e.w.Script = always(readWhole, send(raw), fin)
		err := e.call(e.Context())
		e.expect(err, map[string]want{"*": endsUnknown(1), "R": endsFailing(3, 3)})
		assert.Contains(e.T, err.Error(), "502 Bad Gateway (html, 8 KB)")
		assert.NotContains(e.T, err.Error(), "<")
	})
}

func TestFault_R08_ErrorShapes(t *testing.T) {
	shapes := map[string][2]string{ // code, message
		`{"error_code":400,"error_message":"Till number is invalid"}`:              {"400", "Till number is invalid"},
		`{"errors":["Amount is too small","Phone is blank"]}`:                      {"", "Amount is too small"},
		`{"errors":{"amount":["is too small"]}}`:                                   {"", "amount: is too small"},
		`{"error":"invalid_request","error_description":"A parameter is missing"}`: {"invalid_request", "A parameter is missing"},
		`{"status":422,"error":"Unprocessable Entity"}`:                            {"Unprocessable Entity", "Unprocessable Entity"},
		`{"something":"else"}`:                                                     {"", ""},
	}
	for body, shown := range shapes {
		fault(t, "MR", ourWay, func(e *env) {
			e.w.Script = always(readWhole, send(answer(400, body)), fin)
			err := e.call(e.Context())
			e.expect(err, map[string]want{"*": endsRefused(1), "R": endsFailing(1, 1)})
			var answered *kopokopo.APIError
			require.ErrorAs(e.T, err, &answered)
			assert.Equal(e.T, shown[0], answered.Code, body)
			assert.Contains(e.T, strings.Join(answered.Messages, "; "), shown[1], body)
			assert.Equal(e.T, body, string(answered.Body()))
		})
	}
}

func TestFault_R09_EmptyErrors(t *testing.T) {
	for status, wants := range map[int]map[string]want{
		404: {"*": endsRefused(1), "R": endsFailing(1, 1)}, 400: {"*": endsRefused(1), "R": endsFailing(1, 1)},
		408: {"*": endsUnknown(1), "R": endsFailing(3, 3)}, 421: {"*": endsUnknown(1), "R": endsFailing(3, 3)}, 425: {"*": endsUnknown(1), "R": endsFailing(3, 3)},
		500: {"*": endsUnknown(1), "R": endsFailing(3, 3)}, 502: {"*": endsUnknown(1), "R": endsFailing(3, 3)}, 503: {"*": endsUnknown(1), "R": endsFailing(3, 3)},
		504: {"*": endsUnknown(1), "R": endsFailing(3, 3)}, 405: {"*": endsRefused(1), "R": endsFailing(1, 1)}, 409: {"*": endsRefused(1), "R": endsFailing(1, 1)},
		410: {"*": endsRefused(1), "R": endsFailing(1, 1)}, 413: {"*": endsRefused(1), "R": endsFailing(1, 1)}, 415: {"*": endsRefused(1), "R": endsFailing(1, 1)},
		422: {"*": endsRefused(1), "R": endsFailing(1, 1)},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			fault(t, everyone, ourWay, func(e *env) {
				e.w.Script = always(readWhole, send(answer(status, "")), fin)
				err := e.call(e.Context())
				e.expect(err, wants)
				assert.Contains(e.T, err.Error(), fmt.Sprint(status))
				assert.NotContains(e.T, err.Error(), "EOF")
			})
		})
	}
}

func TestFault_R10_HugeBody(t *testing.T) {
	fault(t, "R", ourWay, func(e *env) {
		var sent atomic.Int64
		e.w.Script = always(readWhole, send("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n"), func(p *peer) error {
			chunk := bytes.Repeat([]byte("x"), 16<<10)
			for {
				n, err := p.Conn.Write(chunk)
				sent.Add(int64(n))
				if err != nil {
					return err
				}
			}
		})
		e.expect(e.call(e.Context()), map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponseTooLarge)})
		assert.LessOrEqual(e.T, sent.Load(), int64(1<<20+64<<10), "the rest is not drained")
	})
	t.Run("behind a success or a refusal of a create", func(t *testing.T) {
		fault(t, "MC", ourWay, func(e *env) {
			e.w.Script = always(readWhole, send("HTTP/1.1 201 Created\r\n"+location+"\r\nContent-Length: 10485760\r\n\r\n"+strings.Repeat("x", 1<<20+64<<10)), hang)
			e.expect(e.call(e.Context()), all)
		})
		fault(t, "MC", ourWay, func(e *env) {
			e.w.Script = always(readWhole, send("HTTP/1.1 400 Bad Request\r\nContent-Length: 10485760\r\n\r\n"+strings.Repeat("x", 1<<20+64<<10)), hang)
			e.expect(e.call(e.Context()), map[string]want{"*": endsRefused(1)})
		})
	})
}

func TestFault_R11_GzipBomb(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	for range 1 << 6 {
		_, _ = zip.Write(make([]byte, 1<<20))
	}
	require.NoError(t, zip.Close())
	raw := answer(200, bomb.String(), "Content-Encoding: gzip")
	fault(t, "R", ourWay, func(e *env) {
		e.w.Script = always(readWhole, send(raw), hang)
		e.start()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := e.call(e.Context())
		runtime.ReadMemStats(&after)
		e.expect(err, map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponseTooLarge)})
		e.Logf("%d KiB allocated for a bomb of 64 MiB", (after.TotalAlloc-before.TotalAlloc)>>10)
		assert.Less(e.T, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	})
	t.Run("payouts do not ask for compression", func(t *testing.T) {
		fault(t, "M", ourWay, func(e *env) {
			require.NoError(e.T, e.call(e.Context()))
			assert.Empty(e.T, e.w.Seen()[0].Header.Get("Accept-Encoding"))
		})
	})
}

func TestFault_R12_SlowBody(t *testing.T) {
	raw := "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat(" ", 100000)
	fault(t, everyone, allWays, func(e *env) {
		e.cfg.Timeout = 3 * time.Second
		e.w.Script = always(readWhole, send(strings.Replace(raw[:strings.Index(raw, "\r\n\r\n")+4], "\r\n", "\r\n"+location+"\r\n", 1)), drip(strings.Repeat(" ", 100000), 20*time.Millisecond))
		var err error
		took := elapsed(func() { err = e.call(e.Context()) })
		e.expect(err, map[string]want{"*": endsWell(1, 1), "R": endsFailing(3, 3, context.DeadlineExceeded)})
		if e.col.create {
			assert.Equal(e.T, 3*time.Second, took)
		}
	})
}

func TestFault_R13_Encodings(t *testing.T) {
	var once bytes.Buffer
	zip := gzip.NewWriter(&once)
	_, _ = zip.Write([]byte(`{"data":{"id":"` + testID + `"}}`))
	require.NoError(t, zip.Close())
	var twice bytes.Buffer
	zip = gzip.NewWriter(&twice)
	_, _ = zip.Write(once.Bytes())
	require.NoError(t, zip.Close())
	broken := bytes.Clone(once.Bytes())
	broken[len(broken)-6] ^= 0xff // in the checksum
	for name, tt := range map[string]struct {
		raw      string
		attempts int
	}{
		"broken":      {answer(200, string(broken), "Content-Encoding: gzip"), 3},
		"cut":         {answer(200, once.String()[:20], "Content-Encoding: gzip"), 3},
		"not gzip":    {answer(200, "plain", "Content-Encoding: gzip"), 3},
		"br":          {answer(200, "\x0b\x02\x80", "Content-Encoding: br"), 1},
		"gzip, twice": {answer(200, twice.String(), "Content-Encoding: gzip"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			answeringRaw(t, "R", tt.raw, map[string]want{"R": endsFailing(tt.attempts, tt.attempts, kopokopo.ErrResponse)})
		})
	}
}

func TestFault_R14_DeepJSON(t *testing.T) {
	deep := `{"data":{"id":"` + testID + `","attributes":{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}}}`
	answeringRaw(t, "R", answer(200, deep), map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponse)})
	answeringRaw(t, "M", answer(400, strings.Repeat("[", 20000)), map[string]want{"*": endsRefused(1)})
}

func TestFault_R15_NotAnObject(t *testing.T) {
	for _, body := range []string{"null", "[]", `""`, "0", "{}", `{"data":null}`, `{"data":[]}`, `{"data":{}}`,
		`{"data":{"id":"` + testID + `"}}`, `{"data":{"id":"` + testID + `","attributes":null}}`} {
		t.Run(body, func(t *testing.T) {
			answeringRaw(t, "R", answer(200, body), map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponse)})
		})
	}
}

func TestFault_R16_OddJSON(t *testing.T) {
	document := func(attributes string) string {
		return `{"data":{"id":"` + testID + `","type":"incoming_payment","attributes":` + attributes + `}}`
	}
	for body, ok := range map[string]bool{
		"\xef\xbb\xbf" + document(`{}`):                                          false,
		document(`{}`) + "trailing":                                              false,
		document(`{"status":"Pending","status":"Success"}`):                      true,
		document(`{"STATUS":"Success"}`):                                         true,
		document(`{"event":{"resource":{"amount":"1000.50"}}}`):                  true,
		document(`{"event":{"resource":{"amount":1000.50}}}`):                    true,
		strings.Replace(document(`{}`), `"data"`, `"meta":[1,2],"data"`, 1):      true,
		strings.Replace(document(`{}`), `"type"`, `"unknown":{"a":1},"type"`, 1): true,
	} {
		t.Run("", func(t *testing.T) {
			wants := map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponse)}
			if ok {
				wants = all
			}
			answeringRaw(t, "R", answer(200, body), wants)
		})
	}
}

// An amount is what K2 sent, digit for digit: one that is no number does not pass for
// another one, and one beyond the documented float64 is an error there.
func TestFault_R16_OddAmounts(t *testing.T) {
	for amount, shown := range map[string]string{`"1000.50"`: "1000.50", `1000.50`: "1000.50", `1e400`: "1e400", `"one thousand"`: "one thousand"} {
		fault(t, "R", ourWay, func(e *env) {
			e.w.Script = always(readWhole, send(answer(200, `{"data":{"id":"`+testID+`","type":"incoming_payment","attributes":{"event":{"resource":{"amount":`+amount+`}}}}}`)), hang)
			doc, err := e.start().IncomingPayments.Get(e.Context(), testID)
			require.NoError(e.T, err)
			assert.Equal(e.T, shown, doc.Attributes.Event.Resource.Amount.String())
			_, err = e.client.SDK().QueryIncommingMpesaPayment(testToken, testID)
			if strings.Contains(amount, "1000") {
				require.NoError(e.T, err)
			} else {
				require.ErrorIs(e.T, err, kopokopo.ErrResponse)
			}
		})
	}
}

// firstly answers the first request so, and all others well.
func firstly(raw string) func(*peer, wireRequest) string {
	first := true // the client of a case asks one thing at a time
	return func(*peer, wireRequest) string {
		if first {
			first = false
			return raw
		}
		return ""
	}
}

func TestFault_R19_HeadersThatMeanNothing(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		raw := answer(201, "", location)
		if !e.col.create {
			raw = goodAnswer(wireRequest{Method: e.col.method, Path: e.col.path})
		}
		raw = strings.Replace(raw, "\r\n", "\r\nSet-Cookie: session=1\r\nRefresh: 0; url=https://evil.example/\r\nLink: </x>; rel=next\r\n", 1)
		e.w.Script = always(readWhole, send(raw), readWhole, send(raw), fin)
		require.NoError(e.T, e.call(e.Context()))
		require.NoError(e.T, e.call(e.Context()))
		require.Len(e.T, e.w.Seen(), 2)
		assert.Empty(e.T, e.w.Seen()[1].Header.Get("Cookie"))
	})
}

func TestFault_R20_HostileErrorTexts(t *testing.T) {
	for name, body := range map[string]string{
		"terminal codes":  `{"error_message":"\u001b[31mred\u001b[0m\r\nInjected: header"}`,
		"a megabyte":      `{"error_message":"` + strings.Repeat("long ", 200000) + `"}`,
		"invalid UTF-8":   "{\"error_message\":\"\xff\xfe bad\"}",
		"tokens":          `{"error_message":"token ` + testToken + ` is not good, secret ` + strings.ReplaceAll(testSecret, `"`, `\"`) + `"}`,
		"a phone":         `{"error_message":"254712345678 is not registered"}`,
		"many, each long": `{"errors":["` + strings.Repeat(strings.Repeat("y", 1000)+`","`, 50) + `z"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, ourWay, func(e *env) {
				e.w.Script = always(readWhole, send(answer(422, body)), fin)
				err := e.call(e.Context())
				e.expect(err, map[string]want{"*": endsRefused(1), "R": endsFailing(1, 1)})
				text := err.Error()
				assert.LessOrEqual(e.T, len(text), 512+200)
				assert.True(e.T, utf8.ValidString(text))
				assert.NotContains(e.T, text, "\n")
				assert.NotContains(e.T, text, "\x1b")
				assert.NotContains(e.T, text, "254712345678")
			})
		})
	}
}

func TestFault_R21_OtherContentTypes(t *testing.T) {
	text := func(raw string) string { return strings.Replace(raw, "application/json", "text/plain", 1) }
	answeringRaw(t, "R", text(goodAnswer(wireRequest{Method: "GET", Path: columns["R"].path})), all)
	answeringRaw(t, "MR", text(answer(400, "plain text")), map[string]want{"*": endsRefused(1), "R": endsFailing(1, 1)})
}

func TestFault_R22_LoginPage(t *testing.T) {
	raw := strings.Replace(answer(200, "<html><body>Welcome to the airport's Wi-Fi</body></html>"), "application/json", "text/html", 1)
	answeringRaw(t, "R", raw, map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponse)})
	answeringRaw(t, writers, raw, map[string]want{"*": endsUnknown(1, kopokopo.ErrNoLocation)})
}

func TestFault_R23_NoRefreshForALackOfScope(t *testing.T) {
	for _, raw := range []string{
		answer(401, "", `WWW-Authenticate: Bearer realm="k2", error="insufficient_scope"`), answer(403, `{"error_message":"no"}`), answer(403, ""),
	} {
		fault(t, everyone, ourWay, func(e *env) {
			asked := 0
			e.cfg.TokenSource = sourceFunc(func(context.Context, string) (string, error) { asked++; return testToken, nil })
			e.w.Script = always(readWhole, send(raw), fin)
			e.expect(e.call(e.Context()), map[string]want{"*": endsRefused(1), "R": endsFailing(1, 1)})
			assert.Equal(e.T, 1, asked)
		})
	}
}

func TestFault_R24_AnotherDocument(t *testing.T) {
	answeringRaw(t, "R", goodAnswer(wireRequest{Method: "GET", Path: "/x/247b1bd8-f5a0-4b71-a898-f62f67b8ae1c"}),
		map[string]want{"R": endsFailing(1, 1, kopokopo.ErrResponse)})
}

func TestFault_R25_OddFraming(t *testing.T) {
	document := `{"data":{"id":"` + testID + `","type":"incoming_payment","attributes":{}}}`
	chunk := fmt.Sprintf("%x", len(document))
	broken := map[string]want{"R": endsFailing(3, 3, kopokopo.ErrResponse)}
	for name, tt := range map[string]struct {
		raw   string
		wants map[string]want
	}{
		"HTTP/1.0, no length": {"HTTP/1.0 200 OK\r\n\r\n" + document, all},
		"HTTP/1.0, a length":  {fmt.Sprintf("HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n", len(document)) + document, all},
		"chunk extensions":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + ";a=b\r\n" + document + "\r\n0\r\n\r\n", all},
		"no final chunk":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "\r\n" + document + "\r\n", broken},
		"a bad chunk size":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + document, broken},
		"unknown encoding":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: bogus\r\n\r\n" + document, map[string]want{"R": endsFailing(2, 2)}},
		"length and chunks":   {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "\r\n" + document + "\r\n0\r\n\r\n", all},
		"two lengths":         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n" + document, map[string]want{"R": endsFailing(2, 2)}},
	} {
		t.Run(name, func(t *testing.T) { answeringRaw(t, "R", tt.raw, tt.wants) })
	}
}
