package wirefault

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire/capture/wire"
)

// Fault is recorded trouble, and what is to become of it.
type Fault struct {
	File  string              // of the recording, in testdata/wire
	Polls int                 // that were recorded
	Judge func(*Run) []string // says what a client has made wrong
	// Naive polls once, without the guard. An error ends the run.
	Naive  func(context.Context, net.Conn) (Reading, error)
	Caught string // what is said of Naive, by Judge or as the first divergence
}

// Client is the one whose trouble it is.
type Client struct {
	Protocol wire.Protocol // of the recording
	// Drive polls with the driver as often as was recorded. Its connections are those of
	// the peer, watched by the run.
	Drive func(*testing.T, *Run, *wire.Peer)
	// Login returns a connection that Naive can poll with. nil: dialled is enough.
	Login func(context.Context, *testing.T, *Run, Dial) net.Conn
}

// Path returns where the recording is, as a test sees it.
func (f Fault) Path() string { return filepath.Join("testdata", "wire", f.File) }

// Record makes the recording of what drive does with connections made by dial.
func (f Fault) Record(t *testing.T, link wire.Link, dial Dial, drive func(*Run, Dial)) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.Path()), 0o777); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := wire.NewRecorder(file, wire.Config{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	drive(NewRun(), recorder.Dial(link, dial))
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if n := recorder.Stats().Dropped; n != 0 {
		t.Errorf("%d packets dropped", n)
	}
}

// Test plays the recording to the driver, of which the judge must say nothing, and to the
// client without the guard, which must be caught.
func (f Fault) Test(t *testing.T, c Client) {
	t.Helper()
	recording, err := wire.Open(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("driver", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f.drive(t, c, wire.NewPeer(c.Protocol, recording.Conversations))
		})
	})
	t.Run("without the guard", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			peer := wire.NewPeer(c.Protocol, recording.Conversations)
			wrong := f.Judge(f.blunder(t, c, peer.Dial))
			if said := fmt.Sprint(wrong, peer.Err()); !strings.Contains(said, f.Caught) {
				t.Errorf("%q does not contain %q", said, f.Caught)
			}
		})
	})
}

func (f Fault) drive(t *testing.T, c Client, peer *wire.Peer) {
	defer func() {
		if err := peer.Err(); err != nil {
			t.Errorf("a driver that says something else needs new recordings, see rerecord: %v", err)
		}
	}()
	r := NewRun()
	c.Drive(t, r, peer)
	for _, wrong := range f.Judge(r) {
		t.Error(wrong)
	}
	played, beyond := peer.Progress()
	if played != r.Sent() || beyond != 0 {
		t.Errorf("of %d requests %d were played, and %d are beyond the end", r.Sent(), played, beyond)
	}
	if n := peer.Left(); n != 0 {
		t.Errorf("%d conversations have not begun", n)
	}
}

// blunder polls with the client that lacks the guard.
func (f Fault) blunder(t *testing.T, c Client, dial Dial) *Run {
	r := NewRun()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var conn net.Conn
	if c.Login != nil {
		conn = c.Login(ctx, t, r, dial)
		r.Restart(r.Sent())
	} else {
		var err error
		if conn, err = r.Watch(dial)(ctx); err != nil {
			t.Fatal(err)
		}
	}
	defer conn.Close()
	defer r.end()
	for i := range f.Polls {
		<-time.After(time.Duration(i)*Interval - time.Since(r.start))
		p, err := f.Naive(ctx, conn)
		if err != nil {
			return r
		}
		r.Add(p)
	}
	return r
}
