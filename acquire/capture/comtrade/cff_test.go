package comtrade_test

import (
	"bytes"
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
)

// readSingle reads a single file as a table of text.
func readSingle(file string) (string, error) {
	catalog := acquire.NewCatalog()
	r, err := comtrade.NewSingleReader(strings.NewReader(file), comtrade.Config{Catalog: catalog})
	if err != nil {
		return "", err
	}
	return table(catalog, r)
}

func table(catalog *acquire.Catalog, r capture.BatchReader) (string, error) {
	var out bytes.Buffer
	w := capture.NewCSVWriter(&out, catalog)
	err := capture.Copy(w, r)
	_ = w.Flush()
	return out.String(), err
}

// single makes a single file of a pair.
func single(cfg string, dat []byte, form string) string {
	section := "DAT ASCII"
	if form != "ASCII" {
		section = "DAT " + form + ": " + strconv.Itoa(len(dat))
	}
	return "--- file type: CFG ---\r\n" + cfg + "--- file type: INF ---\r\n[Public]\r\nx=1\r\n--- file type: HDR ---\r\n" +
		strings.Repeat("words ", 20000) + "\r\n--- file type: " + section + " ---\r\n" + string(dat)
}

// A single file is read as the pair is.
func TestSingleEqualsPair(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, form := range []string{"ASCII", "BINARY", "BINARY32", "FLOAT32"} {
		for range 10 {
			rec := random(rnd, form, rnd.IntN(2) == 0)
			catalog := acquire.NewCatalog()
			r, err := comtrade.NewReader(strings.NewReader(rec.cfg), bytes.NewReader(rec.dat), comtrade.Config{Catalog: catalog})
			require.NoError(t, err)
			want, err := table(catalog, r)
			require.NoError(t, err)
			got, err := readSingle(single(rec.cfg, rec.dat, form))
			require.NoError(t, err)
			require.Equal(t, want, got)
			if form != "ASCII" { // what is behind the stated length is not data
				got, err = readSingle(single(rec.cfg, rec.dat, form) + "\r\n")
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		}
	}
}

func TestSingleFaults(t *testing.T) {
	for file, want := range map[string]string{
		"":                                    "without a section of data",
		"Station,Device,2013\r\n":             "no separator",
		"--- file type: CFG ---\nx,y\n":       "without a section of data",
		"--- file type: DAT ASCII ---\n1,2\n": "without a configuration",
		"--- file type: CFG ---\n--- file type: CFG ---\n":                                      "two configurations",
		"--- file type: CFG ---\nx\n--- file type: DAT ASCII ---\n":                             "cfg line 1",
		"--- file type: CFG ---\n--- file type: DAT BINARY: 1" + "0000000000000000000000 ---\n": "data of",
		"--- file type: CFG ---\n" + strings.Repeat("x\n", 5<<20):                               "too long",
	} {
		_, err := readSingle(file)
		assert.ErrorContains(t, err, want)
	}
}

// odd is a configuration of 2013 with one analog and one status channel.
func odd(most, start, clock string) string {
	return "S,D,2013\n2,1A,1D\n1,IA,A,,A,1,0,0,-99999," + most + ",1,1,P\n1,TRIP,,,0\n50\n0\n0,2\n" +
		start + "\n" + start + "\nASCII\n0.5\n0,0\n" + clock
}

// What is odd and legal is read as it is meant.
func TestOddities(t *testing.T) {
	read := func(cfg, dat string) (*comtrade.Recording, string) {
		catalog := acquire.NewCatalog()
		r, err := comtrade.NewReader(strings.NewReader(cfg), strings.NewReader(dat), comtrade.Config{Catalog: catalog})
		require.NoError(t, err)
		var out strings.Builder
		var b acquire.Batch
		for r.Next(&b) == nil {
			for _, s := range b.Samples {
				out.WriteString(string(catalog.AppendSample(nil, s, &b)) + "\n")
			}
		}
		return r.Recording(), out.String()
	}
	const noon = "20/11/2026,12:00:00.000000"
	rec, got := read(odd("99998", noon, "B,3\n"), "1,0,99999,\n2,10,,1\n")
	assert.Equal(t, "B 3", rec.Clock+" "+rec.Leap)
	assert.Equal(t, "2026-11-20T12:00:00Z IA - bad: sensor [source time]\n2026-11-20T12:00:00Z TRIP - bad: sensor [source time]\n"+
		"2026-11-20T12:00:00.000005Z IA - bad: sensor [source time]\n2026-11-20T12:00:00.000005Z TRIP true good [source time]\n", got,
		"stamps times the multiplier; fields that are empty have no value")
	_, got = read(odd("3.4E38", noon, ""), "1,0,99999,0\n2,10,5,0\n")
	assert.Contains(t, got, "IA 99999 A good", "within the range of a channel of 2013")

	rec, _ = read(odd("1", "31/12/2016,23:59:60.250000", "0,1\n"), "")
	assert.Equal(t, time.Date(2017, 1, 1, 0, 0, 0, 250e6, time.UTC), rec.Start.UTC(), "a leap second")
	rec, got = read(odd("1", "20/11/2026,12:00:00.000000000", ""), "1,0,1,0\n2,10,1,0\n")
	assert.Contains(t, got, "12:00:00.000000005Z", "stamps are in ns where the start is")
	assert.Empty(t, rec.Clock)

	for _, clock := range []string{"G,0\n", "0,4\n", "10,0\n"} {
		_, err := comtrade.NewReader(strings.NewReader(odd("1", noon, clock)), strings.NewReader(""), comtrade.Config{Catalog: acquire.NewCatalog()})
		assert.ErrorContains(t, err, "cfg line 13")
	}
}

// A single file of any content is read to an end.
func FuzzSingle(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, form := range []string{"ASCII", "BINARY"} {
		rec := random(rnd, form, true)
		f.Add(strings.Replace(single(rec.cfg, rec.dat, form), strings.Repeat("words ", 20000), "", 1))
	}
	f.Fuzz(func(t *testing.T, file string) {
		first, err := readSingle(file)
		again, other := readSingle(file)
		require.Equal(t, first, again)
		require.Equal(t, err == nil, other == nil)
	})
}
