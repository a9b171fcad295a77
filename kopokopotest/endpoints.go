package kopokopotest

import (
	"net/http"
	"time"
)

// endpoint is one row of the API: a collection that is created by POST and read by
// GET. All rows share create, show and settle below; a row only says what differs.
type endpoint struct {
	path     string // the collection in the URL
	kind     string // "type" in the reply
	versions string // where it exists: "v1", "v2" or "v1 v2"
	callback bool   // has _links, and a result to post to its callback_url
	metadata bool   // takes and echoes metadata
	listing  bool   // reports faults as a list

	rules rules                                           // what a request must satisfy
	check func(s *Server, req object) *refusal            // further conditions, on the server's state
	build func(s *Server, r *record) object               // the attributes at creation
	end   func(s *Server, r *record, why []string) []mail // moves the record to its result; why is empty on success

	refresh func(r *record) // brings a record up to date before it is looked at

	actions map[string]func(s *Server, r *record) *refusal // POST .../{id}/{action}
}

// record is one stored resource.
type record struct {
	id, version string
	ep          *endpoint
	created     time.Time
	req         object       // the request
	body        []byte       // the request as received
	attrs       object       // the attributes, without metadata and _links
	reverses    *transaction // of a reversal: the payment
}

func endpointTable() map[string]*endpoint {
	table := []*endpoint{
		{path: "webhook_subscriptions", kind: "webhook_subscription", versions: "v1 v2", rules: subscriptionRules, build: buildSubscription},
		{path: "incoming_payments", kind: "incoming_payment", versions: "v1 v2", callback: true, metadata: true, rules: incomingRules, build: buildIncoming, end: endIncoming},
		{path: "pay_recipients", kind: "pay_recipient", versions: "v1", check: checkPayRecipient, build: buildPayRecipient},
		{path: "external_recipients", kind: "external_recipient", versions: "v2", check: checkExternalRecipient, build: buildExternalRecipient},
		{path: "payments", kind: "payment", versions: "v1", callback: true, metadata: true, rules: paymentRules, build: buildPayment, end: endPayment},
		{path: "send_money", kind: "send_money", versions: "v2", callback: true, metadata: true, rules: sendMoneyRules, check: checkSendMoney, build: buildSendMoney, end: endSendMoney},
		{path: "merchant_bank_accounts", kind: "merchant_bank_account", versions: "v1 v2", rules: bankAccountRules, build: buildBankAccount},
		{path: "merchant_wallets", kind: "merchant_wallet", versions: "v1 v2", rules: walletRules, build: buildWallet},
		{path: "settlement_transfers", kind: "settlement_transfer", versions: "v1", callback: true, check: checkSettlement, build: buildSettlement, end: endSettlement},
		{path: "polling", kind: "polling", versions: "v1 v2", callback: true, rules: pollingRules, build: buildPolling, end: endPolling},
		{path: "transaction_sms_notifications", kind: "transaction_sms_notification", versions: "v1", callback: true, rules: smsRules, build: buildSMS, end: endSMS},
		{path: "payment_links", kind: "payment_link", versions: "v2", callback: true, metadata: true, rules: linkRules, build: buildLink, refresh: expireLink,
			actions: map[string]func(*Server, *record) *refusal{"cancel": cancelLink}},
		{path: "reversals", kind: "reversal", versions: "v2", callback: true, metadata: true, listing: true, rules: reversalRules, check: checkReversal, build: buildReversal, end: endReversal},
	}
	byPath := map[string]*endpoint{}
	for _, ep := range table {
		byPath[ep.path] = ep
	}
	return byPath
}

// create answers POST: 201, a Location and no body (K2 docs), or a refusal.
func (s *Server) create(w http.ResponseWriter, ep *endpoint, version string, body []byte) {
	req, err := parseObject(body)
	if err != nil {
		badRequest("Request body must be a JSON object").write(w)
		return
	}
	// Held from before the reply until the transition has been scheduled, so that a
	// caller of WaitIdle who has seen the 201 also waits for its result.
	if !s.jobs.begin() {
		refuse(http.StatusTooManyRequests, "Too many results are outstanding").write(w)
		return
	}
	defer s.jobs.end()
	rec, ref := s.store(ep, version, req, body)
	if ref != nil {
		ref.write(w)
		return
	}
	var now []mail
	if ep.end != nil && s.delay == 0 {
		now = s.settle(rec)
	}
	w.Header().Set("Location", s.selfURL(rec))
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	_ = http.NewResponseController(w).Flush() // the 201 leaves before any callback does
	if ep.end != nil && s.delay > 0 {
		if s.interim {
			s.later(s.delay/2, func() { s.post(s.glance(rec)) })
		}
		s.later(s.delay, func() { s.post(s.settle(rec)) })
	}
	s.post(now)
}

// store validates a request and keeps its resource.
func (s *Server) store(ep *endpoint, version string, req object, body []byte) (*record, *refusal) {
	if faults := ep.allRules().faults(req); len(faults) > 0 {
		if ep.listing {
			return nil, refuseList(faults...)
		}
		return nil, badRequest(faults[0])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ep.check != nil {
		if ref := ep.check(s, req); ref != nil {
			return nil, ref
		}
	}
	rec := &record{id: newID(), version: version, ep: ep, created: time.Now(), req: req, body: body}
	rec.attrs = ep.build(s, rec)
	s.resources.put(rec.id, rec, len(body))
	return rec, nil
}

// allRules adds the rules that come with a callback and with metadata.
func (ep *endpoint) allRules() rules {
	all := ep.rules[:len(ep.rules):len(ep.rules)]
	if ep.callback {
		all = append(all, present("_links.callback_url"), secureURL("_links.callback_url"))
	}
	if ep.metadata {
		all = append(all, metadataRule)
	}
	return all
}

// settle moves a record to its result and returns what has to be posted.
func (s *Server) settle(r *record) []mail {
	var why []string
	if s.outcome != nil {
		why = s.outcome(r.submission())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := r.ep.end(s, r, why)
	return append([]mail{s.callbackMail(r)}, events...)
}

// glance returns the callback that shows a record as it stands.
func (s *Server) glance(r *record) []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []mail{s.callbackMail(r)}
}

// show answers GET with the resource, the same document its callback carries.
func (s *Server) show(w http.ResponseWriter, ep *endpoint, id string) {
	s.mu.Lock()
	rec, ok := s.find(ep, id)
	var doc []byte
	if ok {
		doc = s.document(rec)
	}
	s.mu.Unlock()
	if !ok {
		notFound().write(w)
		return
	}
	writeJSON(w, http.StatusOK, doc)
}

// act answers POST .../{id}/{action}.
func (s *Server) act(w http.ResponseWriter, ep *endpoint, id string, action func(*Server, *record) *refusal) {
	s.mu.Lock()
	rec, ok := s.find(ep, id)
	answer := notFound()
	if ok {
		answer = action(s, rec)
	}
	s.mu.Unlock()
	answer.write(w)
}

// find returns a resource of this collection. The caller holds s.mu.
func (s *Server) find(ep *endpoint, id string) (*record, bool) {
	rec, ok := s.resources.get(id)
	if !ok || rec.ep != ep {
		return nil, false
	}
	if ep.refresh != nil {
		ep.refresh(rec)
	}
	return rec, true
}

func (s *Server) selfURL(r *record) string {
	return s.URL + "/api/" + r.version + "/" + r.ep.path + "/" + r.id
}

// document renders a resource. The caller holds s.mu.
func (s *Server) document(r *record) []byte {
	attrs := r.attrs.clone()
	if r.ep.metadata {
		metadata, _ := r.req.get("metadata").(object)
		if metadata == nil {
			metadata = object{}
		}
		attrs.set("metadata", metadata)
	}
	if r.ep.callback {
		attrs.set("_links", object{{"callback_url", r.callbackURL()}, {"self", s.selfURL(r)}})
	}
	return encode(object{{"data", object{{"id", r.id}, {"type", r.ep.kind}, {"attributes", attrs}}}})
}

func (r *record) callbackURL() string { return r.req.text("_links.callback_url") }
