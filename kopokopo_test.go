package kopokopo_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The documented interface, written out once more: whoever changes a name, a type,
// a tag or an order has to change it here too, and so notices what they break.

type documentedField struct{ name, typ, tag string }

// documentedTypes are the 22 documented structs, each field in its documented order.
var documentedTypes = []struct {
	typ    reflect.Type
	fields []documentedField
}{
	{reflect.TypeFor[kopokopo.AddPAYRecipient](), []documentedField{
		{"Type", "string", `json:"type,omitempty"`},
		{"PaymentRecipient", "kopokopo.PaymentRecipient", `json:"payment_recipient,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Amount](), []documentedField{
		{"Value", "string", `json:"value,omitempty"`},
		{"Currency", "string", `json:"currency,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Attribute](), []documentedField{
		{"InitiationTime", "string", `json:"initiation_time,omitempty"`},
		{"Status", "string", `json:"status,omitempty"`},
		{"Resource", "kopokopo.Resource", `json:"resource,omitempty"`},
		{"Metadata", "map[string]interface {}", `json:"metadata,omitempty"`},
		{"Links", "kopokopo.Links", `json:"_links,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.BuyGoodsTrans](), []documentedField{
		{"Topic", "string", `json:"topic,omitempty"`},
		{"ID", "string", `json:"id,omitempty"`},
		{"CreatedAt", "string", `json:"created_at,omitempty"`},
		{"Event", "kopokopo.Event", `json:"event,omitempty"`},
		{"Links", "kopokopo.Links", `json:"_links,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Config](), []documentedField{
		{"BaseURL", "string", ``},
		{"Credentials", "kopokopo.Credentials", ``},
		{"MaxIdleConns", "int", ``},
		{"IdleConnTimeout", "time.Duration", ``},
	}},
	{reflect.TypeFor[kopokopo.CreatePaymentReq](), []documentedField{
		{"DestinationType", "string", `json:"destination_type,omitempty"`},
		{"DestinationReference", "string", `json:"destination_reference,omitempty"`},
		{"Amount", "kopokopo.Amount", `json:"amount,omitempty"`},
		{"Description", "string", `json:"description,omitempty"`},
		{"Category", "string", `json:"category,omitempty"`},
		{"Tags", "string", `json:"tags,omitempty"`},
		{"Metadata", "map[string]interface {}", `json:"metadata,omitempty"`},
		{"Links", "kopokopo.Links", `json:"_links,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.CreateWebhookReq](), []documentedField{
		{"EventType", "string", `json:"event_type,omitempty"`},
		{"URL", "string", `json:"url,omitempty"`},
		{"Scope", "string", `json:"scope,omitempty"`},
		{"ScopeRef", "string", `json:"scope_reference,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Credentials](), []documentedField{
		{"AppID", "string", `json:"app_id"`},
		{"Secret", "string", `json:"secret"`},
		{"APIKey", "string", `json:"api_key"`},
	}},
	{reflect.TypeFor[kopokopo.CustomerEvent](), []documentedField{
		{"Type", "string", `json:"type,omitempty"`},
		{"Resource", "kopokopo.CustomerResource", `json:"resource,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.CustomerReq](), []documentedField{
		{"Topic", "string", `json:"topic,omitempty"`},
		{"ID", "string", `json:"id,omitempty"`},
		{"CreatedAt", "string", `json:"created_at,omitempty"`},
		{"Event", "kopokopo.CustomerEvent", `json:"event,omitempty"`},
		{"Links", "kopokopo.Links", `json:"_links,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.CustomerResource](), []documentedField{
		{"LastName", "string", `json:"last_name,omitempty"`},
		{"FirstName", "string", `json:"first_name,omitempty"`},
		{"MiddleName", "string", `json:"middle_name,omitempty"`},
		{"PhoneNumber", "string", `json:"phone_number,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Destination](), []documentedField{
		{"Type", "string", `json:"type,omitempty"`},
		{"Resource", "kopokopo.DestinationResource", `json:"resource,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.DestinationResource](), []documentedField{
		{"Reference", "string", `json:"reference,omitempty"`},
		{"AccountName", "string", `json:"account_name,omitempty"`},
		{"AccountNumber", "string", `json:"account_number,omitempty"`},
		{"BankBranchReference", "string", `json:"bank_branch_ref,omitempty"`},
		{"SettlementMethod", "string", `json:"settlement_method,omitempty"`},
		{"FirstName", "string", `json:"first_name,omitempty"`},
		{"LastName", "string", `json:"last_name,omitempty"`},
		{"Email", "string", `json:"email,omitempty"`},
		{"PhoneNumber", "string", `json:"phone_number,omitempty"`},
		{"Network", "string", `json:"network,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Disbursements](), []documentedField{
		{"Status", "string", `json:"status,omitempty"`},
		{"Amount", "string", `json:"amount,omitempty"`},
		{"OriginationTime", "string", `json:"origination_time,omitempty"`},
		{"TransactionalReference", "string", `json:"transactional_reference,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Event](), []documentedField{
		{"Type", "string", `json:"type,omitempty"`},
		{"Resource", "kopokopo.Resource", `json:"resource,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.IncomingPaymentEvent](), []documentedField{
		{"Type", "string", `json:"type,omitempty"`},
		{"ID", "string", `json:"id,omitempty"`},
		{"Attributes", "kopokopo.Attribute", `json:"attributes,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Links](), []documentedField{
		{"Self", "string", `json:"self,omitempty"`},
		{"Resource", "string", `json:"resource,omitempty"`},
		{"Callback", "string", `json:"callback_url,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.PaymentRecipient](), []documentedField{
		{"LastName", "string", `json:"last_name,omitempty"`},
		{"FirstName", "string", `json:"first_name,omitempty"`},
		{"MiddleName", "string", `json:"middle_name,omitempty"`},
		{"PhoneNumber", "string", `json:"phone_number,omitempty"`},
		{"Email", "string", `json:"email,omitempty"`},
		{"Network", "string", `json:"network,omitempty"`},
		{"AccountName", "string", `json:"account_name,omitempty"`},
		{"BankBranchReference", "string", `json:"bank_branch_ref,omitempty"`},
		{"AccountNumber", "string", `json:"account_number,omitempty"`},
		{"SettlementMethod", "string", `json:"settlement_method,omitempty"`},
		{"TillName", "string", `json:"till_name,omitempty"`},
		{"TillNumber", "string", `json:"till_number,omitempty"`},
		{"PayBillName", "string", `json:"paybill_name,omitempty"`},
		{"PayBillNumber", "string", `json:"paybill_number,omitempty"`},
		{"PayBillAccountNumber", "string", `json:"paybill_account_number,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.ProcessIncommingPaymentReq](), []documentedField{
		{"Topic", "string", `json:"topic,omitempty"`},
		{"ID", "string", `json:"id,omitempty"`},
		{"InitiationTime", "string", `json:"initiation_time,omitempty"`},
		{"Status", "string", `json:"status,omitempty"`},
		{"Event", "kopokopo.IncomingPaymentEvent", `json:"event,omitempty"`},
		{"Metadata", "map[string]interface {}", `json:"metadata,omitempty"`},
		{"Links", "kopokopo.Links", `json:"_links,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.ReceiveMpesaReq](), []documentedField{
		{"PaymentChannel", "string", `json:"payment_channel,omitempty"`},
		{"TillNumber", "string", `json:"till_number,omitempty"`},
		{"Subscriber", "kopokopo.Subscriber", `json:"subscriber,omitempty"`},
		{"Amount", "kopokopo.Amount", `json:"amount,omitempty"`},
		{"Metadata", "map[string]interface {}", `json:"metadata,omitempty"`},
		{"Links", "kopokopo.Links", `json:"_links,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Resource](), []documentedField{
		{"ID", "string", `json:"id,omitempty"`},
		{"Amount", "float64", `json:"amount,omitempty"`},
		{"Status", "string", `json:"status,omitempty"`},
		{"System", "string", `json:"system,omitempty"`},
		{"Currency", "string", `json:"currency,omitempty"`},
		{"Reference", "string", `json:"reference,omitempty"`},
		{"TransactionalReference", "string", `json:"transactional_reference,omitempty"`},
		{"TillNumber", "string", `json:"till_number,omitempty"`},
		{"SendingTill", "string", `json:"sending_till,omitempty"`},
		{"AccountName", "string", `json:"account_name,omitempty"`},
		{"AccountNumber", "string", `json:"account_number,omitempty"`},
		{"BankBranchReference", "string", `json:"bank_branch_ref,omitempty"`},
		{"SettlementMethod", "string", `json:"settlement_method,omitempty"`},
		{"SendingMerchant", "string", `json:"sending_merchant,omitempty"`},
		{"SenderPhoneNumber", "string", `json:"sender_phone_number,omitempty"`},
		{"OriginationTime", "string", `json:"origination_time,omitempty"`},
		{"SenderLastName", "string", `json:"sender_last_name,omitempty"`},
		{"SenderFirstName", "string", `json:"sender_first_name,omitempty"`},
		{"SenderMiddleName", "string", `json:"sender_middle_name,omitempty"`},
		{"Destination", "kopokopo.Destination", `json:"destination,omitempty"`},
		{"Disbursements", "[]kopokopo.Disbursements", `json:"disbursements,omitempty"`},
	}},
	{reflect.TypeFor[kopokopo.Subscriber](), []documentedField{
		{"LastName", "string", `json:"last_name,omitempty"`},
		{"FirstName", "string", `json:"first_name,omitempty"`},
		{"MiddleName", "string", `json:"middle_name,omitempty"`},
		{"PhoneNumber", "string", `json:"phone_number,omitempty"`},
		{"Email", "string", `json:"email,omitempty"`},
	}}}

// appendedFields may follow the documented ones: what the API has gained since.
var appendedFields = map[string][]documentedField{
	"Attribute": {{"Errors", "kopokopo.StringList", `json:"errors,omitempty"`}},
	"Config": {
		{"AuthURL", "string", ``},
		{"CallbackURL", "string", ``},
		{"Timeout", "time.Duration", ``},
		{"UserAgent", "string", ``},
		{"HTTPClient", "*http.Client", ``},
		{"WrapTransport", "func(http.RoundTripper) http.RoundTripper", ``},
		{"Logger", "*slog.Logger", ``},
		{"MaxRetries", "int", ``},
		{"TokenSource", "kopokopo.TokenSource", ``},
		{"Intents", "kopokopo.IntentStore", ``},
	},
	"CreateWebhookReq": {{"EnableDarajaPayload", "bool", `json:"enable_daraja_payload,omitempty"`}},
	"PaymentRecipient": {{"Nickname", "string", `json:"nickname,omitempty"`}},
	"Resource":         {{"HashedSenderPhone", "string", `json:"hashed_sender_phone,omitempty"`}},
}

func TestDocumentedStructsKeepEveryField(t *testing.T) {
	t.Parallel()
	require.Len(t, documentedTypes, 22)
	for _, documented := range documentedTypes {
		t.Run(documented.typ.Name(), func(t *testing.T) {
			t.Parallel()
			allowed := appendedFields[documented.typ.Name()]
			require.GreaterOrEqual(t, documented.typ.NumField(), len(documented.fields))
			for i := range documented.typ.NumField() {
				f := documented.typ.Field(i)
				got := documentedField{f.Name, f.Type.String(), string(f.Tag)}
				assert.True(t, f.IsExported() && !f.Anonymous, f.Name)
				if i < len(documented.fields) {
					assert.Equal(t, documented.fields[i], got, "field %d", i)
				} else {
					assert.Contains(t, allowed, got, "a field behind the documented ones")
				}
			}
		})
	}
}

// resultTypes are the results that the documented interface does not export.
var resultTypes = []struct {
	typ    reflect.Type
	fields []documentedField
}{
	{reflect.TypeFor[kopokopo.TokenResponse](), []documentedField{
		{"AccessToken", "string", ""}, {"Type", "string", ""}, {"Expiry", "uint64", ""}, {"Creation", "uint64", ""},
	}},
	{reflect.TypeFor[kopokopo.TokenIntrospectionResponse](), []documentedField{
		{"Active", "bool", ""}, {"Scope", "string", ""}, {"ClientID", "string", ""}, {"Type", "string", ""},
		{"Expiry", "uint64", ""}, {"Creation", "uint64", ""},
	}},
	{reflect.TypeFor[kopokopo.TokenInfo](), []documentedField{
		{"OwnerID", "string", ""}, {"Scope", "[]string", ""}, {"Expiry", "uint64", ""},
		{"Application", "", ""}, {"Creation", "uint64", ""},
	}},
}

func TestResultStructsKeepEveryField(t *testing.T) {
	t.Parallel()
	for _, result := range resultTypes {
		require.Equal(t, len(result.fields), result.typ.NumField(), result.typ.Name())
		for i, want := range result.fields {
			f := result.typ.Field(i)
			assert.Equal(t, want.name, f.Name, result.typ.Name())
			if want.typ != "" {
				assert.Equal(t, want.typ, f.Type.String(), "%s.%s", result.typ.Name(), f.Name)
			}
		}
	}
	application := reflect.TypeOf(kopokopo.TokenInfo{}.Application)
	require.Equal(t, 1, application.NumField())
	assert.Equal(t, "UID", application.Field(0).Name)
	assert.Equal(t, "string", application.Field(0).Type.String())
}

func TestContentTypeIsAString(t *testing.T) {
	t.Parallel()
	typ := reflect.TypeFor[kopokopo.ContentType]()
	assert.Equal(t, reflect.String, typ.Kind())
	assert.Equal(t, "kopokopo.ContentType", typ.String())
}

func TestDocumentedErrorsKeepTheirTexts(t *testing.T) {
	t.Parallel()
	for text, err := range map[string]error{
		"empty token":                kopokopo.ErrEmptyToken,
		"invalid payment channel":    kopokopo.ErrInvalidPaymentChannel,
		"maximum metadata size is 5": kopokopo.ErrMaxMetadataSize,
		"empty id":                   kopokopo.ErrEmptyID,
		"invalid settlement method":  kopokopo.ErrInvalidSettlementMethod,
	} {
		assert.EqualError(t, err, text)
	}
}

// The methods are taken from values: a pointer receiver does not compile here.
var _ = []interface{ Validate() error }{
	kopokopo.AddPAYRecipient{}, kopokopo.BuyGoodsTrans{}, kopokopo.CreatePaymentReq{},
	kopokopo.CreateWebhookReq{}, kopokopo.ReceiveMpesaReq{},
}

func TestValidateExistsOnTheDocumentedTypesOnly(t *testing.T) {
	t.Parallel()
	with := map[string]bool{"AddPAYRecipient": true, "BuyGoodsTrans": true, "CreatePaymentReq": true, "CreateWebhookReq": true, "ReceiveMpesaReq": true}
	for _, documented := range documentedTypes {
		_, has := documented.typ.MethodByName("Validate")
		assert.Equal(t, with[documented.typ.Name()], has, documented.typ.Name())
	}
}

// documentedMethods are the 17 methods of SDK, in reflect's alphabetical order.
var documentedMethods = []struct{ name, signature string }{
	{"AddPayRecipients", "func(string, kopokopo.AddPAYRecipient) (string, error)"},
	{"B2BSubscription", "func(string) (kopokopo.BuyGoodsTrans, error)"},
	{"C2BReversalSubscription", "func(string) (kopokopo.BuyGoodsTrans, error)"},
	{"C2BSubscription", "func(string) (kopokopo.BuyGoodsTrans, error)"},
	{"CreatePayment", "func(string, kopokopo.CreatePaymentReq) (string, error)"},
	{"CreateWebhook", "func(string, kopokopo.CreateWebhookReq) (string, error)"},
	{"CusomerCreationSub", "func(string) (kopokopo.CustomerReq, error)"},
	{"GetToken", "func() (kopokopo.TokenResponse, error)"},
	{"M2MSubscription", "func(string) (kopokopo.BuyGoodsTrans, error)"},
	{"ProcessIncommingMpesaPayment", "func(string) (string, error)"},
	{"QueryIncommingMpesaPayment", "func(string, string) (kopokopo.IncomingPaymentEvent, error)"},
	{"ReceiveMpesaPayment", "func(string, kopokopo.ReceiveMpesaReq) (string, error)"},
	{"RevokeToken", "func(string) error"},
	{"SettlementSub", "func(string) (kopokopo.BuyGoodsTrans, error)"},
	{"TokenInformation", "func(string) (kopokopo.TokenInfo, error)"},
	{"TokenIntrospection", "func(string) (kopokopo.TokenIntrospectionResponse, error)"},
	{"ValidateWebhook", "func(string) (kopokopo.BuyGoodsTrans, error)"},
}

func TestSDKHasExactlyTheDocumentedMethods(t *testing.T) {
	t.Parallel()
	sdk := reflect.TypeFor[kopokopo.SDK]()
	require.Equal(t, reflect.Interface, sdk.Kind())
	require.Len(t, documentedMethods, 17)
	require.Equal(t, 17, sdk.NumMethod())
	for i, want := range documentedMethods {
		m := sdk.Method(i)
		assert.Equal(t, want.name, m.Name)
		assert.Equal(t, want.signature, m.Type.String(), m.Name)
	}
	assert.Equal(t, "func(kopokopo.Config) kopokopo.SDK", reflect.TypeOf(kopokopo.NewSDK).String())
	client := reflect.TypeOf((*kopokopo.Client).SDK)
	assert.Equal(t, "func(*kopokopo.Client) kopokopo.SDK", client.String())
}
