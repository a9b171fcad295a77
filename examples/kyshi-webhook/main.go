// Command kyshi-webhook takes Kyshi's webhooks: a complete little server, with two
// secrets while one replaces the other, and an orderly end.
//
// With KYSHI_WEBHOOK_SECRET set it listens on KYSHI_WEBHOOK_ADDR (default
// 127.0.0.1:8080) for POST /kyshi until it is interrupted; KYSHI_WEBHOOK_SECRET_OLD
// may hold the secret before. Without it the program delivers to itself, over
// loopback: no account, no internet, no money.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kyshi"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kyshi-webhook:", err)
		os.Exit(1)
	}
}

// run chooses between the real thing and the demonstration.
func run(ctx context.Context, env func(string) string, out io.Writer) error {
	secret := env("KYSHI_WEBHOOK_SECRET")
	if secret == "" {
		return demonstrate(ctx, out)
	}
	secrets := []string{secret}
	if old := env("KYSHI_WEBHOOK_SECRET_OLD"); old != "" {
		secrets = append(secrets, old)
	}
	address := env("KYSHI_WEBHOOK_ADDR")
	if address == "" {
		address = "127.0.0.1:8080"
	}
	s, err := newShop(secrets, out)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return s.serve(ctx, listener)
}

// shop is the merchant's side.
type shop struct {
	webhooks *kyshi.Handler
	verifier *kyshi.Verifier
	out      io.Writer

	mu   sync.Mutex // the handler calls from several goroutines
	paid map[string]kopokopo.Decimal
}

func newShop(secrets []string, out io.Writer) (*shop, error) {
	s := &shop{out: out, paid: map[string]kopokopo.Decimal{}}
	var err error
	if s.verifier, err = kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: secrets}); err != nil {
		return nil, err
	}
	s.webhooks, err = kyshi.NewWebhookHandler(kyshi.HandlerConfig{
		Verifier: s.verifier,
		// For money use a store as durable as the ledger: this one forgets with the process.
		Store:  kopokopo.NewMemoryStore(0, 0),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}, s.handle)
	return s, err
}

// handle is what the shop does with an event that Kyshi has signed.
func (s *shop) handle(_ context.Context, e *kyshi.Event) error {
	if e.Type != kyshi.EventSuccessful {
		s.tell("took note of an event: %v", e)
		return nil
	}
	// A real shop asks Kyshi here (GET /v1/transactions/verify/{reference}) and
	// compares amount and currency with the order, before it gives anything away.
	s.mu.Lock()
	_, again := s.paid[e.Data.Reference]
	s.paid[e.Data.Reference] = e.Data.Amount
	s.mu.Unlock()
	if again { // the same payment in other bytes
		return nil
	}
	s.tell("paid: %s, amount %s", e.Data.Reference, e.Data.Amount)
	return nil
}

func (s *shop) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// serve takes webhooks until ctx ends, and then ends in order: first no more
// connections, then no more work.
func (s *shop) serve(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("POST /kyshi", s.webhooks)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	s.tell("listening on http://%s/kyshi", listener.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := errors.Join(server.Shutdown(bounded), s.webhooks.Shutdown(bounded))
	s.tell("stopped")
	return err
}
