package snmpwire_test

import (
	"fmt"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// A request is written once; an answer is walked in place.
func Example() {
	uptime, err := snmpwire.AppendOID(nil, "1.3.6.1.2.1.1.3.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	request := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("public"), PDU: snmpwire.PDU{
		Type: snmpwire.ReadRequest, RequestID: 1, Bindings: snmpwire.AppendQuery(nil, uptime),
	}}
	fmt.Printf("%d octets go out\n", len(request.Append(nil)))

	datagram := []byte("\x30\x2b\x02\x01\x01\x04\x06public\xa2\x1e\x02\x01\x01\x02\x01\x00\x02\x01\x00" +
		"\x30\x13\x30\x11\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x43\x05\x00\xff\xff\xff\xff")
	var answer snmpwire.Message
	if err := answer.Parse(datagram); err != nil {
		fmt.Println(err)
		return
	}
	for list := answer.PDU.Bindings; len(list) > 0; {
		var b snmpwire.Binding
		if b, list, err = snmpwire.NextBinding(list); err != nil {
			fmt.Println(err)
			return
		}
		ticks, err := snmpwire.Uint32(b.Value)
		fmt.Printf("%s = %d, %v\n", snmpwire.AppendOIDText(nil, b.Name), ticks, err)
	}
	// Output:
	// 40 octets go out
	// 1.3.6.1.2.1.1.3.0 = 4294967295, <nil>
}
