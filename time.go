package kopokopo

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// eastAfrica is the zone of Kopo Kopo and M-PESA. It has no daylight saving, so
// that no zone database is needed.
var eastAfrica = time.FixedZone("EAT", 3*60*60)

// Time is an instant in K2's answers. K2 writes them with an offset, with or
// without milliseconds, older systems in UTC, OAuth as Unix seconds, and Daraja
// payloads as yyyyMMddHHmmss in East Africa Time. A missing instant, or one in no
// known form, is the zero Time: an event is not lost over it, and its text stays
// in the raw document.
type Time struct{ time.Time }

// UnmarshalJSON takes text, number and null.
func (t *Time) UnmarshalJSON(data []byte) error {
	text, err := scalarText(data)
	if err != nil {
		return err
	}
	t.Time, _ = parseTime(text)
	return nil
}

// MarshalJSON writes RFC 3339, and a missing instant as null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.Time.MarshalJSON()
}

// darajaTime is the form of Safaricom's timestamps.
const darajaTime = "20060102150405"

// timeLayouts are the textual forms, the one in use today first. Fractions of a
// second are read in all of them. A time without a zone is Kopo Kopo's own.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05 Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05"}

var errNoTime = errors.New("not a time")

// parseTime reads an instant in any form K2 is known to use.
func parseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if len(text) == len(darajaTime) && isDigits(text) {
		return time.ParseInLocation(darajaTime, text, eastAfrica)
	}
	if isNumber(text) {
		return unixTime(text)
	}
	if utc, ok := strings.CutSuffix(text, " UTC"); ok {
		text = utc + " Z"
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, eastAfrica); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errNoTime
}

// farAhead is where Unix seconds end and milliseconds begin: the year 6325, so that
// every instant that is read can be written as JSON again.
const farAhead = 1 << 37

// unixTime reads Unix seconds, or milliseconds where seconds would lie thousands
// of years ahead.
func unixTime(text string) (time.Time, error) {
	whole, _ := wholeNumber(text) // "" if there is none, which ParseInt refuses
	n, err := strconv.ParseInt(whole, 10, 64)
	switch {
	case err != nil || n <= 0 || n > farAhead*1000:
		return time.Time{}, errNoTime
	case n > farAhead:
		return time.UnixMilli(n), nil
	}
	return time.Unix(n, 0), nil
}
