package opcua

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// ErrClientClosed is returned by a Client after Close.
var ErrClientClosed = errors.New("opcua: client is closed")

// Client asks one server single questions: what nodes it has, what their values are and
// have been. To acquire values as they change use a [Source].
//
// It logs in when it is first asked something, and again after the connection or the
// session was lost; a question that was under way on a session from before is then asked
// once more. Requests are kept within the limits that the server names, 500 nodes where
// it names none, and are halved while the server finds them too large.
//
// A Client reads. It has no means to write, to call methods, or to change nodes. It is
// safe for concurrent use, and questions do not wait for each other.
type Client struct {
	connector *connector

	entering chan struct{} // held while logging in

	mu     sync.Mutex
	link   *link // nil before the first login, and after Close
	closed bool
}

// NewClient returns a client of the server that cfg describes. The error names every
// fault of cfg. Nothing is sent.
func NewClient(cfg ClientConfig) (*Client, error) {
	n, err := newConnector(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{connector: n, entering: make(chan struct{}, 1)}, nil
}

// Close ends the session, as far as ctx leaves time for it, and the connection.
// Questions under way fail. Closing again does nothing.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	l := c.link
	c.link, c.closed = nil, true
	c.mu.Unlock()
	if l != nil {
		if l.session.channel.err() == nil {
			l.session.close(ctx, true)
		}
		l.session.channel.close()
	}
	return nil
}

// Namespaces returns the URIs of the server's namespaces, by their index.
func (c *Client) Namespaces(ctx context.Context) (uris []string, err error) {
	err = c.do(ctx, func(l *link) error {
		uris = slices.Clone(l.namespaces)
		return nil
	})
	return uris, err
}

// FindServers returns the applications that the server knows: of a discovery server
// those of its network, of any other itself. It does not log in. What it returns was not
// protected on its way: it tells where to look, not whom to trust.
func (c *Client) FindServers(ctx context.Context) ([]Application, error) {
	return c.connector.servers(ctx)
}

// Endpoints returns the endpoints that the server offers, whether ClientConfig allows
// them or not. It does not log in, and what it returns was not protected on its way.
func (c *Client) Endpoints(ctx context.Context) ([]Endpoint, error) {
	offered, err := c.connector.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	endpoints := make([]Endpoint, len(offered))
	for i, e := range offered {
		endpoints[i] = e.describe()
	}
	return endpoints, nil
}

// do calls ask with a link to the server, and once more with a new one if the session
// or the connection turns out to have been lost since the question before.
func (c *Client) do(ctx context.Context, ask func(*link) error) error {
	l, fresh, err := c.reach(ctx)
	if err != nil {
		return err
	}
	err = ask(l)
	if err == nil || fresh || ctx.Err() != nil || !l.gone(err) {
		return err
	}
	c.drop(l)
	if l, _, err = c.reach(ctx); err != nil {
		return err
	}
	return ask(l)
}

// reach returns the link to the server, logging in if there is none; then it is fresh.
func (c *Client) reach(ctx context.Context) (l *link, fresh bool, err error) {
	if l, err := c.standing(); l != nil || err != nil {
		return l, false, err
	}
	select {
	case c.entering <- struct{}{}:
		defer func() { <-c.entering }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if l, err := c.standing(); l != nil || err != nil { // another question logged in
		return l, false, err
	}
	s, _, err := c.connector.login(ctx, nil)
	if err != nil {
		return nil, false, err
	}
	l, err = newLink(ctx, s)
	if err != nil {
		s.close(ctx, true)
		s.channel.close()
		return nil, false, err
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.link = l
	}
	c.mu.Unlock()
	if closed {
		s.close(ctx, true)
		s.channel.close()
		return nil, false, ErrClientClosed
	}
	return l, true, nil
}

// standing returns the link if it still holds, nil if there is none.
func (c *Client) standing() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClientClosed
	}
	if c.link != nil && c.link.session.channel.err() != nil {
		c.link.session.channel.close()
		c.link = nil
	}
	return c.link, nil
}

// drop gives a link up.
func (c *Client) drop(l *link) {
	c.mu.Lock()
	if c.link == l {
		c.link = nil
	}
	c.mu.Unlock()
	l.session.channel.close()
}

// link is one session with what was learnt of the server in it.
type link struct {
	session    *session
	namespaces []string
	types      *types

	queries queries

	read, browse, translate, at limit
	continuations               int // of Browse at a time; 0: no limit is known
	mostReferences              int // of the nodes of one request
}

// Nodes of the server's limits (OPC 10000-6, annex A.3).
const (
	nodeNamespaces           = 2255
	nodeBrowseContinuations  = 2735  // ServerCapabilities.MaxBrowseContinuationPoints
	nodeMaxNodesPerRead      = 11705 // OperationLimits, as those that follow
	nodeMaxNodesPerBrowse    = 11710
	nodeMaxNodesPerTranslate = 11712
)

// maxNodesPerCall is the most nodes in one request whatever the server allows, and
// nodesPerCall what it is where the server does not say.
const (
	maxNodesPerCall = 5000
	nodesPerCall    = 500
)

// newLink learns namespaces and limits of a server.
func newLink(ctx context.Context, s *session) (*link, error) {
	l := &link{session: s, mostReferences: 2 * MaxNodes}
	l.types = newTypes(l)
	l.read.Store(5)
	var asked []attribute
	for _, id := range []uint32{nodeNamespaces, nodeBrowseContinuations, nodeMaxNodesPerRead, nodeMaxNodesPerBrowse, nodeMaxNodesPerTranslate} {
		asked = append(asked, attribute{ua.NewNumericNodeID(0, id), ua.AttributeIDValue})
	}
	values, err := l.attributes(ctx, asked)
	if err != nil {
		return nil, err
	}
	for i := range values[0].Len() {
		uri, _ := values[0].At(i).Text()
		l.namespaces = append(l.namespaces, uri)
	}
	if n, ok := values[1].Uint(); ok {
		l.continuations = int(n)
	}
	l.at.Store(nodesPerCall)
	for i, limit := range []*limit{&l.read, &l.browse, &l.translate} {
		limit.Store(nodesPerCall)
		if n, ok := values[2+i].Uint(); ok && n > 0 {
			limit.Store(int64(min(n, maxNodesPerCall)))
		}
	}
	return l, nil
}

// gone reports whether an error of a request means that the link is of no more use.
func (l *link) gone(err error) bool {
	if l.session.channel.err() != nil {
		return true
	}
	refused, ok := errors.AsType[*ServiceError](err)
	if !ok {
		return false
	}
	switch refused.Status {
	case StatusBadSessionIDInvalid, StatusBadSessionClosed, StatusBadSessionNotActivated, StatusBadSecureChannelIDInvalid:
		return true
	}
	return false
}

// resolve returns a node id as requests to this server carry it.
func (l *link) resolve(id NodeID) (*ua.NodeID, error) {
	n, err := parseNode(string(id))
	if err != nil {
		return nil, fmt.Errorf("opcua: %.100q is no node id: %w", string(id), err)
	}
	return n.resolve(l.namespaces)
}

// nameNode returns a node id with the URI of its namespace as far as it has one.
func nameNode(id uabin.NodeID, namespaces []string) NodeID {
	n := node{index: id.Namespace, kind: id.Kind, number: id.Number, bytes: string(id.Bytes)}
	if i := int(id.Namespace); i > 0 && i < len(namespaces) && namespaces[i] != "" {
		n.uri, n.index = namespaces[i], 0
	}
	return n.text()
}

// nameExpanded returns the id of a node of this server, and false of another one's.
func nameExpanded(id uabin.ExpandedNodeID, namespaces []string) (NodeID, bool) {
	if id.ServerIndex != 0 {
		return "", false
	}
	if id.URI == nil {
		return nameNode(id.NodeID, namespaces), true
	}
	n := node{uri: string(id.URI), kind: id.Kind, number: id.Number, bytes: string(id.Bytes)}
	return n.text(), true
}

// limit is how much may go into one request. It shrinks when the server says so.
type limit struct{ atomic.Int64 }

// parts calls do with parts of n things, one after the other, each as large as the
// server takes it: a part that is too large is halved and tried again.
func (m *limit) parts(n int, do func(from, to int) error) error {
	for from := 0; from < n; {
		to := from + int(min(max(m.Load(), 1), int64(n-from)))
		err := do(from, to)
		if err != nil && to-from > 1 && excessive(err) {
			half := int64(to-from) / 2
			if now := m.Load(); half < now {
				m.CompareAndSwap(now, half)
			}
			continue
		}
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}

// excessive reports whether a server says that less at once would do, as a fault of the
// service or as an abort of its response, which leaves the channel as it is.
func excessive(err error) bool {
	if ended, ok := errors.AsType[*PeerError](err); ok {
		err = &ServiceError{Status: ended.Status}
	}
	return tooLarge(err)
}
