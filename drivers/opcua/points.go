package opcua

import (
	"context"
	"fmt"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/units"
)

// Point returns what a Source needs to acquire the variable under a name: its kind by
// the type of its values, its unit and scale if they are understood, and the names of an
// enumeration. An integer whose unit needs a scale becomes a KindFloat64. The error tells
// why there is none: the node is no variable, may not be read, or has values that no
// point can hold, such as structures; of an array, give Index to the Point of its
// elements yourself.
//
// Its Role is Gauge, or State with names: a server does not say what is a counter.
func (n Node) Point(name string) (Point, error) {
	fault := func(format string, args ...any) (Point, error) {
		return Point{}, fmt.Errorf("opcua: no point of node %.200s: %w", string(n.ID), fmt.Errorf(format, args...))
	}
	switch {
	case n.Class != ClassVariable:
		return fault("it is a %s", n.Class)
	case n.Access&CurrentRead == 0:
		return fault("its value may not be read")
	case n.Rank >= 0:
		return fault("it is an array")
	}
	p := Point{Name: name, Node: n.ID}
	integer := false
	switch n.BuiltIn {
	case TypeBoolean:
		p.Kind = acquire.KindBool
		return p, nil
	case TypeFloat, TypeDouble:
		p.Kind = acquire.KindFloat64
	case TypeSByte, TypeInt16, TypeInt32, TypeInt64:
		p.Kind, integer = acquire.KindInt64, true
	case TypeByte, TypeUInt16, TypeUInt32, TypeUInt64:
		p.Kind, integer = acquire.KindUint64, true
	case TypeDateTime, TypeStatusCode:
		p.Kind = acquire.KindInt64
		return p, nil
	case TypeString, TypeXMLElement, TypeLocalizedText, TypeQualifiedName, TypeGUID, TypeNodeID, TypeExpandedNodeID, TypeByteString:
		p.Kind = acquire.KindText
		return p, nil
	case TypeNull:
		return fault("the type of its values is not known")
	default:
		return fault("its values are of type %s", n.BuiltIn)
	}
	if integer && len(n.Names) > 0 {
		p.Kind, p.Role, p.Names = acquire.KindText, acquire.State, n.Names
		return p, nil
	}
	if n.Unit.Understood() {
		p.Unit, p.Scale = n.Unit.Unit, n.Unit.Scale
		if scale := p.Scale.Reduce(); integer && scale != (units.Scale{Num: 1, Den: 1}) {
			p.Kind = acquire.KindFloat64
		}
	}
	return p, nil
}

// Found is what a path led to.
type Found struct {
	Node NodeID // "" if the path led nowhere
	// Status tells why there is no Node, such as Bad_NoMatch. Of several nodes the first
	// is taken.
	Status StatusCode
}

// Translate follows paths of browse names from a node, many in one request, without
// looking at anything else: where paths are known, this is quicker than Browse. The
// result has one Found for each path, in their order.
//
// A path is written like "2:Plant/2:Meter1/0:EngineeringUnits", with the index of each
// name's namespace, which is 0 where it is left out; Namespaces tells the indexes. An
// ampersand before a slash, a colon or an ampersand makes it part of a name.
func (c *Client) Translate(ctx context.Context, from NodeID, paths ...string) (found []Found, err error) {
	relative := make([]*ua.RelativePath, len(paths))
	for i, p := range paths {
		if relative[i], err = parseRelative(p); err != nil {
			return nil, err
		}
	}
	err = c.do(ctx, func(l *link) error {
		found = make([]Found, 0, len(paths))
		start, err := l.resolve(from)
		if err != nil {
			return err
		}
		return l.translate.parts(len(paths), func(from, to int) error {
			request := &ua.TranslateBrowsePathsToNodeIDsRequest{}
			for _, p := range relative[from:to] {
				request.BrowsePaths = append(request.BrowsePaths, &ua.BrowsePath{StartingNode: start, RelativePath: p})
			}
			m, r, err := l.session.request(ctx, request, "TranslateBrowsePathsToNodeIds", uabin.TranslateResponseID)
			if err != nil {
				return err
			}
			defer m.release()
			results := r.Paths()
			if err := complete(&r, "TranslateBrowsePathsToNodeIds", results, to-from); err != nil {
				return err
			}
			each := results.Reader()
			for range to - from {
				found = append(found, l.target(each.Path()))
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// statusBadNoMatch is Bad_NoMatch: the path led nowhere.
const statusBadNoMatch StatusCode = 0x806F0000

// target returns what a path led to.
func (l *link) target(p uabin.Path) Found {
	f := Found{Status: StatusCode(p.Status)}
	if p.Status.IsBad() {
		return f
	}
	const all = 1<<32 - 1 // of the path was followed
	each := p.Targets.Reader()
	for range p.Targets.Len {
		t := each.Target()
		if id, ok := nameExpanded(t.Node, l.namespaces); ok && t.Remaining == all {
			f.Node = id
			return f
		}
	}
	f.Status = statusBadNoMatch
	return f
}

// parseRelative reads a path of names with the indexes of their namespaces.
func parseRelative(path string) (*ua.RelativePath, error) {
	const hierarchical = 33
	out := &ua.RelativePath{}
	for part := range splitPath(path) {
		e := &ua.RelativePathElement{ReferenceTypeID: ua.NewNumericNodeID(0, hierarchical), IncludeSubtypes: true, TargetName: &ua.QualifiedName{}}
		name := make([]byte, 0, len(part))
		index := uint64(0)
		digits := len(part) > 0
		for i := 0; i < len(part); i++ {
			switch b := part[i]; {
			case b == '&':
				if i++; i == len(part) {
					return nil, fmt.Errorf("opcua: path %.200q: an ampersand with nothing behind it", path)
				}
				digits = false
				name = append(name, part[i])
			case b == ':' && digits && len(name) > 0:
				e.TargetName.NamespaceIndex = uint16(index)
				name, digits = name[:0], false
			default:
				if digits = digits && b >= '0' && b <= '9'; digits {
					if index = index*10 + uint64(b-'0'); index > 0xFFFF {
						digits = false
					}
				}
				name = append(name, b)
			}
		}
		if len(name) == 0 {
			return nil, fmt.Errorf("opcua: path %.200q has an empty name", path)
		}
		e.TargetName.Name = string(name)
		out.Elements = append(out.Elements, e)
	}
	return out, nil
}
