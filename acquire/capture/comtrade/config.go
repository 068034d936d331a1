package comtrade

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/units"
)

// Form is how the data file is written (C37.111-2013, clause 8).
type Form uint8

// The forms.
const (
	ASCII    Form = iota // numbers as text, a line a record
	Binary               // analog values of 16 bits
	Binary32             // analog values of 32 bits
	Float32              // analog values of IEEE 754
)

var forms = [...]string{"ASCII", "BINARY", "BINARY32", "FLOAT32"}

// String returns the form as the configuration writes it.
func (f Form) String() string {
	if int(f) < len(forms) {
		return forms[f]
	}
	return "Form(" + strconv.Itoa(int(f)) + ")"
}

// Channel is an analog or status channel (C37.111-2013, 7.4.4 and 7.4.5).
type Channel struct {
	Name      string        // identifier of the channel
	Phase     string        // phase, if any
	Circuit   string        // circuit component being monitored, if any
	Unit      units.Stated  // analog: the unit as it was read; none if it is not understood
	A, B      float64       // analog: a value is A·x+B
	Skew      time.Duration // analog: from the time of a record to that of this channel
	Primary   float64       // analog: rating of the transformer's primary side
	Secondary float64       // analog: rating of its secondary side
	Side      byte          // analog: 'P' or 'S', the side that values are of; 0 if it is not stated

	wide bool // 99999 is within the range of its values
}

// Recording is what the configuration says.
type Recording struct {
	Station  string    // name of the station
	Device   string    // identification of the recording device
	Revision int       // of the standard: 1991, 1999 or 2013
	Analog   []Channel // analog channels, in the order of the file
	Status   []Channel // status channels, likewise
	Line     float64   // nominal frequency in Hz; 0 if not stated
	Start    time.Time // of the first record
	Trigger  time.Time // of the trigger
	Form     Form      // of the data file
	Records  int       // that the data file holds; -1 if not stated
	Clock    string    // quality of the clock, a hexadecimal digit: 0 is locked, F unreliable; empty if not stated
	Leap     string    // of a leap second: 0 none, 1 added, 2 taken out, 3 unable; empty if not stated

	rates []rate
	tick  float64 // of the stamps of records, in ns
}

// rate holds up to and with a record.
type rate struct {
	hertz float64
	last  int
}

// SyntaxError says where a file is not as the standard has it.
type SyntaxError struct {
	File string // "cfg" or "dat"
	Line int    // or record, from 1
	Err  error  // what is wrong with it
}

// Error formats e as "comtrade: cfg line 7: cause", or "comtrade: dat record 7: cause".
func (e *SyntaxError) Error() string {
	what := "line"
	if e.File == "dat" {
		what = "record"
	}
	return fmt.Sprintf("comtrade: %s %s %d: %v", e.File, what, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }

const (
	maxLine     = 4096
	maxChannels = 16384
	maxRates    = 1024
	// maxRecords keeps the number of a record exact in every step of arithmetic.
	maxRecords = min(1<<40, math.MaxInt)
)

// parser reads a configuration line by line.
type parser struct {
	lines *bufio.Scanner
	line  int
	err   error // the first
}

// fields returns those of the next line, at least n.
func (p *parser) fields(n int) []string {
	f := p.optional()
	if len(f) < n {
		if p.err == nil {
			p.fail(fmt.Errorf("%d fields, not %d", len(f), n))
		}
		f = make([]string, n)
	}
	return f
}

// optional returns the fields of the next line, nil at the end.
func (p *parser) optional() []string {
	if p.err != nil {
		return nil
	}
	p.line++
	if !p.lines.Scan() {
		if err := p.lines.Err(); err != nil {
			p.fail(err)
		}
		return nil
	}
	f := strings.Split(strings.Trim(p.lines.Text(), "\x1a\ufeff"), ",")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	return f
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = &SyntaxError{"cfg", p.line, err}
	}
}

func (p *parser) integer(s string, least, most int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		p.fail(fmt.Errorf("%q is no number from %d to %d", s, least, most))
		return least
	}
	return n
}

// number reads a finite number; a field that is empty is 0.
func (p *parser) number(s string) float64 {
	if s == "" {
		return 0
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		p.fail(fmt.Errorf("%q is no finite number", s))
		return 0
	}
	return x
}

// digit returns s, which is one of digits or empty.
func (p *parser) digit(s, digits string) string {
	if len(s) > 1 || !strings.Contains(digits, s) {
		p.fail(fmt.Errorf("%q is none of %s", s, digits))
		return ""
	}
	return s
}

// parse reads a configuration whose times are in zone, unless it says otherwise.
func parse(cfg io.Reader, zone *time.Location) (*Recording, error) {
	p := &parser{lines: bufio.NewScanner(cfg)}
	p.lines.Buffer(make([]byte, maxLine), maxLine)
	r := &Recording{Records: -1, Revision: 1991}
	head := p.fields(2)
	r.Station, r.Device = head[0], head[1]
	if len(head) > 2 && head[2] != "" {
		r.Revision = p.integer(head[2], 1991, 9999)
	}
	p.channels(r)
	r.Line = p.number(p.fields(1)[0])
	p.rates(r)
	start, trigger := p.fields(2), p.fields(2)
	if form := strings.ToUpper(p.fields(1)[0]); p.err == nil {
		for r.Form = ASCII; int(r.Form) < len(forms) && forms[r.Form] != form; r.Form++ {
		}
		if int(r.Form) == len(forms) {
			p.fail(fmt.Errorf("form %q is none of %s", form, strings.Join(forms[:], ", ")))
		}
	}
	// The unit of stamps is the last digit that the start is written with: µs, or ns.
	r.tick = 1000
	if _, fraction, _ := strings.Cut(start[1], "."); len(fraction) > 6 {
		r.tick = 1
	}
	if multiplier := p.optional(); len(multiplier) > 0 && multiplier[0] != "" { // not in 1991
		m := p.number(multiplier[0])
		if m <= 0 {
			p.fail(fmt.Errorf("multiplier %q of the times is not positive", multiplier[0]))
		}
		r.tick *= m
	}
	if code := p.optional(); len(code) > 0 { // since 2013
		offset, ok, err := offset(code[0])
		if err != nil {
			p.fail(err)
		}
		if ok {
			zone = time.FixedZone("", offset)
		}
	}
	if clock := p.optional(); len(clock) > 1 { // likewise
		r.Clock, r.Leap = p.digit(strings.ToUpper(clock[0]), "0123456789ABCDEF"), p.digit(clock[1], "0123")
	}
	r.Start, r.Trigger = p.moment(start, r.Revision, zone), p.moment(trigger, r.Revision, zone)
	return r, p.err
}

// channels reads how many there are, and each.
func (p *parser) channels(r *Recording) {
	counts := p.fields(3)
	total := p.integer(counts[0], 1, maxChannels)
	number := func(s, kind string) int {
		digits, ok := strings.CutSuffix(strings.ToUpper(s), kind)
		if !ok {
			p.fail(fmt.Errorf("%q does not end with %s", s, kind))
		}
		return p.integer(digits, 0, maxChannels)
	}
	analog, status := number(counts[1], "A"), number(counts[2], "D")
	if analog+status != total {
		p.fail(fmt.Errorf("%d and %d channels are not %d", analog, status, total))
	}
	for i := 0; i < analog && p.err == nil; i++ {
		f := p.fields(10) // the ratings and the side are of 1999
		c := Channel{Name: f[1], Phase: f[2], Circuit: f[3], Unit: units.ReadManual(f[4]), A: p.number(f[5]), B: p.number(f[6])}
		skew := p.number(f[7])
		if math.Abs(skew) > 1e9 {
			p.fail(fmt.Errorf("skew of %s µs", f[7]))
		}
		c.Skew = time.Duration(math.Round(skew * 1000))
		// Up to 1999 values end at 99998, and 99999 stands for one that is missing.
		most, err := strconv.ParseFloat(f[9], 64)
		c.wide = r.Revision >= 2013 && err == nil && most >= missingText
		if len(f) >= 13 {
			c.Primary, c.Secondary = p.number(f[10]), p.number(f[11])
			switch side := strings.ToUpper(f[12]); side {
			case "P", "S":
				c.Side = side[0]
			case "":
			default:
				p.fail(fmt.Errorf("side %q is neither P nor S", f[12]))
			}
		}
		r.Analog = append(r.Analog, c)
	}
	for i := 0; i < status && p.err == nil; i++ {
		f := p.fields(2)
		c := Channel{Name: f[1]}
		if len(f) >= 5 { // in 1991 the state follows the name
			c.Phase, c.Circuit = f[2], f[3]
		}
		r.Status = append(r.Status, c)
	}
}

// rates reads the sampling rates. None means that each record is stamped.
func (p *parser) rates(r *Recording) {
	count := p.integer(p.fields(1)[0], 0, maxRates)
	last := 0
	for i := 0; i < max(count, 1) && p.err == nil; i++ {
		f := p.fields(2)
		one := rate{p.number(f[0]), p.integer(f[1], last, maxRecords)}
		last = one.last
		if one.hertz < 0 || one.hertz > 1e9 || one.hertz > 0 && one.hertz < 1e-6 {
			p.fail(fmt.Errorf("rate of %s Hz", f[0]))
		}
		if count > 0 && one.hertz > 0 {
			r.rates = append(r.rates, one)
		}
		if count > 1 && one.hertz == 0 {
			p.fail(errors.New("one of several rates is 0"))
		}
	}
	if last > 0 {
		r.Records = last
	}
}

// missingText is the value in ASCII that stands for none, as of 1991.
const missingText = 99999

// moment reads a date and a time. A leap second is told as the second after it, as time
// since 1970 has it.
func (p *parser) moment(f []string, revision int, zone *time.Location) time.Time {
	if p.err != nil {
		return time.Time{}
	}
	clock, leap := f[1], time.Duration(0)
	if i := strings.LastIndexByte(clock, ':'); i >= 0 && strings.HasPrefix(clock[i+1:], "60") {
		clock, leap = clock[:i]+":59"+clock[i+3:], time.Second
	}
	layouts := []string{"2/1/2006 15:4:5"} // day first since 1999
	if revision < 1999 {
		layouts = []string{"1/2/06 15:4:5", "1/2/2006 15:4:5"}
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, f[0]+" "+clock, zone); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
			return t.Add(leap)
		}
	}
	p.fail(fmt.Errorf("%q is no date and time after 1970", f[0]+","+f[1]))
	return time.Time{}
}

// offset reads a time code (C37.111-2013, 7.4.12), such as -4 or +5h30, in seconds
// east of UTC. It is not ok where the code says nothing.
func offset(code string) (seconds int, ok bool, err error) {
	if code == "" || strings.EqualFold(code, "x") {
		return 0, false, nil
	}
	sign, digits := 1, code
	switch code[0] {
	case '-':
		sign, digits = -1, code[1:]
	case '+':
		digits = code[1:]
	}
	hours, minutes, _ := strings.Cut(strings.ToLower(digits), "h")
	h, err1 := strconv.ParseUint(hours, 10, 8)
	var m uint64
	var err2 error
	if minutes != "" {
		m, err2 = strconv.ParseUint(minutes, 10, 8)
	}
	if err1 != nil || err2 != nil || h > 24 || m > 59 {
		return 0, false, fmt.Errorf("time code %q", code)
	}
	return sign * int(h*3600+m*60), true, nil
}
