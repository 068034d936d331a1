package wire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"testing"

	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// canary is a secret that must be in no recording.
const canary = "canary-8e21f0"

// activate is an ActivateSession request with a user name and a password, as a chunk.
func activate(password, chunk string, request uint32) []byte {
	le := binary.LittleEndian
	text := func(b []byte, s string) []byte { return append(le.AppendUint32(b, uint32(len(s))), s...) }
	null := func(b []byte) []byte { return le.AppendUint32(b, 0xffffffff) }
	token := text(nil, "policy")
	token = text(token, "reader")
	token = text(token, password)
	token = null(token)

	body := []byte{1, 0, 0xd3, 1}               // type 467
	body = append(body, 5, 1, 0, 0x20, 0, 0, 0) // token of the session: an opaque one of 32 bytes
	body = append(body, bytes.Repeat([]byte{7}, 32)...)
	body = append(body, 1, 2, 3, 4, 5, 6, 7, 8) // time
	body = le.AppendUint32(body, 9)             // handle
	body = le.AppendUint32(body, 0)             // diagnostics
	body = null(body)                           // audit entry
	body = le.AppendUint32(body, 10000)         // timeout
	body = append(body, 0, 0, 0)                // additional header
	body = null(null(body))                     // signature
	body = null(body)                           // software certificates
	body = text(le.AppendUint32(body, 1), "en") // locales
	body = append(body, 1, 0, 0x44, 1, 1)       // type 324, binary
	body = text(body, string(token))
	body = null(null(body)) // signature of the token

	b := append([]byte("MSG"), chunk...)
	b = le.AppendUint32(b, uint32(24+len(body)))
	for _, n := range []uint32{1, 1, 4, request} { // channel, token, sequence number, request id
		b = le.AppendUint32(b, n)
	}
	return append(b, body...)
}

// secretMessages are messages with the canary, whole and damaged.
func secretMessages() map[string]struct {
	protocol wire.Protocol
	packets  bool
	sent     [][]byte
} {
	type message = struct {
		protocol wire.Protocol
		packets  bool
		sent     [][]byte
	}
	get := getRequest(canary)
	broken := bytes.Clone(get)
	broken[1] = 0x7f // longer than it is
	versionless := bytes.Clone(get)
	versionless[4] = 9
	open := activate(canary, "F", 6)
	first, second := activate(canary, "C", 6), activate(canary, "F", 6)
	// One request in two chunks, cut in the middle of the password.
	part := func(kind string, body []byte) []byte {
		b := append([]byte("MSG"), kind...)
		b = binary.LittleEndian.AppendUint32(b, uint32(24+len(body)))
		return append(append(b, open[8:24]...), body...)
	}
	middle := bytes.Index(open, []byte(canary)) + 4
	unreadable := bytes.Clone(open)
	copy(unreadable[len(open)-60:], "\xff\xff\xff\x7f\xff\xff\xff\x7f")
	return map[string]message{
		"SNMP":                        {wire.SNMP{}, true, [][]byte{get}},
		"SNMP with a wrong length":    {wire.SNMP{}, true, [][]byte{broken}},
		"SNMP cut short":              {wire.SNMP{}, true, [][]byte{get[:len(get)-5], get[:7+len(canary)]}},
		"SNMP of no version":          {wire.SNMP{}, true, [][]byte{versionless}},
		"no SNMP":                     {wire.SNMP{}, true, [][]byte{[]byte("GET /" + canary)}},
		"SNMP on a stream":            {wire.SNMP{}, false, [][]byte{get[:3], get[3:9], append(bytes.Clone(get[9:]), get...)}},
		"SNMP on a stream, not whole": {wire.SNMP{}, false, [][]byte{get, get[:7+len(canary)]}},
		"no SNMP on a stream":         {wire.SNMP{}, false, [][]byte{append(bytes.Clone(get), "noise"...), get}},
		"OPC UA":                      {wire.OPCUA{}, false, [][]byte{open}},
		"OPC UA in pieces":            {wire.OPCUA{}, false, [][]byte{open[:1], open[1:30], open[30 : len(open)-20], open[len(open)-20:]}},
		"OPC UA in chunks":            {wire.OPCUA{}, false, [][]byte{first, second, open}},
		"OPC UA, cut in two":          {wire.OPCUA{}, false, [][]byte{part("C", open[24:middle]), part("F", open[middle:])}},
		"OPC UA, not readable":        {wire.OPCUA{}, false, [][]byte{unreadable}},
		"OPC UA, not whole":           {wire.OPCUA{}, false, [][]byte{open[:len(open)-10]}},
		"no OPC UA":                   {wire.OPCUA{}, false, [][]byte{[]byte("HTTP/1.1 200 " + canary)}},
	}
}

func TestSecretsAreNotRecorded(t *testing.T) {
	for name, c := range secretMessages() {
		t.Run(name, func(t *testing.T) {
			link := wire.Link{Protocol: c.protocol, Packets: c.packets}
			var all []byte
			use := func(conn net.Conn) {
				b := make([]byte, 1000)
				for _, m := range c.sent {
					before := bytes.Clone(m)
					n, err := conn.Write(m)
					require.NoError(t, err)
					require.Equal(t, len(m), n)
					require.Equal(t, before, m, "the driver's memory is not touched")
					n, err = conn.Read(b)
					require.NoError(t, err)
					require.Equal(t, before, b[:n], "the driver gets what came")
				}
				require.NoError(t, conn.Close())
			}
			for _, m := range c.sent {
				all = append(all, m...)
			}
			answers := func() (list []any) {
				for _, m := range c.sent {
					list = append(list, m)
				}
				return list
			}
			recording, raw, stats := record(t, wire.Config{}, link, &scripted{answers: answers()}, use)
			assert.NotContains(t, string(raw), canary)
			assert.NotContains(t, string(raw), canary[4:], "nor a part of it")
			for _, kind := range []wire.Kind{wire.Sent, wire.Received} {
				assert.NotContains(t, string(joined(recording.Conversations[0].Events, kind)), canary[4:])
			}
			assert.GreaterOrEqual(t, stats.Masked, uint64(2*len(canary)))
			assert.Len(t, joined(recording.Conversations[0].Events, wire.Sent), len(all))
			assert.Len(t, joined(recording.Conversations[0].Events, wire.Received), len(all))

			// What is asked for is recorded as it is.
			recording, _, stats = record(t, wire.Config{Secrets: true}, link, &scripted{answers: answers()}, use)
			assert.Zero(t, stats.Masked)
			assert.Equal(t, all, joined(recording.Conversations[0].Events, wire.Sent))
		})
	}
}

// Where the message is sound nothing but the secret is masked.
func TestMaskedMessagesStayWellFormed(t *testing.T) {
	get := getRequest(canary)
	r := wire.SNMP{}.Redactor()
	masked := bytes.Clone(get)
	n, err := r.Redact(masked)
	require.NoError(t, err)
	assert.Equal(t, len(canary), n)
	assert.Equal(t, bytes.Replace(get, []byte(canary), bytes.Repeat([]byte("x"), len(canary)), 1), masked)
	require.NoError(t, new(snmpwire.Message).Parse(masked))

	request := activate(canary, "F", 6)
	masked = bytes.Clone(request)
	n, err = wire.OPCUA{}.Redactor().Redact(masked)
	require.NoError(t, err)
	assert.Equal(t, len(canary), n)
	assert.Equal(t, bytes.Replace(request, []byte(canary), bytes.Repeat([]byte("x"), len(canary)), 1), masked)

	// A chunk of another request in between is not masked.
	u := wire.OPCUA{}.Redactor()
	_, err = u.Redact(activate(canary, "C", 6))
	require.NoError(t, err)
	other := activate(canary, "F", 7)
	copy(other[24:], []byte{1, 0, 0x77, 2}) // a Read
	before := bytes.Clone(other)
	n, err = u.Redact(other)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Equal(t, before, other)
}

// Under TLS the recorder below sees what the wire does.
func TestRecordingBelowTLS(t *testing.T) {
	var file bytes.Buffer
	rec, err := wire.NewRecorder(&file, wire.Config{})
	require.NoError(t, err)
	near, far := net.Pipe()
	dial := rec.Dial(wire.Link{Name: "meter"}, func(context.Context) (net.Conn, error) { return near, nil })
	conn, err := dial(t.Context())
	require.NoError(t, err)
	certificate := selfSigned(t)
	served := make(chan error, 1)
	go func() {
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{certificate}})
		b := make([]byte, 100)
		n, err := server.Read(b)
		if err == nil {
			_, err = server.Write(b[:n])
		}
		served <- err
	}()
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	_, err = client.Write([]byte(canary))
	require.NoError(t, err)
	b := make([]byte, 100)
	n, err := client.Read(b)
	require.NoError(t, err)
	require.NoError(t, <-served)
	assert.Equal(t, canary, string(b[:n]))
	require.NoError(t, near.Close())
	require.NoError(t, rec.Close())
	assert.NotContains(t, file.String(), canary)
	recording, err := wire.Read(&file)
	require.NoError(t, err)
	assert.Greater(t, len(joined(recording.Conversations[0].Events, wire.Sent)), 200, "a handshake")
}

// A request id of another length changes the length of the answer.
func TestAnswersFitTheirRequests(t *testing.T) {
	message := func(t snmpwire.PDUType, id int32, community string) []byte {
		m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte(community), PDU: snmpwire.PDU{Type: t, RequestID: id}}
		return m.Append(nil)
	}
	recorded, answer := message(snmpwire.ReadRequest, 7, "xxxxxx"), message(snmpwire.Response, 7, "xxxxxx")
	request := message(snmpwire.ReadRequest, 1<<30, "public")
	require.NoError(t, wire.SNMP{}.Match(recorded, request))
	assert.Equal(t, message(snmpwire.Response, 1<<30, "public"), wire.SNMP{}.Answer(nil, answer, recorded, request))
	// One that answers something else does not become an answer.
	stale := message(snmpwire.Response, 6, "xxxxxx")
	assert.Equal(t, message(snmpwire.Response, 6, "public"), wire.SNMP{}.Answer(nil, stale, recorded, request))
	assert.Error(t, wire.SNMP{}.Match(recorded, message(snmpwire.BulkRequest, 7, "xxxxxx")))

	v3 := func(flags snmpwire.Flags) []byte {
		m := snmpwire.MessageV3{ID: 5, MaxSize: 1000, Model: snmpwire.USM, User: []byte("reader")}
		m.Scoped.PDU.Type = snmpwire.ReadRequest
		b, err := m.Append(nil, nil)
		require.NoError(t, err)
		return b
	}
	assert.NoError(t, wire.SNMP{}.Match(v3(0), v3(0)))
	assert.Error(t, wire.SNMP{}.Match(recorded, v3(0)))

	// The echo of a line holds fresh data.
	assert.NoError(t, wire.ModbusRTU{}.Match([]byte{1, 8, 0, 0, 1, 2, 3, 4}, []byte{1, 8, 0, 0, 5, 6, 7, 8}))
	assert.Error(t, wire.ModbusRTU{}.Match([]byte{1, 8, 0, 0, 1, 2, 3, 4}, []byte{2, 8, 0, 0, 1, 2, 3, 4}))
	assert.Equal(t, []byte{1, 8, 0, 0, 5, 6, 7, 8},
		wire.ModbusRTU{}.Answer(nil, []byte{1, 8, 0, 0, 1, 2, 3, 4}, []byte{1, 8, 0, 0, 1, 2, 3, 4}, []byte{1, 8, 0, 0, 5, 6, 7, 8}))
	assert.Equal(t, []byte{1, 8, 0, 0, 9, 9, 9, 9},
		wire.ModbusRTU{}.Answer(nil, []byte{1, 8, 0, 0, 9, 9, 9, 9}, []byte{1, 8, 0, 0, 1, 2, 3, 4}, []byte{1, 8, 0, 0, 5, 6, 7, 8}))

	// A transaction id that answers another request stays another's.
	assert.Equal(t, []byte{0, 9, 0, 0, 0, 2, 1, 3}, wire.Modbus{}.Answer(nil, []byte{0, 1, 0, 0, 0, 2, 1, 3}, []byte{0, 1, 0}, []byte{0, 9, 0}))
	assert.Equal(t, []byte{0, 2, 0, 0, 0, 2, 1, 3}, wire.Modbus{}.Answer(nil, []byte{0, 2, 0, 0, 0, 2, 1, 3}, []byte{0, 1, 0}, []byte{0, 9, 0}))
}

// What claims to be longer than is held back, and comes in more pieces, is recorded all
// the same, and masked where it cannot be known.
func TestMessagesWithoutEnd(t *testing.T) {
	giant := append([]byte("MSGF\xff\xff\xff\x00"), bytes.Repeat([]byte(canary), 1000)...)
	recording, raw, _ := record(t, wire.Config{}, wire.Link{Protocol: wire.OPCUA{}}, &scripted{}, func(conn net.Conn) { conn.Write(giant) })
	assert.NotContains(t, string(raw), canary)
	assert.Equal(t, bytes.Repeat([]byte("x"), len(giant)), joined(recording.Conversations[0].Events, wire.Sent))

	// Twice as much as is held back, of a request that is never whole.
	slow := append([]byte("MSGF\x00\x00\x0f\x00"), make([]byte, 1<<20-1<<16-8)...)
	recording, _, stats := record(t, wire.Config{Buffer: 8 << 20}, wire.Link{Protocol: wire.OPCUA{}}, &scripted{}, func(conn net.Conn) {
		for i := range 10_000 {
			conn.Write(slow[i : i+1])
		}
		conn.Write(slow[10_000:])
		conn.Close()
	})
	sent := joined(recording.Conversations[0].Events, wire.Sent)
	assert.Zero(t, stats.Dropped)
	assert.Len(t, sent, len(slow))
	assert.True(t, bytes.Equal(slow, sent))
	assert.Less(t, len(recording.Conversations[0].Events), 5000)
}
