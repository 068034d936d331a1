package interop_test

import (
	"bufio"
	"bytes"
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
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// missing ends a test for want of a program: by skipping it, or as a failure
// where everything must be there.
func missing(t *testing.T, debianPackage string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("FIELDTAP_INTEROP") == "require" {
		t.Fatalf("needs %s, and nothing may be missing here: %v", debianPackage, err)
	}
	t.Skipf("needs %s (apt-get install %s): %v", debianPackage, debianPackage, err)
}

// implementation is a Modbus server by other people.
type implementation struct {
	name string
	// command returns the command line but for the port, or ends the test.
	command func(t *testing.T) []string
}

var implementations = []implementation{
	{"libmodbus", func(t *testing.T) []string {
		path, debianPackage, err := buildLibmodbus()
		if debianPackage != "" {
			missing(t, debianPackage, err)
		}
		require.NoError(t, err)
		return []string{path}
	}},
	{"pymodbus", func(t *testing.T) []string {
		const python = "/usr/bin/python3" // Debian's own: it sees Debian's packages
		if out, err := exec.Command(python, "-c", "import pymodbus.server.async_io").CombinedOutput(); err != nil {
			missing(t, "python3-pymodbus python3-serial-asyncio", fmt.Errorf("%w: %s", err, out))
		}
		return []string{python, filepath.Join("testdata", "pymodbus_server.py")}
	}},
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
	impl  implementation
	image image
	port  string

	process *os.Process
	input   io.Closer
	stderr  *bytes.Buffer
	ended   chan struct{} // closed when the process is gone and stderr complete
}

// start runs the server until the end of the test.
func (impl implementation) start(t *testing.T, m image) *server {
	t.Helper()
	s := &server{impl: impl, image: m, port: "0"}
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
	argv := append(s.impl.command(t), s.port)
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
	s.port = strconv.Itoa(port)
}

// kill ends the process without giving it a chance, and returns when it is gone.
func (s *server) kill() {
	s.process.Kill()
	<-s.ended
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", s.port) }
