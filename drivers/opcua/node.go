package opcua

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// NodeID names a node of a server, as text of OPC 10000-6, section 5.3.1.10:
// "i=2258", "ns=2;s=Meter1.Power", "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
// "ns=3;b=M/RbKBsRVkePCePcx24oRA==". In place of the index of a namespace it may have
// its URI, "nsu=urn:plant:meters;s=Meter1.Power", which stays right when a server
// numbers its namespaces anew; a percent sign or semicolon in the URI is written %25
// or %3B. The zero value names nothing. Obtain canonical ones from [ParseNodeID].
type NodeID string

// ParseNodeID reads a node id and returns its canonical form: without "ns=0;", and
// with lower-case digits of a GUID.
func ParseNodeID(text string) (NodeID, error) {
	n, err := parseNode(text)
	if err != nil {
		return "", fmt.Errorf("opcua: %.100q is no node id: %w", text, err)
	}
	return n.text(), nil
}

// Valid reports whether n is the canonical form of a node id.
func (n NodeID) Valid() bool {
	canonical, err := ParseNodeID(string(n))
	return err == nil && canonical == n
}

// node is a node id taken apart.
type node struct {
	uri    string // of the namespace; "" if it is given by index
	index  uint16
	kind   uabin.IDKind
	number uint32
	bytes  string // the identifier of the other kinds; of a GUID 16 bytes as encoded
}

// Limits of OPC 10000-3, section 8.2.4: strings of up to 4,096 characters.
const maxIdentifier = 4096

func parseNode(text string) (n node, err error) {
	rest := text
	if after, ok := strings.CutPrefix(rest, "nsu="); ok {
		uri, identifier, ok := strings.Cut(after, ";")
		if !ok || uri == "" {
			return n, fmt.Errorf("no identifier behind the namespace")
		}
		if n.uri, err = unescape(uri); err != nil {
			return n, err
		}
		rest = identifier
	} else if after, ok := strings.CutPrefix(rest, "ns="); ok {
		index, identifier, ok := strings.Cut(after, ";")
		if !ok {
			return n, fmt.Errorf("no identifier behind the namespace")
		}
		number, err := strconv.ParseUint(index, 10, 16)
		if err != nil || !shortest(index) {
			return n, fmt.Errorf("namespace %.20q is no index", index)
		}
		n.index, rest = uint16(number), identifier
	}
	if len(rest) < 2 || rest[1] != '=' {
		return n, fmt.Errorf("want i=, s=, g= or b=")
	}
	kind, identifier := rest[0], rest[2:]
	if len(identifier) > maxIdentifier {
		return n, fmt.Errorf("identifier of %d bytes is longer than %d", len(identifier), maxIdentifier)
	}
	switch kind {
	case 'i':
		number, err := strconv.ParseUint(identifier, 10, 32)
		if err != nil || !shortest(identifier) {
			return n, fmt.Errorf("%.20q is no number of 32 bits", identifier)
		}
		n.number = uint32(number)
	case 's':
		n.kind, n.bytes = uabin.Named, identifier
	case 'g':
		n.kind = uabin.GUID
		if n.bytes, err = parseGUID(identifier); err != nil {
			return n, err
		}
	case 'b':
		raw, err := base64.StdEncoding.DecodeString(identifier)
		if err != nil {
			return n, fmt.Errorf("%.40q is not base64", identifier)
		}
		n.kind, n.bytes = uabin.Opaque, string(raw)
	default:
		return n, fmt.Errorf("want i=, s=, g= or b=")
	}
	return n, nil
}

// shortest reports whether digits are those of a number as it is written, without a zero
// in front.
func shortest(digits string) bool { return len(digits) == 1 || digits[0] != '0' }

// unescape takes %25 and %3B, in digits of any case, out of a URI.
func unescape(uri string) (string, error) {
	if strings.IndexByte(uri, '%') < 0 {
		return uri, nil
	}
	var b strings.Builder
	for i := 0; i < len(uri); i++ {
		if uri[i] != '%' {
			b.WriteByte(uri[i])
			continue
		}
		if i+2 >= len(uri) {
			return "", fmt.Errorf("namespace ends in the middle of %%")
		}
		switch strings.ToUpper(uri[i+1 : i+3]) {
		case "25":
			b.WriteByte('%')
		case "3B":
			b.WriteByte(';')
		default: // another escape is part of the URI itself
			b.WriteByte('%')
			continue
		}
		i += 2
	}
	return b.String(), nil
}

var escape = strings.NewReplacer("%", "%25", ";", "%3B")

// order is where in the encoded form each byte of a GUID's text lies.
var order = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

func parseGUID(text string) (string, error) {
	plain := strings.ReplaceAll(text, "-", "")
	raw, err := hex.DecodeString(plain)
	if err != nil || len(raw) != 16 || len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return "", fmt.Errorf("%.40q is no GUID", text)
	}
	var encoded [16]byte
	for i, at := range order {
		encoded[at] = raw[i]
	}
	return string(encoded[:]), nil
}

func (n node) text() NodeID {
	text := ""
	if n.uri != "" {
		text = "nsu=" + escape.Replace(n.uri) + ";"
	}
	id := uabin.NodeID{Namespace: n.index, Kind: n.kind, Number: n.number, Bytes: []byte(n.bytes)}
	identifier := string(id.AppendText(nil))
	if n.kind == uabin.GUID {
		head, guid, _ := strings.Cut(identifier, "g=")
		identifier = head + "g=" + strings.ToLower(guid)
	}
	return NodeID(text + identifier)
}

// at returns the node id with its namespace by index, by the server's list of namespaces.
func (n node) at(namespaces []string) (node, error) {
	if n.uri == "" {
		return n, nil
	}
	index := slices.Index(namespaces, n.uri)
	if index < 0 || index > 0xFFFF {
		return n, fmt.Errorf("opcua: the server has no namespace %.200q", n.uri)
	}
	n.uri, n.index = "", uint16(index)
	return n, nil
}

// append appends the encoded form of a node id whose namespace is given by index.
func (n node) append(dst []byte) []byte {
	return uabin.AppendNodeID(dst, n.index, n.kind, n.number, n.bytes)
}

// resolve returns the node id as a request carries it, by the server's list of
// namespaces.
func (n node) resolve(namespaces []string) (*ua.NodeID, error) {
	n, err := n.at(namespaces)
	if err != nil {
		return nil, err
	}
	switch n.kind {
	case uabin.Numeric:
		return ua.NewNumericNodeID(n.index, n.number), nil
	case uabin.Named:
		return ua.NewStringNodeID(n.index, n.bytes), nil
	case uabin.Opaque:
		return ua.NewByteStringNodeID(n.index, []byte(n.bytes)), nil
	}
	id, err := ua.ParseNodeID(string(uabin.NodeID{Namespace: n.index, Kind: n.kind, Bytes: []byte(n.bytes)}.AppendText(nil)))
	if err != nil {
		return nil, fmt.Errorf("opcua: %w", err)
	}
	return id, nil
}
