package kopokopotest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo/internal/testkit/payloads"
	"github.com/kopokopo-go/kopokopo/kopokopotest"
)

const (
	hook   = "https://shop.example/hook"
	result = "https://shop.example/result"
)

// shop is a merchant: an application with a token, and endpoints that note what arrives.
type shop struct {
	t     *testing.T
	srv   *kopokopotest.Server
	token string

	mu  sync.Mutex
	got map[string][]arrival // by URL
}

type arrival struct {
	header http.Header
	body   []byte
}

type reply struct {
	status int
	header http.Header
	body   string
}

func openShop(t *testing.T, srv *kopokopotest.Server) *shop {
	t.Helper()
	s := &shop{t: t, srv: srv, got: map[string][]arrival{}}
	s.token = s.newToken()
	s.listen(hook)
	s.listen(result)
	return s
}

// memoryShop is a shop on an in-memory server that ends with the test.
func memoryShop(t *testing.T, opts ...kopokopotest.Option) *shop {
	t.Helper()
	srv := kopokopotest.NewInMemoryServer(opts...)
	t.Cleanup(srv.Close)
	return openShop(t, srv)
}

func (s *shop) newToken() string {
	s.t.Helper()
	r := s.form("/oauth/token", url.Values{"grant_type": {"client_credentials"}})
	require.Equal(s.t, http.StatusOK, r.status, r.body)
	return r.json(s.t)["access_token"].(string)
}

// form posts to an OAuth endpoint with the right credentials.
func (s *shop) form(path string, v url.Values) reply {
	s.t.Helper()
	creds := s.srv.Config().Credentials
	v.Set("client_id", creds.AppID)
	v.Set("client_secret", creds.Secret)
	req := s.request(http.MethodPost, path, v.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Del("Authorization")
	return s.do(req)
}

func (s *shop) request(method, path, body string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.srv.URL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	return req
}

func (s *shop) do(req *http.Request) reply {
	s.t.Helper()
	resp, err := s.srv.Client().Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	assert.Equal(s.t, "1", resp.Header.Get(kopokopotest.FakeHeader), "every reply says that it is from a fake")
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func (s *shop) call(method, path, body string) reply {
	s.t.Helper()
	return s.do(s.request(method, path, body))
}

func (s *shop) post(path, body string) reply {
	s.t.Helper()
	return s.call(http.MethodPost, path, body)
}
func (s *shop) get(path string) reply { s.t.Helper(); return s.call(http.MethodGet, path, "") }

// create posts and returns the path of the new resource.
func (s *shop) create(path, body string) string {
	s.t.Helper()
	r := s.post(path, body)
	require.Equal(s.t, http.StatusCreated, r.status, r.body)
	require.Empty(s.t, r.body, "a 201 has no body")
	location, ok := strings.CutPrefix(r.header.Get("Location"), s.srv.URL)
	require.True(s.t, ok, r.header.Get("Location"))
	require.Regexp(s.t, "^"+path+"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", location)
	return location
}

// attributes reads a resource.
func (s *shop) attributes(path string) map[string]any {
	s.t.Helper()
	r := s.get(path)
	require.Equal(s.t, http.StatusOK, r.status, r.body)
	return r.json(s.t)["data"].(map[string]any)["attributes"].(map[string]any)
}

// listen notes what is posted to a URL.
func (s *shop) listen(rawURL string) {
	s.srv.Handle(rawURL, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got[rawURL] = append(s.got[rawURL], arrival{r.Header.Clone(), body})
	}))
}

func (s *shop) arrived(rawURL string) []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrival(nil), s.got[rawURL]...)
}

func (s *shop) idle() {
	s.t.Helper()
	require.NoError(s.t, s.srv.WaitIdle(s.t.Context()))
}

// subscribe subscribes the hook URL to a topic for all the company.
func (s *shop) subscribe(topic string) {
	s.t.Helper()
	s.create("/api/v2/webhook_subscriptions", `{"event_type":"`+topic+`","url":"`+hook+`","scope":"company","scope_reference":null}`)
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &v), r.body)
	return v
}

// id is the last segment of a resource's path.
func id(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// sample reads a recorded payload, compact.
func sample(t *testing.T, name string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, payloads.Read(name+".json")))
	return b.String()
}

// stk is the request for an STK push.
func stk(till, phone, value string) string {
	return `{"payment_channel":"M-PESA STK Push","till_number":"` + till + `",` +
		`"subscriber":{"first_name":"Jane","last_name":"Doe","phone_number":"` + phone + `","email":"jane@example.com"},` +
		`"amount":{"currency":"KES","value":` + value + `},` +
		`"metadata":{"order":"7","note":"a<b & \u2028c"},"_links":{"callback_url":"` + result + `"}}`
}
