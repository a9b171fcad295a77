package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

// clearSettings makes the test see none of the developer's own settings.
func clearSettings(t *testing.T) {
	t.Helper()
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "KOPOKOPO_") {
			t.Setenv(name, "")
		}
	}
}

func TestEmbedded(t *testing.T) {
	clearSettings(t)
	assert.False(t, asksForReal())
	require.NoError(t, embedded(context.Background()))
}

// TestReal lets an embedded Kopo Kopo play the real one.
func TestReal(t *testing.T) {
	for till, failure := range map[string]string{"1234567": "", "K000000": "initiator information"} {
		t.Run(till, func(t *testing.T) {
			clearSettings(t)
			k2 := kopokopotest.NewServer(kopokopotest.WithDelay(0))
			defer k2.Close()
			cfg := k2.Config()
			t.Setenv("KOPOKOPO_BASE_URL", cfg.BaseURL)
			t.Setenv("KOPOKOPO_CLIENT_ID", cfg.Credentials.AppID)
			t.Setenv("KOPOKOPO_CLIENT_SECRET", cfg.Credentials.Secret)
			t.Setenv("KOPOKOPO_PHONE", "0712345678")
			t.Setenv("KOPOKOPO_TILL", till)
			t.Setenv("KOPOKOPO_CALLBACK_URL", "https://shop.example/result")
			assert.True(t, asksForReal())

			err := real(context.Background())
			if failure == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, failure)
				require.ErrorIs(t, err, kopokopo.ErrPaymentFailed)
			}
			assert.Equal(t, 1, k2.Count("POST", "/api/v1/incoming_payments"))
			assert.Zero(t, k2.Count("POST", "/api/v1/webhook_subscriptions"), "subscriptions cannot be deleted")
		})
	}
}

func TestRealNamesWhatIsMissing(t *testing.T) {
	clearSettings(t)
	t.Setenv("KOPOKOPO_CLIENT_ID", "somebody")
	assert.True(t, asksForReal())
	var missing missingError
	require.ErrorAs(t, real(context.Background()), &missing)
	assert.Equal(t, missingError{"KOPOKOPO_CLIENT_SECRET", "KOPOKOPO_BASE_URL", "KOPOKOPO_PHONE", "KOPOKOPO_TILL", "KOPOKOPO_CALLBACK_URL"}, missing)
}

func TestRealRefusesProduction(t *testing.T) {
	for _, base := range []string{kopokopo.Production, "https://app.kopokopo.com", "https://API.kopokopo.com/"} {
		clearSettings(t)
		for _, name := range []string{"KOPOKOPO_CLIENT_ID", "KOPOKOPO_CLIENT_SECRET", "KOPOKOPO_TILL"} {
			t.Setenv(name, "x")
		}
		t.Setenv("KOPOKOPO_BASE_URL", base)
		t.Setenv("KOPOKOPO_PHONE", "0712345678")
		t.Setenv("KOPOKOPO_CALLBACK_URL", "https://shop.example/result")
		require.ErrorContains(t, real(context.Background()), "KOPOKOPO_ALLOW_PRODUCTION=1", base)
	}
}
