package stacks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	awcullen "github.com/awcullen/opcua/client"
	awua "github.com/awcullen/opcua/ua"
	gopcua "github.com/gopcua/opcua"
	gopcuaua "github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// policies are all that are offered, with their modes.
var policies = []struct {
	policy opcua.Policy
	uri    string
	modes  []opcua.Mode
}{
	{opcua.PolicyNone, "http://opcfoundation.org/UA/SecurityPolicy#None", []opcua.Mode{opcua.ModeNone}},
	{opcua.Basic256Sha256, "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256", []opcua.Mode{opcua.Sign, opcua.SignAndEncrypt}},
	{opcua.Aes128Sha256RsaOaep, "http://opcfoundation.org/UA/SecurityPolicy#Aes128_Sha256_RsaOaep", []opcua.Mode{opcua.Sign, opcua.SignAndEncrypt}},
	{opcua.Aes256Sha256RsaPss, "http://opcfoundation.org/UA/SecurityPolicy#Aes256_Sha256_RsaPss", []opcua.Mode{opcua.Sign, opcua.SignAndEncrypt}},
}

// client is how to log in at a server with a policy and mode, trusting it at first use.
func client(t *testing.T, url string, policy opcua.Policy, mode opcua.Mode) opcua.ClientConfig {
	t.Helper()
	own, err := opcua.LoadCertificate(files(t, identity(t)))
	require.NoError(t, err)
	store, err := opcua.OpenStore(t.TempDir())
	require.NoError(t, err)
	return opcua.ClientConfig{
		Endpoint: url, Policies: []opcua.Policy{policy}, Mode: mode, Timeout: patience, ConnectTimeout: patience,
		Certificate: own, Trust: opcua.Trust{Store: store, FirstUse: true},
	}
}

func node(name string) opcua.NodeID { return opcua.NodeID("nsu=" + namespace + ";s=" + name) }

// read asks for all scalars.
func read(ctx context.Context, cfg opcua.ClientConfig) error {
	c, err := opcua.NewClient(cfg)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	var names []string
	var nodes []opcua.NodeID
	for name := range scalars {
		names, nodes = append(names, name), append(nodes, node(name))
	}
	values, err := c.Read(ctx, nodes...)
	if err != nil {
		return err
	}
	for i, name := range names {
		if got, want := strings.Trim(values[i].String(), `"`), fmt.Sprint(scalars[name]); got != want {
			return fmt.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	return nil
}

// subscribe has the counter step after each sample of it, and sees every step.
func subscribe(ctx context.Context, cfg opcua.ClientConfig, s server) error {
	catalog := acquire.NewCatalog()
	source, err := opcua.NewSource(opcua.Config{
		Client: cfg, Catalog: catalog, Interval: 50 * time.Millisecond, Sampling: -1,
		Points: []opcua.Point{{Name: "counter", Node: node("Counter"), Kind: acquire.KindUint64}},
	})
	if err != nil {
		return err
	}
	stream, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	var b acquire.Batch
	var last uint64
	for seen := 0; seen < 5; {
		if err := stream.Next(ctx, &b); err != nil {
			return err
		}
		for _, sample := range b.Samples {
			n, ok := sample.Value.Uint64()
			if !ok || !sample.Quality.IsGood() {
				return fmt.Errorf("counter is %v %s", sample.Value, sample.Quality)
			}
			if seen > 0 && n == last {
				continue // confirmed
			}
			if seen > 0 && n != last+1 {
				return fmt.Errorf("%d follows %d", n, last)
			}
			last = n
			seen++
			s.step()
		}
	}
	return nil
}

// TestTheirServers reads and subscribes, with every policy, mode and kind of user that
// the server has.
func TestTheirServers(t *testing.T) {
	for _, stack := range []struct {
		name      string
		start     func(*testing.T) server
		passwords bool // it has users
		forgets   bool // a subscription that ends takes a later one with it, of the same id
	}{
		{name: "awcullen", start: startAwcullen, passwords: true},
		{name: "gopcua", start: startGopcua, forgets: true},
	} {
		t.Run(stack.name, func(t *testing.T) {
			t.Parallel()
			s := stack.start(t)
			var table strings.Builder
			for _, p := range policies {
				for _, mode := range p.modes {
					for _, id := range []opcua.Identity{{}, {User: user, Password: password}} {
						if id.User != "" && !stack.passwords {
							continue
						}
						cfg := client(t, s.url, p.policy, mode)
						cfg.Identity = id
						if stack.forgets {
							s = stack.start(t)
							cfg.Endpoint = s.url
						}
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						verdict := "right"
						if !assert.NoError(t, read(ctx, cfg), "read %s %s %q", p.policy, mode, id.User) ||
							!assert.NoError(t, subscribe(ctx, cfg, s), "subscribe %s %s %q", p.policy, mode, id.User) {
							verdict = "WRONG"
						}
						cancel()
						fmt.Fprintf(&table, "\n%-22s %-15s %-10s %s", p.policy, mode, id.User, verdict)
					}
				}
			}
			t.Log(table.String())

			if !stack.passwords {
				return
			}
			cfg := client(t, s.url, opcua.Basic256Sha256, opcua.SignAndEncrypt)
			cfg.Identity = opcua.Identity{User: user, Password: "not that"}
			err := read(t.Context(), cfg)
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "not that")
		})
	}
}

// ours runs our simulator with the scalars and a counter of tenths of seconds, until the
// end of the test.
func ours(t *testing.T) *opcuatest.Server {
	t.Helper()
	cfg := opcuatest.Config{
		Namespaces: []string{namespace}, Users: map[string]string{user: password}, Identity: identity(t),
		Security: []opcuatest.Security{{Policy: opcuatest.PolicyNone, Mode: opcuatest.ModeNone}},
	}
	for _, policy := range []opcuatest.Policy{opcuatest.Basic256Sha256, opcuatest.Aes128Sha256RsaOaep, opcuatest.Aes256Sha256RsaPss} {
		cfg.Security = append(cfg.Security, opcuatest.Security{Policy: policy, Mode: opcuatest.Sign}, opcuatest.Security{Policy: policy, Mode: opcuatest.SignAndEncrypt})
	}
	for name, value := range scalars {
		cfg.Variables = append(cfg.Variables, opcuatest.Variable{
			ID: opcuatest.NodeID("ns=2;s=" + name), Name: name, Value: func(time.Time) any { return value },
		})
	}
	const step = 100 * time.Millisecond
	cfg.Variables = append(cfg.Variables, opcuatest.Variable{
		ID: "ns=2;s=Counter", Name: "Counter", Step: step,
		Value: func(at time.Time) any { return uint32(at.UnixMilli() / step.Milliseconds()) },
	})
	s, err := opcuatest.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func TestClientOfAwcullen(t *testing.T) {
	t.Parallel()
	s := ours(t)
	certificate, key := files(t, identity(t))
	for _, p := range policies {
		for _, mode := range p.modes {
			for _, name := range []string{"", user} {
				t.Run(fmt.Sprint(p.policy, " ", mode, " ", name), func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					options := []awcullen.Option{
						awcullen.WithSecurityPolicyURI(p.uri, awua.MessageSecurityMode(mode)),
						awcullen.WithClientCertificatePaths(certificate, key), awcullen.WithInsecureSkipVerify(),
					}
					if name != "" {
						options = append(options, awcullen.WithUserNameIdentity(name, password))
					}
					// It asks for the endpoints first, waits for an answer to its closing of
					// that channel, which no server sends (OPC 10000-6, section 7.1.4), and
					// sometimes takes the end of the connection for a failure of all.
					var c *awcullen.Client
					err := error(awua.BadSecureChannelClosed)
					for err == awua.BadSecureChannelClosed && ctx.Err() == nil {
						c, err = awcullen.Dial(ctx, s.URL(), options...)
					}
					require.NoError(t, err)
					defer c.Close(context.WithoutCancel(ctx))
					for name, want := range scalars {
						answer, err := c.Read(ctx, &awua.ReadRequest{NodesToRead: []awua.ReadValueID{{
							NodeID: awua.ParseNodeID("ns=2;s=" + name), AttributeID: awua.AttributeIDValue,
						}}})
						require.NoError(t, err)
						require.Len(t, answer.Results, 1)
						assert.Equal(t, want, answer.Results[0].Value, name)
					}
					subscription, err := c.CreateSubscription(ctx, &awua.CreateSubscriptionRequest{
						RequestedPublishingInterval: 50, RequestedMaxKeepAliveCount: 20, RequestedLifetimeCount: 100, PublishingEnabled: true,
					})
					require.NoError(t, err)
					_, err = c.CreateMonitoredItems(ctx, &awua.CreateMonitoredItemsRequest{
						SubscriptionID: subscription.SubscriptionID, TimestampsToReturn: awua.TimestampsToReturnBoth,
						ItemsToCreate: []awua.MonitoredItemCreateRequest{{
							ItemToMonitor:       awua.ReadValueID{NodeID: awua.ParseNodeID("ns=2;s=Counter"), AttributeID: awua.AttributeIDValue},
							MonitoringMode:      awua.MonitoringModeReporting,
							RequestedParameters: awua.MonitoringParameters{ClientHandle: 7, QueueSize: 100, DiscardOldest: true},
						}},
					})
					require.NoError(t, err)
					var seen []uint32
					var acknowledge []awua.SubscriptionAcknowledgement
					for len(seen) < 5 {
						answer, err := c.Publish(ctx, &awua.PublishRequest{SubscriptionAcknowledgements: acknowledge})
						require.NoError(t, err)
						acknowledge = []awua.SubscriptionAcknowledgement{{SubscriptionID: answer.SubscriptionID, SequenceNumber: answer.NotificationMessage.SequenceNumber}}
						for _, data := range answer.NotificationMessage.NotificationData {
							if changes, ok := data.(awua.DataChangeNotification); ok {
								for _, item := range changes.MonitoredItems {
									assert.EqualValues(t, 7, item.ClientHandle)
									seen = append(seen, item.Value.Value.(uint32))
								}
							}
						}
					}
					consecutive(t, seen)
				})
			}
		}
	}
}

func TestClientOfGopcua(t *testing.T) {
	t.Parallel()
	s := ours(t)
	id := identity(t)
	for _, p := range policies {
		for _, mode := range p.modes {
			for _, name := range []string{"", user} {
				t.Run(fmt.Sprint(p.policy, " ", mode, " ", name), func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					endpoints, err := gopcua.GetEndpoints(ctx, s.URL())
					require.NoError(t, err)
					endpoint, err := gopcua.SelectEndpoint(endpoints, p.uri, gopcuaua.MessageSecurityMode(mode))
					require.NoError(t, err)
					kind := gopcuaua.UserTokenTypeAnonymous
					options := []gopcua.Option{gopcua.AutoReconnect(false), gopcua.PrivateKey(id.Key), gopcua.Certificate(id.Certificate)}
					if name != "" {
						kind = gopcuaua.UserTokenTypeUserName
						options = append(options, gopcua.AuthUsername(name, password))
					} else {
						options = append(options, gopcua.AuthAnonymous())
					}
					options = append(options, gopcua.SecurityFromEndpoint(endpoint, kind))
					c, err := gopcua.NewClient(s.URL(), options...)
					require.NoError(t, err)
					require.NoError(t, c.Connect(ctx))
					defer c.Close(context.WithoutCancel(ctx))
					for name, want := range scalars {
						answer, err := c.Read(ctx, &gopcuaua.ReadRequest{NodesToRead: []*gopcuaua.ReadValueID{{
							NodeID: gopcuaua.MustParseNodeID("ns=2;s=" + name), AttributeID: gopcuaua.AttributeIDValue,
						}}})
						require.NoError(t, err)
						assert.Equal(t, want, answer.Results[0].Value.Value(), name)
					}
					notifications := make(chan *gopcua.PublishNotificationData, 100)
					subscription, err := c.Subscribe(ctx, &gopcua.SubscriptionParameters{Interval: 50 * time.Millisecond}, notifications)
					require.NoError(t, err)
					defer subscription.Cancel(context.WithoutCancel(ctx))
					request := gopcua.NewMonitoredItemCreateRequestWithDefaults(gopcuaua.MustParseNodeID("ns=2;s=Counter"), gopcuaua.AttributeIDValue, 7)
					request.RequestedParameters.QueueSize = 100
					_, err = subscription.Monitor(ctx, gopcuaua.TimestampsToReturnBoth, request)
					require.NoError(t, err)
					var seen []uint32
					for len(seen) < 5 {
						select {
						case n := <-notifications:
							require.NoError(t, n.Error)
							if changes, ok := n.Value.(*gopcuaua.DataChangeNotification); ok {
								for _, item := range changes.MonitoredItems {
									assert.EqualValues(t, 7, item.ClientHandle)
									seen = append(seen, item.Value.Value.Value().(uint32))
								}
							}
						case <-ctx.Done():
							t.Fatal("no notification")
						}
					}
					consecutive(t, seen)
				})
			}
		}
	}
}

// consecutive checks that no step of the counter is missing or doubled.
func consecutive(t *testing.T, seen []uint32) {
	t.Helper()
	for i, n := range seen {
		assert.Equal(t, seen[0]+uint32(i), n, "%v", seen)
	}
}
