package kopokopo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/facts"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// Intents shows what was created under idempotency keys, and settles by hand what is
// in doubt. It is safe for concurrent use.
type Intents struct{ core *core }

// Get returns what is known of a key. One that was never used, or was freed, is an
// intent in state [IntentFree].
func (i *Intents) Get(ctx context.Context, key string) (Intent, error) {
	const op = "get intent"
	if err := i.check(ctx, key); err != nil {
		return Intent{}, &CallError{Op: op, Err: err}
	}
	intent, err := i.core.intents.get(ctx, key)
	if err != nil {
		return Intent{}, &CallError{Op: op, Err: err, IdempotencyKey: key}
	}
	return intent, nil
}

// InDoubt lists the keys of which it is not known whether K2 has the request: look
// them up in the dashboard or with [Client.FindPayments], and settle each by hand. Most
// settle by themselves, when K2's result arrives at a [Handler] of this client. The
// sequence ends with the first error.
func (i *Intents) InDoubt(ctx context.Context) iter.Seq2[Intent, error] {
	return i.list(ctx, IntentInDoubt)
}

// Unfinished lists what was created and is not final: payments whose result has not
// reached a [Handler] of this client. [Client.FollowUp] looks after them. The
// sequence ends with the first error.
func (i *Intents) Unfinished(ctx context.Context) iter.Seq2[Intent, error] {
	return i.list(ctx, IntentCreated)
}

// intentsPage is how many intents are asked for at once.
const intentsPage = 100

// list pages through a state.
func (i *Intents) list(ctx context.Context, state IntentState) iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		for after, more := "", true; more; {
			page, err := i.page(ctx, state, after)
			if err != nil {
				yield(Intent{}, &CallError{Op: "list intents", Err: err})
				return
			}
			for _, intent := range page {
				if after = intent.Key; !yield(intent, nil) {
					return
				}
			}
			more = len(page) >= intentsPage
		}
	}
}

// page reads one page. A store that does not go on in order would be read for ever.
func (i *Intents) page(ctx context.Context, state IntentState, after string) ([]Intent, error) {
	if err := i.usable(ctx); err != nil {
		return nil, err
	}
	page, err := i.core.intents.list(ctx, state, after, intentsPage)
	for _, intent := range page {
		if intent.Key <= after {
			return nil, errors.New("intent store: it does not list keys in order")
		}
		after = intent.Key
	}
	return page, err
}

// SettleCreated records by hand that K2 has the request of a key: with its id, or with
// "" where it is not known. From then on a create under the key returns that id, or
// fails with [ErrOutcomeUnknown] and [ErrNoLocation]; nothing is sent. It is refused
// with [ErrIntentBusy] while a sender is at work, and with a [*ValidationError] for a
// key that is not in doubt (an id may be added to a created one that has none).
func (i *Intents) SettleCreated(ctx context.Context, key, id string) error {
	return i.settle(ctx, "settle intent as created", key, func(v *validation, intent *Intent) {
		v.check(id == "" || isID(id), "id", "is not an id (letters, digits, - and _)")
		if !(intent.State == IntentCreated && intent.ID == "" && id != "") {
			v.check(intent.inDoubt(), "key", "is not in doubt: it is "+string(intent.State))
		}
		intent.State, intent.ID = IntentCreated, id
	})
}

// SettleNotCreated records by hand that K2 does not have the request of a key, which is
// free then: the next create under it is sent. Be certain, since it may pay: that K2
// does not have it, and that no machine that was about to send it has only been asleep.
// It is refused with [ErrIntentBusy] while a sender is at work, and with a
// [*ValidationError] for a key that is not in doubt.
func (i *Intents) SettleNotCreated(ctx context.Context, key string) error {
	return i.settle(ctx, "settle intent as not created", key, func(v *validation, intent *Intent) {
		v.check(intent.inDoubt(), "key", "is not in doubt: it is "+string(intent.State))
		intent.State = IntentFree
	})
}

// SettleFinal records by hand that it is known what became of the payment of a key, so
// that [Client.FollowUp] need not look after it any more. It is refused with a
// [*ValidationError] for a key whose request was not created.
func (i *Intents) SettleFinal(ctx context.Context, key string) error {
	return i.settle(ctx, "settle intent as final", key, func(v *validation, intent *Intent) {
		v.check(intent.State == IntentCreated || intent.State == IntentFinal, "key", "was not created: it is "+string(intent.State))
		intent.State = IntentFinal
	})
}

// settle changes an intent by hand.
func (i *Intents) settle(ctx context.Context, op, key string, change func(*validation, *Intent)) error {
	if err := i.check(ctx, key); err != nil {
		return &CallError{Op: op, Err: err}
	}
	intent, err := i.core.intents.get(ctx, key)
	if err == nil && intent.State == IntentSending && intent.Alive {
		err = ErrIntentBusy
	}
	if err == nil {
		v, changed := validation{what: "intent"}, intent
		change(&v, &changed)
		if err = v.err(); err == nil {
			err = i.core.intents.update(ctx, intent.Token, changed, 0)
		}
	}
	if err != nil {
		return &CallError{Op: op, Err: err, IdempotencyKey: key}
	}
	return nil
}

// check refuses what no store needs to be asked about.
func (i *Intents) check(ctx context.Context, key string) error {
	if err := i.usable(ctx); err != nil {
		return err
	}
	return checkKey(key)
}

// usable reports why nothing can be asked.
func (i *Intents) usable(ctx context.Context) error {
	if i == nil || i.core == nil {
		return errNotMade
	}
	return i.core.engine.Usable(ctx)
}

// revise reads an intent, changes it and writes it, over again while others write
// between the two. change returns false if there is nothing to write.
func (k *intentKeeper) revise(ctx context.Context, key string, change func(*Intent) bool) error {
	for range reviseTries {
		intent, err := k.get(ctx, key)
		if err != nil {
			return err
		}
		seen := intent.Token
		if !change(&intent) {
			return nil
		}
		if err = k.update(ctx, seen, intent, 0); !errors.Is(err, ErrLeaseLost) {
			return err
		}
	}
	return fmt.Errorf("intent store: %w %d times", ErrLeaseLost, reviseTries)
}

// keyedResult is what a result says of the request that it belongs to.
type keyedResult struct {
	key  string // its idempotency key, "" if it carries none
	self string // its link to itself, whose version may be missing
	said facts.Facts
}

// readKeyed reads a result. ok is false for what cannot be one that carries a key.
func (n *Notification) readKeyed() (r keyedResult, ok bool) {
	if n.Kind != KindResult || n.Sample || !isID(n.ID) {
		return keyedResult{}, false
	}
	var document struct {
		Data struct {
			Attributes json.RawMessage `json:"attributes"`
		} `json:"data"`
	}
	var attributes map[string]any
	if wire.DecodeLenient(n.Raw, &document) != nil || wire.Decode(document.Data.Attributes, &attributes) != nil {
		return keyedResult{}, false
	}
	metadata, _ := attributes["metadata"].(map[string]any)
	links, _ := attributes["_links"].(map[string]any)
	r.key = wire.Text(metadata[idempotencyPair])
	r.self, _ = links["self"].(string)
	r.said = facts.Of(attributes)
	return r, true
}

// keyed is readKeyed of a result that carries a key. Most results carry none, and are
// not decoded once more to find that out.
func (n *Notification) keyed() (keyedResult, bool) {
	if !bytes.Contains(n.Raw, []byte(idempotencyPair)) {
		return keyedResult{}, false
	}
	r, ok := n.readKeyed()
	return r, ok && checkKey(r.key) == nil
}

// settleIntent records that K2 has the request that a verified result belongs to. It
// runs before the merchant's function. If the store fails the sender delivers again.
func (c *Client) settleIntent(ctx context.Context, n *Notification) error {
	result, ok := n.keyed()
	if !ok || c == nil || c.core == nil {
		return nil
	}
	return c.core.intents.revise(ctx, result.key, func(intent *Intent) bool {
		if !c.core.awaits(ctx, *intent, n, result) {
			return false
		}
		intent.State, intent.ID = IntentCreated, n.ID
		return true
	})
}

// awaits reports whether a result says something new of an intent, and warns of one
// that cannot be its.
func (c *core) awaits(ctx context.Context, intent Intent, n *Notification, result keyedResult) bool {
	if intent.State == IntentFree || intent.created() && strings.EqualFold(intent.ID, n.ID) {
		return false // another service's key, or known already
	}
	if reason := c.differs(intent, n, result); reason != "" {
		c.intents.log(ctx, slog.LevelWarn, "a result carries an idempotency key, but is not of the request that the key stands for; the key is left as it is",
			intent, slog.String("result", n.Topic), slog.String("differs", reason))
		return false
	}
	if intent.created() && intent.ID != "" {
		c.intents.log(ctx, slog.LevelError, "a second resource under one idempotency key: the request may have been carried out twice",
			intent, slog.String("first", intent.ID), slog.String("second", n.ID))
		return false
	}
	return true
}

// differs returns in what a result differs from the request of an intent, or "".
func (c *core) differs(intent Intent, n *Notification, result keyedResult) string {
	_, endpoint, _ := strings.Cut(intent.Operation, " ")
	asked, err := facts.Decode(intent.Facts)
	switch {
	case err != nil:
		return "what is stored of the request"
	case asked.Scope != c.scope():
		return "environment or application"
	case !sameKind(n.Topic, endpoint):
		return "type"
	case strings.HasPrefix(endpoint, "/api/v1/") && strings.Contains(result.self, "/api/v2/"),
		strings.HasPrefix(endpoint, "/api/v2/") && strings.Contains(result.self, "/api/v1/"):
		return "version"
	}
	return asked.ContradictedBy(result.said)
}

// finishIntent records that it is known what became of a payment: its final result was
// handled. If it cannot, [Client.FollowUp] handles the result once more.
func (c *Client) finishIntent(ctx context.Context, n *Notification) {
	result, ok := n.keyed()
	if !ok || c == nil || c.core == nil || !n.concluded() {
		return
	}
	if err := c.core.finish(ctx, result.key, n.ID); err != nil {
		c.core.intents.log(ctx, slog.LevelWarn, "intent store failed to record a final result, which was handled", Intent{Key: result.key}, logged(err))
	}
}

// finish records that it is known what became of the payment with an id.
func (c *core) finish(ctx context.Context, key, id string) error {
	return c.intents.revise(ctx, key, func(intent *Intent) bool {
		if intent.State != IntentCreated || !strings.EqualFold(intent.ID, id) {
			return false
		}
		intent.State = IntentFinal
		return true
	})
}

// concluded reports whether a result tells what became of a payment. That a payment
// link was made does not.
func (n *Notification) concluded() bool {
	link, ok := n.Payload.(*Document[PaymentLink])
	return n.final && (!ok || link.Attributes.over())
}

// mostFailed is after how many failures a FollowUp ends: K2 or the store is down.
const mostFailed = 100

// FollowUp looks after the payments whose result never came. It reads every intent
// that was created under an idempotency key and is not final, by its id, and gives a
// final result to the handler's function as a delivery would be: claimed, committed,
// and counted once. Call it every few minutes, and when a program starts: some of
// K2's callbacks never arrive, and a process may have ended before its own did.
//
// A result that is delivered late as well reaches the function again, with a higher
// [Notification.Revision]: apply ledger entries by key. Results of settlement
// transfers carry no key; they are read all the same. A payment link is final when it
// was paid, has failed, or cannot be paid any more.
//
// handled is how many payments are final now: the function has handled their results,
// at this call or before. The error joins those of all reads and deliveries that failed;
// the rest was done, unless there were a hundred of them. It has no outcome, since
// nothing is created.
func (c *Client) FollowUp(ctx context.Context, h *Handler) (handled int, err error) {
	const op = "follow up"
	switch {
	case c == nil || c.core == nil:
		return 0, &CallError{Op: op, Err: errNotMade}
	case h == nil || h.engine == nil:
		v := validation{what: op}
		v.add("handler", "is required", nil)
		return 0, &CallError{Op: op, Err: v.err()}
	}
	intents := Intents{c.core}
	var failed []error
	for intent, err := range intents.Unfinished(ctx) {
		if err != nil {
			failed = append(failed, err)
			break
		}
		done, err := c.followUp(ctx, h, intent)
		if done {
			handled++
		}
		if err != nil {
			failed = append(failed, err)
		}
		if c.core.engine.Usable(ctx) != nil || len(failed) >= mostFailed {
			break
		}
	}
	if err = errors.Join(failed...); err != nil {
		err = &CallError{Op: op, Err: err}
	}
	return handled, err
}

// followUp looks after one intent.
func (c *Client) followUp(ctx context.Context, h *Handler, intent Intent) (done bool, err error) {
	r, ok := c.core.routeOf(intent.Operation)
	asked, err := facts.Decode(intent.Facts)
	if !ok || err != nil || asked.Scope != c.core.scope() || intent.ID == "" {
		return false, nil // another application's, or nothing to read it by
	}
	if now, err := c.core.intents.get(ctx, intent.Key); err != nil || now.Token != intent.Token {
		return false, err // its result has come since it was listed
	}
	rep, _, err := r.get(ctx, intent.ID, nil)
	if err != nil {
		return false, err
	}
	n, err := parseEvent(rep.Body)
	if err == nil {
		err = n.answers(intent, r.path, asked)
	}
	switch {
	case err != nil:
		return false, &CallError{Op: "get " + r.name, Attempts: rep.Attempts, Err: responseError("%w", err)}
	case !n.concluded():
		return false, nil
	}
	if status := h.engine.Take(ctx, rep.Body); status != http.StatusOK {
		return false, &CallError{Op: "handle result of " + r.name, Err: fmt.Errorf("the handler answered %d", status)}
	}
	return true, c.core.finish(ctx, intent.Key, intent.ID) // where the result carries no key
}

// answers reports why a document that was read by the id of an intent is not of its
// request. Where K2 returns no metadata it is not missed: the id is known.
func (n *Notification) answers(intent Intent, endpoint string, asked facts.Facts) error {
	if !strings.EqualFold(n.ID, intent.ID) || !sameKind(n.Topic, endpoint) {
		return errors.New("it is not the resource that was asked for")
	}
	read, _ := n.readKeyed()
	if len(read.said.Metadata) == 0 {
		asked.Metadata = nil
	}
	if differs := asked.ContradictedBy(read.said); differs != "" {
		return errors.New("it is not of the request that the idempotency key stands for: another " + differs)
	}
	return nil
}
