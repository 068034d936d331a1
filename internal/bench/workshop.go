package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// place says on which processors the two ends of the wire run.
type place struct {
	name, title    string
	server, client string // lists for taskset; empty: anywhere
}

// choose returns the places of a comma-separated list, or all that this machine
// has if it is empty.
func choose(list string) ([]place, error) {
	all := []place{{name: "free", title: "Processes wherever the system puts them"}}
	if _, err := exec.LookPath("taskset"); err == nil {
		all = append(all, place{"same", "Client and server on one processor", "0", "0"})
		if runtime.NumCPU() > 1 {
			all = append(all, place{"cross", "Client and server on a processor each", "0", "1"})
		}
	}
	if list == "" {
		return all, nil
	}
	var chosen []place
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(p place) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("place %q cannot be had here", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// workshop holds the programs that are run.
type workshop struct {
	dir, self, server, client string
}

// newWorkshop compiles the C programs.
func newWorkshop(ctx context.Context) (*workshop, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	flags, err := exec.CommandContext(ctx, "pkg-config", "--cflags", "--libs", "libmodbus").Output()
	if err != nil {
		return nil, fmt.Errorf("pkg-config cannot find libmodbus (Debian: libmodbus-dev): %w", err)
	}
	dir, err := os.MkdirTemp("", "fieldtap-bench-")
	if err != nil {
		return nil, err
	}
	w := &workshop{dir: dir, self: self, server: filepath.Join(dir, "server"), client: filepath.Join(dir, "client")}
	for program, source := range map[string]string{
		w.server: filepath.Join("..", "interop", "testdata", "libmodbus_server.c"),
		w.client: filepath.Join("testdata", "libmodbus_client.c"),
	} {
		args := append([]string{"-std=gnu11", "-O2", "-o", program, source}, strings.Fields(string(flags))...)
		if out, err := exec.CommandContext(ctx, "cc", args...).CombinedOutput(); err != nil {
			w.close()
			return nil, fmt.Errorf("cc %s: %w\n%s", source, err, out)
		}
	}
	return w, nil
}

func (w *workshop) close() { os.RemoveAll(w.dir) }

// measure lets the clients take turns at a server in one place.
func (w *workshop) measure(ctx context.Context, p place, s settings) (_ []row, err error) {
	address, stop, err := w.serve(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	rows := make([]row, len(clients))
	for round := range s.rounds {
		for i := range clients {
			// Each round starts with another client, so that none always follows
			// the same one.
			i = (i + round) % len(clients)
			u, err := w.turn(ctx, clients[i], p, address, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", clients[i].name, err)
			}
			rows[i].client = clients[i]
			rows[i].turns = append(rows[i].turns, u)
		}
	}
	return rows, nil
}

// turn runs a client once.
func (w *workshop) turn(ctx context.Context, c client, p place, address string, s settings) (usage, error) {
	argv := []string{w.client, address, seconds(s.warmup.Seconds()), seconds(s.each.Seconds())}
	if c.connect != nil {
		argv = []string{w.self, "-client", c.name, "-address", address,
			"-warmup", s.warmup.String(), "-time", s.each.String()}
	}
	cmd := placed(ctx, p.client, argv)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return usage{}, err
	}
	var u usage
	return u, json.Unmarshal(out, &u)
}

// serve starts the server and returns its address and what ends it.
func (w *workshop) serve(ctx context.Context, p place) (address string, stop func() error, err error) {
	cmd := placed(ctx, p.server, []string{w.server, "tcp", "0"})
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		input.Close() // ends the server
		return cmd.Wait()
	}
	image := "1 holding 0"
	for r := range many * registers {
		image += " " + strconv.Itoa(r+1)
	}
	_, writeErr := io.WriteString(input, image+"\nserve\n")
	port, readErr := bufio.NewReader(output).ReadString('\n')
	if err := errors.Join(writeErr, readErr); err != nil {
		return "", nil, errors.Join(fmt.Errorf("server: %w", err), stop())
	}
	return "127.0.0.1:" + strings.TrimSpace(port), stop, nil
}

// placed returns the command on the given processors.
func placed(ctx context.Context, processors string, argv []string) *exec.Cmd {
	if processors != "" {
		argv = append([]string{"taskset", "-c", processors}, argv...)
	}
	return exec.CommandContext(ctx, argv[0], argv[1:]...)
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) }
