package aggregate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
)

var (
	_ json.Marshaler   = Interval{}
	_ json.Unmarshaler = (*Interval)(nil)
)

// channelNames are what an Interval's JSON calls the channels of a meter.
var channelNames = [slots]string{"power", "reactive power", "import register", "export register", "reactive import register", "reactive export register"}

// intervalJSON is an Interval as JSON.
type intervalJSON struct {
	Meter    string          `json:"meter"`
	Start    acquire.Instant `json:"start"`
	End      acquire.Instant `json:"end"`
	Channels []string        `json:"channels,omitempty"`
	Carried  []string        `json:"carried,omitempty"`
	Flags    []string        `json:"flags,omitempty"`
	Revision uint32          `json:"revision,omitempty"`

	Power             *accountJSON `json:"power,omitempty"`
	Registers         *accountJSON `json:"registers,omitempty"`
	ReactivePower     *accountJSON `json:"reactive_power,omitempty"`
	ReactiveRegisters *accountJSON `json:"reactive_registers,omitempty"`
}

// accountJSON is an Account or ReactiveAccount as JSON. Quanta are for machines, hours
// for people.
type accountJSON struct {
	ImportKWh   *float64      `json:"import_kwh,omitempty"`
	ExportKWh   *float64      `json:"export_kwh,omitempty"`
	ImportKvarh *float64      `json:"import_kvarh,omitempty"`
	ExportKvarh *float64      `json:"export_kvarh,omitempty"`
	Import      string        `json:"import"`
	Export      string        `json:"export"`
	Good        time.Duration `json:"good"`
	Uncertain   time.Duration `json:"uncertain"`
	Missing     time.Duration `json:"missing"`
}

var errName = errors.New("aggregate: name of meter is not UTF-8")

// MarshalJSON returns all of iv as an object, from which UnmarshalJSON makes the same
// again:
//
//	{"meter":"main","start":…,"end":…,"channels":["power"],"flags":["gap"],
//	 "power":{"import_kwh":24.31,"export_kwh":0,"import":"175032…","export":"0",
//	          "good":…,"uncertain":…,"missing":…}}
//
// Times are nanoseconds since 1970 in UTC, durations nanoseconds. The energies in kWh
// or kvarh are the nearest doubles; import and export are exact, in quanta (see
// Energy). Accounts whose channels the meter does not have are left out. The error says
// that the name of the meter is not UTF-8.
func (iv Interval) MarshalJSON() ([]byte, error) {
	if !utf8.ValidString(iv.Meter) {
		return nil, errName
	}
	j := intervalJSON{
		Meter: iv.Meter, Start: iv.Start, End: iv.End, Revision: iv.Revision,
		Channels: iv.channels.names(), Carried: iv.carried.names(),
	}
	for i, name := range flagNames {
		if iv.Flags&(1<<i) != 0 {
			j.Flags = append(j.Flags, name)
		}
	}
	if iv.channels.has(activePower) {
		j.Power = iv.Power.json()
	}
	if iv.channels.has(importRegister | exportRegister) {
		j.Registers = iv.Registers.json()
	}
	if iv.channels.has(reactivePower) {
		j.ReactivePower = iv.ReactivePower.json()
	}
	if iv.channels.has(reactiveImportRegister | reactiveExportRegister) {
		j.ReactiveRegisters = iv.ReactiveRegisters.json()
	}
	return json.Marshal(j)
}

// UnmarshalJSON takes what MarshalJSON returns. The error says what is wrong with
// anything else, and iv is unchanged then.
func (iv *Interval) UnmarshalJSON(data []byte) error {
	var j intervalJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return fmt.Errorf("aggregate: interval: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("aggregate: interval: something follows it")
	}
	next, err := j.interval()
	if err != nil {
		return fmt.Errorf("aggregate: interval: %w", err)
	}
	*iv = next
	return nil
}

func (j *intervalJSON) interval() (iv Interval, err error) {
	iv = Interval{Meter: j.Meter, Start: j.Start, End: j.End, Revision: j.Revision}
	if iv.End <= iv.Start || iv.End-iv.Start < 0 {
		return iv, fmt.Errorf("end %d is not after start %d", iv.End, iv.Start)
	}
	if iv.channels, err = channelsOf(j.Channels); err != nil {
		return iv, err
	}
	if iv.carried, err = channelsOf(j.Carried); err != nil {
		return iv, err
	}
	if iv.carried&^iv.channels != 0 {
		return iv, errors.New("energy is carried of a channel that the meter does not have")
	}
	last := -1
	for _, name := range j.Flags {
		i := last + 1
		for i < len(flagNames) && flagNames[i] != name {
			i++
		}
		if i == len(flagNames) {
			return iv, fmt.Errorf("flag %q is unknown, given twice or out of order", name)
		}
		iv.Flags |= 1 << i
		last = i
	}
	var faults []error
	take := func(a *accountJSON, have channels, what string, reactive bool) Account {
		if (a != nil) != iv.channels.has(have) {
			faults = append(faults, fmt.Errorf("%s does not go with channels", what))
			return Account{}
		}
		if a == nil {
			return Account{}
		}
		account, err := a.account(reactive, iv.Duration())
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", what, err))
		}
		return account
	}
	iv.Power = take(j.Power, activePower, "power", false)
	iv.Registers = take(j.Registers, importRegister|exportRegister, "registers", false)
	iv.ReactivePower = take(j.ReactivePower, reactivePower, "reactive_power", true).reactive()
	iv.ReactiveRegisters = take(j.ReactiveRegisters, reactiveImportRegister|reactiveExportRegister, "reactive_registers", true).reactive()
	return iv, errors.Join(faults...)
}

func (c channels) names() (names []string) {
	for i, name := range channelNames {
		if c.has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

func channelsOf(names []string) (c channels, err error) {
	for _, name := range names {
		i := 0
		for i < len(channelNames) && channelNames[i] != name {
			i++
		}
		if i == len(channelNames) || c>>i != 0 {
			return c, fmt.Errorf("channel %q is unknown, given twice or out of order", name)
		}
		c |= 1 << i
	}
	return c, nil
}

// reactive returns a with its energies taken for reactive ones.
func (a Account) reactive() ReactiveAccount {
	return ReactiveAccount{Import: ReactiveEnergy(a.Import), Export: ReactiveEnergy(a.Export), Coverage: a.Coverage}
}

func (a Account) json() *accountJSON {
	in, out := a.Import.KilowattHours(), a.Export.KilowattHours()
	return &accountJSON{
		ImportKWh: &in, ExportKWh: &out, Import: a.Import.quanta.decimal(), Export: a.Export.quanta.decimal(),
		Good: a.Coverage.Good, Uncertain: a.Coverage.Uncertain, Missing: a.Coverage.Missing,
	}
}

func (a ReactiveAccount) json() *accountJSON {
	j := Account{Import: Energy(a.Import), Export: Energy(a.Export), Coverage: a.Coverage}.json()
	j.ImportKvarh, j.ExportKvarh, j.ImportKWh, j.ExportKWh = j.ImportKWh, j.ExportKWh, nil, nil
	return j
}

// account returns what j stands for, over a time of that length.
func (j *accountJSON) account(reactive bool, length time.Duration) (a Account, err error) {
	in, ok1 := decimal(j.Import)
	out, ok2 := decimal(j.Export)
	if !ok1 || !ok2 {
		return a, fmt.Errorf("energies %q and %q are no whole numbers of quanta", j.Import, j.Export)
	}
	a = Account{Import: Energy{in}, Export: Energy{out}, Coverage: Coverage{Good: j.Good, Uncertain: j.Uncertain, Missing: j.Missing}}
	if c := a.Coverage; min(c.Good, c.Uncertain, c.Missing) < 0 || c.Good > length || c.Uncertain > length || c.Span() != length {
		return a, fmt.Errorf("coverage is not of %v", length)
	}
	own := a.json()
	if reactive {
		own = a.reactive().json()
	}
	same := func(x, y *float64) bool { return (x == nil) == (y == nil) && (x == nil || *x == *y) }
	if !same(own.ImportKWh, j.ImportKWh) || !same(own.ExportKWh, j.ExportKWh) || !same(own.ImportKvarh, j.ImportKvarh) || !same(own.ExportKvarh, j.ExportKvarh) {
		return a, errors.New("energies in hours are not those in quanta")
	}
	return a, nil
}

// decimal returns x, which is not negative, in decimal digits.
func (x int128) decimal() string {
	n := new(big.Int).SetUint64(x.hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(x.lo)).String()
}

// decimal reads what int128.decimal returns, and nothing else.
func decimal(s string) (int128, bool) {
	if len(s) > 39 {
		return int128{}, false
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 127 || n.String() != s {
		return int128{}, false
	}
	lo := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1)).Uint64()
	return int128{hi: n.Rsh(n, 64).Uint64(), lo: lo}, true
}
