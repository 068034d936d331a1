package interop_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// With sixteen requests under way at once each answer goes to its own, be they in
// another order, as jsmodbus has them, or missing, as where libmodbus drops what
// waits while it refuses a request. What is refused costs nothing else a value.
func TestWindowGivesEachRequestItsAnswer(t *testing.T) {
	const (
		unit   = 1
		blocks = 60
		before = 20 // of them, the one that is refused
		step   = 10
		polls  = 5
	)
	var content image
	var points []modbus.Point
	for i := range blocks {
		at := modbus.Holding(uint16(i * step))
		if i >= before {
			at = modbus.Input(uint16(i * step))
		}
		content = append(content, run{unit, at, []uint16{uint16(1000 + i)}})
		points = append(points, modbus.Point{Name: fmt.Sprint(i), At: at, Type: modbus.Uint16})
	}
	absent := modbus.Point{Name: "absent", At: modbus.Holding(5000), Type: modbus.Uint16}
	points = append(points, absent)
	refused := acquire.Bad.Because(acquire.Configuration).WithNative(uint16(modbus.IllegalDataAddress))
	// A register that jsmodbus does not have is missing in its answer, which is none
	// for that.
	missing := acquire.Bad.Because(acquire.Protocol)

	for _, tt := range []struct {
		implementation
		over   transport
		absent acquire.Quality
		loses  bool // requests
	}{
		{libmodbus, overTCP, refused, false},
		{libmodbus, tcpFlushing, refused, true},
		{pymodbus, overTCP, refused, false},
		{pymodbus, overUDP, refused, false},
		{modbusSerial, overTCP, refused, false},
		{jsmodbus, overTCP, missing, false},
	} {
		t.Run(tt.over.name+" "+tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cfg := tt.startOver(t, tt.over, content).config(unit, points)
			cfg.Window, cfg.MaxGap, cfg.Interval = modbus.MaxWindow, -1, -1
			if tt.loses {
				cfg.Timeout = 500 * time.Millisecond
			}
			answers, reversed, latest := 0, 0, uint16(0)
			cfg.Trace.Received = func(frame []byte) {
				id := binary.BigEndian.Uint16(frame)
				if answers++; answers > 1 && int16(id-latest) < 0 {
					reversed++
				}
				latest = id
			}
			src := newSource(t, cfg)
			stream, err := src.Open(ctx)
			require.NoError(t, err)
			defer stream.Close()
			var batch acquire.Batch
			whole := 0 // polls with all there is
			for whole < polls {
				require.NoError(t, stream.Next(ctx, &batch))
				good := 0
				for i, id := range src.Points() {
					for _, s := range batch.Samples {
						switch {
						case s.Point != id:
						case points[i].At == absent.At:
							require.True(t, s.Value.IsNone())
							if !tt.loses {
								require.Equal(t, tt.absent, s.Quality)
							}
						case s.Quality.IsGood():
							require.Equal(t, acquire.Uint64(1000+uint64(points[i].At.Offset())/step), s.Value)
							good++
						default:
							require.True(t, tt.loses, "%s is %s", points[i].Name, s.Quality)
							require.True(t, s.Value.IsNone())
						}
					}
				}
				if good == blocks {
					whole++
				}
			}
			st := src.Stats()
			if tt.name == jsmodbus.name {
				assert.NotZero(t, reversed, "answers in another order")
			}
			assert.Equal(t, tt.loses, st.Timeouts > 0, "%d timeouts", st.Timeouts)
			if tt.over.udp {
				assert.Equal(t, 1, src.seen.most, "requests in one datagram")
			} else {
				assert.Equal(t, modbus.MaxWindow, src.seen.most, "requests in one write")
			}
			t.Logf("%d polls of %d blocks: %d requests, up to %d in one write, %d refused, %d without an answer, %d answers in another order",
				st.Batches, len(src.Plan()), st.Requests, src.seen.most, st.Exceptions, st.Timeouts, reversed)
		})
	}
}
