package opcua

import (
	"encoding/binary"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// plaintext tells what a channel with security carries, as the same channel would have it
// with none: see ClientConfig.Plaintext. The zero value tells nobody.
type plaintext struct {
	sent, received func(chunks []byte)

	// Of what is sent, guarded by channel.writing. A message may take fewer chunks here, so
	// that they have numbers of their own.
	out      []byte
	sequence uint32
}

// bare tells a chunk that has no security on any channel.
func bare(told func([]byte), chunk []byte) {
	if told != nil {
		told(chunk)
	}
}

// opening tells an OpenSecureChannelRequest that is about to be sent. The nonce, from which
// keys are made, is left out.
func (p *plaintext) opening(channel, request uint32, kind ua.SecurityTokenRequestType, lifetime time.Duration, at time.Time) {
	if p.sent == nil {
		return
	}
	body, err := encodeRequest(&ua.OpenSecureChannelRequest{
		RequestType: kind, SecurityMode: ua.MessageSecurityModeNone, RequestedLifetime: uint32(lifetime / time.Millisecond),
	}, &ua.RequestHeader{Timestamp: at, RequestHandle: request})
	if err != nil {
		return // nor would it have been sent
	}
	p.out = beginOPN(p.out[:0], channel)
	p.sequence = sequenceAfter(p.sequence)
	p.out = binary.LittleEndian.AppendUint32(p.out, p.sequence)
	p.out = binary.LittleEndian.AppendUint32(p.out, request)
	p.out = append(p.out, body...)
	binary.LittleEndian.PutUint32(p.out[4:], uint32(len(p.out)))
	p.sent(p.out)
}

// opened tells an OpenSecureChannelResponse, from its sequence header on, likewise without
// its nonce. What is none is not told: it may hold one.
func (p *plaintext) opened(channel uint32, content []byte) {
	if p.received == nil || len(content) < sequenceHeader {
		return
	}
	r := uabin.NewReader(content[sequenceHeader:])
	end := content[len(content):]
	switch r.Header().ID {
	case uabin.OpenChannelResponseID:
		nonce := r.Channel().Nonce
		content = content[:len(content)-len(nonce)-4]
		end = []byte{0xFF, 0xFF, 0xFF, 0xFF}
	case uabin.ServiceFaultID:
	default:
		return
	}
	if r.End() != nil {
		return
	}
	chunk := append(append(beginOPN(nil, channel), content...), end...)
	binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)))
	p.received(chunk)
}

// beginOPN appends the head of an OPN chunk without security, with no size yet: policy, no
// certificate, no thumbprint (OPC 10000-6, section 6.7.2.3).
func beginOPN(dst []byte, channel uint32) []byte {
	dst = append(dst, "OPNF\x00\x00\x00\x00"...)
	dst = appendText(binary.LittleEndian.AppendUint32(dst, channel), PolicyNone.uri())
	return append(dst, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
}

// message tells a message that is about to be sent, in chunks that the server would have
// taken.
func (p *plaintext) message(kind string, channel, token, request uint32, body []byte, largest int) {
	if p.sent == nil {
		return
	}
	var none seal
	p.out = p.out[:0]
	for first := true; first || len(body) > 0; first = false {
		part := body[:min(none.capacity(largest, symmetricHeaders), len(body))]
		body = body[len(part):]
		if len(body) > 0 {
			p.out = append(p.out, "MSGC"...)
		} else {
			p.out = append(p.out, kind...)
		}
		p.sequence = sequenceAfter(p.sequence)
		for _, n := range [...]uint32{uint32(symmetricHeaders + sequenceHeader + len(part)), channel, token, p.sequence, request} {
			p.out = binary.LittleEndian.AppendUint32(p.out, n)
		}
		p.out = append(p.out, part...)
	}
	p.sent(p.out)
}

// chunk tells a chunk that has come, whose protection is taken off: content is what is left
// behind its headers, in place.
func (p *plaintext) chunk(chunk, content []byte) {
	if p.received == nil {
		return
	}
	chunk = chunk[:symmetricHeaders+len(content)]
	binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)))
	p.received(chunk)
}
