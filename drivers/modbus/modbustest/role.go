package modbustest

import "crypto/tls"

// role returns the role in the certificate of the client, "" if there is none. The handshake is over: a request has come.
func (c *conn) role() string {
	secure, ok := c.net.(*tls.Conn)
	if !ok {
		return ""
	}
	chain := secure.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return ""
	}
	const utf8String = 0x0C // ASN.1 tag (X.690, section 8.23)
	for _, e := range chain[0].Extensions {
		// A length in one byte: what is longer is nobody's role in a test.
		if e.Id.String() == "1.3.6.1.4.1.50316.802.1" && len(e.Value) >= 2 && e.Value[0] == utf8String && int(e.Value[1]) == len(e.Value)-2 {
			return string(e.Value[2:])
		}
	}
	return ""
}
