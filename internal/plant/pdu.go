package plant

// Outlets is how many outlets the PDU has: eight a phase, 1 to 8 on L1, 9 to 16 on L2, 17 to 24 on L3.
const Outlets = 24

const outletsPerPhase = Outlets / 3

// outletFactor is the power factor of all that is plugged in.
const outletFactor = 0.95

// PDU is the power distribution unit of the server room, which meters each outlet. It never changes and is safe for concurrent
// use. Obtain one from [Plant.PDU].
type PDU struct {
	outlets [Outlets]flow
	phases  [3]flow
	initial PDURegisters
	origin  [Outlets]amount // at the epoch
}

// Branch is what an outlet, or a phase of a single device, carries at one instant.
type Branch struct {
	V float64 // volts against neutral
	I float64 // amperes
	P float64 // watts, never negative
}

// PDURegisters are the counters of the PDU, in whole Wh, rounded down. The total counts by itself: it is not the sum of what the
// outlets show.
type PDURegisters struct {
	Total   uint64          // of all outlets
	Outlets [Outlets]uint64 // of each, from outlet 1 on
}

func newPDU(epoch int64) *PDU {
	d := &PDU{initial: PDURegisters{Total: 31_415_926}}
	for i := range d.outlets {
		// The mean exceeds the amplitudes by 90 W or more. With two sinusoids, the rounding of which is 2 W·ns, the
		// registers do not fall: see flow.
		n := int64(i)
		fast := [...]int64{7, 11, 13, 17, 19}[i%5]
		slow := [...]int64{31, 37, 41}[i%3]
		d.outlets[i] = flow{150 + n*7%Outlets*10, []sine{
			{float64(20 + n%5*5), fast * second, n % 7 * second / 2},
			{15, slow * second, n * second},
		}}
		imported, _ := d.outlets[i].parts(epoch)
		d.origin[i] = imported
		d.initial.Outlets[i] = uint64(1_000_000 + n*12_345)
	}
	for i := range d.phases {
		d.phases[i] = sum(d.outlets[i*outletsPerPhase : (i+1)*outletsPerPhase]...)
	}
	return d
}

// Outlet returns what the outlet at index i, from 0, carries at time t, in Unix nanoseconds. With an index that is none it
// returns nothing at all.
func (d *PDU) Outlet(i int, t int64) Branch {
	if i < 0 || i >= Outlets {
		return Branch{}
	}
	return branch(d.outlets[i].at(t), regulated(t))
}

// Phase returns what the phase at index i, from 0, carries at time t, in Unix nanoseconds.
func (d *PDU) Phase(i int, t int64) Branch {
	if i < 0 || i >= len(d.phases) {
		return Branch{}
	}
	return branch(d.phases[i].at(t), regulated(t))
}

func branch(p, v float64) Branch { return Branch{V: v, I: p / outletFactor / v, P: p} }

// Power returns the power of all outlets at time t, in Unix nanoseconds, in W.
func (d *PDU) Power(t int64) float64 {
	p := 0.0
	for _, f := range d.phases {
		p += f.at(t)
	}
	return p
}

// Energy returns the energy of all outlets from t0 to t1, in Unix nanoseconds, in Wh. If t1 is before t0 it is negative.
func (d *PDU) Energy(t0, t1 int64) float64 {
	var e amount
	for i := range d.outlets {
		e = e.plus(d.cumulated(i, t1).minus(d.cumulated(i, t0)))
	}
	return e.float()
}

// OutletEnergy returns the energy of the outlet at index i, from 0, from t0 to t1, in Unix nanoseconds, in Wh.
func (d *PDU) OutletEnergy(i int, t0, t1 int64) float64 {
	if i < 0 || i >= Outlets {
		return 0
	}
	return d.cumulated(i, t1).minus(d.cumulated(i, t0)).float()
}

// cumulated is the energy of an outlet, from an origin of its own.
func (d *PDU) cumulated(i int, t int64) amount {
	imported, _ := d.outlets[i].parts(t)
	return imported
}

// Registers returns what the counters read at time t, in Unix nanoseconds. As t grows none falls.
func (d *PDU) Registers(t int64) PDURegisters {
	r := d.initial
	var total amount
	for i := range d.outlets {
		e := d.cumulated(i, t).minus(d.origin[i])
		r.Outlets[i] += uint64(e.hours)
		total = total.plus(e)
	}
	r.Total += uint64(total.hours)
	return r
}

// regulated is the voltage behind the UPS, the same in all phases.
func regulated(t int64) float64 { return 230 + sine{0.3, 9 * second, 0}.at(t) }

// Bound returns limits of the power of all outlets and of how it changes.
func (d *PDU) Bound() Bound {
	var b Bound
	for _, f := range d.phases {
		b = b.plus(f.bound())
	}
	return b
}
