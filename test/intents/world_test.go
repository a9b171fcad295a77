package intents_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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

// written holds one write of the store against what K2 has done.
func (w *world) written(a *actor, before, after kopokopo.Intent) {
	created := func(i kopokopo.Intent) bool {
		return i.State == kopokopo.IntentCreated || i.State == kopokopo.IntentFinal
	}
	switch {
	case created(before) && !created(after), created(before) && before.ID != "" && after.ID != before.ID:
		w.fault("a %s turned %s %q into %s %q", a.kind, before.State, before.ID, after.State, after.ID)
	case after.State == kopokopo.IntentFree && a.kind == "person":
		w.mu.Lock()
		w.hands++
		w.mu.Unlock()
		w.tally.add("freed by hand")
	case after.State == kopokopo.IntentFree && a.kind != "call":
		w.fault("a %s freed the key", a.kind)
	case after.State == kopokopo.IntentFree:
		if w.k2.count(func(p post) bool { return p.call == a.name && p.plan.create }) > 0 {
			w.fault("%s freed the key of what it has created", a.name)
		}
	case created(after) && !created(before):
		w.tally.add("settled as created by a " + a.kind)
	}
	if after.ID != "" && w.k2.resource(after.ID) == nil {
		w.fault("a %s settled the key with the resource %q, which is none of this request", a.kind, after.ID)
	}
}

// judge holds the answers and the counts against each other.
func (w *world) judge() {
	created := w.k2.count(func(p post) bool { return p.plan.create })
	refused := w.k2.count(func(p post) bool { return p.plan.refused })
	if created > 1+w.hands {
		w.fault("K2 created %d times, and a person freed the key %d times", created, w.hands)
	}
	if n := w.k2.total(); n > 1+refused+w.hands {
		w.fault("K2 saw %d complete POSTs, of which it refused %d; a person freed the key %d times", n, refused, w.hands)
	}
	for _, a := range w.done {
		w.judgeAnswer(a)
	}
}

// judgeAnswer holds one answer against what the server did.
func (w *world) judgeAnswer(a answer) {
	of := func(matches func(post) bool) int {
		return w.k2.count(func(p post) bool { return p.call == a.call && matches(p) })
	}
	posts := of(func(post) bool { return true })
	created := of(func(p post) bool { return p.plan.create })
	refused := of(func(p post) bool { return p.plan.refused })
	var call *kopokopo.CallError
	errors.As(a.err, &call)
	switch outcomes := testkit.Outcomes(a.err); {
	case a.err == nil:
		made := w.k2.resource(a.ref.ID)
		if made == nil || made.post.key != theKey || amountOf(made.post) != amounts[a.variant] {
			w.fault("%s got the Ref %q, which K2 did not make for its request", a.call, a.ref.ID)
		}
		w.tally.add(fmt.Sprintf("Ref after %d POSTs of its own", min(posts, 1)))
	case call == nil || len(outcomes) != 1 || call.IdempotencyKey != theKey:
		w.fault("%s: an error that has not one outcome and the key: %v", a.call, a.err)
	case outcomes[0] == kopokopo.ErrNotSent && posts > 0:
		w.fault("%s was told that nothing was sent after %d POSTs", a.call, posts)
	case outcomes[0] == kopokopo.ErrRefused && (created > 0 || posts != refused):
		w.fault("%s was told of a refusal, and K2 has refused %d of %d POSTs", a.call, refused, posts)
	case outcomes[0] == kopokopo.ErrOutcomeUnknown && call.Attempts == 0 && posts > 0:
		w.fault("%s was told of what others have sent after %d POSTs of its own", a.call, posts)
	default:
		w.tally.add(nameOf(a.err, call.Attempts))
	}
}

// nameOf is an answer's name in the tally.
func nameOf(err error, attempts int) string {
	for _, known := range []error{kopokopo.ErrKeyReused, kopokopo.ErrIntentBusy} {
		if errors.Is(err, known) {
			return "answer: " + known.Error()
		}
	}
	name := "answer: " + testkit.Outcomes(err)[0].Error()
	if errors.Is(err, kopokopo.ErrNoLocation) {
		name += ", no Location"
	}
	if attempts == 0 {
		name += ", nothing sent"
	}
	return name
}

func amountOf(p post) string {
	if list, ok := p.body["destinations"].([]any); ok {
		return fmt.Sprint(object(list[0])["amount"])
	}
	if money := object(p.body["amount"]); money != nil {
		return fmt.Sprint(money["value"])
	}
	return strings.TrimSpace(fmt.Sprint(p.body["amount"]))
}
