package opcua

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
)

var (
	_ acquire.Identifier = (*Source)(nil)
	_ acquire.Prober     = (*Source)(nil)
)

// errNameless is the error of a server that says nothing of itself.
var errNameless = errors.New("opcua: the server says nothing of what it is")

// buildInfo is where servers say what they are (OPC 10000-5, section 12.4; the node ids
// of OPC 10000-6, annex A.3).
var buildInfo = [...]struct {
	node NodeID
	name string
	as   func(*acquire.Identity) *string
}{
	{"i=2263", "ManufacturerName", func(i *acquire.Identity) *string { return &i.Vendor }},
	{"i=2261", "ProductName", func(i *acquire.Identity) *string { return &i.Product }},
	{"i=2264", "SoftwareVersion", func(i *acquire.Identity) *string { return &i.Version }},
	{"i=2265", "BuildNumber", nil},
	{"i=2262", "ProductUri", nil},
}

// Identify asks the server for its BuildInfo, over a connection of its own.
func (s *Source) Identify(ctx context.Context) (id acquire.Identity, err error) {
	c := &Client{connector: s.connector, entering: make(chan struct{}, 1)}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	nodes := make([]NodeID, len(buildInfo))
	for i, part := range buildInfo {
		nodes[i] = part.node
	}
	values, err := c.Read(ctx, nodes...)
	if err != nil {
		return acquire.Identity{}, err
	}
	for i, v := range values {
		text, ok := v.Text()
		if !ok || text == "" {
			continue
		}
		id.Details = append(id.Details, acquire.Detail{Name: buildInfo[i].name, Text: text})
		if buildInfo[i].as != nil {
			*buildInfo[i].as(&id) = text
		}
	}
	if len(id.Details) == 0 {
		return acquire.Identity{}, errNameless
	}
	return id, nil
}

// Probe asks the server for its endpoints, over a connection of its own and without
// logging in: whether the server lets us in, only opening the source tells.
func (s *Source) Probe(ctx context.Context) (acquire.Probe, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Client.ConnectTimeout)
	defer cancel()
	c, err := s.connector.hail(ctx, channelConfig{url: s.cfg.Client.Endpoint, policy: PolicyNone.uri(), mode: ua.MessageSecurityModeNone})
	if err != nil {
		return acquire.Probe{}, err
	}
	defer c.close()
	sent := time.Now()
	offered, err := discover(ctx, c, s.cfg.Client.Timeout)
	trip := time.Since(sent)
	said := ""
	if refused, ok := errors.AsType[*ServiceError](err); ok { // an answer, too
		said, err = "GetEndpoints: status "+refused.Status.String(), nil
	} else if len(offered) > 0 {
		said = fmt.Sprintf("%s, %d endpoints", offered[0].name, len(offered))
	}
	if err != nil {
		return acquire.Probe{}, err
	}
	return acquire.Probe{At: acquire.At(s.cfg.Client.Now()), RoundTrip: trip, Said: said}, nil
}

// Plan is what a Source last agreed on with its server.
type Plan struct {
	Subscription uint32        // number of it on the server; 0: there is none
	Interval     time.Duration // of publishing, as the server revised it
	KeepAlive    time.Duration // longest silence of the server, as revised
	Lifetime     time.Duration // how long the server keeps it without us, as revised
	Items        []PlannedItem // monitored items
}

// PlannedItem is one monitored item.
type PlannedItem struct {
	Node     NodeID            // the variable
	Points   []acquire.PointID // that come of it
	Status   StatusCode        // of its creation; bad: there is none, and it is tried again
	Sampling time.Duration     // as the server revised it
	Queue    int               // as the server revised it
}

// Plan returns what was agreed on when the source was opened last; the zero Plan before.
func (s *Source) Plan() Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agreed
}

// agree notes what was agreed on.
func (s *Source) agree(st *standing) {
	p := Plan{Subscription: st.sub.id, Interval: st.sub.interval, KeepAlive: st.sub.keepAlive, Lifetime: st.sub.lifetime}
	for i, state := range st.states {
		item := PlannedItem{Node: s.items[i].node, Status: state.status, Sampling: state.sampling, Queue: int(state.queue)}
		for _, m := range s.items[i].members {
			item.Points = append(item.Points, m.id)
		}
		p.Items = append(p.Items, item)
	}
	s.mu.Lock()
	s.agreed = p
	s.mu.Unlock()
}
