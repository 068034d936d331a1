package comtrade_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/comtrade"
	"github.com/fieldtap/fieldtap/units"
)

var _ capture.BatchReader = (*comtrade.Reader)(nil)

// recording is one, made up, with its values as the test knows them.
type recording struct {
	cfg  string
	dat  []byte
	want []string // time, point, value of each sample
}

// random makes a recording in a form, with or without rates. It is the slow twin:
// times come from exact fractions, one record at a time.
func random(rnd *rand.Rand, form string, rated bool) recording {
	analog, status, records := 1+rnd.IntN(5), rnd.IntN(40), 1+rnd.IntN(120)
	var cfg strings.Builder
	fmt.Fprintf(&cfg, "Station,Device,2013\r\n%d,%dA,%dD\r\n", analog+status, analog, status)
	a, b, skew := make([]float64, analog), make([]float64, analog), make([]int, analog)
	for i := range analog {
		a[i], b[i], skew[i] = rnd.NormFloat64(), rnd.NormFloat64(), rnd.IntN(50)
		fmt.Fprintf(&cfg, "%d,I%d,A,,A,%v,%v,%d,-1,1,1,1,S\r\n", i+1, i, a[i], b[i], skew[i])
	}
	for i := range status {
		fmt.Fprintf(&cfg, "%d,S%d,,,0\r\n", i+1, i)
	}
	steps := make([]int64, records) // ns since the start
	cfg.WriteString("50\r\n")
	if rated {
		first := 1 + rnd.IntN(records)
		fmt.Fprintf(&cfg, "2\r\n8000,%d\r\n500,%d\r\n", first, records)
		for i := 1; i < records; i++ {
			step := int64(125_000)
			if i >= first {
				step = 2_000_000
			}
			steps[i] = steps[i-1] + step
		}
	} else {
		fmt.Fprintf(&cfg, "0\r\n0,%d\r\n", records)
		for i := 1; i < records; i++ {
			steps[i] = steps[i-1] + 3000*rnd.Int64N(1000)
		}
	}
	fmt.Fprintf(&cfg, "20/11/2026,06:00:00.000000\r\n20/11/2026,06:00:00.100000\r\n%s\r\n3\r\n+5h30,+5h30\r\n0,3\r\n", form)
	start := time.Date(2026, 11, 20, 0, 30, 0, 0, time.UTC).UnixNano()

	r := recording{cfg: cfg.String()}
	for n := range records {
		stamp := uint32(steps[n] / 3000)
		if rated {
			stamp = math.MaxUint32 // unknown: the rates say it
		}
		line := []string{strconv.Itoa(n + 1), strconv.Itoa(int(stamp))}
		if rated {
			line[1] = ""
		}
		raw := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(n+1)), stamp)
		for i := range analog {
			missing := rnd.IntN(20) == 0
			var x float64
			switch form {
			case "BINARY":
				v := int16(rnd.IntN(65535) - 32767)
				if missing {
					v = math.MinInt16
				}
				raw, x = binary.LittleEndian.AppendUint16(raw, uint16(v)), float64(v)
			case "BINARY32":
				v := int32(rnd.Uint32()) | 1
				if missing {
					v = math.MinInt32
				}
				raw, x = binary.LittleEndian.AppendUint32(raw, uint32(v)), float64(v)
			case "FLOAT32":
				v := float32(rnd.NormFloat64())
				if missing {
					v = float32(math.NaN())
				}
				raw, x = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v)), float64(v)
			default:
				x = float64(rnd.IntN(200000)-100000) / 8
				if missing = missing || x == 99999; missing {
					line = append(line, []string{"", "99999"}[rnd.IntN(2)])
				} else {
					line = append(line, strconv.FormatFloat(x, 'g', -1, 64))
				}
			}
			value := "none"
			if !missing {
				product := a[i] * x
				value = strconv.FormatFloat(product+b[i], 'g', -1, 64)
			}
			r.want = append(r.want, fmt.Sprint(start+steps[n]+int64(skew[i])*1000, " I", i, " ", value))
		}
		words := make([]uint16, (status+15)/16)
		for i := range status {
			on := rnd.IntN(2)
			words[i/16] |= uint16(on) << (i % 16)
			line = append(line, strconv.Itoa(on))
			r.want = append(r.want, fmt.Sprint(start+steps[n], " S", i, " ", on == 1))
		}
		for _, w := range words {
			raw = binary.LittleEndian.AppendUint16(raw, w)
		}
		if form == "ASCII" {
			raw = []byte(strings.Join(line, ",") + "\r\n")
		}
		r.dat = append(r.dat, raw...)
	}
	return r
}

// read returns the samples as recording has them.
func read(cfg string, dat []byte) (got []string, err error) {
	catalog := acquire.NewCatalog()
	r, err := comtrade.NewReader(strings.NewReader(cfg), bytes.NewReader(dat), comtrade.Config{Catalog: catalog})
	if err != nil {
		return nil, err
	}
	var b acquire.Batch
	for {
		if err := r.Next(&b); err != nil {
			if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return got, err
		}
		for _, s := range b.Samples {
			p, _ := catalog.Point(s.Point)
			value := "none"
			if f, ok := s.Value.Float64(); ok {
				value = strconv.FormatFloat(f, 'g', -1, 64)
			} else if on, ok := s.Value.Bool(); ok {
				value = strconv.FormatBool(on)
			} else if s.Quality.IsGood() {
				value = "good without a value"
			}
			got = append(got, fmt.Sprint(int64(s.Time), " ", p.Name, " ", value))
		}
	}
}

func TestReaderEqualsTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		for _, form := range []string{"ASCII", "BINARY", "BINARY32", "FLOAT32"} {
			for _, rated := range []bool{true, false} {
				r := random(rnd, form, rated)
				got, err := read(r.cfg, r.dat)
				require.NoError(t, err, r.cfg)
				require.Equal(t, r.want, got, "%s\n%s", r.cfg, form)

				// A file that is cut gives what it holds, and says that it is cut.
				cut := rnd.IntN(len(r.dat) - 2)
				got, err = read(r.cfg, r.dat[:cut])
				if form != "ASCII" || cut == 0 { // a line may be cut within its last number
					require.Error(t, err)
					require.Equal(t, fmt.Sprint(r.want[:len(got)]), fmt.Sprint(got))
				}
				// More than there should be is said too.
				_, err = read(r.cfg, append(r.dat, r.dat...))
				require.ErrorContains(t, err, "more than the configuration says")
			}
		}
	}
}

const sample = `Substation,Relay,1999
2,1A,1D
1,IA,A,Feeder,kA,2,1,0,-32767,32767,600,5,p
1,TRIP,,,0
60
1
1000,2
20/11/2026,06:00:00.000000
20/11/2026,06:00:00.001000
ASCII
1
`

func TestConfiguration(t *testing.T) {
	catalog := acquire.NewCatalog()
	r, err := comtrade.NewReader(strings.NewReader(sample), strings.NewReader(""), comtrade.Config{Catalog: catalog, Prefix: "r/", Zone: time.FixedZone("", 3600)})
	require.NoError(t, err)
	rec := r.Recording()
	assert.Equal(t, "Substation Relay 1999 60 ASCII 2", fmt.Sprint(rec.Station, " ", rec.Device, " ", rec.Revision, " ", rec.Line, " ", rec.Form, " ", rec.Records))
	assert.Equal(t, "2026-11-20T05:00:00Z", rec.Start.UTC().Format(time.RFC3339))
	assert.Equal(t, "600 5 P", fmt.Sprintf("%v %v %c", rec.Analog[0].Primary, rec.Analog[0].Secondary, rec.Analog[0].Side))
	p, _ := catalog.Point(r.Points()[0])
	assert.Equal(t, acquire.Point{Name: "r/IA", Unit: units.Kiloampere, Kind: acquire.KindFloat64}, p)
	var b acquire.Batch
	assert.ErrorContains(t, r.Next(&b), "0 records of 2")

	old := "Station,1\n2,2A,0D\n1,V,A,,V,1,0,0,-1,1\n2,V,B,,widgets,1,0,0,-1,1\n60\n1\n1000,1\n11/20/98,06:00:00.5\n11/20/98,06:00:00.5\nBINARY\n"
	r, err = comtrade.NewReader(strings.NewReader(old), strings.NewReader(""), comtrade.Config{Catalog: catalog})
	require.NoError(t, err, "the revision of 1991 has no year, no ratings, no multiplier")
	assert.Equal(t, "1998-11-20T06:00:00.5Z", r.Recording().Start.Format(time.RFC3339Nano))
	second, _ := catalog.Point(r.Points()[1])
	assert.Equal(t, acquire.Point{Name: "V #A2", Kind: acquire.KindFloat64}, second, "a unit is not guessed")
}

// Every fault is an error that names its line, and no value.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"2,1A,1D", "3,1A,1D", "cfg line 2"},
		{"2,1A,1D", "2,1D,1A", "cfg line 2"},
		{"2,1A,1D", "99999999,99999998A,1D", "cfg line 2"},
		{",kA,2,", ",kA,two,", "cfg line 3"},
		{",kA,2,", ",kA,NaN,", "cfg line 3"},
		{"600,5,p", "600,5,x", "cfg line 3"},
		{"\n1\n1000,2", "\n-1\n1000,2", "cfg line 6"},
		{"1000,2", "-5,2", "cfg line 7"},
		{"20/11/2026,06:00:00.000000", "31/02/2026,06:00:00", "no date"},
		{"ASCII", "EBCDIC", "cfg line 10"},
		{"ASCII\n1", "ASCII\n-1", "cfg line 11"},
		{"ASCII\n1\n", "ASCII\n1\nnoon\n", "cfg line 12"},
		{"Relay", strings.Repeat("x", 5000), "cfg line 1"},
		{"TRIP", strings.Repeat("x", 300), "comtrade:"},
	} {
		_, err := read(strings.Replace(sample, c.old, c.new, 1), nil)
		assert.ErrorContains(t, err, c.want, c.new)
	}
	for dat, want := range map[string]string{
		"1,0,5,0\n2,0,5":                         "record 2: 0 states",
		"1,0,5,0\n2,0,x,1\n":                     "record 2: value",
		"1,0,5,0\n2,0,5,2\n":                     "record 2: state",
		"1,0,5,0\n2,0,5,1,7\n":                   "record 2: more fields",
		"1,0,5,0\n2,soon,5,1\n":                  "record 2: time",
		"1,0,5,0\n":                              "record 2: unexpected EOF: 1 records of 2",
		"1,0,5,0\n2,0,5,0\n3,0,5":                "record 3: more than",
		"1,0,5,0\n" + strings.Repeat("5", 1<<17): "record 2: line too long",
	} {
		got, err := read(sample, []byte(dat))
		assert.ErrorContains(t, err, want)
		assert.NotEmpty(t, got, "what is before comes through")
	}
	_, err := comtrade.NewReader(strings.NewReader(sample), nil, comtrade.Config{})
	assert.ErrorContains(t, err, "no Catalog")
}

func TestReadAllocs(t *testing.T) {
	for _, form := range []string{"ASCII", "BINARY", "BINARY32", "FLOAT32"} {
		r := random(rand.New(rand.NewPCG(3, 4)), form, form == "ASCII")
		require.Greater(t, len(r.want), 100)
		b := acquire.Batch{Samples: make([]acquire.Sample, 0, 1<<16)}
		const runs = 2
		var readers []*comtrade.Reader
		for range runs + 1 {
			reader, err := comtrade.NewReader(strings.NewReader(r.cfg), bytes.NewReader(r.dat), comtrade.Config{Catalog: acquire.NewCatalog()})
			require.NoError(t, err)
			readers = append(readers, reader)
		}
		n := 0
		allocs := testing.AllocsPerRun(runs, func() {
			for readers[n].Next(&b) == nil {
				continue
			}
			n++
		})
		assert.Zero(t, allocs, form)
	}
}

func FuzzReader(f *testing.F) {
	rnd := rand.New(rand.NewPCG(5, 6))
	f.Add(sample, []byte("1,0,5,0\n2,1000,,1\n"))
	for _, form := range []string{"ASCII", "BINARY", "BINARY32", "FLOAT32"} {
		r := random(rnd, form, form == "ASCII")
		f.Add(r.cfg, r.dat)
	}
	f.Fuzz(func(t *testing.T, cfg string, dat []byte) {
		got, err := read(cfg, dat)
		again, same := read(cfg, dat)
		require.Equal(t, got, again)
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(same))
	})
}

func BenchmarkRead(b *testing.B) {
	r := random(rand.New(rand.NewPCG(7, 8)), "BINARY", true)
	var batch acquire.Batch
	samples := 0
	for b.Loop() {
		reader, err := comtrade.NewReader(strings.NewReader(r.cfg), bytes.NewReader(r.dat), comtrade.Config{Catalog: acquire.NewCatalog()})
		require.NoError(b, err)
		for reader.Next(&batch) == nil {
			samples += len(batch.Samples)
		}
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}
