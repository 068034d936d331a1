// Package interop has captures written as Parquet read by others: DuckDB and parquet-go,
// through their Go modules, and pyarrow and pandas where Python has them.
//
// It holds tests alone. The test on Python is skipped where pyarrow or pandas is
// missing, which Debian does not package.
package interop
