package webhooks_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

func nothingToDo(context.Context, *kopokopo.Notification) error { return nil }

// Every setting of a handler has a rule, and what breaks it is named.
func TestSettingsThatCannotWork(t *testing.T) {
	for field, cfg := range map[string]kopokopo.HandlerConfig{
		"MaxBody":     {MaxBody: -1},
		"MaxInWork":   {MaxInWork: -1},
		"ReadTimeout": {ReadTimeout: -1},
		"AckTimeout":  {AckTimeout: -1},
		"WorkTimeout": {WorkTimeout: -1},
	} {
		cfg.Keys = []string{leaseKey}
		_, err := kopokopo.NewWebhookHandler(cfg, nothingToDo)
		require.EqualError(t, err, "kopokopo: webhook handler: "+field+" must not be negative")
	}
	made := "not made by New"
	for _, c := range []*kopokopo.Client{nil, {}} {
		_, err := c.WebhookHandler(nothingToDo)
		require.ErrorContains(t, err, made)
	}
	_, err := kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Client: &kopokopo.Client{}, Keys: []string{leaseKey}}, nothingToDo)
	require.ErrorContains(t, err, made)
}

func TestHandlersPrintWhatTheyAre(t *testing.T) {
	cfg := kopokopo.HandlerConfig{Keys: []string{leaseKey, "another"}}
	require.Equal(t, "kopokopo.HandlerConfig(2 keys)", fmt.Sprint(cfg))
	require.Equal(t, "kopokopo.HandlerConfig(2 keys)", cfg.LogValue().String())
	require.Equal(t, "kopokopo.Handler", fmt.Sprintf("%+v", process(t, nil, nothingToDo)))
}

// The store that a handler has of its own remembers more than one delivery, and for
// longer than a moment.
func TestDefaultStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h := process(t, nil, func(context.Context, *kopokopo.Notification) error { calls++; return nil })
		for range 3 {
			for i := range 10 {
				require.Equal(t, 200, status(h, paid(fmt.Sprint(i))))
			}
			time.Sleep(time.Hour)
		}
		require.Equal(t, 10, calls)
	})
}

// Without a logger of its own a handler has its client's.
func TestLoggerOfTheClient(t *testing.T) {
	var clients, own bytes.Buffer
	srv := kopokopotest.NewInMemoryServer()
	defer srv.Close()
	cfg := srv.Config()
	cfg.Logger = slog.New(slog.NewTextHandler(&clients, nil))
	client, err := kopokopo.New(cfg)
	require.NoError(t, err)
	defer client.Close()
	for _, logger := range []*slog.Logger{nil, slog.New(slog.NewTextHandler(&own, nil))} {
		h := process(t, nil, nothingToDo, func(c *kopokopo.HandlerConfig) { c.Client, c.Logger = client, logger })
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte("{}"))))
		require.Equal(t, http.StatusUnauthorized, rec.Code)
	}
	require.Equal(t, 1, bytes.Count(clients.Bytes(), []byte("\n")))
	require.Equal(t, 1, bytes.Count(own.Bytes(), []byte("\n")))
	require.Contains(t, clients.String(), `msg="kopokopo: webhook: `)
}

// A client is live if either of its hosts is. Then samples are acknowledged, and
// everything else is delivered.
func TestSamplesOfALiveClient(t *testing.T) {
	for name, row := range map[string]struct {
		base, auth string
		calls      int
	}{
		"live":            {kopokopo.Production, "", 0},
		"live base":       {kopokopo.Production, "https://auth.example", 0},
		"live authority":  {"https://gateway.example", kopokopo.Production, 0},
		"sandbox":         {kopokopo.Sandbox, "", 1},
		"another gateway": {"https://gateway.example", "https://auth.example", 1},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := kopokopo.New(kopokopo.Config{BaseURL: row.base, AuthURL: row.auth,
				Credentials: kopokopo.Credentials{AppID: "a", Secret: "b", APIKey: leaseKey}})
			require.NoError(t, err)
			defer client.Close()
			calls := 0
			h, err := client.WebhookHandler(func(context.Context, *kopokopo.Notification) error { calls++; return nil })
			require.NoError(t, err)
			body, err := kopokopo.Sample(kopokopo.TopicCustomerCreated)
			require.NoError(t, err)
			require.Equal(t, 200, status(h, string(body)))
			require.Equal(t, row.calls, calls)
			require.Equal(t, 200, status(h, paid("1")))
			require.Equal(t, row.calls+1, calls)
		})
	}
}

// The times a handler is given are those it keeps.
func TestTimesOfAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := func(c *kopokopo.HandlerConfig) {
			c.ReadTimeout, c.AckTimeout, c.WorkTimeout, c.MaxBody = 3*time.Second, 7*time.Second, 11*time.Second, 100
		}
		h := process(t, nil, func(ctx context.Context, _ *kopokopo.Notification) error { <-ctx.Done(); return ctx.Err() }, set)
		begun := time.Now()
		require.Equal(t, 503, status(h, paid("1")))
		require.Equal(t, 7*time.Second, time.Since(begun))
		require.NoError(t, h.Shutdown(t.Context()))
		require.Equal(t, 11*time.Second, time.Since(begun))

		h = process(t, nil, nothingToDo, set)
		require.Equal(t, 413, status(h, paid(string(make([]byte, 100)))))
		w := &readDeadline{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "/", io.LimitReader(neverEnding{}, 10))
		h.ServeHTTP(w, r)
		require.Equal(t, 3*time.Second, time.Until(w.first))
	})
}

// readDeadline is a ResponseWriter that notes its first read deadline.
type readDeadline struct {
	*httptest.ResponseRecorder
	first time.Time
}

func (r *readDeadline) SetReadDeadline(at time.Time) error {
	if r.first.IsZero() {
		r.first = at
	}
	return nil
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return copy(p, "x"), nil }

// Only a final result is one to those who wait, and only a result of a request: an
// event about something else, or an interim word, ends no wait.
func TestWhatWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := kopokopotest.NewInMemoryServer(kopokopotest.WithDelay(3 * time.Second))
		defer srv.Close()
		client, err := kopokopo.New(srv.Config())
		require.NoError(t, err)
		defer client.Close()
		h := process(t, nil, nothingToDo, func(c *kopokopo.HandlerConfig) { c.Client = client })
		ref, err := client.IncomingPayments.Create(t.Context(), kopokopo.ReceiveMpesaReq{PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000111",
			Subscriber: kopokopo.Subscriber{PhoneNumber: "+254712345678"}, Amount: kopokopo.KES("100"), Links: kopokopo.Links{Callback: "https://shop.example/"}})
		require.NoError(t, err)
		for _, body := range []string{
			fmt.Sprintf(`{"data":{"id":%q,"type":"incoming_payment","attributes":{"status":"Pending"}}}`, ref.ID),
			fmt.Sprintf(`{"topic":"buygoods_transaction_received","id":%q,"event":{"resource":{"status":"Received"}}}`, ref.ID),
			fmt.Sprintf(`{"data":{"id":%q,"type":"loan","attributes":{"status":"Success"}}}`, ref.ID),
		} {
			require.Equal(t, 200, status(h, body))
		}
		begun := time.Now()
		_, err = client.IncomingPayments.Wait(t.Context(), ref.ID)
		require.NoError(t, err)
		require.Equal(t, 4*time.Second, time.Since(begun), "by the first look, and not before it")
	})
}
