package kopokopo_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// counter is a RoundTripper that counts what goes over the wire. A tracing one looks
// the same: it passes the request's context on, and repeats nothing.
type counter struct {
	next  http.RoundTripper
	calls *atomic.Int64
}

func (c counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	return c.next.RoundTrip(req)
}

// Tracing and metrics go around the client's own connections, which keep their
// guarantees: what failed before a byte was sent is still known to be not sent.
func ExampleConfig_wrapTransport() {
	k2 := kopokopotest.NewServer()
	defer k2.Close()

	var calls atomic.Int64
	config := k2.Config()
	config.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		return counter{next, &calls}
	}
	client, err := kopokopo.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	_, err = client.IncomingPayments.Create(context.Background(), kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush,
		TillNumber:     "K000000",
		Subscriber:     kopokopo.Subscriber{FirstName: "Joe", LastName: "Buyer", PhoneNumber: "+254999999999"},
		Amount:         kopokopo.KES("1500"),
		Links:          kopokopo.Links{Callback: "https://shop.example/kopokopo"},
	})
	fmt.Println(err, calls.Load()) // the token, and the payment
	// Output: <nil> 2
}
