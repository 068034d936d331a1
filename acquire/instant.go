package acquire

import "time"

// Instant is a moment as Unix nanoseconds in UTC. It is a plain integer so that
// samples hold no pointer and aggregation needs no calendar.
//
// The zero value means unknown, not 1970. The range is 1678 to 2262.
type Instant int64

// At returns t as an Instant. The zero time.Time, and times outside the range
// of an Instant, give the unknown Instant.
func At(t time.Time) Instant {
	if t.IsZero() || t.Before(minTime) || t.After(maxTime) {
		return 0
	}
	return Instant(t.UnixNano())
}

var (
	minTime = time.Unix(0, -1<<63)
	maxTime = time.Unix(0, 1<<63-1)
)

// Time returns i in UTC; the unknown Instant gives the zero time.Time.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}

// Add returns i moved by d; the unknown Instant stays unknown.
func (i Instant) Add(d time.Duration) Instant {
	if i == 0 {
		return 0
	}
	return i + Instant(d)
}

// Sub returns the time from j to i. It is meaningless if either is unknown.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// String formats i as RFC 3339 with nanoseconds in UTC, or "unknown".
func (i Instant) String() string {
	if i == 0 {
		return "unknown"
	}
	return i.Time().Format(time.RFC3339Nano)
}
