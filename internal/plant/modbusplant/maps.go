package modbusplant

import "github.com/fieldtap/fieldtap/internal/plant"

// Unit ids of the meters.
const (
	MainUnit    = 1 // the incomer
	LineUnit    = 2 // the production line
	BatteryUnit = 3 // the storage
)

// Input registers of unit 1, the incomer. Types and units: see the package comment.
const (
	MainVoltage       = 0  // 3×float32, V
	MainCurrent       = 6  // 3×float32, A
	MainActive        = 12 // 3×float32, W
	MainReactive      = 18 // 3×float32, var
	MainApparent      = 24 // 3×float32, VA
	MainTotalActive   = 30 // float32, W
	MainTotalReactive = 32 // float32, var
	MainTotalApparent = 34 // float32, VA
	MainPowerFactor   = 36 // float32
	MainFrequency     = 38 // float32, Hz
	MainImport        = 40 // uint32, Wh
	MainExport        = 42 // uint32, Wh
	MainVarImport     = 44 // uint32, varh
	MainVarExport     = 46 // uint32, varh
	MainClock         = 48 // uint64, Unix ns
	MainEnd           = 52 // first address past the block
)

// Holding registers of unit 2, the production line, low word first. Types and units: see the package comment.
const (
	LineClock         = 100 // uint64, Unix ns
	LineVoltage       = 104 // 3×int32, 0.1 V
	LineCurrent       = 110 // 3×int32, 0.001 A
	LineActive        = 116 // 3×int32, 0.1 W
	LineReactive      = 122 // 3×int32, 0.1 var
	LineApparent      = 128 // 3×int32, 0.1 VA
	LineTotalActive   = 134 // int32, 0.1 W
	LineTotalReactive = 136 // int32, 0.1 var
	LineTotalApparent = 138 // int32, 0.1 VA
	LinePowerFactor   = 140 // int32, 0.0001
	LineFrequency     = 142 // int32, 0.001 Hz
	LineEnd           = 144 // first address past the block of measurands
	LineEnergyClock   = 200 // uint64, Unix ns
	LineImport        = 204 // uint64, Wh
	LineExport        = 208 // uint64, Wh
	LineVarImport     = 212 // uint64, varh
	LineVarExport     = 216 // uint64, varh
	LineEnergyEnd     = 220 // first address past the block of energies
)

// Input registers of unit 3, the storage. Types and units: see the package comment.
const (
	BatteryCurrent       = 300 // 3×float64, A
	BatteryActive        = 312 // 3×float64, W
	BatteryReactive      = 324 // 3×float64, var
	BatteryTotalActive   = 336 // float64, W
	BatteryTotalReactive = 340 // float64, var
	BatteryTotalApparent = 344 // float64, VA
	BatteryPowerFactor   = 348 // float64
	BatteryVoltage       = 352 // 3×int16, 0.1 V
	BatteryFrequency     = 355 // int16, 0.01 Hz
	BatteryImport        = 356 // uint32, Wh
	BatteryExport        = 358 // uint32, Wh
	BatteryVarImport     = 360 // uint32, varh
	BatteryVarExport     = 362 // uint32, varh
	BatteryClock         = 364 // uint64, Unix ns
	BatteryEnd           = 368 // first address past the block
)

// Discrete inputs and coils of unit 3.
const (
	BatteryBreakerClosed = 0 // discrete input
	BatteryCharging      = 1 // discrete input
	BatteryDischarging   = 2 // discrete input
	BatteryBreakerClose  = 0 // coil
	BatteryChargeEnabled = 1 // coil
)

func fillMain(r plant.Reading, n plant.Registers) block {
	b := block{start: MainVoltage}
	for i, ph := range r.Phases {
		b.float32(MainVoltage+2*i, ph.V)
		b.float32(MainCurrent+2*i, ph.I)
		b.float32(MainActive+2*i, ph.P)
		b.float32(MainReactive+2*i, ph.Q)
		b.float32(MainApparent+2*i, ph.S)
	}
	b.float32(MainTotalActive, r.P)
	b.float32(MainTotalReactive, r.Q)
	b.float32(MainTotalApparent, r.S)
	b.float32(MainPowerFactor, r.PF)
	b.float32(MainFrequency, r.Frequency)
	b.high32(MainImport, uint32(n.ImportWh))
	b.high32(MainExport, uint32(n.ExportWh))
	b.high32(MainVarImport, uint32(n.ReactiveImportVarh))
	b.high32(MainVarExport, uint32(n.ReactiveExportVarh))
	b.high64(MainClock, uint64(r.Time))
	return b
}

func fillLine(r plant.Reading, _ plant.Registers) block {
	b := block{start: LineClock}
	b.low64(LineClock, uint64(r.Time))
	for i, ph := range r.Phases {
		b.scaled32(LineVoltage+2*i, ph.V*10)
		b.scaled32(LineCurrent+2*i, ph.I*1000)
		b.scaled32(LineActive+2*i, ph.P*10)
		b.scaled32(LineReactive+2*i, ph.Q*10)
		b.scaled32(LineApparent+2*i, ph.S*10)
	}
	b.scaled32(LineTotalActive, r.P*10)
	b.scaled32(LineTotalReactive, r.Q*10)
	b.scaled32(LineTotalApparent, r.S*10)
	b.scaled32(LinePowerFactor, r.PF*10_000)
	b.scaled32(LineFrequency, r.Frequency*1000)
	return b
}

func fillLineEnergy(r plant.Reading, n plant.Registers) block {
	b := block{start: LineEnergyClock}
	b.low64(LineEnergyClock, uint64(r.Time))
	b.low64(LineImport, n.ImportWh)
	b.low64(LineExport, n.ExportWh)
	b.low64(LineVarImport, n.ReactiveImportVarh)
	b.low64(LineVarExport, n.ReactiveExportVarh)
	return b
}

func fillBattery(r plant.Reading, n plant.Registers) block {
	b := block{start: BatteryCurrent}
	for i, ph := range r.Phases {
		b.float64(BatteryCurrent+4*i, ph.I)
		b.float64(BatteryActive+4*i, ph.P)
		b.float64(BatteryReactive+4*i, ph.Q)
		b.scaled16(BatteryVoltage+i, ph.V*10)
	}
	b.float64(BatteryTotalActive, r.P)
	b.float64(BatteryTotalReactive, r.Q)
	b.float64(BatteryTotalApparent, r.S)
	b.float64(BatteryPowerFactor, r.PF)
	b.scaled16(BatteryFrequency, r.Frequency*100)
	b.high32(BatteryImport, uint32(n.ImportWh))
	b.high32(BatteryExport, uint32(n.ExportWh))
	b.high32(BatteryVarImport, uint32(n.ReactiveImportVarh))
	b.high32(BatteryVarExport, uint32(n.ReactiveExportVarh))
	b.high64(BatteryClock, uint64(r.Time))
	return b
}

func batteryInputs(r plant.Reading) (b bits) {
	b.count = BatteryDischarging + 1
	b.on[BatteryBreakerClosed], b.on[BatteryCharging], b.on[BatteryDischarging] = true, r.P > 0, r.P < 0
	return b
}

func batteryCoils(plant.Reading) (b bits) {
	b.count = BatteryChargeEnabled + 1
	b.on[BatteryBreakerClose], b.on[BatteryChargeEnabled] = true, true
	return b
}
