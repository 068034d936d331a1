package passive

import (
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// WriteTo writes the inventory as text for people: a head line, then each device with
// what was read of it, then what could not be decoded.
func (v *Inventory) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	names := make([]string, len(v.Files))
	for i, file := range v.Files {
		names[i] = filepath.Base(file)
	}
	fmt.Fprintf(&b, "%s: %d packets, %d messages", strings.Join(names, ", "), v.Stats.Packets, v.Tally.Count)
	if v.Tally.Count > 0 {
		fmt.Fprintf(&b, ", %s to %s (%s)", v.Tally.First, v.Tally.Last, brief(v.Tally.Last.Sub(v.Tally.First)))
	}
	b.WriteByte('\n')
	for i := range v.Devices {
		v.Devices[i].write(&b)
	}
	if v.Omitted > 0 {
		fmt.Fprintf(&b, "\nomitted for their number: %d\n", v.Omitted)
	}
	if lacks := v.Stats.lacks(); lacks != "" {
		fmt.Fprintf(&b, "\nnot decoded: %s\n", lacks)
	}
	if v.Damage != nil {
		fmt.Fprintf(&b, "\ndamage: %v\n", v.Damage)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// lacks lists the counters of what was not decoded, as far as they are not zero.
func (s Stats) lacks() string {
	var parts []string
	fields := reflect.ValueOf(s)
	for i := range fields.NumField() {
		switch name := fields.Type().Field(i).Name; name {
		case "Packets", "Bytes", "Connections", "Datagrams", "Messages", "Requests", "Answers", "Exceptions", "Notifications":
		default:
			if n := fields.Field(i).Uint(); n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", name, n))
			}
		}
	}
	return strings.Join(parts, ", ")
}

// brief returns d to three digits.
func brief(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

func rhythm(t Tally) string {
	if every := t.Every(); every > 0 {
		return ", every " + brief(every)
	}
	return ""
}

// write appends a device.
func (d *Device) write(b *strings.Builder) {
	server := d.Server.String()
	if d.Server.Port() == 0 {
		server = d.Server.Addr().String()
	}
	fmt.Fprintf(b, "\n%s %s", d.Protocol, server)
	if d.Protocol == Modbus {
		fmt.Fprintf(b, " unit %d", d.Unit)
	}
	fmt.Fprintf(b, ", %d %s", d.Clients, plural(d.Clients, "client"))
	for _, n := range []struct {
		count uint64
		what  string
	}{
		{d.Requests, "requests"}, {d.Answers, "answers"}, {d.Exceptions, "exceptions"}, {d.Unanswered, "unanswered"},
		{d.Traps, "traps"}, {d.Encrypted, "encrypted"}, {d.Malformed, "malformed"},
	} {
		if n.count > 0 {
			fmt.Fprintf(b, ", %d %s", n.count, n.what)
		}
	}
	b.WriteByte('\n')
	for _, a := range d.Modbus {
		a.write(b)
	}
	for _, e := range d.SNMP {
		fmt.Fprintf(b, "  %s", e.OID)
		if e.Values.Count > 0 {
			fmt.Fprintf(b, "  %s, %d %s%s", e.Syntax, e.Values.Count, plural(int(e.Values.Count), "value"), rhythm(e.Values))
		}
		if e.Traps > 0 {
			fmt.Fprintf(b, ", %d in traps", e.Traps)
		}
		if e.Failed > 0 {
			fmt.Fprintf(b, ", %d without value", e.Failed)
		}
		b.WriteByte('\n')
	}
	for _, n := range d.OPCUA {
		fmt.Fprintf(b, "  %s", printable(string(n.Node)))
		if n.Values.Count > 0 {
			kind := n.Type.String()
			if n.Array {
				kind = "array of " + kind
			}
			fmt.Fprintf(b, "  %s, %d %s%s", kind, n.Values.Count, plural(int(n.Values.Count), "value"), rhythm(n.Values))
		}
		if n.Told > 0 {
			fmt.Fprintf(b, ", %d told", n.Told)
		}
		if n.Failed > 0 {
			fmt.Fprintf(b, ", %d bad", n.Failed)
		}
		b.WriteByte('\n')
	}
}

// printable escapes what would reach into the terminal.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

// functionName returns the names of Application Protocol V1.1b3, section 6, in short.
func functionName(function byte) string {
	switch function {
	case 1:
		return "read coils"
	case 2:
		return "read discrete inputs"
	case 3:
		return "read holding registers"
	case 4:
		return "read input registers"
	case 5:
		return "write coil"
	case 6:
		return "write register"
	case 7:
		return "exception status"
	case 8:
		return "diagnostics"
	case 11:
		return "event counter"
	case 12:
		return "event log"
	case 15:
		return "write coils"
	case 16:
		return "write registers"
	case 17:
		return "server id"
	case 20:
		return "read file record"
	case 21:
		return "write file record"
	case 22:
		return "mask register"
	case 23:
		return "read and write registers"
	case 24:
		return "read FIFO queue"
	case 43:
		return "encapsulated interface"
	}
	return "function " + strconv.Itoa(int(function))
}

func (a *ModbusAccess) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s", functionName(a.Function))
	switch {
	case a.Quantity > 1:
		fmt.Fprintf(b, " %d-%d", a.First, int(a.First)+a.Quantity-1)
	case a.Quantity == 1:
		fmt.Fprintf(b, " %d", a.First)
	}
	fmt.Fprintf(b, "  %d %s%s", a.Requests.Count, plural(int(a.Requests.Count), "request"), rhythm(a.Requests))
	if a.Answers > 0 {
		fmt.Fprintf(b, ", %d answered", a.Answers)
	}
	if a.Exceptions > 0 {
		fmt.Fprintf(b, ", %d refused by exception %d", a.Exceptions, a.Exception)
	}
	b.WriteByte('\n')
}
