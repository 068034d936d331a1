package acquire

import (
	"context"
	"time"
)

// Prober is a Source that can ask whether its device is there and speaks its
// protocol, without reading its points. Find it with As; of a source without it,
// only opening it and its first batch tell.
type Prober interface {
	// Probe asks the device for as little as the protocol allows, over a connection
	// of its own where the source has none open that can be shared. It sends one
	// request, not counting what the protocol needs to connect or to be in step, and
	// repeats none. It may be called at any time, by any goroutine.
	//
	// Without an error the device answered in its protocol; a refusal of the request is
	// an answer too. With one there is none, and QualityOf of it tells why:
	// Communication where nobody answers, Protocol where somebody does who speaks
	// another, Security where the device does not let us in. The error is that of ctx
	// when it ends first.
	Probe(ctx context.Context) (Probe, error)
}

// Probe is the answer of a device to a Prober.
type Probe struct {
	At        Instant       // when the answer came, by the host's clock
	RoundTrip time.Duration // from sending the request to its answer, connecting not included
	Said      string        // what the device answered, in the words of the protocol: print it quoted
}
