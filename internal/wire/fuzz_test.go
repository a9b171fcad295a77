package wire

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are documents of every shape and forms of every value.
var seeds = []string{
	`{"data":{"id":"a652f86f","type":"incoming_payment","attributes":{"status":"Success","event":{"resource":null,"errors":["no"]},"metadata":{"a":1.10}}}}`,
	`{"text":1,"flag":"1","number":"1.5","whole":7.0,"long":"-7","lifetime":"2020-10-22T10:43:19+03:00","list":"a","rows":[{"name":1}],"inner":[],"metadata":[],"odd":"1"}`,
	`{"lifetime":-1,"number":" 1e2 ","rows":[{"next":{"amount":"x"}}]}`,
	`{"errors":{"a":["b",{"c":"d"}],"e":""}}`, `[[[]],{},"\"[",1,true,null]`, `"\u2028\ud800"`, "\"\xff\"", `12345678901234567890.5e-1`, `null`, ` 7 `, `{} {}`, ``, `{"a":`,
	strings.Repeat("[", 101) + strings.Repeat("]", 101), `[` + strings.Repeat("{},", 1200) + `{}]`, `{"` + strings.Repeat("k", 5000) + `":["a","b"]}`,
	`[` + strings.Repeat(`{},                 `, 50) + `1]`, strings.Repeat("{", 50) + "]}\"" + strings.Repeat("[", 60),
}

// census of a valid document by another reading: a decoder's tokens.
func countTokens(data []byte) (depth, elements, values int) {
	dec := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		list, key bool
		count     int
	}
	stack := []level{{}}
	for {
		token, err := dec.Token()
		if err != nil {
			return depth, elements, values
		}
		top := &stack[len(stack)-1]
		mark, _ := token.(json.Delim)
		if mark == ']' || mark == '}' {
			if top.count == 0 { // an empty one counts as if it had a value
				values++
				if top.list {
					elements++
				}
			}
			stack = stack[:len(stack)-1]
			continue
		}
		if len(stack) > 1 && !top.list {
			if top.key = !top.key; top.key {
				continue // a name
			}
		}
		if len(stack) > 1 {
			top.count++
			values++
		}
		if top.list || mark != 0 {
			elements++
		}
		if mark != 0 {
			stack = append(stack, level{list: mark == '['})
			depth = max(depth, len(stack)-1)
		}
	}
}

// FuzzCheck: the quick look, the closer one and a count of a decoder's tokens agree.
func FuzzCheck(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(200))
	}
	f.Fuzz(func(t *testing.T, unit []byte, times byte) {
		data := unit
		if times > 0 && len(unit) < 1000 { // as a list of many
			data = []byte("[" + strings.Repeat(string(unit)+",", int(times)*8) + "1]")
		}
		err := Check(data)
		if closer := newCensus(data).take(data); closer != err {
			t.Fatalf("%v, and at a closer look %v", err, closer)
		}
		if !json.Valid(data) {
			return
		}
		depth, elements, values := countTokens(data)
		fits := depth <= 100 && elements <= 1024+len(data)/48 && values <= 8192+len(data)/12
		if fits != (err == nil) {
			t.Fatalf("%v for %d levels, %d elements, %d values in %d bytes", err, depth, elements, values, len(data))
		}
	})
}

// FuzzDecode: nothing panics, nothing costs more than the bound, what Decode reads
// DecodeLenient reads alike, numbers keep their digits, and texts keep their limits.
func FuzzDecode(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var tree any
		var strictErr error
		if cost := allocated(func() { strictErr = Decode(data, &tree) }); cost > bound(len(data)) {
			t.Fatalf("%d bytes for %d", cost, len(data))
		}
		if valid := json.Valid(data) && Check(data) == nil; valid != (strictErr == nil) {
			t.Fatalf("valid %v, error %v", valid, strictErr)
		}
		sameLeniently(t, data, new(any), new(any))
		sameLeniently(t, data, new(forms), new(forms))
		sameLeniently(t, data, new(answer), new(answer))
		readersAgree(t, data, tree, strictErr)
		if strictErr == nil {
			digitsStay(t, tree)
		}
	})
}

// sameLeniently holds that DecodeLenient gives what Decode gives, and never costs too much.
func sameLeniently(t *testing.T, data []byte, strict, lenient any) {
	t.Helper()
	strictErr := Decode(data, strict)
	var lenientErr error
	if cost := allocated(func() { lenientErr = DecodeLenient(data, lenient) }); cost > bound(len(data)) {
		t.Fatalf("%d bytes for %d into %T", cost, len(data), lenient)
	}
	if strictErr != nil {
		if lenientErr != nil {
			_ = Describe(lenientErr).Error()
		}
		return
	}
	if lenientErr != nil || !reflect.DeepEqual(strict, lenient) {
		t.Fatalf("%+v became %+v, %v", strict, lenient, lenientErr)
	}
}

// readersAgree compares the readers of one value with the decoded tree.
func readersAgree(t *testing.T, data []byte, tree any, strictErr error) {
	t.Helper()
	text, err := ScalarText(data)
	if json.Valid(data) != (err == nil) || strictErr == nil && text != Text(tree) {
		t.Fatalf("%q is %q, and decoded %q; %v", data, text, Text(tree), err)
	}
	texts, err := ReadTexts(data)
	if strictErr == nil && (err != nil || !reflect.DeepEqual(texts, Texts(tree))) {
		t.Fatalf("%q: %q, and decoded %q; %v", data, texts, Texts(tree), err)
	}
	total := 0
	for _, text := range texts {
		total += len(text)
		if text == "" || len(text) > 4<<10 || !utf8.ValidString(text) {
			t.Fatalf("a text of %d bytes: %q", len(text), text)
		}
	}
	if len(texts) > 1000 || total > 64<<10 {
		t.Fatalf("%d texts, %d bytes", len(texts), total)
	}
	members, err := Object(data)
	if object, ok := tree.(map[string]any); ok && strictErr == nil && (err != nil || len(members) != len(object)) || err == nil && members == nil {
		t.Fatalf("%q has the members %v, %v", data, members, err)
	}
	_ = Unwrap(data)
	_, _ = ParseTime(string(data))
}

// digitsStay holds that what was decoded is written and read again with the same digits.
func digitsStay(t *testing.T, tree any) {
	t.Helper()
	written, err := Encode(tree)
	if err != nil {
		t.Fatal(err)
	}
	var again any
	if err := DecodeUnchecked(written, &again); err != nil || !reflect.DeepEqual(tree, again) {
		t.Fatalf("%v became %v, %v", tree, again, err)
	}
}

// FuzzNumber: a number is one in JSON's grammar, and a whole number is exactly what
// it was, by arithmetic that does not round.
func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"0", "-0", "007", "3600.0", "3.6e3", "1.5", "18446744073709551615", "-9223372036854775809", "9007199254740993.0", "1e20", "1e-20", "0e21", "NaN", "0x10", "1_0", " 1", "4503599627370497.25", "1e999999999", "20201022104319"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		grammar := text != "" && strings.Trim(text, "0123456789+-.eE") == "" && json.Valid([]byte(text))
		if isNumber(text) != grammar {
			t.Fatalf("%q is a number: %v", text, !grammar)
		}
		whole, ok := wholeNumber(text)
		if !grammar {
			if ok {
				t.Fatalf("%q became %s", text, whole)
			}
			return
		}
		_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
		if shift, err := strconv.Atoi(exponent); exponent != "" && (err != nil || shift > 20 || shift < -20) {
			if ok {
				t.Fatalf("%q became %s", text, whole)
			}
			return
		}
		exact, _ := new(big.Rat).SetString(text)
		if fits := exact.IsInt() && (exact.Num().IsInt64() || exact.Num().IsUint64()); fits != ok {
			t.Fatalf("%q is %s: %v", text, exact, ok)
		}
		if ok && whole != exact.Num().String() {
			t.Fatalf("%q became %s", text, whole)
		}
	})
}
