package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// Where the embedded Kopo Kopo posts to.
const (
	hooks  = "https://shop.example/hooks"
	daraja = "https://shop.example/daraja"
)

// books are a merchant's ledger: entries by key, as a table with a unique index has them.
type books struct {
	mu      sync.Mutex
	entries map[string]kopokopo.LedgerEntry
}

// apply books what something moves, and nothing twice. A key that comes again has to
// be the same movement.
func (b *books) apply(from mover) error {
	entries, err := from.Entries()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		known, ok := b.entries[e.Key]
		if ok && (known.Amount != e.Amount || known.Direction != e.Direction || known.Reverses != e.Reverses) {
			return fmt.Errorf("%s is two movements: %v and %v", e.Key, known, e)
		}
		if !ok {
			b.entries[e.Key] = e
		}
	}
	return nil
}

// sum is what the books say that the balance moved by, in cents.
func (b *books) sum() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sum int64
	for _, e := range b.entries {
		sum += e.Minor()
	}
	return sum
}

// merchant is an application on an embedded Kopo Kopo that keeps books by what is
// posted to it.
type merchant struct {
	*testing.T
	k2      *kopokopotest.Server
	client  *kopokopo.Client
	books   *books
	opening int64
	reads   []func() json.RawMessage // each reads a document that it created
}

// trade runs a test as a merchant, in a bubble where waiting takes no time.
func trade(t *testing.T, run func(m *merchant), opts ...kopokopotest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k2 := kopokopotest.NewInMemoryServer(opts...)
		defer k2.Close()
		cfg := k2.Config()
		cfg.CallbackURL = hooks
		client, err := kopokopo.New(cfg)
		require.NoError(t, err)
		defer client.Close()
		m := &merchant{T: t, k2: k2, client: client, books: newBooks()}
		m.opening = m.balance()
		m.listen()
		run(m)
		m.idle()
	})
}

func newBooks() *books { return &books{entries: map[string]kopokopo.LedgerEntry{}} }

// listen subscribes to everything that tells of money.
func (m *merchant) listen() {
	handler, err := m.client.WebhookHandler(func(_ context.Context, n *kopokopo.Notification) error { return m.books.apply(n) })
	require.NoError(m, err)
	m.k2.Handle(hooks, handler)
	m.k2.Handle(daraja, handler)
	for _, topic := range []string{kopokopo.TopicBuygoodsReceived, kopokopo.TopicBuygoodsReversed, kopokopo.TopicSettlementTransferCompleted, kopokopo.TopicCustomerCreated} {
		m.subscribe(kopokopo.CreateWebhookReq{EventType: topic, URL: hooks, Scope: kopokopo.ScopeCompany})
	}
	m.subscribe(kopokopo.CreateWebhookReq{EventType: kopokopo.TopicBuygoodsReceived, URL: daraja, Scope: kopokopo.ScopeCompany, EnableDarajaPayload: true})
}

func (m *merchant) subscribe(req kopokopo.CreateWebhookReq) {
	m.Helper()
	_, err := m.client.WebhookSubscriptions.Create(m.Context(), req)
	require.NoError(m, err)
}

func (m *merchant) balance() int64 {
	m.Helper()
	minor, err := m.k2.Balance().Minor()
	require.NoError(m, err)
	return minor
}

// moved is what the server moved its balance by.
func (m *merchant) moved() int64 { m.Helper(); return m.balance() - m.opening }

// idle lets everything happen that is under way.
func (m *merchant) idle() {
	m.Helper()
	require.NoError(m, m.k2.WaitIdle(m.Context()))
}

// getter is the Get of any endpoint.
type getter[A any] interface {
	Get(ctx context.Context, id string, opts ...kopokopo.CallOption) (*kopokopo.Document[A], error)
}

// made notes how to read what was created.
func made[A any](m *merchant, at getter[A]) func(kopokopo.Ref, error) string {
	return func(ref kopokopo.Ref, err error) string {
		m.Helper()
		require.NoError(m, err)
		m.reads = append(m.reads, func() json.RawMessage {
			doc, err := at.Get(m.Context(), ref.ID)
			require.NoError(m, err)
			return doc.Raw
		})
		return ref.ID
	}
}

// push takes a payment.
func (m *merchant) push(till, amount string) string {
	m.Helper()
	return made(m, m.client.IncomingPayments)(m.client.IncomingPayments.Create(m.Context(), kopokopo.ReceiveMpesaReq{
		PaymentChannel: kopokopo.ChannelSTKPush, TillNumber: till, Subscriber: kopokopo.Subscriber{PhoneNumber: "+254712345678"}, Amount: kopokopo.KES(amount)}))
}

// send pays out.
func (m *merchant) send(destinations ...kopokopo.SendMoneyDestination) string {
	m.Helper()
	return made(m, m.client.SendMoney)(m.client.SendMoney.Create(m.Context(), kopokopo.SendMoneyReq{Destinations: destinations}))
}

// sweep moves all there is to the account that was registered last.
func (m *merchant) sweep() string {
	m.Helper()
	return made(m, m.client.SendMoney)(m.client.SendMoney.Sweep(m.Context(), kopokopo.SweepReq{Currency: "KES"}))
}

// pay pays a recipient, in version 1.
func (m *merchant) pay(kind, recipient, amount string) string {
	m.Helper()
	return made(m, m.client.V1.Payments)(m.client.V1.Payments.Create(m.Context(), kopokopo.CreatePaymentReq{
		DestinationType: kind, DestinationReference: recipient, Amount: kopokopo.KES(amount), Description: "d"}))
}

// settle moves money to an account of the merchant's own, in version 1: all there is
// without one.
func (m *merchant) settle(kind, account, amount string) string {
	m.Helper()
	req := kopokopo.SettlementTransferReq{Blind: true}
	if account != "" {
		req = kopokopo.SettlementTransferReq{DestinationType: kind, DestinationReference: account, Amount: kopokopo.KES(amount)}
	}
	return made(m, m.client.V1.SettlementTransfers)(m.client.V1.SettlementTransfers.Create(m.Context(), req))
}

// reverse gives a payment back.
func (m *merchant) reverse(receipt, reason string) string {
	m.Helper()
	return made(m, m.client.Reversals)(m.client.Reversals.Create(m.Context(), kopokopo.ReversalReq{TransactionReference: receipt, Reason: reason}))
}

// link makes a link that somebody pays.
func (m *merchant) link(amount string, pay bool) {
	m.Helper()
	id := made(m, m.client.PaymentLinks)(m.client.PaymentLinks.Create(m.Context(), kopokopo.PaymentLinkReq{TillNumber: "555555", Amount: kopokopo.KES(amount)}))
	if pay {
		require.NoError(m, m.k2.PayLink(id, "254712345678"))
	}
}

// account registers an account of the merchant's own: a wallet, or a bank account
// that settles by this method.
func (m *merchant) account(method string) string {
	m.Helper()
	if method == "" {
		ref, err := m.client.MerchantWallets.Create(m.Context(), kopokopo.MerchantWalletReq{FirstName: "Jane", LastName: "Doe", PhoneNumber: "254712345678", Network: "Safaricom"})
		require.NoError(m, err)
		doc, err := m.client.MerchantWallets.Get(m.Context(), ref.ID)
		require.NoError(m, err)
		return doc.Attributes.AccountReference
	}
	ref, err := m.client.MerchantBankAccounts.Create(m.Context(), kopokopo.MerchantBankAccountReq{AccountName: "Jane", BankBranchReference: "b", AccountNumber: "12", SettlementMethod: method})
	require.NoError(m, err)
	doc, err := m.client.MerchantBankAccounts.Get(m.Context(), ref.ID)
	require.NoError(m, err)
	return doc.Attributes.AccountReference
}

// documents are all that the merchant created, as bodies that tell of it.
func (m *merchant) documents() [][]byte {
	m.Helper()
	var bodies [][]byte
	for _, read := range m.reads {
		bodies = append(bodies, []byte(`{"data":`+string(read())+`}`))
	}
	return bodies
}

// poll reads the payments of all time.
func (m *merchant) poll() []kopokopo.Transaction {
	m.Helper()
	var all []kopokopo.Transaction
	now := time.Now()
	for t, err := range m.client.Transactions(m.Context(), kopokopo.TransactionsQuery{From: now.Add(-20 * time.Hour), To: now.Add(time.Hour)}) {
		require.NoError(m, err)
		all = append(all, t)
	}
	return all
}

// delivered are the bodies that were posted, each once. What was not taken was lost on
// the way, and not refused: nothing in it is undecided.
func (m *merchant) delivered() [][]byte {
	m.Helper()
	var bodies [][]byte
	known := map[string]bool{}
	for _, d := range m.k2.Deliveries() {
		if d.Err != nil {
			require.ErrorIs(m, d.Err, kopokopotest.ErrDropped, "%s", d.Body)
		}
		if !known[string(d.Body)] {
			known[string(d.Body)] = true
			bodies = append(bodies, d.Body)
		}
	}
	return bodies
}
