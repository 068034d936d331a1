package aggregate

// Carries reports whether the account that Active chooses, and the one that
// Reactive chooses, hold energy that is Carried: known in amount, but in part of
// another time than this interval. Such an account makes no demand.
func (iv *Interval) Carries() (active, reactive bool) {
	_, basis := iv.Active()
	active = basis == FromRegisters && iv.carried.has(importRegister|exportRegister)
	_, basis = iv.Reactive()
	reactive = basis == FromRegisters && iv.carried.has(reactiveImportRegister|reactiveExportRegister)
	return active, reactive
}
