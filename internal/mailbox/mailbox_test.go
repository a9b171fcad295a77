package mailbox

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Office
		for i := range 3 * maxKept {
			r.Publish(fmt.Sprint(i), json.RawMessage(`{}`))
		}
		assert.Len(t, r.kept, maxKept)
		assert.Equal(t, fmt.Sprint(2*maxKept), r.kept[0].id, "the oldest went")
		assert.Equal(t, 2*maxKept, r.bytes)

		large := make(json.RawMessage, maxBytes/2)
		for i := range 5 {
			r.Publish(fmt.Sprint("large", i), large)
		}
		assert.Len(t, r.kept, 2)
		assert.LessOrEqual(t, r.bytes, maxBytes)
		r.Publish("large4", json.RawMessage(`{}`))
		assert.Len(t, r.kept, 2, "the newest of an id takes the place of the older")
		assert.Equal(t, maxBytes/2+2, r.bytes)
		r.Publish("huge", make(json.RawMessage, maxBytes+1))
		assert.Len(t, r.kept, 2, "too large to keep")

		time.Sleep(keptFor + time.Second)
		r.Leave("x", r.Join("x"))
		assert.Empty(t, r.kept)
		assert.Zero(t, r.bytes)
		assert.Empty(t, r.waiting)
	})
}
