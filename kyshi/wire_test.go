package kyshi_test

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// The W series where the bytes on the wire matter.

func TestFault_Kyshi_W06_SpaceAroundTheSignature(t *testing.T) { receiver.SpaceAroundTheSignature(t) }

func TestFault_Kyshi_W07_FoldedSignature(t *testing.T) { receiver.FoldedSignature(t) }

func TestFault_Kyshi_W08_HugeSignatureOnTheWire(t *testing.T) { receiver.HugeSignatureOnTheWire(t) }

func TestFault_Kyshi_W13_EndlessBody(t *testing.T) { receiver.SizesOnTheWire(t) }

func TestFault_Kyshi_W14_SlowBody(t *testing.T) { receiver.SlowBody(t) }

func TestFault_Kyshi_W15_SenderVanishes(t *testing.T) { receiver.SenderVanishes(t) }

func TestFault_Kyshi_W28_SenderHangsUp(t *testing.T) { receiver.SenderHangsUp(t) }

func TestFault_Kyshi_W31_Protocols(t *testing.T) {
	receiver.Protocols(t)
	t.Run("h2, SignedRequest", func(t *testing.T) {
		h := newHook(t, nil)
		srv := httptest.NewUnstartedServer(h)
		srv.EnableHTTP2 = true
		srv.TLS = &tls.Config{}
		srv.StartTLS()
		defer srv.Close()
		req, err := newVerifier(t).SignedRequest(t.Context(), srv.URL, []byte(anEvent))
		require.NoError(t, err)
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 2, resp.ProtoMajor)
		require.Equal(t, 200, resp.StatusCode)
		h.Idle(1)
	})
}

func TestFault_Kyshi_W32_BodyAlreadyRead(t *testing.T) { receiver.BodyAlreadyRead(t) }

func TestFault_Kyshi_W33_Framing(t *testing.T) { receiver.Framing(t) }
