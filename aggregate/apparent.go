package aggregate

import "strconv"

// ApparentMethod says how apparent energy is made from what an interval holds.
// The methods give different numbers for the same load, and a contract names one.
//
// All are vector sums √(Wh²+varh²) of the interval's energies. The integral of
// measured apparent power, and a meter's own kVAh register, are other quantities:
// where the load changes or is unbalanced they are larger. They need a channel of
// their own and are never made up from these.
type ApparentMethod uint8

// The methods. There is no default: the zero value gives no apparent energy.
const (
	// NetVector is the vector sum of net active and net reactive energy.
	NetVector ApparentMethod = 1 + iota
	// ImportVector is the vector sum of active import and reactive import, as a
	// meter with detents counts. What leads, or flows back, is not in it.
	ImportVector
	// ExportVector is the vector sum of active export and reactive export.
	ExportVector
	// GrossVector is the vector sum of net active energy and of reactive import and
	// export together, with no offset of one by the other.
	GrossVector
)

// String returns the method in words, such as "net vector".
func (m ApparentMethod) String() string {
	switch m {
	case NetVector:
		return "net vector"
	case ImportVector:
		return "import vector"
	case ExportVector:
		return "export vector"
	case GrossVector:
		return "gross vector"
	}
	return "method " + strconv.Itoa(int(m))
}

// Vector returns √(active²+reactive²), exact to the nearest quantum.
func Vector(active Energy, reactive ReactiveEnergy) ApparentEnergy {
	return ApparentEnergy{active.quanta.abs().squared().plus(reactive.quanta.abs().squared()).root()}
}

// Apparent returns the apparent energy of the accounts by the method m, without
// regard to their coverage. It reports false for no method.
func (m ApparentMethod) Apparent(active Account, reactive ReactiveAccount) (ApparentEnergy, bool) {
	switch m {
	case NetVector:
		return Vector(active.Net(), reactive.Net()), true
	case ImportVector:
		return Vector(active.Import, reactive.Import), true
	case ExportVector:
		return Vector(active.Export, reactive.Export), true
	case GrossVector:
		return Vector(active.Net(), reactive.Import.Add(reactive.Export)), true
	}
	return ApparentEnergy{}, false
}

// Apparent returns the apparent energy of the interval by the method m, from the
// accounts that Active and Reactive choose. It reports false where an account is
// absent, does not cover the whole interval or holds energy that is Carried, and
// for no method.
func (iv *Interval) Apparent(m ApparentMethod) (ApparentEnergy, bool) {
	active, reactive, ok := iv.complete()
	if !ok {
		return ApparentEnergy{}, false
	}
	return m.Apparent(active, reactive)
}
