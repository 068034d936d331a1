package opcua

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// loginTo is a connector to a server in memory.
func loginTo(t *testing.T, dial func(context.Context) (net.Conn, error)) *connector {
	t.Helper()
	n, err := newConnector(ClientConfig{
		Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}, Dial: dial, Timeout: 3 * time.Second, ConnectTimeout: 20 * time.Second,
	})
	require.NoError(t, err)
	return n
}

// A black hole holds a login no longer than one step may take, and a chain of slow steps
// no longer than the whole may; the end of the context is told as that.
func TestBlackHole(t *testing.T) {
	hole := func(context.Context) (net.Conn, error) { // takes everything in, says nothing
		here, there := net.Pipe()
		go func() {
			b := make([]byte, 1024)
			for {
				if _, err := there.Read(b); err != nil {
					return
				}
			}
		}()
		return here, nil
	}
	deaf := func(context.Context) (net.Conn, error) { // does not even take anything in
		here, _ := net.Pipe()
		return here, nil
	}
	nowhere := func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	late := errors.New("late")
	for name, tt := range map[string]struct {
		dial  func(context.Context) (net.Conn, error)
		after time.Duration // context; 0: none
		took  time.Duration
		want  error // nil: a TimeoutError
	}{
		"says nothing":            {hole, 0, 3 * time.Second, nil},
		"takes nothing":           {deaf, 0, 3 * time.Second, nil},
		"cannot be reached":       {nowhere, 0, 3 * time.Second, nil},
		"says nothing, deadline":  {hole, time.Second, time.Second, context.DeadlineExceeded},
		"takes nothing, deadline": {deaf, time.Second, time.Second, context.DeadlineExceeded},
		"nowhere, deadline":       {nowhere, time.Second, time.Second, context.DeadlineExceeded},
		"says nothing, cancelled": {hole, -time.Second, time.Second, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				switch {
				case tt.after > 0:
					bounded, stop := context.WithTimeout(ctx, tt.after)
					defer stop()
					ctx = bounded
				case tt.after < 0:
					time.AfterFunc(-tt.after, func() { cancel(late) })
				}
				began := time.Now()
				_, _, err := loginTo(t, tt.dial).login(ctx, nil)
				assert.Equal(t, tt.took, time.Since(began))
				if tt.want != nil {
					assert.ErrorIs(t, err, tt.want)
					return
				}
				slow, ok := errors.AsType[*TimeoutError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, 3*time.Second, slow.After)
			})
		})
	}
}

// Each step takes less than it may, all together more: that is said as what it is, and not
// as the end of the caller's context.
func TestSlowLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(t)
		server.set(func() { server.late = 2900 * time.Millisecond })
		n := loginTo(t, server.dial)
		n.cfg.ConnectTimeout = 10 * time.Second
		began := time.Now()
		_, _, err := n.login(t.Context(), nil)
		assert.Equal(t, 10*time.Second, time.Since(began))
		slow, ok := errors.AsType[*TimeoutError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, &TimeoutError{Service: "login", After: 10 * time.Second}, slow)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}

// A channel ends with a word to the server where nothing is to go on, and without one
// where a session is.
func TestParting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(t)
		n := loginTo(t, server.dial)
		parted := func() (count int) {
			synctest.Wait()
			server.set(func() { count = server.parted })
			return count
		}
		s, _, err := n.login(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, 1, parted(), "the channel of discovery")
		s.channel.close() // to be resumed
		assert.Equal(t, 1, parted())
		again, resumed, err := n.login(t.Context(), s)
		require.NoError(t, err)
		assert.True(t, resumed)
		again.close(t.Context(), true)
		again.channel.close()
		assert.Equal(t, 3, parted())
		again.channel.close()
		assert.Equal(t, 3, parted(), "twice")

		// A server that takes nothing in holds nobody.
		conn := new(stuck)
		n.cfg.Dial = func(ctx context.Context) (net.Conn, error) {
			c, err := server.dial(ctx)
			conn = &stuck{Conn: c}
			return conn, err
		}
		last, err := n.bare(t.Context())
		require.NoError(t, err)
		conn.deaf.Store(true)
		began := time.Now()
		last.close()
		assert.Equal(t, partingTime, time.Since(began))
	})
}

// stuck is a connection whose other end may take nothing in, to which writing ends with
// its deadline.
type stuck struct {
	net.Conn
	deaf atomic.Bool
}

func (c *stuck) Write(b []byte) (int, error) {
	if !c.deaf.Load() {
		return c.Conn.Write(b)
	}
	<-time.After(partingTime)
	return 0, context.DeadlineExceeded
}

// A server that has nothing to say any more is given up after two requests in vain, and
// one that answers some of them is not.
func TestMuteChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(t)
		n := loginTo(t, server.dial)
		s, _, err := n.login(t.Context(), nil)
		require.NoError(t, err)
		ask := func() error {
			m, _, err := s.request(t.Context(), &ua.ReadRequest{}, "Read", 634)
			if err == nil {
				m.release()
			}
			return err
		}
		require.NoError(t, ask())
		for range 3 {
			server.set(func() { server.silent = true })
			require.Error(t, ask())
			assert.NoError(t, s.channel.err())
			server.set(func() { server.silent = false })
			require.NoError(t, ask(), "one slow answer ends nothing")
		}
		server.set(func() { server.silent = true })
		errs := make(chan error, 5)
		for range cap(errs) {
			go func() { errs <- ask() }()
		}
		for range cap(errs) {
			require.Error(t, <-errs)
		}
		assert.NoError(t, s.channel.err(), "those asked at the same time count as one")
		require.Error(t, ask())
		_, ok := errors.AsType[*TimeoutError](s.channel.err())
		assert.True(t, ok, "%v", s.channel.err())
		s.channel.close()
	})
}
