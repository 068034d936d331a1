package main

import (
	"fmt"
	"io"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// screen shows the latest values: as a table that is redrawn in place, or as a
// line a second where the output is no terminal. Closed intervals go above it.
type screen struct {
	out   io.Writer
	site  *site
	live  bool
	drawn int // lines of the table on the screen
	next  time.Time
}

func newScreen(out io.Writer, s *site, live bool) *screen {
	fmt.Fprintln(out, "simulated plant, loopback only:")
	for i, server := range s.servers {
		name, protocol := "", "SNMPv3, SHA-256 and AES-128"
		if i < len(s.devices) {
			name, protocol = s.devices[i].name, "Modbus/TCP"
		} else {
			name = []string{"ups", "pdu", "hall"}[i-len(s.devices)]
			if name == "hall" {
				protocol = "OPC UA, Aes256_Sha256_RsaPss, SignAndEncrypt"
			}
		}
		fmt.Fprintf(out, "  %-8s %-16s %s\n", name, server.Address(), protocol)
	}
	fmt.Fprintln(out)
	return &screen{out: out, site: s, live: live, next: time.Now()}
}

// interval shows a demand interval that has closed.
func (s *screen) interval(iv aggregate.Interval) {
	if iv.Meter == pduRegister {
		return // a quarter of an hour, of which this program sees a moment
	}
	s.erase()
	fmt.Fprintln(s.out, iv)
}

// refresh shows the present values, at most so often that an eye can follow.
func (s *screen) refresh() {
	now := time.Now()
	if now.Before(s.next) {
		return
	}
	if !s.live {
		s.next = now.Add(time.Second)
		fmt.Fprint(s.out, now.UTC().Format(time.TimeOnly))
		for _, d := range s.site.devices {
			fmt.Fprintf(s.out, " | %s %s kW %s kvar", d.name, d.show("P", 1000, 1), d.show("Q", 1000, 1))
		}
		fmt.Fprintf(s.out, " | pdu %s kW | ups %s %%", s.site.room.show("pdu/P", 2), s.site.room.show("ups/charge", 0))
		fmt.Fprintf(s.out, " | press %s kW | chiller %s kW", s.site.hall.show("press", "P", 1000, 1), s.site.hall.show("chiller", "P", 1, 1))
		fmt.Fprintln(s.out)
		return
	}
	s.next = now.Add(200 * time.Millisecond)
	s.erase()
	s.line("%-7s %8s %8s %5s %6s %5s %11s %10s  %s", "meter", "P kW", "Q kvar", "PF", "V L1", "f Hz", "import kWh", "export kWh", "link")
	for _, d := range s.site.devices {
		factor := "-"
		p, okP := d.number("P")
		q, okQ := d.number("Q")
		if pf, ok := aggregate.NewPowerFactor(p, q); ok && okP && okQ {
			factor = fmt.Sprintf("%+.2f", pf.IEC())
		}
		s.line("%-7s %8s %8s %5s %6s %5s %11s %10s  %s", d.name,
			d.show("P", 1000, 2), d.show("Q", 1000, 2), factor, d.show("V", 1, 1), d.show("f", 1, 2),
			d.show("import", 1000, 3), d.show("export", 1000, 3), d.stats().Link)
	}
	r := s.site.room
	s.line("%-7s %8s %8s %5s %6s %5s %11s %10s  %s", "pdu", r.show("pdu/P", 2), "", "", "", "", r.show("pdu/import", 1), "", statsOf(r.pdu).Link)
	h, link := s.site.hall, statsOf(s.site.hall.source).Link
	s.line("%-7s %8s %8s %5s %6s %5s %11s %10s  %s", "press", h.show("press", "P", 1000, 2), "", "", "", "", h.show("press", "import", 1000, 3), "", link)
	s.line("%-7s %8s %8s %5s %6s %5s %11s %10s  %s", "chiller", h.show("chiller", "P", 1, 2), "", "", "", "", h.show("chiller", "supply", 1, 1)+" °C", "", link)
	s.line("%-7s %8s %8s %5s %6s %5s %11s %10s  %s", "ups", "", "", "", r.show("ups/V", 1), r.show("ups/f", 2), r.show("ups/charge", 0)+" % full", "", statsOf(r.ups).Link)
}

// line draws one line of the table. A narrow terminal cuts it off (DEC private
// mode 7, autowrap, is reset meanwhile): a line that wraps would be two to erase.
func (s *screen) line(format string, args ...any) {
	fmt.Fprintf(s.out, "\x1b[?7l"+format+"\x1b[?7h\n", args...)
	s.drawn++
}

// erase takes the table off the screen: cursor up, clear to the end (ECMA-48,
// CUU and ED).
func (s *screen) erase() {
	if s.drawn > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
}

// finish leaves the last table where it is.
func (s *screen) finish() {
	if s.live {
		s.next = time.Time{}
		s.refresh()
	}
	fmt.Fprintln(s.out)
}

// show formats the latest value of a point, over div, or says why there is none.
func (d *device) show(point string, div float64, digits int) string {
	v, ok := d.number(point)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, v/div)
}

// show formats the latest value of a point, or says that there is none.
func (r *room) show(point string, digits int) string {
	v, ok := r.number(point)
	if !ok {
		return "-"
	}
	if point == "pdu/import" {
		v /= 1000 // to kWh
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// number returns the latest value of a point, if it is good.
func (d *device) number(point string) (float64, bool) {
	s := d.latest[point]
	v, ok := s.Value.Number()
	return v, ok && s.Quality.IsGood()
}

func (d *device) stats() acquire.Stats { return statsOf(d.source) }

func statsOf(source acquire.Source) acquire.Stats {
	r, ok := acquire.As[acquire.Reporter](source)
	if !ok {
		return acquire.Stats{}
	}
	return r.Stats()
}
