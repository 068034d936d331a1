package opcua

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plainChoice is choose again, one rule after the other, without any order of speed.
func plainChoice(d demand, offered []endpoint) (best endpoint, ok bool) {
	better := func(a, b endpoint) bool {
		switch {
		case a.mode != b.mode:
			return a.mode > b.mode
		case policyOf(a.policy) != policyOf(b.policy):
			return policyOf(a.policy) > policyOf(b.policy)
		case a.level != b.level:
			return a.level > b.level
		}
		return a.url == d.url && b.url != d.url
	}
	for _, e := range offered {
		policy := policyOf(e.policy)
		if e.transport != binaryProfile || policy == 0 || !slices.Contains(d.policies, policy) {
			continue
		}
		secured := e.mode == ua.MessageSecurityModeSign || e.mode == ua.MessageSecurityModeSignAndEncrypt
		if policy == PolicyNone && e.mode != ua.MessageSecurityModeNone || policy != PolicyNone && (!secured || Mode(e.mode) < d.mode || len(e.certificate) == 0) {
			continue
		}
		if !slices.ContainsFunc(e.tokens, func(p tokenPolicy) bool { return p.kind == ua.UserTokenTypeAnonymous }) {
			continue
		}
		if !ok || better(e, best) {
			best, ok = e, true
		}
	}
	return best, ok
}

func TestChoiceBesideAPlainOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	chosen := 0
	for range 5_000 {
		d := demand{url: "opc.tcp://a:1", identity: anonymous{}, mode: Mode(1 + r.IntN(3))}
		for p := PolicyNone; p <= Aes256Sha256RsaPss; p++ {
			if r.IntN(2) == 0 {
				d.policies = append(d.policies, p)
			}
		}
		var offered []endpoint
		for range r.IntN(8) {
			e := endpoint{
				url: pick("opc.tcp://a:1", "opc.tcp://b:2/x"), policy: pick(policyPrefix, "", "urn:") + pick("None", "None", "Basic256", "Basic256Sha256", "Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep", "basic256", ""),
				mode: ua.MessageSecurityMode(r.IntN(5)), level: byte(r.IntN(3)), transport: pick(binaryProfile, binaryProfile, binaryProfile, "x"),
				tokens: []tokenPolicy{{kind: ua.UserTokenType(r.IntN(2)), policy: pick("", policyPrefix+"None")}},
			}
			if r.IntN(4) > 0 {
				e.policy = policyPrefix + pick("None", "Basic256Sha256", "Aes256_Sha256_RsaPss", "Basic128Rsa15")
				e.certificate = []byte{1}
			}
			offered = append(offered, e)
		}
		before := slices.Clone(offered)
		got, err := d.choose(offered)
		want, ok := plainChoice(d, before)
		require.Equal(t, ok, err == nil, "%v of %v: %v", d, offered, err)
		if ok {
			chosen++
			require.Equal(t, want, got, "%v of %v", d, offered)
			require.NoError(t, d.compare(got, offered), "what is the same is no downgrade")
			if got.mode != ua.MessageSecurityModeNone {
				bare := slices.DeleteFunc(slices.Clone(offered), func(e endpoint) bool { return len(e.certificate) == 0 })
				for i := range bare {
					bare[i].certificate = nil
				}
				require.NoError(t, d.compare(got, bare), "certificates may be left out")
			}
		}
	}
	assert.Greater(t, chosen, 500)
}

func TestPolicies(t *testing.T) {
	for p := PolicyNone; p <= Aes256Sha256RsaPss; p++ {
		assert.Equal(t, p, policyOf(p.uri()))
		for _, text := range []string{p.String(), p.uri()} {
			var got Policy
			require.NoError(t, got.UnmarshalText([]byte(text)))
			assert.Equal(t, p, got)
		}
	}
	var p Policy
	require.NoError(t, p.UnmarshalText([]byte("aes256sha256rsapss")))
	assert.Equal(t, Aes256Sha256RsaPss, p)
	for _, text := range []string{"", "Basic", policyPrefix, policyPrefix + "ECC_nistP256", "policy 1"} {
		assert.Error(t, p.UnmarshalText([]byte(text)), text)
		assert.Zero(t, policyOf(text), text)
	}
	assert.Equal(t, "policy 99", Policy(99).String())
	for m := ModeNone; m <= SignAndEncrypt; m++ {
		var got Mode
		require.NoError(t, got.UnmarshalText([]byte(m.String())))
		assert.Equal(t, m, got)
	}
	var m Mode
	assert.Error(t, m.UnmarshalText([]byte("mode 0")))
}

// A secret goes by the best policy that a login has, and by no weak one.
func TestTokenPolicies(t *testing.T) {
	policies := func(list ...Policy) (tokens []tokenPolicy) {
		for i, p := range list {
			uri := ""
			if p != 0 {
				uri = p.uri()
			}
			tokens = append(tokens, tokenPolicy{id: string(rune('a' + i)), kind: ua.UserTokenTypeUserName, policy: uri})
		}
		return tokens
	}
	for _, tt := range []struct {
		policy  Policy
		mode    Mode
		tokens  []Policy // 0: that of the endpoint
		allowed []Policy
		want    string // id; "": none
	}{
		{Aes256Sha256RsaPss, SignAndEncrypt, []Policy{PolicyNone, Basic256Sha256, Aes256Sha256RsaPss}, nil, "c"},
		{Aes256Sha256RsaPss, SignAndEncrypt, []Policy{Basic256Sha256, 0}, nil, "b"},
		{Aes256Sha256RsaPss, SignAndEncrypt, []Policy{PolicyNone}, nil, "a"}, // the channel encrypts
		{Aes256Sha256RsaPss, Sign, []Policy{PolicyNone}, nil, ""},
		{Aes256Sha256RsaPss, Sign, []Policy{0}, nil, "a"},
		{PolicyNone, ModeNone, []Policy{PolicyNone, 0}, nil, ""},
		{PolicyNone, ModeNone, []Policy{PolicyNone, 0, Basic256Sha256}, nil, "c"},
		{Aes256Sha256RsaPss, SignAndEncrypt, []Policy{Basic128Rsa15, Basic256}, nil, ""},
		{Basic256, SignAndEncrypt, []Policy{Basic128Rsa15, 0}, []Policy{Basic256}, "b"},
		{Aes256Sha256RsaPss, SignAndEncrypt, nil, nil, ""},
	} {
		e := endpoint{policy: tt.policy.uri(), mode: ua.MessageSecurityMode(tt.mode), certificate: []byte{1}, tokens: policies(tt.tokens...)}
		p, ok := user{policies: tt.allowed}.token(e)
		assert.Equal(t, tt.want != "", ok, "%v", tt)
		assert.Equal(t, tt.want, p.id, "%v", tt)
	}
}
