package kopokopo

import (
	"time"

	"github.com/kopokopo-go/kopokopo/internal/wire"
)

// eastAfrica is the zone of Kopo Kopo and M-PESA.
var eastAfrica = wire.EastAfrica

// Time is an instant in K2's answers. K2 writes them with an offset, with or
// without milliseconds, older systems in UTC, OAuth as Unix seconds, and Daraja
// payloads as yyyyMMddHHmmss in East Africa Time. A missing instant, or one in no
// known form, is the zero Time: an event is not lost over it, and its text stays
// in the raw document.
type Time struct{ time.Time }

// UnmarshalJSON takes text, number and null.
func (t *Time) UnmarshalJSON(data []byte) error {
	text, err := wire.ScalarText(data)
	if err != nil {
		return err
	}
	t.Time, _ = wire.ParseTime(text)
	return nil
}

// MarshalJSON writes RFC 3339, and a missing instant as null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.Time.MarshalJSON()
}
