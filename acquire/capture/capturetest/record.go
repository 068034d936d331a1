package capturetest

import (
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// Record reads src to its end and returns the name of a capture of it, which is
// removed with the test. The points of src are defined in c. An end that is not
// io.EOF fails t.
func Record(t testing.TB, src acquire.Source, c *acquire.Catalog) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "got"+capture.Extension)
	w, err := capture.Create(name, capture.Config{Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := src.Open(t.Context())
	if err != nil {
		t.Fatalf("open %s: %v", src.Name(), err)
	}
	var b acquire.Batch
	for err == nil {
		if err = stream.Next(t.Context(), &b); err != nil {
			break
		}
		err = w.Write(&b)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("%s did not come to its end: %v", src.Name(), err)
	}
	if err := errors.Join(stream.Close(), w.Close()); err != nil {
		t.Errorf("recording %s: %v", src.Name(), err)
	}
	return name
}
