package opcua

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gopcua/opcua/ua"
)

// Policy is a security policy: the algorithms that protect a channel or a secret (OPC
// 10000-7, section 6.6). A larger one is the more secure one.
type Policy uint8

// The policies. Basic128Rsa15 and Basic256 rest on SHA-1 and are deprecated; they and
// PolicyNone are used only where ClientConfig.Policies names them.
const (
	PolicyNone          Policy = iota + 1 // nothing is protected
	Basic128Rsa15                         // deprecated since 1.04
	Basic256                              // deprecated since 1.04
	Basic256Sha256                        // AES-256, HMAC-SHA-256, RSA-OAEP with SHA-1, RSA with SHA-256
	Aes128Sha256RsaOaep                   // AES-128, HMAC-SHA-256, RSA-OAEP with SHA-1, RSA with SHA-256
	Aes256Sha256RsaPss                    // AES-256, HMAC-SHA-256, RSA-OAEP with SHA-256, RSA-PSS with SHA-256
)

// policyPrefix is what the URIs of policies begin with.
const policyPrefix = "http://opcfoundation.org/UA/SecurityPolicy#"

// policyNames are the ends of the URIs.
var policyNames = [...]string{
	PolicyNone: "None", Basic128Rsa15: "Basic128Rsa15", Basic256: "Basic256", Basic256Sha256: "Basic256Sha256",
	Aes128Sha256RsaOaep: "Aes128_Sha256_RsaOaep", Aes256Sha256RsaPss: "Aes256_Sha256_RsaPss",
}

// String returns the name of the policy as its URI has it, such as
// "Aes256_Sha256_RsaPss".
func (p Policy) String() string {
	if p == 0 || int(p) >= len(policyNames) {
		return fmt.Sprintf("policy %d", uint8(p))
	}
	return policyNames[p]
}

// UnmarshalText reads the name of a policy, with or without underscores, or its URI.
func (p *Policy) UnmarshalText(text []byte) error {
	plain := strings.ReplaceAll(strings.TrimPrefix(string(text), policyPrefix), "_", "")
	for i, name := range policyNames {
		if i > 0 && strings.EqualFold(plain, strings.ReplaceAll(name, "_", "")) {
			*p = Policy(i)
			return nil
		}
	}
	return fmt.Errorf("opcua: %.100q is no security policy that is supported", text)
}

// policyOf returns the policy of a URI, and 0 of one that we do not have.
func policyOf(uri string) Policy {
	name, ok := strings.CutPrefix(uri, policyPrefix)
	if i := slices.Index(policyNames[:], name); ok && i > 0 {
		return Policy(i)
	}
	return 0
}

func (p Policy) uri() string { return policyPrefix + p.String() }

// weak reports whether a policy protects less than it was meant to.
func (p Policy) weak() bool { return p < Basic256Sha256 }

// Mode is how messages are protected (OPC 10000-4, section 7.20). A larger one
// protects more.
type Mode uint8

// The modes, with the numbers of the standard.
const (
	ModeNone       Mode = iota + 1 // not at all: the mode of PolicyNone
	Sign                           // against change; everyone on the way can read
	SignAndEncrypt                 // against change and reading
)

// String returns the standard's name of the mode.
func (m Mode) String() string {
	switch m {
	case ModeNone:
		return "None"
	case Sign:
		return "Sign"
	case SignAndEncrypt:
		return "SignAndEncrypt"
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// UnmarshalText reads the standard's name of a mode.
func (m *Mode) UnmarshalText(text []byte) error {
	for candidate := ModeNone; candidate <= SignAndEncrypt; candidate++ {
		if strings.EqualFold(string(text), candidate.String()) {
			*m = candidate
			return nil
		}
	}
	return fmt.Errorf("opcua: %.100q is no security mode", text)
}

// binaryProfile is the transport that we speak: OPC UA TCP, Secure Conversation, Binary
// (OPC 10000-7).
const binaryProfile = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"

// endpoint is what we know of the endpoint that was chosen.
type endpoint struct {
	url         string
	policy      string // URI
	mode        ua.MessageSecurityMode
	certificate []byte // DER; judged, wherever something depends on it
	tokens      []tokenPolicy
	level       byte
	application string // URI of the server
	name        string // of the server
	transport   string // URI of the profile
}

// tokenPolicy is a UserTokenPolicy.
type tokenPolicy struct {
	id     string
	kind   ua.UserTokenType
	issued string // URI of the kind of issued token
	policy string // URI that secures it; empty: that of the endpoint
}

// Endpoint is one way into a server, as it describes it (OPC 10000-4, section 7.14).
// Discovery is not protected: anybody on the way may have changed it. A login chooses
// among them and does not rest on them.
type Endpoint struct {
	URL            string   // by which the server calls it; the host may be one that only it knows
	Policy         Policy   // 0: one that is not supported
	PolicyURI      string   // of Policy
	Mode           Mode     // how messages are protected
	Level          uint8    // how the server ranks it: higher is more secure
	ApplicationURI string   // of the server
	Name           string   // of the server
	Certificate    []byte   // of the server, DER, perhaps with its issuers behind; not judged
	Logins         []string // kinds of identity, such as "anonymous" or "user name"
	Transport      string   // URI of the profile
}

// describe returns what an endpoint is for reading.
func (e endpoint) describe() Endpoint {
	d := Endpoint{
		URL: e.url, Policy: policyOf(e.policy), PolicyURI: e.policy, Mode: Mode(e.mode), Level: e.level,
		ApplicationURI: e.application, Name: e.name, Certificate: e.certificate, Transport: e.transport,
	}
	for _, p := range e.tokens {
		name := "unknown"
		if i := int(p.kind); i >= 0 && i < len(loginNames) {
			name = loginNames[i]
		}
		if !slices.Contains(d.Logins, name) {
			d.Logins = append(d.Logins, name)
		}
	}
	return d
}

// loginNames are kinds of tokens by their number (OPC 10000-4, section 7.43).
var loginNames = [...]string{"anonymous", "user name", "certificate", "issued token"}

// effective returns the policy that a token of e is secured by.
func (p tokenPolicy) effective(e endpoint) Policy {
	if p.policy == "" {
		return policyOf(e.policy)
	}
	return policyOf(p.policy)
}

// demand is the least that an endpoint must offer.
type demand struct {
	policies []Policy
	mode     Mode
	url      string // configured: preferred among equals
	identity identity
}

// admits reports whether an endpoint offers what is asked for.
func (d demand) admits(e endpoint) bool {
	policy := policyOf(e.policy)
	switch {
	case e.transport != binaryProfile || !strings.HasPrefix(e.url, scheme):
		return false
	case !slices.Contains(d.policies, policy):
		return false
	case policy == PolicyNone:
		if e.mode != ua.MessageSecurityModeNone {
			return false
		}
	case e.mode != ua.MessageSecurityModeSign && e.mode != ua.MessageSecurityModeSignAndEncrypt, Mode(e.mode) < d.mode:
		return false
	case len(e.certificate) == 0:
		return false
	}
	_, ok := d.identity.token(e)
	return ok
}

// choose returns the best endpoint that is good enough: by mode, policy, and level, in
// this order.
func (d demand) choose(offered []endpoint) (endpoint, error) {
	var good []endpoint
	for _, e := range offered {
		if d.admits(e) {
			good = append(good, e)
		}
	}
	if len(good) == 0 {
		return endpoint{}, &SecurityError{Reason: "no endpoint is as secure as asked for: " + d.missed(offered)}
	}
	slices.SortStableFunc(good, func(a, b endpoint) int {
		return cmp.Or(
			cmp.Compare(b.mode, a.mode),
			cmp.Compare(policyOf(b.policy), policyOf(a.policy)),
			cmp.Compare(b.level, a.level),
			cmp.Compare(d.distance(a), d.distance(b)),
		)
	})
	return good[0], nil
}

// distance tells how far the URL of an endpoint is from the configured one.
func (d demand) distance(e endpoint) int {
	if strings.EqualFold(strings.TrimSuffix(e.url, "/"), strings.TrimSuffix(d.url, "/")) {
		return 0
	}
	a, err := url.Parse(e.url)
	b, fault := url.Parse(d.url)
	if err == nil && fault == nil && strings.Trim(a.Path, "/") == strings.Trim(b.Path, "/") {
		return 1
	}
	return 2
}

// missed tells what was asked for and what is there.
func (d demand) missed(offered []endpoint) string {
	var there []string
	for _, e := range offered {
		policy := policyOf(e.policy).String()
		if policyOf(e.policy) == 0 {
			policy = fmt.Sprintf("%.80q", strings.TrimPrefix(e.policy, policyPrefix))
		}
		offer := policy + " " + Mode(e.mode).String()
		if e.transport != binaryProfile {
			offer += " by another transport"
		} else if _, ok := d.identity.token(e); !ok {
			offer += " without " + d.identity.String()
		}
		if !slices.Contains(there, offer) && len(there) < 20 {
			there = append(there, offer)
		}
	}
	if there == nil {
		there = []string{"nothing"}
	}
	return fmt.Sprintf("want %v, %s or more, %s; there is %s", d.policies, d.mode, d.identity, strings.Join(there, ", "))
}

// compare fails if what a server offers, now that it has proved who it is, differs from
// what was said in its name before: somebody on the way may have left out the better
// ones. chosen is the endpoint chosen by hearsay. As OPC 10000-4, section 5.6.2, has it,
// servers may leave certificates out, and often list only what is at the same URL.
func (d demand) compare(chosen endpoint, offered []endpoint) error {
	if !slices.ContainsFunc(offered, func(e endpoint) bool { return len(e.certificate) > 0 }) {
		offered = slices.Clone(offered)
		for i := range offered {
			offered[i].certificate = chosen.certificate
		}
	}
	again, err := d.choose(offered)
	switch {
	case err != nil:
		return &SecurityError{Reason: "the session's endpoints are not those of discovery"}
	case again.policy != chosen.policy || again.mode != chosen.mode:
		return &SecurityError{Reason: fmt.Sprintf("discovery named %s %s, the server itself offers %s %s",
			policyOf(chosen.policy), Mode(chosen.mode), policyOf(again.policy), Mode(again.mode))}
	case string(leaf(again.certificate)) != string(leaf(chosen.certificate)):
		return &SecurityError{Reason: "discovery named another certificate than the server itself"}
	case again.application != chosen.application:
		return &SecurityError{Reason: fmt.Sprintf("discovery named application %.200q, the server itself %.200q", chosen.application, again.application)}
	}
	order := func(a, b tokenPolicy) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.kind, b.kind), cmp.Compare(a.issued, b.issued), cmp.Compare(a.policy, b.policy))
	}
	if !slices.Equal(slices.SortedFunc(slices.Values(again.tokens), order), slices.SortedFunc(slices.Values(chosen.tokens), order)) {
		return &SecurityError{Reason: "discovery named other kinds of login than the server itself"}
	}
	return nil
}
