package modbus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Units asks the unit ids from first to last, in this order, for one holding
// register each, and yields those that answer, be it with a refusal. What is
// silent, or said to be unreachable by its gateway, is passed over after timeout;
// 0 = DefaultTimeout. An error, which is that of the connection or of ctx, comes
// last. On a serial line id 0 is left out: nobody answers a broadcast.
func (b *Bus) Units(ctx context.Context, first, last byte, timeout time.Duration) iter.Seq2[byte, error] {
	return func(yield func(byte, error) bool) {
		l, err := b.join(ctx)
		if err != nil {
			yield(0, &acquire.OpError{Op: "scan", Source: b.cfg.Name, Err: err})
			return
		}
		defer b.leave(l)
		for id := int(first); id <= int(last); id++ {
			if id == 0 && !b.cfg.Framing.identified() {
				continue
			}
			_, err := b.Unit(byte(id), timeout).on(ctx, l, readHoldingRegisters, 0, 0, 0, 1)
			switch there, fatal := present(ctx, l, err); {
			case fatal:
				yield(0, &acquire.OpError{Op: "scan", Source: b.cfg.Name, Err: err})
				return
			case there && !yield(byte(id), nil):
				return
			}
		}
	}
}

// present reports whether err is the answer of a unit that is there, and whether
// it ends the scan.
func present(ctx context.Context, l *link, err error) (there, fatal bool) {
	var exception Exception
	switch {
	case err == nil:
		return true, false
	case ctx.Err() != nil || l.failure() != nil:
		return false, true
	case errors.As(err, &exception):
		return exception != GatewayPathUnavailable && exception != GatewayTargetNoResponse, false
	}
	return acquire.QualityOf(err).Reason() == acquire.Protocol, false
}

// ErrEffort is wrapped by the error of a search that came to the end of the number
// of requests it was given.
var ErrEffort = errors.New("out of requests")

// Ranges finds out which addresses of a table the unit gives, from first to last,
// with at most effort requests; 0 = 1000. It asks for as much as the protocol
// allows at once and, where that is refused, for halves of it. Neighbouring ranges
// are one only if they are given in one request. With an error come the ranges
// found before it.
func (u *Unit) Ranges(ctx context.Context, t Table, first, last uint16, effort int) ([]Range, error) {
	if t < Coils || t > InputRegisters || first > last || effort < 0 {
		return nil, fmt.Errorf("modbus: no addresses: %v from %d to %d", t, first, last)
	}
	if effort == 0 {
		effort = 1000
	}
	l, err := u.bus.join(ctx)
	if err != nil {
		return nil, u.fault("search", err)
	}
	defer u.bus.leave(l)
	var found []Range
	var search func(start, count int) error
	search = func(start, count int) error {
		if effort == 0 {
			return ErrEffort
		}
		effort--
		_, err := u.on(ctx, l, t.function(), byte(start>>8), byte(start), byte(count>>8), byte(count))
		switch {
		case err == nil:
			found = append(found, Range{Address{t, uint16(start)}, count})
			return nil
		case !refusal(err):
			return err
		case count == 1:
			return nil
		}
		if err := search(start, count/2); err != nil {
			return err
		}
		return search(start+count/2, count-count/2)
	}
	for start := int(first); start <= int(last); start += t.limit() {
		if err := search(start, min(t.limit(), int(last)+1-start)); err != nil {
			return found, u.fault("search", err)
		}
	}
	return found, nil
}

// Orders returns the orders in which the registers at the start of raw, read as a
// value of type t, make one that is plausible: of a meter whose voltage is known
// about, usually one is left. It returns nil if raw is too short for t.
func Orders(t Type, raw []uint16, plausible func(acquire.Value) bool) (orders []Order) {
	p := Point{Name: "probe", At: Holding(0), Type: t}
	if p.faults() != nil || len(raw) < p.span() {
		return nil
	}
	data := make([]byte, 0, 2*len(raw))
	for _, w := range raw {
		data = append(data, byte(w>>8), byte(w))
	}
	for o := range LowWordFirst | LowByteFirst | SwapHalves + 1 {
		p.Order = o
		if p.faults() != nil || p.span() == 1 && o&LowWordFirst != 0 {
			continue // says nothing new
		}
		var b acquire.Batch
		decode(&b, []decoder{newDecoder(1, p)}, data, 1, acquire.Good)
		if s := b.Samples[0]; s.Quality.IsGood() && plausible(s.Value) {
			orders = append(orders, o)
		}
	}
	return orders
}
