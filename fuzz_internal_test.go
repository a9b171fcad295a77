package kopokopo

import (
	"regexp"
	"strings"
	"testing"
)

var idGrammar = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// FuzzLocationID: what a Location is reduced to is nothing, or an id in the grammar
// that is the last segment of the Location's path, behind the collection if it is not
// the only one.
func FuzzLocationID(f *testing.F) {
	const collection = "/api/v1/incoming_payments"
	for _, seed := range []string{
		"https://sandbox.kopokopo.com/api/v1/incoming_payments/0dad3e3f-a83e-4ed2-afa6-2e76a3df3a03", "http://localhost:3000/x/abc/", "abc", "",
		"/api/v1/incoming_payments", "https://k2.example/api/v1/incoming_payments/..", "https://k2.example/a%2Fb", "https://k2.example/%61", "//a", "a?b=/c", "a#/c",
		"https://k2.example/x/a;b", "mailto:abc", "http:abc", "///", "./abc", "abc/.", "https://k2.example/x/abc//", "\x00", "https://[::1]/abc",
		"/users/sign_in", "/x/abc", "/incoming_payment/abc", "incoming_payments/abc", "https://k2.example/abc", "http:/abc", "///x/abc", "https:////abc",
		"A0://0000000000/0    %2F0", // found by fuzzing: an escaped slash beside a raw space
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		id := locationID(location, collection)
		if id == "" {
			return
		}
		if !idGrammar.MatchString(id) || !isID(id) {
			t.Fatalf("%q gave %q", location, id)
		}
		if id == "incoming_payments" || id == "api" || id == "v1" {
			t.Fatalf("%q is the collection", location)
		}
		rest, _, _ := strings.Cut(strings.TrimSpace(location), "#")
		rest, _, _ = strings.Cut(rest, "?")
		rest = strings.TrimRight(rest, "/")
		if last := rest[strings.LastIndexByte(rest, '/')+1:]; last != id {
			t.Fatalf("%q is not the last segment of %q", id, location)
		}
		before := strings.TrimRight(strings.TrimSuffix(rest, id), "/")
		at := strings.LastIndexByte(before, '/')
		isHost, isScheme := at > 0 && before[at-1] == '/', at < 0 && strings.HasSuffix(before, ":")
		if parent := before[at+1:]; parent != "" && !isHost && !isScheme && strings.TrimSuffix(parent, "s") != "incoming_payment" {
			t.Fatalf("%q is of the collection %q", location, parent)
		}
	})
}
