// Package opcuaplant puts the machines of the simulated plant on OPC UA, as a server of opcuatest would serve them.
//
// They are below the Objects folder, in the namespace urn:fieldtap:plant, which has index 2:
//
//	Press              a folder
//	Press.Power        Double   W        active power
//	Press.Energy       UInt64   W·h      register
//	Press.Strokes      UInt64            count
//	Press.Temperature  Float    °C       of the oil
//	Press.State        PressState        Stopped, Setup, Working
//	Chiller            a folder
//	Chiller.Power      Double   kW       active power
//	Chiller.Energy     Double   kW·h     register
//	Chiller.Supply     Float    °C       temperature of the water
//	Chiller.Return     Float    °C       temperature of the water
//	Chiller.Flow       Float    m³/h     of the water
//	Chiller.Cooling    Boolean           the compressor runs
//
// Node ids are these names, such as "ns=2;s=Press.Power". What has a unit has EngineeringUnits by its UNECE code and an EURange.
//
// # Guarantees
//
//   - Values are those of the plant at instants 100 ms apart, which are their source timestamps.
//   - Powers and registers can be read as history, with the same values as were told.
package opcuaplant
