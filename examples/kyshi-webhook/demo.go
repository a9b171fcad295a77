package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/kopokopo-go/kopokopo/kyshi"
)

// demonstrate serves on loopback and plays Kyshi: a delivery, the same again, one
// that somebody else signed, and one that was changed on the way.
func demonstrate(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := newShop([]string{"whsec_" + rand.Text()}, out)
	if err != nil {
		return err
	}
	stranger, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{"whsec_" + rand.Text()}})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.serve(serving, listener) }()
	target := "http://" + listener.Addr().String() + "/kyshi"
	charge := kyshi.SampleCharge()
	err = errors.Join(
		s.deliver(ctx, "a charge", s.verifier, target, charge, charge),
		s.deliver(ctx, "the same charge again", s.verifier, target, charge, charge),
		s.deliver(ctx, "a charge signed by a stranger", stranger, target, kyshi.SampleCharge(), nil),
		s.deliver(ctx, "a charge changed on the way", s.verifier, target, charge, append(charge[:len(charge):len(charge)], ' ')),
		s.deliver(ctx, "an event of a new type", s.verifier, target, []byte(`{"event":"some.future_event","data":{}}`), nil),
	)
	stop()
	return errors.Join(err, <-ended)
}

// deliver signs one body and sends another, if one is given.
func (s *shop) deliver(ctx context.Context, what string, signer *kyshi.Verifier, target string, signed, sent []byte) error {
	if sent == nil {
		sent = signed
	}
	request, err := signer.SignedRequest(ctx, target, sent)
	if err != nil {
		return err
	}
	request.Header.Set(signer.Header(), signer.Sign(signed))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	s.tell("delivered %s: %s", what, response.Status)
	return nil
}
