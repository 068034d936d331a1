package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// sessionNonce is the length of the nonces of a session (OPC 10000-4, section
// 5.6.2.2: at least 32 bytes).
const sessionNonce = 32

// closeSessionRequestID is the encoding id of a CloseSessionRequest (OPC 10000-6, annex
// A.3).
const closeSessionRequestID = 473

// sessionConfig is what one session needs to know.
type sessionConfig struct {
	name        string
	application string        // our application URI, which our certificate says too
	timeout     time.Duration // of the session without any request
	request     time.Duration // of one request
	identity    identity
	endpoint    endpoint // that the channel was opened to
	maxMessage  int
}

// session is a session on a secure channel (OPC 10000-4, section 5.6). It outlives
// the channel: activated on another, it goes on, with its subscriptions.
type session struct {
	cfg     sessionConfig
	channel *channel
	id      *ua.NodeID
	token   *ua.NodeID // secret: stands for the session in each request
	encoded []byte     // the token, as requests carry it
	timeout time.Duration
	nonce   []byte     // the server's latest, for the next signature
	offered []endpoint // what the server says it offers, now that it has proved who it is
}

// createSession creates a session on a channel and checks that the server which
// answers holds the key that the channel was opened with. Nothing secret is sent.
func createSession(ctx context.Context, c *channel, cfg sessionConfig) (*session, error) {
	nonce := make([]byte, sessionNonce)
	rand.Read(nonce)
	m, r, err := c.request(ctx, &ua.CreateSessionRequest{
		ClientDescription: &ua.ApplicationDescription{
			ApplicationURI: cfg.application, ApplicationName: ua.NewLocalizedText(cfg.name), ApplicationType: ua.ApplicationTypeClient,
		},
		EndpointURL: c.cfg.url, SessionName: cfg.name, ClientNonce: nonce, ClientCertificate: c.cfg.key.chain(),
		RequestedSessionTimeout: float64(cfg.timeout / time.Millisecond), MaxResponseMessageSize: uint32(cfg.maxMessage),
	}, nil, "CreateSession", uabin.CreateSessionResponseID, cfg.request)
	if err != nil {
		return nil, err
	}
	defer m.release()
	made := r.Session()
	if err := r.End(); err != nil {
		return nil, &ProtocolError{Reason: "CreateSession: " + err.Error()}
	}
	if c.cfg.mode != ua.MessageSecurityModeNone {
		if !bytes.Equal(leaf(made.Certificate), leaf(c.cfg.server)) {
			return nil, &SecurityError{Reason: "session of a server with another certificate"}
		}
		if len(made.Nonce) < sessionNonce {
			return nil, &SecurityError{Reason: fmt.Sprintf("server's nonce of %d bytes, want at least %d", len(made.Nonce), sessionNonce)}
		}
		signed := append(c.cfg.key.chain(), nonce...)
		if err := c.asymmetric.algorithm.VerifySignature(signed, made.Signature.Bytes); err != nil {
			// Some stacks sign the certificate without its issuers.
			signed = append(bytes.Clone(c.cfg.key.certificate), nonce...)
			if err := c.asymmetric.algorithm.VerifySignature(signed, made.Signature.Bytes); err != nil {
				return nil, &SecurityError{Reason: "the server's signature of the session is not right"}
			}
		}
	}
	s := &session{cfg: cfg, channel: c, nonce: bytes.Clone(made.Nonce), offered: endpointsOf(made.Endpoints)}
	if s.id, err = nodeID(made.ID); err != nil {
		return nil, err
	}
	if s.token, err = nodeID(made.Token); err != nil {
		return nil, err
	}
	if s.encoded, err = s.token.Encode(); err != nil {
		return nil, &ProtocolError{Reason: "CreateSession: " + err.Error()}
	}
	const least, most = float64(time.Second / time.Millisecond), float64(24 * time.Hour / time.Millisecond)
	if !(made.Timeout >= least) { // or not a number
		made.Timeout = least
	}
	s.timeout = time.Duration(min(made.Timeout, most)) * time.Millisecond
	return s, nil
}

// nodeID returns an identifier as requests carry it.
func nodeID(id uabin.NodeID) (*ua.NodeID, error) {
	n, err := ua.ParseNodeID(string(id.AppendText(nil)))
	if err != nil {
		return nil, &ProtocolError{Reason: fmt.Sprintf("node id %.100q", id.AppendText(nil))}
	}
	return n, nil
}

// activate proves who we are and makes the session usable on its channel. After a
// move to another channel it is called again.
func (s *session) activate(ctx context.Context) error {
	c := s.channel
	request := &ua.ActivateSessionRequest{ClientSignature: &ua.SignatureData{}, UserTokenSignature: &ua.SignatureData{}}
	if c.cfg.mode != ua.MessageSecurityModeNone {
		signature, err := c.asymmetric.algorithm.Signature(append(bytes.Clone(leaf(c.cfg.server)), s.nonce...))
		if err != nil {
			return errSeal
		}
		request.ClientSignature = &ua.SignatureData{Algorithm: c.asymmetric.algorithm.SignatureURI(), Signature: signature}
	}
	if err := s.cfg.identity.prove(ctx, request, s.cfg.endpoint, c, s.nonce); err != nil {
		return err
	}
	m, r, err := c.request(ctx, request, s.token, "ActivateSession", uabin.ActivateResponseID, s.cfg.request)
	if err != nil {
		return err
	}
	defer m.release()
	activated := r.Activated()
	if err := r.End(); err != nil {
		return &ProtocolError{Reason: "ActivateSession: " + err.Error()}
	}
	if c.cfg.mode != ua.MessageSecurityModeNone && len(activated.Nonce) < sessionNonce {
		return &SecurityError{Reason: fmt.Sprintf("server's nonce of %d bytes, want at least %d", len(activated.Nonce), sessionNonce)}
	}
	s.nonce = bytes.Clone(activated.Nonce)
	return nil
}

// request sends a request of the session and waits for its response.
func (s *session) request(ctx context.Context, request ua.Request, service string, want uint32) (*message, uabin.Reader, error) {
	return s.channel.request(ctx, request, s.token, service, want, s.cfg.request)
}

// begin appends what a request of the session begins with that is encoded here, by the
// handle that it gets. hint is how long its answer is waited for.
func (s *session) begin(dst []byte, id, handle uint32, hint time.Duration) []byte {
	header := uabin.RequestHeader{
		ID: id, Token: s.encoded, Time: uabin.FromUnix(s.channel.cfg.now().UnixNano()), Handle: handle, Hint: uint32(hint / time.Millisecond),
	}
	return header.Append(dst)
}

// ask sends a request that encode encodes, by the handle it is given, and waits for its
// response. body is memory for the request, and is returned as it has grown.
func (s *session) ask(ctx context.Context, encode func(dst []byte, handle uint32) []byte, body []byte, service string, want uint32) (*message, uabin.Reader, []byte, error) {
	k, body, err := s.channel.post(encode, body, nil, s.cfg.request)
	if err != nil {
		return nil, uabin.Reader{}, body, err
	}
	m, r, err := s.channel.wait(ctx, k, service, want, s.cfg.request)
	return m, r, body, err
}

// close ends the session on the server, as far as the channel lets it, with its
// subscriptions if they are not to be transferred.
func (s *session) close(ctx context.Context, subscriptions bool) {
	m, _, err := s.request(ctx, &ua.CloseSessionRequest{DeleteSubscriptions: subscriptions}, "CloseSession", uabin.CloseSessionResponseID)
	if err == nil {
		m.release()
	}
}
