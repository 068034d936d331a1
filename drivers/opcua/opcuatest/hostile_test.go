package opcuatest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/big"
	"net"
	"net/url"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// canary is a password that must never be seen in clear.
const canary = "Canary-8f1c!"

const (
	serverURI = "urn:plant:server"
	clientURI = "urn:plant:client"
)

// Bounds of a siege.
const (
	patience   = 5 * time.Second // ClientConfig.Timeout
	most       = 1 << 20         // ClientConfig.MaxMessage
	mostMemory = 32 << 20        // more on the heap than before, of client and server together
)

// keys are those of the parties, made once: it takes long.
type keys struct {
	server, client, other, authority, weak *rsa.PrivateKey
}

var makeKeys = sync.OnceValue(func() (k keys) {
	var group sync.WaitGroup
	for _, one := range []struct {
		key  **rsa.PrivateKey
		bits int
	}{{&k.server, 2048}, {&k.client, 2048}, {&k.other, 2048}, {&k.authority, 2048}, {&k.weak, 1024}} {
		group.Go(func() {
			var err error
			if *one.key, err = rsa.GenerateKey(rand.Reader, one.bits); err != nil {
				panic(err)
			}
		})
	}
	group.Wait()
	return k
})

// dawn is when time begins in a bubble.
var dawn = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// certify makes a certificate, signed by itself if parent is nil.
func certify(t *testing.T, uri string, key *rsa.PrivateKey, parent *x509.Certificate, by *rsa.PrivateKey, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	u, err := url.Parse(uri)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: uri}, NotBefore: dawn.AddDate(-1, 0, 0), NotAfter: dawn.AddDate(30, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{u}, DNSNames: []string{"plant"}, BasicConstraintsValid: true, IsCA: true, SubjectKeyId: []byte(uri),
	}
	if edit != nil {
		edit(c)
	}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// identities are the certificates of an honest server and of the client, made once.
type identities struct {
	once   sync.Once
	plant  *x509.Certificate
	client opcua.Certificate
}

var certified identities

func (i *identities) make(t *testing.T) {
	t.Helper()
	i.once.Do(func() {
		k := makeKeys()
		i.plant = certify(t, serverURI, k.server, nil, nil, nil)
		key, err := x509.MarshalPKCS8PrivateKey(k.client)
		require.NoError(t, err)
		i.client, err = opcua.ParseCertificate(certify(t, clientURI, k.client, nil, nil, nil).Raw, key)
		require.NoError(t, err)
	})
}

func (i *identities) server(t *testing.T) *x509.Certificate {
	i.make(t)
	return i.plant
}

func (i *identities) own(t *testing.T) opcua.Certificate {
	i.make(t)
	return i.client
}

// tap is the client's end of its connections. It keeps what was sent and counts what was
// taken in, and looks at the heap meanwhile.
type tap struct {
	mu    sync.Mutex
	sent  bytes.Buffer
	taken int
	reads int
	base  uint64
	peak  uint64
}

func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func (w *tap) look() {
	w.peak = max(w.peak, heap())
}

// grown returns how many bytes the heap was larger than at the beginning, and how many
// were taken in.
func (w *tap) grown() (heap uint64, taken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look()
	return w.peak - min(w.base, w.peak), w.taken
}

type tapped struct {
	net.Conn
	*tap
}

func (c tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken += n
	if c.reads++; c.reads%64 == 0 {
		c.look()
	}
	return n, err
}

func (c tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent.Write(b)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// paced is the server's end: a few milliseconds go by with each write, or the time in a
// bubble would stand still while it floods.
type paced struct{ net.Conn }

func (c paced) Write(b []byte) (int, error) {
	<-time.After(5 * time.Millisecond)
	return c.Conn.Write(b)
}

// siege is a server with something wrong, and a client that it must do no harm to.
type siege struct {
	swap   sync.Mutex // held while there is no server
	server *opcuatest.Server
	cfg    opcuatest.Config
	client opcua.ClientConfig
	log    diary
	tap    tap
}

// diary is a log of several goroutines.
type diary struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

var modes = []opcua.Mode{opcua.ModeNone, opcua.Sign, opcua.SignAndEncrypt}

func newSiege(t *testing.T, mode opcua.Mode) *siege {
	t.Helper()
	k, server, own := makeKeys(), certified.server(t), certified.own(t)
	s := &siege{cfg: opcuatest.Config{
		ApplicationURI: serverURI, Identity: opcuatest.Identity{Certificate: server.Raw, Key: k.server},
		Users: map[string]string{"operator": canary}, NoAnonymous: true, Security: []opcuatest.Security{{Policy: opcuatest.PolicyNone, Mode: opcuatest.ModeNone}},
		Variables: []opcuatest.Variable{
			{ID: "ns=2;s=Number", Name: "Number", Value: func(time.Time) any { return int32(42) }},
			{ID: "ns=2;s=Long", Name: "Long", Value: func(time.Time) any { return make([]int32, 2000) }},
			{ID: "ns=2;s=Seq", Name: "Seq", Step: 100 * time.Millisecond, Value: func(at time.Time) any { return at.UnixMilli() / 100 }},
		},
	}}
	s.client = opcua.ClientConfig{
		Endpoint: "opc.tcp://plant", Policies: []opcua.Policy{opcua.PolicyNone}, Identity: opcua.Identity{User: "operator", Password: canary},
		Trust: opcua.Trust{List: opcua.TrustList{Trusted: []*x509.Certificate{server}}}, Timeout: patience, ConnectTimeout: time.Minute, MaxMessage: most,
		Logger: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Dial: s.dial,
	}
	if mode != opcua.ModeNone {
		s.cfg.Security = append(s.cfg.Security, opcuatest.Security{Policy: opcuatest.Aes256Sha256RsaPss, Mode: opcuatest.Mode(mode)})
		s.client.Policies, s.client.Mode, s.client.Certificate = nil, mode, own
	}
	return s
}

func (s *siege) dial(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	s.swap.Lock()
	defer s.swap.Unlock()
	go s.server.ServeConn(paced{there})
	return tapped{here, &s.tap}, nil
}

// begin starts the server.
func (s *siege) begin(t *testing.T) {
	t.Helper()
	var err error
	s.server, err = opcuatest.New(s.cfg)
	require.NoError(t, err)
	runtime.GC()
	s.tap.base = heap()
	s.tap.peak = s.tap.base
}

// secretless fails if the password was seen anywhere.
func (s *siege) secretless(t *testing.T, err error) {
	t.Helper()
	s.tap.mu.Lock()
	defer s.tap.mu.Unlock()
	assert.False(t, bytes.Contains(s.tap.sent.Bytes(), []byte(canary)), "the password went in clear")
	for what, text := range map[string]string{"log": s.log.String(), "error": fmt.Sprintf("%v %+v %#v", err, err, err)} {
		assert.NotContains(t, text, canary, what)
	}
}

// What an attack must lead to: a judgement of the error and of the values that a Read got.
type verdict func(values []opcua.Value, err error) bool

// failed is an error of a type.
func failed[E error]() verdict {
	return func(_ []opcua.Value, err error) bool {
		_, ok := errors.AsType[E](err)
		return ok
	}
}

// either is one of two.
func either(a, b verdict) verdict {
	return func(values []opcua.Value, err error) bool { return a(values, err) || b(values, err) }
}

func ended(_ []opcua.Value, err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// right is the value that the server has, in spite of everything.
func right(values []opcua.Value, err error) bool {
	if err != nil || len(values) != 1 {
		return false
	}
	n, ok := values[0].Int()
	return ok && n == 42
}

// garbled is a value that cannot be read, and is none.
func garbled(values []opcua.Value, err error) bool {
	return err == nil && len(values) == 1 && values[0].Malformed() && values[0].IsNone()
}

// refusal is a certificate refused for a reason.
func refusal(status opcua.StatusCode) verdict {
	return func(_ []opcua.Value, err error) bool {
		refused, ok := errors.AsType[*opcua.CertificateError](err)
		return ok && refused.Status == status
	}
}

// attack is one row: something that a hostile server, or somebody on the way to a good
// one, does.
type attack struct {
	class, name string
	modes       []opcua.Mode // nil: all
	node        opcua.NodeID // read; Number if empty
	standing    bool         // begins when the client has logged in and read something
	fault       opcuatest.Fault
	arrange     func(t *testing.T, s *siege) // in place of a fault, before the server starts: it stays
	want        verdict
	late        time.Duration // the most it may take; patience and a second if 0
	before      string        // service that must not have been asked for, nor what follows it
}

var secured = []opcua.Mode{opcua.Sign, opcua.SignAndEncrypt}

// Shorthands for the steps of a login: the first connection finds the endpoints.
func discovering(f opcuatest.Fault) opcuatest.Fault {
	return func(x *opcuatest.Exchange) {
		if x.Conn == 1 {
			f(x)
		}
	}
}

func entering(f opcuatest.Fault) opcuatest.Fault {
	return func(x *opcuatest.Exchange) {
		if x.Conn > 1 {
			f(x)
		}
	}
}

// wired replaces what goes out.
func wired(edit func([]byte) []byte) opcuatest.Fault {
	return func(x *opcuatest.Exchange) { x.Wire = edit }
}

// sized cuts frames to n bytes, and says so in their header.
func sized(n int) opcuatest.Fault {
	return wired(func(b []byte) []byte {
		b = b[:min(n, len(b))]
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		return b
	})
}

// framed is a chunk without protection.
func framed(kind string, body ...byte) []byte {
	b := append([]byte(kind), 0, 0, 0, 0)
	b = append(b, body...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	return b
}

// flooding follows an answer by the same bytes without end.
func flooding(b []byte) opcuatest.Fault {
	return func(x *opcuatest.Exchange) { x.Endless = func(int) []byte { return b } }
}

func attacks() (list []attack) {
	protocol, security, peer := failed[*opcua.ProtocolError](), failed[*opcua.SecurityError](), failed[*opcua.PeerError]()
	service, timeout := failed[*opcua.ServiceError](), failed[*opcua.TimeoutError]()
	add := func(class string, rows ...attack) {
		for _, a := range rows {
			a.class = class
			list = append(list, a)
		}
	}
	on := opcuatest.On
	read := func(f opcuatest.Fault) opcuatest.Fault { return on("Read", f) }
	instead := opcuatest.Instead

	hello := func(f opcuatest.Fault) opcuatest.Fault { return entering(on("Hello", f)) }
	const max32 = math.MaxUint32
	add("acknowledge",
		attack{name: "of nothing", fault: hello(opcuatest.Acknowledging(opcuatest.Acknowledge{})), want: protocol, before: "CreateSession"},
		attack{name: "of 8,191 bytes", fault: hello(opcuatest.Acknowledging(opcuatest.Acknowledge{Receive: 8191, Send: 8191})), want: protocol, before: "CreateSession"},
		attack{name: "of 4 GiB", fault: hello(opcuatest.Acknowledging(opcuatest.Acknowledge{Version: max32, Receive: max32, Send: max32, Message: max32, Chunks: max32})), want: right},
		attack{name: "for requests of 10 bytes", fault: hello(opcuatest.Acknowledging(opcuatest.Acknowledge{Receive: 65536, Send: 65536, Message: 10})), want: service, before: "CreateSession"},
		attack{name: "one byte short", fault: hello(sized(27)), want: protocol, before: "CreateSession"},
		attack{name: "said to be 4 GiB long", fault: hello(wired(func(b []byte) []byte { return append([]byte("ACKF\xFF\xFF\xFF\xFF"), b[8:]...) })), want: protocol, before: "CreateSession"},
		attack{name: "half, and the end", fault: hello(opcuatest.Cut(14, true)), want: ended, before: "CreateSession"},
		attack{name: "of a web server", fault: hello(instead([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))), want: protocol, before: "CreateSession"},
		attack{name: "refused with a reason", fault: hello(opcuatest.Erring(0x807D0000, "too many\x1b[2J")), want: peer, before: "CreateSession"},
		attack{name: "refused with 60 kB of reasons", fault: hello(opcuatest.Erring(0x807D0000, strings.Repeat("no ", 20_000))), want: func(v []opcua.Value, err error) bool { return peer(v, err) && len(err.Error()) < 5000 }, before: "CreateSession"},
		attack{name: "refused with a lie about lengths", fault: hello(instead(framed("ERRF", 0, 0, 0, 0x80, 0xFF, 0xFF, 0xFF, 0x7F))), want: protocol, before: "CreateSession"},
		attack{name: "twice", fault: hello(opcuatest.Twice()), want: protocol, before: "CreateSession"},
	)
	endpoints := func(f opcuatest.Fault) opcuatest.Fault { return on("GetEndpoints", f) }
	add("discovery",
		attack{name: "2^31-1 endpoints", fault: endpoints(opcuatest.Results(math.MaxInt32)), want: protocol, before: "CreateSession"},
		attack{name: "no endpoints", fault: endpoints(opcuatest.Results(0)), want: either(protocol, security), before: "CreateSession"},
		attack{name: "2,000 endpoints", fault: endpoints(func(x *opcuatest.Exchange) {
			x.Body = func(b []byte) []byte {
				const list = 28 // behind the header: a length, and the endpoints
				n := binary.LittleEndian.Uint32(b[list-4:])
				each := b[list:]
				b = slices.Clone(b[:list])
				for range 2000 {
					b = append(b, each...)
				}
				binary.LittleEndian.PutUint32(b[list-4:], 2000*n)
				return b
			}
		}), want: either(protocol, service), before: "CreateSession"}, // more than is taken from somebody unknown
		attack{name: "endless", fault: endpoints(opcuatest.EndlessMessage(8000)), want: either(protocol, service), before: "CreateSession"},
		attack{name: "string table of 2^31-1", fault: endpoints(opcuatest.StringTable(math.MaxInt32)), want: protocol, before: "CreateSession"},
		attack{name: "cut to 100 bytes", fault: endpoints(opcuatest.Truncated(100)), want: protocol, before: "CreateSession"},
		attack{name: "fault", fault: endpoints(opcuatest.Failing(0x800E0000)), want: service, before: "CreateSession"},
	)
	timed := func(ms float64) opcuatest.Fault {
		return func(x *opcuatest.Exchange) {
			if x.Proof != nil {
				x.Proof.Timeout = ms
			}
		}
	}
	add("session",
		attack{name: "cut to 60 bytes", fault: on("CreateSession", opcuatest.Truncated(60)), want: protocol, before: "ActivateSession"},
		attack{name: "with something behind", fault: on("CreateSession", opcuatest.Extended(5)), want: protocol, before: "ActivateSession"},
		attack{name: "of another type", fault: on("CreateSession", opcuatest.WrongType(470)), want: protocol, before: "ActivateSession"},
		attack{name: "for another request", fault: on("CreateSession", opcuatest.WrongHandle()), want: protocol, before: "ActivateSession"},
		attack{name: "for no time", fault: timed(0), want: right},
		attack{name: "for less than no time", fault: timed(-1), want: right},
		attack{name: "for ever", fault: timed(math.Inf(1)), want: right},
		attack{name: "for no number", fault: timed(math.NaN()), want: right},
		attack{name: "activation cut", fault: on("ActivateSession", opcuatest.Truncated(40)), want: protocol},
		attack{name: "activation without a nonce", fault: on("ActivateSession", opcuatest.Results(-1)), modes: secured, want: either(protocol, security)},
		attack{name: "activation refused", fault: on("ActivateSession", opcuatest.Failing(0x80130000)), want: service},
		attack{name: "full", fault: on("CreateSession", opcuatest.Failing(0x80560000)), want: service, before: "ActivateSession"},
	)
	add("message length",
		attack{name: "size of 4 GiB", standing: true, fault: read(opcuatest.WrongSize(max32)), want: protocol},
		attack{name: "size of 7", standing: true, fault: read(opcuatest.WrongSize(7)), want: protocol},
		attack{name: "size of 0xFFFFFFF8", standing: true, fault: read(opcuatest.WrongSize(0xFFFFFFF8)), want: protocol},
		attack{name: "header alone", standing: true, fault: read(sized(8)), want: protocol},
		attack{name: "15 bytes", standing: true, fault: read(sized(15)), want: protocol},
		attack{name: "16 bytes", standing: true, fault: read(sized(16)), want: either(protocol, security)},
		attack{name: "19 bytes", standing: true, fault: read(sized(19)), want: either(protocol, security)},
		attack{name: "24 bytes", standing: true, fault: read(sized(24)), want: either(protocol, security)},
		attack{name: "OPN of 12 bytes", fault: entering(on("OpenSecureChannel", sized(12))), want: protocol, before: "CreateSession"},
		attack{name: "half, and the end", standing: true, fault: read(opcuatest.Cut(30, true)), want: ended},
		attack{name: "half a header, and the end", standing: true, fault: read(opcuatest.Cut(3, true)), want: ended},
	)
	add("chunks",
		attack{name: "unknown kind", standing: true, fault: read(opcuatest.WrongKind("MSGX")), want: protocol},
		attack{name: "acknowledge in the middle", standing: true, fault: read(instead(framed("ACKF", make([]byte, 20)...))), want: protocol},
		attack{name: "hello of a server", standing: true, fault: read(instead(framed("HELF", make([]byte, 24)...))), want: protocol},
		attack{name: "OPN that nobody asked for", standing: true, fault: read(opcuatest.WrongKind("OPNF")), want: either(protocol, security)},
		attack{name: "another channel", standing: true, fault: read(opcuatest.WrongChannel()), want: protocol},
		attack{name: "abort", standing: true, fault: read(opcuatest.Aborting(0x80020000, "no")), want: peer},
		attack{name: "abort after 30 chunks", standing: true, node: "ns=2;s=Long", fault: read(opcuatest.All(opcuatest.Chunked(300), opcuatest.Aborting(0x80020000, "no"))), want: peer},
		attack{name: "thousands of one byte", standing: true, node: "ns=2;s=Long", fault: read(opcuatest.Chunked(1)), want: either(protocol, service)},
		attack{name: "out of order", standing: true, node: "ns=2;s=Long", fault: read(func(x *opcuatest.Exchange) {
			x.ChunkSize = 1000
			x.Chunks = func(list []opcuatest.Chunk) []opcuatest.Chunk { slices.Reverse(list); return list }
		}), want: security},
		attack{name: "bodies swapped under right numbers", standing: true, node: "ns=2;s=Long", fault: read(func(x *opcuatest.Exchange) {
			x.ChunkSize = 1000
			x.Chunks = func(list []opcuatest.Chunk) []opcuatest.Chunk {
				list[0].Body, list[1].Body = list[1].Body, list[0].Body
				return list
			}
		}), want: protocol},
		attack{name: "endless message", standing: true, fault: read(opcuatest.EndlessMessage(8000)), want: either(protocol, service)},
		attack{name: "endless message of empty chunks", standing: true, fault: read(opcuatest.EndlessMessage(0)), want: either(protocol, service)},
		attack{name: "endless answers to nobody", standing: true, fault: read(opcuatest.EndlessRequests(8000)), want: timeout},
		attack{name: "endless noise", standing: true, fault: read(flooding(bytes.Repeat([]byte{0xAA}, 4096))), want: either(right, protocol)},
		attack{name: "endless errors at hello", fault: hello(flooding(framed("ERRF", 0, 0, 2, 0x80, 0, 0, 0, 0))), want: peer},
	)
	add("encoding",
		attack{name: "string table of 2^31-1", standing: true, fault: read(opcuatest.StringTable(math.MaxInt32)), want: protocol},
		attack{name: "diagnostics, 10,000 deep", standing: true, fault: read(opcuatest.Diagnostics(10_000)), want: protocol},
		attack{name: "2^31-1 results", standing: true, fault: read(opcuatest.Results(math.MaxInt32)), want: protocol},
		attack{name: "-2 results", standing: true, fault: read(opcuatest.Results(-2)), want: protocol},
		attack{name: "one result too many", standing: true, fault: read(opcuatest.Results(2)), want: protocol},
		attack{name: "variants, 50,000 deep", standing: true, fault: opcuatest.Answering(opcuatest.DeepVariant(50_000)), want: protocol},
		attack{name: "array of 2^31-1", standing: true, fault: opcuatest.Answering(opcuatest.ArrayOf(11, math.MaxInt32)), want: protocol},
		attack{name: "array of -2", standing: true, fault: opcuatest.Answering(opcuatest.ArrayOf(11, -2)), want: func(v []opcua.Value, err error) bool { return err == nil && len(v) == 1 && v[0].Len() == 0 }},
		attack{name: "variant of a type there is not", standing: true, fault: opcuatest.Answering(opcuatest.Raw{63}), want: protocol},
		attack{name: "dimensions of 65,536 × 65,536", standing: true, fault: opcuatest.Answering(opcuatest.MatrixOf(6, 1<<16, 1<<16)), want: garbled},
		attack{name: "dimensions of 2^31-1 × 2^31-1", standing: true, fault: opcuatest.Answering(opcuatest.MatrixOf(6, math.MaxInt32, math.MaxInt32, 4)), want: garbled},
		attack{name: "negative dimensions", standing: true, fault: opcuatest.Answering(opcuatest.MatrixOf(6, -1, -1)), want: garbled},
		attack{name: "of an answer too long", standing: true, node: "ns=2;s=Long", fault: read(opcuatest.Extended(most)), want: either(protocol, service)},
		attack{name: "cut to 40 bytes", standing: true, fault: read(opcuatest.Truncated(40)), want: protocol},
		attack{name: "cut to nothing", standing: true, fault: read(opcuatest.Truncated(0)), want: protocol},
		attack{name: "three bytes more", standing: true, fault: read(opcuatest.Extended(3)), want: protocol},
	)
	add("signature",
		attack{name: "of an answer", modes: secured, standing: true, fault: read(opcuatest.Forged()), want: security},
		attack{name: "of the OPN", modes: secured, fault: entering(on("OpenSecureChannel", opcuatest.Forged())), want: security, before: "CreateSession"},
		attack{name: "of CreateSession", modes: secured, fault: on("CreateSession", opcuatest.Forged()), want: security, before: "ActivateSession"},
		attack{name: "of the session", modes: secured, fault: opcuatest.FalseSignature(), want: security, before: "ActivateSession"},
		attack{name: "of the session left out", modes: secured, fault: opcuatest.NoSignature(), want: security, before: "ActivateSession"},
		attack{name: "under a nonce of 4 bytes", modes: secured, fault: opcuatest.ShortNonce(4), want: security, before: "ActivateSession"},
		attack{name: "keys without a nonce", modes: secured, fault: entering(opcuatest.WithoutNonce()), want: security, before: "CreateSession"},
		attack{name: "one bit of any chunk", modes: secured, standing: true, fault: read(wired(func(b []byte) []byte { b[len(b)/2] ^= 1; return b })), want: security},
	)
	encrypted := []opcua.Mode{opcua.SignAndEncrypt}
	add("padding",
		attack{name: "one longer than it is", modes: encrypted, standing: true, fault: read(opcuatest.Mispadded(1)), want: either(security, protocol)},
		attack{name: "longer than the chunk", modes: encrypted, standing: true, fault: read(opcuatest.Mispadded(0xF0)), want: security},
		attack{name: "of the OPN", modes: secured, fault: entering(on("OpenSecureChannel", opcuatest.Mispadded(0x70))), want: security, before: "CreateSession"},
	)
	add("token",
		attack{name: "one never given", standing: true, fault: read(opcuatest.WrongToken()), want: security},
		attack{name: "life of 0", fault: entering(opcuatest.Lifetime(0)), want: protocol, before: "CreateSession"},
		attack{name: "life of a second", fault: entering(opcuatest.Lifetime(time.Second)), want: protocol, before: "CreateSession"},
		attack{name: "life of 49 days", fault: entering(opcuatest.Lifetime(max32 * time.Millisecond)), want: right},
		attack{name: "made 20 years ago", fault: opcuatest.Dated(20 * 365 * 24 * time.Hour), want: right},
		attack{name: "made in 20 years", fault: opcuatest.Dated(-20 * 365 * 24 * time.Hour), want: right},
	)
	// The first token lives so long that its renewal is due while an answer is awaited.
	renewal := func(f opcuatest.Fault) opcuatest.Fault {
		return func(x *opcuatest.Exchange) {
			switch {
			case x.Service == "Read":
				x.Drop = true
			case x.Renewal:
				f(x)
			}
		}
	}
	short := func(_ *testing.T, s *siege) { s.cfg.Limits.Token = 4 * time.Second }
	other := func(t *testing.T) opcuatest.Identity {
		return opcuatest.Identity{Certificate: certify(t, serverURI, makeKeys().other, nil, nil, nil).Raw, Key: makeKeys().other}
	}
	lazily := func(f func(opcuatest.Identity) opcuatest.Fault) func(t *testing.T, s *siege) {
		return func(t *testing.T, s *siege) { s.cfg.Fault = entering(f(other(t))) }
	}
	add("renewal",
		attack{name: "not answered", standing: true, arrange: short, late: 10 * time.Second, fault: renewal(opcuatest.Silence()), want: protocol},
		attack{name: "life of a second", standing: true, arrange: short, late: 10 * time.Second, fault: renewal(opcuatest.Lifetime(time.Second)), want: protocol},
		attack{name: "answered twice", standing: true, arrange: short, late: 10 * time.Second, fault: renewal(opcuatest.Twice()), want: security},
		attack{name: "taken over with None", modes: secured, standing: true, arrange: short, late: 10 * time.Second, fault: renewal(opcuatest.Downgraded()), want: security},
		attack{name: "forged", modes: secured, standing: true, arrange: short, late: 10 * time.Second, fault: renewal(opcuatest.Forged()), want: security},
		attack{name: "without a nonce", modes: secured, standing: true, arrange: short, late: 10 * time.Second, fault: renewal(opcuatest.WithoutNonce()), want: security},
	)
	add("sequence",
		attack{name: "number left out", standing: true, fault: read(opcuatest.WrongSequence()), want: security},
		attack{name: "same answer twice", standing: true, fault: read(opcuatest.Twice()), want: either(right, security)},
		attack{name: "OPN twice", fault: entering(on("OpenSecureChannel", opcuatest.Twice())), want: either(protocol, security), before: "ActivateSession"},
		attack{name: "number of the chunk before", standing: true, fault: read(func(x *opcuatest.Exchange) {
			x.Chunks = func(list []opcuatest.Chunk) []opcuatest.Chunk { list[0].Sequence--; return list }
		}), want: security},
	)
	add("answer",
		attack{name: "other handle", standing: true, fault: read(opcuatest.WrongHandle()), want: protocol},
		attack{name: "other type", standing: true, fault: read(opcuatest.WrongType(530)), want: protocol},
		attack{name: "to no request", standing: true, fault: read(opcuatest.WrongRequest()), want: timeout},
		attack{name: "fault", standing: true, fault: read(opcuatest.Failing(0x800E0000)), want: service},
		attack{name: "too late", standing: true, fault: read(opcuatest.Delay(patience + time.Second)), want: timeout},
		attack{name: "reset", standing: true, fault: read(opcuatest.Resetting()), want: ended},
		attack{name: "end", standing: true, fault: read(opcuatest.All(opcuatest.Silence(), opcuatest.Closing())), want: ended},
	)
	add("silence",
		attack{name: "hello of discovery", fault: discovering(on("Hello", opcuatest.Silence())), want: timeout, before: "GetEndpoints"},
		attack{name: "channel of discovery", fault: discovering(on("OpenSecureChannel", opcuatest.Silence())), want: timeout, before: "GetEndpoints"},
		attack{name: "GetEndpoints", fault: on("GetEndpoints", opcuatest.Silence()), want: timeout, before: "CreateSession"},
		attack{name: "hello", fault: hello(opcuatest.Silence()), want: timeout, before: "CreateSession"},
		attack{name: "half an acknowledge", fault: hello(opcuatest.Cut(14, false)), want: timeout, before: "CreateSession"},
		attack{name: "channel", fault: entering(on("OpenSecureChannel", opcuatest.Silence())), want: timeout, before: "CreateSession"},
		attack{name: "half an OPN", fault: entering(on("OpenSecureChannel", opcuatest.Cut(60, false))), want: timeout, before: "CreateSession"},
		attack{name: "CreateSession", fault: on("CreateSession", opcuatest.Silence()), want: timeout, before: "ActivateSession"},
		attack{name: "ActivateSession", fault: on("ActivateSession", opcuatest.Silence()), want: timeout},
		attack{name: "Read", standing: true, fault: read(opcuatest.Silence()), want: timeout},
		attack{name: "half an answer", standing: true, fault: read(opcuatest.Cut(30, false)), want: timeout},
	)
	drip := opcuatest.Drip(100_000, time.Second)
	add("one byte a second",
		attack{name: "hello of discovery", fault: discovering(on("Hello", drip)), want: timeout, before: "GetEndpoints"},
		attack{name: "GetEndpoints", fault: on("GetEndpoints", drip), want: timeout, before: "CreateSession"},
		attack{name: "hello", fault: hello(drip), want: timeout, before: "CreateSession"},
		attack{name: "channel", fault: entering(on("OpenSecureChannel", drip)), want: timeout, before: "CreateSession"},
		attack{name: "CreateSession", fault: on("CreateSession", drip), want: timeout, before: "ActivateSession"},
		attack{name: "Read", standing: true, fault: read(drip), want: timeout},
		attack{name: "everything, one in 10 ms", standing: true, fault: opcuatest.Drip(100_000, 10*time.Millisecond), want: right},
	)
	shaped := func(edit func(*x509.Certificate)) func(t *testing.T, s *siege) {
		return func(t *testing.T, s *siege) {
			c := certify(t, serverURI, makeKeys().server, nil, nil, edit)
			s.cfg.Identity.Certificate = c.Raw
			s.client.Trust.List.Trusted = []*x509.Certificate{c}
		}
	}
	issued := func(revoked bool) func(t *testing.T, s *siege) {
		return func(t *testing.T, s *siege) {
			k := makeKeys()
			root := certify(t, "urn:authority", k.authority, nil, nil, nil)
			c := certify(t, serverURI, k.server, root, k.authority, nil)
			s.cfg.Identity.Certificate = slices.Concat(c.Raw, root.Raw)
			s.client.Trust.List.Trusted = []*x509.Certificate{root}
			if !revoked {
				return
			}
			der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
				Number: big.NewInt(1), ThisUpdate: dawn.AddDate(0, -1, 0), NextUpdate: dawn.AddDate(1, 0, 0),
				RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: c.SerialNumber, RevocationTime: dawn.AddDate(0, -2, 0)}},
			}, root, k.authority)
			require.NoError(t, err)
			list, err := x509.ParseRevocationList(der)
			require.NoError(t, err)
			s.client.Trust.List.Revocations = []*x509.RevocationList{list}
		}
	}
	for _, row := range []struct {
		name    string
		arrange func(*testing.T, *siege)
		status  opcua.StatusCode
	}{
		{"expired", shaped(func(c *x509.Certificate) { c.NotAfter = dawn.Add(-time.Hour) }), opcua.StatusBadCertificateTimeInvalid},
		{"not yet valid", shaped(func(c *x509.Certificate) { c.NotBefore = dawn.Add(time.Hour) }), opcua.StatusBadCertificateTimeInvalid},
		{"other host", shaped(func(c *x509.Certificate) { c.DNSNames = []string{"elsewhere"} }), opcua.StatusBadCertificateHostNameInvalid},
		{"other application", shaped(func(c *x509.Certificate) { c.URIs[0].Opaque = "else" }), opcua.StatusBadCertificateURIInvalid},
		{"key not for this", shaped(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }), opcua.StatusBadCertificateUseNotAllowed},
		{"weak key", func(t *testing.T, s *siege) {
			c := certify(t, serverURI, makeKeys().weak, nil, nil, nil)
			s.cfg.Identity = opcuatest.Identity{Certificate: c.Raw, Key: makeKeys().weak}
			s.client.Trust.List.Trusted = []*x509.Certificate{c}
		}, opcua.StatusBadCertificatePolicyCheckFailed},
		{"unknown", func(t *testing.T, s *siege) { s.cfg.Identity = other(t) }, opcua.StatusBadCertificateUntrusted},
		{"revoked", issued(true), opcua.StatusBadCertificateRevoked},
		{"revocation not known", issued(false), opcua.StatusBadCertificateRevocationUnknown},
		{"of nonsense", func(_ *testing.T, s *siege) { s.cfg.Identity.Certificate = []byte("nonsense") }, opcua.StatusBadCertificateInvalid},
	} {
		add("certificate", attack{name: row.name, arrange: row.arrange, want: refusal(row.status), before: "CreateSession"})
	}
	add("takeover",
		attack{name: "policy None", modes: secured, fault: entering(opcuatest.Downgraded()), want: security, before: "CreateSession"},
		attack{name: "certificate and key of another", modes: secured, arrange: lazily(opcuatest.Impersonated), want: security, before: "CreateSession"},
		attack{name: "right certificate, wrong key", modes: secured, arrange: lazily(opcuatest.Unproved), want: security, before: "CreateSession"},
		attack{name: "another certificate in the session", modes: secured, arrange: lazily(func(i opcuatest.Identity) opcuatest.Fault { return opcuatest.OtherCertificate(i.Certificate) }), want: security, before: "ActivateSession"},
		attack{name: "no certificate in the session", modes: secured, fault: opcuatest.OtherCertificate(nil), want: security, before: "ActivateSession"},
		attack{name: "secure endpoints left out", modes: secured, arrange: func(_ *testing.T, s *siege) { s.cfg.Security = s.cfg.Security[:1] }, want: security, before: "CreateSession"},
		attack{name: "certificate left out, so that the password be plain", modes: modes[:1], arrange: func(_ *testing.T, s *siege) { s.cfg.Identity = opcuatest.Identity{} }, want: security, before: "CreateSession"},
	)
	return list
}

// TestMutated has a server change bytes of its answers, at every step: whatever comes of it,
// it is a value or an error of a type, and it is over when the server is well again.
func TestMutated(t *testing.T) {
	makeKeys()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			s := newSiege(t, opcua.ModeNone)
			s.begin(t)
			defer func() { assert.NoError(t, s.server.Close()) }()
			c, err := opcua.NewClient(s.client)
			require.NoError(t, err)
			defer c.Close(t.Context())
			s.server.SetFault(opcuatest.Mutated(seed, 4))
			for range 10 {
				_, err := c.Read(t.Context(), "ns=2;s=Long", "ns=2;s=Number")
				if err != nil {
					assert.True(t, typed(err), "seed %d: %T %v", seed, err, err)
				}
				s.secretless(t, err)
			}
			s.server.SetFault(nil)
			var values []opcua.Value
			for range 4 {
				if values, err = c.Read(t.Context(), "ns=2;s=Number"); right(values, err) {
					break
				}
			}
			assert.True(t, right(values, err), "seed %d: %v", seed, err)
			grown, _ := s.tap.grown()
			assert.Less(t, grown, uint64(mostMemory))
		})
	}
}

// typed reports whether an error is one of the driver's, or the end of a connection.
func typed(err error) bool {
	_, known := errors.AsType[interface {
		error
		Quality() acquire.Quality
	}](err)
	return known || errors.Is(err, io.ErrUnexpectedEOF)
}

// order is that of the services of a login.
var order = []string{"GetEndpoints", "CreateSession", "ActivateSession"}

// TestHostile holds the client against each attack in each mode: it ends with an error of
// a type that says what it was, or gets over it; in bounded time and memory; with no
// password sent where it may not go, and no goroutine left, or the bubble would not end.
// The same client serves again once the attack is over.
func TestHostile(t *testing.T) {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "class\tattack\tmode\toutcome\ttime\ttaken in\theap\tasked again")
	for _, a := range attacks() {
		for _, mode := range modes {
			if a.modes != nil && !slices.Contains(a.modes, mode) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s/%s", a.class, a.name, mode), func(t *testing.T) {
				makeKeys()
				synctest.Test(t, func(t *testing.T) { fmt.Fprintln(w, a.run(t, mode)) })
			})
		}
	}
	w.Flush()
	t.Logf("\n%s", table.String())
}

// kind names the type of an error.
func kind(err error) string {
	if err == nil {
		return "value"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "connection ended"
	}
	for ; errors.Unwrap(err) != nil; err = errors.Unwrap(err) {
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", err), "*opcua.")
}

// run makes the attack and returns its row of the table.
func (a attack) run(t *testing.T, mode opcua.Mode) string {
	t.Helper()
	s := newSiege(t, mode)
	if a.arrange != nil {
		a.arrange(t, s)
	}
	s.begin(t)
	defer func() { assert.NoError(t, s.server.Close()) }()
	c, err := opcua.NewClient(s.client)
	require.NoError(t, err)
	defer func() {
		began := time.Now()
		assert.NoError(t, c.Close(t.Context()))
		assert.LessOrEqual(t, time.Since(began), patience+time.Second, "to close")
	}()
	node := a.node
	if node == "" {
		node = "ns=2;s=Number"
	}
	if a.standing {
		values, err := c.Read(t.Context(), "ns=2;s=Number")
		require.True(t, right(values, err), "%v", err)
	}
	if a.fault != nil {
		s.server.SetFault(a.fault)
	}
	began := time.Now()
	values, err := c.Read(t.Context(), node)
	took, outcome := time.Since(began), kind(err)
	assert.True(t, a.want(values, err), "%v: %T %v", values, err, err)
	limit := a.late
	if limit == 0 {
		limit = patience + time.Second
	}
	assert.LessOrEqual(t, took, limit)
	s.secretless(t, err)
	asked := s.server.Stats().Requests
	if i := slices.Index(order, a.before); i >= 0 {
		for _, service := range order[i:] {
			assert.Zero(t, asked[service], service)
		}
	}
	grown, taken := s.tap.grown()
	assert.Less(t, grown, uint64(mostMemory), "bytes of heap")
	again := "-"
	if (a.arrange == nil || a.fault != nil) && mode != opcua.Sign { // as encrypted, and logins take long
		s.server.SetFault(nil)
		tries := 0
		for ok := false; !ok && tries < 4; tries++ {
			values, err = c.Read(t.Context(), "ns=2;s=Number")
			ok = right(values, err)
		}
		assert.True(t, right(values, err), "it does not serve again: %v", err)
		again = fmt.Sprint(tries)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d kB\t%d kB\t%s", a.class, a.name, mode, outcome, took.Round(time.Millisecond), taken>>10, grown>>10, again)
}
