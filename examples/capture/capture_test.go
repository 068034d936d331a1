package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/capturetest"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/units"
)

// record makes a capture of a minute of a meter, with a failed reading and the
// events of a connection, and returns its name.
func record(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+capture.Extension)
	cat := acquire.NewCatalog()
	power, err := cat.Define(acquire.Point{Name: name + "/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	energy, err := cat.Define(acquire.Point{Name: name + "/E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
	require.NoError(t, err)
	w, err := capture.Create(path, capture.Config{Catalog: cat, MaxSamples: 20})
	require.NoError(t, err)
	start := acquire.Instant(1790000040_000000000) // a whole minute
	require.NoError(t, w.Event(capture.Event{Kind: capture.Opened, Time: start, Source: name}))
	var b acquire.Batch
	for i := range 61 {
		now := start + acquire.Instant(i)*1e9
		b.Reset()
		b.Received, b.Watermark, b.Points = now+2e6, now, []acquire.PointID{power, energy}
		b.Append(acquire.Sample{Time: now, Point: power, Value: acquire.Float64(36), Quality: acquire.Good})
		s := acquire.Sample{Time: now, Point: energy, Value: acquire.Uint64(1000 + 10*uint64(i)), Quality: acquire.Good}
		if i == 30 {
			s.Value, s.Quality = acquire.Value{}, acquire.Bad.Because(acquire.Communication)
		}
		b.Append(s)
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Event(capture.Event{Kind: capture.Closed, Time: b.Received, Source: name}))
	require.NoError(t, w.Close())
	return path
}

// do runs a command line that succeeds, and returns what it prints.
func do(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(t, args...)
	require.NoError(t, err, out)
	return out
}

func try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := console{out: &out, err: &out}.run(t.Context(), args)
	return out.String(), err
}

// damage flips a bit in the middle of a copy of a capture.
func damage(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	content[len(content)/3] ^= 0x10
	hurt := filepath.Join(t.TempDir(), "hurt.mcap")
	require.NoError(t, os.WriteFile(hurt, content, 0o600))
	return hurt
}

func TestInfo(t *testing.T) {
	out := do(t, "info", record(t, "main"))
	assert.Contains(t, out, "61 batches from 2026-09-21T14:14:00.002Z to 2026-09-21T14:15:00.002Z, 1m0s\n")
	assert.Contains(t, out, "1 times opened\n  1 times closed\n")
	assert.Regexp(t, `(?m)^  main/P +kW +float64 +gauge +61 +0 +2026-09-21T14:14:00Z +2026-09-21T14:15:00Z$`, out)
	assert.Regexp(t, `(?m)^  main/E +Wh +uint64 +counter +61 +1 `, out)
	assert.Contains(t, out, "122 samples: complete, clean")
}

func TestCat(t *testing.T) {
	name := record(t, "main")
	out := do(t, "cat", "-from", "2026-09-21T14:14:30Z", "-to", "2026-09-21T14:14:31Z", name)
	assert.Equal(t, "2026-09-21T14:14:30Z main/P 36 kW good\n2026-09-21T14:14:30Z main/E - bad: communication\n", out)
	assert.Equal(t, 62, strings.Count(do(t, "cat", "-as", "csv", "-point", "main/P", name), "\n"))
	assert.Contains(t, do(t, "cat", "-as", "jsonl", name), `{"event":"closed"`)
	_, err := try(t, "cat", "-as", "xml", name)
	assert.ErrorContains(t, err, `form "xml"`)
}

// What is cut apart and merged again is what it was.
func TestCutAndMerge(t *testing.T) {
	name := record(t, "main")
	dir := t.TempDir()
	a, b, all := filepath.Join(dir, "a.mcap"), filepath.Join(dir, "b.mcap"), filepath.Join(dir, "all.mcap")
	do(t, "cut", "-to", "2026-09-21T14:14:30Z", "-o", a, name)
	do(t, "cut", "-from", "2026-09-21T14:14:30Z", "-o", b, name)
	do(t, "merge", "-o", all, b, a)
	capturetest.Equal(t, name, all)

	_, err := try(t, "cut", "-o", a, name)
	assert.ErrorIs(t, err, os.ErrExist, "nothing is overwritten")
	capturetest.EqualSamples(t, a, a)
}

func TestConvert(t *testing.T) {
	name := record(t, "main")
	dir := t.TempDir()
	for _, form := range []string{".jsonl", ".csv"} {
		text, back := filepath.Join(dir, "text"+form), filepath.Join(dir, "from"+form[1:]+".mcap")
		do(t, "convert", name, text)
		do(t, "convert", text, back)
		capturetest.EqualSamples(t, name, back)
		if form == ".jsonl" {
			capturetest.Equal(t, name, back)
		}
		assert.Contains(t, do(t, "verify", text, back), "clean")
	}
	_, err := try(t, "convert", name, filepath.Join(dir, "x.parquet"))
	assert.ErrorContains(t, err, "end of the name")

	broken := filepath.Join(dir, "broken.csv")
	require.NoError(t, os.WriteFile(broken, []byte("no,headings\n"), 0o600))
	target := filepath.Join(dir, "broken.mcap")
	_, err = try(t, "convert", broken, target)
	assert.ErrorContains(t, err, "line 1")
	assert.NoFileExists(t, target, "half a conversion does not stay")
}

// A recording of a relay becomes a capture; without its data, nothing does.
func TestConvertCOMTRADE(t *testing.T) {
	dir := t.TempDir()
	cfg, target := filepath.Join(dir, "fault.cfg"), filepath.Join(dir, "fault.mcap")
	require.NoError(t, os.WriteFile(cfg, []byte("S,R,1999\n2,1A,1D\n1,IA,A,,A,2,0,0,-1,1,1,1,P\n1,TRIP,,,0\n50\n1\n1000,2\n"+
		"20/11/2026,06:00:00.000000\n20/11/2026,06:00:00.000000\nASCII\n1\n"), 0o600))
	_, err := try(t, "convert", cfg, target)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.NoFileExists(t, target)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fault.dat"), []byte("1,0,5,0\n2,1000,6,1\n"), 0o600))
	do(t, "convert", cfg, target)
	assert.Contains(t, do(t, "cat", target), "2026-11-20T06:00:00.001Z IA 12 A good [source time]\n2026-11-20T06:00:00.001Z TRIP true good")
}

// A damaged capture is said by every command, and what is sound comes through.
func TestDamage(t *testing.T) {
	name := record(t, "main")
	hurt := damage(t, name)
	out, err := try(t, "verify", name, hurt)
	assert.EqualError(t, err, "1 of 2 not whole")
	assert.Contains(t, out, "main.mcap: ")
	assert.Regexp(t, `(?m)^  .*\d+ bytes.*$`, out)

	text := filepath.Join(t.TempDir(), "sound.csv")
	for _, args := range [][]string{{"info", hurt}, {"cat", hurt}, {"convert", hurt, text}, {"meter", "-meter", "power=main/P,demand=1m", hurt}} {
		_, err := try(t, args...)
		assert.Error(t, err, args[0])
	}
	sound, err := os.ReadFile(text)
	require.NoError(t, err)
	lines := bytes.Count(sound, []byte("\n"))
	assert.Greater(t, lines, 80)
	assert.Less(t, lines, 123)

	notes := filepath.Join(t.TempDir(), "notes.mcap")
	require.NoError(t, os.WriteFile(notes, []byte("not a capture"), 0o600))
	_, err = try(t, "verify", notes)
	assert.Error(t, err)
}

// 36 kW for a minute are 0.6 kWh, whichever way they are counted.
func TestMeter(t *testing.T) {
	name := record(t, "main")
	out := do(t, "meter", "-meter", "name=main,power=main/P,import=main/E,rule=trapezoid,demand=1m", name)
	assert.Equal(t, out, do(t, "meter", "-pace", "1000", "-meter", "name=main,power=main/P,import=main/E,rule=trapezoid,demand=1m", name))
	assert.Regexp(t, `^14:14:00-14:15:00 main 0\.600 kWh, .* coverage 100 %\n$`, out)
	for _, wrong := range []string{"power=absent", "demand=soon,power=main/P", "rule=simpson", "colour=red", "power"} {
		_, err := try(t, "meter", "-meter", wrong, name)
		assert.Error(t, err, wrong)
	}
}

// A capture is served, and read by the real drivers from the URL that is printed.
func TestServe(t *testing.T) {
	main, kinds := record(t, "main"), filepath.Join(t.TempDir(), "kinds.mcap")
	c := acquire.NewCatalog()
	w, err := capture.Create(kinds, capture.Config{Catalog: c})
	require.NoError(t, err)
	all := acquire.Batch{Received: 1790000000_000000000}
	text, _ := all.PutText([]byte("RUN"))
	for _, v := range []acquire.Value{acquire.Int64(-7), acquire.Bool(true), acquire.Float64(-0.125), text, acquire.Uint64(1 << 63)} {
		id, err := c.Define(acquire.Point{Name: v.Kind().String(), Kind: v.Kind()})
		require.NoError(t, err)
		all.Append(acquire.Sample{Time: all.Received, Point: id, Value: v, Quality: acquire.Good})
	}
	require.NoError(t, w.Write(&all))
	require.NoError(t, w.Close())

	for _, device := range []struct {
		as, name string
		want     []string
	}{
		{"modbus", main, []string{"main/P 36 kW good", "main/E 1290 Wh good"}},
		{"snmp", main, []string{"main/P 36 kW good", "main/E 1290 Wh good"}},
		{"opcua", main, []string{"main/P 36 kW good [source time]", "main/E 1290 Wh good [source time]"}},
		{"opcua", kinds, []string{
			"int64 -7 good [source time]", "bool true good [source time]", "float64 -0.125 good [source time]",
			`text "RUN" good [source time]`, "uint64 9223372036854775808 good [source time]",
		}},
		{"snmp", kinds, []string{"int64 -7 good", "bool true good", "float64 -0.125 good", `text "RUN" good`, "uint64 9223372036854775808 good"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := make(lineWriter, 8)
		ended := make(chan error, 1)
		go func() {
			ended <- console{out: out, err: out}.run(ctx, []string{"serve", "-as", device.as, "-pace", "0", "-to", "2026-09-21T14:14:30Z", device.name})
		}()
		address := strings.TrimSpace(<-out)
		assert.Contains(t, <-out, "the capture is over")

		registry, err := acquire.NewRegistry(modbus.NewDriver(nil), snmp.NewDriver(nil), opcua.Driver{})
		require.NoError(t, err)
		cat := acquire.NewCatalog()
		source, err := registry.Source(address, cat)
		require.NoError(t, err, address)
		stream, err := source.Open(ctx)
		require.NoError(t, err)
		defer stream.Close()
		var b acquire.Batch
		require.NoError(t, stream.Next(ctx, &b))
		var got []string
		for _, s := range b.Samples {
			line := string(cat.AppendSample(nil, s, &b))
			got = append(got, line[strings.IndexByte(line, ' ')+1:])
		}
		assert.ElementsMatch(t, device.want, got, device.as)
		cancel()
		require.NoError(t, <-ended)
	}
	_, err = try(t, "serve", "-as", "bacnet", main)
	assert.ErrorContains(t, err, "bacnet")
}

// lineWriter hands on what is written, each call as a whole.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// Progress is drawn while work goes on, and wiped.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	bar := console{err: &out, live: true}.progress()
	bar.next = bar.next.Add(-redraw)
	bar.name, bar.share = "plant.mcap", 0.5
	bar.add(2_500_000)
	bar.add(1)
	bar.end()
	assert.Equal(t, "\r\x1b[Kplant.mcap [===============               ]  50 %, 2.5 M samples\r\x1b[K", out.String())
	assert.Nil(t, console{err: &out}.progress())
}

// Each line of the package comment is understood.
func TestDocumentedCommands(t *testing.T) {
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	documented := regexp.MustCompile(`(?m)^//\tgo run \./examples/capture (\w+)`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, documented, len(commands))
	for i, line := range documented {
		assert.Equal(t, commands[i].name, line[1])
	}
	_, err = try(t, "paint")
	assert.ErrorContains(t, err, "capture verify FILE...")
	_, err = try(t)
	assert.ErrorContains(t, err, `no command ""`)
	_, err = try(t, "cut", "-o", "x.mcap")
	assert.ErrorContains(t, err, "0 files do not fit")
}

func TestHelp(t *testing.T) {
	for _, ask := range []string{"help", "-h", "--help"} {
		out := do(t, ask)
		for _, cmd := range commands {
			assert.Contains(t, out, "capture "+cmd.name+" "+cmd.usage)
		}
	}
	_, err := try(t, "cut", "-from", "yesterday", "x.mcap")
	assert.ErrorIs(t, err, errUsage, "said by the flags, and not again")
	_, err = try(t, "cut", record(t, "main"))
	assert.ErrorContains(t, err, "no -o")
}

// A name that is misspelt is no capture of nothing.
func TestUnknownPoint(t *testing.T) {
	name := record(t, "main")
	out := filepath.Join(t.TempDir(), "out.mcap")
	for _, args := range [][]string{
		{"cat", "-point", "main/p", name},
		{"cut", "-point", "main/P", "-point", "main/p", "-o", out, name},
		{"meter", "-point", "main/p", "-meter", "power=main/P", name},
		{"serve", "-point", "main/p", name},
	} {
		_, err := try(t, args...)
		assert.ErrorContains(t, err, `no point "main/p"`, args[0])
	}
	assert.NoFileExists(t, out)
	assert.Contains(t, do(t, "cut", "-from", "2027-01-01T00:00:00Z", "-o", out, name), ": 0 samples, ")
}

// A directory stands for its captures.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	_, err := try(t, "info", dir)
	assert.ErrorContains(t, err, "no captures in it")
	name := record(t, "main")
	for _, cut := range [][]string{{"-to", "2026-09-21T14:14:30Z", "-o", filepath.Join(dir, "a.mcap"), name}, {"-from", "2026-09-21T14:14:30Z", "-o", filepath.Join(dir, "b.mcap"), name}} {
		do(t, append([]string{"cut"}, cut...)...)
	}
	all := filepath.Join(t.TempDir(), "all.mcap")
	do(t, "merge", "-o", all, dir)
	capturetest.Equal(t, name, all)
	assert.Equal(t, 2, strings.Count(do(t, "verify", dir), "complete, clean"))
}

// Relays name their files in capitals.
func TestCapitals(t *testing.T) {
	dir := t.TempDir()
	cfg := "Station,Device,1999\r\n1,1A,0D\r\n1,IA,A,,kA,0.001,0,0,-99999,99999,1,1,P\r\n50\r\n1\r\n1000,2\r\n20/11/2026,06:00:00.000000\r\n20/11/2026,06:00:00.000000\r\nASCII\r\n1\r\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "FAULT.CFG"), []byte(cfg), 0o600))
	for _, data := range []string{"FAULT.DAT", "FAULT.dat"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, data), []byte("1,0,1000\r\n2,1000,2000\r\n\x1a"), 0o600))
		assert.Equal(t, "2026-11-20T06:00:00Z IA 1 kA good [source time]\n2026-11-20T06:00:00.001Z IA 2 kA good [source time]\n", do(t, "cat", filepath.Join(dir, "FAULT.CFG")))
		require.NoError(t, os.Remove(filepath.Join(dir, data)))
	}
	all := "--- file type: CFG ---\r\n" + cfg + "--- file type: DAT ASCII ---\r\n1,0,1000\r\n2,1000,2000\r\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ALL.CFF"), []byte(all), 0o600))
	assert.Equal(t, 2, strings.Count(do(t, "cat", filepath.Join(dir, "ALL.CFF")), " good [source time]\n"))
	_, err := try(t, "cat", filepath.Join(dir, "FAULT.CFG"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "FAULT.DAT")
}
