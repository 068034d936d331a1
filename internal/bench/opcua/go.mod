module github.com/fieldtap/fieldtap/internal/bench/opcua

go 1.26

require (
	github.com/fieldtap/fieldtap v0.0.0
	github.com/gopcua/opcua v0.9.1
)

replace github.com/fieldtap/fieldtap => ../../..
