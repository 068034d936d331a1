package plant

import "math"

// second is one second of time.
const second = 1_000_000_000

// sine is amplitude·sin(2π(t+shift)/period), with times in ns. The amplitude is not negative, the shift lies in [0, period), and
// the period divides by 4, so that the quarters used below are whole.
type sine struct {
	amplitude     float64
	period, shift int64
}

// split returns the number of whole cycles and the position in the present one. It stays within integers: a float64 of today's
// Unix nanoseconds is good to 256 ns only.
func (s sine) split(t int64) (cycle, position int64) {
	cycle, position = t/s.period, t%s.period
	if position < 0 {
		cycle, position = cycle-1, position+s.period
	}
	position += s.shift
	if position >= s.period {
		cycle, position = cycle+1, position-s.period
	}
	return cycle, position
}

func (s sine) at(t int64) float64 {
	_, position := s.split(t)
	return s.amplitude * math.Sin(2*math.Pi*float64(position)/float64(s.period))
}

// hump is the integral over the positive half cycle, in amplitude·ns: amplitude·period/π.
func (s sine) hump() int64 { return int64(math.Round(s.amplitude * float64(s.period) / math.Pi)) }

// rise is the integral from the start of a cycle to the position v in its first half: hump·sin²(πv/period).
//
// It never falls as v grows, in spite of rounding. Up to the quarter, one more nanosecond raises the exact value by a share of at
// least 2/v, 1e-11 or more, while the computed one is off by a share of some 1e-15. The second quarter, where steps
// vanish and such an argument fails, is the first one mirrored in integers.
func (s sine) rise(v int64) int64 {
	if v > s.period/4 {
		return s.hump() - s.rise(s.period/2-v)
	}
	x := math.Sin(math.Pi * float64(v) / float64(s.period))
	return int64(math.Round(s.amplitude * float64(s.period) / math.Pi * (x * x)))
}

// net is the integral from the start of the cycle that t lies in; over whole cycles it is 0.
func (s sine) net(t int64) int64 {
	_, position := s.split(t)
	if position > s.period/2 {
		return s.rise(s.period - position)
	}
	return s.rise(position)
}

// parts returns the integrals of the positive and of the negative part, the latter without its sign, both from a common origin.
func (s sine) parts(t int64) (positive, negative amount) {
	cycle, position := s.split(t)
	whole := product(s.hump(), cycle)
	if position > s.period/2 {
		return whole.add(s.hump()), whole.add(s.hump() - s.rise(s.period-position))
	}
	return whole.add(s.rise(position)), whole
}

// flow is a power over time: a constant and sinusoids, in W or var. It either keeps its sign, which is positive, with a constant that
// exceeds the sum of all amplitudes by at least 1 kW; or it is a single sinusoid. Only then are import and export formulas.
//
// The kilowatt is what keeps registers from falling: the rounding of some ten sinusoids, 10 W·ns in all, is nothing against the 1000
// W·ns that the shortest step of time adds.
type flow struct {
	mean  int64
	sines []sine
}

// sum returns the flow that is all flows together.
func sum(flows ...flow) flow {
	var s flow
	for _, f := range flows {
		s.mean += f.mean
		s.sines = append(s.sines, f.sines...)
	}
	return s
}

func (f flow) at(t int64) float64 {
	p := float64(f.mean)
	for _, s := range f.sines {
		p += s.at(t)
	}
	return p
}

// swings tells whether the flow is a single sinusoid, which changes its sign.
func (f flow) swings() bool { return f.mean == 0 && len(f.sines) == 1 }

// parts returns the integrals of the imported and of the exported part, each from an origin that depends on the flow alone.
func (f flow) parts(t int64) (imported, exported amount) {
	if f.swings() {
		return f.sines[0].parts(t)
	}
	imported = product(f.mean, t)
	for _, s := range f.sines {
		imported = imported.add(s.net(t))
	}
	return imported, amount{}
}

// bound returns limits that follow from the amplitudes.
func (f flow) bound() Bound {
	b := Bound{Max: float64(f.mean)}
	for _, s := range f.sines {
		w := 2 * math.Pi / (float64(s.period) / second)
		b.Max += s.amplitude
		b.Slope += s.amplitude * w
		b.Curvature += s.amplitude * w * w
	}
	return b
}
