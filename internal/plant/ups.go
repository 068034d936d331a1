package plant

// The life of the UPS repeats every minute: 50 s on the mains, in the first 40 s of which the battery is charged, then 10 s without.
const (
	upsPeriod    = 60 * second
	upsRecharged = 40 * second
	upsOutage    = 50 * second

	upsCapacity = 200.0 // of the battery, Wh
	upsLoss     = 60.0  // of each phase, W
)

// UPS is the uninterruptible power supply of the server room. The [PDU] is its load. It never changes and is safe for
// concurrent use. Obtain one from [Plant.UPS].
type UPS struct{ load *PDU }

// UPSReading is what the UPS tells at one instant.
type UPSReading struct {
	Time      int64     // Unix ns
	OnBattery bool      // the mains are away
	Outage    float64   // seconds on battery, 0 on the mains
	Outages   int64     // since 1970, the present one included
	Input     [3]Branch // L1 to L3: nothing while on battery, else the output, the losses and what charges the battery
	Output    [3]Branch // L1 to L3

	InputFrequency  float64 // Hz, 0 while on battery
	OutputFrequency float64 // Hz

	Charge      float64 // of the battery, 0 to 1
	Stored      float64 // in it, Wh
	Remaining   float64 // seconds that it lasts at the present output
	Voltage     float64 // of the battery, V
	Current     float64 // out of the battery, A; negative while it is charged
	Temperature float64 // of the battery, °C
}

// Capacity returns the energy of the full battery, in Wh.
func (*UPS) Capacity() float64 { return upsCapacity }

// At returns what the UPS tells at time t, in Unix nanoseconds. The battery has no losses: it gives back in an outage what it took
// before, and while it is charged it takes a constant power.
func (u *UPS) At(t int64) UPSReading {
	cycle, position := sine{period: upsPeriod}.split(t)
	start := t - position
	r := UPSReading{Time: t, Outages: cycle, OutputFrequency: 50}
	var flowing, output float64 // out of the battery, out of the UPS; W
	for i := range r.Output {
		r.Output[i] = u.load.Phase(i, t)
		output += r.Output[i].P
	}
	if r.OnBattery = position >= upsOutage; r.OnBattery {
		r.Outages++
		r.Outage = float64(position-upsOutage) / second
		r.Stored = upsCapacity - u.load.Energy(start+upsOutage, t)
		flowing = output
	} else {
		missing := u.load.Energy(start-upsPeriod+upsOutage, start)
		r.Stored = upsCapacity
		if position < upsRecharged {
			r.Stored -= missing * float64(upsRecharged-position) / upsRecharged
			flowing = -missing * hour / upsRecharged
		}
		r.InputFrequency = frequency(t)
		for i := range r.Input {
			r.Input[i] = branch(r.Output[i].P+upsLoss-flowing/3, voltage(i, t))
		}
	}
	r.Charge = r.Stored / upsCapacity
	r.Remaining = r.Stored * hour / second / output
	r.Voltage = 196 + 20*r.Charge
	r.Current = flowing / r.Voltage
	r.Temperature = 25 + sine{2, 59 * second, 0}.at(t)
	return r
}
