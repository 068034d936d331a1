package acquiretest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

// A device that is lost and comes back, as a consumer sees it.
func ExampleFake() {
	good := acquire.Sample{Point: 1, Value: acquire.Float64(97.2), Quality: acquire.Good}
	meter := acquiretest.NewFake("meter", []acquire.PointID{1},
		acquiretest.Deliver(good),
		acquiretest.Outage(20*time.Millisecond, errors.New("link was cut")),
		acquiretest.Deliver(good),
	)
	source := acquire.Reconnect(meter, acquire.Backoff{Min: 10 * time.Millisecond})
	ctx := context.Background()
	stream, err := source.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for sample, err := range acquire.Samples(ctx, stream) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(sample.Value, sample.Quality)
	}
	// Output:
	// 97.2 good
	// - bad: communication
	// 97.2 good
}
