package opcua

import (
	"bytes"
	"context"
	"fmt"
	"math"
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

// Application is an application as a server describes it, itself or another one that it
// knows (OPC 10000-4, section 7.2).
type Application struct {
	URI           string          // of this installation
	ProductURI    string          // of what is installed
	Name          string          // for people to read
	Kind          ApplicationKind // what it is to others
	GatewayURI    string          // of the gateway that leads to it; "" without one
	DiscoveryURLs []string        // where to ask for its endpoints
}

// ApplicationKind says what an application is to others.
type ApplicationKind uint8

// The kinds, with the numbers of the standard.
const (
	ServerApplication ApplicationKind = iota
	ClientApplication
	ClientAndServer
	DiscoveryServer
)

// String returns the standard's name of the kind.
func (k ApplicationKind) String() string {
	switch k {
	case ServerApplication:
		return "Server"
	case ClientApplication:
		return "Client"
	case ClientAndServer:
		return "ClientAndServer"
	case DiscoveryServer:
		return "DiscoveryServer"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// endpoints asks the server for its endpoints, on a channel of its own.
func (n *connector) endpoints(ctx context.Context) ([]endpoint, error) {
	c, err := n.bare(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return discover(ctx, c, n.cfg.Timeout)
}

// servers asks the server which applications it knows, on a channel of its own. A
// discovery server knows those of its network, any other knows itself.
func (n *connector) servers(ctx context.Context) ([]Application, error) {
	c, err := n.bare(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	m, r, err := c.request(ctx, &ua.FindServersRequest{EndpointURL: c.cfg.url}, nil, "FindServers", uabin.FindServersResponseID, n.cfg.Timeout)
	if err != nil {
		return nil, err
	}
	defer m.release()
	list := r.Servers()
	if err := r.End(); err != nil {
		return nil, &ProtocolError{Reason: "FindServers: " + err.Error()}
	}
	applications := make([]Application, 0, list.Len)
	each := list.Reader()
	for range list.Len {
		d := each.Application()
		a := Application{
			URI: string(d.URI), ProductURI: string(d.Product), Name: printable(d.Name.Text), Kind: ApplicationKind(min(d.Kind, math.MaxUint8)),
			GatewayURI: string(d.Gateway),
		}
		urls := d.DiscoveryURLs.Reader()
		for range d.DiscoveryURLs.Len {
			a.DiscoveryURLs = append(a.DiscoveryURLs, urls.Text())
		}
		applications = append(applications, a)
	}
	return applications, nil
}

// bare opens a channel without security, for discovery alone: servers have one for that
// even where they have no such endpoint (OPC 10000-4, section 5.4.1).
func (n *connector) bare(ctx context.Context) (*channel, error) {
	return n.hail(ctx, channelConfig{url: n.cfg.Endpoint, policy: PolicyNone.uri(), mode: ua.MessageSecurityModeNone, maxMessage: maxDiscovery})
}

// maxDiscovery bounds what is taken from somebody whom nobody has judged: some 200
// endpoints with their certificates.
const maxDiscovery = 1 << 20
