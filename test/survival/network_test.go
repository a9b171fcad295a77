package survival_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kopokopo-go/kopokopo/internal/pipe"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// network is what lies between one life of the program and Kopo Kopo. A request that has
// arrived in it whole is carried on or not, whatever becomes of the program meanwhile.
type network struct {
	life     *life
	listener *pipe.Listener
	host     *pipe.Host
}

func (w *world) connect(l *life) *network {
	n := &network{life: l, listener: pipe.Listen()}
	n.host = pipe.Serve(n.listener, &http.Server{Handler: n})
	return n
}

// patience is how long the program waits for an answer.
const patience = 5 * time.Second

// ServeHTTP carries a request to Kopo Kopo and its answer back, or loses either. It never
// carries a POST twice: that nothing could defend against, and no network does it.
func (n *network) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w := n.life.w
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the program was abandoned in the middle of it
	}
	what := r.Method + " " + w.stable(r.URL.Path) + " " + w.subject(body)
	question := []any{"request", what, w.dice.nth(what)}
	fate := w.mishap(question...)
	switch {
	case fate < 0.06:
		w.tally.add("requests lost", 1)
		panic(http.ErrAbortHandler)
	case fate < 0.10:
		w.tally.add("requests late, after the program had given up", 1)
		time.Sleep(patience + w.dice.wait(30*time.Second, question...))
		_, _ = w.forward(r, body)
		panic(http.ErrAbortHandler)
	case fate < 0.16:
		w.tally.add("answers lost", 1)
		_, _ = w.forward(r, body)
		panic(http.ErrAbortHandler)
	case fate < 0.22:
		w.tally.add("requests refused: 401, 429, 503", 1)
		out.Header().Set("Retry-After", "1")
		out.WriteHeader([]int{401, 429, 503}[int(w.dice.roll(append(question, "status")...)*3)])
		return
	case fate < 0.40:
		w.tally.add("requests delayed", 1)
		time.Sleep(w.dice.wait(patience*3/4, question...))
	case fate < 0.50 && r.Method == http.MethodGet:
		w.tally.add("reads duplicated", 1)
		_, _ = w.forward(r, body)
	}
	answer, err := w.forward(r, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for key, values := range answer.header {
		out.Header()[key] = values
	}
	out.WriteHeader(answer.status)
	_, _ = out.Write(answer.body)
}

// reply is an answer of Kopo Kopo's.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// forward gives a request to Kopo Kopo, and notes what it created for whom.
func (w *world) forward(r *http.Request, body []byte) (reply, error) {
	sent, err := http.NewRequestWithContext(context.Background(), r.Method, w.k2.URL+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	sent.Header = r.Header.Clone()
	answer, err := w.k2.Client().Do(sent)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode == http.StatusCreated {
		w.created(w.subject(body), path.Base(answer.Header.Get("Location")))
	}
	return reply{answer.StatusCode, answer.Header, text}, err
}

// What tells requests, results and events apart whatever ids they have.
var (
	keyed = regexp.MustCompile(`"idempotency_key":"([^"]+)"`)
	payer = regexp.MustCompile(`"sender_phone_number":"([^"]+)"`)
	ids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)
)

// subject is what a body is about: its idempotency key, or whoever paid.
func (w *world) subject(body []byte) string {
	for _, pattern := range []*regexp.Regexp{keyed, payer} {
		if found := pattern.FindSubmatch(body); found != nil {
			return w.stable(string(found[1]))
		}
	}
	return ""
}

// stable writes the key that a resource was created under in place of its id, which is
// another one in every run.
func (w *world) stable(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return ids.ReplaceAllStringFunc(text, func(id string) string {
		if key := w.keys[id]; key != "" {
			return key
		}
		return "id"
	})
}

// created notes what Kopo Kopo created under a key.
func (w *world) created(key, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if key != "" {
		w.keys[id] = key
		w.ids[key] = append(w.ids[key], id)
	}
}

// createdUnder returns the ids of what Kopo Kopo created under a key.
func (w *world) createdUnder(key string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ids[key])
}

// post is how what Kopo Kopo posts fares on its way.
func (w *world) post(d kopokopotest.Delivery) (plan kopokopotest.DeliveryPlan) {
	about := w.subject(d.Body)
	what := string(d.Kind) + " " + d.Topic + " " + about
	question := []any{"delivery", what, w.dice.nth(what)}
	if strings.HasPrefix(about, "shop/"+unheard+"/") || strings.HasSuffix(about, phoneOf(unheard)) {
		w.tally.add("deliveries dropped", 1) // always: only FollowUp can find it
		return kopokopotest.DeliveryPlan{Drop: true}
	}
	switch fate := w.mishap(question...); {
	case fate < 0.20:
		w.tally.add("deliveries dropped", 1)
		plan.Drop = true
	case fate < 0.40:
		w.tally.add("deliveries duplicated", 1)
		plan.Duplicates = 1 + int(w.dice.roll(append(question, "times")...)*2)
	case fate < 0.75: // and so in another order
		w.tally.add("deliveries delayed", 1)
		plan.Delay = w.dice.wait(40*time.Second, question...)
	}
	return plan
}

// door takes what Kopo Kopo posts to the program that is alive, if one is.
func (w *world) door(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if l := w.alive(); err == nil && l != nil {
		if status, ok := l.deliver(r.Header, string(body)); ok {
			out.WriteHeader(status)
			return
		}
	}
	panic(http.ErrAbortHandler)
}
