package kopokopo

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of the results that are remembered for a Wait that has not begun yet.
const (
	resultKept     = 10 * time.Minute
	maxResults     = 1024     // ids
	maxResultBytes = 16 << 20 // of all their documents
)

// results brings the result callbacks that reach this process to those who wait
// for them. It starts no goroutine and no timer. The zero value is ready.
type results struct {
	mu      sync.Mutex
	waiting map[string][]*mailbox
	kept    []keptResult // oldest first
	bytes   int
}

// keptResult is the newest result of one id.
type keptResult struct {
	id  string
	raw json.RawMessage
	at  time.Time
}

// mailbox belongs to one Wait. Its fields are guarded by results.mu.
type mailbox struct {
	news      chan struct{} // holds one token while there is something unread
	unread    json.RawMessage
	interrupt context.CancelFunc // ends the look under way, nil between looks
}

// deliver hands the result of an asynchronous resource to everybody in this
// process who waits for it. raw is the callback's body or the document in it, and
// comes from K2: its signature has been verified.
func (c *Client) deliver(id string, raw json.RawMessage) {
	if c != nil && c.core != nil {
		c.core.results.publish(id, raw)
	}
}

// resultKey makes ids comparable: they are UUIDs, which K2 writes in either case.
func resultKey(id string) string { return strings.ToLower(id) }

// publish wakes the waiters of an id, and keeps the result for those to come.
func (r *results) publish(id string, raw json.RawMessage) {
	key, raw := resultKey(id), bytes.Clone(raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.waiting[key] {
		m.put(raw)
	}
	r.keep(keptResult{key, raw, time.Now()})
}

// put leaves a result and wakes the owner, even out of a look at K2.
func (m *mailbox) put(raw json.RawMessage) {
	m.unread = raw
	select {
	case m.news <- struct{}{}:
	default: // the owner knows already
	}
	if m.interrupt != nil {
		m.interrupt()
	}
}

// keep remembers a result within the bounds.
func (r *results) keep(result keptResult) {
	r.forget(func(old keptResult) bool { return old.id == result.id })
	if len(result.raw) > maxResultBytes {
		return
	}
	r.kept = append(r.kept, result)
	r.bytes += len(result.raw)
	for len(r.kept) > maxResults || r.bytes > maxResultBytes {
		r.bytes -= len(r.kept[0].raw)
		r.kept = slices.Delete(r.kept, 0, 1)
	}
}

// forget drops what matches, and what is too old.
func (r *results) forget(match func(keptResult) bool) {
	now := time.Now()
	r.kept = slices.DeleteFunc(r.kept, func(old keptResult) bool {
		gone := match(old) || now.Sub(old.at) > resultKept
		if gone {
			r.bytes -= len(old.raw)
		}
		return gone
	})
}

// join opens a mailbox for the results of an id. One that came before is in it.
func (r *results) join(id string) *mailbox {
	m := &mailbox{news: make(chan struct{}, 1)}
	key := resultKey(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = map[string][]*mailbox{}
	}
	r.waiting[key] = append(r.waiting[key], m)
	r.forget(func(keptResult) bool { return false })
	for _, old := range r.kept {
		if old.id == key {
			m.put(old.raw)
		}
	}
	return m
}

// leave closes a mailbox.
func (r *results) leave(id string, m *mailbox) {
	key := resultKey(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[key] = slices.DeleteFunc(r.waiting[key], func(other *mailbox) bool { return other == m })
	if len(r.waiting[key]) == 0 {
		delete(r.waiting, key)
	}
}

// take empties a mailbox. It returns nil if nothing was in it.
func (r *results) take(m *mailbox) json.RawMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-m.news:
	default:
	}
	raw := m.unread
	m.unread = nil
	return raw
}

// during makes an arrival end a look at K2. It reports false, without having set
// anything, if something has arrived already. A nil interrupt clears it.
func (r *results) during(m *mailbox, interrupt context.CancelFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if interrupt != nil && m.unread != nil {
		return false
	}
	m.interrupt = interrupt
	return true
}
