package sdk_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func TestLocationIsReducedToTheID(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{
		"as documented":      "https://sandbox.kopokopo.com/api/v1/incoming_payments/" + testID,
		"other host":         "http://localhost:3000/api/v1/incoming_payments/" + testID,
		"other version":      "https://api.kopokopo.com/api/v2/incoming_payments/" + testID,
		"no prefix":          "https://api.kopokopo.com/incoming_payments/" + testID,
		"trailing slash":     "https://sandbox.kopokopo.com/api/v1/incoming_payments/" + testID + "/",
		"relative":           "/api/v1/incoming_payments/" + testID,
		"relative, no slash": "incoming_payments/" + testID,
		"bare":               testID,
		"query":              "https://sandbox.kopokopo.com/api/v1/incoming_payments/" + testID + "?token=1#f",
		"white space":        "  https://sandbox.kopokopo.com/api/v1/incoming_payments/" + testID + "\t",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(http.StatusCreated)
			})
			id, err := far.SDK().ReceiveMpesaPayment(testToken, validSTK())
			require.NoError(t, err)
			assert.Equal(t, testID, id)
			far.Only(t)
		})
	}
}

func TestLocationHeaderInLowerCase(t *testing.T) {
	t.Parallel()
	far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["location"] = []string{"/api/v1/payments/" + testID}
		w.WriteHeader(http.StatusCreated)
	})
	id, err := far.SDK().CreatePayment(testToken, validPayment())
	require.NoError(t, err)
	assert.Equal(t, testID, id)
}

// A body beside the Location says nothing.
func TestBodyOfACreateIsIgnored(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", `{"data":"some_data"}`, "<html>", strings.Repeat("x", 2<<20)} {
		far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/api/v1/payments/"+testID)
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(body))
		})
		id, err := far.SDK().CreatePayment(testToken, validPayment())
		require.NoError(t, err)
		assert.Equal(t, testID, id)
	}
}

func TestACreateWithoutAUsableLocationIsUnknown(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{
		"none":                  "",
		"the collection itself": "https://sandbox.kopokopo.com/api/v1/webhook_subscriptions",
		"with slash":            "https://sandbox.kopokopo.com/api/v1/webhook_subscriptions/",
		"host only":             "https://sandbox.kopokopo.com",
		"root":                  "https://sandbox.kopokopo.com/",
		"dots":                  "https://sandbox.kopokopo.com/api/v1/webhook_subscriptions/..",
		"odd characters":        "https://sandbox.kopokopo.com/api/v1/webhook_subscriptions/a%20b",
		"no URL":                "://%zz",
		"long":                  "/" + strings.Repeat("a", 10<<10),
	} {
		for _, create := range creates {
			t.Run(name+" "+create.Name, func(t *testing.T) {
				t.Parallel()
				location := strings.Replace(location, "/api/v1/webhook_subscriptions", create.Path, 1)
				far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
					if location != "" {
						w.Header().Set("Location", location)
					}
					w.WriteHeader(http.StatusCreated)
				})
				id, err := create.Call(far.SDK(), testToken)
				assert.Empty(t, id)
				require.ErrorIs(t, err, kopokopo.ErrNoLocation)
				assert.Equal(t, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
				assert.Contains(t, err.Error(), "kopokopo: "+create.Op+": outcome unknown: ")
				assert.Equal(t, create.Path, far.Only(t).Path)
			})
		}
	}
}

// Nothing is ever fetched from a Location.
func TestLocationIsNeverFetched(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	dialled := make(chan struct{}, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			conn.Close()
			dialled <- struct{}{}
		}
	}()
	far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+listener.Addr().String()+r.URL.Path+"/"+testID)
		w.WriteHeader(http.StatusCreated)
	})
	id, err := far.SDK().CreateWebhook(testToken, validWebhook())
	require.NoError(t, err)
	assert.Equal(t, testID, id)
	assert.Empty(t, dialled)
}
