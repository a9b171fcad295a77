// Package kopokopo is a Go SDK for Kopo Kopo (K2 Connect): M-PESA payments for
// Kenyan merchants.
//
// # Two doors
//
// [Client] is the way in for new programs: context first, access tokens that look
// after themselves, K2's resources as fields.
//
//	client, err := kopokopo.New(kopokopo.Config{BaseURL: kopokopo.Sandbox, Credentials: credentials})
//	ref, err := client.IncomingPayments.Create(ctx, kopokopo.ReceiveMpesaReq{ … })
//
// [SDK] is the documented interface: 17 methods, explicit tokens, version 1 of the
// API. [NewSDK] makes one; [Client.SDK] gives one over a client's connections.
//
// Signatures, events, phone numbers and validation are plain functions that need
// neither.
//
// # Money safety
//
// K2 has no idempotency keys: whoever repeats a payment pays twice. Therefore
// nothing is sent again of which a byte may have left, unless K2 refused it before
// acting; net/http is kept from doing so by itself; and every error of a call that
// changes something is exactly one of
//
//   - [ErrNotSent]: K2 cannot have acted,
//   - [ErrRefused]: K2 answered, and did not act,
//   - [ErrOutcomeUnknown]: nobody knows. Find out before paying again.
//
// Put your own reference into a request's Metadata: it comes back in the callback,
// and is the way home from an unknown outcome.
//
// With [WithIdempotencyKey] a payment is created once at most, however often and by
// whichever process it is asked for: this package stores what is to be sent before it
// is sent, and what became of it after, in [Config.Intents]. A call with a key that
// was used returns the payment of then, or says that it is not known yet. The result
// that K2 posts settles that by itself; [Client.FollowUp] reads the results that never
// come, and [Client.Intents] lists what a person has to settle.
//
// Statuses are read whole: [Outcomer] says what became of a resource, since K2 says
// "Processed" of a payment that was not paid.
//
// # Webhooks
//
// K2 signs the raw bytes it posts, without a timestamp, and delivers twice, out of
// order or not at all. [Client.WebhookHandler] makes a handler that verifies, reads
// and remembers deliveries, and acknowledges one only after the program's function
// succeeded:
//
//	handler, err := client.WebhookHandler(func(ctx context.Context, n *kopokopo.Notification) error {
//		switch p := n.Payload.(type) {
//		case *kopokopo.Document[kopokopo.IncomingPayment]: // the result of an STK push
//			…
//		case *kopokopo.TransactionEvent: // a payment at the till
//			…
//		}
//		return nil // acknowledged; an error makes K2 deliver again
//	})
//	http.Handle("POST /kopokopo", handler)
//
// [VerifySignature] and [ParseEvent] are its parts, for programs with a server of
// their own. Package kyshi does the same for Kyshi's webhooks.
//
// # Secrets
//
// Credentials travel in bodies and headers, never in a URL. No error and no log
// record of this package holds a secret, a token, a phone number or a body, and a
// printed Config, Client or token shows none. (fmt itself steps over that for verbs
// that make no sense, %p and %w of a Config or Credentials by value; go vet reports
// these.) Requests and what K2 answered print as they are: they are the program's.
//
// # Development
//
// Package kopokopotest is an embedded Kopo Kopo: develop and test without an
// account, a tunnel or the internet.
package kopokopo
