package modbustest_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

func TestImageZeroValue(t *testing.T) {
	var m modbustest.Image
	assert.Equal(t, modbustest.IllegalDataAddress, m.ReadRegisters(modbustest.HoldingRegisters, 0, make([]uint16, 1)))
	assert.Equal(t, modbustest.IllegalDataAddress, m.ReadBits(modbustest.DiscreteInputs, 65535, make([]bool, 1)))
}

func TestImageRefuses(t *testing.T) {
	var m modbustest.Image
	require.ErrorContains(t, m.SetBits(modbustest.HoldingRegisters, 0, true), "holding registers do not hold bits")
	require.ErrorContains(t, m.SetRegisters(modbustest.Coils, 0, 1), "coils do not hold registers")
	require.ErrorContains(t, m.SetRegisters(9, 0, 1), "table 9")
	require.ErrorContains(t, m.SetRegisters(modbustest.InputRegisters, 65535, 1, 2), "exceed address 65535")
	assert.Equal(t, modbustest.IllegalDataAddress, m.ReadRegisters(modbustest.InputRegisters, 65535, make([]uint16, 1)),
		"a refused write leaves nothing behind")
	assert.Equal(t, modbustest.IllegalFunction, m.ReadBits(modbustest.HoldingRegisters, 0, nil))
	assert.Equal(t, modbustest.IllegalFunction, m.ReadRegisters(modbustest.Coils, 0, nil))
	m.Update(func(tx *modbustest.Tx) { tx.Remove(9, 0, 1) }) // no such table, nothing to remove
}

// The paged memory agrees with a map under random writes, removals and reads.
func TestImageTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var m modbustest.Image
	tables := [2]modbustest.Table{modbustest.HoldingRegisters, modbustest.InputRegisters}
	twin := [2]map[int]uint16{{}, {}}
	for range 20_000 {
		i := random.IntN(2)
		addr, n := 65536-random.IntN(1000)-1, 1+random.IntN(40)
		fits := addr+n <= 65536
		switch random.IntN(4) {
		case 0:
			words := make([]uint16, n)
			for k := range words {
				words[k] = uint16(random.Uint32())
			}
			err := m.SetRegisters(tables[i], uint16(addr), words...)
			require.Equal(t, fits, err == nil)
			if fits {
				for k, w := range words {
					twin[i][addr+k] = w
				}
			}
		case 1:
			m.Update(func(tx *modbustest.Tx) { tx.Remove(tables[i], uint16(addr), n) })
			for k := range n {
				delete(twin[i], addr+k)
			}
		default:
			got, want, all := make([]uint16, n), make([]uint16, n), true
			for k := range want {
				w, exists := twin[i][addr+k]
				want[k], all = w, all && exists
			}
			e := m.ReadRegisters(tables[i], uint16(addr), got)
			require.Equal(t, all, e == 0)
			if all {
				require.Equal(t, want, got)
			} else {
				require.Equal(t, modbustest.IllegalDataAddress, e)
			}
		}
	}
}

// A reader sees an update of several writes entirely or not at all.
func TestImageUpdateIsAtomic(t *testing.T) {
	var m modbustest.Image
	set := func(v uint16) {
		m.Update(func(tx *modbustest.Tx) {
			for addr := range uint16(10) {
				if err := tx.SetRegisters(modbustest.HoldingRegisters, addr, v); err != nil {
					t.Error(err)
				}
			}
		})
	}
	set(0)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for v := range uint16(2000) {
			set(v)
		}
	}()
	words := make([]uint16, 10)
	for running := true; running; {
		select {
		case <-stopped:
			running = false
		default:
		}
		require.Zero(t, m.ReadRegisters(modbustest.HoldingRegisters, 0, words))
		for _, w := range words {
			require.Equal(t, words[0], w)
		}
	}
}

func TestImageRemoveBits(t *testing.T) {
	var m modbustest.Image
	require.NoError(t, m.SetBits(modbustest.Coils, 0, true, true, true))
	m.Update(func(tx *modbustest.Tx) { tx.Remove(modbustest.Coils, 1, 1) })
	bit := make([]bool, 1)
	assert.Zero(t, m.ReadBits(modbustest.Coils, 0, bit))
	assert.Equal(t, modbustest.IllegalDataAddress, m.ReadBits(modbustest.Coils, 1, bit))
	assert.Zero(t, m.ReadBits(modbustest.Coils, 2, bit))
}

func TestNames(t *testing.T) {
	assert.Equal(t, "coils", modbustest.Coils.String())
	assert.Equal(t, "discrete inputs", modbustest.DiscreteInputs.String())
	assert.Equal(t, "input registers", modbustest.InputRegisters.String())
	assert.Equal(t, "illegal data address", modbustest.IllegalDataAddress.String())
	seen := map[string]bool{}
	for _, e := range []modbustest.Exception{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11} {
		assert.False(t, seen[e.String()], e.String())
		seen[e.String()] = true
	}
	assert.Equal(t, "exception 7", modbustest.Exception(7).String())
}
