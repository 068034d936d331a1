package capture

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// pointsRecord is the name of the Metadata records that describe points: a map
// from their ids in the file, in decimal, to descriptions in JSON. Its last
// entry is the CRC-32 of the entries before it, in hexadecimal, as MCAP itself
// puts no checksum on Metadata.
const (
	pointsRecord = "fieldtap.points"
	checksumKey  = "crc32"
)

// maxPointsRecord is how many points one Metadata record describes.
const maxPointsRecord = 4096

// description is a point as JSON.
type description struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"` // symbol; none if there is none
	Kind string `json:"kind"`
	Role string `json:"role"`
}

// entry is a point of a file.
type entry struct {
	id    acquire.PointID
	point acquire.Point
}

// appendPoints appends a Metadata record that describes points.
func appendPoints(b []byte, points []entry) []byte {
	start := len(b)
	b = appendHead(b, opMetadata)
	b = appendString(b, pointsRecord)
	size := len(b)
	b = le.AppendUint32(b, 0)
	content := len(b)
	for _, e := range points {
		text, err := json.Marshal(description{e.point.Name, e.point.Unit.Symbol(), e.point.Kind.String(), e.point.Role.String()})
		if err != nil { // strings alone: cannot be
			continue
		}
		b = appendString(b, strconv.FormatUint(uint64(e.id), 10))
		b = appendString(b, string(text))
	}
	crc := crc32.ChecksumIEEE(b[content:])
	b = appendString(b, checksumKey)
	b = appendString(b, string(appendHex(nil, crc)))
	le.PutUint32(b[size:], uint32(len(b)-content))
	endRecord(b, start)
	return b
}

func appendHex(b []byte, x uint32) []byte {
	const digits = "0123456789abcdef"
	var word [4]byte
	binary.BigEndian.PutUint32(word[:], x)
	for _, c := range word {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

var errPoints = errors.New("description of points is damaged")

// readPoints reads the content of a Metadata record. It returns false for one of
// another name.
func readPoints(content []byte) ([]entry, bool, error) {
	f := fields{b: content}
	name := f.text()
	if f.short {
		return nil, false, errPoints
	}
	if string(name) != pointsRecord {
		return nil, false, nil
	}
	all := f.text()
	if f.short || len(f.b) > 0 { // a length that is too great would hide what follows
		return nil, true, errPoints
	}
	var points []entry
	f = fields{b: all}
	for {
		before := len(all) - len(f.b)
		key, value := f.text(), f.text()
		if f.short {
			return nil, true, errPoints
		}
		if string(key) == checksumKey {
			if string(value) != string(appendHex(nil, crc32.ChecksumIEEE(all[:before]))) || len(f.b) > 0 {
				return nil, true, errPoints
			}
			break
		}
		id, err := strconv.ParseUint(string(key), 10, 32)
		p, ok := readPoint(value)
		if err != nil || !ok {
			return nil, true, errPoints
		}
		points = append(points, entry{acquire.PointID(id), p})
	}
	return points, true, nil
}

func readPoint(text []byte) (acquire.Point, bool) {
	var d description
	if json.Unmarshal(text, &d) != nil {
		return acquire.Point{}, false
	}
	p := acquire.Point{Name: d.Name}
	if p.Unit.UnmarshalText([]byte(d.Unit)) != nil {
		p.Unit = units.None // of a later version: the value stands without
	}
	var ok1, ok2 bool
	p.Kind, ok1 = parseKind(d.Kind)
	p.Role, ok2 = parseRole(d.Role)
	return p, ok1 && ok2
}

func parseKind(s string) (acquire.Kind, bool) {
	for k := acquire.KindNone; k <= acquire.KindText; k++ {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

func parseRole(s string) (acquire.Role, bool) {
	for r := acquire.Gauge; r <= acquire.State; r++ {
		if r.String() == s {
			return r, true
		}
	}
	return 0, false
}
