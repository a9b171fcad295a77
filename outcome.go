package kopokopo

import (
	"slices"
	"strings"
	"unicode"

	"github.com/kopokopo-go/kopokopo/internal/redact"
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

// FailedError is a result that is final and not a success.
type FailedError struct {
	ID      string   // The resource.
	Type    string   // Its type: "incoming_payment", "send_money".
	Outcome Outcome  // OutcomeFailed or OutcomePartial.
	Reasons []string // K2's reasons, as far as it gave any; digits of phone numbers are masked.

	// Code says in a word why, as far as Reasons tell: one of the Failure constants.
	Code FailureCode
}

// newFailedError makes the error of a result that is final and not a success.
func newFailedError(id, kind string, outcome Outcome, reasons []string) *FailedError {
	e := &FailedError{ID: id, Type: kind, Outcome: outcome, Code: FailureCodeOf(reasons...)}
	for _, reason := range reasons {
		e.Reasons = append(e.Reasons, redact.Text(reason))
	}
	return e
}

// Error implements error.
func (e *FailedError) Error() string {
	text := "kopokopo: " + orDefault(strings.ReplaceAll(e.Type, "_", " "), "payment") + ": failed"
	if e.Outcome == OutcomePartial {
		text = strings.TrimSuffix(text, "failed") + ErrPartial.Error()
	}
	if len(e.Reasons) > 0 {
		text += ": " + redact.Text(strings.Join(e.Reasons, "; "))
	}
	return text
}

// Is reports [ErrPartial] for a partial result and [ErrPaymentFailed] for a failed payment.
func (e *FailedError) Is(target error) bool {
	switch target {
	case ErrPartial:
		return e.Outcome == OutcomePartial
	case ErrPaymentFailed:
		return e.Outcome == OutcomeFailed && !slices.Contains(noPayments, e.Type)
	}
	return false
}

// noPayments are the asynchronous resources in which no money moves.
var noPayments = []string{"polling", "transaction_sms_notification", "payment_link"}

// FailureCode says in a word why a payment failed. K2 sends no code, only M-PESA's text,
// in several forms: this package reads the texts on record, and the text itself stays in
// the Reasons. A code explains a failure and decides nothing: whether money moved is told
// by the [Outcome].
type FailureCode string

// The causes, with M-PESA's result code (which K2 does not send) and its texts. What
// they advise is for an STK push: a new push is a new payment, so if it has an
// idempotency key, use another one.
const (
	// FailureWrongPIN (2001, "The initiator information is invalid"): the customer entered
	// a wrong PIN. Push again when the customer is ready.
	FailureWrongPIN FailureCode = "wrong_pin"
	// FailureCancelled (1032, "Request cancelled by user"): the customer saw the prompt
	// and declined. Do not ask again by yourself: offer to.
	FailureCancelled FailureCode = "cancelled"
	// FailureNoAnswer (1037, "DS timeout user cannot be reached", "No response from user",
	// "SMSC ACK timeout"): the phone is off or out of reach, or the customer did not react.
	// Ask whether the phone is at hand and the number right, and then push again.
	FailureNoAnswer FailureCode = "no_answer"
	// FailureInsufficientBalance (1, "The balance is insufficient for the transaction"):
	// the customer's balance does not cover the amount. Of a payout or a reversal it is
	// the merchant's own balance. Pushing again helps only after it was topped up.
	FailureInsufficientBalance FailureCode = "insufficient_balance"
	// FailureExpired (1019, "Transaction has expired", "Transaction expired. No MO has been
	// received"): the prompt was not answered in time. Push again when the customer is ready.
	FailureExpired FailureCode = "expired"
	// FailureInProgress (1001, "Unable to lock subscriber, a transaction is already in
	// process for the current subscriber"): the customer has another M-PESA transaction
	// open, an earlier push perhaps. Find out what became of that, and push again when it
	// is over.
	FailureInProgress FailureCode = "transaction_in_progress"
	// FailureLimitOrBusy (17 and 26, "Rule limited", "System busy"): a limit of M-PESA's, or
	// its load. Push again later; where that does not help, show the text to somebody.
	FailureLimitOrBusy FailureCode = "limit_or_busy"
	// FailureNotDelivered (1025 and 9999, "An error occurred while sending a push request"):
	// M-PESA could not show the prompt, so the customer knows nothing of it. Push again
	// later, or let the customer pay at the till.
	FailureNotDelivered FailureCode = "push_not_delivered"
	// FailureUnknown: K2 gave no reason, one that is not on record, or several that differ.
	// Show the text to somebody.
	FailureUnknown FailureCode = "unknown"
)

// failureTexts are M-PESA's texts on record, as plainText writes them: those of its
// result codes, and those that were seen in production.
var failureTexts = map[string]FailureCode{
	"the initiator information is invalid":            FailureWrongPIN,
	"request cancelled by user":                       FailureCancelled,
	"ds timeout":                                      FailureNoAnswer,
	"ds timeout user cannot be reached":               FailureNoAnswer,
	"no response from user":                           FailureNoAnswer,
	"smsc ack timeout":                                FailureNoAnswer,
	"the balance is insufficient for the transaction": FailureInsufficientBalance,
	"transaction has expired":                         FailureExpired,
	"transaction expired no mo has been received":     FailureExpired,
	"unable to lock subscriber a transaction is already in process for the current subscriber": FailureInProgress,
	"rule limited": FailureLimitOrBusy,
	"system busy":  FailureLimitOrBusy,
	"an error occurred while sending a push request": FailureNotDelivered,
}

// maxFailureText is several times longer than any text on record.
const maxFailureText = 512

// FailureCodeOf reads the reasons that K2 gave for one failure: those of a
// [FailedError], of an [Outcomer], or of one disbursement. Case, white space and
// punctuation do not count, nor does a prefix in brackets such as "[STK_CB - ]". It is
// [FailureUnknown] unless all reasons say the same.
func FailureCodeOf(reasons ...string) FailureCode {
	code := FailureUnknown
	for i, reason := range reasons {
		read, known := failureTexts[plainText(reason)]
		if !known || i > 0 && read != code {
			return FailureUnknown
		}
		code = read
	}
	return code
}

// plainText writes a reason as the table has it: in lower case, without prefixes in
// brackets, and with single spaces in place of everything that is no letter or digit.
func plainText(reason string) string {
	if len(reason) > maxFailureText {
		return ""
	}
	for {
		reason = strings.TrimSpace(reason)
		_, rest, found := strings.Cut(reason, "]")
		if !strings.HasPrefix(reason, "[") || !found {
			break
		}
		reason = rest
	}
	words := strings.FieldsFunc(reason, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.ToLower(strings.Join(words, " "))
}

// failureCode is the code of a resource's failure, "" while it has not failed.
func failureCode(o Outcomer) FailureCode {
	switch o.Outcome() {
	case OutcomeFailed, OutcomePartial:
		return FailureCodeOf(o.Reasons()...)
	}
	return ""
}

// FailureCode says in a word why the customer did not pay. It is "" for a payment that
// did not fail, pending ones included.
func (p IncomingPayment) FailureCode() FailureCode { return failureCode(p) }

// FailureCode says in a word why the customer did not pay. See [IncomingPayment.FailureCode].
func (ipe IncomingPaymentEvent) FailureCode() FailureCode { return failureCode(ipe) }

// FailureCode says in a word why the money, or some of it, did not arrive: "" unless the
// outcome is failed or partial, [FailureUnknown] if the disbursements failed for
// different reasons. [FailureCodeOf] reads those of one.
func (p Payment) FailureCode() FailureCode { return failureCode(p) }

// FailureCode says in a word why money did not arrive. See [Payment.FailureCode].
func (s SendMoney) FailureCode() FailureCode { return failureCode(s) }

// FailureCode says in a word why money did not arrive. See [Payment.FailureCode].
func (t SettlementTransfer) FailureCode() FailureCode { return failureCode(t) }

// FailureCode says in a word why the money did not go back. It is "" for a reversal that
// did not fail, pending ones included.
func (r Reversal) FailureCode() FailureCode { return failureCode(r) }
