package interop_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
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

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// patience bounds what a test waits for. Nothing is measured by it: it turns a
// hang into a failure with a message.
const patience = 30 * time.Second

// Tests that may run beside others wait for most of their time, so that the number of
// processors is not the limit.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Passwords of the users of all agents.
const (
	authPassword = "authentication"
	privPassword = "encryption"
)

// program returns the path of a program, or ends the test for want of it: by
// skipping it, or as a failure where everything must be there.
func program(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// Daemons of Debian lie where a user's path does not lead.
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", name)); err != nil {
			missing(t, name, "apt-get install "+debianPackage, err)
		}
	}
	return path
}

func missing(t *testing.T, what, install string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("FIELDTAP_INTEROP") == "require" {
		t.Fatalf("needs %s, and nothing may be missing here: %v", what, err)
	}
	t.Skipf("needs %s (%s): %v", what, install, err)
}

// agent is a running agent of other people.
type agent struct {
	name    string
	address string // host and port, of UDP and for snmpd of TCP as well
	cmd     *exec.Cmd
	log     *output
	ended   chan struct{} // closed when the process is gone
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

// run starts a process that ends with the test.
func run(t *testing.T, name string, cmd *exec.Cmd) *agent {
	t.Helper()
	a := &agent{name: name, cmd: cmd, log: new(output), ended: make(chan struct{})}
	cmd.Stderr = a.log
	if cmd.Stdout == nil {
		cmd.Stdout = a.log
	}
	require.NoError(t, cmd.Start())
	go func() {
		cmd.Wait()
		close(a.ended)
	}()
	t.Cleanup(a.kill)
	return a
}

func (a *agent) kill() {
	a.cmd.Process.Kill()
	<-a.ended
}

// freePort returns a port of loopback that nobody uses, for UDP and TCP.
func freePort(t *testing.T) string {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		address := packets.LocalAddr().String()
		stream, err := net.Listen("tcp4", address)
		packets.Close()
		if err == nil {
			stream.Close()
			return address
		}
	}
	t.Fatal("no port is free for UDP and TCP")
	return ""
}

// ready returns when the agent answers a question in version 2c, whatever it
// answers.
func (a *agent) ready(t *testing.T, community string) {
	t.Helper()
	conn, err := net.Dial("udp", a.address)
	require.NoError(t, err)
	defer conn.Close()
	name, err := snmpwire.AppendOID(nil, "1.3.6.1.2.1.1.1.0")
	require.NoError(t, err)
	m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte(community), PDU: snmpwire.PDU{
		Type: snmpwire.ReadRequest, RequestID: 1, Bindings: snmpwire.AppendQuery(nil, name),
	}}
	question, answer := m.Append(nil), make([]byte, 2048)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-a.ended:
			t.Fatalf("%s ended:\n%s", a.name, a.log)
		default:
		}
		conn.Write(question)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		if n, err := conn.Read(answer); err == nil && m.Parse(answer[:n]) == nil {
			return
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			<-time.After(50 * time.Millisecond) // refused: nobody listens yet
		}
	}
	t.Fatalf("%s is not ready:\n%s", a.name, a.log)
}

// user is a user of an agent.
type user struct{ name, auth, priv string }

// Protocols by the names of snmpd.conf(5).
var (
	netsnmpAuth = []string{"MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"}
	netsnmpPriv = []string{"DES", "AES", "AES-192", "AES-256"}
)

// users are those of snmpd: one for every pair of protocols, and those without.
func users() []user {
	list := []user{{"none-none", "", ""}}
	for _, auth := range netsnmpAuth {
		list = append(list, user{strings.ToLower(auth) + "-none", auth, ""})
		for _, priv := range netsnmpPriv {
			list = append(list, user{strings.ToLower(auth + "-" + priv), auth, priv})
		}
	}
	return list
}

// snmpd is Net-SNMP's agent, with what it knows of this machine.
type snmpd struct {
	*agent
	path, dir string
}

// startSnmpd runs Net-SNMP's agent until the end of the test.
func startSnmpd(t *testing.T, more ...string) *snmpd {
	t.Helper()
	d := &snmpd{path: program(t, "snmpd", "snmpd"), dir: t.TempDir()}
	address := freePort(t)
	var conf strings.Builder
	fmt.Fprintf(&conf, "agentAddress udp:%s,tcp:%s\nrocommunity public 127.0.0.1\n", address, address)
	fmt.Fprintf(&conf, "maxGetbulkResponses -1\nmaxGetbulkRepeats -1\nsysName interop\nengineIDType 1\n")
	for _, u := range users() {
		level := "noauth"
		fmt.Fprintf(&conf, "createUser %s", u.name)
		if u.auth != "" {
			level = "auth"
			fmt.Fprintf(&conf, " %s %s", u.auth, authPassword)
		}
		if u.priv != "" {
			level = "priv"
			fmt.Fprintf(&conf, " %s %s", u.priv, privPassword)
		}
		fmt.Fprintf(&conf, "\nrouser %s %s\n", u.name, level)
	}
	for _, line := range more {
		conf.WriteString(line + "\n")
	}
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "snmpd.conf"), []byte(conf.String()), 0o600))
	d.start(t, address)
	return d
}

// start runs the process; again after it has ended, with what it kept.
func (d *snmpd) start(t *testing.T, address string) {
	t.Helper()
	cmd := exec.Command(d.path, "-f", "-LEw", "-C", "-c", filepath.Join(d.dir, "snmpd.conf"), "-I", "-smux")
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+filepath.Join(d.dir, "kept"), "MIBS=")
	d.agent = run(t, "snmpd", cmd)
	d.address = address
	d.ready(t, "public")
}

// stop ends the process in order, so that it keeps its boots.
func (d *snmpd) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, d.cmd.Process.Signal(os.Interrupt))
	select {
	case <-d.ended:
	case <-time.After(patience):
		t.Fatal("snmpd does not end")
	}
}

// startSnmpsim runs snmpsim with its recording of a switch, as community
// "switch", and with the records given, as community "public".
func startSnmpsim(t *testing.T, records string) *agent {
	t.Helper()
	path := program(t, "snmpsimd", "snmpsim")
	const recording = "/usr/share/doc/snmpsim/examples/data/cisco_16_switch.snmprec.gz"
	packed, err := os.Open(recording)
	if err != nil {
		missing(t, "snmpsim's examples", "apt-get install snmpsim, with its documentation", err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	content, err := io.ReadAll(unpacked)
	require.NoError(t, err)

	dir := t.TempDir()
	for _, d := range []string{"data", "cache"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o777))
		require.NoError(t, os.Chmod(filepath.Join(dir, d), 0o777))
	}
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "switch.snmprec"), content, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "public.snmprec"), []byte(records), 0o644))
	address := freePort(t)
	cmd := exec.Command(path, "--data-dir="+filepath.Join(dir, "data"), "--cache-dir="+filepath.Join(dir, "cache"),
		"--agent-udpv4-endpoint="+address, "--logging-method=stderr")
	if os.Getuid() == 0 { // which it refuses to serve as
		cmd.Args = append(cmd.Args, "--process-user=nobody", "--process-group=nogroup")
	}
	a := run(t, "snmpsim", cmd)
	a.address = address
	a.ready(t, "switch")
	return a
}

// startNode runs npm's agent.
func startNode(t *testing.T) *agent {
	t.Helper()
	path := program(t, "node", "nodejs npm")
	if _, err := os.Stat(filepath.Join("testdata", "node_modules", "net-snmp", "package.json")); err != nil {
		missing(t, "net-snmp", "npm ci --omit=optional --ignore-scripts in internal/interop/snmp/testdata", err)
	}
	// DES is of the past for its cryptography: it has to be told to remember.
	cmd := exec.Command(path, "--openssl-legacy-provider", filepath.Join("testdata", "agent.js"))
	read, write := io.Pipe()
	cmd.Stdout = write
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	a := run(t, "net-snmp on Node", cmd)
	t.Cleanup(func() { input.Close() })
	hung := time.AfterFunc(patience, func() { cmd.Process.Kill(); read.Close() })
	defer hung.Stop()
	line, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err, "%s", a.log)
	go io.Copy(a.log, read)
	a.address = net.JoinHostPort("127.0.0.1", strings.TrimSpace(line))
	a.ready(t, "public")
	return a
}
