package opcuatest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// A pump with one variable, which fails.
func Example() {
	s, err := opcuatest.Start(opcuatest.Config{
		Variables: []opcuatest.Variable{{
			ID: "ns=2;s=Pump.Power", Name: "Power", Step: time.Second, Value: func(time.Time) any { return 7.5 },
			Unit: &opcuatest.Unit{ID: opcuatest.Code("KWT"), Symbol: "kW", Description: "kilowatt"},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := opcua.NewClient(s.URL(), opcua.SecurityMode(ua.MessageSecurityModeNone), opcua.AutoReconnect(false))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ctx)
	v, err := c.Node(ua.NewStringNodeID(2, "Pump.Power")).Value(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Value(), "kW,", s.Stats().Sessions, "session,", s.Stats().Writes, "writes")
	s.Set("ns=2;s=Pump.Power", opcuatest.Reading{Status: 0x808B0000})
	_, err = c.Node(ua.NewStringNodeID(2, "Pump.Power")).Value(ctx)
	fmt.Println(errors.Is(err, ua.StatusBadDeviceFailure))
	// Output:
	// 7.5 kW, 1 session, 0 writes
	// true
}
