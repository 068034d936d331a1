package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// ups are the objects of a UPS that says what it is.
var ups = snmptest.Objects{
	"1.3.6.1.2.1.1.1.0":                snmptest.Text("Rack UPS\r\n"),
	"1.3.6.1.2.1.1.2.0":                snmptest.ObjectID("1.3.6.1.4.1.99999.1"),
	"1.3.6.1.2.1.1.5.0":                snmptest.Text("ups-3"),
	"1.3.6.1.2.1.1.6.0":                snmptest.Text(""),
	"1.3.6.1.2.1.33.1.1.1.0":           snmptest.Text("Volta"),
	"1.3.6.1.2.1.33.1.1.2.0":           snmptest.Text("R 3000"),
	"1.3.6.1.2.1.33.1.1.3.0":           snmptest.Text("7.1"),
	"1.3.6.1.2.1.47.1.1.1.1.10.1":      snmptest.Text("never: the UPS has said it"),
	"1.3.6.1.2.1.47.1.1.1.1.11.1":      snmptest.Text("SN 42"),
	"1.3.6.1.2.1.47.1.1.1.1.12.1":      snmptest.Integer(1), // no text
	"1.3.6.1.2.1.33.1.2.1.0":           snmptest.Integer(2),
	"1.3.6.1.4.1.99999.1.1.0":          snmptest.Counter64(1<<64 - 1),
	"1.3.6.1.4.1.99999.1.2.0":          snmptest.OpaqueFloat(1.5),
	"1.3.6.1.4.1.99999.1.3.0":          snmptest.IPAddress([4]byte{192, 0, 2, 7}),
	"1.3.6.1.4.1.99999.1.4.0":          snmptest.Text("\x00\x1b\xc5"),
	"1.3.6.1.4.1.99999.1.5.0":          snmptest.Gauge32(1<<32 - 1),
	"1.3.6.1.4.1.99999.1.6.0":          snmptest.Null(),
	"1.3.6.1.4.1.99999.1.7.0":          snmptest.Raw(0x99, []byte{1, 2}),
	"1.3.6.1.4.1.99999.1.8.0":          snmptest.Raw(0x41, []byte{1, 2, 3, 4, 5, 6}), // a Counter32 of 48 bits
	"1.3.6.1.4.1.99999.1.9.4294967295": snmptest.Integer(-5),
}

func TestIdentify(t *testing.T) {
	want := acquire.Identity{
		Vendor: "Volta", Model: "R 3000", Version: "7.1", Serial: "SN 42", Name: "ups-3",
		Details: []acquire.Detail{
			{Name: "sysDescr", Text: "Rack UPS"},
			{Name: "sysObjectID", Text: "1.3.6.1.4.1.99999.1"},
			{Name: "sysName", Text: "ups-3"},
			{Name: "upsIdentManufacturer", Text: "Volta"},
			{Name: "upsIdentModel", Text: "R 3000"},
			{Name: "upsIdentUPSSoftwareVersion", Text: "7.1"},
			{Name: "entPhysicalSoftwareRev", Text: "never: the UPS has said it"},
			{Name: "entPhysicalSerialNum", Text: "SN 42"},
		},
	}
	for name, cfg := range versions {
		t.Run(name, func(t *testing.T) {
			a, _ := simulate(t, ups, nil, cfg)
			got, err := a.Identify(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	a, _ := simulate(t, nil, nil, snmp.AgentConfig{})
	_, err := a.Identify(t.Context())
	assert.ErrorContains(t, err, "says nothing")
}

func TestSourceIdentifies(t *testing.T) {
	_, server := simulate(t, ups, nil, snmp.AgentConfig{})
	source, err := snmp.NewSource(snmp.Config{
		Address: server.Address(), Community: "public", Catalog: acquire.NewCatalog(),
		Points: []snmp.Point{{Name: "battery", OID: "1.3.6.1.2.1.33.1.2.1.0"}},
	})
	require.NoError(t, err)
	identifier, ok := acquire.As[acquire.Identifier](acquire.Reconnect(source, acquire.Backoff{}))
	require.True(t, ok)
	id, err := identifier.Identify(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "Volta", id.Vendor)
}

func TestGet(t *testing.T) {
	for name, cfg := range versions {
		t.Run(name, func(t *testing.T) {
			a, _ := simulate(t, ups, nil, cfg)
			got, err := a.Get(t.Context(), "1.3.6.1.2.1.1.5.0", "1.3.6.1.4.1.99999.1.2.0", "1.3.6.1.4.1.99999.1.3.0",
				"1.3.6.1.4.1.99999.1.4.0", "1.3.6.1.4.1.99999.1.5.0", "1.3.6.1.4.1.99999.1.9.4294967295", "1.3.6.1.2.1.1.2.0")
			require.NoError(t, err)
			var text []string
			for _, v := range got {
				require.NoError(t, v.Err())
				text = append(text, v.String())
			}
			assert.Equal(t, []string{
				`1.3.6.1.2.1.1.5.0 = OCTET STRING: "ups-3"`,
				`1.3.6.1.4.1.99999.1.2.0 = Opaque: 1.5`,
				`1.3.6.1.4.1.99999.1.3.0 = IpAddress: 192.0.2.7`,
				`1.3.6.1.4.1.99999.1.4.0 = OCTET STRING: 001bc5`,
				`1.3.6.1.4.1.99999.1.5.0 = Gauge32: 4294967295`,
				`1.3.6.1.4.1.99999.1.9.4294967295 = INTEGER: -5`,
				`1.3.6.1.2.1.1.2.0 = OBJECT IDENTIFIER: 1.3.6.1.4.1.99999.1`,
			}, text)
		})
	}
}

func TestGetOfWhatIsNotThere(t *testing.T) {
	oids := []snmp.OID{"1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.99.0", "1.3.6.1.2.1.1.5.1", "1.3.6.1.2.1.33.1.1.1.0"}
	v2 := []error{nil, snmp.NoSuchObject, snmp.NoSuchInstance, nil}
	v1 := []error{nil, &snmp.ObjectError{OID: oids[1], Status: snmp.NoSuchName}, &snmp.ObjectError{OID: oids[2], Status: snmp.NoSuchName}, nil}
	for name, cfg := range versions {
		want := v2
		if cfg.Version == snmp.V1 {
			want = v1
		}
		t.Run(name, func(t *testing.T) {
			a, _ := simulate(t, ups, nil, cfg)
			got, err := a.Get(t.Context(), oids...)
			require.NoError(t, err)
			for i, v := range got {
				assert.Equal(t, want[i], v.Err())
				assert.Equal(t, oids[i], v.OID())
				assert.Equal(t, want[i] == nil, v.Bytes() != nil)
				if want[i] != nil {
					assert.Equal(t, acquire.NotFound, acquire.QualityOf(v.Err()).Reason())
				}
			}
		})
	}
}

func TestMalformedNumbersAreNone(t *testing.T) {
	a, _ := simulate(t, ups, nil, snmp.AgentConfig{})
	got, err := a.Get(t.Context(), "1.3.6.1.4.1.99999.1.6.0", "1.3.6.1.4.1.99999.1.7.0", "1.3.6.1.4.1.99999.1.8.0", "1.3.6.1.2.1.1.5.0")
	require.NoError(t, err)
	for _, v := range got {
		_, integer := v.Int64()
		_, natural := v.Uint64()
		_, number := v.Float64()
		_, object := v.Object()
		assert.False(t, integer || natural || number || object, v)
	}
	got, err = a.Get(t.Context(), "1.3.6.1.4.1.99999.1.1.0")
	require.NoError(t, err)
	_, small := got[0].Int64()
	n, ok := got[0].Uint64()
	assert.False(t, small)
	assert.True(t, ok)
	assert.Equal(t, uint64(1<<64-1), n)
}

func TestGetOfMany(t *testing.T) {
	const root = "1.3.6.1.4.1.99"
	objects := column(root, 300)
	var oids []snmp.OID
	for i := range 300 {
		oids = append(oids, snmp.OID(root).Child(uint32(300-i)))
	}
	tests := map[string]struct {
		fault  snmptest.Fault
		failed int
	}{
		"whole":              {nil, 0},
		"few at a time":      {snmptest.TooBigAbove(7), 0},
		"one fails":          {snmptest.StatusAt(root+".77", snmptest.GenErr), 1},
		"some fail":          {snmptest.Chain(snmptest.StatusAt(root+".7", snmptest.GenErr), snmptest.StatusAt(root+".8", snmptest.NoAccess), snmptest.StatusAt(root+".9", snmptest.TooBig)), 3},
		"index out of place": {snmptest.When(snmptest.Asking(root+".5"), snmptest.WithStatus(snmptest.GenErr, 99)), 1},
		"all fail":           {snmptest.When(snmptest.Asking(root), snmptest.WithStatus(snmptest.GenErr, 0)), 300},
	}
	for name, test := range tests {
		for version, cfg := range versions {
			t.Run(name+"/"+version, func(t *testing.T) {
				a, _ := simulate(t, objects, test.fault, cfg)
				got, err := a.Get(t.Context(), oids...)
				require.NoError(t, err)
				failed := 0
				for i, v := range got {
					n, ok := v.Int64()
					if v.Err() != nil {
						assert.False(t, ok)
						failed++
						continue
					}
					assert.EqualValues(t, 300-i, n)
				}
				assert.Equal(t, test.failed, failed)
			})
		}
	}
}

func TestGetOfALiar(t *testing.T) {
	objects := column("1.3.6.1.4.1.99", 3)
	for name, fault := range map[string]snmptest.Fault{
		"names exchanged": snmptest.Swapped(),
		"order exchanged": snmptest.Reordered(),
		"one too few":     snmptest.Missing(1),
		"one too many":    snmptest.Extra(snmptest.Binding{OID: "1.3.6.1.4.1.99.4", Value: snmptest.Integer(4)}),
		"other names":     snmptest.Renamed("1.3.6.1.4.1.98.1"),
		"none":            snmptest.Empty(),
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := simulate(t, objects, fault, snmp.AgentConfig{})
			got, err := a.Get(t.Context(), "1.3.6.1.4.1.99.1", "1.3.6.1.4.1.99.2", "1.3.6.1.4.1.99.3")
			assert.Nil(t, got)
			assert.Equal(t, acquire.Bad.Because(acquire.Protocol), acquire.QualityOf(err))
			var wrong *snmp.MessageError
			assert.ErrorAs(t, err, &wrong)
		})
	}
}

func TestAnswersFromElsewhere(t *testing.T) {
	a, _ := simulate(t, truths, snmptest.First(2, snmptest.ForeignSource()), snmp.AgentConfig{Timeout: 350 * time.Millisecond})
	require.NoError(t, ask(t, a))
	assert.Equal(t, snmp.Counters{Requests: 3, Repeats: 2}, a.Counters())
}

func TestWaitsDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var sent []time.Duration
		cfg := snmp.AgentConfig{
			Community: "public", Timeout: 7 * time.Second,
			Trace: snmp.Trace{Sent: func([]byte) { sent = append(sent, time.Since(start)) }},
		}
		a, _ := inPipe(t, truths, snmptest.Silent(), cfg)
		require.ErrorIs(t, ask(t, a), snmp.ErrTimeout)
		assert.Equal(t, []time.Duration{0, time.Second, 3 * time.Second}, sent)
		assert.Equal(t, 7*time.Second, time.Since(start))
	})
}

func TestASlowAgentIsNotPressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := inPipe(t, truths, snmptest.Late(900*time.Millisecond), snmp.AgentConfig{Community: "public", Timeout: 7 * time.Second})
		for range 5 {
			require.NoError(t, ask(t, a))
		}
		assert.Equal(t, snmp.Counters{Requests: 5}, a.Counters())
	})
}

func TestEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, server := inPipe(t, truths, snmptest.Silent(), snmp.AgentConfig{Community: "public", Timeout: time.Hour})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			start := time.Now()
			_, err := a.Get(ctx, object)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, 1500*time.Millisecond, time.Since(start))
			cancel()
		}
		server.SetFault(nil)
		require.NoError(t, ask(t, a))

		// Who waits for his turn can give up too.
		server.SetFault(snmptest.Silent())
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := a.Get(ctx, object)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		waiting.Wait()
	})
}

func TestAgentConnectsAgain(t *testing.T) {
	a, server := simulate(t, truths, snmptest.Nth(2, snmptest.Chain(snmptest.Silent(), snmptest.Closing())), snmp.AgentConfig{TCP: true})
	require.NoError(t, ask(t, a))
	require.ErrorContains(t, ask(t, a), "closed by the agent")
	require.NoError(t, ask(t, a))
	assert.EqualValues(t, 3, server.Stats().Requests)
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	assert.ErrorIs(t, ask(t, a), net.ErrClosed)
}

func TestDialFails(t *testing.T) {
	refused := errors.New("refused")
	a, err := snmp.NewAgent(snmp.AgentConfig{Community: "public", Dial: func(context.Context) (net.Conn, error) { return nil, refused }})
	require.NoError(t, err)
	require.ErrorIs(t, ask(t, a), refused)
	assert.NoError(t, a.Close())
}

func TestManyAskOneAgent(t *testing.T) {
	a, _ := simulate(t, column("1.3.6.1.4.1.99", 50), nil, snmp.AgentConfig{User: alice})
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for range 10 {
				if i%2 == 0 {
					steps, faults := walk(t, a, "1.3.6.1.4.1.99")
					assert.Len(t, steps, 50)
					assert.Empty(t, faults)
					continue
				}
				got, err := a.Get(t.Context(), snmp.OID("1.3.6.1.4.1.99").Child(uint32(i)))
				if assert.NoError(t, err) {
					n, _ := got[0].Int64()
					assert.EqualValues(t, i, n)
				}
			}
		})
	}
	asking.Wait()
}

func ExampleAgent_Walk() {
	// In place of a device: a simulated agent.
	mib, _ := snmptest.NewMIB(snmptest.Objects{
		"1.3.6.1.2.1.33.1.3.3.1.3.1": snmptest.Integer(231),
		"1.3.6.1.2.1.33.1.3.3.1.3.2": snmptest.Integer(229),
		"1.3.6.1.2.1.33.1.3.3.1.3.3": snmptest.Integer(230),
		"1.3.6.1.2.1.33.1.3.3.1.4.1": snmptest.Integer(57),
	})
	device, err := snmptest.Start(snmptest.Config{MIB: mib})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer device.Close()

	agent, err := snmp.NewAgent(snmp.AgentConfig{Address: device.Address(), Community: "public"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer agent.Close()
	const upsInputVoltage = "1.3.6.1.2.1.33.1.3.3.1.3"
	for v, err := range agent.Walk(context.Background(), upsInputVoltage) {
		fmt.Println(v, err)
	}
	// Output:
	// 1.3.6.1.2.1.33.1.3.3.1.3.1 = INTEGER: 231 <nil>
	// 1.3.6.1.2.1.33.1.3.3.1.3.2 = INTEGER: 229 <nil>
	// 1.3.6.1.2.1.33.1.3.3.1.3.3 = INTEGER: 230 <nil>
}
