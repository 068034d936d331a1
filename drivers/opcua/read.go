package opcua

import (
	"context"
	"fmt"
	"strconv"
	"sync"

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
		q := l.queries.take()
		defer l.queries.put(q)
		for i, a := range asked {
			n, err := parseNode(string(a.Node))
			if err == nil {
				n, err = n.at(l.namespaces)
			}
			if err != nil {
				values[i].Status = StatusBadNodeIDUnknown
				continue
			}
			q.add(n.append(q.encoded), a.Attribute, i)
		}
		if err := l.fetch(ctx, q, values); err != nil {
			return err
		}
		for i := range values {
			if err := l.types.decode(ctx, &values[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// attribute is an attribute of a node as gopcua has it.
type attribute struct {
	node *ua.NodeID
	id   ua.AttributeID
}

// attributes reads attributes. Structures are left as they are.
func (l *link) attributes(ctx context.Context, asked []attribute) ([]Value, error) {
	q := l.queries.take()
	defer l.queries.put(q)
	for i, a := range asked {
		node, err := a.node.Encode()
		if err != nil {
			return nil, fmt.Errorf("opcua: encoding a node id: %w", err)
		}
		q.add(append(q.encoded, node...), Attribute(a.id), i)
	}
	values := make([]Value, len(asked))
	return values, l.fetch(ctx, q, values)
}

// query is what is to be read, as requests carry it.
type query struct {
	encoded []byte // ReadValueIds, one after the other
	ends    []int  // of each of them
	places  []int  // of each among what was asked for
	body    []byte // of the latest request
}

// add adds an attribute of the node whose id was just appended to q.encoded.
func (q *query) add(encoded []byte, a Attribute, place int) {
	q.encoded = uabin.AppendAttribute(encoded, uint32(a))
	q.ends, q.places = append(q.ends, len(q.encoded)), append(q.places, place)
}

// part returns the ReadValueIds between two of them.
func (q *query) part(from, to int) []byte {
	start := 0
	if from > 0 {
		start = q.ends[from-1]
	}
	return q.encoded[start:q.ends[to-1]]
}

// queries are those that were used before, for their memory.
type queries struct{ pool sync.Pool }

// take returns an empty query, which put takes back.
func (p *queries) take() *query {
	q, ok := p.pool.Get().(*query)
	if !ok {
		return &query{}
	}
	q.encoded, q.ends, q.places = q.encoded[:0], q.ends[:0], q.places[:0]
	return q
}

// mostKept is how many bytes a query that is kept may be of.
const mostKept = 1 << 20

func (p *queries) put(q *query) {
	if cap(q.encoded) <= mostKept {
		p.pool.Put(q)
	}
}

// fetch reads what q says into the places of values, in parts as large as the server takes
// them.
func (l *link) fetch(ctx context.Context, q *query, values []Value) error {
	s := l.session
	return l.read.parts(len(q.ends), func(from, to int) error {
		m, r, body, err := s.ask(ctx, func(dst []byte, handle uint32) []byte {
			dst = s.begin(dst, uabin.ReadRequestID, handle, s.cfg.request)
			return append(uabin.AppendRead(dst, to-from), q.part(from, to)...)
		}, q.body, "Read", uabin.ReadResponseID)
		q.body = body
		if err != nil {
			return err
		}
		defer m.release()
		results := r.Read().Results
		if err := complete(&r, "Read", results, to-from); err != nil {
			return err
		}
		each := results.Reader()
		for _, at := range q.places[from:to] {
			values[at] = newValue(each.DataValue(), l.namespaces)
		}
		return nil
	})
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
