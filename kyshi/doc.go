// Package kyshi verifies and reads the webhooks of Kyshi, a second payments
// service, with the same guarantees as the webhook handler of package kopokopo:
// raw bytes verified first, each delivery handled once, and acknowledged only
// after the work was done.
//
//	verifier, err := kyshi.NewVerifier(kyshi.VerifierConfig{Secrets: []string{secret}})
//	handler, err := kyshi.NewWebhookHandler(kyshi.HandlerConfig{Verifier: verifier}, fn)
//	http.Handle("POST /kyshi", handler)
//
// # The signature
//
// Kyshi signs the whole body, byte for byte, with the merchant's webhook secret
// key. A webhook whose signature does not match never reaches your function.
//
// Kyshi's field reference names neither header nor hash; its current
// documentation names X-Kyshi-Signature and HMAC-SHA256, the defaults of a
// [Verifier]. Both are settings. Whether the signature comes as hex or as base64 is
// documented nowhere, so either is read, with or without a prefix that names the
// hash ("sha256="): they are spellings of the same bytes.
//
// Nothing between Kyshi and this package may change the body. A proxy, or a
// middleware, that decodes JSON and encodes it again breaks every signature, even
// if only a space or the form of a number changes.
//
// # What is not known
//
// No unit and no currency is documented for the amount of a webhook. Ask Kyshi for
// the transaction (GET /v1/transactions/verify/{reference}) before you give value,
// and compare.
//
// Kyshi's headers X-Kyshi-Event-ID and X-Kyshi-Timestamp are not signed: whoever
// can change a request can change them. They are neither checked nor used. The
// signed counterparts are [Event.ID] and [Meta.QueuedAt].
package kyshi
