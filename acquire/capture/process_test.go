package capture_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// victim names the file that a process started by TestKillProcess records to.
const (
	victim      = "FIELDTAP_CAPTURE_VICTIM"
	victimQueue = "FIELDTAP_CAPTURE_VICTIM_QUEUE" // its Config.Queue
)

func TestMain(m *testing.M) {
	if name := os.Getenv(victim); name != "" {
		queue, _ := strconv.Atoi(os.Getenv(victimQueue))
		if err := recordForever(name, queue); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// recordForever records numbers, one after the other, and prints what is
// acknowledged.
func recordForever(name string, queue int) error {
	catalog := acquire.NewCatalog()
	id, err := catalog.Define(acquire.Point{Name: "n", Kind: acquire.KindUint64})
	if err != nil {
		return err
	}
	w, err := capture.Create(name, capture.Config{Catalog: catalog, MaxSamples: 50, Queue: queue})
	if err != nil {
		return err
	}
	var b acquire.Batch
	for i := uint64(0); ; i++ {
		b.Reset()
		b.Received = acquire.Instant(1790000000_000000000 + i)
		b.Append(acquire.Sample{Time: b.Received, Point: id, Value: acquire.Uint64(i), Quality: acquire.Good})
		if err := w.Write(&b); err != nil {
			return err
		}
		if i%7 == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
			fmt.Println(w.Stats().WrittenSamples)
		}
	}
}

var kills = flag.Int("kills", 20, "processes that TestKillProcess kills")

// A process that is killed has lost nothing that was acknowledged. It records blocks as
// fast as it can, by itself in even rounds and through a queue in odd ones.
func TestKillProcess(t *testing.T) {
	r := rand.New(rand.NewPCG(9, uint64(*kills)))
	var samples, beyond uint64
	for round := range *kills {
		name := filepath.Join(t.TempDir(), "x.mcap")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victim+"="+name, victimQueue+"="+strconv.Itoa(round%2*4))
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		acknowledged := uint64(0)
		for range 1 + r.IntN(300) { // and it goes on writing while it is killed
			require.True(t, lines.Scan(), "the process ended by itself")
			acknowledged, err = strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 64)
			require.NoError(t, err)
		}
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())

		c, err := capture.Open(name, capture.ReaderConfig{})
		require.NoError(t, err)
		var b acquire.Batch
		n := uint64(0)
		for c.Next(&b) == nil {
			for _, s := range b.Samples {
				v, _ := s.Value.Uint64()
				require.Equal(t, n, v)
				n++
			}
		}
		require.GreaterOrEqual(t, n, acknowledged, "round %d: %s", round, c.Report())
		require.False(t, c.Report().Complete)
		require.LessOrEqual(t, len(c.Report().Damage), 1, "a block at the end may be torn")
		require.NoError(t, c.Close())
		samples, beyond = samples+acknowledged, beyond+n-acknowledged
	}
	t.Logf("%d processes killed: %d samples acknowledged and read, %d more read, none lost", *kills, samples, beyond)
}
