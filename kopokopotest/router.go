package kopokopotest

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const (
	// FakeHeader is set to "1" on every reply of a fake Kopo Kopo, so that a client
	// configured for production can notice what it is talking to.
	FakeHeader = "X-Fake-KopoKopo"

	maxBody  = 1 << 20
	jsonType = "application/json; charset=utf-8"
)

// serveAPI answers one request: what the network edge does, then the routes.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(FakeHeader, "1")
	if !s.handling.begin() {
		refuse(http.StatusServiceUnavailable, "The server is shutting down").write(w)
		return
	}
	defer s.handling.end()

	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client broke off: nobody to answer
	}
	s.recordRequest(r, body)
	work := func(w http.ResponseWriter) { s.answer(w, r, body) }
	if f := s.takeFault(r); f != nil {
		s.meet(f, w, r, work)
		return
	}
	work(w)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	switch {
	case r.Header.Get("User-Agent") == "" || !s.expectedHost(r.Host):
		// Seen in production: the edge answers such requests with a bodyless 403, text/html.
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
	case len(body) > maxBody:
		refuse(http.StatusRequestEntityTooLarge, "Request body is too large").write(w)
	case strings.HasPrefix(r.URL.Path, "/oauth/"):
		s.serveOAuth(w, r, body)
	default:
		s.serveResource(w, r, body)
	}
}

// expectedHost refuses a request that names another host than this machine: a web
// page whose name was pointed at 127.0.0.1 could otherwise reach the server from
// the developer's browser. Pipes cannot be reached that way.
func (s *Server) expectedHost(hostport string) bool {
	if s.memory {
		return true
	}
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		name = hostport
	}
	return loopbackName(strings.Trim(name, "[]"))
}

// serveResource routes /api/vN/<collection>[/<id>[/<action>]]. As in K2, a
// collection that a version does not have, a list, an update and a delete are
// all simply not there.
func (s *Server) serveResource(w http.ResponseWriter, r *http.Request, body []byte) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 3 || len(parts) > 5 || parts[0] != "api" {
		notFound().write(w)
		return
	}
	version, ep := parts[1], s.endpoints[parts[2]]
	if ep == nil || !strings.Contains(ep.versions, version) || len(version) != 2 {
		notFound().write(w)
		return
	}
	if ref := s.authorize(r); ref != nil {
		ref.write(w)
		return
	}
	switch rest := parts[3:]; {
	case len(rest) == 0 && r.Method == http.MethodPost:
		s.create(w, ep, version, body)
	case len(rest) == 1 && r.Method == http.MethodGet:
		s.show(w, ep, rest[0])
	case len(rest) == 2 && r.Method == http.MethodPost && ep.actions[rest[1]] != nil:
		s.act(w, ep, rest[0], ep.actions[rest[1]])
	default:
		notFound().write(w)
	}
}

// writeJSON answers with a body.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
