package snmp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// simulate starts a simulated agent with the objects, and returns a client for it.
func simulate(t testing.TB, objects snmptest.Objects, fault snmptest.Fault, cfg snmp.AgentConfig) (*snmp.Agent, *snmptest.Server) {
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	network := "udp"
	if cfg.TCP {
		network = "tcp"
	}
	server, err := snmptest.Start(snmptest.Config{Network: network, MIB: mib, Fault: fault, Users: users})
	require.NoError(t, err)
	cfg.Address = server.Address()
	if cfg.Community == "" && cfg.User.Name == "" {
		cfg.Community = "public"
	}
	agent, err := snmp.NewAgent(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, agent.Close())
		assert.Zero(t, server.Sets(), "SetRequests")
		assert.NoError(t, server.Close())
	})
	return agent, server
}

// column returns n objects below a name, with values 1 to n.
func column(root string, n int) snmptest.Objects {
	objects := make(snmptest.Objects, n)
	for i := range n {
		objects[fmt.Sprintf("%s.%d", root, i+1)] = snmptest.Integer(int32(i + 1))
	}
	return objects
}

// step is one turn of a walk.
type step struct {
	oid   snmp.OID
	value int64
}

// walk returns what a walk yields: the objects, and the errors.
func walk(t testing.TB, a *snmp.Agent, root snmp.OID) (steps []step, faults []error) {
	for v, err := range a.Walk(t.Context(), root) {
		if err != nil {
			assert.Equal(t, snmp.Variable{}, v)
			faults = append(faults, err)
			continue
		}
		value, ok := v.Int64()
		assert.True(t, ok, v)
		steps = append(steps, step{v.OID(), value})
	}
	return steps, faults
}

// below returns what a walk of the objects should yield, in order: the slow way.
func below(objects map[snmp.OID]int64, root snmp.OID) (want []step) {
	for oid, value := range objects {
		if oid.HasPrefix(root) {
			want = append(want, step{oid, value})
		}
	}
	slices.SortFunc(want, func(a, b step) int { return a.oid.Compare(b.oid) })
	if len(want) > 1 && want[0].oid == root { // which no MIB allows: an object has no objects below
		want = want[1:]
	}
	return want
}

var versions = map[string]snmp.AgentConfig{
	"v1":         {Version: snmp.V1, Community: "public"},
	"v2c":        {Community: "public"},
	"v2c on TCP": {Community: "public", TCP: true},
	"v3":         {User: alice},
}

func TestWalkEndsAtTheSubtree(t *testing.T) {
	objects := column("1.3.6.1.2.1.2.2.1.10", 100)
	for name, o := range column("1.3.6.1.2.1.2.2.1.1", 3) {
		objects[name] = o
	}
	objects["1.3.6.1.2.1.2.2.1.100.1"] = snmptest.Integer(7)
	tests := []struct {
		root  snmp.OID
		count int
	}{
		{"1.3.6.1.2.1.2.2.1.10", 100},
		{"1.3.6.1.2.1.2.2.1.1", 3},
		{"1.3.6.1.2.1.2.2.1.10.100", 1}, // an object, not a subtree
		{"1.3.6.1.2.1.2.2.1.100", 1},    // the last of all
		{"1.3.6.1.2.1.2.2.1.100.1", 1},
		{"1.3.6.1.2.1", 104},
		{"1.3.6.1.2.1.2.2.1.11", 0},
		{"1.3.6.1.4", 0},
	}
	for name, cfg := range versions {
		t.Run(name, func(t *testing.T) {
			a, _ := simulate(t, objects, nil, cfg)
			for _, test := range tests {
				steps, faults := walk(t, a, test.root)
				assert.Empty(t, faults, test.root)
				assert.Len(t, steps, test.count, test.root)
				for _, s := range steps {
					assert.True(t, s.oid.HasPrefix(test.root), s.oid)
				}
			}
		})
	}
}

func TestWalkEqualsItsTwin(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			walkLikeTwin(t, rand.New(rand.NewPCG(seed, 6)))
		})
	}
}

// walkLikeTwin walks random objects of an agent with a random fault.
func walkLikeTwin(t *testing.T, r *rand.Rand) {
	values := make(map[snmp.OID]int64)
	objects := make(snmptest.Objects)
	for range r.IntN(200) {
		oid := snmp.OID("1.3.6.1")
		for range 1 + r.IntN(4) {
			oid = oid.Child([]uint32{0, 1, 2, 3, 127, 128, 16383, 16384, 1<<32 - 1}[r.IntN(9)])
		}
		values[oid] = int64(r.Int32())
		objects[string(oid)] = snmptest.Integer(int32(values[oid]))
	}
	faults := []snmptest.Fault{
		nil,
		snmptest.TooBigAbove(1 + r.IntN(20)),
		snmptest.TooBigAboveBytes(60 + r.IntN(400)),
		snmptest.Every(9, snmptest.Silent()),
		snmptest.Every(2, snmptest.Duplicated(3)),
	}
	cfg := []snmp.AgentConfig{versions["v1"], versions["v2c"], versions["v3"]}[r.IntN(3)]
	cfg.Timeout, cfg.Retries = 1260*time.Millisecond, 5 // the first repeat after 20 ms
	a, _ := simulate(t, objects, faults[r.IntN(len(faults))], cfg)
	for range 3 {
		root := snmp.OID("1.3.6.1")
		for range r.IntN(3) {
			root = root.Child(uint32(r.IntN(4)))
		}
		steps, wrong := walk(t, a, root)
		assert.Empty(t, wrong)
		assert.Equal(t, below(values, root), steps, "root %s", root)
	}
	assert.NoError(t, a.Close())
}

func TestWalkGoesOnBehindWhatFails(t *testing.T) {
	const root = "1.3.6.1.4.1.99"
	objects := make(snmptest.Objects)
	for _, c := range []string{"1", "2", "3"} {
		for name, o := range column(root+"."+c, 60) {
			objects[name] = o
		}
	}
	for name, cfg := range versions {
		t.Run(name, func(t *testing.T) {
			a, _ := simulate(t, objects, snmptest.Chain(
				snmptest.StatusAt(root+".1.17", snmptest.GenErr),
				snmptest.StatusAt(root+".1.18", snmptest.GenErr),
				snmptest.StatusAt(root+".2.60", snmptest.ResourceUnavailable),
				snmptest.StatusAt(root+".3.1", snmptest.AuthorizationError),
				snmptest.StatusAt(root+".3.2", snmptest.TooBig),
			), cfg)
			steps, faults := walk(t, a, root)
			assert.Equal(t, 180-5, len(steps))
			assert.Equal(t, []error{
				&snmp.ObjectError{OID: root + ".1.16", Next: root + ".1.19", Status: snmp.GenErr},
				&snmp.ObjectError{OID: root + ".2.59", Next: root + ".3.3", Status: snmp.ResourceUnavailable},
			}, faults)
			assert.ErrorContains(t, faults[0], root+".1.16 to "+root+".1.19: genErr (5)")
			assert.Equal(t, acquire.Bad.Because(acquire.Device).WithNative(5), acquire.QualityOf(faults[0]))
		})
	}
}

func TestWalkOfNothingButFaults(t *testing.T) {
	const root = "1.3.6.1.4.1.99"
	a, server := simulate(t, column(root, 50), snmptest.WithStatus(snmptest.GenErr, 1), snmp.AgentConfig{})
	steps, faults := walk(t, a, root)
	assert.Empty(t, steps)
	assert.Equal(t, []error{&snmp.ObjectError{OID: root, Status: snmp.GenErr}}, faults)
	assert.Less(t, server.Stats().Requests, uint64(20))

	a, server = simulate(t, column(root, 50), snmptest.From(2, snmptest.WithStatus(snmptest.GenErr, 1)), snmp.AgentConfig{})
	steps, faults = walk(t, a, root)
	require.Len(t, faults, 1)
	assert.ErrorIs(t, faults[0], snmp.GenErr)
	assert.NotEmpty(t, steps)
	assert.Less(t, server.Stats().Requests, uint64(40))
}

func TestWalkOfALiar(t *testing.T) {
	const root = "1.3.6.1.4.1.99"
	objects := column(root, 500)
	tests := map[string]struct {
		fault snmptest.Fault
		want  string
	}{
		"names that fall":         {snmptest.Backwards(), "out of order"},
		"the names asked with":    {snmptest.Stuck(), "out of order"},
		"always the same name":    {snmptest.From(2, snmptest.Renamed(root+".5")), "out of order"},
		"names exchanged":         {snmptest.From(2, snmptest.Reordered()), "out of order"},
		"a name twice":            {snmptest.Extra(snmptest.Binding{OID: root + ".1", Value: snmptest.Integer(1)}), "out of order"},
		"nothing":                 {snmptest.Empty(), "without objects"},
		"no object":               {snmptest.Replaced(snmptest.NoSuchObject()), "not to exist"},
		"the wrong PDU":           {snmptest.WithType(snmptest.Report), "no answer in time"},
		"lengths that lie":        {snmptest.BadLength(), "no answer in time"},
		"deep nesting":            {snmptest.Nested(10_000), "no answer in time"},
		"another version":         {snmptest.WrongVersion(), "no answer in time"},
		"an endless table":        {snmptest.Endless(root+".7", snmptest.Integer(1)), "walk does not end: more than 2000 objects"},
		"an error-status unknown": {snmptest.WithStatus(-77, 1<<30), "error-status (-77)"},
		"another row of nothing":  {snmptest.Noise(3), "no answer in time"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 10 * time.Second
			if strings.HasPrefix(test.want, "no answer") {
				timeout = 50 * time.Millisecond
			}
			a, server := simulate(t, objects, test.fault, snmp.AgentConfig{Timeout: timeout, MaxObjects: 2000})
			steps, faults := walk(t, a, root)
			require.Len(t, faults, 1)
			assert.ErrorContains(t, faults[0], test.want)
			assert.LessOrEqual(t, len(steps), 2000)
			assert.LessOrEqual(t, server.Stats().Requests, uint64(60))
		})
	}
}

func TestWalkOfGiantTexts(t *testing.T) {
	const root = "1.3.6.1.4.1.99"
	objects := column(root, 10)
	objects["1.3.6.1.4.1.100.1"] = snmptest.Integer(1)
	a, _ := simulate(t, objects, snmptest.Giant(6000), snmp.AgentConfig{Timeout: 100 * time.Millisecond})
	n := 0
	for v, err := range a.Walk(t.Context(), root) {
		require.NoError(t, err)
		require.Len(t, v.Bytes(), 6000)
		n++
	}
	assert.Equal(t, 10, n)
}

func TestWalkAsksForLessWhenNothingComes(t *testing.T) {
	const root = "1.3.6.1.4.1.99"
	long := snmptest.When(func(m snmptest.Message) bool { return m.PDU.Index > 70 }, snmptest.Silent())
	a, _ := simulate(t, column(root, 1000), long, snmp.AgentConfig{Timeout: 30 * time.Millisecond, Retries: -1})
	for range 2 {
		steps, faults := walk(t, a, root)
		assert.Empty(t, faults)
		assert.Len(t, steps, 1000)
	}
	assert.LessOrEqual(t, a.Counters().Timeouts, uint64(3))
}

func TestWalkStops(t *testing.T) {
	a, server := simulate(t, column("1.3.6.1.4.1.99", 5000), nil, snmp.AgentConfig{})
	for v, err := range a.Walk(t.Context(), "1.3.6.1.4.1.99") {
		require.NoError(t, err)
		// The agent can be asked in the middle of a walk, which keeps its place.
		got, err := a.Get(t.Context(), "1.3.6.1.4.1.99.4711")
		require.NoError(t, err)
		assert.Equal(t, "1.3.6.1.4.1.99.4711 = INTEGER: 4711", got[0].String())
		if n, _ := v.Int64(); n == 3 {
			break
		}
	}
	assert.EqualValues(t, 4, server.Stats().Requests)
	for _, err := range a.Walk(t.Context(), "ifTable") {
		assert.ErrorContains(t, err, "no object identifier")
	}
	require.NoError(t, a.Close())
	for _, err := range a.Walk(t.Context(), "1.3") {
		assert.ErrorContains(t, err, "closed")
	}
}

func TestWalkAllocs(t *testing.T) {
	a, _ := simulate(t, column("1.3.6.1.4.1.99", 2000), nil, snmp.AgentConfig{})
	ctx := t.Context()
	n := testing.AllocsPerRun(1, func() {
		sum := int64(0)
		objects := 0
		for v, err := range a.Walk(ctx, "1.3.6.1.4.1.99") {
			if err != nil {
				t.Error(err)
			}
			value, _ := v.Int64()
			sum += value
			objects++
		}
		if objects != 2000 || sum != 2000*2001/2 {
			t.Error(objects, sum)
		}
	})
	assert.Less(t, n, 200.0, "allocations for 2000 objects, those of the agent included")
}
