package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// failureTexts are all of M-PESA's texts on record, as they stand there.
var failureTexts = map[string]kopokopo.FailureCode{
	"The initiator information is invalid":                    kopokopo.FailureWrongPIN,
	"[MpesaCB - ]The initiator information is invalid.":       kopokopo.FailureWrongPIN,
	"Request cancelled by user":                               kopokopo.FailureCancelled,
	"DS timeout user cannot be reached":                       kopokopo.FailureNoAnswer,
	"No response from user":                                   kopokopo.FailureNoAnswer,
	"[STK_CB - ]DS timeout.":                                  kopokopo.FailureNoAnswer,
	"[STK_CB - ]SMSC ACK timeout.":                            kopokopo.FailureNoAnswer,
	"The balance is insufficient for the transaction":         kopokopo.FailureInsufficientBalance,
	"Transaction has expired":                                 kopokopo.FailureExpired,
	"[STK_CB - ]Transaction expired. No MO has been received": kopokopo.FailureExpired,
	"Unable to lock subscriber, a transaction is already in process for the current subscriber": kopokopo.FailureInProgress,
	"Rule limited": kopokopo.FailureLimitOrBusy,
	"System busy":  kopokopo.FailureLimitOrBusy,
	"An error occurred while sending a push request": kopokopo.FailureNotDelivered,
}

// allCodes are the codes a payment can fail with.
var allCodes = []kopokopo.FailureCode{
	kopokopo.FailureWrongPIN, kopokopo.FailureCancelled, kopokopo.FailureNoAnswer, kopokopo.FailureInsufficientBalance, kopokopo.FailureExpired,
	kopokopo.FailureInProgress, kopokopo.FailureLimitOrBusy, kopokopo.FailureNotDelivered, kopokopo.FailureUnknown,
}

// spellings are the ways in which K2 passes one text on.
func spellings(text string) []string {
	bare := text[strings.LastIndex(text, "]")+1:]
	return []string{
		text, bare, bare + ".", bare + ". ", strings.ToUpper(bare), strings.ToLower(bare), "  " + bare + "\n",
		strings.ReplaceAll(bare, " ", "  \t"), strings.ReplaceAll(bare, " ", "\u00a0"), strings.ReplaceAll(bare, ",", " ,"),
		"[STK_CB - ]" + bare, "[STK_CB - ] " + bare + ".", "[MpesaCB - 1032]" + bare, " [STK_CB - ][MpesaCB - ] " + bare, "[]" + bare,
	}
}

func TestFailureCodeOfEveryTextOnRecord(t *testing.T) {
	t.Parallel()
	for text, want := range failureTexts {
		for _, spelled := range spellings(text) {
			assert.Equal(t, want, kopokopo.FailureCodeOf(spelled), "%q", spelled)
		}
	}
}

func TestFailureCodeOfIsUnknown(t *testing.T) {
	t.Parallel()
	cancelled, busy := "Request cancelled by user", "System busy"
	for name, reasons := range map[string][]string{
		"no reasons":                  nil,
		"an empty one":                {""},
		"punctuation":                 {" . "},
		"only a prefix":               {"[STK_CB - ]"},
		"half a prefix":               {"[STK_CB - Request cancelled by user"},
		"a prefix behind":             {cancelled + "[STK_CB - ]"},
		"a text within a text":        {"It is not true that: " + cancelled},
		"a text and more":             {cancelled + " of another app"},
		"a part of a text":            {"Request cancelled"},
		"glued together":              {strings.ReplaceAll(cancelled, " ", "")},
		"a word that is none on list": {"Something went wrong"},
		"other letters":               {"Request cancelled by usеr"}, // a Cyrillic е
		"no UTF-8":                    {cancelled + "\xff\xfeno"},
		"longer than any text":        {cancelled + strings.Repeat(" ", 1000)},
		"a code of ours":              {string(kopokopo.FailureCancelled)},
		"two that differ":             {cancelled, busy},
		"one that is not on record":   {cancelled, "Something went wrong"},
		"one not on record before":    {"Something went wrong", cancelled},
		"both in one text":            {cancelled + ", " + busy},
	} {
		assert.Equal(t, kopokopo.FailureUnknown, kopokopo.FailureCodeOf(reasons...), name)
	}
	assert.Equal(t, kopokopo.FailureCancelled, kopokopo.FailureCodeOf(cancelled, "[STK_CB - ]request cancelled by user."), "the same twice")
}

// latin are the letters of a reason from a to z, in lower case.
func latin(reason string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(reason))
}

// FuzzFailureCodeOf: whatever the reason, the code is one of the constants; it is
// another than unknown only if the reason's letters are those of a text on record, or
// end with them behind a bracket; and one more prefix or full stop changes nothing.
func FuzzFailureCodeOf(f *testing.F) {
	for text := range failureTexts {
		for _, spelled := range spellings(text) {
			f.Add(spelled)
		}
	}
	f.Add(strings.Repeat("[]", 300))
	f.Add("[[[]]]Request cancelled by user")
	f.Add("[TK_CB - ] DS timeout user cannot be - ] reached")
	f.Fuzz(func(t *testing.T, reason string) {
		code := kopokopo.FailureCodeOf(reason)
		require.Contains(t, allCodes, code)
		if code == kopokopo.FailureUnknown {
			return
		}
		explained := false
		for text, want := range failureTexts {
			text = latin(text[strings.LastIndex(text, "]")+1:])
			if strings.Contains(reason, "[") {
				explained = explained || want == code && strings.HasSuffix(latin(reason), text)
			} else {
				explained = explained || want == code && latin(reason) == text
			}
		}
		require.True(t, explained, "%q is %s", reason, code)
		if len(reason) < 500 { // far longer than any text on record
			require.Equal(t, code, kopokopo.FailureCodeOf("[STK_CB - ]"+reason+"."), "%q", reason)
		}
		require.Equal(t, code, kopokopo.FailureCodeOf(reason, reason), "%q", reason)
	})
}

// TestFailureCodeOfEverySample reads the code from the attributes of each failed sample.
func TestFailureCodeOfEverySample(t *testing.T) {
	t.Parallel()
	failed := map[string]kopokopo.FailureCode{
		"callback_incoming_payment_failed_prod_2025_errors_string.json": kopokopo.FailureInsufficientBalance,
		"callback_incoming_payment_failed_v1_errors_string.json":        kopokopo.FailureWrongPIN,
		"callback_incoming_payment_failed_v2_errors_array.json":         kopokopo.FailureWrongPIN,
		"callback_reversal_failed_docs.json":                            kopokopo.FailureInsufficientBalance,
		"GUESS_callback_send_money_disbursement_failed.json":            kopokopo.FailureInsufficientBalance,
	}
	asked := 0
	for _, name := range payloads.Names("*.json") {
		n, err := kopokopo.ParseEvent(sample(t, name))
		if err != nil || n.Kind != kopokopo.KindResult {
			continue
		}
		if code, ok := failureCodeOf(n.Payload); ok {
			asked++
			assert.Equal(t, failed[name], code, name)
			delete(failed, name)
		}
	}
	assert.Empty(t, failed)
	assert.Greater(t, asked, 15)
}

// failureCodeOf is the code of a result of a type that can have one.
func failureCodeOf(p kopokopo.Payload) (code kopokopo.FailureCode, ok bool) {
	switch p := p.(type) {
	case *kopokopo.Document[kopokopo.IncomingPayment]:
		return p.Attributes.FailureCode(), true
	case *kopokopo.Document[kopokopo.SendMoney]:
		return p.Attributes.FailureCode(), true
	case *kopokopo.Document[kopokopo.Payment]:
		return p.Attributes.FailureCode(), true
	case *kopokopo.Document[kopokopo.SettlementTransfer]:
		return p.Attributes.FailureCode(), true
	case *kopokopo.Document[kopokopo.Reversal]:
		return p.Attributes.FailureCode(), true
	}
	return "", false
}

// withReasons is the document of a payment out whose parts end so.
func withReasons(status string, parts ...string) string {
	return `{"status":"` + status + `","transfer_batches":[{"disbursements":[` + strings.Join(parts, ",") + `]}]}`
}

func TestFailureCodeOfPaymentsOut(t *testing.T) {
	t.Parallel()
	const (
		arrived = `{"status":"Transferred","amount":"10"}`
		noFunds = `{"status":"Cancelled","amount":"10","errors":["The balance is insufficient for the transaction"]}`
		busy    = `{"status":"Cancelled","amount":"10","errors":"System busy."}`
		silent  = `{"status":"Cancelled","amount":"10","errors":null}`
		begun   = `{"status":"Queued","amount":"10"}`
	)
	for name, row := range map[string]struct {
		attributes string
		want       kopokopo.FailureCode
	}{
		"all arrived":           {withReasons("Processed", arrived), ""},
		"still under way":       {withReasons("Processed", noFunds, begun), ""},
		"one failed":            {withReasons("Processed", arrived, noFunds), kopokopo.FailureInsufficientBalance},
		"two failed alike":      {withReasons("Processed", noFunds, noFunds), kopokopo.FailureInsufficientBalance},
		"two failed otherwise":  {withReasons("Processed", noFunds, busy), kopokopo.FailureUnknown},
		"failed without a word": {withReasons("Processed", silent), kopokopo.FailureUnknown},
		"failed as a whole":     {`{"status":"Failed","errors":["System busy"]}`, kopokopo.FailureLimitOrBusy},
		"nothing known":         {`{}`, ""},
	} {
		for _, code := range []func() kopokopo.FailureCode{
			attributes[kopokopo.Payment](t, row.attributes).FailureCode, attributes[kopokopo.SendMoney](t, row.attributes).FailureCode,
			attributes[kopokopo.SettlementTransfer](t, row.attributes).FailureCode,
		} {
			assert.Equal(t, row.want, code(), name)
		}
	}
	assert.Equal(t, kopokopo.FailureLimitOrBusy, attributes[kopokopo.Reversal](t,
		`{"status":"Processed","reversal_bulk_payment":{"status":"Cancelled"},"errors":"[MpesaCB - ]System busy"}`).FailureCode())
	assert.Empty(t, attributes[kopokopo.Reversal](t, `{"status":"Received","errors":["System busy"]}`).FailureCode(), "it is pending")
}

// attributes are read from the attributes of a document.
func attributes[A any](t *testing.T, text string) A {
	t.Helper()
	var a A
	require.NoError(t, json.Unmarshal([]byte(text), &a))
	return a
}

// TestEveryFailureHappensByName pushes to a customer who fails for each cause in turn,
// on both versions, and reads the cause from the error, the document and the callback.
func TestEveryFailureHappensByName(t *testing.T) {
	t.Parallel()
	for _, code := range allCodes {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			k2 := kopokopotest.NewServer(kopokopotest.WithDelay(0), kopokopotest.WithFailure("0712 345 678", code))
			defer k2.Close()
			client, err := kopokopo.New(k2.Config())
			require.NoError(t, err)
			defer client.Close()
			req := validSTK()
			req.TillNumber = "K000111" // the valid request is to the till that always fails
			for _, endpoint := range []*kopokopo.AsyncEndpoint[kopokopo.ReceiveMpesaReq, kopokopo.IncomingPayment]{client.IncomingPayments, client.V1.IncomingPayments} {
				req.Subscriber.PhoneNumber = "+254712345678"
				doc, err := endpoint.CreateAndWait(t.Context(), req, kopokopo.WithWaitLimit(0))
				require.ErrorIs(t, err, kopokopo.ErrPaymentFailed)
				var failed *kopokopo.FailedError
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, code, failed.Code)
				assert.Equal(t, code, doc.Attributes.FailureCode())
				assert.Equal(t, kopokopotest.FailureReasons(code), failed.Reasons, "the text is kept")

				req.Subscriber.PhoneNumber = "+254712345679"
				doc, err = endpoint.CreateAndWait(t.Context(), req, kopokopo.WithWaitLimit(0))
				require.NoError(t, err, "another customer pays")
				assert.Empty(t, doc.Attributes.FailureCode())
			}
			require.NoError(t, k2.WaitIdle(t.Context()))
			var seen []kopokopo.FailureCode
			for _, d := range k2.Deliveries() {
				n, err := kopokopo.ParseEvent(d.Body)
				require.NoError(t, err)
				if told, ok := failureCodeOf(n.Payload); ok {
					seen = append(seen, told)
				}
			}
			assert.ElementsMatch(t, []kopokopo.FailureCode{code, "", code, ""}, seen)
		})
	}
}
