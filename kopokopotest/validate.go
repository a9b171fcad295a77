package kopokopotest

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rule looks at a request and returns what is wrong with it, or "".
type rule func(req object) string

type rules []rule

// faults returns what is wrong, in the order of the rules.
func (rs rules) faults(req object) []string {
	var out []string
	for _, r := range rs {
		if fault := r(req); fault != "" {
			out = append(out, fault)
		}
	}
	return out
}

// label makes "Subscriber phone number" of "subscriber.phone_number", the way
// Rails, which K2's texts come from, names an attribute.
func label(path string) string {
	words := strings.NewReplacer(".", " ", "_", " ").Replace(strings.TrimPrefix(path, "_links."))
	return strings.ToUpper(words[:1]) + words[1:]
}

// present requires a value: "Till number can't be blank" (K2 docs).
func present(path string) rule {
	return func(req object) string {
		if strings.TrimSpace(req.text(path)) == "" {
			return label(path) + " can't be blank"
		}
		return ""
	}
}

// allPresent requires several values.
func allPresent(paths ...string) rules {
	out := make(rules, len(paths))
	for i, path := range paths {
		out[i] = present(path)
	}
	return out
}

// pattern requires a value that is not blank to match, ending the text otherwise.
func pattern(path string, re *regexp.Regexp, text string) rule {
	return func(req object) string {
		if v := req.text(path); v != "" && !re.MatchString(v) {
			return label(path) + " " + text
		}
		return ""
	}
}

// oneOf requires a value that is not blank to be in the list, whatever its case.
func oneOf(path string, allowed ...string) rule {
	return func(req object) string {
		if v := req.text(path); v != "" && !slices.Contains(allowed, strings.ToLower(v)) {
			return label(path) + " is invalid"
		}
		return ""
	}
}

// positive requires an amount: a JSON number, or the same as text, which K2 takes too.
func positive(path string) rule {
	return func(req object) string {
		v := req.text(path)
		if v == "" {
			return label(path) + " can't be blank"
		}
		amount, ok := parseMoney(v)
		switch {
		case !ok:
			return label(path) + " is not a number"
		case amount <= 0:
			return label(path) + " must be greater than 0"
		}
		return ""
	}
}

// currency requires Kenyan shillings, the only currency there is.
func currency(path string) rule {
	return func(req object) string {
		if v := req.text(path); v != "" && v != "KES" {
			return label(path) + " is invalid"
		}
		return ""
	}
}

// secureURL requires https. Plain http to the loopback interface is the fake's own
// concession to developers: the real K2 has no way to reach it.
func secureURL(path string) rule {
	return func(req object) string {
		if v := req.text(path); v != "" && !deliverable(v) {
			return label(path) + " is invalid: it must be a secure HTTPS endpoint"
		}
		return ""
	}
}

func deliverable(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return false
	}
	return u.Scheme == "https" || (u.Scheme == "http" && loopbackName(u.Hostname()))
}

// loopbackName reports whether a host is localhost or a loopback address in figures.
func loopbackName(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && ip.Unmap().IsLoopback())
}

const maxMetadata = 5 // K2 docs

func metadataRule(req object) string {
	switch v := req.get("metadata").(type) {
	case nil:
		return ""
	case object:
		if len(v) > maxMetadata {
			return "Metadata can't have more than 5 key-value pairs"
		}
		return ""
	}
	return "Metadata is invalid"
}

var (
	tillFormat  = regexp.MustCompile(`^[Kk]?[0-9]{1,10}$`)
	phoneFormat = regexp.MustCompile(`^(\+?254|0)[0-9]{9}$`)
	moneyFormat = regexp.MustCompile(`^[0-9]{1,12}(\.([0-9]{1,2})0*)?$`)
)

// money is an amount in cents.
type money int64

// parseMoney reads an amount of at most twelve digits and two decimals.
func parseMoney(s string) (money, bool) {
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, false
		}
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	negative := strings.HasPrefix(s, "-")
	m := moneyFormat.FindStringSubmatch(strings.TrimPrefix(s, "-"))
	if m == nil {
		return 0, false
	}
	whole, _, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	cents, err := strconv.ParseInt(whole+(m[2] + "00")[:2], 10, 64)
	if negative {
		cents = -cents
	}
	return money(cents), err == nil
}

// plain writes 233, 233.5 or 233.25, as K2 writes the amount of a reversal notice.
func (m money) plain() string { return strconv.FormatFloat(float64(m)/100, 'f', -1, 64) }

// decimal writes 233.0, 233.5 or 233.25, as K2 writes most amounts.
func (m money) decimal() string {
	s := m.plain()
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// number writes the amount as a JSON number.
func (m money) number() json.Number { return json.Number(m.plain()) }
