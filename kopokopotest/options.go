package kopokopotest

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/kopokopo-go/kopokopo"
)

// Defaults of the options.
const (
	defaultDelay         = 50 * time.Millisecond
	defaultTokenLifetime = time.Hour // K2 docs: expires_in 3600
	defaultTries         = 5
	defaultFirstWait     = 100 * time.Millisecond
)

// Option changes how a server behaves.
type Option func(*settings)

type settings struct {
	delay         time.Duration
	tokenLifetime time.Duration
	createdAt     CreatedAt
	tries         int
	firstWait     time.Duration
	plan          func(Delivery) DeliveryPlan
	outcome       func(Submission) []string
	destinations  func(Destination) DestinationPlan
	failures      map[string]kopokopo.FailureCode // of customers, by their phones' digits
	roots         *x509.CertPool

	sandboxReceipts bool
	split           money // 0: never
	interim         bool
	reversedShown   bool
}

func newSettings(opts []Option) settings {
	s := settings{
		delay:         defaultDelay,
		tokenLifetime: defaultTokenLifetime,
		tries:         defaultTries,
		firstWait:     defaultFirstWait,
		failures:      map[string]kopokopo.FailureCode{},
	}
	for _, opt := range opts {
		opt(&s)
	}
	return s
}

// WithDelay sets how long a payment, transfer, reversal, polling or SMS request
// stays pending. Default 50 ms. With 0 (or less) the very first GET already shows
// the result, and the callback is posted as soon as the 201 has been sent.
func WithDelay(d time.Duration) Option { return func(s *settings) { s.delay = max(d, 0) } }

// WithTokenLifetime sets how long an access token is valid, and so its expires_in.
// Default 1 hour, as K2 documents. Whole seconds are reported, rounded down.
func WithTokenLifetime(d time.Duration) Option { return func(s *settings) { s.tokenLifetime = d } }

// CreatedAt is the form of created_at in the answer to POST /oauth/token.
type CreatedAt int

// The three forms of created_at seen from K2 and its official SDKs.
const (
	CreatedAtISO    CreatedAt = iota // "2026-04-27T00:09:15+03:00", as in the v2 docs; the default
	CreatedAtUnix                    // 1617257436
	CreatedAtAbsent                  // no such key
)

// WithCreatedAt sets the form of a token's created_at. Default [CreatedAtISO].
func WithCreatedAt(form CreatedAt) Option { return func(s *settings) { s.createdAt = form } }

// WithRedelivery sets how often a callback or webhook is tried in all, and the
// wait before the second try, which doubles before each further one. Default 5
// tries, 100 ms: after 0, 100, 300, 700 and 1500 ms. Kopo Kopo publishes no
// schedule; this one is short because it is for tests.
func WithRedelivery(tries int, firstWait time.Duration) Option {
	return func(s *settings) { s.tries, s.firstWait = max(tries, 1), max(firstWait, 0) }
}

// WithDelivery has plan decide about every delivery, once, before its first try.
// Plan sees what is about to be posted (Attempt and Status are 0) and may drop,
// repeat, delay or spoil it. It may be called from several goroutines at once.
func WithDelivery(plan func(Delivery) DeliveryPlan) Option {
	return func(s *settings) { s.plan = plan }
}

// DeliveryPlan is what happens to one delivery. The zero value is an ordinary one.
type DeliveryPlan struct {
	Drop       bool                     // never post it; it is recorded with [ErrDropped]
	Duplicates int                      // post it this many times more, each after the one before has ended
	Delay      time.Duration            // wait before posting; different delays change the order
	WrongKey   bool                     // sign with a key the merchant does not have
	Pretty     bool                     // indent the body; it is signed as it is sent
	Edit       func(body []byte) []byte // replace the body before it is signed
}

// WithOutcome has decide say how each asynchronous request ends: the reasons it
// fails for, or none to let the tills and numbers described in the package
// documentation decide. It must not call methods of the server, and may be
// called from several goroutines at once.
func WithOutcome(decide func(Submission) []string) Option {
	return func(s *settings) { s.outcome = decide }
}

// WithFailure makes a customer fail to pay: each STK push to the phone ends Failed, for
// the reason that [FailureReasons] has for the code. Repeat it for further phones; of
// several for one phone the last counts. What [WithOutcome] decides goes before it, and
// it goes before the till. It panics for a phone that [kopokopo.ParsePhone] does not read.
func WithFailure(phone string, code kopokopo.FailureCode) Option {
	number, err := kopokopo.ParsePhone(phone)
	if err != nil {
		panic(fmt.Sprintf("kopokopotest: WithFailure: %v", err))
	}
	return func(s *settings) { s.failures[number.Digits()] = code }
}

// Submission is an accepted request whose result is about to be decided.
type Submission struct {
	Version    string // "v1" or "v2"
	Collection string // the collection of its path, such as "incoming_payments"
	ID         string // the id of its resource
	Body       []byte // the request's body as received
}

// WithSandboxReceipts makes M-PESA receipts as Kopo Kopo's sandbox does: the Unix time
// in seconds. All that happens within one second then has the same receipt, payments
// of different customers too.
func WithSandboxReceipts() Option { return func(s *settings) { s.sandboxReceipts = true } }

// WithSplits makes money out that is more than most, in shillings, arrive in several
// disbursements of at most that, one after the other: Kopo Kopo's sample pays 49,452
// as 24,452 and 25,000. Each has a receipt of its own, or none by EFT; together with
// [WithSandboxReceipts] they share one. There are at most 100, the last of which may
// then be larger. Default: all in one. WithSplits panics if most is not a sum of money.
func WithSplits(most string) Option {
	limit, ok := parseMoney(most)
	if !ok || limit <= 0 {
		panic("kopokopotest: WithSplits needs an amount such as 25000")
	}
	return func(s *settings) { s.split = limit }
}

// WithInterimCallbacks posts more than the result of a request to its callback URL,
// as Kopo Kopo may: the document as it stands at half of the delay, if there is one, and
// that of send money to several destinations also with the first of them alone.
func WithInterimCallbacks() Option { return func(s *settings) { s.interim = true } }

// WithReversedShown makes a payment that was given back say so wherever it is read
// again: "Reversed" in polling and in the incoming payment that it came by, "Pending
// Reversal" in polling before that. Default: they go on saying Received. Neither is on
// record.
func WithReversedShown() Option { return func(s *settings) { s.reversedShown = true } }

// WithRootCAs sets the certificates a real server trusts when it posts to an
// https URL on the loopback interface. Default: those of the system.
func WithRootCAs(pool *x509.CertPool) Option { return func(s *settings) { s.roots = pool } }
