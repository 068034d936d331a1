package opcua

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"Power", "Power", true},
		{"Power", "power", false},
		{"Power", "Plant/Power", false},
		{"*", "Power", true},
		{"*", "Plant/Power", false},
		{"P*r", "Power", true},
		{"P*r", "Pr", true},
		{"P*e*r", "Power", true},
		{"*a*a*b", "aaaaaaab", true},
		{"*a*a*b", "aaaaaaac", false},
		{"P?wer", "Pöwer", true},
		{"P?wer", "Pwer", false},
		{"**", "a/b/c", true},
		{"**/**", "a", true},
		{"**/c", "c", true},
		{"**/c", "a/b/c", true},
		{"**/c", "a/c/b", false},
		{"a/**", "a", false},
		{"a/**", "a/b/c", true},
		{"a/**/c", "a/c", true},
		{"a/**/c", "a/b/b/c", true},
		{"**/a/**/b", "a/a/b/b", true},
		{"a&/b", "a&/b", true},
		{"&*", "x", false},
		{"&*", "&*", true},
		{"&&", "&&", true},
	} {
		p, err := parsePattern(c.pattern)
		require.NoError(t, err, c.pattern)
		states := p.start()
		for name := range splitPath(c.path) {
			states = p.next(states, strings.NewReplacer("&&", "&", "&/", "/", "&*", "*", "&?", "?").Replace(name))
		}
		assert.Equal(t, c.want, p.matched(states), "%s on %s", c.pattern, c.path)
	}
	for _, bad := range []string{"", "/", "a/", "/a", "a//b", "a&", strings.Repeat("a/", 40) + "a"} {
		_, err := parsePattern(bad)
		assert.Error(t, err, bad)
	}
}

// TestPatternTwin walks random graphs without loops and compares with all their paths
// under a regular expression.
func TestPatternTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "ab", "b"}
	parts := []string{"a", "ab", "*", "**", "?", "a*", "*b", "**"}
	for range 2000 {
		var segments []string
		for range 1 + random.IntN(4) {
			segments = append(segments, parts[random.IntN(len(parts))])
		}
		text := strings.Join(segments, "/")
		expression := "^"
		for i, s := range segments {
			last := i == len(segments)-1
			switch {
			case s == "**" && last:
				expression += `[^/]+(/[^/]+)*`
			case s == "**":
				expression += `([^/]+/)*`
			default:
				expression += strings.NewReplacer("*", "[^/]*", "?", "[^/]").Replace(s)
				if !last {
					expression += "/"
				}
			}
		}
		twin := regexp.MustCompile(expression + "$")
		const n = 7
		var edges [n][]int
		var name [n]string
		for i := range n {
			name[i] = names[random.IntN(len(names))]
			for j := i + 1; j < n; j++ {
				if random.IntN(3) == 0 {
					edges[i] = append(edges[i], j)
				}
			}
		}
		want := map[NodeID]bool{}
		var visit func(i int, path string)
		visit = func(i int, path string) {
			for _, j := range edges[i] {
				deeper := strings.TrimPrefix(path+"/"+name[j], "/")
				if twin.MatchString(deeper) {
					want[NodeID(fmt.Sprint("i=", j))] = true
				}
				visit(j, deeper)
			}
		}
		visit(0, "")

		p, err := parsePattern(text)
		require.NoError(t, err)
		got := map[NodeID]bool{}
		w := newWalk("i=0", p)
		for len(w.queue) > 0 {
			at := w.queue[0]
			w.queue = w.queue[1:]
			if at.found {
				require.False(t, got[at.node.ID], "%s: each node once", text)
				require.Regexp(t, twin, at.node.Path, text)
				got[at.node.ID] = true
			}
			var list []reference
			var i int
			fmt.Sscanf(string(at.node.ID), "i=%d", &i)
			for _, j := range edges[i] {
				list = append(list, reference{id: NodeID(fmt.Sprint("i=", j)), name: name[j]})
			}
			require.NoError(t, w.expand(&link{}, at, list))
		}
		require.Equal(t, want, got, text)
	}
}

func plantSpace() *space {
	s := newSpace()
	s.add("ns=2;s=Plant", ua.NodeClassObject, "Plant")
	s.refer("i=85", "ns=2;s=Plant", 35)
	s.add("i=7001", ua.NodeClassDataType, "MeterState", ua.AttributeIDIsAbstract, false, ua.AttributeIDDataTypeDefinition, object(&ua.EnumDefinition{Fields: []*ua.EnumField{
		{Value: 0, Name: "Off", DisplayName: ua.NewLocalizedText(""), Description: ua.NewLocalizedText("")},
		{Value: 1, Name: "On", DisplayName: ua.NewLocalizedText(""), Description: ua.NewLocalizedText("")},
	}}))
	s.add("i=29", ua.NodeClassDataType, "Enumeration")
	s.refer("i=29", "i=7001", hasSubtype)
	for i := range 25 {
		meter := fmt.Sprintf("ns=2;s=Meter%d", i)
		s.add(meter, ua.NodeClassObject, fmt.Sprintf("Meter%d", i))
		s.refer("ns=2;s=Plant", meter, 35)
		power := meter + ".Power"
		s.add(power, ua.NodeClassVariable, "Power", ua.AttributeIDValue, float64(i), ua.AttributeIDDataType, ua.NewTwoByteNodeID(11), ua.AttributeIDValueRank, int32(-1),
			ua.AttributeIDDescription, ua.NewLocalizedText("active power"), ua.AttributeIDUserAccessLevel, uint8(1), ua.AttributeIDAccessLevel, uint8(3), ua.AttributeIDHistorizing, true)
		s.refer(meter, power, 47)
		s.add(power+".EU", ua.NodeClassVariable, "EngineeringUnits", ua.AttributeIDValue, object(&ua.EUInformation{
			NamespaceURI: units.NamespaceUNECE, UnitID: 4937556, DisplayName: ua.NewLocalizedText("kW"), Description: ua.NewLocalizedText("kilowatt"),
		}))
		s.add(power+".Range", ua.NodeClassVariable, "EURange", ua.AttributeIDValue, object(&ua.Range{Low: -10, High: 100}))
		for _, p := range []string{".EU", ".Range"} {
			s.nodes[power+p].name.NamespaceIndex = 0
			s.refer(power, power+p, hasProperty)
		}
		state := meter + ".State"
		s.add(state, ua.NodeClassVariable, "State", ua.AttributeIDValue, int32(1), ua.AttributeIDDataType, ua.NewNumericNodeID(0, 7001), ua.AttributeIDValueRank, int32(-1))
		s.refer(meter, state, 47)
	}
	return s
}

// object returns a structure as the value of an attribute.
func object(value any) *ua.ExtensionObject {
	o := ua.NewExtensionObject(value)
	o.UpdateMask()
	return o
}

func browsed(t *testing.T, c *Client, root NodeID, pattern string) (nodes []Node) {
	t.Helper()
	for n, err := range c.Browse(t.Context(), root, pattern) {
		require.NoError(t, err)
		nodes = append(nodes, n)
	}
	return nodes
}

func TestBrowse(t *testing.T) {
	for _, limits := range []struct {
		name                             string
		browse, read, references, points int
		named                            bool
	}{
		{name: "none", references: 1000},
		{name: "few references", references: 3},
		{name: "named limits", browse: 4, read: 7, references: 3, points: 2, named: true},
		{name: "limits to be found out", browse: 4, read: 7, references: 3, points: 2},
		{name: "one by one", browse: 1, read: 1, references: 1, points: 1},
	} {
		t.Run(limits.name, func(t *testing.T) {
			s := plantSpace()
			s.maxBrowse, s.maxRead, s.maxReferences, s.maxPoints, s.named = limits.browse, limits.read, limits.references, limits.points, limits.named
			c, server := s.client(t)
			nodes := browsed(t, c, ObjectsFolder, "Plant/*/Power")
			require.Len(t, nodes, 25)
			for i, n := range nodes {
				assert.Equal(t, NodeID(fmt.Sprintf("nsu=urn:plant:meters;s=Meter%d.Power", i)), n.ID)
				assert.Equal(t, fmt.Sprintf("Plant/Meter%d/Power", i), n.Path)
				assert.Equal(t, "urn:plant:meters", n.Namespace)
				assert.Equal(t, "the Power", n.DisplayName)
				assert.Equal(t, ClassVariable, n.Class)
				assert.Equal(t, "active power", n.Description)
				assert.Equal(t, TypeDouble, n.BuiltIn)
				assert.Equal(t, -1, n.Rank)
				assert.Equal(t, CurrentRead, n.Access, "what this user may do")
				assert.True(t, n.Historizing)
				assert.Equal(t, units.Kilowatt, n.Unit.Unit)
				assert.Equal(t, &Range{-10, 100}, n.Normal)
			}
			states := browsed(t, c, "ns=2;s=Plant", "Meter1?/State")
			require.Len(t, states, 10)
			for _, n := range states {
				assert.Equal(t, TypeInt32, n.BuiltIn)
				assert.Equal(t, map[int64]string{0: "Off", 1: "On"}, n.Names)
				assert.False(t, n.Unit.Understood(), "no unit is made up")
				assert.Nil(t, n.Normal)
			}
			assert.Zero(t, s.open(), "continuation points left on the server")
			assert.Equal(t, 1, server.sessions)
		})
	}
}

func TestBrowseLoops(t *testing.T) {
	s := newSpace()
	for _, id := range []string{"i=1", "i=2", "i=3"} {
		s.add(id, ua.NodeClassObject, "n"+id[2:])
	}
	s.refer("i=1", "i=2", 35)
	s.refer("i=2", "i=3", 35)
	s.refer("i=3", "i=1", 35)
	s.refer("i=3", "i=3", 35)
	s.refer("i=1", "i=3", 35)
	c, _ := s.client(t)
	paths := func(pattern string) map[string]string {
		m := map[string]string{}
		for _, n := range browsed(t, c, "i=1", pattern) {
			m[string(n.ID)] = n.Path
		}
		return m
	}
	assert.Equal(t, map[string]string{"i=2": "n2", "i=3": "n3", "i=1": "n3/n1"}, paths("**"))
	assert.Equal(t, map[string]string{"i=3": "n3/n3/n3"}, paths("n3/n3/n3"))
	assert.Equal(t, map[string]string{"i=2": "n3/n1/n2"}, paths("*/n1/n2"))
}

func TestBrowseStops(t *testing.T) {
	t.Run("left early", func(t *testing.T) {
		s := plantSpace()
		s.maxReferences = 3
		c, _ := s.client(t)
		for _, err := range c.Browse(t.Context(), ObjectsFolder, "**") {
			require.NoError(t, err)
			break
		}
		assert.Zero(t, s.open())
	})
	t.Run("fault in the middle", func(t *testing.T) {
		s := plantSpace()
		s.maxReferences = 3
		nexts := 0
		s.fault = func(r ua.Request) ua.StatusCode {
			if next, ok := r.(*ua.BrowseNextRequest); ok && !next.ReleaseContinuationPoints {
				if nexts++; nexts == 3 {
					return ua.StatusBadInternalError
				}
			}
			return 0
		}
		c, _ := s.client(t)
		var last error
		for _, err := range c.Browse(t.Context(), ObjectsFolder, "**") {
			last = err
		}
		require.Error(t, last)
		assert.Zero(t, s.open(), "continuation points are released whatever happens")
	})
	t.Run("unknown root", func(t *testing.T) {
		c, _ := newSpace().client(t)
		for n, err := range c.Browse(t.Context(), "ns=1;s=none", "**") {
			var refused *ServiceError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, StatusBadNodeIDUnknown, refused.Status)
			assert.Zero(t, n)
		}
	})
	t.Run("a node that may not be browsed", func(t *testing.T) {
		s := plantSpace()
		s.nodes["ns=2;s=Meter3"].status = ua.StatusBadUserAccessDenied
		c, _ := s.client(t)
		assert.Len(t, browsed(t, c, ObjectsFolder, "**/Power"), 24)
	})
	t.Run("continuation without end", func(t *testing.T) {
		s := plantSpace()
		s.maxReferences = 3
		s.lie = func(request ua.Request, response ua.Response) ua.Response {
			if next, ok := response.(*ua.BrowseNextResponse); ok {
				for _, r := range next.Results {
					r.References, r.ContinuationPoint = nil, []byte("more")
				}
			}
			return response
		}
		c, _ := s.client(t)
		var last error
		for _, err := range c.Browse(t.Context(), ObjectsFolder, "**") {
			last = err
		}
		var wrong *ProtocolError
		require.ErrorAs(t, last, &wrong)
	})
	t.Run("too many nodes", func(t *testing.T) {
		p, err := parsePattern("**")
		require.NoError(t, err)
		w := newWalk("i=0", p)
		list := make([]reference, 1000)
		for i := 1; err == nil; i += len(list) {
			require.LessOrEqual(t, i, MaxNodes)
			for j := range list {
				list[j] = reference{id: NodeID("i=" + itoa(i+j)), name: "n"}
			}
			err = w.expand(&link{}, w.queue[0], list)
			w.queue = w.queue[:1]
		}
		require.ErrorIs(t, err, ErrTooManyNodes)
		assert.Len(t, w.seen, MaxNodes)
	})
	t.Run("too deep", func(t *testing.T) {
		p, err := parsePattern("**")
		require.NoError(t, err)
		w := newWalk("i=0", p)
		for i := 1; err == nil; i++ {
			require.LessOrEqual(t, i, maxLevels+1)
			at := w.queue[0]
			w.queue = w.queue[1:]
			err = w.expand(&link{}, at, []reference{{id: NodeID("i=" + itoa(i)), name: "n"}})
		}
		var wrong *ProtocolError
		require.ErrorAs(t, err, &wrong)
		require.ErrorAs(t, newWalk("i=0", p).expand(&link{}, place{states: p.start()}, []reference{{id: "i=1", name: strings.Repeat("n", maxIdentifier+1)}}), &wrong)
	})
	t.Run("too many references", func(t *testing.T) {
		s := plantSpace()
		s.lie = func(request ua.Request, response ua.Response) ua.Response {
			one := s.nodes["i=84"].references[0]
			results := []*ua.BrowseResult{}
			switch r := response.(type) {
			case *ua.BrowseResponse:
				results = r.Results
			case *ua.BrowseNextResponse:
				if request.(*ua.BrowseNextRequest).ReleaseContinuationPoints {
					return response
				}
				results = r.Results
			}
			for _, r := range results {
				r.StatusCode, r.ContinuationPoint = 0, []byte("more")
				for len(r.References) < 700 {
					r.References = append(r.References, one)
				}
			}
			return response
		}
		c, _ := s.client(t)
		l, _, err := c.reach(t.Context())
		require.NoError(t, err)
		l.mostReferences = 5000
		var last error
		for _, err := range c.Browse(t.Context(), ObjectsFolder, "**") {
			last = err
		}
		require.ErrorIs(t, last, ErrTooManyNodes, "the same ones without end")
	})
}

// TestClientReadOnly asserts on what is sent: nothing but questions.
func TestClientReadOnly(t *testing.T) {
	s := plantSpace()
	s.maxReferences = 3
	c, _ := s.client(t)
	browsed(t, c, ObjectsFolder, "**")
	_, err := c.Read(t.Context(), "ns=2;s=Meter1.Power")
	require.NoError(t, err)
	allowed := map[string]bool{"Read": true, "Browse": true, "BrowseNext": true}
	sent := map[string]bool{}
	for _, r := range s.requests {
		sent[r] = true
	}
	assert.Equal(t, slices.Sorted(maps.Keys(allowed)), slices.Sorted(maps.Keys(sent)))
}
