package parquet_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
	"github.com/fieldtap/fieldtap/units"
)

func Example() {
	catalog := acquire.NewCatalog()
	power, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	if err != nil {
		log.Fatal(err)
	}
	var table bytes.Buffer
	w, err := parquet.NewWriter(&table, parquet.Config{Catalog: catalog})
	if err != nil {
		log.Fatal(err)
	}
	var b acquire.Batch
	b.Append(acquire.Sample{Time: 1790000000_000000000, Point: power, Value: acquire.Float64(97.2), Quality: acquire.Good})
	if err := w.Write(&b); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil { // without it, there is no file
		log.Fatal(err)
	}

	// Back to a capture, here as text.
	r, err := parquet.NewReader(bytes.NewReader(table.Bytes()), int64(table.Len()), parquet.ReaderConfig{})
	if err != nil {
		log.Fatal(err)
	}
	var text bytes.Buffer
	lines := capture.NewJSONWriter(&text, r.Catalog())
	if err := capture.Copy(lines, r); err != nil {
		log.Fatal(err)
	}
	if err := lines.Flush(); err != nil {
		log.Fatal(err)
	}
	fmt.Print(text.String())
	// Output:
	// {"define":"main/P","unit":"kW","kind":"float64","role":"gauge"}
	// {"batch":1,"received":0,"watermark":0,"lost":0}
	// {"time":1790000000000000000,"point":"main/P","value":97.2,"unit":"kW","quality":"good","status":2}
}
