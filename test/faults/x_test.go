package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// X: redirects, URLs, injection.

// redirects runs a redirect to each kind of place.
func redirects(t *testing.T, status int) {
	t.Helper()
	for name, to := range map[string]string{
		"same host": wireBase + "/elsewhere", "another host": "https://evil.example/", "http": "http://k2.example/", "another port": "http://127.0.0.1:8/",
		"a sub-domain": "https://sub.k2.example/", "relative": "/elsewhere", "none": "", "malformed": "http://[::1", "bad escapes": "/%zz", "an id": "/api/v2/incoming_payments/" + testID,
	} {
		t.Run(name, func(t *testing.T) {
			fault(t, everyone, allWays, func(e *env) {
				e.w.Script = always(readWhole, send(answer(status, `{"id":"x"}`, "Location: "+to)), fin)
				err := e.call(e.Context())
				e.expect(err, map[string]want{"*": endsUnknown(1, kopokopo.ErrRedirect), "R": endsFailing(1, 1, kopokopo.ErrRedirect)})
				assert.Len(e.T, e.w.Seen(), 1)
				assert.Equal(e.T, 1, e.w.Dialled())
				assert.NotContains(e.T, err.Error(), "evil")
				var answered *kopokopo.APIError
				require.ErrorAs(e.T, err, &answered)
				assert.Equal(e.T, status, answered.StatusCode)
			})
		})
	}
}

func TestFault_X01_MovedPermanently(t *testing.T)  { redirects(t, 301) }
func TestFault_X02_Found(t *testing.T)             { redirects(t, 302) }
func TestFault_X03_SeeOther(t *testing.T)          { redirects(t, 303) }
func TestFault_X04_TemporaryRedirect(t *testing.T) { redirects(t, 307) }
func TestFault_X05_PermanentRedirect(t *testing.T) { redirects(t, 308) }

func TestFault_X06_RedirectLoop(t *testing.T) {
	fault(t, everyone, allWays, func(e *env) {
		e.w.Script = always(serveAll)
		e.w.Serve = func(_ *peer, req wireRequest) string { return answer(302, "", "Location: "+req.Path) }
		e.expect(e.call(e.Context()), map[string]want{"*": endsUnknown(1, kopokopo.ErrRedirect), "R": endsFailing(1, 1, kopokopo.ErrRedirect)})
	})
}

func TestFault_X07_LocationForms(t *testing.T) {
	const collection = "/incoming_payments/"
	tests := map[string]string{ // the id in each, "" if there is none to be had
		"//evil.example/" + testID: testID, "https://api@evil.example/" + testID: testID, "https:evil/x": "",
		"https://k2.example." + collection + testID: testID, "HTTPS://K2.EXAMPLE" + collection + testID: testID, "https://k2.example:443" + collection + testID: testID,
		"https://xn--k2-exmple-t6a.example/" + testID: testID, "javascript:alert(1)": "", "file:///etc/passwd": "", "": "",
		collection + "%2e%2e": "", collection + "..": "", collection + "a%2Fb": "", collection + "a b": "", collection + strings.Repeat("a", 129): "",
		"/api/v2/incoming_payments": "", "/api/v2/incoming_payments/": "", collection + testID + "?a=b#c": testID, collection + "%7f": "",
		// What was posted to another collection, or to none, is the answer to something else.
		"/x/" + testID: "", "/api/v2/payments/" + testID: "", "/users/sign_in": "", "https://k2.example/api/v2/incoming_payments/x/" + testID: "",
	}
	for raw, id := range tests {
		t.Run(raw, func(t *testing.T) {
			fault(t, "C", ourWay, func(e *env) {
				e.w.Script = always(readWhole, send(answer(201, "", "Location: "+raw)), fin)
				ref, err := e.start().IncomingPayments.Create(e.Context(), validSTK())
				assert.Len(e.T, e.w.Seen(), 1, "nothing is fetched from there")
				if id == "" {
					require.ErrorIs(e.T, err, kopokopo.ErrNoLocation)
					require.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err))
					return
				}
				require.NoError(e.T, err)
				assert.Equal(e.T, id, ref.ID)
			})
		})
	}
}

func TestFault_X08_URLsForIDs(t *testing.T) {
	for given, ok := range map[string]bool{
		wireBase + "/api/v2/incoming_payments/" + testID: true, "https://evil.example/api/v2/incoming_payments/" + testID: false,
		"http://user@127.0.0.1:7/api/v2/incoming_payments/" + testID: false, wireBase + "/api/v2/payments/" + testID: false,
		wireBase + "/api/v2/incoming_payments/" + testID + "?x=1": false, "/api/v2/incoming_payments/" + testID: false,
		wireBase + "/api/v2/incoming_payments/a%2Fb": false, wireBase + "/api/v2/incoming_payments/../" + testID: false,
	} {
		fault(t, "R", ourWay, func(e *env) {
			_, err := e.start().IncomingPayments.Get(e.Context(), given)
			if ok {
				require.NoError(e.T, err, given)
				assert.Equal(e.T, 1, e.w.Count("GET", e.col.path))
				return
			}
			var invalid *kopokopo.ValidationError
			require.ErrorAs(e.T, err, &invalid, given)
			assert.Zero(e.T, e.w.Dialled())
		})
	}
}

func TestFault_X10_HostileIDs(t *testing.T) {
	for _, id := range []string{"", ".", "..", "../x", "a/b", "a%2Fb", "%2e%2e", "a?b", "a#b", "a;b", "a b", " ", "a\x00b", "a\r\nb", strings.Repeat("a", 10<<10), "é", "ａ"} {
		fault(t, "R", ourWay, func(e *env) {
			_, err := e.start().IncomingPayments.Get(e.Context(), id)
			var invalid *kopokopo.ValidationError
			require.ErrorAs(e.T, err, &invalid, "%q", id)
			assert.Equal(e.T, "id", invalid.Fields[0].Field)
			assert.Equal(e.T, strings.TrimSpace(id) == "", errors.Is(err, kopokopo.ErrEmptyID))
			assert.Zero(e.T, e.w.Dialled())
			assert.LessOrEqual(e.T, len(err.Error()), 300)
		})
	}
}

func TestFault_X11_BaseURLs(t *testing.T) {
	for base, path := range map[string]string{
		wireBase: "", wireBase + "/": "", wireBase + "/k2": "/k2", wireBase + "/k2/": "/k2",
	} {
		fault(t, "R", ourWay, func(e *env) {
			e.cfg.BaseURL = base
			require.NoError(e.T, e.call(e.Context()))
			assert.Equal(e.T, path+e.col.path, e.w.Seen()[0].Path)
		})
	}
	for _, base := range []string{"https://k2.example?x=1", "https://k2.example?", "https://k2.example#f", "https://user:" + proxySecret + "@k2.example", "https://k2.example/../x",
		"https://k2.example//x", "http://k2.example", "k2.example", "", "https://", "ftp://k2.example", "https://k2.example/\x00"} {
		_, err := kopokopo.New(kopokopo.Config{BaseURL: base, Credentials: testCredentials()})
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid, base)
		assert.Equal(t, "BaseURL", invalid.Fields[0].Field)
		assert.NotContains(t, err.Error(), proxySecret)
	}
}

func TestFault_X12_CallbackURLs(t *testing.T) {
	for callback, ok := range map[string]bool{
		"https://shop.example/x": true, "http://127.0.0.1:9/x": true, "http://localhost/x": true, "http://[::1]:9/x": true,
		"http://shop.example/x": false, "https://user:pw@shop.example/": false, "https://shop.example/" + strings.Repeat("a", 2000): false,
		"https://shop.example/\r\nx": false, "shop.example": false, "": false, "javascript:alert(1)": false, "https://": false, "http://10.0.0.1/": false,
	} {
		fault(t, "C", ourWay, func(e *env) {
			push := validSTK()
			push.Links.Callback = callback
			_, err := e.start().IncomingPayments.Create(e.Context(), push)
			if ok {
				require.NoError(e.T, err, callback)
				return
			}
			var invalid *kopokopo.ValidationError
			require.ErrorAs(e.T, err, &invalid, callback)
			require.Equal(e.T, []error{kopokopo.ErrNotSent}, outcomes(err))
			assert.Equal(e.T, "_links.callback_url", invalid.Fields[0].Field)
			assert.Zero(e.T, e.w.Dialled())
		})
	}
}

func TestFault_X13_HeaderAndBodyInjection(t *testing.T) {
	for _, agent := range []string{"shop/1\r\nX-Evil: 1", "shop\x00", "shop\nx"} {
		_, err := kopokopo.New(kopokopo.Config{BaseURL: wireBase, Credentials: testCredentials(), UserAgent: agent})
		var invalid *kopokopo.ValidationError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, "UserAgent", invalid.Fields[0].Field)
	}
	fault(t, "C", ourWay, func(e *env) {
		push := validSTK()
		push.Subscriber.FirstName = "Joe\"},\r\n\x01"
		push.Metadata = map[string]any{"k\"\r\n": "v\"}\u2028\r\n"}
		_, err := e.start().IncomingPayments.Create(e.Context(), push)
		if err != nil { // refusing it is as good
			require.Equal(e.T, []error{kopokopo.ErrNotSent}, outcomes(err))
			return
		}
		body := tree(e.T, e.w.Seen()[0].Body).(map[string]any)
		assert.Equal(e.T, push.Metadata, body["metadata"])
		assert.Equal(e.T, push.Subscriber.FirstName, body["subscriber"].(map[string]any)["first_name"])
	})
	fault(t, "R", ourWay, func(e *env) {
		for _, token := range []string{"a\r\nX-Evil: 1", "a b", "a\x00", "\x7f", "é", ""} {
			_, err := e.start().IncomingPayments.Get(e.Context(), testID, kopokopo.WithToken(token))
			var invalid *kopokopo.ValidationError
			require.ErrorAs(e.T, err, &invalid, "%q", token)
		}
		assert.Zero(e.T, e.w.Dialled())
	})
}

func TestFault_X14_Metadata(t *testing.T) {
	pairs := func(n int) map[string]any {
		m := map[string]any{}
		for i := range n {
			m[fmt.Sprint("key", i)] = i
		}
		return m
	}
	for name, tt := range map[string]struct {
		metadata map[string]any
		ok       bool
	}{
		"five": {pairs(5), true}, "six": {pairs(6), false}, "nested": {map[string]any{"a": map[string]any{"b": []any{1, true, nil}}}, true},
		"not JSON": {map[string]any{"a": make(chan int)}, false}, "not a number": {map[string]any{"a": math.NaN()}, false},
		"HTML": {map[string]any{"a": "<b>&</b>"}, true}, "invalid UTF-8": {map[string]any{"a": "\xff"}, true}, "nil": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			fault(t, "MC", ourWay, func(e *env) {
				e.col.call = func(ctx context.Context, c *kopokopo.Client) error {
					if e.col.class == "M" {
						payment := validPayment()
						payment.Metadata = tt.metadata
						_, err := c.V1.Payments.Create(ctx, payment)
						return err
					}
					push := validSTK()
					push.Metadata = tt.metadata
					_, err := c.IncomingPayments.Create(ctx, push)
					return err
				}
				err := e.call(e.Context())
				if !tt.ok {
					e.expect(err, map[string]want{"*": endsNotSent(0)})
					assert.Equal(e.T, name == "six", errors.Is(err, kopokopo.ErrMaxMetadataSize))
					return
				}
				e.expect(err, all)
				body := tree(e.T, e.w.Seen()[0].Body).(map[string]any)
				sent, _ := body["metadata"].(map[string]any)
				assert.Len(e.T, sent, len(tt.metadata), "nothing of ours is among it")
			})
		})
	}
}

func TestFault_X15_Amounts(t *testing.T) {
	for amount, ok := range map[string]bool{
		"1": true, "20000": true, "99.50": true, "0.01": true, "NaN": false, "Inf": false, "-1": false, "0": false, "0.00": false,
		"1.234": false, "1e3": false, "": false, " ": false, "1,000": false, "0x10": false, "９": false, "1_000": false, "--1": false,
	} {
		t.Run(amount, func(t *testing.T) {
			fault(t, "MC", ourWay, func(e *env) {
				e.col.call = func(ctx context.Context, c *kopokopo.Client) error {
					if e.col.class == "M" {
						payment := validPayment()
						payment.Amount = kopokopo.KES(amount)
						_, err := c.V1.Payments.Create(ctx, payment)
						return err
					}
					push := validSTK()
					push.Amount = kopokopo.KES(amount)
					_, err := c.IncomingPayments.Create(ctx, push)
					return err
				}
				err := e.call(e.Context())
				if ok {
					e.expect(err, all)
					return
				}
				e.expect(err, map[string]want{"*": endsNotSent(0)})
				assert.Contains(e.T, err.Error(), "amount.value")
				assert.Zero(e.T, e.w.Dialled())
			})
		})
	}
	for _, huge := range []string{"9223372036854775807", "1000000000", "99999999999999999999999999"} {
		fault(t, "C", ourWay, func(e *env) {
			push := validSTK()
			push.Amount = kopokopo.KES(huge)
			_, err := e.start().IncomingPayments.Create(e.Context(), push)
			if err != nil {
				require.Equal(e.T, []error{kopokopo.ErrNotSent}, outcomes(err))
				return
			}
			assert.Contains(e.T, string(e.w.Seen()[0].Body), `"value":`+huge, "every digit")
		})
	}
}
