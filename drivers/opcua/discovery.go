package opcua

import (
	"bytes"
	"context"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// discover asks a server on a channel of its own for its endpoints. What it says is
// hearsay until the channel to one of them is open.
func discover(ctx context.Context, c *channel, timeout time.Duration) ([]endpoint, error) {
	m, r, err := c.request(ctx, &ua.GetEndpointsRequest{EndpointURL: c.cfg.url}, nil, "GetEndpoints", uabin.EndpointsResponseID, timeout)
	if err != nil {
		return nil, err
	}
	defer m.release()
	list := r.Endpoints()
	if err := r.End(); err != nil {
		return nil, &ProtocolError{Reason: "GetEndpoints: " + err.Error()}
	}
	return endpointsOf(list), nil
}

// endpointsOf copies endpoints out of a message.
func endpointsOf(list uabin.List) []endpoint {
	endpoints := make([]endpoint, 0, list.Len)
	each := list.Reader()
	for range list.Len {
		endpoints = append(endpoints, endpointOf(each.Endpoint()))
	}
	return endpoints
}

func endpointOf(d uabin.Endpoint) endpoint {
	e := endpoint{
		url: string(d.URL), policy: string(d.Policy), mode: ua.MessageSecurityMode(d.Mode), certificate: bytes.Clone(d.Certificate),
		level: d.Level, application: string(d.Server.URI), name: printable(d.Server.Name.Text), transport: string(d.Transport),
	}
	tokens := d.Tokens.Reader()
	for range d.Tokens.Len {
		p := tokens.TokenPolicy()
		e.tokens = append(e.tokens, tokenPolicy{id: string(p.ID), kind: ua.UserTokenType(p.Kind), issued: string(p.Token), policy: string(p.Security)})
	}
	return e
}
