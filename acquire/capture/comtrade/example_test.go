package comtrade_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/comtrade"
)

// A recording of a relay becomes a capture, here as JSON Lines.
func Example() {
	cfg := `Substation,Relay 7,1999
2,1A,1D
1,IA,A,Feeder,kA,0.001,0.5,0,-32767,32767,600,5,P
1,TRIP,A,Feeder,0
50
1
1000,2
20/11/2026,06:00:00.000000
20/11/2026,06:00:00.001000
ASCII
1
`
	dat := "1,0,1500,0\r\n2,1000,,1\r\n"
	catalog := acquire.NewCatalog()
	r, err := comtrade.NewReader(strings.NewReader(cfg), strings.NewReader(dat), comtrade.Config{Catalog: catalog, Prefix: "relay 7/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var text bytes.Buffer
	w := capture.NewJSONWriter(&text, catalog) // or a capture.Writer
	if err := capture.Copy(w, r); err != nil {
		fmt.Println(err)
	}
	if err := w.Flush(); err != nil {
		fmt.Println(err)
	}
	fmt.Print(text.String())
	// Output:
	// {"define":"relay 7/IA","unit":"kA","kind":"float64","role":"gauge"}
	// {"define":"relay 7/TRIP","unit":"","kind":"bool","role":"state"}
	// {"batch":1,"received":1795154400001000000,"watermark":0,"lost":0,"points":["relay 7/IA","relay 7/TRIP"]}
	// {"time":1795154400000000000,"point":"relay 7/IA","value":2,"unit":"kA","quality":"good [source time]","status":258}
	// {"time":1795154400000000000,"point":"relay 7/TRIP","value":false,"unit":"","quality":"good [source time]","status":258}
	// {"time":1795154400001000000,"point":"relay 7/IA","value":null,"unit":"kA","quality":"bad: sensor [source time]","status":284}
	// {"time":1795154400001000000,"point":"relay 7/TRIP","value":true,"unit":"","quality":"good [source time]","status":258}
}
