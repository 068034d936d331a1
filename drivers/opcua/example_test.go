package opcua_test

import (
	"context"
	"fmt"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/units"
)

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
