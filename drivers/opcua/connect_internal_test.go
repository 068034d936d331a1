package opcua

import (
	"context"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One server of another make, which takes long to start, for both.
func TestLoginWithGopcua(t *testing.T) {
	address := gopcuaServer(t, selfSigned(t, "urn:server", 2048))
	t.Run("without security", func(t *testing.T) { loginPlain(t, address) })
	t.Run("secured", func(t *testing.T) { loginSecured(t, address) })
}

func loginPlain(t *testing.T, address string) {
	t.Helper()
	n, err := newConnector(ClientConfig{Endpoint: "opc.tcp://" + address, Policies: []Policy{PolicyNone}})
	require.NoError(t, err)
	s, resumed, err := n.login(t.Context(), nil)
	require.NoError(t, err)
	assert.False(t, resumed)
	s.channel.close()
	again, resumed, err := n.login(t.Context(), s)
	require.NoError(t, err)
	assert.True(t, resumed)
	assert.Equal(t, s.id, again.id)
	again.close(t.Context(), true)
	again.channel.close()
	after, resumed, err := n.login(t.Context(), again)
	require.NoError(t, err)
	assert.False(t, resumed, "a session that was closed must not be resumed")
	assert.NotEqual(t, s.id, after.id)
	after.close(context.Background(), true)
	after.channel.close()
}

func loginSecured(t *testing.T, address string) {
	t.Helper()
	store, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	n, err := newConnector(ClientConfig{Endpoint: "opc.tcp://" + address, Trust: Trust{Store: store}})
	require.NoError(t, err)
	_, _, err = n.login(t.Context(), nil)
	var refused *CertificateError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, StatusBadCertificateUntrusted, refused.Status)
	list, err := store.Rejected()
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, store.Trust(refused.Thumbprint))
	s, _, err := n.login(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, ua.SecurityPolicyURIAes256Sha256RsaPss, s.channel.cfg.policy)
	assert.Equal(t, ua.MessageSecurityModeSignAndEncrypt, s.channel.cfg.mode)
	s.channel.close()
	again, resumed, err := n.login(t.Context(), s)
	require.NoError(t, err)
	assert.True(t, resumed)
	again.close(t.Context(), true)
	again.channel.close()
}
