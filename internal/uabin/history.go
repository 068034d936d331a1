package uabin

// PastEvents returns the events of a HistoryEvent, each read by Fields.
func (o ExtensionObject) PastEvents() (List, error) {
	r := NewReader(o.Body)
	l := r.list(r.Count(4), func(r *Reader) { r.Fields() })
	return l, r.End()
}

// Fields reads a HistoryEventFieldList: the fields of one event in the order of the
// select clauses, each read by Variant.
func (r *Reader) Fields() List {
	return r.list(r.Count(1), func(r *Reader) { r.Variant() })
}
