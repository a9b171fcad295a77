package survival_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/examples/shop/checkout"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// callbackURL is where Kopo Kopo posts to.
const callbackURL = "https://shop.example/kopokopo"

// scenario is what happens in a world.
type scenario struct {
	seed    uint64
	orders  int
	rows    int
	seconds int  // of mishaps, before there is calm
	faults  bool // whether requests and deliveries have any
	rounds  int  // of half a minute, in which all has to come to an end
	server  []kopokopotest.Option

	kill    func(life int, point string, nth int) bool // whether a program is abandoned at a failpoint; nil for never
	intents func(life int) kopokopo.IntentStore        // nil for one that outlives all
	books   func(checkout.Books) checkout.Books        // nil for books that book by entry key
}

// world is what outlives the program: Kopo Kopo, the stores, the books, and the people.
type world struct {
	scenario
	dice       dice
	tally      *tally
	k2         *kopokopotest.Server
	durable    kopokopo.IntentStore
	deliveries kopokopo.DeliveryStore
	memory     *checkout.Memory
	books      checkout.Books
	log        *record
	ctx        context.Context
	end        context.CancelFunc
	lives      int

	mu      sync.Mutex
	life    *life
	all     []*life // those before it too
	calm    bool
	keys    map[string]string   // what Kopo Kopo created, by its id
	ids     map[string][]string // and by its key
	charged map[string]int      // how often the customer of an order was charged
	paid    map[string]int      // how often money was sent to a phone
}

// open makes a world, without a program yet.
func open(s scenario, t *tally) (*world, error) {
	w := &world{scenario: s, tally: t, dice: dice{seed: s.seed}, log: &record{}, keys: map[string]string{},
		ids: map[string][]string{}, charged: map[string]int{}, paid: map[string]int{}}
	w.ctx, w.end = context.WithCancel(context.Background())
	w.k2 = kopokopotest.NewInMemoryServer(append([]kopokopotest.Option{
		kopokopotest.WithDelay(8 * time.Second), kopokopotest.WithRedelivery(4, 500*time.Millisecond),
		kopokopotest.WithOutcome(w.push), kopokopotest.WithDestinations(w.disburse), kopokopotest.WithDelivery(w.post),
	}, s.server...)...)
	w.k2.Handle(callbackURL, http.HandlerFunc(w.door))
	w.deliveries, w.durable = kopokopo.NewMemoryStore(0, 0), kopokopo.NewMemoryIntents(0, 0)
	w.memory = &checkout.Memory{Orders: map[string]checkout.Order{}, Ledger: map[string]kopokopo.LedgerEntry{}}
	for i := range s.orders {
		id := fmt.Sprint("order", i)
		w.memory.Orders[id] = checkout.Order{ID: id, Till: "K000111", Phone: phoneOf(id), Price: fmt.Sprint(100 + i), Attempt: 1}
	}
	if w.books = w.memory; s.books != nil {
		w.books = s.books(w.memory)
	}
	if w.intents == nil {
		w.intents = func(int) kopokopo.IntentStore { return w.durable }
	}
	return w, w.subscribe()
}

// subscribe has payments told of as events too.
func (w *world) subscribe() error {
	client, err := kopokopo.New(w.k2.Config())
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.WebhookSubscriptions.Create(w.ctx, kopokopo.CreateWebhookReq{EventType: kopokopo.TopicBuygoodsReceived,
		URL: callbackURL, Scope: kopokopo.ScopeTill, ScopeRef: "000111"})
	return err
}

// close ends everything, the ghosts of programs among it.
func (w *world) close() {
	w.end()
	for _, l := range w.all {
		l.abandon()
	}
	time.Sleep(2 * time.Minute) // goroutines of programs that are over come to rest
	for _, l := range w.all {
		l.shop.Client.Close()
		l.network.host.Close()
	}
	w.k2.Close()
}

// alive returns the program if it is running.
func (w *world) alive() *life {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.life == nil {
		return nil
	}
	select {
	case <-w.life.over:
		return nil
	default:
		return w.life
	}
}

// mishap rolls the dice, and nothing happens while there is calm.
func (w *world) mishap(question ...any) float64 {
	w.mu.Lock()
	calm := w.calm || !w.faults
	w.mu.Unlock()
	if calm {
		return 1
	}
	return w.dice.roll(question...)
}

// kills reports whether a program is abandoned at a failpoint.
func (w *world) kills(l *life, point string) bool {
	nth := w.dice.nth(fmt.Sprint("life ", l.number, " ", point))
	w.mu.Lock()
	calm := w.calm
	w.mu.Unlock()
	return !calm && w.kill != nil && w.kill(l.number, point, nth)
}

// unheard is an order of which Kopo Kopo's word never arrives.
const unheard = "order0"

// phoneOf is the phone of an order's customer.
func phoneOf(order string) string { return "25471100000" + strings.TrimPrefix(order, "order") }

// push decides what a customer does, and counts who was charged.
func (w *world) push(s kopokopotest.Submission) []string {
	if s.Collection != "incoming_payments" {
		return nil
	}
	_, attempt, _ := strings.Cut(w.subject(s.Body), "/")
	order, number, _ := strings.Cut(attempt, "/")
	if number < "3" && w.dice.roll("declines", attempt) < 0.4 {
		return kopokopotest.FailureReasons(kopokopo.FailureCancelled)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.charged[order]++
	return nil
}

// tries is how often the payroll pays somebody again.
const tries = 3

// rows are those of the payroll. The last two are one person, twice the same.
func (w *world) rows() []kopokopo.SendMoneyDestination {
	var rows []kopokopo.SendMoneyDestination
	for i := range w.scenario.rows {
		to := min(i, w.scenario.rows-2)
		rows = append(rows, kopokopo.ToMobileWallet(rowPhone(to), kopokopo.KES(fmt.Sprint(1000+to)), "Salary"))
	}
	return rows
}

func rowPhone(i int) string { return fmt.Sprintf("2547220000%02d", i) }

// The rows that fare badly on purpose.
var (
	failing = rowPhone(0) // every time
	unknown = rowPhone(1) // for ever
)

// disburse decides what becomes of a row, and counts who was paid.
func (w *world) disburse(d kopokopotest.Destination) (plan kopokopotest.DestinationPlan) {
	question := []any{"row", d.Number, d.Try}
	fails := d.Try < tries && w.dice.roll(question...) < 0.35
	if w.dice.roll(append(question, "late")...) < 0.4 {
		plan.Pending = time.Second + w.dice.wait(time.Minute, question...)
		if w.dice.roll(append(question, "word")...) < 0.5 {
			plan.Status = "Unclear"
		}
	}
	switch d.Number {
	case failing:
		fails = true
	case unknown:
		plan.Pending, plan.Status = -1, "Unclear"
		return plan
	}
	if fails {
		plan.Reasons = kopokopotest.FailureReasons(kopokopo.FailureLimitOrBusy)
		return plan
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paid[d.Number]++
	return plan
}

// record keeps what the program has logged as an error.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) contains(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.text.String(), text)
}
