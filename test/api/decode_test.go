package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// The oddities on record of the wire that touch the documented types.

func TestTokenNumbersInEveryForm(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]uint64{
		`3600`: 3600, `"3600"`: 3600, `3600.0`: 3600, `"3600.0"`: 3600, `3.6e3`: 3600, `" 3600 "`: 3600, `0`: 0, `null`: 0, `""`: 0, `-5`: 0, `"-5"`: 0,
		`-5.0`: 0, `1617257436`: 1617257436, `"1617257436"`: 1617257436, `18446744073709551615`: 18446744073709551615,
		`"2026-04-27T00:09:15+03:00"`: 1777237755, `"2026-04-26T21:09:15Z"`: 1777237755, `"2026-04-27T00:09:15.123+03:00"`: 1777237755,
		`"2026-04-27T00:09:15+0300"`: 1777237755, `"2026-04-26 21:09:15 UTC"`: 1777237755, `"2026-04-27 00:09:15 +0300"`: 1777237755,
		`"1960-01-01T00:00:00Z"`: 0, `{}`: 0, `[]`: 0, `"soon"`: 0, `1.5`: 0, `true`: 0, `1e400`: 0, `"2026-04-27"`: 0,
	} {
		var token kopokopo.TokenResponse
		require.NoError(t, json.Unmarshal([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":`+form+`,"created_at":`+form+`}`), &token), form)
		assert.Equal(t, kopokopo.TokenResponse{AccessToken: "a", Type: "Bearer", Expiry: want, Creation: want}, token, form)

		var state kopokopo.TokenIntrospectionResponse
		require.NoError(t, json.Unmarshal([]byte(`{"active":true,"exp":`+form+`,"iat":`+form+`}`), &state), form)
		assert.Equal(t, kopokopo.TokenIntrospectionResponse{Active: true, Expiry: want, Creation: want}, state, form)

		var info kopokopo.TokenInfo
		require.NoError(t, json.Unmarshal([]byte(`{"expires_in":`+form+`,"created_at":`+form+`,"application":{"uid":"u"}}`), &info), form)
		assert.Equal(t, []uint64{want, want}, []uint64{info.Expiry, info.Creation}, form)
		assert.Equal(t, "u", info.Application.UID, form)
	}
	var absent kopokopo.TokenResponse
	require.NoError(t, json.Unmarshal([]byte(`{"access_token":"a"}`), &absent))
	assert.Equal(t, kopokopo.TokenResponse{AccessToken: "a"}, absent)
}

func TestTokenFieldsInEveryForm(t *testing.T) {
	t.Parallel()
	for form, want := range map[string][]string{`[]`: {}, `null`: nil, `""`: {""}, `"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[1,true]`: {"1", "true"}} {
		var info kopokopo.TokenInfo
		require.NoError(t, json.Unmarshal([]byte(`{"scope":`+form+`}`), &info), form)
		assert.Equal(t, want, info.Scope, form)
	}
	for form, want := range map[string]bool{`true`: true, `"true"`: true, `1`: true, `"1"`: true, `false`: false, `null`: false, `"x"`: false} {
		var state kopokopo.TokenIntrospectionResponse
		require.NoError(t, json.Unmarshal([]byte(`{"active":`+form+`,"scope":[],"client_id":7}`), &state), form)
		assert.Equal(t, kopokopo.TokenIntrospectionResponse{Active: want, ClientID: "7"}, state, form)
	}
	var info kopokopo.TokenInfo
	require.NoError(t, json.Unmarshal([]byte(`{"resource_owner_id":12,"application":null}`), &info))
	assert.Equal(t, "12", info.OwnerID)
}

func TestAmountOfAResourceInEveryForm(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]float64{
		`"100.0"`: 100, `"233"`: 233, `115.0`: 115, `115`: 115, `null`: 0, `""`: 0, `" 12.50 "`: 12.5, `"49452.0"`: 49452, `-1`: -1, `1e2`: 100, `{}`: 0,
	} {
		var event kopokopo.BuyGoodsTrans
		require.NoError(t, json.Unmarshal([]byte(`{"topic":"t","id":"i","event":{"type":"x","resource":{"id":"r","amount":`+form+`,"status":"Received"}}}`), &event), form)
		assert.Equal(t, want, event.Event.Resource.Amount, form)
		assert.Equal(t, "Received", event.Event.Resource.Status, "%s: what stands beside it is kept", form)
	}
	for _, form := range []string{`"abc"`, `"NaN"`, `"Inf"`, `"1,500"`, `"0x10"`, `"1_000"`, `"1e999"`, `"--1"`} {
		var event kopokopo.BuyGoodsTrans
		assert.Error(t, json.Unmarshal([]byte(`{"event":{"resource":{"amount":`+form+`}}}`), &event), "%s: a missing amount is not 0", form)
	}
}

func TestReferenceUnderBothNamesInEveryForm(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{`"LBA10034460"`: "LBA10034460", `null`: "", `1757640471`: "1757640471", `12345678901234567890123`: "12345678901234567890123"} {
		for _, key := range []string{"transaction_reference", "transactional_reference"} {
			var r kopokopo.Resource
			document := `{"amount":"1","` + key + `":` + form + `,"disbursements":[{"amount":780.0,"status":"Transferred","` + key + `":` + form + `}]}`
			require.NoError(t, json.Unmarshal([]byte(document), &r), document)
			assert.Equal(t, want, r.TransactionalReference, document)
			require.Len(t, r.Disbursements, 1, document)
			assert.Equal(t, kopokopo.Disbursements{Status: "Transferred", Amount: "780.0", TransactionalReference: want}, r.Disbursements[0], document)
		}
	}
	var both kopokopo.Disbursements
	require.NoError(t, json.Unmarshal([]byte(`{"transactional_reference":"documented","transaction_reference":"sent"}`), &both))
	assert.Equal(t, "documented", both.TransactionalReference)
}

func TestNamesAndIDsInEveryForm(t *testing.T) {
	t.Parallel()
	var event kopokopo.BuyGoodsTrans
	require.NoError(t, json.Unmarshal([]byte(`{"topic":"t","id":"abcd1234-ef56-7890-gh12-","event":{"resource":{"id":123,"sender_first_name":null,
		"sender_last_name":"","sender_phone_number":254712345678,"till_number":514459,"currency":true}}}`), &event))
	r := event.Event.Resource
	assert.Equal(t, "abcd1234-ef56-7890-gh12-", event.ID)
	assert.Equal(t, []string{"123", "", "", "", "254712345678", "514459", "true"},
		[]string{r.ID, r.SenderFirstName, r.SenderLastName, r.SenderMiddleName, r.SenderPhoneNumber, r.TillNumber, r.Currency})
	require.NoError(t, event.Validate())
}

func TestIncomingPaymentErrorsInEveryForm(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]kopokopo.StringList{
		`null`: nil, `"no"`: {"no"}, `["a","b"]`: {"a", "b"}, `[]`: nil, `""`: nil, `[""]`: nil, `{"phone":["is odd"]}`: {"phone: is odd"}, `7`: {"7"},
	} {
		var event kopokopo.IncomingPaymentEvent
		require.NoError(t, json.Unmarshal([]byte(`{"data":{"id":"i","type":"incoming_payment","attributes":{"status":"Failed","event":{"errors":`+form+`}}}}`), &event), form)
		assert.Equal(t, want, event.Attributes.Errors, form)
		assert.Equal(t, "Failed", event.Attributes.Status, form)
	}
}

func TestMetadataNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	const document = `{"id":"i","type":"incoming_payment","attributes":{"metadata":{"big":12345678901234567890,"float":1.10,"nested":{"n":[1e2]},"s":"1"}}}`
	want := map[string]any{"big": json.Number("12345678901234567890"), "float": json.Number("1.10"),
		"nested": map[string]any{"n": []any{json.Number("1e2")}}, "s": "1"}
	var event kopokopo.IncomingPaymentEvent
	require.NoError(t, json.Unmarshal([]byte(document), &event))
	assert.Equal(t, want, event.Attributes.Metadata)
	var result kopokopo.ProcessIncommingPaymentReq
	require.NoError(t, json.Unmarshal([]byte(`{"data":`+document+`}`), &result))
	assert.Equal(t, want, result.Metadata)
	for _, form := range []string{`null`, `[]`, `"none"`, `{}`} {
		var event kopokopo.IncomingPaymentEvent
		require.NoError(t, json.Unmarshal([]byte(`{"id":"i","attributes":{"status":"Success","metadata":`+form+`}}`), &event), form)
		assert.Empty(t, event.Attributes.Metadata, form)
		assert.Equal(t, "Success", event.Attributes.Status, form)
	}
}

func TestResourceWhereTheDocumentationHasIt(t *testing.T) {
	t.Parallel()
	var event kopokopo.IncomingPaymentEvent
	require.NoError(t, json.Unmarshal([]byte(`{"id":"i","type":"t","attributes":{"status":"Success","resource":{"amount":5,"reference":"R"},"errors":["e"]}}`), &event))
	assert.Equal(t, 5.0, event.Attributes.Resource.Amount)
	assert.Equal(t, "R", event.Attributes.Resource.Reference)
	assert.Equal(t, kopokopo.StringList{"e"}, event.Attributes.Errors)
}

func TestAmountOfARequestInEveryForm(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{`20000`: "20000", `"1500.50"`: "1500.50", `100.0`: "100.0", `null`: "", `1e3`: "1e3"} {
		var amount kopokopo.Amount
		require.NoError(t, json.Unmarshal([]byte(`{"currency":"KES","value":`+form+`}`), &amount), form)
		assert.Equal(t, kopokopo.Amount{Value: want, Currency: "KES"}, amount, form)
	}
}

// Every webhook on record decodes into the documented type and can be stored and read again.
func TestEveryWebhookOnRecordDecodes(t *testing.T) {
	t.Parallel()
	count := 0
	for _, name := range payloads.Names("*.json") {
		if !strings.Contains(name, "webhook_") || strings.Contains(name, "daraja") ||
			strings.HasPrefix(name, "request_") || strings.HasPrefix(name, "error_") || strings.Contains(name, "resource_") {
			continue
		}
		count++
		var event kopokopo.BuyGoodsTrans
		require.NoError(t, json.Unmarshal(sample(t, name), &event), name)
		assert.NotEmpty(t, event.Topic, name)
		assert.NotEmpty(t, event.ID, name)
		assert.NotEmpty(t, event.CreatedAt, name)
		if event.Topic == kopokopo.TopicCustomerCreated {
			assert.ErrorIs(t, event.Validate(), kopokopo.ErrEmptyID, "it has no resource id")
		} else {
			assert.NoError(t, event.Validate(), name)
			assert.Positive(t, event.Event.Resource.Amount, name)
		}
		stored, err := json.Marshal(event)
		require.NoError(t, err)
		var again kopokopo.BuyGoodsTrans
		require.NoError(t, json.Unmarshal(stored, &again))
		assert.Equal(t, event, again, name)
	}
	assert.GreaterOrEqual(t, count, 12)
}

func TestCustomersOldAndNew(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]kopokopo.CustomerResource{
		"webhook_customer_created.json":             {LastName: "Doe", FirstName: "Jane", MiddleName: "M", PhoneNumber: "+254999999999"},
		"legacy_2017_webhook_customer_created.json": {LastName: "Njora", FirstName: "Nicollet", MiddleName: "N", PhoneNumber: "+25472589598"},
	} {
		var customer kopokopo.CustomerReq
		require.NoError(t, json.Unmarshal(sample(t, file), &customer), file)
		assert.Equal(t, "customer_created", customer.Topic)
		assert.Equal(t, want, customer.Event.Resource, file)
	}
}

func TestASettlementDecodesWhole(t *testing.T) {
	t.Parallel()
	var event kopokopo.BuyGoodsTrans
	require.NoError(t, json.Unmarshal(sample(t, "webhook_settlement_transfer_completed_bank.json"), &event))
	r := event.Event.Resource
	assert.Equal(t, 49452.0, r.Amount)
	assert.Equal(t, kopokopo.Destination{Type: "Bank Account", Resource: kopokopo.DestinationResource{
		Reference: "34a273d1-fedc-4610-8ab6-a1ba4828f317", AccountName: "Test Account", AccountNumber: "1234",
		BankBranchReference: "ea2e79f7-35a1-486e-9e18-fe06589a9d7d", SettlementMethod: "EFT"}}, r.Destination)
	assert.Equal(t, []kopokopo.Disbursements{
		{Status: "Transferred", Amount: "24452.0", OriginationTime: "2021-01-27T10:57:58.623+03:00"},
		{Status: "Transferred", Amount: "25000.0", OriginationTime: "2021-01-27T10:57:58.627+03:00"}}, r.Disbursements)
}

// Requests are stored and queued in their documented form, not in the wire's.
func TestRequestsAreStoredInTheirDocumentedForm(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(kopokopo.AddPAYRecipient{Type: "till", PaymentRecipient: kopokopo.PaymentRecipient{TillName: "a"}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"type":"till","payment_recipient":{"till_name":"a"}}`, string(text))
	text, err = json.Marshal(validPayment())
	require.NoError(t, err)
	var payment kopokopo.CreatePaymentReq
	require.NoError(t, json.Unmarshal(text, &payment))
	assert.Equal(t, validPayment(), payment)
	var stk kopokopo.ReceiveMpesaReq
	text, err = json.Marshal(validSTK())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &stk))
	assert.Equal(t, validSTK(), stk)
}
