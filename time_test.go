package kopokopo_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kopokopo-go/kopokopo"
)

func TestTimeInEveryForm(t *testing.T) {
	t.Parallel()
	at := time.Date(2020, 10, 22, 7, 43, 19, 0, time.UTC)
	for document, want := range map[string]time.Time{
		`"2020-10-22T10:43:19+03:00"`:     at,
		`"2020-10-22T10:43:19.000+03:00"`: at,
		`"2020-10-22T10:43:19.827+03:00"`: at.Add(827 * time.Millisecond),
		`"2020-10-22T07:43:19.790Z"`:      at.Add(790 * time.Millisecond),
		`"2020-10-22T10:43:19+0300"`:      at,
		`"2020-10-22 10:43:19 +0300"`:     at,
		`"2020-10-22 07:43:19 UTC"`:       at,
		`"2020-10-22T10:43:19"`:           at, // Kopo Kopo's own time
		`"2020-10-22 10:43:19"`:           at,
		`"20201022104319"`:                at,
		`20201022104319`:                  at,
		`1603352599`:                      at,
		`"1603352599"`:                    at,
		`1603352599.0`:                    at,
		`1603352599000`:                   at,
		`1603352599.000`:                  at, // as long as a Daraja time
		`1`:                               time.Unix(1, 0),
		`137438953472`:                    time.Unix(137438953472, 0),      // the last that is seconds
		`137438953473`:                    time.UnixMilli(137438953473),    // the first that is milliseconds
		`137438953472000`:                 time.UnixMilli(137438953472000), // the last that is a time
		`137438953472001`:                 {},
		`" 2020-10-22T10:43:19+03:00 "`:   at,
		`null`:                            {},
		`""`:                              {},
		`"yesterday"`:                     {},
		`"2020-10-22"`:                    {},
		`0`:                               {},
		`-1`:                              {},
		`1.5`:                             {},
		`99999999999999999999`:            {},
		`true`:                            {},
		`{}`:                              {},
		`[]`:                              {},
		`"20201322104319"`:                {},
	} {
		var got kopokopo.Time
		require.NoError(t, json.Unmarshal([]byte(document), &got), "%s: an event is not lost over its time", document)
		assert.True(t, want.Equal(got.Time), "%s gave %s", document, got)
		text, err := json.Marshal(got)
		require.NoError(t, err)
		var again kopokopo.Time
		require.NoError(t, json.Unmarshal(text, &again))
		assert.True(t, got.Equal(again.Time), document)
		if want.IsZero() {
			assert.Equal(t, "null", string(text), document)
		}
	}
}

func TestTimeOverwritesWhatWasThere(t *testing.T) {
	t.Parallel()
	got := kopokopo.Time{Time: time.Now()}
	require.NoError(t, json.Unmarshal([]byte(`"yesterday"`), &got))
	assert.True(t, got.IsZero())
}

// Called by hand, with what encoding/json would never hand over.
func TestTimeOfNoJSON(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"", "{", "2020-10-22", `"a`} {
		var got kopokopo.Time
		require.Error(t, got.UnmarshalJSON([]byte(document)), document)
		assert.True(t, got.IsZero())
	}
}
