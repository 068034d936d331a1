package stacks_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	awcullen "github.com/awcullen/opcua/server"
	awua "github.com/awcullen/opcua/ua"
	gopcua "github.com/gopcua/opcua/server"
	gopcuaua "github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// patience turns a hang into a failure with a message; nothing is measured by it.
const patience = time.Minute

const (
	namespace = "urn:interop:stacks"
	user      = "operator"
	password  = "interop-secret"
)

// scalars are what the servers hold, by the end of the node's id.
var scalars = map[string]any{
	"Boolean": true, "SByte": int8(-128), "Byte": uint8(255), "Int16": int16(-32768), "UInt16": uint16(65535),
	"Int32": int32(-2147483648), "UInt32": uint32(4294967295), "Int64": int64(-1 << 63), "UInt64": uint64(1<<64 - 1),
	"Float": float32(1.5), "Double": -1e300, "String": "Stromzähler",
}

// files writes a certificate and its key as PEM, in files that servers are started with.
func files(t *testing.T, id opcuatest.Identity) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "own.crt"), filepath.Join(dir, "own.key")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(id.Key)}), 0o600))
	return certificate, key
}

// uri is that of all applications here, which have one certificate.
const uri = "urn:interop:stacks:application"

var created = sync.OnceValues(func() (opcuatest.Identity, error) { return opcuatest.NewIdentity(uri, nil) })

func identity(t *testing.T) opcuatest.Identity {
	t.Helper()
	id, err := created()
	require.NoError(t, err)
	return id
}

// freePort is one that nobody listened on a moment ago: neither stack takes a listener.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// server is a running server of somebody else's, with scalars and a counter that is one
// higher in every step.
type server struct {
	url  string
	step func()
}

// startAwcullen runs a server of awcullen/opcua until the end of the test.
func startAwcullen(t *testing.T) server {
	t.Helper()
	certificate, key := files(t, identity(t))
	url := fmt.Sprintf("opc.tcp://127.0.0.1:%d", freePort(t))
	srv, err := awcullen.New(
		awua.ApplicationDescription{
			ApplicationURI: uri, ProductURI: uri, ApplicationName: awua.LocalizedText{Text: "interop"},
			ApplicationType: awua.ApplicationTypeServer, DiscoveryURLs: []string{url},
		},
		certificate, key, url,
		awcullen.WithSecurityPolicyNone(true),
		awcullen.WithInsecureSkipVerify(), // what it makes of clients' certificates is not our concern
		awcullen.WithAnonymousIdentity(true),
		awcullen.WithAuthenticateUserNameIdentityFunc(func(id awua.UserNameIdentity, _, _ string) error {
			if id.UserName != user || id.Password != password {
				return awua.BadUserAccessDenied
			}
			return nil
		}),
	)
	require.NoError(t, err)
	manager := srv.NamespaceManager()
	index := manager.Add(namespace)
	add := func(name string, value any, typ awua.NodeID) *awcullen.VariableNode {
		n := awcullen.NewVariableNode(srv, awua.ParseNodeID(fmt.Sprintf("ns=%d;s=%s", index, name)),
			awua.NewQualifiedName(index, name), awua.NewLocalizedText(name, ""), awua.NewLocalizedText("", ""), nil,
			[]awua.Reference{
				awua.NewReference(awua.ReferenceTypeIDHasTypeDefinition, false, awua.NewExpandedNodeID(awua.VariableTypeIDBaseDataVariableType)),
				awua.NewReference(awua.ReferenceTypeIDOrganizes, true, awua.NewExpandedNodeID(awua.ObjectIDObjectsFolder)),
			},
			awua.NewDataValue(value, awua.Good, time.Now(), 0, time.Now(), 0), typ,
			awua.ValueRankScalar, nil, awua.AccessLevelsCurrentRead, 0, false, nil)
		require.NoError(t, manager.AddNode(n))
		return n
	}
	types := map[string]awua.NodeID{
		"Boolean": awua.DataTypeIDBoolean, "SByte": awua.DataTypeIDSByte, "Byte": awua.DataTypeIDByte, "Int16": awua.DataTypeIDInt16,
		"UInt16": awua.DataTypeIDUInt16, "Int32": awua.DataTypeIDInt32, "UInt32": awua.DataTypeIDUInt32, "Int64": awua.DataTypeIDInt64,
		"UInt64": awua.DataTypeIDUInt64, "Float": awua.DataTypeIDFloat, "Double": awua.DataTypeIDDouble, "String": awua.DataTypeIDString,
	}
	for name, value := range scalars {
		add(name, value, types[name])
	}
	counter := add("Counter", uint32(0), awua.DataTypeIDUInt32)
	ended := make(chan struct{})
	go func() {
		srv.ListenAndServe()
		close(ended)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
	listening(t, url)
	return server{url: url, step: func() {
		now := time.Now()
		last, _ := counter.Value().Value.(uint32)
		counter.SetValue(awua.NewDataValue(last+1, awua.Good, now, 0, now, 0))
	}}
}

// startGopcua runs a server of gopcua until the end of the test.
func startGopcua(t *testing.T) server {
	t.Helper()
	id := identity(t)
	port := freePort(t)
	options := []gopcua.Option{
		gopcua.EndPoint("127.0.0.1", port), gopcua.PrivateKey(id.Key), gopcua.Certificate(id.Certificate),
		gopcua.EnableAuthMode(gopcuaua.UserTokenTypeAnonymous),
		gopcua.EnableSecurity("None", gopcuaua.MessageSecurityModeNone),
	}
	for _, policy := range []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"} {
		options = append(options, gopcua.EnableSecurity(policy, gopcuaua.MessageSecurityModeSign), gopcua.EnableSecurity(policy, gopcuaua.MessageSecurityModeSignAndEncrypt))
	}
	srv := gopcua.New(options...)
	ns := gopcua.NewMapNamespace(srv, namespace)
	ns.Mu.Lock()
	for name, value := range scalars {
		ns.Data[name] = value
	}
	ns.Data["Counter"] = uint32(0)
	ns.Mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, srv.Start(ctx))
	t.Cleanup(func() {
		srv.Close()
		cancel()
	})
	url := fmt.Sprintf("opc.tcp://127.0.0.1:%d", port)
	listening(t, url)
	return server{url: url, step: func() {
		last, _ := ns.GetValue("Counter").(uint32)
		ns.SetValue("Counter", last+1)
	}}
}

// listening waits until somebody answers there.
func listening(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "opc.tcp://"))
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond)
}
