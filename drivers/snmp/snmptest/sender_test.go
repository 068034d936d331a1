package snmptest_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// listen starts another implementation's listener and returns its address and what it hears.
func listen(t *testing.T, edit func(*gosnmp.GoSNMP)) (string, <-chan *gosnmp.SnmpPacket) {
	t.Helper()
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	address := p.LocalAddr().String()
	require.NoError(t, p.Close())
	heard := make(chan *gosnmp.SnmpPacket, 100)
	l := gosnmp.NewTrapListener()
	l.Params = &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public", Logger: gosnmp.Logger{}}
	if edit != nil {
		edit(l.Params)
	}
	l.OnNewTrap = func(s *gosnmp.SnmpPacket, _ *net.UDPAddr) { heard <- s }
	go func() { _ = l.Listen(address) }()
	select {
	case <-l.Listening():
	case <-time.After(10 * time.Second):
		t.Fatal("the listener does not listen")
	}
	t.Cleanup(l.Close)
	return address, heard
}

func receive(t *testing.T, heard <-chan *gosnmp.SnmpPacket) *gosnmp.SnmpPacket {
	t.Helper()
	select {
	case p := <-heard:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("nothing heard")
		return nil
	}
}

const linkDown = "1.3.6.1.6.3.1.1.5.3"

func TestTraps(t *testing.T) {
	n := snmptest.Notification{Trap: linkDown, Uptime: 90 * time.Second, Bindings: []snmptest.Binding{{OID: ifEntry + ".1.2", Value: snmptest.Integer(2)}},
		Enterprise: "1.3.6.1.4.1.32473", AgentAddress: [4]byte{192, 0, 2, 9}, Generic: 2}
	send := func(t *testing.T, cfg snmptest.SenderConfig) *snmptest.Sender {
		s, err := snmptest.NewSender(t.Context(), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, s.Close()) })
		return s
	}
	t.Run("version 1", func(t *testing.T) {
		address, heard := listen(t, nil)
		require.NoError(t, send(t, snmptest.SenderConfig{Address: address}).Trap(n))
		p := receive(t, heard)
		assert.Equal(t, gosnmp.Trap, p.PDUType)
		assert.Equal(t, ".1.3.6.1.4.1.32473", p.Enterprise)
		assert.Equal(t, "192.0.2.9", p.AgentAddress)
		assert.Equal(t, 2, p.GenericTrap)
		assert.EqualValues(t, 9000, p.Timestamp)
		require.Len(t, p.Variables, 1)
	})
	t.Run("version 2c", func(t *testing.T) {
		address, heard := listen(t, nil)
		s := send(t, snmptest.SenderConfig{Address: address, Version: snmptest.V2c, Community: "secret"})
		require.NoError(t, s.Trap(n))
		p := receive(t, heard)
		assert.Equal(t, "secret", p.Community)
		require.Len(t, p.Variables, 3)
		assert.EqualValues(t, 9000, p.Variables[0].Value)
		assert.Equal(t, "."+linkDown, p.Variables[1].Value)
		assert.Equal(t, 2, p.Variables[2].Value)

		require.NoError(t, s.Inform(t.Context(), n))
		receive(t, heard)

		require.NoError(t, s.Burst(50, func(i int) snmptest.Notification {
			return snmptest.Notification{Trap: linkDown, Uptime: time.Duration(i) * time.Second}
		}))
		for i := range 50 {
			assert.EqualValues(t, i*100, receive(t, heard).Variables[0].Value)
		}
	})
	for _, u := range []snmptest.User{
		{Name: "open"},
		{Name: "signed", Auth: snmptest.SHA256, AuthPassword: "authentication"},
		{Name: "closed", Auth: snmptest.SHA1, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "and privacy"},
	} {
		t.Run("version 3 "+u.Name, func(t *testing.T) {
			engine := []byte("\x80\x00\x7E\xD9\x04sender")
			address, heard := listen(t, func(c *gosnmp.GoSNMP) {
				as(u, "")(c)
				c.SecurityParameters.(*gosnmp.UsmSecurityParameters).AuthoritativeEngineID = string(engine)
			})
			level := snmptest.NoAuthNoPriv
			if u.Auth != snmptest.NoAuth {
				level = snmptest.AuthNoPriv
			}
			if u.Priv != snmptest.NoPriv {
				level = snmptest.AuthPriv
			}
			s := send(t, snmptest.SenderConfig{Address: address, Version: snmptest.V3, User: u, Level: level, EngineID: engine, Boots: 3, Time: 77})
			require.NoError(t, s.Trap(n))
			p := receive(t, heard)
			require.Len(t, p.Variables, 3)
			assert.Equal(t, "."+linkDown, p.Variables[1].Value)
		})
	}
}

// An inform that nobody answers ends with its context, and the next one is not disturbed by it.
func TestInformCancelled(t *testing.T) {
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer p.Close()
	s, err := snmptest.NewSender(t.Context(), snmptest.SenderConfig{Address: p.LocalAddr().String(), Version: snmptest.V2c})
	require.NoError(t, err)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		b := make([]byte, 1500)
		_, _, _ = p.ReadFrom(b)
		cancel()
	}()
	require.ErrorIs(t, s.Inform(ctx, snmptest.Notification{Trap: linkDown}), context.Canceled)
	go func() {
		b := make([]byte, 1500)
		n, from, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		c := gosnmp.GoSNMP{Version: gosnmp.Version2c}
		if inform, err := c.SnmpDecodePacket(b[:n]); err == nil {
			inform.PDUType = gosnmp.GetResponse
			if answer, err := inform.MarshalMsg(); err == nil {
				_, _ = p.WriteTo(answer, from)
			}
		}
	}()
	require.NoError(t, s.Inform(t.Context(), snmptest.Notification{Trap: linkDown}))
}

func TestSenderConfig(t *testing.T) {
	_, err := snmptest.NewSender(t.Context(), snmptest.SenderConfig{Version: snmptest.V3, User: snmptest.User{Name: "u"}, Level: snmptest.AuthPriv, Boots: -1})
	require.ErrorContains(t, err, "no keys for level 2")
	require.ErrorContains(t, err, "boots -1")
	_, err = snmptest.NewSender(t.Context(), snmptest.SenderConfig{Version: 2})
	require.ErrorContains(t, err, "version 2 is unknown")
	s, err := snmptest.NewSender(t.Context(), snmptest.SenderConfig{Address: "127.0.0.1:1", Version: snmptest.V1})
	require.NoError(t, err)
	defer s.Close()
	require.ErrorIs(t, s.Inform(t.Context(), snmptest.Notification{}), snmptest.ErrVersion)
	require.ErrorContains(t, s.Trap(snmptest.Notification{Enterprise: "x"}), fmt.Sprintf("enterprise %q", "x"))
}

// An inform of version 3 finds out the receiver's engine, then its time, and takes nothing for an acknowledgement but one.
func TestInformV3(t *testing.T) {
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer p.Close()
	s, err := snmptest.NewSender(t.Context(), snmptest.SenderConfig{Address: p.LocalAddr().String(), Version: snmptest.V3, User: closed, Level: snmptest.AuthPriv})
	require.NoError(t, err)
	defer s.Close()
	r := reader{t: t}
	r.localize("\x80\x00\x7E\xD9\x04receiver")

	var seen []string
	served := make(chan struct{})
	go func() {
		defer close(served)
		b := make([]byte, 1<<16)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			var m snmpwire.MessageV3
			if !assert.NoError(t, m.Parse(b[:n])) {
				return
			}
			answer := func(change func(a *snmpwire.MessageV3)) {
				a := snmpwire.MessageV3{ID: m.ID, MaxSize: 1472, EngineID: []byte(r.engine), Boots: 4, Time: 1000, User: m.User}
				a.Scoped.ContextEngineID = []byte(r.engine)
				change(&a)
				out, err := a.Append(nil, r.keys)
				assert.NoError(t, err)
				_, err = p.WriteTo(out, from)
				assert.NoError(t, err)
			}
			report := func(stat snmpwire.Stat, level snmpwire.Flags) {
				seen = append(seen, stat.String())
				answer(func(a *snmpwire.MessageV3) {
					a.Flags = level
					a.Scoped.PDU = snmpwire.PDU{Type: snmpwire.Report,
						Bindings: snmpwire.AppendBinding(nil, []byte(stat.OID()), snmpwire.AppendUint(nil, snmpwire.Counter32, 1))}
					if level == 0 {
						a.Boots, a.Time = 0, 0
					}
				})
			}
			switch {
			case len(m.EngineID) == 0:
				report(snmpwire.UnknownEngineIDs, 0)
			case r.keys.Verify(b[:n], &m) != nil:
				t.Error("wrong digest")
			case m.Boots != 4:
				report(snmpwire.NotInTimeWindows, snmpwire.Authenticated)
			default:
				_, err := r.keys.Decrypt(nil, &m)
				assert.NoError(t, err)
				seen = append(seen, fmt.Sprintf("%#02x", byte(m.Scoped.PDU.Type)))
				acknowledge := func(a *snmpwire.MessageV3) {
					a.Flags = snmpwire.Authenticated | snmpwire.Private
					a.Scoped.PDU = snmpwire.PDU{Type: snmpwire.Response, RequestID: m.Scoped.PDU.RequestID, Bindings: m.Scoped.PDU.Bindings}
				}
				for _, spoil := range []func(a *snmpwire.MessageV3){
					func(a *snmpwire.MessageV3) { a.Flags = 0 },
					func(a *snmpwire.MessageV3) { a.ID++ },
					func(a *snmpwire.MessageV3) { a.Scoped.PDU.RequestID++ },
					func(a *snmpwire.MessageV3) { a.Scoped.PDU.Type = snmpwire.ReadRequest },
				} {
					answer(func(a *snmpwire.MessageV3) {
						acknowledge(a)
						a.Scoped.PDU.ErrorStatus = snmptest.GenErr // tells that it was taken
						spoil(a)
					})
				}
				seen = append(seen, "answered")
				answer(acknowledge)
			}
		}
	}()
	require.NoError(t, s.Inform(t.Context(), snmptest.Notification{Trap: linkDown}))
	require.NoError(t, s.Inform(t.Context(), snmptest.Notification{Trap: linkDown}))
	require.NoError(t, p.Close())
	<-served
	assert.Equal(t, []string{"usmStatsUnknownEngineIDs", "usmStatsNotInTimeWindows", "0xa6", "answered", "0xa6", "answered"}, seen)
}
