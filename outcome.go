package kopokopo

import "strings"

// Outcome is what became of an asynchronous resource, read from all of its
// statuses: K2 says "Processed" of a payment that was not paid, and "Received" of
// one that may never be.
type Outcome int

// The outcomes.
const (
	// OutcomePending: the result is not there yet. Statuses that are unknown to this
	// package, and statuses that contradict each other, are pending: never a success,
	// and never a failure, after which somebody might pay again.
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

// level is where a status stands. The same word means different things at
// different levels: "Received" is what K2 says of a payment that may never come,
// and of a transaction that has come.
type level int

const (
	ofCollection  level = iota // an STK push
	ofTransaction              // the M-PESA transaction inside it
	ofRequest                  // on top of a payment, send money, transfer, reversal or link: success means that K2 is done
	ofTransfer                 // a disbursement, batch or bulk payment: the money itself
	ofReport                   // polling, SMS
	ofLink                     // a payment link: whether somebody has paid it
)

// statuses is all that this package knows of K2's words, in lower case: what the
// documentation and the samples have, and what was seen in production. A word that
// is not listed at its level is pending there.
var statuses = map[level]map[string]Outcome{
	ofCollection: {
		"success":   OutcomeSucceeded,
		"failed":    OutcomeFailed,
		"cancelled": OutcomeFailed,
		"canceled":  OutcomeFailed,
	},
	ofTransaction: {
		"received":  OutcomeSucceeded,
		"complete":  OutcomeSucceeded,
		"completed": OutcomeSucceeded,
		"success":   OutcomeSucceeded,
		"reversed":  OutcomeFailed,
		"cancelled": OutcomeFailed,
		"canceled":  OutcomeFailed,
		"failed":    OutcomeFailed,
		"voided":    OutcomeFailed,
		// K2's refusals call it a state of a payment that was received and that
		// somebody has asked to give back.
		"pending reversal": OutcomeSucceeded,
	},
	ofRequest: {
		"processed":   OutcomeSucceeded,
		"transferred": OutcomeSucceeded,
		"success":     OutcomeSucceeded,
		"complete":    OutcomeSucceeded,
		"completed":   OutcomeSucceeded,
		"failed":      OutcomeFailed,
		"cancelled":   OutcomeFailed,
		"canceled":    OutcomeFailed,
		"rejected":    OutcomeFailed,
		"declined":    OutcomeFailed,
	},
	ofTransfer: {
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
	},
	ofReport: {
		"success":   OutcomeSucceeded,
		"failed":    OutcomeFailed,
		"cancelled": OutcomeFailed,
		"canceled":  OutcomeFailed,
	},
	ofLink: {
		"paid":      OutcomeSucceeded,
		"active":    OutcomePending,
		"expired":   OutcomeFailed, // not on record, and so for the next two
		"cancelled": OutcomeFailed,
		"canceled":  OutcomeFailed,
	},
}

// interim are the words for what is still under way, at each level where the table
// above does not make them the last word: a transaction that was received has come.
var interim = []string{"pending", "received", "scheduled", "processing", "queued", "initiated", "in progress", "sent"}

// undone are the words for money that moved and then went back. The tables above
// count it as failed.
var undone = []string{"reversed", "voided"}

// wordGaps are what stands between the words of a status, in one spelling or another.
var wordGaps = strings.NewReplacer("_", " ", "-", " ")

// statusWord brings a status into the form of the tables.
func statusWord(status string) string {
	return wordGaps.Replace(strings.ToLower(strings.TrimSpace(status)))
}

// readStatus is what one status word of K2 says about the thing it stands on.
func readStatus(at level, status string) Outcome { return statuses[at][statusWord(status)] }

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

// resolve reads a request that K2 carries out in parts, of which it is not known how
// many there have to be. The status on top says whether K2 is done, the parts say what
// was done.
func resolve(status string, parts []Outcome, errs []string) Outcome {
	done, sum := readStatus(ofRequest, status), combine(parts)
	switch {
	case done == OutcomePending:
		return OutcomePending
	case len(parts) == 0 && (done == OutcomeFailed || len(errs) > 0):
		return OutcomeFailed
	case sum == OutcomeSucceeded && (done == OutcomeFailed || len(errs) > 0):
		return OutcomePending // a contradiction
	}
	return sum
}

// transferReasons gathers the errors of all levels.
func transferReasons(batches []TransferBatch, errs []string) []string {
	var reasons []string
	for _, b := range batches {
		for _, d := range b.Disbursements {
			reasons = append(reasons, d.Errors...)
		}
	}
	return append(reasons, errs...)
}

// reported reads a request whose whole result is its status.
func reported(status string, errs []string) Outcome {
	outcome := readStatus(ofReport, status)
	if outcome == OutcomeSucceeded && len(errs) > 0 {
		return OutcomePending
	}
	return outcome
}
