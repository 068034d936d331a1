package acquire

import "context"

// Identifier is a Source that can ask its device what it is. Find it with As; a
// source without it cannot ask.
type Identifier interface {
	// Identify asks the device, over a connection of its own where the source has
	// none open that can be shared. A device that does not say what it is gives an
	// error. It may be called at any time, by any goroutine.
	Identify(ctx context.Context) (Identity, error)
}

// Identity is what a device says it is, in its own words; empty where it says
// nothing. The texts are the device's: print them quoted.
type Identity struct {
	Vendor  string   // who made it
	Product string   // product code or name
	Model   string   // model name
	Version string   // revision of firmware or product
	Serial  string   // serial number
	Name    string   // what its owner calls it
	URL     string   // the vendor's page
	Details []Detail // what else it says, in its order
}

// Detail is one more thing that a device says of itself.
type Detail struct {
	Name string // as the protocol names or numbers it, such as "object 128"
	Text string // in the device's words
}
