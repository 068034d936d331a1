package aggregate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/fieldtap/fieldtap/acquire"
)

// The errors of restoring a state. They are wrapped.
var (
	// ErrState says that what was to be restored is no complete state, or is damaged.
	ErrState = errors.New("aggregate: not a state")
	// ErrOtherConfiguration says that the state is that of something else, or of the
	// same in another configuration.
	ErrOtherConfiguration = errors.New("aggregate: state of another configuration")
)

// A state is stateMagic, a byte that says of what, the version, the fingerprint
// of the configuration, and what codec writes, all in little-endian order; last
// the CRC-32 (IEEE 802.3) of all this.
const (
	stateMagic   = "ftagg"
	stateVersion = 1
	stateHead    = len(stateMagic) + 2 + 8
	stateTail    = 4
)

// What a state is of.
const (
	bankState byte = 'B' + iota
	routerState
	pulseState
	reconcilerState
	reorderState
	reviserState
	quadrantsState
)

// codec writes a state or reads one back. Each type lists its fields once, for
// both, so that the two never part.
type codec struct {
	data    []byte // written, or still to be read
	reading bool
	failed  bool // what was read cannot be
}

// begin starts a state in dst.
func beginState(dst []byte, what byte, fingerprint uint64) codec {
	dst = append(dst, stateMagic...)
	dst = append(dst, what, stateVersion)
	return codec{data: binary.LittleEndian.AppendUint64(dst, fingerprint)}
}

// end completes a state that begins at from.
func (k *codec) end(from int) []byte {
	return binary.LittleEndian.AppendUint32(k.data, crc32.ChecksumIEEE(k.data[from:]))
}

// openState checks the frame of a state and returns what reads its contents.
func openState(data []byte, what byte, fingerprint uint64) (codec, error) {
	if len(data) < stateHead+stateTail || string(data[:len(stateMagic)]) != stateMagic {
		return codec{}, fmt.Errorf("%w: %d bytes without its mark", ErrState, len(data))
	}
	body, sum := data[:len(data)-stateTail], binary.LittleEndian.Uint32(data[len(data)-stateTail:])
	if got := crc32.ChecksumIEEE(body); got != sum {
		return codec{}, fmt.Errorf("%w: checksum %08x, not %08x", ErrState, got, sum)
	}
	body = body[len(stateMagic):]
	if body[0] != what || body[1] != stateVersion {
		return codec{}, fmt.Errorf("%w: kind %q version %d, want %q version %d", ErrState, body[0], body[1], what, stateVersion)
	}
	if binary.LittleEndian.Uint64(body[2:]) != fingerprint {
		return codec{}, ErrOtherConfiguration
	}
	return codec{data: body[10:], reading: true}, nil
}

// closed returns an error unless all was read and found sound.
func (k *codec) closed() error {
	if k.failed || len(k.data) != 0 {
		return fmt.Errorf("%w: contents that cannot be", ErrState)
	}
	return nil
}

// require says what has to hold of what was read.
func (k *codec) require(ok bool) {
	if !ok && k.reading {
		k.failed = true
	}
}

func word[T ~int64 | ~uint64](k *codec, x *T) {
	if !k.reading {
		k.data = binary.LittleEndian.AppendUint64(k.data, uint64(*x))
		return
	}
	if len(k.data) < 8 {
		k.failed, k.data = true, nil
		return
	}
	*x, k.data = T(binary.LittleEndian.Uint64(k.data)), k.data[8:]
}

func short[T ~uint8 | ~uint16 | ~uint32](k *codec, x *T) {
	if !k.reading {
		k.data = binary.LittleEndian.AppendUint32(k.data, uint32(*x))
		return
	}
	if len(k.data) < 4 {
		k.failed, k.data = true, nil
		return
	}
	n := binary.LittleEndian.Uint32(k.data)
	*x, k.data = T(n), k.data[4:]
	k.require(uint32(*x) == n)
}

func (k *codec) bool(x *bool) {
	n := uint8(0)
	if *x {
		n = 1
	}
	short(k, &n)
	k.require(n <= 1)
	*x = n == 1
}

func (k *codec) float(x *float64) {
	n := math.Float64bits(*x)
	word(k, &n)
	*x = math.Float64frombits(n)
}

func (k *codec) int128(x *int128) {
	word(k, &x.hi)
	word(k, &x.lo)
}

// value is a number, a truth value or none.
func (k *codec) value(v *acquire.Value) {
	kind, n := v.Kind(), uint64(0)
	switch kind {
	case acquire.KindFloat64:
		f, _ := v.Float64()
		n = math.Float64bits(f)
	case acquire.KindInt64:
		i, _ := v.Int64()
		n = uint64(i)
	case acquire.KindUint64:
		n, _ = v.Uint64()
	case acquire.KindBool:
		if is, _ := v.Bool(); is {
			n = 1
		}
	}
	short(k, &kind)
	word(k, &n)
	if !k.reading {
		return
	}
	switch kind {
	case acquire.KindFloat64:
		*v = acquire.Float64(math.Float64frombits(n))
	case acquire.KindInt64:
		*v = acquire.Int64(int64(n))
	case acquire.KindUint64:
		*v = acquire.Uint64(n)
	case acquire.KindBool:
		*v = acquire.Bool(n == 1)
	default:
		*v = acquire.Value{}
		k.require(kind == acquire.KindNone)
	}
}

// sample is one whose value is not a text.
func (k *codec) sample(s *acquire.Sample) {
	k.instant(&s.Time)
	short(k, &s.Point)
	k.value(&s.Value)
	short(k, &s.Quality)
}

// instant is a time that has to be 0 or one that blocks reach.
func (k *codec) instant(t *acquire.Instant) {
	word(k, t)
	k.require(*t >= 0 && *t <= latest+soonest/2)
}

func (t *tally) fields(k *codec) {
	k.int128(&t.in)
	k.int128(&t.out)
	word(k, &t.good)
	word(k, &t.uncertain)
	k.require(t.in.sign() >= 0 && t.out.sign() >= 0 && t.good >= 0 && t.uncertain >= 0 && t.good+t.uncertain >= 0)
}

func (c *channel) fields(k *codec) {
	k.instant(&c.last)
	c.tally.fields(k)
	k.instant(&c.done)
	k.instant(&c.edge)
	k.instant(&c.mark)
	short(k, &c.flags)
	short(k, &c.held)
	k.require(c.held <= good && c.mark <= latest && c.done <= c.edge)
}

// fields lists what changes in a gauge. It is at rest before and armed after.
func (g *gauge) fields(k *codec) {
	g.rest()
	taken := g.taken
	word(k, &taken)
	k.require(taken&3 == g.taken&3)
	g.taken = taken
	word(k, &g.p)
	g.channel.fields(k)
	k.require(g.p == noPower && g.held == unknown || g.p <= maxPower && g.p >= -maxPower)
	k.require(g.last <= g.done && (g.done < g.edge || g.done == 0))
	g.arm()
}

// fields lists what changes in a counter.
func (c *counter) fields(k *codec) {
	c.rest()
	if c.doubtAt == 0 {
		c.doubt, c.doubtQuality = int128{}, 0 // of one that is decided
	}
	if c.maxPower == 0 {
		c.moved = 0 // without it nobody asks
	}
	c.channel.fields(k)
	armed := c.limit != disarmed && c.limit == c.edge && math.IsNaN(c.value)
	count := uint64(0)
	if armed {
		count = c.count
	}
	k.bool(&armed)
	word(k, &count)
	word(k, &c.samples)
	k.instant(&c.moved)
	k.instant(&c.at)
	k.int128(&c.base)
	k.int128(&c.newest)
	k.int128(&c.doubt)
	k.instant(&c.doubtAt)
	k.instant(&c.refusedIn)
	short(k, &c.doubtQuality)
	k.bool(&c.readable)
	k.bool(&c.restarted)
	k.bool(&c.setBack)
	word(k, &c.left)
	if !k.reading {
		return
	}
	sane := func(x int128) bool { return x.abs().bitLen() <= maxReadingBits+5 }
	k.require(sane(c.base) && sane(c.newest) && sane(c.doubt) && c.doubtQuality <= good)
	k.require(c.left < c.parts && c.at <= c.last && c.moved <= c.at && (c.held == unknown || c.at <= c.done))
	k.require(c.doubtAt == 0 || c.at < c.doubtAt && c.doubtAt <= c.last)
	c.limit = disarmed
	if armed {
		k.require(c.held == good && c.at == c.last && c.done == c.last && !c.restarted && !c.setBack && c.energy(count) == c.base)
		c.value, c.first, c.count, c.limit = math.NaN(), count, count, c.edge
	}
}

func (c *Counts) fields(k *codec) {
	for _, n := range [...]*uint64{
		&c.Samples, &c.Bad, &c.Late, &c.Duplicates, &c.Ahead, &c.Untimed, &c.BadReadings,
		&c.Resets, &c.Rollovers, &c.Swaps, &c.Forced, &c.Intervals,
	} {
		word(k, n)
	}
}

func (p *peak) fields(k *codec) {
	k.int128(&p.energy)
	k.instant(&p.start)
	k.require(p.energy.sign() >= 0)
}

func (r *record) fields(k *codec) {
	k.instant(&r.start)
	k.instant(&r.end)
	k.instant(&r.began)
	k.bool(&r.open)
	k.bool(&r.fixed)
	word(k, &r.refused)
	k.instant(&r.far)
	short(k, &r.silent)
	short(k, &r.silenceFlags)
	k.instant(&r.silence)
	r.total.fields(k)
	r.counts.fields(k)
	r.importPeak.fields(k)
	r.exportPeak.fields(k)
	k.require(r.began <= r.start && (r.silence == 0 || r.silence < r.start))
	k.require(r.far == 0 || r.far > r.end && r.far-r.end < 1<<62)
}
