package opcua

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"

	"github.com/fieldtap/fieldtap/acquire"
)

// TokenJWT is the kind of issued token that is a JSON Web Token (OPC 10000-6, section
// 6.5.3).
const TokenJWT = "http://opcfoundation.org/UA/UserToken#JWT"

// Identity is the user that a session is for. The zero value is nobody: an anonymous
// session. One of User, Certificate and Token may be given.
type Identity struct {
	// User is the name of a user, who has a Password. The password is encrypted for the
	// server's certificate or by the channel, or else not sent.
	User string
	// Password is that of User.
	Password acquire.Secret
	// Certificate is that of a user, with its key, which does not leave the process.
	Certificate Certificate
	// Token returns a token that an authorization service issued. It is called for each
	// login, from any goroutine, and must return when its context ends. The token is
	// protected like a password.
	Token func(context.Context) (acquire.Secret, error)
	// TokenType is the URI of the kind of Token. Default: TokenJWT.
	TokenType string
}

// String tells the kind of identity, and the user's name, without what is secret.
func (i Identity) String() string {
	switch {
	case i.User != "":
		return fmt.Sprintf("user %q", i.User)
	case !i.Certificate.IsZero():
		return "user certificate " + i.Certificate.Thumbprint()
	case i.Token != nil:
		return "issued token"
	}
	return "anonymous"
}

// faults returns everything wrong with the identity.
func (i Identity) faults() (faults []error) {
	given := 0
	for _, one := range []bool{i.User != "", !i.Certificate.IsZero(), i.Token != nil} {
		if one {
			given++
		}
	}
	if given > 1 {
		faults = append(faults, errors.New("opcua: more than one identity"))
	}
	if i.Password != "" && i.User == "" {
		faults = append(faults, errors.New("opcua: password without a user"))
	}
	if i.TokenType != "" && i.Token == nil {
		faults = append(faults, errors.New("opcua: type of a token without one"))
	}
	return faults
}

// identity returns what proves i, where tokens may be secured by weak policies only if
// they are among those given.
func (i Identity) identity(policies []Policy) identity {
	switch {
	case i.User != "":
		password := i.Password
		return user{i.User, func() acquire.Secret { return password }, policies}
	case !i.Certificate.IsZero():
		return bearer{i.Certificate.pair, policies}
	case i.Token != nil:
		kind := i.TokenType
		if kind == "" {
			kind = TokenJWT
		}
		return holder{i.Token, kind, policies}
	}
	return anonymous{}
}

// identity is who we are to the server.
type identity interface {
	fmt.Stringer
	// token returns the best policy of an endpoint for the identity, if there is one.
	token(e endpoint) (tokenPolicy, bool)
	// confides reports whether something is proved or confided that only the right
	// server may have.
	confides() bool
	// prove puts the token into a request. It fails rather than send a secret that is
	// not encrypted.
	prove(ctx context.Context, request *ua.ActivateSessionRequest, e endpoint, c *channel, nonce []byte) error
}

// best returns the token policy of a kind that is secured best, with weak ones left out
// unless they are allowed, and those without any protection unless plain says that the
// channel encrypts.
func (e endpoint) best(kind ua.UserTokenType, issued string, allowed []Policy, plain bool) (best tokenPolicy, ok bool) {
	for _, p := range e.tokens {
		policy := p.effective(e)
		switch {
		case p.kind != kind || p.issued != issued && kind == ua.UserTokenTypeIssuedToken || policy == 0:
		case policy == PolicyNone && !plain:
		case policy != PolicyNone && policy.weak() && !slices.Contains(allowed, policy):
		case policy != PolicyNone && len(e.certificate) == 0 && e.mode == ua.MessageSecurityModeNone:
		case !ok || policy > best.effective(e):
			best, ok = p, true
		}
	}
	return best, ok
}

// encrypts reports whether the channel to an endpoint encrypts.
func (e endpoint) encrypts() bool { return e.mode == ua.MessageSecurityModeSignAndEncrypt }

// anonymous is nobody.
type anonymous struct{}

func (anonymous) String() string { return "anonymous login" }
func (anonymous) confides() bool { return false }

func (anonymous) token(e endpoint) (tokenPolicy, bool) {
	i := slices.IndexFunc(e.tokens, func(p tokenPolicy) bool { return p.kind == ua.UserTokenTypeAnonymous })
	if i < 0 {
		return tokenPolicy{}, false
	}
	return e.tokens[i], true
}

func (a anonymous) prove(_ context.Context, request *ua.ActivateSessionRequest, e endpoint, _ *channel, _ []byte) error {
	p, ok := a.token(e)
	if !ok {
		return &SecurityError{Reason: "the endpoint lets nobody in who has no name"}
	}
	request.UserIdentityToken = ua.NewExtensionObject(&ua.AnonymousIdentityToken{PolicyID: p.id})
	return nil
}

// user is a user with a password.
type user struct {
	name     string
	password func() acquire.Secret // whoever prints a structure sees an address: fmt asks no unexported field how it wants to be shown
	policies []Policy
}

func (user) String() string { return "login with a password" }
func (user) confides() bool { return true }

func (u user) token(e endpoint) (tokenPolicy, bool) {
	return e.best(ua.UserTokenTypeUserName, "", u.policies, e.encrypts())
}

func (u user) prove(_ context.Context, request *ua.ActivateSessionRequest, e endpoint, c *channel, nonce []byte) error {
	p, ok := u.token(e)
	if !ok {
		return &SecurityError{Reason: "the endpoint has no login with a password that is secure enough"}
	}
	password, algorithm, err := conceal([]byte(u.password()), p, e, c, nonce)
	if err != nil {
		return err
	}
	request.UserIdentityToken = ua.NewExtensionObject(&ua.UserNameIdentityToken{
		PolicyID: p.id, UserName: u.name, Password: password, EncryptionAlgorithm: algorithm,
	})
	return nil
}

// holder is somebody who was issued a token.
type holder struct {
	issue    func(context.Context) (acquire.Secret, error)
	kind     string
	policies []Policy
}

func (holder) String() string { return "login with an issued token" }
func (holder) confides() bool { return true }

func (h holder) token(e endpoint) (tokenPolicy, bool) {
	return e.best(ua.UserTokenTypeIssuedToken, h.kind, h.policies, e.encrypts())
}

func (h holder) prove(ctx context.Context, request *ua.ActivateSessionRequest, e endpoint, c *channel, nonce []byte) error {
	p, ok := h.token(e)
	if !ok {
		return &SecurityError{Reason: "the endpoint has no login with an issued token that is secure enough"}
	}
	issued, err := h.issue(ctx)
	if err != nil {
		return fmt.Errorf("opcua: issued token: %w", err)
	}
	token, algorithm, err := conceal([]byte(issued), p, e, c, nonce)
	if err != nil {
		return err
	}
	request.UserIdentityToken = ua.NewExtensionObject(&ua.IssuedIdentityToken{PolicyID: p.id, TokenData: token, EncryptionAlgorithm: algorithm})
	return nil
}

// bearer is a user with a certificate.
type bearer struct {
	pair     keyPair
	policies []Policy
}

func (bearer) String() string { return "login with a certificate" }
func (bearer) confides() bool { return true }

func (b bearer) token(e endpoint) (tokenPolicy, bool) {
	return e.best(ua.UserTokenTypeCertificate, "", b.policies, false)
}

func (b bearer) prove(_ context.Context, request *ua.ActivateSessionRequest, e endpoint, _ *channel, nonce []byte) error {
	p, ok := b.token(e)
	if !ok {
		return &SecurityError{Reason: "the endpoint has no login with a certificate that is secure enough"}
	}
	// A signature over nothing fresh could be used again by whoever was sent it.
	if len(nonce) < sessionNonce {
		return &SecurityError{Reason: fmt.Sprintf("server's nonce of %d bytes, want at least %d", len(nonce), sessionNonce)}
	}
	a, err := uapolicy.Asymmetric(p.effective(e).uri(), b.pair.private, nil)
	if err != nil {
		return &SecurityError{Reason: fmt.Sprintf("policy %s of the token: %v", p.effective(e), err)}
	}
	signature, err := a.Signature(append(bytes.Clone(leaf(e.certificate)), nonce...))
	if err != nil {
		return errSeal
	}
	request.UserIdentityToken = ua.NewExtensionObject(&ua.X509IdentityToken{PolicyID: p.id, CertificateData: b.pair.certificate})
	request.UserTokenSignature = &ua.SignatureData{Algorithm: a.SignatureURI(), Signature: signature}
	return nil
}

// maxNonce bounds the nonces of servers: encrypting a long one would take long. The
// standard has up to 128 bytes.
const maxNonce = 1024

// conceal encrypts a secret for the server (OPC 10000-4, section 7.40.2.2). Where the
// policy is None the channel must encrypt.
func conceal(secret []byte, p tokenPolicy, e endpoint, c *channel, nonce []byte) (ciphertext []byte, algorithm string, err error) {
	policy := p.effective(e)
	if policy == PolicyNone {
		if c.cfg.mode != ua.MessageSecurityModeSignAndEncrypt {
			return nil, "", &SecurityError{Reason: "the endpoint asks for a secret in clear"}
		}
		return secret, "", nil
	}
	public, err := uapolicy.PublicKey(leaf(e.certificate))
	if err != nil {
		return nil, "", &SecurityError{Reason: "no certificate of the server to encrypt a secret with"}
	}
	a, err := uapolicy.Asymmetric(policy.uri(), nil, public)
	if err != nil {
		return nil, "", &SecurityError{Reason: fmt.Sprintf("policy %s of the token: %v", policy, err)}
	}
	if len(nonce) > maxNonce {
		return nil, "", &SecurityError{Reason: fmt.Sprintf("server's nonce of %d bytes, want at most %d", len(nonce), maxNonce)}
	}
	n := len(secret) + len(nonce)
	plain := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, secret...)
	plain = append(plain, nonce...)
	if ciphertext, err = a.Encrypt(plain); err != nil {
		return nil, "", &SecurityError{Reason: "a secret could not be encrypted"}
	}
	return ciphertext, a.EncryptionURI(), nil
}
