package interop_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between a client and a server, and does what networks do.
type proxy struct {
	target, address string

	mu    sync.Mutex
	l     net.Listener // nil while connections are refused
	conns map[net.Conn]bool
	open  chan struct{} // closed while bytes pass
}

// newProxy starts a proxy that ends with the test.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{target: target, address: "127.0.0.1:0", conns: make(map[net.Conn]bool), open: make(chan struct{})}
	close(p.open)
	p.accept(t)
	p.address = p.l.Addr().String() // before anybody dials
	t.Cleanup(func() {
		p.pass()
		p.refuse()
	})
	return p
}

// dial is what a client connects by.
func (p *proxy) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", p.address)
}

// accept takes connections, again at the address that it had.
func (p *proxy) accept(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.mu.Lock()
	p.l = l
	p.mu.Unlock()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.relay(client)
		}
	}()
}

// relay connects a client to the server.
func (p *proxy) relay(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		abort(client)
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	both.Go(func() { p.copy(client, server) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

// copy takes bytes from one end to the other, and then the end itself.
func (p *proxy) copy(to, from net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		<-open
		if n > 0 {
			if _, failed := to.Write(b[:n]); failed != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// reset ends every connection at once, as routers do that have forgotten it.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		abort(c)
	}
}

// refuse ends every connection and takes none.
func (p *proxy) refuse() {
	p.mu.Lock()
	if p.l != nil {
		p.l.Close()
		p.l = nil
	}
	p.mu.Unlock()
	p.reset()
}

// hold lets nothing pass, in neither direction; nor is the end of a connection heard of.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// pass delivers what was held, and what comes.
func (p *proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// abort closes a connection with a reset.
func abort(c net.Conn) {
	if c, ok := c.(*net.TCPConn); ok {
		c.SetLinger(0)
	}
	c.Close()
}
