package opcua

import (
	"context"
	"iter"

	"github.com/fieldtap/fieldtap/acquire"
)

var _ acquire.Browser = (*Source)(nil)

// Browse iterates over the variables below the Objects folder that a pattern matches, as
// [Client.Browse] does, over a connection of its own. The ID of an entry is a NodeID. The
// Kind is that of [Node.Point]; of a structure it is none, though Point.Field may find
// something in it.
func (s *Source) Browse(ctx context.Context, pattern string) iter.Seq2[acquire.Entry, error] {
	return func(yield func(acquire.Entry, error) bool) {
		if pattern == "" {
			pattern = "**"
		}
		c, leave := s.aside(ctx)
		defer leave()
		for n, err := range c.Browse(ctx, ObjectsFolder, pattern) {
			switch {
			case err != nil:
				yield(acquire.Entry{}, &acquire.OpError{Op: "browse", Source: s.cfg.Name, Err: err})
				return
			case n.Class == ClassVariable && !yield(n.entry(), nil):
				return
			}
		}
	}
}

// aside returns a client for a question beside the streams, and what ends it.
func (s *Source) aside(ctx context.Context) (c *Client, leave func()) {
	c = &Client{connector: s.connector, entering: make(chan struct{}, 1)}
	return c, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
		defer cancel()
		_ = c.Close(bounded) // whatever becomes of the session, there is nothing more to ask
	}
}

// entry describes a variable.
func (n Node) entry() acquire.Entry {
	e := acquire.Entry{
		ID: string(n.ID), Name: n.Path, Description: n.Description, Array: n.Rank >= 0, Unit: n.Unit, Names: n.Names,
		History: n.Historizing && n.Access&HistoryRead != 0,
	}
	if n.BuiltIn != TypeNull {
		e.Type = n.BuiltIn.String()
	}
	if n.Normal != nil {
		e.Low, e.High, e.Ranged = n.Normal.Low, n.Normal.High, true
	}
	n.Rank = -1 // an element of it
	if p, err := n.Point(n.Path); err == nil {
		e.Kind = p.Kind
	}
	return e
}
