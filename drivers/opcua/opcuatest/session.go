package opcuatest

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// session is a session. All its fields belong to the server's mu.
type session struct {
	id         uint32
	token      string
	conn       *conn // that it is activated on; nil for none
	maker      *conn // that created it
	nonce      []byte
	active     bool
	timeout    time.Duration
	expiry     *time.Timer
	publishing []publishing // requests waiting
	// Continuation points of browsing, by number; each is what is left.
	points    map[uint32]*continuation
	pointsNow uint32
	changes   []change // to be told
}

// publishing is a PublishRequest that waits.
type publishing struct {
	request, handle uint32
	results         []Status
}

// change is a StatusChangeNotification for a subscription that the session has lost.
type change struct {
	subscription uint32
	status       Status
}

// Status codes that are used here (OPC 10000-6, StatusCode.csv).
const (
	badTimeout              Status = 0x800A0000
	badServiceUnsupported   Status = 0x800B0000
	badNothingToDo          Status = 0x800F0000
	badTooManyOperations    Status = 0x80100000
	badIdentityInvalid      Status = 0x80200000
	badIdentityRejected     Status = 0x80210000
	badUserAccessDenied     Status = 0x801F0000
	badUserSignatureInvalid Status = 0x80570000
	badChannelInvalid       Status = 0x80220000
	badNonceInvalid         Status = 0x80240000
	badSessionInvalid       Status = 0x80250000
	badSessionClosed        Status = 0x80260000
	badSessionNotActivated  Status = 0x80270000
	badSubscriptionInvalid  Status = 0x80280000
	badWaiting              Status = 0x80320000
	badNodeIDInvalid        Status = 0x80330000
	badNodeUnknown          Status = 0x80340000
	badAttributeInvalid     Status = 0x80350000
	badIndexInvalid         Status = 0x80360000
	badIndexNoData          Status = 0x80370000
	badEncodingUnsupported  Status = 0x80390000
	badNotReadable          Status = 0x803A0000
	badItemInvalid          Status = 0x80420000
	badItemFilterInvalid    Status = 0x80430000
	badFilterNotAllowed     Status = 0x80450000
	badEventFilterInvalid   Status = 0x80470000
	badContinuationInvalid  Status = 0x804A0000
	badTooManySessions      Status = 0x80560000
	badSignatureInvalid     Status = 0x80580000
	badNoMatch              Status = 0x806F0000
	badHistoryInvalid       Status = 0x80710000
	badHistoryUnsupported   Status = 0x80720000
	badTooManySubs          Status = 0x80770000
	badTooManyPublish       Status = 0x80780000
	badNoSubscription       Status = 0x80790000
	badSequenceUnknown      Status = 0x807A0000
	badNotAvailable         Status = 0x807B0000
	badNoData               Status = 0x809B0000
	badTooManyItems         Status = 0x80DB0000
	goodNoData              Status = 0x00A50000
	goodTransferred         Status = 0x002D0000
)

// isBad reports whether a status says that something failed.
func (s Status) isBad() bool { return s>>30 == 2 }

// endpoints returns the EndpointDescriptions of the server, as an array.
func (s *Server) endpoints(url string) []byte {
	if s.cfg.URL != "" || s.address != "" {
		url = s.URL()
	}
	b := appendLength(nil, len(s.cfg.Security))
	for _, o := range s.cfg.Security {
		b = appendBare(b, url)
		b = append(b, s.application(url)...)
		b = appendBare(b, s.cfg.Identity.Certificate)
		b = appendBare(b, uint32(o.Mode))
		b = appendBare(b, o.Policy.URI())
		b = append(b, s.tokens(o)...)
		b = appendBare(b, "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary")
		b = append(b, uapolicy.SecurityLevel(o.Policy.URI(), ua.MessageSecurityMode(o.Mode)))
	}
	return b
}

// application returns the ApplicationDescription of the server.
func (s *Server) application(url string) (b []byte) {
	for _, field := range []any{
		s.cfg.ApplicationURI, "urn:fieldtap:opcuatest", LocalizedText{Text: "fieldtap opcuatest"}, uint32(0), []byte(nil), []byte(nil), []string{url},
	} {
		b = appendBare(b, field)
	}
	return b
}

// tokens returns the UserTokenPolicies of an endpoint. A secret goes encrypted where the server has a key, without security as well.
func (s *Server) tokens(o Security) []byte {
	secret := ""
	if o.Policy == PolicyNone && s.cfg.Identity.Key != nil {
		secret = Basic256Sha256.URI()
	}
	type policy struct {
		id     string
		kind   uint32
		issued string
		secret string
	}
	var list []policy
	if !s.cfg.NoAnonymous {
		list = append(list, policy{id: "anonymous"})
	}
	if len(s.cfg.Users) > 0 {
		list = append(list, policy{"user", 1, "", secret})
	}
	if len(s.cfg.UserCertificates) > 0 {
		list = append(list, policy{"certificate", 2, "", Basic256Sha256.URI()})
	}
	if len(s.cfg.Tokens) > 0 {
		list = append(list, policy{"token", 3, "http://opcfoundation.org/UA/UserToken#JWT", secret})
	}
	b := appendLength(nil, len(list))
	for _, p := range list {
		for _, field := range []any{p.id, p.kind, p.issued, "", p.secret} {
			b = appendBare(b, field)
		}
	}
	return b
}

// createSession answers a CreateSessionRequest. Whoever calls it and the functions below holds the server's mu.
func (c *conn) createSession(r *ua.CreateSessionRequest) (*response, Status) {
	s := c.server
	if s.limits.Sessions > 0 && len(s.sessions) >= s.limits.Sessions {
		return nil, badTooManySessions
	}
	if c.security.Policy != PolicyNone && len(r.ClientNonce) < 32 {
		return nil, badNonceInvalid
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	timeout := time.Duration(r.RequestedSessionTimeout * float64(time.Millisecond))
	if !(r.RequestedSessionTimeout > 0 && timeout <= s.limits.Session) {
		timeout = s.limits.Session
	}
	timeout = max(timeout, time.Second)
	e := &session{
		id: s.next(), token: ua.NewByteStringNodeID(1, secret).String(), maker: c, nonce: make([]byte, 32), timeout: timeout, points: make(map[uint32]*continuation),
	}
	rand.Read(e.nonce)
	s.sessions[e.token] = e
	s.stats.SessionsCreated++
	e.expiry = time.AfterFunc(timeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sessions[e.token] == e {
			s.endSession(e, true)
		}
	})
	p := Proof{Nonce: e.nonce, Certificate: s.cfg.Identity.Certificate, Timeout: float64(timeout) / float64(time.Millisecond)}
	if c.security.Policy != PolicyNone {
		c.mu.Lock()
		a := c.asymmetric.algorithm
		c.mu.Unlock()
		signature, err := a.Signature(slices.Concat(leaf(r.ClientCertificate), r.ClientNonce))
		if err != nil {
			return nil, badSignatureInvalid
		}
		p.Signature, p.Algorithm = signature, a.SignatureURI()
	}
	id, endpoints := ua.NewNumericNodeID(1, e.id), s.endpoints(r.EndpointURL)
	return &response{encoding: 464, proof: &p, made: func(p Proof) []byte {
		var b []byte
		for _, field := range []any{NodeID(id.String()), NodeID(e.token), p.Timeout, p.Nonce, p.Certificate} {
			b = appendBare(b, field)
		}
		b = append(b, endpoints...)
		b = appendLength(b, -1)
		b = appendBare(appendBare(b, p.Algorithm), p.Signature)
		return appendBare(b, uint32(s.limits.Message))
	}}, 0
}

// activateSession answers an ActivateSessionRequest.
func (c *conn) activateSession(r *ua.ActivateSessionRequest) (*response, Status) {
	s := c.server
	e := s.sessions[r.RequestHeader.AuthenticationToken.String()]
	if e == nil {
		return nil, badSessionInvalid
	}
	if !e.active && e.maker != c {
		return nil, badChannelInvalid
	}
	if c.security.Policy != PolicyNone {
		c.mu.Lock()
		a := c.asymmetric.algorithm
		c.mu.Unlock()
		if r.ClientSignature == nil || a.VerifySignature(slices.Concat(leaf(s.cfg.Identity.Certificate), e.nonce), r.ClientSignature.Signature) != nil {
			return nil, badSignatureInvalid
		}
	}
	if status := c.login(e, r); status != 0 {
		s.stats.Refused++
		return nil, status
	}
	e.active, e.conn = true, c
	e.nonce = make([]byte, 32)
	rand.Read(e.nonce)
	e.expiry.Reset(e.timeout)
	return &response{encoding: 470, body: slices.Concat(appendBare(nil, e.nonce), appendLength(nil, -1), appendLength(nil, -1))}, 0
}

// login checks who a client says it is.
func (c *conn) login(e *session, r *ua.ActivateSessionRequest) Status {
	s := c.server
	if r.UserIdentityToken == nil || r.UserIdentityToken.Value == nil {
		if s.cfg.NoAnonymous {
			return badIdentityInvalid
		}
		return 0
	}
	secret := func(algorithm string, b []byte) (string, Status) {
		if algorithm == "" && s.cfg.Identity.Key != nil {
			return "", badIdentityInvalid // in clear
		}
		plain, ok := reveal(s.cfg.Identity.Key, algorithm, b, e.nonce)
		if !ok {
			return "", badIdentityInvalid
		}
		return string(plain), 0
	}
	switch t := r.UserIdentityToken.Value.(type) {
	case *ua.AnonymousIdentityToken:
		if s.cfg.NoAnonymous {
			return badIdentityRejected
		}
		return 0
	case *ua.UserNameIdentityToken:
		password, status := secret(t.EncryptionAlgorithm, t.Password)
		if status != 0 {
			return status
		}
		if want, ok := s.cfg.Users[t.UserName]; !ok || want != password {
			return badUserAccessDenied
		}
		return 0
	case *ua.IssuedIdentityToken:
		token, status := secret(t.EncryptionAlgorithm, t.TokenData)
		if status != 0 {
			return status
		}
		if end, ends := s.cfg.TokenExpiry[token]; !slices.Contains(s.cfg.Tokens, token) || ends && !s.cfg.Now().Before(end) {
			return badIdentityRejected
		}
		return 0
	case *ua.X509IdentityToken:
		if !slices.ContainsFunc(s.cfg.UserCertificates, func(der []byte) bool { return bytes.Equal(der, t.CertificateData) }) {
			return badIdentityRejected
		}
		user, err := x509.ParseCertificate(t.CertificateData)
		if now := s.cfg.Now(); err != nil || now.Before(user.NotBefore) || now.After(user.NotAfter) {
			return badIdentityRejected
		}
		a, err := newAsymmetric(Basic256Sha256, s.cfg.Identity.Key, t.CertificateData)
		if p := r.UserTokenSignature; err != nil || p == nil || p.Algorithm != a.algorithm.SignatureURI() ||
			a.algorithm.VerifySignature(slices.Concat(leaf(s.cfg.Identity.Certificate), e.nonce), p.Signature) != nil {
			return badUserSignatureInvalid
		}
		return 0
	}
	return badIdentityInvalid
}

// session finds the session of a request.
func (c *conn) session(r ua.Request) (*session, Status) {
	e := c.server.sessions[r.Header().AuthenticationToken.String()]
	switch {
	case e == nil:
		return nil, badSessionInvalid
	case !e.active:
		return nil, badSessionNotActivated
	case e.conn != c:
		return nil, badChannelInvalid
	}
	e.expiry.Reset(e.timeout)
	return e, 0
}

// endSession ends a session, and its subscriptions or not.
func (s *Server) endSession(e *session, subscriptions bool) {
	delete(s.sessions, e.token)
	e.expiry.Stop()
	for _, p := range e.publishing {
		e.conn.fail("Publish", p.request, p.handle, badSessionClosed)
	}
	e.publishing = nil
	for _, b := range s.subscriptions {
		if b.owner == e {
			b.owner = nil
			if subscriptions {
				s.endSubscription(b)
			}
		}
	}
}

func (s *Server) endSessions() {
	for _, e := range s.sessions {
		s.endSession(e, true)
	}
}

// fail sends a service fault.
func (c *conn) fail(service string, request, handle uint32, status Status) {
	if c != nil {
		c.send(&response{service: service, kind: "MSG", request: request, handle: handle, status: status})
	}
}
