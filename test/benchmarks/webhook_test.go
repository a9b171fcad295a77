package benchmarks_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// kilobyte is an event of about 1 kB.
func kilobyte(id int) []byte {
	body := testkit.Received("2133dbfb-24b9-40fc-ae57-"+fmt.Sprintf("%012d", id), "OJM6Q1W84K")
	return []byte(strings.Replace(body, `"currency"`, `"padding":"`+strings.Repeat("x", 1024-13-len(body))+`","currency"`, 1))
}

// BenchmarkVerify compares verification with the HMAC it cannot do without.
func BenchmarkVerify(b *testing.B) {
	for _, size := range []int{512, 1024, 2048, 16 << 10} {
		body := bytes.Repeat([]byte("x"), size)
		sig := kopokopo.Sign(body, testkit.HookKey)
		b.Run("bare/"+strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				want, err := hex.DecodeString(sig)
				mac := hmac.New(sha256.New, []byte(testkit.HookKey))
				mac.Write(body)
				if err != nil || !hmac.Equal(mac.Sum(nil), want) {
					b.Fatal("refused")
				}
			}
		})
		b.Run("VerifySignature/"+strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if kopokopo.VerifySignature(body, sig, testkit.HookKey) != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

// nothing is a ResponseWriter that costs nothing.
type nothing struct{ header http.Header }

func (w nothing) Header() http.Header         { return w.header }
func (w nothing) Write(p []byte) (int, error) { return len(p), nil }
func (w nothing) WriteHeader(int)             {}

// BenchmarkHandler takes a new 1 kB event through the whole handler each time, beside
// the least a program could do: read, HMAC, json into a struct.
func BenchmarkHandler(b *testing.B) {
	type prepared struct {
		body []byte
		sig  string
	}
	events := make([]prepared, 1<<14)
	for i := range events {
		body := kilobyte(i)
		events[i] = prepared{body, kopokopo.Sign(body, testkit.HookKey)}
	}
	run := func(b *testing.B, h http.Handler, fresh func() http.Handler) {
		request := httptest.NewRequest(http.MethodPost, "/", nil)
		w := nothing{http.Header{}}
		b.SetBytes(1024)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			e := events[i%len(events)]
			if i++; i%len(events) == 0 && fresh != nil {
				b.StopTimer()
				h = fresh()
				b.StartTimer()
			}
			request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(e.body)), int64(len(e.body))
			request.Header.Set(kopokopo.SignatureHeader, e.sig)
			h.ServeHTTP(w, request)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	}
	b.Run("bare", func(b *testing.B) {
		run(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mac := hmac.New(sha256.New, []byte(testkit.HookKey))
			mac.Write(body)
			want, _ := hex.DecodeString(r.Header.Get(kopokopo.SignatureHeader))
			var event struct {
				Topic, ID string
				Event     struct{ Resource map[string]any }
			}
			if !hmac.Equal(mac.Sum(nil), want) || json.Unmarshal(body, &event) != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.WriteHeader(http.StatusOK)
		}), nil)
	})
	b.Run("bare struct", func(b *testing.B) {
		run(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mac := hmac.New(sha256.New, []byte(testkit.HookKey))
			mac.Write(body)
			want, _ := hex.DecodeString(r.Header.Get(kopokopo.SignatureHeader))
			var event kopokopoEvent
			if !hmac.Equal(mac.Sum(nil), want) || json.Unmarshal(body, &event) != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.WriteHeader(http.StatusOK)
		}), nil)
	})
	b.Run("Handler", func(b *testing.B) {
		fresh := func() http.Handler {
			h, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Keys: []string{testkit.HookKey}},
				func(context.Context, *kopokopo.Notification) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
			return h
		}
		run(b, fresh(), fresh)
	})
}

// kopokopoEvent is the struct a program would write for one topic.
type kopokopoEvent struct {
	Topic     string `json:"topic"`
	ID        string `json:"id"`
	CreatedAt string `json:"created_at"`
	Event     struct {
		Type     string `json:"type"`
		Resource struct {
			ID              string `json:"id"`
			Amount          string `json:"amount"`
			Status          string `json:"status"`
			Currency        string `json:"currency"`
			Reference       string `json:"reference"`
			TillNumber      string `json:"till_number"`
			SenderPhone     string `json:"sender_phone_number"`
			OriginationTime string `json:"origination_time"`
		} `json:"resource"`
	} `json:"event"`
}
