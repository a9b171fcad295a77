package api_test

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

var (
	testCredentials = testkit.Credentials
	sample          = testkit.Sample
	tree            = testkit.Tree
	outcomes        = testkit.Outcomes
	noSecrets       = testkit.NoSecrets
	disguises       = testkit.Disguises

	newFarSide = testkit.NewFarSide
	created    = testkit.Created
	answering  = testkit.Answering
	mockClient = testkit.MockClient
	mockSDK    = testkit.MockSDK
	canned     = testkit.Canned

	validSTK     = testkit.ValidSTK
	validPayment = testkit.ValidPayment
	validWebhook = testkit.ValidWebhook
	validTill    = testkit.ValidTill
	creates      = testkit.SDKCreates
	sdkCalls     = testkit.SDKCalls
)
