package interop_test

import (
	"bufio"
	"bytes"
	"flag"
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

// Tests that may run beside others wait for most of their time, so that the number of
// processors is not the limit.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// password is that of the server's user "operator".
const password = "interop-secret"

func missing(t *testing.T, what, install string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("FIELDTAP_INTEROP") == "require" {
		t.Fatalf("needs %s, and nothing may be missing here: %v", what, err)
	}
	t.Skipf("needs %s (%s): %v", what, install, err)
}

// process is a running program of testdata.
type process struct {
	cmd     *exec.Cmd
	input   io.WriteCloser
	answers chan string   // lines that answer: a number, or a JSON object
	log     *output       // what else it writes
	ended   chan struct{} // closed when the process is gone

	loaded sync.Once // see ready
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

// launch starts a script of testdata. It is for the caller to end it.
func launch(t *testing.T, script string, args ...string) *process {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "apt-get install nodejs npm", err)
	}
	if _, err := os.Stat(filepath.Join("testdata", "node_modules", "node-opcua", "package.json")); err != nil {
		missing(t, "node-opcua", "npm ci --omit=optional --ignore-scripts in internal/interop/opcua/testdata", err)
	}
	p := &process{cmd: exec.Command(node, append([]string{filepath.Join("testdata", script)}, args...)...), answers: make(chan string, 8), log: new(output), ended: make(chan struct{})}
	p.cmd.Stderr = p.log
	lines, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.input, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		for each := bufio.NewScanner(lines); each.Scan(); {
			line := strings.TrimSpace(each.Text())
			if line != "" && (line[0] == '{' || strings.Trim(line, "0123456789") == "") {
				p.answers <- line
				continue
			}
			fmt.Fprintln(p.log, line)
		}
		p.cmd.Wait()
	}()
	return p
}

// line returns the next line that answers.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case line := <-p.answers:
		return line
	case <-p.ended:
	case <-time.After(patience):
	}
	t.Fatalf("no answer of the server:\n%s", p.log)
	return ""
}

// kill ends the process without giving it a chance.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// server is a running server of node-opcua, with values of all types.
type server struct {
	*process
	port string
}

// start runs the server until the end of the test. A limit of 0 is none.
func start(t *testing.T, limit int) *server {
	t.Helper()
	s := &server{process: launch(t, "server.js", t.TempDir(), fmt.Sprint(limit))}
	t.Cleanup(s.kill)
	s.port = s.line(t)
	return s
}

func (s *server) url() string { return "opc.tcp://" + net.JoinHostPort("127.0.0.1", s.port) + "/plant" }

// config is how to log in with a policy and mode, trusting the server at first use.
func (s *server) config(t *testing.T, policy opcua.Policy, mode opcua.Mode) opcua.ClientConfig {
	t.Helper()
	cfg := opcua.ClientConfig{Endpoint: s.url(), Policies: []opcua.Policy{policy}, Mode: mode, Timeout: patience, ConnectTimeout: patience}
	if policy != opcua.PolicyNone {
		cfg.Certificate, cfg.Trust = ownCertificate(t), trust(t)
	}
	return cfg
}

// trust takes the server's certificate at its first use, in a store of its own.
func trust(t *testing.T) opcua.Trust {
	t.Helper()
	store, err := opcua.OpenStore(t.TempDir())
	require.NoError(t, err)
	return opcua.Trust{Store: store, FirstUse: true, AnyHost: true}
}

// created is the certificate of all clients, which takes a while to make.
var created = sync.OnceValues(func() (opcua.Certificate, error) {
	return opcua.CreateCertificate(opcua.Template{CommonName: "interop"})
})

func ownCertificate(t *testing.T) opcua.Certificate {
	t.Helper()
	c, err := created()
	require.NoError(t, err)
	return c
}
