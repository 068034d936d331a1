package modbus

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldtap/fieldtap/acquire"
)

var _ acquire.Prober = (*Source)(nil)

// Probe asks the device for the first of the points: see acquire.Prober. On a serial
// line the echo that brings it in step may go before, and a unit that gives none is
// left alone for LateGrace first.
func (s *Source) Probe(ctx context.Context) (acquire.Probe, error) {
	b := s.part(s.members[:1])
	return s.bus.Unit(s.cfg.Unit, s.cfg.Timeout).probe(ctx, b)
}

// Probe asks the unit for holding register 0, which it need not have: see
// acquire.Prober. An answer of a gateway in place of the unit is an error.
func (u *Unit) Probe(ctx context.Context) (acquire.Probe, error) {
	return u.probe(ctx, &block{at: Holding(0), count: 1})
}

// probe asks for what b does.
func (u *Unit) probe(ctx context.Context, b *block) (acquire.Probe, error) {
	l, err := u.bus.join(ctx)
	if err != nil {
		return acquire.Probe{}, u.fault("probe", err)
	}
	defer u.bus.leave(l)
	at, count := b.at.offset, b.count
	data, took, err := u.timed(ctx, l, b.at.table.function(), byte(at>>8), byte(at), byte(count>>8), byte(count))
	p := acquire.Probe{At: acquire.At(l.now()), RoundTrip: took}
	if err == nil {
		if data, err = b.data(data); err == nil {
			p.Said = fmt.Sprintf("%s: % x", b.at, data)
			return p, nil
		}
	}
	var refusal Exception
	if errors.As(err, &refusal) && acquire.QualityOf(err).Reason() != acquire.Security &&
		refusal != GatewayPathUnavailable && refusal != GatewayTargetNoResponse {
		p.Said = refusal.String()
		return p, nil
	}
	return acquire.Probe{}, u.fault("probe", err)
}
