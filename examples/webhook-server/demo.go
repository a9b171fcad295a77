package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// demonstrate runs the server against an embedded Kopo Kopo, and shuts it down.
func demonstrate(ctx context.Context) error {
	k2 := kopokopotest.NewServer()
	defer k2.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	shop := newShop()
	key := k2.Config().Credentials.APIKey
	handler, err := shop.handler("the-new-key", key) // the embedded Kopo Kopo still has the old one
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	left := make(chan error, 1)
	go func() { left <- serve(ctx, listener, handler) }()
	err = takePayment(ctx, k2, "http://"+listener.Addr().String()+"/webhooks")
	cancel()
	if shutdown := <-left; err == nil {
		err = shutdown
	}
	if err != nil {
		return err
	}
	booked, forged := len(shop.ledger), handler.BadSignatures()
	fmt.Println("5. Shut down;", booked, "movements booked,", forged, "forgery refused, balance", shop.balance(), "cents")
	if booked != 2 || forged != 1 || shop.balance() != 0 {
		return errors.New("that should have been a payment, its reversal and a forgery")
	}
	return nil
}

// takePayment makes a customer pay, gives it back, and repeats and forges what comes of it.
func takePayment(ctx context.Context, k2 *kopokopotest.Server, webhooks string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, err := kopokopo.New(k2.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	if err := payAndReturn(ctx, k2, client, webhooks); err != nil {
		return err
	}
	fmt.Println("3. Kopo Kopo delivers them all again: nothing is called")
	for _, d := range k2.Deliveries() {
		if err := post(ctx, kopokopotest.Signed(webhooks, d.Body, k2.Config().Credentials.APIKey)); err != nil {
			return err
		}
	}
	fmt.Println("4. Somebody forges one")
	return post(ctx, kopokopotest.SignedSample(webhooks, kopokopo.TopicBuygoodsReceived, "a guess"))
}

// payAndReturn takes a payment and gives it back. Each comes as a result and as an event.
func payAndReturn(ctx context.Context, k2 *kopokopotest.Server, client *kopokopo.Client, webhooks string) error {
	for _, topic := range []string{kopokopo.TopicBuygoodsReceived, kopokopo.TopicBuygoodsReversed} {
		_, err := client.WebhookSubscriptions.Create(ctx, kopokopo.CreateWebhookReq{
			EventType: topic, URL: webhooks, Scope: kopokopo.ScopeTill, ScopeRef: "000111"})
		if err != nil {
			return err
		}
	}
	fmt.Println("1. A customer pays: a result and an event")
	ref, err := client.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000111",
		Subscriber: kopokopo.Subscriber{PhoneNumber: "+254712345678"}, Amount: kopokopo.KES("100"),
		Links: kopokopo.Links{Callback: webhooks}})
	if err = errors.Join(err, k2.WaitIdle(ctx)); err != nil {
		return err
	}
	payment, err := client.IncomingPayments.Get(ctx, ref.ID)
	if err != nil {
		return err
	}
	fmt.Println("2. It is given back: both have the receipt of the payment")
	_, err = client.Reversals.Create(ctx, kopokopo.ReversalReq{
		TransactionReference: payment.Attributes.Event.Resource.Reference, Reason: "Paid twice",
		Links: kopokopo.Links{Callback: webhooks}})
	return errors.Join(err, k2.WaitIdle(ctx))
}

// post delivers a request and prints how it was answered.
func post(ctx context.Context, request *http.Request) error {
	answer, err := http.DefaultClient.Do(request.WithContext(ctx))
	if err != nil {
		return err
	}
	fmt.Println("   answered with", answer.StatusCode)
	return answer.Body.Close()
}
