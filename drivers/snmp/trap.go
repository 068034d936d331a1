package snmp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Defaults of TrapConfig.
const (
	DefaultTrapPort   = "162"   // assigned to SNMP traps by IANA
	DefaultTrapBuffer = 4 << 20 // bytes
	DefaultTrapPoints = 4096
	DefaultMaxEngines = 4096
	DefaultMaxReplies = 1000 // a second
)

// TrapConfig says which traps and informs to take, from whom, and what becomes of
// them. It is given by value; what is needed is a Catalog, a rule or Unmatched, and
// Communities or Users.
type TrapConfig struct {
	// Name identifies the source in errors and statistics. Default: the address, or
	// "snmp traps" without one.
	Name string
	// Address is the host and port to listen on, over IPv4 and IPv6 where the host is
	// empty. Default: port 162 of all addresses.
	Address string
	// Listen opens the socket in place of one on Address. The stream closes it. Of an
	// *net.UDPConn, ReadBuffer is set and the drops of the kernel are counted.
	Listen func(context.Context) (net.PacketConn, error)

	// Communities are what versions 1 and 2c must bear one of. Default: neither version
	// is taken. A community and the address of a sender are no proof of anything.
	Communities []acquire.Secret
	// Users are those of version 3. Default: version 3 is not taken.
	Users []TrapUser
	// EngineID is the id of our own engine, 5 to 32 octets, which is authoritative for
	// informs of version 3; no other engine may have it. Default: made from the names
	// of the host and of the source, so that it is the same after a restart.
	EngineID []byte
	// EngineBoots is how often that engine has booted, at least 1: more than in the
	// process before, or senders take us for a replay. Default: the seconds since 2020,
	// which serves while the clock is not set back.
	EngineBoots int32

	// Catalog is where points are defined, as they appear.
	Catalog *acquire.Catalog
	// Rules say what becomes of which trap: the first that matches.
	Rules []TrapRule
	// Unmatched is the name of a point for traps that no rule matches, with patterns as
	// TrapRule.Name, such as "{agent}/trap". Its samples are texts: the trap's OID
	// and its variables, cut at 4 KiB. Default: they are only counted.
	Unmatched string
	// MaxPoints is how many points there may be. Samples of others are counted as lost.
	// Default: 4096.
	MaxPoints int

	// ReadBuffer is how many bytes the kernel is asked to hold, with what it needs
	// beside them. It may grant less: TrapCounters.ReadBuffer tells. Default: 4 MiB.
	ReadBuffer int
	// Buffer is how many bytes of datagrams wait for Next, at most; as many more are
	// under way in it. What comes when it is full is dropped, so that what began an
	// avalanche is seen. Default: 4 MiB.
	Buffer int
	// MaxEngines is how many engines of version 3 are remembered. One more takes the
	// place of the one that was silent for longest, and of what is known of its time.
	// Default: 4096.
	MaxEngines int
	// MaxReplies is how many replies are sent a second, to informs and to questions for
	// our engine. Default: 1000. Negative: none.
	MaxReplies int

	// Now is the clock for stamps of samples. Default: time.Now.
	Now func() time.Time
	// Logger receives rare events, such as a kernel that grants less than ReadBuffer.
	// Default: none.
	Logger *slog.Logger
}

// TrapUser is a user of version 3 whose traps and informs are taken. Several may bear
// one name, if EngineID or Senders tell them apart.
type TrapUser struct {
	// User has the keys. Messages of another Level are refused. EngineID, if it is
	// given, is the one engine whose traps are taken. Context and ContextEngineID must
	// be empty: traps come from any context.
	User User
	// Senders are the addresses that messages may come from. Default: all.
	Senders []netip.Prefix
}

// TrapCounters count what has become of the datagrams of all streams of a TrapListener.
// Each is counted once in one of those from Dropped to Throttled, or is Pending:
// these add up to Received. Together with KernelDrops, that is what was sent, but for
// what got lost in the network.
type TrapCounters struct {
	Received    uint64 // taken from the socket
	KernelDrops uint64 // not taken, because the socket's buffer was full; on Linux only. Told by the next datagram that is
	Pending     uint64 // in the buffer, or under way
	Dropped     uint64 // the buffer was full, or the stream was closed

	Matched   uint64 // traps and informs that a rule matched
	Unmatched uint64 // those that none did
	Repeated  uint64 // doubles: an inform sent again, a trap of version 3 that was here before
	Questions uint64 // for our engine, as senders of informs ask it before the first

	Malformed   uint64 // broken, or a trap that lacks what it must have
	Unsupported uint64 // a version that is not taken, or no trap
	Unknown     uint64 // community or user
	Unauthentic uint64 // a wrong digest, another level than the user's, undecipherable
	Untimely    uint64 // authentic, and outside the time window of its engine
	Throttled   uint64 // too many new engines at once

	// Beside these.
	Informs       uint64 // of Matched, Unmatched and Repeated
	Replies       uint64 // sent
	ReplyFailures uint64 // replies not sent: more than MaxReplies, or refused by the system
	LostSamples   uint64 // not delivered, beyond MaxPoints or refused by the Catalog
	ReadBuffer    int    // bytes that the kernel granted last, 0 unknown
}

// Refused returns how many datagrams were not believed or not understood.
func (c TrapCounters) Refused() uint64 {
	return c.Malformed + c.Unsupported + c.Unknown + c.Unauthentic + c.Untimely + c.Throttled
}

// settled is how many datagrams something has become of.
func (c *TrapCounters) settled() uint64 {
	return c.Dropped + c.Matched + c.Unmatched + c.Repeated + c.Questions + c.Refused()
}

// TrapListener is a Source of what agents tell unasked: traps and informs. It is
// safe for concurrent use.
//
// It has no period. Silence means that nothing was said, not that all is well; the
// empty batch that comes each second says no more than that we listen. Samples bear the
// time of arrival. The stream ends when the socket does.
//
// Informs are acknowledged by Next, when they are in a batch, and counted once however
// often they are sent: one that is acknowledged was delivered, and one that was dropped
// comes again. Who does not call Next acknowledges nothing. Replies leave from the
// address that the system chooses: on a host of several, listen on the one that senders
// know.
//
// A trap of version 3 is believed if its user's key says so, if it is not older than 150
// seconds by its engine's own time, and if it is none of the latest 16,384 messages. An
// engine that goes back in time without counting a boot is not believed until it has
// caught up: that is how a replay looks. The first message from an engine sets its time.
type TrapListener struct {
	cfg         TrapConfig
	communities [][sha256.Size]byte
	tally       acquire.Tally

	// Counted by the goroutine that reads the socket.
	received, overflowed, kernelDrops atomic.Uint64
	granted                           atomic.Int64

	mu       sync.Mutex // guards what follows; never held while waiting
	counters TrapCounters
	users    trapUsers
	rules    trapRules
	recent   recent
	replies  budget
}

var (
	_ acquire.Source   = (*TrapListener)(nil)
	_ acquire.Reporter = (*TrapListener)(nil)
)

// NewTrapListener returns the TrapListener that cfg describes. The error names every
// fault of cfg. Opening the socket is left to Open, and points are defined as they
// appear.
func NewTrapListener(cfg TrapConfig) (*TrapListener, error) {
	l := &TrapListener{}
	if err := l.configure(cfg); err != nil {
		return nil, fmt.Errorf("snmp: %w", err)
	}
	return l, nil
}

// configure checks c, fills in its defaults and prepares what follows from it.
func (l *TrapListener) configure(c TrapConfig) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Address == "" && c.Listen == nil {
		c.Address = ":" + DefaultTrapPort
	}
	if c.Address != "" {
		if host, port, err := net.SplitHostPort(c.Address); err != nil || port == "" {
			fault("address %q lacks a host or a port: without a host it begins with a colon", c.Address)
		} else {
			c.Address = net.JoinHostPort(host, port)
		}
	}
	if c.Listen == nil {
		address := c.Address
		c.Listen = func(ctx context.Context) (net.PacketConn, error) {
			var lc net.ListenConfig
			return lc.ListenPacket(ctx, "udp", address)
		}
	}
	c.Name = cmp.Or(c.Name, c.Address, "snmp traps")
	if c.Catalog == nil {
		fault("no catalog")
	}
	if len(c.Communities) == 0 && len(c.Users) == 0 {
		fault("neither communities nor users")
	}
	if len(c.Rules) == 0 && c.Unmatched == "" {
		fault("neither rules nor a point for what is unmatched")
	}
	for i, s := range c.Communities {
		if s == "" || len(s) > maxCommunity {
			fault("community %d of %d octets is not within 1 to %d", i+1, len(s), maxCommunity)
		}
		l.communities = append(l.communities, sha256.Sum256([]byte(string(s))))
	}
	if n := len(c.EngineID); n != 0 && (n < minEngineID || n > snmpwire.MaxEngineID) {
		fault("EngineID of %d octets is not within %d to %d", n, minEngineID, snmpwire.MaxEngineID)
	}
	if c.EngineBoots < 0 || c.EngineBoots == snmpwire.LatchedBoots {
		fault("EngineBoots of %d are not within 1 to %d", c.EngineBoots, snmpwire.LatchedBoots-1)
	}
	positive := func(what string, n *int, usual, least, most int) {
		if *n = cmp.Or(*n, usual); *n < least || *n > most {
			fault("%s of %d is not within %d to %d", what, *n, least, most)
		}
	}
	positive("MaxPoints", &c.MaxPoints, DefaultTrapPoints, 1, 1<<20)
	positive("ReadBuffer", &c.ReadBuffer, DefaultTrapBuffer, 1, 1<<30)
	positive("Buffer", &c.Buffer, DefaultTrapBuffer, maxDatagram, 1<<30)
	positive("MaxEngines", &c.MaxEngines, DefaultMaxEngines, 1, 1<<20)
	c.MaxReplies = cmp.Or(c.MaxReplies, DefaultMaxReplies)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l.users.most = c.MaxEngines
	faults = append(faults, l.users.configure(c.Users)...)
	faults = append(faults, l.rules.configure(&c)...)
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	now := time.Now()
	if c.EngineID == nil {
		c.EngineID = ownEngineID(c.Name)
	}
	c.EngineID = slices.Clone(c.EngineID)
	boots := cmp.Or(c.EngineBoots, int32(max(now.Unix()-time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), 1)))
	l.users.own = ownEngine{id: c.EngineID, clock: snmpwire.Clock{Boots: boots, At: now}}
	l.users.budget = budget{rate: newEngineRate, most: newEngineRate}
	l.replies = budget{rate: float64(max(c.MaxReplies, 0)), most: float64(max(c.MaxReplies, 0))}
	l.recent = recent{at: make(map[uint64]time.Time), seed: maphash.MakeSeed()}
	// What is secret is in communities, as hashes, and behind pointers in users:
	// package fmt prints unexported fields without asking them.
	c.Communities, c.Users = nil, nil
	l.cfg = c
	return nil
}

// maxCommunity bounds communities.
const maxCommunity = 255

// ownEngineID makes an engine id of octets of our choice (RFC 3411, SnmpEngineID, format
// 5) from what stays the same. The enterprise is 0, which is reserved: we have none.
func ownEngineID(name string) []byte {
	host, _ := os.Hostname() // a host without a name has the id of its listener's
	sum := sha256.Sum256([]byte(host + "\x00" + name))
	return append([]byte{0x80, 0, 0, 0, 5}, sum[:12]...)
}

// Name returns TrapConfig.Name or its default.
func (l *TrapListener) Name() string { return l.cfg.Name }

// EngineID returns the id of our own engine, for senders of informs that must be told.
func (l *TrapListener) EngineID() []byte { return slices.Clone(l.cfg.EngineID) }

// Points returns the points that have appeared, in their order. The slice belongs to the
// listener and must not be changed; a later call may return a longer one.
func (l *TrapListener) Points() []acquire.PointID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rules.all()
}

// Stats returns the counters of all streams of the listener together, and the state of
// the latest: it is Up while the socket is open. Requests are the replies sent, Late the
// doubles and what was outside its time window, Malformed what else was refused.
func (l *TrapListener) Stats() acquire.Stats {
	st, c := l.tally.Stats(), l.Counters()
	st.Requests, st.Late, st.Malformed = c.Replies, c.Repeated+c.Untimely, c.Refused()-c.Untimely
	return st
}

// Counters returns what has become of the datagrams.
func (l *TrapListener) Counters() TrapCounters {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counters
	c.Dropped = l.overflowed.Load()
	c.KernelDrops = l.kernelDrops.Load()
	c.ReadBuffer = int(l.granted.Load())
	c.Received = max(l.received.Load(), c.settled()) // read last, so that it counts all that is settled
	c.Pending = c.Received - c.settled()
	return c
}

// Open opens the socket and begins to listen. An error is an *acquire.OpError around
// that of TrapConfig.Listen.
func (l *TrapListener) Open(ctx context.Context) (acquire.Stream, error) {
	l.tally.Enter(acquire.Connecting, acquire.At(l.cfg.Now()))
	err := ctx.Err()
	var conn net.PacketConn
	if err == nil {
		conn, err = l.cfg.Listen(ctx)
	}
	if err != nil {
		err = l.fault("open", err)
		l.tally.Fail(err, acquire.At(l.cfg.Now()))
		return nil, err
	}
	l.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	l.tally.Enter(acquire.Up, acquire.At(l.cfg.Now()))
	return newTrapStream(ctx, l, conn), nil
}

func (l *TrapListener) fault(op string, err error) error {
	return &acquire.OpError{Op: op, Source: l.cfg.Name, Err: err}
}

// budget is a bucket of tokens that fills with time.
type budget struct {
	rate, most float64 // a second, at once
	tokens     float64
	at         time.Time // zero: full
}

// take takes n tokens, if there are as many.
func (b *budget) take(n float64, now time.Time) bool {
	if b.at.IsZero() {
		b.tokens = b.most
	} else {
		b.tokens = min(b.most, b.tokens+b.rate*max(now.Sub(b.at), 0).Seconds())
	}
	b.at = now
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// recent remembers the latest messages that must not count twice.
type recent struct {
	seed  maphash.Seed
	at    map[uint64]time.Time
	order []uint64 // a ring, once it has its length
	next  int
}

const (
	maxRecent = 1 << 14
	// repeatWithin is for how long: what is older is outside the time window.
	repeatWithin = 2 * snmpwire.Window * time.Second
)

// repeats reports whether the message of a sum was here of late, and remembers it.
func (r *recent) repeats(sum uint64, now time.Time) bool {
	at, known := r.at[sum]
	r.at[sum] = now
	if known {
		return now.Sub(at) < repeatWithin
	}
	if len(r.order) < maxRecent {
		r.order = append(r.order, sum)
		return false
	}
	delete(r.at, r.order[r.next])
	r.order[r.next] = sum
	r.next = (r.next + 1) % maxRecent
	return false
}
