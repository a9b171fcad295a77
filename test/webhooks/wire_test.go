package webhooks_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// The W series where the bytes on the wire matter.

func TestFault_W06_SpaceAroundTheSignature(t *testing.T) { receiver.SpaceAroundTheSignature(t) }

func TestFault_W07_FoldedSignature(t *testing.T) { receiver.FoldedSignature(t) }

func TestFault_W08_HugeSignatureOnTheWire(t *testing.T) { receiver.HugeSignatureOnTheWire(t) }

func TestFault_W13_SizesOnTheWire(t *testing.T) { receiver.SizesOnTheWire(t) }

func TestFault_W14_SlowBody(t *testing.T) { receiver.SlowBody(t) }

func TestFault_W14_DeadlineIsLiftedAfterTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHook(t, func(ctx context.Context, _ *kopokopo.Notification) error {
			time.Sleep(30 * time.Second) // longer than the body may take
			return ctx.Err()
		}, func(c *kopokopo.HandlerConfig) { c.AckTimeout = 50 * time.Second })
		c := onWire(t, h).Open()
		raw := head(anEvent, length(anEvent), "") + anEvent
		require.Equal(t, 200, exchange(t, c, raw, 1)[0].StatusCode)
		h.Idle(1)
	})
}

func TestFault_W15_SenderVanishes(t *testing.T) { receiver.SenderVanishes(t) }

func TestFault_W28_SenderHangsUp(t *testing.T) { receiver.SenderHangsUp(t) }

func TestFault_W31_Protocols(t *testing.T) { receiver.Protocols(t) }

func TestFault_W33_Framing(t *testing.T) { receiver.Framing(t) }
