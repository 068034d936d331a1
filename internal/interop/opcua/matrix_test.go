package interop_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/units"
)

// node names a node of the server's own namespace.
func node(name string) opcua.NodeID { return opcua.NodeID("nsu=urn:interop:plant;s=" + name) }

// services are what a client asks for; each returns what it got wrong.
var services = []struct {
	name string
	ask  func(ctx context.Context, cfg opcua.ClientConfig) error
}{
	{"read", read},
	{"browse", browse},
	{"history", history},
	{"subscribe", subscribe},
}

func read(ctx context.Context, cfg opcua.ClientConfig) error {
	c, err := opcua.NewClient(cfg)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	names := []string{"Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String", "DateTime", "NaN", "Array"}
	nodes := make([]opcua.NodeID, len(names))
	for i, name := range names {
		nodes[i] = node("Types." + name)
	}
	values, err := c.Read(ctx, nodes...)
	if err != nil {
		return err
	}
	var faults []error
	for i, v := range values {
		want := map[string]string{
			"Boolean": "true", "SByte": "-128", "Byte": "255", "Int16": "-32768", "UInt16": "65535", "Int32": "-2147483648", "UInt32": "4294967295",
			"Int64": fmt.Sprint(int64(math.MinInt64)), "UInt64": fmt.Sprint(uint64(math.MaxUint64)), "Float": "1.5", "Double": "-1e+300", "String": "Stromzähler",
			"NaN": "NaN",
		}[names[i]]
		got := v.String()
		switch names[i] {
		case "DateTime":
			at, _ := v.Time()
			got, want = at.Time().UTC().Format(time.RFC3339Nano), "2026-11-23T12:00:00.123Z"
		case "Array":
			numbers := make([]float64, 0, 3)
			for _, e := range v.All() {
				x, _ := e.Float()
				numbers = append(numbers, x)
			}
			got, want = fmt.Sprint(numbers), fmt.Sprint([]float64{1, 2.5, -3})
		}
		if strings.Trim(got, `"`) != want {
			faults = append(faults, fmt.Errorf("%s is %s, want %s", names[i], got, want))
		}
	}
	return errors.Join(faults...)
}

func browse(ctx context.Context, cfg opcua.ClientConfig) error {
	c, err := opcua.NewClient(cfg)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	want := map[string]units.Unit{
		"P": units.Kilowatt, "E": units.KilowattHour, "U": units.Volt, "I": units.Ampere, "f": units.Hertz, "T": units.DegreeCelsius,
	}
	found := 0
	var faults []error
	for n, err := range c.Browse(ctx, opcua.ObjectsFolder, "Plant/?") {
		if err != nil {
			return err
		}
		if n.Unit.Unit != want[n.BrowseName] {
			faults = append(faults, fmt.Errorf("%s is in %s, want %s: %+v", n.Path, n.Unit.Unit, want[n.BrowseName], n.Unit))
		}
		found++
	}
	if found != len(want) {
		faults = append(faults, fmt.Errorf("%d nodes, want %d", found, len(want)))
	}
	return errors.Join(faults...)
}

func history(ctx context.Context, cfg opcua.ClientConfig) error {
	c, err := opcua.NewClient(cfg)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	last, count := int64(-1), 0
	for v, err := range c.History(ctx, node("Historian"), acquire.Instant(time.Now().Add(-time.Hour).UnixNano()), acquire.Instant(time.Now().UnixNano())) {
		if err != nil {
			return err
		}
		n, ok := v.Int()
		if u, isUint := v.Uint(); isUint {
			n, ok = int64(u), true
		}
		if !ok || last > 0 && n != last+5 {
			return fmt.Errorf("%s follows %d", v, last)
		}
		last, count = n, count+1
	}
	if count < 3 {
		return fmt.Errorf("%d values", count)
	}
	return nil
}

func subscribe(ctx context.Context, cfg opcua.ClientConfig) error {
	catalog := acquire.NewCatalog()
	source, err := opcua.NewSource(opcua.Config{
		Client: cfg, Catalog: catalog, Interval: 100 * time.Millisecond, Sampling: -1,
		Points: []opcua.Point{
			{Name: "seq", Node: node("Seq.0"), Kind: acquire.KindUint64},
			{Name: "P", Node: node("Analog.P"), Unit: units.Kilowatt},
			{Name: "absent", Node: node("Absent")},
		},
	})
	if err != nil {
		return err
	}
	stream, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	seq, _ := catalog.Lookup("seq")
	power, _ := catalog.Lookup("P")
	absent, _ := catalog.Lookup("absent")
	var b acquire.Batch
	var last uint64
	count, right, told := 0, false, false
	for count < 10 || !right || !told {
		if err := stream.Next(ctx, &b); err != nil {
			return err
		}
		for _, s := range b.Samples {
			switch s.Point {
			case seq:
				n, ok := s.Value.Uint64()
				if !ok || count > 0 && n <= last { // this server looks at most each 50 ms
					return fmt.Errorf("%d follows %d: %s", n, last, s.Quality)
				}
				last, count = n, count+1
			case power:
				v, _ := s.Value.Float64()
				if v != 12.5 || !s.Quality.IsGood() {
					return fmt.Errorf("P is %v %s", s.Value, s.Quality)
				}
				right = true
			case absent:
				if s.Quality.Reason() != acquire.NotFound || !s.Value.IsNone() {
					return fmt.Errorf("what is not there is %v %s", s.Value, s.Quality)
				}
				told = true
			}
		}
	}
	return nil
}

// TestLogins has the right ones and the wrong ones log in to one server, whose start is
// what costs most.
func TestLogins(t *testing.T) {
	t.Parallel()
	s := start(t, 0)
	t.Run("matrix", func(t *testing.T) { matrix(t, s) })
	t.Run("refusals", func(t *testing.T) { refusals(t, s) })
}

// matrix asks for every service in every policy and mode as every kind of user.
func matrix(t *testing.T, s *server) {
	t.Parallel()
	userCertificate, err := opcua.CreateCertificate(opcua.Template{CommonName: "operator"})
	require.NoError(t, err)
	identities := []struct {
		name string
		id   opcua.Identity
	}{
		{"anonymous", opcua.Identity{}},
		{"password", opcua.Identity{User: "operator", Password: password}},
		{"certificate", opcua.Identity{Certificate: userCertificate}},
	}
	type row struct {
		policy   opcua.Policy
		mode     opcua.Mode
		name     string
		identity opcua.Identity
		verdicts string
	}
	var table []*row
	for _, policy := range []opcua.Policy{opcua.PolicyNone, opcua.Basic256Sha256, opcua.Aes128Sha256RsaOaep, opcua.Aes256Sha256RsaPss} {
		modes := []opcua.Mode{opcua.Sign, opcua.SignAndEncrypt}
		if policy == opcua.PolicyNone {
			modes = []opcua.Mode{opcua.ModeNone}
		}
		for _, mode := range modes {
			for _, i := range identities {
				if policy == opcua.PolicyNone && i.name == "certificate" {
					continue // whose signature needs the server's certificate
				}
				table = append(table, &row{policy: policy, mode: mode, name: i.name, identity: i.id})
			}
		}
	}
	t.Cleanup(func() {
		var text strings.Builder
		fmt.Fprintf(&text, "\n%-22s %-15s %-12s", "policy", "mode", "identity")
		for _, service := range services {
			fmt.Fprintf(&text, " %-10s", service.name)
		}
		for _, r := range table {
			fmt.Fprintf(&text, "\n%-22s %-15s %-12s%s", r.policy, r.mode, r.name, r.verdicts)
		}
		t.Log(text.String())
	})
	for _, r := range table {
		t.Run(fmt.Sprintf("%s %s %s", r.policy, r.mode, r.name), func(t *testing.T) {
			t.Parallel()
			cfg := s.config(t, r.policy, r.mode)
			if r.policy == opcua.PolicyNone && r.name == "password" {
				cfg.Trust = trust(t) // of the certificate that the password is encrypted for
			}
			cfg.Identity = r.identity
			for _, service := range services {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				verdict := "right"
				if err := service.ask(ctx, cfg); !assert.NoError(t, err, "%s", service.name) {
					verdict = "WRONG"
				}
				r.verdicts += fmt.Sprintf(" %-10s", verdict)
			}
		})
	}
}

// refusals logs in as the wrong one.
func refusals(t *testing.T, s *server) {
	t.Parallel()
	for name, id := range map[string]opcua.Identity{
		"wrong password": {User: "operator", Password: "wrong"},
		"unknown user":   {User: "nobody", Password: password},
		"no password":    {User: "operator", Password: ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.config(t, opcua.Aes256Sha256RsaPss, opcua.SignAndEncrypt)
			cfg.Identity = id
			err := read(t.Context(), cfg)
			require.Error(t, err)
			t.Log(err)
			assert.NotContains(t, err.Error(), password)
			var judged interface{ Quality() acquire.Quality }
			if errors.As(err, &judged) {
				assert.Equal(t, acquire.Security, judged.Quality().Reason())
			}
		})
	}
	t.Run("not trusted", func(t *testing.T) {
		cfg := s.config(t, opcua.Aes256Sha256RsaPss, opcua.SignAndEncrypt)
		cfg.Trust.FirstUse = false
		err := read(t.Context(), cfg)
		var certificate *opcua.CertificateError
		require.ErrorAs(t, err, &certificate)
		assert.Equal(t, opcua.StatusBadCertificateUntrusted, certificate.Status)
		rejected, err := cfg.Trust.Store.Rejected()
		require.NoError(t, err)
		assert.Len(t, rejected, 1)
	})
}

// TestLimits subscribes to 2,000 items and browses as many with their units, of a
// server that takes 100 nodes at once, on one connection.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := start(t, 100)
	cfg := s.config(t, opcua.PolicyNone, opcua.ModeNone)
	c, err := opcua.NewClient(cfg)
	require.NoError(t, err)
	defer c.Close(context.WithoutCancel(t.Context()))
	found := 0
	for n, err := range c.Browse(t.Context(), opcua.ObjectsFolder, "Plant/Many/*") {
		require.NoError(t, err)
		assert.Equal(t, units.Watt, n.Unit.Unit, n.Path)
		found++
	}
	assert.Equal(t, 2000, found)

	points := make([]opcua.Point, 2000)
	for i := range points {
		points[i] = opcua.Point{Name: fmt.Sprint("M", i), Node: node(fmt.Sprint("Many.", i)), Unit: units.Watt}
	}
	catalog := acquire.NewCatalog()
	source, err := opcua.NewSource(opcua.Config{Client: cfg, Catalog: catalog, Points: points, KeepAlive: 10 * time.Second})
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := make(map[acquire.PointID]bool)
	var b acquire.Batch
	for len(seen) < len(points) {
		require.NoError(t, stream.Next(ctx, &b))
		for _, sample := range b.Samples {
			require.True(t, sample.Quality.IsGood(), "%s", sample.Quality)
			seen[sample.Point] = true
		}
	}
	t.Logf("%d nodes with units, %d items, on one connection each", found, len(seen))
}
