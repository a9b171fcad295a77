// Command webhook-server receives what Kopo Kopo posts, and books each movement of
// money once.
//
// Without any settings it runs against an embedded Kopo Kopo in this very process:
// it takes a payment, gives it back, receives result and event of both, all of them
// again and one with a forged signature, and shuts down. With KOPOKOPO_API_KEY set it serves
// POST /webhooks on LISTEN_ADDRESS (default 127.0.0.1:8080; put a proxy with TLS in
// front of it) until it is interrupted. While you replace the key, set
// KOPOKOPO_OLD_API_KEY to the one that is going.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := demonstrate
	if os.Getenv("KOPOKOPO_API_KEY") != "" {
		run = listen
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "webhook-server:", err)
		os.Exit(1)
	}
}

// listen serves the real Kopo Kopo.
func listen(ctx context.Context) error {
	keys := []string{os.Getenv("KOPOKOPO_API_KEY")} // the one in use first
	if old := os.Getenv("KOPOKOPO_OLD_API_KEY"); old != "" {
		keys = append(keys, old)
	}
	address := os.Getenv("LISTEN_ADDRESS")
	if address == "" {
		address = "127.0.0.1:8080"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	shop := newShop()
	handler, err := shop.handler(keys...)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	return serve(ctx, listener, handler)
}

// handler verifies with any of the keys. For money, give it a Store that is as
// durable as the ledger: the default forgets everything with the process.
func (s *shop) handler(keys ...string) (*kopokopo.Handler, error) {
	return kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{
		Keys:        keys,
		SkipSamples: os.Getenv("KOPOKOPO_API_KEY") != "", // samples are for demonstrations
		Logger:      slog.Default(),
		OnDeadLetter: func(_ context.Context, raw []byte) error {
			return fmt.Errorf("nowhere to keep %d bytes", len(raw)) // a table or a file, in a real shop
		},
	}, s.receive)
}

// serve runs until ctx ends and then leaves in order: first no more requests, then
// the work that goes on after its request was answered.
func serve(ctx context.Context, listener net.Listener, handler *kopokopo.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("/webhooks", handler) // it answers other methods than POST itself
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	leave, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(leave), handler.Shutdown(leave))
}
