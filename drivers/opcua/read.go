package opcua

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Attribute is an attribute of a node, by its number in OPC 10000-6, annex A.1.
type Attribute uint32

// The attributes (OPC 10000-3, section 5).
const (
	AttributeNodeID                  Attribute = 1
	AttributeNodeClass               Attribute = 2
	AttributeBrowseName              Attribute = 3
	AttributeDisplayName             Attribute = 4
	AttributeDescription             Attribute = 5
	AttributeIsAbstract              Attribute = 8
	AttributeInverseName             Attribute = 10
	AttributeEventNotifier           Attribute = 12
	AttributeValue                   Attribute = 13
	AttributeDataType                Attribute = 14
	AttributeValueRank               Attribute = 15
	AttributeArrayDimensions         Attribute = 16
	AttributeAccessLevel             Attribute = 17
	AttributeUserAccessLevel         Attribute = 18
	AttributeMinimumSamplingInterval Attribute = 19
	AttributeHistorizing             Attribute = 20
	AttributeDataTypeDefinition      Attribute = 23
)

// AttributeOf names one attribute of one node.
type AttributeOf struct {
	Node      NodeID    // any
	Attribute Attribute // of that node
}

// Read reads the values of variables. It returns a Value for each node, in their order,
// with the status that the server gave it; a node that is no canonical id, or of a
// namespace that the server does not have, has the status Bad_NodeIdUnknown without
// being asked for. The error is of all of them together.
//
// Structures are decoded as the server defines them, which may take further requests the
// first time.
func (c *Client) Read(ctx context.Context, nodes ...NodeID) ([]Value, error) {
	asked := make([]AttributeOf, len(nodes))
	for i, n := range nodes {
		asked[i] = AttributeOf{n, AttributeValue}
	}
	return c.ReadAttributes(ctx, asked...)
}

// ReadAttributes reads attributes of nodes, as Read does their values.
func (c *Client) ReadAttributes(ctx context.Context, asked ...AttributeOf) (values []Value, err error) {
	err = c.do(ctx, func(l *link) error {
		values = make([]Value, len(asked))
		known, places := make([]attribute, 0, len(asked)), make([]int, 0, len(asked))
		for i, a := range asked {
			id, err := l.resolve(a.Node)
			if err != nil {
				values[i].Status = StatusBadNodeIDUnknown
				continue
			}
			known, places = append(known, attribute{id, ua.AttributeID(a.Attribute)}), append(places, i)
		}
		read, err := l.attributes(ctx, known)
		if err != nil {
			return err
		}
		for i, v := range read {
			if err := l.types.decode(ctx, &v); err != nil {
				return err
			}
			values[places[i]] = v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// attribute is an attribute of a node as requests carry it.
type attribute struct {
	node *ua.NodeID
	id   ua.AttributeID
}

// attributes reads attributes, in parts as large as the server takes them. Structures are
// left as they are.
func (l *link) attributes(ctx context.Context, asked []attribute) ([]Value, error) {
	values := make([]Value, 0, len(asked))
	err := l.read.parts(len(asked), func(from, to int) error {
		request := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth}
		for _, a := range asked[from:to] {
			request.NodesToRead = append(request.NodesToRead, &ua.ReadValueID{NodeID: a.node, AttributeID: a.id, DataEncoding: &ua.QualifiedName{}})
		}
		m, r, err := l.session.request(ctx, request, "Read", uabin.ReadResponseID)
		if err != nil {
			return err
		}
		defer m.release()
		results := r.Read().Results
		if err := complete(&r, "Read", results, to-from); err != nil {
			return err
		}
		each := results.Reader()
		for range to - from {
			values = append(values, newValue(each.DataValue(), l.namespaces))
		}
		return nil
	})
	return values, err
}

// complete returns an error if a response is malformed, or has not a result for each
// thing that was asked for.
func complete(r *uabin.Reader, service string, results uabin.List, asked int) error {
	if err := r.End(); err != nil {
		return &ProtocolError{Reason: service + ": " + err.Error()}
	}
	if results.Len != asked {
		return &ProtocolError{Reason: fmt.Sprintf("%s: %d results, want %d", service, results.Len, asked)}
	}
	return nil
}

// String returns the standard's name of the attribute, or its number.
func (a Attribute) String() string {
	switch a {
	case AttributeNodeID:
		return "NodeId"
	case AttributeNodeClass:
		return "NodeClass"
	case AttributeBrowseName:
		return "BrowseName"
	case AttributeDisplayName:
		return "DisplayName"
	case AttributeDescription:
		return "Description"
	case AttributeIsAbstract:
		return "IsAbstract"
	case AttributeInverseName:
		return "InverseName"
	case AttributeEventNotifier:
		return "EventNotifier"
	case AttributeValue:
		return "Value"
	case AttributeDataType:
		return "DataType"
	case AttributeValueRank:
		return "ValueRank"
	case AttributeArrayDimensions:
		return "ArrayDimensions"
	case AttributeAccessLevel:
		return "AccessLevel"
	case AttributeUserAccessLevel:
		return "UserAccessLevel"
	case AttributeMinimumSamplingInterval:
		return "MinimumSamplingInterval"
	case AttributeHistorizing:
		return "Historizing"
	case AttributeDataTypeDefinition:
		return "DataTypeDefinition"
	}
	return "attribute " + strconv.FormatUint(uint64(a), 10)
}
