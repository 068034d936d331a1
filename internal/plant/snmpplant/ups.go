package snmpplant

import (
	"math"
	"time"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
)

// upsObjects is upsObjects of RFC 1628, section 4.
const upsObjects = "1.3.6.1.2.1.33.1."

// Ratings of the UPS.
const (
	ratedVA = 10_000
	ratedW  = 9_000
)

// UPS returns the objects of the plant's UPS.
func UPS(p *plant.Plant) snmptest.Objects {
	u := p.UPS()
	// of makes an object of what the UPS tells.
	of := func(read func(plant.UPSReading) snmptest.Value) snmptest.Object {
		return snmptest.Func(func(c snmptest.Clock) snmptest.Value { return read(u.At(c.Now.UnixNano())) })
	}
	counts := func(read func(plant.UPSReading) float64) snmptest.Object {
		return of(func(r plant.UPSReading) snmptest.Value { return rounded(read(r)) })
	}
	o := system("simulated UPS", "1.3.6.1.2.1.33", "ups")
	add := func(suffix string, object snmptest.Object) { o[upsObjects+suffix] = object }

	add("1.1.0", snmptest.Text("fieldtap"))
	add("1.2.0", snmptest.Text("closed formula 10k"))
	add("1.3.0", snmptest.Text("1"))
	add("1.4.0", snmptest.Text("1"))
	add("1.5.0", snmptest.Text("server room"))

	add("2.1.0", snmptest.Integer(2)) // batteryNormal
	add("2.2.0", of(func(r plant.UPSReading) snmptest.Value { return snmptest.Integer(int32(r.Outage)) }))
	add("2.3.0", counts(func(r plant.UPSReading) float64 { return math.Max(1, r.Remaining/60) })) // a PositiveInteger
	add("2.4.0", counts(func(r plant.UPSReading) float64 { return r.Charge * 100 }))
	add("2.5.0", counts(func(r plant.UPSReading) float64 { return r.Voltage * 10 }))
	add("2.6.0", counts(func(r plant.UPSReading) float64 { return r.Current * 10 }))
	add("2.7.0", counts(func(r plant.UPSReading) float64 { return r.Temperature }))

	epoch := u.At(p.Epoch()).Outages
	add("3.1.0", of(func(r plant.UPSReading) snmptest.Value { return snmptest.Counter32(uint32(r.Outages - epoch)) }))
	add("3.2.0", snmptest.Integer(3))
	add("4.1.0", of(func(r plant.UPSReading) snmptest.Value {
		if r.OnBattery {
			return snmptest.Integer(5) // battery
		}
		return snmptest.Integer(3) // normal
	}))
	add("4.2.0", counts(func(r plant.UPSReading) float64 { return r.OutputFrequency * 10 }))
	add("4.3.0", snmptest.Integer(3))
	for i, index := range []string{"1", "2", "3"} {
		o.Row(upsObjects+"3.3.1", index, map[uint32]snmptest.Object{ // without upsInputLineIndex, which cannot be read
			2: counts(func(r plant.UPSReading) float64 { return r.InputFrequency * 10 }),
			3: counts(func(r plant.UPSReading) float64 { return r.Input[i].V }),
			4: counts(func(r plant.UPSReading) float64 { return r.Input[i].I * 10 }),
			5: counts(func(r plant.UPSReading) float64 { return r.Input[i].P }),
		})
		o.Row(upsObjects+"4.4.1", index, map[uint32]snmptest.Object{
			2: counts(func(r plant.UPSReading) float64 { return r.Output[i].V }),
			3: counts(func(r plant.UPSReading) float64 { return r.Output[i].I * 10 }),
			4: counts(func(r plant.UPSReading) float64 { return r.Output[i].P }),
			5: counts(func(r plant.UPSReading) float64 { return r.Output[i].P * 100 / (ratedW / 3) }),
		})
	}

	add("6.1.0", of(func(r plant.UPSReading) snmptest.Value {
		if r.OnBattery {
			return snmptest.Gauge32(1)
		}
		return snmptest.Gauge32(0)
	}))
	o.Row(upsObjects+"6.2.1", "1", map[uint32]snmptest.Object{ // without upsAlarmId, which cannot be read
		2: of(func(r plant.UPSReading) snmptest.Value {
			if !r.OnBattery {
				return snmptest.Value{}
			}
			return snmptest.ObjectID(upsObjects + "6.3.2") // upsAlarmOnBattery
		}),
		3: snmptest.Func(func(c snmptest.Clock) snmptest.Value { // sysUpTime when it began, 0 if that was before the agent did
			r := u.At(c.Now.UnixNano())
			if !r.OnBattery {
				return snmptest.Value{}
			}
			since := c.Up - time.Duration(r.Outage*float64(time.Second))
			return snmptest.TimeTicks(uint32(max(since, 0) / (10 * time.Millisecond)))
		}),
	})

	add("9.1.0", snmptest.Integer(230))
	add("9.2.0", snmptest.Integer(500))
	add("9.3.0", snmptest.Integer(230))
	add("9.4.0", snmptest.Integer(500))
	add("9.5.0", snmptest.Integer(ratedVA))
	add("9.6.0", snmptest.Integer(ratedW))
	add("9.7.0", snmptest.Integer(1)) // low battery time, minutes
	return o
}

// system is the system group of SNMPv2-MIB (RFC 3418).
func system(what, objectID, name string) snmptest.Objects {
	return snmptest.Objects{
		"1.3.6.1.2.1.1.1.0": snmptest.Text(what),
		"1.3.6.1.2.1.1.2.0": snmptest.ObjectID(objectID),
		"1.3.6.1.2.1.1.3.0": snmptest.Uptime(),
		"1.3.6.1.2.1.1.4.0": snmptest.Text(""),
		"1.3.6.1.2.1.1.5.0": snmptest.Text(name),
		"1.3.6.1.2.1.1.6.0": snmptest.Text("server room"),
		"1.3.6.1.2.1.1.7.0": snmptest.Integer(72), // transport and application
	}
}

// rounded is a number of counts. Those of the plant are far from the ends of the type.
func rounded(counts float64) snmptest.Value { return snmptest.Integer(int32(math.Round(counts))) }
