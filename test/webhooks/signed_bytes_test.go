package webhooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// rewritten are forms of one document: what is the same JSON is not the same bytes.
func rewritten(t *testing.T, body string) map[string]string {
	t.Helper()
	var compact, indented bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(body)))
	require.NoError(t, json.Indent(&indented, []byte(body), "", "  "))
	var value any
	require.NoError(t, json.Unmarshal([]byte(body), &value))
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(value))
	return map[string]string{
		"compact": compact.String(), "indented": indented.String(),
		"decoded and encoded": string(encoded), "without escapes": strings.TrimSpace(plain.String()), "with a line's end": plain.String(),
		"trimmed": strings.TrimSpace(body), "with a mark": "\ufeff" + body,
	}
}

// The signature is one of the bytes as they arrived. That of any other form of the
// same document is refused: whoever could choose the form could choose which of two
// equal members counts.
func TestFault_W20_OnlyTheBytesAsTheyArrivedAreSigned(t *testing.T) {
	bodies := []string{
		` { "topic" : "t" , "id" : "1" , "amount" : 100.0 , "name" : "A & B <c>" } `,
		`{"topic":"t","id":"1","name":"Ng\u0169g\u0129 \u0026 \u003cc\u003e","big":1e2,"id":"2"}`,
		"{\r\n\"id\":\"1\",\"topic\":\"t\\/x\"}\n",
	}
	for _, body := range bodies {
		h := process(t, nil, func(context.Context, *kopokopo.Notification) error { t.Error("called"); return nil })
		forms := 0
		for name, other := range rewritten(t, body) {
			if other == body {
				continue
			}
			forms++
			sig := kopokopo.Sign([]byte(other), leaseKey)
			require.ErrorIs(t, kopokopo.VerifySignature([]byte(body), sig, leaseKey), kopokopo.ErrBadSignature, name)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set(kopokopo.SignatureHeader, sig)
			require.ErrorIs(t, kopokopo.VerifyRequest(r, []byte(body), leaseKey), kopokopo.ErrBadSignature, name)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			require.Equal(t, http.StatusUnauthorized, rec.Code, name)
		}
		require.GreaterOrEqual(t, forms, 4)
		h = process(t, nil, func(_ context.Context, n *kopokopo.Notification) error {
			require.Equal(t, body, string(n.Raw))
			return nil
		})
		require.Equal(t, 200, status(h, body))
	}
}
