package parquet

// The numbers of parquet.thrift, format version 2.11
// (https://github.com/apache/parquet-format), as far as they are used.
const (
	magic = "PAR1"

	typeBoolean   = 0
	typeInt32     = 1
	typeInt64     = 2
	typeDouble    = 5
	typeByteArray = 6

	convertedUTF8   = 0
	convertedUint32 = 13
	convertedUint64 = 14
	convertedInt64  = 18

	logicalString    = 1
	logicalTimestamp = 8
	logicalInteger   = 10

	optional = 1 // of FieldRepetitionType

	encodingPlain         = 0
	encodingRLE           = 3
	encodingDelta         = 5 // DELTA_BINARY_PACKED
	encodingRLEDictionary = 8

	pageData       = 0
	pageDictionary = 2

	// tailSize is the length of what ends a file: the length of its metadata, and
	// the magic.
	tailSize = 4 + 4
)
