package capturetest_test

import (
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/acquire/capture/capturetest"
)

// What the plant delivers today is what it delivered when the golden file was
// made.
func ExampleEqual() {
	_ = func(t *testing.T) {
		catalog := acquire.NewCatalog()
		source := acquiretest.NewFake("meter", nil) // or the source under test
		capturetest.Equal(t, "testdata/plant.jsonl", capturetest.Record(t, source, catalog))
	}
}
