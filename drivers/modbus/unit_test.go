package modbus_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// scripted answers requests, function code included, with what is written for
// them, and refuses others.
type scripted struct {
	labelled
	answers map[string]string
}

func (d scripted) Respond(function byte, data []byte) ([]byte, modbustest.Exception) {
	answer, ok := d.answers[hex.EncodeToString(append([]byte{function}, data...))]
	if !ok {
		return nil, modbustest.IllegalFunction
	}
	b, err := hex.DecodeString(strings.ReplaceAll(answer, " ", ""))
	if err != nil {
		panic(err)
	}
	return b[1:], 0
}

// example holds the worked examples of the Modbus Application Protocol V1.1b3 for
// the functions of a Unit, sections 6.7 to 6.21.
var example = scripted{answers: map[string]string{
	"07":                 "07 6D",
	"0800020000":         "08 0002 1234",
	"08000c0000":         "08 000C 0007",
	"0b":                 "0B FFFF 0108",
	"0c":                 "0C 08 0000 0108 0121 20 00",
	"11":                 "11 05 09 FF 41 42 43",
	"140706000400010002": "14 06 05 06 0DFE 0020",
	"1804de":             "18 0006 0002 01B8 1284",
	"2b0e0100":           "2B 0E 01 01 00 00 03 00 16 436F6D70616E79206964656E74696669636174696F6E 01 0F 50726F6475637420636F6465205858 02 05 56322E3131",
}}

func TestFunctionsOfAUnit(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU, modbus.ASCII} {
		t.Run(f.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
					Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{1: example, 2: labelled{}},
				})
				u := l.bus.Unit(1, 0)
				ctx := t.Context()

				status, err := u.ExceptionStatus(ctx)
				require.NoError(t, err)
				assert.EqualValues(t, 0x6D, status)

				busy, events, err := u.EventCounter(ctx)
				require.NoError(t, err)
				assert.True(t, busy)
				assert.EqualValues(t, 0x108, events)

				log, messages, err := u.EventLog(ctx)
				require.NoError(t, err)
				assert.Equal(t, []byte{0x20, 0}, log)
				assert.EqualValues(t, 0x121, messages)

				id, err := u.ServerID(ctx)
				require.NoError(t, err)
				assert.Equal(t, []byte{9, 0xFF, 'A', 'B', 'C'}, id)

				record, err := u.FileRecord(ctx, 4, 1, 2)
				require.NoError(t, err)
				assert.Equal(t, []uint16{0x0DFE, 0x0020}, record)

				queue, err := u.FIFO(ctx, 0x04DE)
				require.NoError(t, err)
				assert.Equal(t, []uint16{0x01B8, 0x1284}, queue)

				_, err = u.Diagnostic(ctx, 4)
				require.Error(t, err, "force listen only is nothing that only reads")
				_, err = u.FileRecord(ctx, 0, 1, 200)
				require.Error(t, err)

				_, err = l.bus.Unit(2, 0).FIFO(ctx, 1)
				require.ErrorIs(t, err, modbus.IllegalFunction)
				var op *acquire.OpError
				require.ErrorAs(t, err, &op)
				assert.Equal(t, "modbus/2", op.Source)
				assert.Zero(t, l.server.Stats().Writes)
			})
		})
	}
}

func TestDiagnostics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, modbus.BusConfig{}, modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{}}})
		l.server.SetFault(modbustest.When(func(r modbustest.Request) bool { return r.Function == 8 }, func(x *modbustest.Exchange) {
			x.Reply = append([]byte(nil), x.Frame...)
			x.Reply[10], x.Reply[11] = 0x12, 0x34
		}))
		n, err := l.bus.Unit(1, 0).Diagnostic(t.Context(), modbus.BusErrors)
		require.NoError(t, err)
		assert.EqualValues(t, 0x1234, n)
	})
}

func TestIdentify(t *testing.T) {
	all := scripted{answers: map[string]string{
		"2b0e0300": "2B 0E 03 83 FF 04 03 00 04 41636D65 01 02 4D31 02 03 312E32",
		"2b0e0304": "2B 0E 03 83 00 00 03 04 01 41 05 03 4D2D31 80 04 4A6F6521",
	}}
	looping := scripted{answers: map[string]string{"2b0e0300": "2B 0E 03 83 FF 00 01 00 01 41"}}
	for name, c := range map[string]struct {
		device modbustest.Device
		want   acquire.Identity
		err    error
	}{
		"basic": {device: example, want: acquire.Identity{Vendor: "Company identification", Product: "Product code XX", Version: "V2.11"}},
		"extended": {device: all, want: acquire.Identity{
			Vendor: "Acme", Product: "M1", Version: "1.2", Model: "M-1",
			Details: []acquire.Detail{{Name: "product name", Text: "A"}, {Name: "object 128", Text: "Joe!"}},
		}},
		"server id alone": {device: scripted{answers: map[string]string{"11": "11 05 09 FF 41 42 43"}}, want: acquire.Identity{Product: "ABC"}},
		"never ending":    {device: looping, want: acquire.Identity{Vendor: "A"}},
		"none":            {device: labelled{}, err: modbus.IllegalFunction},
		"cut":             {device: scripted{answers: map[string]string{"2b0e0300": "2B 0E 03 83 00 00 02 00 04 4142"}}, err: &modbus.FrameError{Field: "object length", Got: 4, Want: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, modbus.BusConfig{}, modbustest.Config{Units: map[byte]modbustest.Device{1: c.device}})
				src := l.source(t, modbus.Config{Unit: 1}, 2)
				asker, ok := acquire.As[acquire.Identifier](acquire.Reconnect(src, acquire.Backoff{}))
				require.True(t, ok)
				id, err := asker.Identify(t.Context())
				if c.err != nil {
					require.Error(t, err)
					assert.ErrorContains(t, err, c.err.Error())
					return
				}
				require.NoError(t, err)
				assert.Equal(t, c.want, id)
			})
		})
	}
}

// A device on a line that leaves what it does not know without any answer is asked
// for its server id all the same.
func TestIdentifyOnALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, modbus.BusConfig{Framing: modbus.RTU}, modbustest.Config{
			Framing: modbustest.RTU, NoEcho: true, Units: map[byte]modbustest.Device{1: scripted{answers: map[string]string{"11": "11 05 09 FF 41 42 43"}}},
			Fault: modbustest.When(func(r modbustest.Request) bool { return r.Function == 43 }, modbustest.Drop()),
		})
		id, err := l.bus.Unit(1, 0).Identify(t.Context())
		require.NoError(t, err)
		assert.Equal(t, acquire.Identity{Product: "ABC"}, id)
	})
}

func TestScanForUnits(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU} {
		t.Run(f.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
					Framing: modbustest.Framing(f), IgnoreUnknown: true,
					Units: map[byte]modbustest.Device{3: labelled{}, 7: labelled{holes: map[uint16]bool{0: true}}, 247: labelled{}},
				})
				start := time.Now()
				var units []byte
				for id, err := range l.bus.Units(t.Context(), 0, 247, 50*time.Millisecond) {
					require.NoError(t, err)
					units = append(units, id)
				}
				assert.Equal(t, []byte{3, 7, 247}, units)
				assert.Less(t, time.Since(start), 248*70*time.Millisecond)
				synctest.Wait()
				assert.Zero(t, l.server.Stats().Open)
			})
		})
	}
}

func TestSearchForRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		holes := map[uint16]bool{}
		for a := range uint16(1000) {
			holes[a] = a < 100 || a >= 140 && a != 500
		}
		l := newLine(t, modbus.BusConfig{}, modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{holes: holes}}})
		found, err := l.bus.Unit(1, 0).Ranges(t.Context(), modbus.HoldingRegisters, 0, 999, 5000)
		require.NoError(t, err)
		given := map[uint16]bool{}
		for _, r := range found {
			for i := range r.Count {
				given[r.At.Offset()+uint16(i)] = true
			}
		}
		for a := range uint16(1000) {
			assert.Equal(t, !holes[a], given[a], a)
		}
		_, err = l.bus.Unit(1, 0).Ranges(t.Context(), modbus.HoldingRegisters, 0, 999, 10)
		require.ErrorIs(t, err, modbus.ErrEffort)
		_, err = l.bus.Unit(1, 0).Ranges(t.Context(), modbus.HoldingRegisters, 9, 1, 10)
		require.Error(t, err)
	})
}

func TestOrdersOfAPlausibleVoltage(t *testing.T) {
	// 230.5 V as a float32, words swapped.
	raw := []uint16{0x8000, 0x4366}
	near := func(v acquire.Value) bool { f, ok := v.Float64(); return ok && f > 180 && f < 260 }
	assert.Equal(t, []modbus.Order{modbus.CDAB}, modbus.Orders(modbus.Float32, raw, near))
	assert.Nil(t, modbus.Orders(modbus.Float64, raw, near), "too short")
}
