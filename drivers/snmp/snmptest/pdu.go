package snmptest

import "github.com/fieldtap/fieldtap/internal/snmpwire"

// Error-status of RFC 3416, section 3. Version 1 knows the first six (RFC 1157, section 4.1.1).
const (
	NoError             = 0
	TooBig              = 1
	NoSuchName          = 2
	BadValue            = 3
	ReadOnly            = 4
	GenErr              = 5
	NoAccess            = 6
	WrongType           = 7
	WrongLength         = 8
	WrongEncoding       = 9
	WrongValue          = 10
	NoCreation          = 11
	InconsistentValue   = 12
	ResourceUnavailable = 13
	CommitFailed        = 14
	UndoFailed          = 15
	AuthorizationError  = 16
	NotWritable         = 17
	InconsistentName    = 18
)

// respond returns the response to a request, its bindings appended to dst. Room is how many octets of bindings fit into the
// message. It is an error if the bindings of the request are malformed.
func respond(w *view, p *snmpwire.PDU, dst []byte, room int) (snmpwire.PDU, error) {
	if err := wellFormed(p.Bindings); err != nil {
		return snmpwire.PDU{}, err
	}
	r := snmpwire.PDU{Type: snmpwire.Response, RequestID: p.RequestID}
	switch p.Type {
	case snmpwire.ReadRequest, snmpwire.NextRequest:
		r.Bindings, r.ErrorStatus, r.ErrorIndex = lookUp(w, p, dst)
		if r.ErrorStatus == NoError && len(r.Bindings)-len(dst) > room {
			r.ErrorStatus, r.ErrorIndex = TooBig, 0
		}
	case snmpwire.BulkRequest:
		if w.narrow {
			r.ErrorStatus = GenErr // version 1 has no such request
			break
		}
		r.Bindings = bulk(w, p, dst, room)
	default: // a SetRequest
		r.ErrorStatus, r.ErrorIndex = NoAccess, 1
		if w.narrow {
			r.ErrorStatus = ReadOnly
		}
	}
	switch {
	case r.ErrorStatus == NoError:
	case r.ErrorStatus == TooBig && !w.narrow:
		r.Bindings = dst // RFC 3416, section 4.2.1: an alternate response without bindings
	default:
		r.Bindings = append(dst, p.Bindings...)
	}
	r.Bindings = r.Bindings[len(dst):]
	return r, nil
}

func wellFormed(list []byte) error {
	for len(list) > 0 {
		var err error
		if _, list, err = snmpwire.NextBinding(list); err != nil {
			return err
		}
	}
	return nil
}

// lookUp answers a GetRequest (RFC 3416, section 4.2.1) or a GetNextRequest (4.2.2). In version 1 the first name that is
// not there fails all (RFC 1157, sections 4.1.2 and 4.1.3).
func lookUp(w *view, p *snmpwire.PDU, dst []byte) (bindings []byte, status, index int32) {
	for list := p.Bindings; len(list) > 0; {
		b, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return dst, GenErr, index
		}
		list = rest
		index++
		var ok bool
		if p.Type == snmpwire.ReadRequest {
			dst, ok = w.get(dst, b.Name)
		} else {
			at := w.place(b.Name)
			dst, ok = w.next(dst, &at)
		}
		if !ok && w.narrow {
			return dst, NoSuchName, index
		}
	}
	return dst, NoError, 0
}

// bulk answers a GetBulkRequest (RFC 3416, section 4.2.3). What does not fit is cut off at the end, and repetitions end after the
// first that is nothing but the end of the view.
func bulk(w *view, p *snmpwire.PDU, dst []byte, room int) []byte {
	limit := len(dst) + room
	list := p.Bindings
	for range p.ErrorStatus { // non-repeaters
		if len(list) == 0 {
			return dst
		}
		b, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return dst
		}
		list = rest
		was, at := len(dst), w.place(b.Name)
		if dst, _ = w.next(dst, &at); len(dst) > limit {
			return dst[:was]
		}
	}
	var places []place
	for len(list) > 0 {
		b, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return dst
		}
		list = rest
		places = append(places, w.place(b.Name))
	}
	if len(places) == 0 {
		return dst
	}
	for range p.ErrorIndex { // max-repetitions
		more := false
		for i := range places {
			was := len(dst)
			var ok bool
			if dst, ok = w.next(dst, &places[i]); len(dst) > limit {
				return dst[:was]
			}
			more = more || ok
		}
		if !more {
			return dst
		}
	}
	return dst
}
