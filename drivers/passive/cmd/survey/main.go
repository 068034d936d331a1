// Survey lists what there is in captures: which devices speak Modbus, SNMP and OPC UA,
// and what is read from them.
//
//	go run ./cmd/survey plant.pcapng
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/fieldtap/fieldtap/drivers/passive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "survey:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var cfg passive.ReaderConfig
	flags := flag.NewFlagSet("survey", flag.ContinueOnError)
	flags.Var((*ports)(&cfg.ModbusPorts), "modbus", "TCP `ports` of Modbus, separated by commas (default 502)")
	flags.Var((*ports)(&cfg.SNMPPorts), "snmp", "`ports` of SNMP (default 161,162)")
	flags.Var((*ports)(&cfg.OPCUAPorts), "opcua", "TCP `ports` of OPC UA (default 4840)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg.Files = flags.Args()
	inventory, err := passive.Survey(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = inventory.WriteTo(os.Stdout)
	return err
}

// ports is a list of ports as a flag.
type ports []uint16

func (p *ports) String() string { return "" }

func (p *ports) Set(text string) error {
	*p = nil
	for part := range strings.SplitSeq(text, ",") {
		port, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no port", part)
		}
		*p = append(*p, uint16(port))
	}
	return nil
}
