package aggregate

// Quanta returns the integer behind e, in two's complement.
func (e Energy) Quanta() (hi, lo uint64) { return e.quanta.hi, e.quanta.lo }

// Quanta returns the integer behind e, in two's complement.
func (e ReactiveEnergy) Quanta() (hi, lo uint64) { return e.quanta.hi, e.quanta.lo }
