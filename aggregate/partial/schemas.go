package partial

// The schemas of the two topics, as JSON Schema.
const (
	intervalSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"fieldtap.Interval","type":"object",` +
		`"required":["meter","start","end"],"properties":{` +
		`"meter":{"type":"string"},"start":{"type":"integer"},"end":{"type":"integer"},` +
		`"channels":{"type":"array","items":{"type":"string"}},"carried":{"type":"array","items":{"type":"string"}},` +
		`"flags":{"type":"array","items":{"type":"string"}},"revision":{"type":"integer"},` +
		`"power":{"$ref":"#/$defs/account"},"registers":{"$ref":"#/$defs/account"},` +
		`"reactive_power":{"$ref":"#/$defs/account"},"reactive_registers":{"$ref":"#/$defs/account"}},` +
		`"$defs":{"account":{"type":"object","required":["import","export","good","uncertain","missing"],"properties":{` +
		`"import_kwh":{"type":"number"},"export_kwh":{"type":"number"},"import_kvarh":{"type":"number"},"export_kvarh":{"type":"number"},` +
		`"import":{"type":"string"},"export":{"type":"string"},` +
		`"good":{"type":"integer"},"uncertain":{"type":"integer"},"missing":{"type":"integer"}}}}}`

	partialSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"fieldtap.Partial","type":"object",` +
		`"required":["series","from","to","first","last","state"],"properties":{` +
		`"series":{"type":"string"},"from":{"type":"integer"},"to":{"type":"integer"},` +
		`"first":{"type":"integer"},"last":{"type":"integer"},"state":{"type":"string","contentEncoding":"base64"}}}`
)
