package faults_test

import "github.com/kopokopo-go/kopokopo/internal/testkit"

// The fault scripts are read as sentences, always(readWhole, send("…"), rst), so the
// words of the testkit go by their bare names here.

type (
	wire        = testkit.RawServer
	wireRequest = testkit.RawRequest
	peer        = testkit.Peer
	step        = testkit.Step
)

var (
	always     = testkit.Always
	inTurn     = testkit.InTurn
	readWhole  = testkit.ReadWhole
	readSome   = testkit.ReadSome
	send       = testkit.Send
	drip       = testkit.Drip
	fin        = testkit.FIN
	rst        = testkit.RST
	hang       = testkit.Hang
	pause      = testkit.Pause
	good       = testkit.Good
	goodAnswer = testkit.GoodAnswer
	answer     = testkit.Answer
	serveAll   = testkit.ServeAll

	validSTK        = testkit.ValidSTK
	validPayment    = testkit.ValidPayment
	validWebhook    = testkit.ValidWebhook
	testCredentials = testkit.Credentials
	outcomes        = testkit.Outcomes
	noSecrets       = testkit.NoSecrets
	disguises       = testkit.Disguises
	tree            = testkit.Tree
)

const (
	testToken    = testkit.Token
	testClientID = testkit.ClientID
	testSecret   = testkit.Secret
	testAPIKey   = testkit.APIKey
	testID       = testkit.ID
)
