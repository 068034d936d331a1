package snmp

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClockRestarted(t *testing.T) {
	const day = 24 * time.Hour
	hundredths := func(d time.Duration) uint32 { return uint32(int64(d / (10 * time.Millisecond))) }
	for _, c := range []struct {
		name      string
		before    time.Duration // uptime of the agent
		passed    time.Duration // on our clock
		now       time.Duration
		restarted bool
	}{
		{"nothing happens", time.Hour, 10 * time.Second, time.Hour + 10*time.Second, false},
		{"the agent's clock is slow", time.Hour, 10 * time.Second, time.Hour + 7*time.Second, false},
		{"the agent's clock stands for a while", time.Hour, 10 * time.Second, time.Hour, false},
		{"it restarts", time.Hour, 10 * time.Second, 3 * time.Second, true},
		{"it restarts just now", time.Hour, 10 * time.Second, 0, true},
		{"it restarts again, and is up for longer than before", 5 * time.Second, 10 * time.Second, 8 * time.Second, true},
		{"it restarts again, and is up for as long", 4 * time.Second, 10 * time.Second, 4 * time.Second, true},
		{"its clock lags after a start", 5 * time.Second, 10 * time.Second, 13 * time.Second, false},
		{"it restarts and is up for longer than before", time.Minute, time.Hour, 20 * time.Minute, true},
		{"the agent's clock lags by a third", time.Minute, time.Hour, 41 * time.Minute, false},
		{"the clock wraps while we are away", 497 * day, day, 498*day - (1<<32)*10*time.Millisecond, false},
		{"the clock wraps after 10 s", (1<<32 - 500) * 10 * time.Millisecond, 10 * time.Second, 5 * time.Second, false},
		{"it restarts when the clock might wrap soon", 496 * day, 10 * time.Second, 3 * time.Second, true},
		{"it restarts a minute before the wrap", (1<<32)*10*time.Millisecond - 5*time.Minute, 10 * time.Second, time.Second, true},
		{"two wraps in three years", 10 * day, 1000 * day, (10+1000)*day - 2*(1<<32)*10*time.Millisecond, false},
	} {
		at := time.Unix(1_000_000_000, 0)
		var k clock
		require.False(t, k.restarted(hundredths(c.before), at), "the first one says nothing")
		assert.Equal(t, c.restarted, k.restarted(hundredths(c.now), at.Add(c.passed)), c.name)
	}
}

// TestClockOverYears lets an agent run for years, with jitter, polls left out and
// restarts, and wants each restart to be noticed and nothing else.
func TestClockOverYears(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 6))
	for range 50 {
		now := time.Unix(1_000_000_000, 0)
		started := now.Add(-time.Duration(random.Int64N(int64(600 * 24 * time.Hour))))
		var k clock
		for i := range 2000 {
			step := time.Duration(1+random.IntN(60)) * time.Second
			switch random.IntN(50) {
			case 0:
				step = time.Duration(random.Int64N(int64(5 * 24 * time.Hour)))
			case 1:
				step = time.Duration(random.Int64N(int64(100 * 24 * time.Hour)))
			}
			restart := random.IntN(20) == 0 && now.Sub(started) > 24*time.Hour && step < time.Hour
			now = now.Add(step)
			if restart {
				started = now.Add(-time.Duration(random.Int64N(int64(step))))
			}
			up := now.Sub(started)
			late := time.Duration(random.Int64N(int64(time.Second))) // on the way to us
			got := k.restarted(uint32(up/(10*time.Millisecond)), now.Add(late))
			require.Equal(t, restart && i > 0, got, "after %s, up %s", step, up)
		}
	}
}

func TestRebooted(t *testing.T) {
	var k clock
	assert.False(t, k.rebooted(0), "no version 3")
	assert.False(t, k.rebooted(7))
	assert.False(t, k.rebooted(7))
	assert.True(t, k.rebooted(8))
	assert.False(t, k.rebooted(0))
	assert.True(t, k.rebooted(1), "an engine that forgot")
}
