package survival_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/kopokopo-go/kopokopo/examples/payout/payroll"
	"github.com/kopokopo-go/kopokopo/examples/shop/checkout"
)

// errAbandoned is what a program hears from the world after its end.
var errAbandoned = errors.New("the program was abandoned")

// life is one run of the program, a shop with a payroll, from its start to the failpoint
// where it is abandoned. From then on nothing that it does leaves a trace: nothing is
// written, recorded, released or sent, its connections and its answers are cut off, and each
// of its goroutines comes to rest at its next failpoint. A request that had arrived whole in
// the network goes its way.
type life struct {
	w       *world
	number  int
	shop    *checkout.Shop
	network *network
	ctx     context.Context // ends when the world does
	over    chan struct{}   // closed when it is abandoned

	mu    sync.RWMutex // held for reading while something is written
	dead  bool
	lines []payroll.Line // as the payroll saw them last
}

// begin starts the program over what the lives before have left.
func (w *world) begin() (*life, error) {
	w.lives++
	l := &life{w: w, number: w.lives, ctx: w.ctx, over: make(chan struct{})}
	l.network = w.connect(l)
	cfg := w.k2.Config()
	cfg.HTTPClient = &http.Client{Transport: l.network.listener.Transport()}
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return wire{l, next} }
	cfg.Timeout, cfg.CallbackURL = patience, callbackURL
	cfg.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelError}))
	cfg.Intents = intents{l, w.intents(l.number)}
	books := books{l, w.books}
	var err error
	if l.shop, err = checkout.New(cfg, deliveries{l, w.deliveries}, books); err != nil {
		return nil, err
	}
	staff := payroll.Payroll{Client: l.shop.Client, Name: "march", Rows: w.rows(), Tries: tries, Book: books.Book}
	go l.shop.FollowUp(l.ctx, 10*time.Second, func(error) {})
	go l.pay(&staff)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life, w.all = l, append(w.all, l)
	return l, nil
}

// pay runs the payroll every few seconds.
func (l *life) pay(staff *payroll.Payroll) {
	for l.ctx.Err() == nil {
		if lines, err := staff.Run(l.ctx); err == nil && lines != nil {
			l.mu.Lock()
			l.lines = lines
			l.mu.Unlock()
		}
		select {
		case <-time.After(7 * time.Second):
		case <-l.ctx.Done():
		}
	}
}

// point is a failpoint: the program may be abandoned there, and if it was, here or
// elsewhere, the goroutine stays until the world has ended.
func (l *life) point(name string) error {
	if l.w.kills(l, name) {
		l.abandon()
	}
	select {
	case <-l.over:
		<-l.ctx.Done()
		return errAbandoned
	default:
		return nil
	}
}

func (l *life) abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead {
		l.dead = true
		close(l.over)
		go l.network.host.Close() // connections break, what has arrived is carried out
	}
}

// do is one step of the program, with a failpoint before and after it. A step of a
// program that was abandoned between the two does not happen.
func (l *life) do(name string, step func() error) error {
	if err := l.point(name + ", before"); err != nil {
		return err
	}
	l.mu.RLock()
	err := errAbandoned
	if !l.dead {
		err = step()
	}
	l.mu.RUnlock()
	if gone := l.point(name + ", after"); gone != nil {
		return gone
	}
	return err
}

// serve has the program answer a request, unless it is abandoned before.
func (l *life) serve(r *http.Request) (*httptest.ResponseRecorder, bool) {
	answer, done := httptest.NewRecorder(), make(chan struct{})
	go func() {
		if l.point("request to "+l.w.stable(r.URL.Path)) == nil {
			l.shop.ServeHTTP(answer, r)
			if l.point("answer of "+l.w.stable(r.URL.Path)) == nil {
				close(done)
			}
		}
	}()
	select {
	case <-done:
		return answer, true
	case <-l.over:
		return nil, false
	}
}

// visit asks the program for a page.
func (l *life) visit(method, path string) (text string, ok bool) {
	r := httptest.NewRequestWithContext(l.ctx, method, path, nil)
	answer, ok := l.serve(r)
	if !ok {
		return "", false
	}
	return answer.Body.String(), true
}

// deliver has the program take what K2 posts.
func (l *life) deliver(header http.Header, body string) (status int, ok bool) {
	r := httptest.NewRequestWithContext(l.ctx, http.MethodPost, "/kopokopo", io.NopCloser(strings.NewReader(body)))
	r.Header, r.ContentLength = header.Clone(), int64(len(body))
	answer, ok := l.serve(r)
	if !ok {
		return 0, false
	}
	return answer.Code, true
}
