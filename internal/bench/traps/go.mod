module github.com/fieldtap/fieldtap/internal/bench/traps

go 1.26

require (
	github.com/fieldtap/fieldtap v0.0.0
	github.com/gosnmp/gosnmp v1.47.0
)

replace github.com/fieldtap/fieldtap => ../../..
