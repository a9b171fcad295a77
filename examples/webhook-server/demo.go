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
	credited, forged := len(shop.ledger), handler.BadSignatures()
	fmt.Println("4. Shut down;", credited, "payment credited,", forged, "forgery refused")
	if credited != 1 || forged != 1 {
		return errors.New("that should have been one of each")
	}
	return nil
}

// takePayment makes a customer pay, and repeats and forges what comes of it.
func takePayment(ctx context.Context, k2 *kopokopotest.Server, webhooks string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, err := kopokopo.New(k2.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	fmt.Println("1. A customer pays: a result and an event")
	_, err = client.WebhookSubscriptions.Create(ctx, kopokopo.CreateWebhookReq{
		EventType: kopokopo.TopicBuygoodsReceived, URL: webhooks, Scope: kopokopo.ScopeTill, ScopeRef: "000111"})
	if err != nil {
		return err
	}
	_, err = client.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: "K000111",
		Subscriber: kopokopo.Subscriber{PhoneNumber: "+254712345678"}, Amount: kopokopo.KES("100"),
		Links: kopokopo.Links{Callback: webhooks}})
	if err != nil {
		return err
	}
	if err := k2.WaitIdle(ctx); err != nil {
		return err
	}
	fmt.Println("2. Kopo Kopo delivers them again: nothing is called")
	for _, d := range k2.Deliveries() {
		if err := post(ctx, kopokopotest.Signed(webhooks, d.Body, k2.Config().Credentials.APIKey)); err != nil {
			return err
		}
	}
	fmt.Println("3. Somebody forges one")
	return post(ctx, kopokopotest.SignedSample(webhooks, kopokopo.TopicBuygoodsReceived, "a guess"))
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
