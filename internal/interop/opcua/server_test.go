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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua"
)

// patience bounds what a test waits for. Nothing is measured by it: it turns a
// hang into a failure with a message. The server makes its keys at its first start.
const patience = 2 * time.Minute

// password is that of the server's user "operator".
const password = "interop-secret"

func missing(t *testing.T, what, install string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("FIELDTAP_INTEROP") == "require" {
		t.Fatalf("needs %s, and nothing may be missing here: %v", what, err)
	}
	t.Skipf("needs %s (%s): %v", what, install, err)
}

// server is a running server of node-opcua.
type server struct {
	port  string
	dir   string // of its certificates
	limit string // of nodes in a request

	cmd   *exec.Cmd
	input io.Closer
	log   *output
	ended chan struct{} // closed when the process is gone
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs the server until the end of the test. A limit of 0 is none.
func start(t *testing.T, limit int) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), limit: fmt.Sprint(limit), port: "0"}
	s.run(t)
	t.Cleanup(func() { s.kill() })
	return s
}

// run starts the process: again on the port that it had.
func (s *server) run(t *testing.T) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "apt-get install nodejs npm", err)
	}
	if _, err := os.Stat(filepath.Join("testdata", "node_modules", "node-opcua", "package.json")); err != nil {
		missing(t, "node-opcua", "npm ci --omit=optional --ignore-scripts in internal/interop/opcua/testdata", err)
	}
	s.cmd = exec.Command(node, filepath.Join("testdata", "server.js"), s.dir, s.limit, s.port)
	s.log, s.ended = new(output), make(chan struct{})
	s.cmd.Stderr = s.log
	read, write := io.Pipe()
	s.cmd.Stdout = write
	s.input, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	ended := s.ended
	cmd := s.cmd
	go func() {
		cmd.Wait()
		write.Close()
		close(ended)
	}()
	hung := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer hung.Stop()
	lines := bufio.NewReader(read)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, "the server is not ready:\n%s", s.log)
		line = strings.TrimSpace(line)
		if strings.Trim(line, "0123456789") == "" && line != "" {
			s.port = line
			break
		}
	}
	go io.Copy(s.log, lines)
}

// kill ends the process without giving it a chance.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.ended
}

func (s *server) url() string { return "opc.tcp://" + net.JoinHostPort("127.0.0.1", s.port) + "/plant" }

// config is how to log in with a policy and mode, trusting the server at first use.
func (s *server) config(t *testing.T, policy opcua.Policy, mode opcua.Mode) opcua.ClientConfig {
	t.Helper()
	cfg := opcua.ClientConfig{Endpoint: s.url(), Policies: []opcua.Policy{policy}, Mode: mode, Timeout: patience, ConnectTimeout: patience}
	if policy != opcua.PolicyNone {
		cfg.Trust = s.trust(t)
	}
	return cfg
}
