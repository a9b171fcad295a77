package kopokopo_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func decimal(t testing.TB, document string) kopokopo.Decimal {
	t.Helper()
	var d kopokopo.Decimal
	require.NoError(t, json.Unmarshal([]byte(document), &d), document)
	return d
}

func TestDecimalKeepsItsDigits(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`"100.0"`: "100.0", `"233"`: "233", `115.0`: "115.0", `780`: "780", `"0.10"`: "0.10", `" 5 "`: "5", `-3`: "-3",
		`12345678901234567890.123456789`: "12345678901234567890.123456789", `1e3`: "1e3", `"a lot"`: "a lot", `""`: "", `null`: "", `{}`: "", `[1]`: "",
	} {
		d := decimal(t, document)
		assert.Equal(t, want, d.String(), document)
		assert.Equal(t, want == "", d.IsZero(), document)
		text, err := json.Marshal(d)
		require.NoError(t, err)
		if want == "" {
			assert.Equal(t, "null", string(text))
		} else {
			assert.Equal(t, `"`+want+`"`, string(text), "as text, so that nobody's float touches it")
		}
	}
}

func TestDecimalMinor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "1": 100, "100.5": 10050, "100.0": 10000, "0.01": 1, "99.99": 9999, "-0.5": -50, "007.50": 750, "1.100000": 110,
		"92233720368547758.07": 9223372036854775807, "-92233720368547758.07": -9223372036854775807, "000000000000000000000000001": 100,
	} {
		d, err := kopokopo.ParseDecimal(text)
		require.NoError(t, err, text)
		minor, err := d.Minor()
		require.NoError(t, err, text)
		assert.Equal(t, want, minor, text)
	}
	for text, message := range map[string]string{
		"1.234": "not a whole number of minor units", "0.001": "not a whole number of minor units", "92233720368547758.08": "too many",
		"99999999999999999999": "too many", "1000000000000000000000000000000.00": "too many",
	} {
		d, err := kopokopo.ParseDecimal(text)
		require.NoError(t, err, text)
		minor, err := d.Minor()
		assert.ErrorContains(t, err, message, text)
		assert.Zero(t, minor)
	}
	for _, document := range []string{`null`, `"a lot"`, `1e3`, `"1,500"`, `"0x10"`, `"1."`, `".5"`, `"--1"`, `"+1"`, `"１"`} {
		d := decimal(t, document)
		_, err := d.Minor()
		assert.Error(t, err, document)
		_, err = d.Sign()
		assert.Error(t, err, document)
		_, err = d.Cmp(decimal(t, `1`))
		assert.Error(t, err, document)
		_, err = decimal(t, `1`).Cmp(d)
		assert.Error(t, err, document)
		_, err = kopokopo.ParseDecimal(d.String())
		assert.Error(t, err, document)
	}
}

func TestDecimalComparesExactly(t *testing.T) {
	t.Parallel()
	numbers := []string{"0", "-0", "0.0", "1", "1.0", "01", "-1", "-1.5", "-10", "10", "9.99", "10.01", "100", "100.5", "100.50", "100.49", "100.501",
		"99999999999999999999999999.1", "99999999999999999999999999.2", "-99999999999999999999999999.2"}
	for _, a := range numbers {
		for _, b := range numbers {
			da, err := kopokopo.ParseDecimal(a)
			require.NoError(t, err)
			db, err := kopokopo.ParseDecimal(b)
			require.NoError(t, err)
			ra, _ := new(big.Rat).SetString(a)
			rb, _ := new(big.Rat).SetString(b)
			got, err := da.Cmp(db)
			require.NoError(t, err)
			assert.Equal(t, ra.Cmp(rb), got, "%s and %s", a, b)
			sign, err := da.Sign()
			require.NoError(t, err)
			assert.Equal(t, ra.Sign(), sign, a)
		}
	}
}

// FuzzDecimal: decoding never fails over valid JSON, keeps the digits, and survives
// being stored; arithmetic agrees with big.Rat.
func FuzzDecimal(f *testing.F) {
	for _, seed := range []string{`"100.0"`, `115.0`, `null`, `"a lot"`, `1e3`, `-0.5`, `{}`, `[1]`, `true`, `" 5 "`, `"92233720368547758.08"`, `"\u2028"`, `"\ud800"`, `"1.10"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var d kopokopo.Decimal
		if err := json.Unmarshal(document, &d); err != nil {
			if json.Valid(document) {
				t.Fatal(err)
			}
			return
		}
		text, err := json.Marshal(d)
		var again kopokopo.Decimal
		if err != nil || json.Unmarshal(text, &again) != nil || again != d {
			t.Fatalf("%s became %s", document, text)
		}
		minor, err := d.Minor()
		if err != nil {
			return
		}
		value, ok := new(big.Rat).SetString(d.String())
		if !ok || new(big.Rat).Mul(value, big.NewRat(100, 1)).Cmp(new(big.Rat).SetInt64(minor)) != 0 {
			t.Fatalf("%q is not %d", d, minor)
		}
		if sign, err := d.Sign(); err != nil || sign != value.Sign() {
			t.Fatal("wrong sign")
		}
		if order, err := d.Cmp(again); err != nil || order != 0 {
			t.Fatal("not itself")
		}
	})
}
