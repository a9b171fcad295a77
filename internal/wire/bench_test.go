package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

// payment is a result as K2 posts it, and paid what it is decoded into.
const payment = `{"data":{"id":"a652f86f-f2aa-4d70-baa2-ccfe4b78f4fc","type":"incoming_payment","attributes":{"initiation_time":"2020-10-19T09:24:48.622+03:00","status":"Success","event":{"type":"Incoming Payment Request","resource":{"id":"52f86f-f2aa-4d70-baa2-ccfe4b78f4fc","reference":"OJJ1MPU40Z","origination_time":"2020-10-19T09:24:54+03:00","sender_phone_number":"+254999999999","amount":"100.0","currency":"KES","till_number":"K000000","system":"Lipa Na M-PESA","status":"Received","sender_first_name":"Joe","sender_middle_name":null,"sender_last_name":"Buyer"},"errors":null},"metadata":{"customer_id":"123456789","reference":"123456","notes":"Payment for invoice 12345"},"_links":{"callback_url":"https://webhook.site/675d4ef4","self":"http://sandbox.kopokopo.com/api/v2/incoming_payments/a652f86f"}}}}`

type paid struct {
	Data struct {
		ID, Type   string
		Attributes struct {
			Status string
			Event  struct {
				Resource struct {
					ID, Reference, Amount, Currency, System, Status string
					Origination                                     string `json:"origination_time"`
					First                                           string `json:"sender_first_name"`
				}
			}
		}
	}
}

// BenchmarkDecode compares a decoding with encoding/json's own of the same document:
// what Check adds is the difference.
func BenchmarkDecode(b *testing.B) {
	long := []byte(`[` + strings.Repeat(payment+",", 999) + payment + `]`)
	for name, run := range map[string]func() error{
		"ordinary/encoding json": func() error { return json.Unmarshal([]byte(payment), new(paid)) },
		"ordinary/Decode":        func() error { return Decode([]byte(payment), new(paid)) },
		"long/encoding json":     func() error { return json.Unmarshal(long, new([]paid)) },
		"long/Decode":            func() error { return Decode(long, new([]paid)) },
		"long/Check":             func() error { return Check(long) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
