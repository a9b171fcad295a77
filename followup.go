package kopokopo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"github.com/kopokopo-go/kopokopo/internal/outbound"
	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// keyedResult is a result that carries an idempotency key.
type keyedResult struct {
	key   string
	facts facts
	v1    bool // its link to itself says version 1
	v2    bool // or version 2; links without a version are on record
}

// keyed returns the idempotency key of a notification and what it says, if it is a
// result that carries one.
func (n *Notification) keyed() (keyedResult, bool) {
	var document struct {
		Data struct {
			Attributes struct {
				Metadata map[string]any `json:"metadata"`
				Links    Links          `json:"_links"`
			} `json:"attributes"`
		} `json:"data"`
	}
	said, ok := n.Payload.(interface{ factual() facts })
	if !ok || n.Kind != KindResult || n.Sample || n.ID == "" || wire.DecodeLenient(n.Raw, &document) != nil {
		return keyedResult{}, false
	}
	key, _ := document.Data.Attributes.Metadata[idempotencyPair].(string)
	if checkKey(key) != nil {
		return keyedResult{}, false
	}
	self := document.Data.Attributes.Links.Self
	return keyedResult{key, said.factual(), strings.Contains(self, "/api/v1/"), strings.Contains(self, "/api/v2/")}, true
}

// factual is the facts of a document whose attributes have any.
func (d *Document[A]) factual() facts {
	if said, ok := any(d.Attributes).(factual); ok {
		return said.facts()
	}
	return facts{}
}

// settleTries is how often a result is recorded over the writes of others.
const settleTries = 5

// settleIntent records that K2 has the request that a verified result belongs to. It
// runs before the merchant's function. If the store fails the sender delivers again.
func (c *Client) settleIntent(ctx context.Context, n *Notification) error {
	if c == nil || c.core == nil {
		return nil
	}
	result, ok := n.keyed()
	if !ok {
		return nil
	}
	for range settleTries {
		intent, err := c.core.intents.get(ctx, result.key)
		if err != nil {
			return err
		}
		if !c.core.awaits(ctx, intent, n, result) {
			return nil
		}
		next := intent
		next.State, next.ID = IntentCreated, n.ID
		if err = c.core.intents.update(ctx, intent.Token, next, 0); !errors.Is(err, ErrLeaseLost) {
			return err
		}
	}
	return fmt.Errorf("intent store: %w %d times", ErrLeaseLost, settleTries)
}

// awaits reports whether a result says something new of an intent, and warns of one
// that cannot be its.
func (c *core) awaits(ctx context.Context, intent Intent, n *Notification, result keyedResult) bool {
	known := intent.State == IntentCreated || intent.State == IntentFinal
	if intent.State == IntentFree || known && intent.ID == n.ID {
		return false // another service's key, or known already
	}
	if reason := c.differs(intent, n, result); reason != "" {
		c.logger.LogAttrs(ctx, slog.LevelWarn, "kopokopo: a result carries an idempotency key, but is not of the request that the key stands for; the key is left as it is",
			slog.String("operation", intent.Operation), slog.String("result", n.Topic), slog.String("differs", reason))
		return false
	}
	if known && intent.ID != "" {
		c.logger.LogAttrs(ctx, slog.LevelError, "kopokopo: a second resource under one idempotency key: the request may have been carried out twice",
			slog.String("operation", intent.Operation), slog.String("first", intent.ID), slog.String("second", n.ID))
		return false
	}
	return true
}

// differs returns in what a result differs from the request of an intent, or "".
func (c *core) differs(intent Intent, n *Notification, result keyedResult) string {
	_, endpoint, _ := strings.Cut(intent.Operation, " ")
	v1 := strings.HasPrefix(endpoint, "/api/v1/")
	switch {
	case !sameKind(n.Topic, endpoint):
		return "type"
	case v1 && result.v2, !v1 && result.v1:
		return "version"
	}
	var asked facts
	if json.Unmarshal([]byte(intent.Facts), &asked) != nil {
		return "what is stored of the request"
	}
	if asked.Scope != c.scope() {
		return "environment or application"
	}
	return asked.contradicts(result.facts)
}

// scope names the environment and the application of a client, hashed.
func (c *core) scope() string {
	appID, _ := c.credentials()
	return hashFact(c.origin(), appID)
}

// origin is where the API lives.
func (c *core) origin() string { return c.base.Scheme + "://" + c.base.Host + c.base.Path }

// finishIntent records that it is known what became of a payment: its final result was
// handled. If it cannot, [Client.FollowUp] handles the result once more.
func (c *Client) finishIntent(ctx context.Context, n *Notification) {
	if c == nil || c.core == nil || !n.final {
		return
	}
	result, ok := n.keyed()
	if !ok {
		return
	}
	intent, err := c.core.intents.get(ctx, result.key)
	if err == nil && intent.State == IntentCreated && intent.ID == n.ID {
		next := intent
		next.State = IntentFinal
		err = c.core.intents.update(ctx, intent.Token, next, 0)
	}
	if err != nil {
		c.core.logger.LogAttrs(ctx, slog.LevelWarn, "kopokopo: intent store failed to record a final result, which was handled", slog.Any("error", err))
	}
}

// FollowUp looks after the payments whose result never came. It reads every intent
// that was created under an idempotency key and is not final, by its id, and gives a
// final result to the handler's function as a delivery would be: claimed, committed,
// and counted once. Call it every few minutes, and when a program starts: some of
// K2's callbacks never arrive, and a process may have ended before its own did.
//
// A result that is delivered late as well reaches the function again, with a higher
// [Notification.Revision]: apply ledger entries by key. Results of settlement
// transfers carry no key; they are read all the same.
//
// handled is how many results the function has handled now. The error joins those of
// all reads and deliveries that failed; the rest was done. It has no outcome, since
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
	var failed []error
	for intent, err := range c.Intents.Unfinished(ctx) {
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
		if ctx.Err() != nil || c.core.engine.Usable(ctx) != nil {
			break
		}
	}
	if len(failed) > 0 {
		return handled, &CallError{Op: op, Err: errors.Join(failed...)}
	}
	return handled, nil
}

// followUp looks after one intent.
func (c *Client) followUp(ctx context.Context, h *Handler, intent Intent) (done bool, err error) {
	_, endpoint, _ := strings.Cut(intent.Operation, " ")
	r, scope := c.core.routeOf(endpoint), c.core.scope()
	var asked facts
	if json.Unmarshal([]byte(intent.Facts), &asked) != nil || asked.Scope != scope || intent.ID == "" {
		return false, nil // another application's, or nothing to read it by
	}
	rep, _, err := r.get(ctx, intent.ID, nil)
	if err != nil {
		return false, err
	}
	n, err := parseEvent(rep.Body)
	switch {
	case err != nil:
		return false, &CallError{Op: "get " + r.name, Attempts: rep.Attempts, Err: responseError("%w", err)}
	case !strings.EqualFold(n.ID, intent.ID) || !sameKind(n.Topic, endpoint):
		return false, &CallError{Op: "get " + r.name, Attempts: rep.Attempts, Err: responseError("it is not the resource that was asked for")}
	case !n.final:
		return false, nil
	}
	if status := h.engine.Take(ctx, rep.Body); status != http.StatusOK {
		return false, &CallError{Op: "handle result of " + r.name, Err: fmt.Errorf("the handler answered %d", status)}
	}
	return true, c.finish(ctx, intent)
}

// finish records an intent whose result was handled, if its result could not do it
// itself: where K2 returns no metadata it carries no key.
func (c *Client) finish(ctx context.Context, intent Intent) error {
	now, err := c.core.intents.get(ctx, intent.Key)
	if err != nil || now.State != IntentCreated || now.ID != intent.ID {
		return err
	}
	next := now
	next.State = IntentFinal
	return c.core.intents.update(ctx, now.Token, next, 0)
}

// routeOf is the route of a collection: "/api/v2/send_money".
func (c *core) routeOf(collection string) route {
	name := strings.ReplaceAll(strings.TrimSuffix(path.Base(collection), "s"), "_", " ")
	return route{core: c, name: name, path: collection, class: outbound.Read, limit: maxResponse}
}
