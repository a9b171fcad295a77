package sdk_test

import "github.com/kopokopo-go/kopokopo/internal/testkit"

// The words of the testkit that this suite uses in most of its files go by their bare
// names here.

const (
	testToken    = testkit.Token
	testBase     = testkit.Base
	testClientID = testkit.ClientID
	testSecret   = testkit.Secret
	testAPIKey   = testkit.APIKey
	testCallback = testkit.Callback
	testID       = testkit.ID
)

type seenRequest = testkit.SeenRequest

var (
	testCredentials = testkit.Credentials
	sample          = testkit.Sample
	tree            = testkit.Tree
	outcomes        = testkit.Outcomes
	noSecrets       = testkit.NoSecrets

	newFarSide = testkit.NewFarSide
	created    = testkit.Created
	answering  = testkit.Answering
	mockSDK    = testkit.MockSDK

	ownUserAgent    = testkit.OwnUserAgent
	requireForm     = testkit.RequireForm
	credentialsForm = testkit.CredentialsForm
	requireSample   = testkit.RequireSample

	validSTK     = testkit.ValidSTK
	validPayment = testkit.ValidPayment
	validWebhook = testkit.ValidWebhook
	validTill    = testkit.ValidTill
	creates      = testkit.SDKCreates
	sdkCalls     = testkit.SDKCalls
)
