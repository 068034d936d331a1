package snmpplant_test

import (
	"fmt"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/snmpplant"
)

// The server room over a socket: the register of the PDU, and what it stands for.
func Example() {
	p := plant.New(epoch.UnixNano())
	at := epoch.Add(time.Hour)
	mib, err := snmptest.NewMIB(snmpplant.PDU(p))
	if err != nil {
		fmt.Println(err)
		return
	}
	agent, err := snmptest.Start(snmptest.Config{MIB: mib, Now: func() time.Time { return at }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer agent.Close()
	client := &gosnmp.GoSNMP{Target: "127.0.0.1", Community: "public", Version: gosnmp.Version2c, Timeout: 5 * time.Second, MaxOids: 60}
	if _, err := fmt.Sscanf(agent.Address(), "127.0.0.1:%d", &client.Port); err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Connect(); err != nil {
		fmt.Println(err)
		return
	}
	defer client.Conn.Close()
	answer, err := client.Get([]string{"1.3.6.1.4.1.318.1.1.26.4.3.1.9.1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("on the wire, 0.1 kWh:", answer.Variables[0].Value)
	fmt.Println("in truth, Wh:        ", p.PDU().Registers(at.UnixNano()).Total)
	// Output:
	// on the wire, 0.1 kWh: 314222
	// in truth, Wh:         31422286
}
