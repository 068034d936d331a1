package snmp_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/units"
)

// A UPS that goes on battery says so at once.
func ExampleNewTrapListener() {
	catalog := acquire.NewCatalog()
	address := make(chan string, 1)
	listener, err := snmp.NewTrapListener(snmp.TrapConfig{
		Listen: func(ctx context.Context) (net.PacketConn, error) { // in place of port 162
			conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", "127.0.0.1:0")
			if err == nil {
				address <- conn.LocalAddr().String()
			}
			return conn, err
		},
		Users:   []snmp.TrapUser{{User: snmp.User{Name: "ups", AuthKey: "a long password"}, Senders: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		Catalog: catalog,
		Rules: []snmp.TrapRule{{
			Name: "ups", Trap: "1.3.6.1.2.1.33.2.1", Text: "on battery",
			Points: []snmp.Point{{Name: "remaining", OID: "1.3.6.1.2.1.33.1.2.3", Type: snmp.Int32, Unit: units.Minute}},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	stream, err := listener.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()

	ups, err := snmptest.NewSender(ctx, snmptest.SenderConfig{
		Address: <-address, Version: snmptest.V3, Level: snmptest.AuthNoPriv, Boots: 3, Time: 86400,
		User: snmptest.User{Name: "ups", Auth: snmptest.SHA256, AuthPassword: "a long password"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ups.Close()
	if err := ups.Trap(snmptest.Notification{
		Trap: "1.3.6.1.2.1.33.2.1", Bindings: []snmptest.Binding{{OID: "1.3.6.1.2.1.33.1.2.3.0", Value: snmptest.Integer(12)}},
	}); err != nil {
		fmt.Println(err)
		return
	}

	var batch acquire.Batch
	for len(batch.Samples) == 0 {
		if err := stream.Next(ctx, &batch); err != nil {
			fmt.Println(err)
			return
		}
	}
	for _, s := range batch.Samples {
		point, _ := catalog.Point(s.Point)
		if text, ok := batch.Text(s.Value); ok {
			fmt.Printf("%s: %s\n", point.Name, text)
			continue
		}
		fmt.Printf("%s: %v %v\n", point.Name, s.Value, point.Unit)
	}
	// Output:
	// ups: on battery
	// ups/remaining: 12 min
}
