package modbustest

import (
	"fmt"
	"sync"
)

// Image is a [Device] held in memory. Only addresses that were set exist: a read that touches any other answers exception 2,
// so holes in a register map are holes here. The zero value is a device without a single address. An Image is safe for
// concurrent use, a read sees all of an update or nothing of it, and it must not be copied after first use.
type Image struct {
	mu        sync.RWMutex
	bits      [2]space[bool]   // coils, discrete inputs
	registers [2]space[uint16] // input registers, holding registers
}

// SetBits gives the coils or discrete inputs from address addr on the given values, creating those that do not exist yet.
// It fails, and changes nothing, when t holds registers or the last address would exceed 65535.
func (m *Image) SetBits(t Table, addr uint16, bits ...bool) (err error) {
	m.Update(func(tx *Tx) { err = tx.SetBits(t, addr, bits...) })
	return err
}

// SetRegisters gives the registers from address addr on the given values, creating those that do not exist yet.
// It fails, and changes nothing, when t holds bits or the last address would exceed 65535.
func (m *Image) SetRegisters(t Table, addr uint16, words ...uint16) (err error) {
	m.Update(func(tx *Tx) { err = tx.SetRegisters(t, addr, words...) })
	return err
}

// Update runs change while no read is in progress: whatever it sets, in any number of tables, becomes visible at once.
// change must not call methods of the Image itself.
func (m *Image) Update(change func(*Tx)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&Tx{image: m})
}

// ReadBits implements [Device].
func (m *Image) ReadBits(t Table, addr uint16, dst []bool) Exception {
	if !t.bits() {
		return IllegalFunction
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.bits[t-Coils].read(addr, dst)
}

// ReadRegisters implements [Device].
func (m *Image) ReadRegisters(t Table, addr uint16, dst []uint16) Exception {
	if !t.registers() {
		return IllegalFunction
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.registers[t-InputRegisters].read(addr, dst)
}

// Tx is the view of an [Image] inside [Image.Update]. It is valid during that call only.
type Tx struct{ image *Image }

// SetBits is [Image.SetBits] as part of the update.
func (tx *Tx) SetBits(t Table, addr uint16, bits ...bool) error {
	if !t.bits() {
		return fmt.Errorf("modbustest: %v do not hold bits", t)
	}
	return tx.image.bits[t-Coils].write(t, addr, bits)
}

// SetRegisters is [Image.SetRegisters] as part of the update.
func (tx *Tx) SetRegisters(t Table, addr uint16, words ...uint16) error {
	if !t.registers() {
		return fmt.Errorf("modbustest: %v do not hold registers", t)
	}
	return tx.image.registers[t-InputRegisters].write(t, addr, words)
}

// Remove makes count addresses of table t, from addr on, cease to exist. Addresses past 65535 do not exist anyway.
func (tx *Tx) Remove(t Table, addr uint16, count int) {
	switch {
	case t.bits():
		tx.image.bits[t-Coils].remove(addr, count)
	case t.registers():
		tx.image.registers[t-InputRegisters].remove(addr, count)
	}
}

const (
	addresses = 1 << 16 // of every table, V1.1b3 section 4.4
	pageSize  = 256
)

// space is one table: pages are made when something in them is set, so that a small device stays small.
type space[T any] [addresses / pageSize]*page[T]

type page[T any] struct {
	exists [pageSize]bool
	value  [pageSize]T
}

func (s *space[T]) read(addr uint16, dst []T) Exception {
	if int(addr)+len(dst) > addresses {
		return IllegalDataAddress
	}
	for i := range dst {
		at := int(addr) + i
		p := s[at/pageSize]
		if p == nil || !p.exists[at%pageSize] {
			return IllegalDataAddress
		}
		dst[i] = p.value[at%pageSize]
	}
	return 0
}

func (s *space[T]) write(t Table, addr uint16, src []T) error {
	if int(addr)+len(src) > addresses {
		return fmt.Errorf("modbustest: %d %v from address %d on exceed address 65535", len(src), t, addr)
	}
	for i, v := range src {
		at := int(addr) + i
		p := s[at/pageSize]
		if p == nil {
			p = new(page[T])
			s[at/pageSize] = p
		}
		p.exists[at%pageSize], p.value[at%pageSize] = true, v
	}
	return nil
}

func (s *space[T]) remove(addr uint16, count int) {
	for at := int(addr); at < min(int(addr)+count, addresses); at++ {
		if p := s[at/pageSize]; p != nil {
			p.exists[at%pageSize] = false
		}
	}
}
