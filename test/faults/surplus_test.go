package faults_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

// N22 on the connections that are kept alive: a peer that says one answer too many.
// Whatever was there before the first byte of a request is not its answer.

const foreignID = "foreign-payment"

// pushes are the creates of the classes that share connections, with a reference by
// which the server can tell them apart, and by which its answer is told.
var pushes = map[string]func(ctx context.Context, c *kopokopo.Client, reference string) (kopokopo.Ref, error){
	"C": func(ctx context.Context, c *kopokopo.Client, reference string) (kopokopo.Ref, error) {
		push := validSTK()
		push.Metadata = map[string]any{"reference": reference}
		return c.IncomingPayments.Create(ctx, push)
	},
	"S": func(ctx context.Context, c *kopokopo.Client, reference string) (kopokopo.Ref, error) {
		hook := validWebhook()
		hook.URL = "https://shop.example/" + reference
		return c.WebhookSubscriptions.Create(ctx, hook)
	},
}

// acceptedAs answers a request with the reference it carries.
func acceptedAs(req wireRequest) string {
	var body struct {
		Metadata struct{ Reference string }
		URL      string
	}
	_ = json.Unmarshal(req.Body, &body)
	reference := body.Metadata.Reference
	if reference == "" {
		reference = body.URL[len("https://shop.example/"):]
	}
	return answer(201, "", "Location: "+req.Path+"/"+reference)
}

// eachWay runs a case for C and S, in plain and over TLS.
func eachWay(t *testing.T, body func(e *env)) {
	for _, overTLS := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS=%v", overTLS), func(t *testing.T) {
			fault(t, "CS", []string{callers}, func(e *env) {
				if overTLS {
					e.overTLS(newTestCA().pool())
				}
				body(e)
			})
		})
	}
}

// serving puts TLS in front of a script, where the client speaks it.
func (e *env) serving(steps ...step) {
	if e.cfg.BaseURL != wireBase {
		server := &tls.Config{Certificates: []tls.Certificate{newTestCA().issue(e.T, tlsHost, farAhead)}}
		steps = append([]step{secure(server)}, steps...)
	}
	e.w.Script = always(steps...)
}

func TestFault_N22_SurplusAnswerBehindEach(t *testing.T) {
	log.SetOutput(io.Discard) // net/http reports what nobody asked for
	defer log.SetOutput(os.Stderr)
	for name, foreign := range map[string]string{
		"accepted": answer(201, "", "Location: /api/v2/incoming_payments/"+foreignID), "refused": answer(400, `{"error_message":"another's"}`), "limited": answer(429, "", "Retry-After: 0"),
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(e *env) {
				e.serving(func(p *peer) error {
					for {
						if err := readWhole(p); err != nil {
							return err
						}
						if err := send(acceptedAs(p.Last) + foreign)(p); err != nil {
							return err
						}
					}
				})
				client, doubtful := e.start(), 0
				const calls = 150
				for i := range calls {
					reference := fmt.Sprintf("call-%d", i)
					ref, err := pushes[e.col.class](e.Context(), client, reference)
					if err != nil {
						require.Equal(e.T, []error{kopokopo.ErrOutcomeUnknown}, outcomes(err), "%v", err)
						doubtful++
						continue
					}
					require.Equal(e.T, reference, ref.ID, "a foreign Location")
				}
				e.Logf("class %s: %d of %d calls ended in ErrOutcomeUnknown", e.col.class, doubtful, calls)
				e.sentOnce(calls)
			})
		})
	}
}

// sentOnce checks that no request arrived twice.
func (e *env) sentOnce(calls int) {
	e.Helper()
	require.NoError(e.T, e.client.Close())
	synctest.Wait()
	arrived := map[string]int{}
	for _, req := range e.w.Seen() {
		arrived[string(req.Body)]++
		require.Equal(e.T, 1, arrived[string(req.Body)])
	}
	assert.LessOrEqual(e.T, len(arrived), calls)
}

// heard tells when the client has read something.
type heard struct {
	net.Conn
	tell func()
}

func (c heard) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.tell()
	}
	return n, err
}

// The surplus answer comes when the next request has its connection and is about to be
// written: nothing that net/http looks at tells it from an answer to that.
func TestFault_N22_SurplusAnswerBeforeTheNextRequest(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	for name, foreign := range map[string]string{
		"accepted": answer(201, "", "Location: /api/v2/incoming_payments/"+foreignID), "refused": answer(400, `{"error_message":"another's"}`),
		"unauthorized": answer(401, ""), "limited": answer(429, "", "Retry-After: 0"), "busy": answer(503, "", "Retry-After: 0"),
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(e *env) {
				var mu sync.Mutex
				peers := map[*peer]bool{}
				e.serving(func(p *peer) error {
					mu.Lock()
					peers[p] = true
					mu.Unlock()
					defer func() { mu.Lock(); delete(peers, p); mu.Unlock() }()
					for {
						if err := readWhole(p); err != nil {
							return err
						}
						if err := send(acceptedAs(p.Last))(p); err != nil {
							return err
						}
					}
				})
				read := make(chan struct{}, 1)
				e.w.OnConn = func(_ int, c net.Conn) net.Conn {
					return heard{c, func() {
						select {
						case read <- struct{}{}:
						default:
						}
					}}
				}
				client := e.start()
				const calls = 30
				for i := range calls {
					reference, said := fmt.Sprintf("call-%d", i), false
					ctx := httptrace.WithClientTrace(e.Context(), &httptrace.ClientTrace{WroteHeaderField: func(string, []string) {
						if said || i == 0 {
							return
						}
						said = true
						select {
						case <-read:
						default:
						}
						mu.Lock()
						for p := range peers {
							go send(foreign)(p)
						}
						mu.Unlock()
						<-read
						time.Sleep(time.Millisecond) // until all of it was
					}})
					ref, err := pushes[e.col.class](ctx, client, reference)
					require.NoError(e.T, err, "nothing was written, so it goes out on another connection")
					require.Equal(e.T, reference, ref.ID, "a foreign Location")
				}
				assert.Equal(e.T, calls, e.w.Count(http.MethodPost, e.col.path))
				e.sentOnce(calls)
			})
		})
	}
}
