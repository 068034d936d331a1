package units

// ReadEntitySensor reads the unit of an ENTITY-SENSOR-MIB sensor (RFC 3433) from
// its entPhySensorType, entPhySensorScale and entPhySensorPrecision. A sensor
// value times the scale is in the unit.
//
// The scale object is an index, 9 standing for units; a precision from 1 to 9 is
// the number of digits after the decimal point, while one from -8 to -1 says how
// many digits are accurate and leaves the scale alone. Scales 14 and 15 are
// ambiguous: the RFC puts the names exa and peta on each other's powers of ten.
func ReadEntitySensor(sensorType, scale, precision int) Stated {
	const d = DialectEntitySensor
	if sensorType < 1 || sensorType >= len(sensorTypes) || sensorTypes[sensorType] == None {
		v := Unknown
		if sensorType == truthValue {
			v = NotAUnit
		}
		return Stated{Dialect: d, Verdict: v}
	}
	switch {
	case scale < 1 || scale > 17 || precision < -8 || precision > 9:
		return Stated{Dialect: d, Verdict: Malformed}
	case scale == 14 || scale == 15:
		return Stated{Dialect: d, Verdict: Ambiguous}
	}
	ten, ok := tenTo(3*(scale-9) - max(precision, 0))
	if !ok {
		return Stated{Dialect: d, Verdict: OutOfRange}
	}
	return understood(d, "", sensorTypes[sensorType], ten)
}

// truthValue is the sensor type of a boolean.
const truthValue = 12

// sensorTypes is EntitySensorDataType of RFC 3433; 1 is other, 2 unknown.
var sensorTypes = [...]Unit{
	3:          Volt, // AC
	4:          Volt, // DC
	5:          Ampere,
	6:          Watt,
	7:          Hertz,
	8:          DegreeCelsius,
	9:          PercentRelativeHumidity,
	10:         RevolutionPerMinute,
	11:         CubicMetrePerMinute,
	truthValue: None,
}
