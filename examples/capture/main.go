// Capture works on capture files, those of acquire/capture and their text forms, and
// reads COMTRADE recordings (.cfg, with .dat beside it, or .cff).
//
//	go run ./examples/capture info plant.mcap                       what is in it
//	go run ./examples/capture cat -point main/P plant.mcap          its samples, a line each
//	go run ./examples/capture cut -from 2026-11-20T06:00:00Z -o morning.mcap plant.mcap
//	go run ./examples/capture merge -o all.mcap east.mcap west.mcap
//	go run ./examples/capture convert plant.mcap plant.jsonl        to and from .mcap, .jsonl, .csv
//	go run ./examples/capture verify plant.mcap                     exit status 1 if it is not whole
//	go run ./examples/capture meter -meter power=main/P,import=main/E plant.mcap
//	go run ./examples/capture serve -as snmp plant.mcap             as an SNMP agent, a Modbus or an OPC UA server
//
// A directory stands for all captures in it where several files are taken. What is
// damaged is skipped and said, and the exit status is 1 then. Long work shows its
// progress on standard error, if that is a terminal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/fieldtap/fieldtap/acquire/capture"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := console{out: os.Stdout, err: os.Stderr, live: terminal(os.Stderr)}
	switch err := c.run(ctx, os.Args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage): // which was said
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "capture:", err)
		os.Exit(1)
	}
}

// console is where results and progress go.
type console struct {
	out, err io.Writer
	live     bool // err is a terminal
}

// command is one of the things that can be done to captures.
type command struct {
	name, usage string
	run         func(c console, ctx context.Context, flags *flag.FlagSet, args []string) error
}

var commands = []command{
	{"info", "FILE...", console.info},
	{"cat", "[-as text|csv|jsonl] [-from T] [-to T] [-point NAME]... FILE...", console.cat},
	{"cut", "[-from T] [-to T] [-point NAME]... -o OUT FILE", console.cut},
	{"merge", "-o OUT FILE...", console.merge},
	{"convert", "IN OUT", console.convert},
	{"verify", "FILE...", console.verify},
	{"meter", "-meter KEY=VALUE,... [-pace N] FILE...", console.meter},
	{"serve", "[-as modbus|snmp|opcua] [-address HOST:PORT] [-pace N] [-loop] FILE...", console.serve},
}

func (c console) run(ctx context.Context, args []string) error {
	var name string
	if len(args) > 0 {
		name = args[0]
	}
	var usage strings.Builder
	for _, cmd := range commands {
		fmt.Fprintf(&usage, "\n  capture %s %s", cmd.name, cmd.usage)
	}
	switch name {
	case "help", "-h", "-help", "--help":
		_, err := fmt.Fprintf(c.out, "usage:%s\ncapture COMMAND -h tells of its flags\n", &usage)
		return err
	}
	i := slices.IndexFunc(commands, func(cmd command) bool { return cmd.name == name })
	if i < 0 {
		return fmt.Errorf("no command %q; there are%s", name, &usage)
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(c.err)
	flags.Usage = func() {
		fmt.Fprintf(c.err, "usage: capture %s %s\n", name, commands[i].usage)
		flags.PrintDefaults()
	}
	return commands[i].run(c, ctx, flags, args[1:])
}

// errUsage says that the flags are wrong, and that the user was told so.
var errUsage = errors.New("wrong flags")

// files parses args, and returns what follows the flags: least files or more, and
// not more than most unless that is 0. Then directories stand for the captures in them.
func files(flags *flag.FlagSet, args []string, least, most int) ([]string, error) {
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	names := flags.Args()
	if most == 0 {
		var err error
		if names, err = spread(names); err != nil {
			return nil, err
		}
	}
	if n := len(names); n < least || most > 0 && n > most {
		flags.Usage()
		return nil, fmt.Errorf("%s: %d files do not fit", flags.Name(), n)
	}
	return names, nil
}

// spread puts the captures in a directory in its place.
func spread(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() { // that there is no such file is said by who opens it
			all = append(all, name)
			continue
		}
		in, err := capture.Files(name, "")
		if err == nil && len(in) == 0 {
			err = fmt.Errorf("%s: no captures in it", name)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, in...)
	}
	return all, nil
}
