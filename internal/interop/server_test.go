package interop_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// patience bounds what a test waits for. Nothing is measured by it: it turns a
// hang into a failure with a message.
const patience = 30 * time.Second

// scratch holds the programs built by the tests of this run.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fieldtap-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	// Tests that may run beside others wait for most of their time, so that the
	// number of processors is not the limit.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// missing ends a test for want of a program: by skipping it, or as a failure
// where everything must be there.
func missing(t *testing.T, what, install string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("FIELDTAP_INTEROP") == "require" {
		t.Fatalf("needs %s, and nothing may be missing here: %v", what, err)
	}
	t.Skipf("needs %s (%s): %v", what, install, err)
}

// missingDebian is missing for packages of Debian.
func missingDebian(t *testing.T, packages string, err error) {
	t.Helper()
	missing(t, packages, "apt-get install "+packages, err)
}

// implementation is a Modbus server by other people.
type implementation struct {
	name string
	// command returns the command line but for the transport, or ends the test.
	command func(t *testing.T) []string
}

var (
	libmodbus = implementation{"libmodbus", func(t *testing.T) []string {
		path, debianPackage, err := buildLibmodbus()
		if debianPackage != "" {
			missingDebian(t, debianPackage, err)
		}
		require.NoError(t, err)
		return []string{path}
	}}
	pymodbus = implementation{"pymodbus", func(t *testing.T) []string {
		const python = "/usr/bin/python3" // Debian's own: it sees Debian's packages
		if out, err := exec.Command(python, "-c", "import pymodbus.server.async_io").CombinedOutput(); err != nil {
			missingDebian(t, "python3-pymodbus python3-serial-asyncio", fmt.Errorf("%w: %s", err, out))
		}
		return []string{python, filepath.Join("testdata", "pymodbus_server.py")}
	}}
	modbusSerial = implementation{"modbus-serial", func(t *testing.T) []string {
		return node(t, "modbus-serial", "modbus_serial_server.js")
	}}
	jsmodbus = implementation{"jsmodbus", func(t *testing.T) []string {
		return node(t, "jsmodbus", "jsmodbus_server.js")
	}}
)

// implementations are those that keep the protocol strictly: they tell units and
// absent addresses apart, and can be stopped and started at will.
var implementations = []implementation{libmodbus, pymodbus, modbusSerial}

// node returns the command line of a program that uses a package of npm.
func node(t *testing.T, npmPackage, program string) []string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		missingDebian(t, "nodejs npm", err)
	}
	manifest := filepath.Join("testdata", "node_modules", npmPackage, "package.json")
	if _, err := os.Stat(manifest); err != nil {
		missing(t, npmPackage, "npm ci --omit=optional --ignore-scripts in internal/interop/testdata", err)
	}
	return []string{path, filepath.Join("testdata", program)}
}

// buildLibmodbus compiles the server once. Where that fails for want of a
// package, it names the package.
var buildLibmodbus = func() func() (path, debianPackage string, err error) {
	path, debianPackage := "", ""
	build := sync.OnceValue(func() error {
		if _, err := exec.LookPath("cc"); err != nil {
			debianPackage = "gcc"
			return err
		}
		if _, err := exec.LookPath("pkg-config"); err != nil {
			debianPackage = "pkg-config"
			return err
		}
		flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libmodbus").Output()
		if err != nil {
			debianPackage = "libmodbus-dev"
			return err
		}
		path = filepath.Join(scratch, "libmodbus_server")
		args := append([]string{"-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path,
			filepath.Join("testdata", "libmodbus_server.c")}, strings.Fields(string(flags))...)
		if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("cc: %w\n%s", err, out)
		}
		return nil
	})
	return func() (string, string, error) {
		err := build()
		return path, debianPackage, err
	}
}()

// server is a running process that serves an image.
type server struct {
	impl      implementation
	over      transport
	image     image
	endpoint  string      // port, or the path of its end of a serial line
	arguments []string    // more of them
	line      *line       // nil where there is none
	tls       *tls.Config // of a client, nil where there is none

	process *os.Process
	input   io.Closer
	stderr  *bytes.Buffer
	ended   chan struct{} // closed when the process is gone and stderr complete
}

// start runs the server over TCP until the end of the test.
func (impl implementation) start(t *testing.T, m image) *server {
	t.Helper()
	return impl.startOver(t, overTCP, m)
}

// startOver runs the server over a transport until the end of the test.
func (impl implementation) startOver(t *testing.T, over transport, m image, arguments ...string) *server {
	t.Helper()
	impl.command(t) // which ends the test if there is none
	s := &server{impl: impl, over: over, image: m, endpoint: "0", arguments: arguments}
	if over.serial {
		s.line = newLine(t, over.framing)
		s.endpoint = s.line.device
	}
	if over == overTLS && len(arguments) == 0 {
		p := newPKI(t)
		s.arguments, s.tls = []string{p.serve(t, p.server(t))}, p.client(t, operator)
	}
	s.run(t)
	t.Cleanup(func() {
		// The end of its input ends a server. One that stays is a fault of ours.
		s.input.Close()
		select {
		case <-s.ended:
		case <-time.After(patience):
			t.Errorf("%s did not end with its input", impl.name)
			s.kill()
		}
	})
	return s
}

// run starts the process, at its first start on a port that the system chooses
// and later on the same one, and returns when it is ready.
func (s *server) run(t *testing.T) {
	t.Helper()
	argv := append(s.impl.command(t), s.over.name, s.endpoint)
	argv = append(argv, s.arguments...)
	cmd := exec.Command(argv[0], argv[1:]...)
	s.stderr = new(bytes.Buffer)
	cmd.Stderr = s.stderr
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s.process, s.input, s.ended = cmd.Process, input, make(chan struct{})

	hung := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	_, writeErr := io.WriteString(input, s.image.String())
	line, readErr := bufio.NewReader(output).ReadString('\n')
	hung.Stop()
	ended, stderr := s.ended, s.stderr
	go func() {
		cmd.Wait()
		close(ended)
	}()
	port, err := strconv.Atoi(strings.TrimSpace(line))
	if writeErr != nil || readErr != nil || err != nil {
		s.kill()
		t.Fatalf("%s is not ready: write %v, read %v, port %v\n%s", s.impl.name, writeErr, readErr, err, stderr)
	}
	if !s.over.serial {
		s.endpoint = strconv.Itoa(port)
	}
}

// kill ends the process without giving it a chance, and returns when it is gone.
func (s *server) kill() {
	s.process.Kill()
	<-s.ended
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", s.endpoint) }

// bus is how to reach the server.
func (s *server) bus() modbus.BusConfig {
	if s.over.serial {
		return modbus.BusConfig{Serial: s.line.port(), Framing: s.over.framing}
	}
	return modbus.BusConfig{Address: s.address(), Framing: s.over.framing, UDP: s.over.udp, TLS: s.tls}
}

// config is how to read points of one of its units.
func (s *server) config(unit byte, points []modbus.Point) modbus.Config {
	b := s.bus()
	return modbus.Config{
		Address: b.Address, Serial: b.Serial, Framing: b.Framing, UDP: b.UDP, TLS: b.TLS,
		Unit: unit, Points: points,
	}
}
