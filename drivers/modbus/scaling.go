package modbus

import (
	"math"

	"github.com/fieldtap/fieldtap/units"
)

// maxPower is the greatest power of ten that a scale register holds, and the
// least is its negative (SunSpec Information Model Specification, type sunssf).
const maxPower = 10

// noPower is a scale register that is not implemented.
const noPower = math.MinInt16

// powersOfTen returns s × 10^n for n from -maxPower to maxPower, and false if one
// of them is no ratio of int64.
func powersOfTen(s units.Scale) (*[2*maxPower + 1]units.Scale, bool) {
	var scales [2*maxPower + 1]units.Scale
	scales[maxPower] = s.Reduce()
	for n := int64(1); n <= maxPower; n++ {
		up, upErr := scales[maxPower+n-1].Mul(units.Scale{Num: 10})
		down, downErr := scales[maxPower-n+1].Mul(units.Scale{Den: 10})
		if upErr != nil || downErr != nil {
			return nil, false
		}
		scales[maxPower+n], scales[maxPower-n] = up, down
	}
	return &scales, true
}

// notImplemented returns the raw number that SunSpec models give for the type and
// place of p in place of a value they do not have, and whether they define one.
func (p Point) notImplemented() (Sentinel, bool) {
	if p.At.table.bits() {
		return Sentinel{}, false
	}
	top := 16*p.width() - 1
	switch p.Type {
	case Int16, Int32, Int64:
		if p.Bits != (Bits{}) { // a part of a bit field
			return Sentinel{First: 1<<top | (1<<top - 1)}, true
		}
		return Sentinel{First: 1 << top}, true
	case Uint16, Uint32, Uint64, Bool:
		return Sentinel{First: 1<<top | (1<<top - 1)}, true
	case Float32, Float64, TextASCII, TextLatin1, TextUTF8: // NaN, the empty text
		return Sentinel{}, true
	}
	return Sentinel{}, false
}
