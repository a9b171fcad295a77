package intents_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit"
)

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
	w.mu.Lock() // a store that hung may only answer now
	hands, done := w.hands, slices.Clone(w.done)
	w.mu.Unlock()
	if created > 1+hands {
		w.fault("K2 created %d times, and a person freed the key %d times", created, hands)
	}
	if n := w.k2.total(); n > 1+refused+hands {
		w.fault("K2 saw %d complete POSTs, of which it refused %d; a person freed the key %d times", n, refused, hands)
	}
	for _, a := range done {
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
