package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseTime(t *testing.T) {
	at := time.Date(2020, 10, 22, 7, 43, 19, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2020-10-22T10:43:19+03:00":     at,
		"2020-10-22T10:43:19.827+03:00": at.Add(827 * time.Millisecond),
		"2020-10-22T07:43:19.790Z":      at.Add(790 * time.Millisecond),
		"2020-10-22T10:43:19+0300":      at,
		"2020-10-22T05:43:19-0200":      at,
		"2020-10-22 10:43:19 +0300":     at,
		"2020-10-22 07:43:19 UTC":       at,
		"2020-10-22T10:43:19":           at, // without a zone it is East Africa's
		"2020-10-22 10:43:19":           at,
		"20201022104319":                at,
		" 20201022104319\n":             at,
		"1603352599":                    at,
		"1603352599.0":                  at,
		"1603352599.000":                at, // as long as a Daraja time, and none
		"1.603352599e9":                 at,
		"1603352599000":                 at, // milliseconds
		"1":                             time.Unix(1, 0),
		"137438953472":                  time.Unix(1<<37, 0),
		"137438953473":                  time.UnixMilli(1<<37 + 1),
		"137438953472000":               time.UnixMilli(1 << 37 * 1000),
	} {
		got, err := ParseTime(text)
		require.NoError(t, err, text)
		assert.True(t, want.Equal(got), "%s gave %s", text, got)
		_, err = got.MarshalJSON()
		assert.NoError(t, err, "%s can be written again", text)
	}
}

func TestParseTimeRefusesTheRest(t *testing.T) {
	for _, text := range []string{"", " ", "yesterday", "2020-10-22", "20201322104319", "20201022104399", "0", "-1", "1.5", "1e-1",
		"137438953472001", "137438953472000.5", "99999999999999999999", "9223372036854775808", "-9223372036854775809", "1e999", "true", "NaN", "2020-10-22 07:43:19 CET"} {
		got, err := ParseTime(text)
		assert.Error(t, err, text)
		assert.True(t, got.IsZero(), text)
		if len(text) != len(DarajaTime) {
			assert.EqualError(t, err, "not a time", text)
		}
	}
}

func TestEastAfrica(t *testing.T) {
	assert.Equal(t, "20200101030000 +0300 EAT", time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).In(EastAfrica).Format(DarajaTime+" -0700 MST"))
}
