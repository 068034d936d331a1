package opcua_test

import (
	"context"
	"fmt"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/units"
)

// Alarms of a plant beside the state of its server, which tells that all is well when
// there is no alarm.
func ExampleEventPoint() {
	store, err := opcua.OpenStore("/var/lib/plant/pki")
	if err != nil {
		fmt.Println(err)
		return
	}
	catalog := acquire.NewCatalog()
	server, err := opcua.NewSource(opcua.Config{
		Client:  opcua.ClientConfig{Endpoint: "opc.tcp://192.0.2.10:4840/plant", Trust: opcua.Trust{Store: store}},
		Catalog: catalog,
		Points:  []opcua.Point{{Name: "server", Node: "i=2259", Kind: acquire.KindInt64, Role: acquire.State}},
		Events:  []opcua.EventPoint{{Name: "alarm", Types: []opcua.NodeID{"i=2915"}, MinSeverity: 500}}, // AlarmConditionType
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	stream, err := acquire.Reconnect(server, acquire.Backoff{}).Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	message, _ := catalog.Lookup("alarm/message")
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, s := range batch.Samples {
			if text, ok := batch.Text(s.Value); ok && s.Point == message {
				fmt.Printf("%s %q\n", s.Time, text)
			}
		}
	}
}

// A power and an energy of a meter behind a server, as they change.
func Example() {
	store, err := opcua.OpenStore("/var/lib/plant/pki")
	if err != nil {
		fmt.Println(err)
		return
	}
	catalog := acquire.NewCatalog()
	server, err := opcua.NewSource(opcua.Config{
		Client: opcua.ClientConfig{
			Endpoint: "opc.tcp://192.0.2.10:4840/plant",
			Trust:    opcua.Trust{Store: store}, // encrypted, and only with servers that are trusted
		},
		Catalog: catalog,
		Points: []opcua.Point{
			{Name: "main/P", Node: "nsu=urn:plant:meters;s=Main.Power", Unit: units.Kilowatt},
			{Name: "main/E", Node: "nsu=urn:plant:meters;s=Main.Energy", Unit: units.KilowattHour, Role: acquire.Counter},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	stream, err := acquire.Reconnect(server, acquire.Backoff{}).Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, s := range batch.Samples {
			fmt.Printf("%s\n", catalog.AppendSample(nil, s, batch))
		}
	}
}
