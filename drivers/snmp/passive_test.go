package snmp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/fieldtap/fieldtap/units"
)

// overheard makes a message of version 2c.
func overheard(t testing.TB, kind snmpwire.PDUType, status, index int32, bindings ...[]byte) []byte {
	m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("public"), PDU: snmpwire.PDU{Type: kind, RequestID: 7, ErrorStatus: status, ErrorIndex: index}}
	for _, b := range bindings {
		m.PDU.Bindings = append(m.PDU.Bindings, b...)
	}
	return m.Append(nil)
}

func bound(t testing.TB, oid string, value []byte) []byte {
	name, err := snmpwire.AppendOID(nil, oid)
	require.NoError(t, err)
	if value == nil {
		return snmpwire.AppendQuery(nil, name)
	}
	return snmpwire.AppendBinding(nil, name, value)
}

func integer(n int64) []byte { return snmpwire.AppendInt(nil, snmpwire.Integer, n) }

const (
	oidA = "1.3.6.1.4.1.1.1.0"
	oidB = "1.3.6.1.4.1.1.2.0"
	oidE = "1.3.6.1.4.1.1.3.0"
	oidU = "1.3.6.1.2.1.1.3.0"
)

func overheardPoints() []snmp.Point {
	return []snmp.Point{
		{Name: "a", OID: oidA, Type: snmp.Int32},
		{Name: "b", OID: oidB, Exponents: []snmp.Exponent{{OID: oidE}}},
		{Name: "counter", OID: "1.3.6.1.4.1.1.4.0", Type: snmp.Counter32, Unit: units.One},
	}
}

// What is answered gives values, and what is not gives none.
func TestDecoder(t *testing.T) {
	catalog := acquire.NewCatalog()
	d, err := snmp.NewDecoder(catalog, overheardPoints())
	require.NoError(t, err)
	require.Len(t, d.Points(), 3)
	var b acquire.Batch
	decode := func(request, answer []byte, at acquire.Instant) (lines []string, err error) {
		b.Reset()
		err = d.Decode(&b, request, answer, at)
		for _, s := range b.Samples {
			p, _ := catalog.Point(s.Point)
			lines = append(lines, p.Name+" "+s.Value.String()+" "+s.Quality.String())
		}
		return lines, err
	}
	ask := overheard(t, snmpwire.ReadRequest, 0, 0, bound(t, oidA, nil), bound(t, oidB, nil), bound(t, oidE, nil))
	got, err := decode(ask, overheard(t, snmpwire.Response, 0, 0, bound(t, oidA, integer(5)), bound(t, oidB, integer(42)), bound(t, oidE, integer(-1))), 1e9)
	require.NoError(t, err)
	assert.Equal(t, []string{"a 5 good", "b 4.2 good"}, got)

	got, err = decode(ask, overheard(t, snmpwire.Response, 5, 2, bound(t, oidA, nil), bound(t, oidB, nil), bound(t, oidE, nil)), 2e9)
	require.ErrorIs(t, err, snmp.GenErr)
	assert.Equal(t, []string{"b - bad: device (code 5)"}, got, "the others are asked for again")

	got, err = decode(ask, overheard(t, snmpwire.Response, 1, 0), 3e9)
	require.ErrorIs(t, err, snmp.TooBig)
	assert.Empty(t, got)

	got, err = decode(ask, nil, 4e9)
	require.ErrorIs(t, err, snmp.ErrTimeout)
	assert.Equal(t, []string{"a - bad: communication", "b - bad: communication"}, got)

	for name, answer := range map[string][]byte{
		"others":  overheard(t, snmpwire.Response, 0, 0, bound(t, oidB, integer(1)), bound(t, oidA, integer(5)), bound(t, oidE, integer(-1))),
		"fewer":   overheard(t, snmpwire.Response, 0, 0, bound(t, oidA, integer(1))),
		"request": ask,
		"garbage": {1, 2, 3},
	} {
		got, err = decode(ask, answer, 5e9)
		require.Error(t, err, name)
		assert.Equal(t, acquire.Protocol, acquire.QualityOf(err).Reason(), name)
		assert.Equal(t, []string{"a - bad: protocol", "b - bad: protocol"}, got, name)
	}
	got, err = decode(ask, overheard(t, snmpwire.Response, 0, 0, bound(t, oidA, integer(5)), bound(t, oidB, []byte{0x81, 0}), bound(t, oidE, []byte{0x81, 0})), 4e9)
	require.NoError(t, err)
	assert.Equal(t, []string{"a 5 good [time backwards]", "b - bad: not found (code 129) [time backwards]"}, got)

	// A walk names what it gives. Half of a point is none.
	bulk := overheard(t, snmpwire.BulkRequest, 0, 10, bound(t, "1.3.6.1.4.1", nil))
	got, err = decode(bulk, overheard(t, snmpwire.Response, 0, 0, bound(t, oidA, integer(6)), bound(t, oidB, integer(42)), bound(t, "1.3.6.1.9", integer(1))), 6e9)
	require.NoError(t, err)
	assert.Equal(t, []string{"a 6 good"}, got)
	got, err = decode(bulk, nil, 7e9)
	require.ErrorIs(t, err, snmp.ErrTimeout)
	assert.Empty(t, got)
	_, err = decode(overheard(t, snmpwire.SetRequest, 0, 0, bound(t, oidA, integer(1))), nil, 8e9)
	require.ErrorIs(t, err, snmp.ErrNoRead)

	// sysUpTime beside a counter tells of a restart.
	next := overheard(t, snmpwire.NextRequest, 0, 0, bound(t, "1.3.6.1.4.1.1.4", nil))
	count := func(ticks, n uint64, at acquire.Instant) []string {
		got, err := decode(next, overheard(t, snmpwire.Response, 0, 0, bound(t, oidU, snmpwire.AppendUint(nil, snmpwire.TimeTicks, ticks)),
			bound(t, "1.3.6.1.4.1.1.4.0", snmpwire.AppendUint(nil, snmpwire.Counter32, n))), at)
		require.NoError(t, err)
		return got
	}
	assert.Equal(t, []string{"counter 100 good"}, count(500000, 100, 100e9))
	assert.Equal(t, []string{"counter 110 good"}, count(501000, 110, 110e9))
	assert.Equal(t, []string{"counter 3 good [discontinuity]"}, count(300, 3, 120e9))

	var names []string
	for v := range snmp.MessageVariables(ask) {
		names = append(names, string(v.OID()))
	}
	assert.Equal(t, []string{oidA, oidB, oidE}, names)
	for range snmp.MessageVariables([]byte{1}) {
		t.Error("a variable of nothing")
	}

	_, err = snmp.NewDecoder(nil, []snmp.Point{{Name: "a"}, {Name: "a", OID: "x"}, {OID: oidA}})
	for _, want := range []string{"snmp: ", "no catalog", `point "a": no OID`, `"x" is no OID`, `point "a" is given twice`, "has no name"} {
		require.ErrorContains(t, err, want)
	}
}

func TestDecoderAllocs(t *testing.T) {
	d, err := snmp.NewDecoder(acquire.NewCatalog(), overheardPoints())
	require.NoError(t, err)
	ask := overheard(t, snmpwire.ReadRequest, 0, 0, bound(t, oidA, nil), bound(t, oidB, nil), bound(t, oidE, nil))
	answer := overheard(t, snmpwire.Response, 0, 0, bound(t, oidA, integer(5)), bound(t, oidB, integer(42)), bound(t, oidE, integer(-1)))
	var b acquire.Batch
	at := acquire.Instant(1)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		b.Reset()
		at++
		if err := d.Decode(&b, ask, answer, at); err != nil || len(b.Samples) != 2 {
			t.Error(err)
		}
	}))
}

// Traps that others received, by the rules of a listener, and nothing is sent.
func TestTrapDecoder(t *testing.T) {
	catalog := acquire.NewCatalog()
	d, err := snmp.NewTrapDecoder(snmp.TrapConfig{Catalog: catalog, Communities: []acquire.Secret{"public"}, Unmatched: "traps"})
	require.NoError(t, err)
	var b acquire.Batch
	trap := overheard(t, snmpwire.InformRequest, 0, 0, bound(t, oidU, snmpwire.AppendUint(nil, snmpwire.TimeTicks, 1)),
		bound(t, "1.3.6.1.6.3.1.1.4.1.0", snmpwire.AppendBytes(nil, snmpwire.ObjectID, []byte{43, 6, 1, 6, 3, 1, 1, 5, 3})))
	at := acquire.At(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	from := netip.MustParseAddrPort("192.0.2.7:4000")
	d.Decode(&b, trap, from, at)
	d.Decode(&b, trap, from, at.Add(time.Second)) // repeated
	d.Decode(&b, trap[:9], from, at)
	require.Len(t, b.Samples, 1)
	assert.Equal(t, at, b.Samples[0].Time)
	assert.Len(t, d.Points(), 1)
	c := d.Counters()
	assert.Equal(t, uint64(1), c.Repeated)
	assert.Equal(t, uint64(1), c.Malformed)
	assert.Equal(t, uint64(3), c.Received)
	assert.Zero(t, c.Replies)
	_, err = snmp.NewTrapDecoder(snmp.TrapConfig{})
	require.ErrorContains(t, err, "no catalog")
}

// No message, however broken, makes a value that it does not hold.
func FuzzDecoder(f *testing.F) {
	ask := overheard(f, snmpwire.ReadRequest, 0, 0, bound(f, oidA, nil), bound(f, oidB, nil), bound(f, oidE, nil))
	f.Add(ask, overheard(f, snmpwire.Response, 0, 0, bound(f, oidA, integer(5)), bound(f, oidB, integer(42)), bound(f, oidE, integer(-1))))
	f.Add(overheard(f, snmpwire.BulkRequest, 0, 9, bound(f, "1.3.6", nil)), overheard(f, snmpwire.Response, 0, 0, bound(f, oidA, integer(5))))
	f.Fuzz(func(t *testing.T, request, answer []byte) {
		d, err := snmp.NewDecoder(acquire.NewCatalog(), overheardPoints())
		require.NoError(t, err)
		var b acquire.Batch
		err = d.Decode(&b, request, answer, 1)
		require.LessOrEqual(t, len(b.Samples), 3)
		for _, s := range b.Samples {
			require.Equal(t, s.Quality.IsBad(), s.Value.IsNone())
			require.False(t, err != nil && !s.Quality.IsBad())
		}
		for v := range snmp.MessageVariables(answer) {
			_ = v.String()
		}
	})
}
