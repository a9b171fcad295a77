package intents_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// tally counts what happened over all schedules, so that a test can see that it was
// not about nothing.
type tally struct {
	mu    sync.Mutex
	times map[string]int
}

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times[what]++
}

func (t *tally) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(t.times)) {
		lines = append(lines, fmt.Sprintf("%9d %s", t.times[what], what))
	}
	return lines
}

// How one schedule is cut.
const (
	theKey      = "order-4711/1"
	calls       = 7
	persons     = 3
	processes   = 2
	longest     = 100 * time.Second // from the first call to the last
	settledUp   = 10 * time.Minute  // when everything that was under way has ended
	senderLease = 17 * time.Second  // Config.Timeout and the margin
)

// amounts are what the two requests under the key differ in.
var amounts = []string{"1500", "2500"}

// world is one schedule: Kopo Kopo, one key, and everything that happens around it.
type world struct {
	seed   uint64
	tally  *tally
	k2     *k2
	store  kopokopo.IntentStore
	shop   *kopokopo.MemoryStore
	kind   int // which endpoint
	actors sync.WaitGroup

	mu      sync.Mutex
	running []*process
	ended   []*process
	dice    map[string]*actor // of K2, for each call
	done    []answer
	hands   int // how often a person freed the key
	faults  []string

	variants map[[sha256.Size]byte]int // of the request, by its digest
}

// answer is what a call came to.
type answer struct {
	call    string
	variant int
	ref     kopokopo.Ref
	err     error
}

// newActor makes an actor whose dice depend on the seed and its name alone.
func (w *world) newActor(kind, name string) *actor {
	var salt uint64
	for _, c := range []byte(kind + name) {
		salt = salt*131 + uint64(c)
	}
	return &actor{kind: kind, name: name, dice: rand.New(rand.NewPCG(w.seed, salt))}
}

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// live runs a schedule to its end and returns what went wrong in it. It has to be in a
// bubble. shared is the store behind the processes.
func live(seed uint64, shared kopokopo.IntentStore, t *tally) []string {
	w := &world{seed: seed, tally: t, shop: kopokopo.NewMemoryStore(0, 0), dice: map[string]*actor{}, variants: map[[sha256.Size]byte]int{}}
	w.store = &witness{IntentStore: shared, world: w}
	w.k2 = newK2(w.decide)
	w.kind = w.newActor("kind", "").below(len(kinds))
	w.running = make([]*process, processes)
	for i := range w.running {
		w.running[i] = w.start()
	}
	for i := range calls {
		w.actors.Go(func() { w.call(w.newActor("call", fmt.Sprintf("call-%d", i))) })
	}
	for i := range persons {
		w.actors.Go(func() { w.person(w.newActor("person", fmt.Sprint(i))) })
	}
	w.actors.Go(func() { w.reader(w.newActor("reader", "")) })
	w.actors.Wait()
	time.Sleep(settledUp)
	for _, p := range slices.Concat(w.running, w.ended) {
		_ = p.client.Close()
	}
	w.k2.Close()
	w.judge()
	return w.faults
}

// start starts a process.
func (w *world) start() *process {
	p := &process{world: w}
	cfg := w.k2.config()
	cfg.Intents = p
	cfg.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if p.dead.Load() {
			return nil, errDown
		}
		if w.newActor("dial", fmt.Sprint(w.k2.Dialled())).percent(6) {
			w.tally.add("proved unsent")
			return nil, errDown
		}
		return w.k2.Dial(ctx, network, address)
	}}}
	var err error
	if p.client, err = kopokopo.New(cfg); err != nil {
		panic(err)
	}
	p.handler, err = kopokopo.NewWebhookHandler(kopokopo.HandlerConfig{Client: p.client, Store: w.shop},
		func(context.Context, *kopokopo.Notification) error { return nil })
	if err != nil {
		panic(err)
	}
	return p
}

// process returns one that is alive, and starts another one where one has died.
func (w *world) process(a *actor) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := a.below(len(w.running))
	if w.running[i].dead.Load() {
		w.tally.add("a process ended and another one began")
		w.ended = append(w.ended, w.running[i])
		w.running[i] = w.start()
	}
	return w.running[i]
}

// call is one call of a create under the key.
func (w *world) call(a *actor) {
	if a.percent(60) {
		time.Sleep(a.upTo(longest))
	} else {
		time.Sleep(10*time.Second + a.upTo(5*time.Second)) // a crowd
	}
	p := w.process(a)
	ctx, cancel := context.WithTimeout(a.in(context.Background()), time.Second+a.upTo(2*time.Minute))
	defer cancel()
	variant := 0
	if a.percent(12) {
		variant = 1
	}
	a.variant = variant
	ref, err := kinds[w.kind].create(ctx, p.client, amounts[variant], "https://shop.example/"+a.name, kopokopo.WithIdempotencyKey(theKey))
	if p.dead.Load() {
		return // nobody is there to be told
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, answer{a.name, variant, ref, err})
}

// decide says what K2 does with a POST.
func (w *world) decide(p post) plan {
	w.mu.Lock()
	a := w.dice[p.call]
	if a == nil {
		a = w.newActor("k2", p.call)
		w.dice[p.call] = a
	}
	w.mu.Unlock()
	made := a.percent(70)
	chosen := unclear(made, 500)
	switch n := a.below(100); {
	case n < 45:
		chosen = ordinary
	case n < 53:
		chosen = refusal(400)
	case n < 59:
		chosen = refusal(401)
	case n < 70:
		chosen = refusal(429, fmt.Sprint("Retry-After: ", a.below(40)))
	case n < 76:
		chosen = unclear(made, 503, "Retry-After: 3")
	case n < 80:
		chosen = unclear(true, 201) // names no resource
	case n < 84:
		chosen = plan{create: made, end: testkit.FIN}
	case n < 87:
		chosen = plan{create: made, end: testkit.RST}
	case n < 91:
		chosen = plan{create: made, end: testkit.Hang}
	case n < 93:
		chosen = plan{create: made, raw: "no HTTP\r\n\r\n"}
	case n < 95:
		chosen = refusal(499) // which proves nothing
		chosen.refused, chosen.create = false, made
	}
	chosen.delay = a.upTo(3 * time.Second) // beyond Config.Timeout at times
	w.announce(a, p, chosen)
	return chosen
}

// announce has the callbacks of what is made posted, or some of them, or none.
func (w *world) announce(a *actor, p post, chosen plan) {
	if !chosen.create {
		return
	}
	w.tally.add("created")
	r := &resource{id: fmt.Sprintf("resource-%d", len(w.k2.made)+1), post: p}
	bodies := []string{r.result(true)}
	if a.percent(40) {
		bodies = append(bodies, r.result(false))
	}
	if a.percent(20) { // another service on the same application, under the same key
		stranger := &resource{id: "stranger-" + r.id, post: p}
		bodies = append(bodies, stranger.resultWith(true, func(attributes map[string]any) {
			attributes["metadata"] = map[string]any{"idempotency_key": p.key, "order": "another"}
		}))
	}
	for i, body := range bodies {
		if a.percent(25) {
			continue // it never comes
		}
		d := w.newActor("delivery", fmt.Sprint(r.id, "-", i))
		go w.deliver(d, body) // until long before the schedule is settled up
	}
}

// deliver posts a result until it is acknowledged, but not for ever.
func (w *world) deliver(a *actor, body string) {
	time.Sleep(a.upTo(20 * time.Second))
	for range 5 {
		request := testkit.SignedBy(kopokopo.SignatureHeader, kopokopo.Sign([]byte(body), testkit.APIKey), body)
		recorder := httptest.NewRecorder()
		w.process(a).handler.ServeHTTP(recorder, request.WithContext(a.in(request.Context())))
		if recorder.Code == http.StatusOK {
			return
		}
		w.tally.add(fmt.Sprint("a delivery was answered ", recorder.Code))
		time.Sleep(a.upTo(30 * time.Second))
	}
}

// person settles what is in doubt, after a look at the dashboard, or without one.
func (w *world) person(a *actor) {
	time.Sleep(2*senderLease + a.upTo(longest))
	intents, ctx := w.process(a).client.Intents, a.in(context.Background())
	for intent, err := range intents.InDoubt(ctx) {
		if err != nil {
			return
		}
		switch id := w.onDashboard(intent); {
		case a.percent(30):
			err = intents.SettleNotCreated(ctx, intent.Key)
		case id != "" && a.percent(70):
			err = intents.SettleCreated(ctx, intent.Key, id)
		case id != "":
			err = intents.SettleCreated(ctx, intent.Key, "")
		}
		if err == nil {
			w.tally.add("a person looked at what was in doubt")
		}
	}
}

// onDashboard returns the resource that was made last of the request of an intent.
func (w *world) onDashboard(intent kopokopo.Intent) (id string) {
	w.mu.Lock()
	variant := w.variants[intent.Digest]
	w.mu.Unlock()
	w.k2.mu.Lock()
	defer w.k2.mu.Unlock()
	for n := range len(w.k2.made) {
		if r := w.k2.made[fmt.Sprintf("resource-%d", n+1)]; amountOf(r.post) == amounts[variant] {
			id = r.id
		}
	}
	return id
}

// reader follows up now and then.
func (w *world) reader(a *actor) {
	for range 3 {
		time.Sleep(10*time.Second + a.upTo(40*time.Second))
		p := w.process(a)
		handled, err := p.client.FollowUp(a.in(context.Background()), p.handler)
		if handled > 0 {
			w.tally.add("followed up")
		}
		if outcomes := testkit.Outcomes(err); len(outcomes) > 0 {
			w.fault("FollowUp speaks of the outcome of a create: %v", err)
		}
	}
}
