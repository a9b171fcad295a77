// Package testkit is what several suites of tests have in common: servers that say what
// reached them (FarSide, RawServer), handlers with everything a test looks at (Hook),
// requests and samples that are valid, and the search for secrets that show.
//
// Only tests import it. It may import the root package and kopokopotest's lower pieces;
// nothing that a program runs imports it.
package testkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
)

// What the tests' clients are made of. The secrets have marks that change their form
// in JSON, in a URL and in Go's quotes, so that every form can be looked for.
const (
	Token    = "test+token/with=marks"
	Base     = "https://k2.example" // never dialled
	ClientID = "client-id-4711"
	Secret   = "s3cr&t/+\"<é>-secret"
	APIKey   = "api&key/+\"<é>-apikey"
	Callback = "https://shop.example/result"
	ID       = "0dad3e3f-a83e-4ed2-afa6-2e76a3df3a03" // of every resource that a test's server creates
)

// Credentials are ClientID, Secret and APIKey.
func Credentials() kopokopo.Credentials {
	return kopokopo.Credentials{AppID: ClientID, Secret: Secret, APIKey: APIKey}
}

// Sample reads a document on record by its file name, as K2 sent it.
func Sample(t testing.TB, name string) []byte {
	t.Helper()
	return payloads.Read(name)
}

// Tree decodes JSON for a comparison that respects types: numbers keep their digits.
func Tree(t testing.TB, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), "%s", data)
	_, err := dec.Token()
	require.ErrorIs(t, err, io.EOF, "one document")
	return v
}

// Outcomes lists which of the three outcomes an error is.
func Outcomes(err error) []error {
	var list []error
	for _, outcome := range []error{kopokopo.ErrNotSent, kopokopo.ErrRefused, kopokopo.ErrOutcomeUnknown} {
		if errors.Is(err, outcome) {
			list = append(list, outcome)
		}
	}
	return list
}

// Eventually is for what another goroutine does, outside a bubble of simulated time.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what + " did not happen")
		}
	}
}
