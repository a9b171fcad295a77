// Package mailbox brings what arrives in a process to those in it who wait for it: the
// results that K2 posts to a webhook handler, to whoever waits for the resource.
package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what is remembered for those who have not begun to wait.
const (
	keptFor  = 10 * time.Minute
	maxKept  = 1024     // ids
	maxBytes = 16 << 20 // of all their documents
)

// Office brings documents to those who wait for them by id. It starts no goroutine and
// no timer. The zero value is ready.
type Office struct {
	mu      sync.Mutex
	waiting map[string][]*Box
	kept    []letter // oldest first
	bytes   int
}

// letter is the newest document of one id.
type letter struct {
	id  string
	raw json.RawMessage
	at  time.Time
}

// Box belongs to one who waits. Its fields are guarded by Office.mu.
type Box struct {
	news      chan struct{} // holds one token while there is something unread
	unread    json.RawMessage
	interrupt context.CancelFunc // ends the look under way, nil between looks
}

// boxKey makes ids comparable: they are UUIDs, which K2 writes in either case.
func boxKey(id string) string { return strings.ToLower(id) }

// Publish wakes the waiters of an id, and keeps the document for those to come.
func (o *Office) Publish(id string, raw json.RawMessage) {
	key, raw := boxKey(id), bytes.Clone(raw)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.waiting[key] {
		m.put(raw)
	}
	o.keep(letter{key, raw, time.Now()})
}

// put leaves a document and wakes the owner, whatever that is busy with.
func (m *Box) put(raw json.RawMessage) {
	m.unread = raw
	select {
	case m.news <- struct{}{}:
	default: // the owner knows already
	}
	if m.interrupt != nil {
		m.interrupt()
	}
}

// keep remembers a document within the bounds.
func (o *Office) keep(l letter) {
	o.forget(func(old letter) bool { return old.id == l.id })
	if len(l.raw) > maxBytes {
		return
	}
	o.kept = append(o.kept, l)
	o.bytes += len(l.raw)
	for len(o.kept) > maxKept || o.bytes > maxBytes {
		o.bytes -= len(o.kept[0].raw)
		o.kept = slices.Delete(o.kept, 0, 1)
	}
}

// forget drops what matches, and what is too old.
func (o *Office) forget(match func(letter) bool) {
	now := time.Now()
	o.kept = slices.DeleteFunc(o.kept, func(old letter) bool {
		gone := match(old) || now.Sub(old.at) > keptFor
		if gone {
			o.bytes -= len(old.raw)
		}
		return gone
	})
}

// Join opens a box for the documents of an id. One that came before is in it.
func (o *Office) Join(id string) *Box {
	m := &Box{news: make(chan struct{}, 1)}
	key := boxKey(id)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == nil {
		o.waiting = map[string][]*Box{}
	}
	o.waiting[key] = append(o.waiting[key], m)
	o.forget(func(letter) bool { return false })
	for _, old := range o.kept {
		if old.id == key {
			m.put(old.raw)
		}
	}
	return m
}

// Leave closes a box.
func (o *Office) Leave(id string, m *Box) {
	key := boxKey(id)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[key] = slices.DeleteFunc(o.waiting[key], func(other *Box) bool { return other == m })
	if len(o.waiting[key]) == 0 {
		delete(o.waiting, key)
	}
}

// Take empties a box. It returns nil if nothing was in it.
func (o *Office) Take(m *Box) json.RawMessage {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-m.news:
	default:
	}
	raw := m.unread
	m.unread = nil
	return raw
}

// During makes an arrival end what the owner is busy with. It reports false, without having set
// anything, if something has arrived already. A nil interrupt clears it.
func (o *Office) During(m *Box, interrupt context.CancelFunc) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if interrupt != nil && m.unread != nil {
		return false
	}
	m.interrupt = interrupt
	return true
}

// News is ready while there is something in the box.
func (m *Box) News() <-chan struct{} { return m.news }

// Waiting returns how many boxes are open.
func (o *Office) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, boxes := range o.waiting {
		n += len(boxes)
	}
	return n
}

// Kept returns how many documents are remembered, and their bytes.
func (o *Office) Kept() (ids, size int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.kept), o.bytes
}
