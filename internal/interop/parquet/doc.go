// Package interop has captures written as Parquet read by others: DuckDB, Apache Arrow's
// reader in Go, parquet-go; and files of partial aggregates by the reference reader of
// MCAP.
//
// It holds tests alone, which need nothing but Go and a C compiler. DuckDB's module
// brings its library along.
package interop
