// Package plant is a simulated plant whose truth is known in closed form.
//
// Every power is a constant plus a few sinusoids, so its integral is a formula too: a test can compare what a driver read
// and what a meter computed with what really happened, to the last watt-hour. Everything is a pure function of time, given as
// Unix nanoseconds in an int64. There is no clock, no goroutine and no protocol here; modbusplant,
// snmpplant and opcuaplant put the plant on the wire.
//
// The plant has three meters on one three-phase bus:
//
//	name     what                        total P, kW        total Q, kvar    registers
//	main     the incomer: the feeders    117, 16 to 218     72, always > 0   32 bit
//	         below and a base load
//	line     a production line, PF 0.8   81, 33 to 129      60, always > 0   64 bit
//	battery  a storage                   48·sin, 20 s       9·sin, 30 s      32 bit
//
// The battery imports in the first half of each period and exports in the second. All periods lie between 5 and 60 s.
//
// A server room beside it, on a feeder of its own, has a UPS and behind it a PDU with 24 metered outlets, some 6 kW in all. For the
// last 10 s of every minute its mains are away; the first 40 s of the next minute charge the battery again.
//
// Two machines speak OPC UA: a press line, which works for 45 s of every minute and takes 18 kW then, 3 kW else; and a chiller, which
// cools for 20 s of every 30 and takes 9.8 kW then, 0.8 kW else.
//
// # Guarantees
//
//   - Energy is counted in whole W·ns (2.8e-13 Wh) with integers. Only the sinusoids are rounded, each to half of that unit, so an
//     energy is the true integral to within 1e-11 Wh and 2e-14 of its value, however long the span and however large
//     the absolute time.
//   - The same time gives the same bits, on every call.
//   - Energy over adjoining spans adds up exactly in the integers; the float64 results round each once.
//   - Registers follow one cumulative function of time, which never falls: not even by rounding.
//   - What the battery of the UPS gives in an outage is the energy of the outlets in that time, and it is what charges it after.
//   - P and Q of main are those of line, battery and the base load together, in power and in energy.
//   - No method allocates, except Meters.
package plant
