module github.com/fieldtap/fieldtap/drivers/passive

go 1.26

require (
	github.com/fieldtap/fieldtap v0.0.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/gopcua/opcua v0.9.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/fieldtap/fieldtap => ../..
