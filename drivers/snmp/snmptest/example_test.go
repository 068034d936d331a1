package snmptest_test

import (
	"fmt"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// A meter's register, whose agent refuses the second request.
func Example() {
	const register = "1.3.6.1.4.1.32473.1.1.0"
	mib, err := snmptest.NewMIB(snmptest.Objects{
		"1.3.6.1.2.1.1.3.0": snmptest.Uptime(),
		register:            snmptest.Counter64(482_305),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	agent, err := snmptest.Start(snmptest.Config{
		MIB:   mib,
		Fault: snmptest.Nth(2, snmptest.WithStatus(snmptest.GenErr, 1)),
	})
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
	for range 2 {
		answer, err := client.Get([]string{register})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(answer.Error, answer.Variables[0].Value)
	}
	fmt.Println("writes:", agent.Sets())
	// Output:
	// NoError 482305
	// GenErr <nil>
	// writes: 0
}
