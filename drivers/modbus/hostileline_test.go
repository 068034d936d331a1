package modbus_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// onLine frames unit, function and data for a line, with the right check.
func onLine(f modbus.Framing, body []byte) []byte {
	if f == modbus.RTU {
		crc := uint16(0xFFFF)
		for _, c := range body {
			crc ^= uint16(c)
			for range 8 {
				if crc&1 != 0 {
					crc = crc>>1 ^ 0xA001
				} else {
					crc >>= 1
				}
			}
		}
		return binary.LittleEndian.AppendUint16(slices.Clone(body), crc)
	}
	var sum byte
	for _, c := range body {
		sum -= c
	}
	return []byte(":" + strings.ToUpper(hex.EncodeToString(append(slices.Clone(body), sum))) + "\r\n")
}

// hostileLine is a device on a line written byte by byte. It gives echoes, and its
// registers hold their own addresses.
type hostileLine struct {
	framing modbus.Framing
	packets bool
	answer  func(c net.Conn, n int, truth []byte) // what to do in place of the truth
	healed  atomic.Bool
}

// request reads unit, function and data of one request: all that we send have
// eight bytes in RTU.
func (h *hostileLine) request(c net.Conn) ([]byte, error) {
	b := make([]byte, 17)
	if h.framing == modbus.RTU {
		_, err := io.ReadFull(c, b[:8])
		return b[:6], err
	}
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	return hex.DecodeString(string(b[1:13]))
}

func (h *hostileLine) serve(c net.Conn) {
	defer c.Close()
	for n := 1; ; n++ {
		request, err := h.request(c)
		if err != nil {
			return
		}
		answer := slices.Clone(request) // an echo
		if request[1] != 8 {
			address, count := binary.BigEndian.Uint16(request[2:]), binary.BigEndian.Uint16(request[4:])
			answer = append(answer[:2], byte(2*count))
			for i := range count {
				answer = binary.BigEndian.AppendUint16(answer, address+i)
			}
		}
		if h.healed.Load() || h.answer == nil {
			c.Write(onLine(h.framing, answer))
			continue
		}
		h.answer(c, n, answer)
	}
}

// dial joins the line to h through a buffer, as a socket has one.
func (h *hostileLine) dial(context.Context) (net.Conn, error) {
	near, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		ours, far := net.Pipe()
		go h.serve(far)
		go func() {
			io.Copy(ours, theirs)
			ours.Close()
		}()
		waiting := make(chan []byte, 1<<12)
		go func() {
			defer close(waiting)
			for {
				b := make([]byte, 4096)
				n, err := ours.Read(b)
				if err != nil {
					return
				}
				waiting <- b[:n]
			}
		}()
		for b := range waiting {
			if _, err := theirs.Write(b); err != nil {
				ours.Close()
			}
		}
	}()
	return near, nil
}

// judge polls h for a minute, heals it, and polls on until every point is good.
func (h *hostileLine) judge(t *testing.T, cfg modbus.Config) (good int, stats acquire.Stats) {
	t.Helper()
	const timeout = 500 * time.Millisecond
	cfg.Timeout, cfg.MaxGap, cfg.Dial, cfg.Framing, cfg.UDP = timeout, -1, h.dial, h.framing, h.packets
	r := newRig(t, cfg, labelled{}, 10, 11, 12, 13, 500, 501, 502, 503, 700)
	stream, err := acquire.Reconnect(r.source, acquire.Backoff{}).Open(t.Context())
	require.NoError(t, err)
	defer time.Sleep(2 * time.Second) // until the device has noticed
	defer stream.Close()
	var b acquire.Batch
	next := func() (n int) {
		start := time.Now()
		require.NoError(t, stream.Next(t.Context(), &b))
		// A line that babbles is given a timeout to fall silent.
		assert.LessOrEqual(t, time.Since(start), modbus.DefaultInterval+2*timeout+50*time.Millisecond, "hangs")
		if len(b.Samples) > 0 {
			n, _ = r.check(&b)
		}
		return n
	}
	for start := time.Now(); time.Since(start) < time.Minute; {
		good += next()
	}
	stats = r.source.Stats()
	assert.LessOrEqual(t, stats.Connects, uint64(76), "a storm of connections")
	h.healed.Store(true)
	for start := time.Now(); next() < len(r.address); {
		require.Less(t, time.Since(start), 40*time.Second, "never recovers")
	}
	return good, stats
}

// TestHostileLine has a device on a line misbehave in one way for a minute, over
// streams and over datagrams.
func TestHostileLine(t *testing.T) {
	type act = func(h *hostileLine) func(c net.Conn, n int, truth []byte)
	each := func(change func(f modbus.Framing, truth []byte) []byte) act {
		return func(h *hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, _ int, truth []byte) { c.Write(change(h.framing, truth)) }
		}
	}
	body := func(change func(truth []byte) []byte) act {
		return each(func(f modbus.Framing, truth []byte) []byte { return onLine(f, change(truth)) })
	}
	other := func(truth []byte) []byte { return append(truth[:3:3], slices.Repeat([]byte{0x66}, len(truth)-3)...) }
	for _, c := range []struct {
		name string
		act  act
		good bool // some values come through
	}{
		{"silent", each(func(modbus.Framing, []byte) []byte { return nil }), false},
		{"closes when asked", func(*hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, _ int, _ []byte) { c.Close() }
		}, false},
		{"other unit", body(func(b []byte) []byte { b[0]++; return b }), false},
		{"other unit, then the truth", each(func(f modbus.Framing, b []byte) []byte {
			foreign := other(b)
			foreign[0]++
			return append(onLine(f, foreign), onLine(f, b)...)
		}), true},
		{"other function", body(func(b []byte) []byte { b[1] ^= 1; return b }), false},
		{"unknown function", body(func(b []byte) []byte { b[1] = 0x55; return b }), false},
		{"one register more", body(func(b []byte) []byte {
			if b[1] == 3 {
				b[2] += 2
				b = append(b, 0, 0)
			}
			return b
		}), false},
		{"byte count 0", body(func(b []byte) []byte {
			if b[1] == 3 {
				b = append(b[:2], 0)
			}
			return b
		}), false},
		{"byte count 255", each(func(f modbus.Framing, b []byte) []byte { b[2] = 255; return onLine(f, b) }), false},
		{"wrong check", each(func(f modbus.Framing, b []byte) []byte {
			wire := onLine(f, b)
			at := len(wire) - 1
			if f == modbus.ASCII {
				at -= 2
			}
			wire[at] ^= 1
			return wire
		}), false},
		{"exception of another function", body(func(b []byte) []byte { return []byte{b[0], 0x84, 2} }), false},
		{"exception 0", body(func(b []byte) []byte { return []byte{b[0], b[1] | 0x80, 0} }), false},
		{"busy", body(func(b []byte) []byte { return []byte{b[0], b[1] | 0x80, 6} }), false},
		{"noise in front", each(func(f modbus.Framing, b []byte) []byte {
			return append([]byte{0xFF, 0x00, 0x81}, onLine(f, b)...)
		}), true},
		{"more noise in front than some converter makes", each(func(f modbus.Framing, b []byte) []byte {
			if f == modbus.ASCII { // where a colon begins a frame, whatever is in front
				return nil
			}
			return append(slices.Repeat([]byte{0xFF}, 8), onLine(f, b)...)
		}), false},
		{"noise that begins as the answer does", each(func(f modbus.Framing, b []byte) []byte {
			wire := onLine(f, b)
			return append(wire[:3:3], wire...)
		}), false},
		{"noise in front of another's answer", each(func(f modbus.Framing, b []byte) []byte {
			foreign := other(b)
			foreign[0]++
			return append([]byte{0xFF, 0x00, 0x81}, onLine(f, foreign)...)
		}), false},
		{"noise in front of one register more", each(func(f modbus.Framing, b []byte) []byte {
			if b[1] == 3 {
				b[2] += 2
				b = append(b, 0, 0)
			}
			return append([]byte{0xFF, 0x00, 0x81}, onLine(f, b)...)
		}), false},
		{"noise in front of a wrong check", each(func(f modbus.Framing, b []byte) []byte {
			wire := onLine(f, b)
			wire[len(wire)-3] ^= 1
			return append([]byte{0xFF, 0x00, 0x81}, wire...)
		}), false},
		{"noise, and the truth later", func(h *hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, _ int, b []byte) {
				c.Write([]byte{0xFF, 0x00, 0x81})
				time.Sleep(100 * time.Millisecond)
				c.Write(onLine(h.framing, b))
			}
		}, true},
		{"noise behind", each(func(f modbus.Framing, b []byte) []byte { return append(onLine(f, b), 0xFF, 0, 3) }), true},
		{"text", each(func(modbus.Framing, []byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }), false},
		{"colons", each(func(modbus.Framing, []byte) []byte { return slices.Repeat([]byte{':'}, 600) }), false},
		{"twice at once", each(func(f modbus.Framing, b []byte) []byte {
			return append(onLine(f, b), onLine(f, b)...)
		}), true},
		{"the truth, then another's", each(func(f modbus.Framing, b []byte) []byte {
			return append(onLine(f, b), onLine(f, other(b))...)
		}), true},
		{"half", each(func(f modbus.Framing, b []byte) []byte { wire := onLine(f, b); return wire[:len(wire)/2] }), false},
		{"one byte at a time", func(h *hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, _ int, b []byte) {
				for _, x := range onLine(h.framing, b) {
					if !pour(c, []byte{x}) {
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			}
		}, true},
		{"endless", func(h *hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, _ int, b []byte) {
				for pour(c, onLine(h.framing, []byte{b[0] + 1, 3, 2, 1, 1})) {
					time.Sleep(time.Millisecond)
				}
			}
		}, false},
		{"endless bytes", func(h *hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, _ int, b []byte) {
				for pour(c, []byte{0}) {
					time.Sleep(time.Millisecond)
				}
			}
		}, false},
		{"every third dropped", func(h *hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, n int, b []byte) {
				if n%3 != 0 {
					c.Write(onLine(h.framing, b))
				}
			}
		}, true},
		{"always late", func(h *hostileLine) func(net.Conn, int, []byte) {
			return func(c net.Conn, n int, b []byte) {
				time.Sleep(700 * time.Millisecond)
				c.Write(onLine(h.framing, b))
			}
		}, false},
		{"one answer behind", func(h *hostileLine) func(net.Conn, int, []byte) {
			owed := make(chan []byte, 2)
			return func(c net.Conn, _ int, b []byte) {
				owed <- onLine(h.framing, b)
				if len(owed) > 1 {
					c.Write(<-owed)
				}
			}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
				for _, packets := range []bool{false, true} {
					for _, retries := range []int{-1, 4} {
						t.Run(fmt.Sprint(f, packets, retries), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								h := &hostileLine{framing: f, packets: packets}
								h.answer = c.act(h)
								good, stats := h.judge(t, modbus.Config{Retries: retries})
								want := c.good
								switch {
								case packets && c.name == "one byte at a time": // no datagram is whole
									want = false
								case packets && c.name == "noise, and the truth later": // a datagram ends what it begins
									want = true
								case f == modbus.ASCII && c.name == "noise that begins as the answer does":
									want = true // a colon begins a frame
								}
								assert.Equal(t, want, good > 0, "%d good, %+v", good, stats)
							})
						})
					}
				}
			}
		})
	}
}

// TestLineFaultsNeverMixValues has each of the ready-made faults happen now and then
// on a line.
func TestLineFaultsNeverMixValues(t *testing.T) {
	faults := map[string]modbustest.Fault{
		"delay": modbustest.Delay(700 * time.Millisecond), "late": modbustest.Delay(1300 * time.Millisecond), "drop": modbustest.Drop(),
		"closing": modbustest.Closing(), "resetting": modbustest.Resetting(), "cut": modbustest.Cut(9), "twice": modbustest.Twice(),
		"exception": modbustest.WithException(modbustest.ServerDeviceBusy), "unit": modbustest.WrongUnit(),
		"function": modbustest.WrongFunction(), "short": modbustest.Short(), "long": modbustest.Long(),
		"count": modbustest.BadByteCount(), "garbage": modbustest.Garbage(), "noise": modbustest.Noise(1), "check": modbustest.WrongCheck(),
		"torn": modbustest.Torn([]int{3, 4}, 10*time.Millisecond), "drip": modbustest.Drip(time.Millisecond),
	}
	for name, fault := range faults {
		for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
			for _, retries := range []int{-1, 4} {
				t.Run(fmt.Sprint(name, f, retries), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
							Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{3: ticking{}}, Fault: modbustest.Every(5, fault),
						})
						src := l.source(t, modbus.Config{Unit: 3, Timeout: 500 * time.Millisecond, MaxRegisters: 2, Retries: retries}, 8)
						stream, err := acquire.Reconnect(src, acquire.Backoff{}).Open(t.Context())
						require.NoError(t, err)
						defer stream.Close()
						var b acquire.Batch
						good := 0
						for range 60 {
							require.NoError(t, stream.Next(t.Context(), &b))
							good += fresh(t, src, &b, 250*time.Millisecond)
						}
						assert.Greater(t, good, 40)
						l.server.SetFault(nil)
						for range 12 {
							require.NoError(t, stream.Next(t.Context(), &b))
						}
						assert.Equal(t, 8, fresh(t, src, &b, 250*time.Millisecond), "healthy again")
					})
				})
			}
		}
	}
}
