package webhooks_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// onlyVersion is a K2 that knows a resource in one version of its API only, and
// counts the questions.
type onlyVersion struct {
	http.RoundTripper
	version string // "v1", or "" for none
	fails   int    // the status of the other version
	asked   *[]string
}

func (o onlyVersion) RoundTrip(r *http.Request) (*http.Response, error) {
	version, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/api/") {
		return o.RoundTripper.RoundTrip(r)
	}
	*o.asked = append(*o.asked, version)
	if version == o.version {
		return o.RoundTripper.RoundTrip(r)
	}
	return &http.Response{StatusCode: o.fails, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// The link of a result to itself says in which version of the API to look first. If it
// is wrong, or says nothing, the other one is asked.
func TestRereadFindsTheVersion(t *testing.T) {
	push := kopokopo.ReceiveMpesaReq{PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000111",
		Subscriber: kopokopo.Subscriber{PhoneNumber: "+254712345678"}, Amount: kopokopo.KES("100"), Links: kopokopo.Links{Callback: "https://shop.example/"}}
	const host = "https://api.kopokopo.com"
	for name, row := range map[string]struct {
		self, has string
		fails     int
		status    int
		asked     string
	}{
		"v2 as it says":         {host + "/api/v2/incoming_payments/x", "v2", 404, 200, "v2"},
		"v1 as it says":         {host + "/api/v1/incoming_payments/x", "v1", 404, 200, "v1"},
		"v2, and it says v1":    {host + "/api/v1/incoming_payments/x", "v2", 404, 200, "v1 v2"},
		"v1, and it says v2":    {host + "/api/v2/incoming_payments/x", "v1", 404, 200, "v2 v1"},
		"v1, and no version":    {host + "/incoming_payments/x", "v1", 404, 200, "v2 v1"},
		"v1, and no link":       {"", "v1", 404, 200, "v2 v1"},
		"neither":               {host + "/api/v1/incoming_payments/x", "", 404, 503, "v1 v2"},
		"a refusal is no guide": {host + "/api/v1/incoming_payments/x", "v2", 403, 503, "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []string
				srv := kopokopotest.NewInMemoryServer()
				defer srv.Close()
				cfg := srv.Config()
				cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
					return onlyVersion{next, row.has, row.fails, &asked}
				}
				client, err := kopokopo.New(cfg)
				require.NoError(t, err)
				defer client.Close()
				ref, err := client.IncomingPayments.Create(t.Context(), push)
				require.NoError(t, err)
				require.NoError(t, srv.WaitIdle(t.Context()))
				calls := 0
				h := process(t, nil, func(context.Context, *kopokopo.Notification) error { calls++; return nil },
					func(c *kopokopo.HandlerConfig) { c.Client, c.Reread = client, true })
				body := fmt.Sprintf(`{"data":{"id":%q,"type":"incoming_payment","attributes":{"status":"Success","_links":{"self":%q}}}}`, ref.ID, row.self)
				require.Equal(t, row.status, status(h, body))
				require.Equal(t, row.asked, strings.Join(asked, " "))
				require.Equal(t, row.status == 200, calls == 1)
			})
		})
	}
}

// A resource that one version has is asked for there, and once, whatever its link says.
func TestRereadOfWhatOneVersionHas(t *testing.T) {
	for kind, version := range map[string]string{"payment": "v1", "settlement_transfer": "v1", "transaction_sms_notification": "v1",
		"send_money": "v2", "payment_link": "v2", "reversal": "v2"} {
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			srv := kopokopotest.NewInMemoryServer()
			defer srv.Close()
			cfg := srv.Config()
			cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return onlyVersion{next, "", 404, &asked} }
			client, err := kopokopo.New(cfg)
			require.NoError(t, err)
			defer client.Close()
			h := process(t, nil, func(context.Context, *kopokopo.Notification) error { return nil },
				func(c *kopokopo.HandlerConfig) { c.Client, c.Reread = client, true })
			for _, self := range []string{"v1", "v2"} {
				body := fmt.Sprintf(`{"data":{"id":"x","type":%q,"attributes":{"status":"Processed","_links":{"self":"https://api.kopokopo.com/api/%s/x"}}}}`, kind, self)
				asked = nil
				require.Equal(t, 503, status(h, body), kind)
				require.Equal(t, []string{version}, asked, kind)
			}
		})
	}
}
