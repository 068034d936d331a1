package acquire

// Sample is one reading of one point: 32 bytes, no pointers, freely copied.
//
// A failed reading is a sample too: its Value is none and its Quality says why.
// The zero value is a Bad sample of no point at an unknown time.
type Sample struct {
	Time    Instant // when the device measured; see SourceTime for whose clock says so
	Value   Value   // in the unit of the point; none if the reading failed
	Point   PointID // which point, in the Catalog the source was made with
	Quality Quality // how far to trust Value, and why
}
