package sdk_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func TestTokensAreCheckedBeforeAnythingIsDialled(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	sdk := far.SDK()
	check := func(name, token string, err error) {
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		require.Len(t, invalid.Fields, 1)
		assert.Equal(t, "token", invalid.Fields[0].Field, name)
		assert.Equal(t, token == "", errors.Is(err, kopokopo.ErrEmptyToken), name)
		if strings.TrimSpace(token) != "" {
			assert.NotContains(t, err.Error(), token, name)
		}
	}
	for _, token := range []string{"", " ", "abc def", "abc\r\nX-Evil: 1", "abc\x00", "tök€n", strings.Repeat("a", 9<<10)} {
		for name, call := range sdkCalls {
			err := call(sdk, token)
			check(name, token, err)
			assert.Empty(t, outcomes(err), name)
		}
		for _, create := range creates {
			id, err := create.Call(sdk, token)
			check(create.Name, token, err)
			assert.Empty(t, id)
			assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err), create.Name)
		}
	}
	assert.Empty(t, far.Seen())
	assert.Zero(t, far.Connections())
}

func TestEmptyIDs(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	sdk := far.SDK()
	for _, id := range []string{"", " ", "\t\n"} {
		_, err := sdk.QueryIncommingMpesaPayment(testToken, id)
		require.ErrorIs(t, err, kopokopo.ErrEmptyID)
		assert.EqualError(t, err, "kopokopo: get incoming payment: id is empty")
	}
	payment := validPayment()
	payment.DestinationReference = " "
	_, err := sdk.CreatePayment(testToken, payment)
	require.ErrorIs(t, err, kopokopo.ErrEmptyID)
	webhook := validWebhook()
	webhook.ScopeRef = ""
	_, err = sdk.CreateWebhook(testToken, webhook)
	require.ErrorIs(t, err, kopokopo.ErrEmptyID)
	assert.Zero(t, far.Connections())
}

func TestInvalidRequestsAreNeverSent(t *testing.T) {
	t.Parallel()
	six := map[string]any{"1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6}
	stk := func(change func(*kopokopo.ReceiveMpesaReq)) func(kopokopo.SDK) (string, error) {
		req := validSTK()
		change(&req)
		return func(sdk kopokopo.SDK) (string, error) { return sdk.ReceiveMpesaPayment(testToken, req) }
	}
	pay := func(change func(*kopokopo.CreatePaymentReq)) func(kopokopo.SDK) (string, error) {
		req := validPayment()
		change(&req)
		return func(sdk kopokopo.SDK) (string, error) { return sdk.CreatePayment(testToken, req) }
	}
	recipient := func(req kopokopo.AddPAYRecipient) func(kopokopo.SDK) (string, error) {
		return func(sdk kopokopo.SDK) (string, error) { return sdk.AddPayRecipients(testToken, req) }
	}
	bank := kopokopo.PaymentRecipient{AccountName: "a", BankBranchReference: "b", AccountNumber: "c", SettlementMethod: "RTGS"}
	tests := map[string]struct {
		call     func(kopokopo.SDK) (string, error)
		sentinel error
		field    string
	}{
		"metadata, STK":     {stk(func(r *kopokopo.ReceiveMpesaReq) { r.Metadata = six }), kopokopo.ErrMaxMetadataSize, "metadata"},
		"metadata, payment": {pay(func(r *kopokopo.CreatePaymentReq) { r.Metadata = six }), kopokopo.ErrMaxMetadataSize, "metadata"},
		"channel":           {stk(func(r *kopokopo.ReceiveMpesaReq) { r.PaymentChannel = "CARD" }), kopokopo.ErrInvalidPaymentChannel, "payment_channel"},
		"no channel":        {stk(func(r *kopokopo.ReceiveMpesaReq) { r.PaymentChannel = "" }), kopokopo.ErrInvalidPaymentChannel, "payment_channel"},
		"settlement method": {recipient(kopokopo.AddPAYRecipient{Type: "bank_account", PaymentRecipient: bank}), kopokopo.ErrInvalidSettlementMethod, "pay_recipient.settlement_method"},
		"recipient type":    {recipient(kopokopo.AddPAYRecipient{Type: "kopo_kopo_merchant"}), nil, "type"},
		"callback":          {stk(func(r *kopokopo.ReceiveMpesaReq) { r.Links.Callback = "http://shop.example/" }), nil, "_links.callback_url"},
		"function":          {stk(func(r *kopokopo.ReceiveMpesaReq) { r.Metadata = map[string]any{"f": func() {}} }), nil, "metadata"},
	}
	far := newFarSide(t, created)
	sdk := far.SDK()
	for name, test := range tests {
		id, err := test.call(sdk)
		assert.Empty(t, id, name)
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err), name)
		if test.sentinel != nil {
			require.ErrorIs(t, err, test.sentinel, name)
		}
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		require.Len(t, invalid.Fields, 1, name)
		assert.Equal(t, test.field, invalid.Fields[0].Field, name)
	}
	assert.Empty(t, far.Seen())
	assert.Zero(t, far.Connections())
}

func TestAnUnusableConfigIsTheErrorOfEveryMethod(t *testing.T) {
	t.Parallel()
	_, want := kopokopo.New(kopokopo.Config{BaseURL: "http://shop.example"})
	sdk := kopokopo.NewSDK(kopokopo.Config{BaseURL: "http://shop.example"})
	calls := map[string]func() error{
		"GetToken": func() error { _, err := sdk.GetToken(); return err },
		"Process":  func() error { _, err := sdk.ProcessIncommingMpesaPayment("{}"); return err },
	}
	for name, call := range sdkCalls {
		calls[name] = func() error { return call(sdk, testToken) }
	}
	for _, create := range creates {
		calls[create.Name] = func() error { _, err := create.Call(sdk, testToken); return err }
	}
	for _, n := range notifiers {
		calls[n.name] = func() error { _, _, err := n.call(sdk, "https://shop.example/"); return err }
	}
	require.Len(t, calls, 17)
	for name, call := range calls {
		err := call()
		assert.Equal(t, want, err, name)
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		assert.EqualError(t, err, "kopokopo: config: BaseURL must be https (http only to a loopback address); "+
			"Credentials.AppID is required; Credentials.Secret is required", name)
	}
}

func TestZeroClientsFailInsteadOfPanicking(t *testing.T) {
	t.Parallel()
	for name, sdk := range map[string]kopokopo.SDK{"nil": (*kopokopo.Client)(nil).SDK(), "zero": new(kopokopo.Client).SDK()} {
		_, err := sdk.GetToken()
		assert.ErrorContains(t, err, "not made by New", name)
		for _, create := range creates {
			_, err := create.Call(sdk, testToken)
			assert.Error(t, err, name)
		}
	}
	var client kopokopo.Client
	assert.NoError(t, client.Close())
	_, err := client.IncomingPayments.Create(t.Context(), validSTK())
	assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
	_, err = client.IncomingPayments.Get(t.Context(), testID)
	assert.ErrorContains(t, err, "not made by New")
	_, err = client.Tokens.Get(t.Context())
	assert.ErrorContains(t, err, "not made by New")
}

func TestAClosedClient(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, created)
	client, err := kopokopo.New(far.Config())
	require.NoError(t, err)
	require.NoError(t, client.Close())
	require.NoError(t, client.Close())
	for _, create := range creates {
		_, err := create.Call(client.SDK(), testToken)
		require.ErrorIs(t, err, kopokopo.ErrClosed)
		assert.Equal(t, []error{kopokopo.ErrNotSent}, outcomes(err))
	}
	_, err = client.SDK().QueryIncommingMpesaPayment(testToken, testID)
	require.ErrorIs(t, err, kopokopo.ErrClosed)
	assert.Empty(t, outcomes(err))
	assert.Zero(t, far.Connections())
}
