package snmpplant

import (
	"time"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
)

// OnBattery returns upsTrapOnBattery of RFC 1628, which a UPS sends when its mains go away and each minute from then on, as at time
// t, in Unix nanoseconds, by an agent that has been up for that long.
func OnBattery(p *plant.Plant, t int64, up time.Duration) snmptest.Notification {
	o := UPS(p)
	c := snmptest.Clock{Now: time.Unix(0, t), Up: up}
	n := snmptest.Notification{Trap: "1.3.6.1.2.1.33.2.1", Uptime: up}
	for _, suffix := range []string{"2.3.0", "2.2.0", "9.7.0"} { // minutes remaining, seconds on battery, low battery time
		n.Bindings = append(n.Bindings, snmptest.Binding{OID: upsObjects + suffix, Value: o[upsObjects+suffix].Read(c)})
	}
	return n
}
