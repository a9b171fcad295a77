package kopokopo_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func TestPhonesAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"+254712345678": "254712345678", "254712345678": "254712345678", "0712345678": "254712345678", "712345678": "254712345678",
		"0712 345 678": "254712345678", "0712345678\n": "254712345678", "\t0712\u00a0345 678": "254712345678", "0712-345-678": "254712345678", "+254 712 345 678": "254712345678", "+254-712-345678": "254712345678",
		" 0712345678 ": "254712345678", "0112345678": "254112345678", "112345678": "254112345678", "+254112345678": "254112345678",
		"+254999999999": "254999999999", "254204444444": "254204444444", "0204444444": "254204444444",
	} {
		phone, err := kopokopo.ParsePhone(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, phone.Digits(), text)
		assert.Equal(t, "+"+want, phone.E164(), text)
		assert.Equal(t, "0"+want[3:], phone.Local(), text)
		for _, form := range []string{phone.Digits(), phone.E164(), phone.Local()} {
			again, err := kopokopo.ParsePhone(form)
			require.NoError(t, err, form)
			assert.Equal(t, phone, again, form)
		}
	}
}

func TestTextsThatAreNoPhone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "+", "-", "07123456789", "071234567", "+0712345678", "+712345678", "+255712345678", "255712345678", "+1 212 555 0100",
		"00254712345678", "2547123456789", "25471234567", "254", "12345678", "512345678", "0712345678a", "my number", "०७१२३४५६७८", "０７１２３４５６７８", "+254(0)712345678",
		"0712.345.678", "0712/345678", "254071234567", "0012345678", "0712345678\x00", "++254712345678", "254+712345678", "712345678,712345679",
		"0712.34567", "07123456a8", "712a45678", "254712a45678", "1712345678", "7712345678"} {
		phone, err := kopokopo.ParsePhone(text)
		assert.Error(t, err, "%q", text)
		assert.Equal(t, kopokopo.Phone{}, phone)
		if len(text) > 4 && err != nil {
			assert.NotContains(t, err.Error(), text)
		}
		hash, err := kopokopo.HashPhone(text)
		assert.Error(t, err, "%q", text)
		assert.Empty(t, hash, "%q", text)
		assert.False(t, kopokopo.MatchesHash(text, ""), "%q", text)
		assert.False(t, kopokopo.MatchesHash(text, "d30d07eef610b83d1f65f3a15280499552e5f0fcb86c3890d7375291c6ba4e70"))
	}
}

func TestHashedSenderPhone(t *testing.T) {
	t.Parallel()
	const hash = "d30d07eef610b83d1f65f3a15280499552e5f0fcb86c3890d7375291c6ba4e70"
	for _, phone := range []string{"254929488147", "+254929488147", "0929488147", "+254 929 488 147"} {
		got, err := kopokopo.HashPhone(phone)
		require.NoError(t, err, phone)
		assert.Equal(t, hash, got)
		assert.True(t, kopokopo.MatchesHash(phone, hash))
		assert.True(t, kopokopo.MatchesHash(phone, " D30D07EEF610B83D1F65F3A15280499552E5F0FCB86C3890D7375291C6BA4E70\n"))
		assert.False(t, kopokopo.MatchesHash(phone, ""))
		assert.False(t, kopokopo.MatchesHash(phone, hash[1:]))
	}
	assert.False(t, kopokopo.MatchesHash("254929488148", hash))
}

func TestPhonesHideWhenTheyArePrinted(t *testing.T) {
	t.Parallel()
	phone, err := kopokopo.ParsePhone("0712345678")
	require.NoError(t, err)
	for _, verb := range "vsqdxXtbcoeEfFgGU" {
		for _, flags := range []string{"", "+", "#"} {
			assert.Equal(t, "+254******678", fmt.Sprintf("%"+flags+string(verb), phone))
			assert.NotContains(t, fmt.Sprintf("%"+flags+string(verb), struct{ P kopokopo.Phone }{phone}), "712345")
		}
	}
	assert.Empty(t, fmt.Sprint(kopokopo.Phone{}))
	assert.Empty(t, kopokopo.Phone{}.E164()+kopokopo.Phone{}.Digits()+kopokopo.Phone{}.Local())
}

var e164 = regexp.MustCompile(`^\+254\d{9}$`)

// FuzzParsePhone: every form of a number that was read gives the same number, in the
// grammar K2 takes.
func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{"+254712345678", "0712 345 678", "712345678", "254-112-345-678", "", "+", "00712345678", "०७१२३४५६७८", "2540712345678", "254254254254"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		phone, err := kopokopo.ParsePhone(text)
		if err != nil {
			if phone != (kopokopo.Phone{}) {
				t.Fatal("an error and a phone")
			}
			return
		}
		if !e164.MatchString(phone.E164()) || "+"+phone.Digits() != phone.E164() || "0"+phone.Digits()[3:] != phone.Local() {
			t.Fatalf("%q gave %q, %q, %q", text, phone.E164(), phone.Digits(), phone.Local())
		}
		for _, form := range []string{phone.E164(), phone.Digits(), phone.Local()} {
			if again, err := kopokopo.ParsePhone(form); err != nil || again != phone {
				t.Fatalf("%q is not %q any more", form, phone.E164())
			}
		}
		hash, err := kopokopo.HashPhone(text)
		if err != nil || !kopokopo.MatchesHash(phone.Local(), hash) {
			t.Fatal("the hash does not match")
		}
		if strings.Contains(phone.String(), phone.Digits()[3:]) {
			t.Fatal("the number shows")
		}
	})
}
