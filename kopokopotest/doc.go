// Package kopokopotest is an embedded Kopo Kopo, in the manner of net/http/httptest:
// a whole K2 Connect API, versions 1 and 2, in the process of a test or of a
// developer's program. It needs no account, no tunnel and no internet.
//
//	srv := kopokopotest.NewServer()
//	defer srv.Close()
//	srv.Handle("https://shop.example/result", myHandler) // served in memory
//	client, err := kopokopo.New(srv.Config())
//
// [NewInMemoryServer] does the same without sockets, for testing/synctest.
//
// # What it does
//
// Every request is checked, kept and answered as K2 answers it. Requests with a
// result start Pending, Scheduled or Received, move to their final state after a
// delay ([WithDelay]), and then have the signed result posted to their
// callback_url and the matching events to the subscribed webhooks. A payment that
// was collected can be found by polling and can be reversed. The server only ever
// posts to the loopback interface and to URLs registered with [Server.Handle], and
// accepts only the credentials it issued.
//
// # How requests end
//
//   - A customer pays, unless the till is [FailTill] or [WithFailure] says of the phone
//     why not: a wrong PIN, no answer, and so on. [SuccessTill] is there for tests that
//     also run against Kopo Kopo's sandbox.
//   - Money out arrives, unless it is for [FailPhone], or for a till, paybill or bank
//     account of nothing but zeros. Then that disbursement is Cancelled, with
//     "The balance is insufficient for the transaction" in v2, while the whole still
//     says Processed: as at Kopo Kopo, only the inner status tells.
//   - A reversal succeeds, unless its reason is [FailReason].
//   - A payment link is paid when the test calls [Server.PayLink].
//   - [WithOutcome] decides otherwise, for any request. [FailureReasons] has M-PESA's
//     words for each cause. [WithDestinations] decides about each destination of send
//     money: one can fail at first, and stay pending after the others.
//
// # How far it can be trusted
//
// Documented by Kopo Kopo, or in the fixtures of its official SDKs: paths, versions,
// headers, fields and their JSON types, the 201 with a Location and no body, the
// signature, the tokens with their odd times, the shapes of results and events, the
// scope of subscriptions, the list form of a reversal's errors, the Cancelled
// reversal inside a Processed one.
//
// Observed by users of the real thing: the bodyless 403 without a User-Agent, the
// two magic tills, the limits of send_money and its errors list, no plus in its
// phone numbers, the refusal of duplicate v1 recipients and of names with digits or
// punctuation, error reasons as text in v1 and as a list in v2, some of their words, tills
// with and without their K, an event and a callback for one payment with the same
// reference.
//
// Assumed, because nothing is published: the JSON of 401 and 404, the texts for
// metadata and callback URLs, one event id for all subscribers, the redelivery
// schedule, how a disbursement fails or stays pending, the first states of v1 payments and
// transfers, failed polling and SMS, cancelling a paid or cancelled link, states of
// a subscription. Destination references are not checked against known recipients.
// The balance ([Server.Balance]) opens with KSh 100,000; what is received is added to
// it, and what is reversed, paid out and settled is taken off. Nothing is refused for
// want of money: the balance goes below zero, and a sweep then moves nothing. An own
// account the server does not know gets a sweep if none was created. Bank accounts are
// paid by EFT, which has no receipt, unless their settlement method is RTS.
// [WithSplits] follows K2's sample of a settlement in two parts and
// [WithSandboxReceipts] its sandbox; what [WithInterimCallbacks] and
// [WithReversedShown] show is assumed.
//
// Not there, because nothing in it could cause them: card, merchant-to-merchant and
// till-to-till events. They can be subscribed to.
//
// # Bounds
//
// A request body may have 1 MiB. The newest 10,000 requests, deliveries, resources,
// transactions and tokens are kept, and of each at most 64 MiB of bodies; older ones
// are forgotten. At most 10,000 results and deliveries can be outstanding; further
// creates are answered 429.
package kopokopotest
