package passive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/snmp"
)

// Config says what to read, and of which devices. What it needs is Files, and a device
// or Traps.
type Config struct {
	ReaderConfig

	// Name is the name of the Source. Default: "passive" and the name of the first file.
	Name string
	// Catalog is where the points are defined. Default: one of the Source's own.
	Catalog *acquire.Catalog

	Modbus []ModbusDevice // units that are read by others
	SNMP   []SNMPAgent    // agents that are read by others
	OPCUA  []OPCUAServer  // servers that are read, or subscribed to, by others
	// Traps are the rules for traps and informs that were sent. Each takes all of them;
	// its Catalog is that of the Config.
	Traps []snmp.TrapConfig

	// Lateness is how much older than a server's own clock the values of OPC UA may be
	// that it tells of: watermarks stay so far behind. Older ones are flagged. Default:
	// 5 s.
	Lateness time.Duration
	// Incomplete accepts files that are cut or damaged: their end is io.EOF too.
	Incomplete bool
}

// DefaultLateness is that of Config.
const DefaultLateness = 5 * time.Second

// ModbusDevice is one unit with the points to be made of what others read from it.
type ModbusDevice struct {
	// Server is its address and port. With port 0 it is the first port of that address
	// which answers, and without an address the first server that does for this Unit.
	Server netip.AddrPort
	Unit   byte           // unit identifier
	Points []modbus.Point // Interval does not matter
}

// SNMPAgent is one agent with the points to be made of what others read from it.
type SNMPAgent struct {
	Server netip.AddrPort // as that of a ModbusDevice
	Points []snmp.Point   // OIDs with their instance; Interval does not matter
	// Tables are those whose columns others read, by walking through them or cell by cell.
	// Their points appear with their rows. What is read of a table by one client, from the
	// first column to the last, is taken together, and given when it is whole, when the
	// client begins anew, or 30 s after it stopped. Interval does not matter.
	Tables []snmp.Table
}

// OPCUAServer is one server with the points to be made of what others read from it, or
// were told by it.
type OPCUAServer struct {
	Server netip.AddrPort // as that of a ModbusDevice
	// Points are variables. A namespace given by its URI is known from where the
	// capture shows a client reading the NamespaceArray.
	Points []opcua.Point
}

// Source gives the samples that the drivers for the devices would have given, had they
// made the requests that were captured. It is safe for concurrent use; each Stream reads
// the captures from their beginning.
type Source struct {
	cfg   Config
	tally acquire.Tally

	mu     sync.Mutex
	points []acquire.PointID
	known  map[acquire.PointID]bool // of points that have appeared
	stats  Stats
}

var (
	_ acquire.Source   = (*Source)(nil)
	_ acquire.Reporter = (*Source)(nil)
)

// NewSource returns the Source that cfg describes, with its points defined. The error
// names every fault of cfg, and every file that cannot be read.
func NewSource(cfg Config) (*Source, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, known: make(map[acquire.PointID]bool)}
	devices, err := newDevices(&cfg)
	if err != nil {
		return nil, err
	}
	s.points = slices.Clone(devices.clocked)
	for _, server := range devices.opcua {
		s.points = append(s.points, server.decoder.Points()...)
	}
	r, err := NewReader(cfg.ReaderConfig)
	if err != nil {
		return nil, err
	}
	return s, r.Close()
}

// checked returns c with its defaults filled in, or everything wrong with it.
func (c Config) checked() (Config, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("passive: "+format, args...)) }
	c.Modbus, c.SNMP, c.OPCUA, c.Traps = slices.Clone(c.Modbus), slices.Clone(c.SNMP), slices.Clone(c.OPCUA), slices.Clone(c.Traps)
	c.ModbusPorts = slices.Clone(c.ModbusPorts)
	reader, err := c.ReaderConfig.checked()
	if err != nil {
		faults = append(faults, err)
	}
	c.ReaderConfig = reader
	if len(c.Modbus)+len(c.SNMP)+len(c.OPCUA)+len(c.Traps) == 0 {
		fault("no devices and no traps: Survey tells what there is")
	}
	if c.Catalog == nil {
		c.Catalog = acquire.NewCatalog()
	}
	if c.Name == "" && len(c.Files) > 0 {
		c.Name = "passive " + filepath.Base(c.Files[0])
	}
	if c.Lateness = cmp.Or(c.Lateness, DefaultLateness); c.Lateness < 0 {
		fault("lateness of %s is negative", c.Lateness)
	}
	named := make(map[string]bool)
	once := func(name string) {
		if named[name] && name != "" {
			fault("point %q is given twice", name)
		}
		named[name] = true
	}
	type place struct {
		server netip.AddrPort
		unit   int
	}
	places := make(map[place]bool)
	where := func(what string, p Protocol, server netip.AddrPort, unit int, ports *[]uint16) {
		at := place{server, unit}
		if p != Modbus {
			at.unit = -int(p)
		}
		if places[at] {
			fault("%s at %s is given twice", what, server)
		}
		places[at] = true
		if port := server.Port(); port != 0 && !slices.Contains(*ports, port) {
			*ports = append(*ports, port)
		}
	}
	for _, d := range c.Modbus {
		where(fmt.Sprintf("Modbus unit %d", d.Unit), Modbus, d.Server, int(d.Unit), &c.ModbusPorts)
		for _, p := range d.Points {
			once(p.Name)
		}
	}
	for _, d := range c.SNMP {
		where("SNMP agent", SNMP, d.Server, 0, &c.SNMPPorts)
		for _, p := range d.Points {
			once(p.Name)
		}
		columns := make(map[string]bool) // of the rows of one agent, two tables may share them
		for _, t := range d.Tables {
			for _, p := range t.Columns {
				columns[t.Name+"/"+p.Name] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(columns)) {
			once(name)
		}
	}
	for _, d := range c.OPCUA {
		where("OPC UA server", OPCUA, d.Server, 0, &c.OPCUAPorts)
		for _, p := range d.Points {
			once(p.Name)
		}
	}
	if len(faults) == 0 { // devices may have brought ports of other protocols
		_, err = c.ReaderConfig.checked()
		faults = append(faults, err)
	}
	return c, errors.Join(faults...)
}

// Name returns Config.Name or its default.
func (s *Source) Name() string { return s.cfg.Name }

// Points returns the points of the devices in the order of the Config, Modbus first,
// then SNMP and OPC UA, and those of tables and traps as they have appeared. The slice is
// only to be read; a later call may return a longer one.
func (s *Source) Points() []acquire.PointID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.points)
}

// Catalog returns where the points are defined.
func (s *Source) Catalog() *acquire.Catalog { return s.cfg.Catalog }

// Stats returns what was delivered, of all streams together, in the terms of a driver.
func (s *Source) Stats() acquire.Stats { return s.tally.Stats() }

// Counters returns what the latest stream met in the captures so far, as of its latest
// batch.
func (s *Source) Counters() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Open begins to read the captures.
func (s *Source) Open(ctx context.Context) (acquire.Stream, error) {
	err := ctx.Err()
	var r *Reader
	var devices *devices
	if err == nil {
		r, err = NewReader(s.cfg.ReaderConfig)
	}
	if err == nil {
		devices, err = newDevices(&s.cfg)
	}
	if err != nil {
		if r != nil {
			err = errors.Join(err, r.Close())
		}
		return nil, &acquire.OpError{Op: "open", Source: s.cfg.Name, Err: err}
	}
	s.mu.Lock()
	s.stats = Stats{}
	s.mu.Unlock()
	s.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	s.tally.Enter(acquire.Up, acquire.At(time.Now()))
	return &stream{source: s, reader: r, devices: devices}, nil
}

// saw notes what a stream met, and points that are new.
func (s *Source) saw(stats *Stats, appeared []acquire.PointID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats = *stats
	for _, id := range appeared {
		if !s.known[id] {
			s.known[id] = true
			s.points = append(s.points, id)
		}
	}
}
