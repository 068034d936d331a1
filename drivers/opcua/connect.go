package opcua

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Defaults of ClientConfig.
const (
	DefaultPort           = 4840 // OPC 10000-6, section 7.2
	DefaultSessionName    = "fieldtap"
	DefaultTimeout        = 10 * time.Second
	DefaultConnectTimeout = 20 * time.Second
	DefaultSessionTimeout = 2 * time.Minute
	DefaultTokenLifetime  = time.Hour
	DefaultMaxMessage     = 16 << 20
)

// scheme is what the URL of an endpoint begins with (OPC 10000-6, section 7.2).
const scheme = "opc.tcp://"

// expiryNotice is how long before the end of a certificate it is told.
const expiryNotice = 30 * 24 * time.Hour

// ClientConfig says how to reach a server and to log in. It is given by value; every
// field but Endpoint and what security needs has a default.
type ClientConfig struct {
	// Endpoint is the URL of the server, "opc.tcp://host:4840/path". The port may be left
	// out. Its host is the one that is connected to, whatever the server calls itself.
	Endpoint string
	// Dial makes the connection in place of one to the host of Endpoint. It is called twice
	// for each login and must return when its context ends.
	Dial func(context.Context) (net.Conn, error)

	// Policies are the security policies that may be used; the best one that the server
	// has is. Default: Aes256Sha256RsaPss, Aes128Sha256RsaOaep and Basic256Sha256.
	// PolicyNone goes alone: with others beside it whoever is on the way would decide. With
	// it, passwords stay secret, but whoever is on the way can read, change and take over
	// everything else.
	Policies []Policy
	// Mode is the least protection of messages. Default: SignAndEncrypt, and ModeNone with
	// PolicyNone.
	Mode Mode
	// Certificate is our own, which the server must trust. Default: that in Trust.Store,
	// where one is created if there is none. PolicyNone needs none.
	Certificate Certificate
	// Trust says which servers are trusted.
	Trust Trust
	// Identity is the user that the session is for. Default: anonymous.
	Identity Identity

	// ApplicationURI names this installation of the application. Default: that in the
	// certificate.
	ApplicationURI string
	// SessionName is how administrators of the server see us. Default: "fieldtap".
	SessionName string
	// Timeout is how long to wait for the answer to one request, and for each step of a
	// login: the connection, the hello, the channel, the endpoints, the session. Default:
	// 10 s.
	Timeout time.Duration
	// ConnectTimeout bounds a login as a whole, with what Identity.Token takes, further than
	// its context. Default: 20 s.
	ConnectTimeout time.Duration
	// SessionTimeout is how long the server is to keep a session without a connection.
	// Default: 2 min.
	SessionTimeout time.Duration
	// TokenLifetime is how long the server is to let the keys of a channel be used.
	// They are renewed in time. Default: 1 h.
	TokenLifetime time.Duration
	// MaxMessage is the longest response that is taken, in bytes. Default: 16 MiB.
	MaxMessage int

	// Now is the clock for stamps and certificates. Default: time.Now.
	Now func() time.Time
	// Logger receives rare events, such as a certificate that was refused or that ends
	// soon. Default: none.
	Logger *slog.Logger
	// Trace observes logins. Default: nothing.
	Trace ClientTrace
	// Plaintext has what goes over secured connections told to whoever records it, as
	// wire.Recorder.Plaintext does for a file that tools can read and wire.Peer can play.
	// It is given each connection of mode Sign or SignAndEncrypt that Dial has made, before
	// anything goes over it, and what it returns is called with the chunks of each message
	// as mode None has them: when they are about to be sent, and when they have come and
	// proved to be authentic. Nonces that keys are made of are left out; logins, tokens of
	// sessions and values are in it. Both functions may be nil, are called at the same time,
	// must return at once, and neither keep nor change the chunks. Default: nothing is told.
	Plaintext func(net.Conn) (sent, received func(chunks []byte))
}

// ClientTrace is a set of functions called while a login goes on; nil ones are left out.
// They must return at once and not change what they are given.
type ClientTrace struct {
	// Chosen tells which endpoint was chosen, before its certificate is judged.
	Chosen func(Endpoint)
	// Judged tells of a server's certificate and, if err is not nil, why it was refused.
	// The certificate is nil if it cannot be read.
	Judged func(c *x509.Certificate, err error)
	// Expiring tells, once a day for each, that a certificate is valid for less than 30 days,
	// or, with a negative time, is not any more: our own, that of Identity, or that of the
	// server, which is refused when it ends.
	Expiring func(c *x509.Certificate, left time.Duration)
}

// checked returns c with its defaults filled in, or everything wrong with it.
func (c ClientConfig) checked() (ClientConfig, *url.URL, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("opcua: "+format, args...)) }
	u, err := parseEndpoint(c.Endpoint)
	if err != nil {
		faults = append(faults, err)
	}
	if len(c.Policies) == 0 {
		c.Policies = []Policy{Aes256Sha256RsaPss, Aes128Sha256RsaOaep, Basic256Sha256}
	}
	c.Policies = slices.Clone(c.Policies)
	for _, p := range c.Policies {
		if p < PolicyNone || p > Aes256Sha256RsaPss {
			fault("%s is none", p)
		}
	}
	none := slices.Contains(c.Policies, PolicyNone)
	if none && len(c.Policies) > 1 {
		fault("policy None beside others: whoever is on the way would choose it")
	}
	switch {
	case c.Mode == 0 && none:
		c.Mode = ModeNone
	case c.Mode == 0:
		c.Mode = SignAndEncrypt
	case c.Mode > SignAndEncrypt:
		fault("%s is none", c.Mode)
	case (c.Mode == ModeNone) != none:
		fault("mode %s with policies %v", c.Mode, c.Policies)
	}
	if !none && c.Certificate.IsZero() && c.Trust.Store == nil {
		fault("no certificate of our own, and no store to keep one in")
	}
	if uri := c.Certificate.ApplicationURI(); !c.Certificate.IsZero() && (uri == "" || c.ApplicationURI != "" && uri != c.ApplicationURI) {
		fault("our certificate is for application %q, want %q", uri, c.ApplicationURI)
	}
	if t := c.Trust; !none && t.Store == nil && len(t.List.Trusted) == 0 {
		fault("no server is trusted: give a store, or a list")
	}
	faults = append(faults, c.Trust.faults()...)
	faults = append(faults, c.Identity.faults()...)
	c.SessionName = cmp.Or(c.SessionName, DefaultSessionName)
	for _, d := range []struct {
		what            string
		value           *time.Duration
		least, fallback time.Duration
	}{
		{"timeout", &c.Timeout, time.Millisecond, DefaultTimeout},
		{"connect timeout", &c.ConnectTimeout, time.Millisecond, DefaultConnectTimeout},
		{"session timeout", &c.SessionTimeout, time.Second, DefaultSessionTimeout},
		{"token lifetime", &c.TokenLifetime, leastLifetime, DefaultTokenLifetime},
	} {
		if *d.value = cmp.Or(*d.value, d.fallback); *d.value < d.least || *d.value > 24*time.Hour {
			fault("%s of %s is not within %s to 24h", d.what, *d.value, d.least)
		}
	}
	if c.MaxMessage = cmp.Or(c.MaxMessage, DefaultMaxMessage); c.MaxMessage < leastChunk || c.MaxMessage > 1<<30 {
		fault("MaxMessage of %d is not within %d to %d bytes", c.MaxMessage, leastChunk, 1<<30)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Trace.Chosen == nil {
		c.Trace.Chosen = func(Endpoint) {}
	}
	if c.Trace.Judged == nil {
		c.Trace.Judged = func(*x509.Certificate, error) {}
	}
	if c.Trace.Expiring == nil {
		c.Trace.Expiring = func(*x509.Certificate, time.Duration) {}
	}
	return c, u, errors.Join(faults...)
}

// parseEndpoint reads the URL of an endpoint and adds the port if it has none.
func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("opcua: no endpoint")
	case err != nil, len(text) > 4096: // OPC 10000-6, section 7.1.2.3
		return nil, errors.New("opcua: the endpoint is no URL") // which may hold a password
	case u.User != nil:
		return nil, errors.New("opcua: the endpoint has a user in it: use Identity")
	case u.Scheme != "opc.tcp" || u.Hostname() == "":
		return nil, fmt.Errorf("opcua: endpoint %.200q, want opc.tcp://host:port", text)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(DefaultPort))
	}
	if port, err := strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("opcua: port of endpoint %.200q is not within 1 to 65535", text)
	}
	return u, nil
}

// connector knows how to reach one server and to log in. It is safe for concurrent use.
type connector struct {
	cfg      ClientConfig // without the Identity
	identity identity
	peer     peer
	counters channelCounters

	user Certificate // that proves the identity; the zero value if another thing does

	mu   sync.Mutex
	told [3]time.Time // when it was last told that a certificate ends soon, by whose it is
}

// Whose certificates end.
const (
	ours = iota
	users
	servers
)

// newConnector returns the connector that cfg describes, or everything wrong with it.
func newConnector(cfg ClientConfig) (*connector, error) {
	cfg, u, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	n := &connector{cfg: cfg, identity: cfg.Identity.identity(cfg.Policies), peer: peer{address: u.Host, host: u.Hostname()}, user: cfg.Identity.Certificate}
	n.cfg.Identity = Identity{}
	if n.cfg.Dial == nil {
		n.cfg.Dial = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", u.Host) }
	}
	return n, nil
}

// way is what a login goes by: what was learnt by hearsay and judged, and our own
// certificate.
type way struct {
	demand   demand
	endpoint endpoint
	key      keyPair
	uri      string   // of our application
	urls     []string // by which the server may know the endpoint, the likely one first
	first    bool     // the certificate is to be pinned
}

// login logs in: with a new session, or with the one given, if the server still has it,
// activated on a new channel. A channel that resume had must be closed before, or by the
// caller later.
func (n *connector) login(ctx context.Context, resume *session) (s *session, resumed bool, err error) {
	if end, bounded := ctx.Deadline(); !bounded || time.Until(end) > n.cfg.ConnectTimeout {
		whole := ctx
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, n.cfg.ConnectTimeout)
		defer cancel()
		defer func() {
			if errors.Is(err, context.DeadlineExceeded) && whole.Err() == nil {
				err = &TimeoutError{Service: "login", After: n.cfg.ConnectTimeout}
			}
		}()
	}
	w, err := n.explore(ctx)
	if err != nil {
		return nil, false, err
	}
	for i, url := range w.urls {
		s, resumed, err = n.enter(ctx, w, url, resume)
		if err == nil || i == len(w.urls)-1 || !misnamed(err) {
			break
		}
	}
	return s, resumed, err
}

// misnamed reports whether a server may have refused us for the URL that we called it
// by, before anything was believed or sent that may not be sent twice.
func misnamed(err error) bool {
	if errors.Is(err, errNoEndpoints) {
		return true
	}
	const urlInvalid, serverURIInvalid = StatusCode(0x80830000), StatusCode(0x804F0000) // Bad_TcpEndpointUrlInvalid, Bad_ServerUriInvalid
	invalid := func(s StatusCode) bool {
		return s == urlInvalid || s == serverURIInvalid || s == StatusBadIdentityTokenInvalid
	}
	if service, ok := errors.AsType[*ServiceError](err); ok {
		return invalid(service.Status)
	}
	ended, ok := errors.AsType[*PeerError](err)
	return ok && invalid(ended.Status)
}

// errNoEndpoints is a server that says, once it has proved who it is, that it has no
// endpoints.
var errNoEndpoints = &SecurityError{Reason: "the server itself names no endpoints, so that those of discovery cannot be checked"}

// explore learns which endpoints there are, chooses one, and judges its certificate.
func (n *connector) explore(ctx context.Context) (*way, error) {
	if !n.user.IsZero() {
		n.expiring(users, "the user's certificate", n.user.Leaf())
	}
	w := &way{demand: demand{policies: n.cfg.Policies, mode: n.cfg.Mode, url: n.cfg.Endpoint, identity: n.identity}}
	if err := n.present(w); err != nil {
		return nil, err
	}
	offered, err := n.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	if w.endpoint, err = w.demand.choose(offered); err != nil {
		return nil, err
	}
	n.cfg.Trace.Chosen(w.endpoint.describe())
	if w.endpoint.mode != ua.MessageSecurityModeNone || w.demand.identity.confides() {
		if err := n.judge(w); err != nil {
			return nil, err
		}
	}
	w.urls = []string{w.endpoint.url}
	if w.endpoint.url != n.cfg.Endpoint && len(w.endpoint.url) <= 4096 {
		w.urls = append(w.urls, n.cfg.Endpoint)
	} else {
		w.urls = []string{n.cfg.Endpoint}
	}
	return w, nil
}

// present finds the certificate that we show. It is looked for at each login, so that a
// new one is used from then on.
func (n *connector) present(w *way) error {
	own := n.cfg.Certificate
	w.uri = n.cfg.ApplicationURI
	if own.IsZero() && n.cfg.Mode != ModeNone {
		var skipped []error
		var err error
		if own, skipped, err = n.cfg.Trust.Store.own(Template{ApplicationURI: n.cfg.ApplicationURI, Now: n.cfg.Now}); err != nil {
			return err
		}
		for _, err := range skipped {
			n.note(err)
		}
		if uri := own.ApplicationURI(); w.uri != "" && uri != w.uri {
			return fmt.Errorf("opcua: our certificate %s is for application %q, want %q", own, uri, w.uri)
		}
	}
	if own.IsZero() {
		w.uri = cmp.Or(w.uri, "urn:fieldtap")
		return nil
	}
	w.key, w.uri = own.pair, own.ApplicationURI()
	if n.cfg.Mode != ModeNone {
		n.expiring(ours, "our certificate", own.Leaf())
	}
	return nil
}

// expiring tells that a certificate ends soon, if it does and it was not told today.
func (n *connector) expiring(whose int, name string, c *x509.Certificate) {
	now := n.cfg.Now()
	left := c.NotAfter.Sub(now)
	if left >= expiryNotice {
		return
	}
	n.mu.Lock()
	due := n.told[whose].IsZero() || now.Sub(n.told[whose]) >= 24*time.Hour
	if due {
		n.told[whose] = now
	}
	n.mu.Unlock()
	if due {
		n.cfg.Logger.Warn("opcua: "+name+" ends soon", "certificate", thumbprint(c.Raw), "subject", subject(c), "end", c.NotAfter, "left", left)
		n.cfg.Trace.Expiring(c, left)
	}
}

// note tells of something that could not be used and is not needed.
func (n *connector) note(err error) {
	n.cfg.Logger.Warn("opcua: a file of the store is of no use", "error", err)
}

// judge judges the certificate of the endpoint, and leaves nothing but itself in it.
func (n *connector) judge(w *way) error {
	p, e := n.peer, &w.endpoint
	p.application = e.application
	c, first, err := n.cfg.Trust.judge(e.certificate, p, n.cfg.Now(), n.note)
	shown := c
	if shown == nil {
		shown, _ = x509.ParseCertificate(leaf(e.certificate)) // for whoever watches
	}
	n.cfg.Trace.Judged(shown, err)
	if err != nil {
		n.cfg.Logger.Warn("opcua: server's certificate refused", "endpoint", n.cfg.Endpoint, "error", err)
		return err
	}
	n.expiring(servers, "the server's certificate", c)
	e.certificate, w.first = c.Raw, first
	return nil
}

// hail opens a channel.
func (n *connector) hail(ctx context.Context, cfg channelConfig) (*channel, error) {
	bounded, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	conn, err := n.cfg.Dial(bounded)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.Err() != nil:
		n.counters.timeouts.Add(1)
		return nil, &TimeoutError{Service: "connection", After: n.cfg.Timeout}
	default:
		return nil, lost(err)
	}
	cfg.timeout = n.cfg.Timeout
	cfg.maxMessage = cmp.Or(cfg.maxMessage, n.cfg.MaxMessage)
	cfg.lifetime, cfg.now, cfg.counters = n.cfg.TokenLifetime, n.cfg.Now, &n.counters
	cfg.plaintext = n.cfg.Plaintext
	return openChannel(ctx, conn, cfg)
}

// open opens a channel to the endpoint, which it calls by a URL.
func (n *connector) open(ctx context.Context, w *way, url string) (*channel, error) {
	cfg := channelConfig{url: url, policy: w.endpoint.policy, mode: w.endpoint.mode}
	if w.endpoint.mode != ua.MessageSecurityModeNone {
		cfg.key, cfg.server = w.key, w.endpoint.certificate
	}
	c, err := n.hail(ctx, cfg)
	if err != nil {
		return nil, doubted(err, cfg.key)
	}
	if w.first { // the server has the key, or, without security, nobody will ever prove it
		if err := n.cfg.Trust.Store.setPin(n.peer.address, w.endpoint.certificate); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// doubted adds a hint to an error that may be a server's way to say that it does not take
// our certificate: many just end the connection.
func doubted(err error, key keyPair) error {
	service, refused := errors.AsType[*ServiceError](err)
	ended, broken := errors.AsType[*PeerError](err)
	if key.private == nil || !errors.Is(err, io.ErrUnexpectedEOF) && !(refused && service.Status.security()) && !(broken && ended.Status.security()) {
		return err
	}
	return fmt.Errorf("%w (does the server trust our certificate %s?)", err, Certificate{key})
}

// enter opens a channel and logs in on it.
func (n *connector) enter(ctx context.Context, w *way, url string, resume *session) (*session, bool, error) {
	c, err := n.open(ctx, w, url)
	if err != nil {
		return nil, false, err
	}
	// A session belongs to the certificate that it was created with.
	if resume != nil && bytes.Equal(resume.channel.cfg.key.certificate, c.cfg.key.certificate) {
		old := *resume
		old.channel, old.cfg.endpoint, old.cfg.identity = c, w.endpoint, w.demand.identity
		err := old.activate(ctx)
		if err == nil {
			return &old, true, nil
		}
		ended := c.err() != nil
		refused, ok := errors.AsType[*ServiceError](err)
		switch {
		case ok && refused.Status != StatusBadUserAccessDenied && refused.Status != StatusBadIdentityTokenRejected && !ended: // the session is gone
		case ok || !ended: // a password that was refused is not tried twice
			c.close()
			return nil, false, err
		default: // some servers end the channel over a session that is gone
			c.close()
			if c, err = n.open(ctx, w, url); err != nil {
				return nil, false, err
			}
		}
	}
	s, err := n.begin(ctx, w, c)
	if err != nil {
		c.close()
		return nil, false, err
	}
	return s, false, nil
}

// begin creates a session on a channel and activates it.
func (n *connector) begin(ctx context.Context, w *way, c *channel) (*session, error) {
	s, err := createSession(ctx, c, sessionConfig{
		name: n.cfg.SessionName, application: w.uri, timeout: n.cfg.SessionTimeout, request: n.cfg.Timeout,
		identity: w.demand.identity, endpoint: w.endpoint, maxMessage: n.cfg.MaxMessage,
	})
	if err != nil {
		return nil, doubted(err, c.cfg.key)
	}
	if w.endpoint.mode != ua.MessageSecurityModeNone {
		err = w.demand.compare(w.endpoint, s.offered)
		if len(s.offered) == 0 {
			err = errNoEndpoints
		}
	}
	s.offered = nil
	if err == nil {
		err = s.activate(ctx)
	}
	if err != nil {
		bounded, cancel := context.WithTimeout(ctx, partingTime)
		defer cancel()
		s.close(bounded, true)
		return nil, err
	}
	return s, nil
}
