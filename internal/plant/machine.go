package plant

// The press works for 45 s of every minute, a stroke each 1.5 s, and is set up in between. Strokes are whole in that time, so that
// their sinusoid adds nothing to the energy of a minute.
const (
	pressPeriod = 60 * second
	pressWork   = 45 * second
	pressStroke = 3 * second / 2

	pressIdle    = 3_000  // W, always
	pressMean    = 15_000 // W on top, at work
	pressSwing   = 12_000 // W, amplitude of the strokes
	pressInitial = 61_204_118
)

// The chiller cools for 20 s of every 30.
const (
	chillerPeriod  = 30 * second
	chillerCooling = 20 * second

	chillerFans       = 800   // W, always
	chillerCompressor = 9_000 // W on top, while it cools
	chillerInitial    = 23_877_540
)

// PressState is what the press does.
type PressState int32

// The states of the press.
const (
	PressStopped PressState = iota // never seen
	PressSetup
	PressWorking
)

// Press is a press line. It never changes and is safe for concurrent use. Obtain one from [Plant.Press].
type Press struct{ epoch int64 }

// PressReading is what the press tells at one instant.
type PressReading struct {
	Time        int64      // Unix ns
	State       PressState // at work, or set up
	P           float64    // active power, W
	EnergyWh    uint64     // register, Wh
	Strokes     uint64     // since 1970
	Temperature float64    // of the oil, °C
}

// At returns what the press tells at time t, in Unix nanoseconds.
func (m *Press) At(t int64) PressReading {
	cycle, position := sine{period: pressPeriod}.split(t)
	r := PressReading{
		Time: t, State: PressSetup, P: pressIdle, EnergyWh: pressInitial + uint64(pressed(t).minus(pressed(m.epoch)).hours),
		Strokes:     uint64(cycle*(pressWork/pressStroke) + min(position, pressWork)/pressStroke),
		Temperature: 48 + sine{6, pressPeriod, 10 * second}.at(t),
	}
	if position < pressWork {
		r.State = PressWorking
		r.P += pressMean + sine{pressSwing, pressStroke, 0}.at(position)
	}
	return r
}

// Energy returns what the press takes from t0 to t1, in Wh.
func (m *Press) Energy(t0, t1 int64) float64 { return pressed(t1).minus(pressed(t0)).float() }

// pressed is the energy from an origin that does not matter.
func pressed(t int64) amount {
	cycle, position := sine{period: pressPeriod}.split(t)
	a := product(pressIdle, t).plus(product(pressMean, cycle*pressWork+min(position, pressWork)))
	if position < pressWork {
		a = a.add(sine{pressSwing, pressStroke, 0}.net(position))
	}
	return a
}

// Chiller cools the water of the plant. It never changes and is safe for concurrent use. Obtain one from [Plant.Chiller].
type Chiller struct{ epoch int64 }

// ChillerReading is what the chiller tells at one instant.
type ChillerReading struct {
	Time     int64   // Unix ns
	Cooling  bool    // the compressor runs
	P        float64 // active power, W
	EnergyWh uint64  // register, Wh
	Supply   float64 // temperature of the water it gives, °C
	Return   float64 // temperature of the water it gets, °C
	Flow     float64 // of the water, m³/h
}

// At returns what the chiller tells at time t, in Unix nanoseconds. The water it gives falls from 7 to 5 °C while it cools, and rises
// again.
func (c *Chiller) At(t int64) ChillerReading {
	_, position := sine{period: chillerPeriod}.split(t)
	r := ChillerReading{
		Time: t, P: chillerFans, EnergyWh: chillerInitial + uint64(chilled(t).minus(chilled(c.epoch)).hours),
		Return: 12 + sine{0.5, 41_000_000_000, 0}.at(t), Flow: 2.5,
	}
	if r.Cooling = position < chillerCooling; r.Cooling {
		r.P += chillerCompressor
		r.Supply = 7 - 2*float64(position)/chillerCooling
	} else {
		r.Supply = 5 + 2*float64(position-chillerCooling)/(chillerPeriod-chillerCooling)
	}
	return r
}

// Energy returns what the chiller takes from t0 to t1, in Wh.
func (c *Chiller) Energy(t0, t1 int64) float64 { return chilled(t1).minus(chilled(t0)).float() }

// chilled is the energy from an origin that does not matter.
func chilled(t int64) amount {
	cycle, position := sine{period: chillerPeriod}.split(t)
	return product(chillerFans, t).plus(product(chillerCompressor, cycle*chillerCooling+min(position, chillerCooling)))
}
