package snmp

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// trapStream decodes what its socket has read, on the goroutine of whoever calls Next.
// Replies are sent when the batch that they are for is complete, so that nothing is
// acknowledged which was not delivered.
type trapStream struct {
	listener *TrapListener
	socket   *trapSocket
	using    datagrams
	err      error // final

	trap    notification
	message snmpwire.Message
	secured snmpwire.MessageV3
	replies []byte // one after the other
	to      []addressed

	watermark acquire.Instant
	idle      *time.Timer
	told      uint64 // datagrams dropped, as the batches before have said
}

// addressed is one reply.
type addressed struct {
	to  netip.AddrPort
	end int // in trapStream.replies
}

// Limits of one batch.
const (
	maxBatchTraps  = 1024
	maxBatchOctets = 512 << 10
)

const (
	// idleAfter is how long nothing comes before an empty batch does.
	idleAfter = time.Second
	// replyWithin bounds the time for the replies of one batch.
	replyWithin = 20 * time.Millisecond
)

func newTrapStream(ctx context.Context, l *TrapListener, conn net.PacketConn) *trapStream {
	return &trapStream{listener: l, socket: openTrapSocket(ctx, l, conn), told: l.drops()}
}

// drops returns how many datagrams were dropped before they were looked at.
func (l *TrapListener) drops() uint64 { return l.overflowed.Load() + l.kernelDrops.Load() }

// Next waits until something has come, and delivers what it was. A batch without samples
// says that a second has passed in which nothing came that gives any.
func (s *trapStream) Next(ctx context.Context, b *acquire.Batch) error {
	if s.err != nil {
		return s.err
	}
	b.Reset()
	if err := s.fill(ctx, b); err != nil {
		b.Reset()
		return s.end(err)
	}
	b.Received = s.watermark
	b.Watermark, b.Points = s.watermark, s.listener.Points()
	s.listener.tally.Deliver(b)
	return nil
}

// fill fills a batch, and sends replies.
func (s *trapStream) fill(ctx context.Context, b *acquire.Batch) error {
	deadline := time.Now().Add(idleAfter)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.using.left() == 0 {
			now, err := s.socket.queue.swap(&s.using)
			switch {
			case s.using.left() > 0:
			case err != nil:
				return err
			case !time.Now().Before(deadline):
				s.watermark = max(s.watermark, now)
				return nil
			default:
				if err := s.wait(ctx, time.Until(deadline)); err != nil {
					return err
				}
				continue
			}
		}
		s.decode(ctx, b)
		s.settle(ctx)
		if len(b.Samples) > 0 || b.Lost > 0 || !time.Now().Before(deadline) {
			return nil
		}
	}
}

// wait waits until something has come, or for so long.
func (s *trapStream) wait(ctx context.Context, d time.Duration) error {
	if s.idle == nil {
		s.idle = time.NewTimer(d)
	} else {
		s.idle.Reset(d)
	}
	defer s.idle.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.socket.queue.arrived:
	case <-s.idle.C:
	}
	return nil
}

// decode writes samples of the datagrams at hand into a batch, of as many as it may
// hold. When ctx ends, those that were decoded are delivered: an inform is known from
// then on, and would count as repeated if it came again.
func (s *trapStream) decode(ctx context.Context, b *acquire.Batch) {
	l := s.listener
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	octets := 0
	for count := 0; count < maxBatchTraps && octets < maxBatchOctets; count++ {
		datagram, about, ok := s.using.take()
		if !ok {
			break
		}
		octets += len(datagram)
		lost := s.deliver(datagram, about, b, now)
		b.Lost += lost
		l.counters.LostSamples += lost
		if ctx.Err() != nil {
			break
		}
	}
	drops := l.drops()
	b.Lost += drops - s.told
	s.told = drops
}

// deliver writes the samples of one datagram, and returns how many it could not. The
// caller holds mu of the listener.
func (s *trapStream) deliver(datagram []byte, about datagram, b *acquire.Batch, now time.Time) (lost uint64) {
	late := about.at < s.watermark
	s.watermark = max(s.watermark, about.at)
	verdict := s.judge(datagram, about.from, now)
	l := s.listener
	if verdict == accepted {
		w := writer{rules: &l.rules, batch: b, trap: &s.trap, at: about.at, late: late}
		switch rule := l.rules.match(s.trap.name, s.trap.sender); {
		case rule != nil:
			w.event(rule)
		case l.rules.unmatched != nil:
			w.unknown(l.rules.unmatched)
			verdict = unmatched
		default:
			verdict = unmatched
		}
		lost = w.lost
	}
	l.counters.count(verdict)
	return lost
}

// count counts a datagram.
func (c *TrapCounters) count(v verdict) {
	switch v {
	case matched:
		c.Matched++
	case unmatched:
		c.Unmatched++
	case repeated:
		c.Repeated++
	case question:
		c.Questions++
	case malformed:
		c.Malformed++
	case unsupported:
		c.Unsupported++
	case unknownSender:
		c.Unknown++
	case unauthentic:
		c.Unauthentic++
	case untimely:
		c.Untimely++
	case throttled:
		c.Throttled++
	}
}

// judge decodes a datagram into s.trap and says whether it is to be believed. It
// prepares the reply, if there is one.
func (s *trapStream) judge(datagram []byte, from netip.AddrPort, now time.Time) verdict {
	version, err := snmpwire.Peek(datagram)
	switch {
	case err != nil:
		return malformed
	case version == snmpwire.V3 && len(s.listener.users.named) > 0:
		return s.judgeV3(datagram, from, now)
	case (version == snmpwire.V1 || version == snmpwire.V2c) && len(s.listener.communities) > 0:
		return s.judgeV2(datagram, from, now)
	}
	return unsupported
}

// judgeV2 is for versions 1 and 2c.
func (s *trapStream) judgeV2(datagram []byte, from netip.AddrPort, now time.Time) verdict {
	l, m := s.listener, &s.message
	if err := m.Parse(datagram); err != nil {
		return faulty(err)
	}
	inform := m.PDU.Type == snmpwire.InformRequest
	switch {
	case !l.knows(m.Community):
		return unknownSender
	case m.Version == snmpwire.V1 && m.PDU.Type != snmpwire.TrapV1,
		m.Version == snmpwire.V2c && m.PDU.Type != snmpwire.TrapV2 && !inform:
		return unsupported
	case s.trap.read(&m.PDU, from.Addr()) != nil:
		return malformed
	}
	if !inform {
		return accepted
	}
	answer := snmpwire.Message{Version: m.Version, Community: m.Community, PDU: acknowledging(&m.PDU)}
	s.answer(from, answer.Append(s.replies))
	return s.informed(from, &m.PDU, now)
}

// faulty tells messages that are broken from those that are of no use here.
func faulty(err error) verdict {
	if errors.Is(err, snmpwire.ErrSupport) {
		return unsupported
	}
	return malformed
}

// acknowledging returns the answer to an inform (RFC 3416, section 4.2.7).
func acknowledging(p *snmpwire.PDU) snmpwire.PDU {
	return snmpwire.PDU{Type: snmpwire.Response, RequestID: p.RequestID, Bindings: p.Bindings}
}

// informed says whether an inform is new. Senders repeat one whose acknowledgement got
// lost.
func (s *trapStream) informed(from netip.AddrPort, p *snmpwire.PDU, now time.Time) verdict {
	l := s.listener
	l.counters.Informs++
	var h maphash.Hash
	h.SetSeed(l.recent.seed)
	address := from.Addr().As16()
	h.Write(address[:])
	var numbers [6]byte
	binary.BigEndian.PutUint16(numbers[:], from.Port())
	binary.BigEndian.PutUint32(numbers[2:], uint32(p.RequestID))
	h.Write(numbers[:])
	h.Write(p.Bindings)
	if l.recent.repeats(h.Sum64(), now) {
		return repeated
	}
	return accepted
}

// judgeV3 is for version 3.
func (s *trapStream) judgeV3(datagram []byte, from netip.AddrPort, now time.Time) verdict {
	l, m := s.listener, &s.secured
	if err := m.Parse(datagram); err != nil {
		return faulty(err)
	}
	j := l.users.judge(m, datagram, from.Addr(), now)
	inform := m.Flags&snmpwire.Reportable != 0
	if j.verdict != accepted {
		if inform && j.report != snmpwire.UnknownStat {
			s.report(m, &j, from, now)
		}
		return j.verdict
	}
	p := &m.Scoped.PDU
	switch {
	case inform && p.Type != snmpwire.InformRequest, !inform && p.Type != snmpwire.TrapV2:
		return unsupported
	case s.trap.read(p, from.Addr()) != nil:
		return malformed
	}
	// What is authentic was sent once, whatever address it comes from. An inform may be
	// sent again under another digest.
	doubled := len(m.AuthParams) > 0 && l.recent.repeats(digestSum(l.recent.seed, m), now)
	v := accepted
	if inform {
		s.acknowledge(m, &j, from, now)
		v = s.informed(from, p, now)
	}
	if doubled {
		v = repeated
	}
	return v
}

// digestSum returns a sum over what makes an authentic message unique.
func digestSum(seed maphash.Seed, m *snmpwire.MessageV3) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(m.EngineID)
	h.Write(m.AuthParams)
	return h.Sum64()
}

// acknowledge prepares the answer to an inform of version 3.
func (s *trapStream) acknowledge(m *snmpwire.MessageV3, j *judgement, from netip.AddrPort, now time.Time) {
	answer := snmpwire.MessageV3{
		ID: m.ID, MaxSize: maxDatagram, Flags: m.Flags.Level(), User: m.User,
		Scoped: snmpwire.ScopedPDU{
			ContextEngineID: m.Scoped.ContextEngineID, ContextName: m.Scoped.ContextName, PDU: acknowledging(&m.Scoped.PDU),
		},
	}
	s.sign(&answer, j.keys, from, now)
}

// report prepares a Report: why an inform was not taken (RFC 3414, section 3.2).
func (s *trapStream) report(m *snmpwire.MessageV3, j *judgement, from netip.AddrPort, now time.Time) {
	own := &s.listener.users.own
	own.reports++
	var value [8]byte
	counter := snmpwire.AppendUint(value[:0], snmpwire.Counter32, uint64(own.reports))
	answer := snmpwire.MessageV3{
		ID: m.ID, MaxSize: maxDatagram, User: m.User,
		Scoped: snmpwire.ScopedPDU{ContextEngineID: own.id, PDU: snmpwire.PDU{
			Type: snmpwire.Report, Bindings: snmpwire.AppendBinding(nil, []byte(j.report.OID()), counter),
		}},
	}
	if m.Flags&snmpwire.Private == 0 {
		answer.Scoped.PDU.RequestID = m.Scoped.PDU.RequestID
	}
	if j.keys != nil { // the sender is known: so shall our time be
		answer.Flags = snmpwire.Authenticated
	}
	s.sign(&answer, j.keys, from, now)
}

// sign completes a message of our engine and puts it among the replies.
func (s *trapStream) sign(m *snmpwire.MessageV3, keys *snmpwire.Keys, to netip.AddrPort, now time.Time) {
	own := &s.listener.users.own
	m.EngineID = own.id
	m.Boots, m.Time = own.clock.Now(now)
	encoded, err := m.Append(s.replies, keys)
	if err != nil {
		s.listener.counters.ReplyFailures++
		return
	}
	s.answer(to, encoded)
}

// answer takes what a reply was appended to s.replies as, if there may be one.
func (s *trapStream) answer(to netip.AddrPort, replies []byte) {
	s.replies = replies
	s.to = append(s.to, addressed{to, len(replies)})
}

// settle sends the replies for what was decoded.
func (s *trapStream) settle(ctx context.Context) {
	if len(s.to) == 0 {
		return
	}
	l := s.listener
	now := time.Now()
	_ = s.socket.conn.SetWriteDeadline(now.Add(replyWithin)) // without one, writing fails or returns at once
	var sent, failed uint64
	var cause error
	start := 0
	for _, r := range s.to {
		message := s.replies[start:r.end]
		start = r.end
		l.mu.Lock()
		permitted := l.replies.take(1, now)
		l.mu.Unlock()
		if !permitted {
			failed++
			continue
		}
		if err := s.socket.reply(message, r.to); err != nil {
			cause = err
			failed++
			continue
		}
		sent++
	}
	s.replies, s.to = s.replies[:0], s.to[:0]
	l.mu.Lock()
	l.counters.Replies += sent
	l.counters.ReplyFailures += failed
	l.mu.Unlock()
	if cause != nil {
		l.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "snmp trap reply not sent", slog.Any("error", cause))
	}
}

// Close closes the socket. What was not delivered is counted as dropped.
func (s *trapStream) Close() error {
	if s.err == nil {
		s.end(acquire.ErrClosed)
	}
	s.release()
	return nil
}

// end makes err final.
func (s *trapStream) end(err error) error {
	l := s.listener
	s.err = l.fault("read", err)
	l.tally.End(s.err, acquire.At(l.cfg.Now()))
	return s.err
}

// release closes the socket and counts what is left.
func (s *trapStream) release() {
	if s.socket == nil {
		return
	}
	s.socket.close()
	left := s.using.left()
	s.socket.queue.swap(&s.using)
	left += s.using.left()
	s.listener.overflowed.Add(uint64(left))
	s.socket, s.using = nil, datagrams{}
}
