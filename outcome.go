package kopokopo

import (
	"math"
	"strings"
)

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

// resolve reads a request that K2 carries out in parts. The status on top says
// whether K2 is done, the parts say what was done. expected is how many parts
// there have to be, as far as that is known: a result can be posted when the first
// of several disbursements is through.
func resolve(status string, parts []Outcome, expected int, errs []string) Outcome {
	done, sum := readStatus(ofRequest, status), combine(parts)
	switch {
	case done == OutcomePending:
		return OutcomePending
	case done == OutcomeFailed && len(parts) == 0:
		return OutcomeFailed
	case done == OutcomeFailed && sum == OutcomeSucceeded:
		return OutcomePending // a contradiction
	case done == OutcomeFailed:
		return sum
	case len(parts) == 0 && len(errs) > 0:
		return OutcomeFailed
	case len(parts) < expected:
		return OutcomePending
	case sum == OutcomeSucceeded && len(errs) > 0:
		return OutcomePending // a contradiction
	}
	return sum
}

// inFull takes back a success in which less arrived than was asked for: K2 can post
// a result when the first of several disbursements is through. Where an amount is
// missing or not a sum of money, there is nothing to compare.
func inFull(outcome Outcome, batches []TransferBatch, asked ...Decimal) Outcome {
	if outcome != OutcomeSucceeded {
		return outcome
	}
	var paid []Decimal
	for _, b := range batches {
		if len(b.Disbursements) == 0 {
			paid = append(paid, b.Amount)
		}
		for _, d := range b.Disbursements {
			paid = append(paid, d.Amount)
		}
	}
	want, known := sumMinor(asked)
	got, readable := sumMinor(paid)
	if known && readable && got < want {
		return OutcomePending
	}
	return outcome
}

// sumMinor adds amounts up, in minor units. ok is false if one of them is none.
func sumMinor(amounts []Decimal) (sum int64, ok bool) {
	for _, a := range amounts {
		minor, err := a.Minor()
		if err != nil || minor < 0 || minor > math.MaxInt64-sum {
			return 0, false
		}
		sum += minor
	}
	return sum, true
}

// transferParts returns what became of each disbursement, and of each batch that
// lists none.
func transferParts(batches []TransferBatch) []Outcome {
	var parts []Outcome
	for _, b := range batches {
		for _, d := range b.Disbursements {
			parts = append(parts, disbursed(b, d))
		}
		if len(b.Disbursements) == 0 {
			parts = append(parts, readStatus(ofTransfer, b.Status))
		}
	}
	return parts
}

// disbursed reads one disbursement in its batch. The innermost status decides, but
// nothing outside or beside it may speak against a success.
func disbursed(b TransferBatch, d Disbursement) Outcome {
	own, batch := readStatus(ofTransfer, d.Status), readStatus(ofTransfer, b.Status)
	switch {
	case strings.TrimSpace(b.Status) == "":
		batch = own
	case batch == OutcomePending:
		return OutcomePending
	}
	if own == OutcomeSucceeded && (batch != OutcomeSucceeded || len(d.Errors) > 0) {
		return OutcomePending
	}
	return own
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
