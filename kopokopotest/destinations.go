package kopokopotest

import (
	"bytes"
	"slices"
	"time"
)

// WithDestinations has decide say what becomes of each destination of a send money
// request, when the request's delay is over. Where its plan has no reasons, what
// [WithOutcome] says and the numbers described in the package documentation decide. It
// must not call methods of the server, and may be called from several goroutines at once.
func WithDestinations(decide func(Destination) DestinationPlan) Option {
	return func(s *settings) { s.destinations = decide }
}

// Destination is one destination of a send money request, about to be paid.
type Destination struct {
	Submission        // the request
	Index      int    // its place among the request's destinations, from 0
	Number     string // the phone, account, till or paybill; of an own account its reference
	Try        int    // 1 the first time that anything is sent to this number, then 2, and so on
}

// DestinationPlan is what becomes of one destination. The zero value is an ordinary one.
type DestinationPlan struct {
	// Reasons make it fail. For one that fails at first and can be paid later give them
	// while Try is 1. See [FailureReasons].
	Reasons []string
	// Pending is how much longer than its request it takes. The request's result is posted
	// without it, says Processed, and shows it in the word Status; once it is through, the
	// result is posted again. Negative: for ever, and no money moves.
	Pending time.Duration
	// Status is the word for it while it is pending. Default "Pending". One that K2 is not
	// known to use, such as "Unclear", is a doubt to a client.
	Status string
}

// decideOn decides about one destination of a request that may fail as a whole. The caller
// holds s.mu.
func (s *Server) decideOn(r *record, index int, d object, why []string) DestinationPlan {
	number := d.text(destinationFields[d.text("type")][0])
	tries, _ := s.payees.get(number)
	s.payees.put(number, tries+1, 0)
	var p DestinationPlan
	if s.destinations != nil {
		p = s.destinations(Destination{Submission: r.submission(), Index: index, Number: number, Try: tries + 1})
	}
	if len(p.Reasons) == 0 {
		p.Reasons = why
	}
	if p.Status == "" {
		p.Status = "Pending"
	}
	return p
}

// submission shows a record to whoever decides about it.
func (r *record) submission() Submission {
	return Submission{Version: r.version, Collection: r.ep.path, ID: r.id, Body: bytes.Clone(r.body)}
}

// disburseLater shows a destination as pending, and pays it when its time has come. The
// caller holds s.mu.
func (s *Server) disburseLater(r *record, index int, d destination, p DestinationPlan) object {
	if p.Pending > 0 {
		s.later(p.Pending, func() { s.post(s.disbursePending(r, index, d, p.Reasons)) })
	}
	amount, now := d.amount(), time.Now()
	waiting := payout{amount: amount, status: p.Status, at: now, parts: []part{{amount: amount, at: now}}}
	return waiting.sendMoneyBatch(d)
}

// disbursePending pays a destination that was pending, and returns what has to be posted.
func (s *Server) disbursePending(r *record, index int, d destination, why []string) []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	batches, _ := r.attrs.get("transfer_batches").([]any)
	batches = slices.Clone(batches)
	batch, events := s.disburse(d, why)
	batches[index] = batch
	r.attrs.set("transfer_batches", batches)
	return append([]mail{s.callbackMail(r)}, events...)
}
