package modbus

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// maxClock is the length in bytes of the longest layout.
const maxClock = 32

// century is where years of one byte count from, unless Point.Epoch says.
const century = 2000

// civil is a time as a clock shows it.
type civil struct {
	year, month, day     int
	hour, minute, second int
	nanosecond           int
	summer               bool // the clock says that it shows summer time
}

// instant returns what c means in zone. A time that no clock shows is bad; one
// that it shows twice is uncertain and taken for the first, unless the clock says
// that it shows summer time, which is the first as well.
func (c civil) instant(zone *time.Location) (acquire.Value, acquire.Quality) {
	t := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nanosecond, zone)
	if t.Year() != c.year || int(t.Month()) != c.month || t.Day() != c.day ||
		t.Hour() != c.hour || t.Minute() != c.minute || t.Second() != c.second {
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	}
	quality := acquire.Good
	if zone != time.UTC {
		other, twice := again(t)
		if twice {
			if other.Before(t) {
				t = other
			}
			if !c.summer {
				quality = acquire.Uncertain
			}
		}
	}
	return nanoseconds(t.Unix(), int64(c.nanosecond), quality)
}

// again returns the other instant at which clocks in t's zone show what they show
// at t, and whether there is one: an hour before or after the clocks go back.
// Bounds without a change of clocks are skipped: far ahead ZoneBounds gives the
// ends of years, and in leap years one that t is already beyond.
func again(t time.Time) (time.Time, bool) {
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		_, before := start.Add(-1).Zone()
		if other := t.Add(time.Duration(offset-before) * time.Second); before > offset && other.Before(start) {
			return other, true
		}
	}
	if !end.IsZero() {
		_, after := end.Zone()
		if other := t.Add(time.Duration(offset-after) * time.Second); after < offset && !other.Before(end) {
			return other, true
		}
	}
	return t, false
}

// nanoseconds returns the instant seconds after 1970, if it is one.
func nanoseconds(seconds, nanosecond int64, q acquire.Quality) (acquire.Value, acquire.Quality) {
	const most = math.MaxInt64/1_000_000_000 - 1
	if seconds > most || seconds < -most {
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	}
	return acquire.Int64(seconds*1e9 + nanosecond), q
}

// since returns the instant that a clock which counts from an epoch shows.
func (d *decoder) since(raw uint64) (acquire.Value, acquire.Quality) {
	seconds, nanosecond := int64(raw), int64(0)
	switch d.rule.Type {
	case Seconds32:
		seconds = int64(uint32(raw))
	case Milliseconds64:
		nanosecond = seconds % 1000 * 1e6
		seconds /= 1000
	}
	const far = 1 << 40 // beyond any instant, and no overflow
	if seconds > far || seconds < -far {
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	}
	return nanoseconds(d.rule.epoch+seconds, nanosecond, acquire.Good)
}

// cp56 decodes IEC 60870-5-4, binary time 2a, from the number that its octets
// make: milliseconds of the minute in the lowest two, then minute and IV, hour and
// SU, day and its name, month, year. Octets in the standard's order are Order DCBA;
// most vendors put them in ABCD, with a byte of nothing before the year.
func (d *decoder) cp56(v uint64) (acquire.Value, acquire.Quality) {
	milliseconds := int(v & 0xffff)
	c := civil{
		year:       century + int(v>>48&0x7f),
		month:      int(v >> 40 & 0x0f),
		day:        int(v >> 32 & 0x1f),
		hour:       int(v >> 24 & 0x1f),
		minute:     int(v >> 16 & 0x3f),
		second:     milliseconds / 1000,
		nanosecond: milliseconds % 1000 * 1e6,
		summer:     v>>31&1 != 0,
	}
	t, quality := c.instant(d.rule.Zone)
	if invalid := v>>23&1 != 0; invalid && !t.IsNone() {
		quality = acquire.Uncertain.Because(acquire.Device) // or not set
	}
	return t, quality
}

// fields are the letters of a layout, with the most bytes that each may have.
const fields = "YMDhmsfn"

var fieldBytes = [len(fields)]int{2, 2, 2, 2, 2, 2, 2, 4}

// checkLayout returns what is wrong with a layout.
func checkLayout(layout string, bcd bool) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(layout)%2 != 0 || len(layout) == 0 || len(layout) > maxClock {
		fault("%d bytes are not 1 to %d registers", len(layout), maxClock/2)
	}
	for i, l := range layout {
		if l != '_' && !strings.ContainsRune(fields, l) {
			fault("unknown %q at %d", l, i)
		}
	}
	for i, l := range fields {
		switch n := strings.Count(layout, string(l)); {
		case n > fieldBytes[i]:
			fault("%d bytes of %c, want at most %d", n, l, fieldBytes[i])
		case n == 0 && i < 3:
			fault("no %c", l)
		case (l == 'f' && n == 1) || (l == 'n' && n != 0 && n != 4):
			fault("%d bytes of %c, want %d", n, l, fieldBytes[i])
		case l == 'n' && n != 0 && (bcd || strings.Contains(layout, "f")):
			fault("n does not go with decimal digits, nor with f")
		case l == 'f' && n != 0 && bcd && !strings.Contains(layout, "s"):
			fault("f without s does not go with decimal digits")
		}
	}
	return errors.Join(faults...)
}

// clock decodes the registers of a Clock or BCDClock.
func (d *decoder) clock(raw []byte) (acquire.Value, acquire.Quality) {
	var arranged [maxClock]byte
	var value, count [len(fields)]int
	for i, digit := range arrange(arranged[:], raw, d.order) {
		field := strings.IndexByte(fields, d.rule.Layout[i])
		if field < 0 {
			continue
		}
		base, n := 256, int(digit)
		if d.rule.Type == BCDClock {
			packed, ok := unpack(uint64(digit))
			if !ok {
				return acquire.Value{}, acquire.Bad.Because(acquire.Range)
			}
			base, n = 100, int(packed)
		}
		value[field] = value[field]*base + n
		count[field]++
	}
	c := civil{
		year: value[0], month: value[1], day: value[2],
		hour: value[3], minute: value[4], second: value[5], nanosecond: value[7],
	}
	if count[0] == 1 {
		c.year += d.rule.century
	}
	milliseconds := value[6]
	if d.rule.Type == BCDClock {
		milliseconds /= 10
	}
	if count[5] == 0 {
		c.second, milliseconds = milliseconds/1000, milliseconds%1000
	}
	if milliseconds > 999 || c.nanosecond > 999_999_999 {
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	}
	c.nanosecond += milliseconds * 1e6
	return c.instant(d.rule.Zone)
}
