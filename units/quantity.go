package units

// Watts is an amount of active power. Like time.Duration it is a plain number
// with a name: sums, differences and ratios are written with the operators, and
// active power cannot meet reactive power without a conversion in sight.
type Watts float64

// Kilowatts returns p in kW.
func (p Watts) Kilowatts() float64 { return float64(p) / 1000 }

// Vars is an amount of reactive power.
type Vars float64

// Kilovars returns q in kvar.
func (q Vars) Kilovars() float64 { return float64(q) / 1000 }

// VoltAmperes is an amount of apparent power.
type VoltAmperes float64

// KilovoltAmperes returns s in kVA.
func (s VoltAmperes) KilovoltAmperes() float64 { return float64(s) / 1000 }
