package opcua

import (
	"context"
	"math"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/units"
)

// variable is a variable that Browse found and that is to be described.
type variable struct {
	at         int // in what was found
	id         *ua.NodeID
	references []reference
}

// describing are the attributes of a variable that are read, in this order.
var describing = [...]ua.AttributeID{
	ua.AttributeIDDescription, ua.AttributeIDDataType, ua.AttributeIDValueRank, ua.AttributeIDArrayDimensions, ua.AttributeIDUserAccessLevel,
	ua.AttributeIDAccessLevel, ua.AttributeIDHistorizing,
}

// describe reads what servers say of variables, in few requests for all of them.
func (l *link) describe(ctx context.Context, found []Node, variables []variable) error {
	if len(variables) == 0 {
		return nil
	}
	var asked []attribute
	for _, v := range variables {
		for _, id := range describing {
			asked = append(asked, attribute{v.id, id})
		}
	}
	type property struct {
		of   *Node
		name string
	}
	var properties []property
	for _, v := range variables {
		for _, r := range v.references {
			if r.kind == hasProperty && r.namespace == 0 && isDescribing(r.name) {
				properties = append(properties, property{&found[v.at], r.name})
				asked = append(asked, attribute{r.node, ua.AttributeIDValue})
			}
		}
	}
	values, err := l.attributes(ctx, asked)
	if err != nil {
		return err
	}
	var dataTypes []NodeID
	for i, v := range variables {
		n, said := &found[v.at], values[i*len(describing):]
		n.attributes(said)
		if n.DataType != "" {
			dataTypes = append(dataTypes, n.DataType)
		}
		n.Unit = units.Stated{Dialect: units.DialectEU, Verdict: units.Unknown}
	}
	if err := l.types.learn(ctx, dataTypes); err != nil && (l.gone(err) || !refused(err)) {
		return err
	}
	for _, v := range variables {
		l.types.describe(&found[v.at])
	}
	for i, p := range properties {
		p.of.property(p.name, values[len(variables)*len(describing)+i])
	}
	return nil
}

// attributes takes the values of the attributes in describing.
func (n *Node) attributes(said []Value) {
	n.Description, _ = said[0].Text()
	n.DataType, _ = said[1].NodeID()
	n.Rank = -2 // any, as long as the server does not say
	if rank, ok := said[2].Int(); ok {
		n.Rank = int(rank)
	}
	for i, length := range said[3].All() {
		if i == maxIndex {
			break
		}
		d, _ := length.Uint()
		n.Dimensions = append(n.Dimensions, int(min(d, math.MaxInt32)))
	}
	for _, level := range said[4:6] {
		if bits, ok := level.Uint(); ok && !uabin.Status(level.Status).IsBad() {
			n.Access = AccessLevel(bits)
			break
		}
	}
	n.Historizing, _ = said[6].Bool()
}

// describe tells how values of a variable are sent, as far as its type is known.
func (t *types) describe(n *Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.known[n.DataType]
	if d == nil || d.fault != nil {
		return
	}
	n.BuiltIn, n.Names = Type(d.builtIn), d.names
}

// isDescribing reports whether a property is one of those that property takes.
func isDescribing(name string) bool {
	switch name {
	case "EngineeringUnits", "EURange", "EnumStrings", "EnumValues", "TrueState", "FalseState":
		return true
	}
	return false
}

// property takes the value of a property (OPC 10000-8, section 5.3; OPC 10000-3, section
// 5.6.2). One that is not as it should be says nothing.
func (n *Node) property(name string, v Value) {
	body := func(encoding uint32) (uabin.Reader, bool) {
		if !v.scalar(uabin.TypeExtensionObject) {
			return uabin.Reader{}, false
		}
		return bodyOf(v.variant.Bytes, encoding)
	}
	named := func(number int64, name string) {
		if n.Names == nil {
			n.Names = make(map[int64]string)
		}
		n.Names[number] = name
	}
	switch name {
	case "EngineeringUnits":
		if r, ok := body(uabin.EUInformationID); ok {
			namespace, id, display := r.Text(), r.Int32(), string(r.LocalizedText().Text)
			if r.LocalizedText(); r.End() == nil {
				n.Unit = units.ReadEU(namespace, id, display)
			}
		}
	case "EURange":
		if r, ok := body(uabin.RangeID); ok {
			low, high := r.Float64(), r.Float64()
			if r.End() == nil && low <= high && !math.IsInf(low, 0) && !math.IsInf(high, 0) {
				n.Normal = &Range{low, high}
			}
		}
	case "EnumStrings":
		for i, text := range v.All() {
			if s, ok := text.Text(); ok && n.Names[int64(i)] == "" {
				named(int64(i), s)
			}
		}
	case "EnumValues":
		if !v.IsArray() || v.variant.Type != uabin.TypeExtensionObject {
			return
		}
		n.Names = nil // these say it better than EnumStrings
		for _, e := range v.All() {
			if r, ok := bodyOf(e.variant.Bytes, uabin.EnumValueTypeID); ok {
				number, display := int64(r.Uint64()), r.LocalizedText().Text
				if r.LocalizedText(); r.End() == nil && display != nil {
					named(number, string(display))
				}
			}
		}
	case "TrueState", "FalseState":
		if s, ok := v.Text(); ok {
			number := int64(0)
			if name == "TrueState" {
				number = 1
			}
			named(number, s)
		}
	}
}

// bodyOf returns a reader of the body of an ExtensionObject of a standard encoding.
func bodyOf(b []byte, encoding uint32) (uabin.Reader, bool) {
	r := uabin.NewReader(b)
	o := r.ExtensionObject()
	if r.End() != nil || !o.Binary || o.Type.Namespace != 0 || o.Type.Kind != uabin.Numeric || o.Type.Number != encoding {
		return uabin.Reader{}, false
	}
	return uabin.NewReader(o.Body), true
}
