package intents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

// k2 is a scripted Kopo Kopo over pipes. It counts what reached it: every complete
// POST, whose call it was, and which resources it made of them. What a client believes
// is held against that.
type k2 struct {
	testkit.RawServer
	plan func(post) plan      // what becomes of a complete POST; nil for the ordinary
	edit func(map[string]any) // what is changed in documents that are read

	meanwhile func() // what happens while a document is read

	mu    sync.Mutex
	posts []post
	made  map[string]*resource // by id
}

// post is one complete POST.
type post struct {
	path string
	key  string // the idempotency key in its metadata
	call string // the end of its callback URL, which each call has its own
	body map[string]any
	plan plan
	nth  int // how many came before it
}

// plan is what K2 does with a POST.
type plan struct {
	create  bool                      // a resource is made of it
	refused bool                      // it is answered with a refusal that precedes the work
	raw     string                    // the answer; "" for 201 with the Location
	delay   time.Duration             // before the answer
	end     func(*testkit.Peer) error // instead of an answer: FIN, RST, Hang
}

// resource is what was made of a POST.
type resource struct {
	id   string
	post post
	at   time.Time
}

// ordinary creates and answers.
var ordinary = plan{create: true}

// The answers that K2 gives instead of an ordinary one.
func refusal(status int, header ...string) plan {
	return plan{refused: true, raw: testkit.Answer(status, `{"error_code":"x","error_message":"no"}`, header...)}
}

// unclear is a plan whose answer leaves the outcome open.
func unclear(create bool, status int, header ...string) plan {
	return plan{create: create, raw: testkit.Answer(status, "", header...)}
}

// newK2 starts a Kopo Kopo.
func newK2(plan func(post) plan) *k2 {
	k := &k2{plan: plan, made: map[string]*resource{}}
	k.Script = testkit.Always(k.serve)
	return k
}

// inTurn plans the first POSTs, and those after them as ordinary ones.
func inTurn(plans ...plan) func(post) plan {
	return func(p post) plan {
		if p.nth < len(plans) {
			return plans[p.nth]
		}
		return ordinary
	}
}

// serve answers the requests of one connection.
func (k *k2) serve(p *testkit.Peer) error {
	for {
		if err := testkit.ReadWhole(p); err != nil {
			return err
		}
		if p.Last.Method == http.MethodGet {
			if err := testkit.Send(k.get(p.Last.Path))(p); err != nil {
				return err
			}
			continue
		}
		plan, raw := k.take(p.Last)
		if plan.delay > 0 {
			time.Sleep(plan.delay) // of a bubble
		}
		if plan.end != nil {
			return plan.end(p)
		}
		if err := testkit.Send(raw)(p); err != nil {
			return err
		}
	}
}

// take notes a POST and makes what is to be made of it.
func (k *k2) take(r testkit.RawRequest) (plan, string) {
	p := post{path: r.Path}
	decode := json.NewDecoder(bytes.NewReader(r.Body))
	decode.UseNumber()
	if err := decode.Decode(&p.body); err != nil {
		panic(err)
	}
	p.key, _ = object(p.body["metadata"])["idempotency_key"].(string)
	callback, _ := object(p.body["_links"])["callback_url"].(string)
	p.call = path.Base(callback)
	k.mu.Lock()
	defer k.mu.Unlock()
	p.nth = len(k.posts)
	p.plan = ordinary
	if k.plan != nil {
		p.plan = k.plan(p)
	}
	k.posts = append(k.posts, p)
	raw := p.plan.raw
	if p.plan.create {
		id := fmt.Sprintf("resource-%d", len(k.made)+1)
		k.made[id] = &resource{id: id, post: p, at: time.Now()}
		if raw == "" {
			raw = testkit.Answer(201, "", "Location: https://sandbox.kopokopo.com"+r.Path+"/"+id)
		}
	}
	return p.plan, raw
}

// resultAfter is how long a payment stays pending.
const resultAfter = 10 * time.Second

// get answers a read: pending at first, and the result later.
func (k *k2) get(urlPath string) string {
	if k.meanwhile != nil {
		k.meanwhile()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.made[path.Base(urlPath)]
	if r == nil {
		return testkit.Answer(404, "")
	}
	edit := k.edit
	if edit == nil {
		edit = func(map[string]any) {}
	}
	return testkit.Answer(200, r.resultWith(time.Since(r.at) >= resultAfter, edit))
}

// count returns how many complete POSTs satisfy a condition.
func (k *k2) count(matches func(post) bool) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, p := range k.posts {
		if matches(p) {
			n++
		}
	}
	return n
}

// total returns how many complete POSTs there were.
func (k *k2) total() int { return k.count(func(post) bool { return true }) }

// resource returns what was made under an id, nil for nothing.
func (k *k2) resource(id string) *resource {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.made[id]
}

// first returns the first resource.
func (k *k2) first() *resource { return k.resource("resource-1") }

// result is the document of a resource, as GET returns it and as the callback posts it.
func (r *resource) result(final bool) string { return r.resultWith(final, func(map[string]any) {}) }

// resultWith is the result with something changed in its attributes.
func (r *resource) resultWith(final bool, change func(attributes map[string]any)) string {
	kind := strings.TrimSuffix(path.Base(r.post.path), "s")
	attributes := map[string]any{"status": "Processed", "errors": nil, "created_at": "2026-03-01T10:00:00.000+03:00",
		"_links": map[string]any{"callback_url": "https://shop.example", "self": "https://sandbox.kopokopo.com" + r.post.path + "/" + r.id}}
	if kind != "settlement_transfer" { // of which K2 keeps no metadata
		attributes["metadata"] = r.post.body["metadata"]
	}
	switch kind {
	case "incoming_payment":
		r.describePush(attributes, final)
	case "payment_link":
		r.describeLink(attributes, final)
	case "reversal":
		attributes["transaction_reference"] = r.post.body["transaction_reference"]
		attributes["reversal_bulk_payment"] = map[string]any{"amount": "100.0", "status": word(final, "Transferred", "Pending"), "transaction_reference": "REV1"}
	default:
		r.describePayout(attributes, final)
	}
	change(attributes)
	document, err := json.Marshal(map[string]any{"data": map[string]any{"id": r.id, "type": kind, "attributes": attributes}})
	if err != nil {
		panic(err)
	}
	return string(document)
}

func (r *resource) describePush(attributes map[string]any, final bool) {
	attributes["status"] = word(final, "Success", "Pending")
	event := map[string]any{"type": "Incoming Payment Request", "resource": nil, "errors": nil}
	if final {
		event["resource"] = map[string]any{"id": "tx-" + r.id, "reference": "RCPT" + r.id, "status": "Received", "currency": "KES",
			"amount": fmt.Sprint(object(r.post.body["amount"])["value"], ".0"), "till_number": r.post.body["till_number"]}
	}
	attributes["event"] = event
}

func (r *resource) describeLink(attributes map[string]any, final bool) {
	link := map[string]any{"link": "https://pay.example/" + r.id}
	if final {
		link["status"], link["transaction_reference"] = "Paid", "RCPT"+r.id
	} else {
		link["payment_link_status"] = "Active"
	}
	attributes["amount"], attributes["payment_link"] = r.post.body["amount"], link
}

// describePayout is for send money, payments of version 1 and transfers: one batch for
// each destination.
func (r *resource) describePayout(attributes map[string]any, final bool) {
	attributes["amount"] = r.post.body["amount"]
	if !final {
		attributes["status"] = "Scheduled"
		return
	}
	destinations, several := r.post.body["destinations"].([]any)
	if !several {
		destinations = []any{map[string]any{"amount": object(r.post.body["amount"])["value"], "destination_reference": r.post.body["destination_reference"]}}
	}
	var batches []any
	for i, d := range destinations {
		paid := map[string]any{"status": "Transferred", "transaction_reference": fmt.Sprintf("RCPT%s-%d", r.id, i), "errors": nil}
		for _, name := range []string{"amount", "phone_number", "destination_reference"} {
			if value, ok := object(d)[name]; ok {
				paid[name] = value
			}
		}
		batches = append(batches, map[string]any{"status": "Transferred", "amount": paid["amount"], "disbursements": []any{paid}})
	}
	attributes["transfer_batches"] = batches
	if several {
		attributes["destinations"] = destinations
	}
}

func word(final bool, yes, no string) string {
	if final {
		return yes
	}
	return no
}

func object(value any) map[string]any {
	members, _ := value.(map[string]any)
	return members
}

// config reaches a k2 with a token that needs no fetching.
func (k *k2) config() kopokopo.Config {
	return kopokopo.Config{
		BaseURL:     "http://127.0.0.1:1", // never dialled
		Credentials: kopokopo.Credentials{AppID: "app", Secret: "secret", APIKey: testkit.APIKey},
		CallbackURL: "https://shop.example/result",
		HTTPClient:  &http.Client{Transport: &http.Transport{DialContext: k.Dial}},
		TokenSource: renewedToken{},
		Timeout:     2 * time.Second,
	}
}

// renewedToken is a TokenSource that has another token after each refusal.
type renewedToken struct{}

func (renewedToken) Token(_ context.Context, rejected string) (string, error) {
	return "t" + rejected, nil
}
