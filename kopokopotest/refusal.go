package kopokopotest

import "net/http"

// refusal is an error answer: a status and a body in one of K2's recorded shapes.
type refusal struct {
	status int
	body   object
}

func (r *refusal) write(w http.ResponseWriter) { writeJSON(w, r.status, encode(r.body)) }

// refuse has K2's common shape; error_code repeats the status.
func refuse(status int, message string) *refusal {
	return &refusal{status, object{{"error_code", status}, {"error_message", message}}}
}

// badRequest is a refusal for a request that breaks a rule.
func badRequest(message string) *refusal { return refuse(http.StatusBadRequest, message) }

// refuseList is the shape of reversals, whose message is a list.
func refuseList(messages ...string) *refusal {
	return &refusal{http.StatusBadRequest, object{
		{"error_code", http.StatusBadRequest}, {"error_message", texts(messages)},
	}}
}

// refuseErrors is the shape seen in production for the limits of send_money.
func refuseErrors(messages ...string) *refusal {
	return &refusal{http.StatusBadRequest, object{{"errors", texts(messages)}}}
}

// refuseOAuth is the shape of OAuth failures (RFC 6749, section 5.2).
func refuseOAuth(status int, code, description string) *refusal {
	return &refusal{status, object{{"error", code}, {"error_description", description}}}
}

func notFound() *refusal { return refuse(http.StatusNotFound, "Resource not found") }
