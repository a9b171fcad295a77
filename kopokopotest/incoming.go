package kopokopotest

import (
	"strings"

	"github.com/kopokopo-go/kopokopo"
)

// incomingRules: an STK push needs a till, a payer and an amount (K2 docs).
var incomingRules = rules{
	present("payment_channel"), mpesaChannel,
	present("till_number"), pattern("till_number", tillFormat, "is invalid"),
	present("subscriber.phone_number"), pattern("subscriber.phone_number", phoneFormat, "is an invalid number"),
	present("amount.currency"), currency("amount.currency"), positive("amount.value"),
}

// mpesaChannel takes every spelling on record: "M-PESA STK Push", "M-PESA STK
// PUSH", "M-PESA", "MPESA".
func mpesaChannel(req object) string {
	v := req.text("payment_channel")
	plain := strings.ReplaceAll(strings.ToUpper(v), "-", "")
	if v != "" && !strings.HasPrefix(plain, "MPESA") {
		return "Payment channel is invalid"
	}
	return ""
}

func buildIncoming(_ *Server, r *record) object {
	return object{
		{"initiation_time", instant(r.created)},
		{"status", "Pending"},
		{"event", incomingEvent(nil, nil)},
	}
}

func incomingEvent(resource, errors any) object {
	return object{{"type", "Incoming Payment Request"}, {"resource", resource}, {"errors", errors}}
}

// failureTexts are M-PESA's texts, those that were seen from K2 in the form seen there.
var failureTexts = map[kopokopo.FailureCode]string{
	kopokopo.FailureWrongPIN:            "The initiator information is invalid.",
	kopokopo.FailureCancelled:           "Request cancelled by user",
	kopokopo.FailureNoAnswer:            "[STK_CB - ]DS timeout.",
	kopokopo.FailureInsufficientBalance: noFunds,
	kopokopo.FailureExpired:             "[STK_CB - ]Transaction expired. No MO has been received",
	kopokopo.FailureInProgress:          "Unable to lock subscriber, a transaction is already in process for the current subscriber",
	kopokopo.FailureLimitOrBusy:         "System busy",
	kopokopo.FailureNotDelivered:        "An error occurred while sending a push request",
}

// FailureReasons returns the reasons with which a payment fails for a cause, in M-PESA's
// words, for the function of [WithOutcome]: a client reads the code back from them. A
// code without a text, such as [kopokopo.FailureUnknown], is its own text, and an empty
// one is no failure: nil.
func FailureReasons(code kopokopo.FailureCode) []string {
	if code == "" {
		return nil
	}
	if text, ok := failureTexts[code]; ok {
		return []string{text}
	}
	return []string{string(code)}
}

// declined is why the customer with this phone does not pay at this till, nil if it does.
func (s *settings) declined(phone, till string) []string {
	number, _ := kopokopo.ParsePhone(phone) // validated
	if code, ok := s.failures[number.Digits()]; ok {
		return FailureReasons(code)
	}
	if tillDigits(till) == tillDigits(FailTill) {
		return FailureReasons(kopokopo.FailureWrongPIN)
	}
	return nil
}

// endIncoming pays, or fails as the phone or the till says. Failed v1 payments carry their
// reason as a string, v2 ones as a list (seen in production and in the v2 docs).
func endIncoming(s *Server, r *record, why []string) []mail {
	till := r.req.text("till_number")
	if len(why) == 0 {
		why = s.declined(r.req.text("subscriber.phone_number"), till)
	}
	if len(why) > 0 {
		r.attrs.set("status", "Failed")
		var reasons any = texts(why)
		if r.version == "v1" {
			reasons = strings.Join(why, ", ")
		}
		r.attrs.set("event", incomingEvent(nil, reasons))
		return nil
	}
	amount, _ := parseMoney(r.req.text("amount.value"))
	t := &transaction{
		amount: amount,
		till:   till,
		phone:  international(r.req.text("subscriber.phone_number")),
		first:  r.req.orNull("subscriber.first_name"),
		middle: r.req.orNull("subscriber.middle_name"),
		last:   r.req.orNull("subscriber.last_name"),
		push:   r,
	}
	out := s.receive(t)
	r.attrs.set("status", "Success")
	r.attrs.set("event", incomingEvent(t.resultResource(received), nil))
	return out
}
