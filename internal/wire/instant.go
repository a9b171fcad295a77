package wire

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// EastAfrica is the zone of Kopo Kopo and M-PESA. It has no daylight saving, so
// that no zone database is needed.
var EastAfrica = time.FixedZone("EAT", 3*60*60)

// DarajaTime is the form of Safaricom's timestamps, in East Africa Time.
const DarajaTime = "20060102150405"

// timeLayouts are the textual forms, the one in use today first. Fractions of a
// second are read in all of them. A time without a zone is Kopo Kopo's own.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05 Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05"}

var errNoTime = errors.New("not a time")

// ParseTime reads an instant in any form K2 is known to use.
func ParseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if len(text) == len(DarajaTime) && digits(text) == len(text) {
		return time.ParseInLocation(DarajaTime, text, EastAfrica)
	}
	if isNumber(text) {
		return unixTime(text)
	}
	if utc, ok := strings.CutSuffix(text, " UTC"); ok {
		text = utc + " Z"
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, EastAfrica); err == nil {
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
