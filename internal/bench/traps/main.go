// Command traps measures how many of 50,000 traps that come in bursts of 5,000 are
// received, and at what cost. From its own directory, on Linux:
//
//	go run .
//
// Three receivers take turns:
//
//   - fieldtap: a TrapListener, to samples of four points;
//   - gosnmp: its TrapListener, with a handler that counts;
//   - snmptrapd: that of Net-SNMP, if it is installed, without MIBs, to a log with
//     one short line a trap.
//
// Each is a process with one processor to itself (taskset, GOMAXPROCS=1); the sender has
// another. A turn takes as many bursts as it needs, with a pause between, in which
// nothing is sent. A trap is of version 2c and bears five variables. Processor time is
// that of all threads of the receiver, from before the first trap to after the last.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// settings are the flags.
type settings struct {
	receiver string
	address  string
	traps    int
	burst    int
	turns    int
	pause    time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "traps:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("traps", flag.ContinueOnError)
	flags.IntVar(&s.traps, "traps", 50_000, "`number` of traps in a turn")
	flags.IntVar(&s.burst, "burst", 5000, "`number` of traps in a burst")
	flags.IntVar(&s.turns, "turns", 3, "`turns` of each receiver")
	flags.DurationVar(&s.pause, "pause", 500*time.Millisecond, "time between bursts")
	flags.StringVar(&s.receiver, "receiver", "", "be the receiver of this `name`")
	flags.StringVar(&s.address, "address", "", "with -receiver: host and port to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.receiver != "" {
		receive, ok := receivers[s.receiver]
		if !ok {
			return fmt.Errorf("no receiver %q", s.receiver)
		}
		return receive(ctx, s.address, out)
	}
	return compare(ctx, s, out)
}

// turn is what became of the traps of one turn.
type turn struct {
	received int
	remark   string
	cpu      time.Duration
}

func compare(ctx context.Context, s settings, out io.Writer) error {
	messages, err := encode(s.burst)
	if err != nil {
		return err
	}
	names := []string{"fieldtap", "gosnmp", "snmptrapd"}
	if _, err := exec.LookPath("snmptrapd"); err != nil {
		names = names[:2]
		fmt.Fprintln(out, "snmptrapd is not installed (Debian: package snmptrapd), and left out.")
	}
	turns := make(map[string][]turn)
	for range s.turns {
		for _, name := range names {
			t, err := measure(ctx, s, name, messages)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			turns[name] = append(turns[name], t)
		}
	}
	fmt.Fprintf(out, "%d traps in bursts of %d, medians of %d turns.\n\n", s.traps, s.burst, s.turns)
	fmt.Fprintln(out, "| receiver | received | least | processor time a received trap, µs | of all that were sent, s | it says |")
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: | ---: | --- |")
	for _, name := range names {
		list := turns[name]
		slices.SortFunc(list, func(a, b turn) int { return a.received - b.received })
		least, middle := list[0].received, list[len(list)/2].received
		slices.SortFunc(list, func(a, b turn) int { return int(a.each() - b.each()) })
		t := list[len(list)/2]
		fmt.Fprintf(out, "| %s | %d | %d | %.2f | %.3f | %s |\n", name, middle, least,
			t.each().Seconds()*1e6, t.cpu.Seconds(), t.remark)
	}
	return nil
}

// each returns the processor time for each trap that was received.
func (t turn) each() time.Duration { return t.cpu / time.Duration(max(t.received, 1)) }

// encode returns traps as they are on the wire.
func encode(n int) ([][]byte, error) {
	sink, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	var messages [][]byte
	sender, err := snmptest.NewSender(context.Background(), snmptest.SenderConfig{
		Version: snmptest.V2c, Address: sink.LocalAddr().String(),
		Edit: func(m []byte) []byte { messages = append(messages, slices.Clone(m)); return m },
	})
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	err = sender.Burst(n, func(i int) snmptest.Notification {
		return snmptest.Notification{
			Trap: trapOnBattery, Uptime: time.Duration(i) * 10 * time.Millisecond,
			Bindings: []snmptest.Binding{
				{OID: estimatedMinutes + ".0", Value: snmptest.Integer(12)},
				{OID: secondsOnBattery + ".0", Value: snmptest.Integer(int32(i))},
				{OID: lowBattTime + ".0", Value: snmptest.Integer(2)},
			},
		}
	})
	return messages, err
}

// measure gives a receiver one turn.
func measure(ctx context.Context, s settings, name string, messages [][]byte) (turn, error) {
	address, err := freeAddress()
	if err != nil {
		return turn{}, err
	}
	r, err := start(ctx, name, address)
	if err != nil {
		return turn{}, err
	}
	defer r.kill()
	conn, err := net.Dial("udp", address)
	if err != nil {
		return turn{}, err
	}
	defer conn.Close()
	before, err := processorTime(r.command.Process.Pid)
	if err != nil {
		return turn{}, err
	}
	for sent := 0; sent < s.traps; {
		for _, m := range messages[:min(s.burst, s.traps-sent)] {
			if _, err := conn.Write(m); err != nil {
				return turn{}, err
			}
			sent++
		}
		if !pause(ctx, s.pause) {
			return turn{}, ctx.Err()
		}
	}
	if !pause(ctx, 2*time.Second) { // until all is read
		return turn{}, ctx.Err()
	}
	after, err := processorTime(r.command.Process.Pid)
	if err != nil {
		return turn{}, err
	}
	t, err := r.end()
	t.cpu = after - before
	return t, err
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// freeAddress returns an address of the loopback that nobody listens on.
func freeAddress() (string, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.LocalAddr().String(), nil
}

// process is a receiver under way.
type process struct {
	command *exec.Cmd
	input   io.Closer // its end ends one of ours
	output  *bufio.Reader
	log     string // of snmptrapd
	folder  string
}

func start(ctx context.Context, name, address string) (*process, error) {
	p := &process{}
	var args []string
	if name == "snmptrapd" {
		var err error
		if p.folder, err = os.MkdirTemp("", "traps"); err != nil {
			return nil, err
		}
		p.log = filepath.Join(p.folder, "log")
		file := filepath.Join(p.folder, "snmptrapd.conf")
		if err := os.WriteFile(file, []byte("authCommunity log public\nformat2 trap %V\\n\n"), 0o600); err != nil {
			return nil, err
		}
		args = []string{"snmptrapd", "-f", "-n", "-C", "-c", file, "-m", "", "-M", p.folder, "-p", filepath.Join(p.folder, "pid"),
			"-Lf", p.log, "udp:" + address}
	} else {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		args = []string{self, "-receiver", name, "-address", address}
	}
	if runtime.NumCPU() > 1 {
		args = append([]string{"taskset", "-c", "0"}, args...)
	}
	p.command = exec.CommandContext(ctx, args[0], args[1:]...)
	p.command.Env = append(os.Environ(), "GOMAXPROCS=1")
	p.command.Stderr = os.Stderr
	if name == "snmptrapd" {
		p.command.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+p.folder)
		if err := p.command.Start(); err != nil {
			return nil, err
		}
		return p, p.listening(ctx)
	}
	input, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.input, p.output = input, bufio.NewReader(output)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	if line, err := p.output.ReadString('\n'); err != nil || line != "ready\n" {
		p.kill()
		return nil, fmt.Errorf("it said %q: %w", line, err)
	}
	return p, nil
}

// listening waits until snmptrapd writes its log.
func (p *process) listening(ctx context.Context) error {
	for range 100 {
		if text, _ := os.ReadFile(p.log); strings.Contains(string(text), "NET-SNMP") {
			return nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			break
		}
	}
	p.kill()
	return errors.New("it does not start")
}

// end ends the receiver and returns what it has received.
func (p *process) end() (turn, error) {
	if p.input == nil {
		text, err := os.ReadFile(p.log)
		return turn{received: strings.Count(string(text), "trap "), remark: "-"}, err
	}
	_ = p.input.Close()
	line, err := p.output.ReadString('\n')
	if err != nil {
		return turn{}, err
	}
	count, remark, _ := strings.Cut(strings.TrimSpace(line), " ")
	n, err := strconv.Atoi(count)
	return turn{received: n, remark: remark}, err
}

func (p *process) kill() {
	if p.input != nil {
		_ = p.input.Close()
	}
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
	if p.folder != "" {
		_ = os.RemoveAll(p.folder)
	}
}

// processorTime returns what all threads of a process have used (proc(5), schedstat).
func processorTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no times of process %d", pid)
	}
	var sum int64
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum), nil
}
