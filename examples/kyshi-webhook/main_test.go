package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), func(string) string { return "" }, &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 9)
	require.Regexp(t, `^listening on http://127\.0\.0\.1:\d+/kyshi$`, lines[0])
	require.Regexp(t, `^paid: SAMPLE-[a-z0-9]+, amount 100\.5$`, lines[1])
	require.Equal(t, []string{
		"delivered a charge: 200 OK",
		"delivered the same charge again: 200 OK",
		"delivered a charge signed by a stranger: 400 Bad Request",
		"delivered a charge changed on the way: 400 Bad Request",
	}, lines[2:6])
	require.Regexp(t, `^took note of an event: kyshi\.Event\(some\.future_event, key kyshi:body:[0-9a-f]{64}, revision 1\)$`, lines[6])
	require.Equal(t, []string{"delivered an event of a new type: 200 OK", "stopped"}, lines[7:])
}

func TestServer(t *testing.T) {
	var out bytes.Buffer
	s, err := newShop([]string{"whsec_new", "whsec_old"}, &out)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, listener) }()
	target := "http://" + listener.Addr().String() + "/kyshi"
	body := []byte(`{"event":"successful","data":{"reference":"ORD-1","amount":1500.50}}`)
	for secret, want := range map[string]int{"whsec_new": 200, "whsec_old": 200, "whsec_retired": 400} {
		v, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{secret}})
		require.NoError(t, err)
		r, err := v.SignedRequest(ctx, target, body)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode, secret)
	}
	resp, err := http.Get(target)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 405, resp.StatusCode)
	stop()
	require.NoError(t, <-ended)
	require.Equal(t, 1, strings.Count(out.String(), "paid: ORD-1, amount 1500.50"))
	require.Contains(t, out.String(), "stopped")
}

func TestSettings(t *testing.T) {
	settings := map[string]string{"KYSHI_WEBHOOK_SECRET": "whsec_new", "KYSHI_WEBHOOK_SECRET_OLD": "whsec_old", "KYSHI_WEBHOOK_ADDR": "127.0.0.1:0"}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out bytes.Buffer
	require.NoError(t, run(ctx, func(name string) string { return settings[name] }, &out))
	require.Contains(t, out.String(), "listening on http://127.0.0.1:")
	settings["KYSHI_WEBHOOK_SECRET"] = "whsec_new\n"
	err := run(t.Context(), func(name string) string { return settings[name] }, &out)
	require.ErrorContains(t, err, "Secrets[0] has white space around it")
	require.NotContains(t, err.Error(), "whsec_new")
	settings = map[string]string{"KYSHI_WEBHOOK_SECRET": "whsec_new", "KYSHI_WEBHOOK_ADDR": "not an address"}
	require.Error(t, run(t.Context(), func(name string) string { return settings[name] }, &out))
}
