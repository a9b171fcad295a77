package kopokopo

import "strings"

// Outcome is what became of an asynchronous resource, read from all of its
// statuses: K2 says "Processed" of a payment that was not paid, and "Received" of
// one that may never be.
type Outcome int

// The outcomes.
const (
	// OutcomePending: the result is not there yet. Statuses that are unknown to this
	// package are pending: never a success, never a failure.
	OutcomePending Outcome = iota
	// OutcomeSucceeded: all of it succeeded.
	OutcomeSucceeded
	// OutcomeFailed: it is final and none of it succeeded.
	OutcomeFailed
	// OutcomePartial: it is final; some of it succeeded and some did not.
	OutcomePartial
)

// String returns "pending", "succeeded", "failed" or "partial".
func (o Outcome) String() string {
	switch o {
	case OutcomePending:
		return "pending"
	case OutcomeSucceeded:
		return "succeeded"
	case OutcomeFailed:
		return "failed"
	case OutcomePartial:
		return "partial"
	}
	return "unknown outcome"
}

// Outcomer is what the attributes of every asynchronous resource answer.
type Outcomer interface {
	// Outcome reads all of the resource's statuses.
	Outcome() Outcome
	// Reasons returns K2's reasons for a failure, nil if it gave none.
	Reasons() []string
}

// readStatus is what one status word of K2 says about the thing it stands on.
// The same word means different things at different levels, so each level has its
// own table.
func readStatus(table map[string]Outcome, status string) Outcome {
	return table[strings.ToLower(strings.TrimSpace(status))]
}

// collectionStatuses are the statuses of an incoming payment (K2 docs; Received
// and Cancelled were seen in production only). What is not listed is pending.
var collectionStatuses = map[string]Outcome{
	"success":   OutcomeSucceeded,
	"failed":    OutcomeFailed,
	"cancelled": OutcomeFailed,
	"canceled":  OutcomeFailed,
}

// transferStatuses are the statuses of what moves money: a disbursement, or a
// batch or bulk payment that lists none.
var transferStatuses = map[string]Outcome{
	"transferred": OutcomeSucceeded,
	"success":     OutcomeSucceeded,
	"complete":    OutcomeSucceeded,
	"completed":   OutcomeSucceeded,
	"cancelled":   OutcomeFailed,
	"canceled":    OutcomeFailed,
	"failed":      OutcomeFailed,
	"rejected":    OutcomeFailed,
	"declined":    OutcomeFailed,
	"reversed":    OutcomeFailed,
}

// combine folds the outcomes of a resource's parts: pending while any is, partial
// if they differ. No parts are pending.
func combine(parts []Outcome) Outcome {
	if len(parts) == 0 {
		return OutcomePending
	}
	all := parts[0]
	for _, part := range parts {
		switch {
		case part == OutcomePending:
			return OutcomePending
		case part != all:
			all = OutcomePartial
		}
	}
	return all
}
