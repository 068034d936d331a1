package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// canary is a password that must never be seen.
const canary = "Canary-8f1c!"

// tokens are all kinds of login, secured by a policy; by that of the endpoint if it is 0.
func tokens(policy Policy) []*ua.UserTokenPolicy {
	uri := ""
	if policy != 0 {
		uri = policy.uri()
	}
	return []*ua.UserTokenPolicy{
		{PolicyID: "anonymous", TokenType: ua.UserTokenTypeAnonymous},
		{PolicyID: "user", TokenType: ua.UserTokenTypeUserName, SecurityPolicyURI: uri},
		{PolicyID: "certificate", TokenType: ua.UserTokenTypeCertificate, SecurityPolicyURI: uri},
		{PolicyID: "jwt", TokenType: ua.UserTokenTypeIssuedToken, IssuedTokenType: TokenJWT, SecurityPolicyURI: uri},
	}
}

// plant is an impostor that is honest, and a client that trusts it.
type plant struct {
	*impostor
	cfg ClientConfig
	log *bytes.Buffer
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	server := issue(t, "server", keyed(t, 2), nil)
	client := issue(t, "client", keyed(t, 1), nil, func(c *x509.Certificate) {
		c.URIs[0].Opaque = "plant:client"
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	p := &plant{impostor: &impostor{t: t, identity: server.pair()}, log: new(bytes.Buffer)}
	p.offered = []*ua.EndpointDescription{
		described(PolicyNone, ModeNone, server.Raw, tokens(Basic256Sha256)...),
		described(Basic256Sha256, Sign, server.Raw, tokens(0)...),
		described(Basic256Sha256, SignAndEncrypt, server.Raw, tokens(0)...),
		described(Aes256Sha256RsaPss, Sign, server.Raw, tokens(0)...),
		described(Aes256Sha256RsaPss, SignAndEncrypt, server.Raw, tokens(0)...),
	}
	p.cfg = ClientConfig{
		Endpoint: "opc.tcp://plant:4840", Dial: p.dial, Certificate: Certificate{client.pair()},
		Trust:    Trust{List: TrustList{Trusted: certificates(server)}},
		Identity: Identity{User: "operator", Password: canary},
		Now:      func() time.Time { return noon }, Timeout: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return p
}

// login logs in and out again.
func (p *plant) login() error {
	n, err := newConnector(p.cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, _, err := n.login(ctx, nil)
	if err != nil {
		return err
	}
	s.close(ctx, true)
	s.channel.close()
	return nil
}

func TestIdentities(t *testing.T) {
	operator := issue(t, "operator", keyed(t, 3), nil, func(c *x509.Certificate) { c.URIs = nil })
	identities := map[string]struct {
		identity Identity
		want     []string
	}{
		"anonymous":     {Identity{}, nil},
		"password":      {Identity{User: "operator", Password: canary}, []string{canary}},
		"no password":   {Identity{User: "operator"}, []string{""}},
		"long password": {Identity{User: "operator", Password: acquire.Secret(strings.Repeat("long", 300))}, []string{strings.Repeat("long", 300)}},
		"certificate":   {Identity{Certificate: Certificate{operator.pair()}}, []string{"proof operator"}},
		"token":         {Identity{Token: func(context.Context) (acquire.Secret, error) { return "a.b.c", nil }}, []string{"a.b.c"}},
	}
	for _, policy := range []Policy{PolicyNone, Basic128Rsa15, Basic256, Basic256Sha256, Aes128Sha256RsaOaep, Aes256Sha256RsaPss} {
		for _, mode := range []Mode{ModeNone, Sign, SignAndEncrypt} {
			if (policy == PolicyNone) != (mode == ModeNone) {
				continue
			}
			for name, tt := range identities {
				t.Run(fmt.Sprintf("%s %s %s", policy, mode, name), func(t *testing.T) {
					p := newPlant(t)
					p.cfg.Policies, p.cfg.Mode, p.cfg.Identity = []Policy{policy}, mode, tt.identity
					p.offered = []*ua.EndpointDescription{described(policy, mode, p.identity.certificate, tokens(map[Policy]Policy{PolicyNone: Basic256Sha256}[policy])...)}
					p.offered[0].UserIdentityTokens[2].SecurityPolicyURI = Basic256Sha256.uri() // whose signature the server here can check
					require.NoError(t, p.login())
					assert.Equal(t, tt.want, p.secrets)
					kinds := p.asked()
					assert.Contains(t, kinds, "OpenSecureChannel MessageSecurityMode"+mode.String())
					assert.Equal(t, "CloseSession", strings.TrimSuffix(kinds[len(kinds)-1], " plain"))
				})
			}
		}
	}
}

// Whatever a server of ours, or somebody in its place, does: what it may not have it does
// not get, and the client says why in one of its types.
func TestHostileLogin(t *testing.T) {
	other := issue(t, "other", keyed(t, 3), nil)
	forged := func(p *plant) { p.identity.private = keyed(t, 3) } // the certificate, but not its key
	session := func(change func(*ua.CreateSessionResponse)) func(p *plant) {
		return func(p *plant) {
			p.answer = func(_ ua.Request, response ua.Response) ua.Response {
				if r, ok := response.(*ua.CreateSessionResponse); ok {
					change(r)
				}
				return response
			}
		}
	}
	offer := func(e ...*ua.EndpointDescription) func(p *plant) {
		return func(p *plant) { p.offered = e }
	}
	none := func(p *plant) { p.cfg.Policies = []Policy{PolicyNone} }
	genuine := issue(t, "server", keyed(t, 2), nil)
	both := func(changes ...func(*plant)) func(*plant) {
		return func(p *plant) {
			for _, change := range changes {
				change(p)
			}
		}
	}
	tests := map[string]struct {
		change func(*plant)
		status StatusCode // of a CertificateError; 0: another error
		says   string
	}{
		// Somebody on the way, without the key.
		"without the key":                                                {forged, 0, ""},
		"without the key, opens with None":                               {both(forged, func(p *plant) { p.opening = func(string) string { return PolicyNone.uri() } }), 0, "policy"},
		"with the key, opens with None":                                  {func(p *plant) { p.opening = func(string) string { return PolicyNone.uri() } }, 0, "policy"},
		"opens with another policy":                                      {func(p *plant) { p.opening = func(string) string { return Basic256Sha256.uri() } }, 0, "policy"},
		"opens with a certificate of its own":                            {func(p *plant) { p.identity = other.pair() }, 0, ""},
		"names a certificate of its own":                                 {both(func(p *plant) { p.identity = other.pair() }, offer(described(Aes256Sha256RsaPss, SignAndEncrypt, other.Raw))), StatusBadCertificateUntrusted, "trusted"},
		"offers None alone":                                              {offer(described(PolicyNone, ModeNone, genuine.Raw)), 0, "no endpoint is as secure"},
		"offers None with a certificate of its own, and None is allowed": {both(none, offer(described(PolicyNone, ModeNone, other.Raw, tokens(Basic256Sha256)...))), StatusBadCertificateUntrusted, ""},
		"offers None without a certificate, and None is allowed":         {both(none, offer(described(PolicyNone, ModeNone, nil, tokens(Basic256Sha256)...))), 0, "no endpoint"},
		"asks for the password in clear, and None is allowed":            {both(none, offer(described(PolicyNone, ModeNone, genuine.Raw, tokens(PolicyNone)...))), 0, "no endpoint"},
		"asks for the password by the endpoint's policy, which is None":  {both(none, offer(described(PolicyNone, ModeNone, genuine.Raw, tokens(0)...))), 0, "no endpoint"},
		"asks for the password by a weak policy":                         {offer(described(Aes256Sha256RsaPss, SignAndEncrypt, genuine.Raw, tokens(Basic128Rsa15)...)), 0, "no endpoint"},
		"asks for the password by an unknown policy":                     {offer(described(Aes256Sha256RsaPss, SignAndEncrypt, genuine.Raw, &ua.UserTokenPolicy{PolicyID: "user", TokenType: ua.UserTokenTypeUserName, SecurityPolicyURI: "urn:mine"})), 0, "no endpoint"},
		"offers weak policies alone":                                     {offer(described(Basic128Rsa15, SignAndEncrypt, genuine.Raw), described(Basic256, SignAndEncrypt, genuine.Raw)), 0, "no endpoint"},
		"offers signing alone":                                           {offer(described(Aes256Sha256RsaPss, Sign, genuine.Raw)), 0, "no endpoint"},
		"offers encryption that is None":                                 {offer(described(PolicyNone, SignAndEncrypt, genuine.Raw)), 0, "no endpoint"},
		"offers no mode":                                                 {offer(described(Aes256Sha256RsaPss, 0, genuine.Raw)), 0, "no endpoint"},
		"offers another mode":                                            {offer(described(Aes256Sha256RsaPss, 77, genuine.Raw)), 0, "no endpoint"},
		"offers nothing":                                                 {offer(), 0, "no endpoint"},
		"offers another transport": {func(p *plant) {
			for _, e := range p.offered {
				e.TransportProfileURI = "http://opcfoundation.org/UA-Profile/Transport/https-uabinary"
			}
		}, 0, "another transport"},
		"is another application": {func(p *plant) {
			for _, e := range p.offered {
				e.Server = &ua.ApplicationDescription{ApplicationURI: "urn:other", ApplicationName: ua.NewLocalizedText("")}
			}
		}, StatusBadCertificateURIInvalid, "urn:other"},
		"certificate of nonsense": {offer(described(Aes256Sha256RsaPss, SignAndEncrypt, []byte("nonsense"))), StatusBadCertificateInvalid, ""},

		// The discovery was tampered with, the server is genuine.
		"better endpoints left out": {func(p *plant) {
			genuine := p.offered
			p.offered = []*ua.EndpointDescription{described(Basic256Sha256, SignAndEncrypt, p.identity.certificate, tokens(0)...)}
			session(func(r *ua.CreateSessionResponse) { r.ServerEndpoints = genuine })(p)
		}, 0, "discovery named Basic256Sha256"},
		"another login put in": {func(p *plant) {
			genuine := p.offered
			p.offered = []*ua.EndpointDescription{described(Aes256Sha256RsaPss, SignAndEncrypt, p.identity.certificate, tokens(Basic256Sha256)...)}
			session(func(r *ua.CreateSessionResponse) { r.ServerEndpoints = genuine })(p)
		}, 0, "other kinds of login"},
		"session names no endpoints": {session(func(r *ua.CreateSessionResponse) { r.ServerEndpoints = nil }), 0, "no endpoints"},
		"session names another certificate": {session(func(r *ua.CreateSessionResponse) {
			for i, e := range r.ServerEndpoints {
				clone := *e
				clone.ServerCertificate = other.Raw
				r.ServerEndpoints = slices.Clone(r.ServerEndpoints)
				r.ServerEndpoints[i] = &clone
			}
		}), 0, "another certificate"},
		"session names another application": {session(func(r *ua.CreateSessionResponse) {
			for i, e := range r.ServerEndpoints {
				clone := *e
				clone.Server = &ua.ApplicationDescription{ApplicationURI: "urn:x", ApplicationName: ua.NewLocalizedText("")}
				r.ServerEndpoints = slices.Clone(r.ServerEndpoints)
				r.ServerEndpoints[i] = &clone
			}
		}), 0, "application"},

		// The session is not that of the channel's server.
		"certificate swapped in CreateSession":  {session(func(r *ua.CreateSessionResponse) { r.ServerCertificate = other.Raw }), 0, "another certificate"},
		"certificate left out of CreateSession": {session(func(r *ua.CreateSessionResponse) { r.ServerCertificate = nil }), 0, "another certificate"},
		"signature left out":                    {session(func(r *ua.CreateSessionResponse) { r.ServerSignature = &ua.SignatureData{} }), 0, "signature"},
		"signature altered":                     {session(func(r *ua.CreateSessionResponse) { r.ServerSignature.Signature[9] ^= 1 }), 0, "signature"},
		"signature of another": {session(func(r *ua.CreateSessionResponse) {
			r.ServerSignature.Signature = make([]byte, 256)
			rand.Read(r.ServerSignature.Signature)
		}), 0, "signature"},
		"short nonce": {session(func(r *ua.CreateSessionResponse) { r.ServerNonce = r.ServerNonce[:31] }), 0, "nonce"},

		// Certificates, each otherwise right and trusted.
		"expired":         {shaped(t, func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }), StatusBadCertificateTimeInvalid, ""},
		"not yet valid":   {shaped(t, func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), StatusBadCertificateTimeInvalid, ""},
		"other host":      {shaped(t, func(c *x509.Certificate) { c.DNSNames = []string{"other"} }), StatusBadCertificateHostNameInvalid, ""},
		"other URI":       {shaped(t, func(c *x509.Certificate) { c.URIs[0].Opaque = "other" }), StatusBadCertificateURIInvalid, ""},
		"no key usage":    {shaped(t, func(c *x509.Certificate) { c.KeyUsage = 0 }), StatusBadCertificateUseNotAllowed, ""},
		"not for servers": {shaped(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }), StatusBadCertificateUseNotAllowed, ""},
		"renamed host": {func(p *plant) { // the server says it is elsewhere: we are told where to go by the operator alone
			p.cfg.Endpoint = "opc.tcp://elsewhere:4840"
		}, StatusBadCertificateHostNameInvalid, "elsewhere"},

		// Breaks in the middle.
		"no answer to GetEndpoints": {func(p *plant) {
			p.answer = func(r ua.Request, a ua.Response) ua.Response {
				if _, ok := r.(*ua.GetEndpointsRequest); ok {
					return nil
				}
				return a
			}
		}, 0, ""},
		"no answer to CreateSession": {func(p *plant) {
			p.answer = func(r ua.Request, a ua.Response) ua.Response {
				if _, ok := r.(*ua.CreateSessionRequest); ok {
					return nil
				}
				return a
			}
		}, 0, ""},
		"another answer": {func(p *plant) {
			p.answer = func(r ua.Request, a ua.Response) ua.Response {
				if _, ok := r.(*ua.CreateSessionRequest); ok {
					return &ua.ActivateSessionResponse{ResponseHeader: head(r)}
				}
				return a
			}
		}, 0, "answer of type"},
		"fault": {func(p *plant) {
			p.answer = func(r ua.Request, a ua.Response) ua.Response {
				if _, ok := r.(*ua.CreateSessionRequest); ok {
					h := head(r)
					h.ServiceResult = ua.StatusBadTooManySessions
					return &ua.ServiceFault{ResponseHeader: h}
				}
				return a
			}
		}, 0, "0x80560000"},
		"nonsense for an acknowledge": {func(p *plant) { p.hello = func() []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") } }, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			tt.change(p)
			err := p.login()
			require.Error(t, err)
			assert.ErrorContains(t, err, tt.says)
			refused, ok := errors.AsType[*CertificateError](err)
			if assert.Equal(t, tt.status != 0, ok, "%v", err) && ok {
				assert.Equal(t, tt.status, refused.Status)
				assert.Contains(t, p.log.String(), "refused")
			}
			_, typed := errors.AsType[judged](err)
			assert.True(t, typed || strings.Contains(err.Error(), "closed"), "%v", err)
			for _, request := range p.asked() {
				assert.NotContains(t, request, "ActivateSession", "the login was sent")
				if tt.status != 0 {
					assert.NotContains(t, request, "CreateSession", "a session before the certificate was judged")
				}
			}
			for what, text := range map[string]string{"wire": p.clear(), "log": p.log.String(), "error": fmt.Sprintf("%v %+v %#v", err, err, err)} {
				assert.False(t, strings.Contains(text, canary), what)
			}
			assert.Empty(t, p.secrets)
		})
	}
}

// shaped gives the server a certificate that is trusted, and wrong.
func shaped(t *testing.T, s shape) func(*plant) {
	return func(p *plant) {
		server := issue(t, "server", keyed(t, 2), nil, s)
		p.identity = server.pair()
		for _, e := range p.offered {
			e.ServerCertificate = server.Raw
		}
		p.cfg.Trust.List.Trusted = certificates(server)
	}
}

func TestRevokedLogin(t *testing.T) {
	root := authority(t, "root", keyed(t, 0), nil)
	server := issue(t, "server", keyed(t, 2), &root)
	p := newPlant(t)
	p.identity = server.pair()
	p.identity.issuers = [][]byte{root.Raw}
	for _, e := range p.offered {
		e.ServerCertificate = p.identity.chain()
	}
	p.cfg.Trust.List = TrustList{Trusted: certificates(root), Revocations: []*x509.RevocationList{revoke(t, root, nil)}}
	require.NoError(t, p.login())
	p.cfg.Trust.List.Revocations = append(p.cfg.Trust.List.Revocations, revoke(t, root, nil, server))
	refused, ok := errors.AsType[*CertificateError](p.login())
	require.True(t, ok)
	assert.Equal(t, StatusBadCertificateRevoked, refused.Status)
}

// The judgement is made at each login: what was right once may not be any more.
func TestJudgedAtEachLogin(t *testing.T) {
	p := newPlant(t)
	var mu sync.Mutex
	now := noon
	p.cfg.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	var judged []error
	p.cfg.Trace.Judged = func(_ *x509.Certificate, err error) { judged = append(judged, err) }
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	s, _, err := n.login(t.Context(), nil)
	require.NoError(t, err)
	s.channel.close()
	again, resumed, err := n.login(t.Context(), s)
	require.NoError(t, err)
	assert.True(t, resumed)
	again.channel.close()
	mu.Lock()
	now = noon.Add(2 * time.Hour)
	mu.Unlock()
	before := len(p.asked())
	_, _, err = n.login(t.Context(), again)
	refused, ok := errors.AsType[*CertificateError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, StatusBadCertificateTimeInvalid, refused.Status)
	assert.Equal(t, []string{"OpenSecureChannel MessageSecurityModeNone", "GetEndpoints plain"}, p.asked()[before:])
	require.Len(t, judged, 3)
	assert.NoError(t, judged[0])
	assert.NoError(t, judged[1])
	assert.Error(t, judged[2])
}

// A certificate is pinned when the server has proved that it has its key, and not before.
func TestFirstUseNeedsTheKey(t *testing.T) {
	p := newPlant(t)
	store, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	p.cfg.Trust = Trust{Store: store, FirstUse: true}
	genuine := p.identity.private
	p.identity.private = keyed(t, 3)
	require.Error(t, p.login())
	pinned, err := store.pin("plant:4840")
	require.NoError(t, err)
	assert.Nil(t, pinned)
	p.identity.private = genuine
	require.NoError(t, p.login())
	pinned, err = store.pin("plant:4840")
	require.NoError(t, err)
	assert.Equal(t, p.identity.certificate, pinned)
	require.NoError(t, p.login())
	secrets := len(p.secrets)
	shaped(t, func(*x509.Certificate) {})(p)
	p.cfg.Trust.List = TrustList{}
	refused, ok := errors.AsType[*CertificateError](p.login())
	require.True(t, ok)
	assert.Equal(t, StatusBadCertificateUntrusted, refused.Status)
	assert.Len(t, p.secrets, secrets)
}

// A server may know itself by another name than we do.
func TestServerNames(t *testing.T) {
	p := newPlant(t)
	for _, e := range p.offered {
		e.EndpointURL = "opc.tcp://inside:4841/ua"
	}
	require.NoError(t, p.login())
	assert.Equal(t, []string{"opc.tcp://inside:4841/ua"}, p.urls)

	// One that refuses its own name is called by ours.
	p = newPlant(t)
	p.cfg.Endpoint = "opc.tcp://plant"
	p.answer = func(r ua.Request, a ua.Response) ua.Response {
		if c, ok := r.(*ua.CreateSessionRequest); ok && c.EndpointURL != "opc.tcp://plant" {
			h := head(r)
			h.ServiceResult = ua.StatusBadTCPEndpointURLInvalid
			return &ua.ServiceFault{ResponseHeader: h}
		}
		return a
	}
	require.NoError(t, p.login())
	assert.Equal(t, []string{"opc.tcp://plant:4840", "opc.tcp://plant"}, p.urls)
}

func TestResume(t *testing.T) {
	p := newPlant(t)
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	s, resumed, err := n.login(t.Context(), nil)
	require.NoError(t, err)
	assert.False(t, resumed)
	s.channel.close()
	refuse := func(status ua.StatusCode) {
		p.answer = func(r ua.Request, a ua.Response) ua.Response {
			if activate, ok := r.(*ua.ActivateSessionRequest); ok && activate.RequestHeader.AuthenticationToken.IntID() == 0xCAFE && status != 0 {
				h := head(r)
				h.ServiceResult = status
				status = 0
				return &ua.ServiceFault{ResponseHeader: h}
			}
			return a
		}
	}
	for _, tt := range []struct {
		status  ua.StatusCode
		resumed bool
		fails   bool
	}{
		{0, true, false}, {ua.StatusBadSessionIDInvalid, false, false}, {ua.StatusBadSessionClosed, false, false}, {ua.StatusBadSecurityChecksFailed, false, false},
		{ua.StatusBadUserAccessDenied, false, true}, {ua.StatusBadIdentityTokenRejected, false, true},
	} {
		refuse(tt.status)
		before := len(p.secrets)
		next, resumed, err := n.login(t.Context(), s)
		if tt.fails {
			refused, ok := errors.AsType[*ServiceError](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, StatusCode(tt.status), refused.Status)
			assert.Len(t, p.secrets, before+1, "a password that is refused is not tried again")
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, tt.resumed, resumed, tt.status)
		next.channel.close()
	}
}

// A session of a certificate that we do not show any more, or one that the server ends
// the channel over, gives way to a new one.
func TestResumeAnew(t *testing.T) {
	p := newPlant(t)
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	s, _, err := n.login(t.Context(), nil)
	require.NoError(t, err)
	s.channel.close()
	var once sync.Once
	p.answer = func(r ua.Request, a ua.Response) ua.Response {
		if _, ok := r.(*ua.ActivateSessionRequest); ok {
			once.Do(func() { a = nil })
		}
		return a
	}
	next, resumed, err := n.login(t.Context(), s)
	require.NoError(t, err)
	assert.False(t, resumed)
	next.channel.close()

	renewed := issue(t, "renewed", keyed(t, 3), nil, func(c *x509.Certificate) { c.URIs[0].Opaque = "plant:client" })
	n.cfg.Certificate = Certificate{renewed.pair()}
	before := len(p.asked())
	last, resumed, err := n.login(t.Context(), next)
	require.NoError(t, err)
	assert.False(t, resumed)
	last.channel.close()
	assert.Equal(t, []string{"CreateSession", "ActivateSession"}, p.asked()[before:][3:])
}

// What a server says of our own certificate is told with the certificate's name.
func TestDistrusted(t *testing.T) {
	p := newPlant(t)
	root := authority(t, "root", keyed(t, 0), nil)
	client := issue(t, "client", keyed(t, 1), &root, func(c *x509.Certificate) { c.URIs[0].Opaque = "plant:client" })
	pair := client.pair()
	pair.issuers = [][]byte{root.Raw}
	p.cfg.Certificate = Certificate{pair}
	require.NoError(t, p.login())
	assert.Equal(t, pair.chain(), p.client)
	for name, answer := range map[string]func(ua.Request, ua.Response) ua.Response{
		"said": func(r ua.Request, a ua.Response) ua.Response {
			if _, ok := r.(*ua.CreateSessionRequest); ok {
				h := head(r)
				h.ServiceResult = ua.StatusBadCertificateUntrusted
				return &ua.ServiceFault{ResponseHeader: h}
			}
			return a
		},
		"ended": func(r ua.Request, a ua.Response) ua.Response {
			if _, ok := r.(*ua.CreateSessionRequest); ok {
				return nil
			}
			return a
		},
	} {
		p.answer = answer
		assert.ErrorContains(t, p.login(), p.cfg.Certificate.Thumbprint(), name)
	}
}

// A password is in nothing that is printed, encoded or logged.
func TestSecretsAreHidden(t *testing.T) {
	p := newPlant(t)
	p.cfg.Identity.Token = nil
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	var text bytes.Buffer
	identity := p.cfg.Identity.identity(nil)
	for _, v := range []any{p.cfg, &p.cfg, p.cfg.Identity, &p.cfg.Identity, identity, n, n.cfg, Trust{}, p.cfg.Trust, demand{identity: identity}, sessionConfig{identity: identity}, session{cfg: sessionConfig{identity: identity}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&text, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	}
	encoded, err := json.Marshal(struct {
		I struct {
			User     string
			Password acquire.Secret
		}
	}{struct {
		User     string
		Password acquire.Secret
	}{"operator", canary}})
	require.NoError(t, err)
	text.Write(encoded)
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), strings.Trim(fmt.Sprint([]byte(canary)), "[]")} {
		for line := range strings.Lines(text.String()) {
			assert.False(t, strings.Contains(line, form), "%.200s", line)
		}
	}
}

func TestClientConfigFaults(t *testing.T) {
	_, err := newConnector(ClientConfig{})
	require.Error(t, err)
	for _, fault := range []string{"no endpoint", "no certificate of our own", "no server is trusted"} {
		assert.ErrorContains(t, err, fault)
	}
	p := newPlant(t)
	for name, tt := range map[string]struct {
		change func(*ClientConfig)
		want   string
	}{
		"scheme":          {func(c *ClientConfig) { c.Endpoint = "http://plant" }, "opc.tcp"},
		"no host":         {func(c *ClientConfig) { c.Endpoint = "opc.tcp://:4840" }, "opc.tcp"},
		"port":            {func(c *ClientConfig) { c.Endpoint = "opc.tcp://plant:70000" }, "port"},
		"password in URL": {func(c *ClientConfig) { c.Endpoint = "opc.tcp://operator:" + canary + "@plant" }, "Identity"},
		"nonsense URL":    {func(c *ClientConfig) { c.Endpoint = "opc.tcp://operator:" + canary + "@pl ant%" }, "URL"},
		"None beside":     {func(c *ClientConfig) { c.Policies = []Policy{PolicyNone, Basic256Sha256} }, "None beside others"},
		"no policy":       {func(c *ClientConfig) { c.Policies = []Policy{99} }, "policy 99"},
		"None and Sign":   {func(c *ClientConfig) { c.Policies, c.Mode = []Policy{PolicyNone}, Sign }, "mode Sign"},
		"mode None":       {func(c *ClientConfig) { c.Mode = ModeNone }, "mode None"},
		"mode":            {func(c *ClientConfig) { c.Mode = 9 }, "mode 9"},
		"two identities":  {func(c *ClientConfig) { c.Identity.Certificate = c.Certificate }, "more than one identity"},
		"no user":         {func(c *ClientConfig) { c.Identity.User = "" }, "without a user"},
		"token type":      {func(c *ClientConfig) { c.Identity.TokenType = "x" }, "type of a token"},
		"URI":             {func(c *ClientConfig) { c.ApplicationURI = "urn:mine" }, "urn:mine"},
		"first use":       {func(c *ClientConfig) { c.Trust.FirstUse = true }, "without a store"},
		"tolerance":       {func(c *ClientConfig) { c.Trust.Tolerance = -1 }, "tolerance"},
		"nil trusted":     {func(c *ClientConfig) { c.Trust.List.Issuers = []*x509.Certificate{nil} }, "nil"},
		"timeout":         {func(c *ClientConfig) { c.Timeout = -1 }, "timeout"},
		"message":         {func(c *ClientConfig) { c.MaxMessage = 1 }, "MaxMessage"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := p.cfg
			tt.change(&cfg)
			_, err := newConnector(cfg)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), canary)
			for line := range strings.Lines(err.Error()) {
				assert.True(t, strings.HasPrefix(line, "opcua: "), line)
			}
		})
	}
}

// Our own certificate is looked for at each login, and its end is told in time.
func TestRenewalWithoutRestart(t *testing.T) {
	p := newPlant(t)
	store, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	now := noon
	p.cfg.Now = func() time.Time { return now }
	var told []time.Duration
	p.cfg.Trace.Expiring = func(c *x509.Certificate, left time.Duration) {
		if applicationURI(c) == clientURI {
			told = append(told, left)
		}
	}
	p.cfg.Certificate, p.cfg.Trust.Store = Certificate{}, store
	clock := func() time.Time { return now }
	first, err := store.Own(Template{ApplicationURI: clientURI, Now: clock, Validity: 31 * 24 * time.Hour})
	require.NoError(t, err)
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	login := func() string {
		s, _, err := n.login(t.Context(), nil)
		require.NoError(t, err)
		s.channel.close()
		return thumbprint(leaf(p.client))
	}
	assert.Equal(t, first.Thumbprint(), login())
	assert.Empty(t, told)
	server := issue(t, "server", keyed(t, 2), nil, func(c *x509.Certificate) { c.NotAfter = noon.Add(year) })
	p.identity = server.pair()
	for _, e := range p.offered {
		e.ServerCertificate = server.Raw
	}
	require.Error(t, func() error { _, _, err := n.login(t.Context(), nil); return err }())
	require.NoError(t, store.Trust(thumbprint(server.Raw)))
	now = noon.Add(2 * 24 * time.Hour)
	login()
	login()
	require.Len(t, told, 1, "once a day")
	assert.Equal(t, 29*24*time.Hour, told[0])
	assert.Contains(t, p.log.String(), "ends soon")
	second, err := CreateCertificate(Template{ApplicationURI: clientURI, Now: clock, Validity: year})
	require.NoError(t, err)
	require.NoError(t, store.SetOwn(second))
	assert.Equal(t, second.Thumbprint(), login())
	assert.Len(t, told, 1)
}

// The end of every certificate that a login needs is told in time, once a day for each.
func TestExpiring(t *testing.T) {
	p := newPlant(t)
	now := noon
	p.cfg.Now = func() time.Time { return now }
	for day, name := range map[int]string{29: "server", 35: "client", 45: "user"} {
		until := func(c *x509.Certificate) { c.NotAfter = noon.AddDate(0, 0, day) }
		switch name {
		case "server":
			shaped(t, until)(p)
		case "client":
			p.cfg.Certificate = Certificate{issue(t, name, keyed(t, 1), nil, until, func(c *x509.Certificate) { c.URIs[0].Opaque = "plant:client" }).pair()}
		case "user":
			p.cfg.Identity = Identity{Certificate: Certificate{issue(t, name, keyed(t, 3), nil, until).pair()}}
		}
	}
	told := make(map[string][]time.Duration)
	p.cfg.Trace.Expiring = func(c *x509.Certificate, left time.Duration) {
		told[c.Subject.CommonName] = append(told[c.Subject.CommonName], left)
	}
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	const day = 24 * time.Hour
	for _, step := range []struct {
		at   time.Duration
		want map[string][]time.Duration
	}{
		{0, map[string][]time.Duration{"server": {29 * day}}},
		{23 * time.Hour, map[string][]time.Duration{"server": {29 * day}}},
		{day, map[string][]time.Duration{"server": {29 * day, 28 * day}}},
		{6 * day, map[string][]time.Duration{"server": {29 * day, 28 * day, 23 * day}, "client": {29 * day}}},
		{28 * day, map[string][]time.Duration{"server": {29 * day, 28 * day, 23 * day, day}, "client": {29 * day, 7 * day}, "user": {17 * day}}},
	} {
		now = noon.Add(step.at)
		s, _, err := n.login(t.Context(), nil)
		require.NoError(t, err)
		s.close(t.Context(), true)
		s.channel.close()
		assert.Equal(t, step.want, told, "%s", step.at)
	}
	for _, name := range []string{"our certificate ends soon", "the user's certificate ends soon", "the server's certificate ends soon"} {
		assert.Contains(t, p.log.String(), name)
	}
}

func TestCancelledLogin(t *testing.T) {
	p := newPlant(t)
	p.hello = func() []byte { return nil } // and then waits for more
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, _, err := n.login(ctx, nil); ended <- err }()
	cancel()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Fatal("a login that is cancelled must end")
	}
}

func TestFindServers(t *testing.T) {
	p := newPlant(t)
	n, err := newConnector(p.cfg)
	require.NoError(t, err)
	found, err := n.servers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Application{{URI: serverURI, Name: "plant", Kind: ClientAndServer, DiscoveryURLs: []string{"opc.tcp://plant:4840"}}}, found)
	assert.Equal(t, "ClientAndServer", found[0].Kind.String())
	endpoints, err := n.endpoints(t.Context())
	require.NoError(t, err)
	require.Len(t, endpoints, 5)
	e := endpoints[4].describe()
	assert.Equal(t, Aes256Sha256RsaPss, e.Policy)
	assert.Equal(t, SignAndEncrypt, e.Mode)
	assert.Equal(t, serverURI, e.ApplicationURI)
	assert.Equal(t, []string{"anonymous", "user name", "certificate", "issued token"}, e.Logins)
}

// judged is an error that knows the quality of the samples that are lost by it.
type judged interface {
	error
	Quality() acquire.Quality
}
