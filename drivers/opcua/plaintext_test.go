package opcua_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// secured is a server that has no endpoint without security, and what a driver is to say
// to it.
type secured struct {
	policy opcua.Policy
	mode   opcua.Mode
	fault  opcuatest.Fault
	nodes  int // polled besides
}

const (
	securedEvery = 100 * time.Millisecond
	securedTime  = 10 * time.Second
)

// securedPassword must be in no recording.
const securedPassword = "canary-4e7a15"

func (s secured) server(t *testing.T) *opcuatest.Server {
	identity, err := opcuatest.NewIdentity("urn:fieldtap:opcuatest", nil)
	require.NoError(t, err)
	count := func(at time.Time) any { return at.UnixNano() / int64(securedEvery) }
	cfg := opcuatest.Config{
		Identity: identity, Users: map[string]string{"reader": securedPassword}, NoAnonymous: true, Fault: s.fault,
		Variables: []opcuatest.Variable{
			{ID: "ns=2;s=Told", Name: "Told", Step: securedEvery, Value: count},
			{ID: "ns=2;s=Asked", Name: "Asked", Step: securedEvery, Value: count},
		},
	}
	for i := range s.nodes {
		cfg.Variables = append(cfg.Variables, opcuatest.Variable{ID: opcuatest.NodeID(s.node(i)), Name: fmt.Sprint("Many", i), Step: securedEvery, Value: count})
	}
	server, err := opcuatest.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return server
}

// node is the id of a node, long enough for requests of several chunks.
func (secured) node(i int) string { return fmt.Sprintf("ns=2;s=Many%0200d", i) }

// config leads to what dial makes.
func (s secured) config(t *testing.T, dial func(context.Context) (net.Conn, error)) opcua.Config {
	store, err := opcua.OpenStore(t.TempDir())
	require.NoError(t, err)
	cfg := opcua.Config{
		Client: opcua.ClientConfig{
			Endpoint: "opc.tcp://192.0.2.1", Trust: opcua.Trust{Store: store, FirstUse: true, AnyHost: true},
			Identity: opcua.Identity{User: "reader", Password: securedPassword}, TokenLifetime: 6060 * time.Millisecond, // renewed when nothing else is said
			Policies: []opcua.Policy{s.policy}, Mode: s.mode, Dial: dial, Timeout: time.Second,
		},
		Name: "plant", Sampling: securedEvery, PollInterval: time.Second,
		Points: []opcua.Point{
			{Name: "told", Node: "ns=2;s=Told", Kind: acquire.KindInt64},
			{Name: "asked", Node: "ns=2;s=Asked", Kind: acquire.KindInt64, Poll: true},
		},
	}
	for i := range s.nodes {
		cfg.Points = append(cfg.Points, opcua.Point{Name: fmt.Sprint("many", i), Node: opcua.NodeID(s.node(i)), Kind: acquire.KindInt64, Poll: true})
	}
	return cfg
}

// follow returns the samples of some seconds in words, sorted: those of one instant come in
// any order. The last second, in which a recorded session ends, is left out.
func follow(t *testing.T, cfg opcua.Config, d time.Duration) (lines []string) {
	start := time.Now()
	cfg.Catalog = acquire.NewCatalog()
	source, err := opcua.NewSource(cfg)
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	var b acquire.Batch
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for {
		if err := stream.Next(ctx, &b); err != nil {
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			break
		}
		for _, s := range b.Samples {
			p, _ := cfg.Catalog.Point(s.Point)
			if at := s.Time.Time(); at.Before(start.Add(securedTime - time.Second)) {
				lines = append(lines, fmt.Sprint(p.Name, " ", at.UTC().Format(time.RFC3339Nano), " ", s.Value, " ", s.Quality))
			}
		}
	}
	require.NoError(t, stream.Close())
	slices.Sort(lines)
	return lines
}

// live records what the driver says to a server, and returns the file with the samples.
func (s secured) live(t *testing.T, record wire.Config, edit func(*opcua.Config, *wire.Recorder)) (file []byte, stats wire.Stats, lines []string) {
	synctest.Test(t, func(t *testing.T) {
		server := s.server(t)
		var out bytes.Buffer
		recorder, err := wire.NewRecorder(&out, record)
		require.NoError(t, err)
		dial := recorder.Dial(wire.Link{Name: "plant", Protocol: wire.OPCUA{}}, func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			go server.ServeConn(there)
			return here, nil
		})
		cfg := s.config(t, dial)
		edit(&cfg, recorder)
		lines = follow(t, cfg, securedTime)
		require.NoError(t, recorder.Close())
		file, stats = out.Bytes(), recorder.Stats()
	})
	return file, stats, lines
}

func withPlaintext(cfg *opcua.Config, r *wire.Recorder) { cfg.Client.Plaintext = r.Plaintext }

// played plays a recording in plain form to a driver without security.
func (s secured) played(t *testing.T, file []byte) (lines []string) {
	recording, err := wire.Read(bytes.NewReader(file))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		peer := wire.NewPeer(wire.OPCUA{Unsecured: true}, recording.Conversations)
		cfg := s.config(t, peer.Dial)
		cfg.Client.Policies, cfg.Client.Mode, cfg.Client.Now = []opcua.Policy{opcua.PolicyNone}, 0, peer.Now
		lines = follow(t, cfg, securedTime-500*time.Millisecond)
		assert.NoError(t, peer.Err())
		assert.Zero(t, peer.Left())
		_, beyond := peer.Progress()
		assert.Zero(t, beyond)
	})
	return lines
}

// TestPlaintextIsPlayed: what goes over a channel with security is recorded as one without
// would have it, renewals of the token among it, and gives a driver without security the same samples.
func TestPlaintextIsPlayed(t *testing.T) {
	for name, s := range map[string]secured{
		"Basic256Sha256 SignAndEncrypt":    {policy: opcua.Basic256Sha256, mode: opcua.SignAndEncrypt},
		"Basic256Sha256 Sign":              {policy: opcua.Basic256Sha256, mode: opcua.Sign},
		"Aes256Sha256RsaPss, large chunks": {policy: opcua.Aes256Sha256RsaPss, mode: opcua.SignAndEncrypt, nodes: 600},
		"late answer":                      {policy: opcua.Basic256Sha256, mode: opcua.SignAndEncrypt, fault: opcuatest.On("Read", opcuatest.Nth(5, opcuatest.Delay(1200*time.Millisecond)))},
		"answers in chunks":                {policy: opcua.Basic256Sha256, mode: opcua.SignAndEncrypt, fault: opcuatest.On("Read", opcuatest.Chunked(8192)), nodes: 600},
	} {
		t.Run(name, func(t *testing.T) {
			file, stats, live := s.live(t, wire.Config{Plaintext: true, Buffer: 64 << 20}, withPlaintext)
			assert.Greater(t, len(live), 80)
			assert.NotZero(t, stats.Withheld)
			assert.Zero(t, stats.Declined)
			assert.Zero(t, stats.Dropped)
			assert.NotZero(t, stats.Masked)
			assert.NotContains(t, string(file), securedPassword)
			assert.Contains(t, string(file), "Asked", "a node that is asked for")
			assertPlain(t, file)
			assert.Equal(t, live, s.played(t, file))
		})
	}
}

// assertPlain asserts that every chunk of a recording is one of a channel without security, and
// that the chunks of each direction are numbered without a gap.
func assertPlain(t *testing.T, file []byte) {
	t.Helper()
	recording, err := wire.Read(bytes.NewReader(file))
	require.NoError(t, err)
	require.Len(t, recording.Conversations, 2, "discovery, and the session")
	le := binary.LittleEndian
	for i, c := range recording.Conversations {
		decrypted := slices.ContainsFunc(c.Events, func(e wire.Event) bool { return e.Kind == wire.Decrypted })
		assert.Equal(t, i == 1, decrypted)
		for _, kind := range []wire.Kind{wire.Sent, wire.Received} {
			var b []byte
			for _, e := range c.Events {
				if e.Kind == kind {
					b = append(b, e.Data...)
				}
			}
			opened := 0
			latest := uint32(0)
			for len(b) > 0 {
				n := le.Uint32(b[4:])
				require.LessOrEqual(t, int(n), len(b))
				chunk := b[:n]
				b = b[n:]
				number := chunk[16:]
				switch string(chunk[:3]) {
				case "HEL", "ACK", "ERR":
					continue
				case "OPN":
					opened++
					r := uabin.NewReader(chunk[12:])
					assert.Equal(t, "http://opcfoundation.org/UA/SecurityPolicy#None", r.Text())
					assert.Nil(t, r.Bytes(), "certificate")
					assert.Nil(t, r.Bytes(), "thumbprint")
					number = r.Rest()
					require.NoError(t, r.Err())
					if kind == wire.Received {
						body := uabin.NewReader(number[8:])
						body.Header()
						assert.Empty(t, body.Channel().Nonce)
						assert.NoError(t, body.End())
						break
					}
					// Of a request the mode, the nonce and the lifetime come last.
					end := chunk[len(chunk)-12:]
					assert.Equal(t, []byte{1, 0, 0, 0}, end[:4], "mode")
					if string(end[4:8]) != "\x00\x00\x00\x00" {
						assert.Equal(t, "\xff\xff\xff\xff", string(end[4:8]), "nonce")
					}
				case "MSG", "CLO":
				default:
					require.Fail(t, "chunk", "%q", chunk[:3])
				}
				if latest != 0 {
					assert.Equal(t, latest+1, le.Uint32(number))
				}
				latest = le.Uint32(number)
			}
			if i == 1 {
				assert.GreaterOrEqual(t, opened, 2, "the token was renewed")
			}
		}
	}
}

// TestPlaintextIsNotRecordedUnasked: who does not ask for plaintext twice, of the recorder and of the
// driver, has none of it in the file.
func TestPlaintextIsNotRecordedUnasked(t *testing.T) {
	for _, policy := range []opcua.Policy{opcua.Aes128Sha256RsaOaep} {
		s := secured{policy: policy, mode: opcua.SignAndEncrypt}
		for name, c := range map[string]struct {
			cfg      wire.Config
			edit     func(*opcua.Config, *wire.Recorder)
			declined uint64
		}{
			"by the recorder": {wire.Config{}, withPlaintext, 1},
			"by the driver":   {wire.Config{Plaintext: true}, func(*opcua.Config, *wire.Recorder) {}, 0},
			"through another recorder": {wire.Config{Plaintext: true}, func(cfg *opcua.Config, _ *wire.Recorder) {
				other, err := wire.NewRecorder(io.Discard, wire.Config{Plaintext: true})
				require.NoError(t, err)
				other.Close()
				cfg.Client.Plaintext = other.Plaintext
			}, 0},
			"by nobody": {wire.Config{Secrets: true}, func(*opcua.Config, *wire.Recorder) {}, 0},
		} {
			t.Run(fmt.Sprint(policy, " ", name), func(t *testing.T) {
				file, stats, live := s.live(t, c.cfg, c.edit)
				assert.Greater(t, len(live), 80)
				assert.Zero(t, stats.Withheld)
				assert.Equal(t, c.declined, stats.Declined)
				for _, text := range []string{securedPassword, "reader", "Told", "Asked", "NamespaceArray"} {
					assert.NotContains(t, string(file), text)
				}
				assert.Contains(t, string(file), policy.String(), "the policy, in the open")
			})
		}
	}
}
