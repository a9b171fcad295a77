package h2faults_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/kopokopo-go/kopokopo"
)

// What a GOAWAY carries as debug data is the other side's: it can be what it was sent.
func TestDebugDataIsNotRepeated(t *testing.T) {
	sent := "Bearer a-token, phone +254999999999, also 254 999 999 999, Joe Buyer"
	ends := map[string]func(c *conn, stream uint32) bool{
		"after the stream":  func(c *conn, s uint32) bool { c.WriteGoAway(s, http2.ErrCodeInternal, []byte(sent)); return false },
		"before the stream": func(c *conn, _ uint32) bool { c.WriteGoAway(0, http2.ErrCodeProtocol, []byte(sent)); return false },
		"a header that is none": func(c *conn, s uint32) bool {
			c.field(s, "bad header\n", sent)
			return true
		},
		"a header with a bad value": func(c *conn, s uint32) bool {
			c.field(s, "x-sent", sent+"\x00")
			return true
		},
	}
	calls := map[string]func(context.Context, *kopokopo.Client) error{"C": collect, "S": subscribe, "R": read}
	for name, end := range ends {
		for class, call := range calls {
			t.Run(name+"/"+class, func(t *testing.T) {
				s := newServer(t, func(c *conn, stream uint32, _ int) bool { return end(c, stream) })
				err := call(t.Context(), newClient(t, s))
				if err == nil {
					t.Fatal("no error")
				}
				t.Log(err)
				for _, text := range []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
					for _, hidden := range []string{"a-token", "999999999", "999 999 999", "Joe", "Bearer"} {
						if strings.Contains(text, hidden) {
							t.Errorf("%q shows in %q", hidden, text)
						}
					}
				}
				if class != "R" && !errors.Is(err, kopokopo.ErrOutcomeUnknown) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}
