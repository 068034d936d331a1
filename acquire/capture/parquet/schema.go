package parquet

// The columns, in their order in the file.
const (
	colTime = iota
	colPoint
	colValue
	colUnit
	colQuality
	colInt64
	colUint64
	colBool
	colText
	colSource
	colReason
	colStatus
	colReceived
	colBatch
	colWatermark
	colLost
	colSet
	colEvent
	colBytes
	columns
)

// column says how a column is stored. All are optional and flat.
type column struct {
	name     string
	physical int32
	logical  int16 // 0: none
	encoding int32 // of the data pages
}

var schema = [columns]column{
	colTime:      {"time", typeInt64, logicalTimestamp, encodingDelta},
	colPoint:     {"point", typeByteArray, logicalString, encodingRLEDictionary},
	colValue:     {"value", typeDouble, 0, encodingPlain},
	colUnit:      {"unit", typeByteArray, logicalString, encodingRLEDictionary},
	colQuality:   {"quality", typeByteArray, logicalString, encodingRLEDictionary},
	colInt64:     {"int64", typeInt64, logicalInteger, encodingPlain},
	colUint64:    {"uint64", typeInt64, logicalInteger, encodingPlain},
	colBool:      {"bool", typeBoolean, 0, encodingPlain},
	colText:      {"text", typeByteArray, logicalString, encodingPlain},
	colSource:    {"source", typeByteArray, logicalString, encodingRLEDictionary},
	colReason:    {"reason", typeByteArray, logicalString, encodingRLEDictionary},
	colStatus:    {"status", typeInt32, logicalInteger, encodingRLEDictionary},
	colReceived:  {"received", typeInt64, logicalTimestamp, encodingDelta},
	colBatch:     {"batch", typeInt64, logicalInteger, encodingDelta},
	colWatermark: {"watermark", typeInt64, logicalTimestamp, encodingDelta},
	colLost:      {"lost", typeInt64, logicalInteger, encodingPlain},
	colSet:       {"set", typeInt64, logicalInteger, encodingPlain},
	colEvent:     {"event", typeByteArray, logicalString, encodingRLEDictionary},
	colBytes:     {"bytes", typeByteArray, 0, encodingPlain},
}

// unsigned reports whether the integers of a column are.
func unsigned(c int) bool { return c == colUint64 || c == colStatus || c == colLost }

// appendSchema appends the list of schema elements, with the head of its field.
func appendSchema(w *thriftWriter) {
	w.list(2, thriftStruct, 1+columns)
	w.begin()
	w.text(4, "fieldtap")
	w.int32(5, columns)
	w.end()
	for c := range schema {
		col := &schema[c]
		w.begin()
		w.int32(1, col.physical)
		w.int32(3, optional)
		w.text(4, col.name)
		switch col.logical {
		case logicalString:
			w.int32(6, convertedUTF8)
			w.structure(10)
			w.structure(logicalString)
			w.end()
			w.end()
		case logicalTimestamp:
			w.structure(10)
			w.structure(logicalTimestamp)
			w.bool(1, false) // see the package comment
			w.structure(2)
			w.structure(3) // nanoseconds
			w.end()
			w.end()
			w.end()
			w.end()
		case logicalInteger:
			converted, width := int32(convertedInt64), byte(64)
			switch {
			case col.physical == typeInt32:
				converted, width = convertedUint32, 32
			case unsigned(c):
				converted = convertedUint64
			}
			w.int32(6, converted)
			w.structure(10)
			w.structure(logicalInteger)
			w.field(1, thriftByte)
			w.b = append(w.b, width)
			w.bool(2, !unsigned(c))
			w.end()
			w.end()
		}
		w.end()
	}
}
