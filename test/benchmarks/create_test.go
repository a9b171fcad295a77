package benchmarks_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// benchServerEnv makes the test binary be the server of the benchmarks, so that
// what they measure is the client alone.
const benchServerEnv = "KOPOKOPO_TEST_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(benchServerEnv) != "" {
		serveBenchmark()
		return
	}
	os.Exit(m.Run())
}

// serveBenchmark answers every create with 201 and every token call with a token,
// until its standard input ends.
func serveBenchmark() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"benchmark-token","token_type":"Bearer","expires_in":3600}`)
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "https://sandbox.kopokopo.com"+r.URL.Path+"/247b1bd8-f5a0-4b71-a898-f62f67b8ae1c")
		w.WriteHeader(http.StatusCreated)
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("http://" + ln.Addr().String())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	http.Serve(ln, mux)
}

// startBenchServer runs the server in a process of its own and returns its URL.
func startBenchServer(b *testing.B) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), benchServerEnv+"=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(b, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(line)
}

func benchPush() kopokopo.ReceiveMpesaReq {
	return kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "K000000",
		Subscriber:     kopokopo.Subscriber{FirstName: "Joe", LastName: "Buyer", PhoneNumber: "+254999999999"},
		Amount:         kopokopo.KES("20000"),
		Metadata:       map[string]any{"reference": "123456", "customer_id": "123456789"},
		Links:          kopokopo.Links{Callback: "https://shop.example/callback"},
	}
}

// BenchmarkCreate is one STK push by the client: validation, token, encoding,
// money-safe transport, typed result. Compare with BenchmarkBareNetHTTP of the same run.
func BenchmarkCreate(b *testing.B) {
	client, err := kopokopo.New(kopokopo.Config{BaseURL: startBenchServer(b),
		Credentials: kopokopo.Credentials{AppID: "id", Secret: "secret"}})
	require.NoError(b, err)
	defer client.Close()
	ctx, req := b.Context(), benchPush()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.IncomingPayments.Create(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareNetHTTP is the least a program would write by hand for the same
// call: encode, send, check the status, drain, take Location; with the timeout that
// no program can do without.
func BenchmarkBareNetHTTP(b *testing.B) {
	base := startBenchServer(b)
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: 30 * time.Second}
	ctx := b.Context()
	type amount struct {
		Currency string      `json:"currency"`
		Value    json.Number `json:"value"`
	}
	b.ReportAllocs()
	for b.Loop() {
		body, err := json.Marshal(struct {
			PaymentChannel string              `json:"payment_channel"`
			TillNumber     string              `json:"till_number"`
			Subscriber     kopokopo.Subscriber `json:"subscriber"`
			Amount         amount              `json:"amount"`
			Metadata       map[string]any      `json:"metadata"`
			Links          kopokopo.Links      `json:"_links"`
		}{"M-PESA STK Push", "K000000", kopokopo.Subscriber{FirstName: "Joe", LastName: "Buyer", PhoneNumber: "+254999999999"},
			amount{"KES", "20000"}, map[string]any{"reference": "123456", "customer_id": "123456789"},
			kopokopo.Links{Callback: "https://shop.example/callback"}})
		if err != nil {
			b.Fatal(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v2/incoming_payments", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		req.Header.Set("User-Agent", "bare/1.0")
		req.Header.Set("Authorization", "Bearer benchmark-token")
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated || resp.Header.Get("Location") == "" {
			b.Fatal(resp.Status)
		}
	}
}
