package kopokopo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/kopokopo-go/kopokopo"
)

const benchTx = `{"type":"Buygoods Transaction","resource":{"id":"%08d-24b9-40fc-ae57-2d7559785760","amount":"100.0","status":"Received","system":"Lipa Na M-PESA","currency":"KES","reference":"OJM6Q1W84K","till_number":"514459","origination_time":"2020-10-22T10:43:19+03:00","sender_last_name":"Doe","sender_first_name":"Jane","sender_middle_name":null,"hashed_sender_phone":"d30d07eef610b83d1f65f3a15280499552e5f0fcb86c3890d7375291c6ba4e70","sender_phone_number":"+254999999999"}}`

func pollingOf(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"data":{"id":"abc","type":"polling","attributes":{"status":"Success","transactions":[`)
	for i := 0; b.Len() < n-600; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, benchTx, i)
	}
	b.WriteString(`]}}}`)
	return []byte(b.String())
}

func BenchmarkZZGet(b *testing.B) {
	read := func(f string) []byte { d, err := os.ReadFile("testdata/payloads/" + f); if err != nil { b.Fatal(err) }; return d }
	var body []byte
	client, _ := kopokopo.New(kopokopo.Config{BaseURL: testBase, Credentials: testCredentials(), MaxRetries: -1,
		HTTPClient: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
		})}})
	ctx := context.Background()
	b.Run("incoming", func(b *testing.B) {
		body = read("resource_incoming_payment_success_v2.json")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.IncomingPayments.Get(ctx, "a652f86f-f2aa-4d70-baa2-ccfe4b78f4fc", kopokopo.WithToken("t")); err != nil { b.Fatal(err) }
		}
	})
	b.Run("send_money", func(b *testing.B) {
		body = read("resource_send_money_processed.json")
		id := regexp.MustCompile(`"id":\s*"([^"]+)"`).FindStringSubmatch(string(body))[1]
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.SendMoney.Get(ctx, id, kopokopo.WithToken("t")); err != nil { b.Fatal(err) }
		}
	})
	for _, n := range []int{64 << 10, 8 << 20} {
		b.Run(fmt.Sprintf("polling%dk", n>>10), func(b *testing.B) {
			body = pollingOf(n)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Polling.Get(ctx, "abc", kopokopo.WithToken("t")); err != nil { b.Fatal(err) }
			}
		})
	}
}

func BenchmarkZZParse(b *testing.B) {
	for _, f := range []string{"webhook_buygoods_transaction_received.json", "callback_incoming_payment_success_v2.json", "webhook_daraja_buygoods_node.json", "webhook_settlement_transfer_completed_bank.json", "callback_send_money_processed.json"} {
		b.Run(f, func(b *testing.B) {
			body, err := os.ReadFile("testdata/payloads/" + f)
			if err != nil { b.Fatal(err) }
			b.ReportAllocs()
			for b.Loop() {
				if _, err := kopokopo.ParseEvent(body); err != nil { b.Fatal(err) }
			}
		})
	}
}
