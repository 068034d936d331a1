module github.com/fieldtap/fieldtap/drivers/passive

go 1.26

require (
	github.com/fieldtap/fieldtap v0.0.0
	github.com/stretchr/testify v1.12.1
)

require (
	golang.org/x/net v0.55.0 // indirect
	golang.org/x/sys v0.45.0 // indirect
)

require (
	github.com/goburrow/modbus v0.1.0 // indirect
	github.com/goburrow/serial v0.1.0 // indirect
	github.com/gopacket/gopacket v1.7.7
	github.com/gopcua/opcua v0.9.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/fieldtap/fieldtap => ../..
