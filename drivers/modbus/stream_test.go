package modbus_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// labelled is a device whose every register holds its own address, so that a
// value taken from the wrong place shows.
type labelled struct{ holes map[uint16]bool }

func (labelled) ReadBits(t modbustest.Table, addr uint16, dst []bool) modbustest.Exception {
	for i := range dst {
		dst[i] = (int(addr)+i)%3 == 0
	}
	return 0
}

func (d labelled) ReadRegisters(t modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	for i := range dst {
		if d.holes[addr+uint16(i)] {
			return modbustest.IllegalDataAddress
		}
		dst[i] = addr + uint16(i)
	}
	return 0
}

// rig is a source on a simulated device, joined by in-memory pipes.
type rig struct {
	t       *testing.T
	server  *modbustest.Server
	source  *modbus.Source
	catalog *acquire.Catalog
	address map[acquire.PointID]uint16 // the value each point must have
}

// newRig reads one register each at the addresses, holding registers of unit 1.
func newRig(t *testing.T, cfg modbus.Config, device modbustest.Device, addresses ...uint16) *rig {
	server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: device}})
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	r := &rig{t: t, server: server, catalog: acquire.NewCatalog(), address: map[acquire.PointID]uint16{}}
	if cfg.Retries == 0 {
		cfg.Retries = -1 // one request, one answer
	}
	cfg.Name, cfg.Unit, cfg.Catalog = "meter", 1, r.catalog
	for _, a := range addresses {
		cfg.Points = append(cfg.Points, modbus.Point{Name: fmt.Sprint(a), At: modbus.Holding(a), Type: modbus.Uint16})
	}
	if cfg.Dial == nil {
		cfg.Dial = func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go server.ServeConn(far)
			return near, nil
		}
	}
	r.source, err = modbus.NewSource(cfg)
	require.NoError(t, err)
	for i, id := range r.source.Points() {
		r.address[id] = addresses[i]
	}
	return r
}

func (r *rig) open() acquire.Stream {
	r.t.Helper()
	s, err := r.source.Open(r.t.Context())
	require.NoError(r.t, err)
	r.t.Cleanup(func() { assert.NoError(r.t, s.Close()) })
	return s
}

// check asserts that no good sample carries a value other than its own, and
// returns how many are good, and the reasons of those that are not.
func (r *rig) check(b *acquire.Batch) (good int, reasons []acquire.Reason) {
	r.t.Helper()
	require.Len(r.t, b.Samples, len(r.address), "one sample per point and poll")
	for _, s := range b.Samples {
		if !s.Quality.IsGood() {
			assert.True(r.t, s.Value.IsNone(), "a bad sample has no value")
			reasons = append(reasons, s.Quality.Reason())
			continue
		}
		good++
		assert.Equal(r.t, acquire.Uint64(uint64(r.address[s.Point])), s.Value, "point %d carries another's value", s.Point)
	}
	return good, reasons
}

// TestOneFaultNeverMixesValues has the device misbehave once, in the middle of
// many polls of two blocks, and asserts that polling goes on and that not one
// value lands on another point.
func TestOneFaultNeverMixesValues(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  modbustest.Fault
		reason acquire.Reason // of the one reading lost; Unspecified if none is
		late   uint64
		breaks bool // the link is given up and made anew
	}{
		{"dropped", modbustest.Drop(), acquire.Communication, 0, false},
		{"late", modbustest.Late(700 * time.Millisecond), acquire.Communication, 1, false},
		{"late by many polls", modbustest.Late(4200 * time.Millisecond), acquire.Communication, 1, false},
		{"slow", modbustest.Delay(400 * time.Millisecond), acquire.Unspecified, 0, false},
		{"twice", modbustest.Twice(), acquire.Unspecified, 1, false},
		{"wrong transaction", modbustest.WrongTransaction(), acquire.Communication, 1, false},
		{"wrong unit", modbustest.WrongUnit(), acquire.Protocol, 0, false},
		{"wrong function", modbustest.WrongFunction(), acquire.Protocol, 0, false},
		{"short", modbustest.Short(), acquire.Protocol, 0, false},
		{"long", modbustest.Long(), acquire.Protocol, 0, false},
		{"byte count", modbustest.BadByteCount(), acquire.Protocol, 0, false},
		{"exception busy", modbustest.WithException(modbustest.ServerDeviceBusy), acquire.Busy, 0, false},
		{"exception failure", modbustest.WithException(modbustest.ServerDeviceFailure), acquire.Device, 0, false},
		{"exception path", modbustest.WithException(modbustest.GatewayTargetFailed), acquire.Communication, 0, false},
		{"torn", modbustest.Torn([]int{1, 3, 6}, 50*time.Millisecond), acquire.Unspecified, 0, false},
		{"drip", modbustest.Drip(10 * time.Millisecond), acquire.Unspecified, 0, false},
		{"drip too slow", modbustest.Drip(100 * time.Millisecond), acquire.Communication, 0, true},
		{"lying length", modbustest.LyingLength(), acquire.Communication, 0, true},
		{"huge length", modbustest.HugeLength(), acquire.Protocol, 0, true},
		{"wrong protocol", modbustest.WrongProtocol(), acquire.Protocol, 0, true},
		{"garbage", modbustest.Garbage(), acquire.Protocol, 0, true},
		{"closing", modbustest.Chain(modbustest.Drop(), modbustest.Closing()), acquire.Communication, 0, true},
		{"cut", modbustest.Cut(5), acquire.Communication, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, modbus.Config{Timeout: 500 * time.Millisecond, MaxGap: -1}, labelled{}, 10, 11, 500, 501)
				r.server.SetFault(modbustest.Nth(9, c.fault)) // first block of the fifth poll
				stream, err := acquire.Reconnect(r.source, acquire.Backoff{}).Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				var (
					b       acquire.Batch
					reasons []acquire.Reason
				)
				for good := 0; good < 4*20; {
					require.NoError(t, stream.Next(t.Context(), &b))
					if len(b.Samples) == 0 {
						continue
					}
					n, bad := r.check(&b)
					good += n
					reasons = append(reasons, bad...)
				}
				stats := r.source.Stats()
				assert.Equal(t, c.late, stats.Late, "late answers")
				assert.Equal(t, c.breaks, stats.Connects > 1, "connections: %d", stats.Connects)
				if c.reason == acquire.Unspecified {
					assert.Empty(t, reasons)
				} else {
					assert.NotEmpty(t, reasons)
					assert.LessOrEqual(t, len(reasons), 8, "at most the reading lost and the loss of the link")
					assert.Equal(t, c.reason, reasons[0])
				}
				assert.Zero(t, r.server.Stats().Writes)
			})
		})
	}
}

// TestLateForEver has every answer come after its deadline: nothing but bad
// samples, the link stays, and each late answer is counted.
func TestLateForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Timeout: 300 * time.Millisecond}, labelled{}, 10, 11)
		r.server.SetFault(modbustest.Late(450 * time.Millisecond))
		s := r.open()
		var b acquire.Batch
		for range 50 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, reasons := r.check(&b)
			assert.Zero(t, good)
			assert.Equal(t, []acquire.Reason{acquire.Communication, acquire.Communication}, reasons)
		}
		stats := r.source.Stats()
		assert.EqualValues(t, 50, stats.Timeouts)
		assert.EqualValues(t, 49, stats.Late)
		r.server.SetFault(nil)
		require.NoError(t, s.Next(t.Context(), &b))
		good, _ := r.check(&b)
		assert.Equal(t, 2, good)
	})
}

// TestOneLateAnswerAmongThousands is the failure that keeps goburrow's own
// transport one answer behind for ever.
func TestOneLateAnswerAmongThousands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Interval: 10 * time.Millisecond, Timeout: 5 * time.Millisecond, MaxGap: -1}, labelled{}, 10, 500)
		r.server.SetFault(modbustest.Every(7, modbustest.Late(8*time.Millisecond)))
		s := r.open()
		var b acquire.Batch
		good := 0
		for range 5000 {
			require.NoError(t, s.Next(t.Context(), &b))
			n, _ := r.check(&b)
			good += n
		}
		stats := r.source.Stats()
		assert.InDelta(t, stats.Requests*6/7, good, 2)
		assert.EqualValues(t, stats.Requests-stats.Timeouts, good, "an answer is lost, the rest of that poll at most is given up")
		assert.Greater(t, good, 10000*7/10)
		assert.InDelta(t, stats.Timeouts, stats.Late, 1)
		assert.EqualValues(t, 1, stats.Connects)
	})
}

func TestSilenceEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{}, labelled{}, 1)
		s := r.open()
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		r.server.SetFault(modbustest.Drop())
		for range modbus.DefaultMaxTimeouts - 1 {
			require.NoError(t, s.Next(t.Context(), &b))
			_, reasons := r.check(&b)
			assert.Equal(t, []acquire.Reason{acquire.Communication}, reasons)
		}
		err := s.Next(t.Context(), &b)
		require.ErrorIs(t, err, modbus.ErrTimeout)
		assert.Equal(t, "meter: read: no answer in time", err.Error())
		assert.Equal(t, acquire.Bad.Because(acquire.Communication), acquire.QualityOf(err))
		assert.Empty(t, b.Samples)
		r.server.SetFault(nil)
		assert.Equal(t, err, s.Next(t.Context(), &b), "an error is final")
		assert.Equal(t, acquire.Ended, r.source.Stats().Link)
	})
}

// TestSilentDeviceCostsOnePoll has five blocks and a device that is silent:
// every point is said to be bad within one interval and one timeout.
func TestSilentDeviceCostsOnePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{MaxGap: -1, MaxTimeouts: 100}, labelled{}, 10, 20, 30, 40, 50)
		r.server.SetFault(modbustest.Drop())
		s := r.open()
		var b acquire.Batch
		start := time.Now()
		asked := map[uint16]bool{}
		for range 5 {
			require.NoError(t, s.Next(t.Context(), &b))
			r.check(&b)
			asked[r.address[b.Samples[0].Point]] = true
		}
		assert.LessOrEqual(t, time.Since(start), 5*(modbus.DefaultInterval+modbus.DefaultTimeout))
		assert.Len(t, asked, 5, "each block gets its turn to be asked first")
	})
}

// TestDyingInMidPollCostsOneTimeout has a device fall silent after the first of
// five blocks, with polls that follow each other without a pause.
func TestDyingInMidPollCostsOneTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{MaxGap: -1, Interval: -1, MaxTimeouts: 100}, labelled{}, 10, 20, 30, 40, 50)
		r.server.SetFault(modbustest.From(2, modbustest.Drop()))
		s := r.open()
		start := time.Now()
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		good, _ := r.check(&b)
		assert.Equal(t, 1, good)
		assert.Equal(t, modbus.DefaultTimeout, time.Since(start))
	})
}

func TestLongestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Interval: math.MaxInt64}, labelled{}, 10)
		s := r.open()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var b acquire.Batch
		require.NoError(t, s.Next(ctx, &b))
		require.ErrorIs(t, s.Next(ctx, &b), context.DeadlineExceeded)
		assert.Zero(t, r.source.Stats().Skipped)
	})
}

// planOf prints the plan of a source.
func planOf(src *modbus.Source) (lines []string) {
	for _, b := range src.Plan() {
		lines = append(lines, b.String())
	}
	return lines
}

// A refused block is divided in the same poll, so that no value is missing. What
// is refused twice in a row is learnt.
func TestRefusedGapIsLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := labelled{holes: map[uint16]bool{12: true, 25: true}}
		r := newRig(t, modbus.Config{}, device, 10, 11, 13, 20, 30)
		whole := []string{"holding 10, length 21, points 5"}
		assert.Equal(t, whole, planOf(r.source))
		s := r.open()
		var b acquire.Batch
		for i := range 4 {
			if i < 2 {
				assert.Equal(t, whole, planOf(r.source))
			}
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			assert.Equal(t, 5, good)
		}
		learnt := []string{"holding 10, length 2, points 2", "holding 13, length 8, points 2", "holding 30, length 1, points 1"}
		assert.Equal(t, learnt, planOf(r.source))
		limits := r.source.Limits()
		assert.Equal(t, []modbus.Range{{At: modbus.Holding(12), Count: 1}, {At: modbus.Holding(21), Count: 9}}, limits.Holes)
		before := r.server.Stats().Requests
		second := r.open()
		require.NoError(t, second.Next(t.Context(), &b))
		assert.EqualValues(t, 3, r.server.Stats().Requests-before, "a later stream knows")
		require.NoError(t, s.Next(t.Context(), &b))
		assert.EqualValues(t, 6, r.server.Stats().Requests-before, "so does this one")

		text, err := json.Marshal(limits)
		require.NoError(t, err)
		var kept modbus.Limits
		require.NoError(t, json.Unmarshal(text, &kept))
		heir := newRig(t, modbus.Config{Holes: kept.Holes, MaxRegisters: kept.MaxRegisters, MaxBits: kept.MaxBits}, device, 10, 11, 13, 20, 30)
		assert.Equal(t, learnt, planOf(heir.source))
	})
}

// What was learnt is put to the test again after an hour.
func TestLessonsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := labelled{holes: map[uint16]bool{15: true}}
		r := newRig(t, modbus.Config{Interval: time.Minute}, device, 10, 20)
		s := r.open()
		var b acquire.Batch
		for range 2 {
			require.NoError(t, s.Next(t.Context(), &b))
		}
		assert.Len(t, planOf(r.source), 2)
		delete(device.holes, 15)
		for range 61 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			require.Equal(t, 2, good)
		}
		assert.Equal(t, []string{"holding 10, length 11, points 2"}, planOf(r.source))
	})
}

// A refusal that passes teaches nothing.
func TestPassingRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{}, labelled{}, 10, 20)
		s := r.open()
		var b acquire.Batch
		for range 3 {
			r.server.SetFault(modbustest.Once(modbustest.WithException(modbustest.IllegalDataAddress)))
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			require.Equal(t, 2, good)
			require.NoError(t, s.Next(t.Context(), &b))
		}
		assert.Equal(t, []string{"holding 10, length 11, points 2"}, planOf(r.source))
	})
}

// One absent register among many costs the others nothing.
func TestAbsentRegisterAmongNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var addresses []uint16
		for a := range uint16(100) {
			addresses = append(addresses, 100+a)
		}
		r := newRig(t, modbus.Config{}, labelled{holes: map[uint16]bool{137: true}}, addresses...)
		s := r.open()
		var b acquire.Batch
		for range 3 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, reasons := r.check(&b)
			assert.Equal(t, 99, good)
			assert.Equal(t, []acquire.Reason{acquire.Configuration}, reasons)
		}
		assert.Equal(t, []string{"holding 100, length 37, points 37", "holding 137, length 1, points 1", "holding 138, length 62, points 62"}, planOf(r.source))
		before := r.server.Stats().Requests
		require.NoError(t, s.Next(t.Context(), &b))
		assert.EqualValues(t, 3, r.server.Stats().Requests-before)
	})
}

// short is a device that gives at most so many registers at once.
type short struct {
	labelled
	most int
}

func (d short) ReadRegisters(t modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	if len(dst) > d.most {
		return modbustest.IllegalDataValue
	}
	return d.labelled.ReadRegisters(t, addr, dst)
}

func TestLengthIsLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var addresses []uint16
		for a := range uint16(120) {
			addresses = append(addresses, a)
		}
		r := newRig(t, modbus.Config{}, short{most: 40}, addresses...)
		s := r.open()
		var b acquire.Batch
		for range 4 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			require.Equal(t, 120, good)
		}
		assert.Equal(t, 30, r.source.Limits().MaxRegisters)
		assert.Len(t, planOf(r.source), 4)
	})
}

// Points may be read less often than others, and skipped polls count for what they
// would have brought.
func TestIntervalsOfPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{}}})
		require.NoError(t, err)
		defer server.Close()
		src, err := modbus.NewSource(modbus.Config{Unit: 1, Dial: pipe(server), Catalog: acquire.NewCatalog(), Points: []modbus.Point{
			{Name: "fast", At: modbus.Holding(1), Type: modbus.Uint16},
			{Name: "slow", At: modbus.Holding(2), Type: modbus.Uint16, Interval: 3 * time.Second},
		}})
		require.NoError(t, err)
		assert.Equal(t, []string{"holding 1, length 1, points 1", "holding 2, length 1, points 1, every 3 polls"}, planOf(src))
		s, err := src.Open(t.Context())
		require.NoError(t, err)
		defer s.Close()
		var b acquire.Batch
		var counts []int
		for range 7 {
			require.NoError(t, s.Next(t.Context(), &b))
			counts = append(counts, len(b.Samples))
		}
		assert.Equal(t, []int{2, 1, 1, 2, 1, 1, 2}, counts)
		time.Sleep(7500 * time.Millisecond) // polls 7 to 13, of which 9 and 12 have both; 13 is on time
		require.NoError(t, s.Next(t.Context(), &b))
		assert.EqualValues(t, 6+2, b.Lost)
	})
}

func TestAbsentRegisterIsAConfigurationFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{MaxGap: -1}, labelled{holes: map[uint16]bool{12: true}}, 10, 12)
		s := r.open()
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		assert.True(t, b.Samples[0].Quality.IsGood())
		assert.Equal(t, "bad: configuration (code 2)", b.Samples[1].Quality.String())
		assert.EqualValues(t, modbus.IllegalDataAddress, b.Samples[1].Quality.Native())
	})
}

func TestTimeIsTheMidpointOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{MaxGap: -1}, labelled{}, 10, 20)
		r.server.SetFault(modbustest.Delay(100 * time.Millisecond))
		s := r.open()
		start := time.Now()
		var b acquire.Batch
		for poll := range 5 {
			require.NoError(t, s.Next(t.Context(), &b))
			due := start.Add(time.Duration(poll) * time.Second)
			assert.Equal(t, acquire.At(due.Add(50*time.Millisecond)), b.Samples[0].Time)
			assert.Equal(t, acquire.At(due.Add(150*time.Millisecond)), b.Samples[1].Time, "of that request, not of the poll")
			assert.Equal(t, acquire.At(due.Add(200*time.Millisecond)), b.Received)
			assert.Equal(t, b.Received, b.Watermark)
			assert.Equal(t, r.source.Points(), b.Points)
			assert.False(t, b.Samples[0].Quality.Has(acquire.SourceTime))
		}
	})
}

func TestClockBackwardsIsFlagged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset time.Duration
		r := newRig(t, modbus.Config{Now: func() time.Time { return time.Now().Add(offset) }}, labelled{}, 10)
		s := r.open()
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		watermark := b.Watermark
		offset = -time.Hour
		require.NoError(t, s.Next(t.Context(), &b))
		assert.True(t, b.Samples[0].Quality.Has(acquire.TimeBackwards))
		assert.True(t, b.Samples[0].Quality.IsGood(), "the value is right")
		assert.Equal(t, watermark, b.Watermark, "a promise is kept")
		assert.EqualValues(t, 1, r.source.Stats().TimeFaults)
	})
}

func TestSlowConsumerSkipsPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{}, labelled{}, 10, 11)
		s := r.open()
		start := time.Now()
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		assert.Zero(t, b.Lost)
		time.Sleep(3500 * time.Millisecond)
		require.NoError(t, s.Next(t.Context(), &b))
		assert.EqualValues(t, 4, b.Lost, "two polls of two points")
		assert.EqualValues(t, 2, r.source.Stats().Skipped)
		require.NoError(t, s.Next(t.Context(), &b))
		assert.Equal(t, 4*time.Second, time.Since(start), "back on the grid")
		assert.Zero(t, b.Lost)
	})
}

func TestCancel(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault modbustest.Fault
		after time.Duration
	}{
		{"between polls", nil, 1500 * time.Millisecond},
		{"waiting for an answer", modbustest.From(2, modbustest.Drop()), 1500 * time.Millisecond},
		{"in the middle of an answer", modbustest.From(2, modbustest.Drip(90*time.Millisecond)), 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, modbus.Config{}, labelled{}, 10)
				r.server.SetFault(c.fault)
				s := r.open()
				ctx, cancel := context.WithTimeout(t.Context(), c.after)
				defer cancel()
				start := time.Now()
				var b acquire.Batch
				require.NoError(t, s.Next(ctx, &b))
				var err error
				for err == nil {
					err = s.Next(ctx, &b)
				}
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, c.after, time.Since(start))
				assert.Empty(t, b.Samples)
				assert.Zero(t, r.source.Stats().Failures, "the caller's wish is no failure of the device")
				assert.NoError(t, r.source.Stats().LastError)
			})
		})
	}
}

// TestCancelOverSockets checks on a real socket that cancelling leaves neither a
// reader nor a goroutine behind.
func TestCancelOverSockets(t *testing.T) {
	server, err := modbustest.Start(modbustest.Config{
		Units: map[byte]modbustest.Device{1: labelled{}},
		Fault: modbustest.From(2, modbustest.Drop()),
	})
	require.NoError(t, err)
	defer server.Close()
	source, err := modbus.NewSource(modbus.Config{
		Address: server.Address(), Unit: 1, Catalog: acquire.NewCatalog(), Interval: -1, Timeout: time.Minute,
		Points: []modbus.Point{{Name: "p", At: modbus.Holding(7), Type: modbus.Uint16}},
	})
	require.NoError(t, err)
	before := runtime.NumGoroutine()
	for range 20 {
		stream, err := source.Open(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		var b acquire.Batch
		for err == nil {
			err = stream.Next(ctx, &b)
		}
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, stream.Close())
		require.NoError(t, stream.Close(), "idempotent")
		require.ErrorIs(t, stream.Next(t.Context(), &b), context.Canceled, "final")
	}
	server.Close()
	// The server's own goroutines are gone with Close.
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestOpenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		r := newRig(t, modbus.Config{Dial: func(context.Context) (net.Conn, error) { return nil, refused }}, labelled{}, 1)
		_, err := r.source.Open(t.Context())
		require.ErrorIs(t, err, refused)
		assert.Equal(t, "meter: open: connection refused", err.Error())
		assert.False(t, acquire.Permanent(err))

		hangs := newRig(t, modbus.Config{Dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, labelled{}, 1)
		start := time.Now()
		_, err = hangs.source.Open(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, modbus.DefaultConnectTimeout, time.Since(start))
		stats := hangs.source.Stats()
		assert.EqualValues(t, 1, stats.Failures)
		assert.Equal(t, err, stats.LastError)

		nothing := newRig(t, modbus.Config{Dial: func(context.Context) (net.Conn, error) { return nil, nil }}, labelled{}, 1)
		_, err = nothing.source.Open(t.Context())
		require.Error(t, err)
	})
}

// TestStreamsOfOneSource runs several connections of one source side by side.
func TestStreamsOfOneSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{}, labelled{holes: map[uint16]bool{15: true}}, 10, 20)
		done := make(chan struct{})
		for range 4 {
			s := r.open()
			go func() {
				defer func() { done <- struct{}{} }()
				var b acquire.Batch
				for range 10 {
					if !assert.NoError(t, s.Next(t.Context(), &b)) {
						return
					}
					good, _ := r.check(&b)
					assert.Equal(t, 2, good)
				}
			}()
		}
		for range 4 {
			<-done
		}
		assert.EqualValues(t, 4, r.source.Stats().Connects)
	})
}

func TestTraceSeesEveryFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, received [][]byte
		r := newRig(t, modbus.Config{Trace: modbus.Trace{
			Sent:     func(f []byte) { sent = append(sent, slices.Clone(f)) },
			Received: func(f []byte) { received = append(received, slices.Clone(f)) },
		}}, labelled{}, 0x102)
		s := r.open()
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		require.NoError(t, s.Next(t.Context(), &b))
		require.Len(t, sent, 2)
		require.Len(t, received, 2)
		for i := range sent {
			assert.Equal(t, []byte{0, 0, 0, 6, 1, 3, 1, 2, 0, 1}, sent[i][2:])
			assert.Equal(t, []byte{0, 0, 0, 5, 1, 3, 2, 1, 2}, received[i][2:])
			assert.Equal(t, sent[i][:2], received[i][:2], "transaction id")
		}
		first, second := binary.BigEndian.Uint16(sent[0]), binary.BigEndian.Uint16(sent[1])
		assert.Equal(t, first+1, second, "ids ascend")
	})
}

// TestPollAllocs states what a poll over a real socket allocates: one decoded
// PDU per request.
func TestPollAllocs(t *testing.T) {
	server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{}}})
	require.NoError(t, err)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := openPoll(t, server.Address())
	defer stream.Close()
	var b acquire.Batch
	require.NoError(t, stream.Next(ctx, &b))
	const polls = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range polls {
		if err := stream.Next(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	perPoll := float64(after.Mallocs-before.Mallocs) / polls
	t.Logf("%.2f allocations a poll of 125 registers, simulator included", perPoll)
	assert.Less(t, perPoll, 1.5)
	assert.Len(t, b.Samples, 125)
}

func openPoll(t testing.TB, address string) acquire.Stream {
	t.Helper()
	cfg := modbus.Config{Address: address, Unit: 1, Interval: -1, Catalog: acquire.NewCatalog()}
	for i := range 125 {
		cfg.Points = append(cfg.Points, modbus.Point{Name: fmt.Sprint(i), At: modbus.Holding(uint16(i)), Type: modbus.Uint16})
	}
	source, err := modbus.NewSource(cfg)
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	return stream
}

func BenchmarkPoll125(b *testing.B) {
	server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{}}})
	require.NoError(b, err)
	defer server.Close()
	stream := openPoll(b, server.Address())
	defer stream.Close()
	var batch acquire.Batch
	b.ReportAllocs()
	for b.Loop() {
		if err := stream.Next(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
}
