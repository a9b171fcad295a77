package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/kopokopo-go/kopokopo"
)

// asksForReal reports whether any of the settings of the real Kopo Kopo is there:
// half of them are a mistake to be told, not a reason to pretend.
func asksForReal() bool {
	for _, setting := range os.Environ() {
		name, value, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, "KOPOKOPO_") && strings.TrimSpace(value) != "" {
			return true
		}
	}
	return false
}

// missingError names the settings that the real Kopo Kopo needs.
type missingError []string

func (m missingError) Error() string {
	return "to ask the real Kopo Kopo, also set " + strings.Join(m, ", ")
}

// settings are what the real Kopo Kopo needs beyond the credentials.
type settings struct{ phone, till, callback string }

func readSettings() (settings, error) {
	s := settings{os.Getenv("KOPOKOPO_PHONE"), os.Getenv("KOPOKOPO_TILL"), os.Getenv("KOPOKOPO_CALLBACK_URL")}
	var missing missingError
	for _, name := range []string{"KOPOKOPO_CLIENT_ID", "KOPOKOPO_CLIENT_SECRET", "KOPOKOPO_BASE_URL",
		"KOPOKOPO_PHONE", "KOPOKOPO_TILL", "KOPOKOPO_CALLBACK_URL"} {
		if strings.TrimSpace(os.Getenv(name)) == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return s, missing
	}
	return s, nil
}

// real asks the Kopo Kopo of the environment for one payment. It subscribes to
// nothing, since subscriptions cannot be deleted.
func real(ctx context.Context) error {
	s, err := readSettings()
	if err != nil {
		return err
	}
	cfg, err := kopokopo.ConfigFromEnv()
	if err != nil {
		return err
	}
	if isProduction(cfg.BaseURL) && os.Getenv("KOPOKOPO_ALLOW_PRODUCTION") != "1" {
		return errors.New("this is production: a real customer would be asked for real money. Set KOPOKOPO_ALLOW_PRODUCTION=1 if you mean it")
	}
	client, err := kopokopo.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	fmt.Println("1. Asking", cfg.BaseURL)

	ref, err := client.V1.IncomingPayments.Create(ctx, push(s.phone, s.till, s.callback))
	if err != nil {
		return err
	}
	fmt.Println("2. The customer was asked for KES 100: incoming payment", ref.ID)

	// The callback goes to the given URL; here, the payment is looked up until it is final.
	payment, err := client.V1.IncomingPayments.Wait(ctx, ref.ID)
	if err != nil {
		return err
	}
	fmt.Println("3. Paid: M-PESA receipt", payment.Attributes.Event.Resource.Reference)
	return nil
}

// isProduction takes every host of Kopo Kopo's but the sandbox for production.
func isProduction(base string) bool {
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil {
		return true
	}
	host := strings.ToLower(u.Hostname())
	return strings.HasSuffix(host, "kopokopo.com") && host != "sandbox.kopokopo.com"
}
