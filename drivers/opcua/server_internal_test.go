package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// impostor is a server over connections in memory that does what it is told, and keeps
// everything that it is sent: as it came, decrypted as far as its keys go, and the
// secrets of users with them.
type impostor struct {
	t *testing.T
	// identity is what it opens channels with: its own certificate, or that of another
	// without the right key.
	identity keyPair
	offered  []*ua.EndpointDescription // in GetEndpoints
	// answer replaces the response to a request, or is nil. Returning nil closes the
	// connection.
	answer func(request ua.Request, response ua.Response) ua.Response
	// opening replaces the policy that it says it opens the channel with.
	opening func(policy string) string
	// hello replaces the acknowledge.
	hello func() []byte

	mu       sync.Mutex
	seen     bytes.Buffer // everything received, ciphertext and plain text
	secrets  []string     // decrypted passwords and tokens
	users    []*ua.X509IdentityToken
	proofs   []*ua.SignatureData
	nonce    []byte // of the session, the latest
	client   []byte // certificate of the client of the last CreateSession
	urls     []string
	sessions int
	requests []string // types of requests, in their order
	dials    int
}

const (
	serverURI = "urn:plant:server"
	clientURI = "urn:plant:client"
)

// described returns an endpoint as a server describes it.
func described(policy Policy, mode Mode, certificate []byte, tokens ...*ua.UserTokenPolicy) *ua.EndpointDescription {
	if tokens == nil {
		tokens = []*ua.UserTokenPolicy{{PolicyID: "anonymous", TokenType: ua.UserTokenTypeAnonymous}, {PolicyID: "user", TokenType: ua.UserTokenTypeUserName}}
	}
	return &ua.EndpointDescription{
		EndpointURL: "opc.tcp://plant:4840", SecurityMode: ua.MessageSecurityMode(mode), SecurityPolicyURI: policy.uri(), ServerCertificate: certificate,
		UserIdentityTokens: tokens, TransportProfileURI: binaryProfile, SecurityLevel: byte(policy) * byte(mode),
		Server: &ua.ApplicationDescription{ApplicationURI: serverURI, ApplicationName: ua.NewLocalizedText("plant")},
	}
}

func (s *impostor) dial(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	s.mu.Lock()
	s.dials++
	s.mu.Unlock()
	go func() {
		defer there.Close()
		_ = s.serve(there) // however the client ends it
	}()
	return here, nil
}

// clear returns everything that the impostor could read.
func (s *impostor) clear() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// asked returns the types of the requests.
func (s *impostor) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

type served struct {
	*impostor
	conn       net.Conn
	policy     string
	asymmetric seal
	symmetric  seal
	client     []byte
	sequence   uint32
}

func (s *impostor) serve(conn net.Conn) error {
	c := &served{impostor: s, conn: conn}
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(conn, head); err != nil {
			return err
		}
		size := binary.LittleEndian.Uint32(head[4:])
		if size < 8 || size > 1<<20 {
			return errors.New("size")
		}
		chunk := append(head, make([]byte, size-8)...)
		if _, err := io.ReadFull(conn, chunk[8:]); err != nil {
			return err
		}
		s.mu.Lock()
		s.seen.Write(chunk)
		s.mu.Unlock()
		var err error
		switch string(chunk[:3]) {
		case "HEL":
			ack := []byte("ACKF\x1c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
			if s.hello != nil {
				ack = s.hello()
			}
			_, err = conn.Write(ack)
		case "OPN":
			err = c.opened(chunk)
		case "MSG":
			err = c.message(chunk)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *served) opened(chunk []byte) error {
	r := uabin.NewReader(chunk[8:])
	r.Uint32()
	c.policy = string(r.Bytes())
	c.client = bytes.Clone(r.Bytes())
	r.Bytes()
	headers := len(chunk) - len(r.Rest())
	content := chunk[headers:]
	if c.policy != PolicyNone.uri() {
		public, err := uapolicy.PublicKey(c.client)
		if err != nil {
			return err
		}
		a, err := uapolicy.Asymmetric(c.policy, c.identity.private, public)
		if err != nil {
			return err
		}
		c.asymmetric = seal{a, true, public.Size() > 256, c.identity.private.Size() > 256}
		if content, err = c.asymmetric.open(chunk, headers); err != nil {
			content = nil // whoever has no key cannot read it, and may answer all the same
		}
	}
	request := &ua.OpenSecureChannelRequest{SecurityMode: ua.MessageSecurityModeSignAndEncrypt, ClientNonce: make([]byte, 32), RequestHeader: &ua.RequestHeader{RequestHandle: 1}}
	id := uint32(1)
	if content != nil {
		id = binary.LittleEndian.Uint32(content[4:])
		_, v, err := ua.DecodeService(content[8:])
		if err != nil {
			return err
		}
		request = v.(*ua.OpenSecureChannelRequest)
	}
	c.mu.Lock()
	c.requests = append(c.requests, "OpenSecureChannel "+request.SecurityMode.String())
	c.mu.Unlock()
	response := &ua.OpenSecureChannelResponse{
		ResponseHeader: head(request), ServerNonce: make([]byte, len(request.ClientNonce)),
		SecurityToken: &ua.ChannelSecurityToken{ChannelID: 7, TokenID: 9, CreatedAt: time.Now(), RevisedLifetime: request.RequestedLifetime},
	}
	if response.SecurityToken.RevisedLifetime == 0 {
		response.SecurityToken.RevisedLifetime = 3_600_000
	}
	rand.Read(response.ServerNonce)
	if len(request.ClientNonce) > 0 {
		a, err := uapolicy.Symmetric(c.policy, response.ServerNonce, request.ClientNonce)
		if err != nil {
			return err
		}
		c.symmetric = seal{algorithm: a, encrypt: request.SecurityMode == ua.MessageSecurityModeSignAndEncrypt}
	}
	policy := c.policy
	if c.opening != nil {
		policy = c.opening(policy)
	}
	out := append([]byte("OPNF"), 0, 0, 0, 0, 7, 0, 0, 0)
	out = appendText(out, policy)
	protection := c.asymmetric
	if policy == PolicyNone.uri() {
		protection = seal{}
		out = append(out, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
	} else {
		out = appendText(out, string(c.identity.certificate))
		out = appendText(out, string(uapolicy.Thumbprint(c.client)))
	}
	return c.send(protection, out, id, response)
}

func head(request ua.Request) *ua.ResponseHeader {
	return &ua.ResponseHeader{
		Timestamp: time.Now(), RequestHandle: request.Header().RequestHandle, ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil),
	}
}

func (c *served) send(protection seal, out []byte, id uint32, response ua.Response) error {
	headers := len(out)
	c.sequence++
	out = binary.LittleEndian.AppendUint32(out, c.sequence)
	out = binary.LittleEndian.AppendUint32(out, id)
	kind := ua.ServiceTypeID(response)
	out = append(out, 1, 0, byte(kind), byte(kind>>8))
	body, err := ua.Encode(response)
	if err != nil {
		return err
	}
	if out, err = protection.close(append(out, body...), 0, headers); err != nil {
		return err
	}
	_, err = c.conn.Write(out)
	return err
}

func (c *served) message(chunk []byte) error {
	content, err := c.symmetric.open(chunk, 16)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.seen.Write(content)
	c.mu.Unlock()
	_, v, err := ua.DecodeService(content[8:])
	if err != nil {
		return err
	}
	request := v.(ua.Request)
	response := c.respond(request)
	if c.answer != nil {
		response = c.answer(request, response)
	}
	if response == nil {
		return errors.New("no answer")
	}
	return c.send(c.symmetric, append([]byte("MSGF"), 0, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0), binary.LittleEndian.Uint32(content[4:]), response)
}

// respond is what an honest server says.
func (c *served) respond(request ua.Request) ua.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := map[bool]string{true: " plain"}[c.policy == PolicyNone.uri()]
	switch r := request.(type) {
	case *ua.GetEndpointsRequest:
		c.requests = append(c.requests, "GetEndpoints"+name)
		return &ua.GetEndpointsResponse{ResponseHeader: head(r), Endpoints: c.offered}
	case *ua.FindServersRequest:
		c.requests = append(c.requests, "FindServers"+name)
		return &ua.FindServersResponse{ResponseHeader: head(r), Servers: []*ua.ApplicationDescription{{
			ApplicationURI: serverURI, ApplicationName: ua.NewLocalizedText("plant"), ApplicationType: ua.ApplicationTypeClientAndServer, DiscoveryURLs: []string{"opc.tcp://plant:4840"},
		}}}
	case *ua.CreateSessionRequest:
		c.requests = append(c.requests, "CreateSession"+name)
		c.sessions++
		c.nonce = make([]byte, 32)
		rand.Read(c.nonce)
		c.impostor.client = r.ClientCertificate
		c.urls = append(c.urls, r.EndpointURL)
		response := &ua.CreateSessionResponse{
			ResponseHeader: head(r), SessionID: ua.NewNumericNodeID(1, uint32(c.sessions)), AuthenticationToken: ua.NewNumericNodeID(0, 0xCAFE),
			RevisedSessionTimeout: r.RequestedSessionTimeout, ServerNonce: c.nonce, ServerCertificate: c.identity.certificate, ServerEndpoints: c.offered,
			ServerSignature: &ua.SignatureData{},
		}
		if c.asymmetric.algorithm != nil {
			signature, err := c.asymmetric.algorithm.Signature(append(bytes.Clone(r.ClientCertificate), r.ClientNonce...))
			if err == nil {
				response.ServerSignature = &ua.SignatureData{Algorithm: c.asymmetric.algorithm.SignatureURI(), Signature: signature}
			}
		}
		return response
	case *ua.ActivateSessionRequest:
		c.requests = append(c.requests, "ActivateSession"+name)
		c.login(r)
		c.nonce = make([]byte, 32)
		rand.Read(c.nonce)
		return &ua.ActivateSessionResponse{ResponseHeader: head(r), ServerNonce: c.nonce}
	case *ua.CloseSessionRequest:
		c.requests = append(c.requests, "CloseSession"+name)
		return &ua.CloseSessionResponse{ResponseHeader: head(r)}
	}
	return nil
}

// login reads the identity, with all keys that the impostor has.
func (c *served) login(r *ua.ActivateSessionRequest) {
	reveal := func(algorithm string, secret []byte) {
		if algorithm == "" {
			c.secrets = append(c.secrets, string(secret))
			c.seen.Write(secret)
			return
		}
		for _, policy := range []Policy{Basic256Sha256, Aes256Sha256RsaPss, Basic128Rsa15} {
			a, err := uapolicy.Asymmetric(policy.uri(), c.identity.private, &c.identity.private.PublicKey)
			if err != nil || a.EncryptionURI() != algorithm {
				continue
			}
			plain, err := a.Decrypt(secret)
			if err != nil || len(plain) < 4 {
				continue
			}
			n := int(binary.LittleEndian.Uint32(plain))
			if n < len(c.nonce) || 4+n > len(plain) || !bytes.Equal(plain[4+n-len(c.nonce):4+n], c.nonce) {
				c.secrets = append(c.secrets, "malformed")
				continue
			}
			c.secrets = append(c.secrets, string(plain[4:4+n-len(c.nonce)]))
			c.seen.Write(plain)
		}
	}
	switch token := r.UserIdentityToken.Value.(type) {
	case *ua.UserNameIdentityToken:
		reveal(token.EncryptionAlgorithm, token.Password)
	case *ua.IssuedIdentityToken:
		reveal(token.EncryptionAlgorithm, token.TokenData)
	case *ua.X509IdentityToken:
		c.users, c.proofs = append(c.users, token), append(c.proofs, r.UserTokenSignature)
		certificate, err := x509.ParseCertificate(token.CertificateData)
		if err != nil {
			return
		}
		a, err := uapolicy.Asymmetric(Basic256Sha256.uri(), c.identity.private, certificate.PublicKey.(*rsa.PublicKey))
		if err == nil && a.VerifySignature(append(bytes.Clone(c.identity.certificate), c.nonce...), r.UserTokenSignature.Signature) == nil {
			c.secrets = append(c.secrets, "proof "+certificate.Subject.CommonName)
		}
	}
}

// keyed returns one of a few keys that tests share: making keys takes long.
func keyed(t *testing.T, which int) *rsa.PrivateKey {
	t.Helper()
	keysMade[which].Do(func() {
		var err error
		sharedKeys[which], err = rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
	})
	return sharedKeys[which]
}

var (
	keysMade   [6]sync.Once
	sharedKeys [6]*rsa.PrivateKey
)
